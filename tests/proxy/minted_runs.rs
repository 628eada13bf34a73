//! Runs that are made before their first call: the token, the budget, and what children get of it.

use std::sync::Arc;

use http::Method;
use serde_json::{Value, json};

use crate::harness::{Act, Answer, Connection, Gate, Reply, Setup, Tool, get, until};

async fn mint(gate: &Gate, spec: Value) -> Answer {
    gate.operate(Method::POST, "/v1/runs", Some(&spec)).await
}

/// The id and the token of a run made so.
async fn made(gate: &Gate, spec: Value) -> (String, String) {
    let answer = mint(gate, spec).await;
    let run = answer.json();
    assert_eq!(answer.status, 201, "{run}");
    let text = |name: &str| run[name].as_str().expect("text").to_owned();
    (text("run_id"), text("token"))
}

fn with(token: &str) -> http::Request<http_body_util::Full<bytes::Bytes>> {
    let mut asked = get("/svc/items/1");
    asked.headers_mut().insert("toolgate-run-token", token.parse().expect("a token"));
    asked
}

#[tokio::test]
async fn where_tokens_are_required_only_a_true_one_passes() {
    let tool = Tool::start().await;
    let gate = Setup::before(&tool).runs("{ require_token: true }").start().await;
    let (run, token) =
        made(&gate, json!({ "prompt": "book a room", "labels": { "team": "a" } })).await;
    let bare = gate.send(get("/svc/items/1")).await;
    assert_eq!(
        (bare.status.as_u16(), &bare.json()["stop_reason"]),
        (403, &json!("run_token_required"))
    );
    let later = token.replacen('.', ".9", 1);
    for forged in [
        "x",
        &token[..token.len() - 1],
        &format!("{token}0"),
        &later,
        &token.replace("run_", "run_0"),
    ] {
        assert_eq!(
            gate.send(with(forged)).await.json()["stop_reason"],
            "run_token_required",
            "{forged}"
        );
    }
    let mut other = with(&token);
    other.headers_mut().insert("toolgate-run-id", "another".parse().expect("an id"));
    assert_eq!(gate.send(other).await.status, 400);
    assert_eq!(tool.count(), 0);

    let answer = gate.send(with(&token)).await;
    assert_eq!((answer.status.as_u16(), answer.header("toolgate-run-id")), (200, Some(&*run)));
    assert!(!tool.ledger()[0].headers.contains_key("toolgate-run-token"), "it is not the tool's");
    let shown = gate.operate(Method::GET, &format!("/v1/runs/{run}"), None).await.json();
    assert_eq!(shown["minted"]["labels"], json!({ "team": "a" }));
    assert_eq!(shown["minted"]["prompt_bytes"], 11);
    // What is not yet written when it crashes is not recorded.
    let by_token = || gate.events_now().iter().any(|event| event["run_id_source"] == "token");
    until("the call is recorded", async || by_token().then_some(())).await;
    let gate = gate.crash_and_restart(|_| {}).await.expect("it starts");
    assert_eq!(gate.send(with(&token)).await.status, 403, "its run is not remembered");
    let events = gate.end().await;
    assert!(events.iter().any(|event| event["run_id_source"] == "token"));
    assert!(
        !format!("{events:?}").contains("book a room") && !format!("{events:?}").contains(&token)
    );
}

#[tokio::test]
async fn a_family_of_runs_uses_no_more_than_its_eldest_was_given() {
    let tool = Tool::start().await;
    let gate = Arc::new(Setup::before(&tool).start().await);
    let (parent, parent_token) = made(&gate, json!({ "budget": { "calls": 100 } })).await;
    assert_eq!(
        mint(&gate, json!({ "parent": parent, "budget": { "calls": 101 } })).await.status,
        409
    );
    assert_eq!(mint(&gate, json!({ "parent": parent })).await.status, 409, "without a bound");
    assert_eq!(mint(&gate, json!({ "parent": "run_none" })).await.status, 409);
    let (child, child_token) =
        made(&gate, json!({ "parent": parent, "budget": { "calls": 40 } })).await;
    assert_eq!(
        mint(&gate, json!({ "parent": parent, "budget": { "calls": 61 } })).await.status,
        409
    );

    let mut agents = Vec::new();
    for number in 0..20 {
        let gate = Arc::clone(&gate);
        let token = if number % 2 == 0 { parent_token.clone() } else { child_token.clone() };
        agents.push(tokio::spawn(async move {
            let mut connection = Connection::open(gate.address).await;
            let mut passed = [0, 0];
            for _ in 0..10 {
                let status = connection.send(with(&token)).await.status;
                passed[number % 2] += usize::from(status == 200);
            }
            passed
        }));
    }
    let mut passed = [0, 0];
    for agent in agents {
        let own = agent.await.expect("an agent");
        passed = [passed[0] + own[0], passed[1] + own[1]];
    }
    assert_eq!((passed, tool.count()), ([60, 40], 100), "all of it, and no more");
    let last = gate.send(with(&child_token)).await.json();
    assert_eq!(
        (&last["stop_reason"], &last["rule"]),
        (&json!("budget_calls"), &json!("run/budget"))
    );
    let events = gate.calls(201).await;
    assert!(
        events.iter().any(|event| event["run_id"] == child && event["parent_run_id"] == parent)
    );
}

#[tokio::test]
async fn what_a_child_did_not_use_returns_when_it_ends() {
    let tool = Tool::start().await;
    let gate = Setup::before(&tool).start().await;
    let (parent, token) = made(&gate, json!({ "budget": { "calls": 3 } })).await;
    let (child, child_token) =
        made(&gate, json!({ "parent": parent, "budget": { "calls": 3 } })).await;
    assert_eq!(gate.send(with(&child_token)).await.status, 200);
    assert_eq!(gate.send(with(&token)).await.status, 403, "the child has it all");
    let path = format!("/v1/runs/{child}/stop");
    assert_eq!(gate.operate(Method::POST, &path, Some(&json!({}))).await.status, 200);
    assert_eq!(gate.send(with(&child_token)).await.json()["stop_reason"], "run_stopped");
    for expected in [200, 200, 403] {
        assert_eq!(gate.send(with(&token)).await.status, expected);
    }
    assert_eq!(tool.count(), 3);
    let stops = gate.stops(1).await;
    assert_eq!(stops[0]["parent_run_id"], parent);
}

#[tokio::test]
async fn money_is_reserved_before_a_call_and_settled_with_what_it_cost() {
    let tool = Tool::start().await;
    tool.on("/items/1", Act::Reply(Reply::json(r#"{"cost":0.01}"#)));
    let priced =
        r#"[{ name: get, match: "GET /items/{id}", cost_usd: 0.05, cost_from: result.cost }]"#;
    let gate = Setup::before(&tool).tools(priced).start().await;
    let (parent, token) =
        made(&gate, json!({ "budget": { "cost_usd": 0.12, "tokens": 1_000 } })).await;
    for wrong in [json!(-1), json!("1"), json!(0.000_000_000_1), json!(1e300)] {
        let spec = json!({ "budget": { "cost_usd": wrong } });
        assert_eq!(mint(&gate, spec).await.status, 422, "{wrong}");
    }
    for below in [json!({ "cost_usd": 0.13, "tokens": 1 }), json!({ "cost_usd": 0.01 })] {
        let spec = json!({ "parent": parent, "budget": below });
        assert_eq!(mint(&gate, spec).await.status, 409, "{below}");
    }
    let below = json!({ "cost_usd": 0.06, "tokens": 400 });
    let (child, child_token) = made(&gate, json!({ "parent": parent, "budget": below })).await;
    assert_eq!(gate.send(with(&child_token)).await.status, 200);
    assert_eq!(gate.send(with(&child_token)).await.status, 200, "0.05 are left");
    let refused = gate.send(with(&child_token)).await;
    assert_eq!(
        (&refused.json()["stop_reason"], &refused.json()["rule"]),
        (&json!("budget_usd"), &json!("run/budget"))
    );
    let shown = async |run: &str| {
        let run = gate.operate(Method::GET, &format!("/v1/runs/{run}"), None).await.json();
        let minted = &run["minted"];
        [
            minted["cost_usd"].clone(),
            minted["cost_usd_taken"].clone(),
            minted["tokens_taken"].clone(),
        ]
    };
    assert_eq!(shown(&child).await, [json!(0.06), json!(0.02), json!(0)]);
    assert_eq!(shown(&parent).await, [json!(0.12), json!(0.06), json!(400)]);
    let path = format!("/v1/runs/{child}/stop");
    assert_eq!(gate.operate(Method::POST, &path, Some(&json!({}))).await.status, 200);
    assert_eq!(shown(&parent).await, [json!(0.12), json!(0.02), json!(0)], "the rest is back");
    let mut passed = 0;
    while gate.send(with(&token)).await.status == 200 {
        passed += 1;
    }
    assert_eq!((passed, tool.count()), (6, 8), "0.02 and six times 0.01 leave less than 0.05");
}

#[tokio::test]
async fn rules_see_the_labels_that_a_run_was_made_with() {
    let tool = Tool::start().await;
    let rule = "rules:\n- { id: team, when: '!(run.labels.?team.orValue(\"\") in [\"a\", \"b\"])', \
                then: deny, message: For teams a and b. }";
    let gate = Setup::before(&tool).policy(rule).start().await;
    for (labels, status) in
        [(json!({ "team": "b", "x": "y" }), 200), (json!({ "team": "c" }), 403), (json!({}), 403)]
    {
        let (_, token) = made(&gate, json!({ "labels": labels })).await;
        assert_eq!(gate.send(with(&token)).await.status, status, "{labels}");
    }
    assert_eq!(gate.send(get("/svc/items/1")).await.status, 403, "a run without any");
}
