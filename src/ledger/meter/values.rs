//! Different values that calls had, over a lifetime or a sliding window.

use std::collections::BTreeMap;
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::clock::Now;
use crate::policy::amount::Amount;

/// Values told apart; more are counted, each time, without being remembered. No maximum is higher.
const VALUES_LIMIT: usize = 4_096;

/// A value, as far as it is remembered: callers choose values, so two must not be made to meet.
pub(in crate::ledger) type ValueDigest = [u8; 16];

/// The digest of a value.
pub(in crate::ledger) fn digest(value: &str) -> ValueDigest {
    let whole = Sha256::digest(value.as_bytes());
    let mut short = ValueDigest::default();
    for (short, whole) in short.iter_mut().zip(whole) {
        *short = whole;
    }
    short
}

#[derive(Clone, Copy, Debug, Default)]
struct Held {
    /// Admitted calls with the value that have not ended.
    reserved: u32,
    /// When the latest call that used it was admitted.
    used_at: Option<Duration>,
}

/// The values of one limit.
#[derive(Debug, Default)]
pub(in crate::ledger) struct Values {
    held: BTreeMap<ValueDigest, Held>,
    /// Values beyond those that are told apart; never forgotten.
    beyond: u64,
}

impl Held {
    fn counts(&self, within: Option<Duration>, now: Now) -> bool {
        self.reserved > 0
            || self.used_at.is_some_and(|at| within.is_none_or(|window| now.since(at) < window))
    }
}

impl Values {
    pub fn used(&self, within: Option<Duration>, now: Now) -> Amount {
        let held = self.held.values().filter(|held| held.counts(within, now)).count();
        Amount::from(self.beyond).saturating_add(Amount::try_from(held).unwrap_or(Amount::MAX))
    }

    /// Whether the value is among those that are used.
    pub fn has(&self, value: &ValueDigest, within: Option<Duration>, now: Now) -> bool {
        self.held.get(value).is_some_and(|held| held.counts(within, now))
    }

    pub fn reserved(&self) -> Amount {
        self.held.values().map(|held| Amount::from(held.reserved)).sum()
    }

    /// Takes a value. `false` when it is counted without being remembered, and so is not given back.
    pub fn reserve(&mut self, value: ValueDigest, within: Option<Duration>, now: Now) -> bool {
        if self.held.len() >= VALUES_LIMIT && !self.held.contains_key(&value) {
            self.held.retain(|_, held| held.counts(within, now));
            if self.held.len() >= VALUES_LIMIT {
                self.beyond = self.beyond.saturating_add(1);
                return false;
            }
        }
        let held = self.held.entry(value).or_default();
        held.reserved = held.reserved.saturating_add(1);
        true
    }

    /// Turns a reservation, taken at `at`, into use.
    pub fn settle(&mut self, value: &ValueDigest, at: Duration) {
        if let Some(held) = self.held.get_mut(value) {
            held.reserved = held.reserved.saturating_sub(1);
            held.used_at = held.used_at.max(Some(at));
        }
    }

    /// Gives a reservation back.
    pub fn release(&mut self, value: &ValueDigest) {
        if let Some(held) = self.held.get_mut(value) {
            held.reserved = held.reserved.saturating_sub(1);
            if held.reserved == 0 && held.used_at.is_none() {
                self.held.remove(value);
            }
        }
    }

    /// How long it takes until fewer than `max` are used, those in flight aside.
    pub fn wait(&self, max: Amount, window: Duration, now: Now) -> Option<Duration> {
        let mut ends: Vec<Duration> = Vec::new();
        for held in self.held.values().filter(|held| held.counts(Some(window), now)) {
            let left = held.used_at.map(|at| window.saturating_sub(now.since(at)));
            ends.push(left.filter(|_| held.reserved == 0).unwrap_or(window));
        }
        ends.sort_unstable();
        let free = usize::try_from(max).ok()?.checked_sub(1)?;
        let going = ends.len().checked_sub(free)?.checked_sub(1)?;
        ends.get(going).copied().filter(|_| self.beyond == 0)
    }
}
