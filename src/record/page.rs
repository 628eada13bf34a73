//! The one record of a call, open from its arrival to its end.

use std::sync::Arc;
use std::time::Duration;

use crate::call::{
    Caller, Counted, Ending, ErrorClass, Intended, Known, Language, Outcome, Refusal, RetryScope,
    Status, StopReason, Tokens, Verdict,
};
use crate::clock::Now;
use crate::json::Digest;
use crate::record::event::{self, Event, Kind};
use crate::record::journal::Slot;
use crate::record::metrics::{Asked, Observation};
use crate::record::{Recorder, ids};
use crate::weaken::Hole;

/// The open record. Dropped without being closed, it says that the client went away, or that a
/// task panicked.
pub struct Page {
    recorder: Arc<Recorder>,
    slot: Option<Slot>,
    opened: Now,
    call_id: String,
    caller: Caller,
    /// What is known so far.
    pub known: Known,
}

/// What the last line of a record says.
struct Close<'a> {
    outcome: Outcome,
    /// Absent when none was reached.
    verdict: Option<Verdict>,
    rule: Option<&'a str>,
    stop_reason: Option<StopReason>,
    retry_scope: Option<RetryScope>,
    result: Option<(Digest, u64)>,
    upstream: Duration,
    attempts: Option<u32>,
    cost_usd: Option<f64>,
    tokens: Option<Tokens>,
}

impl Page {
    pub(super) fn new(
        recorder: Arc<Recorder>,
        slot: Slot,
        opened: Now,
        sequence: u64,
        caller: Caller,
    ) -> Self {
        let call_id = ids::call_id(opened.wall_ms, sequence);
        Self { recorder, slot: Some(slot), opened, call_id, caller, known: Known::default() }
    }

    /// `dec_` and 26 characters; sorts by time.
    pub fn call_id(&self) -> &str {
        &self.call_id
    }

    /// When the call arrived.
    pub fn opened(&self) -> Now {
        self.opened
    }

    /// Closes the record of a refused call.
    pub fn refused(mut self, refusal: &Refusal) {
        let outcome = Outcome {
            status: Status::Denied,
            error_class: Some(ErrorClass::of_refusal(refusal.reason)),
            http_status: None,
        };
        self.close(&Close {
            outcome,
            verdict: Some(refusal.verdict()),
            rule: refusal.rule.as_deref(),
            stop_reason: Some(refusal.reason),
            retry_scope: Some(refusal.retry_scope()),
            result: None,
            upstream: Duration::ZERO,
            attempts: None,
            cost_usd: None,
            tokens: None,
        });
    }

    /// Closes the record of a call that took place and whose result the agent did not get.
    pub fn withheld(mut self, refusal: &Refusal, ending: &Ending) {
        self.note_bill(ending.cost_usd, ending.tokens);
        let Ending { outcome, result, upstream, attempts, cost_usd, tokens } = *ending;
        let outcome = Outcome {
            status: Status::Denied,
            error_class: Some(ErrorClass::of_refusal(refusal.reason)),
            http_status: outcome.http_status,
        };
        self.close(&Close {
            outcome,
            verdict: Some(refusal.verdict()),
            rule: refusal.rule.as_deref(),
            stop_reason: Some(refusal.reason),
            retry_scope: Some(refusal.retry_scope()),
            // Of a result that was not read to its end there is no digest.
            result: result.filter(|_| refusal.reason != StopReason::ResultTooLarge),
            upstream,
            attempts: Some(attempts),
            cost_usd,
            tokens,
        });
    }

    /// Closes the record of a forwarded call.
    pub fn ended(mut self, ending: &Ending) {
        let Ending { outcome, result, upstream, attempts, cost_usd, tokens } = *ending;
        let warned_by = self.known.warned_by.clone();
        self.note_bill(ending.cost_usd, ending.tokens);
        self.close(&Close {
            outcome,
            verdict: Some(passed(warned_by.as_deref())),
            rule: warned_by.as_deref(),
            stop_reason: None,
            retry_scope: None,
            result,
            upstream,
            attempts: Some(attempts),
            cost_usd,
            tokens,
        });
    }

    /// Counts what the call cost and what a model used for it.
    fn note_bill(&self, cost_usd: Option<f64>, tokens: Option<Tokens>) {
        let metrics = &self.recorder.metrics;
        let model = self.known.model.as_deref();
        metrics.call_cost(&self.caller, model.unwrap_or_default(), cost_usd);
        if let (Some(tokens), Language::Llm(message)) = (tokens, &self.known.language) {
            let operation = self.known.tool.as_deref().map_or("", |tool| &*tool.operation);
            let asked = Asked { operation, provider: message.provider, model };
            metrics.tokens(asked, tokens);
        }
    }

    /// Attempts of a call that did not come to its end: those that failed, and the one under way.
    fn attempts_made(&self) -> u32 {
        u32::try_from(self.known.attempts.len()).unwrap_or(u32::MAX).max(1)
    }

    fn close(&mut self, close: &Close<'_>) {
        let Some(slot) = self.slot.take() else { return };
        let now = self.recorder.clock.now();
        let duration = now.since(self.opened.mono);
        let gate = duration.saturating_sub(close.upstream);
        let known = &self.known;
        let args_sha = known.args.map(|(digest, _)| digest.to_string());
        let result_sha = close.result.map(|(digest, _)| digest.to_string());
        let tool = known.tool.as_deref();
        slot.fill(&Event {
            ts_ms: self.opened.wall_ms,
            kind: Kind::Call,
            run_id: known.run.as_ref().map(|(id, _)| &*id.0),
            run_id_source: known.run.as_ref().map(|(_, source)| *source),
            parent_run_id: known.parent_run.as_ref().map(|id| &*id.0),
            step_id: known.step,
            call_id: Some(&self.call_id),
            trace_id: event::given(&known.trace_id),
            span_id: event::given(&known.span_id),
            parent_span_id: event::given(&known.parent_span_id),
            tenant: event::given(&self.caller.tenant),
            project: event::given(&self.caller.project),
            user: event::given(&self.caller.user),
            agent: event::given(&self.caller.agent),
            tool: tool.map(|tool| &*tool.name),
            tool_version: tool.and_then(|tool| event::given(&tool.version)),
            protocol: Some(known.language.name()),
            method: event::given(&known.method),
            path: known.path.as_deref(),
            effect: tool.map(|tool| tool.effect.name()),
            attempt: close.attempts,
            args_sha: args_sha.as_deref(),
            args_bytes: known.args.map(|(_, bytes)| bytes),
            result_sha: result_sha.as_deref(),
            result_bytes: close.result.map(|(_, bytes)| bytes),
            duration_ms: Some(event::millis(duration)),
            upstream_ms: close.attempts.map(|_| event::millis(close.upstream)),
            gate_us: Some(u64::try_from(gate.as_micros()).unwrap_or(u64::MAX)),
            status: Some(close.outcome.status.name()),
            error_class: close.outcome.error_class.map(ErrorClass::name),
            http_status: close.outcome.http_status,
            verdict: close.verdict.map(Verdict::name),
            rule: close.rule,
            rules_observed: known.observed.iter().map(|observed| &*observed.rule).collect(),
            observed: known.observed.iter().map(Into::into).collect(),
            stop_reason: close.stop_reason.map(StopReason::name),
            retry_scope: close.retry_scope.map(RetryScope::name),
            policy_version: event::given(&known.policy_version),
            idempotency_key: known.idempotency_key.as_deref(),
            breaker: known.breaker,
            attempts: if known.attempts.len() > 1 { &known.attempts } else { &[] },
            approval: known.approval.as_deref(),
            redacted: (known.redacted > 0).then_some(known.redacted),
            cost_usd: close.cost_usd,
            model: known.model.as_deref(),
            tokens_input: close.tokens.map(|tokens| tokens.input),
            tokens_output: close.tokens.map(|tokens| tokens.output),
            tokens_cached: close.tokens.map(|tokens| tokens.cached),
            intent: known.intended.map(Intended::name),
            tool_call_id: known.tool_call_id.as_deref(),
            tokens_estimated: close
                .tokens
                .and_then(|tokens| (tokens.known == Counted::Estimated).then_some(true)),
            finish: known.finish.as_deref(),
            ..Event::default()
        });
        self.count(close, duration, gate);
        self.tell_intent(args_sha.as_deref());
    }

    /// Counts a forwarded call by what the model had to do with it, and tells of one that it did not
    /// ask for.
    fn tell_intent(&self, args_sha: Option<&str>) {
        let known = &self.known;
        let Some(intended) = known.intended.filter(|_| known.sent) else { return };
        self.recorder.metrics.executed(intended.name());
        let Some(detail) = intended.mismatch() else { return };
        self.recorder.note(&Event {
            ts_ms: self.opened.wall_ms,
            kind: Kind::Intent,
            run_id: known.run.as_ref().map(|(id, _)| &*id.0),
            run_id_source: known.run.as_ref().map(|(_, source)| *source),
            step_id: known.step,
            call_id: Some(&self.call_id),
            trace_id: event::given(&known.trace_id),
            span_id: event::given(&known.span_id),
            tenant: event::given(&self.caller.tenant),
            project: event::given(&self.caller.project),
            user: event::given(&self.caller.user),
            agent: event::given(&self.caller.agent),
            tool: known.tool.as_deref().map(|tool| &*tool.name),
            protocol: Some(known.language.name()),
            args_sha,
            args_bytes: known.args.map(|(_, bytes)| bytes),
            intent: Some(intended.name()),
            tool_call_id: known.tool_call_id.as_deref(),
            detail: Some(detail),
            ..Event::default()
        });
    }

    fn count(&self, close: &Close<'_>, duration: Duration, gate: Duration) {
        let known = &self.known;
        self.recorder.metrics.closed(&Observation {
            verdict: close.verdict,
            rule: close.rule.unwrap_or_default(),
            stop_reason: close.stop_reason,
            observed: &known.observed,
            redacted: &known.redacted_by,
            forwarded: match (close.attempts, known.tool.as_deref()) {
                (Some(_), Some(tool)) => Some((&tool.name, &self.caller.agent, duration)),
                (Some(_), None) | (None, _) => None,
            },
            error_class: close.outcome.error_class,
            gate,
        });
    }
}

/// The verdict over a call that was let pass.
fn passed(warned_by: Option<&str>) -> Verdict {
    if warned_by.is_some() { Verdict::Warn } else { Verdict::Allow }
}

impl Drop for Page {
    fn drop(&mut self) {
        if self.slot.is_none() || Hole::LoseAborted.is_open() {
            return;
        }
        let changes = self.known.tool.as_ref().is_some_and(|tool| tool.effect.changes());
        let (status, class) = if std::thread::panicking() {
            (Status::Error, ErrorClass::Internal)
        } else if self.known.sent && changes {
            (Status::Unknown, ErrorClass::Cancelled)
        } else {
            (Status::Cancelled, ErrorClass::Cancelled)
        };
        let outcome = Outcome { status, error_class: Some(class), http_status: None };
        let warned_by = self.known.warned_by.clone();
        // What it held was charged in full when it was dropped.
        let unanswered = self.known.unanswered.filter(|_| self.known.sent);
        let (cost_usd, tokens) =
            unanswered.map_or((None, None), |(cost, tokens)| (cost, Some(tokens)));
        self.note_bill(cost_usd, tokens);
        self.close(&Close {
            outcome,
            verdict: self.known.sent.then(|| passed(warned_by.as_deref())),
            rule: warned_by.as_deref(),
            stop_reason: None,
            retry_scope: None,
            result: None,
            upstream: Duration::ZERO,
            attempts: self.known.sent.then_some(self.attempts_made()),
            cost_usd,
            tokens,
        });
    }
}
