//! How long a prompt can be at most, before anybody has counted it.
//!
//! A token stands for at least one byte of text, so bytes bound tokens. What is no text is bounded by
//! what providers make of it at most; what is only referred to cannot be bounded, and counts as the
//! longest prompt that the model takes.

use crate::json::{Object, Value};

/// What a provider adds to every prompt: marks around messages, a date, a few sentences.
const FRAME_TOKENS: u64 = 256;

/// What a provider adds to a prompt with tools, thinking or a form of output: instructions for them,
/// of which the longest that is published has less than a thousand tokens.
const INSTRUCTIONS_TOKENS: u64 = 4_096;

/// Members that bring such instructions with them.
const INSTRUCTED: [&str; 11] = [
    "tools",
    "functions",
    "thinking",
    "reasoning",
    "response_format",
    "output_format",
    "output_config",
    "text",
    "context_management",
    "generationConfig",
    "generation_config",
];

/// The most that an image is made of by any published rule: eight tiles for a small OpenAI model.
const IMAGE_TOKENS: u64 = 49_152;

/// Bytes of encoded sound for each token: at 6 kbit/s, the lowest rate of speech codecs, a second has
/// 750 bytes and, by the dearest published rule, 32 tokens.
const AUDIO_BYTES_PER_TOKEN: u64 = 16;

/// Arrays and objects that are followed; a request cannot be nested deeper.
const DEPTH_LIMIT: usize = 64;

/// What is known of the length of a prompt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Input {
    /// Tokens of what stands in the request, at most.
    pub known: u64,
    /// The request refers to what is not in it: an earlier answer, a file, a tool of the provider's.
    pub has_unknown: bool,
    /// It asks for parts to be written to a cache, or leaves that to the provider.
    pub caches: bool,
    pub has_audio: bool,
    /// Tokens of an answer that is expected, and paid for where it comes out otherwise.
    pub predicted: u64,
}

impl Input {
    /// The most tokens, where the model takes no more than `takes`.
    pub fn most(&self, takes: u64) -> u64 {
        if self.has_unknown { self.known.max(takes) } else { self.known }
    }
}

/// Bounds the prompt of a request.
pub(super) fn input(args: Value<'_>) -> Input {
    let root = args.as_object();
    let is_plain = root.is_some_and(|root| INSTRUCTED.iter().all(|name| root.get(name).is_none()));
    let known = if is_plain { FRAME_TOKENS } else { INSTRUCTIONS_TOKENS };
    let mut input = Input { known, ..Input::default() };
    let refers = ["previous_response_id", "conversation", "cachedContent", "cached_content"];
    let has = |name: &&str| {
        let value = root.and_then(|root| root.get(name));
        value.is_some_and(|value| !matches!(value, Value::Null))
    };
    input.has_unknown = refers.iter().any(has)
        || has(&"prompt")
            && root.is_some_and(|root| matches!(root.get("prompt"), Some(Value::Object(_))))
        || has(&"mcp_servers")
        || has(&"container");
    // A list of numbers is a prompt that is tokens already: each has at least a digit and a comma.
    walk(args, &mut input, 0);
    if let Some(predicted) = root.and_then(|root| root.get("prediction")) {
        input.predicted = bytes(predicted);
    }
    input
}

fn walk(value: Value<'_>, input: &mut Input, depth: usize) {
    if depth > DEPTH_LIMIT {
        input.has_unknown = true;
        return;
    }
    match value {
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::UInt(_) | Value::Float(_) => {
            // The longest way to print a number.
            input.known = input.known.saturating_add(24);
        }
        Value::Str(text) => add(input, text.len()),
        Value::Array(array) => {
            for element in array.iter() {
                walk(element, input, depth.saturating_add(1));
            }
        }
        Value::Object(object) => {
            if part(object, input) {
                return;
            }
            for (name, member) in object.iter() {
                // Quotes, colon and comma may be tokens as well.
                add(input, name.len().saturating_add(6));
                if name == "cache_control" {
                    input.caches = true;
                }
                walk(member, input, depth.saturating_add(1));
            }
        }
    }
}

fn add(input: &mut Input, bytes: usize) {
    input.known = input.known.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
}

/// What of a message is no text. Whether all of `object` was counted.
fn part(object: Object<'_>, input: &mut Input) -> bool {
    let kind = object.get("type").and_then(Value::as_str).unwrap_or_default();
    let blob = |name: &str| object.get(name).and_then(Value::as_object);
    match kind {
        "image_url" | "input_image" | "image" => {
            input.known = input.known.saturating_add(IMAGE_TOKENS);
            input.caches |= object.get("cache_control").is_some();
            return true;
        }
        "input_audio" | "audio" => {
            let data = blob("input_audio").and_then(|audio| audio.get("data"));
            audio(data.and_then(Value::as_str), input);
            return true;
        }
        "document" if blob("source").is_some_and(is_text_source) => return false,
        "document" | "file" | "input_file" | "input_video" | "video_url" | "video"
        | "container_upload" | "item_reference" => {
            input.has_unknown = true;
            input.caches |= object.get("cache_control").is_some();
            return true;
        }
        kind if is_provider_tool(kind, object) => input.has_unknown = true,
        _ => {}
    }
    // Gemini's parts have no type.
    let inline = blob("inlineData").or_else(|| blob("inline_data"));
    if let Some(inline) = inline {
        let kind = ["mimeType", "mime_type"].iter().find_map(|name| inline.get(name));
        let kind = kind.and_then(Value::as_str).unwrap_or_default();
        match kind.split('/').next().unwrap_or_default() {
            "image" => input.known = input.known.saturating_add(IMAGE_TOKENS),
            "audio" => audio(inline.get("data").and_then(Value::as_str), input),
            _ => input.has_unknown = true,
        }
        return true;
    }
    if ["fileData", "file_data"].iter().any(|name| blob(name).is_some()) {
        input.has_unknown = true;
        return true;
    }
    let searches = ["googleSearch", "google_search", "urlContext", "url_context", "codeExecution"];
    input.has_unknown |= searches.iter().any(|name| object.get(name).is_some());
    false
}

/// Sound in the request counts by its size; sound that is referred to is not known.
fn audio(data: Option<&str>, input: &mut Input) {
    input.has_audio = true;
    let Some(data) = data else {
        input.has_unknown = true;
        return;
    };
    let bytes = u64::try_from(data.len()).unwrap_or(u64::MAX);
    let tokens = (bytes / AUDIO_BYTES_PER_TOKEN).saturating_add(1_024);
    input.known = input.known.saturating_add(tokens);
}

/// A document whose text stands in the request.
fn is_text_source(source: Object<'_>) -> bool {
    source
        .get("type")
        .and_then(Value::as_str)
        .is_some_and(|kind| matches!(kind, "text" | "content"))
}

/// Tools that the provider carries out: what they find is added to the prompt. They have a type with
/// a version, or one of these names.
fn is_provider_tool(kind: &str, object: Object<'_>) -> bool {
    let known =
        ["web_search", "web_fetch", "file_search", "code_interpreter", "code_execution", "mcp"];
    let is_declared = object.get("role").is_none() && object.get("id").is_none();
    is_declared
        && known.iter().any(|name| kind.starts_with(name))
        && !kind.ends_with("_call")
        && !kind.ends_with("_result")
}

/// The bytes of all text in a value.
fn bytes(value: Value<'_>) -> u64 {
    let mut only = Input::default();
    walk(value, &mut only, 0);
    only.known
}
