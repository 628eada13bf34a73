//! JSON read as it passes, in pieces of any size: what is wanted of it is handed over, the rest is
//! only counted. Nothing is held but the place and the value being read, both bounded.
//!
//! This reads what a provider answered, to count and to remember; no rule judges what it yields, so
//! it need not tell every malformed text (RFC 8259) from a good one.

use std::ops::ControlFlow;

/// Nested arrays and objects that are followed; what is deeper makes a text unreadable.
const DEPTH_LIMIT: usize = 64;

/// Longest member name that is known, in bytes.
const NAME_LIMIT_BYTES: usize = 48;

/// Longest number or literal, in bytes.
const SCALAR_LIMIT_BYTES: usize = 40;

/// One step from the outermost value to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A member; of names that nobody asks for, the empty one.
    Name(&'static str),
    Index(u32),
}

/// A value without parts, or one that was asked for as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scalar<'a> {
    /// `null`, `true` or `false`.
    Null,
    Bool(bool),
    /// A whole number from 0.
    Count(u64),
    /// Any other number.
    Number,
    /// A string: what of it was asked for, and its length in bytes as it stands in the text.
    Text {
        taken: &'a str,
        is_whole: bool,
        bytes: u64,
    },
    /// An array or object that was asked for, as it stands in the text.
    Raw {
        text: &'a [u8],
        is_whole: bool,
    },
}

/// Who is told what a text says.
pub(super) trait Sink {
    /// The interned form of a member name, if anybody asks for it.
    fn name(&self, name: &str) -> Option<&'static str>;
    /// How many bytes of the string at `path` are wanted.
    fn wants(&self, path: &[Step]) -> usize;
    /// How many bytes of the array or object that begins at `path` are wanted as they stand.
    fn wants_raw(&self, path: &[Step]) -> usize;
    /// An array or object begins.
    fn enter(&mut self, path: &[Step]);
    /// A value is read.
    fn value(&mut self, path: &[Step], value: Scalar<'_>);
    /// An array or object has ended.
    fn leave(&mut self, path: &[Step]);
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before a value; `]` may stand instead of the first of an array.
    Value {
        may_end: bool,
    },
    /// Before a member name; `}` may stand instead of the first.
    Name {
        may_end: bool,
    },
    Colon,
    /// After a value.
    Next,
    Text {
        is_name: bool,
    },
    /// After a backslash in a string.
    Escape {
        is_name: bool,
    },
    /// In `\uXXXX`: digits seen and their value.
    Hex {
        is_name: bool,
        digits: u8,
        code: u32,
    },
    /// In a number or literal.
    Word,
    Done,
    /// Not read any further.
    Broken,
}

/// An array or object that is copied as it stands.
#[derive(Debug)]
struct Raw {
    depth: usize,
    limit: usize,
    text: Vec<u8>,
    is_whole: bool,
}

/// Reads one JSON text.
#[derive(Debug)]
pub(super) struct Skim {
    state: State,
    path: Vec<Step>,
    /// Whether each container on the way is an array.
    arrays: Vec<bool>,
    taken: Vec<u8>,
    limit: usize,
    is_whole: bool,
    bytes: u64,
    /// The first half of a surrogate pair.
    high: Option<u32>,
    raw: Option<Raw>,
}

impl Default for Skim {
    fn default() -> Self {
        Self {
            state: State::Value { may_end: false },
            path: Vec::new(),
            arrays: Vec::new(),
            taken: Vec::new(),
            limit: 0,
            is_whole: true,
            bytes: 0,
            high: None,
            raw: None,
        }
    }
}

impl Skim {
    /// Whether one whole value has been read.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Starts over with another text.
    pub fn reset(&mut self) {
        self.state = State::Value { may_end: false };
        self.path.clear();
        self.arrays.clear();
        self.high = None;
        self.raw = None;
    }

    /// Reads on. What comes after a fault is passed over; more than one value is one.
    pub fn feed(&mut self, piece: &[u8], sink: &mut impl Sink) {
        let mut rest = piece;
        while let Some((&byte, after)) = rest.split_first() {
            let flow = match self.state {
                State::Text { is_name } => {
                    let plain = memchr::memchr2(b'"', b'\\', rest).unwrap_or(rest.len());
                    let (plain, after) = rest.split_at_checked(plain).unwrap_or((rest, &[]));
                    if !plain.is_empty() {
                        self.take(plain);
                        self.copy(plain);
                        rest = after;
                        continue;
                    }
                    self.copy(&[byte]);
                    self.in_text(byte, is_name, sink)
                }
                State::Word if !is_word(byte) => match self.end_word(sink) {
                    ControlFlow::Continue(()) => continue,
                    stop => stop,
                },
                // What follows the value is no part of it.
                State::Done if matches!(byte, b' ' | b'\t' | b'\n' | b'\r') => {
                    ControlFlow::Continue(())
                }
                State::Done => ControlFlow::Break(()),
                State::Broken => return,
                State::Value { .. }
                | State::Name { .. }
                | State::Colon
                | State::Next
                | State::Escape { .. }
                | State::Hex { .. }
                | State::Word => self.step(byte, sink),
            };
            if flow.is_break() {
                self.state = State::Broken;
                return;
            }
            rest = after;
        }
    }

    /// Says that the text has ended: a number at its end is read only now.
    pub fn finish(&mut self, sink: &mut impl Sink) {
        if self.state == State::Word && self.end_word(sink).is_break() {
            self.state = State::Broken;
        }
    }

    /// Takes one byte outside of the plain text of a string.
    fn step(&mut self, byte: u8, sink: &mut impl Sink) -> ControlFlow<()> {
        let is_blank = matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
        match self.state {
            State::Value { .. } | State::Name { .. } | State::Colon | State::Next if is_blank => {
                self.copy(&[byte]);
            }
            State::Value { may_end } => return self.begin(byte, may_end, sink),
            State::Name { may_end } => {
                self.copy(&[byte]);
                match byte {
                    b'"' => self.begin_text(NAME_LIMIT_BYTES, true),
                    b'}' if may_end => self.end_container(false, sink)?,
                    _ => return ControlFlow::Break(()),
                }
            }
            State::Colon if byte == b':' => {
                self.copy(&[byte]);
                self.state = State::Value { may_end: false };
            }
            State::Next => return self.next(byte, sink),
            State::Escape { is_name } => {
                self.copy(&[byte]);
                return self.in_escape(byte, is_name);
            }
            State::Hex { is_name, digits, code } => {
                self.copy(&[byte]);
                return self.in_hex(byte, is_name, digits, code);
            }
            State::Word => {
                self.copy(&[byte]);
                self.take(&[byte]);
            }
            State::Colon | State::Text { .. } | State::Done | State::Broken => {
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }

    fn begin(&mut self, byte: u8, may_end: bool, sink: &mut impl Sink) -> ControlFlow<()> {
        match byte {
            b'"' => {
                self.copy(&[byte]);
                let wanted = if self.raw.is_some() { 0 } else { sink.wants(&self.path) };
                self.begin_text(wanted, false);
            }
            b'{' | b'[' => {
                if self.arrays.len() >= DEPTH_LIMIT {
                    return ControlFlow::Break(());
                }
                let is_array = byte == b'[';
                if self.raw.is_none() {
                    let limit = sink.wants_raw(&self.path);
                    if limit > 0 {
                        let depth = self.arrays.len();
                        self.raw = Some(Raw { depth, limit, text: Vec::new(), is_whole: true });
                    } else {
                        sink.enter(&self.path);
                    }
                }
                self.copy(&[byte]);
                self.arrays.push(is_array);
                if is_array {
                    self.path.push(Step::Index(0));
                    self.state = State::Value { may_end: true };
                } else {
                    self.state = State::Name { may_end: true };
                }
            }
            b']' if may_end => {
                self.copy(&[byte]);
                self.end_container(true, sink)?;
            }
            _ if is_word(byte) => {
                self.copy(&[byte]);
                self.begin_text(SCALAR_LIMIT_BYTES, false);
                self.take(&[byte]);
                self.state = State::Word;
            }
            _ => return ControlFlow::Break(()),
        }
        ControlFlow::Continue(())
    }

    fn next(&mut self, byte: u8, sink: &mut impl Sink) -> ControlFlow<()> {
        self.copy(&[byte]);
        match (byte, self.arrays.last()) {
            (b',', Some(true)) => {
                if let Some(Step::Index(index)) = self.path.last_mut() {
                    *index = index.saturating_add(1);
                }
                self.state = State::Value { may_end: false };
            }
            (b',', Some(false)) => self.state = State::Name { may_end: false },
            (b']', Some(true)) => self.end_container(true, sink)?,
            (b'}', Some(false)) => self.end_container(false, sink)?,
            (_, _) => return ControlFlow::Break(()),
        }
        ControlFlow::Continue(())
    }

    fn end_container(&mut self, is_array: bool, sink: &mut impl Sink) -> ControlFlow<()> {
        if self.arrays.pop() != Some(is_array) {
            return ControlFlow::Break(());
        }
        if is_array {
            self.path.pop();
        }
        match self.raw.take() {
            Some(raw) if raw.depth == self.arrays.len() => {
                let value = Scalar::Raw { text: &raw.text, is_whole: raw.is_whole };
                sink.value(&self.path, value);
            }
            Some(raw) => self.raw = Some(raw),
            None => sink.leave(&self.path),
        }
        self.end_value();
        ControlFlow::Continue(())
    }

    /// A value has ended: what follows is up to what it is in.
    fn end_value(&mut self) {
        match self.arrays.last() {
            None => self.state = State::Done,
            Some(true) => self.state = State::Next,
            Some(false) => {
                self.path.pop();
                self.state = State::Next;
            }
        }
    }

    fn begin_text(&mut self, limit: usize, is_name: bool) {
        self.taken.clear();
        self.limit = limit;
        self.is_whole = true;
        self.bytes = 0;
        self.high = None;
        self.state = State::Text { is_name };
    }

    fn in_text(&mut self, byte: u8, is_name: bool, sink: &mut impl Sink) -> ControlFlow<()> {
        if byte == b'\\' {
            self.bytes = self.bytes.saturating_add(1);
            self.state = State::Escape { is_name };
            return ControlFlow::Continue(());
        }
        self.end_pair();
        let taken = std::str::from_utf8(&self.taken).unwrap_or_else(|fault| {
            // Cut within a letter: what is before it is text.
            let good = self.taken.get(..fault.valid_up_to()).unwrap_or_default();
            std::str::from_utf8(good).unwrap_or_default()
        });
        if is_name {
            let known = if self.is_whole { sink.name(taken) } else { None };
            self.path.push(Step::Name(known.unwrap_or_default()));
            self.state = State::Colon;
            return ControlFlow::Continue(());
        }
        if self.raw.is_none() {
            let value = Scalar::Text { taken, is_whole: self.is_whole, bytes: self.bytes };
            sink.value(&self.path, value);
        }
        self.end_value();
        ControlFlow::Continue(())
    }

    fn in_escape(&mut self, byte: u8, is_name: bool) -> ControlFlow<()> {
        let letter = match byte {
            b'u' => {
                self.bytes = self.bytes.saturating_add(1);
                self.state = State::Hex { is_name, digits: 0, code: 0 };
                return ControlFlow::Continue(());
            }
            b'n' => b'\n',
            b't' => b'\t',
            b'r' => b'\r',
            b'b' => 8,
            b'f' => 12,
            b'"' | b'\\' | b'/' => byte,
            _ => return ControlFlow::Break(()),
        };
        self.take(&[letter]);
        self.state = State::Text { is_name };
        ControlFlow::Continue(())
    }

    fn in_hex(&mut self, byte: u8, is_name: bool, digits: u8, code: u32) -> ControlFlow<()> {
        let Some(digit) = char::from(byte).to_digit(16) else { return ControlFlow::Break(()) };
        self.bytes = self.bytes.saturating_add(1);
        let code = (code << 4) | digit;
        if digits < 3 {
            self.state = State::Hex { is_name, digits: digits.saturating_add(1), code };
            return ControlFlow::Continue(());
        }
        self.state = State::Text { is_name };
        let bytes = self.bytes;
        match (self.high.take(), code) {
            (Some(high), 0xDC00..=0xDFFF) => {
                let whole = 0x10000 + ((high - 0xD800) << 10) + (code - 0xDC00);
                self.put(char::from_u32(whole).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            (before, 0xD800..=0xDBFF) => {
                if before.is_some() {
                    self.put(char::REPLACEMENT_CHARACTER);
                }
                self.high = Some(code);
            }
            (before, _) => {
                if before.is_some() {
                    self.put(char::REPLACEMENT_CHARACTER);
                }
                self.put(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
        }
        self.bytes = bytes;
        ControlFlow::Continue(())
    }

    /// A half pair that nothing followed.
    fn end_pair(&mut self) {
        if self.high.take().is_some() {
            self.put(char::REPLACEMENT_CHARACTER);
        }
    }

    fn put(&mut self, letter: char) {
        let mut bytes = [0; 4];
        let text = letter.encode_utf8(&mut bytes);
        self.keep(text.as_bytes());
    }

    /// Text that stands for itself.
    fn take(&mut self, text: &[u8]) {
        self.end_pair();
        self.bytes = self.bytes.saturating_add(text.len() as u64);
        self.keep(text);
    }

    fn keep(&mut self, text: &[u8]) {
        let room = self.limit.saturating_sub(self.taken.len());
        self.is_whole &= text.len() <= room;
        self.taken.extend_from_slice(text.get(..room.min(text.len())).unwrap_or_default());
    }

    fn copy(&mut self, text: &[u8]) {
        if let Some(raw) = &mut self.raw {
            let room = raw.limit.saturating_sub(raw.text.len());
            raw.is_whole &= text.len() <= room;
            raw.text.extend_from_slice(text.get(..room.min(text.len())).unwrap_or_default());
        }
    }

    fn end_word(&mut self, sink: &mut impl Sink) -> ControlFlow<()> {
        let word = std::str::from_utf8(&self.taken).unwrap_or_default();
        let value = match word {
            "null" => Scalar::Null,
            "true" => Scalar::Bool(true),
            "false" => Scalar::Bool(false),
            word if word.starts_with(|letter: char| letter.is_ascii_alphabetic()) => {
                return ControlFlow::Break(());
            }
            number => whole(number).map_or(Scalar::Number, Scalar::Count),
        };
        if self.raw.is_none() {
            sink.value(&self.path, value);
        }
        self.end_value();
        ControlFlow::Continue(())
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.')
}

/// A whole number from 0, also one that is written as `12.0`.
fn whole(number: &str) -> Option<u64> {
    let digits = match number.split_once('.') {
        Some((digits, zeros)) if zeros.bytes().all(|byte| byte == b'0') => digits,
        Some(_) => return None,
        None => number,
    };
    digits.parse().ok()
}

#[cfg(test)]
mod tests;
