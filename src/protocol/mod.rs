//! The languages agents speak. Each answers the same three questions: what call is this? how did
//! it end? how do I refuse it in its own language?

mod heard;
pub mod http;
pub mod llm;
pub mod mcp;
mod named;
pub mod sse;

use ::http::{HeaderMap, StatusCode};

use crate::call::Language;

pub use heard::{Heard, Listen};
pub use named::{NamedTool, NamedTools};

/// What the agent is told in place of a tool's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    pub status: StatusCode,
    pub content_type: &'static str,
    pub body: Vec<u8>,
}

/// Says in the language of a call that it did not give the tool's answer.
pub fn tell(language: &Language, shown: &http::Shown<'_>, status: StatusCode) -> Told {
    match language {
        Language::Mcp(message) => mcp::tell(message, shown, status),
        Language::Llm(message) => Told {
            status,
            content_type: "application/json",
            body: llm::refusal(message.provider, shown),
        },
        Language::Http => {
            let body = http::Problem::new(shown).to_bytes();
            Told { status, content_type: "application/problem+json", body }
        }
    }
}

/// Who listens to the answer to a call in this language; nobody where its status says it all.
pub fn listen(
    language: &Language,
    status: StatusCode,
    headers: &HeaderMap,
) -> Option<Box<dyn Listen>> {
    match language {
        Language::Mcp(message) if message.is_tool_call() && status.is_success() => {
            let form = mcp::listen::Form::of(headers)?;
            Some(Box::new(mcp::listen::Listener::new(form, message)))
        }
        Language::Llm(message) => {
            Some(Box::new(llm::Listener::new(message.provider, status, headers)))
        }
        Language::Http | Language::Mcp(_) => None,
    }
}
