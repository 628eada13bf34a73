//! Identified -> Admitted: the order of guards, written once, with a reason a line.
//!
//! Guards are pure: they see the call, a look at the ledger and `now`, and answer with findings.

mod admitted;
mod approval;
mod breaker;
mod budget;
mod kill;
mod limits;
mod loops;
mod rewrite;
mod spiral;
mod unknown;

#[cfg(test)]
mod tests;

use std::sync::Arc;

pub(crate) use admitted::AdmittedParts;
pub use admitted::{Admitted, admit};
pub use breaker::Leave;
pub use rewrite::{finding, note};
pub use unknown::Begun;

use crate::call::{Observed, Refusal, StopReason};
use crate::clock::Now;
use crate::ledger::{Denial, Judgement, Look};
use crate::policy::decide::{self, Finding};
use crate::policy::model::Verb;
use crate::policy::set::Applicable;
use crate::policy::view::{CallView, Env};

/// What the guards let pass, with what the agent and the record should hear of it.
#[derive(Debug, Default)]
pub struct Granted {
    /// Enforced rules and limits that said `warn`.
    pub warnings: Vec<Finding>,
    /// Enforced rules and limits that want a human to see the call first.
    pub needs_approval: Vec<Finding>,
    /// Rules and limits in observe mode that would have acted.
    pub observed: Vec<Observed>,
}

/// What the guards refused.
#[derive(Debug)]
pub struct Refused {
    pub refusal: Refusal,
    /// Rules and limits in observe mode that would have acted.
    pub observed: Vec<Observed>,
}

/// What limits and loops found, told apart by whether they act.
#[derive(Default)]
struct Findings {
    acting: Vec<Finding>,
    observed: Vec<Finding>,
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
    if let Some(rule) = &applicable.lookalike_of {
        found.acting.push(lookalike(rule, &call.tool.operation));
    }
    // Rules before budgets: what is forbidden must not be reported as merely too much.
    let ruling = decide::judge(applicable, &env);
    found.acting.extend(ruling.findings);
    found.observed.extend(ruling.observed);
    // Loops read the history, budgets the counters; neither changes anything yet, so that the
    // strongest of all findings decides and not the first.
    loops::judge(&applicable.limits, call_key, &env, &mut found);
    limits::judge(&applicable.limits, look, &env, &mut found);
    // Last, because it counts what the others refuse.
    spiral::escalate(&applicable.limits, look, &env, &mut found);
    conclude(found)
}

fn conclude(mut found: Findings) -> Judgement<Granted, Refused> {
    let observed: Vec<Observed> = found.observed.into_iter().map(Observed::from).collect();
    // A stable sort: among equals, rules stand before loops and loops before budgets.
    found.acting.sort_by_key(|finding| std::cmp::Reverse(finding.verb));
    let refuses = found.acting.first().is_some_and(|first| first.verb >= Verb::Deny);
    if !refuses {
        let of = |verb| found.acting.iter().filter(move |finding| finding.verb == verb).cloned();
        let (warnings, needs_approval) = (of(Verb::Warn).collect(), of(Verb::Approve).collect());
        return Judgement::Admit(Granted { warnings, needs_approval, observed });
    }
    let Some(first) = found.acting.into_iter().next() else {
        return Judgement::Admit(Granted { observed, ..Granted::default() });
    };
    let ends_run = first.verb == Verb::Stop;
    let stop = ends_run.then(|| (first.reason, Some(first.rule.clone())));
    let denial = Denial { key: first.rule.clone(), stop };
    let refusal = Refusal {
        reason: first.reason,
        ends_run,
        rule: Some(first.rule),
        message: first.message,
        violations: first.violations,
        retry_after: None,
        status_hint: None,
        approval: None,
        executed: false,
    };
    Judgement::Refuse(Refused { refusal, observed }, denial)
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
    Judgement::Refuse(Refused { refusal, observed: Vec::new() }, denial)
}
