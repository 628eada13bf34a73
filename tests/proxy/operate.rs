//! What operators do from a terminal, and what the admin side shows them.

use std::process::Stdio;

use http::Method;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::harness::{Gate, Setup, Tool, get, of_kind, post, request};

const REFUNDS: &str = "rules:\n- { id: big, tools: [svc.refund], when: args.amount > 500, then: \
    approve, message: Ask finance. }\n";

/// Exit code, standard output and standard error of a command in the gate's folder.
async fn toolgate(gate: &Gate, args: &[&str]) -> (i32, String, String) {
    let admin = format!("http://{}", gate.admin_address());
    let done = Command::new(env!("CARGO_BIN_EXE_toolgate"))
        .args(args)
        .args(["--admin", &admin])
        .current_dir(gate.folder())
        .env("NO_COLOR", "1")
        .env("USER", "ann")
        .env_remove("TOOLGATE_ADMIN_TOKEN")
        .stdin(Stdio::null())
        .output()
        .await
        .expect("it runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (done.status.code().expect("a code"), text(done.stdout), text(done.stderr))
}

async fn refund(gate: &Gate) -> u16 {
    let mut asked = post("/svc/refunds", &json!({ "amount": 900 }));
    asked.headers_mut().insert("toolgate-run-id", "r".parse().expect("an id"));
    gate.send(asked).await.status.as_u16()
}

#[tokio::test]
async fn approvals_and_kill_switches_work_from_a_terminal() {
    let tool = Tool::start().await;
    let gate = Setup::before(&tool).policy(REFUNDS).start().await;
    let (code, out, _) = toolgate(&gate, &["approvals"]).await;
    assert_eq!((code, &*out), (0, "nothing waits for approval\n"));
    assert_eq!(refund(&gate).await, 403);
    let (code, out, err) = toolgate(&gate, &["approvals", "list", "--output", "json"]).await;
    assert_eq!(code, 0, "{err}");
    let list: Value = serde_json::from_str(&out).expect("JSON");
    let id = list["approvals"][0]["id"].as_str().expect("an id").to_owned();
    let (_, out, _) = toolgate(&gate, &["approvals", "list"]).await;
    assert!(out.contains(&id) && out.contains(r#"{"amount":900}"#), "{out}");
    let (code, out, err) = toolgate(&gate, &["approvals", "approve", &id]).await;
    assert_eq!((code, out), (0, format!("{id} is approved\n")), "{err}");
    assert_eq!(refund(&gate).await, 200);
    let (code, _, err) = toolgate(&gate, &["approvals", "deny", &id]).await;
    assert_eq!(code, 1, "{err}");
    assert!(err.contains("has passed already"), "{err}");

    let (code, out, err) =
        toolgate(&gate, &["kill", "tool", "svc.get", "--reason", "odd answers"]).await;
    assert_eq!(code, 0, "{err}");
    assert!(out.starts_with("switched off kill_"), "{out}");
    assert!(out.ends_with("  1 tool of the config: svc.get\n"), "{out}");
    assert_eq!(gate.send(get("/svc/items/1")).await.status, 403);
    let (_, out, _) = toolgate(&gate, &["kill", "--list"]).await;
    assert!(out.contains("tool svc.get  by ann  odd answers"), "{out}");
    let id = out.split_whitespace().next().expect("an id").to_owned();
    let (code, _, err) = toolgate(&gate, &["kill", "--lift", &id]).await;
    assert_eq!(code, 0, "{err}");
    assert_eq!(gate.send(get("/svc/items/1")).await.status, 200);
    assert_eq!(toolgate(&gate, &["kill", "tool"]).await.0, 2, "a tool has a name");
    assert_eq!(toolgate(&gate, &["kill"]).await.0, 2);
    assert_eq!(toolgate(&gate, &["kill", "--lift", "kill_none"]).await.0, 1);
}

#[tokio::test]
async fn a_missing_token_and_a_missing_gate_have_codes_of_their_own() {
    let tool = Tool::start().await;
    let gate = Setup::before(&tool).start().await;
    std::fs::write(gate.folder().join(".toolgate/admin.token"), "wrong\n").expect("written");
    let (code, _, err) = toolgate(&gate, &["kill", "--list"]).await;
    assert_eq!(code, 2, "{err}");
    std::fs::remove_file(gate.folder().join(".toolgate/admin.token")).expect("removed");
    let (code, _, err) = toolgate(&gate, &["kill", "--list"]).await;
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("TOOLGATE_ADMIN_TOKEN"), "{err}");
    let gone = gate.admin_address();
    let folder = tempfile::tempdir().expect("a folder");
    let _ = gate.end().await;
    let done = Command::new(env!("CARGO_BIN_EXE_toolgate"))
        .args(["kill", "--list", "--admin", &format!("http://{gone}")])
        .current_dir(folder.path())
        .env("TOOLGATE_ADMIN_TOKEN", "some-token-of-16-bytes")
        .output()
        .await
        .expect("it runs");
    assert_eq!(done.status.code(), Some(3));
}

#[tokio::test]
async fn runs_policies_and_breakers_are_shown_and_a_run_can_be_stopped() {
    let tool = Tool::start().await;
    let gate = Setup::before(&tool).policy(REFUNDS).start().await;
    for run in ["one", "one", "two/2"] {
        let mut asked = get("/svc/items/1");
        asked.headers_mut().insert("toolgate-run-id", run.parse().expect("an id"));
        assert_eq!(gate.send(asked).await.status, 200);
    }
    let runs = gate.operate(Method::GET, "/v1/runs", None).await.json();
    assert_eq!((&runs["total"], &runs["runs"][0]["run_id"]), (&json!(2), &json!("two/2")));
    let run = gate.operate(Method::GET, "/v1/runs/one", None).await.json();
    assert_eq!((&run["usage"]["ok"], &run["run_id_source"]), (&json!(2), &json!("header")));
    assert_eq!(gate.operate(Method::GET, "/v1/runs/none", None).await.status, 404);

    let stop = json!({ "reason": "enough", "actor": "ann" });
    let path = "/v1/runs/two%2F2/stop";
    let stopped = gate.operate(Method::POST, path, Some(&stop)).await.json();
    assert_eq!(stopped["stop_reason"], "run_stopped");
    assert_eq!(gate.operate(Method::POST, path, Some(&stop)).await.status, 200, "once more");
    let stops = gate.stops(1).await;
    assert_eq!(
        (&stops[0]["run_id"], &stops[0]["stop_reason"]),
        (&json!("two/2"), &json!("run_stopped"))
    );
    let mut asked = get("/svc/items/1");
    asked.headers_mut().insert("toolgate-run-id", "two/2".parse().expect("an id"));
    assert_eq!(gate.send(asked).await.json()["stop_reason"], "run_stopped");

    let policies = gate.operate(Method::GET, "/v1/policies", None).await.json();
    let rule = json!({ "name": "p1/big", "mode": "enforce", "then": "approve",
        "fired": 0, "would_have": 0, "errors": 0 });
    assert_eq!(policies["rules"], json!([rule]));
    for path in ["/v1/budgets", "/v1/breakers", "/v1/unknown", "/v1/openapi.json"] {
        assert_eq!(gate.operate(Method::GET, path, None).await.status, 200, "{path}");
    }
    assert_eq!(gate.operate(Method::DELETE, "/v1/unknown/unk_1", None).await.status, 404);
    let events = of_kind(gate.end().await, "kill");
    assert_eq!(events.len(), 1, "one that was stopped before is not stopped again: {events:?}");
    assert_eq!(
        [&events[0]["detail"], &events[0]["actor"], &events[0]["run_id"]],
        [&json!("stopped run reason=enough"), &json!("ann"), &json!("two/2")]
    );
}

const WATCHED: &str = "
rules:
- { id: dropping, tools: [svc.drop], then: deny, message: No., mode: observe }
- { id: putting, tools: [svc.put], then: deny, message: No. }
limits:
- { id: spent, per: run, max: { cost_usd: 0.5 }, then: deny, message: No more. }
- { id: items, per: 'args.id', tools: [svc.get], max: { calls: 10 }, within: 1h, then: deny, message: No. }";

#[tokio::test]
async fn the_use_of_limits_and_what_rules_would_have_done_are_shown() {
    let tool = Tool::start().await;
    let tools = r#"[{ name: get, match: "GET /items/{id}", cost_usd: 0.2 },
        { name: put, match: "POST /items" }, { name: drop, match: "DELETE /items/{id}" }]"#;
    let gate = Setup::before(&tool).tools(tools).policy(WATCHED).start().await;
    let asked = |method, path: &str| {
        let mut asked = request(method, path, None);
        asked.headers_mut().insert("toolgate-run-id", "r".parse().expect("an id"));
        asked
    };
    for (method, path, status) in [
        (Method::GET, "/svc/items/7", 200),
        (Method::GET, "/svc/items/8", 200),
        (Method::GET, "/svc/items/8", 403),
        (Method::DELETE, "/svc/items/7", 200),
        (Method::DELETE, "/svc/items/8", 200),
        (Method::POST, "/svc/items", 403),
    ] {
        assert_eq!(gate.send(asked(method.clone(), path)).await.status, status, "{method} {path}");
    }
    let policies = gate.operate(Method::GET, "/v1/policies", None).await.json();
    let figures = |list: &Value| -> Vec<Value> {
        let rules = list.as_array().expect("a list").iter();
        rules.map(|rule| json!([rule["name"], rule["fired"], rule["would_have"]])).collect()
    };
    assert_eq!(
        figures(&policies["rules"]),
        [json!(["p1/dropping", 0, 2]), json!(["p1/putting", 1, 0])]
    );
    assert_eq!(figures(&policies["limits"])[1], json!(["p1/spent", 1, 0]));
    let shown = gate.operate(Method::GET, "/v1/budgets", None).await.json();
    let whole = |limit: &str, per: &str, key: &str, measure: &str, used: Value, max: Value| {
        let reserved = if max.is_f64() { json!(0.0) } else { json!(0) };
        json!({ "limit": limit, "per": per, "tenant": "", "key": key, "measure": measure,
            "used": used, "reserved": reserved, "max": max })
    };
    let mut items = [
        whole("p1/items", "key", "7", "calls", json!(1), json!(10)),
        whole("p1/items", "key", "8", "calls", json!(1), json!(10)),
    ];
    for item in &mut items {
        item["within_ms"] = json!(3_600_000);
    }
    let [first, second] = items;
    let spent = whole("p1/spent", "run", "r", "cost_usd", json!(0.4), json!(0.5));
    assert_eq!(shown, json!({ "budgets": [spent, first, second], "total": 3 }));
}

#[tokio::test]
async fn the_config_is_read_without_the_gates_secrets() {
    let tool = Tool::start().await;
    let gate = Setup::before(&tool).start().await;
    let folder = tempfile::tempdir().expect("a folder");
    let config = format!(
        "apiVersion: toolgate/v1\nkind: Config\nadmin: {}\nadmin_tokens: {{ read: \
         \"${{env:GATE_READ_TOKEN}}\", write: \"${{env:GATE_WRITE_TOKEN}}\" }}\nupstreams:\n  \
         svc: {{ http: \"http://127.0.0.1:9\", tools: [{{ name: get, match: GET /x }}] }}\n",
        gate.admin_address()
    );
    std::fs::write(folder.path().join("toolgate.yaml"), config).expect("written");
    let list = async |read: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_toolgate"));
        command.args(["kill", "--list"]).current_dir(folder.path());
        command.env("TOOLGATE_ADMIN_TOKEN", gate.admin_token()).stdin(Stdio::null());
        command.env("GATE_READ_TOKEN", read).env_remove("GATE_WRITE_TOKEN");
        let done = command.output().await.expect("it runs");
        (done.status.code(), String::from_utf8_lossy(&done.stderr).into_owned())
    };
    let (code, err) = list("").await;
    assert_eq!(code, Some(0), "{err}");
    let (code, err) = list("read-token-of-32-characters-....").await;
    assert_eq!(code, Some(0), "{err}");
    let (code, err) = list("too-short").await;
    assert_eq!(code, Some(2), "what is set is what is read: {err}");
}
