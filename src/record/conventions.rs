//! Names of the OpenTelemetry semantic conventions for generative AI, v1.41.1, for what the gate has
//! names of its own for.

use crate::call::Provider;

/// `gen_ai.operation.name` of a call to a model API, by the name of its tool; `None` where the
/// conventions have none, and the tool's own stands for it.
pub(super) fn operation(tool: &str) -> Option<&'static str> {
    match tool {
        "chat" | "messages" | "responses" => Some("chat"),
        "completions" => Some("text_completion"),
        "embeddings" | "embed_content" => Some("embeddings"),
        "generate_content" => Some("generate_content"),
        _ => None,
    }
}

/// `gen_ai.provider.name`.
pub(super) fn provider(provider: Provider) -> &'static str {
    match provider {
        Provider::OpenAi => "openai",
        Provider::Anthropic => "anthropic",
        Provider::Gemini => "gcp.gemini",
    }
}
