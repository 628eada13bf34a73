//! What a client says: calls, the protocol's own messages, and messages that are none.

use bytes::Bytes;
use http_body_util::Full;
use serde_json::{Value, json};

use super::server::{Server, call, list, message, new, old, response};
use crate::harness::post;

const REFUNDS: &str = "rules:\n- { id: big, tools: [pay.refund], when: args.amount > 500, \
    then: deny, message: Ask finance. }\n";

#[tokio::test]
async fn a_call_goes_through_the_pipeline_and_a_refusal_is_a_result() {
    let server = Server::start().await;
    let gate = server.gate().policy(REFUNDS).start().await;
    let sent = call(1, "refund", json!({ "amount": 20.0 }));
    let answer = gate.send(old(&sent)).await;
    assert_eq!(answer.status, 200);
    assert_eq!(response(&answer)["result"]["content"][0]["text"], r#"done {"amount":20.0}"#);
    assert_eq!(server.last(), sent.to_string(), "byte for byte");
    assert!(answer.header("toolgate-decision").is_some_and(|it| it.starts_with("allow")));

    let answer = gate.send(old(&call(2, "refund", json!({ "amount": 900 })))).await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("content-type")),
        (200, Some("application/json"))
    );
    let refused = response(&answer);
    assert_eq!((&refused["id"], &refused["result"]["isError"]), (&json!(2), &json!(true)));
    let text = refused["result"]["content"][0]["text"].as_str().expect("a text");
    assert!(text.starts_with("pay.refund was NOT executed. Ask finance."), "{text}");
    let decision = &refused["result"]["_meta"]["dev.toolgate/decision"];
    assert_eq!(
        (&decision["rule"], &decision["stop_reason"]),
        (&json!("p1/big"), &json!("args_denied"))
    );
    assert_eq!(refused["result"].get("resultType"), None);
    assert_eq!(server.methods(), ["tools/call"]);

    let answer = gate.send(new(call(3, "refund", json!({ "amount": 900 })))).await;
    assert_eq!(response(&answer)["result"]["resultType"], "complete");
    let answer = gate.send(new(call(4, "refund", json!({ "amount": 1 })))).await;
    assert_eq!(response(&answer)["result"]["content"][0]["text"], r#"done {"amount":1}"#);
    let events = gate.calls(4).await;
    let told = |at: usize, name: &str| events[at][name].clone();
    assert_eq!((told(0, "protocol"), told(0, "method")), (json!("mcp"), json!("tools/call")));
    assert_eq!((told(0, "tool"), told(0, "step_id")), (json!("pay.refund"), told(0, "step_id")));
    assert_eq!((told(1, "status"), told(1, "rule")), (json!("denied"), json!("p1/big")));
}

#[tokio::test]
async fn messages_that_are_none_are_refused_in_json_rpc() {
    let server = Server::start().await;
    let gate = server.gate().start().await;
    let batch = json!([message(1, "ping", json!({}))]);
    let call_note =
        json!({ "jsonrpc": "2.0", "method": "tools/call", "params": { "name": "say" } });
    let twice = r#"{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call"}"#;
    let list = json!({ "jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": [] });
    let cases: [(String, i64, Value, u16); 6] = [
        (batch.to_string(), -32600, Value::Null, 400),
        (call_note.to_string(), -32600, Value::Null, 400),
        (twice.to_owned(), -32700, Value::Null, 400),
        ("{".to_owned(), -32700, Value::Null, 400),
        (list.to_string(), -32602, json!(5), 200),
        (call(6, "say", json!([])).to_string(), -32602, json!(6), 200),
    ];
    for (text, code, id, status) in cases {
        let mut request = old(&Value::Null);
        *request.body_mut() = Full::new(Bytes::from(text.clone()));
        let answer = gate.send(request).await;
        let response = response(&answer);
        let found = (&response["error"]["code"], &response["id"], answer.status.as_u16());
        assert_eq!(found, (&json!(code), &id, status), "{text}");
    }
    assert_eq!(server.tool.count(), 0);
}

#[tokio::test]
async fn fields_and_body_say_the_same_or_nothing_passes() {
    let server = Server::start().await;
    let gate = server.gate().start().await;
    list(&gate).await;
    let sound = || new(call(1, "refund", json!({ "amount": 1, "region": "eu" })));
    for (name, value) in [
        ("mcp-method", "tools/list"),
        ("mcp-name", "look"),
        ("mcp-protocol-version", "2025-11-25"),
        ("mcp-param-region", "us"),
    ] {
        let mut request = sound();
        request.headers_mut().insert("mcp-param-region", "eu".parse().expect("a value"));
        request.headers_mut().insert(name, value.parse().expect("a value"));
        let answer = gate.send(request).await;
        let told = response(&answer);
        assert_eq!(
            (answer.status.as_u16(), &told["error"]["code"]),
            (400, &json!(-32020)),
            "{name}"
        );
        assert_eq!(told["id"], 1);
    }
    assert_eq!(response(&gate.send(sound()).await)["error"]["code"], -32020, "region is missing");
    assert_eq!(server.methods(), ["tools/list"]);
    let mut request = sound();
    request.headers_mut().insert("mcp-param-region", "eu".parse().expect("a value"));
    assert_eq!(gate.send(request).await.status, 200);
    // An older client that says something else in a field is not believed either.
    let mut request = old(&call(2, "say", json!({})));
    request.headers_mut().insert("mcp-name", "look".parse().expect("a value"));
    assert_eq!(response(&gate.send(request).await)["error"]["code"], -32020);
}

#[tokio::test]
async fn the_protocols_own_methods_pass_and_others_need_a_rule() {
    let server = Server::start().await;
    let allow = "default: deny\nrules:\n- { id: vendor, tools: [\"pay.mcp:vendor/dump\"], then: allow }\n\
        - { id: no-prompts, tools: [\"pay.mcp:prompts/*\"], then: deny, message: No prompts. }\n";
    let gate = server.gate().policy(allow).start().await;
    for method in ["initialize", "ping", "resources/read", "vendor/dump"] {
        let answer = gate.send(old(&message(1, method, json!({})))).await;
        assert!(response(&answer)["result"].is_object(), "{method}: {:?}", answer.body);
    }
    let note = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    assert_eq!(gate.send(old(&note)).await.status, 202);
    let answered = json!({ "jsonrpc": "2.0", "id": 8, "result": { "action": "accept" } });
    assert_eq!(gate.send(old(&answered)).await.status, 202);
    let answer = gate.send(old(&message(2, "vendor/other", json!({})))).await;
    assert_eq!(response(&answer)["error"]["code"], -32601);
    assert_eq!(gate.send(new(message(3, "tasks/result", json!({})))).await.status, 404);
    let answer = gate.send(old(&message(4, "prompts/get", json!({ "name": "x" })))).await;
    assert_eq!(response(&answer)["error"]["data"]["rule"], "p1/no-prompts");
    let answer = gate.send(old(&call(5, "say", json!({})))).await;
    assert_eq!(response(&answer)["result"]["isError"], true, "tools are denied by default");
    assert_eq!(
        server.methods(),
        [
            "initialize",
            "ping",
            "resources/read",
            "vendor/dump",
            "notifications/initialized",
            "response"
        ]
    );
    // What the protocol needs is no step: the call that was refused is the first.
    let events = gate.calls(10).await;
    let steps: Vec<&Value> = events.iter().map(|event| &event["step_id"]).collect();
    assert_eq!(steps.iter().filter(|step| !step.is_null()).count(), 1, "{steps:?}");
}

#[tokio::test]
async fn arguments_are_held_against_the_listed_schema_and_hints_give_the_effect() {
    let server = Server::start().await;
    let gate = server.gate().start().await;
    assert_eq!(list(&gate).await, ["look", "refund", "say"]);
    let answer = gate.send(old(&call(1, "look", json!({ "id": "seven" })))).await;
    let decision = &response(&answer)["result"]["_meta"]["dev.toolgate/decision"];
    assert_eq!(decision["stop_reason"], "schema_violation");
    let answer = gate.send(old(&call(2, "look", json!({ "id": 7 })))).await;
    assert_eq!(response(&answer)["result"].get("isError"), None);
    gate.send(old(&call(3, "say", json!({ "what": "ever" })))).await;
    let events = gate.calls(4).await;
    assert_eq!((&events[2]["effect"], &events[3]["effect"]), (&json!("read"), &json!("write")));
    assert!(events[2]["tool_version"].as_str().is_some_and(|version| version.len() == 24));
}

#[tokio::test]
async fn rules_change_arguments_and_nothing_else() {
    let server = Server::start().await;
    let clamp = "rules:\n- { id: clamp, tools: [pay.refund], when: args.amount > 100, \
        set: { args.amount: \"100\", args.region: \"'us'\" } }\n";
    let gate = server.gate().policy(clamp).start().await;
    list(&gate).await;
    let mut request = new(call(1, "refund", json!({ "amount": 900, "region": "eu" })));
    request.headers_mut().insert("mcp-param-region", "eu".parse().expect("a value"));
    let answer = gate.send(request).await;
    let told = response(&answer);
    assert_eq!(
        told["result"]["content"][0]["text"], r#"done {"amount":100,"region":"us"}"#,
        "{told}"
    );
    let warning = &told["result"]["_meta"]["dev.toolgate/decision"]["warnings"][0];
    assert_eq!(warning["rule"], "p1/clamp");
    let arrived = server.tool.ledger().pop().expect("a request");
    assert_eq!(arrived.headers["mcp-param-region"], "us");
    let sent: Value = serde_json::from_slice(&server.last()).expect("JSON");
    assert_eq!(sent["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"], "2026-07-28");
}

#[tokio::test]
async fn an_approval_is_for_the_arguments_and_not_for_the_message() {
    let server = Server::start().await;
    let rule = "rules:\n- { id: see, tools: [pay.refund], then: approve, message: Ask finance. }\n";
    let gate = server.gate().policy(rule).start().await;
    let ask = |id, amount: u64| new(call(id, "refund", json!({ "amount": amount })));
    let decision =
        |answer: &_| response(answer)["result"]["_meta"]["dev.toolgate/decision"].clone();
    let first = decision(&gate.send(ask(1, 9)).await);
    let id = first["approval"]["id"].as_str().expect("an id").to_owned();
    assert_eq!(decision(&gate.send(ask(2, 9)).await)["approval"]["id"], id);
    assert_ne!(decision(&gate.send(ask(3, 10)).await)["approval"]["id"], id);
    let path = format!("/v1/approvals/{id}/approve");
    let said = gate.operate(http::Method::POST, &path, Some(&json!({ "actor": "ann" }))).await;
    assert_eq!(said.status, 200);
    assert!(response(&gate.send(ask(4, 9)).await)["result"].get("isError").is_none());
    assert_eq!(response(&gate.send(ask(5, 9)).await)["result"]["isError"], true, "once");
}

#[tokio::test]
async fn traces_are_read_from_the_body_and_written_there() {
    let server = Server::start().await;
    let gate = server.gate().start().await;
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let params = json!({ "name": "say", "arguments": { "traceparent": 1.0 },
        "_meta": { "traceparent": parent, "baggage": "session.id=from-meta" } });
    let mut request = new(message(1, "tools/call", params));
    request.headers_mut().remove("toolgate-run-id");
    gate.send(request).await;
    let sent: Value = serde_json::from_slice(&server.last()).expect("JSON");
    let written = sent["params"]["_meta"]["traceparent"].as_str().expect("a parent");
    assert!(written.starts_with("00-0af7651916cd43dd8448eb211c80319c-") && written != parent);
    assert!(String::from_utf8_lossy(&server.last()).contains(r#""arguments":{"traceparent":1.0}"#));
    let event = gate.calls(1).await.remove(0);
    assert_eq!(
        (&event["run_id"], &event["run_id_source"]),
        (&json!("from-meta"), &json!("baggage"))
    );
    assert_eq!(event["trace_id"], "0af7651916cd43dd8448eb211c80319c");
    // Without one the body of an older client stays what it was.
    let plain = call(2, "say", json!({}));
    gate.send(old(&plain)).await;
    assert_eq!(server.last(), plain.to_string());
}

#[tokio::test]
async fn what_means_nothing_to_mcp_is_refused_in_the_config() {
    let server = Server::start().await;
    let lines = "    fallback: { stale_for: 5m }\n    idempotency: { header: Idempotency-Key }\n";
    let (code, said) = server.gate_with(lines).refused().await;
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("`fallback` is not for MCP servers"), "{said}");
    assert!(said.contains("`idempotency` is not for MCP servers"), "{said}");
    let gate = server.gate().start().await;
    assert_eq!(gate.send(post("/pay/elsewhere", &json!({}))).await.status, 403);
    assert_eq!(gate.send(post("/pay/mcp?x=1", &json!({}))).await.status, 400);
}

#[tokio::test]
async fn names_that_look_like_others_are_not_used() {
    let server = Server::start().await;
    let gate = server.gate().policy(REFUNDS).start().await;
    for name in ["ref\u{443}nd", "REFUND", "refund\u{200b}", "refund ", "mcp:tools/list", ""] {
        let answer = gate.send(old(&call(1, name, json!({ "amount": 900 })))).await;
        let told = response(&answer);
        assert_eq!(told["result"]["isError"], true, "{name:?}: {told}");
    }
    assert_eq!(server.tool.count(), 0);
    server.listed.lock()[2]["name"] = json!("\u{443}");
    list(&gate).await;
    let answer = gate.send(old(&call(2, "\u{443}", json!({})))).await;
    assert_eq!(response(&answer)["result"].get("isError"), None, "the server listed it");
}
