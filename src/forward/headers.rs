//! Headers between the agent and the tool: what belongs to one connection stays on it, what is
//! ours is ours to set.

use http::header::{
    ACCEPT_ENCODING, CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue,
    PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};

use crate::forward::Upstream;
use crate::identify::Call;

/// Headers of one connection (RFC 9110, section 7.6.1), and older names for them.
static HOP_BY_HOP: [HeaderName; 9] = [
    CONNECTION,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Headers that speak to this gate and not to the tool.
const OURS_PREFIX: &str = "toolgate-";

/// The headers of the request to the tool, from those received. They are made after identification, so that a header
/// nominated by `Connection` has been read before it is dropped.
pub(super) fn outgoing(
    received: HeaderMap,
    call: &Call,
    upstream: &Upstream,
    strip_encoding: bool,
) -> HeaderMap {
    let mut headers = received;
    strip_hop_by_hop(&mut headers);
    headers.remove(HOST);
    headers.remove(CONTENT_LENGTH);
    headers.remove(EXPECT);
    if strip_encoding {
        // A rule reads this tool's results: they must come in a form that can be read.
        headers.remove(ACCEPT_ENCODING);
    }
    remove_ours(&mut headers);
    headers.remove(TRACESTATE);
    if let Ok(parent) = HeaderValue::from_str(&call.trace.traceparent()) {
        headers.insert(TRACEPARENT, parent);
    }
    if let Some(state) = call.trace.tracestate()
        && let Ok(state) = HeaderValue::from_str(state)
    {
        headers.insert(TRACESTATE, state);
    }
    for (name, value) in &upstream.headers {
        headers.insert(name.clone(), value.clone());
    }
    headers
}

/// Cleans the headers of a tool's answer: what we say of a call, no tool says for us.
pub(super) fn incoming(headers: &mut HeaderMap) {
    strip_hop_by_hop(headers);
    remove_ours(headers);
}

/// Removes the headers of one connection, those that `Connection` nominates included.
fn strip_hop_by_hop(headers: &mut HeaderMap) {
    if headers.contains_key(CONNECTION) {
        let nominated: Vec<HeaderName> = headers
            .get_all(CONNECTION)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .filter_map(|name| name.trim().parse().ok())
            .collect();
        for name in nominated {
            headers.remove(name);
        }
    }
    // Most requests have none of them, and looking for each in turn costs more than this.
    while let Some(name) = headers.keys().find(|name| HOP_BY_HOP.contains(name)).cloned() {
        headers.remove(name);
    }
}

fn remove_ours(headers: &mut HeaderMap) {
    let ours: Vec<HeaderName> =
        headers.keys().filter(|name| name.as_str().starts_with(OURS_PREFIX)).cloned().collect();
    for name in ours {
        headers.remove(name);
    }
}
