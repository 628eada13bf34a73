//! Why a call was refused or a run ended: one closed list, the names users see everywhere.

/// Whose concern a refusal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    Policy,
    Limit,
    Upstream,
    Request,
    Internal,
}

/// What an agent may sensibly do after a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RetryScope {
    /// Nothing: this call will not pass.
    None,
    /// The same tool with other arguments.
    DifferentArgs,
    /// The same call, once the precondition holds.
    AfterPrecondition,
    /// The same call, later.
    SameArgsLater,
}

/// Why a call was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StopReason {
    ToolNotAllowed,
    OutsideWindow,
    ArgsDenied,
    PreconditionMissing,
    RuleError,
    BudgetCalls,
    BudgetWallTime,
    BudgetErrors,
    RunStopped,
    LoopDetected,
    Malformed,
    AmbiguousArguments,
    TooLarge,
    GateUnavailable,
}

impl Class {
    /// The name users see as `error_class` of a refusal.
    pub fn name(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::Limit => "limit",
            Self::Upstream => "upstream",
            Self::Request => "request",
            Self::Internal => "internal",
        }
    }
}

impl RetryScope {
    /// The name users see as `retry.scope`.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::DifferentArgs => "different_args",
            Self::AfterPrecondition => "after_precondition",
            Self::SameArgsLater => "same_args_later",
        }
    }
}

impl StopReason {
    /// Every reason, so that a name can be looked up.
    pub const ALL: [Self; 14] = [
        Self::ToolNotAllowed,
        Self::OutsideWindow,
        Self::ArgsDenied,
        Self::PreconditionMissing,
        Self::RuleError,
        Self::BudgetCalls,
        Self::BudgetWallTime,
        Self::BudgetErrors,
        Self::RunStopped,
        Self::LoopDetected,
        Self::Malformed,
        Self::AmbiguousArguments,
        Self::TooLarge,
        Self::GateUnavailable,
    ];

    /// The name users see as `stop_reason`.
    pub fn name(self) -> &'static str {
        match self {
            Self::ToolNotAllowed => "tool_not_allowed",
            Self::OutsideWindow => "outside_window",
            Self::ArgsDenied => "args_denied",
            Self::PreconditionMissing => "precondition_missing",
            Self::RuleError => "rule_error",
            Self::BudgetCalls => "budget_calls",
            Self::BudgetWallTime => "budget_wall_time",
            Self::BudgetErrors => "budget_errors",
            Self::RunStopped => "run_stopped",
            Self::LoopDetected => "loop_detected",
            Self::Malformed => "malformed",
            Self::AmbiguousArguments => "ambiguous_arguments",
            Self::TooLarge => "too_large",
            Self::GateUnavailable => "gate_unavailable",
        }
    }

    /// Whose concern it is.
    pub fn class(self) -> Class {
        match self {
            Self::ToolNotAllowed
            | Self::OutsideWindow
            | Self::ArgsDenied
            | Self::PreconditionMissing
            | Self::RuleError => Class::Policy,
            Self::BudgetCalls
            | Self::BudgetWallTime
            | Self::BudgetErrors
            | Self::RunStopped
            | Self::LoopDetected => Class::Limit,
            Self::Malformed | Self::AmbiguousArguments | Self::TooLarge => Class::Request,
            Self::GateUnavailable => Class::Internal,
        }
    }

    /// What the agent may do next.
    pub fn retry_scope(self) -> RetryScope {
        match self {
            Self::ToolNotAllowed
            | Self::OutsideWindow
            | Self::RuleError
            | Self::BudgetCalls
            | Self::BudgetWallTime
            | Self::BudgetErrors
            | Self::RunStopped => RetryScope::None,
            Self::ArgsDenied
            | Self::LoopDetected
            | Self::Malformed
            | Self::AmbiguousArguments
            | Self::TooLarge => RetryScope::DifferentArgs,
            Self::PreconditionMissing => RetryScope::AfterPrecondition,
            Self::GateUnavailable => RetryScope::SameArgsLater,
        }
    }
}
