//! What rules say reaches the agent as the contract has it, and what they refuse does not reach
//! the tool.

use serde_json::{Value, json};

use crate::harness::{Act, Answer, Gate, Reply, Setup, Tool, get, post};

/// Nothing of the problem document but what the contract names.
const MEMBERS: [&str; 12] = [
    "detail",
    "error_class",
    "executed",
    "instance",
    "retry",
    "rule",
    "run_id",
    "status",
    "stop_reason",
    "title",
    "type",
    "violations",
];

/// Holds an answer against the denial contract of plain HTTP.
fn assert_denied(answer: &Answer, status: u16, stop_reason: &str, scope: &str) -> Value {
    let problem = answer.json();
    assert_eq!(answer.status, status, "{problem}");
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    assert_eq!(answer.header("x-should-retry"), Some("false"));
    let members = problem.as_object().expect("an object");
    for name in members.keys() {
        assert!(MEMBERS.contains(&name.as_str()), "{name} is not in the contract");
    }
    let kind = format!("https://toolgate.dev/problems/{}", stop_reason.replace('_', "-"));
    assert_eq!(problem["type"], kind);
    assert_eq!(problem["status"], status);
    assert_eq!(problem["stop_reason"], stop_reason);
    assert_eq!(problem["executed"], false);
    assert_eq!(problem["retry"]["scope"], scope);
    let detail = problem["detail"].as_str().expect("a detail");
    assert!(detail.contains("was NOT executed."), "{detail}");
    let shown: String = detail
        .chars()
        .map(|letter| if (' '..='~').contains(&letter) { letter } else { ' ' })
        .take(240)
        .collect();
    assert_eq!(answer.phrase, shown, "clients show the phrase and not the body");
    let decision = answer.header("toolgate-decision").expect("a decision");
    let (verdict, id) = decision.split_once("; id=").expect("a verdict and an id");
    assert!(["deny", "stop"].contains(&verdict), "{decision}");
    assert_eq!(problem["instance"], format!("urn:toolgate:decision:{id}"));
    if let Some(run) = answer.header("toolgate-run-id") {
        assert_eq!(problem["run_id"], run);
    }
    problem
}

const REFUNDS: &str = "
rules:
- id: refund-over-500
  tools: [svc.refund]
  when: args.amount > 500
  then: deny
  message: Refunds over 500 USD need a finance approver.";

#[tokio::test]
async fn a_refusal_says_what_the_contract_promises() {
    let tool = Tool::start().await;
    let gate = Setup::before(&tool).policy(REFUNDS).start().await;
    let mut request = post("/svc/refunds", &json!({ "amount": 900, "currency": "USD" }));
    request.headers_mut().insert("toolgate-run-id", "run-1".parse().expect("a value"));
    let answer = gate.send(request).await;
    let problem = assert_denied(&answer, 403, "args_denied", "different_args");
    assert_eq!(problem["error_class"], "policy");
    assert_eq!(problem["rule"], "p1/refund-over-500");
    assert_eq!(problem["run_id"], "run-1");
    assert_eq!(
        problem["violations"],
        json!([{ "path": "/args/amount", "limit": 500, "actual": 900, "passes": "<= 500" }])
    );
    let detail = problem["detail"].as_str().expect("a detail");
    assert!(
        detail.starts_with(
            "svc.refund was NOT executed. Refunds over 500 USD need a finance approver."
        )
    );
    assert!(detail.contains("args.amount <= 500"), "what would pass is named: {detail}");
    assert_eq!(tool.count(), 0);

    // What would pass does.
    let answer = gate.send(post("/svc/refunds", &json!({ "amount": 500 }))).await;
    assert_eq!(answer.status, 200);
    assert!(answer.header("toolgate-decision").expect("a decision").starts_with("allow; id=dec_"));
    assert_eq!(answer.body, r#"{"ok":true}"#);
    assert_eq!(tool.count(), 1);

    let events = gate.calls(2).await;
    assert_eq!(events[0]["verdict"], "deny");
    assert_eq!(events[0]["status"], "denied");
    assert_eq!(events[0]["rule"], "p1/refund-over-500");
    assert_eq!(events[0]["stop_reason"], "args_denied");
    assert_eq!(events[0]["retry_scope"], "different_args");
    assert_eq!(events[0]["tool"], "svc.refund");
    assert_eq!(events[0].get("attempt"), None, "it was not attempted");
    assert_eq!(events[1]["verdict"], "allow");
    assert_eq!(events[1]["status"], "ok");
    assert_eq!(events[1]["http_status"], 200);
}

#[tokio::test]
async fn a_precondition_is_over_the_runs_own_history() {
    let tool = Tool::start().await;
    let gate = Setup::before(&tool)
        .policy(
            "
rules:
- id: verify-first
  tools: [svc.confirm]
  requires:
  - call: svc.verify
    where: prior.args.payment_id == args.payment_id && prior.result.ok == true
  then: deny
  message: Call svc.verify for this payment_id first.",
        )
        .start()
        .await;
    let call = async |run: &str, name: &str, payment: &str| {
        let path = format!("/_run/{run}/svc/tools/{name}");
        gate.send(post(&path, &json!({ "payment_id": payment }))).await
    };
    let refused = call("a", "confirm", "p1").await;
    let problem = assert_denied(&refused, 403, "precondition_missing", "after_precondition");
    assert!(problem["detail"].as_str().is_some_and(|text| text.contains("svc.verify")));
    assert_eq!(tool.count(), 0);
    assert_eq!(call("a", "verify", "p2").await.status, 200);
    assert_eq!(call("b", "verify", "p1").await.status, 200);
    assert_eq!(call("a", "confirm", "p1").await.status, 403, "another payment, another run");
    assert_eq!(call("a", "verify", "p1").await.status, 200);
    assert_eq!(call("a", "confirm", "p1").await.status, 200);
    assert_eq!(call("b", "confirm", "p2").await.status, 403);
    assert_eq!(tool.count(), 4);
}

#[tokio::test]
async fn no_secret_of_a_call_is_repeated_anywhere() {
    let tool = Tool::start().await;
    let secret = "canary-9f8e7d6c5b4a39281706";
    let gate = Setup::before(&tool)
        .policy(
            "
rules:
- id: no-long-notes
  tools: [svc.put]
  when: size(args.note) > 5 || args.note == 'x'
  then: deny
  message: Notes are short.
- id: fails
  tools: [svc.look]
  when: args.nested.note > 3
  then: deny
  message: Never shown.",
        )
        .file("key", "upstream-canary-112233445566")
        .upstream("auth: { header: x-api-key, value: \"${file:key}\" }")
        .start()
        .await;
    let note = json!({ "note": secret, "nested": { "note": secret }, secret: secret });
    let mut answers = vec![
        gate.send(post("/svc/items", &note)).await,
        gate.send(post("/svc/look", &note)).await,
        gate.send(post("/svc/tools/other", &note)).await,
        gate.send(get(&format!("/svc/items?{secret}={secret}&{secret}2={secret}%zz"))).await,
    ];
    let mut request = post("/svc/items", &note);
    request
        .headers_mut()
        .insert("authorization", format!("Bearer {secret}").parse().expect("a value"));
    request.headers_mut().insert("cookie", secret.parse().expect("a value"));
    answers.push(gate.send(request).await);
    let mut request = post("/svc/items", &json!({}));
    *request.body_mut() = format!("{{\"a\": \"{secret}\", \"a\": \"{secret}\"}}").into();
    answers.push(gate.send(request).await);
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status.as_u16()).collect();
    assert_eq!(statuses, [403, 403, 200, 400, 403, 400]);
    gate.calls(6).await;
    let mut said = gate.everything_said().await;
    for answer in &answers {
        said.push_str(&format!("{:?} {} ", answer.headers, answer.phrase));
        said.push_str(&String::from_utf8_lossy(&answer.body));
    }
    assert!(!said.contains("canary"), "a secret was repeated: {said}");
    let arrived = tool.ledger();
    assert_eq!(arrived.len(), 1, "only the call that no rule refused");
    assert_eq!(arrived[0].headers["x-api-key"], "upstream-canary-112233445566");
}

#[tokio::test]
async fn a_message_may_repeat_what_the_operator_asks_it_to() {
    let tool = Tool::start().await;
    let gate = Setup::before(&tool)
        .policy(
            "
rules:
- id: named
  tools: [svc.put]
  when: args.name != \"Al\"
  then: deny
  message: \"Not {args.name}, line\\nbreaks and \u{e9} aside.\"",
        )
        .start()
        .await;
    let answer = gate.send(post("/svc/items", &json!({ "name": "Bob\r\nSet-Cookie: a=b" }))).await;
    let problem = assert_denied(&answer, 403, "args_denied", "different_args");
    assert!(
        problem["detail"].as_str().is_some_and(|text| text.contains("Not Bob\r\nSet-Cookie: a=b"))
    );
    assert_eq!(answer.header("set-cookie"), None, "a message cannot add a header");
}

#[tokio::test]
async fn observed_rules_are_recorded_and_do_not_act() {
    let tool = Tool::start().await;
    let gate = Setup::before(&tool)
        .whole_policy(&format!("metadata: {{ name: trial }}\nmode: observe\n{REFUNDS}"))
        .start()
        .await;
    let answer = gate.send(post("/svc/refunds", &json!({ "amount": 900 }))).await;
    assert_eq!(answer.status, 200);
    assert!(answer.header("toolgate-decision").expect("a decision").starts_with("allow; "));
    assert_eq!(answer.header("toolgate-warning"), None);
    assert_eq!(tool.count(), 1);
    let event = &gate.calls(1).await[0];
    let rule = "trial/refund-over-500";
    assert_eq!(event["rules_observed"], json!([rule]));
    let would = |reason| json!([{ "rule": rule, "verdict": "deny", "stop_reason": reason }]);
    assert_eq!(event["observed"], would("args_denied"));
    assert_eq!(event["verdict"], "allow");
    // Another that it cannot be evaluated over: no refusal to expect, but a fault to mend.
    let answer = gate.send(post("/svc/refunds", &json!({ "sum": 900 }))).await;
    assert_eq!(answer.status, 200);
    assert_eq!(gate.calls(2).await[1]["observed"], would("rule_error"));
    let decisions = "toolgate_decisions_total";
    for (labels, count) in [
        (
            r#"verdict="deny",rule="trial/refund-over-500",stop_reason="args_denied",mode="observe""#,
            1.0,
        ),
        (r#"stop_reason="rule_error",mode="observe""#, 1.0),
        (r#"mode="observe""#, 2.0),
        (r#"mode="enforce""#, 2.0),
    ] {
        assert_eq!(gate.metric(decisions, labels).await, count, "{labels}");
    }
    assert!(gate.stderr().contains("rules and limits: 0 enforce, "), "{}", gate.stderr());
}

#[tokio::test]
async fn a_warning_reaches_the_agent_in_a_header() {
    let tool = Tool::start().await;
    let reply = Reply::json("{}").header("toolgate-warning", "from the tool");
    tool.on("/refunds", Act::Reply(reply));
    let gate = Setup::before(&tool)
        .policy(
            "
rules:
- id: large
  tools: [svc.refund]
  when: args.amount > 100
  then: warn
  message: Large refunds are looked at.",
        )
        .start()
        .await;
    let answer = gate.send(post("/svc/refunds", &json!({ "amount": 200 }))).await;
    assert_eq!(answer.status, 200);
    assert!(answer.header("toolgate-decision").expect("a decision").starts_with("warn; "));
    assert_eq!(
        answer.header("toolgate-warning"),
        Some("p1/large: Large refunds are looked at."),
        "and none that a tool made up"
    );
    let event = &gate.calls(1).await[0];
    assert_eq!((&event["verdict"], &event["rule"]), (&json!("warn"), &json!("p1/large")));
}

#[tokio::test]
async fn what_is_not_allowed_is_denied_by_default() {
    let tool = Tool::start().await;
    let gate = Setup::before(&tool)
        .policy(
            "
default: deny
rules:
- { id: reads, tools: [\"svc.get*\", svc.find], then: allow }",
        )
        .start()
        .await;
    assert_eq!(gate.send(get("/svc/items/1")).await.status, 200);
    let answer = gate.send(post("/svc/items", &json!({}))).await;
    let problem = assert_denied(&answer, 403, "tool_not_allowed", "none");
    assert!(problem["rule"].as_str().is_some(), "{problem}");
    assert_eq!(tool.count(), 1);
}

#[tokio::test]
async fn what_the_config_does_not_name_is_refused() {
    let tool = Tool::start().await;
    let gate = Setup::before(&tool).start().await;
    for path in [
        "/",
        "/svc",
        "/svc/",
        "/svc/none",
        "/svc/items/1/2",
        "/none/items",
        "/SVC/items",
        "/svc/Items",
    ] {
        let answer = gate.send(get(path)).await;
        let problem = assert_denied(&answer, 403, "tool_not_allowed", "none");
        assert_eq!(problem.get("rule"), None, "{path}");
    }
    assert_eq!(gate.send(post("/svc/items/1", &json!({}))).await.status, 403);
    assert_eq!(tool.count(), 0);
    assert_eq!(gate.send(get("/svc/items")).await.status, 200);
    gate.calls(10).await;
}

#[tokio::test]
async fn a_rule_that_cannot_be_evaluated_refuses() {
    let tool = Tool::start().await;
    let gate = Setup::before(&tool).policy(REFUNDS).start().await;
    for args in
        [json!({}), json!({ "amount": "900" }), json!({ "amount": null }), json!({ "Amount": 1 })]
    {
        let answer = gate.send(post("/svc/refunds", &args)).await;
        let problem = assert_denied(&answer, 403, "rule_error", "none");
        assert_eq!(problem["rule"], "p1/refund-over-500", "{args}");
    }
    assert_eq!(tool.count(), 0);
}

#[tokio::test]
async fn a_stop_ends_the_run_and_no_other() {
    let tool = Tool::start().await;
    let gate = Setup::before(&tool)
        .policy(
            "
rules:
- { id: enough, tools: [svc.refund], when: args.amount > 0, then: stop, message: No refunds here. }",
        )
        .start()
        .await;
    let answer = gate.send(post("/_run/a/svc/refunds", &json!({ "amount": 1 }))).await;
    assert_denied(&answer, 403, "args_denied", "none");
    assert!(answer.header("toolgate-decision").expect("a decision").starts_with("stop; "));
    let answer = gate.send(get("/_run/a/svc/items")).await;
    let problem = assert_denied(&answer, 403, "run_stopped", "none");
    assert_eq!(problem["error_class"], "limit");
    assert_eq!(gate.send(get("/_run/b/svc/items")).await.status, 200);
    assert_eq!(tool.count(), 1);
    let stop = &gate.stops(1).await[0];
    assert_eq!(stop["run_id"], "a");
    assert_eq!(stop["rule"], "p1/enough");
    assert_eq!(stop["usage"]["denials"], 1);
}

/// The gate can be asked what it would do before it is trusted with anything.
#[tokio::test]
async fn every_answer_names_its_run_and_decision() {
    let tool = Tool::start().await;
    let gate: Gate = Setup::before(&tool).start().await;
    let answers = [
        gate.send(get("/svc/items")).await,
        gate.send(get("/svc/none")).await,
        gate.send(get("/svc/items/%2e%2e")).await,
    ];
    let run = answers[0].header("toolgate-run-id").expect("a run").to_owned();
    let events = gate.calls(3).await;
    for (answer, event) in answers.iter().zip(events) {
        assert_eq!(answer.header("toolgate-run-id"), Some(&*run), "one agent, one run");
        assert_eq!(event["run_id"], run);
        let decision = answer.header("toolgate-decision").expect("a decision");
        let id = event["call_id"].as_str().expect("an id");
        assert!(decision.ends_with(&format!("; id={id}")), "{decision} {id}");
    }
}
