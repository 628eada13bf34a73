//! What goes on to an upstream of where a call stands: its place in a trace, which is known once its
//! run is, and the baggage that comes with it. Written into the call itself before anything judges
//! it, so that what is judged and what is sent stay one thing.

use bytes::Bytes;
use http::HeaderMap;
use smallvec::SmallVec;

use crate::call::Era;
use crate::call::trace::TraceContext;
use crate::identify::baggage::{Left, Pass};
use crate::identify::{Call, Desk};
use crate::json::Document;
use crate::ledger::Visit;
use crate::protocol::mcp::meta::{self, Carry, Member};

/// What the body of a message has of a place in a trace.
#[derive(Debug, Default)]
pub struct InBody {
    place: Place,
    baggage: Baggage,
}

/// Where our place in a trace is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// In the request's headers alone: neither the revision nor the sender has one in the body.
    #[default]
    Headers,
    /// In the body as well, where the sender wrote his.
    Carried,
    /// In the body as well, as the revision has it.
    Expected,
}

/// The baggage in the body.
#[derive(Debug, Default)]
enum Baggage {
    #[default]
    None,
    Text(Box<str>),
    Unreadable,
}

/// Gives a call its place in a trace: below the caller's span or, without one, below that of its
/// run. A call that could not be read is refused at that place.
pub(super) fn propagate(call: Option<&mut Call>, visit: &Visit, desk: &mut Desk<'_>) {
    let has_caller = desk.known.trace.as_ref().is_some_and(|trace| trace.parent().is_some());
    if !has_caller {
        desk.known.trace = Some(visit.below_root());
    }
    let Some(call) = call else { return };
    if let Some(trace) = &desk.known.trace {
        call.trace = trace.clone();
    }
    let pass = desk.terms.baggage(&call.upstream);
    pass.apply(&mut call.headers);
    let in_body = call.message.as_ref().map(|message| &message.in_body);
    let written =
        in_body.and_then(|in_body| in_body.written(&call.body, &call.trace, &call.headers, pass));
    if let Some(body) = written {
        call.body = body;
    }
}

impl InBody {
    /// What a message carries. `is_request`: it waits for an answer.
    pub(super) fn of(document: &Document, is_request: bool, era: Era) -> Self {
        let carried = meta::carried(document);
        let place = match (carried.traceparent, era) {
            (Some(_), _) => Place::Carried,
            (None, Era::Stateless) if is_request => Place::Expected,
            (None, Era::Stateless | Era::Sessions) => Place::Headers,
        };
        let baggage = match carried.baggage {
            Carry::Text(text) => Baggage::Text(text.into()),
            Carry::Unreadable => Baggage::Unreadable,
            Carry::None => Baggage::None,
        };
        Self { place, baggage }
    }

    /// The body as it goes on. `None` when nothing of it changes.
    fn written(
        &self,
        body: &Bytes,
        trace: &TraceContext,
        headers: &HeaderMap,
        pass: &Pass,
    ) -> Option<Bytes> {
        let place = match self.place {
            Place::Headers => None,
            Place::Carried | Place::Expected => {
                Some((trace.span().to_string(), trace.tracestate(trace.span())))
            }
        };
        let left = self.baggage_left(headers, pass);
        let mut members: SmallVec<[(&str, Member<'_>); 3]> = SmallVec::new();
        if let Some((traceparent, tracestate)) = &place {
            members.push(("traceparent", Member::Is(traceparent)));
            members.push(("tracestate", Member::Is(tracestate)));
        }
        match &left {
            Left::Whole => {}
            Left::Some(text) => members.push(("baggage", Member::Is(text))),
            Left::Nothing => members.push(("baggage", Member::Gone)),
        }
        if members.is_empty() {
            return None;
        }
        let text = std::str::from_utf8(body).ok()?;
        meta::with_members(text, &members).map(Bytes::from)
    }

    /// What goes on of the baggage in the body; where the place in the trace comes from the headers
    /// and goes on in the body, of theirs.
    fn baggage_left(&self, headers: &HeaderMap, pass: &Pass) -> Left {
        match (&self.baggage, self.place) {
            (Baggage::Text(text), _) => pass.of([&**text]),
            (Baggage::Unreadable, _) => Left::Nothing,
            (Baggage::None, Place::Expected) => {
                let values = headers.get_all("baggage").iter();
                let values: Vec<&str> = values.filter_map(|value| value.to_str().ok()).collect();
                if values.is_empty() { Left::Whole } else { Left::Some(values.join(",")) }
            }
            (Baggage::None, Place::Headers | Place::Carried) => Left::Whole,
        }
    }
}
