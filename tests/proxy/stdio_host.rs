//! A command as an in-process streamable-HTTP service, met directly: what reaches its child, what
//! comes back, and what is left when it is gone.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use toolgate::stdio::{Host, Inherit, Spec};

use crate::harness::{soon, until};

const SERVER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/stdio_server.py");
const VERSION: &str = "2025-11-25";
const STATELESS: &str = "2026-07-28";

fn spec(command: &[&str]) -> Spec {
    Spec {
        name: "scripted".into(),
        command: command.iter().map(|word| (*word).to_owned()).collect(),
        env: vec![("GIVEN".to_owned(), "yes".to_owned().into())],
        cwd: None,
        inherit: Inherit::Usual,
    }
}

fn scripted() -> Arc<Host> {
    Host::new(spec(&["python3", SERVER]))
}

/// One exchange whose answer's body has not been read.
async fn open(
    host: &Arc<Host>,
    method: Method,
    headers: &[(&str, &str)],
    body: String,
) -> Response<Incoming> {
    let stream = TokioIo::new(host.connect());
    let (mut sender, connection) = http1::handshake(stream).await.expect("it is spoken to");
    tokio::spawn(connection);
    let mut request = Request::builder().method(method).uri("/mcp").header("host", "localhost");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(Bytes::from(body))).expect("a request");
    soon("an answer's head", sender.send_request(request)).await.expect("an answer")
}

async fn exchange(
    host: &Arc<Host>,
    method: Method,
    headers: &[(&str, &str)],
    body: String,
) -> (StatusCode, HeaderMap, String) {
    let (parts, body) = open(host, method, headers, body).await.into_parts();
    let text = soon("an answer's end", body.collect()).await.map(|body| body.to_bytes());
    let text = text
        .map_or_else(|_| "BROKEN".to_owned(), |text| String::from_utf8_lossy(&text).into_owned());
    (parts.status, parts.headers, text)
}

/// A client's session.
struct Session {
    host: Arc<Host>,
    id: String,
}

impl Session {
    async fn begin(host: &Arc<Host>) -> Self {
        let params = json!({ "protocolVersion": VERSION, "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } });
        let message =
            json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params });
        let (status, headers, body) = exchange(host, Method::POST, &[], message.to_string()).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        let id = headers["mcp-session-id"].to_str().expect("text").to_owned();
        let session = Self { host: Arc::clone(host), id };
        let (status, _, body) = session
            .post(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }).to_string())
            .await;
        assert_eq!((status, body.as_str()), (StatusCode::ACCEPTED, ""));
        session
    }

    fn headers(&self) -> [(&str, &str); 2] {
        [("mcp-session-id", &self.id), ("mcp-protocol-version", VERSION)]
    }

    async fn post(&self, text: &str) -> (StatusCode, HeaderMap, String) {
        exchange(&self.host, Method::POST, &self.headers(), text.to_owned()).await
    }

    async fn open(&self, text: String) -> Response<Incoming> {
        open(&self.host, Method::POST, &self.headers(), text).await
    }

    async fn listen(&self, after: Option<&str>) -> Response<Incoming> {
        let mut headers = self.headers().to_vec();
        headers.extend(after.map(|after| ("last-event-id", after)));
        open(&self.host, Method::GET, &headers, String::new()).await
    }

    async fn call(&self, tool: &str, arguments: Value) -> (StatusCode, HeaderMap, String) {
        self.post(&call("c", tool, arguments)).await
    }

    /// The text of a tool's answer, as JSON.
    async fn text(&self, tool: &str) -> Value {
        let (status, _, body) = self.call(tool, json!({})).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        let body: Value = serde_json::from_str(&body).expect("JSON");
        let text = body["result"]["content"][0]["text"].as_str().expect("a text");
        serde_json::from_str(text).expect("JSON")
    }
}

fn call(id: &str, tool: &str, arguments: Value) -> String {
    let params =
        json!({ "name": tool, "arguments": arguments, "_meta": { "progressToken": "tok" } });
    json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params }).to_string()
}

/// The messages of a stream of events.
fn messages(stream: &str) -> Vec<Value> {
    let lines = stream.lines().filter_map(|line| line.strip_prefix("data: "));
    lines.map(|data| serde_json::from_str(data).expect("JSON")).collect()
}

/// Reads a stream until it says `wanted`.
async fn read_until(body: &mut Incoming, wanted: &str) -> String {
    let mut text = String::new();
    while !text.contains(wanted) {
        let frame = soon(wanted, body.frame()).await.expect("more").expect("a frame");
        text.push_str(&String::from_utf8_lossy(frame.data_ref().map_or(&[][..], |data| &data[..])));
    }
    text
}

fn runs(pid: u64) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    // One that nobody has asked after yet is as good as gone.
    !status.is_empty() && !status.contains("State:\tZ")
}

#[tokio::test]
async fn an_id_goes_and_comes_as_it_was_and_all_other_bytes_too() {
    let session = Session::begin(&scripted()).await;
    for id in [r#""a\u0062c""#, "7", "18446744073709551615", r#""7""#] {
        let request = format!(
            "{{\"jsonrpc\":\"2.0\",\n \"id\" :{id}, \"method\":\"tools/call\",\r\n\"params\":{{\"name\":\"raw\"}}}}"
        );
        let (status, headers, body) = session.post(&request).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(headers["content-type"], "application/json");
        let expected = format!(
            r#"{{ "result":{{"content":[],"n":1.50, "s":"\u0041"}} ,"id" : {id},"jsonrpc":"2.0"}}"#
        );
        assert_eq!(body, expected);
    }
    let arguments = json!({ "b": 1, "a": [null, "é\n"] });
    let (_, _, body) = session.call("echo", arguments.clone()).await;
    let body: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(body["result"]["structuredContent"], arguments);
}

#[tokio::test]
async fn progress_goes_before_the_answer_under_the_clients_own_token() {
    let session = Session::begin(&scripted()).await;
    let (status, headers, body) = session.call("progress", json!({ "steps": 3 })).await;
    assert_eq!(
        (status, &headers["content-type"]),
        (StatusCode::OK, &"text/event-stream".parse().expect("a value"))
    );
    let messages = messages(&body);
    assert_eq!(messages.len(), 4, "{body}");
    for (step, message) in messages[..3].iter().enumerate() {
        assert_eq!(message["params"]["progressToken"], "tok");
        assert_eq!(message["params"]["progress"], step);
    }
    assert_eq!(messages[3]["id"], "c");
    assert_eq!(messages[3]["result"]["content"][0]["text"], "done");
}

#[tokio::test]
async fn a_question_of_the_server_is_heard_with_and_without_a_stream_for_it() {
    let session = Session::begin(&scripted()).await;
    let answer =
        json!({ "jsonrpc": "2.0", "id": "s1", "result": { "role": "assistant" } }).to_string();
    // Without one it comes along with the answer that it is asked for.
    let mut asked = session.open(call("c", "ask", json!({}))).await.into_body();
    assert!(read_until(&mut asked, "sampling/createMessage").await.contains("\"s1\""));
    assert_eq!(session.post(&answer).await.0, StatusCode::ACCEPTED);
    assert!(read_until(&mut asked, "assistant").await.contains("\"c\""));

    let session = Session::begin(&session.host).await;
    let mut stream = session.listen(None).await.into_body();
    let (_, (status, _, body)) = tokio::join!(
        async {
            read_until(&mut stream, "sampling/createMessage").await;
            session.post(&answer).await
        },
        session.call("ask", json!({}))
    );
    assert_eq!(status, StatusCode::OK);
    assert!(body.contains("assistant"), "{body}");
}

#[tokio::test]
async fn what_the_server_says_unasked_waits_for_the_stream_and_can_be_heard_again() {
    let session = Session::begin(&scripted()).await;
    session.call("change", json!({})).await;
    let mut stream = session.listen(None).await.into_body();
    let first = read_until(&mut stream, "list_changed").await;
    assert!(first.contains("id: 1\n"), "{first}");
    session.call("change", json!({})).await;
    assert!(read_until(&mut stream, "list_changed").await.contains("id: 2\n"));
    // A new stream takes over; what it has seen it says itself.
    let mut again = session.listen(Some("1")).await.into_body();
    assert!(read_until(&mut again, "list_changed").await.contains("id: 2\n"));
    assert!(soon("the end", stream.frame()).await.is_none(), "the older stream has ended");
}

#[tokio::test]
async fn a_web_page_of_elsewhere_is_turned_away() {
    let host = scripted();
    let evil = [("origin", "http://evil.example"), ("mcp-protocol-version", STATELESS)];
    for method in [Method::POST, Method::GET, Method::DELETE] {
        let (status, ..) = exchange(&host, method, &evil, call("1", "echo", json!({}))).await;
        assert_eq!(status, StatusCode::FORBIDDEN);
    }
    assert_eq!(host.children(), 0, "nothing was started for it");
    let own = [("origin", "http://localhost:6274"), ("mcp-protocol-version", STATELESS)];
    let (status, ..) = exchange(&host, Method::POST, &own, call("1", "echo", json!({}))).await;
    assert_eq!(status, StatusCode::OK);
    host.shutdown().await;
}

#[tokio::test]
async fn calling_off_reaches_the_child_under_its_id() {
    let session = Session::begin(&scripted()).await;
    let cancel = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": "c" } });
    // By a notification …
    let held = tokio::spawn({
        let (host, id) = (Arc::clone(&session.host), session.id.clone());
        async move { Session { host, id }.call("hang", json!({})).await }
    });
    until("the cancellation", async || {
        session.post(&cancel.to_string()).await;
        (session.text("cancelled").await == json!([1, true])).then_some(())
    })
    .await;
    // … and by hanging up, also before there is any answer.
    held.abort();
    until("another", async || (session.text("cancelled").await == json!([2, true])).then_some(()))
        .await;
    let nobody = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": "other" } });
    assert_eq!(session.post(&nobody.to_string()).await.0, StatusCode::ACCEPTED);
    assert_eq!(session.text("cancelled").await, json!([2, true]));
}

#[tokio::test]
async fn a_child_that_dies_fails_what_is_in_flight_and_ends_its_session() {
    let host = scripted();
    let session = Session::begin(&host).await;
    let mut progress = session.open(call("c", "progress", json!({ "steps": 2 }))).await.into_body();
    read_until(&mut progress, "done").await;
    let (status, _, body) = session.call("die", json!({})).await;
    assert_eq!(status, StatusCode::BAD_GATEWAY);
    let error: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!((&error["id"], &error["error"]["code"]), (&json!("c"), &json!(-32603)));
    assert_eq!(session.call("echo", json!({})).await.0, StatusCode::NOT_FOUND);
    assert_eq!(host.children(), 0);
    // The next one is served by a new child.
    let session = Session::begin(&host).await;
    assert_eq!(session.call("echo", json!({})).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_stream_whose_child_is_killed_breaks_off() {
    let session = Session::begin(&scripted()).await;
    let pids = session.text("spawn").await;
    let mut asked = session.open(call("c", "ask", json!({}))).await.into_body();
    read_until(&mut asked, "sampling").await;
    kill(pids[0].as_u64().expect("a pid"));
    let rest = soon("its end", async {
        loop {
            match asked.frame().await {
                Some(Ok(_)) => {}
                other => break other,
            }
        }
    })
    .await;
    assert!(rest.is_some_and(|frame| frame.is_err()), "the end was not that of an answer");
    let orphan = pids[1].as_u64().expect("a pid");
    until("the child's child to be gone", async || (!runs(orphan)).then_some(())).await;
}

fn kill(pid: u64) {
    let killed = std::process::Command::new("kill").args(["-9", &pid.to_string()]).status();
    assert!(killed.expect("kill runs").success());
}

#[tokio::test]
async fn nothing_is_left_of_sessions_that_are_ended_or_whose_host_is() {
    let host = scripted();
    let (one, two, three) =
        (Session::begin(&host).await, Session::begin(&host).await, Session::begin(&host).await);
    let mut pids = Vec::new();
    for session in [&one, &two, &three] {
        let pair = session.text("spawn").await;
        pids.extend(pair.as_array().expect("two").iter().filter_map(Value::as_u64));
    }
    assert!(pids.iter().all(|pid| runs(*pid)) && pids.len() == 6);
    let (status, _, _) = exchange(&host, Method::DELETE, &one.headers(), String::new()).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    until("the first to be gone", async || pids[..2].iter().all(|pid| !runs(*pid)).then_some(()))
        .await;
    assert_eq!(one.call("echo", json!({})).await.0, StatusCode::NOT_FOUND);
    assert_eq!(two.call("echo", json!({})).await.0, StatusCode::OK);
    soon("all to be gone", host.shutdown()).await;
    assert!(pids.iter().all(|pid| !runs(*pid)), "{pids:?}");
}

#[tokio::test]
async fn what_is_no_message_is_dropped_and_the_answer_still_comes() {
    let session = Session::begin(&scripted()).await;
    let (status, _, body) = session.call("flood", json!({ "lines": 100 })).await;
    assert_eq!(status, StatusCode::OK);
    let messages = messages(&body);
    assert_eq!(messages.len(), 101);
    assert_eq!(messages[100]["result"]["content"][0]["text"], "flooded");
    let (status, _, _) = session.call("wide", json!({})).await;
    assert_eq!(
        status,
        StatusCode::BAD_GATEWAY,
        "an answer that two readers read differently is none"
    );
}

#[tokio::test]
async fn a_client_that_does_not_read_loses_its_answer_and_nobody_elses() {
    let session = Session::begin(&scripted()).await;
    let steps = json!({ "steps": 800, "bytes": 10_000 });
    let mut unread = session.open(call("c", "progress", steps)).await.into_body();
    until("the request to be called off", async || {
        let seen = session.text("cancelled").await;
        (seen[0] == 1).then_some(())
    })
    .await;
    let broken = soon("its end", async {
        loop {
            match unread.frame().await {
                Some(Ok(_)) => {}
                other => break other,
            }
        }
    })
    .await;
    assert!(broken.is_some_and(|frame| frame.is_err()));
}

#[tokio::test]
async fn requests_without_a_session_share_a_child_and_nothing_else() {
    let host = scripted();
    let post = async |id: u64, method: &str, params: Value| {
        let mut params = params;
        params["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!(STATELESS);
        params["_meta"]["progressToken"] = json!("same");
        let message = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        exchange(&host, Method::POST, &[("mcp-protocol-version", STATELESS)], message.to_string())
            .await
    };
    let tool = async |id, name: &str, arguments| {
        post(id, "tools/call", json!({ "name": name, "arguments": arguments })).await
    };
    let (slow, fast) = tokio::join!(
        tool(1, "slow", json!({ "ms": 300 })),
        tool(1, "progress", json!({ "steps": 2 }))
    );
    assert!(slow.2.contains("\"slow\"") && slow.0 == StatusCode::OK, "{}", slow.2);
    let fast = messages(&fast.2);
    assert_eq!(fast.len(), 3);
    assert_eq!(fast[0]["params"]["progressToken"], "same");
    assert_eq!(host.children(), 1);
    let (status, _, body) = post(2, "no/such", json!({})).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(body.contains("-32601"), "{body}");
    let (_, _, body) = post(77, "subscriptions/listen", json!({})).await;
    for message in messages(&body) {
        let home = if message.get("id").is_some() { "result" } else { "params" };
        assert_eq!(message[home]["_meta"]["io.modelcontextprotocol/subscriptionId"], 77, "{body}");
    }
    // Nobody can be asked.
    let (status, _, body) = tool(3, "ask", json!({})).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    assert!(!body.contains("sampling"), "{body}");
}

#[tokio::test]
async fn what_does_not_belong_to_a_session_or_to_the_protocol_is_refused() {
    let host = scripted();
    let session = Session::begin(&host).await;
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let none: &[(&str, &str)] = &[];
    let unknown: &[(&str, &str)] = &[("mcp-session-id", "0")];
    for (method, headers, body, expected) in [
        (Method::POST, none, ping, StatusCode::BAD_REQUEST),
        (Method::POST, unknown, ping, StatusCode::NOT_FOUND),
        (Method::GET, none, "", StatusCode::METHOD_NOT_ALLOWED),
        (Method::GET, unknown, "", StatusCode::NOT_FOUND),
        (Method::DELETE, unknown, "", StatusCode::NOT_FOUND),
        (Method::PUT, none, "", StatusCode::METHOD_NOT_ALLOWED),
    ] {
        let (status, _, said) = exchange(&host, method.clone(), headers, body.to_owned()).await;
        assert_eq!(status, expected, "{method} {headers:?}: {said}");
    }
    for text in [
        "",
        "[]",
        "{",
        r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#,
        r#"{"id":1,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#,
        r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#,
    ] {
        assert_eq!(session.post(text).await.0, StatusCode::BAD_REQUEST, "{text}");
    }
    assert_eq!(session.post(ping).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_child_has_what_the_config_gives_it_and_no_secrets_of_ours() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut given = spec(&["python3", SERVER]);
    given.cwd = Some(folder.path().to_owned());
    let seen = Session::begin(&Host::new(given)).await.text("env").await;
    let names: Vec<&str> =
        seen[0].as_array().expect("names").iter().filter_map(Value::as_str).collect();
    assert!(names.contains(&"PATH") && names.contains(&"GIVEN"));
    assert!(names.iter().all(|name| !name.starts_with("CARGO")), "{names:?}");
    assert_eq!(seen[1], "yes");
    let at = Path::new(seen[2].as_str().expect("a path"));
    assert_eq!(at.canonicalize().ok(), folder.path().canonicalize().ok());
}

#[tokio::test]
async fn a_command_that_cannot_be_started_is_said_to_be_so() {
    for command in [&["/no/such/program"][..], &["false"]] {
        let host = Host::new(spec(command));
        let initialize = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {} });
        for _ in 0..2 {
            let (status, headers, body) =
                exchange(&host, Method::POST, &[], initialize.to_string()).await;
            assert_eq!(status, StatusCode::BAD_GATEWAY, "{body}");
            assert!(headers.get("mcp-session-id").is_none());
        }
        assert_eq!(host.children(), 0);
    }
}

/// A client's `initialize`.
async fn begin(host: &Arc<Host>) -> Response<Incoming> {
    let message = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {} });
    open(host, Method::POST, &[], message.to_string()).await
}

#[tokio::test]
async fn children_that_are_starting_are_counted() {
    let folder = tempfile::tempdir().expect("a folder");
    let started = folder.path().join("started");
    let script = format!("echo x >> {}; exec sleep 1000", started.display());
    let host = Host::new(spec(&["sh", "-c", &script]));
    let mut asked = tokio::task::JoinSet::new();
    for _ in 0..70 {
        let host = Arc::clone(&host);
        asked.spawn(async move { begin(&host).await.status() });
    }
    let refused = soon("a refusal", asked.join_next()).await.expect("one").expect("it ends");
    assert_eq!(refused, StatusCode::SERVICE_UNAVAILABLE);
    let count = std::fs::read_to_string(&started).expect("some have started").lines().count();
    assert_eq!(count, 64);
    asked.shutdown().await;
    soon("all to be gone", host.shutdown()).await;
}

#[tokio::test]
async fn a_session_is_none_before_its_initialize_has_a_result() {
    let said = r#"{"jsonrpc":"2.0","method":"notifications/message","params":{}}"#;
    let script = format!("read line; echo '{said}'; exec sleep 1000");
    let host = Host::new(spec(&["sh", "-c", &script]));
    let begun = begin(&host).await;
    assert_eq!(begun.status(), StatusCode::OK);
    assert!(begun.headers().contains_key("mcp-session-id"));
    assert_eq!(host.children(), 1);
    drop(begun);
    until("the child to be let go", async || (host.children() == 0).then_some(())).await;
    soon("all to be gone", host.shutdown()).await;
}

#[tokio::test]
async fn a_child_that_has_ended_is_gone_whoever_holds_its_output() {
    let host = Host::new(spec(&["sh", "-c", "setsid sleep 100 & sleep 0.1; exit 0"]));
    let headers = [("mcp-protocol-version", STATELESS)];
    let (status, ..) = exchange(&host, Method::POST, &headers, call("1", "echo", json!({}))).await;
    assert_eq!(status, StatusCode::BAD_GATEWAY);
    assert_eq!(host.children(), 0);
    soon("all to be gone", host.shutdown()).await;
}
