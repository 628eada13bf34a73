//! The proof that a call was judged and what it may use is reserved.

use std::sync::Arc;
use std::time::Duration;

use crate::call::{Known, Language, Refusal, RunId, Status};
use crate::clock::Now;
use crate::guard::breaker::{self, Leave};
use crate::guard::unknown::{self, Begun};
use crate::guard::{self, Granted, Refused, approval, budget, intent, kill, rewrite, streams};
use crate::identify::{Call, Headers, Identified, Terms};
use crate::ledger::{Asked, Denial, KillFacts, Reservation, Settlement, Watched};
use crate::policy::decide::Finding;
use crate::policy::model::{DefaultDeny, Mode};
use crate::policy::set::{Applicable, PolicySet};

/// A call that may be forwarded. Made here and nowhere else.
pub struct Admitted {
    call: Call,
    reservation: Reservation,
    applicable: Arc<Applicable>,
    warnings: Vec<Finding>,
    /// Leave to call the tool; given back when dropped.
    pub(crate) leave: Leave,
    /// What a write is watched by.
    pub(crate) begun: Begun,
}

/// What an admitted call falls apart into when it has ended.
pub(crate) struct AdmittedParts {
    pub call: Call,
    pub reservation: Reservation,
    pub applicable: Arc<Applicable>,
    pub leave: Leave,
    pub watched: Option<Watched>,
}

/// Lets a call pass, or refuses it.
///
/// # Errors
/// The refusal; it is already noted in the run.
pub fn admit(
    identified: Identified,
    policies: &PolicySet,
    terms: &Terms,
    now: Now,
    known: &mut Known,
) -> Result<Admitted, Refusal> {
    let (visit, mut call) = identified.into_parts();
    // What is switched off comes first: nothing of it is even looked at.
    if let Err(refusal) =
        kill::judge(visit.kills(), kill_facts(&call, visit.run_id(), &visit.above()))
    {
        visit.refuse(&Denial::of(&refusal), now);
        return Err(refusal);
    }
    let execution = intent::hold_against(&visit, &mut call, terms, now, known);
    let applicable = applicable(policies, &call);
    // Before anything judges them: arguments are judged as they will be sent.
    let changes = rewrite::rewrite(&visit, &mut call, &applicable, terms, now, known);
    let readable = |changes| streams::judge(&call, &applicable).map(|()| changes);
    let changes = match changes.and_then(readable) {
        Ok(changes) => changes,
        Err(refusal) => {
            visit.refuse(&Denial::of(&refusal), now);
            return Err(refusal);
        }
    };
    let view = call.view(visit.step());
    let (tool, sizes, work) = (call.tool.name.clone(), call.sizes(), call.work());
    let asked = Asked { tool, call_key: call.key, sizes, work };
    let decided = visit.decide(asked, view, &applicable.limits, now, |look| {
        guard::judge(view, call.key, &applicable, look, now)
    });
    let (Granted { mut warnings, needs_approval, observed, budgets }, reservation) = decided
        .map_err(|refused| {
            let Refused { refusal, observed, budgets } = refused;
            known.observed = changes.observed.iter().cloned().chain(observed).collect();
            known.budgets = budgets;
            Refusal { is_concealed: applicable.conceals(refusal.rule.as_deref()), ..refusal }
        })?;
    known.observed = changes.observed.into_iter().chain(observed).collect();
    known.budgets = budgets;
    warnings.extend(changes.notes);
    known.warned_by = warnings.first().map(|warning| warning.rule.clone());
    // From here on a refusal takes the admission back.
    let mut reservation = reservation;
    reservation.fulfil(execution);
    let budgeted = reservation.take_budget(now).map_err(budget::refusal);
    let taken = budgeted.and_then(|()| held(&call, &reservation, now, known)).and_then(|held| {
        // Last, because an approval that lets a call pass is used up.
        approved(&call, &mut reservation, &applicable, &needs_approval, now, known)?;
        Ok(held)
    });
    match taken {
        Ok((begun, leave)) => {
            Ok(Admitted { call, reservation, applicable, warnings, leave, begun })
        }
        Err(refusal) => {
            reservation.refuse(&Denial::of(&refusal), now);
            Err(refusal)
        }
    }
}

/// What applies to a call. A method that is none of its protocol's own needs a rule that allows it.
fn applicable(policies: &PolicySet, call: &Call) -> Arc<Applicable> {
    let applicable = policies.applicable(&call.tool);
    let is_foreign = match &call.language {
        Language::Mcp(message) => message.is_foreign,
        Language::Http | Language::Llm(_) => false,
    };
    if !is_foreign {
        return applicable;
    }
    let name = Arc::from("mcp/unknown-method");
    let default_deny = Some(Arc::new(DefaultDeny { name, mode: Mode::Enforce }));
    Arc::new(Applicable { default_deny, ..(*applicable).clone() })
}

/// Uses up an approval for exactly this call, where one is needed.
fn approved(
    call: &Call,
    reservation: &mut Reservation,
    applicable: &Applicable,
    findings: &[Finding],
    now: Now,
    known: &mut Known,
) -> Result<(), Refusal> {
    let Some(first) = findings.first() else { return Ok(()) };
    let run = Arc::clone(&reservation.run_id().0);
    let wanted = approval::wanted(call, &run, findings, applicable, known);
    let answer = reservation.ask_approval(wanted, now);
    known.approval = answer.id().cloned();
    approval::judge(answer, first.clone())
}

/// What a call takes beside its reservation, and gives back when it is dropped.
fn held(
    call: &Call,
    reservation: &Reservation,
    now: Now,
    known: &mut Known,
) -> Result<(Begun, Leave), Refusal> {
    // The same write again is wrong even when the tool is well.
    let begun = unknown::begin(call, reservation, now, known)?;
    let leave = breaker::enter(call, reservation.ledger(), now, known)?;
    Ok((begun, leave))
}

fn kill_facts<'a>(call: &'a Call, run: &'a RunId, above: &'a [RunId]) -> KillFacts<'a> {
    KillFacts { tool: &call.tool, run: &run.0, above, tenant: &call.caller.tenant }
}

impl Admitted {
    /// Whether it may still be sent: what was switched off, and a run that was stopped in the
    /// meantime, is not tried again.
    ///
    /// # Errors
    /// The refusal, which whoever asked has yet to note.
    pub fn still_on(&self) -> Result<(), Refusal> {
        let (run, above) = (self.reservation.run_id(), self.reservation.above());
        kill::judge(self.reservation.kills(), kill_facts(&self.call, run, &above))?;
        match self.reservation.stopped() {
            None => Ok(()),
            Some(reason) => Err(guard::stopped(reason)),
        }
    }

    /// The call.
    pub fn call(&self) -> &Call {
        &self.call
    }

    /// The headers as received, which only forwarding reads; none are left behind.
    pub(crate) fn take_headers(&mut self) -> Headers {
        std::mem::take(&mut self.call.headers)
    }

    /// What it holds.
    pub fn reservation(&self) -> &Reservation {
        &self.reservation
    }

    /// What applies to its tool.
    pub fn applicable(&self) -> &Applicable {
        &self.applicable
    }

    /// What the agent should be told although the call passes.
    pub fn warnings(&self) -> &[Finding] {
        &self.warnings
    }

    pub(crate) fn into_parts(self) -> AdmittedParts {
        let Self { call, reservation, applicable, warnings: _, leave, begun } = self;
        let Begun { watched, key: _ } = begun;
        AdmittedParts { call, reservation, applicable, leave, watched }
    }

    /// Says whether bytes of the request may have reached the tool.
    pub(crate) fn mark_sent(&self, reached: bool) {
        if reached {
            self.reservation.mark_sent();
        } else {
            self.reservation.mark_unsent();
        }
        if let Some(watched) = &self.begun.watched {
            watched.mark(reached);
        }
    }

    /// Takes the admission back: nothing was sent, and nothing will be.
    pub(crate) fn take_back(self, refusal: &Refusal, now: Now) {
        let AdmittedParts { reservation, leave, watched, .. } = self.into_parts();
        drop((leave, watched));
        reservation.refuse(&Denial::of(refusal), now);
    }

    /// Settles a call that was sent and must not be tried again. `in_doubt`: it may have happened.
    pub(crate) fn call_off(self, in_doubt: bool, now: Now) {
        let AdmittedParts { reservation, leave, watched, .. } = self.into_parts();
        drop(leave);
        if let Some(watched) = watched {
            watched.end(if in_doubt { Status::Unknown } else { Status::Denied }, now);
        }
        let settlement = Settlement {
            status: Status::Denied,
            succeeded: false,
            result_key: 0,
            captured: Vec::new(),
            upstream: Duration::ZERO,
            cost: None,
            tokens: None,
        };
        reservation.settle(settlement, now);
    }
}
