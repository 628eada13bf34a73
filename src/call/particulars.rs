//! What only the span of a call tells of it: where it went, and in which words of its protocol.

use std::sync::Arc;
use std::time::Duration;

use super::Wire;
use crate::json::Digest;

/// What only the span of a call tells of it. Nothing of it is text that an agent, a tool or a model
/// has written, but for [`Contents`], and those only where the config asks for them.
#[derive(Debug, Default)]
pub struct Particulars {
    /// Where its upstream is.
    pub wire: Option<Arc<Wire>>,
    /// The HTTP method of the request and of its attempts, where it is one of those that everybody knows.
    pub verb: Option<&'static str>,
    /// The path below the upstream's own as the config writes it, parameters by their names.
    pub template: Option<Arc<str>>,
    /// The model that was asked.
    pub request_model: Option<Arc<str>>,
    /// The model that answered.
    pub response_model: Option<Arc<str>>,
    /// From sending the request to the first piece of a streamed answer of a model.
    pub first_chunk: Option<Duration>,
    /// Digest of the MCP session's id, which is a secret.
    pub session: Option<Digest>,
    /// The revision of MCP that the message says it is of, if there is such a one.
    pub revision: Option<&'static str>,
    /// The code of the JSON-RPC error that answered.
    pub rpc_code: Option<i64>,
    /// Arguments and results.
    pub contents: Option<Box<Contents>>,
}

impl Particulars {
    /// An HTTP method, if it is one of those that everybody knows (RFC 9110, section 9.3; RFC 5789).
    pub fn verb(method: &str) -> Option<&'static str> {
        const USUAL: [&str; 8] =
            ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE"];
        USUAL.into_iter().find(|usual| *usual == method)
    }
}

/// Arguments and results of a call, captured because the config asks for it: redacted where it asks
/// for that, and cut.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    pub place: ContentPlace,
    pub input: Option<Content>,
    pub output: Option<Content>,
    /// What a model was given: JSON, as `gen_ai.input.messages` has it.
    pub input_messages: Option<String>,
    /// What a model answered: JSON, as `gen_ai.output.messages` has it.
    pub output_messages: Option<String>,
    /// Values that rules had taken out of the call before its result came.
    pub redacted_before: u64,
}

/// One text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    pub text: String,
    /// It is JSON, or the beginning of it.
    pub is_json: bool,
}

/// Where contents are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ContentPlace {
    /// As attributes of the span.
    #[default]
    Span,
    /// As an event of the span.
    Event,
    Both,
}

impl Contents {
    /// What they take of memory, in bytes.
    pub fn weight_bytes(&self) -> usize {
        let texts = [&self.input, &self.output].map(|content| match content {
            Some(content) => content.text.capacity(),
            None => 0,
        });
        let messages = [&self.input_messages, &self.output_messages]
            .map(|messages| messages.as_ref().map_or(0, String::capacity));
        let all = texts.into_iter().chain(messages).fold(0, usize::saturating_add);
        all.saturating_add(size_of::<Self>())
    }
}

impl ContentPlace {
    /// Whether they are attributes of the span.
    pub fn is_span(self) -> bool {
        match self {
            Self::Span | Self::Both => true,
            Self::Event => false,
        }
    }

    /// Whether they are an event of the span.
    pub fn is_event(self) -> bool {
        match self {
            Self::Event | Self::Both => true,
            Self::Span => false,
        }
    }
}
