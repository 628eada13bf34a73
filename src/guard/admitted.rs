//! The proof that a call was judged and what it may use is reserved.

use std::sync::Arc;

use crate::call::{Known, Refusal};
use crate::clock::Now;
use crate::guard::{self, Granted, Refused, approval, kill};
use crate::identify::{Call, Headers, Identified};
use crate::ledger::{Asked, Denial, KillFacts, Reservation};
use crate::policy::decide::Finding;
use crate::policy::set::{Applicable, PolicySet};

/// A call that may be forwarded. Made here and nowhere else.
pub struct Admitted {
    call: Call,
    reservation: Reservation,
    applicable: Arc<Applicable>,
    warnings: Vec<Finding>,
}

/// What an admitted call falls apart into when it has ended.
pub(crate) struct AdmittedParts {
    pub call: Call,
    pub reservation: Reservation,
    pub applicable: Arc<Applicable>,
}

/// Lets a call pass, or refuses it.
///
/// # Errors
/// The refusal; it is already noted in the run.
pub fn admit(
    identified: Identified,
    policies: &PolicySet,
    now: Now,
    known: &mut Known,
) -> Result<Admitted, Refusal> {
    let (visit, call) = identified.into_parts();
    // What is switched off comes first: nothing of it is even looked at.
    if let Err(refusal) = kill::judge(visit.kills(), kill_facts(&call, &visit.run_id().0)) {
        let denial = Denial { key: Arc::from(refusal.reason.name()), stop: None };
        visit.refuse(&denial, now);
        return Err(refusal);
    }
    let applicable = policies.applicable(&call.tool);
    let view = call.view(visit.step());
    let asked = Asked { tool: call.tool.name.clone(), call_key: call.key };
    let decided = visit.decide(asked, &applicable.limits, now, |look| {
        guard::judge(view, call.key, &applicable, look, now)
    });
    let (Granted { warnings, needs_approval, observed }, reservation) =
        decided.map_err(|refused| {
            let Refused { refusal, observed } = refused;
            known.observed = observed;
            refusal
        })?;
    known.observed = observed;
    known.warned_by = warnings.first().map(|warning| warning.rule.clone());
    let mut admitted = Admitted { call, reservation, applicable, warnings };
    // Last, because an approval that lets a call pass is used up.
    if let Some(first) = needs_approval.first().cloned() {
        let run = Arc::clone(&admitted.reservation.run_id().0);
        let Admitted { call, applicable, .. } = &admitted;
        let wanted = approval::wanted(call, &run, &needs_approval, applicable, known);
        let rule = Arc::clone(&first.rule);
        let answer = admitted.reservation.ask_approval(wanted, now);
        known.approval = answer.id().cloned();
        if let Err(refusal) = approval::judge(answer, first) {
            admitted.reservation.refuse(&Denial { key: rule, stop: None }, now);
            return Err(refusal);
        }
    }
    Ok(admitted)
}

fn kill_facts<'a>(call: &'a Call, run: &'a str) -> KillFacts<'a> {
    KillFacts { tool: &call.tool, run, tenant: &call.caller.tenant }
}

impl Admitted {
    /// Whether it may still be sent: what was switched off in the meantime is not tried again.
    ///
    /// # Errors
    /// The refusal, which whoever asked has yet to note.
    pub fn still_on(&self) -> Result<(), Refusal> {
        let run = &self.reservation.run_id().0;
        kill::judge(self.reservation.kills(), kill_facts(&self.call, run))
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
        let Self { call, reservation, applicable, warnings: _ } = self;
        AdmittedParts { call, reservation, applicable }
    }
}
