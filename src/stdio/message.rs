//! One JSON-RPC message of MCP as a line: what kind it is, and its ids. Only ids are ever changed, in
//! place, so that all other bytes stay as they were sent.
//!
//! Formats: JSON-RPC 2.0; MCP, "Base protocol" and "Transports", revisions 2025-03-26 to 2026-07-28.

use bytes::Bytes;

use crate::json::{Document, Value, splice};

/// Nested arrays and objects a message may have.
const DEPTH_LIMIT: usize = 126;

/// The first revision without sessions. Revisions are dates and sort as such.
pub(super) const STATELESS_FROM: &str = "2026-07-28";

/// Where the revision stands that a request of 2026-07-28 or later is made in.
const VERSION_KEY: &str = "io.modelcontextprotocol/protocolVersion";

/// Where a notification names the `subscriptions/listen` request that it belongs to.
const SUBSCRIPTION_KEY: &str = "io.modelcontextprotocol/subscriptionId";

const TOKEN: [&str; 3] = ["params", "_meta", "progressToken"];
const PROGRESS: [&str; 2] = ["params", "progressToken"];
const CANCELLED: [&str; 2] = ["params", "requestId"];
const SUBSCRIPTION: [&str; 3] = ["params", "_meta", SUBSCRIPTION_KEY];
const LISTENED: [&str; 3] = ["result", "_meta", SUBSCRIPTION_KEY];

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Request,
    Notification,
    /// A result or an error.
    Response,
}

/// A message on one line.
pub(super) struct Message {
    text: String,
    pub kind: Kind,
    /// Empty for a response.
    pub method: Box<str>,
    /// As it is written; empty for a notification.
    pub id: Box<str>,
    /// The revision that the message names in `_meta`.
    pub version: Option<Box<str>>,
}

/// Text that is no message, or not one that two readers read alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum MessageFault {
    #[error("it is not JSON that can be read in one way only")]
    Json,
    #[error("it is not one JSON-RPC 2.0 message with an id that is a string or an integer")]
    Shape,
}

impl Message {
    /// Reads one message; blanks of several lines become blanks of one.
    pub fn read(bytes: Bytes) -> Result<Self, MessageFault> {
        let document =
            Document::parse(bytes.clone(), DEPTH_LIMIT).map_err(|_| MessageFault::Json)?;
        // No string has a bare line break in it, so those that there are stand between tokens.
        let text = String::from_utf8(bytes.into()).map_err(|_| MessageFault::Json)?;
        let text = if text.contains(['\n', '\r']) { text.replace(['\n', '\r'], " ") } else { text };
        let root = document.root().as_object().ok_or(MessageFault::Shape)?;
        if root.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
            return Err(MessageFault::Shape);
        }
        let id = match root.get("id") {
            None => "",
            Some(Value::Str(_) | Value::Int(_) | Value::UInt(_)) => {
                splice::find(&text, &["id"]).ok_or(MessageFault::Shape)?
            }
            Some(_) => return Err(MessageFault::Shape),
        };
        let ended = root.get("result").is_some() != root.get("error").is_some();
        let (kind, method) = match root.get("method") {
            Some(Value::Str(method)) if id.is_empty() => (Kind::Notification, method),
            Some(Value::Str(method)) => (Kind::Request, method),
            None if !id.is_empty() && ended => (Kind::Response, ""),
            _ => return Err(MessageFault::Shape),
        };
        let params = root.get("params").and_then(Value::as_object);
        let meta = params.and_then(|params| params.get("_meta")).and_then(Value::as_object);
        let version = meta.and_then(|meta| meta.get(VERSION_KEY)).and_then(Value::as_str);
        let (id, version) = (id.into(), version.map(Box::from));
        Ok(Self { kind, method: method.into(), id, version, text })
    }

    /// The line, without its end.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The line, without its end.
    pub fn into_text(self) -> String {
        self.text
    }

    /// Whether this is a response with a result.
    pub fn has_result(&self) -> bool {
        self.kind == Kind::Response && splice::find(&self.text, &["result"]).is_some()
    }

    /// The id, when it is one of ours.
    pub fn own_id(&self) -> Option<u64> {
        self.id.parse().ok()
    }

    /// A request as it goes to the child: under our id, which its progress is told by, too. With it
    /// goes the progress token that the client gave, as it is written.
    pub fn under(&self, own: u64) -> (String, Option<Box<str>>) {
        let own = own.to_string();
        let text = self.with(&["id"], &own);
        match splice::find(&text, &TOKEN).map(Box::from) {
            None => (text, None),
            Some(token) => {
                let text = splice::assign(&text, &TOKEN, &own).unwrap_or(text);
                (text, Some(token))
            }
        }
    }

    /// A response as the client is to see it: under its own id, also where the result of a
    /// subscription names it.
    pub fn answering(&self, own: u64, client: &str) -> String {
        let text = self.with(&["id"], client);
        match splice::find(&text, &LISTENED) {
            Some(found) if found.parse() == Ok(own) => {
                splice::assign(&text, &LISTENED, client).unwrap_or(text)
            }
            Some(_) | None => text,
        }
    }

    /// The request of ours that a notification of a child is about.
    pub fn about(&self) -> Option<u64> {
        let path: &[&str] = if self.is_progress() { &PROGRESS } else { &SUBSCRIPTION };
        splice::find(&self.text, path)?.parse().ok()
    }

    /// A notification with [`Message::about`], as the client is to see it.
    pub fn told(&self, client_id: &str, token: Option<&str>) -> String {
        match (self.is_progress(), token) {
            (true, Some(token)) => self.with(&PROGRESS, token),
            (true, None) => self.text.clone(),
            (false, _) => self.with(&SUBSCRIPTION, client_id),
        }
    }

    /// The id, as it is written, of the request that a cancellation names.
    pub fn cancels(&self) -> Option<&str> {
        (&*self.method == "notifications/cancelled")
            .then(|| splice::find(&self.text, &CANCELLED))
            .flatten()
    }

    /// A cancellation that names our id.
    pub fn cancelling(&self, own: u64) -> String {
        self.with(&CANCELLED, &own.to_string())
    }

    /// Whether this tells how far a request has come.
    pub fn is_progress(&self) -> bool {
        &*self.method == "notifications/progress"
    }

    fn with(&self, path: &[&str], json: &str) -> String {
        splice::assign(&self.text, path, json).unwrap_or_else(|| self.text.clone())
    }
}

/// The id that stands in text which is no message that is passed on.
pub(super) fn id_in(line: &[u8]) -> Option<u64> {
    #[derive(serde::Deserialize)]
    struct Envelope {
        id: u64,
    }
    serde_json::from_slice::<Envelope>(line).ok().map(|envelope| envelope.id)
}

/// A JSON-RPC error response, or one without an id where `id` is empty.
pub(super) fn error(id: &str, code: i32, message: &str) -> String {
    let id = if id.is_empty() { "null" } else { id };
    let message = splice::quoted(message);
    format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{code},"message":{message}}}}}"#)
}
