//! A steady rate with room for a burst.
//!
//! The generic cell rate algorithm as virtual scheduling (ITU-T I.371, annex A), with time as an
//! argument: what is looked at and what is taken is one state, under the lock of its scope.

use std::time::Duration;

use crate::clock::Now;
use crate::policy::amount::Amount;
use crate::policy::model::Rate;

/// How far calls have drawn on the future.
#[derive(Debug, Default)]
pub(in crate::ledger) struct Bucket {
    /// When all of the burst is free again.
    full_at: Duration,
    /// How many calls were taken; tells a ticket whether it is the latest.
    taken: u64,
}

/// What one call took, so that it can be given back.
#[derive(Clone, Copy, Debug)]
pub(in crate::ledger) struct Ticket {
    taken: u64,
    full_at: Duration,
}

impl Bucket {
    /// Calls of the burst that are not free.
    pub fn used(&self, rate: Rate, now: Now) -> Amount {
        let ahead = self.full_at.saturating_sub(now.mono);
        ahead.as_nanos().div_ceil(rate.interval.as_nanos().max(1))
    }

    /// How long it takes until one more call is free.
    pub fn wait(&self, rate: Rate, now: Now) -> Duration {
        let room = rate.interval.saturating_mul(rate.burst.saturating_sub(1));
        self.full_at.saturating_sub(now.mono).saturating_sub(room)
    }

    /// Takes one call.
    pub fn take(&mut self, rate: Rate, now: Now) -> Ticket {
        let before = self.full_at;
        self.taken = self.taken.wrapping_add(1);
        self.full_at = self.full_at.max(now.mono).saturating_add(rate.interval);
        Ticket { taken: self.taken, full_at: before }
    }

    /// Gives a call back, if none was taken after it: of an earlier one it cannot be told any more
    /// how much has come free since, and the rate must not be exceeded.
    pub fn give_back(&mut self, ticket: Ticket) {
        if ticket.taken == self.taken {
            self.full_at = ticket.full_at;
        }
    }
}
