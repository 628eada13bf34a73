//! What a model was given and what it answered, in one form for all providers: that of
//! `gen_ai.input.messages` and `gen_ai.output.messages` (OpenTelemetry semantic conventions v1.41.1,
//! "gen-ai-input-messages.json" and "gen-ai-output-messages.json").

mod stream;

use bytes::Bytes;
use serde_json::{Map, Value as Written, json};

use super::redact;
use crate::call::Provider;
use crate::json::{Document, JSON_DEPTH_LIMIT, Object, Value};

/// Messages that are told; what is told of them is cut before there are so many.
const MESSAGES_LIMIT: usize = 256;

/// What a model was given. `None` of calls that give it no messages.
pub(super) fn input(provider: Provider, args: Value<'_>) -> Option<Document> {
    let args = args.as_object()?;
    let mut messages = Vec::new();
    let (system, turns) = match provider {
        Provider::OpenAi => {
            let turns = ["messages", "input", "prompt"].into_iter().find_map(|name| args.get(name));
            (args.get("instructions"), turns)
        }
        Provider::Anthropic => (args.get("system"), args.get("messages")),
        Provider::Gemini => {
            let system = args.get("systemInstruction").or_else(|| args.get("system_instruction"));
            (system, args.get("contents"))
        }
    };
    if let Some(system) = system {
        messages.push(json!({ "role": "system", "parts": parts_of(system) }));
    }
    match turns {
        Some(Value::Array(turns)) => {
            messages.extend(turns.iter().take(MESSAGES_LIMIT).map(|turn| message(turn, "user")));
        }
        Some(turn) => messages.push(message(turn, "user")),
        None => {}
    }
    document(messages)
}

/// What a model answered, whole or in pieces. `None` of what is no such answer.
pub(super) fn output(provider: Provider, body: &Bytes) -> Option<Document> {
    let Ok(whole) = Document::parse(body.clone(), JSON_DEPTH_LIMIT) else {
        let said = stream::of_events(body);
        let parts = (!said.is_empty()).then(|| text(&said));
        let messages = parts.map(|part| json!({ "role": "assistant", "parts": [part] }));
        return document(messages.into_iter().collect());
    };
    let Value::Object(answer) = whole.root() else {
        let said = stream::of_pieces(whole.root());
        let parts = (!said.is_empty()).then(|| text(&said));
        let messages = parts.map(|part| json!({ "role": "assistant", "parts": [part] }));
        return document(messages.into_iter().collect());
    };
    document(match provider {
        Provider::OpenAi => match answer.get("choices").or_else(|| answer.get("output")) {
            Some(Value::Array(choices)) => {
                choices.iter().take(MESSAGES_LIMIT).map(choice).collect()
            }
            Some(_) | None => Vec::new(),
        },
        Provider::Anthropic if answer.get("content").is_some() => {
            vec![ended(answer, message(whole.root(), "assistant"))]
        }
        Provider::Anthropic => Vec::new(),
        Provider::Gemini => match answer.get("candidates") {
            Some(Value::Array(candidates)) => {
                candidates.iter().take(MESSAGES_LIMIT).map(choice).collect()
            }
            Some(_) | None => Vec::new(),
        },
    })
}

fn document(messages: Vec<Written>) -> Option<Document> {
    if messages.is_empty() {
        return None;
    }
    Document::from_text(&Written::from(messages).to_string()).ok()
}

/// One of several answers.
fn choice(choice: Value<'_>) -> Written {
    let Value::Object(fields) = choice else { return message(choice, "assistant") };
    let inner = fields.get("message").or_else(|| fields.get("content").filter(is_object));
    ended(fields, message(inner.unwrap_or(choice), "assistant"))
}

fn is_object(value: &Value<'_>) -> bool {
    value.as_object().is_some()
}

/// A message with the reason why it ended, where there is one.
fn ended(fields: Object<'_>, mut message: Written) -> Written {
    let reason = ["finish_reason", "stop_reason", "finishReason"].into_iter();
    let reason = reason.filter_map(|name| fields.get(name)?.as_str()).next();
    if let (Some(reason), Some(message)) = (reason, message.as_object_mut()) {
        message.insert("finish_reason".to_owned(), reason.into());
    }
    message
}

/// One message in any provider's words.
fn message(value: Value<'_>, usual_role: &str) -> Written {
    let Value::Object(fields) = value else {
        return json!({ "role": usual_role, "parts": parts_of(value) });
    };
    let role = match fields.get("role").and_then(Value::as_str) {
        Some("model") => "assistant",
        Some(role) => role,
        None => usual_role,
    };
    let mut parts = match ["content", "parts"].into_iter().find_map(|name| fields.get(name)) {
        Some(Value::Null) => Vec::new(),
        Some(content) if role == "tool" => {
            vec![response(fields.get("tool_call_id"), content)]
        }
        Some(content) => parts_of(content),
        None if fields.get("tool_calls").is_some() => Vec::new(),
        None => vec![part(value)],
    };
    if let Some(Value::Array(calls)) = fields.get("tool_calls") {
        parts.extend(calls.iter().take(MESSAGES_LIMIT).map(part));
    }
    json!({ "role": role, "parts": parts })
}

/// The parts of a content: a text, one part, or several.
fn parts_of(content: Value<'_>) -> Vec<Written> {
    match content {
        Value::Array(parts) => parts.iter().take(MESSAGES_LIMIT).map(part).collect(),
        Value::Object(fields) => match fields.get("parts") {
            Some(Value::Array(parts)) => parts.iter().take(MESSAGES_LIMIT).map(part).collect(),
            Some(_) | None => vec![part(content)],
        },
        Value::Null
        | Value::Bool(_)
        | Value::Int(_)
        | Value::UInt(_)
        | Value::Float(_)
        | Value::Str(_) => vec![part(content)],
    }
}

/// One part in any provider's words. What is neither text nor about a tool is told by its type alone.
fn part(value: Value<'_>) -> Written {
    let fields = match value {
        Value::Str(said) => return text(said),
        Value::Object(fields) => fields,
        Value::Null
        | Value::Bool(_)
        | Value::Int(_)
        | Value::UInt(_)
        | Value::Float(_)
        | Value::Array(_) => return json!({ "type": "other" }),
    };
    if let Some(said) = fields.get("text").and_then(Value::as_str) {
        return text(said);
    }
    let kind = fields.get("type").and_then(Value::as_str).unwrap_or("other");
    let nested =
        ["function", "functionCall"].into_iter().find_map(|name| fields.get(name)?.as_object());
    match (kind, nested) {
        (_, Some(call)) => tool_call(fields.get("id"), call),
        ("tool_use", None) => tool_call(fields.get("id"), fields),
        ("function_call" | "custom_tool_call", None) => tool_call(fields.get("call_id"), fields),
        ("tool_result", None) => {
            response(fields.get("tool_use_id"), fields.get("content").unwrap_or(Value::Null))
        }
        ("function_call_output", None) => {
            response(fields.get("call_id"), fields.get("output").unwrap_or(Value::Null))
        }
        (_, None) => match fields.get("functionResponse").and_then(Value::as_object) {
            Some(answer) => response(None, answer.get("response").unwrap_or(Value::Null)),
            None => json!({ "type": kind }),
        },
    }
}

fn text(said: &str) -> Written {
    json!({ "type": "text", "content": redact::window(said) })
}

fn tool_call(id: Option<Value<'_>>, call: Object<'_>) -> Written {
    let arguments = ["arguments", "input", "args"].into_iter().find_map(|name| call.get(name));
    let mut told = Map::new();
    told.insert("type".to_owned(), "tool_call".into());
    if let Some(id) = id.and_then(Value::as_str) {
        told.insert("id".to_owned(), id.into());
    }
    told.insert("name".to_owned(), call.get("name").and_then(Value::as_str).into());
    told.insert("arguments".to_owned(), arguments.map(copied).into());
    Written::Object(told)
}

fn response(id: Option<Value<'_>>, answer: Value<'_>) -> Written {
    json!({ "type": "tool_call_response", "id": id.and_then(Value::as_str), "response": copied(answer) })
}

/// A value as it is; arguments that are JSON in a text are read, so that their names are seen.
fn copied(value: Value<'_>) -> Written {
    if let Value::Str(said) = value {
        return match Document::from_text(said) {
            Ok(document) if is_object(&document.root()) => copied(document.root()),
            Ok(_) | Err(_) => redact::window(said).into(),
        };
    }
    let mut bytes = Vec::new();
    value.write_canonical(&mut bytes);
    serde_json::from_slice(&bytes).unwrap_or_default()
}
