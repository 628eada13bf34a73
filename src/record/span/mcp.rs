//! A message of the Model Context Protocol.

use std::borrow::Cow;

use opentelemetry::trace::SpanKind;

use super::draft::Draft;
use super::http::{named, put_tool};
use super::{names, put_server};
use crate::call::Mcp;
use crate::record::told::Told;

/// Longest id of a request that is told, in bytes; clients count, or take a UUID.
const ID_LIMIT_BYTES: usize = 64;

/// `tools/call {tool}`, or the method of whatever else the protocol has.
pub(super) fn message(draft: &mut Draft, told: &Told, message: &Mcp) {
    let known = &told.known;
    draft.kind = SpanKind::Client;
    // A method that the protocol does not have is whatever a client has written.
    let method = if message.is_foreign { names::OTHER } else { &*message.method };
    if message.is_tool_call() {
        draft.name = named("tools/call", known);
        draft.attributes.put(names::SPAN_KIND, "TOOL");
        draft.attributes.put(names::OPERATION, names::EXECUTE_TOOL);
        put_tool(draft, known);
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
