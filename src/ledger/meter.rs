//! What a limit's account counts one measure by.

mod bucket;
mod occurrences;
mod tally;
mod values;

use std::time::Duration;

pub(super) use bucket::{Bucket, Ticket};
pub(super) use occurrences::Occurrences;
pub(super) use tally::Tally;
pub(super) use values::{ValueDigest, Values, digest};

use crate::clock::Now;
use crate::ledger::claim::{Taken, Used};
use crate::policy::amount::Amount;
use crate::policy::model::Maximum;

/// What a call needs of one measure.
#[derive(Clone, Copy, Debug)]
pub(super) struct Need {
    /// Of amounts.
    pub amount: Option<Amount>,
    /// Of different values.
    pub value: Option<ValueDigest>,
}

/// One counter. Which kind it is follows from the measure.
#[derive(Debug)]
pub(super) enum Meter {
    /// Calls, money, tokens, sums.
    Tally(Tally),
    /// Rates.
    Bucket(Bucket),
    /// Calls in flight.
    Gauge(u64),
    /// Different values.
    Values(Values),
    /// Failures and refusals.
    Occurrences(Occurrences),
}

impl Meter {
    /// A counter for a measure; `None` for one that is read off the clock or the history.
    pub fn of(maximum: &Maximum) -> Option<Self> {
        match maximum {
            Maximum::Calls(_) | Maximum::CostUsd(_) | Maximum::Tokens(_) | Maximum::Sum(_) => {
                Some(Self::Tally(Tally::default()))
            }
            Maximum::Rate(_) => Some(Self::Bucket(Bucket::default())),
            Maximum::InFlight(_) => Some(Self::Gauge(0)),
            Maximum::Distinct(_) => Some(Self::Values(Values::default())),
            Maximum::Errors(_) | Maximum::Denials(_) => {
                Some(Self::Occurrences(Occurrences::default()))
            }
            Maximum::WallTime(_)
            | Maximum::DenialsSameRule(_)
            | Maximum::IdenticalCalls(_)
            | Maximum::CycleRepeats(_) => None,
        }
    }

    /// What is used up of the maximum, reservations included.
    pub fn used(&self, maximum: &Maximum, within: Option<Duration>, now: Now) -> Amount {
        match (self, maximum) {
            (Self::Tally(tally), _) => tally.used(within, now),
            (Self::Bucket(bucket), Maximum::Rate(rate)) => bucket.used(*rate, now),
            // An id whose measure has changed its kind, which no name does.
            (Self::Bucket(_), _) => Amount::MAX,
            (Self::Gauge(count), _) => Amount::from(*count),
            (Self::Values(values), _) => values.used(within, now),
            (Self::Occurrences(occurrences), _) => Amount::from(occurrences.count(within, now)),
        }
    }

    /// How long it takes until `need` fits under the maximum, if time alone brings that about.
    pub fn wait(
        &self,
        maximum: &Maximum,
        need: Amount,
        within: Option<Duration>,
        now: Now,
    ) -> Option<Duration> {
        let max = maximum.amount()?;
        match (self, maximum) {
            (Self::Bucket(bucket), Maximum::Rate(rate)) => Some(bucket.wait(*rate, now)),
            (Self::Tally(tally), _) => tally.wait(need, max, within?, now),
            (Self::Occurrences(occurrences), _) => occurrences.wait(max, within?, now),
            (Self::Values(values), _) => values.wait(max, within?, now),
            (Self::Bucket(_) | Self::Gauge(_), _) => None,
        }
    }

    /// Takes what a call needs, whether it fits or not; `None` when nothing is to be closed later.
    pub fn take(
        &mut self,
        maximum: &Maximum,
        need: Need,
        within: Option<Duration>,
        now: Now,
    ) -> Option<Taken> {
        match (self, maximum) {
            (Self::Tally(tally), _) => {
                let amount = need.amount?;
                Some(Taken::Amount { at: tally.reserve(amount, within, now), amount })
            }
            (Self::Bucket(bucket), Maximum::Rate(rate)) => {
                Some(Taken::Rate(bucket.take(*rate, now)))
            }
            (Self::Bucket(_), _) => None,
            (Self::Gauge(count), _) => {
                *count = count.saturating_add(1);
                Some(Taken::InFlight)
            }
            (Self::Values(values), _) => {
                let value = need.value?;
                let held = values.reserve(value, within, now);
                held.then_some(Taken::Value { at: now.mono, value })
            }
            (Self::Occurrences(_), Maximum::Errors(_)) => Some(Taken::Errors),
            (Self::Occurrences(_), _) => Some(Taken::Denials),
        }
    }

    /// Turns what a call took into what it used, or gives it back.
    pub fn close(&mut self, taken: &Taken, used: Used, now: Now) {
        match (taken, self) {
            (Taken::Amount { at, amount }, Self::Tally(tally)) => match used.of(*amount) {
                Some(real) => tally.settle(*at, *amount, real),
                None => tally.release(*at, *amount),
            },
            (Taken::Rate(ticket), Self::Bucket(bucket)) if !used.sent => bucket.give_back(*ticket),
            (Taken::InFlight, Self::Gauge(count)) => *count = count.saturating_sub(1),
            (Taken::Value { at, value }, Self::Values(values)) => match used.sent {
                true => values.settle(value, *at),
                false => values.release(value),
            },
            (Taken::Errors, Self::Occurrences(errors)) if used.failed => errors.note(now.mono),
            // A rate that was used, an end that is no failure, and the refusals of others.
            (
                Taken::Amount { .. }
                | Taken::Rate(_)
                | Taken::InFlight
                | Taken::Value { .. }
                | Taken::Errors
                | Taken::Denials
                | Taken::DenialsByRule,
                _,
            ) => {}
        }
    }

    /// What is taken and neither settled nor released.
    pub fn reserved(&self) -> Amount {
        match self {
            Self::Tally(tally) => tally.reserved(),
            Self::Gauge(count) => Amount::from(*count),
            Self::Values(values) => values.reserved(),
            Self::Bucket(_) | Self::Occurrences(_) => 0,
        }
    }
}

#[cfg(test)]
mod tests;
