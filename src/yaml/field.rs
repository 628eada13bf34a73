//! A value and where it stands.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

use super::source::Span;

/// The name under which a [`Field`] asks our deserializer for its place.
pub(super) const FIELD: &str = "toolgate::yaml::Field";

/// A value and where it stands. `Option<Field<T>>` with `#[serde(default)]` is a key that may be
/// absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Field<T> {
    pub value: T,
    pub span: Span,
}

impl<T> Field<T> {
    /// The same place with another value.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Field<U> {
        Field { value: change(self.value), span: self.span }
    }

    /// The value borrowed, at the same place.
    pub fn as_ref(&self) -> Field<&T> {
        Field { value: &self.value, span: self.span }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Field<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(FIELD, FieldVisitor(PhantomData))
    }
}

struct FieldVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for FieldVisitor<T> {
    type Value = Field<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    /// From our deserializer: start, end, value.
    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Field<T>, A::Error> {
        let missing = || A::Error::custom("a part is missing");
        let start = parts.next_element()?.ok_or_else(missing)?;
        let end = parts.next_element()?.ok_or_else(missing)?;
        let value = parts.next_element()?.ok_or_else(missing)?;
        Ok(Field { value, span: Span { start, end } })
    }

    /// From any other: a value without a place.
    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<Field<T>, D::Error> {
        Ok(Field { value: T::deserialize(inner)?, span: Span::default() })
    }
}

impl<T: JsonSchema> JsonSchema for Field<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}
