//! Exemplars: the call that an observation is of, so that a bucket of a histogram leads to a trace.
//!
//! Format: OpenMetrics 1.0, section "Exemplars"; the label names are those that Prometheus and
//! Grafana look for.

use std::fmt::{Error, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prometheus_client::encoding::{EncodeLabelSet, LabelSetEncoder};
use prometheus_client::metrics::exemplar::{CounterWithExemplar, HistogramWithExemplars};

/// Counts, and remembers the last call it counted.
pub(super) type Counter = CounterWithExemplar<Trace>;

/// A distribution that remembers the last call of each bucket.
pub(super) type Histogram = HistogramWithExemplars<Trace>;

/// A call's place in a trace. Its hex digits are only written when somebody reads the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Trace {
    pub trace: u128,
    pub span: u64,
}

/// When something was observed, and of which call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    trace: Option<Trace>,
    at: Option<SystemTime>,
}

impl EncodeLabelSet for Trace {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> Result<(), Error> {
        let mut label = encoder.encode_label();
        let mut key = label.encode_label_key()?;
        key.write_str("trace_id")?;
        let mut value = key.encode_label_value()?;
        write!(value, "{:032x}", self.trace)?;
        value.finish()?;
        let mut label = encoder.encode_label();
        let mut key = label.encode_label_key()?;
        key.write_str("span_id")?;
        let mut value = key.encode_label_value()?;
        write!(value, "{:016x}", self.span)?;
        value.finish()
    }
}

impl Seen {
    /// Of a call that ended at `wall_ms`, in milliseconds since the Unix epoch.
    pub fn new(trace: Option<Trace>, wall_ms: i64) -> Self {
        let since = Duration::from_millis(u64::try_from(wall_ms).unwrap_or_default());
        Self { trace, at: UNIX_EPOCH.checked_add(since) }
    }

    /// Counts one.
    pub fn count(self, counter: &Counter) {
        self.count_all(counter, 1);
    }

    /// Counts several.
    pub fn count_all(self, counter: &Counter, count: u64) {
        counter.inc_by(count, self.trace, self.at);
    }

    /// Notes a value.
    pub fn observe(self, histogram: &Histogram, value: f64) {
        histogram.observe(value, self.trace, self.at);
    }

    /// Notes a time, in seconds.
    pub fn time(self, histogram: &Histogram, duration: Duration) {
        self.observe(histogram, duration.as_secs_f64());
    }
}
