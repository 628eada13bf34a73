//! Money, rates and calls in flight, over real sockets: what a call may cost is held before it is
//! forwarded, what it did cost is charged afterwards, and the agent sees what is left.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use crate::harness::{Act, Connection, Gate, Reply, Setup, Tool, get, of_kind, post};

/// Makes `each` posts on each of `connections` at once, and counts those that passed; the others
/// must be refused for `reason`.
async fn flood(gate: &Gate, connections: usize, each: usize, reason: &'static str) -> usize {
    let passed = Arc::new(AtomicUsize::new(0));
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..connections {
        let (passed, address) = (Arc::clone(&passed), gate.address);
        tasks.spawn(async move {
            let mut connection = Connection::open(address).await;
            for turn in 0..each {
                let path = format!("/_run/run-{}/svc/items", number % 7);
                let answer = connection.send(post(&path, &json!({ "turn": turn }))).await;
                if answer.status == 200 {
                    passed.fetch_add(1, Ordering::Relaxed);
                } else {
                    assert_eq!(answer.json()["stop_reason"], reason, "{answer:?}");
                }
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.expect("no connection failed");
    }
    passed.load(Ordering::Relaxed)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_calls_at_a_price_against_a_budget_of_money() {
    let tool = Tool::start().await;
    let gate = Setup::before(&tool)
        .upstream("cost_usd: 0.003")
        .policy("limits:\n- { id: purse, per: tenant, max: { cost_usd: 1.0 }, then: deny }")
        .start()
        .await;
    assert_eq!(flood(&gate, 50, 40, "budget_usd").await, 333);
    assert_eq!(tool.count(), 333, "the tool's own count");
    let spent: f64 =
        gate.calls(2_000).await.iter().filter_map(|call| call["cost_usd"].as_f64()).sum();
    assert!((spent - 0.999).abs() < 1e-6, "{spent}");
    assert!((gate.metric("toolgate_cost_usd_total", "").await - 0.999).abs() < 1e-6);
    gate.metric_becomes("toolgate_in_flight", 0.0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_result_says_the_cost_and_silence_costs_the_maximum() {
    let tool = Tool::start().await;
    let costs = |cost: &str| Act::Reply(Reply::json(&format!(r#"{{"usage":{{"cost":{cost}}}}}"#)));
    let gate = Setup::before(&tool)
        .upstream("cost_usd: 0.05")
        .upstream("cost_from: result.usage.cost")
        .policy(
            "limits:\n- { id: purse, per: run, max: { cost_usd: 0.2 }, warn_at: 0.5, then: deny }",
        )
        .start()
        .await;
    let call = || gate.send(post("/_run/r/svc/items", &json!({})));
    tool.on("/items", costs("0.01"));
    let first = call().await;
    assert_eq!(first.header("toolgate-budget"), Some(r#""p1/purse";m="cost_usd";r=0.150;q=0.200"#));
    assert_eq!(first.header("toolgate-warning"), None);
    tool.on("/items", Act::Reply(Reply::json("no JSON at all")));
    let second = call().await;
    // 0.01 were charged, not the 0.05 that were held.
    assert_eq!(
        second.header("toolgate-budget"),
        Some(r#""p1/purse";m="cost_usd";r=0.140;q=0.200"#)
    );
    tool.on("/items", costs("0.12"));
    let third = call().await;
    assert!(third.header("toolgate-warning").is_some_and(|text| text.contains("0.09 of 0.2")));
    // 0.01, then 0.05 of which nothing was said, then more than the maximum: 0.02 are left.
    let refused = call().await;
    assert_eq!(refused.json()["stop_reason"], "budget_usd", "{refused:?}");
    assert_eq!(
        refused.header("toolgate-budget"),
        Some(r#""p1/purse";m="cost_usd";r=0.020;q=0.200"#)
    );
    let costs: Vec<_> = gate.calls(4).await.iter().map(|call| call["cost_usd"].as_f64()).collect();
    assert_eq!(costs, [Some(0.01), Some(0.05), Some(0.12), None]);
    let stops = of_kind(gate.end().await, "stop");
    assert_eq!(stops[0]["usage"]["cost_usd"], 0.18);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_many_calls_at_once_and_no_more() {
    let tool = Tool::start().await;
    let held = tool.hold("/items");
    let gate = Setup::before(&tool)
        .policy("limits:\n- { id: few, per: global, max: { in_flight: 3 }, then: deny }")
        .start()
        .await;
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..3 {
        let address = gate.address;
        waiting.spawn(async move {
            Connection::open(address).await.send(post("/svc/items", &json!({}))).await.status
        });
    }
    while tool.count() < 3 {
        tokio::task::yield_now().await;
    }
    let refused = gate.send(post("/svc/items", &json!({}))).await;
    assert_eq!(
        (refused.status.as_u16(), refused.json()["stop_reason"].as_str()),
        (429, Some("too_many_in_flight"))
    );
    held.add_permits(3);
    while let Some(status) = waiting.join_next().await {
        assert_eq!(status.expect("it was answered"), 200);
    }
    held.add_permits(1);
    assert_eq!(gate.send(post("/svc/items", &json!({}))).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rate_says_when_to_come_again_and_so_does_a_window() {
    let tool = Tool::start().await;
    let gate = Setup::before(&tool)
        .policy(
            "limits:\n\
             - { id: slow, per: tool, tools: [svc.add], max: { rate: 2/m, burst: 2 }, then: deny }\n\
             - { id: hour, per: user, tools: [svc.get], max: { calls: 1 }, within: 1h, then: deny }",
        )
        .tools(
            "[{ name: add, match: \"POST /items\" }, { name: get, match: \"GET /items/{id}\" }]",
        )
        .start()
        .await;
    for _ in 0..2 {
        assert_eq!(gate.send(post("/svc/items", &json!({}))).await.status, 200);
    }
    let refused = gate.send(post("/svc/items", &json!({}))).await;
    assert_eq!(refused.status, 429);
    let after: u64 = refused.header("retry-after").expect("it says when").parse().expect("seconds");
    assert!((1..=30).contains(&after), "{after}");
    assert_eq!(refused.json()["retry"]["scope"], "same_args_later");
    assert_eq!(gate.send(get("/svc/items/1")).await.status, 200);
    let refused = gate.send(get("/svc/items/1")).await;
    assert_eq!(refused.json()["stop_reason"], "budget_calls");
    let after: u64 = refused.header("retry-after").expect("it says when").parse().expect("seconds");
    assert!((3_000..=3_600).contains(&after), "{after}");
}

/// An attempt that the tool has seen may have been charged for, and the budget holds one charge.
#[tokio::test]
async fn what_was_charged_once_is_not_tried_again_on_a_budget_of_money() {
    let tool = Tool::start().await;
    tool.on("/items/1", Act::Reply(Reply::status(503)));
    let retry = "retry: { attempts: 3, on: [503], budget: 100%, backoff: 1ms }";
    let purse = "limits:\n- { id: purse, per: tenant, max: { cost_usd: 1.0 }, then: deny }";
    let priced = Setup::before(&tool).upstream(retry).upstream("cost_usd: 0.5");
    let gate = priced.policy(purse).start().await;
    assert_eq!(gate.send(get("/svc/items/1")).await.status, 503);
    assert_eq!(tool.count(), 1, "one charge was held, and one was made");
    let gate = Setup::before(&tool).upstream(retry).upstream("cost_usd: 0.5").start().await;
    assert_eq!(gate.send(get("/svc/items/1")).await.status, 503);
    assert_eq!(tool.count(), 4, "no budget is at stake");
}
