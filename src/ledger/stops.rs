//! The end of a run that somebody outside it asks for, and the memory of runs that were stopped: a
//! run that is forgotten to make room is no less stopped than before.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::call::{RunId, StopReason};
use crate::ledger::Ledger;

/// Stopped runs whose ids are remembered after all else about them is forgotten. Beyond it the
/// oldest could be begun anew.
pub const STOPPED_LIMIT_RUNS: usize = 10_000;

/// Why a run was stopped, and by which rule or limit.
pub(super) type Stop = (StopReason, Option<Arc<str>>);

/// Stopped runs that are live no more.
#[derive(Debug, Default)]
pub(super) struct Stops {
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    why: HashMap<RunId, Stop>,
    /// INVARIANT: the keys of `why`, oldest first.
    order: VecDeque<RunId>,
    dropped: u64,
}

impl Stops {
    /// Remembers that a run was stopped.
    pub fn remember(&self, run: &RunId, stop: &Stop) {
        let mut held = self.held.lock();
        if held.why.contains_key(run) {
            return;
        }
        if held.order.len() >= STOPPED_LIMIT_RUNS
            && let Some(oldest) = held.order.pop_front()
        {
            held.why.remove(&oldest);
            held.dropped = held.dropped.saturating_add(1);
        }
        held.order.push_back(run.clone());
        held.why.insert(run.clone(), stop.clone());
    }

    /// Why a run was stopped, when that is remembered.
    pub fn of(&self, run: &RunId) -> Option<Stop> {
        self.held.lock().why.get(run).cloned()
    }
}

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
    /// Stopped runs that had to be forgotten, so that their ids could be begun anew.
    pub fn dropped_stops(&self) -> u64 {
        self.stops.held.lock().dropped
    }

    /// Why a run takes no more calls because one above it was stopped. Takes the locks of runs: none
    /// may be held.
    pub(super) fn stopped_above(&self, run: &RunId) -> Option<Stop> {
        self.minted.above(run).iter().find_map(|above| {
            let live = self.runs.get(above).map(|run| Arc::clone(run.value()));
            let stopped = live.and_then(|run| run.state.lock().stopped.clone());
            stopped.or_else(|| self.stops.of(above))
        })
    }

    /// Stops a live run and those below it: they take no more calls. Those in the gate end as they do; the end of
    /// the run is reported after the last of them, that of a run below it with its next call.
    pub fn stop_run(&self, id: &RunId, reason: StopReason) -> Stopped {
        let Some(run) = self.runs.get(id).map(|run| Arc::clone(run.value())) else {
            return self.stops.of(id).map_or(Stopped::Unknown, |_| Stopped::Before);
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
