//! Refusals stand in the provider's own shape, for streams too.

use serde_json::{Value, json};

use super::{before, chat, last};
use crate::harness::model::{Model, Script};
use crate::harness::{Tool, get, post};

const RULE: &str = "rules:
- id: small
  tools: [openai.chat, claude.messages, gemini.generate_content]
  when: call.model == 'big' || size(call.path) > 50
  then: deny
  message: Use a smaller model.";

/// The machine's fields, wherever the provider's shape is.
fn toolgate(answer: &Value) -> &Value {
    &answer["error"]["toolgate"]
}

#[tokio::test]
async fn a_refusal_is_told_in_the_words_of_the_api() {
    let (tool, model) = (Tool::start().await, Model::start(|_| Script::json(200, "{}")).await);
    let gate = before(&tool, &model).policy(RULE).start().await;
    for stream in [false, true] {
        let answer = gate.send(post("/openai/chat/completions", &chat("big", stream))).await;
        assert_eq!(answer.status.as_u16(), 403);
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.header("x-should-retry"), Some("false"));
        assert!(answer.header("toolgate-decision").is_some_and(|text| text.starts_with("deny")));
        let body = answer.json();
        let message = body["error"]["message"].as_str().expect("a message");
        assert!(message.starts_with("openai.chat was NOT executed. Use a smaller model."));
        assert_eq!(body["error"]["type"], "permission_error");
        assert_eq!(body["error"]["code"], "args_denied");
        assert_eq!(toolgate(&body)["rule"], "p1/small");
        let answer = gate.send(post("/claude/v1/messages", &chat("big", stream))).await;
        let body = answer.json();
        assert_eq!(
            (&body["type"], &body["error"]["type"]),
            (&json!("error"), &json!("permission_error"))
        );
        assert!(body["error"]["message"].as_str().expect("text").contains("smaller model"));
        assert!(
            body["request_id"].as_str().is_some_and(|id| toolgate(&body)["instance"]
                .as_str()
                .expect("text")
                .ends_with(id))
        );
    }
    let long = format!("/gemini/models/{}:generateContent", "m".repeat(50));
    let body = gate.send(post(&long, &json!({}))).await.json();
    assert_eq!(
        (&body["error"]["code"], &body["error"]["status"]),
        (&json!(403), &json!("PERMISSION_DENIED"))
    );
    assert_eq!(body["error"]["details"][0]["reason"], "ARGS_DENIED");
    assert_eq!(toolgate(&body)["stop_reason"], "args_denied");
    assert!(model.seen().is_empty());
}

#[tokio::test]
async fn the_model_is_named_in_one_place_and_refusals_are_in_the_words_of_the_api() {
    let (tool, model) = (Tool::start().await, Model::start(|_| Script::json(200, "{}")).await);
    let gate = before(&tool, &model).policy(RULE).start().await;
    let code = |body: &Value| body["error"]["code"].clone();
    let deployment = "/openai/openai/deployments/big/chat/completions?api-version=1";
    let own = gate.send(post(deployment, &json!({ "messages": [] }))).await.json();
    assert_eq!(code(&own), "args_denied");
    for path in [deployment, "/openai/chat/completions?model=small", "/openai//chat/completions"] {
        let body = gate.send(post(path, &json!({ "model": "small" }))).await.json();
        let known = ["ambiguous_arguments", "malformed"];
        assert!(known.contains(&code(&body).as_str().unwrap_or_default()), "{path}: {body}");
    }
    let two = post("/gemini/models/big:generateContent", &json!({ "model": "small" }));
    let body = gate.send(two).await.json();
    assert_eq!(toolgate(&body)["stop_reason"], "ambiguous_arguments");
    assert!(model.seen().is_empty());
    let same = json!({ "model": "models/small" });
    let answer = gate.send(post("/gemini/models/small:generateContent?alt=json", &same)).await;
    assert_eq!(answer.status.as_u16(), 200);
}

#[tokio::test]
async fn calls_that_nobody_knows_do_not_pass() {
    let (tool, model) = (Tool::start().await, Model::start(|_| Script::json(200, "{}")).await);
    let gate = before(&tool, &model).start().await;
    for (number, request) in [
        post("/openai/images/generations", &json!({})),
        get("/openai/chat/completions/a/b/c"),
        post("/claude/v1/complete", &json!({})),
        post("/gemini/models/m:batchGenerateContent", &json!({})),
    ]
    .into_iter()
    .enumerate()
    {
        let answer = gate.send(request).await;
        assert_eq!(answer.status.as_u16(), 403);
        let body = answer.json();
        assert_eq!(toolgate(&body)["stop_reason"], "tool_not_allowed");
        assert!(body["error"]["message"].as_str().expect("text").contains("It knows: "));
        let event = last(&gate, number + 1).await;
        assert_eq!((&event["status"], &event["protocol"]), (&json!("denied"), &json!("llm")));
    }
    assert!(model.seen().is_empty());
}

#[tokio::test]
async fn requests_that_two_readers_could_read_differently_are_refused_here_too() {
    let (tool, model) = (Tool::start().await, Model::start(|_| Script::json(200, "{}")).await);
    let gate = before(&tool, &model).start().await;
    let mut request = post("/openai/chat/completions", &json!({}));
    *request.body_mut() = bytes::Bytes::from(r#"{"max_tokens":1,"max_tokens":100000}"#).into();
    let answer = gate.send(request).await;
    assert_eq!(answer.status.as_u16(), 400);
    assert_eq!(answer.json()["error"]["type"], "invalid_request_error");
    assert!(model.seen().is_empty());
}

/// What a rule sets is what is judged, priced and sent.
#[tokio::test]
async fn rules_change_what_is_asked() {
    let usage = r#"{"model":"plain","usage":{"prompt_tokens":1,"completion_tokens":1}}"#;
    let (tool, model) =
        (Tool::start().await, Model::start(move |_| Script::json(200, usage)).await);
    let rule = "rules:
- id: short
  tools: [openai.chat]
  set: { args.max_tokens: '10' }
limits:
- { id: few, per: run, tools: [openai.chat], max: { tokens: 1000 }, then: deny }";
    let gate = before(&tool, &model).policy(rule).start().await;
    let mut question = chat("plain", false);
    question["max_tokens"] = json!(900);
    let answer = gate.send(post("/_run/r/openai/chat/completions", &question)).await;
    assert_eq!(answer.status.as_u16(), 200, "{answer:?}");
    assert_eq!(model.seen()[0].json()["max_tokens"], 10);
}

#[tokio::test]
async fn an_answer_that_rules_must_read_is_asked_for_as_a_whole() {
    let events = Script::events(&["{}", "[DONE]"]);
    let (tool, model) = (Tool::start().await, Model::start(move |_| events.clone()).await);
    let mask = "rules:\n- { id: mask, phase: result, tools: [\"openai.*\"], \
                redact: { detector: card_number, with: \"[card]\" } }";
    let gate = before(&tool, &model).policy(mask).start().await;
    let answer = gate.send(post("/openai/chat/completions", &chat("plain", true))).await;
    assert_eq!(answer.status.as_u16(), 403);
    assert_eq!(toolgate(&answer.json())["rule"], "p1/mask");
    assert!(model.seen().is_empty());
    let answer = gate.send(post("/openai/chat/completions", &chat("plain", false))).await;
    assert_eq!(answer.status.as_u16(), 200);
}

#[tokio::test]
async fn where_the_operator_says_who_pays_the_agent_does_not() {
    let (tool, model) = (Tool::start().await, Model::start(|_| Script::json(200, "{}")).await);
    let gate = before(&tool, &model).start().await;
    let own = [
        ("authorization", "Bearer agent"),
        ("x-api-key", "agent"),
        ("X_Api_Key", "agent"),
        ("cookie", "agent=1"),
        ("openai-organization", "agent"),
    ];
    for path in ["/claude/v1/messages", "/openai/chat/completions"] {
        let mut request = post(path, &chat("plain", false));
        for (name, value) in own {
            let name = http::HeaderName::try_from(name).expect("a name");
            request.headers_mut().append(name, value.parse().expect("a value"));
        }
        assert_eq!(gate.send(request).await.status.as_u16(), 200);
    }
    let seen = model.seen();
    assert_eq!(seen[0].header("x-api-key"), Some("sk-of-the-operator"));
    assert!(!seen[0].head.contains("agent"), "{}", seen[0].head);
    // Without any of the operator's, the agent's own go on.
    assert_eq!(seen[1].header("authorization"), Some("bearer agent"));
}
