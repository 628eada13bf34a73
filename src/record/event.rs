//! The event: one schema for calls and stops, one JSON object a line.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::call::{Attempt, Observed, StopReason};
use crate::ledger::Usage;
use crate::policy::amount::Usd;

/// What an event tells of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    #[default]
    Call,
    /// The end of a run, whatever brought it about.
    Stop,
    /// A call waits for a human, or what became of it. With `detail` `cleared unk_…`: an operator has
    /// looked what became of a write, so that it may be tried again.
    Approval,
    /// A kill switch was `engaged` or `lifted`, as `detail` begins, or, with `detail` `stopped run`,
    /// an operator ended one run.
    Kill,
    Reload,
    Drift,
    /// A call was forwarded that the model of its run did not ask for as it was made.
    Intent,
    /// Something was said of a run or of an answer: by a judge under a rubric's name, or by a rule of
    /// `phase: result` that did not hold, as `check/POLICY/RULE`.
    Evaluation,
}

/// One event. Absent fields are left out of the line. Contents never stand here: arguments and
/// results are digests and sizes.
#[derive(Debug, Default, Serialize)]
pub struct Event<'a> {
    /// Milliseconds since the Unix epoch, when the call arrived or the run ended.
    pub ts_ms: i64,
    pub kind: Kind,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_id_source: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step_id: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<Hex128>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub span_id: Option<Hex64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_span_id: Option<Hex64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<&'a str>,
    /// Of a request that no tool takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effect: Option<&'a str>,
    /// Attempts made to reach the tool; absent when none was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// What came of each attempt, when there was more than one: a status, or an error class.
    #[serde(skip_serializing_if = "<[Attempt]>::is_empty")]
    pub attempts: &'a [Attempt],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub args_sha: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub args_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result_sha: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result_bytes: Option<u64>,
    /// Milliseconds from arrival to the end of the answer; of a run, from its first call to its
    /// last sign of life.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<f64>,
    /// Milliseconds spent waiting for the tool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream_ms: Option<f64>,
    /// Microseconds of `duration_ms` that were not spent waiting for the tool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gate_us: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_class: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<&'a str>,
    /// Rules and limits in observe mode that would have acted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rules_observed: Vec<&'a str>,
    /// What each of them would have done.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub observed: Vec<ObservedRule<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_scope: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy_version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<UsageTotals<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_run_id: Option<&'a str>,
    /// The key under which a repetition of the request is the same request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<&'a str>,
    /// The state of the tool's breaker that the call met.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub breaker: Option<&'a str>,
    /// The approval that the call waits for or has used up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval: Option<&'a str>,
    /// Values taken out of the arguments or the result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redacted: Option<u64>,
    /// US dollars.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_input: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_output: Option<u64>,
    /// Of `tokens_input`, those that were read from a cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_cached: Option<u64>,
    /// The provider did not say all of it: what was not known is counted as it was reserved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_estimated: Option<bool>,
    /// Why the model stopped, in its provider's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finish: Option<&'a str>,
    /// The model that answered, or was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<&'a str>,
    /// What the model of the run had to do with the call: `asked`, `never_asked`, `altered` or
    /// `again`. Absent where no model was heard.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub intent: Option<&'a str>,
    /// The provider's id of the tool call that it fulfils, differs from or repeats.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<&'a str>,
    /// The name of an evaluation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evaluation: Option<&'a str>,
    /// What it came to: a label of its rubric's; `error` when no judge answered as asked; `undecidable`
    /// when it needs contents and none are recorded; of a check `fail`, or `error` when it could not
    /// be made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<&'a str>,
    /// The label's score on the rubric's scale; of a check 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// What happened, of kinds that are no call: never contents, never a secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<&'a str>,
    /// What has moved away from what is usual, of a `drift` that no changed definition is: `latency`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<&'a str>,
    /// Who did it, of kinds that an operator brings about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<&'a str>,
}

/// A trace's id: 32 lower-case hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hex128(pub u128);

/// A span's id: 16 lower-case hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hex64(pub u64);

impl Serialize for Hex128 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:032x}", self.0))
    }
}

impl Serialize for Hex64 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:016x}", self.0))
    }
}

/// What a rule or limit in observe mode would have done.
#[derive(Debug, Serialize)]
pub struct ObservedRule<'a> {
    pub rule: &'a str,
    pub verdict: &'a str,
    /// Why it would have refused. `rule_error`: it could not be evaluated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_reason: Option<&'a str>,
}

impl<'a> From<&'a Observed> for ObservedRule<'a> {
    fn from(observed: &'a Observed) -> Self {
        Self {
            rule: &observed.rule,
            verdict: observed.verdict.name(),
            stop_reason: observed.stop_reason().map(StopReason::name),
        }
    }
}

/// Totals of a run, on its stop event.
#[derive(Debug, Serialize)]
pub struct UsageTotals<'a> {
    pub steps: u64,
    pub calls: u64,
    pub ok: u64,
    pub errors: u64,
    pub denials: u64,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub denials_by_rule: &'a BTreeMap<Arc<str>, u64>,
    /// US dollars; absent when nothing cost anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<f64>,
    /// Absent when none were used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
}

impl<'a> From<&'a Usage> for UsageTotals<'a> {
    fn from(usage: &'a Usage) -> Self {
        Self {
            steps: usage.steps,
            calls: usage.calls,
            ok: usage.ok,
            errors: usage.errors,
            denials: usage.denials,
            denials_by_rule: &usage.denials_by_rule,
            cost_usd: (usage.cost_usd > Usd::ZERO).then(|| usage.cost_usd.dollars()),
            tokens: (usage.tokens > 0).then_some(usage.tokens),
        }
    }
}

/// Text that was configured, or nothing.
pub(super) fn given(text: &str) -> Option<&str> {
    if text.is_empty() { None } else { Some(text) }
}

/// Milliseconds with three decimals.
pub(super) fn millis(duration: Duration) -> f64 {
    let micros = u32::try_from(duration.as_micros())
        .map_or_else(|_| duration.as_secs_f64() * 1e6, f64::from);
    micros.round() / 1e3
}
