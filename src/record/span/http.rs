//! A call to a plain HTTP tool, and its attempts.

use std::borrow::Cow;

use opentelemetry::trace::SpanKind;
use opentelemetry_sdk::trace::SpanData;

use super::draft::{Draft, Timeline};
use super::{came_badly, names, put_server};
use crate::call::trace::TraceContext;
use crate::call::{Attempt, Came, Known};
use crate::record::told::Told;

/// `execute_tool {tool}`: what an agent asked for, whatever that took.
pub(super) fn tool(draft: &mut Draft, told: &Told) {
    draft.kind = SpanKind::Internal;
    if told.known.tool.is_none() {
        return request(draft, &told.known);
    }
    draft.name = named(names::EXECUTE_TOOL, &told.known);
    draft.attributes.put(names::SPAN_KIND, "TOOL");
    draft.attributes.put(names::OPERATION, names::EXECUTE_TOOL);
    put_tool(draft, &told.known);
}

/// A request that was refused before anybody knew what it asked for: its method, and no operation.
pub(super) fn request(draft: &mut Draft, known: &Known) {
    let verb = known.particulars.verb.unwrap_or(names::OTHER);
    draft.name = method(verb);
    draft.attributes.put(names::SPAN_KIND, "CHAIN");
    draft.attributes.put(names::HTTP_METHOD, verb);
}

/// The name of a span that has none but the method's (semantic conventions, "HTTP spans", "Name").
fn method(verb: &'static str) -> Cow<'static, str> {
    Cow::Borrowed(if verb == names::OTHER { "HTTP" } else { verb })
}

/// What is known of the tool, and of who asked for it.
pub(super) fn put_tool(draft: &mut Draft, known: &Known) {
    if let Some(tool) = &known.tool {
        draft.attributes.put_text(names::TOOL_NAME, &tool.name);
        draft.attributes.put(names::TOOL_TYPE, "function");
    }
    draft.attributes.put_some(names::TOOL_CALL_ID, known.tool_call_id.clone());
}

/// A span's name, with that of the tool where one is known.
pub(super) fn named(what: &'static str, known: &Known) -> Cow<'static, str> {
    match &known.tool {
        Some(tool) => Cow::Owned(format!("{what} {}", tool.name)),
        None => Cow::Borrowed(what),
    }
}

/// The attempts of a call that have spans of their own.
pub(super) fn attempts<'t>(
    told: &'t Told,
    trace: &'t TraceContext,
    timeline: Timeline,
) -> impl Iterator<Item = SpanData> + 't {
    let attempts = told.known.attempts.iter().zip(0_i64..);
    attempts.filter_map(move |(attempt, resent)| of_attempt(told, trace, timeline, attempt, resent))
}

fn of_attempt(
    told: &Told,
    trace: &TraceContext,
    timeline: Timeline,
    attempt: &Attempt,
    resent: i64,
) -> Option<SpanData> {
    let mut draft = Draft::below(trace, attempt.span?)?;
    let particulars = &told.known.particulars;
    let verb = particulars.verb.unwrap_or(names::OTHER);
    draft.kind = SpanKind::Client;
    draft.name = method(verb);
    draft.attributes.put(names::HTTP_METHOD, verb);
    draft.attributes.put_some(names::URL, url(&told.known));
    put_server(&mut draft, &told.known);
    match attempt.came {
        Came::Status(status) => draft.attributes.put(names::HTTP_STATUS, i64::from(status)),
        Came::Failed(_) => {}
    }
    draft.attributes.put_some(names::RESEND_COUNT, (resent > 0).then_some(resent));
    let error = came_badly(attempt.came);
    draft.failure.clone_from(&error);
    draft.attributes.put_some(names::ERROR_TYPE, error);
    // Readings of one clock, but a test's may stand still.
    let begun = attempt.begun.mono.clamp(told.opened.mono, told.ended.mono.max(told.opened.mono));
    let ended = attempt.ended.mono.clamp(begun, told.ended.mono.max(begun));
    Some(draft.finish(timeline.at(begun), timeline.at(ended), false))
}

/// Where the request went, without what was in it: no value of its path or query, no user.
fn url(known: &Known) -> Option<String> {
    let wire = known.particulars.wire.as_ref().filter(|wire| !wire.base.is_empty())?;
    let template = known.particulars.template.as_deref().unwrap_or_default();
    Some(format!("{}{template}", wire.base))
}
