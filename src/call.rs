//! The nouns: what a call, its verdict, its refusal and its outcome are.

mod attempt;
pub mod budget;
mod check;
mod intended;
mod language;
mod particulars;
pub mod plan;
pub mod prices;
mod tokens;
pub mod trace;
pub mod usage;
mod wire;

use std::sync::Arc;
use std::time::Duration;

pub use self::attempt::{Attempt, Attempts, Came, UnderWay};
pub use self::check::{CheckFailure, FailedCheck};
pub use self::intended::Intended;
pub use self::language::{Era, Language, Llm, Mcp, Provider, Standing};
pub use self::particulars::{Content, ContentPlace, Contents, Particulars};
pub use self::plan::Plan;
pub use self::tokens::{Counted, Tokens};
use self::trace::TraceContext;
pub use self::wire::{Transport, Wire};
use crate::json::Digest;
use crate::policy::decide::Finding;
use crate::policy::expr::Violation;
use crate::policy::model::Verb;
pub use crate::policy::reason::{Class, RetryScope, StopReason};
pub use crate::policy::view::{Caller, Effect, PROTOCOL_PREFIX, ToolFacts};

/// The label of one task of an agent; everything is joined by it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RunId(pub Arc<str>);

/// Why a run came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunEnd {
    /// A rule or limit said `stop`.
    Stopped(StopReason),
    /// The model has answered for good, and nothing followed.
    Completed,
    /// Nothing was heard of it for `runs.idle_end`.
    Idle,
    /// The least recently seen run made room for a new one.
    Evicted,
    /// The gate was shut down.
    Shutdown,
}

/// What was decided over a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    Allow,
    Warn,
    /// Refused until a human approves.
    Approve,
    Deny,
    Stop,
}

/// What a rule or limit in observe mode would have done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// `policy/rule` or the limit's id.
    pub rule: Arc<str>,
    pub verdict: Verdict,
    /// Why it would have refused; of one that could not be evaluated, `rule_error`.
    pub reason: StopReason,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    Ok,
    Error,
    Timeout,
    Denied,
    Cancelled,
    /// A write that was sent and not answered: whether it happened is not known.
    Unknown,
}

/// Why a call did not end well. Closed: the names users see are these and no others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    Timeout,
    Connect,
    Http4xx,
    Http5xx,
    /// An answer that says that it failed, whatever its status.
    ToolError,
    MalformedResponse,
    /// An answer that breaks its declared schema.
    ContractViolation,
    /// Answered from the stale fallback.
    StaleData,
    Policy,
    Limit,
    /// Refused because of the state the tool is in.
    Upstream,
    Request,
    Internal,
    Cancelled,
    /// A model API has had enough calls for now.
    RateLimit,
    /// A model API does not take the request as it is.
    ValidationFailed,
    /// A model that does not exist, is overloaded or is down.
    ModelUnavailable,
    /// More input than the model can take.
    ContextOverflow,
}

/// How a forwarded call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub status: Status,
    /// Absent when `status` is `ok`, unless the answer was a remembered one (`stale_data`) or was
    /// passed on although it broke its schema.
    pub error_class: Option<ErrorClass>,
    /// What the tool answered; absent when it did not.
    pub http_status: Option<u16>,
}

/// What is known so far of a call: filled in as it moves on, so that its record can say as much
/// as was known wherever it ends.
#[derive(Debug, Default)]
pub struct Known {
    /// In whose words it is refused or told that it failed.
    pub language: Language,
    /// The HTTP method; of an MCP message, its own.
    pub method: String,
    /// The run, and where its id came from.
    pub run: Option<(RunId, &'static str)>,
    /// The run that made it, if one did.
    pub parent_run: Option<RunId>,
    /// The call's position in its run, from 1.
    pub step: Option<u64>,
    /// The call's place in a trace.
    pub trace: Option<TraceContext>,
    pub tool: Option<Arc<ToolFacts>>,
    /// Digest of the canonical arguments, and their size in bytes.
    pub args: Option<(Digest, u64)>,
    /// Where the request went, when no tool takes it: without its query, printable, bounded.
    pub path: Option<String>,
    pub policy_version: Arc<str>,
    /// The first rule that let the call pass with a warning.
    pub warned_by: Option<Arc<str>>,
    /// Rules and limits in observe mode that would have acted.
    pub observed: Vec<Observed>,
    /// Rules over its answer that did not hold, in whatever mode.
    pub failed_checks: Vec<FailedCheck>,
    /// What is left of the budgets that the call draws on.
    pub budgets: Vec<budget::Budget>,
    /// The request may have reached the tool.
    pub sent: bool,
    /// What a call to a model is charged, in dollars and tokens, if nobody waits for its answer.
    pub unanswered: Option<(Option<f64>, Tokens)>,
    /// The key under which a repetition of the request is the same request, if it carries one.
    pub idempotency_key: Option<Arc<str>>,
    /// The state of the tool's breaker that the call met: `closed`, `open` or `half_open`.
    pub breaker: Option<&'static str>,
    /// What came of each attempt to reach the tool.
    pub attempts: Attempts,
    /// The attempt of which nothing has come yet.
    pub under_way: Option<UnderWay>,
    /// The approval that the call waits for or has used up.
    pub approval: Option<Arc<str>>,
    /// Values taken out of the arguments or the result by `redact`.
    pub redacted: u64,
    /// The same by rule.
    pub redacted_by: Vec<(Arc<str>, u64)>,
    /// The model that was asked, or that answered.
    pub model: Option<Arc<str>>,
    /// What the model of the run had to do with the call; absent where no model was heard.
    pub intended: Option<Intended>,
    /// The provider's id of the tool call that it fulfils or differs from.
    pub tool_call_id: Option<Arc<str>>,
    /// Why the model stopped, in its provider's words.
    pub finish: Option<Arc<str>>,
    /// Digest of the form of its answer, where it was looked at.
    pub form: Option<u64>,
    /// What only its span tells.
    pub particulars: Particulars,
}

/// How an admitted call ended, for its record.
#[derive(Clone, Copy, Debug)]
pub struct Ending {
    pub outcome: Outcome,
    /// Digest and size in bytes of the result; absent when there was none.
    pub result: Option<(Digest, u64)>,
    /// Time spent waiting for the tool.
    pub upstream: Duration,
    /// Attempts made to reach the tool.
    pub attempts: u32,
    /// What the call cost, in US dollars; absent when nothing says.
    pub cost_usd: Option<f64>,
    /// What a model used for it.
    pub tokens: Option<Tokens>,
}

/// A decision not to forward.
#[derive(Clone, Debug)]
pub struct Refusal {
    pub reason: StopReason,
    /// Whether the run ends with this refusal.
    pub ends_run: bool,
    /// `policy/rule` or the limit's id; absent when no rule of the operator's was involved.
    pub rule: Option<Arc<str>>,
    /// What the agent is told: the rule and the next legal step. Never a secret.
    pub message: String,
    /// The smallest changes that would pass.
    pub violations: Vec<Violation>,
    /// When the same call may be tried again.
    pub retry_after: Option<Duration>,
    /// The answer's status where the reason's own does not say enough (405, 413, 415).
    pub status_hint: Option<StatusHint>,
    /// The approval that the call waits for.
    pub approval: Option<Box<Approval>>,
    /// Whether the tool was called all the same: its result was withheld.
    pub executed: bool,
    /// The agent is told that there is no such tool, where that can be said.
    pub is_concealed: bool,
}

/// An approval, as the agent is told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// `apr_` and more.
    pub id: Arc<str>,
    /// `pending`, `denied` or `expired`.
    pub status: &'static str,
}

/// A more exact HTTP answer for an unacceptable request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusHint {
    MethodNotAllowed,
    UnsupportedMediaType,
    RequestTimeout,
}

impl RunEnd {
    /// The name users see as the stop event's `stop_reason`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stopped(reason) => reason.name(),
            Self::Completed => "completed",
            Self::Idle => "idle",
            Self::Evicted => "evicted",
            Self::Shutdown => "shutdown",
        }
    }
}

impl From<Finding> for Observed {
    fn from(finding: Finding) -> Self {
        let Finding { rule, verb, reason, .. } = finding;
        Self { rule, verdict: verb.into(), reason }
    }
}

impl Observed {
    /// A rule that would have changed something: acting, it tells the agent as a warning does.
    pub fn change(rule: Arc<str>) -> Self {
        Self { rule, verdict: Verdict::Warn, reason: StopReason::ArgsDenied }
    }

    /// A rule that could not be evaluated, and would have refused for that.
    pub fn unevaluable(rule: Arc<str>) -> Self {
        Self { rule, verdict: Verdict::Deny, reason: StopReason::RuleError }
    }

    /// Why it would have refused, if it would have.
    pub fn stop_reason(&self) -> Option<StopReason> {
        match self.verdict {
            Verdict::Allow | Verdict::Warn => None,
            Verdict::Approve | Verdict::Deny | Verdict::Stop => Some(self.reason),
        }
    }
}

impl From<Verb> for Verdict {
    fn from(verb: Verb) -> Self {
        match verb {
            Verb::Allow => Self::Allow,
            Verb::Warn => Self::Warn,
            Verb::Approve => Self::Approve,
            Verb::Deny => Self::Deny,
            Verb::Stop => Self::Stop,
        }
    }
}

impl Verdict {
    /// The name users see.
    pub fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Warn => "warn",
            Self::Approve => "approve",
            Self::Deny => "deny",
            Self::Stop => "stop",
        }
    }
}

impl Status {
    /// The name users see.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Error => "error",
            Self::Timeout => "timeout",
            Self::Denied => "denied",
            Self::Cancelled => "cancelled",
            Self::Unknown => "unknown",
        }
    }
}

impl ErrorClass {
    /// The name users see.
    pub fn name(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Connect => "connect",
            Self::Http4xx => "http_4xx",
            Self::Http5xx => "http_5xx",
            Self::ToolError => "tool_error",
            Self::MalformedResponse => "malformed_response",
            Self::ContractViolation => "contract_violation",
            Self::StaleData => "stale_data",
            Self::Policy => "policy",
            Self::Limit => "limit",
            Self::Upstream => "upstream",
            Self::Request => "request",
            Self::Internal => "internal",
            Self::Cancelled => "cancelled",
            Self::RateLimit => "rate_limit",
            Self::ValidationFailed => "validation_failed",
            Self::ModelUnavailable => "model_unavailable",
            Self::ContextOverflow => "context_overflow",
        }
    }

    /// The class of a refusal.
    pub fn of_refusal(reason: StopReason) -> Self {
        if reason == StopReason::ContractViolation {
            return Self::ContractViolation;
        }
        match reason.class() {
            Class::Policy => Self::Policy,
            Class::Limit => Self::Limit,
            Class::Request => Self::Request,
            Class::Upstream => Self::Upstream,
            Class::Internal => Self::Internal,
        }
    }
}

impl Known {
    /// Notes the model that answered, in place of the one that was asked, and why it stopped.
    pub fn note_model(&mut self, model: Option<Arc<str>>, finish: Option<Arc<str>>) {
        self.particulars.response_model.clone_from(&model);
        self.model = model.or_else(|| self.model.take());
        self.finish = finish;
    }
}

impl Refusal {
    /// A refusal without a rule of the operator's: the request itself is at fault, or the gate is.
    pub fn without_rule(reason: StopReason, message: impl Into<String>) -> Self {
        Self {
            reason,
            ends_run: false,
            rule: None,
            message: message.into(),
            violations: Vec::new(),
            retry_after: None,
            status_hint: None,
            approval: None,
            executed: false,
            is_concealed: false,
        }
    }

    /// The same refusal with a more exact HTTP status.
    pub fn with_hint(mut self, hint: StatusHint) -> Self {
        self.status_hint = Some(hint);
        self
    }

    /// What the agent may do next: nothing, when the run ends.
    pub fn retry_scope(&self) -> RetryScope {
        match self.retry_after {
            _ if self.ends_run => RetryScope::None,
            // A window that lets go, whatever was used up.
            Some(_) if self.reason.class() == Class::Limit => RetryScope::SameArgsLater,
            Some(_) | None => self.reason.retry_scope(),
        }
    }

    /// What was decided.
    pub fn verdict(&self) -> Verdict {
        match self.reason {
            _ if self.ends_run => Verdict::Stop,
            StopReason::ApprovalRequired => Verdict::Approve,
            _ => Verdict::Deny,
        }
    }
}

impl std::fmt::Display for RunId {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.0)
    }
}
