//! Budgets: how much of something a run, a tool, a user, a tenant or everybody may use.

use std::time::Duration;

use crate::call::StopReason;
use crate::call::budget::Budget;
use crate::guard::Findings;
use crate::ledger::{Drawn, Look, SCOPE_LIMIT_KEYS, Scope, Unplaced};
use crate::policy::amount::{self, Amount, BILLION};
use crate::policy::decide::Finding;
use crate::policy::expr::{EvalError, Violation};
use crate::policy::model::{Limit, Maximum, Mode, Per, Verb};
use crate::policy::view::Env;

/// A maximum that a call would exceed, or comes near.
pub(super) struct Excess {
    pub reason: StopReason,
    /// JSON pointer of what is counted.
    pub path: String,
    /// As JSON.
    pub limit: String,
    /// As JSON.
    pub actual: String,
    /// What would pass: `< 120`.
    pub passes: String,
    /// What the agent is told when the limit has no message of its own.
    pub default_message: String,
    /// When time alone brings the call under the maximum.
    pub wait: Option<Duration>,
}

/// Finds the budgets that the call would exceed. What passes is reserved by the ledger under the
/// same lock.
pub(super) fn judge(look: &Look<'_>, env: &Env<'_>, found: &mut Findings) {
    for drawn in look.draws() {
        let scope = match drawn.scope {
            Ok(scope) => scope,
            Err(why) => {
                unplaced(drawn.limit, why, found);
                continue;
            }
        };
        for (position, maximum) in drawn.limit.max.iter().enumerate() {
            match maximum {
                Maximum::WallTime(max) => wall_time(drawn.limit, scope, *max, env, found),
                Maximum::DenialsSameRule(_)
                | Maximum::IdenticalCalls(_)
                | Maximum::CycleRepeats(_) => {}
                Maximum::Calls(_)
                | Maximum::CostUsd(_)
                | Maximum::Tokens(_)
                | Maximum::Rate(_)
                | Maximum::InFlight(_)
                | Maximum::Errors(_)
                | Maximum::Denials(_)
                | Maximum::Sum(_)
                | Maximum::Distinct(_) => counted(drawn, scope, position, maximum, env, found),
            }
        }
    }
}

/// A maximum of what is counted up: what is used and what the call needs must fit.
fn counted(
    drawn: Drawn<'_>,
    scope: &Scope,
    position: usize,
    maximum: &Maximum,
    env: &Env<'_>,
    found: &mut Findings,
) {
    let Drawn { limit, .. } = drawn;
    let need = match drawn.need(position, env.now) {
        Ok(need) => need.unwrap_or_default(),
        Err(error) => return unevaluable(limit, error, found),
    };
    let Some(max) = maximum.amount() else { return };
    let used = scope.used(limit, maximum, env.now);
    let after = used.saturating_add(need);
    // What counts failures and refusals is not used up by being admitted.
    let taken = match maximum {
        Maximum::Errors(_) | Maximum::Denials(_) => 0,
        Maximum::Calls(_)
        | Maximum::CostUsd(_)
        | Maximum::Tokens(_)
        | Maximum::WallTime(_)
        | Maximum::Rate(_)
        | Maximum::InFlight(_)
        | Maximum::DenialsSameRule(_)
        | Maximum::IdenticalCalls(_)
        | Maximum::CycleRepeats(_)
        | Maximum::Sum(_)
        | Maximum::Distinct(_) => need,
    };
    if after > max {
        let wait = scope.wait(limit, maximum, need, env.now);
        report(limit, excess(limit, maximum, (used, need, max), wait), env, found);
    } else if near(limit, used.saturating_add(taken), max) {
        let said = near_message(limit, maximum, used.saturating_add(taken), max);
        advise(limit, reason(maximum), said, found);
    }
    found.show(limit, taken, || Budget {
        limit: limit.name.clone(),
        measure: maximum.measure(),
        used,
        max,
        fine: Budget::is_fine(maximum),
        window: limit.window(),
    });
}

fn wall_time(limit: &Limit, scope: &Scope, max: Duration, env: &Env<'_>, found: &mut Findings) {
    let age = scope.age(env.now);
    if age >= max {
        let excess = Excess {
            reason: StopReason::BudgetWallTime,
            path: place(limit, "age_seconds"),
            limit: max.as_secs().to_string(),
            actual: age.as_secs().to_string(),
            passes: format!("< {}", max.as_secs()),
            default_message: format!(
                "The {} has used its {} seconds. Report what you have and end.",
                limit.per.name(),
                max.as_secs()
            ),
            wait: None,
        };
        report(limit, excess, env, found);
    } else if near(limit, age.as_nanos(), max.as_nanos()) {
        let left = max.saturating_sub(age).as_secs();
        let said = format!("{left} of {} seconds are left.", max.as_secs());
        advise(limit, StopReason::BudgetWallTime, said, found);
    }
}

/// Whether the share is reached from which on the agent is told.
pub(super) fn near(limit: &Limit, used: Amount, max: Amount) -> bool {
    limit
        .warn_at
        .is_some_and(|share| used.saturating_mul(BILLION) >= max.saturating_mul(share) && used > 0)
}

fn reason(maximum: &Maximum) -> StopReason {
    match maximum {
        Maximum::Calls(_) => StopReason::BudgetCalls,
        Maximum::CostUsd(_) => StopReason::BudgetUsd,
        Maximum::Tokens(_) => StopReason::BudgetTokens,
        Maximum::WallTime(_) => StopReason::BudgetWallTime,
        Maximum::Rate(_) => StopReason::RateLimited,
        Maximum::InFlight(_) => StopReason::TooManyInFlight,
        Maximum::Errors(_) => StopReason::BudgetErrors,
        Maximum::Denials(_) | Maximum::DenialsSameRule(_) => StopReason::BudgetDenials,
        Maximum::IdenticalCalls(_) | Maximum::CycleRepeats(_) => StopReason::LoopDetected,
        Maximum::Sum(_) => StopReason::BudgetSum,
        Maximum::Distinct(_) => StopReason::BudgetDistinct,
    }
}

/// Where a limit counts: `/run/calls`, `/tenant/cost_usd`.
fn place(limit: &Limit, measure: &str) -> String {
    format!("/{}/{measure}", limit.per.name())
}

fn excess(
    limit: &Limit,
    maximum: &Maximum,
    (used, need, max): (Amount, Amount, Amount),
    wait: Option<Duration>,
) -> Excess {
    let shown = |amount: Amount| match Budget::is_fine(maximum) {
        true => amount::shown(amount),
        false => amount.to_string(),
    };
    let reason = reason(maximum);
    let (max_shown, left) = (shown(max), shown(max.saturating_sub(used)));
    let (path, actual, passes) = match maximum {
        // What the call itself asks for is what can be changed about it.
        Maximum::Sum(measured) => match measured.program.argument() {
            Some(path) => (path, shown(need), format!("<= {left}")),
            None => (place(limit, "sum"), shown(used), format!("<= {max_shown}")),
        },
        // What the call needs at most is counted as used before it is known.
        Maximum::CostUsd(_) | Maximum::Tokens(_) => {
            let would_be = shown(used.saturating_add(need));
            (place(limit, &maximum.measure()), would_be, format!("<= {max_shown}"))
        }
        Maximum::Calls(_)
        | Maximum::WallTime(_)
        | Maximum::Rate(_)
        | Maximum::InFlight(_)
        | Maximum::Errors(_)
        | Maximum::Denials(_)
        | Maximum::DenialsSameRule(_)
        | Maximum::IdenticalCalls(_)
        | Maximum::CycleRepeats(_)
        | Maximum::Distinct(_) => {
            let measure = maximum.measure();
            let word = measure.split('(').next().unwrap_or_default();
            (place(limit, word), shown(used), format!("< {max_shown}"))
        }
    };
    // Only what is shown is put into words.
    let said = match limit.message.is_empty() {
        true => said(maximum, whose(&limit.per), &shown(used), &max_shown, &left),
        false => String::new(),
    };
    Excess { reason, path, limit: max_shown, actual, passes, default_message: said, wait }
}

/// Whose budget it is: `run`, `tool`, …, or what an expression tells apart.
fn whose(per: &Per) -> &'static str {
    match per {
        Per::Key(_) => "limit's key",
        Per::Global => "gate",
        Per::Run | Per::Tool | Per::Agent | Per::User | Per::Tenant | Per::Project => per.name(),
    }
}

fn said(maximum: &Maximum, whose: &str, used: &str, max: &str, left: &str) -> String {
    match maximum {
        Maximum::Calls(_) => format!("The {whose} has used its {max} calls. Finish without it."),
        Maximum::CostUsd(_) => format!(
            "{left} of {max} US dollars are left to the {whose}, and the call may cost more. Finish \
             without it."
        ),
        Maximum::Tokens(_) => format!(
            "{left} of {max} tokens are left to the {whose}, and the call may use more. Finish \
             without it."
        ),
        Maximum::Rate(_) => format!("The {whose} calls too often. Wait before the next call."),
        Maximum::InFlight(_) => {
            format!("{used} calls of the {whose} are under way. Wait until one has ended.")
        }
        Maximum::Errors(_) => format!(
            "{used} calls of the {whose} have failed. Say what blocks you instead of trying on."
        ),
        Maximum::Denials(_) => format!(
            "{used} calls of the {whose} were refused. Stop trying, and report what you need."
        ),
        Maximum::Sum(measured) => format!(
            "{left} of {max} are left of {} for the {whose}, and the call takes more.",
            measured.name
        ),
        Maximum::Distinct(measured) => format!(
            "The {whose} has used {max} different values of {}. Use one of them, or stop.",
            measured.name
        ),
        Maximum::WallTime(_)
        | Maximum::DenialsSameRule(_)
        | Maximum::IdenticalCalls(_)
        | Maximum::CycleRepeats(_) => String::new(),
    }
}

fn near_message(limit: &Limit, maximum: &Maximum, used: Amount, max: Amount) -> String {
    let shown = |amount: Amount| match Budget::is_fine(maximum) {
        true => amount::shown(amount),
        false => amount.to_string(),
    };
    let left = shown(max.saturating_sub(used));
    let whose = whose(&limit.per);
    format!("{left} of {} {} are left to the {whose}.", shown(max), &*maximum.measure())
}

/// An expression of a limit that has no value: the call does not pass.
fn unevaluable(limit: &Limit, error: &EvalError, found: &mut Findings) {
    let message = format!("The limit {} could not be evaluated: {error}.", limit.name);
    refuse(limit, StopReason::RuleError, message, found);
}

fn unplaced(limit: &Limit, why: &Unplaced, found: &mut Findings) {
    match why {
        Unplaced::Key(error) => unevaluable(limit, error, found),
        Unplaced::Full => {
            let message = format!(
                "{} counts {SCOPE_LIMIT_KEYS} keys at once, and this call's is one more.",
                limit.name
            );
            refuse(limit, StopReason::GateUnavailable, message, found);
        }
    }
}

fn refuse(limit: &Limit, reason: StopReason, message: String, found: &mut Findings) {
    let rule = limit.name.clone();
    found.add(
        limit.mode,
        Finding { rule, verb: Verb::Deny, reason, message, violations: Vec::new() },
    );
}

/// Tells the agent before a maximum is reached. Nobody is told of limits that only observe.
pub(super) fn advise(limit: &Limit, reason: StopReason, message: String, found: &mut Findings) {
    if limit.mode == Mode::Enforce && limit.explain {
        let rule = limit.name.clone();
        let violations = Vec::new();
        found.acting.push(Finding { rule, verb: Verb::Warn, reason, message, violations });
    }
}

/// Turns an excess into a finding of its limit, acting or only observed.
pub(super) fn report(limit: &Limit, excess: Excess, env: &Env<'_>, found: &mut Findings) {
    let violations = if limit.explain {
        vec![Violation {
            path: excess.path,
            limit: excess.limit,
            actual: Some(excess.actual),
            passes: excess.passes,
        }]
    } else {
        Vec::new()
    };
    let message =
        if limit.message.is_empty() { excess.default_message } else { limit.message.render(env) };
    let rule = limit.name.clone();
    found.wait(&rule, excess.wait);
    let finding = Finding { rule, verb: limit.then, reason: excess.reason, message, violations };
    found.add(limit.mode, finding);
}
