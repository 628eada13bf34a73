//! Lists, mappings and enums as serde walks them: a bad value is reported and noted, so that the
//! next attempt leaves it out.

use std::slice::Iter;

use serde::de::value::{BorrowedStrDeserializer, StrDeserializer, UsizeDeserializer};
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::super::codes;
use super::super::fault::{Failure, ScalarFault};
use super::super::field::FIELD;
use super::super::node::{Entry, Key};
use super::super::source::Span;
use super::{Context, Node, Reader};

/// The items of a list.
pub(super) struct Elements<'a> {
    items: Iter<'a, Node>,
    context: &'a Context<'a>,
}

impl<'a> Elements<'a> {
    pub fn new(items: &'a [Node], context: &'a Context<'a>) -> Self {
        Self { items: items.iter(), context }
    }
}

impl<'a> SeqAccess<'a> for Elements<'a> {
    type Error = Failure;

    fn next_element_seed<T: DeserializeSeed<'a>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Failure> {
        let context = self.context;
        let Some(node) = self.items.find(|node| !context.is_bad(node)) else {
            return Ok(None);
        };
        match seed.deserialize(Reader { node, key: None, context }) {
            Ok(value) => Ok(Some(value)),
            Err(Failure::Reported) => Err(Failure::Reported),
            Err(failure) => {
                context.report(failure, node, None);
                Err(Failure::Reported)
            }
        }
    }
}

/// The entries of a mapping.
pub(super) struct Members<'a> {
    entries: Iter<'a, Entry>,
    value: Option<&'a Entry>,
    context: &'a Context<'a>,
}

impl<'a> Members<'a> {
    pub fn new(entries: &'a [Entry], context: &'a Context<'a>) -> Self {
        Self { entries: entries.iter(), value: None, context }
    }
}

impl<'a> MapAccess<'a> for Members<'a> {
    type Error = Failure;

    fn next_key_seed<K: DeserializeSeed<'a>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Failure> {
        let context = self.context;
        let entry = self.entries.find(|entry| !context.is_bad(&entry.value));
        let Some(entry) = entry else { return Ok(None) };
        self.value = Some(entry);
        match seed.deserialize(KeyReader { key: &entry.key }) {
            Ok(key) => Ok(Some(key)),
            Err(failure) => {
                if let Failure::New(mut fault) = failure {
                    fault.span = Some(entry.key.span);
                    context.report(Failure::New(fault), &entry.value, None);
                }
                Err(Failure::Reported)
            }
        }
    }

    fn next_value_seed<V: DeserializeSeed<'a>>(&mut self, seed: V) -> Result<V::Value, Failure> {
        let Some(entry) = self.value.take() else {
            return Err(Failure::new(codes::TYPE, ScalarFault::new("a value without a key")));
        };
        let reader = Reader { node: &entry.value, key: Some(&entry.key), context: self.context };
        match seed.deserialize(reader) {
            Ok(value) => Ok(value),
            Err(Failure::Reported) => Err(Failure::Reported),
            Err(failure) => {
                self.context.report(failure, &entry.value, Some(&entry.key));
                Err(Failure::Reported)
            }
        }
    }
}

/// Reads a key: always text.
#[derive(Clone, Copy)]
struct KeyReader<'a> {
    key: &'a Key,
}

impl<'de> Deserializer<'de> for KeyReader<'de> {
    type Error = Failure;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_borrowed_str(&self.key.text)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        if name == FIELD {
            visitor.visit_seq(Parts { span: self.key.span, at: 0, rest: Rest::Key(self) })
        } else {
            visitor.visit_newtype_struct(self)
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        visitor.visit_enum(StrDeserializer::new(&self.key.text))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

/// The parts that `Field` and `Text` are made of: start, end, then the rest.
pub(super) struct Parts<'a> {
    span: Span,
    at: usize,
    rest: Rest<'a>,
}

enum Rest<'a> {
    Value(Reader<'a>),
    Key(KeyReader<'a>),
    Text { style: &'static str, raw: &'a str, value: &'a str },
}

impl<'a> Parts<'a> {
    pub fn value(reader: Reader<'a>) -> Self {
        Self { span: reader.node.span, at: 0, rest: Rest::Value(reader) }
    }

    pub fn text(span: Span, style: &'static str, raw: &'a str, value: &'a str) -> Self {
        Self { span, at: 0, rest: Rest::Text { style, raw, value } }
    }
}

impl<'a> SeqAccess<'a> for Parts<'a> {
    type Error = Failure;

    fn next_element_seed<T: DeserializeSeed<'a>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Failure> {
        let at = self.at;
        self.at += 1;
        let text = |text: &'a str, seed: T| seed.deserialize(BorrowedStrDeserializer::new(text));
        let part = match (&self.rest, at) {
            (_, 0) => seed.deserialize(UsizeDeserializer::new(self.span.start)),
            (_, 1) => seed.deserialize(UsizeDeserializer::new(self.span.end)),
            (Rest::Value(reader), 2) => seed.deserialize(*reader),
            (Rest::Key(reader), 2) => seed.deserialize(*reader),
            (Rest::Text { style, .. }, 2) => text(style, seed),
            (Rest::Text { raw, .. }, 3) => text(raw, seed),
            (Rest::Text { value, .. }, 4) => text(value, seed),
            (Rest::Value(_) | Rest::Key(_) | Rest::Text { .. }, _) => return Ok(None),
        };
        part.map(Some)
    }
}

/// A variant of an enum: a word, or a mapping with one key.
pub(super) struct Variant<'a> {
    word: &'a str,
    content: Option<&'a Entry>,
    context: &'a Context<'a>,
}

impl<'a> Variant<'a> {
    pub fn new(word: &'a str, content: Option<&'a Entry>, context: &'a Context<'a>) -> Self {
        Self { word, content, context }
    }

    fn reader(&self) -> Result<Reader<'a>, Failure> {
        let without = || {
            let text = ScalarFault::new(format!("`{}` needs a value", self.word));
            Failure::new(codes::TYPE, text.help(format!("write `{}: …`", self.word)))
        };
        let entry = self.content.ok_or_else(without)?;
        Ok(Reader { node: &entry.value, key: Some(&entry.key), context: self.context })
    }
}

impl<'a> EnumAccess<'a> for Variant<'a> {
    type Error = Failure;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'a>>(self, seed: V) -> Result<(V::Value, Self), Failure> {
        Ok((seed.deserialize(BorrowedStrDeserializer::new(self.word))?, self))
    }
}

impl<'a> VariantAccess<'a> for Variant<'a> {
    type Error = Failure;

    fn unit_variant(self) -> Result<(), Failure> {
        if self.content.is_none() {
            return Ok(());
        }
        let text = ScalarFault::new(format!("`{}` takes no value", self.word));
        Err(Failure::new(codes::TYPE, text))
    }

    fn newtype_variant_seed<T: DeserializeSeed<'a>>(self, seed: T) -> Result<T::Value, Failure> {
        seed.deserialize(self.reader()?)
    }

    fn tuple_variant<V: Visitor<'a>>(self, _: usize, visitor: V) -> Result<V::Value, Failure> {
        self.reader()?.deserialize_seq(visitor)
    }

    fn struct_variant<V: Visitor<'a>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        self.reader()?.deserialize_struct("", fields, visitor)
    }
}
