//! A closed call or an ended run as what the exporter carries.

use http::{HeaderName, HeaderValue};
use opentelemetry_sdk::trace::SpanData;

use super::{DropReason, Exporter, Parcel};
use crate::record::outgoing::{Outgoing, Sink};
use crate::record::span;

impl Parcel for Outgoing {
    fn weight_bytes(&self) -> usize {
        Outgoing::weight_bytes(self)
    }

    fn spans(&self) -> u64 {
        span::count(self)
    }

    fn unpack(self, spans: &mut Vec<SpanData>) {
        spans.extend(span::of(self));
    }
}

impl Sink for Exporter<Outgoing> {
    fn push(&self, outgoing: Outgoing) {
        Exporter::push(self, outgoing);
    }

    fn renew_headers(&self, headers: Vec<(HeaderName, HeaderValue)>) {
        Exporter::renew_headers(self, headers);
    }

    fn sampled_out(&self, calls: u64) {
        self.tally().sampled_out(calls);
    }

    fn lost(&self, spans: u64) {
        self.tally().dropped(DropReason::HeldFull, spans);
    }
}
