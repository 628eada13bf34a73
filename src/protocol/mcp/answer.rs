//! What an answer says: did the call end well, and what is its result as rules see it?
//!
//! Format: MCP 2025-11-25 and 2026-07-28, "Tools", section "Calling Tools"; JSON-RPC 2.0, section 5.

use bytes::Bytes;

use crate::json::{Document, JSON_DEPTH_LIMIT, Object, Value, splice};

/// Left out of what a result is known by: it differs where nothing else does.
const NOT_SAID: [&str; 2] = ["_meta", "resultType"];

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With a result.
    Result,
    /// With a result that says that the call failed.
    ToolError,
    /// Not yet: the client is to give something more, and to ask again (2026-07-28).
    InputRequired,
    /// With a JSON-RPC error of this code.
    Error { code: i64 },
}

/// What an answer says.
#[derive(Clone, Debug)]
pub struct Told {
    pub ending: Ending,
    /// `structuredContent`; else the single text, decoded where it is JSON; else the `content`. Of
    /// other methods than `tools/call` the whole result; of an error its message.
    pub result: Document,
    basis: Vec<u8>,
}

/// The members of a response, when the message is one. What answers a request holds no response
/// but that request's, and clients take `7` and `"7"` for the same id: an id that is not quite the
/// request's does not make a response another.
pub fn response(message: &Document) -> Option<Object<'_>> {
    let root = message.root().as_object()?;
    let is_response = root.get("method").is_none()
        && (root.get("result").is_some() || root.get("error").is_some());
    is_response.then_some(root)
}

impl Told {
    /// Reads a response.
    pub fn of(response: Object<'_>) -> Self {
        if let Some(error) = response.get("error") {
            let error = error.as_object();
            let code = error.and_then(|error| error.get("code"));
            let code = if let Some(Value::Int(code)) = code { code } else { 0 };
            let message = error.and_then(|error| error.get("message")).unwrap_or(Value::Null);
            let mut basis = code.to_string().into_bytes();
            message.write_canonical(&mut basis);
            return Self { ending: Ending::Error { code }, result: message.to_document(), basis };
        }
        let result = response.get("result").unwrap_or(Value::Null);
        let Some(object) = result.as_object() else {
            return Self {
                ending: Ending::Result,
                result: result.to_document(),
                basis: Vec::new(),
            };
        };
        let ending = match (object.get("isError"), object.get("resultType")) {
            (Some(Value::Bool(true)), _) => Ending::ToolError,
            (_, Some(Value::Str("input_required"))) => Ending::InputRequired,
            (_, _) => Ending::Result,
        };
        let structured = object.get("structuredContent").filter(|it| !matches!(it, Value::Null));
        let single = single_text(object);
        let value = match (structured, single, object.get("content")) {
            (Some(structured), _, _) => structured.to_document(),
            (None, Some(text), _) => decoded(text),
            (None, None, Some(content)) => content.to_document(),
            (None, None, None) => result.to_document(),
        };
        let basis = match (structured, single) {
            (None, Some(text)) => text.as_bytes().to_vec(),
            (_, _) => canonical(object),
        };
        Self { ending, result: value, basis }
    }

    /// Bytes that are the same for the same result, whatever the id of the call and however it came:
    /// what digests of results are made of.
    pub fn into_basis(self) -> Bytes {
        Bytes::from(self.basis)
    }

    /// Whether the call failed.
    pub fn is_error(&self) -> bool {
        match self.ending {
            Ending::Result | Ending::InputRequired => false,
            Ending::ToolError | Ending::Error { .. } => true,
        }
    }
}

/// The text of a result that is one text and nothing else.
fn single_text(result: Object<'_>) -> Option<&str> {
    let content = result.get("content")?.as_array()?;
    if content.len() != 1 {
        return None;
    }
    let item = content.get(0)?.as_object()?;
    let is_text = item.get("type").and_then(Value::as_str) == Some("text");
    item.get("text").and_then(Value::as_str).filter(|_| is_text)
}

/// A text as the JSON that it is, or as a text.
fn decoded(text: &str) -> Document {
    let bytes = Bytes::copy_from_slice(text.as_bytes());
    Document::parse(bytes, JSON_DEPTH_LIMIT)
        .or_else(|_| Document::from_text(&splice::quoted(text)))
        .unwrap_or_default()
}

/// The members that say what came of the call.
fn canonical(result: Object<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    for name in result.names().filter(|name| !NOT_SAID.contains(name)) {
        Value::Str(name).write_canonical(&mut out);
        result.get(name).unwrap_or(Value::Null).write_canonical(&mut out);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Option<Told> {
        let document = Document::from_text(text).unwrap();
        response(&document).map(Told::of)
    }

    fn result(members: &str) -> (Ending, String, String) {
        let told = told(&format!(r#"{{"jsonrpc":"2.0","id":7,"result":{members}}}"#)).unwrap();
        let mut value = Vec::new();
        told.result.root().write_canonical(&mut value);
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (told.ending.clone(), text(value), text(told.basis))
    }

    #[test]
    fn the_result_is_what_the_tool_said() {
        for (members, ending, value, basis) in [
            (r#"{"content":[{"type":"text","text":"hi"}]}"#, Ending::Result, r#""hi""#, "hi"),
            (
                r#"{"content":[{"type":"text","text":"{\"b\": 1}"}],"_meta":{"t":1}}"#,
                Ending::Result,
                r#"{"b":1}"#,
                r#"{"b": 1}"#,
            ),
            (
                r#"{"content":[{"type":"text","text":"no"}],"isError":true}"#,
                Ending::ToolError,
                r#""no""#,
                "no",
            ),
            (
                r#"{"structuredContent":{"x":1},"content":[{"type":"text","text":"{}"}],"resultType":"complete"}"#,
                Ending::Result,
                r#"{"x":1}"#,
                r#""content"[{"text":"{}","type":"text"}]"structuredContent"{"x":1}"#,
            ),
            (
                r#"{"content":[{"type":"image","data":"","mimeType":"x"}]}"#,
                Ending::Result,
                r#"[{"data":"","mimeType":"x","type":"image"}]"#,
                r#""content"[{"data":"","mimeType":"x","type":"image"}]"#,
            ),
            (
                r#"{"resultType":"input_required","inputRequests":{"a":{}}}"#,
                Ending::InputRequired,
                r#"{"inputRequests":{"a":{}},"resultType":"input_required"}"#,
                r#""inputRequests"{"a":{}}"#,
            ),
        ] {
            assert_eq!(result(members), (ending, value.to_owned(), basis.to_owned()), "{members}");
        }
    }

    #[test]
    fn responses_are_told_from_other_messages() {
        for (text, expected) in [
            (r#"{"jsonrpc":"2.0","id":7,"result":{}}"#, Some(Ending::Result)),
            (r#"{"jsonrpc":"2.0","id":"7","result":{}}"#, Some(Ending::Result)),
            (r#"{"jsonrpc":"2.0","id":7,"method":"sampling/createMessage"}"#, None),
            (r#"{"jsonrpc":"2.0","method":"notifications/progress"}"#, None),
            (
                r#"{"jsonrpc":"2.0","id":7,"error":{"code":-32602,"message":"x"}}"#,
                Some(Ending::Error { code: -32602 }),
            ),
            (
                r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"x"}}"#,
                Some(Ending::Error { code: -32700 }),
            ),
            ("[]", None),
        ] {
            assert_eq!(told(text).map(|told| told.ending), expected, "{text}");
        }
    }
}
