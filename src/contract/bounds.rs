//! How much work a schema can make of a value.
//!
//! A schema is the operator's, the value is not. Three shapes make a check go on for ever or for ages:
//! a schema that refers back to itself without going down into the value; one that says the same
//! thing of a value again and again; and one whose alternatives each go down, so that every level of
//! the value is looked at a multiple as often as the one above. The first two are refused when they
//! are loaded. Of the third the looks that a value would cost are estimated before it is held
//! against the schema, and a value that would cost more than [`LOOKS_LIMIT`] is refused unseen.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::schema::SchemaFault;

/// Looks that checking one value may take.
const LOOKS_LIMIT: u64 = 1 << 20;

/// Looks up to which everything that is wrong is listed: listing goes through alternatives again at
/// each level.
const LISTING_LIMIT_LOOKS: u64 = 4_096;

/// Looks that a schema may make of one place of a value.
const ALTERNATIVES_LIMIT: u64 = 4_096;

/// Keywords whose schemas apply to the same value.
const SAME_ONE: [&str; 4] = ["else", "if", "not", "then"];
const SAME_MANY: [&str; 3] = ["allOf", "anyOf", "oneOf"];

/// Keywords whose schemas apply to what is inside the value; several may meet at one place.
const DOWN_ONE: [&str; 7] = [
    "additionalProperties",
    "contains",
    "items",
    "propertyNames",
    "unevaluatedItems",
    "unevaluatedProperties",
    "additionalItems",
];
const DOWN_MANY: [&str; 2] = ["patternProperties", "prefixItems"];

/// How often a schema looks at one place of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// At most so often, wherever the place is.
    Flat(u64),
    /// The schema leads back to itself: so much more often with each level down.
    Growing { same: u64, by: u64 },
}

/// Whether a value may be held against a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effort {
    /// Everything that is wrong can be listed.
    Small,
    /// Whether it fits can be said, and no more.
    Large,
    /// Not at all.
    Excessive,
}

impl Work {
    /// What a schema can make of a value.
    ///
    /// # Errors
    /// A schema that refers back to itself without going down into the value, or looks at one place
    /// more often than a value can be looked at.
    pub fn of(schema: &Value) -> Result<Self, SchemaFault> {
        let mut all = Weights::new(schema, Counts::All);
        let mut descending = Weights::new(schema, Counts::Descending);
        let (mut same, mut by) = (1, 1);
        for part in parts(schema) {
            same = same.max(all.of(part)?);
            by = by.max(descending.of(part)?);
        }
        if is_recursive(schema) {
            return Ok(Self::Growing { same, by });
        }
        let mut looks = Looks { whole: schema, known: BTreeMap::new() };
        let looks = looks.of(schema);
        if looks > ALTERNATIVES_LIMIT { Err(too_many()) } else { Ok(Self::Flat(looks)) }
    }

    /// What it takes to hold a value against the schema.
    pub fn effort(self, value: &Value) -> Effort {
        let (places, depth) = size(value);
        let each = match self {
            Self::Flat(looks) => looks,
            Self::Growing { same, by } => {
                same.saturating_mul(by.saturating_pow(u32::try_from(depth).unwrap_or(u32::MAX)))
            }
        };
        let looks = places.saturating_mul(each);
        // Where nothing multiplies, a value costs what it is long.
        if each > 1 && looks > LOOKS_LIMIT {
            Effort::Excessive
        } else if each > 1 && looks > LISTING_LIMIT_LOOKS {
            Effort::Large
        } else {
            Effort::Small
        }
    }
}

fn too_many() -> SchemaFault {
    SchemaFault::new("", format!("more than {ALTERNATIVES_LIMIT} alternatives for one value"))
}

/// Places of a value, and its nesting: 0 for a scalar. Recursion ends with that of the documents we
/// read.
fn size(value: &Value) -> (u64, usize) {
    let mut below = (0_u64, None::<usize>);
    let mut add = |(places, depth): (u64, usize)| {
        below = (below.0.saturating_add(places), below.1.max(Some(depth)));
    };
    match value {
        Value::Array(items) => items.iter().map(size).for_each(&mut add),
        Value::Object(members) => members.values().map(size).for_each(&mut add),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return (1, 0),
    }
    (below.0.saturating_add(1), below.1.unwrap_or_default().saturating_add(1))
}

/// How often a schema that does not lead back to itself looks at one place, at most.
struct Looks<'v> {
    whole: &'v Value,
    known: BTreeMap<String, u64>,
}

impl<'v> Looks<'v> {
    /// Recursion ends with the nesting of the file: no reference leads back.
    fn of(&mut self, schema: &'v Value) -> u64 {
        let mut sum = 0_u64;
        for below in same_place(schema) {
            sum = sum.saturating_add(self.of(below));
        }
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            sum = sum.saturating_add(self.of_reference(reference));
        }
        // Members of different names are different places, everything else may meet.
        let named = schema.get("properties").and_then(Value::as_object);
        let mut most = 0;
        for below in named.into_iter().flat_map(|named| named.values()) {
            most = most.max(self.of(below));
        }
        let one = DOWN_ONE.iter().filter_map(|keyword| schema.get(keyword));
        let many = DOWN_MANY.iter().filter_map(|keyword| schema.get(keyword)).flat_map(inside);
        for below in one.chain(many) {
            most = most.saturating_add(self.of(below));
        }
        sum.saturating_add(most).max(1)
    }

    fn of_reference(&mut self, reference: &str) -> u64 {
        if let Some(known) = self.known.get(reference) {
            return *known;
        }
        let looks = target(reference, self.whole).map_or(1, |target| self.of(target));
        self.known.insert(reference.to_owned(), looks);
        looks
    }
}

/// The schemas that apply to the same value.
fn same_place(schema: &Value) -> impl Iterator<Item = &Value> {
    let ones = SAME_ONE.iter().filter_map(|keyword| schema.get(keyword));
    let many = SAME_MANY.iter().filter_map(|keyword| schema.get(keyword));
    let many = many.filter_map(Value::as_array).flatten();
    let dependent = schema.get("dependentSchemas").and_then(Value::as_object);
    ones.chain(many).chain(dependent.into_iter().flat_map(|schemas| schemas.values()))
}

/// The schemas that a keyword holds in a list or by name.
fn inside(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        Value::Object(members) => members.values().collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

/// Keywords that hold values and no schemas.
const VALUES: [&str; 4] = ["const", "default", "enum", "examples"];

/// What of the looks at one place is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Counts {
    All,
    /// Those that go further down.
    Descending,
}

/// How often a schema looks at one value, without going down into it.
struct Weights<'v> {
    whole: &'v Value,
    counts: Counts,
    known: BTreeMap<String, u64>,
    /// References being followed.
    open: BTreeSet<String>,
}

impl<'v> Weights<'v> {
    fn new(whole: &'v Value, counts: Counts) -> Self {
        Self { whole, counts, known: BTreeMap::new(), open: BTreeSet::new() }
    }

    /// Recursion ends with the nesting of the file and the number of distinct references.
    fn of(&mut self, schema: &'v Value) -> Result<u64, SchemaFault> {
        let mut down = DOWN_ONE.iter().chain(&DOWN_MANY).chain(&["properties"]);
        let own = match self.counts {
            Counts::All => 1,
            Counts::Descending => {
                u64::from(down.any(|keyword| schema.get(keyword).is_some_and(is_nested)))
            }
        };
        let mut sum: u64 = 0;
        for below in same_place(schema) {
            sum = sum.saturating_add(self.of(below)?);
        }
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            sum = sum.saturating_add(self.of_reference(reference)?);
        }
        let weight = own.max(sum);
        if weight > ALTERNATIVES_LIMIT { Err(too_many()) } else { Ok(weight) }
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
