//! Each kind of span in full, as goldens below `tests/goldens/spans`: `UPDATE_GOLDENS=1` writes them.

mod cases;

use std::fmt::Write as _;
use std::path::Path;
use std::time::SystemTime;

use opentelemetry::KeyValue;
use opentelemetry_sdk::trace::SpanData;

use self::cases::{Case, KEPT, OPENED_WALL_MS, mcp, model, tool};
use super::{count, names, of_call};
use crate::call::{Attempt, Came, ErrorClass, Status, StopReason, Verdict};
use crate::clock::Now;
use crate::record::outgoing::Outgoing;

fn golden(name: &str, shown: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/spans");
    let path = folder.join(format!("{name}.txt"));
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(&path, shown).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(kept, shown, "{} (UPDATE_GOLDENS=1 writes it)", path.display());
}

/// Spans as text: everything that a collector is sent.
fn shown(spans: &[SpanData]) -> String {
    // The only thing that chance has a part in.
    let own = spans.first().map(|span| span.span_context.span_id().to_string()).unwrap_or_default();
    let mut out = String::new();
    for span in spans {
        let context = &span.span_context;
        let _ = writeln!(out, "{} {:?}", span.name, span.span_kind);
        let _ = writeln!(
            out,
            "  trace {} span {} parent {}{} flags {:02x} state {:?}",
            context.trace_id(),
            context.span_id(),
            span.parent_span_id,
            if span.parent_span_is_remote { " (remote)" } else { "" },
            context.trace_flags().to_u8(),
            context.trace_state().header(),
        );
        let _ = writeln!(out, "  from {} to {}", at(span.start_time), at(span.end_time));
        let _ = writeln!(out, "  status {:?}", span.status);
        attributes(&mut out, "  ", &span.attributes);
        for event in span.events.iter() {
            let _ = writeln!(out, "  event {} at {}", event.name, at(event.timestamp));
            attributes(&mut out, "    ", &event.attributes);
        }
        for link in span.links.iter() {
            let to = &link.span_context;
            let _ = writeln!(out, "  link trace {} span {}", to.trace_id(), to.span_id());
        }
    }
    out.replace(&own, "OWN")
}

fn attributes(out: &mut String, indent: &str, attributes: &[KeyValue]) {
    let mut lines: Vec<String> =
        attributes.iter().map(|it| format!("{indent}{} = {:?}", it.key, it.value)).collect();
    let names: std::collections::HashSet<_> = attributes.iter().map(|it| &it.key).collect();
    assert_eq!(names.len(), lines.len(), "an attribute stands twice: {lines:?}");
    lines.sort();
    for line in lines {
        let _ = writeln!(out, "{line}");
    }
}

/// Microseconds since the calls of these tests arrive.
fn at(time: SystemTime) -> String {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_micros();
    format!("{}µs", since as i128 - i128::from(OPENED_WALL_MS) * 1_000)
}

fn check(name: &str, case: Case) {
    let outgoing = Outgoing::Call(Box::new(case.told()), KEPT);
    let counted = count(&outgoing);
    let spans = super::of(outgoing);
    assert_eq!(spans.len() as u64, counted, "{name}");
    for span in &spans {
        assert!(span.start_time <= span.end_time);
        assert!(span.start_time >= spans[0].start_time && span.end_time <= spans[0].end_time);
    }
    golden(name, &shown(&spans));
}

fn attribute(case: Case, span: usize, name: &str) -> Option<String> {
    let spans = of_call(case.told(), KEPT);
    let found = spans[span].attributes.iter().find(|it| it.key.as_str() == name)?;
    Some(found.value.as_str().into_owned())
}

#[test]
fn a_tool_is_executed_by_one_attempt() {
    check("tool", tool());
}

#[test]
fn a_tool_is_executed_at_the_third_attempt() {
    check(
        "tool_retried",
        tool().attempts(&[Came::Failed(ErrorClass::Connect), Came::Status(503), Came::Status(200)]),
    );
}

#[test]
fn calls_fail_in_every_way_and_say_which() {
    for (name, status, class, http) in [
        ("tool_4xx", Status::Error, ErrorClass::Http4xx, Some(404)),
        ("tool_5xx", Status::Error, ErrorClass::Http5xx, Some(503)),
    ] {
        let http_status = http.unwrap_or_default();
        check(name, tool().attempts(&[Came::Status(http_status)]).ended(status, class, http));
    }
    let lost = [Came::Failed(ErrorClass::Timeout)];
    check("tool_timeout", tool().attempts(&lost).ended(Status::Timeout, ErrorClass::Timeout, None));
    for (status, class) in [
        (Status::Cancelled, ErrorClass::Cancelled),
        (Status::Unknown, ErrorClass::Timeout),
        (Status::Error, ErrorClass::ToolError),
        (Status::Error, ErrorClass::MalformedResponse),
    ] {
        let case = || tool().ended(status, class, Some(200));
        assert_eq!(attribute(case(), 0, names::ERROR_TYPE).as_deref(), Some(class.name()));
        let spans = of_call(case().told(), KEPT);
        assert!(
            matches!(&spans[0].status, opentelemetry::trace::Status::Error { description } if description == class.name())
        );
    }
}

/// What stands in for an answer, and what was passed on although it breaks its schema, are answers.
#[test]
fn an_answer_that_something_is_to_be_said_of_is_no_failure() {
    let stale = || tool().ended(Status::Ok, ErrorClass::StaleData, Some(200));
    assert_eq!(attribute(stale(), 0, names::ERROR_TYPE), None);
    assert_eq!(attribute(stale(), 0, names::ERROR_CLASS).as_deref(), Some("stale_data"));
    let spans = of_call(stale().told(), KEPT);
    assert_eq!(spans[0].status, opentelemetry::trace::Status::Unset);
}

#[test]
fn refusals_and_what_was_decided_beside_them_are_events() {
    check("tool_denied", tool().refused(Verdict::Deny, StopReason::ArgsDenied, false));
    check("tool_withheld", tool().refused(Verdict::Stop, StopReason::ResultDenied, true));
    check("tool_warned", tool().warned().observed(2));
    let spans = of_call(tool().observed(40).told(), KEPT);
    assert_eq!((spans[0].events.len(), spans[0].events.dropped_count), (16, 24));
}

/// What no tool or operation is known of is none, by name, operation and kind.
#[test]
fn requests_for_nothing_known_go_by_their_method() {
    check("unknown_http", tool().unknown(Some("GET")));
    check("unknown_model", model("chat").unknown(Some("POST")));
    check("unknown_mcp", mcp("tools/call").unknown(Some("POST")));
    check("unknown_mcp_unread", mcp("").unknown(Some("PUT")).unread());
    let read = [tool(), model("chat"), mcp("tools/call")].map(|case| case.unknown(None));
    for case in read.into_iter().chain([mcp("").unknown(None).unread()]) {
        let spans = shown(&of_call(case.told(), KEPT));
        for never in ["HUNTER2", "TOOL\"", "LLM", names::OPERATION, names::TOOL_NAME] {
            assert!(!spans.contains(never), "{never}: {spans}");
        }
    }
    let spans = of_call(tool().unknown(None).told(), KEPT);
    assert_eq!(spans[0].name, "HTTP");
}

#[test]
fn messages_of_mcp_are_one_span_each() {
    check("mcp_call", mcp("tools/call"));
    check("mcp_pipe", mcp("tools/call").through_pipe());
    check("mcp_list", mcp("tools/list").protocol());
    check("mcp_is_error", mcp("tools/call").ended(Status::Error, ErrorClass::ToolError, Some(200)));
    check(
        "mcp_rpc_error",
        mcp("tools/call").rpc(-32_602).ended(Status::Error, ErrorClass::ToolError, Some(200)),
    );
    let foreign = mcp("hunter2/steal").foreign();
    let spans = shown(&of_call(foreign.told(), KEPT));
    assert!(!spans.contains("hunter2"), "{spans}");
}

#[test]
fn models_are_asked_in_one_span_each() {
    check("model_chat", model("chat"));
    check("model_failed", model("chat").ended(Status::Error, ErrorClass::RateLimit, Some(429)));
    for (own, operation, kind) in [
        ("responses", "chat", "LLM"),
        ("messages", "chat", "LLM"),
        ("completions", "text_completion", "LLM"),
        ("generate_content", "generate_content", "LLM"),
        ("embeddings", "embeddings", "EMBEDDING"),
        ("embed_content", "embeddings", "EMBEDDING"),
        ("count_tokens", "count_tokens", "CHAIN"),
    ] {
        assert_eq!(attribute(model(own), 0, names::OPERATION).as_deref(), Some(operation));
        assert_eq!(attribute(model(own), 0, names::SPAN_KIND).as_deref(), Some(kind));
    }
}

#[test]
fn a_run_is_a_span_above_its_calls() {
    for (name, run) in
        [("run", cases::run(None)), ("run_stopped", cases::run(Some(StopReason::LoopDetected)))]
    {
        let outgoing = Outgoing::Run(Box::new(run), KEPT);
        assert_eq!(count(&outgoing), 1);
        golden(name, &shown(&super::of(outgoing)));
    }
    let mut without = cases::run(None);
    without.ended.root = None;
    let outgoing = Outgoing::Run(Box::new(without), KEPT);
    assert_eq!((count(&outgoing), super::of(outgoing).len()), (0, 0));
}

#[test]
fn what_was_said_of_a_run_is_a_span_of_its_own() {
    for (name, evaluation) in cases::evaluations() {
        let outgoing = Outgoing::Evaluation(Box::new(evaluation));
        assert_eq!(count(&outgoing), 1);
        golden(name, &shown(&super::of(outgoing)));
    }
}

#[test]
fn contents_stand_where_they_were_asked_for() {
    use crate::call::ContentPlace::{Both, Event, Span};
    for (name, place) in [("content_span", Span), ("content_event", Event), ("content_both", Both)]
    {
        check(name, tool().contents(place));
    }
    check("content_model", model("chat").contents(Both));
}

#[test]
fn a_call_without_a_place_in_a_trace_has_no_span() {
    let mut told = tool().told();
    told.known.trace = None;
    let outgoing = Outgoing::Call(Box::new(told), KEPT);
    assert_eq!((count(&outgoing), super::of(outgoing).len()), (0, 0));
}

/// A clock that stood still, or readings out of order, put no child outside its parent.
#[test]
fn attempts_stay_within_their_call() {
    let mut told = tool().told();
    let after = Now { mono: told.ended.mono * 10, wall_ms: OPENED_WALL_MS * 2 };
    let before = Now { mono: std::time::Duration::ZERO, wall_ms: 0 };
    for (span, (begun, ended)) in (7..).zip([(before, after), (after, before), (after, after)]) {
        told.known.attempts.push(Attempt {
            span: Some(span),
            begun,
            ended,
            came: Came::Status(200),
        });
    }
    let spans = of_call(told, KEPT);
    assert_eq!(spans.len(), 5);
    for span in &spans {
        assert!(span.start_time >= spans[0].start_time && span.end_time <= spans[0].end_time);
        assert!(span.start_time <= span.end_time);
    }
}
