//! Any value with places, for files whose keys are not ours: JSON Schemas, OpenAPI documents.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::field::Field;
use super::source::Span;

/// A value and where it stands. Files nest at most 32 levels, so walks over it end.
#[derive(Clone, Debug, PartialEq)]
pub struct Tree {
    pub span: Span,
    pub value: TreeValue,
}

/// What a [`Tree`] holds.
#[derive(Clone, Debug, PartialEq)]
pub enum TreeValue {
    Null,
    Bool(bool),
    Int(i64),
    /// Above `i64::MAX`.
    UInt(u64),
    /// Always finite.
    Float(f64),
    Text(String),
    List(Vec<Tree>),
    /// In the order of the file; names are distinct.
    Map(Vec<(Field<String>, Tree)>),
}

impl Tree {
    /// The member of that name of a mapping.
    pub fn get(&self, name: &str) -> Option<&Self> {
        self.entries().iter().find(|(key, _)| key.value == name).map(|(_, value)| value)
    }

    /// The members of a mapping; none of anything else.
    pub fn entries(&self) -> &[(Field<String>, Self)] {
        match &self.value {
            TreeValue::Map(entries) => entries,
            TreeValue::Null
            | TreeValue::Bool(_)
            | TreeValue::Int(_)
            | TreeValue::UInt(_)
            | TreeValue::Float(_)
            | TreeValue::Text(_)
            | TreeValue::List(_) => &[],
        }
    }

    /// The items of a list; none of anything else.
    pub fn items(&self) -> &[Self] {
        if let TreeValue::List(items) = &self.value { items } else { &[] }
    }

    /// Whether it is a mapping.
    pub fn is_map(&self) -> bool {
        matches!(self.value, TreeValue::Map(_))
    }

    /// The text, when it is one.
    pub fn text(&self) -> Option<&str> {
        if let TreeValue::Text(text) = &self.value { Some(text) } else { None }
    }

    /// The boolean, when it is one.
    pub fn bool(&self) -> Option<bool> {
        if let TreeValue::Bool(value) = self.value { Some(value) } else { None }
    }

    /// The value at a JSON pointer (RFC 6901).
    pub fn pointer(&self, pointer: &str) -> Option<&Self> {
        let mut at = self;
        for token in tokens(pointer)? {
            at = at.step(&token)?;
        }
        Some(at)
    }

    /// The value at a JSON pointer, or what encloses it as far as the pointer can be followed.
    pub fn nearest(&self, pointer: &str) -> &Self {
        let mut at = self;
        for token in tokens(pointer).into_iter().flatten() {
            match at.step(&token) {
                Some(below) => at = below,
                None => break,
            }
        }
        at
    }

    fn step(&self, token: &str) -> Option<&Self> {
        match &self.value {
            TreeValue::List(items) => items.get(token.parse::<usize>().ok()?),
            TreeValue::Map(_) => self.get(token),
            TreeValue::Null
            | TreeValue::Bool(_)
            | TreeValue::Int(_)
            | TreeValue::UInt(_)
            | TreeValue::Float(_)
            | TreeValue::Text(_) => None,
        }
    }

    /// The same value as JSON, without places.
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match &self.value {
            TreeValue::Null => Json::Null,
            TreeValue::Bool(value) => Json::Bool(*value),
            TreeValue::Int(value) => Json::from(*value),
            TreeValue::UInt(value) => Json::from(*value),
            TreeValue::Float(value) => Json::from(*value),
            TreeValue::Text(text) => Json::String(text.clone()),
            TreeValue::List(items) => Json::Array(items.iter().map(Self::to_json).collect()),
            TreeValue::Map(entries) => {
                let members =
                    entries.iter().map(|(key, value)| (key.value.clone(), value.to_json()));
                Json::Object(members.collect())
            }
        }
    }
}

/// The unescaped tokens of a JSON pointer; `None` when it is none.
fn tokens(pointer: &str) -> Option<Vec<String>> {
    let Some(rest) = pointer.strip_prefix('/') else {
        return pointer.is_empty().then(Vec::new);
    };
    Some(rest.split('/').map(|token| token.replace("~1", "/").replace("~0", "~")).collect())
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Field { value, span } = Field::<TreeValue>::deserialize(deserializer)?;
        Ok(Self { span, value })
    }
}

impl<'de> Deserialize<'de> for TreeValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = TreeValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<TreeValue, E> {
        Ok(TreeValue::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<TreeValue, E> {
        Ok(TreeValue::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<TreeValue, E> {
        Ok(TreeValue::Int(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<TreeValue, E> {
        Ok(TreeValue::UInt(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<TreeValue, E> {
        Ok(TreeValue::Float(value))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<TreeValue, E> {
        Ok(TreeValue::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<TreeValue, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(TreeValue::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<TreeValue, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(TreeValue::Map(entries))
    }
}

impl JsonSchema for Tree {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed("Tree")
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({ "type": ["object", "boolean"] })
    }
}
