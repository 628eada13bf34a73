//! An agent that makes the same call over each transport, and what it hears.

use std::collections::HashMap;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::{Map, Value, json};
use tokio::io::DuplexStream;

use crate::stage::Transport;

const VERSION: &str = "2025-11-25";

/// What the agent hears of one call, in whichever words, what the tool got, and what is recorded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Heard {
    /// As it is recorded: an answer that is judged while it passes has its head long since.
    pub verdict: String,
    /// The rules that refused, warned or took something out, sorted.
    pub rules: Vec<String>,
    /// What the head of the answer warns of.
    pub warnings: Vec<String>,
    pub reason: Option<String>,
    /// What the model is told; ids of approvals left out.
    pub message: String,
    pub violations: Value,
    pub retry: Value,
    /// A refusal that says that the tool was called all the same.
    pub executed: bool,
    /// Of a call that passed.
    pub result: Option<Value>,
    pub is_failure: bool,
    pub args: Option<Value>,
}

pub struct Client {
    sender: SendRequest<Full<Bytes>>,
    transport: Transport,
    /// The sessions with MCP servers.
    sessions: HashMap<String, String>,
    next_id: u64,
}

impl Client {
    pub async fn new(stream: DuplexStream, transport: Transport) -> Self {
        let (sender, connection) = handshake(TokioIo::new(stream)).await.expect("a connection");
        tokio::spawn(connection);
        Self { sender, transport, sessions: HashMap::new(), next_id: 1 }
    }

    /// Begins a session with an MCP server, unless there is one.
    pub async fn meet(&mut self, server: &str) {
        if self.transport == Transport::Http || self.sessions.contains_key(server) {
            return;
        }
        let client = json!({ "name": "agent", "version": "1" });
        let params =
            json!({ "protocolVersion": VERSION, "capabilities": {}, "clientInfo": client });
        let message =
            json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params });
        let path = format!("/{server}/mcp");
        let (parts, body) = self.send(&path, &message, None).await;
        let result = message_of(&parts.headers, &body)["result"].clone();
        assert_eq!(result["protocolVersion"], VERSION, "{parts:?} {body:?}");
        let session = parts.headers.get("mcp-session-id");
        let session = session.map(|id| id.to_str().expect("text").to_owned()).unwrap_or_default();
        self.sessions.insert(server.to_owned(), session.clone());
        let ready = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        let (parts, body) = self.send(&path, &ready, Some(&session)).await;
        assert_eq!(parts.status, 202, "{parts:?} {body:?}");
    }

    pub async fn call(
        &mut self,
        server: &str,
        operation: &str,
        args: &Map<String, Value>,
    ) -> Heard {
        match self.transport {
            Transport::Http => {
                let path = format!("/{server}/tools/{operation}");
                let (parts, body) = self.send(&path, &json!(args), None).await;
                heard_plainly(&parts, &body)
            }
            Transport::Mcp | Transport::Stdio => {
                self.next_id += 1;
                let params = json!({ "name": operation, "arguments": args });
                let message = json!({ "jsonrpc": "2.0", "id": self.next_id, "method": "tools/call", "params": params });
                let session = self.sessions.get(server).cloned();
                let path = format!("/{server}/mcp");
                let (parts, body) = self.send(&path, &message, session.as_deref()).await;
                heard_in_mcp(&parts, &message_of(&parts.headers, &body), self.next_id)
            }
        }
    }

    async fn send(
        &mut self,
        path: &str,
        body: &Value,
        session: Option<&str>,
    ) -> (http::response::Parts, Bytes) {
        let mut request = Request::post(path)
            .header("host", "gate")
            .header("content-type", "application/json")
            .header("toolgate-run-id", "rehearsal");
        if self.transport != Transport::Http {
            request = request.header("accept", "application/json, text/event-stream");
        }
        if let Some(session) = session {
            request = request.header("mcp-protocol-version", VERSION);
            if !session.is_empty() {
                request = request.header("mcp-session-id", session);
            }
        }
        let request = request.body(Full::new(Bytes::from(body.to_string()))).expect("a request");
        self.sender.ready().await.expect("the gate goes on");
        let response: Response<_> = self.sender.send_request(request).await.expect("an answer");
        let (parts, body) = response.into_parts();
        (parts, body.collect().await.expect("a whole answer").to_bytes())
    }
}

/// A JSON-RPC message, alone or as the last event of a stream.
fn message_of(headers: &HeaderMap, body: &[u8]) -> Value {
    let kind = headers.get("content-type").map(|kind| kind.to_str().expect("text"));
    let text = std::str::from_utf8(body).expect("text");
    let text = match kind {
        Some(kind) if kind.starts_with("text/event-stream") => {
            let mut data = text.lines().filter_map(|line| line.strip_prefix("data:"));
            data.next_back().unwrap_or_default()
        }
        _ => text,
    };
    serde_json::from_str(text).unwrap_or(Value::Null)
}

/// What every transport says in headers.
fn decided(headers: &HeaderMap) -> Heard {
    let text = |value: &http::HeaderValue| value.to_str().expect("text").to_owned();
    let warnings: Vec<String> = headers.get_all("toolgate-warning").iter().map(text).collect();
    let rules = warnings.iter().filter_map(|warning| warning.split_once(": "));
    let rules = rules.map(|(rule, _)| rule.to_owned()).collect();
    Heard { rules, warnings, ..Heard::default() }
}

fn refused(heard: &mut Heard, decision: &Value) {
    let text = |name: &str| decision[name].as_str().map(str::to_owned);
    heard.rules = text("rule").into_iter().collect();
    heard.reason = text("stop_reason");
    heard.message = without_ids(&text("detail").unwrap_or_default());
    heard.violations = decision["violations"].clone();
    heard.retry = decision["retry"].clone();
    heard.executed = decision["executed"] == true;
}

fn heard_plainly(parts: &http::response::Parts, body: &[u8]) -> Heard {
    let mut heard = decided(&parts.headers);
    let value: Value = serde_json::from_slice(body)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(body).into_owned()));
    if parts.headers.get("content-type").is_some_and(|kind| kind == "application/problem+json") {
        refused(&mut heard, &value);
    } else {
        heard.is_failure = parts.status.as_u16() >= 400;
        heard.result = Some(value);
    }
    heard
}

fn heard_in_mcp(parts: &http::response::Parts, message: &Value, id: u64) -> Heard {
    let mut heard = decided(&parts.headers);
    assert_eq!((parts.status.as_u16(), &message["id"]), (200, &json!(id)), "{message}");
    let result = &message["result"];
    let text = result["content"][0]["text"].as_str().expect("a text for the model");
    let decision = &result["_meta"]["dev.toolgate/decision"];
    heard.is_failure = result["isError"] == true;
    if decision["stop_reason"].is_string() {
        assert!(heard.is_failure, "{message}");
        refused(&mut heard, decision);
        assert_eq!(without_ids(text), heard.message, "the model reads what the decision says");
        heard.is_failure = false;
        return heard;
    }
    let read = serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()));
    if let Some(structured) = result.get("structuredContent") {
        assert_eq!(*structured, read, "both forms of the result are changed alike");
    }
    heard.result = Some(read);
    heard
}

/// Ids of approvals are new in each gate.
fn without_ids(message: &str) -> String {
    let words = message.split_inclusive(' ');
    words.map(|word| if word.starts_with("apr_") { "apr " } else { word }).collect()
}
