//! What was said of a run when it had ended: a span of its own below the call that it is told by,
//! because that one may have been sent long before.

use std::borrow::Cow;

use opentelemetry_sdk::trace::SpanData;

use super::draft::{Attributes, Draft, Timeline};
use super::names;
use crate::call::trace::{TraceContext, TraceState};
use crate::evaluate::{Evaluation, Outcome};

/// `evaluate {name}` with the event `gen_ai.evaluation.result`. `None` where the run has no place in a
/// trace.
pub(super) fn of_evaluation(evaluation: &Evaluation) -> Option<SpanData> {
    let Evaluation { name, outcome, about, begun, took } = evaluation;
    let mut draft =
        Draft::of(&TraceContext::child_of(Some(&(about.trace?, TraceState::default()))));
    draft.name = Cow::Owned(format!("evaluate {name}"));
    let mut result = Attributes::default();
    result.put_text(names::EVALUATION_NAME, name);
    match outcome {
        Outcome::Graded { label, score, explanation } => {
            result.put_text(names::EVALUATION_LABEL, label);
            result.put(names::EVALUATION_SCORE, *score);
            if !explanation.is_empty() {
                result.put(names::EVALUATION_EXPLANATION, explanation.clone());
            }
        }
        Outcome::Undecidable => result.put(names::EVALUATION_LABEL, "undecidable"),
        Outcome::Failed(_) => {
            draft.failed = true;
            draft.attributes.put(names::ERROR_TYPE, names::OTHER);
            result.put(names::ERROR_TYPE, names::OTHER);
        }
    }
    draft.attributes.put(names::SPAN_KIND, "EVALUATOR");
    draft.attributes.put_text(names::EVALUATION_NAME, name);
    draft.attributes.put_text(names::CONVERSATION, &about.run.0);
    draft.attributes.put_text(names::RUN, &about.run.0);
    draft.attributes.put_text(names::AGENT, &about.caller.agent);
    draft.attributes.put_some(names::CALL, about.call_id.clone());
    let timeline = Timeline::new(*begun);
    let end = timeline.at(begun.mono.saturating_add(*took));
    draft.event(names::EVALUATION_EVENT, end, result);
    Some(draft.finish(timeline.at(begun.mono), end, false))
}
