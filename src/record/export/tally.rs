//! What became of spans: every one that was handed over is exported or dropped, and counted.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

/// Why a span was not exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DropReason {
    /// What waited already took all the room.
    QueueFull,
    /// The collector was not reached, did not answer or refused the request.
    ExportFailed,
    /// The collector took the request and not all of its spans.
    Rejected,
    /// The gate ended before it was sent.
    Shutdown,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DropLabels {
    reason: &'static str,
}

/// Counters of spans. Clones count together.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    exported: Counter,
    dropped: Family<DropLabels, Counter>,
}

impl DropReason {
    pub const ALL: [Self; 4] =
        [Self::QueueFull, Self::ExportFailed, Self::Rejected, Self::Shutdown];

    /// As metrics name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::ExportFailed => "export_failed",
            Self::Rejected => "rejected",
            Self::Shutdown => "shutdown",
        }
    }
}

impl Tally {
    /// Counters that a scrape shows, there from the start.
    pub fn registered(registry: &mut Registry) -> Self {
        let tally = Self::default();
        for reason in DropReason::ALL {
            tally.dropped(reason, 0);
        }
        registry.register(
            "toolgate_telemetry_exported",
            "Spans that the collector has accepted",
            tally.exported.clone(),
        );
        registry.register(
            "toolgate_telemetry_dropped",
            "Spans that were not exported, by the reason",
            tally.dropped.clone(),
        );
        tally
    }

    pub fn exported(&self, spans: u64) {
        self.exported.inc_by(spans);
    }

    pub fn dropped(&self, reason: DropReason, spans: u64) {
        self.dropped.get_or_create(&DropLabels { reason: reason.name() }).inc_by(spans);
    }

    /// Spans that were accepted so far.
    pub fn count_exported(&self) -> u64 {
        self.exported.get()
    }

    /// Spans that were dropped so far for this reason.
    pub fn count_dropped(&self, reason: DropReason) -> u64 {
        self.dropped.get_or_create(&DropLabels { reason: reason.name() }).get()
    }
}
