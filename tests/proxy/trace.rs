//! The caller's trace goes on through the gate, one span a call.

use std::collections::HashSet;

use serde_json::Value;

use crate::harness::{Setup, Tool, get};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

fn parts(traceparent: &str) -> [&str; 4] {
    let parts: Vec<&str> = traceparent.split('-').collect();
    parts.try_into().expect("four parts")
}

#[tokio::test]
async fn a_tool_sees_a_child_of_the_callers_span() {
    let tool = Tool::start().await;
    let gate = Setup::before(&tool).start().await;
    for flags in ["01", "00"] {
        let mut request = get("/svc/items");
        let parent = format!("00-{TRACE}-{PARENT}-{flags}");
        request.headers_mut().insert("traceparent", parent.parse().expect("a value"));
        request.headers_mut().insert("tracestate", "a=1,b=2".parse().expect("a value"));
        assert_eq!(gate.send(request).await.status, 200);
    }
    let mut spans = HashSet::from([PARENT.to_owned()]);
    let events = gate.calls(2).await;
    for (arrived, (event, flags)) in tool.ledger().iter().zip(events.iter().zip(["01", "00"])) {
        let sent = arrived.headers["traceparent"].to_str().expect("ASCII");
        let [version, trace, span, sampled] = parts(sent);
        assert_eq!((version, trace, sampled), ("00", TRACE, flags), "the decision is the caller's");
        assert!(spans.insert(span.to_owned()), "a span of its own for each call");
        assert_eq!(arrived.headers["tracestate"], "a=1,b=2");
        assert_eq!(event["trace_id"], TRACE);
        assert_eq!(event["span_id"], span);
        assert_eq!(event["parent_span_id"], PARENT);
    }
}

#[tokio::test]
async fn an_invalid_trace_is_begun_anew() {
    let tool = Tool::start().await;
    let gate = Setup::before(&tool).start().await;
    let invalid = [
        format!("00-{}-{PARENT}-01", TRACE.to_uppercase()),
        format!("ff-{TRACE}-{PARENT}-01"),
        format!("00-{}-{PARENT}-01", "0".repeat(32)),
        format!("00-{TRACE}-{}-01", "0".repeat(16)),
        format!("00-{TRACE}-{PARENT}-01-extra"),
        "nonsense".to_owned(),
    ];
    for parent in &invalid {
        let mut request = get("/svc/items");
        request.headers_mut().insert("traceparent", parent.parse().expect("a value"));
        request.headers_mut().insert("tracestate", "a=1".parse().expect("a value"));
        assert_eq!(gate.send(request).await.status, 200, "it is no reason to refuse: {parent}");
    }
    assert_eq!(gate.send(get("/svc/items")).await.status, 200);
    let events = gate.calls(invalid.len() + 1).await;
    let mut traces = HashSet::new();
    for (arrived, event) in tool.ledger().iter().zip(events) {
        let [_, trace, span, _] = parts(arrived.headers["traceparent"].to_str().expect("ASCII"));
        assert!(trace != TRACE && traces.insert(trace.to_owned()), "a new one");
        assert_eq!(arrived.headers.get("tracestate"), None);
        assert_eq!(event["trace_id"], trace);
        assert_eq!(event["span_id"], span);
        assert_eq!(event.get("parent_span_id"), None::<&Value>);
        assert_eq!(event["run_id_source"], "agent_window", "what is invalid names no run");
    }
}
