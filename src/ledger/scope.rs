//! What one key of a limit (a run, an agent, a tenant, everything) has used up.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Now;
use crate::policy::history::TIMES_LIMIT;

/// Rules whose denials are told apart in one scope; the rest are counted together.
const DENIAL_RULES_LIMIT: usize = 4_096;

/// Calls admitted under one limit.
#[derive(Debug, Default)]
struct CallCounter {
    /// Sent, and so used up for good.
    settled: u64,
    /// Admitted and not yet sent or released.
    reserved: u64,
    /// Admission times; kept only for a limit with a window, and never more than its maximum,
    /// because a full window admits nothing.
    times: Times,
}

/// When things happened. INVARIANT: oldest first, so that a window is found by bisection.
#[derive(Debug, Default)]
struct Times(VecDeque<Duration>);

impl Times {
    /// Adds a time and says which one: a clock read before another thread's may arrive after it.
    fn push(&mut self, at: Duration) -> Duration {
        let at = self.0.back().map_or(at, |latest| at.max(*latest));
        self.0.push_back(at);
        at
    }

    /// How many lie within the window that ends now.
    fn within(&self, window: Duration, now: Now) -> u64 {
        let before = self.0.partition_point(|at| now.since(*at) >= window);
        self.0.len().saturating_sub(before) as u64
    }

    fn forget_before(&mut self, window: Duration, now: Now) {
        while self.0.front().is_some_and(|at| now.since(*at) >= window) {
            self.0.pop_front();
        }
    }

    fn remove(&mut self, at: Duration) {
        if let Some(place) = self.0.iter().rposition(|noted| *noted == at) {
            self.0.remove(place);
        }
    }
}

/// Things that happened: how many ever, and when the latest of them did.
#[derive(Debug, Default)]
struct Occurrences {
    total: u64,
    times: Times,
}

impl Occurrences {
    fn note(&mut self, at: Duration) {
        self.total = self.total.saturating_add(1);
        if self.times.0.len() >= TIMES_LIMIT {
            self.times.0.pop_front();
        }
        self.times.push(at);
    }

    fn count(&self, within: Option<Duration>, now: Now) -> u64 {
        match within {
            None => self.total,
            Some(window) => self.times.within(window, now),
        }
    }
}

/// The counters of one scope. Keyed by limit id, so that they survive a change of policies.
#[derive(Debug)]
pub struct Scope {
    started: Duration,
    calls: BTreeMap<Arc<str>, CallCounter>,
    errors: BTreeMap<Arc<str>, Occurrences>,
    denials: BTreeMap<Arc<str>, Occurrences>,
}

impl Scope {
    /// An unused scope whose life begins at `started` (`clock::Now::mono`).
    pub fn new(started: Duration) -> Self {
        Self { started, calls: BTreeMap::new(), errors: BTreeMap::new(), denials: BTreeMap::new() }
    }

    /// Time since the scope's first call.
    pub fn age(&self, now: Now) -> Duration {
        now.since(self.started)
    }

    /// Calls used under the limit `id`, reservations included.
    pub fn calls_used(&self, id: &str, within: Option<Duration>, now: Now) -> u64 {
        let Some(counter) = self.calls.get(id) else { return 0 };
        match within {
            None => counter.settled.saturating_add(counter.reserved),
            Some(window) => counter.times.within(window, now),
        }
    }

    /// Calls admitted under any limit and neither sent nor released yet.
    pub fn calls_reserved(&self) -> u64 {
        self.calls.values().map(|counter| counter.reserved).sum()
    }

    /// Failed calls that the limit `id` counts.
    pub fn errors(&self, id: &str, within: Option<Duration>, now: Now) -> u64 {
        self.errors.get(id).map_or(0, |errors| errors.count(within, now))
    }

    /// Denials by one rule.
    pub fn denials_by(&self, rule: &str, within: Option<Duration>, now: Now) -> u64 {
        self.denials.get(rule).map_or(0, |denials| denials.count(within, now))
    }

    /// Takes one call of the limit `id`, and says when. The caller has checked under the same lock
    /// that it fits.
    pub(super) fn reserve_call(
        &mut self,
        id: &Arc<str>,
        within: Option<Duration>,
        now: Now,
    ) -> Duration {
        let counter = match self.calls.get_mut(id) {
            Some(counter) => counter,
            None => self.calls.entry(id.clone()).or_default(),
        };
        counter.reserved = counter.reserved.saturating_add(1);
        let Some(window) = within else { return now.mono };
        counter.times.forget_before(window, now);
        counter.times.push(now.mono)
    }

    /// Turns one reservation of the limit `id` into use.
    pub(super) fn settle_call(&mut self, id: &str) {
        if let Some(counter) = self.calls.get_mut(id) {
            counter.reserved = counter.reserved.saturating_sub(1);
            counter.settled = counter.settled.saturating_add(1);
        }
    }

    /// Gives one reservation of the limit `id`, taken at `at`, back.
    pub(super) fn release_call(&mut self, id: &str, at: Duration) {
        if let Some(counter) = self.calls.get_mut(id) {
            counter.reserved = counter.reserved.saturating_sub(1);
            counter.times.remove(at);
        }
    }

    /// Counts a failed call under the limit `id`.
    pub(super) fn note_error(&mut self, id: &Arc<str>, at: Duration) {
        self.errors.entry(id.clone()).or_default().note(at);
    }

    pub(super) fn note_denial(&mut self, rule: &Arc<str>, at: Duration) {
        let key = if self.denials.contains_key(rule) || self.denials.len() < DENIAL_RULES_LIMIT {
            rule.clone()
        } else {
            Arc::from("")
        };
        self.denials.entry(key).or_default().note(at);
    }
}
