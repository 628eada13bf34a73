//! Parameters of an operation as arguments.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::super::definition::Part;
use super::super::dialect::Direction;
use super::Walk;
use crate::yaml::Tree;

/// Where parameters stand.
const PLACES: [&str; 4] = ["path", "query", "header", "cookie"];

impl<'f> Walk<'f> {
    /// The part of the arguments that path and query are. Those of headers and cookies are passed
    /// on and are no arguments.
    ///
    /// # Errors
    /// Why the operation cannot be a tool.
    pub(super) fn parameters(
        &mut self,
        path: &str,
        item: &'f Tree,
        operation: &'f Tree,
    ) -> Result<Part, String> {
        let shared = item.get("parameters").map(Tree::items).unwrap_or_default();
        let own = operation.get("parameters").map(Tree::items).unwrap_or_default();
        // An operation's own replace those of its path (same name and place).
        let mut by_name: BTreeMap<(&str, &str), &Tree> = BTreeMap::new();
        for declared in shared.iter().chain(own) {
            let Some(parameter) = self.deref(declared) else { continue };
            let text = |key| parameter.get(key).and_then(Tree::text);
            let (Some(place), Some(name)) = (text("in"), text("name")) else {
                let message = "a parameter has `name` and `in`".to_owned();
                self.fault(super::codes::OPENAPI, parameter.span, message);
                continue;
            };
            if !PLACES.contains(&place) {
                let message = format!("`{place}` is no place for a parameter");
                self.fault(super::codes::OPENAPI, parameter.span, message);
            }
            by_name.insert((place, name), parameter);
        }
        let mut properties = Map::new();
        let mut required = BTreeSet::new();
        let mut defs = Map::new();
        for ((place, name), parameter) in by_name {
            if !matches!(place, "path" | "query") {
                continue;
            }
            if properties.contains_key(name) {
                return Err(format!("`{name}` stands in its path and in its query"));
            }
            if parameter.get("style").and_then(Tree::text) == Some("deepObject") {
                return Err(format!("`{name}` is spread over names of the query (deepObject)"));
            }
            if place == "path" || parameter.get("required").and_then(Tree::bool) == Some(true) {
                required.insert(name.to_owned());
            }
            let mut schema = match parameter.get("schema") {
                Some(schema) => self.schemas.convert(schema, Direction::Request, &mut self.faults),
                // Text in a form of its own (`content`): not looked into.
                None => json!({}),
            };
            if let Some(Value::Object(own)) =
                schema.as_object_mut().and_then(|own| own.remove("$defs"))
            {
                defs.extend(own);
            }
            properties.insert(name.to_owned(), schema);
        }
        for name in names_in(path) {
            required.insert(name.to_owned());
            properties.entry(name).or_insert_with(|| json!({ "type": "string" }));
        }
        let names = properties.keys().cloned().collect();
        let schema = json!({
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": false,
            "$defs": defs,
        });
        Ok(Part { names: Some(names), schema, optional: false })
    }
}

/// The names in braces of a path template.
fn names_in(path: &str) -> impl Iterator<Item = &str> {
    path.split('{').skip(1).filter_map(|rest| rest.split_once('}').map(|(name, _)| name))
}
