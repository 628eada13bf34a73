//! The strict reader: serde_json's deserializer drives a visitor that fills the tape and refuses
//! whatever two decoders could read differently.

use std::fmt;

use bytes::Bytes;
use bytestring::ByteString;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::json::document::{Document, Node, string_of};
use crate::json::error::{JsonError, JsonErrorKind, duplicate_key_message};
use crate::json::number::{NumberLiterals, is_integer};

/// serde_json itself stops at 128, so that its recursion stays bounded.
const DEPTH_CEILING: usize = 127;

/// Doubles from here on may stand for an integer literal beyond 64 bits.
const FIRST_SUSPICIOUS_FLOAT: f64 = 9_223_372_036_854_775_808.0;

/// Reads one JSON text; see [`Document::parse`].
pub(super) fn parse(bytes: Bytes, depth_limit: usize) -> Result<Document, JsonError> {
    if u32::try_from(bytes.len()).is_err() {
        let message = "the JSON text is longer than 4 GiB";
        return Err(JsonError::at_offset(
            JsonErrorKind::TooLarge,
            &[],
            0,
            message,
        ));
    }
    if bytes.starts_with(&[0xef, 0xbb, 0xbf]) {
        let message = "the JSON text starts with a byte order mark";
        return Err(JsonError::at_offset(
            JsonErrorKind::ByteOrderMark,
            &bytes,
            0,
            message,
        ));
    }
    if let Err(error) = std::str::from_utf8(&bytes) {
        let message = "the JSON text is not UTF-8";
        let offset = error.valid_up_to();
        return Err(JsonError::at_offset(
            JsonErrorKind::NotUtf8,
            &bytes,
            offset,
            message,
        ));
    }
    let text = ByteString::try_from(bytes).unwrap_or_default();
    let mut tape = Tape::new(&text);
    let mut deserializer = serde_json::Deserializer::from_str(&text);
    let depth_left = depth_limit.min(DEPTH_CEILING);
    if let Err(error) = (Seed {
        tape: &mut tape,
        depth_left,
    })
    .deserialize(&mut deserializer)
    {
        return Err(tape.explain(&error));
    }
    if let Err(error) = deserializer.end() {
        let position = (error.line(), error.column());
        let message = "there is more text after the JSON value";
        return Err(JsonError::at_position(
            JsonErrorKind::TrailingData,
            text.as_bytes(),
            position,
            message,
        ));
    }
    let Tape {
        decoded,
        nodes,
        order,
        ..
    } = tape;
    Ok(Document {
        text,
        decoded,
        nodes,
        order,
    })
}

/// What the visitor refused, kept beside serde_json's error, which cannot carry it.
struct Fault {
    kind: JsonErrorKind,
    /// `None`: where serde_json stopped.
    offset: Option<usize>,
    message: String,
}

/// A document in the making.
struct Tape<'t> {
    text: &'t str,
    decoded: String,
    nodes: Vec<Node>,
    order: Vec<u32>,
    /// Nodes of the member names of all objects that are still open, innermost last.
    open_names: Vec<u32>,
    numbers: usize,
    literals: NumberLiterals<'t>,
    fault: Option<Fault>,
}

impl<'t> Tape<'t> {
    fn new(text: &'t str) -> Self {
        // `[1,1,…]` has a node every two bytes: two doublings from here hold it.
        let nodes = Vec::with_capacity(text.len() / 8 + 16);
        Self {
            text,
            decoded: String::new(),
            nodes,
            order: Vec::new(),
            open_names: Vec::new(),
            numbers: 0,
            literals: NumberLiterals::new(text.as_bytes()),
            fault: None,
        }
    }

    /// Positions fit 32 bits because the text does and no node takes less than a byte of it.
    fn position(&self) -> u32 {
        u32::try_from(self.nodes.len()).unwrap_or(u32::MAX)
    }

    fn push(&mut self, node: Node) -> u32 {
        let at = self.position();
        self.nodes.push(node);
        at
    }

    fn set(&mut self, at: u32, node: Node) {
        if let Some(slot) = self.nodes.get_mut(at as usize) {
            *slot = node;
        }
    }

    /// A string that serde_json borrowed from the text, which it does when there are no escapes.
    fn push_borrowed(&mut self, string: &str) -> u32 {
        let start = string
            .as_ptr()
            .addr()
            .checked_sub(self.text.as_ptr().addr());
        let start = start.filter(|start| start.saturating_add(string.len()) <= self.text.len());
        match (start.map(u32::try_from), u32::try_from(string.len())) {
            (Some(Ok(start)), Ok(len)) => self.push(Node::Plain { start, len }),
            _ => self.push_decoded(string),
        }
    }

    fn push_decoded(&mut self, string: &str) -> u32 {
        let start = u32::try_from(self.decoded.len()).unwrap_or(u32::MAX);
        let len = u32::try_from(string.len()).unwrap_or(u32::MAX);
        self.decoded.push_str(string);
        self.push(Node::Decoded { start, len })
    }

    fn push_float<E: Error>(&mut self, value: f64) -> Result<(), E> {
        let index = self.numbers;
        self.numbers += 1;
        let negative_zero = value == 0.0 && value.is_sign_negative();
        if !negative_zero && value.abs() < FIRST_SUSPICIOUS_FLOAT {
            self.push(Node::Float(value));
            return Ok(());
        }
        let integer = self.literals.nth(index).is_some_and(is_integer);
        if !integer {
            self.push(Node::Float(value));
            return Ok(());
        }
        if negative_zero {
            self.push(Node::Int(0));
            return Ok(());
        }
        let offset = Some(self.literals.position());
        let message = "an integer is outside of 64 bits; send it as a string".to_owned();
        Err(self.refuse(JsonErrorKind::NumberRange, offset, message))
    }

    /// Writes an array's node now that its length is known.
    fn close_array(&mut self, at: u32, len: u32) {
        let end = self.position();
        self.set(at, Node::Array { len, end });
    }

    /// Sorts an object's member names, which puts equal ones side by side, and writes its node.
    fn close_object<E: Error>(&mut self, at: u32, first_name: usize) -> Result<(), E> {
        let Self {
            text,
            decoded,
            nodes,
            order,
            open_names,
            ..
        } = self;
        let string = |at: &u32| {
            let node = nodes.get(*at as usize).copied().unwrap_or(Node::Null);
            string_of(node, text, decoded)
        };
        let names = open_names.get_mut(first_name..).unwrap_or_default();
        names.sort_by(|left, right| string(left).cmp(string(right)));
        let mut neighbours = names.iter().zip(names.iter().skip(1));
        let twice = neighbours.find(|(left, right)| string(left) == string(right));
        if let Some((_, second)) = twice {
            let message = duplicate_key_message(string(second));
            let offset = match nodes.get(*second as usize) {
                Some(Node::Plain { start, .. }) => Some(*start as usize),
                _ => None,
            };
            return Err(self.refuse(JsonErrorKind::DuplicateKey, offset, message));
        }
        let len = u32::try_from(names.len()).unwrap_or(u32::MAX);
        let order_start = u32::try_from(order.len()).unwrap_or(u32::MAX);
        order.extend_from_slice(names);
        open_names.truncate(first_name);
        let end = self.position();
        self.set(
            at,
            Node::Object {
                len,
                end,
                order: order_start,
            },
        );
        Ok(())
    }

    fn refuse<E: Error>(
        &mut self,
        kind: JsonErrorKind,
        offset: Option<usize>,
        message: String,
    ) -> E {
        self.fault = Some(Fault {
            kind,
            offset,
            message,
        });
        E::custom("refused")
    }

    /// Our own fault if there is one, else what serde_json did not like.
    fn explain(&mut self, error: &serde_json::Error) -> JsonError {
        let text = self.text.as_bytes();
        let position = (error.line(), error.column());
        let Some(Fault {
            kind,
            offset,
            message,
        }) = self.fault.take()
        else {
            return explain_syntax(error, text);
        };
        match offset {
            Some(offset) => JsonError::at_offset(kind, text, offset, message),
            None => JsonError::at_position(kind, text, position, message),
        }
    }
}

/// serde_json's own messages name what it expected and never repeat the text.
fn explain_syntax(error: &serde_json::Error, text: &[u8]) -> JsonError {
    let position = (error.line(), error.column());
    let full = error.to_string();
    let message = full
        .split_once(" at line ")
        .map_or(full.as_str(), |(message, _)| message);
    if message == "number out of range" {
        let message = "a number is beyond what a double can hold";
        return JsonError::at_position(JsonErrorKind::NumberRange, text, position, message);
    }
    JsonError::at_position(
        JsonErrorKind::Syntax,
        text,
        position,
        format!("not JSON: {message}"),
    )
}

/// Reads one value onto the tape.
struct Seed<'b, 't> {
    tape: &'b mut Tape<'t>,
    depth_left: usize,
}

impl Seed<'_, '_> {
    /// The depth left inside a container that starts here.
    fn descend<E: Error>(&mut self) -> Result<usize, E> {
        self.depth_left.checked_sub(1).ok_or_else(|| {
            let message = "arrays and objects are nested too deeply".to_owned();
            self.tape.refuse(JsonErrorKind::TooDeep, None, message)
        })
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.tape.push(Node::Null);
        Ok(())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.tape.push(Node::Bool(value));
        Ok(())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.tape.numbers += 1;
        self.tape.push(Node::Int(value));
        Ok(())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.tape.numbers += 1;
        self.tape
            .push(i64::try_from(value).map_or(Node::UInt(value), Node::Int));
        Ok(())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.tape.push_float(value)
    }

    fn visit_borrowed_str<E: Error>(self, value: &'de str) -> Result<(), E> {
        self.tape.push_borrowed(value);
        Ok(())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        self.tape.push_decoded(value);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut elements: A) -> Result<(), A::Error> {
        let depth_left = self.descend()?;
        let at = self.tape.push(Node::Null);
        let mut len = 0u32;
        while elements
            .next_element_seed(Seed {
                tape: &mut *self.tape,
                depth_left,
            })?
            .is_some()
        {
            len = len.saturating_add(1);
        }
        self.tape.close_array(at, len);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<(), A::Error> {
        let depth_left = self.descend()?;
        let at = self.tape.push(Node::Null);
        let first_name = self.tape.open_names.len();
        while members
            .next_key_seed(NameSeed {
                tape: &mut *self.tape,
            })?
            .is_some()
        {
            members.next_value_seed(Seed {
                tape: &mut *self.tape,
                depth_left,
            })?;
        }
        self.tape.close_object(at, first_name)
    }
}

/// Reads one member name onto the tape.
struct NameSeed<'b, 't> {
    tape: &'b mut Tape<'t>,
}

impl<'de> DeserializeSeed<'de> for NameSeed<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for NameSeed<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member name")
    }

    fn visit_borrowed_str<E: Error>(self, name: &'de str) -> Result<(), E> {
        let at = self.tape.push_borrowed(name);
        self.tape.open_names.push(at);
        Ok(())
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<(), E> {
        let at = self.tape.push_decoded(name);
        self.tape.open_names.push(at);
        Ok(())
    }
}
