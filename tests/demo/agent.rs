//! The agent of the demo: it calls tools through the gate and reads what comes back, as an agent
//! with any HTTP client does.

use bytes::Bytes;
use http::request::Builder;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper::ext::ReasonPhrase;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

use crate::scripted::{REVISION, SESSION};

/// An agent at work on one task.
pub struct Agent {
    client: Client<HttpConnector, Full<Bytes>>,
    base: String,
    run: &'static str,
}

/// What came back.
pub struct Reply {
    pub status: u16,
    /// The reason phrase of the status line, which Python's clients raise as the error.
    pub phrase: String,
    pub body: Value,
    /// It is an earlier answer, given again because the tool is down.
    pub is_stale: bool,
}

impl Agent {
    /// An agent that calls through the gate at `base`; `run` is its task's label.
    pub fn new(base: &str, run: &'static str) -> Self {
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { client, base: base.to_owned(), run }
    }

    /// Calls a tool; without a body when `args` is null.
    pub async fn call(&self, method: Method, path: &str, args: &Value) -> Result<Reply, String> {
        let request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        self.send(request, args).await
    }

    /// Sends an MCP server a request; what comes back is the result in its answer.
    pub async fn ask(&self, server: &str, method: &str, params: &Value) -> Result<Reply, String> {
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(format!("{}{server}", self.base))
            .header("accept", "application/json, text/event-stream");
        // The session begins with the answer to the first message.
        if method != "initialize" {
            request =
                request.header("mcp-protocol-version", REVISION).header("mcp-session-id", SESSION);
        }
        let mut reply = self.send(request, &message).await?;
        if let Some(result) = reply.body.get_mut("result").map(Value::take) {
            reply.body = result;
        }
        Ok(reply)
    }

    async fn send(&self, request: Builder, body: &Value) -> Result<Reply, String> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let request = request
            .header("toolgate-run-id", self.run)
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| error.to_string())?;
        let called = format!("{} {}", request.method(), request.uri().path());
        let failed = |error: &dyn std::fmt::Display| format!("{called}: {error}");
        let response = self.client.request(request).await.map_err(|error| failed(&error))?;
        let status = response.status();
        let phrase = match response.extensions().get::<ReasonPhrase>() {
            Some(phrase) => String::from_utf8_lossy(phrase.as_bytes()).into_owned(),
            None => status.canonical_reason().unwrap_or_default().to_owned(),
        };
        let is_stale = response.headers().contains_key("toolgate-stale");
        let body = response.into_body().collect().await.map_err(|error| failed(&error))?;
        let body = serde_json::from_slice(&body.to_bytes()).unwrap_or_default();
        Ok(Reply { status: status.as_u16(), phrase, body, is_stale })
    }
}

impl Reply {
    /// A member of the body, if it is a string.
    pub fn text(&self, name: &str) -> &str {
        self.body.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// Refused by the gate, with nothing executed.
    pub fn is_refused(&self) -> bool {
        self.status >= 400 && self.body.get("executed") == Some(&Value::Bool(false))
    }
}
