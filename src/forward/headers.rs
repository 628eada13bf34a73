//! Headers between the agent and the tool: what belongs to one connection stays on it, what is
//! ours is ours to set.

use http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, HOST, HeaderMap,
    HeaderName, HeaderValue, IF_RANGE, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, RANGE, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};

use crate::call::Language;
use crate::call::trace::{TraceContext, TraceParent};
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

/// Headers by which an agent chooses what of a result it is given, and in which form. A range of
/// an answer may be chosen so that it says something else.
const RESULT_SHAPING: [HeaderName; 3] = [ACCEPT_ENCODING, RANGE, IF_RANGE];

/// Headers by which an agent says who it is, or who pays: not where the operator has said it. What
/// would win, if both were sent, is the server's choice.
const CREDENTIALS: [HeaderName; 7] = [
    AUTHORIZATION,
    COOKIE,
    HeaderName::from_static("api-key"),
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("x-goog-api-key"),
    HeaderName::from_static("openai-organization"),
    HeaderName::from_static("openai-project"),
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
    reads_result: bool,
    idempotency_key: Option<&str>,
) -> HeaderMap {
    let mut headers = received;
    strip_hop_by_hop(&mut headers);
    headers.remove(HOST);
    headers.remove(CONTENT_LENGTH);
    headers.remove(EXPECT);
    if reads_result || matches!(call.language, Language::Mcp(_)) {
        // A rule reads this tool's results: they must come whole, in a form that can be read.
        for name in RESULT_SHAPING {
            headers.remove(name);
        }
    }
    if matches!(call.language, Language::Mcp(_)) {
        // Said outright: where nothing is said, any coding may be used (RFC 9110, section 12.5.3).
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    }
    remove_lookalikes(&mut headers, upstream);
    remove_ours(&mut headers);
    // Each attempt says its own.
    headers.remove(TRACEPARENT);
    headers.remove(TRACESTATE);
    if !upstream.headers.is_empty() {
        for name in CREDENTIALS {
            headers.remove(name);
        }
    }
    for (name, value) in &upstream.headers {
        headers.insert(name.clone(), value.clone());
    }
    if let (Some(name), Some(key)) = (&call.plan.resilience.idempotency, idempotency_key) {
        // Also the agent's own: it may have nominated it by `Connection`, or sent a look-alike.
        let alike = |other: &HeaderName| other.as_str().replace('_', "-") == name.as_str();
        while let Some(other) = headers.keys().find(|other| alike(other)).cloned() {
            headers.remove(other);
        }
        if let Ok(key) = HeaderValue::from_str(key) {
            headers.insert(name.clone(), key);
        }
    }
    headers
}

/// Says where the request stands in a trace: as, or below, the span `sent`.
pub(super) fn place(headers: &mut HeaderMap, trace: &TraceContext, sent: TraceParent) {
    let said = [(TRACEPARENT, sent.to_string()), (TRACESTATE, trace.tracestate(sent))];
    for (name, value) in said {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    }
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

/// Removes headers that differ from those the gate sets or strips in `_` for `-` only: many servers
/// do not tell the two apart (RFC 3875, section 4.1.18), and would take the agent's for ours.
fn remove_lookalikes(headers: &mut HeaderMap, upstream: &Upstream) {
    let settled = |dashed: &str| {
        let own = [HOST, CONTENT_LENGTH, EXPECT, TRACEPARENT, TRACESTATE];
        let is_named = |name: &HeaderName| name.as_str() == dashed;
        let credential = !upstream.headers.is_empty() && CREDENTIALS.iter().any(is_named);
        credential || dashed.starts_with(OURS_PREFIX) || HOP_BY_HOP.iter().chain(&own).any(is_named)
    };
    let set = |dashed: &str| {
        upstream.headers.iter().any(|(name, _)| name.as_str().replace('_', "-") == dashed)
    };
    let found = headers.keys().filter(|name| {
        let dashed = name.as_str().replace('_', "-");
        set(&dashed) || (name.as_str().contains('_') && settled(&dashed))
    });
    for name in found.cloned().collect::<Vec<_>>() {
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
