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
    ApprovalRequired,
    ApprovalDenied,
    ApprovalExpired,
    RunTokenRequired,
    ResultDenied,
    BudgetUsd,
    BudgetTokens,
    BudgetDenials,
    BudgetSum,
    BudgetDistinct,
    Killed,
    RateLimited,
    TooManyInFlight,
    CircuitOpen,
    OutcomeUnknown,
    ContractViolation,
    ResultTooLarge,
    SchemaViolation,
    /// The tool's server says something else of it than when it was last looked at.
    DefinitionChanged,
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
    pub const ALL: [Self; 33] = [
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
        Self::ApprovalRequired,
        Self::ApprovalDenied,
        Self::ApprovalExpired,
        Self::RunTokenRequired,
        Self::ResultDenied,
        Self::BudgetUsd,
        Self::BudgetTokens,
        Self::BudgetDenials,
        Self::BudgetSum,
        Self::BudgetDistinct,
        Self::Killed,
        Self::RateLimited,
        Self::TooManyInFlight,
        Self::CircuitOpen,
        Self::OutcomeUnknown,
        Self::ContractViolation,
        Self::ResultTooLarge,
        Self::SchemaViolation,
        Self::DefinitionChanged,
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
            Self::ApprovalRequired => "approval_required",
            Self::ApprovalDenied => "approval_denied",
            Self::ApprovalExpired => "approval_expired",
            Self::RunTokenRequired => "run_token_required",
            Self::ResultDenied => "result_denied",
            Self::BudgetUsd => "budget_usd",
            Self::BudgetTokens => "budget_tokens",
            Self::BudgetDenials => "budget_denials",
            Self::BudgetSum => "budget_sum",
            Self::BudgetDistinct => "budget_distinct",
            Self::Killed => "killed",
            Self::RateLimited => "rate_limited",
            Self::TooManyInFlight => "too_many_in_flight",
            Self::CircuitOpen => "circuit_open",
            Self::OutcomeUnknown => "outcome_unknown",
            Self::ContractViolation => "contract_violation",
            Self::ResultTooLarge => "result_too_large",
            Self::SchemaViolation => "schema_violation",
            Self::DefinitionChanged => "definition_changed",
        }
    }

    /// Whose concern it is.
    pub fn class(self) -> Class {
        match self {
            Self::ToolNotAllowed
            | Self::OutsideWindow
            | Self::ArgsDenied
            | Self::PreconditionMissing
            | Self::RuleError
            | Self::ApprovalRequired
            | Self::ApprovalDenied
            | Self::ApprovalExpired
            | Self::RunTokenRequired
            | Self::ResultDenied
            | Self::DefinitionChanged => Class::Policy,
            Self::BudgetCalls
            | Self::BudgetWallTime
            | Self::BudgetErrors
            | Self::RunStopped
            | Self::LoopDetected
            | Self::BudgetUsd
            | Self::BudgetTokens
            | Self::BudgetDenials
            | Self::BudgetSum
            | Self::BudgetDistinct
            | Self::Killed
            | Self::RateLimited
            | Self::TooManyInFlight => Class::Limit,
            Self::Malformed | Self::AmbiguousArguments | Self::TooLarge | Self::SchemaViolation => {
                Class::Request
            }
            Self::GateUnavailable => Class::Internal,
            Self::CircuitOpen
            | Self::OutcomeUnknown
            | Self::ContractViolation
            | Self::ResultTooLarge => Class::Upstream,
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
            | Self::RunStopped
            | Self::ApprovalDenied
            | Self::ApprovalExpired
            | Self::RunTokenRequired
            | Self::ResultDenied
            | Self::BudgetUsd
            | Self::BudgetTokens
            | Self::BudgetDenials
            | Self::Killed
            | Self::DefinitionChanged
            | Self::ContractViolation => RetryScope::None,
            Self::ArgsDenied
            | Self::LoopDetected
            | Self::Malformed
            | Self::AmbiguousArguments
            | Self::TooLarge
            | Self::BudgetSum
            | Self::BudgetDistinct
            | Self::ResultTooLarge
            | Self::SchemaViolation => RetryScope::DifferentArgs,
            Self::PreconditionMissing | Self::OutcomeUnknown => RetryScope::AfterPrecondition,
            Self::GateUnavailable
            | Self::ApprovalRequired
            | Self::RateLimited
            | Self::TooManyInFlight
            | Self::CircuitOpen => RetryScope::SameArgsLater,
        }
    }
}
