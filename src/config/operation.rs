//! `METHOD /path/{param}`: which requests a tool takes.

use std::collections::HashSet;
use std::ops::Range;

use http::Method;

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
    pub segments: Vec<Segment>,
}

/// A part of a path between slashes. Literals come before parameters, so that sorting patterns
/// puts the more literal first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Segment {
    Literal(String),
    Parameter(String),
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
    /// Parses a pattern; segments are literal or one whole `{param}`.
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
        let segments = parse_segments(path, start)?;
        Ok(Self { method, path: path.to_owned(), segments })
    }

    /// The names of the path's parameters.
    pub fn parameters(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Parameter(name) => Some(name.as_str()),
            Segment::Literal(_) => None,
        })
    }

    /// Takes the same requests: alike but for the names of parameters.
    pub fn same_requests(&self, other: &Self) -> bool {
        let same = |(a, b): (&Segment, &Segment)| match (a, b) {
            (Segment::Literal(a), Segment::Literal(b)) => a == b,
            (Segment::Parameter(_), Segment::Parameter(_)) => true,
            (Segment::Literal(_), Segment::Parameter(_))
            | (Segment::Parameter(_), Segment::Literal(_)) => false,
        };
        self.method == other.method
            && self.segments.len() == other.segments.len()
            && self.segments.iter().zip(&other.segments).all(same)
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

fn parse_segments(path: &str, start: usize) -> Result<Vec<Segment>, PatternFault> {
    let mut segments = Vec::new();
    let mut names = HashSet::new();
    // Behind the method, its blank and the first slash.
    let mut at = start + 1;
    for part in path.split('/').skip(1) {
        let range = at..at + part.len();
        at = range.end + 1;
        let segment = parse_segment(part, range.clone())?;
        if let Segment::Parameter(name) = &segment
            && !names.insert(name.clone())
        {
            return Err(fault(format!("the parameter `{name}` stands twice"), range));
        }
        segments.push(segment);
    }
    // `/` alone is one empty part; anywhere else an empty part is `//` or a slash at the end.
    let empty = |segment: &Segment| *segment == Segment::Literal(String::new());
    if segments.len() > 1 && segments.iter().any(empty) {
        let problem = fault("an empty part".to_owned(), start..start + path.len());
        return Err(problem.help("no `//`, and no `/` at the end"));
    }
    Ok(segments)
}

fn parse_segment(part: &str, range: Range<usize>) -> Result<Segment, PatternFault> {
    if let Some(name) = part.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        let named = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if name.is_empty() || !name.chars().all(named) {
            let problem = fault(format!("`{part}` is not a parameter"), range);
            return Err(problem.help("letters, digits, `_` and `-`: `{customer_id}`"));
        }
        return Ok(Segment::Parameter(name.to_owned()));
    }
    if part.contains(['{', '}']) {
        let problem = fault("a parameter is a whole part of the path".to_owned(), range);
        return Err(problem.help("for example `/customers/{id}/orders`"));
    }
    if part.starts_with(':') {
        let problem = fault(format!("`{part}` is not a parameter"), range);
        return Err(problem.help(&format!("did you mean `{{{}}}`?", part.trim_start_matches(':'))));
    }
    if part == "." || part == ".." {
        return Err(fault(format!("`{part}` cannot stand in a path"), range));
    }
    // Unreserved, sub-delims, `:` and `@` of RFC 3986, section 3.3, without `;`, `%` and `*`.
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~!$&'()+,=:@".contains(c);
    match part.chars().find(|c| !plain(*c)) {
        None => Ok(Segment::Literal(part.to_owned())),
        Some('?') => {
            let problem = fault("a query is not part of a pattern".to_owned(), range);
            Err(problem.help("query parameters are arguments already"))
        }
        Some('*') => {
            Err(fault("`*` is not supported in a path".to_owned(), range).help("use `{name}`"))
        }
        Some(other) => Err(fault(format!("`{other}` cannot stand in a path"), range)),
    }
}
