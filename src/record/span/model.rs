//! A call to a model's API.

use std::borrow::Cow;
use std::sync::Arc;

use opentelemetry::trace::SpanKind;
use opentelemetry::{Array, StringValue, Value};

use super::draft::Draft;
use super::{http, names, put_server};
use crate::call::{Counted, Provider, Tokens};
use crate::record::conventions;
use crate::record::told::Told;

/// What an operation of a provider's API is, in the words of the conventions.
struct Operation {
    name: Cow<'static, str>,
    span_kind: &'static str,
}

impl Operation {
    /// By the name that the gate's own tools go by. What no model is asked by goes by its own name.
    fn of(name: &str) -> Self {
        let Some(name) = conventions::operation(name) else {
            return Self { name: Cow::Owned(name.to_owned()), span_kind: "CHAIN" };
        };
        let span_kind = if name == "embeddings" { "EMBEDDING" } else { "LLM" };
        let name = Cow::Borrowed(name);
        Self { name, span_kind }
    }
}

/// `chat {model}`, and its kind; of a path that the provider's API does not have, the method alone.
pub(super) fn call(draft: &mut Draft, told: &Told, provider: Provider) {
    let known = &told.known;
    let particulars = &known.particulars;
    draft.kind = SpanKind::Client;
    draft.attributes.put(names::PROVIDER, conventions::provider(provider));
    let Some(tool) = known.tool.as_deref() else { return http::request(draft, known) };
    let Operation { name, span_kind } = Operation::of(&tool.operation);
    draft.name = match &particulars.request_model {
        Some(model) => Cow::Owned(format!("{name} {model}")),
        None => name.clone(),
    };
    draft.attributes.put(names::SPAN_KIND, span_kind);
    draft.attributes.put(names::OPERATION, name);
    draft.attributes.put_some(names::REQUEST_MODEL, particulars.request_model.clone());
    draft.attributes.put_some(names::RESPONSE_MODEL, particulars.response_model.clone());
    draft.attributes.put_some(names::FINISH_REASONS, known.finish.as_ref().map(reasons));
    let first = particulars.first_chunk.map(|first| first.as_secs_f64());
    draft.attributes.put_some(names::TIME_TO_FIRST_CHUNK, first);
    if let Some(tokens) = told.close.tokens {
        put_tokens(draft, tokens);
    }
    put_server(draft, known);
}

fn reasons(joined: &Arc<str>) -> Value {
    let reasons = joined.split(',').map(|reason| StringValue::from(reason.to_owned()));
    Value::Array(Array::String(reasons.collect()))
}

fn put_tokens(draft: &mut Draft, tokens: Tokens) {
    let Tokens { input, output, cached, cache_written, reasoning, known } = tokens;
    let attributes = &mut draft.attributes;
    attributes.put_count(names::INPUT_TOKENS, input);
    attributes.put_count(names::OUTPUT_TOKENS, output);
    if cached > 0 {
        attributes.put_count(names::CACHE_READ_TOKENS, cached);
    }
    if cache_written > 0 {
        attributes.put_count(names::CACHE_CREATION_TOKENS, cache_written);
        attributes.put_count(names::CACHE_WRITE_TOKENS, cache_written);
    }
    if reasoning > 0 {
        attributes.put_count(names::REASONING_TOKENS, reasoning);
    }
    match known {
        Counted::Reported => {}
        Counted::Estimated => attributes.put(names::TOKENS_ESTIMATED, true),
    }
}
