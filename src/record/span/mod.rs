//! Closed calls and ended runs as OpenTelemetry spans. Pure, and done by whoever exports them, off
//! the path of calls.
//!
//! A call to a plain HTTP tool is an `execute_tool` span with a span below it for each attempt; a
//! message of MCP and a call to a model are one span each; a run that nobody else traces is an
//! `invoke_agent` span above its calls.

mod contents;
mod decision;
mod draft;
mod evaluation;
mod http;
mod mcp;
mod model;
pub mod names;
mod run;

#[cfg(test)]
mod tests;

use opentelemetry_sdk::trace::SpanData;
use smallvec::SmallVec;

use self::draft::{Draft, Timeline};
use crate::call::{Came, ErrorClass, Known, Language, Status, StopReason};
use crate::record::outgoing::{Kept, Outgoing};
use crate::record::told::Told;

pub use self::run::of_run;

/// Spans of one call: its own, and mostly at most one below it.
pub type Spans = SmallVec<[SpanData; 2]>;

/// How many spans it becomes.
pub fn count(outgoing: &Outgoing) -> u64 {
    match outgoing {
        Outgoing::Call(told, _) => count_of_call(told),
        Outgoing::Run(run, _) => u64::from(run.ended.root.is_some()),
        Outgoing::Evaluation(evaluation) => u64::from(evaluation.about.trace.is_some()),
    }
}

/// How many spans a call becomes.
pub fn count_of_call(told: &Told) -> u64 {
    let own = u64::from(told.known.trace.is_some());
    let attempts = told.known.attempts.iter().filter(|attempt| attempt.span.is_some());
    own.saturating_mul(u64::try_from(attempts.count()).unwrap_or(u64::MAX).saturating_add(1))
}

/// Its spans.
pub fn of(outgoing: Outgoing) -> Spans {
    match outgoing {
        Outgoing::Call(told, kept) => of_call(*told, kept),
        Outgoing::Run(run, kept) => of_run(&run, kept).into_iter().collect(),
        Outgoing::Evaluation(evaluation) => {
            evaluation::of_evaluation(&evaluation).into_iter().collect()
        }
    }
}

/// The spans of a call: its own first. None of a call that has no place in a trace, because it was
/// refused before it could have one.
pub fn of_call(mut told: Told, kept: Kept) -> Spans {
    let Some(trace) = told.known.trace.take() else { return Spans::new() };
    let timeline = Timeline::new(told.opened);
    let mut spans = Spans::new();
    let mut draft = Draft::of(&trace);
    match &told.known.language {
        Language::Http => http::tool(&mut draft, &told),
        Language::Mcp(message) => mcp::message(&mut draft, &told, message),
        Language::Llm(message) => model::call(&mut draft, &told, message.provider),
    }
    decision::put(&mut draft, &told, kept, timeline);
    evaluation::put_checks(&mut draft, &told, timeline);
    if let Some(contents) = told.known.particulars.contents.take() {
        let end = timeline.at(told.ended.mono);
        contents::put(&mut draft, *contents, &told.known.language, end);
    }
    fail(&mut draft, &told);
    let (start, end) = (timeline.at(told.opened.mono), timeline.at(told.ended.mono));
    spans.push(draft.finish(start, end, true));
    spans.extend(http::attempts(&told, &trace, timeline));
    spans
}

/// Why it failed, if it did.
fn fail(draft: &mut Draft, told: &Told) {
    let error = told.error_type().map(|error| error.to_string());
    draft.failure =
        error.as_ref().map(|error| match (told.close.outcome.status, told.close.stop_reason) {
            (Status::Denied, Some(reason)) => refusal(reason, told.close.rule.as_deref()),
            _ => error.clone(),
        });
    draft.attributes.put_some(names::ERROR_TYPE, error);
}

/// `stop_reason: rule`, what people look for first.
fn refusal(reason: StopReason, rule: Option<&str>) -> String {
    rule.map_or_else(|| reason.name().to_owned(), |rule| format!("{}: {rule}", reason.name()))
}

/// What came of the last attempt is not what the span tells, but that of the call.
fn came_badly(came: Came) -> Option<String> {
    match came {
        Came::Status(status) if status >= 400 => Some(status.to_string()),
        Came::Status(_) => None,
        Came::Failed(class) => Some(ErrorClass::name(class).to_owned()),
    }
}

/// Where the upstream is.
fn put_server(draft: &mut Draft, known: &Known) {
    let Some(wire) = &known.particulars.wire else { return };
    if !wire.host.is_empty() {
        draft.attributes.put(names::SERVER_ADDRESS, String::from(&*wire.host));
        draft.attributes.put_some(names::SERVER_PORT, wire.port.map(i64::from));
    }
}
