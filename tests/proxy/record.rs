//! One event a call, whatever becomes of the client, the tool or the file.

use serde_json::{Value, json};

use crate::harness::{Act, Connection, Gate, Reply, Setup, Tool, Wire, get, post, until};

fn write_request(path: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: gate\r\nContent-Type: application/json\r\n\
         Content-Length: 2\r\n\r\n{{}}"
    )
}

fn end_of(event: &Value) -> (&str, &str) {
    let text = |name: &str| event[name].as_str().unwrap_or_default();
    (text("status"), text("error_class"))
}

#[tokio::test]
async fn an_event_says_what_happened() {
    let tool = Tool::start().await;
    tool.on("/items", Act::Reply(Reply::json("{\"status\":\"verified\"}")));
    let gate = Setup::before(&tool)
        .top("caller: { tenant: acme, project: trips, user: kim, agent: booker }")
        .start()
        .await;
    let answer = gate.send(post("/_run/r-1/svc/items", &json!({ "b": 98.0, "a": "é" }))).await;
    let event = &gate.calls(1).await[0];
    for (name, value) in [
        ("run_id", "r-1"),
        ("run_id_source", "path"),
        ("tenant", "acme"),
        ("project", "trips"),
        ("user", "kim"),
        ("agent", "booker"),
        ("tool", "svc.put"),
        ("protocol", "http"),
        ("method", "POST"),
        ("effect", "write"),
        ("status", "ok"),
        ("verdict", "allow"),
        // hashlib.sha256('{"a":"é","b":98.0}'.encode()).hexdigest()[:24]
        ("args_sha", "a59e4cae18811de64e14792c"),
        // hashlib.sha256(b'{"status":"verified"}').hexdigest()[:24]
        ("result_sha", "9b4e774d9d6cdf1cf4731cfd"),
    ] {
        assert_eq!(event[name], value, "{name} in {event:#}");
    }
    for (name, value) in [
        ("step_id", 1),
        ("attempt", 1),
        ("args_bytes", 19),
        ("result_bytes", 21),
        ("http_status", 200),
    ] {
        assert_eq!(event[name], value, "{name} in {event:#}");
    }
    let time = |name: &str| event[name].as_f64().expect(name);
    assert!(time("duration_ms") >= time("upstream_ms"));
    assert!((time("duration_ms") - time("upstream_ms")) * 1e3 >= time("gate_us") - 1.0);
    assert!(time("ts_ms") > 1.7e12);
    let decision = answer.header("toolgate-decision").expect("a decision");
    assert_eq!(decision, format!("allow; id={}", event["call_id"].as_str().expect("an id")));
}

#[tokio::test]
async fn a_client_that_goes_away_before_its_answer() {
    let tool = Tool::start().await;
    for path in ["/items", "/look"] {
        tool.on(path, Act::Hang);
    }
    let gate = Setup::before(&tool).start().await;
    for (number, path) in ["/svc/items", "/svc/look"].iter().enumerate() {
        let mut wire = Wire::open(gate.address).await;
        wire.send(write_request(path)).await;
        tool.reached_by(number + 1).await;
        drop(wire);
        gate.calls(number + 1).await;
    }
    let events = gate.calls(2).await;
    assert_eq!(end_of(&events[0]), ("unknown", "cancelled"), "a write may have happened");
    assert_eq!(end_of(&events[1]), ("cancelled", "cancelled"), "a read may not matter");
    assert!(events.iter().all(|event| event["attempt"] == 1));
    gate.metric_becomes("toolgate_in_flight", 0.0).await;
    let events = gate.end().await;
    assert_eq!(events.iter().filter(|event| event["kind"] == "stop").count(), 1);
}

#[tokio::test]
async fn a_client_that_goes_away_in_its_answer() {
    let tool = Tool::start().await;
    let pieces = tool.pieces("/items", Reply::json(""));
    let gate = Setup::before(&tool).start().await;
    let mut wire = Wire::open(gate.address).await;
    wire.send(write_request("/svc/items")).await;
    pieces.send("0123456789".into()).await.expect("the tool sends");
    // It has the head and the first piece.
    while !wire.has_read(b"0123456789").await {}
    drop(wire);
    let event = &gate.calls(1).await[0];
    assert_eq!(end_of(event), ("unknown", "cancelled"), "the agent does not know what it wrote");
    assert_eq!((&event["http_status"], &event["result_bytes"]), (&json!(200), &json!(10)));
    drop(pieces);
    gate.end().await;
}

#[tokio::test]
async fn a_client_that_goes_away_before_its_body_is_there() {
    let tool = Tool::start().await;
    let gate = Setup::before(&tool).start().await;
    let mut wire = Wire::open(gate.address).await;
    let request = write_request("/svc/items");
    wire.send(&request[..request.len() - 1]).await;
    gate.metric_becomes("toolgate_in_flight", 1.0).await;
    drop(wire);
    let event = &gate.calls(1).await[0];
    assert_ne!(event["status"], "ok");
    assert_eq!(event.get("attempt"), None, "it was never sent");
    assert_eq!(tool.count(), 0);
}

#[tokio::test]
async fn what_a_tool_answers_is_told_apart() {
    let tool = Tool::start().await;
    let gate = Setup::before(&tool).start().await;
    let mut connection = Connection::open(gate.address).await;
    for (status, ended, class) in [
        (200, "ok", ""),
        (204, "ok", ""),
        (302, "ok", ""),
        (400, "error", "http_4xx"),
        (404, "error", "http_4xx"),
        (429, "error", "http_4xx"),
        (500, "error", "http_5xx"),
        (503, "error", "http_5xx"),
    ] {
        let reply = if status == 204 { Reply::status(204).body("") } else { Reply::status(status) };
        tool.on("/items", Act::Reply(reply));
        let answer = connection.send(get("/svc/items")).await;
        assert_eq!(answer.status, status, "it is passed on as it is");
        let events = gate.calls(tool.count()).await;
        let event = events.last().expect("an event");
        assert_eq!((end_of(event), &event["http_status"]), ((ended, class), &json!(status)));
    }
    let count = "gen_ai_execute_tool_duration_seconds_count";
    assert_eq!(gate.metric(count, "error_type=\"\"").await, 3.0);
    assert_eq!(gate.metric(count, "error_type=\"http_4xx\"").await, 3.0);
    assert_eq!(gate.metric(count, "error_type=\"http_5xx\"").await, 2.0);
}

async fn refuses_writes(gate: &Gate) -> Option<()> {
    let answer = gate.send(post("/svc/items", &json!({}))).await;
    if answer.status == 200 {
        return None;
    }
    assert_eq!(answer.status, 503);
    let problem = answer.json();
    assert_eq!(problem["stop_reason"], "gate_unavailable");
    assert_eq!(problem["error_class"], "internal");
    assert_eq!(problem["executed"], false);
    assert_eq!(problem["retry"]["scope"], "same_args_later");
    Some(())
}

/// What cannot be recorded does not happen, as far as it changes anything.
async fn assert_fails_closed(gate: &Gate, tool: &Tool) {
    // The first call finds out; from when the gate says so on, no write passes.
    until("it says so", async || {
        let _ = refuses_writes(gate).await;
        (gate.admin("/readyz").await.status == 503).then_some(())
    })
    .await;
    let written = tool.ledger().iter().filter(|arrived| arrived.target == "/items").count();
    for _ in 0..20 {
        assert!(refuses_writes(gate).await.is_some());
        assert_eq!(gate.send(get("/svc/items/1")).await.status, 200, "reads pass");
        assert_eq!(gate.send(post("/svc/look", &json!({}))).await.status, 200);
    }
    let after = tool.ledger().iter().filter(|arrived| arrived.target == "/items").count();
    assert_eq!(written, after, "no write reached the tool");
    let ready = gate.admin("/readyz").await;
    assert_eq!(ready.status, 503);
    assert_eq!(ready.body, "events cannot be written\n");
    assert_eq!(gate.admin("/livez").await.status, 200);
    assert!(!gate.stderr().contains("panicked"), "{}", gate.stderr());
}

#[tokio::test]
async fn a_full_disk_refuses_writes_and_nothing_panics() {
    let tool = Tool::start().await;
    let mut gate = Setup::before(&tool).events("/dev/full").start().await;
    assert_fails_closed(&gate, &tool).await;
    gate.terminate();
    assert_eq!(gate.ended().await.code(), Some(3), "the last events were lost, and it says so");
    // What it said last may still be on its way here.
    until("its last words", async || {
        gate.stderr().contains("events could not be written").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_closed_pipe_refuses_writes_and_nothing_panics() {
    let tool = Tool::start().await;
    let gate = Setup::before(&tool).events("stdout").closed_stdout().start().await;
    assert_fails_closed(&gate, &tool).await;
}

#[tokio::test]
async fn events_on_standard_output() {
    let tool = Tool::start().await;
    let mut gate = Setup::before(&tool).events("stdout").start().await;
    assert_eq!(gate.send(get("/svc/items")).await.status, 200);
    until("the event", async || gate.stdout().contains("\"kind\":\"call\"").then_some(())).await;
    gate.terminate();
    assert_eq!(gate.ended().await.code(), Some(0));
    let said = until("the stop event", async || {
        let said = gate.stdout();
        (said.lines().count() >= 2).then_some(said)
    })
    .await;
    let kinds: Vec<Value> = said
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON")["kind"].clone())
        .collect();
    assert_eq!(kinds, ["call", "stop"]);
}

/// Two gates in a row append to one file; the second never cuts off what the first wrote.
#[tokio::test]
async fn events_are_appended() {
    let tool = Tool::start().await;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("events.jsonl");
    for count in 1..=2 {
        let gate = Setup::before(&tool).events(path.to_str().expect("UTF-8")).start().await;
        assert_eq!(gate.send(get("/svc/items")).await.status, 200);
        gate.end().await;
        let text = std::fs::read_to_string(&path).expect("events");
        assert_eq!(text.lines().count(), 2 * count, "{text}");
    }
}

#[tokio::test]
async fn a_request_that_no_tool_takes_says_where_it_went() {
    let tool = Tool::start().await;
    let gate = Setup::before(&tool).start().await;
    let long = format!("/v1/{}", "x".repeat(4_000));
    for path in ["/items/7?token=hush", "/svc/nowhere", "/svc/items/7?a=1", &long] {
        gate.send(get(path)).await;
    }
    let calls = gate.calls(4).await;
    let paths: Vec<_> = calls.iter().map(|call| call["path"].as_str()).collect();
    assert_eq!(paths[..3], [Some("/items/7"), Some("/svc/nowhere"), None]);
    assert!(paths[3].expect("a path").len() < 300, "{paths:?}");
    assert_eq!(calls[0]["method"], "GET");
    assert!(!gate.everything_said().await.contains("hush"), "never its query");
}
