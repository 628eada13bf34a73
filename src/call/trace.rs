//! W3C Trace Context, level 2 (<https://www.w3.org/TR/trace-context-2/>): the caller's place in a
//! trace, and ours.

mod state;

use std::fmt;

pub use state::TraceState;

/// Length of a `traceparent` of version 00, in characters.
const TRACEPARENT_LEN_CHARS: usize = 55;

/// Set when whoever sent it may have recorded the trace.
const SAMPLED: u8 = 0b01;

/// Set when the trace id's last seven bytes are random.
const RANDOM: u8 = 0b10;

/// A place in a trace: the content of a `traceparent` header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent {
    /// Never zero.
    trace_id: u128,
    /// Never zero.
    span_id: u64,
    /// Only the flags defined by level 2.
    flags: u8,
}

impl TraceParent {
    /// Reads a `traceparent`. Of versions after 00 the part that 00 defines is read, as section
    /// "Versioning of traceparent" asks. `None` when it is invalid.
    pub fn parse(header: &str) -> Option<Self> {
        let header = header.trim_matches([' ', '\t']);
        let (fields, future) = header.split_at_checked(TRACEPARENT_LEN_CHARS)?;
        let mut fields = fields.split('-');
        let mut field = |len| fields.next().filter(|field| is_lower_hex(field, len));
        let version = u8::from_str_radix(field(2)?, 16).ok()?;
        let trace_id = u128::from_str_radix(field(32)?, 16).ok()?;
        let span_id = u64::from_str_radix(field(16)?, 16).ok()?;
        let flags = u8::from_str_radix(field(2)?, 16).ok()?;
        let (known_flags, well_formed) = match version {
            0 => (SAMPLED | RANDOM, future.is_empty()),
            0xff => return None,
            1.. => (SAMPLED, future.is_empty() || future.starts_with('-')),
        };
        let valid = well_formed && trace_id != 0 && span_id != 0;
        valid.then_some(Self { trace_id, span_id, flags: flags & known_flags })
    }

    /// The first span of a new trace. It is marked as sampled: which runs are kept is decided when
    /// they end, and what the tools did not record by then could not be had any more.
    pub fn fresh() -> Self {
        let trace_id = fastrand::u128(1..);
        Self { trace_id, span_id: fastrand::u64(1..), flags: SAMPLED | RANDOM }
    }

    /// A new span of the same trace, with the same flags.
    #[must_use]
    pub fn child(&self) -> Self {
        self.with_span(fastrand::u64(1..)).unwrap_or(*self)
    }

    /// Another span of the same trace, with the same flags. `None` of zero, which is no span.
    pub fn with_span(&self, span_id: u64) -> Option<Self> {
        (span_id != 0).then_some(Self { span_id, ..*self })
    }

    /// The trace, never zero.
    pub fn trace(&self) -> u128 {
        self.trace_id
    }

    /// The span, never zero.
    pub fn id(&self) -> u64 {
        self.span_id
    }

    /// The flags of level 2, as they are passed on.
    pub fn flags(&self) -> u8 {
        self.flags
    }

    /// 32 lower-case hex digits.
    pub fn trace_id(&self) -> String {
        format!("{:032x}", self.trace_id)
    }

    /// 16 lower-case hex digits.
    pub fn span_id(&self) -> String {
        format!("{:016x}", self.span_id)
    }

    /// Whether the caller may have recorded the trace.
    pub fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }
}

impl fmt::Display for TraceParent {
    /// The `traceparent` header, version 00.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace_id, self.span_id, self.flags)
    }
}

/// A span of ours: where it stands, and what other tracing systems say of the trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    span: TraceParent,
    parent: Option<TraceParent>,
    link: Option<TraceParent>,
    state: TraceState,
}

impl TraceContext {
    /// A span below the caller's, or the first one of a new trace.
    pub fn child_of(incoming: Option<&(TraceParent, TraceState)>) -> Self {
        match incoming {
            Some((parent, state)) => Self {
                span: parent.child(),
                parent: Some(*parent),
                link: None,
                state: state.clone(),
            },
            None => Self {
                span: TraceParent::fresh(),
                parent: None,
                link: None,
                state: TraceState::default(),
            },
        }
    }

    /// A span below this one.
    #[must_use]
    pub fn child(&self) -> Self {
        let state = self.state.clone();
        Self { span: self.span.child(), parent: Some(self.span), link: None, state }
    }

    /// Another span where this one is: of the same trace, below the same parent.
    #[must_use]
    pub fn sibling(&self) -> Self {
        Self { span: self.span.child(), ..self.clone() }
    }

    /// The same span with a link to another, which it belongs to and is not below.
    #[must_use]
    pub fn linked(self, link: Option<TraceParent>) -> Self {
        // A link to where it stands anyway would say nothing.
        Self { link: link.filter(|link| Some(*link) != self.parent), ..self }
    }

    /// 32 lower-case hex digits.
    pub fn trace_id(&self) -> String {
        self.span.trace_id()
    }

    /// 16 lower-case hex digits.
    pub fn span_id(&self) -> String {
        self.span.span_id()
    }

    /// The caller's span, or that of the run.
    pub fn parent_span_id(&self) -> Option<String> {
        self.parent.map(|parent| parent.span_id())
    }

    /// The `tracestate` to send with [`Self::span`], or with another span of ours that is below it:
    /// our own member, which says which span it was, and those of others.
    pub fn tracestate(&self, sent: TraceParent) -> String {
        self.state.with_own(sent.span_id)
    }

    /// What other tracing systems say of the trace, as it was received.
    pub fn state(&self) -> &TraceState {
        &self.state
    }

    /// Our span: the `traceparent` to send.
    pub fn span(&self) -> TraceParent {
        self.span
    }

    /// The span that ours is below, if there is one.
    pub fn parent(&self) -> Option<TraceParent> {
        self.parent
    }

    /// A span that ours has to do with and is not below: where the request stood, when the message
    /// in it says that it stands elsewhere.
    pub fn link(&self) -> Option<TraceParent> {
        self.link
    }

    /// Whether the caller may have recorded the trace, or we began it.
    pub fn is_sampled(&self) -> bool {
        self.span.is_sampled()
    }
}

fn is_lower_hex(text: &str, len: usize) -> bool {
    text.len() == len && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
