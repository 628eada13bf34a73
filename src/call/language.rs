//! In whose words a call was made, and is answered: what refusals are written in.

use std::sync::Arc;

/// The language of one call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// Plain HTTP: a method, a path, JSON.
    #[default]
    Http,
    /// A message of the Model Context Protocol.
    Mcp(Mcp),
    /// A model API.
    Llm(Llm),
}

/// One message of the Model Context Protocol, or the opening or closing of a stream of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mcp {
    /// The JSON-RPC method, `tools/call`; of what has none, the HTTP method.
    pub method: Arc<str>,
    /// The id of a request as the JSON text it came as, a string or an integer. Without one
    /// nobody waits for an answer.
    pub id: Option<Arc<str>>,
    pub era: Era,
    /// The method is none of the protocol's own: only a rule that names it lets it pass.
    pub is_foreign: bool,
    /// The code of the JSON-RPC error for a message that is none, or that its header fields
    /// contradict.
    pub fault: Option<i64>,
}

impl Mcp {
    /// Whether it runs a tool and waits for what comes of it.
    pub fn is_tool_call(&self) -> bool {
        &*self.method == "tools/call" && self.id.is_some()
    }

    /// What is known of a message that has not been read: the HTTP method.
    pub fn unread(method: &str) -> Self {
        Self {
            method: Arc::from(method),
            id: None,
            era: Era::default(),
            is_foreign: false,
            fault: None,
        }
    }
}

/// Which generation of the protocol a message is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Era {
    /// Revisions 2025-03-26 to 2025-11-25: a handshake, then sessions.
    #[default]
    Sessions,
    /// Revision 2026-07-28: each request stands for itself.
    Stateless,
}

/// A request to a model API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Llm {
    pub provider: Provider,
}

/// Whose API a model is reached by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Provider {
    OpenAi,
    Anthropic,
    Gemini,
}

/// Whether a call is one that an agent makes of its own accord, or what the protocol needs around
/// such calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// Counts as a step and a call of its run.
    #[default]
    Tool,
    /// A handshake, a list, a notification: only rules that name it are about it, and it is no step.
    Protocol,
}

impl Language {
    /// The name users see as `protocol`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Mcp(_) => "mcp",
            Self::Llm(_) => "llm",
        }
    }
}

impl Provider {
    /// The name users see in YAML and events (`gen_ai.provider.name` of the OpenTelemetry semantic
    /// conventions for generative AI).
    pub fn name(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
        }
    }
}
