//! Approvals: a call waits for a human, and exactly what the human saw passes, once.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, Connection, Gate, Setup, Tool, of_kind, post};

const REFUNDS: &str = "
rules:
- id: refund-over-500
  tools: [svc.refund]
  when: args.amount > 500
  then: approve
  approvers: [group:finance]
  expires: 1h
  message: Refunds over 500 USD need a finance approver.
";

async fn gate_with(policy: &str) -> (Tool, Gate) {
    let tool = Tool::start().await;
    let gate = Setup::before(&tool).policy(policy).start().await;
    (tool, gate)
}

/// A refund in a run, with exactly this body.
async fn refund(gate: &Gate, run: &str, body: &str) -> Answer {
    gate.send(refund_request(run, body)).await
}

fn refund_request(run: &str, body: &str) -> http::Request<http_body_util::Full<bytes::Bytes>> {
    let mut asked = post("/svc/refunds", &Value::Null);
    *asked.body_mut() = bytes::Bytes::from(body.to_owned()).into();
    asked.headers_mut().insert("toolgate-run-id", run.parse().expect("an id"));
    asked
}

fn pending(answer: &Answer) -> String {
    let problem = answer.json();
    assert_eq!(answer.status, 403, "{problem}");
    assert_eq!(problem["stop_reason"], "approval_required", "{problem}");
    assert_eq!(problem["approval"]["status"], "pending");
    problem["approval"]["id"].as_str().expect("an id").to_owned()
}

async fn decide(gate: &Gate, id: &str, what: &str) -> Answer {
    let said = json!({ "actor": "ann@finance", "note": "checked" });
    gate.operate(Method::POST, &format!("/v1/approvals/{id}/{what}"), Some(&said)).await
}

#[tokio::test]
async fn the_agent_is_told_to_wait_and_the_identical_call_passes_once_approved() {
    let (tool, gate) = gate_with(REFUNDS).await;
    assert_eq!(refund(&gate, "r", r#"{"amount":100}"#).await.status, 200);
    let answer = refund(&gate, "r", r#"{"amount":900}"#).await;
    let id = pending(&answer);
    let problem = answer.json();
    assert_eq!(problem["type"], "https://toolgate.dev/problems/approval-required");
    assert_eq!(problem["title"], "Human approval required");
    assert_eq!(problem["rule"], "p1/refund-over-500");
    assert_eq!(problem["executed"], false);
    assert_eq!(problem["retry"], json!({ "scope": "same_args_later", "after_ms": 30_000 }));
    assert_eq!(problem["violations"][0]["path"], "/args/amount");
    assert_eq!(
        problem["detail"],
        format!(
            "svc.refund was NOT executed. Refunds over 500 USD need a finance approver; request {id} \
             is pending. Do other work or stop; repeat this exact call later. Do not split or \
             reroute it."
        )
    );
    assert!(answer.header("toolgate-decision").is_some_and(|said| said.starts_with("approve;")));
    assert_eq!(pending(&refund(&gate, "r", r#"{"amount":900}"#).await), id, "still the same");

    let list = gate.operate(Method::GET, "/v1/approvals?status=pending", None).await.json();
    let shown = &list["approvals"][0];
    assert_eq!((&shown["id"], &shown["tool"]), (&json!(id), &json!("svc.refund")));
    assert_eq!(shown["approvers"], json!(["group:finance"]));
    assert_eq!(shown["call"]["body"], r#"{"amount":900}"#);
    assert_eq!(decide(&gate, &id, "approve").await.json()["status"], "approved");
    assert_eq!(decide(&gate, &id, "approve").await.status, 200, "a double click");

    assert_eq!(refund(&gate, "r", r#"{"amount":900}"#).await.status, 200);
    assert_ne!(pending(&refund(&gate, "r", r#"{"amount":900}"#).await), id, "it was used up");
    assert_eq!(tool.count(), 2);
    let events = gate.end().await;
    let approvals = of_kind(events.clone(), "approval");
    let what: Vec<_> = approvals.iter().filter_map(|event| event["detail"].as_str()).collect();
    assert_eq!(what, ["requested", "approved", "used", "requested"]);
    assert_eq!(approvals[1]["actor"], "ann@finance");
    assert!(!format!("{events:?}").contains("amount"), "arguments are not recorded");
    let calls = of_kind(events, "call");
    assert_eq!((&calls[1]["verdict"], &calls[1]["approval"]), (&json!("approve"), &json!(id)));
    assert_eq!((&calls[3]["verdict"], &calls[3]["approval"]), (&json!("allow"), &json!(id)));
}

#[tokio::test]
async fn nothing_but_the_very_same_call_passes() {
    let (tool, gate) = gate_with(REFUNDS).await;
    let body = r#"{"amount":900,"to":"a"}"#;
    let id = pending(&refund(&gate, "r", body).await);
    assert_eq!(decide(&gate, &id, "approve").await.status, 200);
    for other in [
        r#"{"amount":901,"to":"a"}"#,
        r#"{"to":"a","amount":900}"#,
        r#"{"amount":900.0,"to":"a"}"#,
        r#"{"amount":900, "to":"a"}"#,
        r#"{"amount":900,"to":"\u0061"}"#,
    ] {
        assert_ne!(pending(&refund(&gate, "r", other).await), id, "{other}");
    }
    assert_ne!(pending(&refund(&gate, "other-run", body).await), id);
    let mut queried = refund_request("r", r#"{"amount":900}"#);
    *queried.uri_mut() = "/svc/refunds?to=a".parse().expect("a path");
    assert_ne!(pending(&gate.send(queried).await), id);
    assert_eq!(tool.count(), 0);
    assert_eq!(refund(&gate, "r", body).await.status, 200);
    assert_eq!(tool.count(), 1);
    let sent = tool.ledger()[0].body.clone().expect("a body");
    assert_eq!(sent, body.as_bytes(), "what was approved is what was sent");
}

#[tokio::test]
async fn a_thousand_identical_calls_at_once_pass_once() {
    let (tool, gate) = gate_with(REFUNDS).await;
    let gate = Arc::new(gate);
    for round in 0..3_usize {
        let body = format!(r#"{{"amount":900,"round":{round}}}"#);
        let id = pending(&refund(&gate, "r", &body).await);
        assert_eq!(decide(&gate, &id, "approve").await.status, 200);
        let mut agents = Vec::new();
        for _ in 0..50 {
            let (gate, body) = (Arc::clone(&gate), body.clone());
            agents.push(tokio::spawn(async move {
                let mut connection = Connection::open(gate.address).await;
                let mut passed = 0;
                for _ in 0..20 {
                    let answer = connection.send(refund_request("r", &body)).await;
                    passed += usize::from(answer.status == 200);
                }
                passed
            }));
        }
        let mut passed = 0;
        for agent in agents {
            passed += agent.await.expect("an agent");
        }
        assert_eq!((passed, tool.count()), (1, round + 1));
    }
}

#[tokio::test]
async fn a_denial_is_told_and_holds() {
    let (tool, gate) = gate_with(REFUNDS).await;
    let id = pending(&refund(&gate, "r", r#"{"amount":900}"#).await);
    assert_eq!(decide(&gate, &id, "deny").await.json()["status"], "denied");
    assert_eq!(decide(&gate, &id, "deny").await.status, 200);
    assert_eq!(decide(&gate, &id, "approve").await.status, 409);
    let problem = refund(&gate, "r", r#"{"amount":900}"#).await.json();
    assert_eq!(problem["stop_reason"], "approval_denied");
    assert_eq!(problem["retry"]["scope"], "none");
    assert_eq!(problem["approval"], json!({ "id": id, "status": "denied" }));
    assert!(problem["detail"].as_str().is_some_and(|text| text.contains("was denied: checked.")));
    assert_eq!(decide(&gate, "apr_none", "approve").await.status, 404);
    assert_eq!(tool.count(), 0);
}

#[tokio::test]
async fn what_nobody_decides_expires() {
    let (tool, gate) = gate_with(&REFUNDS.replace("1h", "1s")).await;
    let id = pending(&refund(&gate, "r", r#"{"amount":900}"#).await);
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert_eq!(decide(&gate, &id, "approve").await.status, 409);
    let problem = refund(&gate, "r", r#"{"amount":900}"#).await.json();
    assert_eq!(problem["stop_reason"], "approval_expired");
    assert_eq!(problem["approval"], json!({ "id": id, "status": "expired" }));
    assert_ne!(pending(&refund(&gate, "r", r#"{"amount":900}"#).await), id);
    assert_eq!(tool.count(), 0);
}

#[tokio::test]
async fn a_limit_may_ask_for_approval_and_a_stronger_rule_still_refuses() {
    let (tool, gate) = gate_with(
        "rules:\n- { id: never, tools: [svc.refund], when: args.amount == 13, then: deny, \
         message: Never 13. }\n- { id: big, tools: [svc.refund], when: args.amount > 10, then: \
         approve, message: Big. }\nlimits:\n- { id: few, per: run, tools: [svc.put], max: { calls: \
         1 }, then: approve }\ndefault: deny",
    )
    .await;
    let put = async || {
        let mut asked = post("/svc/items", &json!({ "n": 1 }));
        asked.headers_mut().insert("toolgate-run-id", "r".parse().expect("an id"));
        gate.send(asked).await
    };
    assert_eq!(put().await.json()["stop_reason"], "tool_not_allowed", "nothing allows it");
    assert_eq!(refund(&gate, "r", r#"{"amount":13}"#).await.json()["rule"], "p1/never");
    let id = pending(&refund(&gate, "r", r#"{"amount":12}"#).await);
    assert_eq!(decide(&gate, &id, "approve").await.status, 200);
    assert_eq!(refund(&gate, "r", r#"{"amount":12}"#).await.status, 200, "it lifts the default");
    assert_eq!(tool.count(), 1);
}

#[tokio::test]
async fn a_limit_that_is_reached_may_ask_for_approval() {
    let (tool, gate) = gate_with(
        "limits:\n- { id: few, per: run, max: { calls: 2 }, then: approve, message: Two were free. }",
    )
    .await;
    for body in ["{}", r#"{"a":1}"#] {
        assert_eq!(refund(&gate, "r", body).await.status, 200);
    }
    let answer = refund(&gate, "r", r#"{"a":2}"#).await;
    assert_eq!(answer.json()["rule"], "p1/few");
    let id = pending(&answer);
    assert_eq!(decide(&gate, &id, "approve").await.status, 200);
    assert_eq!(refund(&gate, "r", r#"{"a":2}"#).await.status, 200);
    pending(&refund(&gate, "r", r#"{"a":3}"#).await);
    assert_eq!(tool.count(), 3);
    assert_eq!(gate.metric("toolgate_reserved_calls", "").await, 0.0);
}

#[tokio::test]
async fn markup_in_arguments_is_shown_as_text_and_only_to_those_who_decide() {
    let tool = Tool::start().await;
    let gate = Setup::before(&tool)
        .policy(REFUNDS)
        .top("admin_tokens: { read: \"${file:read.txt}\", write: \"${file:write.txt}\" }")
        .file("read.txt", "read-token-of-32-characters-....")
        .file("write.txt", "write-token-of-32-characters-...")
        .start()
        .await;
    let body = r#"{"amount":900,"note":"<script>alert(1)</script>"}"#;
    pending(&refund(&gate, "r", body).await);
    let list = async |token: &str| {
        let mut asked = crate::harness::get("/v1/approvals");
        let headers = asked.headers_mut();
        headers.insert("host", "localhost".parse().expect("a host"));
        headers.insert("authorization", format!("Bearer {token}").parse().expect("a token"));
        Connection::open(gate.admin_address()).await.send(asked).await
    };
    let seen = list("write-token-of-32-characters-...").await;
    assert!(!String::from_utf8_lossy(&seen.body).contains('<'));
    assert_eq!(seen.json()["approvals"][0]["call"]["body"], body);
    let seen = list("read-token-of-32-characters-....").await;
    assert_eq!(seen.json()["approvals"][0]["status"], "pending");
    assert!(!String::from_utf8_lossy(&seen.body).contains("script"), "not to readers");
    assert!(!gate.everything_said().await.contains("alert(1)"));
}

#[tokio::test]
async fn requests_beyond_the_bound_of_a_run_fail_closed() {
    let (tool, gate) = gate_with(REFUNDS).await;
    let mut connection = Connection::open(gate.address).await;
    for amount in 1_000..1_032 {
        let body = format!(r#"{{"amount":{amount}}}"#);
        pending(&connection.send(refund_request("r", &body)).await);
    }
    let answer = connection.send(refund_request("r", r#"{"amount":9999}"#)).await;
    let problem = answer.json();
    assert_eq!((answer.status.as_u16(), &problem["approval"]), (403, &Value::Null));
    assert_eq!(problem["stop_reason"], "approval_required");
    pending(&connection.send(refund_request("other", r#"{"amount":9999}"#)).await);
    assert_eq!(tool.count(), 0);
}

#[tokio::test]
async fn a_call_that_never_reached_the_tool_keeps_its_approval() {
    let tool = Tool::start().await;
    let nobody = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let address = nobody.local_addr().expect("an address");
    drop(nobody);
    drop(tool);
    let gate = Setup::at(&format!("http://{address}")).policy(REFUNDS).start().await;
    let id = pending(&refund(&gate, "r", r#"{"amount":900}"#).await);
    assert_eq!(decide(&gate, &id, "approve").await.status, 200);
    for _ in 0..3 {
        assert_eq!(refund(&gate, "r", r#"{"amount":900}"#).await.status, 502, "it may be tried");
    }
    let shown = gate.operate(Method::GET, &format!("/v1/approvals/{id}"), None).await.json();
    assert_eq!(shown["status"], "approved");
}
