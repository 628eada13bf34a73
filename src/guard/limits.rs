//! Budgets: how much of something a run, an agent, a tenant or everybody may use.

use std::sync::Arc;
use std::time::Duration;

use crate::call::StopReason;
use crate::guard::Findings;
use crate::ledger::Look;
use crate::policy::decide::Finding;
use crate::policy::expr::Violation;
use crate::policy::model::{Limit, Maximum, Mode, Within};
use crate::policy::view::Env;

/// A limit that a call would exceed.
pub(super) struct Excess {
    pub reason: StopReason,
    /// JSON pointer of what is counted.
    pub path: &'static str,
    pub limit: u64,
    pub actual: u64,
    /// What the agent is told when the limit has no message of its own.
    pub default_message: String,
}

/// Finds the budgets that the call would exceed. What passes is reserved by the ledger under the
/// same lock.
pub(super) fn judge(limits: &[Arc<Limit>], look: &Look<'_>, env: &Env<'_>, found: &mut Findings) {
    for limit in limits {
        for maximum in &limit.max {
            if let Some(excess) = excess(limit, maximum, look, env) {
                report(limit, excess, env, found);
            }
        }
    }
}

fn excess(limit: &Limit, maximum: &Maximum, look: &Look<'_>, env: &Env<'_>) -> Option<Excess> {
    let scope = look.scope(limit.per)?;
    let within = within(limit);
    let per = limit.per.name();
    match maximum {
        Maximum::Calls(max) => {
            let used = scope.calls_used(&limit.id, within, env.now);
            (used >= *max).then(|| Excess {
                reason: StopReason::BudgetCalls,
                path: "/run/calls",
                limit: *max,
                actual: used,
                default_message: format!("The {per} has used its {max} calls. Finish without it."),
            })
        }
        Maximum::WallTime(max) => {
            let age = scope.age(env.now);
            (age >= *max).then(|| Excess {
                reason: StopReason::BudgetWallTime,
                path: "/run/age_seconds",
                limit: max.as_secs(),
                actual: age.as_secs(),
                default_message: format!(
                    "The {per} has used its {} seconds. Report what you have and end.",
                    max.as_secs()
                ),
            })
        }
        Maximum::Errors(max) => {
            let errors = scope.errors(&limit.id, within, env.now);
            (errors >= *max).then(|| Excess {
                reason: StopReason::BudgetErrors,
                path: "/run/errors",
                limit: *max,
                actual: errors,
                default_message: format!(
                    "{errors} calls of the {per} have failed. Say what blocks you instead of \
                     trying on."
                ),
            })
        }
        Maximum::IdenticalCalls(_) | Maximum::DenialsSameRule(_) => None,
    }
}

/// A limit's window in time, if it has one.
pub(super) fn within(limit: &Limit) -> Option<Duration> {
    match limit.within {
        Some(Within::Duration(window)) => Some(window),
        Some(Within::Steps(_)) | None => None,
    }
}

/// Turns an excess into a finding of its limit, acting or only observed.
pub(super) fn report(limit: &Limit, excess: Excess, env: &Env<'_>, found: &mut Findings) {
    let violations = if limit.explain {
        vec![Violation {
            path: excess.path.to_owned(),
            limit: excess.limit.to_string(),
            actual: Some(excess.actual.to_string()),
            passes: format!("< {}", excess.limit),
        }]
    } else {
        Vec::new()
    };
    let message =
        if limit.message.is_empty() { excess.default_message } else { limit.message.render(env) };
    let rule = limit.name.clone();
    let finding = Finding { rule, verb: limit.then, reason: excess.reason, message, violations };
    match limit.mode {
        Mode::Enforce => found.acting.push(finding),
        Mode::Observe => found.observed.push(finding),
        Mode::Off => {}
    }
}
