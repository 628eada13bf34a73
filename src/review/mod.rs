//! Answer -> reviewed answer: what something needs whole is held back until all of it is there,
//! judged, changed, and only then handed on. Answers that nothing reads never come here.

mod collect;
mod contract;
mod judge;
mod message;
mod read;
mod sieve;

#[cfg(test)]
mod tests;

use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body::Body;
use http_body_util::Full;

pub use collect::Store;
pub use judge::{Answer, Passed, decide, forget_body, judge};
pub use message::{Reviewed, judge_message, judge_unread};
pub use read::Content;
pub use sieve::{Fate, Judge, Piece, Sieve};

use crate::call::{Known, Plan, Refusal, StopReason};
use crate::clock::Clock;
use crate::forward::{Measure, RESULT_CAPTURE_LIMIT_BYTES, Tail};
use crate::guard::Admitted;
use crate::json::Hasher;
use crate::policy::decide::Finding;
use crate::policy::set::Applicable;

/// A reviewed answer.
pub struct Review {
    /// Of the answer as the tool sent it.
    pub measure: Measure,
    pub outcome: Outcome,
}

/// What becomes of the answer.
pub enum Outcome {
    /// It is handed on, with what the agent should be told.
    Pass(Response<Full<Bytes>>, Vec<Finding>),
    /// The tool was called, but the agent does not get its answer.
    Withhold(Refusal),
    /// The tool broke off: there is nothing to hand on.
    Broken,
}

/// How an answer is collected.
pub struct How<'g> {
    /// Makes its digest.
    pub hasher: Hasher,
    pub store: &'g Store,
    /// Longest silence within it.
    pub idle: Duration,
    /// It was remembered from an earlier call.
    pub stale: bool,
}

/// Whether answers to such calls must be there as a whole before the agent gets any of them. Other
/// things that read answers are asked for here and have their say in [`review`].
pub fn needs_whole(applicable: &Applicable, plan: &Plan) -> bool {
    let contract = plan.contract.as_ref().is_some_and(|contract| contract.withholds());
    applicable.judges_results() || plan.output.max_bytes.is_some() || contract
}

/// Collects an answer and judges it.
pub async fn review<B>(
    admitted: &Admitted,
    answer: Response<B>,
    how: How<'_>,
    clock: &Clock,
    known: &mut Known,
) -> Review
where
    B: Body<Data = Bytes> + Unpin,
{
    let (mut parts, body) = answer.into_parts();
    let limit = admitted.call().plan.output.max_bytes.unwrap_or(RESULT_CAPTURE_LIMIT_BYTES);
    let (measure, _room) = collect::collect(body, how.hasher.clone(), limit, &how).await;
    let outcome = match (&measure.kept, measure.tail) {
        (_, Tail::Broken { .. } | Tail::Abandoned) => Outcome::Broken,
        (None, Tail::Whole) => Outcome::Withhold(too_large(limit)),
        (Some(bytes), Tail::Whole) => {
            let judged = contract::keeps(admitted, &parts, bytes).and_then(|()| {
                judge(admitted, &Answer::of(&parts, bytes, how.stale), clock.now(), known)
            });
            match judged {
                Err(refusal) => Outcome::Withhold(*refusal),
                Ok(Passed { changed, notes }) => {
                    if changed.is_some() {
                        forget_body(&mut parts.headers);
                    }
                    let body = changed.unwrap_or_else(|| bytes.clone());
                    Outcome::Pass(Response::from_parts(parts, Full::new(body)), notes)
                }
            }
        }
    };
    Review { measure, outcome }
}

/// The refusal of an answer that is longer than `limit` bytes.
pub fn too_large(limit: usize) -> Refusal {
    let message = format!(
        "It is larger than the {limit} bytes that are let through whole, or than there is room for \
         at this moment. Ask for less: a filter, a page, fewer fields."
    );
    let refusal = Refusal::without_rule(StopReason::ResultTooLarge, message);
    Refusal { executed: true, ..refusal }
}
