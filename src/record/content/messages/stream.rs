//! The text that a streamed answer of a model adds up to.

use bytes::Bytes;

use crate::json::{Document, JSON_DEPTH_LIMIT, Value};
use crate::protocol::sse::{Block, Reader};
use crate::record::content::CONTENT_LIMIT_BYTES;

/// Longest event that is looked at, in bytes.
const EVENT_LIMIT_BYTES: usize = 256 * 1024;

/// Text of a stream that is put together; more than is told of it, so that it is seen to be cut and
/// that nothing is half looked at.
const TEXT_LIMIT_BYTES: usize = 4 * CONTENT_LIMIT_BYTES;

/// The text of server-sent events.
pub(super) fn of_events(body: &Bytes) -> String {
    let mut reader = Reader::new(EVENT_LIMIT_BYTES);
    let mut rest: &[u8] = body;
    let mut said = String::new();
    while let Some(block) = reader.next(&mut rest) {
        let Block::Event(event) = block else { continue };
        let Ok(event) = Document::parse(event.data, JSON_DEPTH_LIMIT) else { continue };
        add(event.root(), &mut said);
        if said.len() > TEXT_LIMIT_BYTES {
            break;
        }
    }
    said
}

/// The text of an array of answers, each of which goes on from the one before.
pub(super) fn of_pieces(root: Value<'_>) -> String {
    let mut said = String::new();
    let Value::Array(pieces) = root else { return said };
    for piece in pieces.iter() {
        add(piece, &mut said);
        if said.len() > TEXT_LIMIT_BYTES {
            break;
        }
    }
    said
}

/// Adds the text of one piece, whoever's API it is of.
fn add(piece: Value<'_>, said: &mut String) {
    let Value::Object(fields) = piece else { return };
    match fields.get("delta") {
        // OpenAI's responses; of their other deltas the type says that they are no text.
        Some(Value::Str(text)) => {
            let kind = fields.get("type").and_then(Value::as_str).unwrap_or_default();
            if kind == "response.output_text.delta" {
                said.push_str(text);
            }
        }
        // Anthropic's messages.
        Some(Value::Object(delta)) => add_text(delta.get("text"), said),
        Some(_) | None => {}
    }
    let answers =
        ["choices", "candidates"].into_iter().find_map(|name| fields.get(name)?.as_array());
    let Some(Value::Object(first)) = answers.and_then(|answers| answers.get(0)) else { return };
    add_text(first.get("text"), said);
    if let Some(Value::Object(delta)) = first.get("delta") {
        add_text(delta.get("content"), said);
    }
    if let Some(Value::Object(content)) = first.get("content")
        && let Some(Value::Array(parts)) = content.get("parts")
    {
        for part in parts.iter().filter_map(Value::as_object) {
            add_text(part.get("text"), said);
        }
    }
}

fn add_text(text: Option<Value<'_>>, said: &mut String) {
    said.push_str(text.and_then(Value::as_str).unwrap_or_default());
}
