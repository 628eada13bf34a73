//! A closed call: what its event, its metrics and its span are made of.

use std::sync::Arc;
use std::time::Duration;

use crate::call::{
    Attempt, Caller, Contents, Counted, ErrorClass, Intended, Known, Outcome, RetryScope, Status,
    StopReason, Tokens, Verdict,
};
use crate::clock::Now;
use crate::json::Digest;
use crate::record::event::{self, Event, Hex64, Hex128, Kind};

/// A closed call, owned, so that it can wait until its run is told of.
#[derive(Debug)]
pub struct Told {
    /// `dec_` and 26 characters; sorts by time.
    pub call_id: String,
    pub caller: Caller,
    /// When the call arrived.
    pub opened: Now,
    /// When the last of its answer was about to leave, or it ended otherwise.
    pub ended: Now,
    pub known: Known,
    pub close: Close,
}

/// How a call ended.
#[derive(Clone, Debug)]
pub struct Close {
    pub outcome: Outcome,
    /// Absent when none was reached.
    pub verdict: Option<Verdict>,
    /// `policy/rule` or the limit's id that the verdict is by.
    pub rule: Option<Arc<str>>,
    pub stop_reason: Option<StopReason>,
    pub retry_scope: Option<RetryScope>,
    /// Digest and size in bytes of the result.
    pub result: Option<(Digest, u64)>,
    /// Time spent waiting for the tool.
    pub upstream: Duration,
    /// Attempts to reach the tool; absent when none was made.
    pub attempts: Option<u32>,
    /// US dollars.
    pub cost_usd: Option<f64>,
    pub tokens: Option<Tokens>,
}

/// Digests as events show them.
pub(super) struct Digests {
    args: Option<String>,
    result: Option<String>,
}

impl Digests {
    /// Of the arguments.
    pub fn args(&self) -> Option<&str> {
        self.args.as_deref()
    }

    /// Of the result.
    pub fn result(&self) -> Option<&str> {
        self.result.as_deref()
    }
}

impl Told {
    /// From its arrival to the end of its answer.
    pub fn duration(&self) -> Duration {
        self.ended.since(self.opened.mono)
    }

    /// Of its duration, what was not spent waiting for the tool.
    pub fn gate(&self) -> Duration {
        self.duration().saturating_sub(self.close.upstream)
    }

    /// Whether the tool was asked.
    pub fn was_forwarded(&self) -> bool {
        self.close.attempts.is_some()
    }

    /// What it takes of memory, in bytes; what is shared with others is not counted.
    pub fn weight_bytes(&self) -> usize {
        let Known { method, path, observed, budgets, redacted_by, .. } = &self.known;
        let text = method.len().saturating_add(path.as_ref().map_or(0, String::len));
        let lists = size_of_val(&**observed)
            .saturating_add(size_of_val(&**budgets))
            .saturating_add(size_of_val(&**redacted_by));
        let own = size_of::<Self>().saturating_add(self.call_id.len());
        let contents = self.known.particulars.contents.as_deref();
        let contents = contents.map_or(0, Contents::weight_bytes);
        own.saturating_add(text).saturating_add(lists).saturating_add(contents)
    }

    pub(super) fn digests(&self) -> Digests {
        Digests {
            args: self.known.args.map(|(digest, _)| digest.to_string()),
            result: self.close.result.map(|(digest, _)| digest.to_string()),
        }
    }

    /// The event of the call.
    pub(super) fn event<'a>(&'a self, digests: &'a Digests) -> Event<'a> {
        let Close { outcome, verdict, rule, stop_reason, retry_scope, .. } = &self.close;
        let Close { result, upstream, attempts, cost_usd, tokens, .. } = &self.close;
        let known = &self.known;
        let estimated = |tokens: &Tokens| (tokens.known == Counted::Estimated).then_some(true);
        Event {
            kind: Kind::Call,
            parent_run_id: known.parent_run.as_ref().map(|id| &*id.0),
            parent_span_id: self.parent_span_id(),
            method: event::given(&known.method),
            path: known.path.as_deref(),
            effect: known.tool.as_deref().map(|tool| tool.effect.name()),
            tool_version: known.tool.as_deref().and_then(|tool| event::given(&tool.version)),
            attempt: *attempts,
            result_sha: digests.result.as_deref(),
            result_bytes: result.map(|(_, bytes)| bytes),
            duration_ms: Some(event::millis(self.duration())),
            upstream_ms: attempts.map(|_| event::millis(*upstream)),
            gate_us: Some(u64::try_from(self.gate().as_micros()).unwrap_or(u64::MAX)),
            status: Some(outcome.status.name()),
            error_class: outcome.error_class.map(ErrorClass::name),
            http_status: outcome.http_status,
            verdict: verdict.map(Verdict::name),
            rule: rule.as_deref(),
            rules_observed: known.observed.iter().map(|observed| &*observed.rule).collect(),
            observed: known.observed.iter().map(Into::into).collect(),
            stop_reason: stop_reason.map(StopReason::name),
            retry_scope: retry_scope.map(RetryScope::name),
            policy_version: event::given(&known.policy_version),
            idempotency_key: known.idempotency_key.as_deref(),
            breaker: known.breaker,
            attempts: self.several_attempts(),
            approval: known.approval.as_deref(),
            redacted: (known.redacted > 0).then_some(known.redacted),
            cost_usd: *cost_usd,
            model: known.model.as_deref(),
            tokens_input: tokens.map(|tokens| tokens.input),
            tokens_output: tokens.map(|tokens| tokens.output),
            tokens_cached: tokens.map(|tokens| tokens.cached),
            tokens_estimated: tokens.as_ref().and_then(estimated),
            finish: known.finish.as_deref(),
            ..self.placed(digests)
        }
    }

    /// The event of a call that the model of its run did not ask for as it was made.
    pub(super) fn mismatch<'a>(&'a self, digests: &'a Digests, detail: &'a str) -> Event<'a> {
        Event { kind: Kind::Intent, detail: Some(detail), ..self.placed(digests) }
    }

    /// The event of a check that its answer did not pass.
    pub(super) fn checked<'a>(
        &'a self,
        digests: &'a Digests,
        name: &'a str,
        label: &'a str,
        score: Option<f64>,
    ) -> Event<'a> {
        let evaluation = Some(name);
        let label = Some(label);
        Event { kind: Kind::Evaluation, evaluation, label, score, ..self.placed(digests) }
    }

    /// What all events of a call say: whose it is, what it is, and where it stands.
    fn placed<'a>(&'a self, digests: &'a Digests) -> Event<'a> {
        let Self { known, caller, .. } = self;
        let span = known.trace.as_ref().map(|trace| trace.span());
        Event {
            ts_ms: self.opened.wall_ms,
            run_id: known.run.as_ref().map(|(id, _)| &*id.0),
            run_id_source: known.run.as_ref().map(|(_, source)| *source),
            step_id: known.step,
            call_id: Some(&self.call_id),
            trace_id: span.map(|span| Hex128(span.trace())),
            span_id: span.map(|span| Hex64(span.id())),
            tenant: event::given(&caller.tenant),
            project: event::given(&caller.project),
            user: event::given(&caller.user),
            agent: event::given(&caller.agent),
            tool: known.tool.as_deref().map(|tool| &*tool.name),
            protocol: Some(known.language.name()),
            args_sha: digests.args.as_deref(),
            args_bytes: known.args.map(|(_, bytes)| bytes),
            intent: known.intended.map(Intended::name),
            tool_call_id: known.tool_call_id.as_deref(),
            ..Event::default()
        }
    }

    fn parent_span_id(&self) -> Option<Hex64> {
        let parent = self.known.trace.as_ref()?.parent()?;
        Some(Hex64(parent.id()))
    }

    fn several_attempts(&self) -> &[Attempt] {
        if self.known.attempts.len() > 1 { &self.known.attempts } else { &[] }
    }

    /// Whether it ended its run, or came when that had ended: the end is told of before the call is.
    pub(super) fn is_beyond_the_end(&self) -> bool {
        self.close.verdict == Some(Verdict::Stop)
            || self.close.stop_reason == Some(StopReason::RunStopped)
    }

    /// Whether its run is worth keeping for this call alone, and why.
    pub(super) fn interest(&self) -> Interest {
        match (self.close.outcome.status, self.close.outcome.error_class) {
            (Status::Denied, _) => Interest::Denied,
            (Status::Ok, None) => Interest::Ordinary,
            (
                Status::Ok | Status::Error | Status::Timeout | Status::Cancelled | Status::Unknown,
                _,
            ) => Interest::Failed,
        }
    }
}

/// Whether a call makes its run worth keeping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interest {
    Ordinary,
    /// It was refused, or its result withheld.
    Denied,
    /// It ended in another way than well.
    Failed,
    /// It took far longer than calls of its tool do.
    Outlier,
}
