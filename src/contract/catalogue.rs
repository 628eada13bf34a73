//! Catalogues of functions, as model APIs and tool servers list them: the forms of OpenAI
//! (`{type: function, function: {name, parameters}}`), of Anthropic (`{name, input_schema}`), of
//! MCP (`{name, inputSchema, outputSchema}`), and plain `{name, parameters}`. A file holds a list of
//! them, or an object with the list under `tools` or `functions`.

use std::sync::Arc;

use super::codes;
use super::definition::{Definition, Part, Statuses};
use super::dialect::{Dialect, Direction, Schemas};
use crate::yaml::{self, Diagnostic, Source, Span, Tree, TreeValue};

/// Most functions of a catalogue.
pub const FUNCTIONS_LIMIT: usize = 5_000;

/// Keys under which the schema of arguments stands.
const ARGUMENTS: [&str; 3] = ["parameters", "inputSchema", "input_schema"];
/// Keys under which the schema of results stands.
const RESULTS: [&str; 3] = ["outputSchema", "output_schema", "returns"];

/// One function of a catalogue.
#[derive(Clone, Debug)]
pub struct Function {
    pub definition: Definition,
    /// Where its name stands.
    pub span: Span,
}

/// Reads a catalogue. Faults are added; what is at fault is left out.
pub fn functions(source: &Arc<Source>, faults: &mut Vec<Diagnostic>) -> Vec<Function> {
    let Some(root) = yaml::read::<Tree>(source, faults) else { return Vec::new() };
    let listed = ["tools", "functions"].iter().find_map(|key| root.get(key)).unwrap_or(&root);
    let TreeValue::List(items) = &listed.value else {
        let fault = Diagnostic::error(codes::CATALOGUE, "expected a list of functions")
            .at(source, listed.span)
            .help("`[{name, description, parameters}, …]`, or that under `tools`");
        faults.push(fault);
        return Vec::new();
    };
    if items.len() > FUNCTIONS_LIMIT {
        let message = format!("more than {FUNCTIONS_LIMIT} functions");
        faults.push(Diagnostic::error(codes::CATALOGUE, message).at(source, listed.span));
        return Vec::new();
    }
    items.iter().filter_map(|item| function(source, item, faults)).collect()
}

fn function(source: &Arc<Source>, item: &Tree, faults: &mut Vec<Diagnostic>) -> Option<Function> {
    let item = item.get("function").filter(|inner| inner.is_map()).unwrap_or(item);
    let Some((name, span)) = item.get("name").and_then(|name| Some((name.text()?, name.span)))
    else {
        let fault = Diagnostic::error(codes::CATALOGUE, "a function without a `name`");
        faults.push(fault.at(source, item.span));
        return None;
    };
    let mut pick = |keys: &[&str], direction| {
        let schema = keys.iter().find_map(|key| item.get(key))?;
        Some(standalone(source, schema, direction, faults))
    };
    let args = pick(&ARGUMENTS, Direction::Request);
    let results = pick(&RESULTS, Direction::Response);
    let description = item.get("description").and_then(Tree::text).unwrap_or_default();
    let definition = Definition {
        name: name.to_owned(),
        description: description.trim().to_owned(),
        args: args.map(Part::whole).into_iter().collect(),
        results: results.map(|schema| (Statuses::Success, schema)).into_iter().collect(),
    };
    Some(Function { definition, span })
}

/// A JSON Schema of a file of its own, or within one: its local references start from itself.
pub fn standalone(
    source: &Arc<Source>,
    schema: &Tree,
    direction: Direction,
    faults: &mut Vec<Diagnostic>,
) -> serde_json::Value {
    if !schema.is_map() && schema.bool().is_none() {
        let fault = Diagnostic::error(codes::SCHEMA, "expected a JSON Schema: an object");
        faults.push(fault.at(source, schema.span));
    }
    let schemas = Schemas { source, root: schema, dialect: Dialect::JsonSchema };
    schemas.convert(schema, direction, faults)
}
