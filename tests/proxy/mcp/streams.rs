//! Streams: what passes at once, what is held, and what becomes of a stream that breaks off.

use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use http::request::Parts;
use http_body_util::BodyExt;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::server::{Server, bare, call, old};
use crate::harness::{Act, Connection, Reply, soon};

const MASK: &str = "rules:\n- { id: mask, phase: result, tools: [\"pay.*\"], \
    redact: { detector: card_number, with: \"[card]\" } }\n";

/// The next request of this HTTP method is answered by the pieces that are sent here.
fn pieces(server: &Server, method: Method) -> mpsc::Sender<Bytes> {
    let (sender, receiver) = mpsc::channel(1);
    let receiver = Arc::new(Mutex::new(Some(receiver)));
    let script = move |parts: &Parts, body: &[u8]| {
        let reply = Reply::json("").kind("text/event-stream");
        if parts.method == method && receiver.lock().is_some() {
            return Act::Pieces(Arc::clone(&receiver), reply);
        }
        let message: Value = serde_json::from_slice(body).unwrap_or_default();
        let result = json!({ "content": [{ "type": "text", "text": "ok" }] });
        let answer = json!({ "jsonrpc": "2.0", "id": message["id"], "result": result });
        Act::Reply(Reply::json("").body(answer.to_string()))
    };
    server.tool.on("/mcp", Act::With(Arc::new(script)));
    sender
}

async fn next(answer: &mut http::Response<hyper::body::Incoming>) -> String {
    let frame = soon("a piece", answer.body_mut().frame()).await;
    let data = frame.expect("more").expect("no error").into_data().expect("data");
    String::from_utf8(data.to_vec()).expect("text")
}

#[tokio::test]
async fn a_server_asks_before_it_answers_although_the_answer_is_judged() {
    let server = Server::start().await;
    let gate = server.gate().policy(MASK).start().await;
    let sender = pieces(&server, Method::POST);
    let ask = "id: 7\nevent: message\ndata: {\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"elicitation/create\",\"params\":{\"message\":\"4111111111111111\"}}\n\n";
    sender.send(Bytes::from(ask)).await.expect("taken");
    let mut connection = Connection::open(gate.address).await;
    let begun = connection.begin(old(&call(1, "say", json!({}))));
    let mut answer = soon("the head", begun).await.expect("an answer");
    assert_eq!(next(&mut answer).await, ask, "at once, and byte for byte");
    // The client answers on a request of its own, while the first waits.
    let reply = json!({ "jsonrpc": "2.0", "id": 1, "result": { "action": "accept" } });
    assert_eq!(gate.send(old(&reply)).await.status, 200);
    let result = json!({ "jsonrpc": "2.0", "id": 1,
        "result": { "content": [{ "type": "text", "text": "card 4111111111111111" }] } });
    let text = format!(": ping\n\nid: 8\ndata: {result}\n\n");
    let (first, rest) = text.split_at(40);
    sender.send(Bytes::from(first.to_owned())).await.expect("taken");
    assert_eq!(next(&mut answer).await, ": ping\n\n");
    sender.send(Bytes::from(rest.to_owned())).await.expect("taken");
    let told = next(&mut answer).await;
    assert!(told.starts_with("id: 8\ndata: {") && told.contains("card [card]"), "{told}");
    drop(sender);
    assert!(soon("the end", answer.body_mut().frame()).await.is_none());
    let events = gate.calls(2).await;
    let calls: Vec<_> = events.iter().filter(|event| event["tool"] == "pay.say").collect();
    assert_eq!((calls.len(), &calls[0]["status"]), (1, &json!("ok")));
}

#[tokio::test]
async fn a_stream_that_stands_open_is_relayed_while_calls_go_on() {
    let server = Server::start().await;
    let gate = server.gate_with("    in_flight: 1\n").start().await;
    let sender = pieces(&server, Method::GET);
    sender.send(Bytes::from(": hello\r\n\r\n")).await.expect("taken");
    let mut connection = Connection::open(gate.address).await;
    let mut answer = soon("the head", connection.begin(bare(Method::GET))).await.expect("a stream");
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    assert_eq!(next(&mut answer).await, ": hello\r\n\r\n");
    for id in 1..4 {
        let called = gate.send(old(&call(id, "say", json!({})))).await;
        assert_eq!(called.status, 200);
        let changed =
            "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}\n\n";
        sender.send(Bytes::from(changed)).await.expect("taken");
        assert_eq!(next(&mut answer).await, changed);
    }
    let ended = gate.send(bare(Method::DELETE)).await;
    assert_eq!(ended.status, 200);
    let last = server.tool.ledger().pop().expect("a request");
    assert_eq!(last.headers["mcp-session-id"], "s1");
    drop(sender);
    assert!(soon("the end", answer.body_mut().frame()).await.is_none());
    let events = gate.calls(5).await;
    let names: Vec<_> = events.iter().map(|event| event["tool"].as_str().unwrap_or("")).collect();
    assert_eq!(names.iter().filter(|name| **name == "pay.mcp:stream").count(), 1, "{names:?}");
    assert_eq!(names.iter().filter(|name| **name == "pay.mcp:end_session").count(), 1);
}

#[tokio::test]
async fn an_answer_that_comes_apart_from_its_call_is_not_taken_for_judged() {
    let server = Server::start().await;
    let gate = server.gate().policy(MASK).start().await;
    let sender = pieces(&server, Method::GET);
    let late = "id: 9\ndata: {\"jsonrpc\":\"2.0\",\"id\":\"a\",\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"4111111111111111\"}]}}\n\n";
    sender.send(Bytes::from(late)).await.expect("taken");
    let mut connection = Connection::open(gate.address).await;
    let mut answer = soon("the head", connection.begin(bare(Method::GET))).await.expect("a stream");
    let told = next(&mut answer).await;
    assert!(!told.contains("4111") && told.contains("\"isError\":true"), "{told}");
    assert!(told.starts_with("id: 9\ndata: {\"jsonrpc\":\"2.0\",\"id\":\"a\""), "{told}");
}

#[tokio::test]
async fn a_client_that_goes_away_is_recorded_once() {
    let server = Server::start().await;
    for is_judged in [true, false] {
        let setup = if is_judged { server.gate().policy(MASK) } else { server.gate() };
        let gate = setup.start().await;
        let sender = pieces(&server, Method::POST);
        sender
            .send(Bytes::from(
                "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\"}\n\n",
            ))
            .await
            .expect("taken");
        let mut connection = Connection::open(gate.address).await;
        let begun = connection.begin(old(&call(1, "say", json!({}))));
        let mut answer = soon("the head", begun).await.expect("an answer");
        next(&mut answer).await;
        drop(answer);
        drop(connection);
        let events = gate.calls(1).await;
        assert_eq!(events.len(), 1);
        assert!(
            matches!(events[0]["status"].as_str(), Some("cancelled" | "unknown")),
            "{events:?}"
        );
        drop(sender);
    }
}

/// Clients close the stream once they have read the answer, before the server does.
#[tokio::test]
async fn a_client_that_goes_away_with_its_answer_has_had_it() {
    let server = Server::start().await;
    for is_judged in [true, false] {
        let setup = if is_judged { server.gate().policy(MASK) } else { server.gate() };
        let gate = setup.start().await;
        let sender = pieces(&server, Method::POST);
        let answered = "data: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"content\":[]}}\n\n";
        sender.send(Bytes::from(answered)).await.expect("taken");
        let mut connection = Connection::open(gate.address).await;
        let begun = connection.begin(old(&call(1, "say", json!({}))));
        let mut answer = soon("the head", begun).await.expect("an answer");
        next(&mut answer).await;
        drop(answer);
        drop(connection);
        let events = gate.calls(1).await;
        assert_eq!(events[0]["status"], "ok", "{events:?}");
        drop(sender);
    }
}

#[tokio::test]
async fn two_requests_of_a_session_with_one_id_are_not_mixed_up() {
    let server = Server::start().await;
    let gate = server.gate().start().await;
    let sender = pieces(&server, Method::POST);
    let in_session = || {
        let mut request = old(&call(1, "say", json!({})));
        request.headers_mut().insert("mcp-session-id", "s1".parse().expect("a value"));
        request
    };
    sender.send(Bytes::from(": wait\n\n")).await.expect("taken");
    let mut connection = Connection::open(gate.address).await;
    let mut answer = soon("the head", connection.begin(in_session())).await.expect("an answer");
    next(&mut answer).await;
    let second = gate.send(in_session()).await;
    assert_eq!((second.status.as_u16(), &second.json()["error"]["code"]), (400, &json!(-32600)));
    assert_eq!(server.tool.count(), 1);
    sender
        .send(Bytes::from("data: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n\n"))
        .await
        .expect("taken");
    drop(sender);
    while soon("the rest", answer.body_mut().frame()).await.is_some() {}
    assert_eq!(gate.send(in_session()).await.status, 200, "the id is free again");
}

#[tokio::test]
async fn a_gate_that_ends_ends_the_streams_that_stand_open() {
    let server = Server::start().await;
    let gate = server.gate().top("bounds: { drain: 10m }").start().await;
    let sender = pieces(&server, Method::GET);
    sender.send(Bytes::from(": hello\n\n")).await.expect("taken");
    let mut connection = Connection::open(gate.address).await;
    let mut answer = soon("the head", connection.begin(bare(Method::GET))).await.expect("a stream");
    assert_eq!(next(&mut answer).await, ": hello\n\n");
    let events = gate.end().await;
    assert!(soon("the end", answer.body_mut().frame()).await.is_none(), "as the tool would end it");
    assert_eq!(events.iter().filter(|event| event["tool"] == "pay.mcp:stream").count(), 1);
    drop(sender);
}
