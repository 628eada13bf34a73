//! What a request to a model says of the run that it belongs to, and which tool calls it answers.

use super::Provider;
use crate::json::{Array, Object, Value};

/// Longest label that is taken, in bytes.
const LABEL_LIMIT_BYTES: usize = 256;

/// Tool calls whose results one request gives back, at most; the last ones count.
const ANSWERED_LIMIT_CALLS: usize = 256;

/// What a request says of its run. Labels that the agent asserts, never identity.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hints {
    /// OpenAI's `conversation`.
    pub conversation: Option<Box<str>>,
    /// The answer that it goes on from.
    pub previous_response: Option<Box<str>>,
    /// A label in `metadata`.
    pub metadata: Option<Box<str>>,
    /// The ids of tool calls whose results it gives back, in their order.
    pub answered: Vec<Box<str>>,
}

/// Members of `metadata` that name a run, the most telling first.
const LABELS: [&str; 4] = ["session_id", "run_id", "conversation_id", "thread_id"];

/// Stands before the session in the `user_id` that Claude Code sends.
const SESSION_MARK: &str = "_session_";

/// Reads the hints of a request.
pub fn hints(provider: Provider, args: Value<'_>) -> Hints {
    let Some(root) = args.as_object() else { return Hints::default() };
    let conversation = match root.get("conversation") {
        Some(Value::Object(object)) => object.get("id").and_then(label),
        Some(value) => label(value),
        None => None,
    };
    let list = |name: &str| root.get(name).and_then(Value::as_array);
    let mut answered = Vec::new();
    match provider {
        Provider::OpenAi => {
            list("messages").into_iter().for_each(|list| chat_results(list, &mut answered));
            list("input").into_iter().for_each(|list| response_results(list, &mut answered));
        }
        Provider::Anthropic => {
            list("messages").into_iter().for_each(|list| block_results(list, &mut answered));
        }
        Provider::Gemini => {
            list("contents").into_iter().for_each(|list| part_results(list, &mut answered));
        }
    }
    let excess = answered.len().saturating_sub(ANSWERED_LIMIT_CALLS);
    answered.drain(..excess);
    Hints {
        conversation,
        previous_response: root.get("previous_response_id").and_then(label),
        metadata: root.get("metadata").and_then(Value::as_object).and_then(metadata),
        answered,
    }
}

fn label(value: Value<'_>) -> Option<Box<str>> {
    let text = value.as_str()?.trim();
    (!text.is_empty() && text.len() <= LABEL_LIMIT_BYTES).then(|| text.into())
}

fn metadata(metadata: Object<'_>) -> Option<Box<str>> {
    let named = LABELS.iter().find_map(|name| metadata.get(name).and_then(label));
    named.or_else(|| {
        let user = metadata.get("user_id")?.as_str()?;
        session_of(user)
    })
}

/// The session in a `user_id`: behind the mark, or a member of an object written as text.
fn session_of(user: &str) -> Option<Box<str>> {
    if let Some((_, session)) = user.rsplit_once(SESSION_MARK) {
        return label(Value::Str(session));
    }
    let document = crate::json::Document::from_text(user).ok()?;
    document.root().as_object()?.get("session_id").and_then(label)
}

fn text<'a>(object: Object<'a>, name: &str) -> Option<&'a str> {
    object.get(name).and_then(Value::as_str)
}

fn chat_results(messages: Array<'_>, found: &mut Vec<Box<str>>) {
    for message in messages.iter().filter_map(Value::as_object) {
        if text(message, "role") == Some("tool") {
            found.extend(message.get("tool_call_id").and_then(label));
        }
    }
}

fn response_results(items: Array<'_>, found: &mut Vec<Box<str>>) {
    for item in items.iter().filter_map(Value::as_object) {
        if text(item, "type").is_some_and(|kind| kind.ends_with("_call_output")) {
            found.extend(item.get("call_id").and_then(label));
        }
    }
}

fn block_results(messages: Array<'_>, found: &mut Vec<Box<str>>) {
    for message in messages.iter().filter_map(Value::as_object) {
        let blocks = message.get("content").and_then(Value::as_array);
        for block in blocks.into_iter().flat_map(|blocks| blocks.iter()) {
            if let Some(block) = block.as_object()
                && text(block, "type") == Some("tool_result")
            {
                found.extend(block.get("tool_use_id").and_then(label));
            }
        }
    }
}

fn part_results(contents: Array<'_>, found: &mut Vec<Box<str>>) {
    for content in contents.iter().filter_map(Value::as_object) {
        let parts = content.get("parts").and_then(Value::as_array);
        for part in parts.into_iter().flat_map(|parts| parts.iter()).filter_map(Value::as_object) {
            let names = ["functionResponse", "function_response"];
            let response = names.iter().find_map(|name| part.get(name)).and_then(Value::as_object);
            found.extend(response.and_then(|response| response.get("id")).and_then(label));
        }
    }
}
