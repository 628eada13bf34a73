//! The proof that a call was judged and what it may use is reserved.

use std::sync::Arc;

use crate::call::{Known, Refusal};
use crate::clock::Now;
use crate::guard::{self, Granted, Refused};
use crate::identify::{Call, Headers, Identified};
use crate::ledger::{Asked, Reservation, Sizes};
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
    let applicable = policies.applicable(&call.tool);
    let view = call.view(visit.step());
    let sizes = Sizes { cost: call.plan.cost.max(), tokens: 0 };
    let asked = Asked { tool: call.tool.name.clone(), call_key: call.key, sizes };
    let decided = visit.decide(asked, view, &applicable.limits, now, |look| {
        guard::judge(view, call.key, &applicable, look, now)
    });
    let (Granted { warnings, observed, budgets }, reservation) = decided.map_err(|refused| {
        let Refused { refusal, observed, budgets } = refused;
        known.observed = observed;
        known.budgets = budgets;
        refusal
    })?;
    known.observed = observed;
    known.budgets = budgets;
    known.warned_by = warnings.first().map(|warning| warning.rule.clone());
    Ok(Admitted { call, reservation, applicable, warnings })
}

impl Admitted {
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
