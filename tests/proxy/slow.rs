//! Clients and tools that take their time: a deadline for each, and an answer that says what is
//! known.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::{Act, Connection, Reply, Setup, Tool, Wire, get, post};

/// What the harness measures may be longer, as the machine is busy, but never shorter.
fn at_least(since: Instant, time: Duration) {
    assert!(since.elapsed() >= time, "only {:?}", since.elapsed());
}

#[expect(clippy::disallowed_methods, reason = "tests measure what the gate's clock did")]
fn now() -> Instant {
    Instant::now()
}

#[tokio::test]
async fn a_slow_head_is_not_waited_for() {
    let tool = Tool::start().await;
    let gate = Setup::before(&tool).bounds("{ header_time: 500ms }").start().await;
    let begun = now();
    let mut cut_off = Wire::open(gate.address).await;
    cut_off.send("GET /svc/items HTTP/1.1\r\nHost: gate\r\nX: ").await;
    let mut silent = Wire::open(gate.address).await;
    let mut kept = Wire::open(gate.address).await;
    kept.send("GET /svc/items HTTP/1.1\r\nHost: gate\r\n\r\n").await;
    assert_eq!(kept.answer().await.status, 200);
    // Drop by drop is no faster.
    let mut dripping = Wire::open(gate.address).await;
    let drops = tokio::spawn(async move {
        loop {
            dripping.send("G").await;
            if !dripping.is_quiet().await {
                return;
            }
        }
    });
    assert!(cut_off.is_closed().await && silent.is_closed().await && kept.is_closed().await);
    at_least(begun, Duration::from_millis(500));
    drops.await.expect("it was closed");
    assert_eq!(tool.count(), 1);
    gate.calls(1).await;
}

#[tokio::test]
async fn a_slow_body_is_not_waited_for() {
    let tool = Tool::start().await;
    let gate = Setup::before(&tool).bounds("{ body_time: 500ms }").start().await;
    let mut wire = Wire::open(gate.address).await;
    let begun = now();
    wire.send("POST /svc/items HTTP/1.1\r\nHost: gate\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n{\"a\"").await;
    let answer = wire.answer().await;
    at_least(begun, Duration::from_millis(500));
    assert_eq!((answer.status, answer.json()["stop_reason"].as_str()), (408, Some("malformed")));
    assert!(wire.is_closed().await);
    assert_eq!(tool.count(), 0);
    assert_eq!(gate.calls(1).await[0]["status"], "denied");
}

#[tokio::test]
async fn a_body_that_breaks_off_is_no_call() {
    let tool = Tool::start().await;
    let gate = Setup::before(&tool).start().await;
    let head = "POST /svc/items HTTP/1.1\r\nHost: gate\r\nContent-Type: application/json\r\n";
    for rest in
        ["Content-Length: 7\r\n\r\n{\"a\"", "Transfer-Encoding: chunked\r\n\r\n7\r\n{\"a\":1}\r\n"]
    {
        let mut wire = Wire::open(gate.address).await;
        wire.send(format!("{head}{rest}")).await;
        wire.finish().await;
        let _ = wire.try_answer().await;
    }
    for event in gate.calls(2).await {
        assert_ne!(event["status"], "ok");
    }
    assert_eq!(tool.count(), 0);
}

#[tokio::test]
async fn a_tool_that_does_not_answer_in_time() {
    let tool = Tool::start().await;
    for path in ["/look", "/items"] {
        tool.on(path, Act::Hang);
    }
    let gate = Setup::before(&tool).upstream("timeout: 400ms").start().await;
    let begun = now();
    let read = gate.send(post("/svc/look", &json!({}))).await;
    at_least(begun, Duration::from_millis(400));
    let problem = read.json();
    assert_eq!(read.status, 504);
    assert_eq!(problem["error_class"], "timeout");
    assert_eq!(problem["executed"], json!(null), "the tool may have done it");
    assert_eq!(problem["retry"]["scope"], "same_args_later", "it only reads");
    assert!(read.phrase.starts_with("svc.look did not answer in time."), "{}", read.phrase);
    let write = gate.send(post("/svc/items", &json!({}))).await;
    let problem = write.json();
    assert_eq!(write.status, 504);
    assert_eq!(problem["error_class"], "timeout");
    assert_eq!(problem["executed"], json!(null));
    assert_eq!(problem["retry"]["scope"], "after_precondition", "look before you repeat it");
    let events = gate.calls(2).await;
    assert_eq!(
        (&events[0]["status"], &events[0]["error_class"]),
        (&json!("timeout"), &json!("timeout"))
    );
    assert_eq!(
        (&events[1]["status"], &events[1]["error_class"]),
        (&json!("unknown"), &json!("timeout"))
    );
    assert_eq!(tool.count(), 2, "nothing is tried again");
}

#[tokio::test]
async fn a_tool_that_falls_silent_or_breaks_off_in_its_answer() {
    let tool = Tool::start().await;
    tool.on("/look", Act::Half { silent: true });
    tool.on("/items", Act::Half { silent: false });
    let gate = Setup::before(&tool).upstream("timeouts: { idle: 300ms }").start().await;
    for path in ["/svc/look", "/svc/items"] {
        let mut connection = Connection::open(gate.address).await;
        let answer = connection.try_send(post(path, &json!({}))).await;
        assert!(answer.is_err(), "half an answer does not pass for a whole one");
    }
    let events = gate.calls(2).await;
    assert_eq!(
        (&events[0]["status"], &events[0]["error_class"]),
        (&json!("timeout"), &json!("timeout"))
    );
    assert_eq!(
        (&events[1]["status"], &events[1]["error_class"]),
        (&json!("unknown"), &json!("malformed_response")),
        "a write that was half answered may have happened, or may not"
    );
    for event in &events {
        assert_eq!((&event["http_status"], &event["result_bytes"]), (&json!(200), &json!(10)));
    }
}

#[tokio::test]
async fn a_tool_that_closes_without_an_answer() {
    let tool = Tool::start().await;
    for path in ["/look", "/items"] {
        tool.on(path, Act::Close);
    }
    let gate = Setup::before(&tool).start().await;
    let read = gate.send(post("/svc/look", &json!({}))).await;
    assert_eq!((read.status.as_u16(), read.json()["executed"].clone()), (502, json!(null)));
    assert_eq!(read.json()["retry"]["scope"], "same_args_later");
    let write = gate.send(post("/svc/items", &json!({}))).await;
    assert_eq!((write.status.as_u16(), write.json()["executed"].clone()), (502, json!(null)));
    assert_eq!(write.json()["retry"]["scope"], "after_precondition");
    let events = gate.calls(2).await;
    assert_eq!((&events[0]["status"], &events[1]["status"]), (&json!("error"), &json!("unknown")));
    assert_eq!(tool.count(), 2, "nothing is tried again");
}

#[tokio::test]
async fn a_tool_that_cannot_be_reached_takes_nothing_of_a_budget() {
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.local_addr().expect("an address").port()
    };
    let gate = Setup::at(&format!("http://127.0.0.1:{port}"))
        .policy(
            "
limits:
- { id: two, per: run, max: { calls: 2 }, then: deny, message: No more. }",
        )
        .start()
        .await;
    for _ in 0..5 {
        let answer = gate.send(post("/svc/items", &json!({}))).await;
        let problem = answer.json();
        assert_eq!(answer.status, 502);
        assert_eq!(problem["error_class"], "connect");
        assert_eq!(problem["executed"], false, "it certainly was not");
        assert_eq!(problem["retry"]["scope"], "same_args_later");
        assert!(answer.phrase.contains("was NOT executed"), "{}", answer.phrase);
    }
    for event in gate.calls(5).await {
        assert_eq!((&event["status"], &event["error_class"]), (&json!("error"), &json!("connect")));
    }
    gate.metric_becomes("toolgate_reserved_calls", 0.0).await;
}

/// A client that takes nothing of a long answer does not hold the tool's connection for ever.
#[tokio::test]
async fn a_client_that_does_not_read_is_cut_off() {
    let tool = Tool::start().await;
    let answer = Reply::json("").body(vec![b' '; 64 * 1_024 * 1_024]);
    tool.on("/items/1", Act::Reply(answer));
    let gate = Setup::before(&tool).bounds("{ body_time: 500ms }").start().await;
    let mut wire = Wire::open(gate.address).await;
    wire.send("GET /svc/items/1 HTTP/1.1\r\nHost: gate\r\n\r\n").await;
    let event = &gate.calls(1).await[0];
    assert_eq!(
        (&event["status"], &event["error_class"]),
        (&json!("cancelled"), &json!("cancelled"))
    );
    gate.metric_becomes("toolgate_in_flight", 0.0).await;
    assert_eq!(gate.send(get("/svc/items")).await.status, 200);
}

/// However many connections and streams there are, the bodies in the gate are bounded together;
/// whoever finds no room waits for it, and is served when others have ended.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_are_bounded_together() {
    const BODY_BYTES: usize = 1_000_000;
    // As many as fit into 64 MiB.
    const FITTING: usize = 67;
    let tool = Tool::start().await;
    let held = tool.hold("/items");
    let gate = Setup::before(&tool).start().await;
    let body = json!({ "text": "x".repeat(BODY_BYTES - r#"{"text":""}"#.len()) });
    let mut streams = tokio::task::JoinSet::new();
    for _ in 0..FITTING + 13 {
        let (address, request) = (gate.address, post("/svc/items", &body));
        streams.spawn(async move {
            Connection::open_http2(address).await.send(request).await.status.as_u16()
        });
    }
    tool.reached_by(FITTING).await;
    gate.metric_becomes("toolgate_in_flight", 80.0).await;
    assert_eq!(tool.count(), FITTING);
    held.add_permits(1_000);
    let statuses = streams.join_all().await;
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    assert_eq!(tool.count(), FITTING + 13);
}

/// Nobody needs a token to connect, so nobody may keep a place on the admin side for nothing.
#[tokio::test]
async fn silent_clients_do_not_hold_the_admin_side() {
    let tool = Tool::start().await;
    let gate = Setup::before(&tool).start().await;
    for said in ["", "G", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u{4}\0\0\0\0\0"] {
        let mut silent = Vec::new();
        for _ in 0..64 {
            let mut wire = Wire::open(gate.admin_address()).await;
            wire.send(said).await;
            silent.push(wire);
        }
        let asked = tokio::time::timeout(Duration::from_secs(15), gate.admin("/livez")).await;
        assert_eq!(asked.expect("an answer in time").status, 200, "after {said:?}");
        drop(silent);
    }
}

#[tokio::test]
async fn no_admin_connection_lasts() {
    let tool = Tool::start().await;
    let gate = Setup::before(&tool).start().await;
    let mut wire = Wire::open(gate.admin_address()).await;
    let begun = now();
    loop {
        wire.send("GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
        let Ok(answer) = wire.try_answer().await else { break };
        assert_eq!(answer.status, 200);
        assert!(begun.elapsed() < Duration::from_secs(40), "it goes on");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    at_least(begun, Duration::from_secs(10));
}
