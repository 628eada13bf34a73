//! Answers that a model gives word by word are not there as a whole before the agent has them: where
//! rules must read a whole answer, it is asked for as one.

use std::sync::Arc;

use crate::call::{Refusal, StopReason};
use crate::identify::Call;
use crate::policy::model::Mode;
use crate::policy::set::Applicable;

/// Refuses a model's answer as a stream where a rule in force reads or changes answers. In the events
/// of a stream a number is many pieces, each of them harmless.
///
/// # Errors
/// `args_denied`, with what passes instead.
pub(super) fn judge(call: &Call, applicable: &Applicable) -> Result<(), Refusal> {
    let streams = call.order.as_ref().is_some_and(|order| order.facts().is_stream);
    let Some(rule) = reader(applicable).filter(|_| streams) else { return Ok(()) };
    let message = format!(
        "The rule {rule} must read this model's answers as a whole. Ask for one that is not streamed."
    );
    let refusal = Refusal::without_rule(StopReason::ArgsDenied, message);
    Err(Refusal { rule: Some(Arc::clone(rule)), ..refusal })
}

/// The first rule in force over results.
fn reader(applicable: &Applicable) -> Option<&Arc<str>> {
    let rules = applicable.result_rules.iter().map(|rule| (&rule.name, rule.mode));
    let rewrites = applicable.result_rewrites.iter().map(|rule| (&rule.name, rule.mode));
    let mut all = rules.chain(rewrites);
    all.find(|(_, mode)| *mode == Mode::Enforce).map(|(name, _)| name)
}
