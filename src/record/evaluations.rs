//! What was said of runs and of answers: an event and a count each; of runs, a span as well.

use std::sync::Arc;
use std::time::Duration;

use crate::call::{Contents, ErrorClass, Intended, StopReason, Tokens, Verdict};
use crate::evaluate::{
    self, Ending, Evaluation, Evaluations, Evaluator, Outcome, Shown, Step, Whose,
};
use crate::ledger::EndedRun;
use crate::record::Recorder;
use crate::record::content;
use crate::record::event::{self, Event, Hex64, Hex128, Kind};
use crate::record::outgoing::Outgoing;
use crate::record::told::{Digests, Told};

/// The label of an evaluation that did not come about.
const FAILED: &str = "error";
/// The label of one that cannot be made without contents.
const UNDECIDABLE: &str = "undecidable";
/// The label under which runs are counted that were chosen and not evaluated.
const SKIPPED: &str = "skipped";

/// Longest name of a model that is shown, in bytes; agents may write what they like.
const MODEL_LIMIT_BYTES: usize = 128;

impl Recorder {
    /// From now on runs are evaluated. Of several evaluators the first stays.
    pub fn evaluate_with(&self, evaluator: Evaluator) {
        let _ = self.evaluator.set(evaluator);
    }

    /// Counts and records the checks that an answer did not pass, and shows its call to whoever judges
    /// the run.
    pub(super) fn evaluate_call(&self, told: &Told, digests: &Digests) {
        for check in &told.known.failed_checks {
            let (name, label) = (check.name(), check.how.name());
            self.metrics.evaluated(&name, label);
            self.note(&told.checked(digests, &name, label, check.how.score()));
        }
        if let (Some(evaluator), Some((run, _))) = (self.evaluator.get(), &told.known.run)
            && !told.known.tool.as_ref().is_some_and(|tool| tool.is_protocol())
        {
            evaluator.step(run, step(told, digests));
        }
    }

    /// A run that has ended is judged, if it is chosen.
    pub(super) fn evaluate_run(&self, run: &EndedRun) {
        let Some(evaluator) = self.evaluator.get() else { return };
        let EndedRun { id, id_source, caller, end, rule, duration, usage, root, .. } = run;
        let ending = Ending {
            end: *end,
            rule: rule.clone(),
            duration: *duration,
            calls: usage.calls,
            errors: usage.errors,
            denials: usage.denials,
            cost_usd: usage.cost_usd.dollars(),
            tokens: usage.tokens,
        };
        let root = root.as_ref().map(|root| root.context.span());
        evaluator.run_ended(ending, Whose { run: id, id_source, caller, root });
    }
}

impl Evaluations for Recorder {
    fn evaluated(&self, mut evaluation: Evaluation) {
        if let Outcome::Graded { explanation, .. } = &mut evaluation.outcome
            && !explanation.is_empty()
        {
            // The judge may repeat what it was shown, and what it makes of it is nobody's to trust.
            *explanation = content::redact(explanation).into_owned();
        }
        let Evaluation { name, outcome, about, begun, took } = &evaluation;
        let failure;
        let (label, score, detail) = match outcome {
            Outcome::Graded { label, score, .. } => (&**label, Some(*score), about.chosen.detail()),
            Outcome::Undecidable => (UNDECIDABLE, None, about.chosen.detail()),
            Outcome::Failed(why) => {
                failure = why.to_string();
                (FAILED, None, failure.as_str())
            }
        };
        self.metrics.evaluated(name, label);
        self.note(&Event {
            ts_ms: begun.wall_ms,
            duration_ms: Some(event::millis(*took)),
            kind: Kind::Evaluation,
            run_id: Some(&about.run.0),
            run_id_source: Some(about.id_source),
            call_id: about.call_id.as_deref(),
            trace_id: about.trace.map(|span| Hex128(span.trace())),
            span_id: about.trace.map(|span| Hex64(span.id())),
            tenant: event::given(&about.caller.tenant),
            project: event::given(&about.caller.project),
            user: event::given(&about.caller.user),
            agent: event::given(&about.caller.agent),
            evaluation: Some(name),
            label: Some(label),
            score,
            detail: Some(detail),
            ..Event::default()
        });
        if let Some(shelf) = &self.shelf {
            shelf.tell(Outgoing::Evaluation(Box::new(evaluation)));
        }
    }

    fn skipped(&self, name: &Arc<str>) {
        self.metrics.evaluated(name, SKIPPED);
    }
}

/// What of a call a judge may be shown.
fn step(told: &Told, digests: &Digests) -> Step {
    let Told { known, close, .. } = told;
    let ended_run = close.verdict == Some(Verdict::Stop);
    let contents = known.particulars.contents.as_deref();
    Step {
        call_id: told.call_id.clone(),
        trace: known.trace.as_ref().map(|trace| trace.span()),
        status: close.outcome.status,
        after_the_stop: ended_run || close.stop_reason == Some(StopReason::RunStopped),
        shown: Shown {
            step: known.step,
            tool: known.tool.as_ref().map(|tool| tool.name.clone()),
            protocol: known.language.name(),
            model: known.model.clone().filter(|model| model.len() <= MODEL_LIMIT_BYTES),
            status: close.outcome.status.name(),
            error_class: close.outcome.error_class.map(ErrorClass::name),
            http_status: close.outcome.http_status,
            verdict: close.verdict.map(Verdict::name),
            rule: close.rule.clone(),
            stop_reason: close.stop_reason.map(StopReason::name),
            intent: known.intended.map(Intended::name),
            duration_ms: millis(told.duration()),
            cost_usd: close.cost_usd,
            tokens: close.tokens.map(Tokens::total),
            args_bytes: known.args.map(|(_, bytes)| bytes),
            args_sha: digests.args().map(str::to_owned),
            result_bytes: close.result.map(|(_, bytes)| bytes),
            result_sha: digests.result().map(str::to_owned),
            args: contents.and_then(given),
            result: contents.and_then(answered),
        },
    }
}

/// What a call was made with, where that is recorded: of a model what it was told.
fn given(contents: &Contents) -> Option<String> {
    let plain = contents.input.as_ref().map(|content| content.text.as_str());
    contents.input_messages.as_deref().or(plain).map(evaluate::shown)
}

/// What was answered, where that is recorded.
fn answered(contents: &Contents) -> Option<String> {
    let plain = contents.output.as_ref().map(|content| content.text.as_str());
    contents.output_messages.as_deref().or(plain).map(evaluate::shown)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
