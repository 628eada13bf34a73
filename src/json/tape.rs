//! A document in the making: what the reader notes besides nodes, and what it refuses.

use serde::de::Error;

use crate::json::document::{Document, Node, string_of};
use crate::json::error::{JsonError, JsonErrorKind, duplicate_key_message};
use crate::json::number::{NumberLiterals, is_integer};
use crate::weaken::Hole;

/// Doubles from here on may stand for an integer literal beyond 64 bits.
const FIRST_SUSPICIOUS_FLOAT: f64 = 9_223_372_036_854_775_808.0;

/// The state of reading one text.
pub(super) struct Tape<'t> {
    text: &'t str,
    /// Without its text until all is read.
    pub document: Document,
    /// The member names of all objects that are still open, innermost last.
    open_names: Vec<OpenName>,
    /// Numbers read so far.
    numbers: usize,
    literals: NumberLiterals<'t>,
    fault: Option<Fault>,
}

/// A member name of an object that is still open.
#[derive(Clone, Copy)]
struct OpenName {
    /// The first eight bytes, zeros after the end: decides nearly every comparison by itself.
    prefix: u64,
    at: u32,
}

/// What we refused, kept beside serde_json's error, which cannot carry it.
struct Fault {
    kind: JsonErrorKind,
    /// `None`: where serde_json stopped.
    offset: Option<usize>,
    message: String,
}

impl<'t> Tape<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let mut document = Document::default();
        // `[1,1,…]` has a node every two bytes: two doublings from here hold it.
        document.nodes.reserve_exact(text.len() / 8 + 16);
        document.order.reserve_exact(text.len() / 32);
        Self {
            text,
            document,
            open_names: Vec::with_capacity(16),
            numbers: 0,
            literals: NumberLiterals::new(text.as_bytes()),
            fault: None,
        }
    }

    /// Appends a string that serde_json borrowed from the text, which it does when it has no
    /// escapes.
    pub(super) fn push_borrowed(&mut self, string: &str) -> u32 {
        let start = string.as_ptr().addr().checked_sub(self.text.as_ptr().addr());
        let start = start.filter(|start| start.saturating_add(string.len()) <= self.text.len());
        match (start.map(u32::try_from), u32::try_from(string.len())) {
            (Some(Ok(start)), Ok(len)) => self.document.push_node(Node::Plain { start, len }),
            _ => self.document.push_string(string),
        }
    }

    /// Notes that the node at `at` is a member name of the innermost open object.
    pub(super) fn open_name(&mut self, name: &str, at: u32) {
        self.open_names.push(OpenName { prefix: prefix(name), at });
    }

    /// How many member names are open: what an object notes when it begins.
    pub(super) fn open_names(&self) -> usize {
        self.open_names.len()
    }

    pub(super) fn push_integer(&mut self, node: Node) {
        self.numbers += 1;
        self.document.push_node(node);
    }

    /// Appends a double, or finds out that its literal was an integer.
    pub(super) fn push_float<E: Error>(&mut self, value: f64) -> Result<(), E> {
        let index = self.numbers;
        self.numbers += 1;
        let negative_zero = value == 0.0 && value.is_sign_negative();
        let suspicious = negative_zero || value.abs() >= FIRST_SUSPICIOUS_FLOAT;
        let literal = if suspicious { self.literals.nth(index) } else { None };
        let integer = literal.filter(|range| self.text.get(range.clone()).is_some_and(is_integer));
        let Some(integer) = integer else {
            self.document.push_node(Node::Float(value));
            return Ok(());
        };
        if negative_zero {
            self.document.push_node(Node::Int(0));
            return Ok(());
        }
        let message = "an integer is outside of 64 bits; send it as a string".to_owned();
        Err(self.refuse(JsonErrorKind::NumberRange, Some(integer.start), message))
    }

    /// Closes the object begun at `at`. Sorting its names puts equal ones side by side.
    pub(super) fn close_object<E: Error>(&mut self, at: u32, first_name: usize) -> Result<(), E> {
        let Self { text, document, open_names, .. } = self;
        let names = open_names.get_mut(first_name..).unwrap_or_default();
        let string = |name: &OpenName| string_of(document.node(name.at), text, &document.decoded);
        let compare = |one: &OpenName, other: &OpenName| {
            one.prefix.cmp(&other.prefix).then_with(|| string(one).cmp(string(other)))
        };
        names.sort_unstable_by(compare);
        let mut neighbours = names.iter().zip(names.iter().skip(1));
        let doubled = neighbours.find(|(one, other)| compare(one, other).is_eq());
        if let Some((one, other)) = doubled.filter(|_| !Hole::DuplicateKeys.is_open()) {
            let message = duplicate_key_message(string(one));
            let later = document.node(one.at.max(other.at));
            let offset =
                if let Node::Plain { start, .. } = later { Some(start as usize) } else { None };
            return Err(self.refuse(JsonErrorKind::DuplicateKey, offset, message));
        }
        document.close_object(at, names.iter().map(|name| name.at));
        open_names.truncate(first_name);
        Ok(())
    }

    /// Notes why reading stops, and makes the error that stops serde_json.
    pub(super) fn refuse<E: Error>(
        &mut self,
        kind: JsonErrorKind,
        offset: Option<usize>,
        message: String,
    ) -> E {
        self.fault = Some(Fault { kind, offset, message });
        E::custom("refused")
    }

    /// Our own fault if there is one, else what serde_json did not like.
    pub(super) fn explain(self, error: &serde_json::Error) -> JsonError {
        let text = self.text.as_bytes();
        let position = (error.line(), error.column());
        match self.fault {
            Some(Fault { kind, offset: Some(offset), message }) => {
                JsonError::at_offset(kind, text, offset, message)
            }
            Some(Fault { kind, offset: None, message }) => {
                JsonError::at_position(kind, text, position, message)
            }
            None => explain_syntax(error, text),
        }
    }
}

/// The first eight bytes as a number that sorts as they do, zeros after the end.
fn prefix(name: &str) -> u64 {
    let bytes = name.as_bytes();
    if let Some(first) = bytes.first_chunk::<8>() {
        return u64::from_be_bytes(*first);
    }
    // Two overlapping reads: the bytes they share agree.
    let missing_bits = 64u32.saturating_sub(8 * u32::try_from(bytes.len()).unwrap_or(8));
    if let (Some(head), Some(tail)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        let (head, tail) = (u32::from_be_bytes(*head), u32::from_be_bytes(*tail));
        return u64::from(head) << 32 | u64::from(tail) << missing_bits;
    }
    bytes
        .iter()
        .fold(0, |joined, byte| joined << 8 | u64::from(*byte))
        .checked_shl(missing_bits)
        .unwrap_or(0)
}

/// serde_json's own messages name what it expected and never repeat the text.
fn explain_syntax(error: &serde_json::Error, text: &[u8]) -> JsonError {
    let position = (error.line(), error.column());
    let full = error.to_string();
    let message = full.split_once(" at line ").map_or(full.as_str(), |(message, _)| message);
    if message == "number out of range" {
        let message = "a number is beyond what a double can hold";
        return JsonError::at_position(JsonErrorKind::NumberRange, text, position, message);
    }
    JsonError::at_position(JsonErrorKind::Syntax, text, position, message)
}
