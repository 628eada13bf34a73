//! Whether a failed attempt is made again, and after how long a wait.

use std::time::Duration;

use http::header::{HeaderMap, RETRY_AFTER};
use http::{Response, StatusCode};

use crate::call::plan::{RetryOn, RetryPlan};
use crate::call::{Came, ErrorClass};
use crate::clock::Now;
use crate::ledger::Health;
use crate::protocol::llm::Order;

/// The longest wait a tool may ask for with `Retry-After`. When it asks for more, its answer goes
/// to the agent, who has better things to do than to wait.
const WAIT_LIMIT: Duration = Duration::from_secs(30);

/// Doublings of the wait, so that none overflows.
const DOUBLINGS_LIMIT: u32 = 20;

/// What came of one attempt.
#[derive(Debug)]
pub(super) enum Tried<B> {
    Answered(Response<B>),
    /// No answer; nothing of the request left this process.
    Unsent,
    /// No answer, and the request may have reached the tool.
    Lost(ErrorClass),
}

/// Whether making the attempt again can do harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeat {
    /// The call only reads, or carries an idempotency key.
    Harmless,
    /// Only while it is certain that it was not sent.
    Harmful,
}

impl<B> Tried<B> {
    /// What it was, when it was a failure.
    pub fn failure(&self) -> Option<RetryOn> {
        match self {
            Self::Unsent => Some(RetryOn::Connect),
            Self::Lost(ErrorClass::Timeout) => Some(RetryOn::Timeout),
            Self::Lost(_) => Some(RetryOn::Reset),
            Self::Answered(response) => {
                let status = response.status();
                let failed = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
                failed.then(|| RetryOn::Status(status.as_u16()))
            }
        }
    }

    /// The same, for the record.
    pub fn came(&self) -> Came {
        match self {
            Self::Answered(response) => Came::Status(response.status().as_u16()),
            Self::Unsent => Came::Failed(ErrorClass::Connect),
            Self::Lost(class) => Came::Failed(*class),
        }
    }

    /// Whether a model may have run, and be charged for, though there is no answer of it.
    pub fn may_be_charged(&self) -> bool {
        match self {
            Self::Unsent => false,
            Self::Lost(_) => true,
            Self::Answered(response) => Order::is_doubtful(response.status()),
        }
    }

    /// How long the tool asked to be left alone.
    pub fn rest(&self, now: Now) -> Option<Duration> {
        match self {
            Self::Answered(response) => rest(response.headers(), now),
            Self::Unsent | Self::Lost(_) => None,
        }
    }

    /// What it says of the tool's health.
    pub fn health(&self, now: Now) -> Health {
        let rest = self.rest(now);
        match self.failure() {
            None => Health::Answered,
            // Without a word on how long, it is about this caller's pace and not the tool's health.
            Some(RetryOn::Status(429)) if rest.is_none() => Health::Answered,
            Some(RetryOn::Status(_) | RetryOn::Connect | RetryOn::Timeout | RetryOn::Reset) => {
                Health::Failed { rest }
            }
        }
    }
}

/// The wait before the next attempt, when there may be one. `made` attempts were made, at least one;
/// `roll` is drawn evenly from 0 to 1.
pub(super) fn wait<B>(
    plan: &RetryPlan,
    tried: &Tried<B>,
    repeat: Repeat,
    made: u32,
    roll: f64,
    now: Now,
) -> Option<Duration> {
    let failure = tried.failure()?;
    let allowed = match (repeat, tried) {
        (Repeat::Harmless, _) | (Repeat::Harmful, Tried::Unsent) => true,
        (Repeat::Harmful, Tried::Answered(_) | Tried::Lost(_)) => false,
    };
    if !allowed || made >= plan.attempts || !plan.covers(failure) {
        return None;
    }
    let asked = tried.rest(now).unwrap_or_default();
    (asked <= WAIT_LIMIT).then(|| backoff(plan, made, roll).max(asked))
}

/// Exponential back-off with full jitter: anything from nothing to a bound that doubles.
fn backoff(plan: &RetryPlan, made: u32, roll: f64) -> Duration {
    let doublings = made.saturating_sub(1).min(DOUBLINGS_LIMIT);
    let bound = plan.backoff.saturating_mul(1_u32 << doublings).min(plan.backoff_limit);
    bound.mul_f64(roll.clamp(0.0, 1.0))
}

/// The value of `Retry-After`: seconds or a date (RFC 9110, section 10.2.3).
fn rest(headers: &HeaderMap, now: Now) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than we count in are a very long time.
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let date = chrono::DateTime::parse_from_rfc2822(text).ok()?;
    let ahead = date.timestamp_millis().saturating_sub(now.wall_ms);
    Some(Duration::from_millis(u64::try_from(ahead).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use smallvec::smallvec;

    use super::*;

    const NOW: Now = Now { mono: Duration::ZERO, wall_ms: 1_445_412_470_000 };

    fn plan() -> RetryPlan {
        RetryPlan {
            attempts: 4,
            on: smallvec![RetryOn::Connect, RetryOn::Timeout, RetryOn::Status(503)],
            budget_percent: 20,
            backoff: Duration::from_millis(100),
            backoff_limit: Duration::from_millis(300),
        }
    }

    fn answered(status: u16, after: Option<&str>) -> Tried<()> {
        let mut response = Response::builder().status(status);
        if let Some(after) = after {
            response = response.header(RETRY_AFTER, after);
        }
        Tried::Answered(response.body(()).unwrap())
    }

    #[test]
    fn waits_double_up_to_their_bound_and_are_jittered_fully() {
        let wait = |made, roll| {
            wait(&plan(), &answered(503, None), Repeat::Harmless, made, roll, NOW)
                .map(|wait| wait.as_millis())
        };
        assert_eq!(wait(1, 1.0), Some(100));
        assert_eq!(wait(2, 1.0), Some(200));
        assert_eq!(wait(3, 1.0), Some(300));
        assert_eq!(wait(4, 1.0), None);
        assert_eq!(wait(2, 0.0), Some(0));
        assert_eq!(wait(2, 0.25), Some(50));
        let mut rng = fastrand::Rng::with_seed(7);
        let drawn: Vec<u128> = (0..1_000).filter_map(|_| wait(2, rng.f64())).collect();
        assert!(drawn.iter().all(|wait| *wait <= 200));
        let spread =
            |from: u128| drawn.iter().filter(|wait| (from..from + 50).contains(*wait)).count();
        assert!([0, 50, 100, 150].into_iter().all(|from| spread(from) > 200), "{drawn:?}");
    }

    #[test]
    fn a_harmful_call_is_made_again_only_when_it_was_not_sent() {
        let made = |tried: &Tried<()>, repeat| wait(&plan(), tried, repeat, 1, 0.5, NOW).is_some();
        assert!(made(&Tried::Unsent, Repeat::Harmful));
        for tried in [Tried::Lost(ErrorClass::Timeout), answered(503, None)] {
            assert!(!made(&tried, Repeat::Harmful));
            assert!(made(&tried, Repeat::Harmless));
        }
        assert!(!made(&Tried::Lost(ErrorClass::MalformedResponse), Repeat::Harmless), "not named");
        assert!(!made(&answered(500, None), Repeat::Harmless), "not named");
        assert!(!made(&answered(200, None), Repeat::Harmless));
    }

    #[test]
    fn what_the_tool_asks_for_is_obeyed_and_bounded() {
        let wait =
            |after| wait(&plan(), &answered(503, Some(after)), Repeat::Harmless, 1, 0.0, NOW);
        assert_eq!(wait("2"), Some(Duration::from_secs(2)));
        assert_eq!(wait("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::from_secs(10)));
        assert_eq!(wait("Wed, 21 Oct 2014 07:28:00 GMT"), Some(Duration::ZERO));
        assert_eq!(wait("soon"), Some(Duration::ZERO));
        assert_eq!(wait("31"), None);
        assert_eq!(wait("99999999999999999999999999"), None);
        assert_eq!(wait("+2"), Some(Duration::ZERO), "no number of seconds");
    }

    #[test]
    fn only_failures_of_the_tool_say_something_of_its_health() {
        let health = |tried: Tried<()>| tried.health(NOW);
        for status in [200, 302, 400, 401, 404, 409, 429] {
            assert_eq!(health(answered(status, None)), Health::Answered, "{status}");
        }
        for status in [500, 502, 503, 504] {
            assert_eq!(health(answered(status, None)), Health::Failed { rest: None });
        }
        let rest = Some(Duration::from_secs(7));
        assert_eq!(health(answered(429, Some("7"))), Health::Failed { rest });
        assert_eq!(health(Tried::Unsent), Health::Failed { rest: None });
        assert_eq!(health(Tried::Lost(ErrorClass::Timeout)), Health::Failed { rest: None });
    }
}
