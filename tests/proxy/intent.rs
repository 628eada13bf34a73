//! What a model asked for and what was executed; runs that are found by what a model said; runs that
//! end with a model's last word.

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};

use crate::harness::{Act, Connection, Gate, Reply, Setup, Tool, get, of_kind, post, soon, until};

const CHAT: &str = "/v1/chat/completions";

fn setup(tool: &Tool) -> Setup {
    let model =
        format!("  model: {{ llm: openai, url: \"http://{}/v1\", cost_usd: 0 }}\n", tool.address);
    Setup::before(tool).other_upstream(&model)
}

/// A model that asks for these calls: id, name, arguments.
fn asks(tool: &Tool, id: &str, calls: &[(&str, &str, Value)]) {
    let calls: Vec<Value> = calls
        .iter()
        .map(|(id, name, args)| {
            let function = json!({ "name": name, "arguments": args.to_string() });
            json!({ "id": id, "type": "function", "function": function })
        })
        .collect();
    let message = json!({ "role": "assistant", "content": null, "tool_calls": calls });
    answers(tool, id, &message, "tool_calls");
}

fn answers(tool: &Tool, id: &str, message: &Value, finish: &str) {
    let answer = json!({
        "id": id,
        "object": "chat.completion",
        "model": "m",
        "choices": [{ "index": 0, "message": message, "finish_reason": finish }],
        "usage": { "prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2 },
    });
    tool.on(CHAT, Act::Reply(Reply::json(&answer.to_string())));
}

fn prompt() -> Value {
    json!({ "model": "m", "messages": [{ "role": "user", "content": "refund it" }], "max_tokens": 9 })
}

fn within(mut request: Request<Full<Bytes>>, run: &str) -> Request<Full<Bytes>> {
    request.headers_mut().insert("toolgate-run-id", run.parse().expect("a value"));
    request
}

async fn asked_model(gate: &Gate, run: &str) {
    let answer = gate.send(within(post("/model/chat/completions", &prompt()), run)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

async fn refund(gate: &Gate, run: &str, amount: Value) -> u16 {
    let request = post("/svc/refunds", &json!({ "amount": amount }));
    gate.send(within(request, run)).await.status.as_u16()
}

fn intents(events: &[Value]) -> Vec<&str> {
    let calls = events.iter().filter(|event| event["protocol"] == "http");
    calls.map(|event| event["intent"].as_str().unwrap_or("-")).collect()
}

#[tokio::test]
async fn what_is_executed_is_held_against_what_was_asked_for() {
    let tool = Tool::start().await;
    let gate = setup(&tool).start().await;
    asks(&tool, "chatcmpl-1", &[("call_refund_1", "svc_refund", json!({ "amount": 10 }))]);
    refund(&gate, "r", json!(10)).await;
    asked_model(&gate, "r").await;
    refund(&gate, "r", json!(1_000)).await;
    refund(&gate, "r", json!(10.0)).await;
    refund(&gate, "r", json!(10)).await;
    gate.send(within(get("/svc/items/7"), "r")).await;
    refund(&gate, "another", json!(10)).await;
    let events = gate.end().await;
    let calls = of_kind(events.clone(), "call");
    let expected = ["-", "altered", "asked", "again", "never_asked", "-"];
    assert_eq!(intents(&calls), expected);
    let told = of_kind(events, "intent");
    let kinds: Vec<_> = told.iter().map(|event| &event["intent"]).collect();
    assert_eq!(kinds, ["altered", "again", "never_asked"]);
    let altered = calls.iter().find(|call| call["intent"] == "altered").expect("one");
    for joined in ["call_id", "run_id", "args_sha", "tool", "step_id", "trace_id"] {
        assert_eq!(told[0][joined], altered[joined], "{joined}");
    }
    assert_eq!(told[0]["tool_call_id"], "call_refund_1");
    assert_eq!(told[2]["tool"], "svc.get");
    assert_eq!(told[2].get("tool_call_id"), None);
}

#[tokio::test]
async fn rules_know_whether_the_model_asked() {
    let tool = Tool::start().await;
    let gate = setup(&tool)
        .policy(
            "rules:\n- { id: only-what-was-asked, tools: [svc.refund], when: \"!call.intended\", \
             then: deny, message: The model did not ask for this. }",
        )
        .start()
        .await;
    // Nobody knows: the rule cannot be evaluated.
    assert_eq!(refund(&gate, "r", json!(10)).await, 403);
    asks(&tool, "chatcmpl-1", &[("call_refund_1", "refund", json!({ "amount": 10 }))]);
    asked_model(&gate, "r").await;
    assert_eq!(refund(&gate, "r", json!(11)).await, 403);
    assert_eq!(refund(&gate, "r", json!(10)).await, 200);
    assert_eq!(refund(&gate, "r", json!(10)).await, 403);
    assert_eq!(gate.metric("toolgate_intents_total", "intent=\"asked\"").await, 1.0);
    assert_eq!(gate.metric("toolgate_intents_total", "intent=\"again\"").await, 0.0);
    let events = gate.end().await;
    // What was refused was not executed: it stands in its own event alone.
    assert!(of_kind(events.clone(), "intent").is_empty());
    let calls = of_kind(events, "call");
    assert_eq!(intents(&calls), ["-", "altered", "asked", "again"]);
    assert_eq!(calls[0]["stop_reason"], "rule_error");
}

#[tokio::test]
async fn a_refused_call_is_no_execution() {
    let tool = Tool::start().await;
    let gate = setup(&tool)
        .policy(
            "rules:\n- { id: look-first, tools: [svc.refund], requires: [ { call: svc.look } ], \
             then: deny, message: Look first. }",
        )
        .start()
        .await;
    let look = ("call_look_1", "svc-look", json!({}));
    asks(&tool, "chatcmpl-1", &[("call_refund_1", "refund", json!({ "amount": 10 })), look]);
    asked_model(&gate, "r").await;
    assert_eq!(refund(&gate, "r", json!(10)).await, 403);
    assert_eq!(refund(&gate, "r", json!(10)).await, 403);
    gate.send(within(post("/svc/look", &json!({})), "r")).await;
    assert_eq!(refund(&gate, "r", json!(10)).await, 200);
    let calls = of_kind(gate.end().await, "call");
    assert_eq!(intents(&calls), ["asked", "asked", "asked", "asked"]);
}

#[tokio::test]
async fn a_streamed_wish_is_known_before_the_answer_has_ended() {
    let tool = Tool::start().await;
    let gate = setup(&tool).start().await;
    let pieces = tool.pieces(CHAT, Reply::json("").kind("text/event-stream"));
    let part = |delta: Value, finish: Value| {
        let choice = json!({ "index": 0, "delta": delta, "finish_reason": finish });
        Bytes::from(format!(
            "data: {}\n\n",
            json!({ "id": "c", "model": "m", "choices": [choice] })
        ))
    };
    let mut body = prompt();
    body["stream"] = json!(true);
    let asked = async {
        let mut connection = Connection::open(gate.address).await;
        let request = within(post("/model/chat/completions", &body), "r");
        let mut answer = connection.begin(request).await.expect("an answer");
        let mut heard = String::new();
        while !heard.contains("[DONE]") {
            let frame = soon("the next piece", answer.frame()).await.expect("more").expect("whole");
            heard.push_str(&String::from_utf8_lossy(frame.data_ref().expect("data")));
        }
        // The agent has it all but the end.
        assert_eq!(refund(&gate, "r", json!(10)).await, 200);
        assert_eq!(refund(&gate, "r", json!(10)).await, 200);
        (connection, answer)
    };
    let spoken = async {
        let call = |function: Value| json!({ "tool_calls": [{ "index": 0, "id": "call_refund_1", "type": "function", "function": function }] });
        let first = call(json!({ "name": "refund", "arguments": "{\"amo" }));
        pieces.send(part(first, Value::Null)).await.expect("read");
        let rest =
            json!({ "tool_calls": [{ "index": 0, "function": { "arguments": "unt\":10}" } }] });
        pieces.send(part(rest, Value::Null)).await.expect("read");
        pieces.send(part(json!({}), json!("tool_calls"))).await.expect("read");
        pieces.send(Bytes::from("data: [DONE]\n\n")).await.expect("read");
        pieces
    };
    let ((_connection, answer), pieces) = tokio::join!(asked, spoken);
    drop(pieces);
    soon("the end", answer.collect()).await.expect("a whole answer");
    // The end of the answer asks for nothing once more.
    assert_eq!(refund(&gate, "r", json!(10)).await, 200);
    let calls = of_kind(gate.end().await, "call");
    assert_eq!(intents(&calls), ["asked", "again", "again"]);
}

#[tokio::test]
async fn calls_without_a_label_are_found_by_what_a_model_said() {
    let tool = Tool::start().await;
    let gate = setup(&tool).start().await;
    // A first request that names its conversation.
    asks(&tool, "resp_1", &[("call_refund_1", "svc__refund", json!({ "amount": 10 }))]);
    let mut first = prompt();
    first["metadata"] = json!({ "session_id": "task-1" });
    gate.send(post("/model/chat/completions", &first)).await;
    // The tool call that the model asked for, over a client that knows of no runs.
    gate.send(post("/svc/refunds", &json!({ "amount": 10 }))).await;
    // The same again is nobody's wish.
    gate.send(post("/svc/refunds", &json!({ "amount": 10 }))).await;
    // The request that gives the result back.
    let mut second = prompt();
    second["messages"] = json!([
        { "role": "user", "content": "refund it" },
        { "role": "assistant", "content": null, "tool_calls": [{ "id": "call_refund_1", "type": "function",
          "function": { "name": "svc__refund", "arguments": "{\"amount\":10}" } }] },
        { "role": "tool", "tool_call_id": "call_refund_1", "content": "done" },
    ]);
    gate.send(post("/model/chat/completions", &second)).await;
    // One that goes on from an answer.
    let mut third = prompt();
    third["previous_response_id"] = json!("resp_1");
    gate.send(post("/model/chat/completions", &third)).await;
    // One that a header places elsewhere.
    gate.send(within(post("/model/chat/completions", &second), "elsewhere")).await;
    let calls = of_kind(gate.end().await, "call");
    let placed: Vec<(&str, &str)> = calls
        .iter()
        .map(|call| {
            let text = |name: &str| call[name].as_str().unwrap_or_default();
            (text("run_id"), text("run_id_source"))
        })
        .collect();
    assert_eq!(placed[0], ("task-1", "model_conversation"));
    assert_eq!(placed[1], ("task-1", "model_tool_call"));
    assert_eq!(calls[1]["intent"], "asked");
    assert_eq!(placed[2].1, "agent_window");
    assert_eq!(placed[3], ("task-1", "model_tool_call"));
    assert_eq!(placed[4], ("task-1", "model_conversation"));
    assert_eq!(placed[5], ("elsewhere", "header"));
}

#[tokio::test]
async fn a_run_ends_with_its_models_last_word() {
    let tool = Tool::start().await;
    let gate = setup(&tool).runs("{ idle_end: 2s }").start().await;
    let last = json!({ "role": "assistant", "content": "It is refunded." });
    answers(&tool, "chatcmpl-1", &last, "stop");
    asked_model(&gate, "done").await;
    refund(&gate, "busy", json!(10)).await;
    let mut stops = gate.stops(2).await;
    stops.sort_by_key(|stop| stop["run_id"].to_string());
    assert_eq!((&stops[0]["run_id"], &stops[0]["stop_reason"]), (&json!("busy"), &json!("idle")));
    assert_eq!(
        (&stops[1]["run_id"], &stops[1]["stop_reason"]),
        (&json!("done"), &json!("completed"))
    );
    assert_eq!(stops[1].get("verdict"), None);
    until("both runs are forgotten", async || {
        (gate.metric("toolgate_live_runs", "").await == 0.0).then_some(())
    })
    .await;
    assert_eq!(of_kind(gate.end().await, "stop").len(), 2);
}

#[tokio::test]
async fn a_session_of_tools_belongs_to_the_run_whose_model_asks_for_them() {
    let tool = Tool::start().await;
    let upstream = format!("  svc_mcp: {{ mcp: \"http://{}/mcp\" }}\n", tool.address);
    let gate = setup(&tool).other_upstream(&upstream).start().await;
    let result = json!({ "content": [{ "type": "text", "text": "done" }] });
    let answer = json!({ "jsonrpc": "2.0", "id": 1, "result": result });
    tool.on("/mcp", Act::Reply(Reply::json(&answer.to_string())));
    let call = |name: &str, amount: i64| {
        let params = json!({ "name": name, "arguments": { "amount": amount } });
        let message =
            json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
        let mut request = post("/svc_mcp/mcp", &message);
        request.headers_mut().insert("mcp-session-id", "s3cr3t".parse().expect("a value"));
        request
    };
    let before = gate.send(call("refund", 1)).await;
    assert_eq!(before.status, 200, "{before:?}");
    let wish = json!({ "amount": 10 });
    asks(&tool, "chatcmpl-1", &[("call_1", "mcp__svc_mcp__refund", wish)]);
    asked_model(&gate, "the-run").await;
    gate.send(call("refund", 10)).await;
    gate.send(call("delete", 10)).await;
    let events = gate.end().await;
    assert!(!json!(events).to_string().contains("s3cr3t"), "{events:?}");
    let calls = of_kind(events, "call");
    let calls: Vec<_> = calls.iter().filter(|call| call["protocol"] == "mcp").collect();
    let runs: Vec<_> = calls.iter().map(|call| call["run_id"].as_str().expect("one")).collect();
    assert!(runs[0].starts_with("mcp_"), "{runs:?}");
    assert_eq!(runs[1..], ["the-run", "the-run"]);
    let sources: Vec<_> = calls.iter().map(|call| &call["run_id_source"]).collect();
    assert_eq!(sources, ["mcp_session", "model_tool_call", "mcp_session"]);
    assert_eq!(calls[1]["intent"], "asked");
    assert_eq!(calls[2]["intent"], "never_asked");
}
