//! Which run a call belongs to, as agents and other gateways say it on the wire.

use serde_json::json;

use crate::harness::{Setup, Tool, get};

const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

#[tokio::test]
async fn the_first_source_that_names_a_run_wins() {
    let tool = Tool::start().await;
    let gate = Setup::before(&tool).runs("{ header: x-task }").start().await;
    // From the weakest to the strongest: each is added to those before it and wins.
    let sources = [
        ("mcp-session-id", "mcp-1", "mcp_cbb80c3635e53e0968c365e0", "mcp_session"),
        ("traceparent", TRACEPARENT, "0af7651916cd43dd8448eb211c80319c", "traceparent"),
        ("baggage", "a=b,gen_ai.conversation.id=conv-1", "conv-1", "baggage"),
        ("x-any-session-id", "any-1", "any-1", "known_header"),
        ("session-id", "s-1", "s-1", "known_header"),
        ("x-claude-code-session-id", "cc-1", "cc-1", "known_header"),
        ("x-portkey-trace-id", "pk-1", "pk-1", "known_header"),
        ("helicone-session-id", "hc-1", "hc-1", "known_header"),
        ("x-litellm-trace-id", "lt-1", "lt-1", "known_header"),
        ("x-litellm-session-id", "ls-1", "ls-1", "known_header"),
        ("agent-session-id", "as-1", "as-1", "known_header"),
        ("x-task", "task-1", "task-1", "configured_header"),
        ("toolgate-run-id", "own-1", "own-1", "header"),
    ];
    for last in 0..sources.len() {
        let mut request = get("/svc/items");
        for (name, value, _, _) in &sources[..=last] {
            request.headers_mut().insert(*name, value.parse().expect("a value"));
        }
        let (_, _, run, source) = sources[last];
        let answer = gate.send(request).await;
        assert_eq!((answer.status.as_u16(), answer.header("toolgate-run-id")), (200, Some(run)));
        let event = gate.calls(last + 1).await.pop().expect("an event");
        assert_eq!((&event["run_id"], &event["run_id_source"]), (&json!(run), &json!(source)));
    }
    for arrived in tool.ledger() {
        assert_eq!(arrived.headers.get("toolgate-run-id"), None, "it speaks to the gate alone");
    }
}

#[tokio::test]
async fn the_path_may_name_the_run() {
    let tool = Tool::start().await;
    let gate = Setup::before(&tool).start().await;
    let answer = gate.send(get("/_run/task-7/svc/items/1?a=b")).await;
    assert_eq!(answer.header("toolgate-run-id"), Some("task-7"));
    assert_eq!(tool.ledger()[0].target, "/items/1?a=b", "the tool sees its own path");
    let mut request = get("/_run/task-7/svc/items/1");
    request.headers_mut().insert("toolgate-run-id", "task-7".parse().expect("a value"));
    assert_eq!(gate.send(request).await.status, 200, "both say the same");
    let event = gate.calls(2).await.remove(0);
    assert_eq!(event["run_id_source"], "path");
}

#[tokio::test]
async fn contradictions_are_refused() {
    let tool = Tool::start().await;
    let gate = Setup::before(&tool).start().await;
    let cases: [(&str, &[(&str, &str)]); 8] = [
        ("/_run/a/svc/items", &[("toolgate-run-id", "b")]),
        ("/svc/items", &[("toolgate-run-id", "a"), ("toolgate-run-id", "a")]),
        ("/svc/items", &[("toolgate-run-id", "a b")]),
        ("/svc/items", &[("toolgate-run-id", "")]),
        ("/svc/items", &[("session-id", "a"), ("session-id", "b")]),
        ("/svc/items", &[("baggage", "session.id=a,session.id=b")]),
        ("/_run//svc/items", &[]),
        ("/_run/%61/../svc/items", &[]),
    ];
    for (path, headers) in cases {
        let mut request = get(path);
        for (name, value) in headers {
            let name: http::HeaderName = name.parse().expect("a name");
            request.headers_mut().append(name, value.parse().expect("a value"));
        }
        let answer = gate.send(request).await;
        assert_eq!(answer.status, 400, "{path} {headers:?}");
        assert_eq!(answer.json()["stop_reason"], "malformed", "{path} {headers:?}");
    }
    assert_eq!(tool.count(), 0);
    gate.calls(cases.len()).await;
}

#[tokio::test]
async fn calls_without_a_label_share_the_agents_run() {
    let tool = Tool::start().await;
    let gate = Setup::before(&tool).start().await;
    let first = gate.send(get("/svc/items")).await;
    let second = gate.send(get("/svc/items")).await;
    let run = first.header("toolgate-run-id").expect("a run");
    assert!(run.starts_with("run_"), "{run}");
    assert_eq!(second.header("toolgate-run-id"), Some(run));
    let events = gate.calls(2).await;
    assert_eq!((&events[0]["step_id"], &events[1]["step_id"]), (&json!(1), &json!(2)));
    assert!(events.iter().all(|event| event["run_id_source"] == "agent_window"));
}

/// A header that is named in `Connection` belongs to this hop, which does not make it unsaid.
#[tokio::test]
async fn a_nominated_label_is_read_before_it_is_dropped() {
    let tool = Tool::start().await;
    let gate = Setup::before(&tool).start().await;
    let mut request = get("/svc/items");
    request.headers_mut().insert("session-id", "s-1".parse().expect("a value"));
    request.headers_mut().insert("connection", "session-id".parse().expect("a value"));
    let answer = gate.send(request).await;
    assert_eq!(answer.header("toolgate-run-id"), Some("s-1"));
    assert_eq!(tool.ledger()[0].headers.get("session-id"), None);
}
