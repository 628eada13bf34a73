//! Which names have series of their own. Callers, models and tool servers make names up; those that
//! come when there is no more room for their kind are counted as `other`.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use parking_lot::RwLock;

/// What stands for a name beyond its cap.
pub(super) const OTHER: &str = "other";

/// Longest name in a label, in bytes.
const NAME_LIMIT_BYTES: usize = 256;

/// Labels whose values are not a closed set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Open {
    Tenant,
    Project,
    User,
    Agent,
    Tool,
    Model,
    /// A rule or a limit.
    Rule,
    /// Of a protocol of messages.
    Method,
}

/// The names that have series of their own, the same in all families.
#[derive(Debug)]
pub(super) struct Names {
    known: RwLock<HashMap<Open, HashSet<Arc<str>>>>,
    /// What the config names: nobody else's names take their place.
    declared: RwLock<HashMap<Open, HashSet<Arc<str>>>>,
    other: Arc<str>,
}

impl Open {
    /// How many names of the kind have series of their own.
    pub const fn limit_names(self) -> usize {
        match self {
            Self::Tenant | Self::Project | Self::Agent | Self::Model => 256,
            Self::User | Self::Tool => 1_024,
            Self::Rule => 2_048,
            Self::Method => 64,
        }
    }
}

impl Default for Names {
    fn default() -> Self {
        let (known, declared) = (RwLock::default(), RwLock::default());
        Self { known, declared, other: Arc::from(OTHER) }
    }
}

impl Names {
    /// The name itself if it has series of its own or may have some from now on, else `other`. What
    /// has no name keeps none.
    pub fn admit(&self, kind: Open, name: Arc<str>) -> Arc<str> {
        if name.is_empty() || self.known.read().get(&kind).is_some_and(|own| own.contains(&name)) {
            return name;
        }
        if self.is_declared(kind, &name) {
            return name;
        }
        if name.len() > NAME_LIMIT_BYTES {
            return self.other(name);
        }
        let mut known = self.known.write();
        let own = known.entry(kind).or_default();
        if own.len() >= kind.limit_names() && !own.contains(&name) {
            drop(known);
            return self.other(name);
        }
        own.insert(Arc::clone(&name));
        name
    }

    /// Makes sure of names that the config gives: they have series of their own, whatever comes.
    pub fn declare(&self, kind: Open, names: impl Iterator<Item = Arc<str>>) {
        self.declared.write().entry(kind).or_default().extend(names);
    }

    /// The name itself if the config gives it, else `other`; what has no name keeps none.
    pub fn declared_or_other(&self, kind: Open, name: Arc<str>) -> Arc<str> {
        if self.is_declared(kind, &name) { name } else { self.other(name) }
    }

    fn is_declared(&self, kind: Open, name: &str) -> bool {
        self.declared.read().get(&kind).is_some_and(|own| own.contains(name))
    }

    /// `other`, in place of a name; what has no name keeps none.
    pub fn other(&self, name: Arc<str>) -> Arc<str> {
        if name.is_empty() { name } else { Arc::clone(&self.other) }
    }
}
