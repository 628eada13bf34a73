//! What an answer says: did the call end well, and what is its result as rules see it?
//!
//! Format: MCP 2025-11-25 and 2026-07-28, "Tools", section "Calling Tools"; JSON-RPC 2.0, section 5.

use bytes::Bytes;

use super::message::{MEMBERS, only_exact};
use crate::call::Era;
use crate::json::{Document, JSON_DEPTH_LIMIT, Object, Value, splice};

/// Left out of what a result is known by: it differs where nothing else does.
const NOT_SAID: [&str; 2] = ["_meta", "resultType"];

/// Members of results that mean something to those who judge them.
const RESULT_MEMBERS: [&str; 6] =
    ["content", "structuredContent", "isError", "resultType", "tools", "nextCursor"];

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

/// What a message of a server's is.
#[derive(Clone, Copy, Debug)]
pub enum Said<'d> {
    /// The end of a request, whichever it is.
    Response(Object<'d>),
    /// A request or a notification.
    Message,
    /// It is an object, and no message.
    Nothing,
    /// Clients differ over what it is, and why.
    Unclear(&'static str),
}

/// Reads what a server sends. What one client takes for a response and another for something else
/// is neither: whoever judges results could be told the one while the agent hears the other.
pub fn read(message: &Document) -> Said<'_> {
    let Some(root) = message.root().as_object() else {
        return Said::Unclear("it is no single message");
    };
    if only_exact(root, &MEMBERS).is_err() {
        return Said::Unclear("a member of it is named almost like one that means something");
    }
    let is_said = |name| root.get(name).is_some_and(|value| !matches!(value, Value::Null));
    let answers = root.get("result").is_some() || root.get("error").is_some();
    match (root.get("method"), answers) {
        (Some(_), true) => return Said::Unclear("it is a request and a response at once"),
        (Some(Value::Str(_)), false) => return Said::Message,
        (Some(_), false) => return Said::Unclear("its method is no text"),
        (None, false) => return Said::Nothing,
        (None, true) => {}
    }
    match (root.get("result"), is_said("error")) {
        (Some(Value::Null) | None, true) => return Said::Response(root),
        (Some(_), true) => return Said::Unclear("it is a result and an error at once"),
        (None, false) => return Said::Unclear("it is neither a result nor an error"),
        (Some(_), false) => {}
    }
    let result = root.get("result").and_then(Value::as_object);
    if result.is_some_and(|result| only_exact(result, &RESULT_MEMBERS).is_err()) {
        return Said::Unclear(
            "a member of its result is named almost like one that means something",
        );
    }
    Said::Response(root)
}

/// Whether a response ends the request of this id, which is JSON: clients take `7` and `"7"` for the
/// same one.
pub fn answers(response: Object<'_>, id: Option<&str>) -> bool {
    let own = id.and_then(|id| Document::from_text(id).ok());
    let own = own.as_ref().and_then(|own| known_by(own.root()));
    own.is_some() && own == response.get("id").and_then(known_by)
}

/// Whether a response is an error that names no request: its reader has found none. Servers made
/// with the Python SDK write this text where there is no id.
pub fn names_none(response: Object<'_>) -> bool {
    let is_error = Told::of(response, Era::Sessions).is_json_rpc_error();
    is_error && matches!(response.get("id"), None | Some(Value::Null | Value::Str("server-error")))
}

fn known_by(id: Value<'_>) -> Option<String> {
    match id {
        Value::Str(text) => Some(text.to_owned()),
        Value::Int(number) => Some(number.to_string()),
        Value::UInt(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Float(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

impl Told {
    /// Reads a response to a request of this era.
    pub fn of(response: Object<'_>, era: Era) -> Self {
        if let Some(error) = response.get("error").filter(|error| !matches!(error, Value::Null)) {
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
        // Who knows of no other results than whole ones takes what there is for one.
        let may_wait = era == Era::Stateless
            && object.get("content").is_none()
            && object.get("structuredContent").is_none();
        let ending = match (object.get("isError"), object.get("resultType")) {
            (Some(Value::Bool(true)), _) => Ending::ToolError,
            (_, Some(Value::Str("input_required"))) if may_wait => Ending::InputRequired,
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

    fn is_json_rpc_error(&self) -> bool {
        match self.ending {
            Ending::Error { .. } => true,
            Ending::Result | Ending::ToolError | Ending::InputRequired => false,
        }
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
        match read(&document) {
            Said::Response(response) => Some(Told::of(response, Era::Stateless)),
            Said::Message | Said::Nothing | Said::Unclear(_) => None,
        }
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
    fn what_has_a_result_waits_for_nothing() {
        for members in [
            r#"{"resultType":"input_required","content":[]}"#,
            r#"{"resultType":"input_required","structuredContent":{"a":1}}"#,
        ] {
            assert_eq!(result(members).0, Ending::Result, "{members}");
        }
        let asked = Document::from_text(r#"{"result":{"resultType":"input_required"}}"#).unwrap();
        let asked = Told::of(asked.root().as_object().unwrap(), Era::Sessions);
        assert_eq!(asked.ending, Ending::Result, "the older era knows no such results");
    }

    #[test]
    fn what_clients_differ_over_is_no_response() {
        for text in [
            r#"{"jsonrpc":"2.0","id":7,"result":{},"method":null}"#,
            r#"{"jsonrpc":"2.0","id":7,"result":{},"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":7,"Result":{}}"#,
            r#"{"jsonrpc":"2.0","id":7,"result":{"Tools":[]}}"#,
            r#"{"jsonrpc":"2.0","id":7,"result":{"structuredcontent":{}}}"#,
            r#"{"jsonrpc":"2.0","id":7,"result":{},"error":{"code":1}}"#,
            r#"{"jsonrpc":"2.0","id":7,"error":null}"#,
            r#"{"jsonrpc":"2.0","id":7,"method":null}"#,
            r#"[{"jsonrpc":"2.0","id":7,"result":{}}]"#,
        ] {
            let document = Document::from_text(text).unwrap();
            assert!(matches!(read(&document), Said::Unclear(_)), "{text}");
        }
        // Older writers name both members always.
        let text = r#"{"jsonrpc":"2.0","id":7,"result":{},"error":null}"#;
        assert_eq!(told(text).map(|told| told.ending), Some(Ending::Result));
        let text = r#"{"jsonrpc":"2.0","id":7,"result":null,"error":{"code":1}}"#;
        assert_eq!(told(text).map(|told| told.ending), Some(Ending::Error { code: 1 }));
    }

    #[test]
    fn a_response_is_to_the_request_of_its_id() {
        for (own, id, expected) in [
            ("7", "7", true),
            ("7", "\"7\"", true),
            ("\"7\"", "7", true),
            ("\"\\u0061\"", "\"a\"", true),
            ("7", "8", false),
            ("7", "7.0", false),
            ("7", "\"07\"", false),
            ("7", "null", false),
            ("7", "true", false),
        ] {
            let text = format!("{{\"id\":{id},\"result\":{{}}}}");
            let document = Document::from_text(&text).unwrap();
            let Said::Response(response) = read(&document) else { panic!("{text}") };
            assert_eq!(answers(response, Some(own)), expected, "{own} {id}");
            assert!(!answers(response, None) && !names_none(response));
        }
        let document = Document::from_text(r#"{"id":null,"error":{"code":1}}"#).unwrap();
        assert!(names_none(document.root().as_object().unwrap()));
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
