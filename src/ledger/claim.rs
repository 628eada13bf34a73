//! What an admitted call holds of one measure of one limit.

use std::sync::Arc;
use std::time::Duration;

use crate::ledger::draw::Sizes;
use crate::ledger::keys::Shared;
use crate::ledger::meter::{Ticket, ValueDigest};
use crate::ledger::run::RunState;
use crate::ledger::scope::Scope;
use crate::policy::amount::{Amount, Usd};
use crate::policy::model::Measure;

/// Something to be settled or given back when the call has ended.
#[derive(Debug)]
pub(super) struct Claim {
    /// The scope it was taken of; `None` for the run's own.
    pub scope: Option<Arc<Shared>>,
    pub limit: Arc<str>,
    /// `policy/id` of the limit.
    pub name: Arc<str>,
    pub measure: Measure,
    pub taken: Taken,
}

/// What was taken.
#[derive(Debug)]
pub(super) enum Taken {
    /// An amount, under the time that its tally noted.
    Amount { at: Duration, amount: Amount },
    /// One call of a rate.
    Rate(Ticket),
    /// A place among the calls in flight.
    InFlight,
    /// A value, at the time of its admission.
    Value { at: Duration, value: ValueDigest },
    /// Nothing, but a failure is counted.
    Errors,
    /// Nothing, but a later refusal is counted.
    Denials,
    /// Nothing, but a later refusal is counted by its rule, beyond the run, which always does that.
    DenialsByRule,
}

/// What an admitted call really used.
#[derive(Clone, Copy, Debug)]
pub(super) struct Used {
    /// Its request may have reached the tool.
    pub sent: bool,
    pub failed: bool,
    /// The real figure of the measure at hand, when it is known: else what was reserved.
    pub real: Option<Amount>,
}

impl Claim {
    /// Hands the scope that it was taken of to `close`. The run is locked already, and its lock comes
    /// before those of wider scopes.
    pub fn on_scope(&self, run: &mut RunState, close: impl FnOnce(&mut Scope)) {
        match &self.scope {
            None => close(&mut run.scope),
            Some(shared) => close(&mut shared.scope.lock()),
        }
    }
}

impl Used {
    /// What is used up of an amount that was reserved; `None` when it is given back.
    pub fn of(self, reserved: Amount) -> Option<Amount> {
        self.sent.then(|| self.real.unwrap_or(reserved))
    }
}

/// What a call has cost, as far as that is known.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bill {
    pub cost: Option<Usd>,
    pub tokens: Option<u64>,
}

impl Bill {
    /// What is charged, where figures that are not known are those reserved.
    pub fn or(self, sizes: Sizes) -> Sizes {
        Sizes { cost: self.cost.unwrap_or(sizes.cost), tokens: self.tokens.unwrap_or(sizes.tokens) }
    }

    /// The real figure of a measure; `None` when it is not known, or is what was reserved anyway.
    pub fn of(self, measure: &str) -> Option<Amount> {
        match measure {
            "cost_usd" => self.cost.map(Usd::nanos),
            "tokens" => self.tokens.map(Amount::from),
            _ => None,
        }
    }
}
