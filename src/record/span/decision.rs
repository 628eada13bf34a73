//! What the gate decided over a call, and what came of it, in our own attributes.

use super::draft::{Attributes, Draft, Timeline};
use super::names;
use crate::call::{ErrorClass, Intended, Observed, RetryScope, StopReason, Verdict};
use crate::record::outgoing::Kept;
use crate::record::told::{Close, Told};

/// Rules in observe mode that are told of one call, each by an event.
const OBSERVED_LIMIT: usize = 16;

/// Puts the decision on the span, and what is remarkable about it beside it as events.
pub(super) fn put(draft: &mut Draft, told: &Told, kept: Kept, timeline: Timeline) {
    placed(&mut draft.attributes, told);
    sampled(&mut draft.attributes, kept);
    decided(&mut draft.attributes, told);
    measured(&mut draft.attributes, told);
    events(draft, told, timeline);
}

/// Whose call it is, and where it stands.
fn placed(attributes: &mut Attributes, told: &Told) {
    let Told { known, caller, .. } = told;
    attributes.put(names::CALL, told.call_id.clone());
    if let Some((run, source)) = &known.run {
        attributes.put_text(names::CONVERSATION, &run.0);
        attributes.put_text(names::RUN, &run.0);
        attributes.put(names::RUN_SOURCE, *source);
    }
    attributes.put_some(names::PARENT_RUN, known.parent_run.as_ref().map(|run| run.0.clone()));
    if let Some(step) = known.step {
        attributes.put_count(names::STEP, step);
    }
    attributes.put_text(names::AGENT, &caller.agent);
    attributes.put_text(names::TENANT, &caller.tenant);
    attributes.put_text(names::PROJECT, &caller.project);
    attributes.put_text(names::USER, &caller.user);
}

pub(super) fn sampled(attributes: &mut Attributes, kept: Kept) {
    attributes.put(names::SAMPLING_RATIO, kept.ratio);
    attributes.put(names::SAMPLING_REASON, kept.why.name());
}

fn decided(attributes: &mut Attributes, told: &Told) {
    let Told { known, close, .. } = told;
    attributes.put_some(names::VERDICT, close.verdict.map(Verdict::name));
    attributes.put_some(names::RULE, close.rule.clone());
    attributes.put_some(names::STOP_REASON, close.stop_reason.map(StopReason::name));
    attributes.put_some(names::RETRY_SCOPE, close.retry_scope.map(RetryScope::name));
    attributes.put_text(names::POLICY_VERSION, &known.policy_version);
    attributes.put(names::EXECUTED, known.sent);
    attributes.put_some(names::ATTEMPTS, close.attempts.map(i64::from));
    attributes.put_some(names::BREAKER, known.breaker);
    attributes.put_some(names::APPROVAL, known.approval.clone());
    attributes.put_some(names::INTENT, known.intended.map(Intended::name));
    attributes.put_some(names::EFFECT, known.tool.as_ref().map(|tool| tool.effect.name()));
    if known.redacted > 0 {
        attributes.put_count(names::REDACTED, known.redacted);
    }
}

fn measured(attributes: &mut Attributes, told: &Told) {
    let Close { outcome, result, cost_usd, .. } = &told.close;
    attributes.put(names::STATUS, outcome.status.name());
    attributes.put_some(names::ERROR_CLASS, outcome.error_class.map(ErrorClass::name));
    for (digested, sha, size) in [
        (told.known.args, names::ARGS_SHA, names::ARGS_BYTES),
        (*result, names::RESULT_SHA, names::RESULT_BYTES),
    ] {
        if let Some((digest, bytes)) = digested {
            attributes.put(sha, digest.to_string());
            attributes.put_count(size, bytes);
        }
    }
    attributes.put_some(names::COST_USD, *cost_usd);
}

/// A decision that was more than to let the call pass, and what rules in observe mode would have
/// decided.
fn events(draft: &mut Draft, told: &Told, timeline: Timeline) {
    let Told { known, close, .. } = told;
    let decided = match close.verdict {
        None | Some(Verdict::Allow) => None,
        Some(verdict @ (Verdict::Warn | Verdict::Approve | Verdict::Deny | Verdict::Stop)) => {
            Some(verdict)
        }
    };
    let end = timeline.at(told.ended.mono);
    if let Some(verdict) = decided {
        let mut attributes = Attributes::default();
        attributes.put(names::VERDICT, verdict.name());
        attributes.put(names::MODE, "enforce");
        attributes.put_some(names::RULE, close.rule.clone());
        attributes.put_some(names::STOP_REASON, close.stop_reason.map(StopReason::name));
        attributes.put_some(names::RETRY_SCOPE, close.retry_scope.map(RetryScope::name));
        draft.event(names::DECISION_EVENT, end, attributes);
    }
    for observed in known.observed.iter().take(OBSERVED_LIMIT) {
        let mut attributes = Attributes::default();
        attributes.put(names::VERDICT, observed.verdict.name());
        attributes.put(names::MODE, "observe");
        attributes.put_text(names::RULE, &observed.rule);
        let reason = Observed::stop_reason(observed).map(StopReason::name);
        attributes.put_some(names::STOP_REASON, reason);
        draft.event(names::DECISION_EVENT, end, attributes);
    }
    let left = known.observed.len().saturating_sub(OBSERVED_LIMIT);
    draft.drop_events(left);
}
