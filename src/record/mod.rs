//! Completed -> one event and the metrics: the only place that emits.
//!
//! A call opens a [`Page`] before anything else is done with it. Whatever happens then, the page
//! is written once: closed with an outcome or a refusal, or, when it is dropped by a client that
//! went away or by a panic, as what it was.

pub mod content;
mod conventions;
mod drift;
mod error_type;
mod evaluations;
mod event;
mod export;
mod ids;
mod journal;
mod metrics;
mod outgoing;
mod page;
mod rules;
mod shelf;
pub mod span;
mod told;

#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::{HeaderName, HeaderValue};

use crate::baseline::Baselines;
use crate::call::{Caller, Intended, RunEnd, ToolFacts};
use crate::clock::Clock;
use crate::contract::Drift;
use crate::evaluate::Evaluator;
use crate::ledger::{ApprovalChange, EndedRun, RunEnds};

pub use event::{Event, Kind, ObservedRule, UsageTotals};
pub use export::{
    Collector, DropReason, ExportError, Exporter, Parcel, Protocol, SHUTDOWN_TIME, Tally,
};
pub use journal::{Destination, JournalError};
pub use metrics::{Held, ReloadResult};
pub use outgoing::{Kept, Outgoing, RunTold, Sink, Why};
pub use page::Page;
pub use rules::RuleCount;
pub use shelf::Keeping;
pub use told::{Close, Told};

use event::{Hex64, Hex128};
use journal::Journal;
use metrics::Metrics;
use shelf::Shelf;
use told::Digests;

/// Emits events and metrics of one gate.
pub struct Recorder {
    clock: Clock,
    journal: Journal,
    metrics: Metrics,
    sequence: AtomicU64,
    /// Where spans are wanted.
    shelf: Option<Shelf>,
    /// What is usual, where that is learned.
    baselines: OnceLock<Baselines>,
    /// Where runs are judged.
    evaluator: OnceLock<Evaluator>,
}

/// Where spans go, and which.
pub struct Spans {
    pub keeping: Keeping,
    pub sink: Arc<dyn Sink>,
    /// What the sink counts.
    pub tally: Tally,
}

impl Recorder {
    /// Opens the journal and starts its writer.
    ///
    /// # Errors
    /// When the events file cannot be opened for appending.
    pub fn start(clock: Clock, destination: &Destination) -> Result<Arc<Self>, JournalError> {
        Self::with_spans(clock, destination, None)
    }

    /// The same; with `spans`, calls and runs are told of as spans as well.
    ///
    /// # Errors
    /// When the events file cannot be opened for appending.
    pub fn with_spans(
        clock: Clock,
        destination: &Destination,
        spans: Option<Spans>,
    ) -> Result<Arc<Self>, JournalError> {
        let tally = spans.as_ref().map(|spans| spans.tally.clone()).unwrap_or_default();
        Ok(Arc::new(Self {
            clock,
            journal: Journal::start(destination)?,
            metrics: Metrics::new(&tally),
            sequence: AtomicU64::new(0),
            shelf: spans.map(|Spans { keeping, sink, tally: _ }| Shelf::new(keeping, sink)),
            baselines: OnceLock::new(),
            evaluator: OnceLock::new(),
        }))
    }

    /// Makes sure that what the config names is counted under its name.
    pub fn declare(&self, tools: &[ToolFacts], caller: &Caller) {
        self.metrics.declare(tools, caller);
    }

    /// Sends spans with these headers from now on.
    pub fn renew_headers(&self, headers: Vec<(HeaderName, HeaderValue)>) {
        if let Some(shelf) = &self.shelf {
            shelf.sink().renew_headers(headers);
        }
    }

    /// Decides over what has waited for too long. To be called now and then.
    pub fn tend(&self) {
        if let Some(shelf) = &self.shelf {
            shelf.tend(self.clock.now());
        }
    }

    /// Counts a closed call and hands it on.
    fn closed(&self, told: Told, digests: &Digests) {
        self.metrics.closed(&told);
        self.tell_intent(&told, digests);
        let interest = self.learn_call(&told);
        self.evaluate_call(&told, digests);
        if let Some(shelf) = &self.shelf {
            shelf.put(told, interest);
        }
    }

    /// Tells of a forwarded call that the model did not ask for.
    fn tell_intent(&self, told: &Told, digests: &Digests) {
        let Some(intended) = told.known.intended.filter(|_| told.known.sent) else { return };
        if let Some(detail) = Intended::mismatch(intended) {
            self.note(&told.mismatch(digests, detail));
        }
    }

    /// Opens the record of a call. `None` when so many records wait to be written that this
    /// one might be lost: the call must then be refused.
    pub fn open(self: &Arc<Self>, caller: &Caller) -> Option<Page> {
        let slot = self.journal.reserve()?;
        self.metrics.opened();
        let sequence = self.sequence.fetch_add(1, Ordering::Relaxed);
        Some(Page::new(Arc::clone(self), slot, self.clock.now(), sequence, caller.clone()))
    }

    /// Records something that is no call: an approval, a kill switch, a reload, a drift.
    pub fn note(&self, event: &Event<'_>) {
        self.journal.append(event);
    }

    /// Counts a look at the files and, with `detail`, records it. `version` is that of the
    /// policies in force afterwards.
    pub fn reloaded(&self, result: ReloadResult, version: &str, detail: Option<&str>) {
        self.metrics.reloaded(result);
        if detail.is_none() {
            return;
        }
        let status = match result {
            ReloadResult::Ok | ReloadResult::Unchanged => "ok",
            ReloadResult::Invalid => "error",
        };
        self.note(&Event {
            ts_ms: self.clock.now().wall_ms,
            kind: Kind::Reload,
            status: Some(status),
            policy_version: Some(version),
            detail,
            ..Event::default()
        });
    }

    /// Records that a tool is not declared as it was.
    pub fn drifted(&self, drift: &Drift) {
        let from = if drift.from.is_empty() { "nothing declared" } else { &*drift.from };
        let to = if drift.to.is_empty() { "nothing declared" } else { &*drift.to };
        self.note(&Event {
            ts_ms: self.clock.now().wall_ms,
            kind: Kind::Drift,
            tool: Some(&drift.tool),
            tool_version: event::given(&drift.to),
            detail: Some(&format!("from {from} to {to}")),
            ..Event::default()
        });
    }

    /// Records that somebody has looked at a changed definition and takes it over.
    pub fn drift_approved(&self, drift: &Drift, actor: &str) {
        self.note(&Event {
            ts_ms: self.clock.now().wall_ms,
            kind: Kind::Drift,
            tool: Some(&drift.tool),
            tool_version: event::given(&drift.to),
            detail: Some(&format!("approved from {} to {}", drift.from, drift.to)),
            actor: Some(actor),
            ..Event::default()
        });
    }

    /// Whether what is recorded is also being written.
    pub fn is_writing(&self) -> bool {
        self.journal.is_writing()
    }

    /// The metrics in the OpenMetrics text format, or in the classic one.
    pub fn render_metrics(&self, held: &Held, open_metrics: bool) -> String {
        self.metrics.render(held, open_metrics)
    }

    /// How often each rule and limit has acted or would have, since the start, by name. One that
    /// never did is absent.
    pub fn rule_counts(&self) -> Vec<RuleCount> {
        self.metrics.rule_counts()
    }

    /// Calls whose record is open.
    pub fn open_calls(&self) -> i64 {
        self.metrics.in_flight()
    }

    /// Waits until everything recorded so far is written. `false` when `patience` ran out first.
    pub fn flush(&self, patience: Duration) -> bool {
        self.journal.flush(patience)
    }
}

impl RunEnds for Recorder {
    fn run_ended(&self, run: EndedRun) {
        let EndedRun { id, id_source, caller, parent, end, rule, duration, usage, before: _, root } =
            &run;
        let now = self.clock.now();
        let verdict = match end {
            RunEnd::Stopped(_) => Some("stop"),
            RunEnd::Completed | RunEnd::Idle | RunEnd::Evicted | RunEnd::Shutdown => None,
        };
        let event = Event {
            ts_ms: now.wall_ms,
            kind: Kind::Stop,
            run_id: Some(&id.0),
            run_id_source: Some(*id_source),
            trace_id: root.as_ref().map(|root| Hex128(root.context.span().trace())),
            span_id: root.as_ref().map(|root| Hex64(root.context.span().id())),
            parent_span_id: root
                .as_ref()
                .and_then(|root| root.context.parent())
                .map(|parent| Hex64(parent.id())),
            parent_run_id: parent.as_ref().map(|parent| &*parent.0),
            tenant: event::given(&caller.tenant),
            project: event::given(&caller.project),
            user: event::given(&caller.user),
            agent: event::given(&caller.agent),
            duration_ms: Some(event::millis(*duration)),
            upstream_ms: Some(event::millis(Duration::from_micros(usage.upstream_us))),
            verdict,
            rule: rule.as_deref(),
            stop_reason: Some(end.name()),
            usage: Some(UsageTotals::from(usage)),
            ..Event::default()
        };
        self.metrics.run_ended(&run, now);
        self.journal.append(&event);
        let worth = self.learn_run(&run, now);
        self.evaluate_run(&run);
        if let Some(shelf) = &self.shelf {
            shelf.run_ended(run, worth, now);
        }
    }

    fn approval_changed(&self, change: &ApprovalChange) {
        let ApprovalChange { what, record, actor } = change;
        let subject = &record.subject;
        let caller = &subject.caller;
        let args_sha = subject.args.map(|(digest, _)| digest.to_string());
        self.journal.append(&Event {
            ts_ms: self.clock.now().wall_ms,
            kind: Kind::Approval,
            run_id: Some(&subject.run),
            tenant: event::given(&caller.tenant),
            project: event::given(&caller.project),
            user: event::given(&caller.user),
            agent: event::given(&caller.agent),
            tool: Some(&subject.tool),
            method: Some(&subject.method),
            args_sha: args_sha.as_deref(),
            args_bytes: subject.args.map(|(_, bytes)| bytes),
            rule: record.rules.first().map(|rule| &**rule),
            policy_version: event::given(&record.policy_version),
            approval: Some(&record.id),
            detail: Some(what),
            actor: actor.as_deref(),
            ..Event::default()
        });
    }
}
