//! What becomes of a failing tool, and what the operator may do: approve, and switch off.

use http::Method;
use serde_json::{Value, json};

use crate::Services;
use crate::agent::Agent;
use crate::gate::Gate;
use crate::stage::Stage;

/// The task that meets a failing service.
const OUTAGE_RUN: &str = "run_currency_check";

/// The task in which a payment is given back.
const REFUND_RUN: &str = "run_refund_for_lisbon";

/// Failures after which the breaker of the rates service opens: the config's `breaker.failures`.
const FAILURES: usize = 3;

/// A service that fails: what it said last is answered, marked stale; what it never said cannot be,
/// and after the third failure nothing is sent to it any more.
pub async fn outage(url: &str, services: &Services, stage: &mut Stage) -> Result<(), String> {
    stage.scene("The rates service goes down");
    let agent = Agent::new(url, OUTAGE_RUN);
    let known = "/rates/rates/EUR-USD";
    let fresh = agent.call(Method::GET, known, &Value::Null).await?;
    stage.call("rates.get EUR-USD", &Value::Null, &fresh);
    services.rates.set_down(true);
    stage.say("  (the service is taken down: it answers 503)");
    let stale = agent.call(Method::GET, known, &Value::Null).await?;
    stage.call("rates.get EUR-USD", &Value::Null, &stale);
    stage.expect(
        "the last good answer is given, marked stale",
        stale.status == 200 && stale.body == fresh.body && stale.is_stale,
    );
    for number in 1..FAILURES {
        let path = format!("/rates/rates/EUR-CH{number}");
        let failed = agent.call(Method::GET, &path, &Value::Null).await?;
        stage.expect("a rate that was never seen is not made up", failed.status == 503);
    }
    let arrived = services.rates.arrived_in_all();
    let refused = agent.call(Method::GET, "/rates/rates/EUR-JPY", &Value::Null).await?;
    stage.call("rates.get EUR-JPY", &Value::Null, &refused);
    stage.expect(
        "after three failures the breaker is open: refused at once, with the time to come back",
        refused.text("stop_reason") == "circuit_open"
            && refused.is_refused()
            && services.rates.arrived_in_all() == arrived,
    );
    services.rates.set_down(false);
    Ok(())
}

/// A refund that a human must approve: exactly this one, and once.
pub async fn approval(gate: &Gate, services: &Services, stage: &mut Stage) -> Result<(), String> {
    stage.scene("A refund over 500 needs a human");
    let agent = Agent::new(&gate.url, REFUND_RUN);
    let (path, line) = ("/payments/payments/p-70/refund", "POST /payments/p-70/refund");
    let args = json!({"amount": 840.0});
    let pending = agent.call(Method::POST, path, &args).await?;
    stage.call("payments.refund p-70", &args, &pending);
    let approval = pending.body.get("approval").and_then(|approval| approval.get("id"));
    let approval = approval.and_then(Value::as_str).unwrap_or_default().to_owned();
    stage.expect(
        "refused until it is approved, with the number of the request",
        pending.text("stop_reason") == "approval_required" && !approval.is_empty(),
    );
    stage.say(&format!("  operator  toolgate approvals approve {approval}"));
    gate.operate(&["approvals", "approve", &approval])?;
    let other = json!({"amount": 841.0});
    let swapped = agent.call(Method::POST, path, &other).await?;
    stage.call("payments.refund p-70", &other, &swapped);
    stage.expect("another amount is not what was approved", swapped.is_refused());
    let passed = agent.call(Method::POST, path, &args).await?;
    stage.call("payments.refund p-70", &args, &passed);
    stage.expect(
        "the approved call passes",
        passed.status == 200 && services.payments.arrived(line) == 1,
    );
    let again = agent.call(Method::POST, path, &args).await?;
    stage.call("payments.refund p-70", &args, &again);
    stage.expect(
        "and passes once: the money went back one time",
        again.is_refused() && services.payments.arrived(line) == 1,
    );
    Ok(())
}

/// Everything that writes is switched off, and on again; reading goes on.
pub async fn kill_switch(
    gate: &Gate,
    services: &Services,
    stage: &mut Stage,
) -> Result<(), String> {
    stage.scene("The operator pulls the kill switch");
    let agent = Agent::new(&gate.url, REFUND_RUN);
    let booked = services.booking.arrived("POST /bookings");
    stage.say("  operator  toolgate kill writes --reason \"odd bookings\"");
    let told = gate.operate(&["kill", "writes", "--reason", "odd bookings", "--output", "json"])?;
    let told: Value = serde_json::from_str(&told).map_err(|error| format!("{told}: {error}"))?;
    let id = told.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
    let args = json!({"hotel": "Casa Azul", "guests": 2});
    let refused = agent.call(Method::POST, "/booking/bookings", &args).await?;
    stage.call("booking.create", &args, &refused);
    stage.expect(
        "a booking is refused, and did not reach the service",
        refused.text("stop_reason") == "killed"
            && services.booking.arrived("POST /bookings") == booked,
    );
    let seen = agent.call(Method::GET, "/booking/bookings/b-17", &Value::Null).await?;
    stage.call("booking.get b-17", &Value::Null, &seen);
    stage.expect("looking is still allowed", seen.status == 200);
    stage.say(&format!("  operator  toolgate kill --lift {id}"));
    gate.operate(&["kill", "--lift", &id])?;
    let passed = agent.call(Method::POST, "/booking/bookings", &args).await?;
    stage.call("booking.create", &args, &passed);
    stage.expect("lifted, the booking is made", passed.status == 201);
    Ok(())
}
