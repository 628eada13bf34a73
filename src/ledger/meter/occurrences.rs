//! Things that happened: how many ever, and when the latest of them did.

use std::collections::VecDeque;
use std::time::Duration;

use crate::clock::Now;
use crate::policy::amount::Amount;
use crate::policy::history::TIMES_LIMIT;

/// Failures, or refusals.
#[derive(Debug, Default)]
pub(in crate::ledger) struct Occurrences {
    total: u64,
    /// INVARIANT: oldest first, so that a window is found by bisection.
    times: VecDeque<Duration>,
}

impl Occurrences {
    pub fn note(&mut self, at: Duration) {
        self.total = self.total.saturating_add(1);
        if self.times.len() >= TIMES_LIMIT {
            self.times.pop_front();
        }
        // A clock read before another thread's may arrive after it.
        let at = self.times.back().map_or(at, |latest| at.max(*latest));
        self.times.push_back(at);
    }

    pub fn count(&self, within: Option<Duration>, now: Now) -> u64 {
        match within {
            None => self.total,
            Some(window) => self.times.len().saturating_sub(self.before(window, now)) as u64,
        }
    }

    /// How long it takes until fewer than `max` lie within the window.
    pub fn wait(&self, max: Amount, window: Duration, now: Now) -> Option<Duration> {
        let max = usize::try_from(max).ok()?;
        let inside = self.times.len().saturating_sub(self.before(window, now));
        let last_to_go = self.times.len().checked_sub(max).filter(|_| inside >= max)?;
        self.times.get(last_to_go).map(|at| window.saturating_sub(now.since(*at)))
    }

    fn before(&self, window: Duration, now: Now) -> usize {
        self.times.partition_point(|at| now.since(*at) >= window)
    }
}
