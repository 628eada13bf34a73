//! The span of a run: calls that come without a place in a trace hang below it, so that a run is one
//! tree also where its agent traces nothing.

use crate::call::RunId;
use crate::call::trace::{TraceContext, TraceParent, TraceState};
use crate::clock::Now;
use crate::ledger::run::{Reported, RunState};
use crate::ledger::{Ledger, Visit};

/// The span of a run, for its end. Of a run that was completed and went on, that of its last stretch:
/// each is an invocation of its own in the same trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunSpan {
    pub context: TraceContext,
    /// When the run began, or went on.
    pub began: Now,
    /// Its last sign of life.
    pub ended: Now,
}

/// The span of a run that goes on.
#[derive(Clone, Debug)]
pub(super) struct Root {
    context: TraceContext,
    /// Somebody stands below it: it has to be told of.
    used: bool,
}

impl Ledger {
    /// Gives a run that was made here its span before its first call, below the span of whoever
    /// started it, if that is known.
    pub fn lead(&self, run: &RunId, incoming: Option<&(TraceParent, TraceState)>) {
        if let Some(cell) = self.runs.get(run) {
            let context = TraceContext::child_of(incoming);
            cell.state.lock().root = Some(Root { context, used: false });
        }
    }

    /// The span of a run, for somebody who is told to stand below it. `None` of a run that is not
    /// known.
    pub fn hand_on(&self, run: &RunId) -> Option<TraceContext> {
        let cell = self.runs.get(run)?;
        let mut state = cell.state.lock();
        let root = state.root_mut();
        root.used = true;
        Some(root.context.clone())
    }
}

impl Visit {
    /// A place in the run's trace for a call that came without one.
    pub fn below_root(&self) -> TraceContext {
        self.run.state.lock().below_root()
    }
}

impl RunState {
    fn root_mut(&mut self) -> &mut Root {
        let fresh = || Root { context: TraceContext::child_of(None), used: false };
        self.root.get_or_insert_with(fresh)
    }

    fn below_root(&mut self) -> TraceContext {
        let will_be_told = match self.reported {
            Reported::No(_) => true,
            Reported::Completed(_) | Reported::Finally => false,
        };
        let root = self.root_mut();
        root.used |= will_be_told;
        if root.used { root.context.child() } else { root.context.sibling() }
    }

    /// The next stretch of a run that was reported as completed: its span is another one.
    pub(super) fn next_stretch(&mut self, now: Now) {
        self.stretch = now;
        if let Some(root) = &mut self.root {
            *root = Root { context: root.context.sibling(), used: false };
        }
    }

    /// The span of the stretch that ends, if anybody stands below it.
    pub(super) fn span(&self) -> Option<RunSpan> {
        let root = self.root.as_ref().filter(|root| root.used)?;
        let lasted = self.last_seen.saturating_sub(self.stretch.mono);
        let lasted_ms = i64::try_from(lasted.as_millis()).unwrap_or(i64::MAX);
        let ended = Now {
            mono: self.stretch.mono.saturating_add(lasted),
            wall_ms: self.stretch.wall_ms.saturating_add(lasted_ms),
        };
        Some(RunSpan { context: root.context.clone(), began: self.stretch, ended })
    }
}

#[cfg(test)]
mod tests;
