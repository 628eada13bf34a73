//! One JSON-RPC message as MCP has it: a request, a notification, or a response of the client's.
//! Whatever a laxer reader could take for another message is refused.
//!
//! Format: JSON-RPC 2.0; MCP 2025-11-25 and 2026-07-28, "Messages".

use std::fmt;

use super::methods::{Kind, TOOLS_CALL};
use crate::json::{Document, Object, Value, splice};

/// Longest id of a request, as it is written, in bytes.
pub const ID_LIMIT_BYTES: usize = 512;

/// Longest name of a method, in bytes.
pub const METHOD_LIMIT_BYTES: usize = 128;

/// Members of a message that mean something.
pub(super) const MEMBERS: [&str; 6] = ["jsonrpc", "id", "method", "params", "result", "error"];

/// Members of a tool call's `params` that mean something to us.
const CALL_MEMBERS: [&str; 4] = ["name", "arguments", "_meta", "task"];

/// What a request is known by. Two are equal when their values are, however they are written.
#[derive(Clone, Debug)]
pub struct Id {
    /// As it was written, to be repeated in the answer.
    raw: Box<str>,
    value: IdValue,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum IdValue {
    Text(Box<str>),
    Number(i128),
}

/// A message, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    Request {
        id: Id,
        method: Box<str>,
    },
    Notification {
        method: Box<str>,
    },
    /// What a client answers a request of the server's (2025-11-25 and before).
    Response {
        id: Id,
    },
}

/// Why a message is none, and the id of its request as far as there was one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    pub fault: Fault,
    pub id: Option<Id>,
}

/// What is wrong with a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("the message is not JSON that can be read in one way only")]
    Json,
    #[error("batches of messages are not accepted: send one message at a time")]
    Batch,
    #[error("the message is not an object")]
    NotAnObject,
    #[error("`jsonrpc` must be \"2.0\"")]
    Version,
    #[error("`id` must be a text or a whole number")]
    Id,
    #[error("`method` must be a text of at most {METHOD_LIMIT_BYTES} visible ASCII characters")]
    Method,
    #[error("the message is a request and a response at the same time, or neither")]
    Ambiguous,
    #[error("a member's name differs from `{0}` in case only")]
    Lookalike(&'static str),
    #[error("`params` must be an object")]
    Params,
    #[error("`{TOOLS_CALL}` needs an id: a tool is not called without waiting for its answer")]
    CallWithoutId,
    #[error("`params.name` must be a text")]
    Name,
    #[error("`params.arguments` must be an object")]
    Arguments,
    #[error("`params._meta` must be an object")]
    Meta,
    #[error("a call as a task is not accepted: its result would come by another way")]
    Task,
}

/// The parts of a tool call.
#[derive(Clone, Copy, Debug)]
pub struct ToolCall<'d> {
    pub name: &'d str,
    /// Absent when the call has none.
    pub arguments: Option<Object<'d>>,
}

impl Fault {
    /// The code of the JSON-RPC error (JSON-RPC 2.0, section 5.1).
    pub fn code(&self) -> i64 {
        match self {
            Self::Json => super::PARSE_ERROR,
            Self::Batch
            | Self::NotAnObject
            | Self::Version
            | Self::Id
            | Self::Method
            | Self::Ambiguous
            | Self::Lookalike(_)
            | Self::CallWithoutId => super::INVALID_REQUEST,
            Self::Params | Self::Name | Self::Arguments | Self::Meta | Self::Task => {
                super::INVALID_PARAMS
            }
        }
    }
}

impl Id {
    /// The id of this value, which is written as `raw`.
    pub fn of(value: Value<'_>, raw: &str) -> Option<Self> {
        let value = match value {
            Value::Str(text) => IdValue::Text(text.into()),
            Value::Int(number) => IdValue::Number(number.into()),
            Value::UInt(number) => IdValue::Number(number.into()),
            Value::Null | Value::Bool(_) | Value::Float(_) | Value::Array(_) | Value::Object(_) => {
                return None;
            }
        };
        (raw.len() <= ID_LIMIT_BYTES).then(|| Self { raw: raw.into(), value })
    }

    /// As it was written, in JSON.
    pub fn raw(&self) -> &str {
        &self.raw
    }

    /// Whether a value is this id, however it is written.
    pub fn is(&self, value: Value<'_>) -> bool {
        match (&self.value, value) {
            (IdValue::Text(own), Value::Str(text)) => **own == *text,
            (IdValue::Number(own), Value::Int(number)) => *own == i128::from(number),
            (IdValue::Number(own), Value::UInt(number)) => *own == i128::from(number),
            (IdValue::Text(_) | IdValue::Number(_), _) => false,
        }
    }
}

impl PartialEq for Id {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl Eq for Id {}

impl fmt::Display for Id {
    /// Without quotes, for records.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            IdValue::Text(text) => out.write_str(text),
            IdValue::Number(number) => number.fmt(out),
        }
    }
}

impl Message {
    /// Reads a message that a client sent. `text` is what `document` was read from.
    ///
    /// # Errors
    /// Whatever is no single message, or could be taken for another one.
    pub fn read(document: &Document, text: &str) -> Result<Self, Unread> {
        let root = match document.root() {
            Value::Object(root) => root,
            Value::Array(_) => return Err(Unread { fault: Fault::Batch, id: None }),
            Value::Null
            | Value::Bool(_)
            | Value::Int(_)
            | Value::UInt(_)
            | Value::Float(_)
            | Value::Str(_) => return Err(Unread { fault: Fault::NotAnObject, id: None }),
        };
        let id = id_of(root, text);
        let known = id.as_ref().ok().cloned().flatten();
        Self::of(root, id).map_err(|fault| Unread { fault, id: known })
    }

    fn of(root: Object<'_>, id: Result<Option<Id>, Fault>) -> Result<Self, Fault> {
        only_exact(root, &MEMBERS)?;
        if root.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
            return Err(Fault::Version);
        }
        let id = id?;
        let answers = [root.get("result"), root.get("error")].into_iter().flatten().count();
        match (root.get("method"), answers, id) {
            (Some(method), 0, id) => {
                let method = method_of(method)?;
                match root.get("params") {
                    None | Some(Value::Null | Value::Object(_)) => {}
                    Some(_) => return Err(Fault::Params),
                }
                match id {
                    Some(id) => Ok(Self::Request { id, method }),
                    None if &*method == TOOLS_CALL => Err(Fault::CallWithoutId),
                    None => Ok(Self::Notification { method }),
                }
            }
            (None, 1, Some(id)) => Ok(Self::Response { id }),
            (None, 1, None) => Err(Fault::Id),
            (Some(_) | None, _, _) => Err(Fault::Ambiguous),
        }
    }

    /// Its method; a response has none.
    pub fn method(&self) -> Option<(&str, Kind)> {
        match self {
            Self::Request { method, .. } => Some((method, Kind::Request)),
            Self::Notification { method } => Some((method, Kind::Notification)),
            Self::Response { .. } => None,
        }
    }

    /// The id that its answer will have.
    pub fn id(&self) -> Option<&Id> {
        match self {
            Self::Request { id, .. } => Some(id),
            Self::Notification { .. } | Self::Response { .. } => None,
        }
    }
}

/// The parts of a `tools/call`.
///
/// # Errors
/// What is not as it must be, or could be taken for something else.
pub fn tool_call(document: &Document) -> Result<ToolCall<'_>, Fault> {
    let params = params(document).ok_or(Fault::Params)?;
    only_exact(params, &CALL_MEMBERS)?;
    let name = params.get("name").and_then(Value::as_str).ok_or(Fault::Name)?;
    let arguments = match params.get("arguments") {
        None | Some(Value::Null) => None,
        Some(Value::Object(arguments)) => Some(arguments),
        Some(_) => return Err(Fault::Arguments),
    };
    match params.get("_meta") {
        None | Some(Value::Null | Value::Object(_)) => {}
        Some(_) => return Err(Fault::Meta),
    }
    if params.get("task").is_some_and(|task| !matches!(task, Value::Null)) {
        return Err(Fault::Task);
    }
    Ok(ToolCall { name, arguments })
}

/// The `params` of a message.
pub fn params(document: &Document) -> Option<Object<'_>> {
    document.root().as_object()?.get("params")?.as_object()
}

/// The `params._meta` of a message.
pub fn meta(document: &Document) -> Option<Object<'_>> {
    params(document)?.get("_meta")?.as_object()
}

fn id_of(root: Object<'_>, text: &str) -> Result<Option<Id>, Fault> {
    let Some(value) = root.get("id") else { return Ok(None) };
    let raw = splice::place(text, &["id"]).and_then(|range| text.get(range)).ok_or(Fault::Id)?;
    Id::of(value, raw).map(Some).ok_or(Fault::Id)
}

fn method_of(value: Value<'_>) -> Result<Box<str>, Fault> {
    let name = value.as_str().ok_or(Fault::Method)?;
    let visible = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic());
    if !visible || name.len() > METHOD_LIMIT_BYTES {
        return Err(Fault::Method);
    }
    Ok(name.into())
}

/// Some readers (Go's among them) take `Method` or `paramſ` for the member it resembles.
pub(super) fn only_exact(object: Object<'_>, known: &[&'static str]) -> Result<(), Fault> {
    let folded = |name: &str| name.to_uppercase().to_lowercase();
    for name in object.names() {
        if known.contains(&name) {
            continue;
        }
        let own = folded(name);
        if let Some(meant) = known.iter().find(|known| folded(known) == own) {
            return Err(Fault::Lookalike(meant));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
