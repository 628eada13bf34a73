//! What an admitted call holds: it is settled with the outcome or, on every other exit, released.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use smallvec::SmallVec;

use crate::call::{Caller, RunId, Standing, Status, StopReason};
use crate::clock::Now;
use crate::ledger::Ledger;
use crate::ledger::claim::{Bill, Claim, Taken, Used};
use crate::ledger::run::DenialNote;
use crate::ledger::scope::Scope;
use crate::ledger::unknown::{Doubt, Watched, Write};
use crate::ledger::visit::{Asked, Denial, Visit};
use crate::ledger::{ApprovalAnswer, Execution, Exhausted, Kills, ModelAnswer, Wanted};
use crate::policy::amount::Usd;
use crate::policy::history::{Captured, Step};
use crate::policy::view::RunView;
use crate::weaken::Hole;

/// How an admitted call ended, as far as the run's memory is concerned.
pub struct Settlement {
    pub status: Status,
    /// Whether rules may take the call as done.
    pub succeeded: bool,
    pub result_key: u64,
    pub captured: Vec<Captured>,
    /// Time spent waiting for the tool.
    pub upstream: Duration,
    /// What it cost; when that is not known, what was reserved for it is charged.
    pub cost: Option<Usd>,
    /// Tokens it used; when they are not known, those reserved for it are charged.
    pub tokens: Option<u64>,
}

/// Proof that a call was admitted. Dropped without [`Reservation::settle`] it is released if the
/// request was never sent, and otherwise settled as a call whose end is not known.
pub struct Reservation {
    visit: Visit,
    asked: Asked,
    claims: SmallVec<[Claim; 4]>,
    /// It has taken its sizes of the budget that its run was made with.
    took_budget: bool,
    /// The approval that let the call pass.
    approval: Option<Arc<str>>,
    /// The wish of a model that it fulfils, given back unless the call is sent.
    execution: Option<Execution>,
    sent: AtomicBool,
    settled: bool,
}

impl Reservation {
    pub(super) fn new(visit: Visit, asked: Asked, claims: SmallVec<[Claim; 4]>) -> Self {
        Self {
            visit,
            asked,
            claims,
            took_budget: false,
            approval: None,
            execution: None,
            sent: AtomicBool::new(false),
            settled: false,
        }
    }

    /// Position of this call in its run, from 1.
    pub fn step(&self) -> u64 {
        self.visit.step()
    }

    /// The run's id.
    pub fn run_id(&self) -> &RunId {
        self.visit.run_id()
    }

    /// Holds the wish of a model that the call fulfils. It is used up when the call is sent.
    pub fn fulfil(&mut self, execution: Option<Execution>) {
        self.execution = execution;
    }

    /// Asks for a call that needs approval. One that passes has used the approval up, and gives it
    /// back if it is never sent.
    pub fn ask_approval(&mut self, wanted: Wanted, now: Now) -> ApprovalAnswer {
        let ledger = &self.visit.ledger;
        let (answer, changes) = ledger.approvals.ask(wanted, now);
        ledger.report_approvals(changes);
        if let ApprovalAnswer::Passes(id) = &answer {
            self.approval = Some(Arc::clone(id));
        }
        answer
    }

    /// Takes the call, and the most that it may cost, of the budget that the run was made with; given
    /// back if it is never sent.
    ///
    /// # Errors
    /// What of it is used up.
    pub fn take_budget(&mut self, now: Now) -> Result<(), Exhausted> {
        self.took_budget = match self.visit.standing {
            Standing::Tool => {
                self.visit.ledger.minted.take(self.run_id(), self.asked.sizes, now)?
            }
            Standing::Protocol => false,
        };
        Ok(())
    }

    fn give_budget_back(&self) {
        if self.took_budget {
            self.visit.ledger.minted.give_back(self.run_id(), self.asked.sizes);
        }
    }

    fn give_approval_back(&self, now: Now) {
        if let Some(id) = &self.approval {
            let ledger = &self.visit.ledger;
            ledger.report_approvals(ledger.approvals.give_back(id, now));
        }
    }

    /// The ledger that it is of.
    pub fn ledger(&self) -> &Ledger {
        &self.visit.ledger
    }

    /// The runs above its run, the nearest first.
    pub fn above(&self) -> Vec<RunId> {
        self.visit.above()
    }

    /// Why the run, or one above it, was stopped, when it was.
    pub fn stopped(&self) -> Option<StopReason> {
        let own = self.visit.run.state.lock().stopped.clone();
        let stop = own.or_else(|| self.visit.ledger.stopped_above(self.run_id()));
        stop.map(|(reason, _)| reason)
    }

    /// Whether it holds money or tokens of a budget: as much as one attempt can use.
    pub fn draws_on_budget(&self) -> bool {
        let sizes = self.asked.sizes;
        if self.took_budget
            && let Some(made) = self.visit.ledger.minted.get(self.run_id())
        {
            let purses = made.purses;
            if (purses.cost_usd.limit.is_some() && sizes.cost > Usd::ZERO)
                || (purses.tokens.limit.is_some() && sizes.tokens > 0)
            {
                return true;
            }
        }
        self.claims.iter().any(|claim| match claim.taken {
            Taken::Amount { amount, .. } => {
                matches!(&*claim.measure, "cost_usd" | "tokens") && amount > 0
            }
            Taken::Rate(_)
            | Taken::InFlight
            | Taken::Value { .. }
            | Taken::Errors
            | Taken::Denials
            | Taken::DenialsByRule => false,
        })
    }

    /// Watches a write that is about to be sent.
    ///
    /// # Errors
    /// Why it must not be sent now.
    pub fn watch(&self, write: Write, now: Now) -> Result<Watched, Doubt> {
        Watched::begin(&self.visit.ledger, write, now)
    }

    /// What operators have switched off.
    pub fn kills(&self) -> &Kills {
        self.visit.kills()
    }

    /// Remembers what a model answered to the call, which `caller` made. While the model wants tools,
    /// or another call is in the run or follows, the run goes on.
    pub fn model_answered(&self, caller: &Caller, answer: &ModelAnswer, now: Now) {
        let run = &self.visit.run;
        if !self.ledger().intents.answered(&run.id, self.owner(caller), answer, now) {
            return;
        }
        let mut state = run.state.lock();
        state.answered = answer.is_final.then_some(now.mono);
    }

    /// The run's caller, when it is `caller`.
    pub fn owner<'a>(&self, caller: &'a Caller) -> Option<&'a Caller> {
        (self.visit.run.caller == *caller).then_some(caller)
    }

    /// Says that bytes of the request may reach the tool from now on: it counts as used.
    pub fn mark_sent(&self) {
        self.sent.store(true, Ordering::Release);
    }

    /// Says that, after all, no byte of the request left: it is released unless it is sent again.
    pub fn mark_unsent(&self) {
        self.sent.store(false, Ordering::Release);
    }

    /// Whether the request may have reached the tool.
    pub fn was_sent(&self) -> bool {
        self.sent.load(Ordering::Acquire)
    }

    /// Enters the outcome into the run's history and turns what was reserved into use.
    pub fn settle(mut self, settlement: Settlement, now: Now) {
        self.settled = true;
        self.keep_execution();
        self.close(settlement, now);
    }

    /// Shows the run as it is now, under its lock.
    pub fn look<T>(&self, now: Now, show: impl FnOnce(RunView<'_>) -> T) -> T {
        self.visit.look(now, show)
    }

    /// Notes in the run, and where refusals are counted, that the answer of the call is withheld from
    /// the agent. The call has taken place all the same: it is settled as it ended.
    pub fn withhold(&self, denial: &Denial, now: Now) {
        let mut state = self.visit.run.state.lock();
        for claim in &self.claims {
            claim.on_scope(&mut state, |scope| note_denial(scope, claim, denial, now));
        }
        state.note_denial(DenialNote { key: &denial.key, stop: denial.stop.clone() }, now);
    }

    /// Takes the admission back, because a guard after the ledger refused: what was reserved is
    /// released, and the denial is noted in the run.
    pub fn refuse(mut self, denial: &Denial, now: Now) {
        self.settled = true;
        self.give_approval_back(now);
        self.give_budget_back();
        let mut state = self.visit.run.state.lock();
        match self.visit.standing {
            Standing::Tool => {
                state.usage.withdraw(&self.asked.work);
                state.history.withdraw(self.step());
            }
            Standing::Protocol => {}
        }
        for claim in &self.claims {
            let used = Used { sent: false, failed: false, real: None };
            claim.on_scope(&mut state, |scope| {
                scope.close(claim, used, now);
                note_denial(scope, claim, denial, now);
            });
        }
        state.note_denial(DenialNote { key: &denial.key, stop: denial.stop.clone() }, now);
    }

    fn keep_execution(&mut self) {
        if self.was_sent()
            && let Some(execution) = self.execution.take()
        {
            execution.keep();
        }
    }

    fn close(&self, settlement: Settlement, now: Now) {
        let sent = self.was_sent();
        if !sent {
            self.give_approval_back(now);
            self.give_budget_back();
        }
        let Settlement { status, succeeded, result_key, captured, upstream, cost, tokens } =
            settlement;
        let bill = Bill { cost, tokens };
        if sent && self.took_budget {
            let used = bill.or(self.asked.sizes);
            self.visit.ledger.minted.settle(self.run_id(), self.asked.sizes, used);
        }
        let mut state = self.visit.run.state.lock();
        match self.visit.standing {
            Standing::Tool => {
                state.note_outcome(status, upstream, now);
                if self.settled || sent {
                    let step = Step {
                        tool: self.asked.tool.clone(),
                        ended: now.mono,
                        succeeded,
                        call_key: self.asked.call_key,
                        result_key,
                        captured,
                    };
                    state.history.close(self.step(), step);
                } else {
                    state.history.withdraw(self.step());
                }
            }
            Standing::Protocol => state.last_seen = now.mono,
        }
        if sent {
            state.note_bill(bill.or(self.asked.sizes));
        }
        for claim in &self.claims {
            let real = bill.of(&claim.measure);
            let used = Used { sent, failed: status != Status::Ok, real };
            claim.on_scope(&mut state, |scope| scope.close(claim, used, now));
        }
    }
}

/// Counts a refusal after the admission where a limit counts refusals; its own it does not.
fn note_denial(scope: &mut Scope, claim: &Claim, denial: &Denial, now: Now) {
    match claim.taken {
        Taken::Denials if denial.key != claim.name => scope.note_refusal(&claim.limit, now.mono),
        Taken::DenialsByRule => scope.note_denial(&denial.key, now.mono),
        Taken::Denials
        | Taken::Amount { .. }
        | Taken::Rate(_)
        | Taken::InFlight
        | Taken::Value { .. }
        | Taken::Errors => {}
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if self.settled || Hole::LeakReservation.is_open() {
            return;
        }
        let now = self.visit.ledger.clock.now();
        let status = if self.was_sent() { Status::Unknown } else { Status::Cancelled };
        // What was given up is given up alike: without an answer there is nothing to tell by.
        let unknown = Settlement {
            status,
            succeeded: false,
            result_key: 0,
            captured: Vec::new(),
            upstream: Duration::ZERO,
            cost: None,
            tokens: None,
        };
        self.keep_execution();
        self.close(unknown, now);
    }
}
