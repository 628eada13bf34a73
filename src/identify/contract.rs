//! Whether the arguments of a call are what its tool declares.

use crate::call::{Language, Plan, Refusal, StopReason};
use crate::contract::{Complaint, Nulls};
use crate::identify::Call;
use crate::identify::query::Query;
use crate::weaken::Hole;

/// Complaints told in words; all of them are told to programs.
const WORDS_LIMIT_COMPLAINTS: usize = 4;

/// The names of arguments that came as text, where the tool's arguments are declared.
pub(super) fn textual(
    plan: &Plan,
    parameters: Vec<(String, String)>,
    query: &Query,
) -> Box<[String]> {
    if plan.contract.as_ref().and_then(|contract| contract.args()).is_none() {
        return Box::default();
    }
    let in_query = query.pairs().map(|(name, _)| name.to_owned());
    parameters.into_iter().map(|(name, _)| name).chain(in_query).collect()
}

/// Checks a call against its tool's declaration.
pub(super) fn keeps(call: &Call) -> Result<(), Refusal> {
    let declared = call.plan.contract.as_ref().and_then(|contract| contract.args());
    let declared = declared.filter(|_| !Hole::NoSchema.is_open());
    let Some(declared) = declared else { return Ok(()) };
    // What a rule has added to a call without a body stands in its query.
    let added = call.args.root().as_object().filter(|_| call.body.is_empty());
    let added = added.into_iter().flat_map(|args| args.names());
    let textual: Vec<&str> = call.textual.iter().map(String::as_str).chain(added).collect();
    let nulls = match &call.language {
        Language::Mcp(_) => Nulls::Omit,
        Language::Http | Language::Llm(_) => Nulls::Are,
    };
    let complaints = declared.check(call.args.root(), &textual, nulls);
    if complaints.is_empty() {
        return Ok(());
    }
    let message = sentence(&call.tool.name, &complaints);
    let mut refusal = Refusal::without_rule(StopReason::SchemaViolation, message);
    refusal.violations = complaints.into_iter().map(|complaint| complaint.violation).collect();
    Err(refusal)
}

/// What a model can mend its call by.
fn sentence(tool: &str, complaints: &[Complaint]) -> String {
    let told = complaints.iter().take(WORDS_LIMIT_COMPLAINTS);
    let told: Vec<&str> = told.map(|complaint| complaint.text.as_str()).collect();
    let more = match complaints.len().saturating_sub(WORDS_LIMIT_COMPLAINTS) {
        0 => String::new(),
        more => format!(" And {more} more."),
    };
    let told = told.join("; ");
    let stop = if told.ends_with('?') { "" } else { "." };
    format!("Its arguments are not what `{tool}` takes: {told}{stop}{more}")
}
