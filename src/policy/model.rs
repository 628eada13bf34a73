//! Rules and limits as they are evaluated: checked, compiled, nothing left to look up.

use std::sync::Arc;
use std::time::Duration;

use crate::contract::ValueShape;
use crate::policy::amount::{Amount, Usd};
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

/// One rule: fires when `when` holds and, if it has `requires`, one of them is missing or, if it has
/// a `schema`, the result does not satisfy it.
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
    /// What the result must be like, of a rule of `phase: result`.
    pub schema: Option<ValueShape>,
    pub then: Verb,
    pub message: Message,
    pub mode: Mode,
    /// May a refusal say which values would have passed?
    pub explain: bool,
    /// Does a refusal say that there is no such tool, where it can?
    pub conceal: bool,
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
    /// The share of the maximum, in billionths, from which on the agent is told.
    pub warn_at: Option<Amount>,
    pub then: Verb,
    pub message: Message,
    pub mode: Mode,
    /// May a refusal say what the maximum is?
    pub explain: bool,
    /// With `then: approve`: who may approve, and until when.
    pub approving: Approving,
}

/// What a limit counts together.
#[derive(Debug)]
pub enum Per {
    Run,
    /// One tool, whoever calls it.
    Tool,
    Agent,
    User,
    Tenant,
    Project,
    Global,
    /// What an expression over the call gives.
    Key(Program),
}

impl Per {
    /// The name users see in YAML; of an expression, `key`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Tool => "tool",
            Self::Agent => "agent",
            Self::User => "user",
            Self::Tenant => "tenant",
            Self::Project => "project",
            Self::Global => "global",
            Self::Key(_) => "key",
        }
    }
}

/// What a limit measures, with the value that must not be exceeded.
#[derive(Debug)]
pub enum Maximum {
    /// Calls admitted.
    Calls(u64),
    /// What calls cost.
    CostUsd(Usd),
    /// Tokens that calls used.
    Tokens(u64),
    /// Time since the run's first call.
    WallTime(Duration),
    /// Calls admitted in a stretch of time, evenly.
    Rate(Rate),
    /// Calls admitted and not ended.
    InFlight(u64),
    /// Forwarded calls that failed.
    Errors(u64),
    /// Refused calls.
    Denials(u64),
    /// Refusals by one and the same rule.
    DenialsSameRule(u64),
    /// Calls with the same tool, the same arguments and the same result.
    IdenticalCalls(u32),
    /// Repetitions of the shortest cycle of calls at the end of the run.
    CycleRepeats(u32),
    /// The sum of an expression over admitted calls, in billionths.
    Sum(Measured),
    /// Different values of an expression over admitted calls.
    Distinct(Measured),
}

/// A measure's name; cheap to copy.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Measure {
    Fixed(&'static str),
    /// With an expression: `sum(args.amount)`.
    Written(Arc<str>),
}

impl std::ops::Deref for Measure {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::Fixed(name) => name,
            Self::Written(name) => name,
        }
    }
}

/// A measure with an expression: `sum(args.amount)`.
#[derive(Debug)]
pub struct Measured {
    /// The measure as written, without spaces around it.
    pub name: Arc<str>,
    pub program: Program,
    /// Billionths of a sum; a number of values.
    pub max: Amount,
}

/// A steady rate with room for a burst: the generic cell rate algorithm (ITU-T I.371, annex A).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Time in which one call comes free, rounded up.
    pub interval: Duration,
    /// Calls that may come at once, from 1.
    pub burst: u32,
}

impl Maximum {
    /// The measure, by the name that users see in YAML.
    pub fn measure(&self) -> Measure {
        match self {
            Self::Calls(_) => Measure::Fixed("calls"),
            Self::CostUsd(_) => Measure::Fixed("cost_usd"),
            Self::Tokens(_) => Measure::Fixed("tokens"),
            Self::WallTime(_) => Measure::Fixed("wall_time"),
            Self::Rate(_) => Measure::Fixed("rate"),
            Self::InFlight(_) => Measure::Fixed("in_flight"),
            Self::Errors(_) => Measure::Fixed("errors"),
            Self::Denials(_) => Measure::Fixed("denials"),
            Self::DenialsSameRule(_) => Measure::Fixed("denials_same_rule"),
            Self::IdenticalCalls(_) => Measure::Fixed("identical_calls"),
            Self::CycleRepeats(_) => Measure::Fixed("cycle_repeats"),
            Self::Sum(measured) | Self::Distinct(measured) => {
                Measure::Written(measured.name.clone())
            }
        }
    }

    /// The maximum of what is counted up; of a rate, the burst. `None` of what is read off the clock
    /// or the history.
    pub fn amount(&self) -> Option<Amount> {
        match self {
            Self::Calls(max)
            | Self::Tokens(max)
            | Self::InFlight(max)
            | Self::Errors(max)
            | Self::Denials(max) => Some(Amount::from(*max)),
            Self::CostUsd(max) => Some(max.nanos()),
            Self::Rate(rate) => Some(Amount::from(rate.burst)),
            Self::Sum(measured) | Self::Distinct(measured) => Some(measured.max),
            Self::WallTime(_)
            | Self::DenialsSameRule(_)
            | Self::IdenticalCalls(_)
            | Self::CycleRepeats(_) => None,
        }
    }
}

impl Limit {
    /// The window in time, if it has one.
    pub fn window(&self) -> Option<Duration> {
        match self.within {
            Some(Within::Duration(window)) => Some(window),
            Some(Within::Steps(_)) | None => None,
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
