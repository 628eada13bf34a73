//! How much work a schema can make of a value.
//!
//! A schema is the operator's, the value is not. Two shapes make a check go on for ever or for ages:
//! one that refers back to itself without going down into the value, and one whose alternatives
//! lead back to it, so that each level of the value is looked at twice as often as the one above.
//! The first is refused when it is loaded. Of the second the depth of values is bounded, so that
//! the looks stay within [`LOOKS_LIMIT`].

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::schema::SchemaFault;

/// Looks at one place of a value that a schema may make of it.
const LOOKS_LIMIT: u64 = 1 << 20;

/// Looks that alternatives may make of a value without going down into it.
const ALTERNATIVES_LIMIT: u64 = 4_096;

/// Deepest nesting of values that are checked at all: that of the documents we read.
const DEPTH_LIMIT_LEVELS: usize = 126;

/// Keywords whose schemas apply to the same value.
const SAME_ONE: [&str; 4] = ["else", "if", "not", "then"];
const SAME_MANY: [&str; 3] = ["allOf", "anyOf", "oneOf"];

/// Deepest value that a schema may be held against.
///
/// # Errors
/// A schema that refers back to itself without going down into the value, or has more alternatives
/// than can be looked at.
pub(super) fn depth_limit(schema: &Value) -> Result<usize, SchemaFault> {
    let mut weights = Weights { whole: schema, known: BTreeMap::new(), open: BTreeSet::new() };
    let mut worst = 0;
    for part in parts(schema) {
        worst = worst.max(weights.of(part)?);
    }
    if worst <= 1 || !is_recursive(schema) {
        return Ok(DEPTH_LIMIT_LEVELS);
    }
    let levels = LOOKS_LIMIT.ilog(worst);
    Ok(usize::try_from(levels).unwrap_or(DEPTH_LIMIT_LEVELS).clamp(1, DEPTH_LIMIT_LEVELS))
}

/// Nesting of a value: 0 for a scalar. Recursion ends with that of the documents we read.
pub(super) fn depth(value: &Value) -> usize {
    let below = match value {
        Value::Array(items) => items.iter().map(depth).max(),
        Value::Object(members) => members.values().map(depth).max(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return 0,
    };
    below.unwrap_or_default().saturating_add(1)
}

/// Keywords whose schemas apply to what is inside the value.
const DOWN: [&str; 9] = [
    "additionalProperties",
    "contains",
    "items",
    "patternProperties",
    "prefixItems",
    "properties",
    "propertyNames",
    "unevaluatedItems",
    "unevaluatedProperties",
];

/// Keywords that hold values and no schemas.
const VALUES: [&str; 4] = ["const", "default", "enum", "examples"];

/// How often a schema looks at one value.
struct Weights<'v> {
    whole: &'v Value,
    known: BTreeMap<String, u64>,
    /// References being followed.
    open: BTreeSet<String>,
}

impl<'v> Weights<'v> {
    /// Recursion ends with the nesting of the file and the number of distinct references.
    fn of(&mut self, schema: &'v Value) -> Result<u64, SchemaFault> {
        // What goes no further down costs one look and no more.
        let own = u64::from(DOWN.iter().any(|keyword| schema.get(keyword).is_some_and(is_nested)));
        let ones = SAME_ONE.iter().filter_map(|keyword| schema.get(keyword));
        let many = SAME_MANY.iter().filter_map(|keyword| schema.get(keyword));
        let many = many.filter_map(Value::as_array).flatten();
        let dependent = schema.get("dependentSchemas").and_then(Value::as_object);
        let dependent = dependent.into_iter().flat_map(|schemas| schemas.values());
        let mut sum: u64 = 0;
        for below in ones.chain(many).chain(dependent) {
            sum = sum.saturating_add(self.of(below)?);
        }
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            sum = sum.saturating_add(self.of_reference(reference)?);
        }
        let weight = own.max(sum);
        if weight > ALTERNATIVES_LIMIT {
            let message = format!("more than {ALTERNATIVES_LIMIT} alternatives for one value");
            return Err(SchemaFault::new("", message));
        }
        Ok(weight)
    }

    fn of_reference(&mut self, reference: &str) -> Result<u64, SchemaFault> {
        if let Some(known) = self.known.get(reference) {
            return Ok(*known);
        }
        if !self.open.insert(reference.to_owned()) {
            let message = format!("`{reference}` refers back to itself without an end");
            return Err(SchemaFault::new(reference.trim_start_matches('#'), message));
        }
        let Some(target) = target(reference, self.whole) else {
            return Err(SchemaFault::new("", format!("`{reference}` leads nowhere")));
        };
        let weight = self.of(target)?;
        self.open.remove(reference);
        self.known.insert(reference.to_owned(), weight);
        Ok(weight)
    }
}

fn target<'v>(reference: &str, whole: &'v Value) -> Option<&'v Value> {
    reference.strip_prefix('#').and_then(|pointer| whole.pointer(pointer))
}

fn is_nested(value: &Value) -> bool {
    value.is_object() || value.is_array()
}

/// Every local reference that stands in a schema.
fn references(schema: &Value) -> BTreeSet<String> {
    let named = parts(schema).into_iter().filter_map(|part| part.get("$ref")?.as_str());
    named.map(str::to_owned).collect()
}

/// Every object of a schema that may be a schema itself.
fn parts(schema: &Value) -> Vec<&Value> {
    let mut found = Vec::new();
    let mut open = vec![schema];
    while let Some(value) = open.pop() {
        match value {
            Value::Object(members) => {
                found.push(value);
                let below = members.iter().filter(|(name, _)| !VALUES.contains(&name.as_str()));
                open.extend(below.map(|(_, value)| value));
            }
            Value::Array(items) => open.extend(items),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    found
}

/// Whether some reference leads, in any number of steps, back to itself.
fn is_recursive(schema: &Value) -> bool {
    let names = references(schema);
    let below = |name: &String| target(name, schema).map(references).unwrap_or_default();
    let edges: BTreeMap<&String, BTreeSet<String>> =
        names.iter().map(|name| (name, below(name))).collect();
    // What leads nowhere any more is taken away until nothing is left, or only circles are.
    let mut left: BTreeSet<&String> = names.iter().collect();
    loop {
        let ends = |name: &&&String| {
            edges.get(**name).is_none_or(|below| !below.iter().any(|next| left.contains(next)))
        };
        let done: Vec<&String> = left.iter().filter(ends).copied().collect();
        if done.is_empty() {
            return !left.is_empty();
        }
        for name in done {
            left.remove(name);
        }
    }
}
