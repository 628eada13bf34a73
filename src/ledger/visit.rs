//! One call's stay in its run: a step number, one atomic decision, and the run's end report.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use smallvec::SmallVec;

use crate::call::{Caller, Refusal, RunEnd, RunId, StopReason};
use crate::clock::Now;
use crate::ledger::reservation::{Claim, Reservation};
use crate::ledger::run::{DenialNote, RunCell};
use crate::ledger::scope::Scope;
use crate::ledger::{Kills, Ledger};
use crate::policy::model::{Limit, Maximum, Per, Within};
use crate::policy::view::RunView;

/// A call inside its run. While it lives the run is neither swept nor evicted; when the last
/// visit to a stopped run ends, the run's end is reported.
pub struct Visit {
    pub(super) ledger: Arc<Ledger>,
    pub(super) run: Arc<RunCell>,
    step: u64,
}

/// What the guards see, under the locks of everything they look at.
pub struct Look<'a> {
    pub run: RunView<'a>,
    /// Why the run was stopped, when it was.
    pub stopped: Option<StopReason>,
    run_scope: &'a Scope,
    agent: Option<&'a Scope>,
    tenant: Option<&'a Scope>,
    global: Option<&'a Scope>,
}

/// A refusal as the ledger notes it.
#[derive(Clone, Debug)]
pub struct Denial {
    /// The rule or limit, or the stop reason where there is none: what repeated denials are
    /// counted by.
    pub key: Arc<str>,
    /// Set when the run ends with it.
    pub stop: Option<(StopReason, Option<Arc<str>>)>,
}

/// The call that is decided over, as the run's history remembers it.
#[derive(Clone, Debug)]
pub struct Asked {
    pub tool: Arc<str>,
    /// Tool and arguments, 1 and 1.0 being equal.
    pub call_key: u64,
}

/// What the guards decided.
pub enum Judgement<Granted, Refused> {
    Admit(Granted),
    Refuse(Refused, Denial),
}

impl Denial {
    /// A refusal that no look at the run led to.
    pub fn of(refusal: &Refusal) -> Self {
        let key = refusal.rule.clone().unwrap_or_else(|| Arc::from(refusal.reason.name()));
        let stop = refusal.ends_run.then(|| (refusal.reason, refusal.rule.clone()));
        Self { key, stop }
    }
}

impl Look<'_> {
    /// The counters of the scope that a limit is kept by. `None` when the decision was not asked
    /// to look at it, which no limit handed to [`Visit::decide`] can bring about.
    pub fn scope(&self, per: Per) -> Option<&Scope> {
        match per {
            Per::Run => Some(self.run_scope),
            Per::Agent => self.agent,
            Per::Tenant => self.tenant,
            Per::Global => self.global,
        }
    }
}

impl Ledger {
    /// Enters a call into its run, which begins with its first call. Gives it its step number.
    pub fn enter(
        self: &Arc<Self>,
        id: RunId,
        id_source: &'static str,
        caller: &Caller,
        now: Now,
    ) -> Visit {
        loop {
            let known = self.runs.get(&id).map(|run| run.value().clone());
            let run = match known {
                Some(run) => run,
                None => self.begin(&id, id_source, caller, now),
            };
            let mut state = run.state.lock();
            if state.removed {
                drop(state);
                self.forget(&run);
                continue;
            }
            state.active = state.active.saturating_add(1);
            state.usage.steps = state.usage.steps.saturating_add(1);
            state.last_seen = now.mono;
            let step = state.usage.steps;
            drop(state);
            return Visit { ledger: Arc::clone(self), run, step };
        }
    }

    /// The run of an agent whose call carries no label: the one it was last in, unless it has
    /// been silent for longer than `idle_end`.
    pub fn unlabelled_run(&self, agent: &str, now: Now, fresh: impl FnOnce() -> RunId) -> RunId {
        if self.unlabelled.len() > self.bounds.live_runs {
            // More unlabelled clients at once than runs are remembered: each begins a new run.
            self.unlabelled.clear();
        }
        let mut entry =
            self.unlabelled.entry(Arc::from(agent)).or_insert_with(|| (RunId("".into()), now.mono));
        let (run, seen) = entry.value_mut();
        if run.0.is_empty() || now.since(*seen) >= self.bounds.idle_end {
            *run = fresh();
        }
        *seen = now.mono;
        run.clone()
    }

    pub(super) fn begin(
        &self,
        id: &RunId,
        id_source: &'static str,
        caller: &Caller,
        now: Now,
    ) -> Arc<RunCell> {
        if self.run_count.load(Ordering::Relaxed) >= self.bounds.live_runs {
            self.evict();
        }
        let fresh = || Arc::new(RunCell::new(id.clone(), id_source, caller.clone(), now));
        let mut created = false;
        let run = self
            .runs
            .entry(id.clone())
            .or_insert_with(|| {
                created = true;
                fresh()
            })
            .clone();
        if created {
            self.run_count.fetch_add(1, Ordering::Relaxed);
        }
        run
    }
}

impl Visit {
    /// Position of this call in its run, from 1.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// The run's id.
    pub fn run_id(&self) -> &RunId {
        &self.run.id
    }

    /// The run that made this one, if one did.
    pub fn parent(&self) -> Option<RunId> {
        self.ledger.minted.get(&self.run.id)?.parent
    }

    /// Shows the run as it is now, under its lock.
    pub fn look<T>(&self, now: Now, show: impl FnOnce(RunView<'_>) -> T) -> T {
        let state = self.run.state.lock();
        show(state.view(&self.run.id.0, now))
    }

    /// What operators have switched off.
    pub fn kills(&self) -> &Kills {
        &self.ledger.kills
    }

    /// Judges the call and takes what was granted, atomically over all scopes of `limits`. A call
    /// that is admitted stands in the run's history from then on.
    ///
    /// # Errors
    /// What `judge` refused with; the denial is noted, and the run stopped if it says so.
    pub fn decide<Granted, Refused>(
        self,
        asked: Asked,
        limits: &[Arc<Limit>],
        now: Now,
        judge: impl FnOnce(&Look<'_>) -> Judgement<Granted, Refused>,
    ) -> Result<(Granted, Reservation), Refused> {
        let run = Arc::clone(&self.run);
        let lock = |per| {
            let drawn_on = limits.iter().any(|limit| limit.per == per);
            drawn_on.then(|| self.ledger.wider(&run, per)).flatten().map(Mutex::lock)
        };
        let mut state = run.state.lock();
        // Locks are taken in the same order for every call, so two cannot wait for each other.
        let mut agent = lock(Per::Agent);
        let mut tenant = lock(Per::Tenant);
        let mut global = lock(Per::Global);
        let judgement = judge(&Look {
            run: state.view(&run.id.0, now),
            stopped: state.stopped.as_ref().map(|(reason, _)| *reason),
            run_scope: &state.scope,
            agent: agent.as_deref(),
            tenant: tenant.as_deref(),
            global: global.as_deref(),
        });
        match judgement {
            Judgement::Refuse(refused, denial) => {
                for scope in [&mut agent, &mut tenant, &mut global].into_iter().flatten() {
                    scope.note_denial(&denial.key, now.mono);
                }
                state.note_denial(DenialNote { key: &denial.key, stop: denial.stop }, now);
                Err(refused)
            }
            Judgement::Admit(granted) => {
                let mut claims = SmallVec::new();
                for limit in limits {
                    let owes = Owes::to(limit);
                    if !owes.call && !owes.errors {
                        continue;
                    }
                    let scope = match limit.per {
                        Per::Run => Some(&mut state.scope),
                        Per::Agent => inner(&mut agent),
                        Per::Tenant => inner(&mut tenant),
                        Per::Global => inner(&mut global),
                    };
                    let Some(scope) = scope else { continue };
                    let taken =
                        owes.call.then(|| scope.reserve_call(&limit.id, window(limit), now));
                    claims.push(Claim {
                        per: limit.per,
                        limit: limit.id.clone(),
                        taken,
                        counts_errors: owes.errors,
                    });
                }
                state.usage.calls = state.usage.calls.saturating_add(1);
                state.history.open(self.step, &asked.tool);
                drop((global, tenant, agent));
                drop(state);
                Ok((granted, Reservation::new(self, asked, claims)))
            }
        }
    }

    /// Notes a refusal that needed no look at the run: a request that could not be read.
    pub fn refuse(self, denial: &Denial, now: Now) {
        let mut state = self.run.state.lock();
        state.note_denial(DenialNote { key: &denial.key, stop: denial.stop.clone() }, now);
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let mut state = self.run.state.lock();
        state.active = state.active.saturating_sub(1);
        let ended = self.run.take_end(&mut state, None);
        drop(state);
        if let Some(ended) = ended {
            self.ledger.report_end(ended);
        }
    }
}

fn inner<'a>(guard: &'a mut Option<MutexGuard<'_, Scope>>) -> Option<&'a mut Scope> {
    guard.as_deref_mut()
}

/// What a call that is admitted owes a limit; nothing, when the limit counts nothing that happens
/// to admitted calls.
struct Owes {
    call: bool,
    errors: bool,
}

impl Owes {
    fn to(limit: &Limit) -> Self {
        Self {
            call: limit.max.iter().any(|max| matches!(max, Maximum::Calls(_))),
            errors: limit.max.iter().any(|max| matches!(max, Maximum::Errors(_))),
        }
    }
}

/// A limit's window in time, if it has one.
pub(super) fn window(limit: &Limit) -> Option<Duration> {
    match limit.within {
        Some(Within::Duration(window)) => Some(window),
        Some(Within::Steps(_)) | None => None,
    }
}

impl RunCell {
    /// Ends a run that nobody is in. `None` when somebody is, or when it was reported before.
    pub(super) fn remove(&self, why: RunEnd) -> (bool, Option<super::EndedRun>) {
        let mut state = self.state.lock();
        if state.active > 0 {
            return (false, None);
        }
        state.removed = true;
        let ended = self.take_end(&mut state, Some(why));
        (true, ended)
    }
}
