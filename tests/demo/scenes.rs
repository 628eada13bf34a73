//! What the agent does, and what must come of it.

use http::Method;
use serde_json::{Value, json};

use crate::Services;
use crate::agent::Agent;
use crate::gate::Gate;
use crate::planning::PLANNING_RUN;
use crate::stage::Stage;

/// The task in which the agent books, confirms and cancels.
const BOOKING_RUN: &str = "run_weekend_in_lisbon";

/// The task in which the agent goes in circles.
const LOOP_RUN: &str = "run_endless_search";

/// Same searches that pass: the policy's `identical_calls`.
const PASSING_REPEATS: usize = 3;

/// Refusals by one rule that a run survives: the policy's `denials_same_rule`.
const SURVIVED_REFUSALS: usize = 5;

/// Eleven guests where ten are allowed; the agent reads why, and books for ten.
pub async fn guests(url: &str, services: &Services, stage: &mut Stage) -> Result<(), String> {
    stage.scene("Eleven guests where ten are allowed");
    let agent = Agent::new(url, BOOKING_RUN);
    let found = agent.call(Method::GET, "/search/hotels?city=Lisbon", &Value::Null).await?;
    stage.call("search.hotels city=Lisbon", &Value::Null, &found);
    let args = json!({"hotel": "Casa Azul", "guests": 11});
    let refused = agent.call(Method::POST, "/booking/bookings", &args).await?;
    stage.call("booking.create", &args, &refused);
    stage.expect(
        "refused by booking-limits/booking-ten-guests",
        refused.is_refused() && refused.text("rule") == "booking-limits/booking-ten-guests",
    );
    let violations = refused.body.get("violations").and_then(Value::as_array);
    let told = violations.into_iter().flatten().any(|violation| {
        violation.get("path") == Some(&json!("/args/guests"))
            && violation.get("passes") == Some(&json!("<= 10"))
    });
    stage.expect("the agent is told that /args/guests passes at <= 10", told);
    stage.expect(
        "nothing reached the booking service",
        services.booking.arrived("POST /bookings") == 0,
    );
    let args = json!({"hotel": "Casa Azul", "guests": 10});
    let repaired = agent.call(Method::POST, "/booking/bookings", &args).await?;
    stage.call("booking.create", &args, &repaired);
    stage.expect(
        "ten guests are booked",
        repaired.status == 201 && services.booking.arrived("POST /bookings") == 1,
    );
    Ok(())
}

/// A booking confirmed before its payment was verified; then in the right order.
pub async fn confirmation(url: &str, services: &Services, stage: &mut Stage) -> Result<(), String> {
    stage.scene("Confirmed before the payment was verified");
    let agent = Agent::new(url, BOOKING_RUN);
    let args = json!({"booking_id": "b-42", "amount": 840.0, "currency": "EUR"});
    let paid = agent.call(Method::POST, "/payments/payments", &args).await?;
    stage.call("payments.create", &args, &paid);
    let payment = paid.text("payment_id").to_owned();
    let args = json!({"payment_id": payment});
    let confirm = "/booking/bookings/b-42/confirm";
    let refused = agent.call(Method::POST, confirm, &args).await?;
    stage.call("booking.confirm b-42", &args, &refused);
    stage.expect(
        "refused by verify-before-confirm/verify-before-confirm",
        refused.is_refused()
            && refused.text("rule") == "verify-before-confirm/verify-before-confirm"
            && refused.text("stop_reason") == "precondition_missing",
    );
    stage.expect(
        "no confirmation reached the booking service, and b-42 is still pending",
        services.booking.arrived("POST /bookings/b-42/confirm") == 0
            && services.booking.status("b-42") == Some("pending"),
    );
    let verify = format!("/payments/payments/{payment}/verify");
    let verified = agent.call(Method::POST, &verify, &Value::Null).await?;
    stage.call(&format!("payments.verify {payment}"), &Value::Null, &verified);
    let confirmed = agent.call(Method::POST, confirm, &args).await?;
    stage.call("booking.confirm b-42", &args, &confirmed);
    stage.expect(
        "after the verification b-42 is confirmed",
        confirmed.status == 200 && services.booking.status("b-42") == Some("confirmed"),
    );
    Ok(())
}

/// A cancellation after check-in; another booking may still be cancelled.
pub async fn cancellation(url: &str, services: &Services, stage: &mut Stage) -> Result<(), String> {
    stage.scene("Cancelled after check-in");
    let agent = Agent::new(url, BOOKING_RUN);
    for (booking, passes) in [("b-17", false), ("b-23", true)] {
        let path = format!("/booking/bookings/{booking}");
        let seen = agent.call(Method::GET, &path, &Value::Null).await?;
        stage.call(&format!("booking.get {booking}"), &Value::Null, &seen);
        let reply = agent.call(Method::POST, &format!("{path}/cancel"), &Value::Null).await?;
        stage.call(&format!("booking.cancel {booking}"), &Value::Null, &reply);
        let arrived = services.booking.arrived(&format!("POST /bookings/{booking}/cancel"));
        if passes {
            stage.expect(
                "a booking whose guests have not come is cancelled",
                arrived == 1 && services.booking.status(booking) == Some("cancelled"),
            );
        } else {
            stage.expect(
                "refused by booking-limits/cancel-not-after-check-in",
                reply.is_refused()
                    && reply.text("rule") == "booking-limits/cancel-not-after-check-in",
            );
            stage.expect(
                "no cancellation reached the booking service; the guests keep their room",
                arrived == 0 && services.booking.status(booking) == Some("checked_in"),
            );
        }
    }
    Ok(())
}

/// The same search with the same result, over and over, until the run is stopped.
pub async fn repetition(url: &str, services: &Services, stage: &mut Stage) -> Result<(), String> {
    stage.scene("The same search with the same result, over and over");
    let agent = Agent::new(url, LOOP_RUN);
    let before = services.search.arrived("GET /hotels");
    let search = "/search/hotels?city=Porto";
    let (mut passed, mut refused, mut stopped) = (0, 0, None);
    for number in 1..=PASSING_REPEATS + SURVIVED_REFUSALS + 2 {
        let reply = agent.call(Method::GET, search, &Value::Null).await?;
        // The first of each kind is worth reading.
        let news = match (reply.is_refused(), reply.text("stop_reason"), reply.text("rule")) {
            (false, _, _) => {
                passed += 1;
                passed == 1
            }
            (true, "run_stopped", _) => stopped.is_some(),
            (true, _, "run-budget/denial-spiral") => {
                stopped = Some(number);
                true
            }
            (true, _, _) => {
                refused += 1;
                refused == 1
            }
        };
        if news {
            stage.call(&format!("search.hotels city=Porto (call {number})"), &Value::Null, &reply);
        }
    }
    stage.expect(
        "the first three calls pass, then run-budget/loop-guard refuses",
        passed == PASSING_REPEATS && refused == SURVIVED_REFUSALS,
    );
    stage.expect(
        "an agent that does not listen is stopped by run-budget/denial-spiral",
        stopped == Some(PASSING_REPEATS + SURVIVED_REFUSALS + 1),
    );
    stage.expect(
        "three searches reached the search service, and none after them",
        services.search.arrived("GET /hotels") == before + PASSING_REPEATS,
    );
    let booked = services.booking.arrived("POST /bookings");
    let other = json!({"hotel": "Casa Azul", "guests": 2});
    let late = agent.call(Method::POST, "/booking/bookings", &other).await?;
    stage.call("booking.create", &other, &late);
    stage.expect(
        "the stopped run can do nothing else either",
        late.text("stop_reason") == "run_stopped"
            && services.booking.arrived("POST /bookings") == booked,
    );
    Ok(())
}

/// Three runs, explained from what the gate recorded.
pub fn explained(gate: &Gate, stage: &mut Stage) -> Result<(), String> {
    for (run, wanted) in [
        (BOOKING_RUN, "3 were refused"),
        (LOOP_RUN, "it was stopped by run-budget/denial-spiral (loop_detected)"),
        (PLANNING_RUN, "openai.chat (gpt-4o)"),
    ] {
        stage.scene(&format!("toolgate explain {run}"));
        let told = gate.explain(run)?;
        stage.show(told.trim_end());
        stage.expect(&format!("the explanation says: {wanted}"), told.contains(wanted));
    }
    Ok(())
}
