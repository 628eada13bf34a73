//! Server-sent events read off a copy of the bytes, as they pass.
//!
//! Nothing is changed here: each block of lines is told together with the bytes of the stream that
//! it took, so that whoever has to change one of them can leave all others as they came.
//!
//! Format: WHATWG HTML, "Parsing an event stream" and "Interpreting an event stream".

use std::ops::Range;

use bytes::Bytes;

/// What the stream may begin with, once; it is no part of the first line.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The lines up to a blank one. All bytes of a stream belong to a block, one after the other,
/// except those after the last blank line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Block {
    /// It has data: what a client hands to its reader.
    Event(Event),
    /// Comments, blank lines, fields without data: a client hands nothing on.
    Silent(Range<u64>),
    /// Longer than the reader was told to hold, so nobody has read it.
    Oversized(Range<u64>),
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The last `event` field; absent reads as `message`. Bytes that are no UTF-8 are replaced.
    pub name: Option<Box<str>>,
    /// The `data` fields, joined by line feeds. Empty when there was only an empty one.
    pub data: Bytes,
    /// The `id` that this block gives the stream; one with a NUL is none.
    pub id: Option<Box<str>>,
    /// In the stream, from its first byte on. A line feed that follows a blank line's carriage
    /// return is the first byte of the next block: waiting for it would hold the event back.
    pub range: Range<u64>,
}

/// Reads a stream in pieces of any size and holds at most one block of it.
#[derive(Debug)]
pub struct Reader {
    limit_bytes: usize,
    /// The beginning of a line whose end has not come yet.
    line: Vec<u8>,
    /// Whether bytes of this line have been dropped, so that it is no blank line.
    is_line_cut: bool,
    /// Whether the last byte was a carriage return: a line feed now belongs to it.
    is_after_return: bool,
    is_first_line: bool,
    /// Bytes of the stream that were read.
    offset: u64,
    /// Where the block being read begins.
    start: u64,
    fields: Fields,
}

/// What has been read of the current block.
#[derive(Debug, Default)]
struct Fields {
    name: Option<Box<str>>,
    /// Each `data` line, with a line feed after it.
    data: Vec<u8>,
    id: Option<Box<str>>,
}

impl Reader {
    /// Blocks of more than `limit_bytes`, with all their field names and line ends, are told as
    /// [`Block::Oversized`].
    pub fn new(limit_bytes: usize) -> Self {
        Self {
            limit_bytes,
            line: Vec::new(),
            is_line_cut: false,
            is_after_return: false,
            is_first_line: true,
            offset: 0,
            start: 0,
            fields: Fields::default(),
        }
    }

    /// Reads on in `input` up to the end of the next block and takes that from it; all of it when
    /// the block does not end there. To be called until it says `None`.
    pub fn next(&mut self, input: &mut &[u8]) -> Option<Block> {
        if self.is_after_return && !input.is_empty() {
            self.is_after_return = false;
            if let Some(rest) = input.strip_prefix(b"\n") {
                *input = rest;
                self.advance(1);
            }
        }
        while let Some(found) = memchr::memchr2(b'\n', b'\r', input) {
            let (line, rest) = input.split_at(found);
            let mut taken = found.saturating_add(1);
            let is_return = rest.first() == Some(&b'\r');
            *input = rest.get(1..).unwrap_or_default();
            if self.ends_block(line) {
                self.advance(taken);
                self.is_after_return = is_return;
                return Some(self.finish());
            }
            if is_return && let Some(rest) = input.strip_prefix(b"\n") {
                *input = rest;
                taken = taken.saturating_add(1);
            } else {
                // Only at the end of the input does it matter.
                self.is_after_return = is_return && input.is_empty();
            }
            self.advance(taken);
        }
        self.advance(input.len());
        self.hold(input);
        *input = &[];
        None
    }

    fn advance(&mut self, bytes: usize) {
        self.offset = self.offset.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        if self.is_oversized() {
            self.fields = Fields::default();
        }
    }

    fn is_oversized(&self) -> bool {
        let limit_bytes = u64::try_from(self.limit_bytes).unwrap_or(u64::MAX);
        self.offset.saturating_sub(self.start) > limit_bytes
    }

    /// Keeps the beginning of a line, as long as its block may be one that is told.
    fn hold(&mut self, part: &[u8]) {
        if self.is_oversized() {
            self.is_line_cut |= !self.line.is_empty() || !part.is_empty();
            self.line = Vec::new();
        } else {
            self.line.extend_from_slice(part);
        }
    }

    /// Reads the line that ends with `part`: is it a blank one?
    fn ends_block(&mut self, part: &[u8]) -> bool {
        if std::mem::take(&mut self.is_line_cut) {
            self.is_first_line = false;
            return false;
        }
        if self.line.is_empty() {
            return self.line_is_blank(part);
        }
        let mut line = std::mem::take(&mut self.line);
        line.extend_from_slice(part);
        let is_blank = self.line_is_blank(&line);
        line.clear();
        self.line = line;
        is_blank
    }

    fn line_is_blank(&mut self, line: &[u8]) -> bool {
        let is_first = std::mem::take(&mut self.is_first_line);
        let line = if is_first { line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line) } else { line };
        if !self.is_oversized() {
            self.fields.read(line);
        }
        line.is_empty()
    }

    fn finish(&mut self) -> Block {
        let range = self.start..self.offset;
        let is_oversized = self.is_oversized();
        self.start = self.offset;
        let Fields { name, mut data, id } = std::mem::take(&mut self.fields);
        if is_oversized {
            return Block::Oversized(range);
        }
        if data.pop().is_none() {
            return Block::Silent(range);
        }
        Block::Event(Event { name, data: Bytes::from(data), id, range })
    }
}

impl Fields {
    /// A line, without its end. Comments have an empty field name; unknown fields say nothing.
    fn read(&mut self, line: &[u8]) {
        let colon = memchr::memchr(b':', line);
        let (field, value) = match colon.and_then(|at| line.split_at_checked(at)) {
            Some((field, rest)) => {
                let value = rest.get(1..).unwrap_or_default();
                (field, value.strip_prefix(b" ").unwrap_or(value))
            }
            None => (line, &[][..]),
        };
        match field {
            b"data" => {
                self.data.extend_from_slice(value);
                self.data.push(b'\n');
            }
            b"event" => self.name = (!value.is_empty()).then(|| text(value)),
            b"id" if !value.contains(&0) => self.id = Some(text(value)),
            _ => {}
        }
    }
}

/// A block with other data: its `data` lines give way to those of `data`, all its other lines stay.
pub fn with_data(block: &[u8], data: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(block.len().saturating_add(data.len()));
    let mut is_written = false;
    let mut rest = block;
    while !rest.is_empty() {
        let end = memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
        let (line, after) = rest.split_at_checked(end).unwrap_or((rest, &[]));
        let end = if after.starts_with(b"\r\n") { 2 } else { after.len().min(1) };
        let (end, after) = after.split_at_checked(end).unwrap_or((after, &[]));
        rest = after;
        let field = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line);
        if field == b"data" || field.starts_with(b"data:") {
            if !std::mem::replace(&mut is_written, true) {
                for line in data.split(['\n', '\r']) {
                    out.extend_from_slice(b"data: ");
                    out.extend_from_slice(line.as_bytes());
                    out.extend_from_slice(end);
                }
            }
            continue;
        }
        out.extend_from_slice(line);
        out.extend_from_slice(end);
    }
    out
}

fn text(value: &[u8]) -> Box<str> {
    String::from_utf8_lossy(value).into()
}

#[cfg(test)]
mod tests;
