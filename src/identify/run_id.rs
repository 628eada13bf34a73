//! Which run does a call belong to? The first source that names one wins; which it was is recorded.
//!
//! Run ids are labels that the agent asserts, never identity: rotating them buys nothing, because
//! every run also draws on the limits of its agent and tenant.

use std::borrow::Cow;
use std::sync::Arc;

use http::{HeaderMap, HeaderName};

use crate::call::trace::TraceParent;
use crate::identify::baggage;
use crate::json::Hasher;

/// Longest run id, in characters.
pub const RUN_ID_LIMIT_CHARS: usize = 128;

/// The header that names a run outright.
const OWN_HEADER: &str = "toolgate-run-id";

/// The session header of MCP 2025-11-25 and older.
const MCP_HEADER: &str = "mcp-session-id";

/// Headers by which agents and other gateways name a session, strongest first.
const KNOWN_HEADERS: [&str; 7] = [
    "agent-session-id",
    "x-litellm-session-id",
    "x-litellm-trace-id",
    "helicone-session-id",
    "x-portkey-trace-id",
    "x-claude-code-session-id",
    "session-id",
];

/// Where a run id came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RunIdSource {
    /// `Toolgate-Run-Token`, which was signed here.
    Token,
    /// `Toolgate-Run-Id`.
    Header,
    /// `/_run/ID/…` in front of the path.
    Path,
    /// The header that the config names.
    ConfiguredHeader,
    /// A session header of another product.
    KnownHeader,
    /// `session.id` or `gen_ai.conversation.id`.
    Baggage,
    /// The trace id.
    Traceparent,
    /// `mcp-session-id`.
    McpSession,
    /// The body of a request to a model: `conversation`, `previous_response_id`, `metadata`.
    ModelConversation,
    /// A tool call that a model in a recent run asked for, or whose result a request gives back.
    ModelToolCall,
    /// None of these: one run an agent, ended by idleness.
    AgentWindow,
}

impl RunIdSource {
    /// The name users see as `run_id_source`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Header => "header",
            Self::Path => "path",
            Self::ConfiguredHeader => "configured_header",
            Self::KnownHeader => "known_header",
            Self::Baggage => "baggage",
            Self::Traceparent => "traceparent",
            Self::McpSession => "mcp_session",
            Self::ModelConversation => "model_conversation",
            Self::ModelToolCall => "model_tool_call",
            Self::AgentWindow => "agent_window",
        }
    }
}

/// A run id and where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// 1 to 128 visible ASCII characters without quotes and backslash.
    pub id: Arc<str>,
    pub source: RunIdSource,
}

/// Why a request does not name its run in exactly one way.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RunIdError {
    #[error(
        "the run id in {place} is invalid: use 1 to {RUN_ID_LIMIT_CHARS} visible ASCII characters \
         without quotes and backslash"
    )]
    Invalid { place: &'static str },
    #[error("{place} names the run more than once")]
    Repeated { place: String },
    #[error("the header Toolgate-Run-Id and the path name different runs")]
    Disagree,
}

/// Finds the run that a request names: in our own header or the path, else in the configured and
/// the known headers, baggage, the trace, the MCP session. `None` when it names none.
///
/// Values of the weaker sources that cannot be run ids are passed over, as they were not meant for
/// us; those that contradict themselves are refused.
///
/// # Errors
/// When our own header or the path is invalid or they disagree, or when a source gives two values.
pub fn resolve(
    headers: &HeaderMap,
    path_run: Option<&str>,
    configured: Option<&HeaderName>,
    trace: Option<&TraceParent>,
) -> Result<Option<Resolved>, RunIdError> {
    if let Some(resolved) = outright(headers, path_run)? {
        return Ok(Some(resolved));
    }
    let found = |id: &str, source| Ok(Some(Resolved { id: Arc::from(id), source }));
    if let Some(name) = configured
        && let Some(id) = label(headers, name.as_str())?
    {
        return found(id, RunIdSource::ConfiguredHeader);
    }
    if let Some(id) = known(headers)? {
        return found(id, RunIdSource::KnownHeader);
    }
    if let Some(id) = in_baggage(headers)? {
        return found(&id, RunIdSource::Baggage);
    }
    if let Some(trace) = trace {
        return found(&trace.trace_id(), RunIdSource::Traceparent);
    }
    match label(headers, MCP_HEADER)? {
        Some(id) => found(&session(id), RunIdSource::McpSession),
        None => Ok(None),
    }
}

/// What a session is called here. Whoever holds its id can speak in it, so the id itself stands in
/// no record (MCP 2025-11-25, "Session Management").
fn session(id: &str) -> String {
    let mut hasher = Hasher::new(None);
    hasher.update(id.as_bytes());
    format!("mcp_{}", hasher.finish())
}

/// Whether a text may be a run id.
pub fn is_run_id(text: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b'`' | b'\\');
    (1..=RUN_ID_LIMIT_CHARS).contains(&text.len()) && text.bytes().all(legal)
}

/// The run that the agent names to us and nobody else.
fn outright(headers: &HeaderMap, path_run: Option<&str>) -> Result<Option<Resolved>, RunIdError> {
    let mut values = headers.get_all(OWN_HEADER).iter();
    let header = values.next();
    if values.next().is_some() {
        return Err(RunIdError::Repeated { place: "the header Toolgate-Run-Id".to_owned() });
    }
    let header = match header.map(|value| value.to_str().ok().filter(|id| is_run_id(id))) {
        Some(None) => return Err(RunIdError::Invalid { place: "the header Toolgate-Run-Id" }),
        Some(Some(id)) => Some(id),
        None => None,
    };
    if path_run.is_some_and(|id| !is_run_id(id)) {
        return Err(RunIdError::Invalid { place: "the path" });
    }
    let (id, source) = match (header, path_run) {
        (Some(header), Some(path)) if header != path => return Err(RunIdError::Disagree),
        (Some(id), _) => (id, RunIdSource::Header),
        (None, Some(id)) => (id, RunIdSource::Path),
        (None, None) => return Ok(None),
    };
    Ok(Some(Resolved { id: Arc::from(id), source }))
}

/// The value of a header if it can be a run id.
fn label<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, RunIdError> {
    let mut values = headers.get_all(name).iter();
    let Some(first) = values.next() else { return Ok(None) };
    if values.any(|other| other != first) {
        return Err(RunIdError::Repeated { place: format!("the header {name}") });
    }
    Ok(first.to_str().ok().filter(|id| is_run_id(id)))
}

/// The strongest known header. Of several unknown `x-…-session-id` the first by name counts, so
/// that the order of headers does not matter.
fn known(headers: &HeaderMap) -> Result<Option<&str>, RunIdError> {
    for name in KNOWN_HEADERS {
        if let Some(id) = label(headers, name)? {
            return Ok(Some(id));
        }
    }
    let mut names: Vec<&str> =
        headers.keys().map(HeaderName::as_str).filter(|name| is_session_header(name)).collect();
    names.sort_unstable();
    for name in names {
        if let Some(id) = label(headers, name)? {
            return Ok(Some(id));
        }
    }
    Ok(None)
}

/// `x-session-id` and `x-…-session-id`.
fn is_session_header(name: &str) -> bool {
    name.strip_prefix('x')
        .is_some_and(|rest| rest.starts_with('-') && rest.ends_with("-session-id"))
}

fn in_baggage(headers: &HeaderMap) -> Result<Option<Cow<'_, str>>, RunIdError> {
    let values = headers.get_all("baggage").iter().filter_map(|value| value.to_str().ok());
    let id = baggage::session(values).map_err(|contradiction| RunIdError::Repeated {
        place: format!("{} in baggage", contradiction.name),
    })?;
    Ok(id.filter(|id| is_run_id(id)))
}

#[cfg(test)]
mod tests;
