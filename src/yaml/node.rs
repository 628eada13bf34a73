//! A YAML document as a tree of values with places.

use super::source::Span;

/// How a scalar is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    SingleQuoted,
    DoubleQuoted,
    Literal,
    Folded,
}

#[derive(Clone, Debug)]
pub(super) struct Key {
    pub text: String,
    pub span: Span,
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub key: Key,
    pub value: Node,
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    Scalar {
        value: String,
        style: Style,
    },
    Sequence(Vec<Node>),
    /// Keys are distinct, in source order.
    Mapping(Vec<Entry>),
}

/// A value.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// Distinct in a document, except that the copies an alias makes share their anchor's.
    pub id: usize,
    pub span: Span,
    pub kind: Kind,
}

impl Style {
    /// The name that crosses serde's data model; see [`Style::from_name`].
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::SingleQuoted => "single",
            Self::DoubleQuoted => "double",
            Self::Literal => "literal",
            Self::Folded => "folded",
        }
    }

    /// The inverse of [`Style::name`].
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Plain, Self::SingleQuoted, Self::DoubleQuoted, Self::Literal, Self::Folded]
            .into_iter()
            .find(|style| style.name() == name)
    }
}

impl Node {
    /// Number of values in the tree, this one included, and its depth (1 for a scalar).
    /// Recursion is bounded by the depth that loading allows.
    pub fn measure(&self) -> (usize, usize) {
        let children: Vec<(usize, usize)> = match &self.kind {
            Kind::Scalar { .. } => Vec::new(),
            Kind::Sequence(items) => items.iter().map(Self::measure).collect(),
            Kind::Mapping(entries) => entries.iter().map(|entry| entry.value.measure()).collect(),
        };
        let count = children.iter().map(|(count, _)| count).sum::<usize>();
        let depth = children.iter().map(|(_, depth)| *depth).max().unwrap_or(0);
        (count + 1, depth + 1)
    }
}
