//! The budget that a run was made with: its own, beside those of the policies.

use std::sync::Arc;

use crate::call::{Refusal, StopReason};
use crate::ledger::Exhausted;

/// Stands where a limit's name would.
const NAME: &str = "run/budget";

/// What the agent is told when it is used up.
pub(super) fn refusal(exhausted: Exhausted) -> Refusal {
    let (reason, message) = match exhausted {
        Exhausted::Calls { limit } => (
            StopReason::BudgetCalls,
            format!("This run was given {limit} calls and has used them. Finish without it."),
        ),
        Exhausted::WallTime => (
            StopReason::BudgetWallTime,
            "The time that this run was given is over. Report what you have and end.".to_owned(),
        ),
    };
    Refusal { rule: Some(Arc::from(NAME)), ..Refusal::without_rule(reason, message) }
}
