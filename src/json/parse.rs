//! The strict reader: serde_json's deserializer drives a visitor that fills the tape and refuses
//! whatever two decoders could read differently.

use std::fmt;

use bytes::Bytes;
use bytestring::ByteString;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::json::document::{Document, Node};
use crate::json::error::{JsonError, JsonErrorKind};
use crate::json::tape::Tape;

/// One less than what serde_json itself allows, whose recursion is bounded by it.
const DEPTH_CEILING: usize = 126;

/// Reads one JSON text; see [`Document::parse`].
pub(super) fn parse(bytes: Bytes, depth_limit: usize) -> Result<Document, JsonError> {
    if u32::try_from(bytes.len()).is_err() {
        let message = "the JSON text is longer than 4 GiB";
        return Err(JsonError::at_offset(JsonErrorKind::TooLarge, &[], 0, message));
    }
    if bytes.starts_with(&[0xef, 0xbb, 0xbf]) {
        let message = "the JSON text starts with a byte order mark";
        return Err(JsonError::at_offset(JsonErrorKind::ByteOrderMark, &bytes, 0, message));
    }
    let text = match ByteString::try_from(bytes.clone()) {
        Ok(text) => text,
        Err(error) => {
            let message = "the JSON text is not UTF-8";
            let offset = error.valid_up_to();
            return Err(JsonError::at_offset(JsonErrorKind::NotUtf8, &bytes, offset, message));
        }
    };
    let mut tape = Tape::new(&text);
    let mut deserializer = serde_json::Deserializer::from_str(&text);
    let depth_left = depth_limit.min(DEPTH_CEILING);
    if let Err(error) = (Seed { tape: &mut tape, depth_left }).deserialize(&mut deserializer) {
        return Err(tape.explain(&error));
    }
    if let Err(error) = deserializer.end() {
        let position = (error.line(), error.column());
        let message = "there is more text after the JSON value";
        let kind = JsonErrorKind::TrailingData;
        return Err(JsonError::at_position(kind, text.as_bytes(), position, message));
    }
    let document = tape.document;
    Ok(Document { text, ..document })
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
        self.tape.document.push_node(Node::Null);
        Ok(())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.tape.document.push_node(Node::Bool(value));
        Ok(())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.tape.push_integer(Node::Int(value));
        Ok(())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.tape.push_integer(i64::try_from(value).map_or(Node::UInt(value), Node::Int));
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
        self.tape.document.push_string(value);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut elements: A) -> Result<(), A::Error> {
        let depth_left = self.descend()?;
        let at = self.tape.document.push_node(Node::Null);
        let mut len = 0u32;
        while elements.next_element_seed(Seed { tape: &mut *self.tape, depth_left })?.is_some() {
            len = len.saturating_add(1);
        }
        self.tape.document.close_array(at, len);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<(), A::Error> {
        let depth_left = self.descend()?;
        let at = self.tape.document.push_node(Node::Null);
        let first_name = self.tape.open_names();
        while members.next_key_seed(NameSeed { tape: &mut *self.tape })?.is_some() {
            members.next_value_seed(Seed { tape: &mut *self.tape, depth_left })?;
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
        self.tape.open_name(name, at);
        Ok(())
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<(), E> {
        let at = self.tape.document.push_string(name);
        self.tape.open_name(name, at);
        Ok(())
    }
}
