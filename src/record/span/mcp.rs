//! A message of the Model Context Protocol.

use std::borrow::Cow;

use opentelemetry::trace::SpanKind;

use super::draft::Draft;
use super::http::{named, put_tool, request};
use super::{names, put_server};
use crate::call::Mcp;
use crate::record::told::Told;

/// Longest id of a request that is told, in bytes; clients count, or take a UUID.
const ID_LIMIT_BYTES: usize = 64;

/// `tools/call {tool}`, or the method of whatever else the protocol has.
pub(super) fn message(draft: &mut Draft, told: &Told, message: &Mcp) {
    let known = &told.known;
    draft.kind = SpanKind::Client;
    // Nothing was read of it when it was refused: what stands for its method is HTTP's.
    let is_unread = known.tool.is_none() && message.id.is_none();
    // A method that the protocol does not have is whatever a client has written.
    let is_other = message.is_foreign || is_unread;
    let method = if is_other { names::OTHER } else { &*message.method };
    // One that was refused before its tool was known has the name of the method alone.
    if message.is_tool_call() && known.tool.is_some() {
        draft.name = named("tools/call", known);
        draft.attributes.put(names::SPAN_KIND, "TOOL");
        draft.attributes.put(names::OPERATION, names::EXECUTE_TOOL);
        put_tool(draft, known);
    } else if is_unread {
        request(draft, known);
    } else {
        draft.name = Cow::Owned(method.to_owned());
        draft.attributes.put(names::SPAN_KIND, "CHAIN");
    }
    draft.attributes.put(names::MCP_METHOD, method.to_owned());
    let id = message.id.as_deref().map(|id| id.trim_matches('"'));
    let id = id.filter(|id| id.len() <= ID_LIMIT_BYTES);
    draft.attributes.put_some(names::JSONRPC_ID, id.map(str::to_owned));
    let particulars = &known.particulars;
    let session = particulars.session.map(|digest| digest.to_string());
    draft.attributes.put_some(names::MCP_SESSION, session);
    draft.attributes.put_some(names::MCP_REVISION, particulars.revision);
    if let Some(wire) = &particulars.wire {
        draft.attributes.put(names::TRANSPORT, wire.transport.name());
    }
    put_server(draft, known);
    let code = particulars.rpc_code.map(|code| code.to_string());
    draft.attributes.put_some(names::RPC_STATUS, code);
}
