//! Changes of what is usual, by what has changed and whose it is.

use std::sync::Arc;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

use super::capped::{Capped, Labels};
use super::names::{Names, Open};
use crate::baseline::{Moved, Signal};

/// Series of changes.
const SERIES_LIMIT: usize = 1_024;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DriftLabels {
    signal: &'static str,
    /// Empty of what is known by agent alone.
    tool: Arc<str>,
    /// Empty of what is known by tool alone.
    agent: Arc<str>,
}

impl Labels for DriftLabels {
    fn named(self, name: &dyn Fn(Open, Arc<str>) -> Arc<str>) -> Self {
        let (tool, agent) = (name(Open::Tool, self.tool), name(Open::Agent, self.agent));
        Self { signal: self.signal, tool, agent }
    }
}

/// How often each signal has moved.
pub(super) struct Drifts {
    counts: Capped<DriftLabels, Counter>,
    none: Arc<str>,
}

impl Drifts {
    pub fn registered(registry: &mut Registry, names: &Arc<Names>) -> Self {
        let shown =
            ("toolgate_drift", "Changes of what is usual for a tool or an agent, once each");
        let counts = Capped::registered(registry, shown, names, SERIES_LIMIT, Counter::default);
        let none: Arc<str> = Arc::from("");
        for signal in Signal::ALL {
            // There from the start: a query that finds no series says nothing of whether it is right.
            let (tool, agent) = (Arc::clone(&none), Arc::clone(&none));
            counts.with(DriftLabels { signal: signal.name(), tool, agent }, |_| {});
        }
        Self { counts, none }
    }

    /// Counts a change.
    pub fn moved(&self, moved: &Moved) {
        let name = |name: &Option<Arc<str>>| Arc::clone(name.as_ref().unwrap_or(&self.none));
        let (tool, agent) = (name(&moved.tool), name(&moved.agent));
        let labels = DriftLabels { signal: moved.signal.name(), tool, agent };
        self.counts.with(labels, |count| {
            count.inc();
        });
    }
}
