//! The tools of all transports: each answers what the script says next, and notes what reached it.
//! On standard input and output they are a program, which reads the script from a folder.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// What a tool answers to the next call.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Of plain HTTP. From 400 on, an MCP server says that the call failed.
    pub status: u16,
    pub result: Value,
}

/// What is answered next, and what reached the tool.
#[derive(Clone)]
pub struct Script {
    folder: PathBuf,
    state: Arc<Mutex<State>>,
}

struct State {
    answer: Answer,
    reached: Option<Value>,
}

impl Answer {
    /// The `CallToolResult` that says it.
    pub fn in_mcp(&self) -> Value {
        let text = match &self.result {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let mut result = json!({ "content": [{ "type": "text", "text": text }] });
        if self.result.is_object() {
            result["structuredContent"] = self.result.clone();
        }
        if self.status >= 400 {
            result["isError"] = json!(true);
        }
        result
    }
}

impl Script {
    pub fn new(folder: PathBuf) -> Self {
        let answer = Answer { status: 200, result: json!({}) };
        Self { folder, state: Arc::new(Mutex::new(State { answer, reached: None })) }
    }

    /// Where the program of standard input and output reads and writes.
    pub fn folder(&self) -> &PathBuf {
        &self.folder
    }

    /// From now on tools answer this.
    pub fn set(&self, answer: &Answer) {
        let text = answer.in_mcp().to_string();
        std::fs::write(self.folder.join("answer.json"), text).expect("a file");
        let _ = std::fs::remove_file(self.folder.join("reached.json"));
        *self.state.lock() = State { answer: answer.clone(), reached: None };
    }

    /// The arguments that have reached a tool since.
    pub fn reached(&self) -> Option<Value> {
        let written = std::fs::read_to_string(self.folder.join("reached.json")).ok();
        let written = written.map(|text| serde_json::from_str(&text).expect("JSON"));
        self.state.lock().reached.clone().or(written)
    }

    /// Serves tools at `/SERVER/tools/OPERATION` and MCP servers at `/SERVER/mcp`.
    pub async fn serve(&self) -> SocketAddr {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let script = self.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                let script = script.clone();
                let service = service_fn(move |request| {
                    let script = script.clone();
                    async move { Ok::<_, Infallible>(script.answer(request).await) }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        address
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let is_mcp = request.uri().path().ends_with("/mcp");
        let body = request.into_body().collect().await.expect("a body").to_bytes();
        let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
        if !is_mcp {
            let mut state = self.state.lock();
            state.reached = Some(body);
            let Answer { status, result } = &state.answer;
            return told(*status, Some(result));
        }
        let method = body["method"].as_str().unwrap_or_default();
        let result = match method {
            "initialize" => json!({
                "protocolVersion": "2025-11-25",
                "capabilities": { "tools": {} },
                "serverInfo": { "name": "scripted", "version": "1" },
            }),
            "tools/call" => {
                let mut state = self.state.lock();
                state.reached = Some(body["params"]["arguments"].clone());
                state.answer.in_mcp()
            }
            _ => return told(202, None),
        };
        told(200, Some(&json!({ "jsonrpc": "2.0", "id": body["id"], "result": result })))
    }
}

fn told(status: u16, body: Option<&Value>) -> Response<Full<Bytes>> {
    let text = body.map(Value::to_string).unwrap_or_default();
    Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(text)))
        .expect("a response")
}
