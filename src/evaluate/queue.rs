//! The one task that asks the judge: a few questions at a time, each once, each within its time.

use std::sync::{Arc, Weak};

use bytes::Bytes;
use http::StatusCode;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::spend::Spend;
use super::{Case, Evaluation, Evaluations, Failure, Outcome, Plan, answer, question};
use crate::clock::Clock;
use crate::evaluate::Rubric;
use crate::forward::{AsideError, Upstream};

/// Runs that are judged at the same time.
const CONCURRENT_LIMIT_RUNS: usize = 2;

/// Largest answer of a judge.
const ANSWER_LIMIT_BYTES: usize = 256 * 1024;

/// Where chat completions are, below the judge's URL.
const PATH: &str = "/chat/completions";

/// Asks the judge.
pub(super) struct Worker(Arc<Desk>);

/// What all questions share.
struct Desk {
    plan: Plan,
    upstream: Upstream,
    clock: Clock,
    spend: Mutex<Spend>,
    told: Weak<dyn Evaluations>,
}

impl Worker {
    pub fn new(plan: Plan, upstream: Upstream, clock: Clock, told: Weak<dyn Evaluations>) -> Self {
        let spend = Mutex::new(Spend::new(plan.per_hour));
        Self(Arc::new(Desk { plan, upstream, clock, spend, told }))
    }

    /// Judges what comes until nothing can come any more.
    pub async fn work(self, mut cases: mpsc::Receiver<Case>) {
        let mut under_way = JoinSet::new();
        while let Some(case) = cases.recv().await {
            while under_way.len() >= CONCURRENT_LIMIT_RUNS {
                under_way.join_next().await;
            }
            let desk = Arc::clone(&self.0);
            under_way.spawn(async move { desk.judge(&case).await });
        }
        while under_way.join_next().await.is_some() {}
    }
}

impl Desk {
    /// Asks by each rubric, one after the other.
    async fn judge(&self, case: &Case) {
        for rubric in &*self.plan.rubrics {
            let begun = self.clock.now();
            let outcome = if rubric.needs_contents && !case.transcript.has_contents() {
                Outcome::Undecidable
            } else if self.spend.lock().take(begun) {
                let outcome = self.ask(rubric, case).await.unwrap_or_else(Outcome::Failed);
                if case.transcript.has_contents() { outcome } else { outcome.unexplained() }
            } else {
                if let Some(told) = self.told.upgrade() {
                    told.skipped(&rubric.name);
                }
                continue;
            };
            let Some(told) = self.told.upgrade() else { return };
            told.evaluated(Evaluation {
                name: rubric.name.clone(),
                outcome,
                about: Arc::clone(&case.about),
                begun,
                took: self.clock.now().since(begun.mono),
            });
        }
    }

    /// One question; it is not asked again.
    async fn ask(&self, rubric: &Rubric, case: &Case) -> Result<Outcome, Failure> {
        let body = Bytes::from(question::body(&self.plan.model, rubric, case));
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let asking = self.upstream.post_aside(PATH, headers, body, ANSWER_LIMIT_BYTES);
        let answered = tokio::time::timeout(self.plan.timeout, asking).await;
        let (status, body) = answered.map_err(|_| Failure::Timeout)?.map_err(Failure::from)?;
        if status != StatusCode::OK {
            return Err(Failure::Status(status.as_u16()));
        }
        answer::read(body, rubric)
    }
}

impl From<AsideError> for Failure {
    fn from(error: AsideError) -> Self {
        match error {
            AsideError::Unreachable => Self::Unreachable,
            AsideError::TooLarge => Self::TooLarge,
            AsideError::BrokenOff => Self::NotACompletion,
        }
    }
}
