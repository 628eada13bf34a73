//! A span while its attributes are gathered.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime};

use opentelemetry::trace::{
    Event, Link, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{InstrumentationScope, KeyValue, Value};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};

use crate::call::trace::TraceContext;
use crate::call::trace::TraceParent;
use crate::clock::Now;

/// Events of one span.
const EVENTS_LIMIT: usize = 32;

/// What all spans of this gate are made by.
static SCOPE: LazyLock<InstrumentationScope> = LazyLock::new(|| {
    InstrumentationScope::builder("toolgate")
        .with_version(env!("CARGO_PKG_VERSION"))
        .with_schema_url("https://opentelemetry.io/schemas/1.41.1")
        .build()
});

/// Attributes in the order they were put.
#[derive(Default)]
pub(super) struct Attributes(Vec<KeyValue>);

impl Attributes {
    pub fn put(&mut self, name: &'static str, value: impl Into<Value>) {
        self.0.push(KeyValue::new(name, value));
    }

    pub fn put_some(&mut self, name: &'static str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.put(name, value);
        }
    }

    /// A text that is shared, unless it is empty.
    pub fn put_text(&mut self, name: &'static str, text: &Arc<str>) {
        if !text.is_empty() {
            self.put(name, Arc::clone(text));
        }
    }

    pub fn put_count(&mut self, name: &'static str, count: u64) {
        self.put(name, i64::try_from(count).unwrap_or(i64::MAX));
    }

    pub fn into_inner(self) -> Vec<KeyValue> {
        self.0
    }
}

/// When things happened, by the wall clock: one reading of it, and differences of the monotonic one,
/// so that what follows does not come before.
#[derive(Clone, Copy)]
pub(super) struct Timeline {
    anchor: Now,
}

impl Timeline {
    pub fn new(anchor: Now) -> Self {
        Self { anchor }
    }

    /// The moment at which the monotonic clock read `mono`.
    pub fn at(self, mono: Duration) -> SystemTime {
        let wall = u64::try_from(self.anchor.wall_ms).unwrap_or_default();
        let anchored = SystemTime::UNIX_EPOCH + Duration::from_millis(wall);
        match mono.checked_sub(self.anchor.mono) {
            Some(after) => anchored + after,
            None => anchored - self.anchor.mono.saturating_sub(mono),
        }
    }
}

/// A span in the making.
pub(super) struct Draft {
    context: SpanContext,
    parent: Option<TraceParent>,
    link: Option<TraceParent>,
    pub kind: SpanKind,
    pub name: Cow<'static, str>,
    pub attributes: Attributes,
    events: Vec<Event>,
    dropped_events: u32,
    /// Why it failed, if it did, in words of the gate and its config: never a tool's.
    pub failure: Option<String>,
}

impl Draft {
    /// The span that `trace` says.
    pub fn of(trace: &TraceContext) -> Self {
        Self::new(trace.span(), trace.parent(), trace)
    }

    /// A span with this id below that of `trace`.
    pub fn below(trace: &TraceContext, span_id: u64) -> Option<Self> {
        let own = trace.span().with_span(span_id)?;
        let mut draft = Self::new(own, Some(trace.span()), trace);
        draft.link = None;
        Some(draft)
    }

    fn new(own: TraceParent, parent: Option<TraceParent>, trace: &TraceContext) -> Self {
        let (trace_id, span_id) = (TraceId::from(own.trace()), SpanId::from(own.id()));
        // Of the caller's, or none at all: spans say how they were received.
        let state = trace.state().as_str().parse().unwrap_or(TraceState::NONE);
        let flags = TraceFlags::new(own.flags());
        Self {
            context: SpanContext::new(trace_id, span_id, flags, false, state),
            parent,
            link: trace.link(),
            kind: SpanKind::Internal,
            name: Cow::Borrowed(""),
            attributes: Attributes::default(),
            events: Vec::new(),
            dropped_events: 0,
            failure: None,
        }
    }

    pub fn event(&mut self, name: &'static str, at: SystemTime, attributes: Attributes) {
        if self.events.len() >= EVENTS_LIMIT {
            self.dropped_events = self.dropped_events.saturating_add(1);
        } else {
            self.events.push(Event::new(name, at, attributes.into_inner(), 0));
        }
    }

    /// So many events more there would have been.
    pub fn drop_events(&mut self, count: usize) {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.dropped_events = self.dropped_events.saturating_add(count);
    }

    /// The span. `remote_parent`: its parent is none of this gate's.
    pub fn finish(self, start: SystemTime, end: SystemTime, remote_parent: bool) -> SpanData {
        let mut events = SpanEvents::default();
        events.events = self.events;
        events.dropped_count = self.dropped_events;
        let mut links = SpanLinks::default();
        links.links = self.link.map(link).into_iter().collect();
        SpanData {
            span_context: self.context,
            parent_span_id: self.parent.map_or(SpanId::INVALID, |parent| parent.id().into()),
            parent_span_is_remote: remote_parent && self.parent.is_some(),
            span_kind: self.kind,
            name: self.name,
            start_time: start,
            end_time: end.max(start),
            attributes: self.attributes.into_inner(),
            dropped_attributes_count: 0,
            events,
            links,
            status: self.failure.map_or(Status::Unset, Status::error),
            instrumentation_scope: SCOPE.clone(),
        }
    }
}

fn link(to: TraceParent) -> Link {
    let flags = TraceFlags::new(to.flags());
    let (trace_id, span_id) = (TraceId::from(to.trace()), SpanId::from(to.id()));
    let context = SpanContext::new(trace_id, span_id, flags, true, TraceState::NONE);
    Link::new(context, Vec::new(), 0)
}
