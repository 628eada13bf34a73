//! `set` and `redact` before the judgement: what is judged, hashed and sent is the changed call.

use std::sync::Arc;

use crate::call::{Known, Observed, Refusal, StopReason};
use crate::clock::Now;
use crate::identify::{Call, Terms};
use crate::ledger::Visit;
use crate::policy::decide::Finding;
use crate::policy::model::Verb;
use crate::policy::rewrite::{self, Asked, Changed};
use crate::policy::set::Applicable;
use crate::policy::view::Env;
use crate::weaken::Hole;

/// What rules said to a call before it was judged.
#[derive(Default)]
pub(super) struct Rewritten {
    /// One of each rule that changed something.
    pub notes: Vec<Finding>,
    /// Rules in observe mode that would have.
    pub observed: Vec<Observed>,
}

/// Changes a call as the rules of its tool want it. All conditions and values are computed under one
/// look at the run, over the call as it came.
///
/// # Errors
/// `rule_error` when one of them cannot be evaluated, or the changed call could not be sent.
pub(super) fn rewrite(
    visit: &Visit,
    call: &mut Call,
    applicable: &Applicable,
    terms: &Terms,
    now: Now,
    known: &mut Known,
) -> Result<Rewritten, Refusal> {
    if applicable.rewrites.is_empty() {
        return Ok(Rewritten::default());
    }
    let view = call.view(visit.step());
    let asked = visit.look(now, |run| {
        let env = Env { call: view, run, prior: None, answer: None, now };
        rewrite::ask(&applicable.rewrites, &env)
    });
    let Asked { wanted, would, observed } =
        asked.map_err(|(rule, error)| unevaluable(&rule, &error))?;
    let observed = observed.into_iter().map(Observed::unevaluable).collect();
    let mut rewritten = Rewritten { notes: Vec::new(), observed };
    if !would.is_empty() {
        let mut tally = would.tally();
        let unable = call.draft(&would, &mut tally, terms).is_err();
        let acting = tally.into_iter().filter(|changed| changed.any || unable);
        rewritten.observed.extend(acting.map(|changed| Observed::change(changed.rule)));
    }
    if wanted.is_empty() {
        return Ok(rewritten);
    }
    let mut tally = wanted.tally();
    let first = tally.first().map(|changed| changed.rule.clone());
    let draft = call
        .draft(&wanted, &mut tally, terms)
        .map_err(|fault| unevaluable(&first.unwrap_or_default(), &fault))?;
    if tally.iter().any(|changed| changed.any) {
        call.adopt(draft);
        known.args = Some((call.args_digest, call.args_bytes));
        // What rules made of the arguments must be what the tool declares, like what agents send.
        if !Hole::UncheckedRewrites.is_open() {
            call.keeps_to_contract()?;
        }
    }
    note(known, &tally);
    rewritten.notes.extend(tally.into_iter().filter(|changed| changed.any).map(finding));
    Ok(rewritten)
}

/// Counts what was taken out, by rule.
pub fn note(known: &mut Known, tally: &[Changed]) {
    for changed in tally.iter().filter(|changed| changed.redacted > 0) {
        known.redacted = known.redacted.saturating_add(changed.redacted);
        known.redacted_by.push((changed.rule.clone(), changed.redacted));
    }
}

/// A change as the agent is told of it.
pub fn finding(changed: Changed) -> Finding {
    Finding {
        rule: changed.rule,
        verb: Verb::Warn,
        reason: StopReason::ArgsDenied,
        message: changed.note,
        violations: Vec::new(),
    }
}

fn unevaluable(rule: &Arc<str>, error: &dyn std::fmt::Display) -> Refusal {
    let message = format!("The rule {rule} could not be applied: {error}.");
    let refusal = Refusal::without_rule(StopReason::RuleError, message);
    Refusal { rule: Some(rule.clone()), ..refusal }
}
