//! `METHOD /path/{param}`: which requests a tool takes.

use std::collections::HashSet;
use std::ops::Range;

use http::Method;

use crate::identify::path::{PathError, PathTemplate, TemplateError};

/// Longest pattern.
const PATTERN_LIMIT_BYTES: usize = 2_048;

/// Methods a tool can have. CONNECT and TRACE are never forwarded.
const METHODS: [Method; 7] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
    Method::OPTIONS,
];

/// A parsed pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    pub method: Method,
    /// The path as written.
    pub path: String,
    pub template: PathTemplate,
}

/// What is wrong with a pattern.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PatternFault {
    pub message: String,
    /// Bytes of the pattern.
    pub range: Range<usize>,
    pub help: Option<String>,
}

impl Pattern {
    /// Parses a pattern.
    ///
    /// # Errors
    /// The first thing that is wrong and where.
    pub fn parse(text: &str) -> Result<Self, PatternFault> {
        let whole = 0..text.len();
        if text.len() > PATTERN_LIMIT_BYTES {
            return Err(fault(format!("longer than {PATTERN_LIMIT_BYTES} bytes"), whole));
        }
        let Some((method, path)) = text.split_once(' ') else {
            let guess = if text.starts_with('/') { format!("GET {text}") } else { String::new() };
            let problem = fault("expected a method and a path".to_owned(), whole);
            return Err(if guess.is_empty() {
                problem.help("for example `GET /customers/{id}`")
            } else {
                problem.help(&format!("did you mean `{guess}`?"))
            });
        };
        let method = parse_method(method)?;
        let start = text.len() - path.len();
        if !path.starts_with('/') {
            let problem = fault("a path begins with `/`".to_owned(), start..text.len());
            return Err(problem.help(&format!("did you mean `{method} /{path}`?")));
        }
        check_segments(path, start)?;
        let template = PathTemplate::parse(path)
            .map_err(|error| fault(error.to_string(), start..text.len()))?;
        Ok(Self { method, path: path.to_owned(), template })
    }

    /// Takes the same requests: alike but for the names of parameters.
    pub fn same_requests(&self, other: &Self) -> bool {
        self.method == other.method && self.template.same_paths_as(&other.template)
    }
}

impl PatternFault {
    fn help(mut self, help: &str) -> Self {
        self.help = Some(help.to_owned());
        self
    }
}

fn fault(message: String, range: Range<usize>) -> PatternFault {
    PatternFault { message, range, help: None }
}

fn parse_method(text: &str) -> Result<Method, PatternFault> {
    if let Some(method) = METHODS.iter().find(|method| method.as_str() == text) {
        return Ok(method.clone());
    }
    let upper = text.to_ascii_uppercase();
    let problem = fault(format!("`{text}` is not a method a tool can have"), 0..text.len());
    Err(if METHODS.iter().any(|method| method.as_str() == upper) {
        problem.help(&format!("did you mean `{upper}`?"))
    } else {
        let names: Vec<&str> = METHODS.iter().map(Method::as_str).collect();
        problem.help(&format!("one of {}", names.join(", ")))
    })
}

/// Finds the part of the path that is at fault, and what is usually meant by it.
fn check_segments(path: &str, start: usize) -> Result<(), PatternFault> {
    let mut names = HashSet::new();
    // Behind the method, its blank and the first slash.
    let mut at = start + 1;
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    for (position, part) in parts.iter().enumerate() {
        let range = at..at + part.len();
        at = range.end + 1;
        // Nothing behind the last slash: the path ends with it.
        if part.is_empty() && position + 1 == parts.len() {
            break;
        }
        if part.is_empty() {
            let slashes = range.start.saturating_sub(1)..range.end + 1;
            return Err(fault(PathError::EmptySegment.to_string(), slashes));
        }
        if let Some(problem) = misread(part, &range) {
            return Err(problem);
        }
        let template = PathTemplate::parse(&format!("/{part}"));
        let template = template.map_err(|error| at_segment(&error, range.clone()))?;
        for name in template.parameters() {
            if !names.insert(name.to_owned()) {
                return Err(fault(format!("the parameter `{name}` stands twice"), range));
            }
        }
    }
    Ok(())
}

/// What other gateways write and this one would take literally.
fn misread(part: &str, range: &Range<usize>) -> Option<PatternFault> {
    if let Some(name) = part.strip_prefix(':') {
        let problem = fault(format!("`{part}` is not a parameter"), range.clone());
        return Some(problem.help(&format!("did you mean `{{{name}}}`?")));
    }
    if part.contains('*') {
        let problem = fault("`*` is not supported in a path".to_owned(), range.clone());
        return Some(problem.help("use `{name}`"));
    }
    let query = part.find('?')?;
    let problem =
        fault("a query is not part of a pattern".to_owned(), range.start + query..range.end);
    Some(problem.help("query parameters are arguments already"))
}

fn at_segment(error: &TemplateError, range: Range<usize>) -> PatternFault {
    let problem = fault(error.to_string(), range);
    match error {
        TemplateError::Unbalanced { .. } | TemplateError::SeveralParameters { .. } => {
            problem.help("for example `/customers/{id}/orders`")
        }
        TemplateError::Name { .. } => problem.help("for example `{customer_id}`"),
        TemplateError::Repeated { .. } | TemplateError::Path(_) => problem,
    }
}
