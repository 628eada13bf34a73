//! What was said of a run when it had ended: a span of its own below the run's or, where it has none,
//! below that of its last call, because those may have been sent long before. What rules found wrong
//! with an answer is an event of its call's span.

use std::borrow::Cow;

use opentelemetry_sdk::trace::SpanData;

use super::draft::{Attributes, Draft, Timeline};
use super::names;
use crate::call::trace::{TraceContext, TraceState};
use crate::evaluate::{Evaluation, Outcome};
use crate::record::told::Told;

/// Checks of one call that are told of, each by an event.
const CHECKS_LIMIT: usize = 16;

/// `evaluate {name}` with the event `gen_ai.evaluation.result`. The judge's own words are empty unless
/// contents are recorded. `None` where the run has no place in a trace.
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
            if !explanation.is_empty() {
                result.put(names::EVALUATION_EXPLANATION, explanation.clone());
            }
            result.put(names::EVALUATION_SCORE, *score);
        }
        Outcome::Undecidable => result.put(names::EVALUATION_LABEL, "undecidable"),
        Outcome::Failed(failure) => {
            draft.failure = Some(failure.name().to_owned());
            draft.attributes.put(names::ERROR_TYPE, failure.name());
            result.put(names::EVALUATION_LABEL, "error");
            result.put(names::ERROR_TYPE, failure.name());
        }
    }
    draft.attributes.put(names::SPAN_KIND, "EVALUATOR");
    draft.attributes.put_text(names::EVALUATION_NAME, name);
    draft.attributes.put_text(names::CONVERSATION, &about.run.0);
    draft.attributes.put_text(names::RUN, &about.run.0);
    draft.attributes.put_text(names::AGENT, &about.caller.agent);
    draft.attributes.put_some(names::CALL, about.call_id.clone());
    let timeline = Timeline::new(*begun);
    let (start, end) = (timeline.at(begun.mono), timeline.at(begun.mono.saturating_add(*took)));
    draft.event(names::EVALUATION_EVENT, end, result);
    Some(draft.finish(start, end, false))
}

/// The checks that the answer to a call did not pass, as events of its span.
pub(super) fn put_checks(draft: &mut Draft, told: &Told, timeline: Timeline) {
    let checks = &told.known.failed_checks;
    for check in checks.iter().take(CHECKS_LIMIT) {
        let mut result = Attributes::default();
        result.put(names::EVALUATION_NAME, check.name());
        result.put(names::EVALUATION_LABEL, check.how.name());
        result.put_some(names::EVALUATION_SCORE, check.how.score());
        draft.event(names::EVALUATION_EVENT, timeline.at(told.ended.mono), result);
    }
    draft.drop_events(checks.len().saturating_sub(CHECKS_LIMIT));
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::call::trace::TraceParent;
    use crate::call::{Caller, RunId};
    use crate::clock::Now;
    use crate::evaluate::{About, Chosen, Failure};

    fn evaluation(outcome: Outcome, trace: Option<TraceParent>) -> Evaluation {
        let about = About {
            run: RunId("run-1".into()),
            id_source: "path",
            caller: Caller::default(),
            chosen: Chosen::Failed,
            call_id: Some("dec_1".into()),
            trace,
        };
        Evaluation {
            name: "tool-selection".into(),
            outcome,
            about: Arc::new(about),
            begun: Now { mono: Duration::from_secs(5), wall_ms: 1_700_000_000_000 },
            took: Duration::from_millis(1_500),
        }
    }

    fn said(span: &SpanData) -> Vec<String> {
        let event = span.events.iter().next().unwrap();
        assert_eq!((&*event.name, span.events.len()), ("gen_ai.evaluation.result", 1));
        event.attributes.iter().map(|one| format!("{} {}", one.key, one.value)).collect()
    }

    #[test]
    fn a_grade_stands_on_a_span_below_the_run() {
        let root = TraceParent::fresh();
        let explanation = "It looked first.".to_owned();
        let graded = Outcome::Graded { label: "good".into(), score: 0.5, explanation };
        let span = of_evaluation(&evaluation(graded, Some(root))).unwrap();
        assert_eq!(span.name, "evaluate tool-selection");
        assert_eq!(span.span_context.trace_id(), root.trace().into());
        assert_eq!(span.parent_span_id, root.id().into());
        assert_eq!(span.end_time.duration_since(span.start_time).unwrap().as_millis(), 1_500);
        assert_eq!(
            said(&span),
            [
                "gen_ai.evaluation.name tool-selection",
                "gen_ai.evaluation.score.label good",
                "gen_ai.evaluation.explanation It looked first.",
                "gen_ai.evaluation.score.value 0.5",
            ]
        );
    }

    #[test]
    fn a_judge_that_failed_is_an_error_and_no_score() {
        let failed = Outcome::Failed(Failure::Timeout);
        let span = of_evaluation(&evaluation(failed, Some(TraceParent::fresh()))).unwrap();
        assert_eq!(
            said(&span),
            [
                "gen_ai.evaluation.name tool-selection",
                "gen_ai.evaluation.score.label error",
                "error.type timeout",
            ]
        );
        assert_eq!(span.status, opentelemetry::trace::Status::error("timeout"));
        assert!(of_evaluation(&evaluation(Outcome::Undecidable, None)).is_none());
    }
}
