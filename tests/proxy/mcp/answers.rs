//! What a server says: results that rules read, and how calls end.

use serde_json::json;

use super::server::{Server, call, list, message, old, response};

#[tokio::test]
async fn rules_read_the_result_in_either_form_and_redact_every_copy_of_it() {
    let rules = "rules:\n\
        - { id: verify, tools: [pay.refund], requires: [{ call: pay.look, where: 'prior.result.status == \"verified\"' }], \
            then: deny, message: Look first. }\n\
        - { id: mask, phase: result, tools: [\"pay.*\"], redact: { detector: card_number, with: \"[card]\" } }\n\
        - { id: no-say, phase: result, tools: [pay.say], when: 'result == \"done {}\"', then: deny, message: Not that. }\n";
    for as_events in [false, true] {
        let server = Server::start().await;
        *server.as_events.lock() = as_events;
        let gate = server.gate().policy(rules).start().await;
        list(&gate).await;
        let refused = gate.send(old(&call(1, "refund", json!({ "amount": 1 })))).await;
        assert_eq!(response(&refused)["result"]["isError"], true);
        let looked = gate.send(old(&call(2, "look", json!({ "id": 1 })))).await;
        let told = response(&looked);
        let text = told["result"]["content"][0]["text"].as_str().expect("a text");
        assert_eq!(text, r#"{"card":"[card]","status":"verified"}"#);
        let decision = &told["result"]["_meta"]["dev.toolgate/decision"];
        assert_eq!(decision["warnings"][0]["rule"], "p1/mask");
        let passed = gate.send(old(&call(3, "refund", json!({ "amount": 1 })))).await;
        assert_eq!(response(&passed)["result"].get("isError"), None, "{:?}", passed.body);
        let both = gate.send(old(&call(4, "structured", json!({})))).await;
        let body = String::from_utf8(both.body.to_vec()).expect("text");
        assert!(!body.contains("4111") && body.matches("[card]").count() == 2, "{body}");
        if as_events {
            assert!(body.starts_with(
                "id: 1\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\"}\n\n"
            ));
        }
        let withheld = gate.send(old(&call(5, "say", json!({})))).await;
        let told = response(&withheld);
        assert_eq!((&told["id"], &told["result"]["isError"]), (&json!(5), &json!(true)), "{told}");
        let text = told["result"]["content"][0]["text"].as_str().expect("a text");
        assert!(
            text.starts_with("pay.say WAS executed, but its result was withheld. Not that."),
            "{text}"
        );
        let events = gate.calls(6).await;
        assert_eq!(
            (&events[5]["status"], &events[5]["rule"]),
            (&json!("denied"), &json!("p1/no-say"))
        );
    }
}

#[tokio::test]
async fn the_end_of_a_call_is_what_its_answer_says() {
    let server = Server::start().await;
    let gate = server.gate().start().await;
    for (at, (tool, status, class)) in [
        ("fail", "error", json!("tool_error")),
        ("missing", "error", json!("tool_error")),
        ("say", "ok", json!(null)),
    ]
    .into_iter()
    .enumerate()
    {
        for as_events in [false, true] {
            *server.as_events.lock() = as_events;
            gate.send(old(&call(7, tool, json!({})))).await;
        }
        let events = gate.calls(at * 2 + 2).await;
        let (json, stream) = (&events[at * 2], &events[at * 2 + 1]);
        assert_eq!((&json["status"], &json["error_class"]), (&json!(status), &class), "{tool}");
        assert_eq!((&stream["status"], &stream["error_class"]), (&json!(status), &class), "{tool}");
        assert_eq!(json["result_sha"], stream["result_sha"], "the same result is the same digest");
    }
}

#[tokio::test]
async fn a_loop_is_seen_although_every_message_has_its_own_id() {
    let server = Server::start().await;
    let limits = "limits:\n- { id: loops, per: run, max: { identical_calls: 2 }, within: 20 steps, \
        then: deny, message: The same again. }\n";
    let gate = server.gate().policy(limits).start().await;
    let mut refused = 0;
    for id in 0..6 {
        *server.as_events.lock() = id % 2 == 1;
        let answer = gate.send(old(&call(id, "say", json!({ "x": 1 })))).await;
        gate.send(old(&message(100 + id, "ping", json!({})))).await;
        refused += u32::from(response(&answer)["result"]["isError"] == true);
    }
    assert!(refused >= 2, "{refused} refused");
    let decision = gate.send(old(&call(9, "say", json!({ "x": 1 })))).await;
    let decision = &response(&decision)["result"]["_meta"]["dev.toolgate/decision"];
    assert_eq!(decision["stop_reason"], "loop_detected");
}

#[tokio::test]
async fn an_answer_that_is_too_long_is_withheld() {
    let server = Server::start().await;
    let gate = server.gate_with("    output: { max_bytes: 1kB }\n").start().await;
    for as_events in [false, true] {
        *server.as_events.lock() = as_events;
        let answer = gate.send(old(&call(1, "say", json!({ "long": "x".repeat(3000) })))).await;
        let told = response(&answer);
        let decision = &told["result"]["_meta"]["dev.toolgate/decision"];
        assert_eq!(decision["stop_reason"], "result_too_large", "{told}");
        let answer = gate.send(old(&call(2, "say", json!({ "x": 1 })))).await;
        assert_eq!(response(&answer)["result"].get("isError"), None);
    }
}

#[tokio::test]
async fn concealed_tools_are_not_there() {
    let server = Server::start().await;
    let rules =
        "rules:\n- { id: hide, tools: [pay.refund], then: deny, conceal: true, message: No. }\n";
    let gate = server.gate().policy(rules).start().await;
    assert_eq!(list(&gate).await, ["look", "say"]);
    let answer = gate.send(old(&call(1, "refund", json!({})))).await;
    let told = response(&answer);
    assert_eq!(told["error"], json!({ "code": -32602, "message": "Unknown tool: refund" }));
    assert_eq!(server.methods(), ["tools/list"]);
    let event = gate.calls(2).await.remove(1);
    assert_eq!(event["rule"], "p1/hide");
}

#[tokio::test]
async fn an_answer_that_breaks_the_listed_schema_is_noted_or_withheld() {
    for (lines, withheld) in [("", false), ("    contract: { responses: refuse }\n", true)] {
        let server = Server::start().await;
        let schema = json!({ "type": "object", "properties": { "n": { "type": "integer" } } });
        let bad =
            json!({ "name": "bad", "inputSchema": { "type": "object" }, "outputSchema": schema });
        let ask =
            json!({ "name": "ask", "inputSchema": { "type": "object" }, "outputSchema": schema });
        *server.listed.lock() = json!([bad, ask]);
        let gate = server.gate_with(lines).start().await;
        list(&gate).await;
        let told = response(&gate.send(old(&call(1, "bad", json!({})))).await);
        assert_eq!(told["result"]["isError"] == true, withheld, "{told}");
        let asked = response(&gate.send(old(&call(2, "ask", json!({})))).await);
        assert_eq!(asked["result"]["resultType"], "input_required", "it is no result yet");
        let events = gate.calls(3).await;
        assert_eq!(events[1]["error_class"], "contract_violation");
        assert_eq!((&events[2]["status"], &events[2]["error_class"]), (&json!("ok"), &json!(null)));
    }
}
