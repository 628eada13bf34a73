//! A call to an MCP server: one JSON-RPC message a request.

use ::http::Request;
use hyper::body::Incoming;

use crate::call::Refusal;
use crate::identify::head::{Head, malformed};
use crate::identify::{Call, Desk, Target};
use crate::protocol::NamedTools;

pub(super) async fn call(
    head: &Head,
    request: Request<Incoming>,
    target: &Target,
    tools: &NamedTools,
    desk: &mut Desk<'_>,
) -> Result<Call, Refusal> {
    let _ = (head, request, target, tools, desk);
    Err(malformed("MCP is not spoken yet"))
}
