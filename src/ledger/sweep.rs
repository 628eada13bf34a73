//! The end of runs: the model's last word, idleness, eviction at the cap, shutdown.
//!
//! A run whose model has answered for good ends as completed soon after. Only its end is reported
//! then: what it has used up is kept until the run was idle for as long as any other, so that nobody
//! gets a fresh budget by ending a turn. A call of the same run id goes on in the same run, which
//! will end once more.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::call::RunEnd;
use crate::clock::Now;
use crate::ledger::Ledger;
use crate::ledger::run::{RunCell, RunState};
use crate::ledger::visit::Removal;

/// Share of the cap that one eviction frees, so that its walk is paid for by many new runs.
const EVICTION_SHARE: usize = 64;

/// Longest time after a model's last word until a run without another call has ended as completed.
pub const COMPLETED_AFTER: Duration = Duration::from_secs(60);

impl Ledger {
    /// Ends and forgets the runs that were idle for `idle_end`, stopped ones included; reports as
    /// completed those whose model had the last word for [`COMPLETED_AFTER`].
    pub fn sweep(&self, now: Now) {
        let idle_end = self.bounds.idle_end;
        self.complete(now);
        let idle = self.runs_where(|last_seen| now.since(last_seen) >= idle_end);
        for (_, run) in idle {
            self.end(&run, RunEnd::Idle);
        }
        self.intents.sweep(now, idle_end);
        self.minted.keep(|run| self.runs.contains_key(run));
        self.scopes.sweep(now);
        self.report_approvals(self.approvals.expire(now));
        self.unlabelled.retain(|_, (_, seen)| now.since(*seen) < idle_end);
    }

    /// Ends every run that has no call in the gate.
    pub fn end_all(&self) {
        for (_, run) in self.runs_where(|_| true) {
            self.end(&run, RunEnd::Shutdown);
        }
    }

    /// Makes room at the cap: ends the least recently seen runs that have no call in the gate,
    /// running ones before the memory of stopped ones.
    pub(super) fn evict(&self) {
        let mut idle = self.runs_where(|_| true);
        let count = (self.bounds.live_runs / EVICTION_SHARE).max(1).min(idle.len());
        idle.sort_unstable_by_key(|(order, _)| *order);
        for (_, run) in idle.into_iter().take(count) {
            self.end(&run, RunEnd::Evicted);
        }
    }

    fn runs_where(
        &self,
        wanted: impl Fn(Duration) -> bool,
    ) -> Vec<((bool, Duration), Arc<RunCell>)> {
        let mut found = Vec::new();
        for run in &self.runs {
            let state = run.state.lock();
            if state.active == 0 && wanted(state.last_seen) {
                found.push(((state.stopped.is_some(), state.last_seen), run.value().clone()));
            }
        }
        found
    }

    fn end(&self, run: &Arc<RunCell>, why: RunEnd) {
        let Removal { removed, ended } = run.remove(why, &self.stops, &self.intents);
        if removed {
            self.forget(run);
        }
        if let Some(ended) = ended {
            self.report_end(ended);
        }
        if removed {
            // Of a run that was reported as completed, what it was given returns only now.
            self.minted.ended(&run.id);
        }
    }

    /// Reports the end of runs whose model has answered for good a while ago.
    fn complete(&self, now: Now) {
        let after = COMPLETED_AFTER.min(self.bounds.idle_end);
        let waited = |state: &RunState| {
            state.complete_since().is_some_and(|since| now.since(since) >= after)
        };
        let mut found = Vec::new();
        for run in &self.runs {
            if waited(&run.state.lock()) {
                found.push(Arc::clone(run.value()));
            }
        }
        for run in found {
            let mut state = run.state.lock();
            // A call may have come since.
            if !waited(&state) {
                continue;
            }
            let ended = run.take_end(&mut state, Some(RunEnd::Completed));
            drop(state);
            if let Some(ended) = ended {
                self.report_end(ended);
            }
        }
    }

    /// Takes a removed run out of the map, unless another life of the same id is already there.
    pub(super) fn forget(&self, run: &Arc<RunCell>) {
        if self.runs.remove_if(&run.id, |_, held| Arc::ptr_eq(held, run)).is_some() {
            self.run_count.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
