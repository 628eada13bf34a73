//! What call is this? Found by method and canonical path among the tools that the config names.

use std::collections::HashMap;
use std::sync::Arc;

use dashmap::DashMap;
use http::Method;

use crate::call::{Effect, Plan, Refusal, StopReason, ToolFacts};
use crate::identify::Target;
use crate::identify::path::PathTemplate;

/// Tools whose names came from paths and whose facts are remembered.
const NAMED_BY_PATH_LIMIT: usize = 4_096;

/// Longest tool name that may come from a path, in bytes.
const OPERATION_LIMIT_BYTES: usize = 128;

/// How a tool gets its name.
#[derive(Clone, Debug)]
pub enum ToolName {
    Fixed(Arc<ToolFacts>),
    /// From the path parameter of this name, which is then not an argument.
    FromPath {
        parameter: Arc<str>,
        tags: Arc<[Arc<str>]>,
        effect: Effect,
    },
}

/// One tool of an upstream.
#[derive(Debug)]
pub struct Route {
    pub method: Method,
    pub template: PathTemplate,
    /// The template as the config writes it.
    pub written: Arc<str>,
    pub name: ToolName,
    /// Top-level arguments that do not make a call another call: timestamps, request ids.
    pub ignore_args: Arc<[Arc<str>]>,
    pub plan: Arc<Plan>,
}

/// The tools of all upstreams.
#[derive(Debug, Default)]
pub struct Routes {
    servers: HashMap<Arc<str>, Vec<Route>>,
    named_by_path: DashMap<Arc<str>, Arc<ToolFacts>>,
}

/// What was found for a request.
pub struct Routed {
    pub tool: Arc<ToolFacts>,
    pub upstream: Arc<str>,
    /// The canonical path below the upstream's prefix.
    pub path: String,
    /// Parameters of the path, decoded.
    pub parameters: Vec<(String, String)>,
    pub ignored: Arc<[Arc<str>]>,
    pub plan: Arc<Plan>,
    /// The path as the config writes it, with the names of its parameters.
    pub template: Arc<str>,
}

impl Routes {
    /// Adds the tools of one upstream. Of routes that match the same request the first is taken,
    /// so the more literal ones must stand first.
    pub fn add(&mut self, server: Arc<str>, routes: Vec<Route>) {
        self.servers.insert(server, routes);
    }

    /// Finds the tool that a request names.
    ///
    /// # Errors
    /// `tool_not_allowed` for whatever the config does not name; `malformed` for a path that fits
    /// one tool while a less strict server may take it for a more literal one.
    pub(crate) fn find(&self, method: &Method, target: &Target) -> Result<Routed, Refusal> {
        let unknown = || {
            let message = format!(
                "The gate has no tool for {method} {}. Use a tool you were given.",
                target.path.shown()
            );
            Refusal::without_rule(StopReason::ToolNotAllowed, message)
        };
        let (prefix, below) = target.path.split_first().ok_or_else(unknown)?;
        let (server, routes) = self.servers.get_key_value(prefix).ok_or_else(unknown)?;
        let mut resembles_another = false;
        for route in routes.iter().filter(|route| route.method == *method) {
            let Some(captured) = route.template.captures(&below) else {
                resembles_another |= route.template.resembles(&below);
                continue;
            };
            // A path that is named to the letter is nobody's guess.
            if resembles_another && !captured.is_empty() {
                let message = "The path can be read as that of another tool.";
                return Err(Refusal::without_rule(StopReason::Malformed, message));
            }
            let mut parameters: Vec<(String, String)> = captured
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect();
            let tool = match &route.name {
                ToolName::Fixed(tool) => Arc::clone(tool),
                ToolName::FromPath { parameter, tags, effect } => {
                    let place = parameters.iter().position(|(name, _)| **name == **parameter);
                    let (_, operation) = parameters.remove(place.ok_or_else(unknown)?);
                    if !is_operation(&operation) {
                        return Err(unknown());
                    }
                    self.named_by_path(server, &operation, tags, *effect)
                }
            };
            return Ok(Routed {
                tool,
                upstream: server.clone(),
                path: below.canonical(),
                parameters,
                ignored: route.ignore_args.clone(),
                plan: Arc::clone(&route.plan),
                template: Arc::clone(&route.written),
            });
        }
        Err(unknown())
    }

    /// The path below the upstream's prefix of a request that [`Routes::find`] has found, with other
    /// values for the parameters of these names.
    pub(crate) fn refill(
        &self,
        method: &Method,
        target: &Target,
        values: &[(String, String)],
    ) -> Option<String> {
        let (prefix, below) = target.path.split_first()?;
        let routes = self.servers.get(prefix)?.iter().filter(|route| route.method == *method);
        routes.filter_map(|route| route.template.refill(&below, values)).next()
    }

    fn named_by_path(
        &self,
        server: &Arc<str>,
        operation: &str,
        tags: &Arc<[Arc<str>]>,
        effect: Effect,
    ) -> Arc<ToolFacts> {
        let name: Arc<str> = Arc::from(format!("{server}.{operation}"));
        if let Some(known) = self.named_by_path.get(&name) {
            return Arc::clone(&known);
        }
        let facts = Arc::new(ToolFacts {
            name: name.clone(),
            server: server.clone(),
            operation: Arc::from(operation),
            tags: tags.clone(),
            effect,
            version: Arc::from(""),
        });
        if self.named_by_path.len() < NAMED_BY_PATH_LIMIT {
            self.named_by_path.insert(name, Arc::clone(&facts));
        }
        facts
    }
}

/// Whether a path segment may name an operation: letters, digits, `_`, `-` and `.`.
fn is_operation(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= OPERATION_LIMIT_BYTES
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
}
