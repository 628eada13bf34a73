//! Amounts reserved and used, over a lifetime or a sliding window.

use std::collections::VecDeque;
use std::time::Duration;

use crate::clock::Now;
use crate::policy::amount::Amount;
use crate::weaken::Hole;

/// Amounts that a window tells apart by their time. Beyond it neighbours are put together, and count
/// for as long as the later of them.
const SLOTS_LIMIT: usize = 1_024;

/// Parts that a full window is put together to.
const PARTS: u32 = 512;

/// What was admitted in a window at one time.
#[derive(Clone, Copy, Debug)]
struct Slot {
    at: Duration,
    amount: Amount,
}

/// An amount that grows with reservations, is corrected when they are settled, and shrinks when they
/// are released.
#[derive(Debug, Default)]
pub(in crate::ledger) struct Tally {
    settled: Amount,
    reserved: Amount,
    /// Without a window a single one, under the time of the latest reservation: a limit that is given
    /// a window later counts all of it for as long as the last of it. INVARIANT: oldest first, and
    /// every reservation is in one of them until that leaves the window.
    slots: VecDeque<Slot>,
    /// The sum over `slots`.
    in_slots: Amount,
    /// The time of the latest slot that has left the window.
    left: Option<Duration>,
}

impl Tally {
    /// What is used up, reservations included.
    pub fn used(&self, within: Option<Duration>, now: Now) -> Amount {
        if Hole::CheckThenSpend.is_open() {
            return self.settled;
        }
        match within {
            None => self.settled.saturating_add(self.reserved),
            Some(window) => {
                let gone = self.slots.iter().take_while(|slot| now.since(slot.at) >= window);
                let gone = gone.fold(0, |sum: Amount, slot| sum.saturating_add(slot.amount));
                self.in_slots.saturating_sub(gone)
            }
        }
    }

    pub fn reserved(&self) -> Amount {
        self.reserved
    }

    /// Takes an amount, and says under which time: a clock read before another thread's may arrive
    /// after it.
    pub fn reserve(&mut self, amount: Amount, within: Option<Duration>, now: Now) -> Duration {
        self.reserved = self.reserved.saturating_add(amount);
        if let Some(window) = within {
            self.let_go(window, now);
        }
        let at = self.slots.back().map_or(now.mono, |latest| now.mono.max(latest.at));
        self.in_slots = self.in_slots.saturating_add(amount);
        let Some(window) = within else {
            self.slots.clear();
            self.slots.push_back(Slot { at, amount: self.in_slots });
            return at;
        };
        match self.slots.back_mut().filter(|slot| slot.at == at) {
            Some(slot) => slot.amount = slot.amount.saturating_add(amount),
            None => {
                if self.slots.len() >= SLOTS_LIMIT {
                    self.put_together(window);
                }
                self.slots.push_back(Slot { at, amount });
            }
        }
        at
    }

    /// Turns a reservation into the use of `real`.
    pub fn settle(&mut self, at: Duration, taken: Amount, real: Amount) {
        self.reserved = self.reserved.saturating_sub(taken);
        self.settled = self.settled.saturating_add(real);
        self.correct(at, taken, real);
    }

    /// Gives a reservation back.
    pub fn release(&mut self, at: Duration, taken: Amount) {
        self.reserved = self.reserved.saturating_sub(taken);
        self.correct(at, taken, 0);
    }

    /// How long it takes until `need` fits under `max`.
    pub fn wait(&self, need: Amount, max: Amount, window: Duration, now: Now) -> Option<Duration> {
        let mut used = self.used(Some(window), now);
        let fits = |used: Amount| used.saturating_add(need) <= max;
        if fits(used) {
            return Some(Duration::ZERO);
        }
        for slot in self.slots.iter().filter(|slot| now.since(slot.at) < window) {
            used = used.saturating_sub(slot.amount);
            if fits(used) {
                return Some(window.saturating_sub(now.since(slot.at)));
            }
        }
        None
    }

    /// Forgets the slots that have left the window.
    fn let_go(&mut self, window: Duration, now: Now) {
        while let Some(slot) = self.slots.front().filter(|slot| now.since(slot.at) >= window) {
            self.in_slots = self.in_slots.saturating_sub(slot.amount);
            self.left = self.left.max(Some(slot.at));
            self.slots.pop_front();
        }
    }

    /// Corrects the slot that an amount was taken under, unless it has left the window.
    fn correct(&mut self, at: Duration, taken: Amount, real: Amount) {
        if taken == real || self.left.is_some_and(|left| at <= left) {
            return;
        }
        // Slots that were put together stand under the latest of their times.
        let place = self.slots.partition_point(|slot| slot.at < at);
        let Some(slot) = self.slots.get_mut(place) else { return };
        slot.amount = slot.amount.saturating_sub(taken).saturating_add(real);
        self.in_slots = self.in_slots.saturating_sub(taken).saturating_add(real);
    }

    /// Puts slots of the same part of the window together, so that memory stays bounded. An amount
    /// may then count a little longer than the window, never shorter.
    fn put_together(&mut self, window: Duration) {
        let part = (window / PARTS).as_nanos().max(1);
        let mut together: VecDeque<Slot> = VecDeque::with_capacity(SLOTS_LIMIT);
        for slot in self.slots.drain(..) {
            let same = |last: &&mut Slot| last.at.as_nanos() / part == slot.at.as_nanos() / part;
            match together.back_mut().filter(same) {
                Some(last) => {
                    last.at = slot.at;
                    last.amount = last.amount.saturating_add(slot.amount);
                }
                None => together.push_back(slot),
            }
        }
        self.slots = together;
    }
}
