//! Servers that answer in ways which clients read and a laxer gate would not: none of it gets past
//! rules over results, concealment, or the record.

use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use http::request::Parts;
use serde_json::{Value, json};

use super::server::{Server, bare, call, list, message, old, response};
use crate::harness::{Act, Reply};

const RULES: &str = "rules:\n\
    - { id: hide, tools: [pay.refund], then: deny, conceal: true, message: No. }\n\
    - { id: mask, phase: result, tools: [pay.say], redact: { detector: card_number, with: \"[card]\" } }\n\
    - { id: no-secret, phase: result, tools: [pay.say], when: 'result.contains(\"SECRET\")', then: deny, message: No. }\n";

const CARD: &str = "4111111111111111";

/// From now on the server answers everything so.
fn answers(server: &Server, reply: impl Fn(&Value) -> Reply + Send + Sync + 'static) {
    let script = move |_: &Parts, body: &[u8]| {
        Act::Reply(reply(&serde_json::from_slice(body).unwrap_or_default()))
    };
    server.tool.on("/mcp", Act::With(Arc::new(script)));
}

fn event(message: &str) -> Reply {
    Reply::json("").kind("text/event-stream").body(format!("data: {message}\n\n"))
}

fn wide(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// A gzip member of one stored block (RFC 1951, 3.2.4; RFC 1952), its checksum left at nought.
fn packed(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).expect("a short text");
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 1];
    out.write_all(&length.to_le_bytes()).expect("room");
    out.write_all(&(!length).to_le_bytes()).expect("room");
    out.write_all(text.as_bytes()).expect("room");
    out.extend_from_slice(&[0; 8]);
    out
}

#[tokio::test]
async fn no_way_of_saying_it_gets_a_result_past_its_rules() {
    let text = |text: &str| json!({ "content": [{ "type": "text", "text": text }] });
    let said = |result: Value| json!({ "jsonrpc": "2.0", "id": 7, "result": result });
    let with = |mut message: Value, path: &str, name: &str, value: Value| {
        message.pointer_mut(path).expect("there")[name] = value;
        message
    };
    let secret = format!("SECRET {CARD}");
    let plain = said(text(&secret));
    let asked = with(plain.clone(), "/result", "resultType", json!("input_required"));
    let method = with(plain.clone(), "", "method", json!(null));
    let request = with(plain.clone(), "", "method", json!("ping"));
    let error = with(plain.clone(), "", "error", json!(null));
    let other = with(plain.clone(), "", "id", json!(99));
    let beside = with(said(text("ok")), "/result", "extra", json!(CARD));
    let within = with(said(text("ok")), "/result/content/0", "title", json!(CARD));
    let cased = plain.to_string().replace("\"result\"", "\"Result\"");
    let stream = |message: &Value| format!("data: {message}\n\n");
    let replies = [
        Reply::json(&plain.to_string()),
        event(&plain.to_string()),
        Reply::json(&asked.to_string()),
        event(&asked.to_string()),
        Reply::json(&method.to_string()),
        event(&request.to_string()),
        event(&cased),
        Reply::json(&error.to_string()),
        event(&other.to_string()),
        event(&json!([plain]).to_string()),
        Reply::json(&beside.to_string()),
        event(&within.to_string()),
        Reply::json("").kind("application/jsonx").body(plain.to_string()),
        Reply::json("").kind("text/plain").body(plain.to_string()),
        Reply::json("").kind("text/event-stream; charset=utf-16-le").body(wide(&stream(&plain))),
        event("").header("content-encoding", "gzip").body(packed(&stream(&plain))),
    ];
    let server = Server::start().await;
    let gate = server.gate().policy(RULES).start().await;
    for (at, reply) in replies.into_iter().enumerate() {
        answers(&server, move |_| reply.clone());
        let answer = gate.send(old(&call(7, "say", json!({ "at": at })))).await;
        let body = String::from_utf8_lossy(&answer.body).into_owned();
        let bytes = answer.body.windows(8).any(|part| part == &wide("SECR")[..]);
        assert!(!body.contains(CARD) && !body.contains("SECRET") && !bytes, "{at}: {body}");
        assert_eq!(response(&answer)["id"], 7, "{at}: {body}");
    }
}

#[tokio::test]
async fn a_concealed_tool_shows_on_no_stream() {
    let server = Server::start().await;
    let gate = server.gate().policy(RULES).start().await;
    list(&gate).await;
    let tools = super::server::tools();
    let listed = json!({ "jsonrpc": "2.0", "id": 7, "result": { "tools": tools } });
    let cased = listed.to_string().replace("\"tools\"", "\"Tools\"");
    let mut method = listed.clone();
    method["method"] = json!(null);
    let replies = [
        event(&listed.to_string()),
        event(&method.to_string()),
        event(&cased),
        Reply::json("").kind("application/jsonx").body(listed.to_string()),
        event("").header("content-encoding", "gzip").body(packed(&format!("data: {listed}\n\n"))),
    ];
    for (at, reply) in replies.into_iter().enumerate() {
        answers(&server, move |_| reply.clone());
        // As its own answer, in the place of another one's, beside a notification's, and unasked.
        let note = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        for request in [
            old(&message(7, "tools/list", json!({}))),
            old(&message(8, "ping", json!({}))),
            old(&call(9, "look", json!({ "id": 1 }))),
            old(&note),
            bare(Method::GET),
        ] {
            let answer = gate.send(request).await;
            let body = String::from_utf8_lossy(&answer.body).into_owned();
            assert!(!body.contains("Pays back"), "{at}: {body}");
        }
    }
}

#[tokio::test]
async fn a_call_ends_with_its_own_answer() {
    let server = Server::start().await;
    let gate = server.gate().start().await;
    let good = r#"{"jsonrpc":"2.0","id":99,"result":{"content":[]}}"#;
    let bad = r#"{"jsonrpc":"2.0","id":5,"result":{"isError":true,"content":[]}}"#;
    for (at, reply) in [event(&format!("{good}\n\ndata: {bad}")), event(good), Reply::json(good)]
        .into_iter()
        .enumerate()
    {
        answers(&server, move |_| reply.clone());
        let answer = gate.send(old(&call(5, "say", json!({ "at": at })))).await;
        assert!(!String::from_utf8_lossy(&answer.body).contains("\"id\":99"), "{:?}", answer.body);
        let event = gate.calls(at + 1).await.remove(at);
        assert_eq!(event["error_class"], "malformed_response", "{event}");
    }
}

#[tokio::test]
async fn what_peers_say_passes_byte_for_byte() {
    let server = Server::start().await;
    let gate = server.gate().policy(RULES).start().await;
    let own = "{ \"id\" : \"5\", \"jsonrpc\":\"2.0\",\"result\":{\"x\": 1.0}}";
    let stream = format!(": hi\r\n\r\nid: 1\ndata: \n\nevent: message\ndata: {own}\n\n");
    let lost =
        r#"{"jsonrpc":"2.0","id":"server-error","error":{"code":-32600,"message":"No session"}}"#;
    let replies = [
        (Reply::json(own), own),
        (Reply::json("").kind("application/json; charset=utf-8").body(own), own),
        (Reply::json("").kind("text/event-stream").body(stream.clone()), &*stream),
        (Reply::status(400).body(lost), lost),
        (Reply::status(401).body(r#"{"error":"invalid_token"}"#), r#"{"error":"invalid_token"}"#),
        (Reply::status(403).body(r#"{"detail":"no"}"#), r#"{"detail":"no"}"#),
        (Reply::status(404).kind("text/plain").body("Not found"), "Not found"),
    ];
    for (reply, body) in replies {
        answers(&server, move |_| reply.clone());
        for request in [message(5, "ping", json!({})), call(5, "look", json!({ "id": 1 }))] {
            let answer = gate.send(old(&request)).await;
            assert_eq!(answer.body, Bytes::copy_from_slice(body.as_bytes()), "{request}");
        }
    }
}
