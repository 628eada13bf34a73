//! How much of something there is at this moment.

use std::sync::Arc;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::capped::{Capped, Labels};
use super::names::{Names, Open};
use crate::ledger::BreakerState;

/// Breakers shown.
const SERIES_LIMIT: usize = 1_024;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BreakerLabels {
    tool: Arc<str>,
}

/// What the ledger holds at the moment of a scrape.
#[derive(Clone, Debug, Default)]
pub struct Held {
    /// Calls admitted and neither settled nor released, counted once a limit.
    pub reserved_calls: u64,
    /// Runs remembered.
    pub live_runs: usize,
    /// The state of each breaker, by tool.
    pub breakers: Vec<(Arc<str>, BreakerState)>,
    /// Writes of which nobody knows whether they happened.
    pub unknown_writes: usize,
}

pub(super) struct Levels {
    pub in_flight: Gauge,
    reserved_calls: Gauge,
    live_runs: Gauge,
    unknown_writes: Gauge,
    breakers: Capped<BreakerLabels, Gauge>,
}

impl Labels for BreakerLabels {
    fn named(self, name: &dyn Fn(Open, Arc<str>) -> Arc<str>) -> Self {
        Self { tool: name(Open::Tool, self.tool) }
    }
}

impl Levels {
    pub fn registered(registry: &mut Registry, names: &Arc<Names>) -> Self {
        let states =
            ("toolgate_breaker_state", "State of a tool's breaker: 0 closed, 1 open, 2 half-open");
        let levels = Self {
            in_flight: Gauge::default(),
            reserved_calls: Gauge::default(),
            live_runs: Gauge::default(),
            unknown_writes: Gauge::default(),
            breakers: Capped::registered(registry, states, names, SERIES_LIMIT, Gauge::default),
        };
        registry.register("toolgate_in_flight", "Calls in the gate", levels.in_flight.clone());
        registry.register(
            "toolgate_reserved_calls",
            "Calls reserved of limits and neither used up nor given back, counted once a limit",
            levels.reserved_calls.clone(),
        );
        registry.register("toolgate_live_runs", "Runs remembered", levels.live_runs.clone());
        registry.register(
            "toolgate_unknown_writes",
            "Writes that were sent and not answered, and not looked after since",
            levels.unknown_writes.clone(),
        );
        levels
    }

    /// Shows what is held now.
    pub fn set(&self, held: &Held) {
        let level = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.reserved_calls.set(i64::try_from(held.reserved_calls).unwrap_or(i64::MAX));
        self.live_runs.set(level(held.live_runs));
        self.unknown_writes.set(level(held.unknown_writes));
        // A breaker may have been taken out of the config, or hidden among those beyond the cap.
        self.breakers.clear();
        for (tool, state) in &held.breakers {
            let labels = BreakerLabels { tool: Arc::clone(tool) };
            // Several may share the place beyond the cap: the worst of them is shown.
            self.breakers.with(labels, |gauge| {
                gauge.set(gauge.get().max(state.level()));
            });
        }
    }
}
