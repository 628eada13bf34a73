//! Messages and the parts that they are made of. Images and sound count otherwise than by their
//! length, but only where a provider reads them as such: by their place, not by what they say they are.

use super::estimate::{Input, add_audio, add_image, add_name, walk, walk_members};
use crate::json::{Object, Value};

/// Parts within parts that are followed.
const DEPTH_LIMIT: usize = 16;

/// Parts that are their own text, or another's answer: they stand whole in the request.
const WHOLE: [&str; 18] = [
    "",
    "text",
    "input_text",
    "output_text",
    "summary_text",
    "reasoning_text",
    "refusal",
    "thinking",
    "redacted_thinking",
    "reasoning",
    "tool_use",
    "server_tool_use",
    "mcp_tool_use",
    "tool_result",
    "search_result",
    "tool_reference",
    "compaction",
    "functionResponse",
];

/// Messages of a chat.
pub(super) fn messages(value: Value<'_>, input: &mut Input) {
    let Value::Array(messages) = value else { return walk(value, input, 0) };
    for message in messages.iter() {
        match message {
            Value::Object(message) => one(message, input),
            other => walk(other, input, 0),
        }
    }
}

fn one(message: Object<'_>, input: &mut Input) {
    walk_members(message, &["content"], input, 0);
    // An answer that was sound is referred to.
    input.has_unknown |= message.get("audio").is_some_and(|audio| !matches!(audio, Value::Null));
    if let Some(value) = message.get("content") {
        content(value, input, 0);
    }
}

/// What a message says: a text, or parts.
pub(super) fn content(value: Value<'_>, input: &mut Input, depth: usize) {
    if depth > DEPTH_LIMIT {
        input.has_unknown = true;
        return;
    }
    match value {
        Value::Array(parts) => {
            for one in parts.iter() {
                content(one, input, depth.saturating_add(1));
            }
        }
        Value::Object(object) => part(object, input, depth),
        Value::Null
        | Value::Bool(_)
        | Value::Int(_)
        | Value::UInt(_)
        | Value::Float(_)
        | Value::Str(_) => walk(value, input, depth),
    }
}

/// Gemini's messages, one or several.
pub(super) fn contents(value: Value<'_>, input: &mut Input) {
    let one = |message: Object<'_>, input: &mut Input| {
        walk_members(message, &["parts"], input, 0);
        if let Some(parts) = message.get("parts") {
            content(parts, input, 0);
        }
    };
    match value {
        Value::Array(messages) => {
            for message in messages.iter() {
                match message {
                    Value::Object(message) => one(message, input),
                    other => content(other, input, 0),
                }
            }
        }
        Value::Object(message) => one(message, input),
        other => content(other, input, 0),
    }
}

/// Items of a response's input. One that is given by its id alone stands elsewhere.
pub(super) fn items(value: Value<'_>, input: &mut Input) {
    let Value::Array(items) = value else { return content(value, input, 0) };
    for item in items.iter() {
        let Value::Object(item) = item else {
            walk(item, input, 0);
            continue;
        };
        let has = |name: &str| match item.get(name) {
            None | Some(Value::Null) => false,
            Some(Value::Str(text)) => !text.is_empty(),
            Some(Value::Array(array)) => array.iter().next().is_some(),
            Some(_) => true,
        };
        let kind = item.get("type").and_then(Value::as_str).unwrap_or_default();
        match kind {
            "" | "message" => {
                let is_whole = has("content") || !has("id") && has("role");
                input.has_unknown |= !is_whole && !is_of_text(item);
                one(item, input);
            }
            "function_call" | "custom_tool_call" | "local_shell_call" | "shell_call"
            | "apply_patch_call" | "computer_call" => walk_members(item, &[], input, 0),
            "function_call_output"
            | "custom_tool_call_output"
            | "local_shell_call_output"
            | "shell_call_output"
            | "apply_patch_call_output"
            | "computer_call_output" => {
                walk_members(item, &["output"], input, 0);
                if let Some(output) = item.get("output") {
                    content(output, input, 0);
                }
            }
            "reasoning" => {
                input.has_unknown |= has("id") && !has("encrypted_content");
                walk_members(item, &[], input, 0);
            }
            _ => part(item, input, 0),
        }
    }
}

/// What is to be embedded may be given as objects of text.
fn is_of_text(item: Object<'_>) -> bool {
    item.get("id").is_none() && item.get("text").is_some_and(|text| text.as_str().is_some())
}

fn part(part: Object<'_>, input: &mut Input, depth: usize) {
    let kind = part.get("type").and_then(Value::as_str).unwrap_or_default();
    let within = |name: &str| part.get(name).and_then(Value::as_object);
    input.has_unknown |= part.get("file_id").is_some_and(|id| !matches!(id, Value::Null));
    match kind {
        "image_url" | "input_image" | "computer_screenshot" => {
            let url = match part.get("image_url") {
                Some(Value::Object(image)) => {
                    walk_but(part, "image_url", image, "url", input);
                    image.get("url").and_then(Value::as_str)
                }
                Some(Value::Str(url)) => {
                    walk_members(part, &["image_url"], input, depth);
                    Some(url)
                }
                _ => {
                    walk_members(part, &[], input, depth);
                    None
                }
            };
            add_image(input);
            // Some read any kind of file there.
            input.has_unknown |=
                url.is_some_and(|url| url.starts_with("data:") && !url.starts_with("data:image/"));
        }
        "image" if within("source").is_some() => {
            if let Some(source) = within("source") {
                image_source(part, source, input);
            }
        }
        "input_audio" | "audio" => match within("input_audio") {
            Some(sound) => {
                walk_but(part, "input_audio", sound, "data", input);
                let text = |name: &str| sound.get(name).and_then(Value::as_str);
                add_audio(text("data"), text("format"), input);
            }
            None => {
                walk_members(part, &[], input, depth);
                add_audio(None, None, input);
            }
        },
        "document" => document(part, input, depth),
        _ => {
            let is_whole = WHOLE.contains(&kind) || kind.ends_with("_tool_result");
            input.has_unknown |= !is_whole;
            other(part, input, depth);
        }
    }
}

fn image_source(part: Object<'_>, source: Object<'_>, input: &mut Input) {
    let text = |name: &str| source.get(name).and_then(Value::as_str);
    let is_image = match text("type") {
        Some("base64") => text("media_type").is_some_and(|kind| kind.starts_with("image/")),
        Some("url") => true,
        _ => false,
    };
    let blob = if text("type") == Some("url") { "url" } else { "data" };
    if is_image {
        walk_but(part, "source", source, blob, input);
    } else {
        input.has_unknown = true;
        walk_members(part, &[], input, 0);
    }
    add_image(input);
}

/// A document whose text stands in the request counts by it.
fn document(part: Object<'_>, input: &mut Input, depth: usize) {
    let source = part.get("source").and_then(Value::as_object);
    let kind = source.and_then(|source| source.get("type")).and_then(Value::as_str);
    match (source, kind) {
        (Some(_), Some("text")) => walk_members(part, &[], input, depth),
        (Some(source), Some("content")) => {
            walk_members(part, &["source"], input, depth);
            walk_members(source, &["content"], input, depth);
            if let Some(value) = source.get("content") {
                content(value, input, depth.saturating_add(1));
            }
        }
        _ => {
            input.has_unknown = true;
            walk_members(part, &["source"], input, depth);
        }
    }
}

/// Parts that hold others, and Gemini's, which have no type.
fn other(part: Object<'_>, input: &mut Input, depth: usize) {
    const BLOBS: [&str; 2] = ["inlineData", "inline_data"];
    const FILES: [&str; 2] = ["fileData", "file_data"];
    const RESPONSES: [&str; 2] = ["functionResponse", "function_response"];
    let kind = part.get("type").and_then(Value::as_str).unwrap_or_default();
    let has_parts = kind.ends_with("tool_result");
    add_name("", input);
    for (name, member) in part.iter() {
        add_name(name, input);
        input.caches |= name == "cache_control";
        match member {
            Value::Object(blob) if BLOBS.contains(&name) => inline(blob, input),
            Value::Object(response) if RESPONSES.contains(&name) => {
                walk_members(response, &["parts"], input, depth);
                if let Some(parts) = response.get("parts") {
                    content(parts, input, depth.saturating_add(1));
                }
            }
            Value::Array(_) if has_parts && name == "content" => {
                content(member, input, depth.saturating_add(1));
            }
            member => {
                input.has_unknown |= FILES.contains(&name) && !matches!(member, Value::Null);
                walk(member, input, depth);
            }
        }
    }
}

fn inline(blob: Object<'_>, input: &mut Input) {
    let kind = ["mimeType", "mime_type"].iter().find_map(|name| blob.get(name));
    let kind = kind.and_then(Value::as_str).unwrap_or_default();
    let data = blob.get("data").and_then(Value::as_str);
    let passed_over: &[&str] = if data.is_some() { &["data"] } else { &[] };
    walk_members(blob, passed_over, input, 0);
    match kind.split('/').next().unwrap_or_default() {
        "image" => add_image(input),
        "audio" => add_audio(data, Some(kind), input),
        _ => input.has_unknown = true,
    }
}

/// Counts all of `part` but the text `blob` within its member `name`, which is `inner`.
fn walk_but(part: Object<'_>, name: &str, inner: Object<'_>, blob: &str, input: &mut Input) {
    walk_members(part, &[name], input, 0);
    let is_text = inner.get(blob).is_some_and(|value| value.as_str().is_some());
    walk_members(inner, if is_text { std::slice::from_ref(&blob) } else { &[] }, input, 0);
}
