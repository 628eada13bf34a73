//! All loaded policies, indexed by tool: a call pays for the rules that name its tool, not for all.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write;
use std::sync::Arc;

use dashmap::DashMap;
use sha2::{Digest, Sha256};

use crate::policy::glob::Glob;
use crate::policy::matcher::Matcher;
use crate::policy::model::{DefaultDeny, Limit, Mode, Phase, Rule};
use crate::policy::rewrite::Rewrite;
use crate::policy::view::ToolFacts;
use crate::yaml::Source;

/// Tools whose applicable rules are remembered. Tool names may come from callers, so the memory is
/// emptied when it is full.
const CACHE_LIMIT_TOOLS: usize = 4_096;

/// Bytes of the digest that make a version: 12 hex digits.
const VERSION_BYTES: usize = 6;

/// Everything that applies to one tool.
#[derive(Clone, Debug, Default)]
pub struct Applicable {
    /// Strongest verb first, then by policy and id.
    pub rules: Vec<Arc<Rule>>,
    /// Those of `phase: result`, in the same order.
    pub result_rules: Vec<Arc<Rule>>,
    /// What changes arguments, by policy and id.
    pub rewrites: Vec<Arc<Rewrite>>,
    /// What changes results, by policy and id.
    pub result_rewrites: Vec<Arc<Rewrite>>,
    /// By policy and id.
    pub limits: Vec<Arc<Limit>>,
    /// Paths of this tool's calls that some rule reads later, as [`Captured::path`] has them.
    ///
    /// [`Captured::path`]: crate::policy::history::Captured::path
    pub captures: Vec<Arc<str>>,
    pub default_deny: Option<Arc<DefaultDeny>>,
    /// An enforced rule or limit that names another tool which a lenient server would take this
    /// one for. Only of tools whose names come from callers.
    pub lookalike_of: Option<Arc<str>>,
}

impl Applicable {
    /// Does a refusal by this rule say that there is no such tool?
    pub fn conceals(&self, rule: Option<&str>) -> bool {
        rule.is_some_and(|name| self.rules.iter().any(|rule| rule.conceal && *rule.name == *name))
    }

    /// Is the tool refused whatever is asked of it, without a word of its being there?
    pub fn is_concealed(&self) -> bool {
        self.rules.iter().any(|rule| {
            rule.conceal
                && rule.mode == Mode::Enforce
                && rule.when.is_none()
                && rule.requires.is_empty()
        })
    }

    /// Does some rule read results of this tool, now or later? Only then must they be kept as they
    /// pass, and come in a form that can be read.
    pub fn reads_results(&self) -> bool {
        self.judges_results() || self.keeps_results()
    }

    /// Does some rule judge or change results of this tool before the agent has them?
    pub fn judges_results(&self) -> bool {
        !self.result_rules.is_empty() || !self.result_rewrites.is_empty()
    }

    /// Does some rule read results of this tool at a later call?
    pub fn keeps_results(&self) -> bool {
        self.captures.iter().any(|path| path.starts_with("result"))
    }
}

/// What the compiler hands over; nothing in it is off.
#[derive(Debug, Default)]
pub struct Parts {
    /// Of both phases.
    pub rules: Vec<Rule>,
    /// Of both phases.
    pub rewrites: Vec<Rewrite>,
    pub limits: Vec<Limit>,
    /// Paths of earlier calls that some rule reads, with the tools they are read of.
    pub captures: Vec<(Glob, Arc<str>)>,
    pub default_deny: Option<DefaultDeny>,
    /// Servers whose tool names come from callers.
    pub open_servers: Vec<Arc<str>>,
}

/// One consistent set of policies; replaced as a whole on reload.
#[derive(Debug)]
pub struct PolicySet {
    /// First 12 hex digits of SHA-256 over the sources, whatever their order.
    pub version: Arc<str>,
    rules: Index<Rule>,
    result_rules: Index<Rule>,
    rewrites: Index<Rewrite>,
    limits: Index<Limit>,
    captures: Vec<(Glob, Arc<str>)>,
    open_servers: Vec<Arc<str>>,
    default_deny: Option<Arc<DefaultDeny>>,
    cache: DashMap<Arc<str>, Cached>,
}

/// How many rules, limits and defaults of a set act.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Modes {
    pub enforced: usize,
    pub observed: usize,
}

#[derive(Debug)]
struct Cached {
    tags: Arc<[Arc<str>]>,
    applicable: Arc<Applicable>,
}

/// Rules or limits in their order, found by tool.
#[derive(Debug)]
struct Index<T> {
    entries: Vec<Arc<T>>,
    /// Positions of entries that name tools in full.
    named: HashMap<Arc<str>, Vec<usize>>,
    /// Positions of entries that must be asked.
    open: Vec<usize>,
}

impl PolicySet {
    /// No policies: everything passes.
    pub fn empty() -> Self {
        Self::new(&[], Parts::default())
    }

    /// Orders and indexes what was compiled from `sources`.
    pub fn new(sources: &[Arc<Source>], parts: Parts) -> Self {
        let Parts { mut rules, mut rewrites, mut limits, captures, default_deny, open_servers } =
            parts;
        rules.retain(|rule| rule.mode != Mode::Off);
        rewrites.retain(|rewrite| rewrite.mode != Mode::Off);
        rewrites.sort_by(|a, b| a.name.cmp(&b.name));
        limits.retain(|limit| limit.mode != Mode::Off);
        rules.sort_by(|a, b| b.then.cmp(&a.then).then_with(|| a.name.cmp(&b.name)));
        limits.sort_by(|a, b| a.name.cmp(&b.name));
        let (rules, result_rules) = rules.into_iter().partition(|rule| rule.phase == Phase::Call);
        Self {
            version: version(sources),
            rules: Index::new(rules, |rule| &rule.tools),
            result_rules: Index::new(result_rules, |rule| &rule.tools),
            rewrites: Index::new(rewrites, |rewrite| &rewrite.tools),
            limits: Index::new(limits, |limit| &limit.tools),
            captures,
            open_servers,
            default_deny: default_deny.filter(|default| default.mode != Mode::Off).map(Arc::new),
            cache: DashMap::new(),
        }
    }

    /// Does nothing apply to anything?
    pub fn is_empty(&self) -> bool {
        self.rules.entries.is_empty()
            && self.result_rules.entries.is_empty()
            && self.rewrites.entries.is_empty()
            && self.limits.entries.is_empty()
            && self.default_deny.is_none()
    }

    /// Every rule of `phase: call` that is not off, strongest verb first, then by name.
    pub fn rules(&self) -> &[Arc<Rule>] {
        &self.rules.entries
    }

    /// The same of `phase: result`.
    pub fn result_rules(&self) -> &[Arc<Rule>] {
        &self.result_rules.entries
    }

    /// Every rule of both phases that changes something and is not off, by name.
    pub fn rewrites(&self) -> &[Arc<Rewrite>] {
        &self.rewrites.entries
    }

    /// How many rules there are, those that change something and those over results included.
    pub fn rule_count(&self) -> usize {
        self.rules().len() + self.result_rules().len() + self.rewrites().len()
    }

    /// Every limit that is not off, by name.
    pub fn limits(&self) -> &[Arc<Limit>] {
        &self.limits.entries
    }

    /// How many rules, limits and defaults act, and how many are only observed.
    pub fn modes(&self) -> Modes {
        let default = self.default_deny.iter().map(|default| default.mode);
        let limits = self.limits().iter().map(|limit| limit.mode);
        let rules = self.rules().iter().chain(self.result_rules()).map(|rule| rule.mode);
        let rewrites = self.rewrites().iter().map(|rewrite| rewrite.mode);
        let all = rules.chain(rewrites).chain(limits).chain(default);
        let mut modes = Modes::default();
        for mode in all {
            match mode {
                Mode::Enforce => modes.enforced += 1,
                Mode::Observe => modes.observed += 1,
                Mode::Off => {}
            }
        }
        modes
    }

    /// Does some rule judge or change results, of whatever tool?
    pub fn judges_results(&self) -> bool {
        let changes = self.rewrites().iter().any(|rewrite| rewrite.phase == Phase::Result);
        changes || !self.result_rules().is_empty()
    }

    /// `default: deny`, when a policy that is not off sets it.
    pub fn default_deny(&self) -> Option<&DefaultDeny> {
        self.default_deny.as_deref()
    }

    /// What applies to `tool`; computed at its first call and remembered.
    pub fn applicable(&self, tool: &ToolFacts) -> Arc<Applicable> {
        if let Some(cached) = self.cache.get(&tool.name) {
            // The same name with other tags is another tool of another configuration.
            return if cached.tags == tool.tags {
                cached.applicable.clone()
            } else {
                Arc::new(self.select(tool))
            };
        }
        let applicable = Arc::new(self.select(tool));
        if self.cache.len() >= CACHE_LIMIT_TOOLS {
            self.cache.clear();
        }
        let cached = Cached { tags: tool.tags.clone(), applicable: applicable.clone() };
        self.cache.insert(tool.name.clone(), cached);
        applicable
    }

    fn select(&self, tool: &ToolFacts) -> Applicable {
        let read = self.captures.iter().filter(|(glob, _)| glob.matches(&tool.name));
        let paths: BTreeSet<&Arc<str>> = read.map(|(_, path)| path).collect();
        let (rewrites, result_rewrites) = self
            .rewrites
            .select(tool, |rewrite| &rewrite.tools)
            .into_iter()
            .partition(|rewrite| rewrite.phase == Phase::Call);
        Applicable {
            rules: self.rules.select(tool, |rule| &rule.tools),
            result_rules: self.result_rules.select(tool, |rule| &rule.tools),
            rewrites,
            result_rewrites,
            limits: self.limits.select(tool, |limit| &limit.tools),
            captures: paths.into_iter().cloned().collect(),
            // The protocol's own messages are allowed unless a rule names them.
            default_deny: self.default_deny.clone().filter(|_| !tool.is_protocol()),
            lookalike_of: self.lookalike_of(tool),
        }
    }

    fn lookalike_of(&self, tool: &ToolFacts) -> Option<Arc<str>> {
        if tool.is_protocol() || !self.open_servers.contains(&tool.server) {
            return None;
        }
        let rules = self.rules.entries.iter().chain(&self.result_rules.entries);
        let rules = rules.filter(|rule| rule.mode == Mode::Enforce);
        let rewrites = self.rewrites.entries.iter().filter(|rule| rule.mode == Mode::Enforce);
        let limits = self.limits.entries.iter().filter(|limit| limit.mode == Mode::Enforce);
        let rule = rules.filter(|rule| rule.tools.resembles(tool)).map(|rule| &rule.name).next();
        let limit =
            || limits.filter(|limit| limit.tools.resembles(tool)).map(|limit| &limit.name).next();
        let mut rewrites = rewrites.filter(|rewrite| rewrite.tools.resembles(tool));
        let rewrite = || rewrites.next().map(|rewrite| &rewrite.name);
        rule.or_else(limit).or_else(rewrite).cloned()
    }
}

impl<T> Index<T> {
    fn new(entries: Vec<T>, tools: impl Fn(&T) -> &Matcher) -> Self {
        let mut named: HashMap<Arc<str>, Vec<usize>> = HashMap::new();
        let mut open = Vec::new();
        for (position, entry) in entries.iter().enumerate() {
            match tools(entry).exact_names() {
                Some(names) => {
                    for name in names {
                        named.entry(name).or_default().push(position);
                    }
                }
                None => open.push(position),
            }
        }
        Self { entries: entries.into_iter().map(Arc::new).collect(), named, open }
    }

    fn select(&self, tool: &ToolFacts, tools: impl Fn(&T) -> &Matcher) -> Vec<Arc<T>> {
        let named = self.named.get(&tool.name).into_iter().flatten().copied();
        // Ordered and free of repeats, so that entries come in their own order.
        let positions: BTreeSet<usize> = named.chain(self.open.iter().copied()).collect();
        let candidates = positions.into_iter().filter_map(|position| self.entries.get(position));
        candidates.filter(|entry| tools(entry).matches(tool)).cloned().collect()
    }
}

fn version(sources: &[Arc<Source>]) -> Arc<str> {
    let mut texts: Vec<&str> = sources.iter().map(|source| source.text.as_str()).collect();
    texts.sort_unstable();
    let mut hasher = Sha256::new();
    for text in texts {
        // The length keeps two files apart from the same text in one.
        hasher.update(u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
        hasher.update(text);
    }
    let mut hex = String::with_capacity(VERSION_BYTES * 2);
    for byte in hasher.finalize().iter().take(VERSION_BYTES) {
        let _ = write!(hex, "{byte:02x}");
    }
    Arc::from(hex)
}

#[cfg(test)]
mod tests;
