//! Path templates as configs and OpenAPI documents write them: `/customers/{id}/notes`.

use std::cmp::Ordering;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::identify::path::{self, PathBelow, PathError};

/// Longest parameter name, in bytes.
const NAME_LIMIT_BYTES: usize = 64;

/// Where lenient servers take a segment to end.
const CUT_OFF: [char; 6] = ['.', ' ', '?', '#', '%', ';'];

/// What a template's parameters stand for, in the order they stand: name and decoded value.
pub type Captures<'a> = SmallVec<[(&'a str, &'a str); 4]>;

/// A pattern for paths.
///
/// A segment is literal or has one parameter, which may have text around it (`{id}:cancel`,
/// `report.{format}`). A parameter stands for one or more characters of one segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathTemplate {
    segments: Box<[Part]>,
    ends_with_slash: bool,
}

/// One segment of a template, decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(Box<str>),
    Parameter { prefix: Box<str>, name: Arc<str>, suffix: Box<str> },
}

/// Why a template is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    #[error("`{{` and `}}` in `{segment}` do not pair up")]
    Unbalanced { segment: String },
    #[error("the segment `{segment}` has more than one parameter")]
    SeveralParameters { segment: String },
    #[error(
        "`{name}` is not a parameter name: use 1 to {NAME_LIMIT_BYTES} letters, digits, `_`, `-`, `.`"
    )]
    Name { name: String },
    #[error("the parameter `{name}` stands twice")]
    Repeated { name: String },
    #[error(transparent)]
    Path(#[from] PathError),
}

impl PathTemplate {
    /// Reads a template. Literal text is written as in a URL: percent-encoded outside of ASCII.
    ///
    /// # Errors
    /// For braces that do not pair up, names that are not fit for arguments or stand twice, and
    /// literal text that no accepted path could ever match.
    pub fn parse(template: &str) -> Result<Self, TemplateError> {
        let inside = template.strip_prefix('/').ok_or(PathError::NotAbsolute)?;
        let (inside, ends_with_slash) = match inside.strip_suffix('/') {
            Some(before) => (before, true),
            None => (inside, inside.is_empty()),
        };
        let mut segments = Vec::new();
        if !inside.is_empty() {
            for segment in inside.split('/') {
                segments.push(Part::parse(segment)?);
            }
        } else if inside.len() + 1 < template.len() {
            return Err(PathError::EmptySegment.into());
        }
        let parsed = Self { segments: segments.into(), ends_with_slash };
        let mut names: Vec<&str> = parsed.parameters().collect();
        names.sort_unstable();
        let twice = names.iter().zip(names.iter().skip(1)).find(|(one, other)| one == other);
        if let Some((name, _)) = twice {
            return Err(TemplateError::Repeated { name: (*name).to_owned() });
        }
        Ok(parsed)
    }

    /// The names of its parameters, in order.
    pub fn parameters(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(|part| match part {
            Part::Literal(_) => None,
            Part::Parameter { name, .. } => Some(&**name),
        })
    }

    /// What its parameters stand for in a path, if the path matches.
    pub fn captures<'a>(&'a self, path: &PathBelow<'a>) -> Option<Captures<'a>> {
        let segments = path.segments();
        if segments.len() != self.segments.len() || path.ends_with_slash() != self.ends_with_slash {
            return None;
        }
        let mut captures = Captures::new();
        for (part, segment) in self.segments.iter().zip(segments) {
            match part {
                Part::Literal(literal) => {
                    if **literal != *segment {
                        return None;
                    }
                }
                Part::Parameter { prefix, name, suffix } => {
                    let value = segment.strip_prefix(&**prefix)?.strip_suffix(&**suffix)?;
                    if value.is_empty() {
                        return None;
                    }
                    captures.push((name, value));
                }
            }
        }
        Some(captures)
    }

    /// The path that has other values where parameters of these names stand; the others keep those
    /// they have in `path`. Whether it can be sent is for [`path::canonical`] to say. `None` when
    /// `path` does not match.
    pub fn refill(&self, path: &PathBelow<'_>, values: &[(String, String)]) -> Option<String> {
        let captures = self.captures(path)?;
        let mut filled = String::new();
        for part in &self.segments {
            filled.push('/');
            match part {
                Part::Literal(literal) => filled.push_str(&path::encoded(literal)),
                Part::Parameter { prefix, name, suffix } => {
                    let new = values.iter().find(|(known, _)| **known == **name);
                    let old = captures.iter().find(|(known, _)| *known == &**name);
                    let value = new.map(|(_, value)| &**value).or(old.map(|(_, value)| *value))?;
                    filled.push_str(&path::encoded(&format!("{prefix}{value}{suffix}")));
                }
            }
        }
        if self.ends_with_slash {
            filled.push('/');
        }
        Some(filled)
    }

    /// Whether a server that is less strict than this gate may take a path for one of this
    /// template: one that ignores case or a slash at the end, or that cuts off formats
    /// (`export.json`), blanks, and what a second decoding would make of `%`, `?`, `#`.
    pub fn resembles(&self, path: &PathBelow<'_>) -> bool {
        let segments = path.segments();
        segments.len() == self.segments.len()
            && self.segments.iter().zip(segments).all(|(part, segment)| part.resembles(segment))
    }

    /// Orders templates so that of two that match the same path the more literal one comes first:
    /// segment by segment, literal text before text around a parameter before a parameter alone.
    pub fn by_specificity(&self, other: &Self) -> Ordering {
        let pairs = self.segments.iter().zip(&other.segments);
        let mut orders = pairs.map(|(one, other)| other.literal_len().cmp(&one.literal_len()));
        let first = orders.find(|order| order.is_ne()).unwrap_or(Ordering::Equal);
        first.then(other.segments.len().cmp(&self.segments.len()))
    }

    /// Whether exactly the same paths match both, so that the second would never be reached.
    pub fn same_paths_as(&self, other: &Self) -> bool {
        self.segments.len() == other.segments.len()
            && self.ends_with_slash == other.ends_with_slash
            && self.segments.iter().zip(&other.segments).all(|(one, other)| match (one, other) {
                (Part::Literal(one), Part::Literal(other)) => one == other,
                (
                    Part::Parameter { prefix, suffix, .. },
                    Part::Parameter { prefix: other_prefix, suffix: other_suffix, .. },
                ) => prefix == other_prefix && suffix == other_suffix,
                (Part::Literal(_), Part::Parameter { .. })
                | (Part::Parameter { .. }, Part::Literal(_)) => false,
            })
    }
}

impl Part {
    fn parse(segment: &str) -> Result<Self, TemplateError> {
        let unbalanced = || TemplateError::Unbalanced { segment: segment.to_owned() };
        let Some((prefix, rest)) = segment.split_once('{') else {
            if segment.contains('}') {
                return Err(unbalanced());
            }
            let literal = path::decode_segment(segment)?;
            return Ok(Self::Literal(literal.into()));
        };
        let (name, suffix) = rest.split_once('}').ok_or_else(unbalanced)?;
        if prefix.contains('}') || name.contains('{') {
            return Err(unbalanced());
        }
        if suffix.contains('{') {
            return Err(TemplateError::SeveralParameters { segment: segment.to_owned() });
        }
        if suffix.contains('}') {
            return Err(unbalanced());
        }
        if !is_name(name) {
            return Err(TemplateError::Name { name: name.to_owned() });
        }
        let around = |text| match text {
            "" => Ok(Box::from("")),
            "." | ".." => Ok(Box::from(text)),
            text => path::decode_segment(text).map(Box::from),
        };
        Ok(Self::Parameter {
            prefix: around(prefix)?,
            name: Arc::from(name),
            suffix: around(suffix)?,
        })
    }

    fn resembles(&self, segment: &str) -> bool {
        match self {
            Self::Literal(literal) => after_ignoring_case(segment, literal)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(CUT_OFF)),
            Self::Parameter { prefix, suffix, .. } => {
                let rest = after_ignoring_case(segment, prefix);
                let end = |rest: &str| rest.len().checked_sub(suffix.len());
                rest.and_then(|rest| rest.get(end(rest)?..))
                    .is_some_and(|end| end.eq_ignore_ascii_case(suffix))
            }
        }
    }

    /// How much literal text it has; a literal segment has more than any other.
    fn literal_len(&self) -> usize {
        match self {
            Self::Literal(_) => usize::MAX,
            Self::Parameter { prefix, suffix, .. } => prefix.len().saturating_add(suffix.len()),
        }
    }
}

/// What follows `start` in a text that begins with it.
fn after_ignoring_case<'t>(text: &'t str, start: &str) -> Option<&'t str> {
    let (begins, rest) = text.split_at_checked(start.len())?;
    begins.eq_ignore_ascii_case(start).then_some(rest)
}

fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && name.len() <= NAME_LIMIT_BYTES
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
}
