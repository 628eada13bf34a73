//! Families of series that do not grow without end, whatever names come. A series that is known is
//! found without any text being made; a family that has all the series it may have counts what is
//! left with every name `other` that the config does not give.

use std::fmt::Debug;
use std::hash::Hash;
use std::sync::Arc;

use parking_lot::Mutex;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::EncodeMetric;
use prometheus_client::metrics::TypedMetric;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::names::{Names, Open};

/// The labels of one series.
pub(super) trait Labels:
    Clone + Debug + Eq + Hash + EncodeLabelSet + Send + Sync + 'static
{
    /// The same labels, with the value of each open one passed through `name`.
    fn named(self, name: &dyn Fn(Open, Arc<str>) -> Arc<str>) -> Self;
}

/// A metric that a family may have many of.
pub(super) trait Series:
    Clone + Debug + EncodeMetric + TypedMetric + Send + Sync + 'static
{
}

impl<M: Clone + Debug + EncodeMetric + TypedMetric + Send + Sync + 'static> Series for M {}

/// A family of at most so many series, and of those that stand for the rest: one for each way in
/// which its closed labels, and names that the config gives, differ.
pub(super) struct Capped<L, M> {
    family: Family<L, M, fn() -> M>,
    names: Arc<Names>,
    /// Series made.
    made: Mutex<usize>,
    limit_series: usize,
}

impl<L: Labels, M: Series> Capped<L, M> {
    /// A family without series, shown under `name`.
    pub fn registered(
        registry: &mut Registry,
        (name, help): (&'static str, &'static str),
        names: &Arc<Names>,
        limit_series: usize,
        make: fn() -> M,
    ) -> Self {
        let family: Family<L, M, fn() -> M> = Family::new_with_constructor(make);
        registry.register(name, help, family.clone());
        Self { family, names: Arc::clone(names), made: Mutex::new(0), limit_series }
    }

    /// Does something to the series of these labels, or to the one that stands for it.
    pub fn with(&self, labels: L, then: impl FnOnce(&M)) {
        if let Some(series) = self.family.get(&labels) {
            return then(&series);
        }
        let labels = labels.named(&|kind, name| self.names.admit(kind, name));
        if let Some(series) = self.family.get(&labels) {
            return then(&series);
        }
        let mut made = self.made.lock();
        let labels = if self.family.get(&labels).is_some() {
            labels
        } else if *made < self.limit_series {
            *made = made.saturating_add(1);
            labels
        } else {
            labels.named(&|kind, name| self.names.declared_or_other(kind, name))
        };
        drop(self.family.get_or_create(&labels));
        drop(made);
        then(&self.family.get_or_create(&labels));
    }

    /// Forgets all series.
    pub fn clear(&self) {
        let mut made = self.made.lock();
        self.family.clear();
        *made = 0;
    }
}
