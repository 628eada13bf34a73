//! A client on a pipe in front of a server on a pipe, with HTTP in memory between the two: what the
//! client says arrives, what it hears are messages and nothing else.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::io::{
    AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, Lines, ReadHalf, WriteHalf,
};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use toolgate::stdio::{Dial, Ended, Endpoint, Front, Host, Inherit, Spec};

use crate::harness::soon;

const SERVER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/stdio_server.py");

struct Client {
    host: Arc<Host>,
    lines: Lines<BufReader<ReadHalf<DuplexStream>>>,
    input: WriteHalf<DuplexStream>,
    ended: JoinHandle<Ended>,
    _stop: watch::Sender<bool>,
}

impl Client {
    fn new() -> Self {
        let host = Host::new(Spec {
            name: "scripted".into(),
            command: vec!["python3".to_owned(), SERVER.to_owned()],
            env: Vec::new(),
            cwd: None,
            inherit: Inherit::Usual,
        });
        let dialled = Arc::clone(&host);
        let dial: Dial = Arc::new(move || dialled.connect());
        let endpoint = Endpoint { dial, path: "/mcp", headers: Vec::new() };
        let (ours, theirs) = tokio::io::duplex(1024 * 1024);
        let (read, write) = tokio::io::split(theirs);
        let (stop, stopped) = watch::channel(false);
        let ended = tokio::spawn(Front::serve(endpoint, read, write, stopped));
        let (read, input) = tokio::io::split(ours);
        Self { host, lines: BufReader::new(read).lines(), input, ended, _stop: stop }
    }

    async fn say(&mut self, text: &str) {
        self.input.write_all(format!("{text}\n").as_bytes()).await.expect("it is read");
    }

    async fn ask(&mut self, id: Value, method: &str, params: Value) {
        let message = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        self.say(&message.to_string()).await;
    }

    async fn call(&mut self, id: Value, tool: &str, arguments: Value) {
        let params =
            json!({ "name": tool, "arguments": arguments, "_meta": { "progressToken": 5 } });
        self.ask(id, "tools/call", params).await;
    }

    async fn hear(&mut self) -> Value {
        let line = soon("a line", self.lines.next_line()).await.expect("it is written");
        serde_json::from_str(&line.expect("more")).expect("a message")
    }

    async fn begin(&mut self) {
        let params = json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } });
        self.ask(json!(0), "initialize", params).await;
        assert_eq!(self.hear().await["result"]["protocolVersion"], "2025-06-18");
        self.say(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await;
    }
}

#[tokio::test]
async fn requests_go_at_once_and_answers_come_as_they_are_ready() {
    let mut client = Client::new();
    client.begin().await;
    client.call(json!("slow"), "slow", json!({ "ms": 500 })).await;
    client.call(json!("fast"), "progress", json!({ "steps": 2 })).await;
    let mut seen = Vec::new();
    for _ in 0..4 {
        let heard = client.hear().await;
        seen.push(
            heard.get("id").cloned().unwrap_or_else(|| heard["params"]["progressToken"].clone()),
        );
    }
    assert_eq!(seen, [json!(5), json!(5), json!("fast"), json!("slow")]);
    // What the server says of itself comes by its own stream.
    client.call(json!(2), "change", json!({})).await;
    let (one, two) = (client.hear().await, client.hear().await);
    assert!([&one, &two].iter().any(|heard| heard["method"] == "notifications/tools/list_changed"));
    // And so do its questions, which the client answers.
    client.call(json!(3), "ask", json!({})).await;
    assert_eq!(client.hear().await["method"], "sampling/createMessage");
    client.say(r#"{"jsonrpc":"2.0","id":"s1","result":{"role":"assistant"}}"#).await;
    assert_eq!(client.hear().await["id"], 3);
    assert_eq!(client.host.children(), 1);
}

#[tokio::test]
async fn a_client_that_closes_its_end_gets_its_answers_and_leaves_nothing() {
    let mut client = Client::new();
    client.begin().await;
    client.call(json!(1), "slow", json!({ "ms": 300 })).await;
    client.input.shutdown().await.expect("it is closed");
    assert_eq!(client.hear().await["id"], 1);
    assert_eq!(soon("the end", &mut client.ended).await.expect("no panic"), Ended::Closed);
    assert_eq!(client.lines.next_line().await.expect("it is read"), None);
    crate::harness::until("the child to be gone", async || {
        (client.host.children() == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_session_that_is_lost_is_an_error_and_the_end() {
    let mut client = Client::new();
    client.begin().await;
    client.call(json!(1), "die", json!({})).await;
    let failed = client.hear().await;
    assert_eq!((&failed["id"], &failed["error"]["code"]), (&json!(1), &json!(-32603)));
    client.call(json!(2), "echo", json!({})).await;
    let failed = client.hear().await;
    assert_eq!(failed["id"], 2);
    assert!(failed["error"]["message"].as_str().expect("a text").contains("session"), "{failed}");
    assert_eq!(soon("the end", &mut client.ended).await.expect("no panic"), Ended::SessionLost);
}

#[tokio::test]
async fn requests_that_stand_alone_need_no_session_and_are_called_off_by_their_id() {
    let mut client = Client::new();
    let meta = json!({ "io.modelcontextprotocol/protocolVersion": "2026-07-28" });
    client.ask(json!("d"), "server/discover", json!({ "_meta": meta })).await;
    assert_eq!(client.hear().await["result"]["supportedVersions"][0], "2026-07-28");
    let call = async |client: &mut Client, id: i64, tool: &str| {
        client
            .ask(json!(id), "tools/call", json!({ "name": tool, "arguments": {}, "_meta": meta }))
            .await;
    };
    call(&mut client, 1, "hang").await;
    call(&mut client, 2, "cancelled").await;
    assert_eq!(client.hear().await["result"]["content"][0]["text"], "[0, true]");
    let cancelled = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 1, "_meta": meta } });
    client.say(&cancelled.to_string()).await;
    let text = crate::harness::until("the cancellation", async || {
        call(&mut client, 3, "cancelled").await;
        let text = client.hear().await["result"]["content"][0]["text"].clone();
        (text != "[0, true]").then_some(text)
    })
    .await;
    assert_eq!(text, "[1, true]");
    call(&mut client, 4, "no such").await;
    assert_eq!(client.hear().await["error"]["code"], -32602);
}

#[tokio::test]
async fn lines_that_are_no_messages_are_answered_and_passed_over() {
    let mut client = Client::new();
    for (line, code) in [
        ("nonsense", -32700),
        ("[]", -32600),
        (r#"{"jsonrpc":"2.0","id":1,"id":1,"method":"ping"}"#, -32700),
    ] {
        client.say(line).await;
        let heard = client.hear().await;
        assert_eq!((&heard["error"]["code"], &heard["id"]), (&json!(code), &Value::Null), "{line}");
    }
    client.say("").await;
    client.begin().await;
    client.ask(json!(9), "ping", json!({})).await;
    assert_eq!(client.hear().await, json!({ "jsonrpc": "2.0", "id": 9, "result": {} }));
}
