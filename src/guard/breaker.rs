//! Is the tool given a rest, or its upstream busy? What is taken here is given back when dropped.

use std::time::Duration;

use crate::call::{Known, Refusal, Standing, StopReason};
use crate::clock::Now;
use crate::identify::Call;
use crate::ledger::{Ledger, Slot, Ticket};
use crate::weaken::Hole;

/// When an upstream that is busy is worth asking again.
const BUSY_RETRY_AFTER: Duration = Duration::from_secs(1);

/// Leave to call a tool now.
#[derive(Debug, Default)]
pub struct Leave {
    /// One of the calls that the upstream may have at a time.
    pub slot: Option<Slot>,
    /// The breaker's leave for the first attempt.
    pub ticket: Option<Ticket>,
    /// The breaker gives none: only an earlier answer may be given, or else this.
    pub resting: Option<Refusal>,
}

/// Asks for leave.
///
/// # Errors
/// `too_many_in_flight`; `circuit_open`, unless an earlier answer may stand in.
pub(super) fn enter(
    call: &Call,
    ledger: &Ledger,
    now: Now,
    known: &mut Known,
) -> Result<Leave, Refusal> {
    let mut leave = Leave::default();
    match call.standing {
        Standing::Tool => {}
        // A stream may stay open for as long as its session.
        Standing::Protocol => return Ok(leave),
    }
    let plan = &call.plan.resilience;
    // The upstream first: its places are many, a breaker's probes are few.
    if let Some(limit) = plan.in_flight.filter(|_| !Hole::NoInFlight.is_open()) {
        let slot = ledger.upstreams.slot(&call.upstream, limit);
        leave.slot = Some(slot.ok_or_else(|| busy(&call.upstream, limit))?);
    }
    let breaker = plan.breaker.filter(|_| !Hole::NoBreaker.is_open());
    let Some(breaker) = breaker else { return Ok(leave) };
    match ledger.breakers.enter(&call.rested_as(), &call.upstream, breaker, now) {
        Ok(ticket) => {
            known.breaker = Some(ticket.state().name());
            leave.ticket = Some(ticket);
            Ok(leave)
        }
        Err(resting) => {
            known.breaker = Some(resting.state.name());
            let refusal = self::resting(&call.tool.name, resting.after);
            if plan.fallback.is_none() {
                return Err(refusal);
            }
            Ok(Leave { resting: Some(refusal), ..Leave::default() })
        }
    }
}

fn busy(upstream: &str, limit: u32) -> Refusal {
    let message = format!(
        "{limit} calls to {upstream} are in flight, and it takes no more at a time. Wait for \
         answers before you send more."
    );
    let mut refusal = Refusal::without_rule(StopReason::TooManyInFlight, message);
    refusal.retry_after = Some(BUSY_RETRY_AFTER);
    refusal
}

fn resting(tool: &str, after: Duration) -> Refusal {
    let seconds = after.as_millis().div_ceil(1_000).max(1);
    let message = format!(
        "{tool} has been failing and is given a rest; it is tried again in {seconds} s. Do other \
         work until then."
    );
    let mut refusal = Refusal::without_rule(StopReason::CircuitOpen, message);
    refusal.retry_after = Some(after);
    refusal
}
