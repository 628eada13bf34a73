//! What is remembered of upstreams: calls in flight, and how many of the recent attempts were
//! retries.

use std::collections::hash_map::RandomState;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use dashmap::DashMap;
use parking_lot::Mutex;

use crate::clock::Now;
use crate::ledger::window::Window;

/// The recent past of a retry budget.
const RETRY_WINDOW: Duration = Duration::from_secs(10);

/// Retries within the window that are allowed whatever the budget's share, so that a quiet
/// upstream can be retried at all.
const RETRY_FLOOR: u64 = 5;

/// All upstreams. Their names come from the config alone, so there are few.
#[derive(Debug, Default)]
pub struct Upstreams(DashMap<Arc<str>, Arc<Load>, RandomState>);

/// What one upstream carries.
#[derive(Debug)]
pub struct Load {
    in_flight: AtomicU32,
    attempts: Mutex<Window>,
}

/// One of the calls that an upstream may have at a time. Dropped, it is given back.
#[derive(Debug)]
pub struct Slot(Arc<Load>);

impl Upstreams {
    /// What the upstream of that name carries.
    pub fn load(&self, name: &Arc<str>) -> Arc<Load> {
        if let Some(known) = self.0.get(name) {
            return Arc::clone(&known);
        }
        let fresh = || {
            let attempts = Mutex::new(Window::new(RETRY_WINDOW));
            Arc::new(Load { in_flight: AtomicU32::new(0), attempts })
        };
        Arc::clone(&self.0.entry(name.clone()).or_insert_with(fresh))
    }

    /// Takes one of the `limit` calls that the upstream may have at a time; `None` when all are
    /// taken.
    pub fn slot(&self, name: &Arc<str>, limit: u32) -> Option<Slot> {
        let load = self.load(name);
        let one_more = |taken: u32| (taken < limit).then_some(taken.saturating_add(1));
        let taken = load.in_flight.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more);
        taken.ok().map(|_| Slot(load))
    }
}

impl Load {
    /// Counts a first attempt.
    pub fn note_first_attempt(&self, now: Now) {
        self.attempts.lock().note(false, now);
    }

    /// Takes one retry of the budget, if it has one: at most `percent` to a hundred first attempts
    /// of the recent past.
    pub fn take_retry(&self, percent: u32, now: Now) -> bool {
        let mut attempts = self.attempts.lock();
        let counts = attempts.counts(now);
        let after = counts.marked.saturating_add(1);
        let firsts = counts.all.saturating_sub(counts.marked);
        let allowed = firsts.saturating_mul(u64::from(percent)) / 100;
        if after > allowed.max(RETRY_FLOOR) {
            return false;
        }
        attempts.note(true, now);
        true
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Now {
        Now { mono: Duration::from_secs(seconds), wall_ms: 0 }
    }

    #[test]
    fn slots_are_never_more_than_allowed_and_come_back() {
        let upstreams = Upstreams::default();
        let name: Arc<str> = "crm".into();
        let most = AtomicU32::new(0);
        let now = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..5_000 {
                        let Some(slot) = upstreams.slot(&name, 3) else { continue };
                        let held = now.fetch_add(1, Ordering::SeqCst) + 1;
                        most.fetch_max(held, Ordering::SeqCst);
                        std::thread::yield_now();
                        now.fetch_sub(1, Ordering::SeqCst);
                        drop(slot);
                    }
                });
            }
        });
        assert!(most.load(Ordering::SeqCst) <= 3);
        let held: Vec<_> = (0..5).filter_map(|_| upstreams.slot(&name, 3)).collect();
        assert_eq!(held.len(), 3);
        drop(held);
        assert!(upstreams.slot(&name, 1).is_some());
    }

    #[test]
    fn retries_stay_within_their_share_of_recent_attempts() {
        let upstreams = Upstreams::default();
        let load = upstreams.load(&"crm".into());
        for _ in 0..100 {
            load.note_first_attempt(at(1));
        }
        let taken = (0..100).filter(|_| load.take_retry(20, at(1))).count();
        assert_eq!(taken, 20);
        // A quiet upstream has a few, and the past is forgotten.
        let taken = (0..100).filter(|_| load.take_retry(20, at(60))).count();
        assert_eq!(taken, usize::try_from(RETRY_FLOOR).unwrap());
    }
}
