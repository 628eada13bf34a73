//! Which of MCP's forms of refusal a message gets.

use http::StatusCode;

use super::methods::TOOLS_CALL;
use super::{METHOD_NOT_FOUND, refuse};
use crate::call::Mcp;
use crate::protocol::Told;
use crate::protocol::http::{Problem, Shown};

const JSON: &str = "application/json";

/// Says in place of a server's answer that there is none.
pub fn tell(message: &Mcp, shown: &Shown<'_>, status: StatusCode) -> Told {
    let problem = Problem::new(shown).to_bytes();
    let decision = String::from_utf8_lossy(&problem);
    let id = message.id.as_deref();
    if let Some(code) = message.fault {
        let body = refuse::error(id, code, shown.detail, Some(&decision));
        return told(refuse::status(message.era, code), body);
    }
    let Some(id) = id else {
        // Nobody waits for a response: a notification, a stream, an end.
        return Told { status, content_type: "application/problem+json", body: problem };
    };
    if &*message.method == TOOLS_CALL {
        return told(200, refuse::tool_error(id, message.era, shown.detail, &decision));
    }
    // Codes of one's own stand outside what JSON-RPC and MCP reserve: the status says it well.
    let code = if message.is_foreign { METHOD_NOT_FOUND } else { i64::from(shown.status) };
    let body = refuse::error(Some(id), code, shown.detail, Some(&decision));
    told(refuse::status(message.era, code), body)
}

/// Says that there is no such tool.
pub fn conceal(message: &Mcp, tool: &str) -> Option<Told> {
    let id = message.id.as_deref()?;
    (&*message.method == TOOLS_CALL).then(|| told(200, refuse::unknown_tool(id, tool)))
}

fn told(status: u16, body: Vec<u8>) -> Told {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    Told { status, content_type: JSON, body }
}
