//! An agent that keeps running into the same refusal: the refusal grows into the limit's verb.

use crate::guard::Findings;
use crate::guard::limits::{self, Excess};
use crate::ledger::{Drawn, Look};
use crate::policy::model::{Maximum, Verb};
use crate::policy::view::Env;
use crate::weaken::Hole;

/// Adds a finding for each limit on `denials_same_rule` that the refusal about to be given would
/// exceed. A call that is not refused never counts: a repaired call always has its chance.
pub(super) fn escalate(look: &Look<'_>, env: &Env<'_>, found: &mut Findings) {
    let strongest = found.acting.iter().rev().max_by_key(|finding| finding.verb);
    let Some(refusing) = strongest.filter(|finding| finding.verb >= Verb::Deny) else { return };
    let (rule, reason) = (refusing.rule.clone(), refusing.reason);
    for Drawn { limit, scope, .. } in look.draws() {
        for maximum in &limit.max {
            let Maximum::DenialsSameRule(max) = maximum else { continue };
            let Ok(scope) = scope else { continue };
            let denials = scope.denials_by(&rule, limit.window(), env.now);
            if denials >= *max && !Hole::NoSpiral.is_open() {
                let excess = Excess {
                    reason,
                    path: "/run/denials_same_rule".to_owned(),
                    limit: max.to_string(),
                    actual: denials.to_string(),
                    passes: format!("< {max}"),
                    wait: None,
                    default_message: format!(
                        "{rule} has refused {denials} calls before this one. Stop trying, and \
                         report what you need."
                    ),
                };
                limits::report(limit, excess, env, found);
            }
        }
    }
}
