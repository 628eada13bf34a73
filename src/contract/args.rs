//! Whether the arguments of a call are what its tool declares.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::coerce;
use super::complaint::Complaint;
use super::definition::Part;
use super::schema::{COMPLAINTS_LIMIT, Checker, SchemaFault};
use super::surface::{self, Surface, resolve};
use crate::json;
use crate::yaml::closest;

/// Deepest path of an argument that is looked up for a policy.
const PATH_LIMIT_NAMES: usize = 32;

/// What a tool's arguments must be.
#[derive(Debug)]
pub struct ArgsContract {
    /// At most one of them is about the rest.
    parts: Vec<Checked>,
}

/// A part that arguments are checked against.
#[derive(Debug)]
struct Checked {
    names: Option<BTreeSet<String>>,
    surface: Surface,
    checker: Checker,
    optional: bool,
}

/// What `null` says in the place of an argument that is not required and may not be `null`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nulls {
    /// That it is `null`.
    Are,
    /// That it is not given, as agents over MCP have it. The server may still mind.
    Omit,
}

/// Whether a tool declares an argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Declared {
    Yes,
    /// Its schema leaves open what stands there.
    Perhaps,
    /// With the name that was most likely meant.
    No(Option<String>),
}

impl Checked {
    /// Whether an argument need not be given and, when it is, is something else than `null`.
    fn may_be_left_out(&self, name: &str) -> bool {
        let schema = self.checker.schema();
        let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
        let mut places = self.surface.members.get(name).into_iter().flatten();
        !required.into_iter().any(|one| one == name)
            && places.all(|place| {
                let types = surface::types(place, schema);
                !types.is_empty() && !types.contains("null")
            })
    }
}

impl ArgsContract {
    pub(super) fn build(parts: &[Part]) -> Result<Self, SchemaFault> {
        let mut checked = Vec::new();
        for (position, part) in parts.iter().enumerate() {
            let checker = Checker::compile(part.schema.clone());
            let checker = checker.map_err(|fault| fault.within(&format!("args/{position}")))?;
            checked.push(Checked {
                names: part.names.clone(),
                surface: Surface::of(checker.schema(), checker.schema()),
                checker,
                optional: part.optional,
            });
        }
        // What is left over goes to the last.
        checked.sort_by_key(|part| part.names.is_none());
        Ok(Self { parts: checked })
    }

    /// What is wrong with arguments, which are an object; nothing when they fit. `textual` are the
    /// names of those that came as text, in a path or a query.
    pub fn check(&self, args: json::Value<'_>, textual: &[&str], nulls: Nulls) -> Vec<Complaint> {
        let Some(object) = args.as_object() else { return vec![Complaint::not_an_object()] };
        let mut complaints = Vec::new();
        let mut known = vec![Map::new(); self.parts.len()];
        for (name, value) in object.iter() {
            let Some((position, part)) = self.part_of(name) else {
                // Each costs a search for what was meant, and no more are told.
                if complaints.len() < COMPLAINTS_LIMIT {
                    complaints.push(Complaint::unknown("/args", name, self.names()));
                }
                continue;
            };
            match nulls {
                Nulls::Omit if is_null(value) && part.may_be_left_out(name) => continue,
                Nulls::Omit | Nulls::Are => {}
            }
            let value = match (value, part.surface.members.get(name)) {
                (json::Value::Str(text), Some(schemas)) if textual.contains(&name) => {
                    let schema = schemas.first().unwrap_or(&Value::Null);
                    coerce::from_text(text, schema, part.checker.schema())
                }
                (value, _) => coerce::to_serde(value),
            };
            if let Some(known) = known.get_mut(position) {
                known.insert(name.to_owned(), value);
            }
        }
        for (part, known) in self.parts.iter().zip(known) {
            if part.optional && known.is_empty() {
                continue;
            }
            complaints.extend(part.checker.complaints(&Value::Object(known), "/args"));
        }
        complaints.truncate(COMPLAINTS_LIMIT);
        complaints
    }

    /// Whether the tool takes an argument at this path: the names below `args`.
    pub fn declares(&self, path: &[&str]) -> Declared {
        let Some((first, rest)) = path.split_first() else { return Declared::Yes };
        let Some((_, part)) = self.part_of(first) else {
            return Declared::No(closest(first, self.names()).map(str::to_owned));
        };
        let whole = part.checker.schema();
        let mut schemas = part.surface.members.get(*first).cloned().unwrap_or_default();
        for name in rest.iter().take(PATH_LIMIT_NAMES) {
            let [schema] = schemas.as_slice() else { return Declared::Perhaps };
            let Some(schema) = resolve(schema, whole) else { return Declared::Perhaps };
            let surface = Surface::of(schema, whole);
            match surface.members.get(*name) {
                Some(below) => schemas = below.clone(),
                // Below the first level JSON Schema's own rule holds: what is not closed is open.
                None if is_closed(schema) && !surface.is_open() => {
                    let names = surface.members.keys().map(String::as_str);
                    return Declared::No(closest(name, names).map(str::to_owned));
                }
                None => return Declared::Perhaps,
            }
        }
        Declared::Yes
    }

    fn part_of(&self, name: &str) -> Option<(usize, &Checked)> {
        self.parts.iter().enumerate().find(|(_, part)| match &part.names {
            Some(names) => names.contains(name),
            None => part.surface.knows(name),
        })
    }

    fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.parts.iter().flat_map(|part| part.surface.members.keys().map(String::as_str))
    }
}

fn is_closed(schema: &Value) -> bool {
    schema.get("additionalProperties") == Some(&Value::Bool(false))
}

fn is_null(value: json::Value<'_>) -> bool {
    matches!(value, json::Value::Null)
}
