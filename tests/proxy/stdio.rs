//! Servers on standard input and output behind the gate: as an HTTP endpoint and as a wrapper, judged
//! and recorded like any other, and gone when they are not needed any more.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use http::{Method, Request, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::harness::{Answer, Connection, Gate, Setup, Tool, soon, until};

const SERVER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/stdio_server.py");
const VERSION: &str = "2025-11-25";

/// The scripted server as upstream `scripted`, with more keys of it.
fn upstream(more: &str) -> String {
    format!("  scripted: {{ mcp: {{ command: [python3, {SERVER}] }}, {more} }}\n")
}

const RULE: &str = "rules:\n- { id: no-thirteen, tools: [scripted.echo], when: 'args.n == 13', then: deny, message: No thirteen. }\n";

async fn gate(more: &str) -> Gate {
    let tool = Tool::start().await;
    Setup::before(&tool).other_upstream(&upstream(more)).policy(RULE).start().await
}

fn message(session: Option<&str>, method: Method, body: &Value) -> Request<Full<bytes::Bytes>> {
    let mut request = Request::builder()
        .method(method)
        .uri("/scripted/mcp")
        .header("host", "gate")
        .header("accept", "application/json, text/event-stream");
    if !body.is_null() {
        request = request.header("content-type", "application/json");
    }
    if let Some(session) = session {
        request = request.header("mcp-session-id", session).header("mcp-protocol-version", VERSION);
    }
    let body = if body.is_null() { String::new() } else { body.to_string() };
    request.body(Full::from(body)).expect("a request")
}

fn call(id: u64, tool: &str, arguments: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": { "name": tool, "arguments": arguments } })
}

fn initialize() -> Value {
    let client = json!({ "name": "t", "version": "1" });
    let params = json!({ "protocolVersion": VERSION, "capabilities": {}, "clientInfo": client });
    json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params })
}

async fn begin(gate: &Gate) -> String {
    let answer = gate.send(message(None, Method::POST, &initialize())).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    answer.header("mcp-session-id").expect("a session").to_owned()
}

async fn asked(gate: &Gate, session: &str, id: u64, tool: &str, arguments: Value) -> Answer {
    gate.send(message(Some(session), Method::POST, &call(id, tool, arguments))).await
}

fn said(answer: &Answer) -> String {
    String::from_utf8_lossy(&answer.body).into_owned()
}

/// The text of a tool's answer, as JSON.
async fn text(gate: &Gate, session: &str, id: u64, tool: &str) -> Value {
    let answer = asked(gate, session, id, tool, json!({})).await.json();
    read_text(&answer)
}

fn read_text(answer: &Value) -> Value {
    let text = answer["result"]["content"][0]["text"].as_str();
    serde_json::from_str(text.unwrap_or_else(|| panic!("{answer}"))).expect("JSON")
}

fn pids(value: &Value) -> Vec<u64> {
    value.as_array().expect("a list").iter().filter_map(Value::as_u64).collect()
}

/// Whether a process runs: one that nobody has asked after yet is as good as gone.
fn runs(pid: &u64) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    !status.is_empty() && !status.contains("State:\tZ")
}

async fn gone(pids: &[u64]) {
    until(&format!("{pids:?} to be gone"), async || (!pids.iter().any(runs)).then_some(())).await;
}

fn kill(signal: &str, pid: u64) {
    let killed = std::process::Command::new("kill").args([signal, &pid.to_string()]).status();
    assert!(killed.expect("kill runs").success());
}

/// Events of tool calls by tool.
fn of_tool(gate: &Gate, tool: &str) -> Vec<Value> {
    gate.events_now().into_iter().filter(|event| event["tool"] == tool).collect()
}

async fn one_of_tool(gate: &Gate, tool: &str) -> Value {
    until(&format!("an event of {tool}"), async || of_tool(gate, tool).into_iter().next()).await
}

#[tokio::test]
async fn a_command_is_an_endpoint_and_its_tools_are_judged_and_recorded() {
    let gate = gate("tags: [x]").await;
    let session = begin(&gate).await;
    let answer = asked(&gate, &session, 7, "echo", json!({ "n": 12 })).await;
    assert_eq!(answer.json()["result"]["structuredContent"], json!({ "n": 12 }));
    let answer = asked(&gate, &session, 8, "echo", json!({ "n": 13 })).await;
    let answer = answer.json();
    assert_eq!((&answer["id"], &answer["result"]["isError"]), (&json!(8), &json!(true)));
    let answer = asked(&gate, &session, 9, "raw", json!({})).await;
    let expected =
        br#"{ "result":{"content":[],"n":1.50, "s":"\u0041"} ,"id" : 9,"jsonrpc":"2.0"}"#;
    assert_eq!(answer.body, &expected[..]);
    let status: Vec<Value> =
        of_tool(&gate, "scripted.echo").iter().map(|event| event["status"].clone()).collect();
    assert_eq!(status, ["ok", "denied"]);
    let spawned = pids(&text(&gate, &session, 10, "spawn").await);
    let ended = gate.send(message(Some(&session), Method::DELETE, &Value::Null)).await;
    assert!(ended.status.is_success(), "{ended:?}");
    gone(&spawned).await;
    assert_eq!(
        asked(&gate, &session, 11, "echo", json!({ "n": 1 })).await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn a_child_that_never_answers_is_called_off_and_the_outcome_is_unknown() {
    let gate = gate("tools: [{ name: hang, timeout: 500ms }]").await;
    let session = begin(&gate).await;
    let answer = asked(&gate, &session, 1, "hang", json!({})).await;
    assert!(!said(&answer).contains("\"result\":{\"content\":[]"), "{answer:?}");
    let event = one_of_tool(&gate, "scripted.hang").await;
    assert_eq!((&event["status"], &event["error_class"]), (&json!("unknown"), &json!("timeout")));
    until("the cancellation", async || {
        (text(&gate, &session, 2, "cancelled").await == json!([1, true])).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_child_that_is_killed_during_a_call_is_the_tools_failure() {
    let gate = gate("tags: [x]").await;
    let session = begin(&gate).await;
    let spawned = pids(&text(&gate, &session, 1, "spawn").await);
    let (answer, ()) = tokio::join!(asked(&gate, &session, 2, "hang", json!({})), async {
        gate.metric_becomes("toolgate_in_flight", 1.0).await;
        kill("-9", spawned[0]);
    });
    assert!(said(&answer).contains("\"id\":2"), "{answer:?}");
    let event = one_of_tool(&gate, "scripted.hang").await;
    assert_ne!(event["status"], "ok", "{event}");
    assert_eq!(event["http_status"], 502, "{event}");
    gone(&spawned).await;
    assert_eq!(
        asked(&gate, &session, 3, "echo", json!({ "n": 1 })).await.status,
        StatusCode::NOT_FOUND
    );
    let session = begin(&gate).await;
    assert_eq!(asked(&gate, &session, 4, "echo", json!({ "n": 1 })).await.status, StatusCode::OK);
    // One that dies by itself breaks a stream off that has begun.
    assert_ne!(
        asked(&gate, &session, 5, "die", json!({})).await.json()["result"]["isError"],
        false
    );
}

#[tokio::test]
async fn a_client_that_vanishes_calls_its_request_off() {
    let gate = gate("tags: [x]").await;
    let session = begin(&gate).await;
    {
        let mut connection = Connection::open(gate.address).await;
        let hang = message(Some(&session), Method::POST, &call(1, "hang", json!({})));
        let begun =
            tokio::time::timeout(std::time::Duration::from_millis(300), connection.begin(hang))
                .await;
        assert!(begun.is_err(), "it does not answer");
    }
    until("the cancellation", async || {
        (text(&gate, &session, 2, "cancelled").await == json!([1, true])).then_some(())
    })
    .await;
    // A write that was sent and not answered: nobody knows.
    assert_eq!(one_of_tool(&gate, "scripted.hang").await["error_class"], "cancelled");
}

#[tokio::test]
async fn a_flood_is_bounded_and_the_answer_still_comes() {
    let gate = gate("tags: [x]").await;
    let session = begin(&gate).await;
    let answer = asked(&gate, &session, 1, "flood", json!({ "lines": 2000 })).await;
    let text = said(&answer);
    assert_eq!(text.matches("notifications/message").count(), 2000);
    assert!(text.contains("flooded") && !text.contains("999999"));
    assert_eq!(gate.stdout(), "");
}

#[tokio::test]
async fn nothing_is_left_when_the_gate_ends_also_with_streams_open() {
    let mut gate = gate("tags: [x]").await;
    let (one, two) = (begin(&gate).await, begin(&gate).await);
    let mut spawned = pids(&text(&gate, &one, 1, "spawn").await);
    spawned.extend(pids(&text(&gate, &two, 1, "spawn").await));
    let mut connection = Connection::open(gate.address).await;
    let stream =
        connection.begin(message(Some(&one), Method::GET, &Value::Null)).await.expect("a stream");
    assert_eq!(stream.status(), StatusCode::OK);
    gate.terminate();
    assert!(gate.ended().await.success(), "{}", gate.stderr());
    assert!(!spawned.iter().any(runs), "{spawned:?}");
    drop(stream);
}

#[tokio::test]
async fn children_are_kept_across_reloads_that_do_not_touch_them() {
    let gate = gate("tags: [x]").await;
    let session = begin(&gate).await;
    let spawned = pids(&text(&gate, &session, 1, "spawn").await);
    let config = gate.read("toolgate.yaml");
    gate.replace("toolgate.yaml", &config.replace("tags: [x]", "tags: [x, y]"));
    gate.signal("HUP");
    until("the reload", async || gate.stderr().contains("reloaded").then_some(())).await;
    assert_eq!(asked(&gate, &session, 2, "echo", json!({ "n": 1 })).await.status, StatusCode::OK);
    assert!(spawned.iter().all(runs));
    gate.replace("toolgate.yaml", &config.replace("command: [python3,", "command: [python3, -u,"));
    gate.signal("HUP");
    gone(&spawned).await;
    let answer = asked(&gate, &session, 3, "echo", json!({ "n": 1 })).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND, "{answer:?}");
    let session = begin(&gate).await;
    assert_eq!(asked(&gate, &session, 4, "echo", json!({ "n": 1 })).await.status, StatusCode::OK);
}

/// A client that starts the wrapper, as desktop clients do.
struct Wrapped {
    child: Child,
    input: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    folder: TempDir,
}

impl Wrapped {
    fn start(config: Option<&str>, command: bool) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        if let Some(config) = config {
            let head = "apiVersion: toolgate/v1\nkind: Config\n";
            let write = |name: &str, text: &str| {
                std::fs::write(folder.path().join(name), text).expect("written")
            };
            write("toolgate.yaml", &format!("{head}{config}"));
            let head =
                "apiVersion: toolgate/v1\nkind: Policy\nmetadata: { name: p }\nmode: enforce\n";
            write("p.yaml", &format!("{head}{RULE}"));
        }
        let mut wrapper = Command::new(env!("CARGO_BIN_EXE_toolgate"));
        wrapper.args(["exec", "--mcp", "scripted"]).current_dir(folder.path()).kill_on_drop(true);
        if command {
            wrapper.args(["--", "python3", SERVER]);
        }
        wrapper.env("GIVEN", "by the client").env("TOOLGATE_ADMIN_TOKEN", "secret");
        let stderr = std::fs::File::create(folder.path().join("stderr")).expect("a file");
        wrapper.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(stderr);
        let mut child = wrapper.spawn().expect("it starts");
        let (input, output) =
            (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
        Self { child, input, lines: BufReader::new(output).lines(), folder }
    }

    async fn ask(&mut self, message: &Value) -> Value {
        self.input.write_all(format!("{message}\n").as_bytes()).await.expect("it reads");
        let line = soon("an answer", self.lines.next_line()).await.expect("it writes");
        serde_json::from_str(&line.unwrap_or_else(|| panic!("it ended: {}", self.stderr())))
            .expect("a message")
    }

    fn stderr(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("stderr")).expect("a file")
    }

    fn pid(&self) -> u64 {
        self.child.id().expect("it runs").into()
    }
}

#[tokio::test]
async fn a_wrapped_server_is_judged_by_the_config_and_ends_with_its_client() {
    let config = "record: { events: ./events.jsonl }\npolicies: [./p.yaml]\nupstreams: { other: { http: \"http://localhost:1\", tools: [{ name: a, match: GET /a }] } }\n";
    let mut client = Wrapped::start(Some(config), true);
    assert_eq!(client.ask(&initialize()).await["result"]["protocolVersion"], VERSION);
    assert_eq!(
        client.ask(&call(1, "echo", json!({ "n": 12 }))).await["result"]["structuredContent"]["n"],
        12
    );
    assert_eq!(client.ask(&call(2, "echo", json!({ "n": 13 }))).await["result"]["isError"], true);
    let seen = read_text(&client.ask(&call(3, "env", json!({}))).await);
    assert_eq!(seen[1], "by the client");
    assert!(!seen[0].to_string().contains("TOOLGATE_"), "{seen}");
    let spawned = pids(&read_text(&client.ask(&call(4, "spawn", json!({}))).await));
    assert!(spawned.iter().all(runs) && spawned.len() == 2);
    client.input.shutdown().await.expect("it is closed");
    drop(client.input);
    assert_eq!(
        soon("the end", client.lines.next_line()).await.expect("it is read"),
        None,
        "messages and nothing else"
    );
    assert!(soon("the end", client.child.wait()).await.expect("a status").success());
    assert!(!spawned.iter().any(runs));
    let said = std::fs::read_to_string(client.folder.path().join("stderr")).expect("a file");
    assert!(said.contains(": 3 calls, 0 failed, 1 denied, "), "{said}");
    let events =
        std::fs::read_to_string(client.folder.path().join("events.jsonl")).expect("events");
    let runs: std::collections::HashSet<String> = events
        .lines()
        .map(|line| {
            let event: Value = serde_json::from_str(line).expect("JSON");
            event["run_id"].to_string()
        })
        .collect();
    assert_eq!(runs.len(), 1, "{events}");
}

#[tokio::test]
async fn a_wrapper_needs_no_config_and_leaves_nothing_however_it_ends() {
    for signal in ["-TERM", "-INT", "-KILL"] {
        let mut client = Wrapped::start(None, true);
        client.ask(&initialize()).await;
        let mut spawned = pids(&read_text(&client.ask(&call(4, "spawn", json!({}))).await));
        if signal == "-KILL" {
            // Nobody is left to end what the server has started itself; the server ends with its input.
            kill("-9", spawned[1]);
            spawned.truncate(1);
        }
        kill(signal, client.pid());
        soon("the end", client.child.wait()).await.expect("a status");
        gone(&spawned).await;
    }
    let mut client = Wrapped::start(None, true);
    client.ask(&initialize()).await;
    assert!(
        client.ask(&call(1, "die", json!({}))).await["error"].is_object()
            || client.stderr().is_empty()
    );
    client.ask(&call(2, "echo", json!({ "n": 1 }))).await;
    let status = soon("the end", client.child.wait()).await.expect("a status");
    assert_eq!(status.code(), Some(3), "{}", client.stderr());
}

#[tokio::test]
async fn two_wrappers_share_a_config_also_where_runs_are_vouched_for() {
    let server = json!(SERVER);
    let config = format!(
        "admin: 127.0.0.1:0\nruns: {{ require_token: true }}\npolicies: [./p.yaml]\nupstreams: {{ scripted: {{ mcp: {{ command: [python3, {server}], env: {{ GIVEN: config }} }} }} }}\n"
    );
    let (mut one, mut two) =
        (Wrapped::start(Some(&config), false), Wrapped::start(Some(&config), false));
    for client in [&mut one, &mut two] {
        client.ask(&initialize()).await;
        assert_eq!(read_text(&client.ask(&call(3, "env", json!({}))).await)[1], "config");
        assert_eq!(
            client.ask(&call(2, "echo", json!({ "n": 13 }))).await["result"]["isError"],
            true
        );
    }
}

#[tokio::test]
async fn requests_that_stand_alone_say_in_headers_what_their_revision_asks_for() {
    let mut client = Wrapped::start(None, true);
    let meta = json!({ "io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {} });
    let ask = |id: u64, method: &str, params: Value| {
        let mut params = params;
        params["_meta"] = meta.clone();
        json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
    };
    let tools = client.ask(&ask(1, "tools/list", json!({}))).await;
    assert!(
        tools["result"]["tools"]
            .as_array()
            .expect("tools")
            .iter()
            .any(|tool| tool["name"] == "mirror")
    );
    for region in ["eu-west", "münchen"] {
        let params = json!({ "name": "mirror", "arguments": { "region": region } });
        let answer = client.ask(&ask(2, "tools/call", params)).await;
        assert_eq!(answer["result"]["structuredContent"]["region"], region, "{answer}");
    }
}

#[tokio::test]
async fn a_program_finds_the_servers_of_its_config() {
    let folder = tempfile::tempdir().expect("a folder");
    let write =
        |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("written");
    let head = "apiVersion: toolgate/v1\nkind: Config\nupstreams:\n";
    write("toolgate.yaml", &format!("{head}{}", upstream("tags: [x]")));
    let script: PathBuf =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/stdio_agent.py");
    let ran = Command::new(env!("CARGO_BIN_EXE_toolgate"))
        .args(["exec", "--", "python3"])
        .arg(script)
        .current_dir(folder.path())
        .output();
    let ran = soon("the program's end", ran).await.expect("it runs");
    let (out, err) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{out}{err}");
    let spawned = pids(&serde_json::from_str(out.trim()).expect("JSON"));
    assert!(spawned.len() == 2 && !spawned.iter().any(runs), "{spawned:?}");
    assert!(err.contains(": 1 call, 0 failed, 0 denied, "), "{err}");
}

#[tokio::test]
async fn what_a_child_says_on_standard_error_is_logged_when_that_is_asked_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut wrapper = Command::new(env!("CARGO_BIN_EXE_toolgate"));
    wrapper.args(["exec", "--mcp", "scripted", "--", "python3", SERVER]).current_dir(folder.path());
    wrapper
        .env("RUST_LOG", "toolgate=debug")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = wrapper.spawn().expect("it starts");
    let mut input = child.stdin.take().expect("piped");
    input.write_all(format!("{}\n", initialize()).as_bytes()).await.expect("it reads");
    drop(input);
    let ended = soon("the end", child.wait_with_output()).await.expect("it ends");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(said.contains("the server has begun") && said.contains("scripted"), "{said}");
    assert_eq!(String::from_utf8_lossy(&ended.stdout).lines().count(), 1);
}
