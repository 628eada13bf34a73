//! Budgets of money and tokens over models and tools: held before, settled after, never overspent.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use http_body_util::BodyExt;
use serde_json::json;

use super::{before, chat, last};
use crate::harness::model::{Model, Prompt, Script};
use crate::harness::{Connection, Tool, post, soon, until};

const START: &str = r#"{"type":"message_start","message":{"model":"plain","usage":{"input_tokens":30,"output_tokens":1}}}"#;

/// What is not known of a stream that breaks off is charged as it was reserved.
#[tokio::test]
async fn a_stream_that_is_given_up_is_charged_what_it_may_have_used() {
    let script = |prompt: &Prompt| {
        let events = if prompt.target.contains("messages") {
            vec![START; 1]
        } else {
            vec![r#"{"model":"plain","choices":[{"delta":{"content":"a"}}]}"#]
        };
        Script { pause: Duration::from_secs(60), ..Script::events(&events) }
    };
    let (tool, model) = (Tool::start().await, Model::start(script).await);
    let purse = "limits:\n- { id: purse, per: tenant, max: { cost_usd: 0.0012 }, then: deny }";
    let gate = before(&tool, &model).policy(purse).start().await;
    for (number, path) in ["/claude/v1/messages", "/openai/chat/completions"].iter().enumerate() {
        let mut connection = Connection::open(gate.address).await;
        let request = post(path, &chat("plain", true));
        let mut answer = soon("the head", connection.begin(request)).await.expect("an answer");
        soon("a piece", answer.body_mut().frame()).await.expect("more").expect("no error");
        drop((answer, connection));
        gate.calls(number + 1).await;
    }
    let events = gate.calls(2).await;
    let of = |tool: &str| events.iter().find(|event| event["tool"] == tool).expect("it ended");
    // The prompt was counted, the answer may have all its 100 tokens.
    let begun = of("claude.messages");
    assert_eq!((&begun["tokens_input"], &begun["tokens_output"]), (&json!(30), &json!(100)));
    assert_eq!((&begun["cost_usd"], &begun["status"]), (&json!(0.00023), &json!("cancelled")));
    assert_eq!(begun["tokens_estimated"], true);
    let unknown = of("openai.chat");
    assert!(unknown["tokens_input"].as_u64().expect("a count") > 300);
    assert!(unknown["cost_usd"].as_f64().expect("a cost") > 0.0005);
    // What the first did not use was given back; what the second may have used was not.
    let refused = gate.send(post("/openai/chat/completions", &chat("plain", true))).await;
    assert_eq!(refused.status.as_u16(), 403);
    assert_eq!(refused.json()["error"]["code"], "budget_usd");
    gate.metric_becomes("toolgate_reserved_calls", 0.0).await;
}

#[tokio::test]
async fn an_answer_that_says_nothing_of_its_tokens_is_estimated() {
    let script = |prompt: &Prompt| {
        let model = prompt.json()["model"].as_str().unwrap_or_default().to_owned();
        Script::json(
            200,
            &json!({ "model": model, "choices": [{ "message": { "content": "0123456789" }, "finish_reason": "stop" }] }).to_string(),
        )
    };
    let (tool, model) = (Tool::start().await, Model::start(script).await);
    let gate = before(&tool, &model).start().await;
    for (number, (name, output)) in [("plain", 26), ("thinker", 100)].into_iter().enumerate() {
        gate.send(post("/openai/chat/completions", &chat(name, false))).await;
        let event = last(&gate, number + 1).await;
        assert_eq!(
            (&event["tokens_output"], &event["tokens_estimated"]),
            (&json!(output), &json!(true))
        );
    }
}

#[tokio::test]
async fn tokens_are_a_budget_as_money_is() {
    let usage = r#"{"model":"plain","usage":{"prompt_tokens":3000,"completion_tokens":50}}"#;
    let (tool, model) =
        (Tool::start().await, Model::start(move |_| Script::json(200, usage)).await);
    let limit = "limits:\n- { id: few, per: run, max: { tokens: 6500 }, then: deny }";
    let gate = before(&tool, &model).policy(limit).start().await;
    let ask = || gate.send(post("/_run/r/openai/chat/completions", &chat("plain", false)));
    assert_eq!(ask().await.status.as_u16(), 200);
    let second = ask().await;
    assert_eq!(second.status.as_u16(), 200, "{second:?}");
    let refused = ask().await;
    assert_eq!(refused.json()["error"]["code"], "budget_tokens");
    let end = gate.end().await;
    let stop = end.iter().find(|event| event["kind"] == "stop").expect("the run ended");
    assert_eq!(stop["usage"]["tokens"], 6100);
}

#[tokio::test]
async fn a_model_without_a_price_does_not_pass_where_money_is_limited() {
    let usage = r#"{"model":"mystery","usage":{"prompt_tokens":3,"completion_tokens":5}}"#;
    let (tool, model) =
        (Tool::start().await, Model::start(move |_| Script::json(200, usage)).await);
    let limit = "limits:\n- { id: purse, per: run, max: { cost_usd: 100 }, then: deny }";
    let gate = before(&tool, &model).policy(limit).start().await;
    let refused = gate.send(post("/openai/chat/completions", &chat("mystery", false))).await;
    assert_eq!(refused.json()["error"]["code"], "budget_usd");
    let gate = before(&tool, &model).start().await;
    assert_eq!(
        gate.send(post("/openai/chat/completions", &chat("mystery", false))).await.status,
        200
    );
    let event = last(&gate, 1).await;
    assert_eq!((&event["tokens_output"], &event["cost_usd"]), (&json!(5), &json!(null)));
}

/// Nano-dollars that the model server charges, by its own count, for streams that it begins: it
/// generates all that it planned, whether anybody still listens or not.
fn billed(script_input: u64, output: u64) -> u64 {
    script_input * 1_000 + output * 2_000
}

/// A thousand streams at once, half of them given up in their middle, between calls of a tool.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_budget_holds_over_a_thousand_streams_and_the_tools_between_them() {
    const STREAMS: usize = 1_000;
    const BUDGET_NANOS: u64 = 400_000_000;
    let bill = Arc::new(AtomicU64::new(0));
    let account = Arc::clone(&bill);
    let script = move |prompt: &Prompt| {
        let question = prompt.json();
        let most = question["max_tokens"].as_u64().expect("a bound");
        let input = u64::try_from(prompt.body.len()).expect("small") / 4;
        let output = most - (input % 7) * 10;
        account.fetch_add(billed(input, output), Ordering::Relaxed);
        let anthropic = prompt.target.contains("messages");
        let mut events = Vec::new();
        if anthropic {
            events.push(json!({ "type": "message_start", "message": { "model": "plain", "usage": { "input_tokens": input, "output_tokens": 1 } } }));
        }
        for _ in 0..4 {
            events.push(json!({ "choices": [{ "delta": { "content": "word " } }], "type": "content_block_delta", "index": 0, "delta": { "text": "word " } }));
        }
        if anthropic {
            events.push(json!({ "type": "message_delta", "delta": { "stop_reason": "end_turn" }, "usage": { "output_tokens": output } }));
        } else {
            events.push(json!({ "model": "plain", "choices": [], "usage": { "prompt_tokens": input, "completion_tokens": output } }));
        }
        let texts: Vec<String> = events.iter().map(ToString::to_string).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        Script { pause: Duration::from_millis(500), ..Script::events(&texts) }
    };
    let (tool, model) = (Tool::start().await, Model::start(script).await);
    let gate = before(&tool, &model)
        .upstream("cost_usd: 0.0005")
        .policy("limits:\n- { id: purse, per: tenant, max: { cost_usd: 0.4 }, then: deny }")
        .bounds("{ connections: 4096 }")
        .start()
        .await;
    let (passed, refused) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..STREAMS {
        let (passed, refused) = (Arc::clone(&passed), Arc::clone(&refused));
        let address = gate.address;
        tasks.spawn(async move {
            let mut connection = Connection::open(address).await;
            if number % 10 == 0 {
                let path = format!("/_run/run-{}/svc/items", number % 7);
                let _ = connection.send(post(&path, &json!({ "turn": number }))).await;
            }
            let api = if number % 2 == 0 { "openai/chat/completions" } else { "claude/messages" };
            let path = format!("/_run/run-{}/{api}", number % 7);
            let mut question = chat("plain", true);
            question["max_tokens"] = json!(100 + number % 13);
            question["messages"][0]["content"] = json!("x".repeat(number % 900));
            let request = post(&path, &question);
            let mut answer = soon("a head", connection.begin(request)).await.expect("an answer");
            if answer.status() != 200 {
                assert_eq!(answer.status(), 403);
                refused.fetch_add(1, Ordering::Relaxed);
                return;
            }
            passed.fetch_add(1, Ordering::Relaxed);
            if number % 4 < 2 {
                // Given up after a piece or two.
                for _ in 0..=number % 3 {
                    let _ = soon("a piece", answer.body_mut().frame()).await;
                }
                return;
            }
            soon("the end", answer.into_body().collect()).await.expect("whole");
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.expect("no stream failed");
    }
    let (passed, refused) = (passed.load(Ordering::Relaxed), refused.load(Ordering::Relaxed));
    assert_eq!(passed + refused, STREAMS);
    assert!(passed > 300 && refused > 100, "{passed} passed, {refused} were refused");
    assert_eq!(model.seen().len(), passed, "the server's own count");
    gate.metric_becomes("toolgate_reserved_calls", 0.0).await;
    gate.metric_becomes("toolgate_in_flight", 0.0).await;
    let tools = u64::try_from(tool.count()).expect("few") * 500_000;
    let real = bill.load(Ordering::Relaxed) + tools;
    assert!(real <= BUDGET_NANOS, "{real} nano-dollars were really spent");
    let charged = until("all events", async || {
        let calls = crate::harness::of_kind(gate.events_now(), "call");
        let sent = calls.iter().filter(|call| call["verdict"] == "allow").count();
        (sent == passed + tool.count()).then_some(calls)
    })
    .await;
    let charged: f64 = charged.iter().filter_map(|call| call["cost_usd"].as_f64()).sum();
    assert!(charged <= 0.4 + 1e-6, "{charged} dollars were charged");
    #[expect(clippy::cast_precision_loss, reason = "a figure to compare")]
    let real = real as f64 / 1e9;
    assert!(charged >= real - 1e-6, "{charged} dollars were charged for {real}");
}

/// What one kind of calls leaves of a budget, the other may use: after the streams, tools use up the
/// rest to the last call that fits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn models_and_tools_draw_on_one_purse() {
    let usage = r#"{"model":"plain","usage":{"prompt_tokens":1000,"completion_tokens":500}}"#;
    let (tool, model) =
        (Tool::start().await, Model::start(move |_| Script::json(200, usage)).await);
    let gate = before(&tool, &model)
        .upstream("cost_usd: 0.003")
        .policy("limits:\n- { id: purse, per: tenant, max: { cost_usd: 0.012 }, then: deny }")
        .start()
        .await;
    for _ in 0..2 {
        let answer = gate.send(post("/openai/chat/completions", &chat("plain", false))).await;
        assert_eq!(answer.status.as_u16(), 200);
    }
    // Two times 0.002 are used, and 0.008 are left.
    for turn in 0..3 {
        let answer = gate.send(post("/svc/items", &json!({ "turn": turn }))).await;
        assert_eq!(answer.status.as_u16(), if turn < 2 { 200 } else { 403 });
    }
    let costs: Vec<_> = gate.calls(5).await.iter().map(|call| call["cost_usd"].as_f64()).collect();
    assert_eq!(costs, [Some(0.002), Some(0.002), Some(0.003), Some(0.003), None]);
}
