//! A scalar whose inside has places of its own.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

use super::node::Style;
use super::source::Span;
use super::text_map;

/// The name under which a [`Text`] asks our deserializer for its parts.
pub(super) const TEXT: &str = "toolgate::yaml::Text";

/// A scalar whose value may be an embedded expression. Any scalar will do, `true` and `500`
/// included: they are taken as they are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    pub value: String,
    /// The whole scalar, quotes included; of block scalars the content.
    pub span: Span,
    raw: Box<str>,
    style: Style,
}

impl Text {
    /// The place in the file of a range of `value` (bytes). Offsets behind its end mean the end;
    /// inside an escape or a folded line break, the whole of it.
    pub fn locate(&self, range: Range<usize>) -> Span {
        let segments = text_map::segments(&self.raw, &self.value, self.style);
        match text_map::locate(&segments, range) {
            Some(raw) => {
                Span { start: self.span.start + raw.start, end: self.span.start + raw.end }
            }
            None => self.span,
        }
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(TEXT, TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text")
    }

    /// From our deserializer: start, end, style, raw text, value.
    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Text, A::Error> {
        let start = part(parts.next_element()?)?;
        let end = part(parts.next_element()?)?;
        let style: String = part(parts.next_element()?)?;
        let style = Style::from_name(&style).ok_or_else(|| Error::custom("unknown style"))?;
        let raw: String = part(parts.next_element()?)?;
        let value = part(parts.next_element()?)?;
        Ok(Text { value, span: Span { start, end }, raw: raw.into(), style })
    }

    /// From any other: a text without places.
    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<Text, D::Error> {
        let value = String::deserialize(inner)?;
        Ok(Text { value, span: Span::default(), raw: Box::default(), style: Style::Plain })
    }
}

fn part<T, E: Error>(part: Option<T>) -> Result<T, E> {
    part.ok_or_else(|| E::custom("a part is missing"))
}

impl JsonSchema for Text {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed("Text")
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({ "type": ["string", "boolean", "number"] })
    }
}
