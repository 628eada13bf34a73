//! Why a text was refused, in words that may be shown to whoever sent it.

use std::fmt;

/// Longest member name that a message repeats, in characters.
const NAME_SHOWN_LIMIT_CHARS: usize = 64;

/// What is wrong with a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JsonErrorKind {
    /// Not JSON by RFC 8259: also NaN, comments, trailing commas, lone surrogates, a cut-off text.
    Syntax,
    /// A member name occurs twice in one object, judged after decoding its escapes.
    DuplicateKey,
    /// Nested deeper than the limit.
    TooDeep,
    /// An integer outside of 64 bits, or a number beyond what a double can hold.
    NumberRange,
    /// Not UTF-8; UTF-16 and UTF-32 included.
    NotUtf8,
    /// Starts with a byte order mark.
    ByteOrderMark,
    /// More text after the value.
    TrailingData,
    /// Longer than 4 GiB.
    TooLarge,
}

/// A refused text. The message never repeats a value of the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} (line {line}, column {column})")]
pub struct JsonError {
    pub kind: JsonErrorKind,
    /// Bytes before the place where reading stopped. For a duplicate name: its second occurrence
    /// or, when that was written with escapes, the end of its object.
    pub offset: usize,
    /// From 1.
    pub line: usize,
    /// In bytes, from 1.
    pub column: usize,
    pub message: String,
}

impl JsonError {
    /// An error at a byte offset of `text`.
    pub(super) fn at_offset(
        kind: JsonErrorKind,
        text: &[u8],
        offset: usize,
        message: impl fmt::Display,
    ) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let column = before.len() - line_start + 1;
        Self { kind, offset: before.len(), line, column, message: message.to_string() }
    }

    /// An error where serde_json stopped: it counts lines from 1 and columns as the bytes of the
    /// line it has looked at.
    pub(super) fn at_position(
        kind: JsonErrorKind,
        text: &[u8],
        (line, column): (usize, usize),
        message: impl fmt::Display,
    ) -> Self {
        let line_start = match line.checked_sub(2) {
            Some(nth) => {
                let mut breaks = text.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
                breaks.nth(nth).map_or(0, |(at, _)| at + 1)
            }
            None => 0,
        };
        Self::at_offset(kind, text, line_start + column.saturating_sub(1), message)
    }
}

/// The message for a repeated member name, which is shown only when it is short.
pub(super) fn duplicate_key_message(name: &str) -> String {
    if name.chars().count() > NAME_SHOWN_LIMIT_CHARS {
        return "an object has a member name twice".to_owned();
    }
    format!("an object has the member name \"{}\" twice", name.escape_debug())
}
