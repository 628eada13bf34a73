//! What is remembered of live runs: their history, what they have used, what they have reserved.
//!
//! One decision over a call is atomic: [`Visit::decide`] runs the guards, which are pure, over a
//! view of the run and of every scope its limits touch, and takes what they grant, all under the
//! same locks. So neither a budget nor a rule over the run's history can be raced.

mod approvals;
mod breakers;
mod budgets;
mod claim;
mod draw;
mod in_flight;
mod intent;
mod keys;
mod kills;
mod meter;
mod minted;
mod outside;
mod pins;
mod reservation;
mod root;
mod run;
mod scope;
mod stops;
mod sweep;
mod unknown;
mod upstreams;
mod visit;
mod window;
mod work;

#[cfg(test)]
mod tests;

use std::collections::hash_map::RandomState;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use dashmap::DashMap;

use crate::call::{RunEnd, RunId};
use crate::clock::{Clock, Now};
use crate::policy::amount::Amount;
use crate::policy::model::Per;

pub use approvals::{
    APPROVALS_LIMIT, APPROVALS_LIMIT_A_RUN, Answer as ApprovalAnswer, ApprovalChange, ApprovalKey,
    ApprovalRecord, ApprovalStatus, Approvals, Decided, Decision, SHOWN_BODY_LIMIT_BYTES, Subject,
    Undecidable, Wanted,
};
pub use breakers::{BreakerState, Breakers, Health, Resting, Ticket};
pub use budgets::BudgetUse;
pub use draw::{Sizes, Unplaced};
pub use in_flight::{InFlight, Turn};
pub use intent::{ArgsKey, AskedCall, Execution, Given, Intent, Intents, ModelAnswer, ToolCall};
pub use keys::SCOPE_LIMIT_KEYS;
pub use kills::{KILLS_LIMIT, Kill, KillFacts, Kills, Target as KillTarget, TooManyKills};
pub use minted::{
    BudgetKind, Exhausted, MintError, MintSpec, Minted, MintedRun, Purse, Purses, RunBudget,
};
pub use outside::LiveRun;
pub use pins::{
    Kept as KeptPins, Known as PinnedDefinition, NotApproved, Pin, Pins, Standing as PinStanding,
};
pub use reservation::{Reservation, Settlement};
pub use root::RunSpan;
pub use run::{EndedRun, RunEnds, Unreported, Usage};
pub use scope::Scope;
pub use stops::{STOPPED_LIMIT_RUNS, Stopped};
pub use sweep::COMPLETED_AFTER;
pub use unknown::{Doubt, UnknownWrite, UnknownWrites, Watched, Write};
pub use upstreams::{Load, Slot, Upstreams};
pub use visit::{Asked, Denial, Drawn, Judgement, Look, Visit};
pub use work::{Models, Work};

use keys::{ScopeKey, Scopes, Shared};
use run::RunCell;
use stops::Stops;

/// Bounds of the memory kept of runs.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Runs remembered at once; beyond it the least recently seen ones are evicted.
    pub live_runs: usize,
    /// A run that was not heard of for so long is over.
    pub idle_end: Duration,
}

/// The memory of one gate.
pub struct Ledger {
    /// What operators have switched off.
    pub kills: Kills,
    /// Calls that wait for a human.
    pub approvals: Approvals,
    /// Runs that were made before their first call.
    pub minted: Minted,
    /// What tool servers have said their tools are.
    pub pins: Pins,
    /// Requests of sessions that wait for their answers.
    pub in_flight: InFlight,
    /// What models asked for.
    pub intents: Intents,
    clock: Clock,
    bounds: Bounds,
    runs: DashMap<RunId, Arc<RunCell>, RandomState>,
    /// INVARIANT: never smaller than `runs.len()`, so that the cap needs no walk over the shards.
    run_count: AtomicUsize,
    scopes: Scopes,
    stops: Stops,
    /// The run that an agent without any label is in, and when it was last heard of.
    unlabelled: DashMap<Arc<str>, (RunId, Duration), RandomState>,
    ends: Arc<dyn RunEnds>,
    /// Which tools are given a rest.
    pub breakers: Breakers,
    /// What upstreams carry.
    pub upstreams: Upstreams,
    /// Writes of which nobody knows whether they happened.
    pub unknown: UnknownWrites,
}

impl Ledger {
    /// An empty ledger that reports the end of runs to `ends`.
    pub fn new(clock: Clock, bounds: Bounds, ends: Arc<dyn RunEnds>) -> Arc<Self> {
        Arc::new(Self {
            kills: Kills::default(),
            approvals: Approvals::default(),
            minted: Minted::default(),
            pins: Pins::default(),
            in_flight: InFlight::default(),
            intents: Intents::default(),
            clock,
            bounds,
            runs: DashMap::default(),
            run_count: AtomicUsize::new(0),
            scopes: Scopes::default(),
            stops: Stops::default(),
            unlabelled: DashMap::default(),
            ends,
            breakers: Breakers::default(),
            upstreams: Upstreams::default(),
            unknown: UnknownWrites::default(),
        })
    }

    /// Runs remembered right now, stopped ones included.
    pub fn live_runs(&self) -> usize {
        self.runs.len()
    }

    /// Scopes remembered beside those of runs.
    pub fn wider_scopes(&self) -> usize {
        self.scopes.len()
    }

    /// Calls that are admitted and neither settled nor released, over all scopes.
    /// Zero when nothing is in flight.
    pub fn reserved_calls(&self) -> u64 {
        self.reserved().0
    }

    /// Everything that is reserved and neither settled nor released, whatever it is.
    /// Zero when nothing is in flight.
    pub fn reserved_amounts(&self) -> Amount {
        self.reserved().1
    }

    /// Sees that the end of a run is recorded, and that its parent has what it did not use.
    fn report_end(&self, mut ended: EndedRun) {
        ended.parent = self.minted.get(&ended.id).and_then(|minted| minted.parent);
        // A run that may go on keeps what it was given.
        if ended.end != RunEnd::Completed {
            self.minted.ended(&ended.id);
        }
        self.ends.run_ended(ended);
    }

    /// Sees that changes to approvals are recorded.
    pub fn report_approvals(&self, changes: Vec<ApprovalChange>) {
        for change in changes {
            self.ends.approval_changed(&change);
        }
    }

    fn reserved(&self) -> (u64, Amount) {
        let mut all = (0_u64, 0);
        let mut add = |scope: &Scope| {
            let (calls, amounts) = scope.reserved();
            all = (all.0.saturating_add(calls), Amount::saturating_add(all.1, amounts));
        };
        for run in &self.runs {
            add(&run.state.lock().scope);
        }
        self.scopes.each(add);
        all
    }

    /// The scope of a run's caller that a limit is kept by.
    fn of_caller(&self, run: &RunCell, per: &Per, now: Now) -> Option<Arc<Shared>> {
        let known = match per {
            Per::Agent => &run.wider.agent,
            Per::User => &run.wider.user,
            Per::Project => &run.wider.project,
            Per::Tenant => &run.wider.tenant,
            Per::Global => &run.wider.global,
            Per::Run | Per::Tool | Per::Key(_) => return None,
        };
        if let Some(known) = known.get() {
            return Some(Arc::clone(known));
        }
        let shared = self.scopes.get(ScopeKey::of_caller(&run.caller, per)?, now)?;
        Some(Arc::clone(known.get_or_init(|| shared)))
    }
}
