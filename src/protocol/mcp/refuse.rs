//! How a call is refused in MCP: by a result that says so, which models read and clients live with,
//! or by a JSON-RPC error where there is no such result.

use serde::Serialize;
use serde_json::value::RawValue;

use super::{HEADER_MISMATCH, INVALID_PARAMS, INVALID_REQUEST, METHOD_NOT_FOUND, PARSE_ERROR};
use crate::call::Era;

/// Under which the machine-readable members of a decision stand in `_meta`.
pub const DECISION_KEY: &str = "dev.toolgate/decision";

/// What `resultType` says of a result that is all there is (MCP 2026-07-28, "ResultType").
const COMPLETE: &str = "complete";

#[derive(Serialize)]
struct Answer<'a> {
    jsonrpc: &'static str,
    id: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<CallToolResult<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Error<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CallToolResult<'a> {
    content: [Content<'a>; 1],
    is_error: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    result_type: Option<&'static str>,
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    meta: Option<Meta<'a>>,
}

#[derive(Serialize)]
struct Content<'a> {
    r#type: &'static str,
    text: &'a str,
}

#[derive(Serialize)]
struct Meta<'a> {
    #[serde(rename = "dev.toolgate/decision")]
    decision: &'a RawValue,
}

#[derive(Serialize)]
struct Error<'a> {
    code: i64,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a RawValue>,
}

/// A `CallToolResult` that says what was not done. `id` is JSON, `decision` a JSON object.
pub fn tool_error(id: &str, era: Era, detail: &str, decision: &str) -> Vec<u8> {
    let decision = RawValue::from_string(decision.to_owned()).ok();
    let result = CallToolResult {
        content: [Content { r#type: "text", text: detail }],
        is_error: true,
        result_type: match era {
            Era::Sessions => None,
            Era::Stateless => Some(COMPLETE),
        },
        meta: decision.as_deref().map(|decision| Meta { decision }),
    };
    written(Some(id), Some(result), None)
}

/// A JSON-RPC error. `data` is JSON. Without an id it answers what had none that could be read.
pub fn error(id: Option<&str>, code: i64, message: &str, data: Option<&str>) -> Vec<u8> {
    let data = data.and_then(|data| RawValue::from_string(data.to_owned()).ok());
    written(id, None, Some(Error { code, message, data: data.as_deref() }))
}

/// What a server says of a tool that it does not have.
pub fn unknown_tool(id: &str, name: &str) -> Vec<u8> {
    error(Some(id), INVALID_PARAMS, &format!("Unknown tool: {name}"), None)
}

/// The HTTP status of an answer that is a JSON-RPC error: clients of both eras end whole runs over
/// others than these (2025-11-25, "Sending Messages to the Server"; 2026-07-28, "Protocol Version
/// Header" and "Server Validation").
pub fn status(era: Era, code: i64) -> u16 {
    match (code, era) {
        (PARSE_ERROR | INVALID_REQUEST | HEADER_MISMATCH, _) => 400,
        (METHOD_NOT_FOUND, Era::Stateless) => 404,
        _ => 200,
    }
}

fn written(
    id: Option<&str>,
    result: Option<CallToolResult<'_>>,
    error: Option<Error<'_>>,
) -> Vec<u8> {
    let id = id.and_then(|id| RawValue::from_string(id.to_owned()).ok());
    let answer = Answer { jsonrpc: "2.0", id: id.as_deref(), result, error };
    // It has no map with keys that are no texts, and nothing else fails.
    serde_json::to_vec(&answer).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_have_the_form_that_clients_expect() {
        let id = "\"\\u0061\"";
        let answer = tool_error(id, Era::Stateless, "It was \"not\" done.", r#"{"rule":"p/r"}"#);
        assert_eq!(
            String::from_utf8(answer).unwrap(),
            r#"{"jsonrpc":"2.0","id":"\u0061","result":{"content":[{"type":"text","text":"It was \"not\" done."}],"isError":true,"resultType":"complete","_meta":{"dev.toolgate/decision":{"rule":"p/r"}}}}"#
        );
        let answer = tool_error(id, Era::Sessions, "No.", "{}");
        assert!(!String::from_utf8(answer).unwrap().contains("resultType"));
        assert_eq!(
            String::from_utf8(unknown_tool("7", "a\"b")).unwrap(),
            r#"{"jsonrpc":"2.0","id":7,"error":{"code":-32602,"message":"Unknown tool: a\"b"}}"#
        );
        assert_eq!(
            String::from_utf8(error(None, PARSE_ERROR, "no JSON", None)).unwrap(),
            r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"no JSON"}}"#
        );
    }
}
