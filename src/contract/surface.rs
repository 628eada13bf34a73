//! What a schema says of an object's members at first sight: their names, whether more may come,
//! and which types a value may have. Local references are followed, a bounded number of them.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;
use serde_json::Value;

/// Deepest chain of references and combinations that is followed.
const DEPTH_LIMIT_STEPS: usize = 24;

/// Most schemas looked at for one question.
const VISIT_LIMIT_SCHEMAS: usize = 4_096;

/// Names of JSON types.
pub(super) type Types = BTreeSet<String>;

/// The members of an object that its schema knows.
#[derive(Clone, Debug, Default)]
pub(super) struct Surface {
    /// Each name with its schemas: one for each place that declares it.
    pub members: BTreeMap<String, Vec<Value>>,
    /// Whether it says that other names may come.
    pub open: bool,
    /// Other names it allows, by pattern.
    pub patterns: Vec<Regex>,
}

impl Surface {
    /// What is declared of the members of `schema`, a part of `whole`.
    pub fn of(schema: &Value, whole: &Value) -> Self {
        let mut surface = Self::default();
        if schema == &Value::Bool(true) {
            surface.open = true;
        }
        in_place(schema, whole, |schema| surface.take(schema));
        surface
    }

    /// Whether a member of this name may stand there.
    pub fn knows(&self, name: &str) -> bool {
        self.open
            || self.members.contains_key(name)
            || self.patterns.iter().any(|pattern| pattern.is_match(name))
    }

    /// Whether names beyond the listed ones may stand there.
    pub fn is_open(&self) -> bool {
        self.open || !self.patterns.is_empty()
    }

    fn take(&mut self, schema: &Value) {
        for (name, member) in
            schema.get("properties").and_then(Value::as_object).into_iter().flatten()
        {
            self.members.entry(name.clone()).or_default().push(member.clone());
        }
        for (pattern, _) in
            schema.get("patternProperties").and_then(Value::as_object).into_iter().flatten()
        {
            match Regex::new(pattern) {
                Ok(pattern) => self.patterns.push(pattern),
                // The schema itself will not compile.
                Err(_) => self.open = true,
            }
        }
        let more = ["additionalProperties", "unevaluatedProperties"];
        let more = more.iter().filter_map(|keyword| schema.get(keyword));
        self.open |= more.into_iter().any(|allowed| allowed != &Value::Bool(false));
    }
}

/// The types that a value of `schema` may have; empty when it does not say.
pub(super) fn types(schema: &Value, whole: &Value) -> Types {
    let mut found = Types::new();
    in_place(schema, whole, |schema| match schema.get("type") {
        Some(Value::String(name)) => {
            found.insert(name.clone());
        }
        Some(Value::Array(names)) => {
            found.extend(names.iter().filter_map(Value::as_str).map(str::to_owned));
        }
        Some(_) | None => {
            let listed = schema.get("enum").and_then(Value::as_array).into_iter().flatten();
            found.extend(listed.chain(schema.get("const")).map(type_of));
        }
    });
    found
}

fn type_of(value: &Value) -> String {
    let name = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    name.to_owned()
}

/// A schema with its references followed as far as they can be.
pub(super) fn resolve<'v>(schema: &'v Value, whole: &'v Value) -> Option<&'v Value> {
    let mut at = schema;
    for _ in 0..DEPTH_LIMIT_STEPS {
        match target(at, whole) {
            Some(next) => at = next?,
            None => return Some(at),
        }
    }
    None
}

/// Where a local reference leads: `None` when there is none, `Some(None)` when it leads nowhere.
fn target<'v>(schema: &Value, whole: &'v Value) -> Option<Option<&'v Value>> {
    let reference = schema.get("$ref")?.as_str()?;
    Some(reference.strip_prefix('#').and_then(|pointer| whole.pointer(pointer)))
}

/// Shows `look` every schema that applies to the same value as `schema` does.
fn in_place(schema: &Value, whole: &Value, mut look: impl FnMut(&Value)) {
    let mut open = vec![(schema, 0)];
    let mut visited = 0;
    while let Some((schema, depth)) = open.pop() {
        visited += 1;
        if visited > VISIT_LIMIT_SCHEMAS {
            return;
        }
        look(schema);
        if depth >= DEPTH_LIMIT_STEPS {
            continue;
        }
        open.extend(target(schema, whole).flatten().map(|next| (next, depth + 1)));
        for keyword in ["allOf", "anyOf", "oneOf"] {
            let arms = schema.get(keyword).and_then(Value::as_array).into_iter().flatten();
            open.extend(arms.map(|arm| (arm, depth + 1)));
        }
        for keyword in ["if", "then", "else"] {
            open.extend(schema.get(keyword).map(|arm| (arm, depth + 1)));
        }
        let dependent = schema.get("dependentSchemas").and_then(Value::as_object);
        open.extend(
            dependent.into_iter().flat_map(|arms| arms.values()).map(|arm| (arm, depth + 1)),
        );
    }
}
