//! The budget that a run was made with: its own, beside those of the policies.

use std::sync::Arc;

use crate::call::{Refusal, StopReason};
use crate::ledger::{BudgetKind, Exhausted};

/// Stands where a limit's name would.
const NAME: &str = "run/budget";

/// What the agent is told when it is used up.
pub(super) fn refusal(exhausted: Exhausted) -> Refusal {
    let (reason, message) = match exhausted {
        Exhausted::Budget { kind, limit, left } => {
            spent(kind, &kind.shown(limit), &kind.shown(left))
        }
        Exhausted::WallTime => (
            StopReason::BudgetWallTime,
            "The time that this run was given is over. Report what you have and end.".to_owned(),
        ),
    };
    Refusal { rule: Some(Arc::from(NAME)), ..Refusal::without_rule(reason, message) }
}

fn spent(kind: BudgetKind, limit: &str, left: &str) -> (StopReason, String) {
    match kind {
        BudgetKind::Calls => (
            StopReason::BudgetCalls,
            format!("This run was given {limit} calls and has used them. Finish without it."),
        ),
        BudgetKind::CostUsd => (
            StopReason::BudgetUsd,
            format!(
                "{left} of {limit} US dollars are left of what this run was given, and the call may \
                 cost more. Finish without it."
            ),
        ),
        BudgetKind::Tokens => (
            StopReason::BudgetTokens,
            format!(
                "{left} of {limit} tokens are left of what this run was given, and the call may use \
                 more. Finish without it."
            ),
        ),
    }
}
