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
    /// A call found no room where it would have waited for the end of its run.
    HeldFull,
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
    sampled_out: Counter,
    dropped: Family<DropLabels, Counter>,
}

impl DropReason {
    pub const ALL: [Self; 5] =
        [Self::QueueFull, Self::ExportFailed, Self::Rejected, Self::HeldFull, Self::Shutdown];

    /// As metrics name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::ExportFailed => "export_failed",
            Self::Rejected => "rejected",
            Self::HeldFull => "held_full",
            Self::Shutdown => "shutdown",
        }
    }
}

impl Tally {
    /// Lets a scrape show the counters, all of them from the start.
    pub(in crate::record) fn register(&self, registry: &mut Registry) {
        for reason in DropReason::ALL {
            self.dropped(reason, 0);
        }
        registry.register(
            "toolgate_telemetry_exported",
            "Spans that the collector has accepted",
            self.exported.clone(),
        );
        registry.register(
            "toolgate_telemetry_sampled_out",
            "Calls of runs that were not kept, by the configured share",
            self.sampled_out.clone(),
        );
        registry.register(
            "toolgate_telemetry_dropped",
            "Spans that were to be exported and were not, by the reason",
            self.dropped.clone(),
        );
    }

    /// Calls whose run is not kept.
    pub(super) fn sampled_out(&self, calls: u64) {
        self.sampled_out.inc_by(calls);
    }

    pub(super) fn exported(&self, spans: u64) {
        self.exported.inc_by(spans);
    }

    pub(super) fn dropped(&self, reason: DropReason, spans: u64) {
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
