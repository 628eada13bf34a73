//! What an admitted call holds: it is settled with the outcome or, on every other exit, released.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use smallvec::SmallVec;

use crate::call::{RunId, Status};
use crate::clock::Now;
use crate::ledger::scope::Scope;
use crate::ledger::visit::Visit;
use crate::policy::history::{Captured, Step};
use crate::policy::model::Per;

/// What a call has to do with one limit once it has ended.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    pub per: Per,
    pub limit: Arc<str>,
    /// When one call was taken of it, as its scope noted it; absent when none was.
    pub taken: Option<Duration>,
    /// A failure is counted under it.
    pub counts_errors: bool,
}

/// How an admitted call ended, as far as the run's memory is concerned.
pub struct Settlement {
    pub tool: Arc<str>,
    pub status: Status,
    pub call_key: u64,
    pub result_key: u64,
    pub captured: Vec<Captured>,
    /// Time spent waiting for the tool.
    pub upstream: Duration,
}

/// Proof that a call was admitted. Dropped without [`Reservation::settle`] it is released if the
/// request was never sent, and otherwise settled as a call whose end is not known.
pub struct Reservation {
    visit: Visit,
    claims: SmallVec<[Claim; 4]>,
    sent: AtomicBool,
    settled: bool,
}

impl Reservation {
    pub(super) fn new(visit: Visit, claims: SmallVec<[Claim; 4]>) -> Self {
        Self { visit, claims, sent: AtomicBool::new(false), settled: false }
    }

    /// Position of this call in its run, from 1.
    pub fn step(&self) -> u64 {
        self.visit.step()
    }

    /// The run's id.
    pub fn run_id(&self) -> &RunId {
        self.visit.run_id()
    }

    /// Says that bytes of the request may reach the tool from now on: it counts as used.
    pub fn mark_sent(&self) {
        self.sent.store(true, Ordering::Release);
    }

    /// Says that, after all, no byte of the request left: it is released unless it is sent again.
    pub fn mark_unsent(&self) {
        self.sent.store(false, Ordering::Release);
    }

    /// Whether the request may have reached the tool.
    pub fn was_sent(&self) -> bool {
        self.sent.load(Ordering::Acquire)
    }

    /// Enters the outcome into the run's history and turns what was reserved into use.
    pub fn settle(mut self, settlement: Settlement, now: Now) {
        let Settlement { tool, status, call_key, result_key, captured, upstream } = settlement;
        let step = Step {
            tool,
            ended: now.mono,
            succeeded: status == Status::Ok,
            call_key,
            result_key,
            captured,
        };
        self.settled = true;
        self.close(Some(step), status, upstream, now);
    }

    fn close(&self, step: Option<Step>, status: Status, upstream: Duration, now: Now) {
        let mut state = self.visit.run.state.lock();
        state.note_outcome(status, upstream, now);
        if let Some(step) = step {
            state.history.push(step);
        }
        for claim in &self.claims {
            match self.visit.ledger.wider(&self.visit.run, claim.per) {
                None => self.finish(&mut state.scope, claim, status, now),
                Some(scope) => self.finish(&mut scope.lock(), claim, status, now),
            }
        }
    }

    fn finish(&self, scope: &mut Scope, claim: &Claim, status: Status, now: Now) {
        match claim.taken {
            Some(_) if self.was_sent() => scope.settle_call(&claim.limit),
            Some(taken) => scope.release_call(&claim.limit, taken),
            None => {}
        }
        if claim.counts_errors && status != Status::Ok {
            scope.note_error(&claim.limit, now.mono);
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if self.settled {
            return;
        }
        let now = self.visit.ledger.clock.now();
        let status = if self.was_sent() { Status::Unknown } else { Status::Cancelled };
        self.close(None, status, Duration::ZERO, now);
    }
}
