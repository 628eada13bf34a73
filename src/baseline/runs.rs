//! How often each live run has called each tool: nobody else knows it by the time a run ends.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::baseline::table::Table;
use crate::call::RunId;
use crate::clock::Now;

/// Runs whose calls are counted; of the least recently seen beyond them nothing is learned by tool.
pub const COUNTED_LIMIT_RUNS: usize = 16_384;

/// Tools of one run that are counted.
const TOOLS_LIMIT_A_RUN: usize = 32;

/// How often a run has called each tool.
pub(super) type Counts = SmallVec<[(Arc<str>, u32); 4]>;

/// The calls of live runs.
#[derive(Debug)]
pub(super) struct Runs(Table<Counts>);

impl Default for Runs {
    fn default() -> Self {
        Self(Table::new(COUNTED_LIMIT_RUNS))
    }
}

impl Runs {
    pub fn count(&self, run: &RunId, tool: &Arc<str>, now: Now) {
        self.0.with(run, now, Counts::new, |counts| {
            if let Some((_, calls)) = counts.iter_mut().find(|(name, _)| name == tool) {
                *calls = calls.saturating_add(1);
            } else if counts.len() < TOOLS_LIMIT_A_RUN {
                counts.push((Arc::clone(tool), 1));
            }
        });
    }

    /// The calls of a run that has ended.
    pub fn take(&self, run: &RunId) -> Counts {
        self.0.take(run).unwrap_or_default()
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The calls of a run so far.
    pub fn look<T>(&self, run: &RunId, work: impl FnOnce(&Counts) -> T) -> Option<T> {
        self.0.look(run, work)
    }
}
