//! Changes of what is usual, by what has changed and whose it is.

use std::sync::atomic::{AtomicUsize, Ordering};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use crate::baseline::Signal;

/// Series of changes; those of tools and agents beyond them are counted under `other`.
const SERIES_LIMIT: usize = 1_024;

const OTHER: &str = "other";

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DriftLabels {
    signal: &'static str,
    tool: String,
    agent: String,
}

pub(super) struct Drifts {
    counts: Family<DriftLabels, Counter>,
    series: AtomicUsize,
}

impl Drifts {
    pub fn registered(registry: &mut Registry) -> Self {
        let counts = Family::<DriftLabels, Counter>::default();
        for signal in Signal::ALL {
            // There from the start, so that the first change is an increase.
            drop(counts.get_or_create(&labels(signal, "", "")));
        }
        let help = "Changes of what is usual for a tool or an agent, told once each";
        registry.register("toolgate_drift", help, counts.clone());
        Self { counts, series: AtomicUsize::new(0) }
    }

    /// Counts a change. `tool` and `agent` are empty where it is of all of them.
    pub fn moved(&self, signal: Signal, tool: &str, agent: &str) {
        let labels = labels(signal, tool, agent);
        if let Some(count) = self.counts.get(&labels) {
            count.inc();
            return;
        }
        // Two that come at once may go one over the limit, and no further.
        if self.series.fetch_add(1, Ordering::Relaxed) < SERIES_LIMIT {
            self.counts.get_or_create(&labels).inc();
        } else {
            self.series.fetch_sub(1, Ordering::Relaxed);
            self.counts.get_or_create(&self::labels(signal, OTHER, OTHER)).inc();
        }
    }
}

fn labels(signal: Signal, tool: &str, agent: &str) -> DriftLabels {
    DriftLabels { signal: signal.name(), tool: tool.to_owned(), agent: agent.to_owned() }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;

    use super::*;

    #[test]
    fn names_beyond_the_limit_are_counted_together() {
        let mut registry = Registry::default();
        let drifts = Drifts::registered(&mut registry);
        for number in 0..SERIES_LIMIT + 10 {
            drifts.moved(Signal::Latency, &format!("t.{number}"), "");
        }
        drifts.moved(Signal::Latency, "t.0", "");
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        let value = |tool: &str| {
            let line = text.lines().find(|line| line.contains(&format!("tool=\"{tool}\"")));
            line.and_then(|line| line.rsplit(' ').next()).map(str::to_owned)
        };
        assert_eq!(value("t.0").as_deref(), Some("2"));
        assert_eq!(value("t.1").as_deref(), Some("1"));
        assert_eq!(value(&format!("t.{SERIES_LIMIT}")), None);
        assert_eq!(value(OTHER).as_deref(), Some("10"));
    }
}
