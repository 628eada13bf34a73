//! Approval: a call that a rule or limit wants a human to see passes once one has agreed to exactly
//! this call. Last of all guards, because what lets it pass is used up by it.

use std::sync::Arc;
use std::time::Duration;

use crate::call::{Approval, Known, Refusal, StopReason};
use crate::identify::Call;
use crate::ledger::{ApprovalAnswer, ApprovalKey, SHOWN_BODY_LIMIT_BYTES, Subject, Wanted};
use crate::policy::decide::Finding;
use crate::policy::model::Approving;
use crate::policy::set::Applicable;
use crate::weaken::Hole;

/// How long an agent had better wait before it looks whether somebody has decided.
const ASK_AGAIN: Duration = Duration::from_secs(30);

/// What the call asks a human for; `findings` are those that want it, and there is one at least.
pub(super) fn wanted(
    call: &Call,
    run: &Arc<str>,
    findings: &[Finding],
    applicable: &Applicable,
    known: &Known,
) -> Wanted {
    let mut rules = Vec::new();
    let mut approvers: Vec<Arc<str>> = Vec::new();
    let mut expires = Approving::default().expires;
    for (place, finding) in findings.iter().enumerate() {
        let Approving { approvers: own, expires: time } = approving(applicable, &finding.rule);
        // The strictest of several times holds, and whoever is named by one of them may decide.
        expires = if place == 0 { time } else { expires.min(time) };
        approvers.extend(
            own.iter().filter(|name| !approvers.contains(name)).cloned().collect::<Vec<_>>(),
        );
        rules.push(Arc::clone(&finding.rule));
    }
    let body = call.bound_bytes();
    let body_fits = body.len() <= SHOWN_BODY_LIMIT_BYTES;
    let subject = Subject {
        caller: call.caller.clone(),
        run: Arc::clone(run),
        tool: Arc::clone(&call.tool.name),
        method: Arc::from(call.shown_method()),
        path: Arc::from(call.path.as_str()),
        query: call.query.as_deref().map(Arc::from),
        args: known.args,
        body: body_fits.then(|| Arc::from(&*body)),
        body_bytes: u64::try_from(body.len()).unwrap_or(u64::MAX),
    };
    Wanted {
        key: key(call, run),
        subject,
        rules,
        message: findings.first().map(|first| Arc::from(first.message.trim())).unwrap_or_default(),
        approvers,
        expires,
        policy_version: Arc::clone(&known.policy_version),
    }
}

/// Everything that makes two calls the same to whoever approves one of them.
fn key(call: &Call, run: &str) -> ApprovalKey {
    let caller = &call.caller;
    let query = call.query.as_deref();
    let body = call.bound_bytes();
    ApprovalKey::of(&[
        caller.tenant.as_bytes(),
        caller.project.as_bytes(),
        caller.user.as_bytes(),
        caller.agent.as_bytes(),
        run.as_bytes(),
        call.tool.name.as_bytes(),
        call.tool.version.as_bytes(),
        call.upstream.as_bytes(),
        call.method.as_str().as_bytes(),
        call.path.as_bytes(),
        if query.is_some() { b"?" } else { b"" },
        query.unwrap_or_default().as_bytes(),
        if Hole::LooseApproval.is_open() { b"" } else { &body },
    ])
}

/// What the rule or limit of this name says of approvals.
fn approving(applicable: &Applicable, name: &Arc<str>) -> Approving {
    let rule = applicable.rules.iter().find(|rule| rule.name == *name);
    let limit = || applicable.limits.iter().find(|limit| limit.name == *name);
    let of_rule = rule.map(|rule| rule.approving.clone());
    of_rule.or_else(|| limit().map(|limit| limit.approving.clone())).unwrap_or_default()
}

/// What the agent is told; nothing when the call passes. `first` is the finding that decides.
pub(super) fn judge(answer: ApprovalAnswer, first: Finding) -> Result<(), Refusal> {
    let Finding { rule, message, violations, .. } = first;
    let rule_says = message.trim().trim_end_matches('.');
    let refusal = |reason, message: String, approval, retry_after| Refusal {
        violations,
        rule: Some(rule),
        approval,
        retry_after,
        ..Refusal::without_rule(reason, message)
    };
    let shown = |id: &Arc<str>, status| Some(Box::new(Approval { id: Arc::clone(id), status }));
    Err(match answer {
        ApprovalAnswer::Passes(_) => return Ok(()),
        ApprovalAnswer::Pending { id, anew } => {
            let anew = if anew {
                " An earlier approval of it no longer holds, because the rules changed or more of \
                 them apply."
            } else {
                ""
            };
            let message = format!("{rule_says}; request {id} is pending.{anew}");
            let reason = StopReason::ApprovalRequired;
            refusal(reason, message, shown(&id, "pending"), Some(ASK_AGAIN))
        }
        ApprovalAnswer::Denied { id, note } => {
            let note = note.trim();
            let said = if note.is_empty() { String::new() } else { format!(": {note}") };
            let message = format!("{rule_says}; request {id} was denied{said}.");
            refusal(StopReason::ApprovalDenied, message, shown(&id, "denied"), None)
        }
        ApprovalAnswer::Expired(id) => {
            let message = format!(
                "{rule_says}; request {id} has expired. If it is still needed, ask for it anew."
            );
            refusal(StopReason::ApprovalExpired, message, shown(&id, "expired"), None)
        }
        ApprovalAnswer::Full => {
            let message = format!("{rule_says}; too many requests are pending to take this one.");
            refusal(StopReason::ApprovalRequired, message, None, Some(ASK_AGAIN))
        }
    })
}
