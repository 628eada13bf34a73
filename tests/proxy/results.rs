//! What rules of `phase: result` keep from the agent, and what `set` and `redact` make of a call.
//! The tool's ledger says what reached it; the agent's answer, what came back.

use serde_json::json;

use crate::harness::{Act, Connection, Reply, Setup, Tool, get, post, request, soon, until};

const CARD: &str = "4111 1111 1111 1111";

const MASK: &str = r#"
rules:
- { id: mask, phase: result, tools: ["*"], redact: { detector: card_number, with: "[card]" } }
- { id: ssn, phase: result, tools: [svc.get], redact: { path: "result.rows[*].ssn" } }"#;

#[tokio::test]
async fn a_result_is_redacted_and_all_else_stays_byte_for_byte() {
    let tool = Tool::start().await;
    let body = r#"{ "n": 12345678901234567, "f": 98.0, "card": "4111 1111 1111 1111",
        "no": 4111111111111111, "rows": [{"ssn": "078-05-1120", "x": "\u0041"}, {"ssn": 5}] }"#;
    let reply = Reply::json(body).header("etag", "\"1\"").header("x-any", "thing");
    tool.on("/items/1", Act::Reply(reply));
    let gate = Setup::before(&tool).policy(MASK).start().await;
    let answer = gate.send(get("/svc/items/1")).await;
    let expected = r#"{ "n": 12345678901234567, "f": 98.0, "card": "[card]",
        "no": "[card]", "rows": [{"ssn": "[redacted]", "x": "\u0041"}, {"ssn": "[redacted]"}] }"#;
    assert_eq!(String::from_utf8_lossy(&answer.body), expected);
    assert_eq!(answer.header("content-length"), Some(expected.len().to_string().as_str()));
    assert_eq!((answer.header("etag"), answer.header("x-any")), (None, Some("thing")));
    assert!(answer.header("toolgate-decision").is_some_and(|said| said.starts_with("warn")));
    let event = &gate.calls(1).await[0];
    assert_eq!(event["redacted"], 4);
    assert_eq!((&event["status"], &event["verdict"]), (&json!("ok"), &json!("warn")));
    assert_eq!(event["result_bytes"], body.len(), "of what the tool sent");
    assert_eq!(gate.metric("toolgate_redactions_total", "p1/mask").await, 2.0);
    assert_eq!(gate.metric("toolgate_redactions_total", "p1/ssn").await, 2.0);
    let said = gate.everything_said().await;
    assert!(!said.contains("4111") && !said.contains("078-05"), "{said}");
}

#[tokio::test]
async fn chunked_answers_texts_and_failures_are_redacted_as_well() {
    let tool = Tool::start().await;
    let gate = Setup::before(&tool).policy(MASK).start().await;
    let pieces = tool.pieces("/items", Reply::json("").kind("text/event-stream"));
    let feed = tokio::spawn(async move {
        for piece in ["data: 4111 1111", " 1111 1111\n", "\ndata: done\n\n"] {
            pieces.send(piece.into()).await.expect("the tool takes it");
        }
    });
    let answer = gate.send(get("/svc/items")).await;
    assert_eq!(answer.body, "data: [card]\n\ndata: done\n\n");
    feed.await.expect("fed");
    let failed = Reply::status(500).body(format!("{{\"error\":\"card {CARD}\"}}"));
    tool.on("/refunds", Act::Reply(failed));
    let answer = gate.send(post("/svc/refunds", &json!({}))).await;
    assert_eq!(answer.status, 500);
    assert_eq!(answer.body, r#"{"error":"card [card]"}"#);
    tool.on("/look", Act::Reply(Reply::json("[1, 2]")));
    let answer = gate.send(post("/svc/look", &json!({}))).await;
    assert_eq!(answer.body, "[1, 2]");
    assert!(answer.header("toolgate-warning").is_none());
    let events = gate.calls(3).await;
    assert_eq!(events[1]["error_class"], "http_5xx");
    assert_eq!(events[2].get("redacted"), None);
}

const WITHHOLD: &str = r#"
rules:
- id: no-secrets
  phase: result
  tools: [svc.get]
  when: result.secret == true
  then: deny
  message: Ask for the public record instead.
- id: no-admin
  phase: result
  tools: [svc.get]
  when: response.status == 200 && has(result.admin) && result.admin
  then: stop
  message: This run has seen an admin record.
- { id: slow, phase: result, tools: [svc.find], when: response.bytes > 5, then: warn, message: "{response.bytes} bytes" }
- { id: needs, tools: [svc.refund], when: '!run.succeeded("svc.get")', then: deny, message: Get it first. }"#;

#[tokio::test]
async fn a_withheld_result_says_that_the_tool_was_called() {
    let tool = Tool::start().await;
    let gate = Setup::before(&tool).policy(WITHHOLD).start().await;
    tool.on("/items/1", Act::Reply(Reply::json(r#"{"secret":true,"text":"canary-7"}"#)));
    let answer = gate.send(get("/svc/items/1")).await;
    assert_eq!(answer.status, 403);
    let problem = answer.json();
    assert_eq!(
        (&problem["stop_reason"], &problem["executed"]),
        (&json!("result_denied"), &json!(true))
    );
    assert_eq!(problem["rule"], "p1/no-secrets");
    let detail = problem["detail"].as_str().expect("text");
    assert!(
        detail.starts_with("svc.get WAS executed, but its result was withheld. Ask for"),
        "{detail}"
    );
    assert!(!String::from_utf8_lossy(&answer.body).contains("canary"));
    let event = &gate.calls(1).await[0];
    for (key, value) in [
        ("status", json!("denied")),
        ("error_class", json!("policy")),
        ("stop_reason", json!("result_denied")),
        ("http_status", json!(200)),
        ("attempt", json!(1)),
        ("rule", json!("p1/no-secrets")),
    ] {
        assert_eq!(event[key], value, "{key}");
    }
    assert!(event["result_sha"].is_string());
    assert!(!gate.everything_said().await.contains("canary"));
    assert_eq!(gate.metric("toolgate_reserved_calls", "").await, 0.0);
}

#[tokio::test]
async fn a_withheld_call_has_happened_and_may_end_the_run() {
    let tool = Tool::start().await;
    let gate = Setup::before(&tool).policy(WITHHOLD).start().await;
    let with_run = |mut request: http::Request<_>| {
        request.headers_mut().insert("toolgate-run-id", http::HeaderValue::from_static("r1"));
        request
    };
    assert_eq!(gate.send(with_run(post("/svc/refunds", &json!({})))).await.status, 403);
    tool.on("/items/1", Act::Reply(Reply::json(r#"{"secret":true}"#)));
    assert_eq!(gate.send(with_run(get("/svc/items/1"))).await.status, 403);
    assert_eq!(gate.send(with_run(post("/svc/refunds", &json!({})))).await.status, 200);
    tool.on("/items", Act::Reply(Reply::json(r#"{"long":true}"#)));
    let answer = gate.send(with_run(get("/svc/items"))).await;
    assert_eq!(answer.header("toolgate-warning"), Some("p1/slow: 13 bytes"));
    tool.on("/items/2", Act::Reply(Reply::json(r#"{"secret":false,"admin":true}"#)));
    assert_eq!(gate.send(with_run(get("/svc/items/2"))).await.status, 403);
    let answer = gate.send(with_run(get("/svc/items"))).await;
    assert_eq!(answer.json()["stop_reason"], "run_stopped");
    assert_eq!(gate.stops(1).await[0]["stop_reason"], "result_denied");
}

#[tokio::test]
async fn what_cannot_be_read_is_withheld() {
    let tool = Tool::start().await;
    let gate = Setup::before(&tool).policy(MASK).start().await;
    let replies = [
        Reply::json("{}").header("content-encoding", "gzip"),
        Reply::json(r#"{"a":1,"a":2}"#),
        Reply::json("{\"cut\":"),
        Reply::json("").body(vec![0xff, 0xfe, 0x00]),
    ];
    for (number, reply) in replies.into_iter().enumerate() {
        tool.on("/items/1", Act::Reply(reply));
        let answer = gate.send(get("/svc/items/1")).await;
        assert_eq!(answer.json()["stop_reason"], "result_denied", "{number}");
    }
    assert_eq!(tool.ledger()[0].headers.get("accept-encoding"), None);
    let empty = Reply::status(204).body("");
    tool.on("/items/1", Act::Reply(empty));
    assert_eq!(gate.send(get("/svc/items/1")).await.status, 204);
}

#[tokio::test]
async fn what_is_too_long_to_be_read_whole_is_withheld() {
    let tool = Tool::start().await;
    let long = |bytes: usize| Reply::json(&format!("\"{}\"", "a".repeat(bytes - 2)));
    let gate = Setup::before(&tool).policy(MASK).start().await;
    tool.on("/items/1", Act::Reply(long(1 << 20)));
    assert_eq!(gate.send(get("/svc/items/1")).await.status, 200);
    tool.on("/items/1", Act::Reply(long((1 << 20) + 1)));
    let answer = gate.send(get("/svc/items/1")).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.json()["stop_reason"]),
        (502, &json!("result_too_large"))
    );
    let gate = Setup::before(&tool).upstream("output: { max_bytes: 1KiB }").start().await;
    tool.on("/items/1", Act::Reply(long(1_024)));
    assert_eq!(gate.send(get("/svc/items/1")).await.body.len(), 1_024);
    let pieces = tool.pieces("/items/1", Reply::json(""));
    let feed =
        tokio::spawn(async move { while pieces.send("x".repeat(500).into()).await.is_ok() {} });
    let answer = gate.send(get("/svc/items/1")).await;
    assert_eq!(answer.json()["executed"], true);
    feed.await.expect("the gate hangs up");
    let event = &gate.calls(2).await[1];
    assert_eq!(event["stop_reason"], "result_too_large");
    assert_eq!((event.get("result_sha"), &event["error_class"]), (None, &json!("upstream")));
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_not_handed_on() {
    let tool = Tool::start().await;
    let gate = Setup::before(&tool).policy(MASK).start().await;
    tool.on("/items/1", Act::Half { silent: false });
    tool.on("/items", Act::Half { silent: false });
    assert_eq!(gate.send(get("/svc/items/1")).await.status, 502);
    let answer = gate.send(post("/svc/items", &json!({}))).await;
    assert_eq!((answer.status.as_u16(), answer.json().get("executed")), (502, Some(&json!(null))));
    for event in gate.calls(2).await {
        assert_eq!(event["error_class"], "malformed_response");
    }
}

#[tokio::test]
async fn a_client_that_vanishes_while_its_answer_is_held_back_leaves_one_record() {
    let tool = Tool::start().await;
    let budget = "\nlimits:\n- { id: budget, per: global, max: { calls: 100 }, then: deny }";
    let gate = Setup::before(&tool).policy(&format!("{MASK}{budget}")).start().await;
    let pieces = tool.pieces("/items", Reply::json(""));
    let mut connection = Connection::open(gate.address).await;
    let asked = tokio::spawn(async move { connection.begin(get("/svc/items")).await.map(drop) });
    tool.reached_by(1).await;
    pieces.send("{".into()).await.expect("the tool takes it");
    asked.abort();
    let _ = asked.await;
    let event = gate.calls(1).await.remove(0);
    assert_eq!(event["status"], "cancelled");
    gate.metric_becomes("toolgate_reserved_calls", 0.0).await;
    gate.metric_becomes("toolgate_in_flight", 0.0).await;
}

const REWRITE: &str = r#"
rules:
- { id: clamp, tools: [svc.find, svc.look], when: has(args.limit) && int(args.limit) > 100, set: { args.limit: "100" } }
- { id: who, tools: [svc.put], set: { args.owner: "caller.agent", args.meta.step: "call.step" } }
- { id: region, tools: [svc.drop], set: { args.region: "'eu'" } }
- { id: other, tools: [svc.edit], when: "args.id == 'a'", set: { args.id: "'b c'" } }
- { id: worse, tools: [svc.edit], when: "args.id == 'z'", set: { args.name: "args.x + '/'" } }
- { id: up, tools: [svc.get], set: { args.id: "'..'" } }
- { id: card, tools: ["svc.*"], redact: { detector: card_number, with: "[card]" } }
- { id: key, tools: [svc.refund], redact: { path: args.key } }
- { id: late, tools: [svc.look], when: args.limit > 100, then: deny, message: The limit is 100. }
- { id: seen, mode: observe, tools: [svc.refund], set: { args.amount: "1" } }"#;

#[tokio::test]
async fn what_reaches_the_tool_is_what_was_changed_and_judged() {
    let tool = Tool::start().await;
    let gate = Setup::before(&tool).policy(REWRITE).start().await;
    let body = |number: usize| {
        let body = tool.ledger()[number].body.clone().expect("a body");
        String::from_utf8_lossy(&body).into_owned()
    };
    let answer = gate.send(get("/svc/items?q=x&limit=900")).await;
    assert_eq!(answer.status, 200);
    assert!(answer.header("toolgate-warning").is_some_and(|said| said.starts_with("p1/clamp: ")));
    assert_eq!(tool.ledger()[0].target, "/items?q=x&limit=100");
    let answer = gate.send(post("/svc/look", &json!({"limit": 900, "n": 98.0}))).await;
    assert_eq!((answer.status.as_u16(), body(1)), (200, r#"{"limit":100,"n":98.0}"#.to_owned()));
    let sent = json!({"card": CARD, "meta": {"a": 1}});
    assert_eq!(gate.send(post("/svc/items", &sent)).await.status, 200);
    assert_eq!(body(2), r#"{"card":"[card]","meta":{"a":1,"step":3},"owner":""}"#);
    let drop = request(http::Method::DELETE, "/svc/items/7", None);
    assert_eq!(gate.send(drop).await.status, 200);
    assert_eq!(tool.ledger()[3].target, "/items/7?region=eu");
    let edit = |id: &str| request(http::Method::PUT, &format!("/svc/items/{id}"), Some(&json!({})));
    assert_eq!(gate.send(edit("a")).await.status, 200);
    assert_eq!(tool.ledger()[4].target, "/items/b%20c");
    let path = edit("4111-1111-1111-1111");
    assert_eq!(gate.send(path).await.status, 200);
    assert_eq!(tool.ledger()[5].target, "/items/%5Bcard%5D");
    assert_eq!(gate.send(edit("z")).await.json()["stop_reason"], "rule_error");
    assert_eq!(gate.send(get("/svc/items/1")).await.json()["stop_reason"], "rule_error");
    let secret = json!({"key": "canary-key", "amount": 5});
    assert_eq!(gate.send(post("/svc/refunds", &secret)).await.status, 200);
    assert_eq!(body(6), r#"{"amount":5,"key":"[redacted]"}"#);
    assert_eq!(tool.count(), 7);
    let events = gate.calls(9).await;
    assert_eq!(events[8]["rules_observed"], json!(["p1/seen"]));
    assert_eq!(events[8]["redacted"], 1);
    assert_eq!(events[8]["args_sha"], digest(r#"{"amount":5,"key":"[redacted]"}"#));
    let said = gate.everything_said().await;
    assert!(!said.contains("canary") && !said.contains("4111"), "{said}");
}

fn digest(canonical: &str) -> String {
    let document = toolgate::json::Document::from_text(canonical).expect("JSON");
    toolgate::json::digest(document.root(), None).to_string()
}

#[tokio::test]
async fn many_at_once_get_each_their_own() {
    let tool = Tool::start().await;
    for number in 0..8 {
        let body = format!(r#"{{"me":{number},"card":"{CARD}"}}"#);
        tool.on(&format!("/items/{number}"), Act::Reply(Reply::json(&body)));
    }
    let gate = std::sync::Arc::new(Setup::before(&tool).policy(MASK).start().await);
    let agents = (0..8).map(|number| {
        let gate = std::sync::Arc::clone(&gate);
        tokio::spawn(async move {
            let mut connection = Connection::open(gate.address).await;
            for _ in 0..25 {
                let answer = connection.send(get(&format!("/svc/items/{number}"))).await;
                assert_eq!(answer.json(), json!({"me": number, "card": "[card]"}));
            }
        })
    });
    for agent in agents.collect::<Vec<_>>() {
        soon("an agent's end", agent).await.expect("as expected");
    }
    assert_eq!(gate.metric("toolgate_redactions_total", "p1/mask").await, 200.0);
    until("all are recorded", async || (gate.events_now().len() >= 200).then_some(())).await;
}
