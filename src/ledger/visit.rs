//! One call's stay in its run: a step number, one atomic decision, and the run's end report.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use parking_lot::MutexGuard;
use smallvec::SmallVec;

use crate::call::{Caller, Refusal, RunEnd, RunId, Standing, StopReason};
use crate::clock::Now;
use crate::ledger::claim::{Claim, Taken};
use crate::ledger::draw::{self, Draw, Draws, Place, Sizes, Unplaced};
use crate::ledger::keys::Shared;
use crate::ledger::reservation::Reservation;
use crate::ledger::run::{DenialNote, EndedRun, RunCell, RunState};
use crate::ledger::scope::Scope;
use crate::ledger::stops::Stops;
use crate::ledger::work::Work;
use crate::ledger::{Execution, Intent, Intents, Kills, Ledger, ToolCall};
use crate::policy::amount::Amount;
use crate::policy::expr::EvalError;
use crate::policy::model::{Limit, Maximum};
use crate::policy::view::{CallView, RunView};
use crate::weaken::Hole;

/// A call inside its run. While it lives the run is neither swept nor evicted; when the last
/// visit to a stopped run ends, the run's end is reported.
pub struct Visit {
    pub(super) ledger: Arc<Ledger>,
    pub(super) run: Arc<RunCell>,
    step: u64,
    pub(super) standing: Standing,
}

/// What the guards see, under the locks of everything they look at.
pub struct Look<'a> {
    pub run: RunView<'a>,
    /// Why the run was stopped, when it was.
    pub stopped: Option<StopReason>,
    draws: &'a [Draw<'a>],
    sizes: Sizes,
    run_scope: &'a Scope,
    wider: &'a [Held<'a>],
}

/// A scope beyond the run, locked, with its place in the order of locks.
type Held<'a> = (u64, MutexGuard<'a, Scope>);

/// One limit as the call draws on it, under the lock of its scope.
#[derive(Clone, Copy)]
pub struct Drawn<'a> {
    pub limit: &'a Limit,
    /// What the limit's key has used up.
    pub scope: Result<&'a Scope, &'a Unplaced>,
    draw: &'a Draw<'a>,
    sizes: Sizes,
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
    /// What is reserved for it.
    pub sizes: Sizes,
    pub work: Work,
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

impl<'a> Look<'a> {
    /// The limits that the call draws on, in their order.
    pub fn draws(&self) -> impl Iterator<Item = Drawn<'a>> {
        let Self { draws, sizes, run_scope, wider, .. } = *self;
        draws.iter().map(move |draw| {
            let scope = match &draw.place {
                Place::Run => Ok(run_scope),
                // What a draw names was locked: anything else is no place.
                Place::Wider(shared) => held(wider, shared).ok_or(&Unplaced::Full),
                Place::Nowhere(why) => Err(why),
            };
            Drawn { limit: draw.limit, scope, draw, sizes }
        })
    }
}

impl<'a> Drawn<'a> {
    /// What the call needs at most of the maximum at `position` of the limit, of which `used` looks
    /// at the same place: 0 of a value that was used before. `None` of a maximum that is not counted
    /// up.
    ///
    /// # Errors
    /// Why its expression has no value.
    pub fn need(&self, position: usize, now: Now) -> Result<Option<Amount>, &'a EvalError> {
        if let Some(fault) = self.draw.fault(position) {
            return Err(fault);
        }
        let value = self.draw.value(position);
        let maximum = self.draw.limit.max.get(position);
        if let (Some(value), Some(maximum), Ok(scope)) = (value, maximum, self.scope) {
            let known = scope.has_value(self.limit, maximum, &value, now);
            return Ok(Some(Amount::from(!known)));
        }
        Ok(self.draw.amount(position, self.sizes))
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
        self.attend(id, id_source, caller, Standing::Tool, now)
    }

    /// The same of what may be no step of the run: it then has the number of the last one.
    pub fn attend(
        self: &Arc<Self>,
        id: RunId,
        id_source: &'static str,
        caller: &Caller,
        standing: Standing,
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
            match standing {
                Standing::Tool => state.go_on(now),
                Standing::Protocol => state.last_seen = now.mono,
            }
            let step = state.usage.steps;
            drop(state);
            return Visit { ledger: Arc::clone(self), run, step, standing };
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
        // Looked up under the lock of the entry: whoever forgets a stopped run notes its stop first.
        let fresh = || {
            let stopped = self.stops.of(id);
            Arc::new(RunCell::new(id.clone(), id_source, caller.clone(), stopped, now))
        };
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

    /// The runs above this one, the nearest first.
    pub fn above(&self) -> Vec<RunId> {
        self.ledger.minted.above(&self.run.id)
    }

    /// Shows the run as it is now, under its lock.
    pub fn look<T>(&self, now: Now, show: impl FnOnce(RunView<'_>) -> T) -> T {
        let state = self.run.state.lock();
        show(state.view(&self.run.id.0, now))
    }

    /// Whether no model was heard in any run, so that nothing can be held against one.
    pub fn is_without_models(&self) -> bool {
        self.ledger.intents.remembered().0 == 0
    }

    /// What the model of the run has to do with a call that is about to be executed in it.
    pub fn execute(&self, call: &ToolCall<'_>, now: Now) -> (Intent, Option<Execution>) {
        self.ledger.execute(&self.run.id, call, now)
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
        call: CallView<'_>,
        limits: &[Arc<Limit>],
        now: Now,
        judge: impl FnOnce(&Look<'_>) -> Judgement<Granted, Refused>,
    ) -> Result<(Granted, Reservation), Refused> {
        let run = Arc::clone(&self.run);
        let stopped_above = self.ledger.stopped_above(&run.id);
        let mut state = run.state.lock();
        if state.stopped.is_none() {
            state.stopped = stopped_above;
        }
        let view = state.view(&run.id.0, now);
        let draws = draw::draws(&self.ledger, &run, limits, call, view, now);
        let shared = in_order(&draws);
        let mut wider: SmallVec<[Held<'_>; 4]> =
            shared.iter().map(|shared| (shared.order, shared.scope.lock())).collect();
        let judgement = judge(&Look {
            run: state.view(&run.id.0, now),
            stopped: state.stopped.as_ref().map(|(reason, _)| *reason),
            draws: &draws,
            sizes: asked.sizes,
            run_scope: &state.scope,
            wider: &wider,
        });
        if Hole::LetGo.is_open() {
            wider.clear();
            std::thread::yield_now();
            wider.extend(shared.iter().map(|shared| (shared.order, shared.scope.lock())));
        }
        match judgement {
            Judgement::Refuse(refused, denial) => {
                for draw in &draws {
                    note_denial(draw, &denial, &mut state, &mut wider, now);
                }
                state.note_denial(DenialNote { key: &denial.key, stop: denial.stop }, now);
                Err(refused)
            }
            Judgement::Admit(granted) => {
                let mut claims = SmallVec::new();
                for draw in &draws {
                    take(draw, asked.sizes, &mut state, &mut wider, &mut claims, now);
                }
                match self.standing {
                    Standing::Tool => {
                        state.usage.admit(&asked.work);
                        if !Hole::BlindToOpenCalls.is_open() {
                            state.history.open(self.step, &asked.tool, asked.call_key);
                        }
                    }
                    Standing::Protocol => {}
                }
                drop(wider);
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
        match self.standing {
            Standing::Tool => state.working = state.working.saturating_sub(1),
            Standing::Protocol => {}
        }
        let ended = self.run.take_end(&mut state, None);
        drop(state);
        if let Some(ended) = ended {
            self.ledger.report_end(ended);
        }
    }
}

/// The scopes beyond the run, each once, in the order in which every call locks them.
fn in_order(draws: &Draws<'_>) -> SmallVec<[Arc<Shared>; 4]> {
    let mut shared: SmallVec<[Arc<Shared>; 4]> = SmallVec::new();
    for draw in draws {
        if let Place::Wider(scope) = &draw.place
            && let Err(place) = shared.binary_search_by_key(&scope.order, |known| known.order)
        {
            shared.insert(place, Arc::clone(scope));
        }
    }
    shared
}

fn held<'a>(wider: &'a [Held<'_>], shared: &Shared) -> Option<&'a Scope> {
    wider.iter().find(|(order, _)| *order == shared.order).map(|(_, scope)| &**scope)
}

/// The scope of a draw, to be written to.
fn scope_mut<'a>(
    place: &Place,
    state: &'a mut RunState,
    wider: &'a mut [Held<'_>],
) -> Option<&'a mut Scope> {
    match place {
        Place::Run => Some(&mut state.scope),
        Place::Wider(shared) => {
            let held = wider.iter_mut().find(|(order, _)| *order == shared.order);
            held.map(|(_, scope)| &mut **scope)
        }
        Place::Nowhere(_) => None,
    }
}

/// Takes what an admitted call draws on one limit.
fn take(
    draw: &Draw<'_>,
    sizes: Sizes,
    state: &mut RunState,
    wider: &mut [Held<'_>],
    claims: &mut SmallVec<[Claim; 4]>,
    now: Now,
) {
    let Some(scope) = scope_mut(&draw.place, state, wider) else { return };
    for (position, maximum) in draw.limit.max.iter().enumerate() {
        let shared = match &draw.place {
            Place::Wider(shared) => Some(Arc::clone(shared)),
            Place::Run | Place::Nowhere(_) => None,
        };
        // The run counts by rule whatever its limits are.
        let by_rule = shared.is_some() && matches!(maximum, Maximum::DenialsSameRule(_));
        let taken = match by_rule {
            true => {
                scope.touch(draw.limit, maximum, now);
                Some(Taken::DenialsByRule)
            }
            false => scope.take(draw, position, sizes, now),
        };
        let Some(taken) = taken else { continue };
        claims.push(Claim {
            scope: shared,
            limit: draw.limit.id.clone(),
            name: draw.limit.name.clone(),
            measure: maximum.measure(),
            taken,
        });
    }
}

/// Counts a refusal where a limit counts refusals; its own it does not, or it would never let go.
fn note_denial(
    draw: &Draw<'_>,
    denial: &Denial,
    state: &mut RunState,
    wider: &mut [Held<'_>],
    now: Now,
) {
    let limit = draw.limit;
    let of_a_rule = |maximum: &Maximum| matches!(maximum, Maximum::DenialsSameRule(_));
    let of_all = |maximum: &Maximum| matches!(maximum, Maximum::Denials(_));
    let beyond_run = matches!(draw.place, Place::Wider(_));
    let Some(scope) = scope_mut(&draw.place, state, wider) else { return };
    // The run notes every denial by its rule, whatever its limits are.
    if let Some(maximum) = limit.max.iter().find(|max| of_a_rule(max)).filter(|_| beyond_run) {
        scope.touch(limit, maximum, now);
        scope.note_denial(&denial.key, now.mono);
    }
    if let Some(maximum) = limit.max.iter().find(|max| of_all(max))
        && denial.key != limit.name
    {
        scope.touch(limit, maximum, now);
        scope.note_refusal(&limit.id, now.mono);
    }
}

/// What came of ending a run.
pub(super) struct Removal {
    pub removed: bool,
    /// Its end, if that was not reported before.
    pub ended: Option<EndedRun>,
}

impl RunCell {
    /// Ends a run that nobody is in. `None` when somebody is, or when it was reported before.
    pub(super) fn remove(&self, why: RunEnd, stops: &Stops, intents: &Intents) -> Removal {
        let mut state = self.state.lock();
        if state.active > 0 {
            return Removal { removed: false, ended: None };
        }
        // Before anybody can see that it is gone.
        if let Some(stop) = &state.stopped {
            stops.remember(&self.id, stop);
        }
        state.removed = true;
        // A later life of the same id has asked for nothing yet.
        intents.forget(&self.id);
        Removal { removed: true, ended: self.take_end(&mut state, Some(why)) }
    }
}
