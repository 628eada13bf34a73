//! Which tools a rule or limit is about: globs over `server.operation`, or tags.

use std::sync::Arc;

use crate::policy::glob::Glob;
use crate::policy::lookalike::leniently;
use crate::policy::view::{PROTOCOL_PREFIX, ToolFacts};

/// One entry of a `tools` list.
#[derive(Clone, Debug)]
pub enum Pattern {
    /// A tool's whole name.
    Exact(Arc<str>),
    Glob(Glob),
    /// `tag:NAME`
    Tag(Arc<str>),
}

/// A `tools` list.
#[derive(Clone, Debug, Default)]
pub struct Matcher {
    /// `None`: the list is absent, so every tool matches.
    patterns: Option<Vec<Pattern>>,
}

impl Pattern {
    /// Reads one entry of a `tools` list. Every text is one: what has no `*` and no `tag:` is a name.
    pub fn parse(text: &str) -> Self {
        if let Some(tag) = text.strip_prefix("tag:") {
            Self::Tag(Arc::from(tag))
        } else if text.contains('*') {
            Self::Glob(Glob::new(text))
        } else {
            Self::Exact(Arc::from(text))
        }
    }

    /// Is `tool` meant? What a protocol needs around its calls is meant only by a name that says so.
    pub fn matches(&self, tool: &ToolFacts) -> bool {
        if tool.is_protocol() && !self.names_protocol() {
            return false;
        }
        match self {
            Self::Exact(name) => *name == tool.name,
            Self::Glob(glob) => glob.matches(&tool.name),
            Self::Tag(tag) => tool.tags.contains(tag),
        }
    }
}

impl Pattern {
    /// Is `tool` not meant, and yet a lenient server would take its operation for one that is?
    pub fn resembles(&self, tool: &ToolFacts) -> bool {
        let pattern = match self {
            Self::Exact(name) => name,
            Self::Glob(glob) => glob.as_str(),
            Self::Tag(_) => return false,
        };
        let Some((server, operation)) = pattern.split_once('.') else { return false };
        let lenient = Glob::new(&leniently(operation));
        !self.matches(tool)
            && Glob::new(server).matches(&tool.server)
            && lenient.matches(&leniently(&tool.operation))
    }
}

impl Pattern {
    /// Whether it is written for messages of a protocol: `payments.mcp:resources/read`.
    fn names_protocol(&self) -> bool {
        let operation = |name: &str| {
            let (_, operation) = name.split_once('.').unwrap_or_default();
            operation.starts_with(PROTOCOL_PREFIX)
        };
        match self {
            Self::Exact(name) => operation(name),
            Self::Glob(glob) => operation(glob.as_str()),
            Self::Tag(_) => false,
        }
    }

    fn may_meet(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Exact(one), Self::Exact(other)) => one == other,
            (Self::Exact(name), Self::Glob(glob)) | (Self::Glob(glob), Self::Exact(name)) => {
                glob.matches(name)
            }
            (Self::Glob(one), Self::Glob(other)) => {
                let head = |glob: &Glob| glob.as_str().split('*').next().map(str::to_owned);
                let (one, other) = (head(one).unwrap_or_default(), head(other).unwrap_or_default());
                one.starts_with(&other) || other.starts_with(&one)
            }
            (Self::Tag(_), _) | (_, Self::Tag(_)) => true,
        }
    }
}

impl Matcher {
    /// Is `tool` not meant, and yet one of the patterns would mean it if it were spelled otherwise?
    pub fn resembles(&self, tool: &ToolFacts) -> bool {
        let patterns = self.patterns.as_deref().unwrap_or_default();
        !self.matches(tool) && patterns.iter().any(|pattern| pattern.resembles(tool))
    }

    /// Matches every tool.
    pub fn every() -> Self {
        Self { patterns: None }
    }

    /// Whether there may be a tool that both match. When names alone do not say, there may be.
    pub fn may_meet(&self, other: &Self) -> bool {
        let (Some(own), Some(others)) = (&self.patterns, &other.patterns) else { return true };
        own.iter().any(|one| others.iter().any(|other| one.may_meet(other)))
    }

    /// Matches what one of `patterns` matches.
    pub fn any_of(patterns: Vec<Pattern>) -> Self {
        Self { patterns: Some(patterns) }
    }

    /// Is `tool` meant?
    pub fn matches(&self, tool: &ToolFacts) -> bool {
        match &self.patterns {
            None => !tool.is_protocol(),
            Some(patterns) => patterns.iter().any(|pattern| pattern.matches(tool)),
        }
    }

    /// The tool names it consists of; `None` when a glob, a tag or absence makes it open.
    pub fn exact_names(&self) -> Option<Vec<Arc<str>>> {
        self.patterns
            .as_ref()?
            .iter()
            .map(|pattern| match pattern {
                Pattern::Exact(name) => Some(name.clone()),
                Pattern::Glob(_) | Pattern::Tag(_) => None,
            })
            .collect()
    }
}
