//! Contents of calls: whether any are captured, and what is taken out of them first.
//!
//! Nothing is captured unless `record.bodies` says so. The environment's
//! `OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT` narrows that or chooses the place, and never
//! opens it. What is captured is redacted before it is handed to anybody, by [`redact`] alone.

mod messages;
mod redact;
mod walk;

#[cfg(test)]
mod tests;

use bytes::Bytes;

use crate::call::{Content, ContentPlace, Contents, Known, Language, Provider};
use crate::json::{Document, JSON_DEPTH_LIMIT, Value};

pub use self::redact::redact;
use self::walk::Walk;

/// What is told of one text, in bytes.
pub const CONTENT_LIMIT_BYTES: usize = 16 * 1024;

/// What stands where a text was cut.
pub const CUT: &str = "… [cut]";

/// Names the variable that other instrumentation is told by, too.
pub const CAPTURE_VARIABLE: &str = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT";

/// Whether contents are captured: `record.bodies`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Bodies {
    /// Never, whatever the environment says.
    #[default]
    None,
    /// Without what a detector finds, and without values whose names say that they are secret.
    Redacted,
    /// As they are.
    Full,
}

/// What is captured of each call, and where it is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capture {
    gate: Option<(Wording, ContentPlace)>,
}

/// In which form contents are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wording {
    Redacted,
    Verbatim,
}

impl Capture {
    /// What `bodies` allows, narrowed by the variable's value. A value that it does not have is read
    /// as none: whoever set it wanted something, and it may have been silence.
    pub fn new(bodies: Bodies, variable: Option<&str>) -> Self {
        let wording = match bodies {
            Bodies::None => return Self::default(),
            Bodies::Redacted => Wording::Redacted,
            Bodies::Full => Wording::Verbatim,
        };
        let place = match variable.map(|value| value.trim().to_ascii_uppercase()).as_deref() {
            None | Some("" | "TRUE" | "SPAN_ONLY") => ContentPlace::Span,
            Some("EVENT_ONLY") => ContentPlace::Event,
            Some("SPAN_AND_EVENT") => ContentPlace::Both,
            Some(_) => return Self::default(),
        };
        Self { gate: Some((wording, place)) }
    }

    /// Whether anything is captured.
    pub fn is_open(self) -> bool {
        self.gate.is_some()
    }

    /// Captures what a call is sent with, as it goes out: what rules took out of it is not there.
    pub fn note_input(self, known: &mut Known, args: Value<'_>) {
        let Some((wording, place)) = self.gate else { return };
        let input = Some(Content { text: Walk::written(args, wording), is_json: true });
        let input_messages = provider(&known.language)
            .and_then(|provider| messages::input(provider, args))
            .map(|messages| Walk::written(messages.root(), wording));
        let redacted_before = known.redacted;
        let contents =
            Contents { place, input, input_messages, redacted_before, ..Contents::default() };
        known.particulars.contents = Some(Box::new(contents));
    }

    /// Captures what was answered. `None` where it was too long to be kept. What rules took something
    /// out of is not captured at all: `body` is the answer as it came.
    pub fn note_output(self, known: &mut Known, body: Option<Bytes>) {
        let (Some((wording, _)), Some(body)) = (self.gate, body) else { return };
        let provider = provider(&known.language);
        let redacted = known.redacted;
        let Some(contents) = &mut known.particulars.contents else { return };
        if redacted != contents.redacted_before {
            return;
        }
        let Some(provider) = provider else {
            contents.output = text_of(body, wording);
            return;
        };
        // Of a stream it is what the pieces add up to: a secret may stand in several of them.
        if let Some(said) = messages::output(provider, &body) {
            let text = Walk::written(said.root(), wording);
            contents.output_messages = Some(text.clone());
            contents.output = Some(Content { text, is_json: true });
        }
    }
}

fn provider(language: &Language) -> Option<Provider> {
    match language {
        Language::Llm(message) => Some(message.provider),
        Language::Http | Language::Mcp(_) => None,
    }
}

/// A body as it is told; `None` of an empty one, and of one that is no text.
fn text_of(body: Bytes, wording: Wording) -> Option<Content> {
    if body.is_empty() {
        return None;
    }
    if let Ok(document) = Document::parse(body.clone(), JSON_DEPTH_LIMIT) {
        return Some(Content { text: Walk::written(document.root(), wording), is_json: true });
    }
    let text = std::str::from_utf8(&body).ok()?;
    Some(Content { text: worded(text, wording), is_json: false })
}

/// A text as it is told, cut.
pub(super) fn worded(text: &str, wording: Wording) -> String {
    let window = redact::window(text);
    match wording {
        Wording::Verbatim => cut(window, window.len() < text.len()),
        Wording::Redacted => {
            let redacted = redact(window);
            let (redacted, is_cut) = redact::without_margin(&redacted, window.len() < text.len());
            cut(redacted, is_cut)
        }
    }
}

/// At most so much of a text as is told, with a mark when that is not all.
fn cut(text: &str, is_cut: bool) -> String {
    if text.len() <= CONTENT_LIMIT_BYTES && !is_cut {
        return text.to_owned();
    }
    let kept = text.get(..text.floor_char_boundary(CONTENT_LIMIT_BYTES)).unwrap_or_default();
    format!("{kept}{CUT}")
}
