//! Answers pass byte for byte and are read on the way.

use std::time::Duration;

use http_body_util::BodyExt;
use serde_json::json;

use super::{before, chat, last};
use crate::harness::model::{Model, Script};
use crate::harness::{Connection, Tool, get, post, soon};

const ANSWER: &str = r#"{"id":"c1","object":"chat.completion","model":"plain","choices":[{"index":0,"message":{"role":"assistant","content":"Fine."},"finish_reason":"stop"}],"usage":{"prompt_tokens":1000,"completion_tokens":200,"total_tokens":1200,"prompt_tokens_details":{"cached_tokens":400}}}"#;

const EVENTS: [&str; 5] = [
    r#"{"id":"c1","model":"plain","choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}"#,
    r#"{"id":"c1","choices":[{"index":0,"delta":{"content":"Fine."}}]}"#,
    r#"{"id":"c1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
    r#"{"id":"c1","choices":[],"usage":{"prompt_tokens":1000,"completion_tokens":200}}"#,
    "[DONE]",
];

const MESSAGE: [&str; 4] = [
    r#"{"type":"message_start","message":{"id":"msg_1","model":"plain","usage":{"input_tokens":600,"cache_read_input_tokens":400,"output_tokens":1}}}"#,
    r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Fine."}}"#,
    r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":200}}"#,
    r#"{"type":"message_stop"}"#,
];

#[tokio::test]
async fn a_whole_answer_is_counted_and_priced() {
    let (tool, model) = (Tool::start().await, Model::start(|_| Script::json(200, ANSWER)).await);
    let gate = before(&tool, &model).start().await;
    let question = chat("plain-2025-01-01", false);
    for (number, path) in
        ["/openai/chat/completions", "/openai/v1/chat/completions"].iter().enumerate()
    {
        let answer = gate.send(post(path, &question)).await;
        assert_eq!((answer.status.as_u16(), &answer.body[..]), (200, ANSWER.as_bytes()));
        assert_eq!(answer.header("x-request-id"), Some("req_1"));
        let event = last(&gate, number + 1).await;
        assert_eq!(event["tool"], "openai.chat");
        assert_eq!(event["protocol"], "llm");
        assert_eq!(event["model"], "plain");
        assert_eq!((&event["tokens_input"], &event["tokens_output"]), (&json!(1000), &json!(200)));
        assert_eq!((&event["tokens_cached"], &event["finish"]), (&json!(400), &json!("stop")));
        assert_eq!(event["tokens_estimated"], json!(null));
        // 600 at 1, 400 at 0.1 and 200 at 2 dollars a million.
        assert_eq!(event["cost_usd"], 0.00104);
    }
    for prompt in model.seen() {
        assert_eq!((&*prompt.method, &*prompt.target), ("POST", "/v1/chat/completions"));
        assert_eq!(prompt.json(), question);
    }
    let cost = gate.metric("toolgate_cost_usd_total", "model=\"plain\"").await;
    assert!((cost - 0.00208).abs() < 1e-9, "{cost}");
    let tokens = gate.metric("gen_ai_client_token_usage_sum", "token_type=\"output\"").await;
    assert!((tokens - 400.0).abs() < 1e-9, "{tokens}");
}

/// Each piece is there before the next is sent.
#[tokio::test]
async fn streams_pass_as_they_come_and_are_counted_at_their_end() {
    let tool = Tool::start().await;
    let script = |prompt: &crate::harness::model::Prompt| {
        let events: &[&str] = if prompt.target.contains("messages") { &MESSAGE } else { &EVENTS };
        Script { pause: Duration::from_millis(20), ..Script::events(events) }
    };
    let model = Model::start(script).await;
    let gate = before(&tool, &model).start().await;
    for (number, (path, events)) in
        [("/openai/chat/completions", &EVENTS[..]), ("/claude/v1/messages", &MESSAGE[..])]
            .into_iter()
            .enumerate()
    {
        let mut connection = Connection::open(gate.address).await;
        let request = post(path, &chat("plain", true));
        let mut answer = soon("the head", connection.begin(request)).await.expect("an answer");
        for event in events {
            let frame = soon("a piece", answer.body_mut().frame()).await;
            let data = frame.expect("more").expect("no error").into_data().expect("data");
            assert_eq!(data, format!("data: {event}\n\n"), "one at a time");
        }
        let rest = soon("the end", answer.into_body().collect()).await.expect("whole").to_bytes();
        assert_eq!(rest, "");
        let event = last(&gate, number + 1).await;
        assert_eq!((&event["tokens_input"], &event["tokens_output"]), (&json!(1000), &json!(200)));
        assert_eq!(event["status"], "ok");
        let expected = if number == 0 { 0.0014 } else { 0.00104 };
        assert_eq!(event["cost_usd"], expected);
    }
    let prompts = model.seen();
    assert_eq!(prompts[1].target, "/v1/messages");
    assert_eq!(prompts[1].header("x-api-key"), Some("sk-of-the-operator"));
    assert_eq!(prompts[1].header("accept-encoding"), None, "the answer is to be read");
}

#[tokio::test]
async fn gemini_speaks_through_its_paths_in_both_forms() {
    let chunks = [
        r#"{"candidates":[{"content":{"parts":[{"text":"Fine"}]}}],"modelVersion":"plain"}"#,
        r#"{"candidates":[{"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":10,"candidatesTokenCount":4,"thoughtsTokenCount":6}}"#,
    ];
    let script = move |prompt: &crate::harness::model::Prompt| {
        if prompt.target.contains("alt=sse") {
            return Script::events(&chunks);
        }
        let pieces = vec![format!("[{}", chunks[0]), format!(",\n{}]", chunks[1])];
        Script { pieces, ..Script::json(200, "") }
    };
    let (tool, model) = (Tool::start().await, Model::start(script).await);
    let gate = before(&tool, &model).start().await;
    let question = json!({ "contents": [{ "parts": [{ "text": "Hi" }] }] });
    for (number, path) in [
        "/gemini/v1beta/models/plain:streamGenerateContent?alt=sse",
        "/gemini/models/plain%3AstreamGenerateContent",
        "/gemini/models/plain:generateContent",
    ]
    .iter()
    .enumerate()
    {
        let answer = gate.send(post(path, &question)).await;
        assert_eq!(answer.status, 200);
        let event = last(&gate, number + 1).await;
        assert_eq!(event["tool"], "gemini.generate_content");
        assert_eq!((&event["tokens_input"], &event["tokens_output"]), (&json!(10), &json!(10)));
        assert_eq!(event["cost_usd"], 0.00003);
    }
    let targets: Vec<String> = model.seen().into_iter().map(|prompt| prompt.target).collect();
    assert_eq!(targets[0], "/v1beta/models/plain:streamGenerateContent?alt=sse");
    assert_eq!(targets[1], "/v1beta/models/plain:streamGenerateContent");
}

#[tokio::test]
async fn failures_have_names_of_their_own_and_cost_nothing() {
    let script = |prompt: &crate::harness::model::Prompt| {
        let (status, text) = match prompt.json()["model"].as_str().unwrap_or_default() {
            "long" => (
                400,
                r#"{"error":{"message":"x","type":"invalid_request_error","code":"context_length_exceeded"}}"#,
            ),
            "wrong" => (400, r#"{"error":{"message":"x","type":"invalid_request_error"}}"#),
            "busy" => (429, r#"{"error":{"message":"x","type":"tokens"}}"#),
            "down" => (529, r#"{"type":"error","error":{"type":"overloaded_error"}}"#),
            "secret" => (401, r#"{"error":{"message":"no key"}}"#),
            _ => {
                return Script::events(&[
                    MESSAGE[0],
                    r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#,
                ]);
            }
        };
        Script::json(status, text)
    };
    let (tool, model) = (Tool::start().await, Model::start(script).await);
    let gate = before(&tool, &model).start().await;
    for (number, (name, status, class)) in [
        ("long", 400, "context_overflow"),
        ("wrong", 400, "validation_failed"),
        ("busy", 429, "rate_limit"),
        ("down", 529, "model_unavailable"),
        ("secret", 401, "http_4xx"),
        ("plain", 200, "model_unavailable"),
    ]
    .into_iter()
    .enumerate()
    {
        let path = if name == "plain" { "/claude/v1/messages" } else { "/openai/chat/completions" };
        let answer = gate.send(post(path, &chat(name, false))).await;
        assert_eq!(answer.status.as_u16(), status);
        let event = last(&gate, number + 1).await;
        assert_eq!((&event["error_class"], &event["status"]), (&json!(class), &json!("error")));
        if status != 200 {
            assert_eq!(event["tokens_output"], 0, "{name}");
        }
    }
}

#[tokio::test]
async fn what_no_model_is_asked_for_costs_nothing() {
    let list = r#"{"object":"list","data":[]}"#;
    let (tool, model) = (Tool::start().await, Model::start(|_| Script::json(200, list)).await);
    let gate = before(&tool, &model).start().await;
    let answer = gate.send(get("/openai/models")).await;
    assert_eq!((answer.status.as_u16(), &answer.body[..]), (200, list.as_bytes()));
    let event = last(&gate, 1).await;
    assert_eq!(event["tool"], "openai.models");
    assert_eq!((&event["tokens_input"], &event["cost_usd"]), (&json!(null), &json!(null)));
}
