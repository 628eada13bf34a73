//! Rules and limits as they are evaluated: checked, compiled, nothing left to look up.

use std::sync::Arc;
use std::time::Duration;

use crate::policy::expr::Program;
use crate::policy::glob::Glob;
use crate::policy::matcher::Matcher;
use crate::policy::message::Message;
use crate::policy::reason::StopReason;
pub use crate::policy::rewrite::Phase;

/// What a rule or limit does when it fires, weakest first: a stronger verb outranks a weaker one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verb {
    /// Lifts `default: deny` for this call.
    Allow,
    /// Lets the call pass and tells the agent.
    Warn,
    /// Refuses the call until a human has approved it.
    Approve,
    /// Refuses the call.
    Deny,
    /// Refuses the call and ends the run.
    Stop,
}

impl Verb {
    /// The name users see in YAML and events.
    pub fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Warn => "warn",
            Self::Approve => "approve",
            Self::Deny => "deny",
            Self::Stop => "stop",
        }
    }

    /// Does the call stay with us?
    pub fn refuses(self) -> bool {
        match self {
            Self::Approve | Self::Deny | Self::Stop => true,
            Self::Allow | Self::Warn => false,
        }
    }
}

/// How seriously a rule or limit is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Evaluate and record what would have happened; never act.
    Observe,
    Enforce,
    /// Check when loading, then leave out.
    Off,
}

/// One rule: fires when `when` holds and, if it has `requires`, one of them is missing.
#[derive(Debug)]
pub struct Rule {
    pub id: Arc<str>,
    pub policy: Arc<str>,
    /// `policy/id`, as agents and records see it.
    pub name: Arc<str>,
    pub phase: Phase,
    pub tools: Matcher,
    /// Absent means always.
    pub when: Option<Program>,
    pub requires: Vec<Requirement>,
    pub then: Verb,
    pub message: Message,
    pub mode: Mode,
    /// May a refusal say which values would have passed?
    pub explain: bool,
    /// With `then: approve`: who may approve, and until when.
    pub approving: Approving,
    /// What a refusal by this rule is recorded as.
    pub reason: StopReason,
}

/// Who may approve what a rule or limit holds back, and until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approving {
    /// As the operator names them; shown to whoever decides.
    pub approvers: Arc<[Arc<str>]>,
    /// How long an approval may stay undecided and, once decided, unused.
    pub expires: Duration,
}

impl Default for Approving {
    fn default() -> Self {
        Self { approvers: Arc::from([]), expires: Duration::from_secs(3_600) }
    }
}

/// A precondition over completed, successful calls of the same run.
#[derive(Debug)]
pub struct Requirement {
    pub call: Glob,
    /// How long ago at most the earlier call may have ended.
    pub within: Option<Duration>,
    /// Sees the earlier call as `prior`.
    pub condition: Option<Program>,
    /// How many such calls, from 1.
    pub count: u64,
    /// Must the most recent such call be the one that satisfies it?
    pub last: bool,
}

/// A budget that calls draw on.
#[derive(Debug)]
pub struct Limit {
    pub id: Arc<str>,
    pub policy: Arc<str>,
    /// `policy/id`, as agents and records see it.
    pub name: Arc<str>,
    pub per: Per,
    pub tools: Matcher,
    /// One or more; the limit is reached when one of them is.
    pub max: Vec<Maximum>,
    /// Absent means the lifetime of what `per` names.
    pub within: Option<Within>,
    pub then: Verb,
    pub message: Message,
    pub mode: Mode,
    /// May a refusal say what the maximum is?
    pub explain: bool,
    /// With `then: approve`: who may approve, and until when.
    pub approving: Approving,
}

/// What a limit counts together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Per {
    Run,
    Agent,
    Tenant,
    Global,
}

impl Per {
    /// The name users see in YAML.
    pub fn name(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Agent => "agent",
            Self::Tenant => "tenant",
            Self::Global => "global",
        }
    }
}

/// What a limit measures, with the value that must not be exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maximum {
    /// Calls admitted.
    Calls(u64),
    /// Time since the run's first call.
    WallTime(Duration),
    /// Calls with the same tool, the same arguments and the same result.
    IdenticalCalls(u32),
    /// Refusals by one and the same rule.
    DenialsSameRule(u64),
    /// Forwarded calls that failed.
    Errors(u64),
}

impl Maximum {
    /// The name users see in YAML.
    pub fn name(self) -> &'static str {
        match self {
            Self::Calls(_) => "calls",
            Self::WallTime(_) => "wall_time",
            Self::IdenticalCalls(_) => "identical_calls",
            Self::DenialsSameRule(_) => "denials_same_rule",
            Self::Errors(_) => "errors",
        }
    }
}

/// The sliding window of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Within {
    Duration(Duration),
    /// The last so many calls of the run.
    Steps(usize),
}

/// `default: deny`, and which policy set it.
#[derive(Debug)]
pub struct DefaultDeny {
    /// `policy/default`, as agents and records see it.
    pub name: Arc<str>,
    pub mode: Mode,
}
