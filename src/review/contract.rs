//! An answer held against what its tool declares, where one that breaks it is withheld.

use http::{Method, StatusCode};

use crate::call::{Plan, Refusal, StopReason};
use crate::contract::OnBreach;
use crate::guard::Admitted;
use crate::json::{Document, JSON_DEPTH_LIMIT};
use crate::review::Answer;

/// Whether answers must be seen whole before the agent gets any of them.
pub(super) fn withholds(plan: &Plan) -> bool {
    plan.contract
        .as_ref()
        .is_some_and(|contract| contract.on_breach == OnBreach::Refuse && contract.has_responses())
}

/// Judges one whole answer.
///
/// # Errors
/// `contract_violation` when it breaks its declaration.
pub(super) fn judge(admitted: &Admitted, answer: &Answer<'_>) -> Result<(), Box<Refusal>> {
    let call = admitted.call();
    let bodiless =
        call.method == Method::HEAD || answer.status == StatusCode::NOT_MODIFIED.as_u16();
    let Some(contract) = call.plan.contract.as_ref().filter(|_| withholds(&call.plan)) else {
        return Ok(());
    };
    let body = Document::parse(answer.body.clone(), JSON_DEPTH_LIMIT).ok();
    let root = body.as_ref().map(Document::root);
    if bodiless || contract.check_response(answer.status, root).is_empty() {
        return Ok(());
    }
    let message = "It is not what the tool declares to answer.";
    let refusal = Refusal::without_rule(StopReason::ContractViolation, message);
    Err(Box::new(Refusal { executed: true, ..refusal }))
}
