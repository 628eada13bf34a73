//! The kill switch: what an operator has switched off does not happen.

use crate::call::{Refusal, StopReason};
use crate::ledger::{Kill, KillFacts, KillTarget, Kills};

/// Refuses a call that somebody has switched off.
pub(super) fn judge(kills: &Kills, facts: KillFacts<'_>) -> Result<(), Refusal> {
    kills.check(facts).map_err(|kill| refusal(&kill))
}

fn refusal(kill: &Kill) -> Refusal {
    let what = match &kill.target {
        KillTarget::Everything => "All calls are".to_owned(),
        KillTarget::Writes => "All calls that change something are".to_owned(),
        KillTarget::Tool { pattern, .. } => format!("The tool {pattern} is"),
        KillTarget::Run(_) => "This run is".to_owned(),
        KillTarget::Tenant(_) => "All calls of this tenant are".to_owned(),
    };
    let reason = kill.reason.trim();
    let because = match reason {
        "" => ".".to_owned(),
        _ if reason.ends_with(['.', '!', '?']) => format!(": {reason}"),
        _ => format!(": {reason}."),
    };
    let message = format!("{what} switched off by the operator{because} Report what you have.");
    Refusal::without_rule(StopReason::Killed, message)
}
