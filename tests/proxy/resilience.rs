//! Tools that fail: what is made again, what is given a rest, what stands in, and what nobody knows.

use std::time::Duration;

use http::Method;
use http::header::{HeaderName, HeaderValue};
use serde_json::{Value, json};

use crate::harness::faulty::{Faulty, Then, answer, fine, lost, now};
use crate::harness::{Answer, Connection, Gate, Setup, Tool, get, post, until};

const RETRY: &str = "retry: { attempts: 3, on: [connect, timeout, reset, 429, 502, 503, 504], \
                     budget: 100%, backoff: 1ms }";

const TOOLS: &str = r#"
    - { name: get, match: "GET /items/{id}" }
    - { name: put, match: "POST /items", read_back: [svc.get] }
    - { name: order, match: "POST /orders", idempotency: { header: Idempotency-Key } }
    - { name: once, match: "POST /once", at_most_once: true }
"#;

fn before(tool: &Faulty) -> Setup {
    Setup::at(&tool.url()).tools(TOOLS).upstream("timeout: 400ms")
}

fn with(
    path: &str,
    body: &Value,
    name: &'static str,
    value: &str,
) -> http::Request<http_body_util::Full<bytes::Bytes>> {
    let mut request = post(path, body);
    let value = HeaderValue::from_str(value).expect("a value");
    request.headers_mut().append(HeaderName::from_static(name), value);
    request
}

/// Sends and goes away before the answer.
async fn vanish(
    gate: &Gate,
    request: http::Request<http_body_util::Full<bytes::Bytes>>,
    tool: &Faulty,
) {
    let count = tool.count();
    let mut connection = Connection::open(gate.address).await;
    let sent = connection.try_send(request);
    tokio::select! {
        _ = sent => panic!("it was answered"),
        () = until("it is there", async || (tool.count() > count).then_some(())) => {}
    }
}

fn reason(answer: &Answer) -> String {
    answer.json()["stop_reason"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn reads_are_made_again_and_each_attempt_is_recorded() {
    let tool = Faulty::start(|asked| match asked.nth {
        0 => answer(503, "{}"),
        1 => lost(false, Then::Reset),
        _ => fine(),
    })
    .await;
    let gate = before(&tool).upstream(RETRY).start().await;
    assert_eq!(gate.send(get("/svc/items/1")).await.status, 200);
    assert_eq!(tool.count(), 3);
    let call = &gate.calls(1).await[0];
    assert_eq!(call["attempt"], 3);
    assert_eq!(call["attempts"], json!([503, "malformed_response", 200]));
    assert_eq!((&call["status"], &call["error_class"]), (&json!("ok"), &Value::Null));
}

#[tokio::test]
async fn a_tool_that_does_not_recover_is_left_after_the_last_attempt() {
    let tool = Faulty::start(|asked| match asked.target.as_str() {
        "/items/1" => answer(503, r#"{"busy":1}"#),
        "/items/2" => lost(false, Then::Hang),
        _ => answer(500, "{}"),
    })
    .await;
    let gate = before(&tool).upstream(RETRY).start().await;
    let busy = gate.send(get("/svc/items/1")).await;
    assert_eq!((busy.status.as_u16(), &*busy.body), (503, br#"{"busy":1}"#.as_slice()));
    assert_eq!(gate.send(get("/svc/items/2")).await.status, 504);
    assert_eq!(gate.send(get("/svc/items/3")).await.status, 500, "500 is not named");
    assert_eq!(tool.count(), 3 + 3 + 1);
}

#[tokio::test]
async fn a_write_without_a_key_is_sent_once() {
    let tool = Faulty::start(|asked| match asked.body.as_str() {
        r#"{"n":1}"# => answer(503, "{}"),
        _ => lost(true, Then::Reset),
    })
    .await;
    let gate = before(&tool).upstream(RETRY).start().await;
    assert_eq!(gate.send(post("/svc/items", &json!({ "n": 1 }))).await.status, 503);
    assert_eq!(gate.send(post("/svc/items", &json!({ "n": 2 }))).await.status, 502);
    assert_eq!(tool.count(), 2);
    let calls = gate.calls(2).await;
    assert_eq!((&calls[0]["status"], &calls[0]["attempt"]), (&json!("error"), &json!(1)));
    assert_eq!((&calls[1]["status"], &calls[1]["attempt"]), (&json!("unknown"), &json!(1)));
}

#[tokio::test]
async fn a_key_is_added_and_kept() {
    let tool = Faulty::start(|asked| match asked.nth {
        0 => lost(true, Then::Reset),
        1 => answer(503, "{}"),
        _ => fine(),
    })
    .await;
    let gate = before(&tool).upstream(RETRY).start().await;
    assert_eq!(gate.send(post("/svc/orders", &json!({ "n": 1 }))).await.status, 200);
    let keys: Vec<String> =
        tool.ledger().iter().map(|(asked, _)| asked.headers["idempotency-key"].clone()).collect();
    assert_eq!(keys.len(), 3);
    assert!(keys[0].starts_with("tg_") && keys.iter().all(|key| *key == keys[0]), "{keys:?}");
    assert_eq!(gate.calls(1).await[0]["idempotency_key"], json!(keys[0]));
    // The agent's own, also when it asks for it to be dropped on the way.
    let mut own = with("/svc/orders", &json!({ "n": 2 }), "idempotency-key", "mine");
    own.headers_mut().insert("connection", HeaderValue::from_static("idempotency-key"));
    own.headers_mut().insert("idempotency_key", HeaderValue::from_static("other"));
    assert_eq!(gate.send(own).await.status, 200);
    for (asked, _) in &tool.ledger()[3..] {
        assert_eq!(asked.headers["idempotency-key"], "mine");
        assert!(!asked.headers.contains_key("idempotency_key"));
    }
    let mut two = with("/svc/orders", &json!({ "n": 3 }), "idempotency-key", "a");
    two.headers_mut().append("idempotency-key", HeaderValue::from_static("b"));
    assert_eq!(gate.send(two).await.status, 400);
    assert_eq!(tool.count(), 6);
}

#[tokio::test]
async fn what_the_tool_asks_for_is_obeyed() {
    let tool = Faulty::start(|asked| match (asked.target.as_str(), asked.nth) {
        ("/items/1", 0) => answer(503, "{}").header("retry-after", "1"),
        ("/items/2", 0) => answer(429, "{}").header("retry-after", "3600"),
        _ => fine(),
    })
    .await;
    let gate = before(&tool).upstream(RETRY).start().await;
    assert_eq!(gate.send(get("/svc/items/1")).await.status, 200);
    let ledger = tool.ledger();
    assert!(ledger[1].0.at - ledger[0].0.at >= Duration::from_secs(1));
    let later = gate.send(get("/svc/items/2")).await;
    assert_eq!((later.status.as_u16(), later.header("retry-after")), (429, Some("3600")));
    assert_eq!(tool.count(), 3);
}

#[tokio::test]
async fn retries_stay_within_their_budget() {
    let tool = Faulty::start(|_| answer(503, "{}")).await;
    let retry = "retry: { attempts: 2, budget: 0%, backoff: 1ms }";
    let gate = before(&tool).upstream(retry).start().await;
    let mut connection = Connection::open(gate.address).await;
    for number in 0..30 {
        assert_eq!(connection.send(get(&format!("/svc/items/{number}"))).await.status, 503);
    }
    assert!((30 + 5..30 + 15).contains(&tool.count()), "{}", tool.count());
}

#[tokio::test]
async fn a_breaker_opens_rests_is_tried_and_closes() {
    let tool = Faulty::start(|asked| match asked.target.as_str() {
        "/items/none" => answer(404, "{}"),
        "/items/bad" => answer(500, "{}"),
        "/items/hang" => lost(false, Then::Hang),
        _ => fine(),
    })
    .await;
    let breaker = "breaker: { failures: 3, within: 1m, open_for: 2s }";
    let gate = before(&tool).upstream("timeouts: { idle: 20s }").upstream(breaker).start().await;
    for _ in 0..20 {
        assert_eq!(gate.send(get("/svc/items/none")).await.status, 404);
    }
    assert_eq!(gate.metric("toolgate_breaker_state", "svc.get").await, 0.0);
    for _ in 0..20 {
        assert_eq!(gate.send(get("/svc/items/bad")).await.status, 500);
    }
    let count = tool.count();
    let opened = now();
    let refused = gate.send(get("/svc/items/1")).await;
    assert_eq!((refused.status.as_u16(), &*reason(&refused)), (503, "circuit_open"));
    let after: u64 = refused.header("retry-after").and_then(|text| text.parse().ok()).expect("it");
    assert!((1..=2).contains(&after), "{after}");
    assert_eq!(refused.json()["retry"]["scope"], "same_args_later");
    assert!(refused.json()["detail"].as_str().expect("text").contains("is given a rest"));
    assert_eq!(tool.count(), count);
    assert_eq!(gate.metric("toolgate_breaker_state", "svc.get").await, 1.0);
    // Another tool of the upstream goes on.
    assert_eq!(gate.send(post("/svc/items", &json!({}))).await.status, 200);
    tokio::time::sleep(Duration::from_secs(2).saturating_sub(now() - opened)).await;
    until("the rest is over", async || {
        (gate.metric("toolgate_breaker_state", "svc.get").await == 2.0).then_some(())
    })
    .await;
    // A probe whose client goes away is given back.
    vanish(&gate, get("/svc/items/hang"), &tool).await;
    until("a probe goes through", async || {
        (gate.send(get("/svc/items/1")).await.status == 200).then_some(())
    })
    .await;
    assert_eq!(gate.metric("toolgate_breaker_state", "svc.get").await, 0.0);
    let states: Vec<Value> = gate.events_now().iter().map(|call| call["breaker"].clone()).collect();
    for state in ["closed", "open", "half_open"] {
        assert!(states.contains(&json!(state)), "{states:?}");
    }
}

#[tokio::test]
async fn an_upstream_has_so_many_calls_at_a_time() {
    let tool = Tool::start().await;
    let held = tool.hold("/items");
    let gate = Setup::before(&tool).upstream("in_flight: 3").start().await;
    let address = gate.address;
    let waiting: Vec<_> = (0..3)
        .map(|_| {
            tokio::spawn(async move {
                Connection::open(address).await.send(get("/svc/items")).await.status
            })
        })
        .collect();
    tool.reached_by(3).await;
    let refused = gate.send(get("/svc/items/1")).await;
    assert_eq!((refused.status.as_u16(), &*reason(&refused)), (429, "too_many_in_flight"));
    assert_eq!(refused.header("retry-after"), Some("1"));
    held.add_permits(3);
    for call in waiting {
        assert_eq!(call.await.expect("no panic"), 200);
    }
    assert_eq!(gate.send(get("/svc/items/1")).await.status, 200);
    assert_eq!(tool.count(), 4);
}

#[tokio::test]
async fn the_last_good_answer_stands_in() {
    let tool = Faulty::start(|asked| match (asked.target.as_str(), asked.nth) {
        ("/items/1", 0) => answer(200, r#"{"v":1}"#).header("x-own", "kept"),
        ("/items/2", 0) => answer(200, "{}").header("cache-control", "no-store"),
        ("/items/3", 0) => fine(),
        ("/items/1", 3) => lost(false, Then::Hang),
        ("/items/1", 4) => lost(false, Then::Reset),
        _ => answer(500, "{}"),
    })
    .await;
    let gate = before(&tool)
        .upstream("fallback: { stale_for: 1m }")
        .upstream("breaker: { failures: 5, share: 1%, open_for: 1h }")
        .policy("rules:\n- { id: no, tools: [svc.get], when: args.id == \"9\", then: deny, message: No. }")
        .start()
        .await;
    for id in [1, 2, 3] {
        assert_eq!(gate.send(get(&format!("/svc/items/{id}"))).await.status, 200);
    }
    let stale = gate.send(get("/svc/items/1")).await;
    assert_eq!((stale.status.as_u16(), &*stale.body), (200, br#"{"v":1}"#.as_slice()));
    assert_eq!(stale.header("x-own"), Some("kept"));
    assert!(stale.header("toolgate-stale").is_some_and(|age| age.parse::<u64>().is_ok()));
    assert!(stale.header("toolgate-warning").is_some_and(|text| text.contains("is down")));
    assert!(gate.send(get("/svc/items/2")).await.header("toolgate-stale").is_none(), "no-store");
    let mut other = get("/svc/items/1");
    other.headers_mut().insert("authorization", HeaderValue::from_static("Bearer other"));
    assert_eq!(gate.send(other).await.status, 500, "another caller's credential");
    for _ in 0..2 {
        assert!(gate.send(get("/svc/items/1")).await.header("toolgate-stale").is_some());
    }
    // The breaker is open by now.
    let count = tool.count();
    assert!(gate.send(get("/svc/items/3")).await.header("toolgate-stale").is_some());
    assert_eq!(reason(&gate.send(get("/svc/items/4")).await), "circuit_open");
    assert_eq!(reason(&gate.send(get("/svc/items/9")).await), "args_denied");
    assert_eq!(tool.count(), count);
    let calls = gate.calls(11).await;
    let told: Vec<&Value> =
        calls.iter().filter(|call| call["error_class"] == "stale_data").collect();
    assert_eq!(told.len(), 4, "{calls:#?}");
    assert!(told.iter().all(|call| call["status"] == "ok" && call["http_status"] == 200));
    assert_eq!((&told[3]["breaker"], &told[3]["attempt"]), (&json!("open"), &json!(0)));
}

#[tokio::test]
async fn a_write_that_was_not_answered_is_not_repeated_until_somebody_has_looked() {
    let tool = Faulty::start(|asked| match (asked.target.as_str(), asked.nth) {
        ("/items", 0) => lost(true, Then::Hang),
        ("/items/9", _) => answer(404, "{}"),
        _ => fine(),
    })
    .await;
    let gate = before(&tool).start().await;
    let write = || post("/_run/one/svc/items", &json!({ "n": 1 }));
    assert_eq!(gate.send(write()).await.status, 504);
    let refused = gate.send(write()).await;
    assert_eq!((refused.status.as_u16(), &*reason(&refused)), (403, "outcome_unknown"));
    assert_eq!(refused.json()["retry"]["scope"], "after_precondition");
    assert!(refused.json()["detail"].as_str().expect("text").contains("call svc.get"));
    // In another run too, and not after a look that failed.
    assert_eq!(gate.send(post("/_run/other/svc/items", &json!({ "n": 1 }))).await.status, 403);
    assert_eq!(gate.send(get("/_run/one/svc/items/9")).await.status, 404);
    assert_eq!(gate.send(write()).await.status, 403);
    assert_eq!(gate.metric("toolgate_unknown_writes", "").await, 1.0);
    assert_eq!(tool.count(), 2);
    assert_eq!(gate.send(get("/_run/two/svc/items/1")).await.status, 200);
    assert_eq!(gate.send(write()).await.status, 403, "another run looked");
    assert_eq!(gate.send(get("/_run/one/svc/items/1")).await.status, 200);
    assert_eq!(gate.send(write()).await.status, 200);
    assert_eq!(gate.metric("toolgate_unknown_writes", "").await, 0.0);
}

#[tokio::test]
async fn a_client_that_vanishes_and_half_an_answer_leave_a_write_in_doubt() {
    let tool = Faulty::start(|asked| match (asked.body.as_str(), asked.nth) {
        (r#"{"n":1}"#, 0) => lost(true, Then::Hang),
        (r#"{"n":2}"#, 0) => lost(true, Then::Half),
        _ => fine(),
    })
    .await;
    let gate = before(&tool).upstream("timeouts: { idle: 20s }").start().await;
    vanish(&gate, post("/svc/items", &json!({ "n": 1 })), &tool).await;
    until("the gate knows", async || {
        (gate.metric("toolgate_unknown_writes", "").await == 1.0).then_some(())
    })
    .await;
    let half =
        Connection::open(gate.address).await.try_send(post("/svc/items", &json!({ "n": 2 }))).await;
    assert!(half.is_err());
    for n in [1, 2] {
        let refused = gate.send(post("/svc/items", &json!({ "n": n }))).await;
        assert_eq!(reason(&refused), "outcome_unknown", "{n}");
    }
    assert_eq!(tool.count(), 2);
    assert_eq!(gate.calls(4).await.iter().filter(|call| call["status"] == "unknown").count(), 2);
}

#[tokio::test]
async fn the_same_key_makes_a_repetition_the_same_request() {
    let tool = Faulty::start(|asked| match asked.nth {
        0 => lost(true, Then::Hang),
        _ => fine(),
    })
    .await;
    let gate = before(&tool).start().await;
    let write = || post("/svc/orders", &json!({ "n": 1 }));
    assert_eq!(gate.send(write()).await.status, 504);
    let other = with("/svc/orders", &json!({ "n": 1 }), "idempotency-key", "new");
    assert_eq!(reason(&gate.send(other).await), "outcome_unknown");
    assert_eq!(gate.send(write()).await.status, 200);
    let ledger = tool.ledger();
    let key = |number: usize| &ledger[number].0.headers["idempotency-key"];
    assert_eq!((ledger.len(), key(0)), (2, key(1)));
    assert_eq!(gate.send(write()).await.status, 200);
    assert_ne!(&tool.ledger()[2].0.headers["idempotency-key"], key(0), "a new request");
}

#[tokio::test]
async fn an_answer_may_say_that_it_failed() {
    let tool = Faulty::start(|asked| match asked.target.as_str() {
        "/items/1" => answer(200, r#"{"ok":false}"#),
        _ => fine(),
    })
    .await;
    let tools = "\n    - { name: get, match: \"GET /items/{id}\", tool_error: \"!result.ok\" }\n";
    let breaker = "breaker: { failures: 3, open_for: 1h, tool_errors: true }";
    let gate = Setup::at(&tool.url()).tools(tools).upstream(breaker).start().await;
    for id in [2, 1, 1, 1] {
        assert_eq!(gate.send(get(&format!("/svc/items/{id}"))).await.status, 200);
    }
    let calls = gate.calls(4).await;
    assert_eq!((&calls[0]["status"], &calls[0]["error_class"]), (&json!("ok"), &Value::Null));
    assert_eq!(
        (&calls[1]["status"], &calls[1]["error_class"]),
        (&json!("error"), &json!("tool_error"))
    );
    assert_eq!(reason(&gate.send(get("/svc/items/2")).await), "circuit_open");
}

#[tokio::test]
async fn one_at_a_time_where_it_was_asked_for() {
    let tool = Faulty::start(|asked| match asked.nth {
        0 => lost(true, Then::Hang),
        _ => fine(),
    })
    .await;
    let gate = Setup::at(&tool.url()).tools(TOOLS).start().await;
    let address = gate.address;
    let first = tokio::spawn(async move {
        let mut connection = Connection::open(address).await;
        connection.try_send(post("/svc/once", &json!({}))).await
    });
    until("it is there", async || (tool.count() == 1).then_some(())).await;
    let refused = gate.send(post("/svc/once", &json!({}))).await;
    assert_eq!(reason(&refused), "outcome_unknown");
    assert!(refused.json()["detail"].as_str().expect("text").contains("in flight"));
    first.abort();
    assert_eq!(tool.count(), 1);
}

#[tokio::test]
async fn a_call_that_waits_hears_of_the_kill_switch() {
    let tool = Faulty::start(|_| answer(503, "{}").header("retry-after", "10")).await;
    let gate = before(&tool).upstream("retry: { attempts: 2, budget: 100% }").start().await;
    let address = gate.address;
    let begun = now();
    let waiting =
        tokio::spawn(
            async move { Connection::open(address).await.send(get("/svc/items/1")).await },
        );
    until("it waits", async || (tool.count() == 1).then_some(())).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let kill = json!({ "scope": "all" });
    assert_eq!(gate.operate(Method::POST, "/v1/kills", Some(&kill)).await.status, 201);
    let refused = waiting.await.expect("no panic");
    assert_eq!((refused.status.as_u16(), &*reason(&refused)), (403, "killed"));
    assert!(now() - begun < Duration::from_secs(9), "it did not wait for its turn");
    assert_eq!(tool.count(), 1);
}
