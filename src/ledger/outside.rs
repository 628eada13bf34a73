//! Runs, as those outside of them see them.

use std::sync::Arc;
use std::time::Duration;

use crate::call::{Caller, RunId, StopReason};
use crate::clock::Now;
use crate::ledger::run::RunCell;
use crate::ledger::{Ledger, MintedRun, Usage};

/// A run that is remembered.
#[derive(Clone, Debug)]
pub struct LiveRun {
    pub id: RunId,
    pub id_source: &'static str,
    pub caller: Caller,
    pub usage: Usage,
    /// Why it was stopped, when it was, and by which rule or limit.
    pub stopped: Option<(StopReason, Option<Arc<str>>)>,
    /// What it was made with, if it was made before its first call.
    pub minted: Option<MintedRun>,
    /// Calls in the gate right now.
    pub active: u32,
    /// Since its first call.
    pub age: Duration,
    /// Since its last sign of life.
    pub idle: Duration,
}

impl Ledger {
    /// Every run that is remembered, the most recently seen first.
    pub fn runs(&self, now: Now) -> Vec<LiveRun> {
        let mut runs: Vec<LiveRun> =
            self.runs.iter().map(|run| self.seen(run.value(), now)).collect();
        runs.sort_by(|a, b| a.idle.cmp(&b.idle).then_with(|| a.id.cmp(&b.id)));
        runs
    }

    /// One of them.
    pub fn run(&self, id: &RunId, now: Now) -> Option<LiveRun> {
        let run = self.runs.get(id).map(|run| Arc::clone(run.value()))?;
        Some(self.seen(&run, now))
    }
}

impl Ledger {
    fn seen(&self, run: &RunCell, now: Now) -> LiveRun {
        let minted = self.minted.get(&run.id);
        let state = run.state.lock();
        LiveRun {
            id: run.id.clone(),
            id_source: run.id_source,
            caller: run.caller.clone(),
            usage: state.usage.clone(),
            stopped: state.stopped.clone(),
            minted,
            active: state.active,
            age: now.since(state.started),
            idle: now.since(state.last_seen),
        }
    }
}
