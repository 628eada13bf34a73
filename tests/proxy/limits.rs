//! Budgets under concurrency: exactly so many pass, and whoever goes away leaves nothing reserved.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::harness::{Act, Connection, Gate, Reply, Setup, Tool, Wire, get, of_kind, post, soon};

fn budget(per: &str, calls: usize) -> String {
    format!(
        "
limits:
- {{ id: budget, per: {per}, tools: [\"svc.*\"], max: {{ calls: {calls} }}, then: deny, message: No more. }}"
    )
}

/// Makes `each` calls on each of `connections` at once; how many were answered by the tool, and
/// how many were refused for the budget.
async fn flood(gate: &Gate, connections: usize, each: usize, http2: bool) -> (usize, usize) {
    let passed = Arc::new(AtomicUsize::new(0));
    let refused = Arc::new(AtomicUsize::new(0));
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..connections {
        let (passed, refused) = (Arc::clone(&passed), Arc::clone(&refused));
        let address = gate.address;
        tasks.spawn(async move {
            let mut connection = if http2 {
                Connection::open_http2(address).await
            } else {
                Connection::open(address).await
            };
            for turn in 0..each {
                let path = format!("/_run/run-{}/svc/items", number % 7);
                let answer = connection.send(post(&path, &json!({ "turn": turn }))).await;
                match answer.status.as_u16() {
                    200 => passed.fetch_add(1, Ordering::Relaxed),
                    403 => {
                        assert_eq!(answer.json()["stop_reason"], "budget_calls");
                        refused.fetch_add(1, Ordering::Relaxed)
                    }
                    other => panic!("{other}: {answer:?}"),
                };
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.expect("no connection failed");
    }
    (passed.load(Ordering::Relaxed), refused.load(Ordering::Relaxed))
}

/// Every call has one event, and the events say the same as the tool's ledger.
fn assert_recorded(events: &[Value], calls: usize, passed: usize) {
    let ids: HashSet<&str> = events.iter().filter_map(|event| event["call_id"].as_str()).collect();
    assert_eq!((events.len(), ids.len()), (calls, calls), "one event a call, each its own");
    let ok = events.iter().filter(|event| event["status"] == "ok").count();
    assert_eq!(ok, passed);
}

async fn assert_nothing_is_held(gate: &Gate) {
    gate.metric_becomes("toolgate_in_flight", 0.0).await;
    gate.metric_becomes("toolgate_reserved_calls", 0.0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_calls_against_a_budget_of_777() {
    let tool = Tool::start().await;
    let gate = Setup::before(&tool).policy(&budget("tenant", 777)).start().await;
    assert_eq!(flood(&gate, 200, 50, false).await, (777, 9_223));
    assert_eq!(tool.count(), 777, "the tool's own count");
    assert_recorded(&gate.calls(10_000).await, 10_000, 777);
    assert_nothing_is_held(&gate).await;
    let decisions = "toolgate_decisions_total";
    assert_eq!(gate.metric(decisions, "verdict=\"allow\"").await, 777.0);
    assert_eq!(gate.metric(decisions, "stop_reason=\"budget_calls\"").await, 9_223.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_streams_of_http2_against_a_budget_of_77() {
    let tool = Tool::start().await;
    let gate = Setup::before(&tool).policy(&budget("global", 77)).start().await;
    let passed = Arc::new(AtomicUsize::new(0));
    let mut connections = Vec::new();
    for _ in 0..10 {
        connections
            .push(Arc::new(tokio::sync::Mutex::new(Connection::open_http2(gate.address).await)));
    }
    let mut streams = tokio::task::JoinSet::new();
    for number in 0..1_000 {
        let connection = Arc::clone(&connections[number % 10]);
        let passed = Arc::clone(&passed);
        streams.spawn(async move {
            let request = post("/svc/items", &json!({ "number": number }));
            let answer = {
                // The lock orders only the beginnings: the answers overlap.
                let mut connection = connection.lock().await;
                let Connection::Http2(sender) = &mut *connection else { unreachable!() };
                let mut own = Connection::Http2(sender.clone());
                drop(connection);
                own.send(request).await
            };
            if answer.status == 200 {
                passed.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    while let Some(done) = streams.join_next().await {
        done.expect("no stream failed");
    }
    assert_eq!(passed.load(Ordering::Relaxed), 77);
    assert_eq!(tool.count(), 77);
    assert_recorded(&gate.calls(1_000).await, 1_000, 77);
    assert_nothing_is_held(&gate).await;
}

/// A call that was sent counts even if nobody waited for its answer; one that was not does not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_vanish_leave_nothing_reserved() {
    const VANISHING: usize = 200;
    let tool = Tool::start().await;
    let held = tool.hold("/items");
    let gate = Setup::before(&tool).policy(&budget("tenant", 300)).start().await;

    // All of them are in the gate at once, each waiting for the tool.
    let body = r#"{"a":1}"#;
    let request = format!(
        "POST /svc/items HTTP/1.1\r\nHost: gate\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut clients = Vec::new();
    for _ in 0..VANISHING {
        let mut wire = Wire::open(gate.address).await;
        wire.send(&request).await;
        clients.push(wire);
    }
    tool.reached_by(VANISHING).await;
    assert_eq!(gate.metric("toolgate_in_flight", "").await, 200.0);
    assert_eq!(gate.metric("toolgate_reserved_calls", "").await, 200.0);
    drop(clients);
    assert_nothing_is_held(&gate).await;
    let events = gate.calls(VANISHING).await;
    for event in &events {
        assert_eq!(
            (&event["status"], &event["error_class"]),
            (&json!("unknown"), &json!("cancelled"))
        );
    }

    // What was sent is used up, no more and no less.
    held.add_permits(1_000_000);
    let (passed, _) = flood(&gate, 20, 10, false).await;
    assert_eq!(passed, 100);
    assert_eq!(tool.count(), 300, "as many as the budget, whoever waited for them");
    assert_nothing_is_held(&gate).await;
}

/// Clients that go away at any moment: in the head, in the body, right after it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_vanish_at_any_byte_leave_nothing_reserved() {
    let tool = Tool::start().await;
    let gate = Setup::before(&tool).policy(&budget("tenant", 50)).start().await;
    let body = r#"{"a":1}"#;
    let head = format!(
        "POST /svc/items HTTP/1.1\r\nHost: gate\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    let request = format!("{head}{body}");
    for length in 0..=request.len() {
        let mut wire = Wire::open(gate.address).await;
        wire.send(&request[..length]).await;
    }
    assert_nothing_is_held(&gate).await;
    // A client may vanish while its call is on its way to the tool: that counts as used, whether it
    // got there or not. All else of the budget can be used up to its end, and no further.
    let (passed, _) = flood(&gate, 10, 10, false).await;
    let events = gate.end().await;
    let calls = of_kind(events, "call");
    let taken = calls.iter().filter(|call| call.get("attempt").is_some()).count();
    assert_eq!(taken, 50);
    assert!((passed..=taken).contains(&tool.count()), "{passed} {taken} {}", tool.count());
    // A call begins where its head ends.
    let begun = request.len() - head.len() + 1;
    assert!(calls.len() <= begun + 100);
}

#[tokio::test]
async fn each_run_has_its_own_budget_and_the_agent_one_over_all() {
    let tool = Tool::start().await;
    let gate = Setup::before(&tool)
        .policy(
            "
limits:
- { id: mine, per: run, max: { calls: 2 }, then: deny, message: Your run has had 2 calls. }
- { id: ours, per: agent, max: { calls: 5 }, then: deny, message: You have had 5 calls. }",
        )
        .start()
        .await;
    let mut passed = 0;
    let mut rules = Vec::new();
    for number in 0..12 {
        let answer = gate.send(get(&format!("/_run/run-{}/svc/items", number / 3))).await;
        if answer.status == 200 {
            passed += 1;
        } else {
            rules.push(answer.json()["rule"].as_str().expect("a rule").to_owned());
        }
    }
    assert_eq!(passed, 5);
    assert_eq!(
        rules,
        ["p1/mine", "p1/mine", "p1/ours", "p1/ours", "p1/ours", "p1/ours", "p1/ours"]
    );
    assert_eq!(tool.count(), 5);
}

#[tokio::test]
async fn a_loop_is_told_from_a_poll() {
    let tool = Tool::start().await;
    let gate = Setup::before(&tool)
        .policy(
            "
limits:
- { id: loop, per: run, max: { identical_calls: 3 }, within: 20 steps, then: deny,
    message: Same call three times with the same result. }",
        )
        .start()
        .await;
    let mut connection = Connection::open(gate.address).await;
    for spelling in ["{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1.0}", "{ \"a\" : 1e0, \"b\": 2 }"] {
        let mut request = post("/svc/look", &json!({}));
        *request.body_mut() = spelling.into();
        assert_eq!(connection.send(request).await.status, 200, "{spelling}");
    }
    let answer = connection.send(post("/svc/look", &json!({ "a": 1, "b": 2 }))).await;
    assert_eq!(answer.status, 403);
    assert_eq!(answer.json()["stop_reason"], "loop_detected");
    assert_eq!(answer.json()["retry"]["scope"], "different_args");
    assert_eq!(connection.send(post("/svc/look", &json!({ "a": 2, "b": 2 }))).await.status, 200);
    assert_eq!(tool.count(), 4);
    for turn in 0..6 {
        let reply = Reply::json(&format!("{{\"turn\":{turn}}}"));
        tool.on("/tools/poll", Act::Reply(reply));
        let answer = connection.send(post("/svc/tools/poll", &json!({}))).await;
        assert_eq!(answer.status, 200, "an answer that changes is no loop");
    }
}

/// The connections themselves are bounded: one too many waits, and is served when one goes.
#[tokio::test]
async fn a_connection_too_many_waits_for_a_place() {
    let tool = Tool::start().await;
    let gate = Setup::before(&tool).bounds("{ connections: 2 }").start().await;
    let mut first = Connection::open(gate.address).await;
    let mut second = Connection::open(gate.address).await;
    assert_eq!(first.send(get("/svc/items")).await.status, 200);
    assert_eq!(second.send(get("/svc/items")).await.status, 200);
    let mut third = Wire::open(gate.address).await;
    third.send("GET /svc/items HTTP/1.1\r\nHost: gate\r\n\r\n").await;
    assert!(third.is_quiet().await);
    drop(first);
    let answer = soon("a place", third.answer()).await;
    assert_eq!(answer.status, 200);
    assert_eq!(tool.count(), 3);
}
