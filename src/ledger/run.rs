//! What is remembered of one live run.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;

use crate::call::{Caller, RunEnd, RunId, Status, StopReason};
use crate::clock::Now;
use crate::ledger::ApprovalChange;
use crate::ledger::draw::Sizes;
use crate::ledger::keys::Shared;
use crate::ledger::root::{Root, RunSpan};
use crate::ledger::scope::Scope;
use crate::ledger::stops::Stop;
use crate::ledger::work::{Models, Work};
use crate::policy::amount::Usd;
use crate::policy::history::History;
use crate::policy::view::{Labels, RunView};
use crate::weaken::Hole;

/// Totals of a run, for its stop event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Calls asked for, refused ones included.
    pub steps: u64,
    /// Calls admitted.
    pub calls: u64,
    /// Of `calls`, those to tools.
    pub tool_calls: u64,
    /// Of `calls`, those for which a model was to answer.
    pub inferences: u64,
    /// Those models.
    pub models: Models,
    pub ok: u64,
    /// Admitted calls that ended in any other way.
    pub errors: u64,
    pub denials: u64,
    /// Denials by rule or, where no rule was involved, by stop reason.
    pub denials_by_rule: BTreeMap<Arc<str>, u64>,
    /// Time spent waiting for tools, in microseconds.
    pub upstream_us: u64,
    /// What the ended calls cost, as far as that is known.
    pub cost_usd: Usd,
    /// Tokens that the ended calls used.
    pub tokens: u64,
}

/// A run that has come to its end.
#[derive(Clone, Debug)]
pub struct EndedRun {
    pub id: RunId,
    pub id_source: &'static str,
    pub caller: Caller,
    pub end: RunEnd,
    /// The rule or limit that stopped it.
    pub rule: Option<Arc<str>>,
    /// The run that made it, if one did.
    pub parent: Option<RunId>,
    /// From the first call to the last sign of life.
    pub duration: Duration,
    /// Since the run began.
    pub usage: Usage,
    /// What of it was reported with an earlier end, after which the run went on.
    pub before: Option<Usage>,
    /// The span that calls without a place in a trace are below; absent when there was none.
    pub root: Option<RunSpan>,
}

/// What a run did since an earlier end of it was reported; all of it, of most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unreported {
    pub calls: u64,
    pub tool_calls: u64,
    pub inferences: u64,
    pub errors: u64,
    pub denials: u64,
    pub cost_usd: Usd,
    pub tokens: u64,
}

impl Usage {
    /// Counts an admitted call.
    pub(super) fn admit(&mut self, work: &Work) {
        self.calls = self.calls.saturating_add(1);
        match work {
            Work::Tool => self.tool_calls = self.tool_calls.saturating_add(1),
            Work::Inference(model) => {
                self.inferences = self.inferences.saturating_add(1);
                if let Some(model) = model {
                    self.models.ask(model);
                }
            }
            Work::Lookup => {}
        }
    }

    /// Takes back an admitted call that was refused after all.
    pub(super) fn withdraw(&mut self, work: &Work) {
        self.calls = self.calls.saturating_sub(1);
        match work {
            Work::Tool => self.tool_calls = self.tool_calls.saturating_sub(1),
            Work::Inference(_) => self.inferences = self.inferences.saturating_sub(1),
            Work::Lookup => {}
        }
    }
}

impl EndedRun {
    /// What has not been counted with an earlier end.
    pub fn unreported(&self) -> Unreported {
        let nothing = Usage::default();
        let (usage, before) = (&self.usage, self.before.as_ref().unwrap_or(&nothing));
        let cost = usage.cost_usd.nanos().saturating_sub(before.cost_usd.nanos());
        Unreported {
            calls: usage.calls.saturating_sub(before.calls),
            tool_calls: usage.tool_calls.saturating_sub(before.tool_calls),
            inferences: usage.inferences.saturating_sub(before.inferences),
            errors: usage.errors.saturating_sub(before.errors),
            denials: usage.denials.saturating_sub(before.denials),
            cost_usd: Usd::from_nanos(cost),
            tokens: usage.tokens.saturating_sub(before.tokens),
        }
    }
}

/// Told of every run's end, once a run; of one that was completed and goes on, once more at its next
/// end.
pub trait RunEnds: Send + Sync {
    fn run_ended(&self, run: EndedRun);

    /// Told of everything that becomes of approvals.
    fn approval_changed(&self, _change: &ApprovalChange) {}
}

/// A run's fixed facts and its state behind a lock that is never held across an await.
#[derive(Debug)]
pub(super) struct RunCell {
    pub id: RunId,
    pub id_source: &'static str,
    pub caller: Caller,
    pub wider: WiderScopes,
    pub state: Mutex<RunState>,
}

/// The scopes beyond the run that its limits draw on, each looked up once: a run's caller never
/// changes, and a scope that is held is not forgotten.
#[derive(Debug, Default)]
pub(super) struct WiderScopes {
    pub agent: OnceLock<Arc<Shared>>,
    pub user: OnceLock<Arc<Shared>>,
    pub project: OnceLock<Arc<Shared>>,
    pub tenant: OnceLock<Arc<Shared>>,
    pub global: OnceLock<Arc<Shared>>,
}

#[derive(Debug)]
pub(super) struct RunState {
    pub started: Duration,
    /// When it began, or went on after it was reported as completed.
    pub stretch: Now,
    pub last_seen: Duration,
    /// Calls in the gate right now; a run with any is neither swept nor evicted.
    pub active: u32,
    /// Those among them that an agent makes of its own accord.
    pub working: u32,
    /// What it was labelled with when it was made; none when it began with its first call.
    pub labels: Labels,
    pub scope: Scope,
    pub history: History,
    pub usage: Usage,
    pub stopped: Option<Stop>,
    /// When the model last answered for good, or a call ended that had begun before; `None` when one
    /// came since (`Now::mono`).
    pub answered: Option<Duration>,
    /// INVARIANT: set by whoever reports the end, under the same lock.
    pub reported: Reported,
    /// The run's span, once there is something below it.
    pub root: Option<Root>,
    /// Taken out of the ledger: a late arrival must look the run up again.
    pub removed: bool,
}

/// Whether the end of a run has been reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reported {
    /// Not since it last went on; with what it had used when it did, if it ever did.
    No(Option<Usage>),
    /// As completed, having used so much: its memory stays until it was idle, and a call reopens it.
    Completed(Usage),
    /// Nothing more is reported of it.
    Finally,
}

/// A denial about to be noted.
pub(super) struct DenialNote<'a> {
    pub key: &'a Arc<str>,
    pub stop: Option<(StopReason, Option<Arc<str>>)>,
}

impl RunCell {
    /// A run without calls. `stopped`: it was stopped in an earlier life, whose end was reported.
    pub fn new(
        id: RunId,
        id_source: &'static str,
        caller: Caller,
        stopped: Option<Stop>,
        now: Now,
    ) -> Self {
        let state = RunState {
            started: now.mono,
            stretch: now,
            last_seen: now.mono,
            active: 0,
            working: 0,
            labels: Labels::new(),
            scope: Scope::new(now.mono),
            history: History::default(),
            usage: Usage::default(),
            answered: None,
            reported: if stopped.is_some() { Reported::Finally } else { Reported::No(None) },
            stopped,
            root: None,
            removed: false,
        };
        let wider = WiderScopes::default();
        Self { id, id_source, caller, wider, state: Mutex::new(state) }
    }

    /// The run's end report, if it is due: stopped, completed or removed, nothing in flight, not yet
    /// reported. A run that was reported as completed is reported again only when it was stopped, or
    /// when it has gone on since.
    pub fn take_end(&self, state: &mut RunState, why: Option<RunEnd>) -> Option<EndedRun> {
        if state.working > 0 {
            return None;
        }
        let before = match (&state.reported, &state.stopped) {
            (Reported::Finally, _) | (Reported::Completed(_), None) => return None,
            (Reported::No(before), _) => before.clone(),
            (Reported::Completed(before), Some(_)) => Some(before.clone()),
        };
        let (end, rule) = match (&state.stopped, why) {
            (Some((reason, rule)), _) => (RunEnd::Stopped(*reason), rule.clone()),
            // However it comes to be forgotten, its model had said the last word.
            (None, Some(_)) if state.answered.is_some() => (RunEnd::Completed, None),
            (None, Some(end)) => (end, None),
            (None, None) => return None,
        };
        state.reported = match end {
            RunEnd::Completed => Reported::Completed(state.usage.clone()),
            RunEnd::Stopped(_) | RunEnd::Idle | RunEnd::Evicted | RunEnd::Shutdown => {
                Reported::Finally
            }
        };
        Some(EndedRun {
            id: self.id.clone(),
            id_source: self.id_source,
            caller: self.caller.clone(),
            parent: None,
            end,
            rule,
            duration: state.last_seen.saturating_sub(state.started),
            usage: state.usage.clone(),
            before,
            root: state.span(),
        })
    }
}

impl RunState {
    pub fn view<'a>(&'a self, id: &'a str, now: Now) -> RunView<'a> {
        RunView {
            id,
            age: now.since(self.started),
            calls: self.usage.calls,
            errors: self.usage.errors,
            denials: self.usage.denials,
            tokens: self.usage.tokens,
            cost_usd: self.usage.cost_usd,
            labels: &self.labels,
            history: &self.history,
        }
    }

    /// Notes that a call came that an agent makes of its own accord: whatever the model said before,
    /// the run goes on.
    pub fn go_on(&mut self, now: Now) {
        self.working = self.working.saturating_add(1);
        self.usage.steps = self.usage.steps.saturating_add(1);
        self.answered = None;
        self.last_seen = now.mono;
        if let Reported::Completed(usage) = &mut self.reported {
            self.reported = Reported::No(Some(std::mem::take(usage)));
            self.next_stretch(now);
        }
    }

    /// Since when the run is as good as completed: the model has answered for good, no call is in the
    /// gate, and none came or ended since. What a protocol needs around its calls keeps no run going.
    pub fn complete_since(&self) -> Option<Duration> {
        let waits = self.working == 0 && self.stopped.is_none();
        let unreported = matches!(self.reported, Reported::No(_));
        self.answered.filter(|_| waits && unreported)
    }

    pub fn note_denial(&mut self, note: DenialNote<'_>, now: Now) {
        self.usage.denials = self.usage.denials.saturating_add(1);
        self.scope.note_denial(note.key, now.mono);
        let count = self.usage.denials_by_rule.entry(note.key.clone()).or_default();
        *count = count.saturating_add(1);
        if self.stopped.is_none() {
            self.stopped = note.stop.filter(|_| !Hole::ForgetStop.is_open());
        }
    }

    pub fn note_bill(&mut self, used: Sizes) {
        self.usage.cost_usd = self.usage.cost_usd.plus(used.cost);
        self.usage.tokens = self.usage.tokens.saturating_add(used.tokens);
    }

    pub fn note_outcome(&mut self, status: Status, upstream: Duration, now: Now) {
        match status {
            Status::Ok => self.usage.ok = self.usage.ok.saturating_add(1),
            Status::Error
            | Status::Timeout
            | Status::Denied
            | Status::Cancelled
            | Status::Unknown => {
                self.usage.errors = self.usage.errors.saturating_add(1);
            }
        }
        let micros = u64::try_from(upstream.as_micros()).unwrap_or(u64::MAX);
        self.usage.upstream_us = self.usage.upstream_us.saturating_add(micros);
        self.last_seen = now.mono;
        self.answered = self.answered.map(|_| now.mono);
    }
}
