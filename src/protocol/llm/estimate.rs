//! How long a prompt can be at most, before anybody has counted it.
//!
//! A token stands for at least one byte of text, so bytes bound tokens. What is no text is bounded by
//! what providers make of it at most; what is only referred to cannot be bounded, and counts as the
//! longest prompt that the model takes. Only what is known to bring nothing else with it is taken at
//! its length.

use super::parts;
use super::tools::are_clients_own;
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

/// What a request may name that stands elsewhere, or is looked up for it, without underscores.
const REFERRING: [&str; 20] = [
    "previousresponseid",
    "conversation",
    "conversationid",
    "cachedcontent",
    "container",
    "mcpservers",
    "toolresources",
    "websearchoptions",
    "searchparameters",
    "enablesearch",
    "plugins",
    "retrieval",
    "datasources",
    "documents",
    "connectors",
    "files",
    "fileids",
    "threadid",
    "assistantid",
    "vectorstoreids",
];

/// Bounds the prompt of a request.
pub(super) fn input(args: Value<'_>) -> Input {
    let Some(root) = args.as_object() else {
        let mut input = Input { known: INSTRUCTIONS_TOKENS, ..Input::default() };
        walk(args, &mut input, 0);
        return input;
    };
    let is_plain = INSTRUCTED.iter().all(|name| root.get(name).is_none());
    let known = if is_plain { FRAME_TOKENS } else { INSTRUCTIONS_TOKENS };
    let mut input = Input { known, ..Input::default() };
    for (name, member) in root.iter() {
        add_name(name, &mut input);
        if REFERRING.iter().any(|referring| is_named(name, referring)) {
            input.has_unknown |= !matches!(member, Value::Null | Value::Bool(false));
        }
        match name {
            "messages" => parts::messages(member, &mut input),
            "input" => parts::items(member, &mut input),
            "contents" | "content" => parts::contents(member, &mut input),
            "systemInstruction" | "system_instruction" => parts::contents(member, &mut input),
            "system" => parts::content(member, &mut input, 0),
            "tools" | "functions" => {
                input.has_unknown |= !are_clients_own(member);
                walk(member, &mut input, 0);
            }
            // A prompt that is kept by the provider; others are text.
            "prompt" => {
                input.has_unknown |= matches!(member, Value::Object(_));
                walk(member, &mut input, 0);
            }
            _ => walk(member, &mut input, 0),
        }
    }
    if let Some(predicted) = root.get("prediction") {
        input.predicted = bytes(predicted);
    }
    input
}

/// Whether `name` is `wanted`, which is in small letters: providers read both `camelCase` and
/// `snake_case`.
pub(super) fn is_named(name: &str, wanted: &str) -> bool {
    let letters = name.bytes().filter(|byte| *byte != b'_').map(|byte| byte.to_ascii_lowercase());
    letters.eq(wanted.bytes())
}

/// Counts a value as the text that it is written as.
pub(super) fn walk(value: Value<'_>, input: &mut Input, depth: usize) {
    if depth > DEPTH_LIMIT {
        input.has_unknown = true;
        return;
    }
    // What stands around it, and the comma behind it, may be tokens as well.
    add(input, 3);
    match value {
        Value::Null | Value::Bool(_) => add(input, 5),
        Value::Int(_) | Value::UInt(_) => add(input, 24),
        // A whole number beyond 64 bits may be written out in full.
        Value::Float(number) if number.abs() > 1e15 => add(input, 330),
        Value::Float(_) => add(input, 24),
        Value::Str(text) => add_text(text, input),
        Value::Array(array) => {
            for element in array.iter() {
                walk(element, input, depth.saturating_add(1));
            }
        }
        Value::Object(object) => {
            for (name, member) in object.iter() {
                add_name(name, input);
                input.caches |= name == "cache_control";
                walk(member, input, depth.saturating_add(1));
            }
        }
    }
}

/// Counts the members of an object but those of which `passes_over` says that they count otherwise.
pub(super) fn walk_members(
    object: Object<'_>,
    passes_over: &[&str],
    input: &mut Input,
    depth: usize,
) {
    add(input, 3);
    for (name, member) in object.iter() {
        add_name(name, input);
        input.caches |= name == "cache_control";
        if !passes_over.contains(&name) {
            walk(member, input, depth.saturating_add(1));
        }
    }
}

/// Counts the name of a member.
pub(super) fn add_name(name: &str, input: &mut Input) {
    add_text(name, input);
    // Quotes, colon and comma may be tokens as well.
    add(input, 6);
}

/// Counts a text, with what it needs where it is written as JSON.
fn add_text(text: &str, input: &mut Input) {
    let escaped = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..=31);
    add(input, text.len());
    for byte in text.as_bytes().iter().filter(|byte| escaped(byte)) {
        let more = if matches!(byte, b'"' | b'\\' | b'\n' | b'\r' | b'\t') { 1 } else { 5 };
        add(input, more);
    }
}

fn add(input: &mut Input, bytes: usize) {
    input.known = input.known.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
}

/// Counts an image.
pub(super) fn add_image(input: &mut Input) {
    input.known = input.known.saturating_add(IMAGE_TOKENS);
}

/// Counts sound in the request by its size; of sound that is referred to, or packed so that its
/// length has no bound, nothing is known.
pub(super) fn add_audio(data: Option<&str>, format: Option<&str>, input: &mut Input) {
    input.has_audio = true;
    let format = format.unwrap_or_default().rsplit('/').next().unwrap_or_default();
    let is_bounded = matches!(format, "wav" | "x-wav" | "wave" | "mp3" | "mpeg");
    let (Some(data), true) = (data, is_bounded) else {
        input.has_unknown = true;
        return;
    };
    let bytes = u64::try_from(data.len()).unwrap_or(u64::MAX);
    let tokens = (bytes / AUDIO_BYTES_PER_TOKEN).saturating_add(1_024);
    input.known = input.known.saturating_add(tokens);
}

/// The bytes of all text in a value.
fn bytes(value: Value<'_>) -> u64 {
    let mut only = Input::default();
    walk(value, &mut only, 0);
    only.known
}
