//! The end of a run that somebody outside it asks for.

use std::sync::Arc;

use crate::call::{RunId, StopReason};
use crate::ledger::Ledger;

/// What came of asking a run to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// It takes no more calls from now on.
    Now,
    /// It had been stopped before.
    Before,
    /// There is no such run.
    Unknown,
}

impl Ledger {
    /// Stops a live run: it takes no more calls. Those in the gate end as they do; the end of the
    /// run is reported after the last of them.
    pub fn stop_run(&self, id: &RunId, reason: StopReason) -> Stopped {
        let Some(run) = self.runs.get(id).map(|run| Arc::clone(run.value())) else {
            return Stopped::Unknown;
        };
        let mut state = run.state.lock();
        if state.removed {
            return Stopped::Unknown;
        }
        if state.stopped.is_some() {
            return Stopped::Before;
        }
        state.stopped = Some((reason, None));
        let ended = run.take_end(&mut state, None);
        drop(state);
        if let Some(ended) = ended {
            self.report_end(ended);
        }
        Stopped::Now
    }
}
