//! A closed call or an ended run as what the exporter carries.

use std::time::{Duration, SystemTime};

use opentelemetry::trace::{
    SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};

use super::{DropReason, Exporter, Parcel};
use crate::call::ErrorClass;
use crate::clock::Now;
use crate::record::outgoing::{Outgoing, Sink};
use crate::record::told::Told;

impl Parcel for Outgoing {
    fn weight_bytes(&self) -> usize {
        Outgoing::weight_bytes(self)
    }

    fn spans(&self) -> u64 {
        match self {
            Self::Call(told, _) => u64::from(told.known.trace.is_some()),
            Self::Run(..) | Self::Evaluation(_) => 0,
        }
    }

    fn unpack(self, spans: &mut Vec<SpanData>) {
        match self {
            Self::Call(told, _) => spans.extend(call(&told)),
            Self::Run(..) | Self::Evaluation(_) => {}
        }
    }
}

impl Sink for Exporter<Outgoing> {
    fn push(&self, outgoing: Outgoing) {
        Exporter::push(self, outgoing);
    }

    fn sampled_out(&self, calls: u64) {
        self.tally().sampled_out(calls);
    }

    fn lost(&self, calls: u64) {
        self.tally().dropped(DropReason::HeldFull, calls);
    }
}

fn call(told: &Told) -> Option<SpanData> {
    let trace = told.known.trace.as_ref()?;
    let (own, parent) = (trace.span(), trace.parent());
    let flags = TraceFlags::new(own.flags());
    let (trace_id, span_id) = (TraceId::from(own.trace()), SpanId::from(own.id()));
    let tool = told.known.tool.as_deref().map_or("", |tool| &*tool.name).to_owned();
    let error = told.close.outcome.error_class.map(ErrorClass::name);
    let mut attributes = vec![
        KeyValue::new("gen_ai.operation.name", "execute_tool"),
        KeyValue::new("gen_ai.tool.name", tool.clone()),
    ];
    attributes.extend(error.map(|error| KeyValue::new("error.type", error)));
    Some(SpanData {
        span_context: SpanContext::new(trace_id, span_id, flags, false, TraceState::NONE),
        parent_span_id: parent.map_or(SpanId::INVALID, |parent| SpanId::from(parent.id())),
        parent_span_is_remote: parent.is_some(),
        span_kind: SpanKind::Internal,
        name: format!("execute_tool {tool}").into(),
        start_time: time(told.opened),
        end_time: time(told.opened) + told.duration(),
        attributes,
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: error.map_or(Status::Unset, |error| Status::error(error)),
        instrumentation_scope: InstrumentationScope::builder("toolgate").build(),
    })
}

fn time(now: Now) -> SystemTime {
    let since = Duration::from_millis(u64::try_from(now.wall_ms).unwrap_or_default());
    SystemTime::UNIX_EPOCH + since
}
