//! Tools whose definition is not what it was.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::policy::view::ToolFacts;

/// A tool whose definition changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drift {
    /// `server.operation`
    pub tool: Arc<str>,
    /// The version before; empty when the tool was not there or had no definition.
    pub from: Arc<str>,
    /// The version now; empty when the tool is gone or has no definition.
    pub to: Arc<str>,
}

/// The tools whose version differs between two configurations, by name. One that had no
/// definition and has none is never among them.
pub fn drift(old: &[ToolFacts], new: &[ToolFacts]) -> Vec<Drift> {
    let mut versions: BTreeMap<&Arc<str>, (&str, &str)> = BTreeMap::new();
    for tool in old {
        versions.entry(&tool.name).or_default().0 = &tool.version;
    }
    for tool in new {
        versions.entry(&tool.name).or_default().1 = &tool.version;
    }
    let changed = versions.into_iter().filter(|(_, (from, to))| from != to);
    changed
        .map(|(tool, (from, to))| Drift {
            tool: Arc::clone(tool),
            from: Arc::from(from),
            to: Arc::from(to),
        })
        .collect()
}
