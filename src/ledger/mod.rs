//! What is remembered of live runs: their history, what they have used, what they have reserved.
//!
//! One decision over a call is atomic: [`Visit::decide`] runs the guards, which are pure, over a
//! view of the run and of every scope its limits touch, and takes what they grant, all under the
//! same locks. So neither a budget nor a rule over the run's history can be raced.

mod approvals;
mod breakers;
mod kills;
mod minted;
mod outside;
mod reservation;
mod run;
mod scope;
mod stops;
mod sweep;
mod unknown;
mod upstreams;
mod visit;
mod window;

#[cfg(test)]
mod tests;

use std::collections::hash_map::RandomState;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use dashmap::DashMap;
use parking_lot::Mutex;

use crate::call::{Caller, RunId};
use crate::clock::Clock;
use crate::policy::model::Per;

pub use approvals::{
    APPROVALS_LIMIT, APPROVALS_LIMIT_A_RUN, Answer as ApprovalAnswer, ApprovalChange, ApprovalKey,
    ApprovalRecord, ApprovalStatus, Approvals, Decided, Decision, SHOWN_BODY_LIMIT_BYTES, Subject,
    Undecidable, Wanted,
};
pub use breakers::{BreakerState, Breakers, Health, Resting, Ticket};
pub use kills::{KILLS_LIMIT, Kill, KillFacts, Kills, Target as KillTarget, TooManyKills};
pub use minted::{Exhausted, MintError, MintSpec, Minted, MintedRun, RunBudget};
pub use outside::LiveRun;
pub use reservation::{Reservation, Settlement};
pub use run::{EndedRun, RunEnds, Usage};
pub use scope::Scope;
pub use stops::Stopped;
pub use unknown::{Doubt, UnknownWrite, UnknownWrites, Watched, Write};
pub use upstreams::{Load, Slot, Upstreams};
pub use visit::{Asked, Denial, Judgement, Look, Visit};

use run::RunCell;

/// Bounds of the memory kept of runs.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Runs remembered at once; beyond it the least recently seen ones are evicted.
    pub live_runs: usize,
    /// A run that was not heard of for so long is over.
    pub idle_end: Duration,
}

/// A scope wider than one run.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum ScopeKey {
    Agent { tenant: Arc<str>, agent: Arc<str> },
    Tenant(Arc<str>),
    Global,
}

/// The memory of one gate.
pub struct Ledger {
    /// What operators have switched off.
    pub kills: Kills,
    /// Calls that wait for a human.
    pub approvals: Approvals,
    /// Runs that were made before their first call.
    pub minted: Minted,
    clock: Clock,
    bounds: Bounds,
    runs: DashMap<RunId, Arc<RunCell>, RandomState>,
    /// INVARIANT: never smaller than `runs.len()`, so that the cap needs no walk over the shards.
    run_count: AtomicUsize,
    scopes: DashMap<ScopeKey, Arc<Mutex<Scope>>, RandomState>,
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
            clock,
            bounds,
            runs: DashMap::default(),
            run_count: AtomicUsize::new(0),
            scopes: DashMap::default(),
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

    /// Calls that are admitted and neither settled nor released, over all scopes.
    /// Zero when nothing is in flight.
    pub fn reserved_calls(&self) -> u64 {
        let runs: u64 = self.runs.iter().map(|run| run.state.lock().scope.calls_reserved()).sum();
        let wider: u64 = self.scopes.iter().map(|scope| scope.lock().calls_reserved()).sum();
        runs.saturating_add(wider)
    }

    /// Sees that the end of a run is recorded, and that its parent has what it did not use.
    fn report_end(&self, mut ended: EndedRun) {
        ended.parent = self.minted.get(&ended.id).and_then(|minted| minted.parent);
        self.minted.ended(&ended.id);
        self.ends.run_ended(ended);
    }

    /// Sees that changes to approvals are recorded.
    pub fn report_approvals(&self, changes: Vec<ApprovalChange>) {
        for change in changes {
            self.ends.approval_changed(&change);
        }
    }

    /// The scope that a limit of a run is kept by when it is wider than the run.
    fn wider<'a>(&self, run: &'a RunCell, per: Per) -> Option<&'a Mutex<Scope>> {
        let scope = match per {
            Per::Run => return None,
            Per::Agent => run.wider.agent.get_or_init(|| self.scope(ScopeKey::agent(&run.caller))),
            Per::Tenant => run
                .wider
                .tenant
                .get_or_init(|| self.scope(ScopeKey::Tenant(run.caller.tenant.clone()))),
            Per::Global => run.wider.global.get_or_init(|| self.scope(ScopeKey::Global)),
        };
        Some(&**scope)
    }

    fn scope(&self, key: ScopeKey) -> Arc<Mutex<Scope>> {
        let started = self.clock.now().mono;
        self.scopes.entry(key).or_insert_with(|| Arc::new(Mutex::new(Scope::new(started)))).clone()
    }
}

impl ScopeKey {
    fn agent(caller: &Caller) -> Self {
        Self::Agent { tenant: caller.tenant.clone(), agent: caller.agent.clone() }
    }
}
