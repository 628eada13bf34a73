//! Whether an answer is what its tool declares, where one that is not stays here.

use bytes::Bytes;
use http::response::Parts;
use http::{Method, StatusCode};

use crate::call::{Refusal, StopReason};
use crate::contract::Complaint;
use crate::guard::Admitted;
use crate::json::Document;
use crate::review::Content;
use crate::review::read::Redacts;

/// Complaints told in words; all of them are told to programs.
const WORDS_LIMIT_COMPLAINTS: usize = 4;

/// Holds an answer against the schema that its tool declares for such a status.
///
/// # Errors
/// The refusal to hand it on: it breaks its schema, or cannot be read.
pub(super) fn keeps(admitted: &Admitted, parts: &Parts, body: &Bytes) -> Result<(), Box<Refusal>> {
    let call = admitted.call();
    let contract = call.plan.contract.as_ref().filter(|contract| contract.withholds());
    let Some(contract) = contract else { return Ok(()) };
    if call.method == Method::HEAD || parts.status == StatusCode::NOT_MODIFIED {
        return Ok(());
    }
    let content = Content::read(&parts.headers, body, Redacts::Nothing);
    let value = content.as_ref().ok().filter(|content| content.is_json);
    let value = value.map(|content| Document::root(&content.value));
    let complaints = contract.check_response(parts.status.as_u16(), value);
    if complaints.is_empty() {
        return Ok(());
    }
    Err(match &content {
        Err(why) => refusal(&call.tool.name, why, complaints),
        Ok(_) => broken(&call.tool.name, complaints),
    })
}

/// The refusal of an answer that is not what its tool declares.
pub(super) fn broken(tool: &str, complaints: Vec<Complaint>) -> Box<Refusal> {
    let told = complaints.iter().take(WORDS_LIMIT_COMPLAINTS);
    let words = told.map(|complaint| complaint.text.as_str()).collect::<Vec<_>>().join("; ");
    refusal(tool, &words, complaints)
}

fn refusal(tool: &str, words: &str, complaints: Vec<Complaint>) -> Box<Refusal> {
    let message = format!("Its answer is not what `{tool}` declares: {words}.");
    let refusal = Refusal::without_rule(StopReason::ContractViolation, message);
    let violations = complaints.into_iter().map(|complaint| complaint.violation).collect();
    Box::new(Refusal { executed: true, violations, ..refusal })
}
