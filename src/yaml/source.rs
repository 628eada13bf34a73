//! A file's text and places in it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A file as it was read.
#[derive(Clone, PartialEq, Eq)]
pub struct Source {
    /// The path as the user wrote it.
    pub name: String,
    pub text: String,
}

/// Byte offsets into [`Source::text`]; `start == end` is a point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Span {
    pub start: usize,
    pub end: usize,
}

impl Source {
    /// Line and column of a byte offset, both from 1, the column in characters. Offsets beyond the
    /// end mean the end.
    pub fn line_column(&self, offset: usize) -> (usize, usize) {
        let before = self.text.get(..self.floor(offset)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let column = before.get(start..).unwrap_or_default().chars().count() + 1;
        (line, column)
    }

    /// The part of `span` that lies on its first line, without the white space at its end.
    pub fn first_line_of(&self, span: Span) -> Span {
        let start = self.floor(span.start);
        let end = self.floor(span.end.max(start));
        let part = self.text.get(start..end).unwrap_or_default();
        let first = part.split('\n').next().unwrap_or_default().trim_end();
        Span { start, end: start + first.len() }
    }

    /// The nearest character boundary at or before `offset`.
    fn floor(&self, offset: usize) -> usize {
        let mut at = offset.min(self.text.len());
        while !self.text.is_char_boundary(at) {
            at -= 1;
        }
        at
    }
}

impl Span {
    /// From the start of `self` to the end of `other`.
    pub fn to(self, other: Self) -> Self {
        Self { start: self.start, end: other.end.max(self.start) }
    }
}

impl fmt::Debug for Source {
    /// Names the file only: its text may hold what must not be logged.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("name", &self.name).finish_non_exhaustive()
    }
}
