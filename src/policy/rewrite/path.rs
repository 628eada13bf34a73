//! `args.customer.ssn`, `result.rows[*].card`: where a value stands in arguments or a result.

use std::fmt;
use std::sync::Arc;

use crate::json::splice::Step;
use crate::policy::lookalike::reads_as;

/// Most steps of a path.
const SEGMENTS_LIMIT: usize = 16;

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// The member of that name.
    Member(Box<str>),
    /// Every element of an array, or every member of an object.
    Each,
}

/// A path below `args` or `result`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValuePath {
    /// As it was written.
    text: Arc<str>,
    segments: Arc<[Segment]>,
}

/// Why a text is no path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathFault {
    #[error("a path begins with `{0}`")]
    Root(&'static str),
    #[error("this is not a path")]
    Syntax,
    #[error("a path has at most {SEGMENTS_LIMIT} steps")]
    Long,
}

impl ValuePath {
    /// Reads a path that begins with `root`: `.name`, `["any name"]` and `[*]` follow.
    ///
    /// # Errors
    /// What keeps it from being one.
    pub fn parse(text: &str, root: &'static str) -> Result<Self, PathFault> {
        let text = text.trim();
        let mut rest = text.strip_prefix(root).ok_or(PathFault::Root(root))?;
        if rest.starts_with(|letter: char| letter.is_alphanumeric() || letter == '_') {
            return Err(PathFault::Root(root));
        }
        let mut segments = Vec::new();
        while !rest.is_empty() {
            let (segment, after) = Segment::read(rest).ok_or(PathFault::Syntax)?;
            segments.push(segment);
            rest = after;
        }
        if segments.len() > SEGMENTS_LIMIT {
            return Err(PathFault::Long);
        }
        Ok(Self { text: Arc::from(text), segments: Arc::from(segments) })
    }

    /// Its steps; none when it stands for the whole.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The names of its steps; `None` when one of them stands for many.
    pub fn names(&self) -> Option<Vec<Box<str>>> {
        let name = |segment: &Segment| match segment {
            Segment::Member(name) => Some(name.clone()),
            Segment::Each => None,
        };
        self.segments.iter().map(name).collect()
    }

    /// Whether a value stands at this path. Names that a lenient reader takes for those of the path
    /// count as well: what is to be taken out must not stay for being spelled otherwise.
    pub fn leads_to(&self, steps: &[Step<'_>]) -> bool {
        self.segments.len() == steps.len() && self.leads_above(steps)
    }

    /// Whether a value stands at this path or inside what stands there.
    pub fn leads_above(&self, steps: &[Step<'_>]) -> bool {
        self.segments.len() <= steps.len()
            && self.segments.iter().zip(steps).all(|pair| match pair {
                (Segment::Each, _) => true,
                (Segment::Member(name), Step::Member(other)) => {
                    **name == **other || reads_as(other, name)
                }
                (Segment::Member(_), Step::Element) => false,
            })
    }

    /// Whether one of two paths may stand for the other or for something inside it.
    pub fn may_meet(&self, other: &Self) -> bool {
        self.segments.iter().zip(&*other.segments).all(|pair| match pair {
            (Segment::Each, _) | (_, Segment::Each) => true,
            (Segment::Member(one), Segment::Member(other)) => one == other || reads_as(one, other),
        })
    }
}

impl fmt::Display for ValuePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Segment {
    fn read(text: &str) -> Option<(Self, &str)> {
        if let Some(rest) = text.strip_prefix("[*]") {
            return Some((Self::Each, rest));
        }
        if let Some(quoted) = text.strip_prefix("[\"") {
            let (name, rest) = quoted.split_once("\"]")?;
            return (!name.contains(['"', '\\'])).then_some((Self::Member(name.into()), rest));
        }
        let rest = text.strip_prefix('.')?;
        let end = rest
            .find(|letter: char| !(letter.is_alphanumeric() || matches!(letter, '_' | '-')))
            .unwrap_or(rest.len());
        let (name, rest) = rest.split_at_checked(end)?;
        (!name.is_empty()).then_some((Self::Member(name.into()), rest))
    }
}

#[cfg(test)]
mod tests {
    use super::{PathFault, Segment, ValuePath};
    use crate::json::splice::Step;

    #[test]
    fn paths_are_read() {
        let path = ValuePath::parse("result.rows[*][\"card no\"]", "result").unwrap();
        let expected =
            [Segment::Member("rows".into()), Segment::Each, Segment::Member("card no".into())];
        assert_eq!(path.segments(), expected);
        assert!(path.names().is_none());
        assert!(ValuePath::parse("result", "result").unwrap().segments().is_empty());
        for (text, fault) in [
            ("args.a", PathFault::Root("result")),
            ("results.a", PathFault::Root("result")),
            ("result.", PathFault::Syntax),
            ("result.a b", PathFault::Syntax),
            ("result[0]", PathFault::Syntax),
            ("result.a..b", PathFault::Syntax),
        ] {
            assert_eq!(ValuePath::parse(text, "result"), Err(fault), "{text}");
        }
    }

    #[test]
    fn other_spellings_are_led_to_as_well() {
        let path = ValuePath::parse("result.user_id", "result").unwrap();
        let at = |name: &'static str| [Step::Member(name.into())];
        assert!(path.leads_to(&at("user_id")));
        assert!(path.leads_to(&at("userId")));
        assert!(!path.leads_to(&at("user")));
        assert!(path.leads_above(&[Step::Member("user_id".into()), Step::Element]));
    }

    #[test]
    fn paths_meet_when_one_is_inside_the_other() {
        let path = |text| ValuePath::parse(text, "args").unwrap();
        assert!(path("args.a").may_meet(&path("args.a.b")));
        assert!(path("args[*].b").may_meet(&path("args.a.b")));
        assert!(path("args").may_meet(&path("args.z")));
        assert!(!path("args.a").may_meet(&path("args.b")));
    }
}
