//! A scripted MCP server with a few tools, and a client that speaks both eras.

use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Request};
use http_body_util::Full;
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::harness::{Act, Answer, Gate, Reply, Setup, Tool, post, request};

/// A server at `/mcp` of a tool.
pub struct Server {
    pub tool: Tool,
    /// What it lists; tests change it.
    pub listed: Arc<Mutex<Value>>,
    /// Answers as events and not as JSON.
    pub as_events: Arc<Mutex<bool>>,
}

pub fn tools() -> Value {
    json!([
        { "name": "look", "description": "Looks something up.", "annotations": { "readOnlyHint": true },
          "inputSchema": { "type": "object", "properties": { "id": { "type": "integer" } }, "required": ["id"] } },
        { "name": "refund", "description": "Pays back.",
          "inputSchema": { "type": "object", "properties": {
              "amount": { "type": "number" }, "region": { "type": "string", "x-mcp-header": "Region" } } } },
        { "name": "say", "inputSchema": { "type": "object" } },
    ])
}

impl Server {
    pub async fn start() -> Self {
        let tool = Tool::start().await;
        let listed = Arc::new(Mutex::new(tools()));
        let as_events = Arc::new(Mutex::new(false));
        let (names, events) = (Arc::clone(&listed), Arc::clone(&as_events));
        let script = move |parts: &Parts, body: &[u8]| {
            if parts.method != Method::POST {
                return Act::Reply(Reply::status(405));
            }
            let message: Value = serde_json::from_slice(body).expect("a message");
            let Some(id) = message.get("id") else {
                return Act::Reply(Reply::status(202).body(""));
            };
            if message.get("method").is_none() {
                return Act::Reply(Reply::status(202).body(""));
            }
            let result = result(&message, &names.lock());
            let answer = match result {
                Ok(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
                Err(error) => json!({ "jsonrpc": "2.0", "id": id, "error": error }),
            };
            Act::Reply(if *events.lock() {
                let progress = r#"{"jsonrpc":"2.0","method":"notifications/progress"}"#;
                let body = format!("id: 1\ndata: {progress}\n\nevent: message\ndata: {answer}\n\n");
                Reply::json("").kind("text/event-stream").body(body)
            } else {
                Reply::json("").body(answer.to_string())
            })
        };
        tool.on("/mcp", Act::With(Arc::new(script)));
        Self { tool, listed, as_events }
    }

    /// A gate in front of it, which calls it `pay`.
    pub fn gate(&self) -> Setup {
        self.gate_with("")
    }

    /// The same with more keys of the upstream, each line indented by four.
    pub fn gate_with(&self, lines: &str) -> Setup {
        let upstream = format!("  pay:\n    mcp: http://{}/mcp\n{lines}", self.tool.address);
        Setup::before(&self.tool).other_upstream(&upstream)
    }

    /// The methods that reached it, in order.
    pub fn methods(&self) -> Vec<String> {
        let bodies = self.tool.ledger().into_iter().filter_map(|arrived| arrived.body);
        let messages = bodies.filter_map(|body| serde_json::from_slice::<Value>(&body).ok());
        messages
            .map(|message| message["method"].as_str().unwrap_or("response").to_owned())
            .collect()
    }

    /// The last message that reached it, byte for byte.
    pub fn last(&self) -> Bytes {
        self.tool.ledger().pop().and_then(|arrived| arrived.body).expect("a message")
    }
}

fn result(message: &Value, listed: &Value) -> Result<Value, Value> {
    let text = |text: String| json!({ "content": [{ "type": "text", "text": text }] });
    match message["method"].as_str().unwrap_or_default() {
        "tools/list" => Ok(json!({ "tools": listed })),
        "tools/call" => match message["params"]["name"].as_str().unwrap_or_default() {
            "look" => {
                Ok(text(json!({ "status": "verified", "card": "4111111111111111" }).to_string()))
            }
            "structured" => Ok(json!({ "structuredContent": { "card": "4111111111111111" },
                "content": [{ "type": "text", "text": "{\"card\":\"4111111111111111\"}" }] })),
            "ask" => Ok(json!({ "resultType": "input_required", "requestState": "s" })),
            "bad" => Ok(json!({ "structuredContent": { "n": "one" }, "content": [] })),
            "fail" => Ok(json!({ "isError": true, "content": [{ "type": "text", "text": "no" }] })),
            "missing" => Err(json!({ "code": -32602, "message": "Unknown tool" })),
            _ => Ok(text(format!("done {}", message["params"]["arguments"]))),
        },
        _ => Ok(json!({})),
    }
}

pub fn message(id: u64, method: &str, params: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
}

pub fn call(id: u64, tool: &str, arguments: Value) -> Value {
    message(id, "tools/call", json!({ "name": tool, "arguments": arguments }))
}

/// A message as a client of the older era sends it, in the run `r`.
pub fn old(message: &Value) -> Request<Full<Bytes>> {
    let mut request = post("/pay/mcp", message);
    let headers = request.headers_mut();
    headers.insert("accept", "application/json, text/event-stream".parse().expect("a value"));
    headers.insert("toolgate-run-id", "r".parse().expect("a value"));
    request
}

/// A request as a client of the stateless era sends it.
pub fn new(mut message: Value) -> Request<Full<Bytes>> {
    let method = message["method"].as_str().expect("a method").to_owned();
    let meta = &mut message["params"]["_meta"];
    meta["io.modelcontextprotocol/protocolVersion"] = json!("2026-07-28");
    meta["io.modelcontextprotocol/clientCapabilities"] = json!({});
    let mut request = old(&message);
    let headers = request.headers_mut();
    headers.insert("mcp-protocol-version", "2026-07-28".parse().expect("a value"));
    headers.insert("mcp-method", method.parse().expect("a value"));
    if let Some(name) = message["params"]["name"].as_str() {
        headers.insert("mcp-name", name.parse().expect("a value"));
    }
    request
}

/// A request without a message.
pub fn bare(method: Method) -> Request<Full<Bytes>> {
    let mut request = request(method, "/pay/mcp", None);
    request.headers_mut().insert("mcp-session-id", "s1".parse().expect("a value"));
    request
}

/// The response in an answer, whichever form it has.
pub fn response(answer: &Answer) -> Value {
    let text = String::from_utf8(answer.body.to_vec()).expect("text");
    let last = text.lines().rev().find_map(|line| line.strip_prefix("data: ")).unwrap_or(&text);
    serde_json::from_str(last).unwrap_or_else(|_| panic!("no response: {text}"))
}

/// Has the gate see what the server lists.
pub async fn list(gate: &Gate) -> Vec<String> {
    let answer = gate.send(old(&message(99, "tools/list", json!({})))).await;
    let response = response(&answer);
    let tools = response["result"]["tools"].as_array().unwrap_or_else(|| panic!("{response}"));
    tools.iter().map(|tool| tool["name"].as_str().expect("a name").to_owned()).collect()
}
