//! The path of a request, made canonical once: what rules see, what is matched and what is sent
//! are the same, and whatever two servers could read differently is refused.

mod template;

use std::borrow::Cow;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use smallvec::SmallVec;

use crate::identify::percent::{self, PercentFault};

pub use template::{Captures, PathTemplate, TemplateError};

/// Longest path read, in bytes.
pub const PATH_LIMIT_BYTES: usize = 8_192;

/// Longest path shown in a message, in bytes.
const SHOWN_LIMIT_BYTES: usize = 200;

/// What stands for itself in the canonical form: the `pchar` of RFC 3986, section 3.3, without
/// `;`, which some servers cut parameters off at, and `+`, which some read as a space.
const ENCODED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'+')
    .add(b'/')
    .add(b';')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// Why a path is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    #[error("the path does not begin with `/`")]
    NotAbsolute,
    #[error("the path is longer than {PATH_LIMIT_BYTES} bytes")]
    TooLong,
    #[error("the path has an encoded `/`")]
    EncodedSlash,
    #[error("the path has a `\\`")]
    Backslash,
    #[error("the path has a control character")]
    Control,
    #[error("the path is percent-encoded twice")]
    EncodedTwice,
    #[error("the path has a `.` or `..` segment")]
    DotSegment,
    #[error("the path has an empty segment (`//`)")]
    EmptySegment,
    #[error("the path has a `;`")]
    Semicolon,
    #[error("the path has a character outside of ASCII that is not percent-encoded")]
    NotAscii,
    #[error("the path has a space, `?` or `#` that is not percent-encoded")]
    Delimiter,
    #[error("the path has a `%` without two hex digits after it")]
    Escape,
    #[error("the path is not UTF-8 when decoded")]
    NotUtf8,
}

/// A path in its one canonical form. A slash at the end is kept and makes it another path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CanonicalPath {
    text: String,
    segments: SmallVec<[Segment; 8]>,
}

/// One segment, by where it stands in the canonical text.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Segment {
    start: usize,
    end: usize,
    /// Present when it differs from the canonical text.
    decoded: Option<Box<str>>,
}

/// A path or what is below one of its segments.
#[derive(Clone, Copy, Debug)]
pub struct PathBelow<'a> {
    /// From a slash on.
    text: &'a str,
    whole: &'a str,
    segments: &'a [Segment],
}

/// Makes the path of a request canonical: each escape is decoded once, and what must be encoded is
/// encoded in one way.
///
/// # Errors
/// Whatever a second decoder, or one that decodes before it splits, would read differently.
pub fn canonical(path: &str) -> Result<CanonicalPath, PathError> {
    if path.len() > PATH_LIMIT_BYTES {
        return Err(PathError::TooLong);
    }
    let inside = path.strip_prefix('/').ok_or(PathError::NotAbsolute)?;
    let mut canonical =
        CanonicalPath { text: String::with_capacity(path.len()), segments: SmallVec::new() };
    if inside.is_empty() {
        canonical.text.push('/');
        return Ok(canonical);
    }
    let (inside, slash_at_end) = match inside.strip_suffix('/') {
        Some(before) => (before, true),
        None => (inside, false),
    };
    for raw in inside.split('/') {
        canonical.push(raw)?;
    }
    if slash_at_end {
        canonical.text.push('/');
    }
    Ok(canonical)
}

impl CanonicalPath {
    /// The canonical text: what rules see and what is sent.
    pub fn canonical(&self) -> String {
        self.text.clone()
    }

    /// The canonical text, cut to what fits a message.
    pub fn shown(&self) -> String {
        self.all().shown()
    }

    /// The whole path.
    pub fn all(&self) -> PathBelow<'_> {
        PathBelow { text: &self.text, whole: &self.text, segments: &self.segments }
    }

    /// The first segment, decoded, and the path below it. `None` for `/`.
    pub fn split_first(&self) -> Option<(&str, PathBelow<'_>)> {
        let (first, rest) = self.segments.split_first()?;
        let text = self.text.get(first.end..).filter(|text| !text.is_empty()).unwrap_or("/");
        Some((first.decoded(&self.text), PathBelow { text, whole: &self.text, segments: rest }))
    }

    fn push(&mut self, raw: &str) -> Result<(), PathError> {
        self.text.push('/');
        let start = self.text.len();
        if stands_for_itself(raw) {
            self.text.push_str(raw);
            self.segments.push(Segment { start, end: self.text.len(), decoded: None });
            return Ok(());
        }
        let decoded = decode_segment(raw)?;
        self.text.extend(utf8_percent_encode(&decoded, ENCODED));
        let end = self.text.len();
        let same = self.text.get(start..) == Some(&*decoded);
        let decoded = (!same).then(|| Box::from(decoded));
        self.segments.push(Segment { start, end, decoded });
        Ok(())
    }
}

impl<'a> PathBelow<'a> {
    /// The canonical text, from a slash on.
    pub fn canonical(self) -> String {
        self.text.to_owned()
    }

    /// The canonical text, borrowed.
    pub fn as_str(self) -> &'a str {
        self.text
    }

    /// The canonical text, cut to what fits a message. It is plain ASCII without control characters.
    pub fn shown(self) -> String {
        match self.text.get(..SHOWN_LIMIT_BYTES) {
            Some(head) if head.len() < self.text.len() => format!("{head}…"),
            Some(_) | None => self.text.to_owned(),
        }
    }

    /// The decoded segments in order.
    pub fn segments(self) -> impl ExactSizeIterator<Item = &'a str> {
        self.segments.iter().map(move |segment| segment.decoded(self.whole))
    }

    /// Whether it ends with a slash. True for `/` alone.
    pub fn ends_with_slash(self) -> bool {
        self.text.ends_with('/')
    }
}

impl Segment {
    fn decoded<'a>(&'a self, text: &'a str) -> &'a str {
        match &self.decoded {
            Some(decoded) => decoded,
            None => text.get(self.start..self.end).unwrap_or_default(),
        }
    }
}

/// Whether a segment is its own decoded and its own canonical form, as nearly all are.
fn stands_for_itself(raw: &str) -> bool {
    let plain = |byte: u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b':' | b'@')
    };
    !matches!(raw, "" | "." | "..") && raw.bytes().all(plain)
}

/// A decoded segment in its canonical form.
fn encoded(segment: &str) -> String {
    utf8_percent_encode(segment, ENCODED).to_string()
}

/// Decodes a segment, unless servers disagree on what it means.
fn decode_segment(raw: &str) -> Result<Cow<'_, str>, PathError> {
    if raw.is_empty() {
        return Err(PathError::EmptySegment);
    }
    if !raw.is_ascii() {
        return Err(PathError::NotAscii);
    }
    if raw.contains([' ', '?', '#']) {
        return Err(PathError::Delimiter);
    }
    let decoded = percent::decode(raw).map_err(|fault| match fault {
        PercentFault::Escape => PathError::Escape,
        PercentFault::NotUtf8 => PathError::NotUtf8,
    })?;
    for character in decoded.chars() {
        match character {
            '/' => return Err(PathError::EncodedSlash),
            '\\' => return Err(PathError::Backslash),
            ';' => return Err(PathError::Semicolon),
            control if control.is_control() => return Err(PathError::Control),
            _ => {}
        }
    }
    // Spaces around dots are cut off by some file systems.
    if matches!(decoded.trim_matches(' '), "." | "..") {
        return Err(PathError::DotSegment);
    }
    if percent::holds_escape(&decoded) {
        return Err(PathError::EncodedTwice);
    }
    Ok(decoded)
}

#[cfg(test)]
mod tests;
