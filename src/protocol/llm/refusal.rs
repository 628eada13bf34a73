//! How do I refuse a call to a model? In the shape of the provider's own errors, so that its clients
//! put the sentence into the exception that the agent sees. The machine's fields are those of the
//! problem document, in a member of their own.
//!
//! Formats: OpenAI API reference, "Error codes"; Anthropic API reference, "Errors"; Google AIP-193.

use serde::Serialize;

use super::Provider;
use crate::protocol::http::{Problem, Shown};

#[derive(Serialize)]
struct OpenAi<'a> {
    error: OpenAiError<'a>,
}

#[derive(Serialize)]
struct OpenAiError<'a> {
    message: &'a str,
    r#type: &'static str,
    /// The argument that is at fault.
    param: Option<&'a str>,
    code: &'static str,
    toolgate: Problem<'a>,
}

#[derive(Serialize)]
struct Anthropic<'a> {
    r#type: &'static str,
    error: AnthropicError<'a>,
    request_id: &'a str,
}

#[derive(Serialize)]
struct AnthropicError<'a> {
    r#type: &'static str,
    message: &'a str,
    toolgate: Problem<'a>,
}

#[derive(Serialize)]
struct Gemini<'a> {
    error: GeminiError<'a>,
}

#[derive(Serialize)]
struct GeminiError<'a> {
    code: u16,
    message: &'a str,
    status: &'static str,
    details: [Info; 1],
    toolgate: Problem<'a>,
}

/// `google.rpc.ErrorInfo`.
#[derive(Serialize)]
struct Info {
    #[serde(rename = "@type")]
    kind: &'static str,
    reason: String,
    domain: &'static str,
}

/// The body of an answer that says what `shown` says, as JSON.
pub fn refusal(provider: Provider, shown: &Shown<'_>) -> Vec<u8> {
    let toolgate = Problem::new(shown);
    let message = shown.detail;
    let written = match provider {
        Provider::OpenAi => serde_json::to_vec(&OpenAi {
            error: OpenAiError {
                message,
                r#type: openai_type(shown.status),
                param: shown.violations.first().map(|violation| violation.path.as_str()),
                code: shown.reason,
                toolgate,
            },
        }),
        Provider::Anthropic => serde_json::to_vec(&Anthropic {
            r#type: "error",
            error: AnthropicError { r#type: anthropic_type(shown.status), message, toolgate },
            request_id: shown.call_id,
        }),
        Provider::Gemini => serde_json::to_vec(&Gemini {
            error: GeminiError {
                code: shown.status,
                message,
                status: gemini_status(shown.status),
                details: [Info {
                    kind: "type.googleapis.com/google.rpc.ErrorInfo",
                    reason: shown.reason.to_ascii_uppercase(),
                    domain: "toolgate.dev",
                }],
                toolgate,
            },
        }),
    };
    written.unwrap_or_default()
}

fn openai_type(status: u16) -> &'static str {
    match status {
        403 => "permission_error",
        429 => "rate_limit_error",
        500.. => "server_error",
        _ => "invalid_request_error",
    }
}

fn anthropic_type(status: u16) -> &'static str {
    match status {
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        504 => "timeout_error",
        500.. => "api_error",
        _ => "invalid_request_error",
    }
}

/// The name of the code in `google.rpc.Code`.
fn gemini_status(status: u16) -> &'static str {
    match status {
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        429 => "RESOURCE_EXHAUSTED",
        503 => "UNAVAILABLE",
        504 => "DEADLINE_EXCEEDED",
        500.. => "INTERNAL",
        _ => "INVALID_ARGUMENT",
    }
}
