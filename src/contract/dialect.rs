//! From schemas as files have them to JSON Schema, draft 2020-12, that stands on its own.
//!
//! OpenAPI 3.0 has a dialect of its own (3.0.3, "Schema Object"): `nullable`, a boolean
//! `exclusiveMinimum`, `$ref` without siblings. What refers to another place of the file is taken
//! along under `$defs`; what refers to another file is a fault.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::codes;
use crate::yaml::{Diagnostic, Source, Span, Tree, TreeValue};

/// Most schemas that one schema may refer to, directly and in turn.
const REFERRED_LIMIT_SCHEMAS: usize = 2_000;

/// Keywords with one schema below.
const ONE: [&str; 12] = [
    "additionalProperties",
    "contains",
    "contentSchema",
    "else",
    "if",
    "items",
    "not",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
    "additionalItems",
];
/// Keywords with a list of schemas below.
const MANY: [&str; 5] = ["allOf", "anyOf", "items", "oneOf", "prefixItems"];
/// Keywords with schemas by name below.
const NAMED: [&str; 5] =
    ["$defs", "definitions", "dependentSchemas", "patternProperties", "properties"];

/// Which language schemas are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// JSON Schema as it is; OpenAPI 3.1 as well.
    JsonSchema,
    OpenApi30,
}

/// Which way a value goes: what is `readOnly` is not asked for in requests, `writeOnly` not in
/// answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Request,
    Response,
}

/// Converts schemas of one file.
pub struct Schemas<'f> {
    pub source: &'f Arc<Source>,
    /// What local references start from.
    pub root: &'f Tree,
    pub dialect: Dialect,
}

/// A schema on its way, with what it refers to.
struct Conversion<'f, 'd> {
    schemas: &'f Schemas<'f>,
    direction: Direction,
    /// Name under `$defs` by pointer.
    names: BTreeMap<String, String>,
    waiting: Vec<(String, &'f Tree)>,
    faults: &'d mut Vec<Diagnostic>,
}

impl<'f> Schemas<'f> {
    /// The schema at `tree`, standing on its own. Faults are added; the schema is then not to be
    /// used.
    pub fn convert(
        &'f self,
        tree: &'f Tree,
        direction: Direction,
        faults: &mut Vec<Diagnostic>,
    ) -> Value {
        let mut conversion = Conversion {
            schemas: self,
            direction,
            names: BTreeMap::new(),
            waiting: Vec::new(),
            faults,
        };
        let mut whole = conversion.schema(tree);
        let mut defs = Map::new();
        while let Some((name, tree)) = conversion.waiting.pop() {
            let converted = conversion.schema(tree);
            defs.insert(name, converted);
        }
        if let (Some(object), false) = (whole.as_object_mut(), defs.is_empty()) {
            match object.entry("$defs").or_insert_with(|| Value::Object(Map::new())) {
                Value::Object(own) => own.extend(defs),
                other => *other = Value::Object(defs),
            }
        }
        whole
    }

    /// What a local reference leads to.
    ///
    /// # Errors
    /// A fault at the reference.
    pub fn follow(&self, reference: &str, span: Span) -> Result<&'f Tree, Diagnostic> {
        let fault =
            |message: String| Diagnostic::error(codes::REFERENCE, message).at(self.source, span);
        let Some(pointer) = reference.strip_prefix('#') else {
            let message =
                format!("`{reference}` is another document; nothing is fetched or opened");
            return Err(fault(message).help("bundle the documents into one file first"));
        };
        let decoded = percent_encoding::percent_decode_str(pointer).decode_utf8_lossy();
        self.root.pointer(&decoded).ok_or_else(|| fault(format!("`{reference}` leads nowhere")))
    }
}

impl<'f> Conversion<'f, '_> {
    /// Recursion ends with the nesting of the file.
    fn schema(&mut self, tree: &'f Tree) -> Value {
        let TreeValue::Map(entries) = &tree.value else { return tree.to_json() };
        if let (Dialect::OpenApi30, Some(reference)) = (self.schemas.dialect, tree.get("$ref")) {
            let target = self.reference(reference);
            return Value::Object(Map::from_iter(target.map(|to| ("$ref".to_owned(), to))));
        }
        let mut schema = Map::new();
        for (key, value) in entries {
            if let Some(converted) = self.keyword(&key.value, value) {
                schema.insert(key.value.clone(), converted);
            }
        }
        self.relax(tree, &mut schema);
        if self.schemas.dialect == Dialect::OpenApi30 {
            modernise(&mut schema);
        }
        Value::Object(schema)
    }

    fn keyword(&mut self, key: &str, value: &'f Tree) -> Option<Value> {
        Some(match (key, &value.value) {
            ("$ref", _) => self.reference(value)?,
            // They would change what references start from, or name a dialect of their own.
            ("$id" | "$anchor" | "$dynamicAnchor" | "id", TreeValue::Text(_)) => return None,
            ("example" | "examples" | "xml" | "externalDocs" | "discriminator", _) => return None,
            (key, TreeValue::Map(entries)) if NAMED.contains(&key) => {
                let named =
                    entries.iter().map(|(name, schema)| (name.value.clone(), self.schema(schema)));
                Value::Object(named.collect())
            }
            (key, TreeValue::List(items)) if MANY.contains(&key) => {
                Value::Array(items.iter().map(|schema| self.schema(schema)).collect())
            }
            (key, TreeValue::Map(_)) if ONE.contains(&key) => self.schema(value),
            _ => value.to_json(),
        })
    }

    /// The reference as it is written in the schema that stands on its own.
    fn reference(&mut self, reference: &'f Tree) -> Option<Value> {
        let text = reference.text().unwrap_or_default();
        let target = match self.schemas.follow(text, reference.span) {
            Ok(target) => target,
            Err(fault) => {
                self.faults.push(fault);
                return None;
            }
        };
        if let Some(name) = self.names.get(text) {
            return Some(Value::String(format!("#/$defs/{name}")));
        }
        if self.names.len() >= REFERRED_LIMIT_SCHEMAS {
            let message = format!("more than {REFERRED_LIMIT_SCHEMAS} schemas refer to each other");
            let fault = Diagnostic::error(codes::SCHEMA, message);
            self.faults.push(fault.at(self.schemas.source, reference.span));
            return None;
        }
        let name = def_name(text, &self.names);
        self.names.insert(text.to_owned(), name.clone());
        self.waiting.push((name.clone(), target));
        Some(Value::String(format!("#/$defs/{name}")))
    }

    /// Takes out of `required` what does not travel this way.
    fn relax(&self, tree: &Tree, schema: &mut Map<String, Value>) {
        let flag = match self.direction {
            Direction::Request => "readOnly",
            Direction::Response => "writeOnly",
        };
        let other_way = |name: &Value| {
            let property = tree.get("properties").zip(name.as_str());
            let property = property.and_then(|(properties, name)| properties.get(name));
            property.and_then(|property| property.get(flag)).and_then(Tree::bool) == Some(true)
        };
        if let Some(Value::Array(required)) = schema.get_mut("required") {
            required.retain(|name| !other_way(name));
        }
    }
}

/// A name under `$defs` that needs no escape in a pointer or a URL, and is no other's: the place it
/// was taken from.
fn def_name(reference: &str, taken: &BTreeMap<String, String>) -> String {
    let pointer = reference.trim_start_matches('#').trim_start_matches('/');
    let short = pointer.strip_prefix("components/schemas/").unwrap_or(pointer);
    let mut name = String::from(if short.is_empty() { "root" } else { "" });
    for letter in short.chars() {
        match letter {
            '/' => name.push('.'),
            letter if letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-' | '.') => {
                name.push(letter);
            }
            letter => name.push_str(&format!("_x{:x}_", u32::from(letter))),
        }
    }
    while taken.values().any(|other| *other == name) {
        name.push('_');
    }
    name
}

/// What OpenAPI 3.0 writes otherwise than JSON Schema.
fn modernise(schema: &mut Map<String, Value>) {
    for (exclusive, inclusive) in [("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")]
    {
        match schema.get(exclusive) {
            Some(Value::Bool(true)) => {
                if let Some(limit) = schema.remove(inclusive) {
                    schema.insert(exclusive.to_owned(), limit);
                } else {
                    schema.remove(exclusive);
                }
            }
            Some(Value::Bool(false)) => {
                schema.remove(exclusive);
            }
            Some(_) | None => {}
        }
    }
    let nullable = schema.remove("nullable") == Some(Value::Bool(true));
    if let (true, Some(Value::String(one))) = (nullable, schema.get("type")) {
        let both = vec![Value::String(one.clone()), Value::String("null".to_owned())];
        schema.insert("type".to_owned(), Value::Array(both));
        if let Some(Value::Array(options)) = schema.get_mut("enum")
            && !options.contains(&Value::Null)
        {
            options.push(Value::Null);
        }
    }
}
