//! One HTTP exchange for one message: the headers it needs, and what comes back as lines.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;

use crate::json::{Document, splice};
use crate::protocol::mcp::methods::TOOLS_LIST;
use crate::protocol::mcp::{self, headers, list};
use crate::protocol::sse::{Block, Reader};
use crate::stdio::MESSAGE_LIMIT_BYTES;
use crate::stdio::answer::{LAST_EVENT, SESSION, VERSION};
use crate::stdio::front::{Front, is_stateless};
use crate::stdio::message::{Kind, Message};

/// Tools whose arguments are known to be repeated in header fields.
const MIRRORED_LIMIT_TOOLS: usize = 2_000;

/// An event with its field names is a little longer than its message.
const EVENT_LIMIT_BYTES: usize = MESSAGE_LIMIT_BYTES + 4_096;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum ExchangeFault {
    #[error("the message cannot be sent over HTTP: {0}")]
    Request(#[from] http::Error),
    #[error("the gate gave no answer: {0}")]
    Connection(#[from] hyper::Error),
}

impl Front {
    /// Sends a message and passes on what comes of it. The status, or that of a gate that gives no
    /// answer.
    pub(super) async fn request(&self, message: &Message) -> StatusCode {
        let sent = match self.build(Method::POST, Some(message)) {
            Ok(request) => self.send(request).await,
            Err(error) => Err(error.into()),
        };
        let response = match sent {
            Ok(response) => response,
            Err(fault) => {
                self.fail(message, &format!("There is no answer: {fault}.")).await;
                return StatusCode::BAD_GATEWAY;
            }
        };
        let status = response.status();
        if &*message.method == "initialize" && status.is_success() {
            let session = response.headers().get(SESSION).and_then(|id| id.to_str().ok());
            self.state.lock().session = session.map(Arc::from);
        }
        let is_stream = is_events(&response);
        let answered = if is_stream {
            self.pass_stream(message, response.into_body()).await
        } else {
            self.pass_whole(message, response).await
        };
        if !answered && message.kind == Kind::Request {
            self.fail(message, &format!("The answer broke off, or is none (HTTP {status}).")).await;
        }
        status
    }

    /// Opens the server's own stream and passes its messages on. The status; `None` when it broke
    /// off before there was one.
    pub(super) async fn stream(&self, last_event: &mut Option<Box<str>>) -> Option<StatusCode> {
        let mut request = self.build(Method::GET, None).ok()?;
        if let Some(id) = last_event.as_deref().and_then(|id| HeaderValue::from_str(id).ok()) {
            request.headers_mut().insert(LAST_EVENT, id);
        }
        let response = self.send(request).await.ok()?;
        let status = response.status();
        if status != StatusCode::OK || !is_events(&response) {
            return Some(status);
        }
        let mut events = Events::new(response.into_body());
        while let Some((data, id)) = events.next().await {
            if let Ok(message) = Message::read(data) {
                self.say(message.into_text()).await;
            }
            *last_event = id.or(last_event.take());
        }
        Some(status)
    }

    /// Passes the messages of a stream on; whether the response was among them.
    async fn pass_stream(&self, message: &Message, body: Incoming) -> bool {
        let mut events = Events::new(body);
        while let Some((data, _)) = events.next().await {
            let Ok(heard) = Message::read(data) else { continue };
            let is_last = heard.kind == Kind::Response && heard.id == message.id;
            self.pass(message, heard).await;
            if is_last {
                return true;
            }
        }
        false
    }

    /// Passes a whole answer on: a message as it is, anything else as an error. Whether it was one
    /// that the request waits for.
    async fn pass_whole(&self, message: &Message, response: Response<Incoming>) -> bool {
        let status = response.status();
        let body = Limited::new(response.into_body(), MESSAGE_LIMIT_BYTES).collect().await;
        let Ok(body) = body.map(|body| body.to_bytes()) else { return false };
        if message.kind != Kind::Request {
            if !status.is_success() {
                self.fail(message, &reason(status, &body)).await;
            }
            return true;
        }
        match Message::read(body.clone()) {
            Ok(heard) if heard.kind == Kind::Response && heard.id == message.id => {
                self.pass(message, heard).await;
                true
            }
            Ok(_) | Err(_) if !status.is_success() => {
                self.fail(message, &reason(status, &body)).await;
                true
            }
            Ok(_) | Err(_) => false,
        }
    }

    async fn pass(&self, message: &Message, heard: Message) {
        if &*message.method == "initialize" && heard.kind == Kind::Response {
            let version = splice::find(heard.text(), &["result", "protocolVersion"]);
            let version = version.map(|version| Arc::from(&*splice::unquoted(version)));
            self.state.lock().version = version;
        }
        if &*message.method == TOOLS_LIST && is_stateless(message) {
            self.learn(&heard);
        }
        self.say(heard.into_text()).await;
    }

    pub(super) fn build(
        &self,
        method: Method,
        message: Option<&Message>,
    ) -> Result<Request<Full<Bytes>>, http::Error> {
        let body = message.map(|message| Bytes::from(message.text().to_owned()));
        let mut request = Request::builder()
            .method(method)
            .uri(&*self.path)
            .header(HOST, "localhost")
            .header(USER_AGENT, concat!("toolgate/", env!("CARGO_PKG_VERSION")))
            .header(ACCEPT, "application/json, text/event-stream");
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        for (name, value) in &*self.headers {
            request = request.header(name, value);
        }
        let mut own = HeaderMap::new();
        if let Some(message) = message.filter(|message| is_stateless(message)) {
            own = self.told_in_headers(message);
        } else if message.is_none_or(|message| &*message.method != "initialize") {
            let state = self.state.lock();
            if let Some(session) = &state.session {
                request = request.header(SESSION, &**session);
            }
            if let Some(version) = &state.version {
                request = request.header(VERSION, &**version);
            }
        }
        let mut request = request.body(Full::new(body.unwrap_or_default()))?;
        request.headers_mut().extend(own);
        Ok(request)
    }

    /// What a message says that stands in its header fields, too (MCP 2026-07-28).
    fn told_in_headers(&self, message: &Message) -> HeaderMap {
        let text = message.text();
        let Ok(document) = Document::from_text(text) else { return HeaderMap::new() };
        let Ok(read) = mcp::message::Message::read(&document, text) else {
            return HeaderMap::new();
        };
        let mut told: HeaderMap = headers::made_for(&read, &document).into_iter().collect();
        if let Ok(call) = mcp::message::tool_call(&document)
            && let Some(mirrored) = self.state.lock().mirrored.get(call.name)
        {
            headers::mirror(mirrored, &mut told, call.arguments);
        }
        told
    }

    /// Learns from a list which arguments of its tools are repeated in header fields.
    fn learn(&self, response: &Message) {
        let Ok(document) = Document::from_text(response.text()) else { return };
        let Some((tools, _)) = document.root().as_object().and_then(list::listed) else { return };
        let mut state = self.state.lock();
        for tool in tools {
            let mirrored =
                tool.input.as_deref().and_then(|schema| serde_json::from_str(schema).ok());
            let mirrored = mirrored.as_ref().map(headers::mirrored).unwrap_or_default();
            if mirrored.is_empty() {
                state.mirrored.remove(&*tool.name);
            } else if state.mirrored.len() < MIRRORED_LIMIT_TOOLS {
                state.mirrored.insert((*tool.name).into(), mirrored);
            }
        }
    }

    pub(super) async fn send(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, ExchangeFault> {
        let stream = TokioIo::new((self.dial)());
        let (mut sender, connection) = http1::handshake(stream).await?;
        tokio::spawn(connection);
        Ok(sender.send_request(request).await?)
    }
}

/// The events of a body that have data, with their ids.
struct Events {
    body: Incoming,
    reader: Reader,
    piece: Bytes,
}

impl Events {
    fn new(body: Incoming) -> Self {
        Self { body, reader: Reader::new(EVENT_LIMIT_BYTES), piece: Bytes::new() }
    }

    async fn next(&mut self) -> Option<(Bytes, Option<Box<str>>)> {
        loop {
            let mut rest: &[u8] = &self.piece;
            let block = self.reader.next(&mut rest);
            self.piece = self.piece.slice_ref(rest);
            match block {
                Some(Block::Event(event)) if event.data.is_empty() => {}
                Some(Block::Event(event)) => return Some((event.data, event.id)),
                Some(Block::Silent(_) | Block::Oversized(_)) => {}
                None => {
                    let frame = self.body.frame().await?.ok()?;
                    self.piece = frame.into_data().unwrap_or_default();
                }
            }
        }
    }
}

fn is_events(response: &Response<Incoming>) -> bool {
    let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| kind.trim_start().starts_with("text/event-stream"))
}

/// What an answer that is no message says: a problem document's detail, else its status.
fn reason(status: StatusCode, body: &Bytes) -> String {
    #[derive(serde::Deserialize)]
    struct Problem {
        detail: String,
    }
    #[derive(serde::Deserialize)]
    struct Failed {
        error: Said,
    }
    #[derive(serde::Deserialize)]
    struct Said {
        message: String,
    }
    if let Ok(Problem { detail }) = serde_json::from_slice(body) {
        return detail;
    }
    if let Ok(Failed { error: Said { message } }) = serde_json::from_slice(body) {
        return message;
    }
    match status {
        StatusCode::NOT_FOUND => "The session with the server is over.".to_owned(),
        status => format!("The answer is HTTP {status}."),
    }
}
