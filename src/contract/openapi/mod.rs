//! Tools from an OpenAPI document, 3.0 or 3.1 (<https://spec.openapis.org/oas/v3.1.1.html>).
//!
//! An operation becomes a tool: its `operationId` the name, its method and path the requests, its
//! parameters and JSON body the arguments, its responses the answers. Servers, security and
//! callbacks are not read: where an upstream is, only the config says.

mod operation;
mod parameters;

use std::sync::Arc;

use super::codes;
use super::definition::Definition;
use super::dialect::{Dialect, Schemas};
use crate::policy::view::Effect;
use crate::yaml::{self, Diagnostic, Field, Source, Span, Tree};

/// Most operations of a document.
pub const OPERATIONS_LIMIT: usize = 5_000;

/// The methods of a path item that tools can have.
const METHODS: [&str; 7] = ["get", "head", "post", "put", "patch", "delete", "options"];

/// One operation of a document.
#[derive(Clone, Debug)]
pub struct Operation {
    /// Its `operationId`, or its method and path in letters.
    pub name: String,
    /// Upper case.
    pub method: String,
    /// As the document has it: `/customers/{id}`.
    pub path: String,
    pub effect: Effect,
    pub definition: Definition,
    /// Where it stands.
    pub span: Span,
}

/// What a document declares.
#[derive(Debug, Default)]
pub struct Imported {
    /// In the order of the document.
    pub operations: Vec<Operation>,
    /// Errors, and warnings about operations that are left out.
    pub faults: Vec<Diagnostic>,
}

/// What walking a document needs.
struct Walk<'f> {
    schemas: Schemas<'f>,
    faults: Vec<Diagnostic>,
}

/// Reads a document. Every fault comes at once; operations that cannot be tools are left out, each
/// with a warning that names it.
pub fn import(source: &Arc<Source>) -> Imported {
    let mut faults = Vec::new();
    let Some(root) = yaml::read::<Tree>(source, &mut faults) else {
        return Imported { operations: Vec::new(), faults };
    };
    let Some(dialect) = dialect(source, &root, &mut faults) else {
        return Imported { operations: Vec::new(), faults };
    };
    let schemas = Schemas { source, root: &root, dialect };
    let mut walk = Walk { schemas, faults };
    let operations = walk.operations(&root);
    Imported { operations, faults: walk.faults }
}

/// The dialect of the document's schemas, by its version.
fn dialect(source: &Arc<Source>, root: &Tree, faults: &mut Vec<Diagnostic>) -> Option<Dialect> {
    let version = root.get("openapi");
    let text = version.and_then(Tree::text).unwrap_or_default();
    let known = |minor: &str| text == minor || text.starts_with(&format!("{minor}."));
    if known("3.1") {
        return Some(Dialect::JsonSchema);
    }
    if known("3.0") {
        return Some(Dialect::OpenApi30);
    }
    let fault = match (version, root.get("swagger")) {
        (Some(version), _) => {
            Diagnostic::error(codes::OPENAPI, "expected version 3.0 or 3.1 of OpenAPI")
                .at(source, version.span)
                .help("for example `openapi: \"3.1.0\"`")
        }
        (None, Some(swagger)) => {
            Diagnostic::error(codes::OPENAPI, "OpenAPI 2 (Swagger) is not supported")
                .at(source, swagger.span)
                .help("convert it to OpenAPI 3")
        }
        (None, None) => Diagnostic::error(codes::OPENAPI, "this is no OpenAPI document")
            .at(source, Span::default())
            .help("it begins with `openapi: \"3.1.0\"`"),
    };
    faults.push(fault);
    None
}

impl<'f> Walk<'f> {
    fn operations(&mut self, root: &'f Tree) -> Vec<Operation> {
        let Some(paths) = root.get("paths").filter(|paths| paths.is_map()) else {
            let fault = Diagnostic::error(codes::OPENAPI, "the document has no `paths`");
            self.faults.push(fault.at(self.schemas.source, root.span));
            return Vec::new();
        };
        let mut operations = Vec::new();
        for (path, item) in paths.entries().iter().filter(|(path, _)| !path.value.starts_with("x-"))
        {
            let Some(item) = self.deref(item) else { continue };
            self.path_item(path, item, &mut operations);
            if operations.len() > OPERATIONS_LIMIT {
                let message = format!("more than {OPERATIONS_LIMIT} operations");
                self.fault(codes::OPENAPI, path.span, message);
                break;
            }
        }
        operations
    }

    fn path_item(&mut self, path: &Field<String>, item: &'f Tree, operations: &mut Vec<Operation>) {
        if !path.value.starts_with('/') {
            self.fault(codes::OPENAPI, path.span, "a path begins with `/`".to_owned());
            return;
        }
        for (key, operation) in item.entries() {
            match key.value.as_str() {
                method if METHODS.contains(&method) => {
                    operations.extend(self.operation(path, key, item, operation));
                }
                "trace" => {
                    let name = format!("TRACE {}", path.value);
                    self.left_out(&name, key.span, "TRACE is never forwarded");
                }
                "parameters" | "summary" | "description" | "servers" | "$ref" => {}
                key_text if key_text.starts_with("x-") => {}
                other => {
                    let mut fault =
                        Diagnostic::error(codes::OPENAPI, format!("`{other}` is not a method"))
                            .at(self.schemas.source, key.span);
                    fault.help = yaml::closest(other, METHODS.into_iter())
                        .map(|close| format!("did you mean `{close}`?"));
                    self.faults.push(fault);
                }
            }
        }
    }

    /// The value, or what it refers to: one reference, as parameters, bodies, responses and path
    /// items may be.
    fn deref(&mut self, tree: &'f Tree) -> Option<&'f Tree> {
        let Some(reference) = tree.get("$ref") else { return Some(tree) };
        match self.schemas.follow(reference.text().unwrap_or_default(), reference.span) {
            Ok(target) if target.get("$ref").is_none() => Some(target),
            Ok(_) => {
                let message = "a reference to a reference".to_owned();
                self.fault(codes::REFERENCE, reference.span, message);
                None
            }
            Err(fault) => {
                self.faults.push(fault);
                None
            }
        }
    }

    fn fault(&mut self, code: &'static str, span: Span, message: String) {
        self.faults.push(Diagnostic::error(code, message).at(self.schemas.source, span));
    }

    /// Says of an operation that it is no tool here.
    fn left_out(&mut self, name: &str, span: Span, why: &str) {
        let message = format!("`{name}` is left out, calls to it are refused: {why}");
        self.faults
            .push(Diagnostic::warning(codes::LEFT_OUT, message).at(self.schemas.source, span));
    }
}
