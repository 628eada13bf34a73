//! The end of runs and of the gate: each run has one stop event, and calls in the gate end first.

use serde_json::json;

use crate::harness::{Connection, Setup, Tool, Wire, get, of_kind, post, soon};

#[tokio::test]
async fn a_run_that_falls_silent_has_ended() {
    let tool = Tool::start().await;
    let gate = Setup::before(&tool).runs("{ idle_end: 1s }").start().await;
    for run in ["a", "a", "b"] {
        assert_eq!(gate.send(get(&format!("/_run/{run}/svc/items"))).await.status, 200);
    }
    assert_eq!(gate.send(get("/_run/a/svc/none")).await.status, 403);
    let mut stops = gate.stops(2).await;
    stops.sort_by_key(|stop| stop["run_id"].to_string());
    let usage = |stop: usize| stops[stop]["usage"].clone();
    assert_eq!((&stops[0]["run_id"], &stops[0]["stop_reason"]), (&json!("a"), &json!("idle")));
    assert_eq!((&stops[1]["run_id"], &stops[1]["stop_reason"]), (&json!("b"), &json!("idle")));
    assert_eq!(
        usage(0),
        json!({ "steps": 3, "calls": 2, "ok": 2, "errors": 0, "denials": 1,
            "denials_by_rule": { "tool_not_allowed": 1 } })
    );
    assert_eq!(usage(1), json!({ "steps": 1, "calls": 1, "ok": 1, "errors": 0, "denials": 0 }));
    gate.metric_becomes("toolgate_live_runs", 0.0).await;
    assert_eq!(gate.metric("toolgate_runs_ended_total", "idle").await, 2.0);
    // The same id again is another run.
    assert_eq!(gate.send(get("/_run/a/svc/items")).await.status, 200);
    let stops = gate.stops(3).await;
    assert_eq!((&stops[2]["run_id"], &stops[2]["usage"]["steps"]), (&json!("a"), &json!(1)));
}

#[tokio::test]
async fn a_run_is_not_over_while_a_call_is_in_the_gate() {
    let tool = Tool::start().await;
    let held = tool.hold("/items");
    let gate = Setup::before(&tool).runs("{ idle_end: 1s }").start().await;
    let address = gate.address;
    let waiting = tokio::spawn(async move {
        Connection::open(address).await.send(get("/_run/long/svc/items")).await
    });
    tool.reached_by(1).await;
    gate.send(get("/_run/short/svc/items/1")).await;
    assert_eq!(gate.stops(1).await[0]["run_id"], "short");
    held.add_permits(1);
    assert_eq!(waiting.await.expect("no panic").status, 200);
    let stops = gate.stops(2).await;
    assert_eq!((&stops[1]["run_id"], &stops[1]["usage"]["ok"]), (&json!("long"), &json!(1)));
}

#[tokio::test]
async fn a_stop_by_rule_is_reported_once() {
    let tool = Tool::start().await;
    let gate = Setup::before(&tool)
        .runs("{ idle_end: 1s }")
        .policy(
            "
limits:
- { id: spiral, per: run, max: { denials_same_rule: 2 }, then: stop, message: Stop trying. }
rules:
- { id: never, tools: [svc.refund], when: size(args) == 0, then: deny, message: Never. }",
        )
        .start()
        .await;
    let mut reasons = Vec::new();
    for _ in 0..5 {
        let answer = gate.send(post("/_run/a/svc/refunds", &json!({}))).await;
        reasons.push(answer.json()["stop_reason"].as_str().expect("a reason").to_owned());
    }
    assert_eq!(
        reasons,
        ["args_denied", "args_denied", "args_denied", "run_stopped", "run_stopped"]
    );
    assert_eq!(gate.send(get("/_run/b/svc/items")).await.status, 200);
    let stops = gate.stops(2).await;
    assert_eq!((&stops[0]["run_id"], &stops[0]["rule"]), (&json!("a"), &json!("p1/spiral")));
    assert_eq!((&stops[1]["run_id"], &stops[1]["stop_reason"]), (&json!("b"), &json!("idle")));
    let events = gate.end().await;
    assert_eq!(of_kind(events, "stop").len(), 2);
    assert_eq!(tool.count(), 1);
}

/// SIGTERM: no new connections, `/readyz` says so, calls in the gate end, everything is written.
#[tokio::test]
async fn the_gate_ends_when_its_calls_have() {
    let tool = Tool::start().await;
    let held = tool.hold("/items");
    let mut gate = Setup::before(&tool).start().await;
    assert_eq!(gate.admin("/readyz").await.status, 200);
    let mut idle = Wire::open(gate.address).await;
    idle.send("GET /_run/idle/svc/items/1 HTTP/1.1\r\nHost: gate\r\n\r\n").await;
    assert_eq!(idle.answer().await.status, 200);
    let mut fresh = Wire::open(gate.address).await;
    let address = gate.address;
    let waiting = tokio::spawn(async move {
        Connection::open(address).await.send(post("/_run/busy/svc/items", &json!({}))).await
    });
    tool.reached_by(2).await;

    gate.terminate();
    assert!(idle.is_closed().await, "a connection without a call is closed");
    assert!(fresh.is_closed().await);
    let ready = gate.admin("/readyz").await;
    assert_eq!((ready.status.as_u16(), ready.body.as_ref()), (503, b"draining\n".as_slice()));
    assert_eq!(gate.admin("/livez").await.status, 200);
    let connected = tokio::net::TcpStream::connect(gate.address).await;
    assert!(connected.is_err(), "nobody new is let in");

    held.add_permits(1);
    let answer = soon("the held answer", waiting).await.expect("no panic");
    assert_eq!((answer.status.as_u16(), answer.body.as_ref()), (200, br#"{"ok":true}"#.as_slice()));
    assert_eq!(gate.ended().await.code(), Some(0));
    let events = gate.events_now();
    let calls = of_kind(events.clone(), "call");
    assert_eq!(calls.len(), 2);
    assert!(calls.iter().all(|call| call["status"] == "ok"));
    let mut stops: Vec<String> = of_kind(events, "stop")
        .iter()
        .map(|stop| format!("{} {}", stop["run_id"], stop["stop_reason"]))
        .collect();
    stops.sort();
    assert_eq!(stops, ["\"busy\" \"shutdown\"", "\"idle\" \"shutdown\""]);
}

/// A call that does not end in the time for it is cut off, and still recorded.
#[tokio::test]
async fn calls_that_outlast_the_drain_are_recorded_all_the_same() {
    let tool = Tool::start().await;
    let _held = tool.hold("/items");
    let mut gate = Setup::before(&tool).bounds("{ drain: 300ms }").start().await;
    let mut http1 = Wire::open(gate.address).await;
    http1
        .send(
            "POST /_run/one/svc/items HTTP/1.1\r\nHost: gate\r\nContent-Length: 2\r\n\
             Content-Type: application/json\r\n\r\n{}",
        )
        .await;
    let address = gate.address;
    let http2 = tokio::spawn(async move {
        let mut connection = Connection::open_http2(address).await;
        connection.try_send(get("/_run/two/svc/items")).await.is_err()
    });
    tool.reached_by(2).await;
    gate.terminate();
    assert!(http1.is_closed().await);
    assert!(http2.await.expect("no panic"), "no answer");
    let status = gate.ended().await;
    assert!(gate.stderr().contains("drain"), "{status} {}", gate.stderr());
    let events = gate.events_now();
    let mut calls: Vec<String> = of_kind(events.clone(), "call")
        .iter()
        .map(|call| format!("{} {} {}", call["run_id"], call["status"], call["error_class"]))
        .collect();
    calls.sort();
    assert_eq!(
        calls,
        ["\"one\" \"unknown\" \"cancelled\"", "\"two\" \"cancelled\" \"cancelled\""],
        "a write that was sent may have happened"
    );
    assert_eq!(of_kind(events, "stop").len(), 2, "and their runs have ended");
}

/// All places taken by idle connections: the gate still hears that it should end.
#[tokio::test]
async fn a_full_gate_can_be_ended() {
    let tool = Tool::start().await;
    let mut gate =
        Setup::before(&tool).bounds("{ connections: 1, header_time: 600s }").start().await;
    let mut only = Connection::open(gate.address).await;
    assert_eq!(only.send(get("/svc/items")).await.status, 200);
    gate.terminate();
    assert_eq!(gate.ended().await.code(), Some(0));
}
