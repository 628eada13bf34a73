//! Has an identical write been sent of which nobody knows whether it happened?

use std::sync::Arc;

use crate::call::{Known, Refusal, StopReason};
use crate::clock::Now;
use crate::identify::{Call, SentKey};
use crate::ledger::{Doubt, Reservation, Watched, Write};
use crate::weaken::Hole;

/// Longest part of an idempotency key that is recorded, in characters.
const SHOWN_KEY_LIMIT: usize = 128;

/// A write that may be sent.
#[derive(Default)]
pub struct Begun {
    /// Absent for a call that only reads.
    pub watched: Option<Watched>,
    /// Under which a repetition of the request is the same request: the agent's, or the gate's own.
    pub key: Option<Arc<str>>,
}

/// Watches a write from here on; a call that only reads has nothing to be watched for.
///
/// # Errors
/// `outcome_unknown`; `malformed` for an idempotency key that is none.
pub(super) fn begin(
    call: &Call,
    reservation: &Reservation,
    now: Now,
    known: &mut Known,
) -> Result<Begun, Refusal> {
    if !call.tool.effect.changes() {
        return Ok(Begun::default());
    }
    let sent = call.sent_key();
    let key = match sent {
        SentKey::NotDeclared => None,
        SentKey::One(key) => Some(Arc::from(key)),
        SentKey::Unreadable => return Err(unreadable()),
        SentKey::Absent => {
            let unknown = &reservation.ledger().unknown;
            // The same write again is the same request: it goes under the key that it had.
            let earlier = unknown.key_of(&call.caller, &call.tool.name, call.key);
            let earlier = earlier.filter(|_| !Hole::FreshKeys.is_open());
            Some(earlier.unwrap_or_else(|| fresh_key(now)))
        }
    };
    known.idempotency_key = key.as_deref().map(shown);
    let run = reservation.run_id();
    let mut write = Write::new(&call.caller, &call.tool.name, call.key, run, &call.plan);
    if let Some(key) = &key {
        write = write.under(key.clone(), matches!(sent, SentKey::One(_)));
    }
    match reservation.watch(write, now) {
        Ok(watched) => Ok(Begun { watched: Some(watched), key }),
        Err(doubt) => Err(doubtful(&doubt, call)),
    }
}

/// A key that no other request has.
fn fresh_key(now: Now) -> Arc<str> {
    let millis = u64::try_from(now.wall_ms).unwrap_or_default();
    let random = u128::from(fastrand::u64(..)) << 16 | u128::from(fastrand::u16(..));
    Arc::from(format!("tg_{}", ulid::Ulid::from_parts(millis, random)))
}

fn shown(key: &str) -> Arc<str> {
    key.chars().take(SHOWN_KEY_LIMIT).collect::<String>().into()
}

fn unreadable() -> Refusal {
    let message =
        "The idempotency key stands twice, is empty, or has characters that cannot be read.";
    Refusal::without_rule(StopReason::Malformed, message)
}

fn doubtful(doubt: &Doubt, call: &Call) -> Refusal {
    let message = match doubt {
        Doubt::InFlight => "The same call is in flight and may be made only once at a time. Wait \
             for its answer."
            .to_owned(),
        Doubt::Full => "The outcomes of too many earlier calls are unknown. An operator has to \
             look at them."
            .to_owned(),
        Doubt::Unknown { id, read_back } => {
            let look = match (&**read_back, &call.plan.resilience.idempotency) {
                ([], None) => format!("An operator has to look and clear {id}."),
                ([], Some(header)) => {
                    format!("Send the same {header} as before, or have an operator clear {id}.")
                }
                (tools, _) => format!("Look first: call {}.", tools.join(" or ")),
            };
            format!("The same call was sent before and not answered: it may have happened. {look}")
        }
    };
    Refusal::without_rule(StopReason::OutcomeUnknown, message)
}
