//! Admitted -> answer: the request as it was judged goes to the upstream that the config names,
//! and nowhere else.

mod aside;
mod attempt;
mod body;
mod connect;
mod connector;
mod content;
mod form;
mod handover;
mod headers;
mod remembered;
mod retry;
mod send;
mod wire;

use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body_util::Full;

use crate::call::{Outcome, Plan};
use crate::guard::Admitted;
use crate::policy::set::Applicable;

pub use aside::AsideError;
pub use body::{Finish, Hearing, Measure, Metered, RESULT_CAPTURE_LIMIT_BYTES, Sift, Tail, Wishes};
pub use connect::{ConnectError, Upstream, UpstreamSpec};
pub use connector::{InTime, READ_LIMIT_BYTES, TlsError};
pub use content::{Content, ContentError, Held, Keeper, Over};
pub use form::Form;
pub use remembered::Remembered;
pub use send::{Errand, send};

/// An answer that has begun, or the reason why there is none.
pub struct Forwarded {
    pub admitted: Admitted,
    pub answer: Result<Response<Content>, Outcome>,
    pub trip: Trip,
}

/// How an answer was come by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trip {
    /// Attempts made to reach the tool.
    pub attempts: u32,
    /// An attempt before the last may have done what was asked.
    pub in_doubt: bool,
    /// Attempts before the last that a model may have charged for, though they gave no answer.
    pub charged: u32,
    /// The age of an answer that was remembered.
    pub stale: Option<Duration>,
}

/// Whether a loaded rule reads results of the tool, now or at a later call, its schema is held
/// against them, its cost is read from them, or they are asked whether they say that they failed.
pub fn keeps_result(applicable: &Applicable, plan: &Plan) -> bool {
    applicable.reads_results()
        || plan.cost.reads_result()
        || plan.contract.as_ref().is_some_and(|contract| contract.has_responses())
        || plan.resilience.tool_error.is_some()
}

/// Longest wait for a connection, an answer and the next piece of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    pub connect: Duration,
    /// From the request's last byte to the answer's head.
    pub response: Duration,
    /// Between two pieces of the answer's body.
    pub idle: Duration,
}

/// The body of every answer this gate gives.
pub type AnswerBody = http_body_util::Either<Metered, Full<Bytes>>;
