//! What happens to calls when their tool fails: retries, breaker, fallback, unknown outcomes.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;
use smallvec::SmallVec;

use crate::policy::expr::Program;

/// What the config says of a tool that fails. Nothing of it is on unless it was written.
#[derive(Clone, Debug, Default)]
pub struct Resilience {
    pub retry: Option<RetryPlan>,
    pub breaker: Option<BreakerPlan>,
    /// Calls to the whole upstream at one time.
    pub in_flight: Option<u32>,
    /// Only of a tool that reads.
    pub fallback: Option<FallbackPlan>,
    /// The header that makes a repetition of a request the same request.
    pub idempotency: Option<HeaderName>,
    /// Tools of which one later success shows what became of a write.
    pub read_back: Arc<[Arc<str>]>,
    /// An identical call waits until the one in flight has ended.
    pub at_most_once: bool,
    /// Whether an answer says that the call failed, whatever its status.
    pub tool_error: Option<Arc<Program>>,
    /// Longest wait for the head of an answer, in place of the upstream's.
    pub timeout: Option<Duration>,
}

/// When and how often a failed attempt is made again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryPlan {
    /// Attempts in all, the first included.
    pub attempts: u32,
    /// Each once.
    pub on: SmallVec<[RetryOn; 8]>,
    /// Retries to a hundred calls of the upstream in the recent past.
    pub budget_percent: u32,
    /// The longest wait before the second attempt; it doubles with each one.
    pub backoff: Duration,
    /// The longest wait before any attempt, unless the tool asks for more.
    pub backoff_limit: Duration,
}

/// A failure after which an attempt may be made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryOn {
    /// No connection: nothing was sent.
    Connect,
    /// No answer in time.
    Timeout,
    /// The connection was closed without an answer.
    Reset,
    /// An answer with this status.
    Status(u16),
}

/// When a tool is given a rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerPlan {
    /// Failures within the window that open it.
    pub failures: u32,
    /// The failures' share of all that ended in the window must be as large, in percent.
    pub share_percent: u32,
    /// The window's length.
    pub within: Duration,
    /// How long nothing is let through.
    pub open_for: Duration,
    /// Calls let through to try the tool, and successes that close it.
    pub probes: u32,
    /// An answer that says that it failed counts as a failure.
    pub tool_errors: bool,
}

/// How long and how much is kept of a tool's answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FallbackPlan {
    /// The greatest age of an answer that is given again.
    pub stale_for: Duration,
    /// The longest body that is kept, in bytes.
    pub limit_bytes: usize,
}

impl RetryPlan {
    /// Whether an attempt that failed so may be made again, the call allowing it.
    pub fn covers(&self, failure: RetryOn) -> bool {
        self.on.contains(&failure)
    }
}
