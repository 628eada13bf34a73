//! One operation as a tool.

use serde_json::{Value, json};

use super::super::codes;
use super::super::definition::{Definition, Part, Statuses};
use super::super::dialect::Direction;
use super::super::surface::{Surface, types};
use super::{Operation, Walk};
use crate::policy::view::Effect;
use crate::yaml::{Field, Tree};

/// What an operation declares of its body.
enum Body {
    None,
    Json(Part),
    /// Nothing that can be arguments; the reason.
    Unfit(&'static str),
}

impl<'f> Walk<'f> {
    /// The tool that an operation is; `None` when it cannot be one, which was said.
    pub(super) fn operation(
        &mut self,
        path: &Field<String>,
        method: &Field<String>,
        item: &'f Tree,
        tree: &'f Tree,
    ) -> Option<Operation> {
        let upper = method.value.to_ascii_uppercase();
        let name = match tree.get("operationId").and_then(Tree::text) {
            Some(id) => slug(id),
            None => slug(&format!("{}_{}", method.value, path.value.trim_matches('/'))),
        };
        let before = self.faults.len();
        let effect = self.effect(tree, &method.value);
        let parameters = match self.parameters(&path.value, item, tree) {
            Ok(parameters) => parameters,
            Err(why) => {
                self.left_out(&name, method.span, &why);
                return None;
            }
        };
        let body = match self.body(tree, &method.value) {
            Body::None => None,
            Body::Json(part) => Some(part),
            Body::Unfit(why) => {
                self.left_out(&name, method.span, why);
                return None;
            }
        };
        let results = self.results(tree);
        if self.faults.len() > before {
            return None;
        }
        if let Some(twice) = body.as_ref().and_then(|body| required_twice(&parameters, body)) {
            let why = format!("`{twice}` is asked for in the path or query and in the body");
            self.left_out(&name, method.span, &why);
            return None;
        }
        let definition = Definition {
            name: name.clone(),
            description: words(tree),
            args: std::iter::once(parameters).chain(body).collect(),
            results,
        };
        let path = path.value.clone();
        Some(Operation { name, method: upper, path, effect, definition, span: method.span })
    }

    fn effect(&mut self, tree: &Tree, method: &str) -> Effect {
        let by_method = if matches!(method, "get" | "head") { Effect::Read } else { Effect::Write };
        let Some(own) = tree.get("x-toolgate-effect") else { return by_method };
        match own.text() {
            Some("read") => Effect::Read,
            Some("write") => Effect::Write,
            Some(_) | None => {
                let message = "expected `read` or `write`".to_owned();
                self.fault(codes::OPENAPI, own.span, message);
                by_method
            }
        }
    }

    fn body(&mut self, tree: &'f Tree, method: &str) -> Body {
        let Some(declared) = tree.get("requestBody") else { return Body::None };
        let Some(body) = self.deref(declared) else { return Body::None };
        if matches!(method, "get" | "head" | "delete" | "options") {
            return Body::Unfit("requests with this method have no body here");
        }
        let media = body.get("content").map(Tree::entries).unwrap_or_default();
        let Some((_, json)) = media.iter().find(|(name, _)| is_json(&name.value)) else {
            return Body::Unfit("its body is not JSON");
        };
        let schema = match json.get("schema") {
            Some(schema) => self.schemas.convert(schema, Direction::Request, &mut self.faults),
            None => json!({ "additionalProperties": true }),
        };
        let types = types(&schema, &schema);
        if !types.is_empty() && !types.contains("object") {
            return Body::Unfit("its body is not a JSON object");
        }
        let optional = body.get("required").and_then(Tree::bool) != Some(true);
        Body::Json(Part { names: None, schema, optional })
    }

    fn results(&mut self, tree: &'f Tree) -> Vec<(Statuses, Value)> {
        let mut results = Vec::new();
        let responses = tree.get("responses").map(Tree::entries).unwrap_or_default();
        for (status, response) in responses.iter().filter(|(name, _)| !name.value.starts_with("x-"))
        {
            let Some(statuses) = Statuses::parse(&status.value) else {
                let message = format!("`{}` is not a status", status.value);
                self.fault(codes::OPENAPI, status.span, message);
                continue;
            };
            let Some(response) = self.deref(response) else { continue };
            let media = response.get("content").map(Tree::entries).unwrap_or_default();
            let json = media.iter().find(|(name, _)| is_json(&name.value));
            if let Some(schema) = json.and_then(|(_, media)| media.get("schema")) {
                let schema = self.schemas.convert(schema, Direction::Response, &mut self.faults);
                results.push((statuses, schema));
            }
        }
        results
    }
}

/// A name that path or query and body both ask for: no call can have it, as the gate takes a name
/// from one place only.
fn required_twice(parameters: &Part, body: &Part) -> Option<String> {
    let names = parameters.names.as_ref()?;
    let required = body.schema.get("required").and_then(Value::as_array)?;
    let mut required = required.iter().filter_map(Value::as_str);
    let surface = Surface::of(&body.schema, &body.schema);
    let twice = required.find(|name| names.contains(*name) && surface.members.contains_key(*name));
    twice.map(str::to_owned)
}

fn words(tree: &Tree) -> String {
    let parts = ["summary", "description"].map(|key| tree.get(key).and_then(Tree::text));
    let parts: Vec<&str> = parts.into_iter().flatten().map(str::trim).collect();
    parts.join("\n")
}

fn is_json(media: &str) -> bool {
    let essence = media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json"
        || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// A name as tools can have it: `get_customers_id` of `get_customers/{id}`.
fn slug(text: &str) -> String {
    let mut slug = String::new();
    for letter in text.chars() {
        if letter.is_ascii_alphanumeric() || matches!(letter, '-' | '.') {
            slug.push(letter);
        } else if !slug.ends_with('_') && !slug.is_empty() {
            slug.push('_');
        }
    }
    slug.trim_matches(['_', '.']).to_owned()
}
