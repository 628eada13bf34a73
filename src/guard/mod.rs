//! Identified -> Admitted: the order of guards, written once, with a reason a line.
//!
//! Guards are pure: they see the call, a look at the ledger and `now`, and answer with findings.

mod admitted;
mod approval;
mod breaker;
mod budget;
mod intent;
mod kill;
mod limits;
mod loops;
mod rewrite;
mod spiral;
mod streams;
mod unknown;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

pub(crate) use admitted::AdmittedParts;
pub use admitted::{Admitted, admit};
pub use breaker::Leave;
pub use rewrite::{finding, note};
pub use unknown::Begun;

use crate::call::budget::Budget;
use crate::call::{Observed, Refusal, StopReason};
use crate::clock::Now;
use crate::ledger::{Denial, Judgement, Look};
use crate::policy::amount::Amount;
use crate::policy::decide::{self, Finding};
use crate::policy::model::{Limit, Mode, Verb};
use crate::policy::set::Applicable;
use crate::policy::view::{CallView, Env};
use crate::weaken::Hole;

/// Budgets that an agent is told of at once.
const BUDGETS_LIMIT: usize = 8;

/// What the guards let pass, with what the agent and the record should hear of it.
#[derive(Debug, Default)]
pub struct Granted {
    /// Enforced rules and limits that said `warn`.
    pub warnings: Vec<Finding>,
    /// Enforced rules and limits that want a human to see the call first.
    pub needs_approval: Vec<Finding>,
    /// Rules and limits in observe mode that would have acted.
    pub observed: Vec<Observed>,
    /// What is left of the budgets, this call taken.
    pub budgets: Vec<Budget>,
}

/// What the guards refused.
#[derive(Debug)]
pub struct Refused {
    pub refusal: Refusal,
    /// Rules and limits in observe mode that would have acted.
    pub observed: Vec<Observed>,
    /// What is left of the budgets.
    pub budgets: Vec<Budget>,
}

/// What limits and loops found, told apart by whether they act.
#[derive(Default)]
struct Findings {
    acting: Vec<Finding>,
    observed: Vec<Finding>,
    /// When limits that were exceeded let go: how long that takes of all maxima of each.
    waits: Vec<(Arc<str>, Option<Duration>)>,
    /// Budgets that the agent may know of, with what the call takes of each.
    budgets: Vec<(Budget, Amount)>,
}

impl Findings {
    fn add(&mut self, mode: Mode, finding: Finding) {
        match mode {
            Mode::Enforce => self.acting.push(finding),
            Mode::Observe => self.observed.push(finding),
            Mode::Off => {}
        }
    }

    /// Notes when a limit lets go: with the last of its maxima, and never when one of them does not.
    fn wait(&mut self, rule: &Arc<str>, wait: Option<Duration>) {
        match self.waits.iter_mut().find(|(known, _)| known == rule) {
            Some((_, known)) => *known = known.zip(wait).map(|(one, other)| one.max(other)),
            None => self.waits.push((rule.clone(), wait)),
        }
    }

    /// Notes a budget, unless its limit keeps its maximum to itself.
    fn show(&mut self, limit: &Limit, takes: Amount, budget: impl FnOnce() -> Budget) {
        let shown = limit.mode == Mode::Enforce && limit.explain;
        if shown && self.budgets.len() < BUDGETS_LIMIT {
            self.budgets.push((budget(), takes));
        }
    }
}

/// Judges one call. `call_key` is the loop key of its tool and arguments.
pub fn judge(
    call: CallView<'_>,
    call_key: u64,
    applicable: &Applicable,
    look: &Look<'_>,
    now: Now,
) -> Judgement<Granted, Refused> {
    // A stopped run first: nothing else matters to it, and nothing it asks costs more than this.
    if let Some(reason) = look.stopped {
        return run_stopped(reason);
    }
    let env = Env { call, run: look.run, prior: None, answer: None, now };
    let mut found = Findings::default();
    // A spelling of a ruled tool that no rule names: it must not pass as a tool without rules.
    let lookalike_of = applicable.lookalike_of.as_ref();
    if let Some(rule) = lookalike_of.filter(|_| !Hole::LookalikesPass.is_open()) {
        found.acting.push(lookalike(rule, &call.tool.operation));
    }
    // Rules before budgets: what is forbidden must not be reported as merely too much.
    let ruling = decide::judge(applicable, &env);
    found.acting.extend(ruling.findings);
    found.observed.extend(ruling.observed);
    // Loops read the history, budgets the counters; neither changes anything yet, so that the
    // strongest of all findings decides and not the first.
    loops::judge(look, call_key, &env, &mut found);
    limits::judge(look, &env, &mut found);
    // Last, because it counts what the others refuse.
    spiral::escalate(look, &env, &mut found);
    conclude(found)
}

fn conclude(mut found: Findings) -> Judgement<Granted, Refused> {
    let observed: Vec<Observed> = found.observed.into_iter().map(Observed::from).collect();
    // A stable sort: among equals, rules stand before loops and loops before budgets.
    if !Hole::FirstDecides.is_open() {
        found.acting.sort_by_key(|finding| std::cmp::Reverse(finding.verb));
    }
    let refuses = found.acting.first().is_some_and(|first| first.verb >= Verb::Deny);
    if !refuses {
        let of = |verb| found.acting.iter().filter(move |finding| finding.verb == verb).cloned();
        let (warnings, needs_approval) = (of(Verb::Warn).collect(), of(Verb::Approve).collect());
        let budgets = found
            .budgets
            .into_iter()
            .map(|(budget, takes)| Budget { used: budget.used.saturating_add(takes), ..budget });
        let budgets = budgets.collect();
        return Judgement::Admit(Granted { warnings, needs_approval, observed, budgets });
    }
    let Some(first) = found.acting.into_iter().next() else {
        return Judgement::Admit(Granted { observed, ..Granted::default() });
    };
    let wait = found.waits.iter().find(|(rule, _)| *rule == first.rule).and_then(|(_, wait)| *wait);
    let budgets = found.budgets.into_iter().map(|(budget, _)| budget).collect();
    let ends_run = first.verb == Verb::Stop;
    let stop = ends_run.then(|| (first.reason, Some(first.rule.clone())));
    let denial = Denial { key: first.rule.clone(), stop };
    let refusal = Refusal {
        ends_run,
        rule: Some(first.rule),
        violations: first.violations,
        retry_after: wait.filter(|_| !ends_run),
        ..Refusal::without_rule(first.reason, first.message)
    };
    Judgement::Refuse(Refused { refusal, observed, budgets }, denial)
}

fn lookalike(rule: &Arc<str>, operation: &str) -> Finding {
    Finding {
        rule: rule.clone(),
        verb: Verb::Deny,
        reason: StopReason::ToolNotAllowed,
        message: format!(
            "The name `{operation}` is another spelling of a tool that {rule} is about. Write the \
             tool's name exactly as it was given to you."
        ),
        violations: Vec::new(),
    }
}

fn stopped(reason: StopReason) -> Refusal {
    let message = format!(
        "This run was stopped ({}) and takes no more calls. Report what you have and end.",
        reason.name()
    );
    Refusal::without_rule(StopReason::RunStopped, message)
}

fn run_stopped(reason: StopReason) -> Judgement<Granted, Refused> {
    let refusal = stopped(reason);
    let denial = Denial::of(&refusal);
    let refused = Refused { refusal, observed: Vec::new(), budgets: Vec::new() };
    Judgement::Refuse(refused, denial)
}
