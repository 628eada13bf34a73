//! Tools that a call names itself, where a path does not: what the config says of some of them, and
//! what goes for all others of their upstream.

use std::collections::HashMap;
use std::sync::Arc;

use dashmap::DashMap;

use crate::call::{Effect, Plan, ToolFacts};
use crate::contract::OnBreach;

/// Tools whose facts are remembered although the config does not name them.
const SEEN_LIMIT_TOOLS: usize = 4_096;

/// A tool that the config says something of.
#[derive(Clone, Debug)]
pub struct NamedTool {
    pub facts: Arc<ToolFacts>,
    /// Top-level arguments that do not make a call another call.
    pub ignored: Arc<[Arc<str>]>,
    pub plan: Arc<Plan>,
}

/// The tools of one upstream, by operation.
#[derive(Debug)]
pub struct NamedTools {
    upstream: Arc<str>,
    tools: HashMap<Arc<str>, NamedTool>,
    /// Tags of all others.
    tags: Arc<[Arc<str>]>,
    /// The plan of all others.
    plan: Arc<Plan>,
    on_breach: OnBreach,
    seen: DashMap<(Arc<str>, Effect), Arc<ToolFacts>>,
}

impl NamedTools {
    /// The tools of `upstream`; `tags` and `plan` go for those that `tools` does not name.
    pub fn new(
        upstream: Arc<str>,
        tools: HashMap<Arc<str>, NamedTool>,
        tags: Arc<[Arc<str>]>,
        plan: Arc<Plan>,
    ) -> Self {
        let on_breach = OnBreach::default();
        Self { upstream, tools, tags, plan, on_breach, seen: DashMap::new() }
    }

    /// What is done about answers that break the schemas which their server itself gives.
    #[must_use]
    pub fn breached(self, on_breach: OnBreach) -> Self {
        Self { on_breach, ..self }
    }

    /// What is done about answers that break the schemas which their server itself gives.
    pub fn on_breach(&self) -> OnBreach {
        self.on_breach
    }

    /// The upstream's name.
    pub fn upstream(&self) -> &Arc<str> {
        &self.upstream
    }

    /// Whether the config names the operation.
    pub fn names(&self, operation: &str) -> bool {
        self.tools.contains_key(operation)
    }

    /// The tool of this operation. `effect` goes where the config does not name it. The caller has
    /// seen to it that the name is one that a tool may have.
    pub fn find(&self, operation: &str, effect: Effect) -> NamedTool {
        if let Some(tool) = self.tools.get(operation) {
            return tool.clone();
        }
        let facts = self.facts(operation, effect);
        NamedTool { facts, ignored: Arc::from([]), plan: Arc::clone(&self.plan) }
    }

    /// The protocol's own message of this method: `SERVER.mcp:METHOD`.
    pub fn message(&self, method: &str) -> NamedTool {
        let operation = format!("{}{method}", crate::call::PROTOCOL_PREFIX);
        let facts = self.facts(&operation, Effect::Read);
        NamedTool { facts, ignored: Arc::from([]), plan: Arc::default() }
    }

    fn facts(&self, operation: &str, effect: Effect) -> Arc<ToolFacts> {
        let operation: Arc<str> = Arc::from(operation);
        let key = (operation, effect);
        if let Some(known) = self.seen.get(&key) {
            return Arc::clone(&known);
        }
        let (operation, _) = &key;
        let facts = Arc::new(ToolFacts {
            name: Arc::from(format!("{}.{operation}", self.upstream)),
            server: Arc::clone(&self.upstream),
            operation: Arc::clone(operation),
            tags: Arc::clone(&self.tags),
            effect,
            version: Arc::default(),
        });
        if self.seen.len() < SEEN_LIMIT_TOOLS {
            self.seen.insert(key, Arc::clone(&facts));
        }
        facts
    }
}
