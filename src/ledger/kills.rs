//! What an operator has switched off: everything, all writes, a tool, a run or a tenant. Every
//! call is held against it before anything else, and again before each attempt to reach a tool.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::RwLock;
use tokio::sync::watch;

use crate::call::{RunId, ToolFacts};
use crate::policy::matcher::{Matcher, Pattern};
use crate::weaken::Hole;

/// Most kill switches of tools, runs and tenants that are on at once: every call is held against
/// each. Those of everything, and those of all writes, are counted apart.
pub const KILLS_LIMIT: usize = 256;

/// What a kill switch is about.
#[derive(Clone, Debug)]
pub enum Target {
    Everything,
    /// Calls that change something.
    Writes,
    /// Tools: a name, a glob or `tag:NAME`, as written and as read.
    Tool {
        pattern: Arc<str>,
        tools: Matcher,
    },
    Run(Arc<str>),
    Tenant(Arc<str>),
}

/// A kill switch that is on.
#[derive(Clone, Debug)]
pub struct Kill {
    /// `kill_` and more.
    pub id: Arc<str>,
    pub target: Target,
    /// What the operator gave as the reason; agents are told.
    pub reason: Arc<str>,
    /// Who switched it on, as they said.
    pub actor: Arc<str>,
    /// Milliseconds since the Unix epoch.
    pub since_ms: i64,
}

/// What a call is held against the kill switches by.
#[derive(Clone, Copy, Debug)]
pub struct KillFacts<'a> {
    pub tool: &'a ToolFacts,
    pub run: &'a str,
    /// The runs above it: what is switched off for one is for those that it made.
    pub above: &'a [RunId],
    pub tenant: &'a str,
}

/// The kill switches of one gate.
#[derive(Debug)]
pub struct Kills {
    /// INVARIANT: true whenever `on` is not empty, so that one load is all that a call pays while
    /// nothing is switched off.
    any: AtomicBool,
    on: RwLock<Vec<Arc<Kill>>>,
    /// Counted up with every change.
    changes: watch::Sender<u64>,
}

/// As many kill switches are on as there may be.
#[derive(Debug, thiserror::Error)]
#[error(
    "{KILLS_LIMIT} kill switches are on; lift some, or switch everything off with the scope `all`"
)]
pub struct TooManyKills;

impl Target {
    /// Tools by name, glob or `tag:NAME`.
    pub fn tool(pattern: &str) -> Self {
        let tools = Matcher::any_of(vec![Pattern::parse(pattern)]);
        Self::Tool { pattern: Arc::from(pattern), tools }
    }

    /// The name users see as `scope`.
    pub fn scope(&self) -> &'static str {
        match self {
            Self::Everything => "all",
            Self::Writes => "writes",
            Self::Tool { .. } => "tool",
            Self::Run(_) => "run",
            Self::Tenant(_) => "tenant",
        }
    }

    /// The tool pattern, run or tenant it is about; absent of everything and of writes.
    pub fn name(&self) -> Option<&Arc<str>> {
        match self {
            Self::Everything | Self::Writes => None,
            Self::Tool { pattern: name, .. } | Self::Run(name) | Self::Tenant(name) => Some(name),
        }
    }

    /// Whether it is about this tool by name or tag; absent where it is not about tools.
    pub fn names(&self, tool: &ToolFacts) -> Option<bool> {
        match self {
            Self::Tool { tools, .. } => Some(tools.matches(tool)),
            Self::Everything | Self::Writes | Self::Run(_) | Self::Tenant(_) => None,
        }
    }

    fn is_about(&self, facts: KillFacts<'_>) -> bool {
        match self {
            Self::Everything => true,
            Self::Writes => facts.tool.effect.changes(),
            // A spelling that a lenient server takes for the tool does not get around the switch.
            Self::Tool { tools, .. } => tools.matches(facts.tool) || tools.resembles(facts.tool),
            Self::Run(run) => {
                **run == *facts.run || facts.above.iter().any(|above| above.0 == *run)
            }
            Self::Tenant(tenant) => **tenant == *facts.tenant,
        }
    }
}

impl Default for Kills {
    fn default() -> Self {
        Self { any: AtomicBool::new(false), on: RwLock::default(), changes: watch::Sender::new(0) }
    }
}

impl Kills {
    /// Lets a call pass, or names the kill switch that stops it.
    ///
    /// # Errors
    /// The first switch that is about the call.
    pub fn check(&self, facts: KillFacts<'_>) -> Result<(), Arc<Kill>> {
        if !self.any.load(Ordering::SeqCst) || Hole::LeakyKill.is_open() {
            return Ok(());
        }
        let on = self.on.read();
        match on.iter().find(|kill| kill.target.is_about(facts)) {
            Some(kill) => Err(Arc::clone(kill)),
            None => Ok(()),
        }
    }

    /// Tells of every change, so that a call that waits looks again.
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Switches on. When this returns, no call that it is about passes [`Kills::check`].
    ///
    /// # Errors
    /// When [`KILLS_LIMIT`] are on that count with it.
    pub fn engage(&self, kill: Arc<Kill>) -> Result<(), TooManyKills> {
        let mut on = self.on.write();
        // Named ones never stand in the way of switching everything off.
        let alike = |other: &&Arc<Kill>| match (kill.target.name(), other.target.name()) {
            (Some(_), Some(_)) => true,
            (None, None) => kill.target.scope() == other.target.scope(),
            (Some(_), None) | (None, Some(_)) => false,
        };
        if on.iter().filter(alike).count() >= KILLS_LIMIT {
            return Err(TooManyKills);
        }
        on.push(kill);
        self.any.store(true, Ordering::SeqCst);
        drop(on);
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
        Ok(())
    }

    /// Lifts a kill switch, and says which it was. `None` when no such switch is on.
    pub fn lift(&self, id: &str) -> Option<Arc<Kill>> {
        let mut on = self.on.write();
        let place = on.iter().position(|kill| &*kill.id == id)?;
        let lifted = on.remove(place);
        self.any.store(!on.is_empty(), Ordering::SeqCst);
        drop(on);
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
        Some(lifted)
    }

    /// Those that are on, the oldest first.
    pub fn list(&self) -> Vec<Arc<Kill>> {
        self.on.read().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Effect;

    fn tool(name: &str, effect: Effect) -> ToolFacts {
        let (server, operation) = name.split_once('.').unwrap();
        ToolFacts {
            name: Arc::from(name),
            server: Arc::from(server),
            operation: Arc::from(operation),
            tags: Arc::from([Arc::from("money")]),
            effect,
            version: Arc::default(),
        }
    }

    fn kill(id: &str, target: Target) -> Arc<Kill> {
        let (reason, actor) = (Arc::from("because"), Arc::from("me"));
        Arc::new(Kill { id: Arc::from(id), target, reason, actor, since_ms: 0 })
    }

    fn stops(target: Target, tool: &ToolFacts, run: &str, tenant: &str) -> bool {
        let kills = Kills::default();
        kills.engage(kill("kill_1", target)).unwrap();
        let above = [RunId(Arc::from("parent")), RunId(Arc::from("eldest"))];
        let facts = KillFacts { tool, run, above: &above, tenant };
        let stopped = kills.check(facts).is_err();
        assert!(kills.lift("kill_1").is_some());
        assert!(kills.check(facts).is_ok(), "lifted");
        stopped
    }

    #[test]
    fn each_target_stops_what_it_is_about_and_nothing_else() {
        let (read, write) = (tool("crm.get", Effect::Read), tool("crm.put", Effect::Write));
        assert!(stops(Target::Everything, &read, "r", "t"));
        assert!(!stops(Target::Writes, &read, "r", "t"));
        assert!(stops(Target::Writes, &write, "r", "t"));
        assert!(stops(Target::tool("crm.get"), &read, "r", "t"));
        assert!(stops(Target::tool("crm.*"), &read, "r", "t"));
        assert!(stops(Target::tool("tag:money"), &read, "r", "t"));
        assert!(!stops(Target::tool("crm.get"), &write, "r", "t"));
        assert!(stops(Target::tool("crm.get"), &tool("crm.GET", Effect::Read), "r", "t"));
        assert!(stops(Target::Run(Arc::from("r")), &read, "r", "t"));
        assert!(!stops(Target::Run(Arc::from("r2")), &read, "r", "t"));
        assert!(stops(Target::Run(Arc::from("parent")), &read, "r", "t"));
        assert!(stops(Target::Run(Arc::from("eldest")), &read, "r", "t"));
        assert!(stops(Target::Tenant(Arc::from("t")), &read, "r", "t"));
        assert!(!stops(Target::Tenant(Arc::from("")), &read, "r", "t"));
    }

    #[test]
    fn changes_are_told_and_the_number_is_bounded() {
        let kills = Kills::default();
        let mut told = kills.changed();
        for number in 0..KILLS_LIMIT {
            let run = Target::Run(Arc::from(number.to_string()));
            kills.engage(kill(&format!("kill_{number}"), run)).unwrap();
        }
        assert!(told.has_changed().unwrap());
        told.mark_unchanged();
        assert!(kills.engage(kill("kill_more", Target::tool("a.b"))).is_err());
        assert!(!told.has_changed().unwrap());
        assert!(kills.lift("kill_more").is_none());
        assert_eq!(kills.list().len(), KILLS_LIMIT);
        for number in 0..KILLS_LIMIT {
            kills.engage(kill(&format!("kill_w{number}"), Target::Writes)).unwrap();
        }
        assert!(kills.engage(kill("kill_more", Target::Writes)).is_err());
        kills.engage(kill("kill_all", Target::Everything)).unwrap();
        assert!(
            kills
                .check(KillFacts {
                    tool: &tool("a.b", Effect::Read),
                    run: "",
                    tenant: "",
                    above: &[]
                })
                .is_err()
        );
    }
}
