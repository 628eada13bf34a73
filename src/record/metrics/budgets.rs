//! What is left of budgets: of each, the smallest share that any call found lately.
//!
//! A limit may be kept by run, user or key, and has as many counters as there are of those; what an
//! operator wants to know is whether any of them is about to run out. So a minute's smallest share
//! is kept, and the one of the minute before, and the smaller of both is shown.

use std::collections::hash_map::RandomState;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use dashmap::DashMap;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::capped::{Capped, Labels};
use super::names::{Names, Open};
use crate::call::budget::Budget;
use crate::policy::model::Measure;

/// Maxima of limits that are shown.
const SERIES_LIMIT: usize = 1_024;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BudgetLabels {
    /// `policy/id`
    limit: Arc<str>,
    measure: Measured,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Measured(Measure);

/// The smallest shares of two minutes.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Lowest {
    /// Since the clock was made.
    minute: u64,
    now: f64,
    before: f64,
}

type Share = Gauge<f64, AtomicU64>;

pub(super) struct Budgets {
    shares: Capped<BudgetLabels, Share>,
    lowest: DashMap<BudgetLabels, Lowest, RandomState>,
}

impl EncodeLabelValue for Measured {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        EncodeLabelValue::encode(&&*self.0, encoder)
    }
}

impl Labels for BudgetLabels {
    fn named(self, name: &dyn Fn(Open, Arc<str>) -> Arc<str>) -> Self {
        Self { limit: name(Open::Rule, self.limit), ..self }
    }
}

impl Lowest {
    fn note(&mut self, minute: u64, share: f64) {
        let since = minute.saturating_sub(self.minute);
        *self = match since {
            0 => Self { now: self.now.min(share), ..*self },
            1 => Self { minute, now: share, before: self.now },
            _ => Self { minute, now: share, before: share },
        };
    }
}

impl Budgets {
    pub fn registered(registry: &mut Registry, names: &Arc<Names>) -> Self {
        let shares = (
            "toolgate_budget_remaining_ratio",
            "What was left of a limit's maximum, as a share of it: the least that a call of the \
             last minute or two found in any run, user or key",
        );
        Self {
            shares: Capped::registered(registry, shares, names, SERIES_LIMIT, Share::default),
            lowest: DashMap::default(),
        }
    }

    /// Notes what is left of the budgets that a call drew on. `at`: since the clock was made.
    pub fn seen(&self, budgets: &[Budget], at: Duration) {
        let minute = at.as_secs() / 60;
        for budget in budgets {
            let labels = BudgetLabels {
                limit: Arc::clone(&budget.limit),
                measure: Measured(budget.measure.clone()),
            };
            let share = share(budget);
            if let Some(mut lowest) = self.lowest.get_mut(&labels) {
                lowest.note(minute, share);
            } else if self.lowest.len() < SERIES_LIMIT {
                self.lowest.insert(labels, Lowest { minute, now: share, before: share });
            }
        }
    }

    /// Puts what was seen into what is shown.
    pub fn set(&self) {
        for entry in &self.lowest {
            let least = entry.value().now.min(entry.value().before);
            self.shares.with(entry.key().clone(), |share| {
                share.set(least);
            });
        }
    }

    /// Forgets limits: others may be in force.
    pub fn clear(&self) {
        self.lowest.clear();
        self.shares.clear();
    }
}

/// The share of a maximum that is left, from 0 to 1.
fn share(budget: &Budget) -> f64 {
    if budget.max == 0 {
        return 0.0;
    }
    #[expect(clippy::cast_precision_loss, reason = "a figure to show")]
    let share = budget.left() as f64 / budget.max as f64;
    share
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(limit: &str, used: u128, max: u128) -> Budget {
        Budget {
            limit: limit.into(),
            measure: Measure::Fixed("calls"),
            used,
            max,
            fine: false,
            window: None,
        }
    }

    fn shown(budgets: &Budgets, limit: &str) -> f64 {
        budgets.set();
        let mut found = f64::NAN;
        let labels =
            BudgetLabels { limit: limit.into(), measure: Measured(Measure::Fixed("calls")) };
        budgets.shares.with(labels, |share| found = share.get());
        found
    }

    #[test]
    fn the_least_of_the_last_minutes_is_shown() {
        let mut registry = Registry::default();
        let budgets = Budgets::registered(&mut registry, &Arc::default());
        let at = Duration::from_secs;
        budgets.seen(&[budget("p/a", 90, 100), budget("p/b", 0, 0)], at(10));
        budgets.seen(&[budget("p/a", 20, 100)], at(30));
        assert_eq!((shown(&budgets, "p/a"), shown(&budgets, "p/b")), (0.1, 0.0));
        // Another run's: the first is still of the minute before.
        budgets.seen(&[budget("p/a", 40, 100)], at(70));
        assert_eq!(shown(&budgets, "p/a"), 0.1);
        budgets.seen(&[budget("p/a", 50, 100)], at(130));
        assert_eq!(shown(&budgets, "p/a"), 0.5);
        budgets.seen(&[budget("p/a", 120, 100)], at(600));
        assert_eq!(shown(&budgets, "p/a"), 0.0);
    }
}
