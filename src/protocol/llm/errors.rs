//! What kind of failure a provider's answer is.

use http::StatusCode;

use super::said::{Fault, Said};

/// How much of a failure's message is looked at, in bytes. It is not kept.
pub(super) const MESSAGE_LIMIT_BYTES: usize = 512;

/// What the messages of providers have in common when a prompt is too long: OpenAI and those that
/// speak like it, Anthropic, Gemini, Bedrock.
const ABOUT_LENGTH: [&str; 8] = [
    "context_length_exceeded",
    "maximum context length",
    "context window",
    "prompt is too long",
    "input is too long",
    "exceed context limit",
    "exceeds the maximum number of tokens",
    "input token count",
];

/// How a model failed, beyond what its status says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The prompt does not fit the model.
    ContextOverflow,
    RateLimit,
    /// The model is overloaded, down, or not there.
    ModelUnavailable,
    /// The request is not one that the model takes.
    ValidationFailed,
}

pub(super) fn is_about_length(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    ABOUT_LENGTH.iter().any(|words| message.contains(words))
}

/// The kind of failure that an answer is: by its status, or, where a stream began well, by what it
/// says later. `None` for a success, and for what is neither the model's nor the request's fault:
/// missing rights and credentials.
pub fn failure(status: StatusCode, said: &Said) -> Option<Failure> {
    let fault = said.fault.as_ref();
    if status.is_success() {
        return fault.map(by_words);
    }
    let is_long = fault.is_some_and(|fault| fault.is_about_length || names_length(fault));
    match status.as_u16() {
        413 => Some(Failure::ContextOverflow),
        400 | 422 if is_long => Some(Failure::ContextOverflow),
        429 => Some(Failure::RateLimit),
        400 | 409 | 415 | 422 => Some(Failure::ValidationFailed),
        404 | 410 => Some(Failure::ModelUnavailable),
        500.. => Some(Failure::ModelUnavailable),
        _ => None,
    }
}

fn names_length(fault: &Fault) -> bool {
    [&fault.code, &fault.kind].into_iter().flatten().any(|word| {
        matches!(
            &**word,
            "context_length_exceeded" | "string_above_max_length" | "request_too_large"
        )
    })
}

fn by_words(fault: &Fault) -> Failure {
    if fault.is_about_length || names_length(fault) {
        return Failure::ContextOverflow;
    }
    for word in [&fault.code, &fault.kind].into_iter().flatten() {
        match &**word {
            "rate_limit_error"
            | "rate_limit_exceeded"
            | "insufficient_quota"
            | "RESOURCE_EXHAUSTED"
            | "429" => return Failure::RateLimit,
            "invalid_request_error"
            | "invalid_prompt"
            | "INVALID_ARGUMENT"
            | "FAILED_PRECONDITION"
            | "400" => return Failure::ValidationFailed,
            _ => {}
        }
    }
    Failure::ModelUnavailable
}
