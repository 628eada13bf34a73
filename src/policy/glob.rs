//! Patterns over tool names: `*` stands for any run of characters, everything else for itself.

use std::fmt;

/// A compiled pattern such as `payments.*` or `*.get*`.
///
/// Matching takes time proportional to the text, whatever the pattern: each part between two stars
/// is looked for once, leftmost first.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Glob {
    pattern: Box<str>,
    shape: Shape,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum Shape {
    /// No star: one name.
    Exact,
    /// Only stars.
    Everything,
    Parts {
        /// What the text starts with; may be empty.
        head: Box<str>,
        /// What follows in this order, anywhere.
        middle: Box<[Box<str>]>,
        /// What the text ends with; may be empty.
        tail: Box<str>,
    },
}

impl Glob {
    /// Compiles a pattern. Every text is a pattern.
    #[must_use]
    pub fn new(pattern: &str) -> Self {
        Self { pattern: pattern.into(), shape: Shape::of(pattern) }
    }

    /// The pattern as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.pattern
    }

    /// The one name this pattern stands for, when it has no star.
    #[must_use]
    pub fn exact(&self) -> Option<&str> {
        matches!(self.shape, Shape::Exact).then_some(&*self.pattern)
    }

    /// Whether the whole of `text` fits the pattern.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        match &self.shape {
            Shape::Exact => *self.pattern == *text,
            Shape::Everything => true,
            Shape::Parts { head, middle, tail } => fits(text, head, middle, tail),
        }
    }
}

impl Shape {
    fn of(pattern: &str) -> Self {
        let Some((head, rest)) = pattern.split_once('*') else {
            return Self::Exact;
        };
        let (between, tail) = rest.rsplit_once('*').unwrap_or(("", rest));
        let middle: Box<[Box<str>]> =
            between.split('*').filter(|part| !part.is_empty()).map(Box::from).collect();
        if head.is_empty() && middle.is_empty() && tail.is_empty() {
            return Self::Everything;
        }
        Self::Parts { head: head.into(), middle, tail: tail.into() }
    }
}

fn fits(text: &str, head: &str, middle: &[Box<str>], tail: &str) -> bool {
    let Some(mut rest) = text.strip_prefix(head).and_then(|rest| rest.strip_suffix(tail)) else {
        return false;
    };
    for part in middle {
        let Some((_, after)) = rest.split_once(&**part) else {
            return false;
        };
        rest = after;
    }
    true
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.pattern)
    }
}

impl fmt::Debug for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Glob({:?})", self.pattern)
    }
}

#[cfg(test)]
mod tests {
    use super::Glob;

    #[test]
    fn a_star_stands_for_any_run_of_characters() {
        for (pattern, text, expected) in [
            ("payments.refund", "payments.refund", true),
            ("payments.refund", "payments.refunds", false),
            ("*", "", true),
            ("**", "anything", true),
            ("", "", true),
            ("", "x", false),
            ("payments.*", "payments.refund", true),
            ("payments.*", "payments", false),
            ("*.search", "web.search", true),
            ("*.search", "web.searches", false),
            ("*.get*", "crm.getUser", true),
            ("*.get*", "crm.widget", false),
            ("a*b*c", "aXbYc", true),
            ("a*b*c", "abc", true),
            ("a*b*c", "acb", false),
            ("ab*ba", "aba", false),
            ("a*a*a", "aa", false),
            ("a*é*z", "a-é-z", true),
        ] {
            assert_eq!(Glob::new(pattern).matches(text), expected, "{pattern} on {text}");
        }
    }

    #[test]
    fn a_pattern_without_a_star_names_one_tool() {
        assert_eq!(Glob::new("a.b").exact(), Some("a.b"));
        assert_eq!(Glob::new("a.*").exact(), None);
        assert_eq!(Glob::new("a.*").as_str(), "a.*");
    }
}
