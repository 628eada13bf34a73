//! What a call draws on each limit: the scope, and how much. Worked out before anything but the run
//! is locked, because keys and amounts are expressions.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::clock::Now;
use crate::ledger::Ledger;
use crate::ledger::keys::{ScopeKey, Shared};
use crate::ledger::meter::{ValueDigest, digest};
use crate::ledger::run::RunCell;
use crate::policy::amount::{Amount, Usd};
use crate::policy::expr::EvalError;
use crate::policy::model::{Limit, Maximum, Per};
use crate::policy::view::{CallView, Env, RunView};

/// What a call may use at most, beyond itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// The most that it can cost.
    pub cost: Usd,
    /// The tokens that it is estimated to use.
    pub tokens: u64,
}

/// Why a call has no place in a limit, and must not pass.
#[derive(Clone, Debug)]
pub enum Unplaced {
    /// The key could not be evaluated.
    Key(EvalError),
    /// The key is new, and as many are remembered as may be.
    Full,
}

/// Where a limit is kept for a call.
#[derive(Debug)]
pub(super) enum Place {
    Run,
    Wider(Arc<Shared>),
    Nowhere(Unplaced),
}

/// One value of an expression.
#[derive(Debug)]
enum Found {
    Amount(Amount),
    Value(ValueDigest),
    Fault(EvalError),
}

/// One limit, as a call draws on it.
#[derive(Debug)]
pub(super) struct Draw<'l> {
    pub limit: &'l Arc<Limit>,
    pub place: Place,
    /// Values of expressions, by the position of their maximum. Empty for nearly every limit.
    found: Vec<(usize, Found)>,
}

/// The draws of one call.
pub(super) type Draws<'l> = SmallVec<[Draw<'l>; 6]>;

/// Works out what a call draws on its limits.
pub(super) fn draws<'l>(
    ledger: &Ledger,
    cell: &RunCell,
    limits: &'l [Arc<Limit>],
    call: CallView<'_>,
    run: RunView<'_>,
    now: Now,
) -> Draws<'l> {
    let env = Env { call, run, prior: None, answer: None, now };
    let mut draws = Draws::new();
    for limit in limits {
        let place = place(ledger, cell, limit, &env);
        let mut found = Vec::new();
        for (position, maximum) in limit.max.iter().enumerate() {
            let value = match maximum {
                Maximum::Sum(measured) => match measured.program.eval_amount(&env) {
                    Ok(amount) => Found::Amount(amount),
                    Err(error) => Found::Fault(error),
                },
                Maximum::Distinct(measured) => match measured.program.eval_text(&env) {
                    Ok(value) => Found::Value(digest(&value)),
                    Err(error) => Found::Fault(error),
                },
                Maximum::Calls(_)
                | Maximum::CostUsd(_)
                | Maximum::Tokens(_)
                | Maximum::WallTime(_)
                | Maximum::Rate(_)
                | Maximum::InFlight(_)
                | Maximum::Errors(_)
                | Maximum::Denials(_)
                | Maximum::DenialsSameRule(_)
                | Maximum::IdenticalCalls(_)
                | Maximum::CycleRepeats(_) => continue,
            };
            found.push((position, value));
        }
        draws.push(Draw { limit, place, found });
    }
    draws
}

fn place(ledger: &Ledger, cell: &RunCell, limit: &Limit, env: &Env<'_>) -> Place {
    let key = match &limit.per {
        Per::Run => return Place::Run,
        Per::Tool => ScopeKey::Tool(env.call.tool.name.clone()),
        Per::Key(program) => match program.eval_text(env) {
            Ok(key) => ScopeKey::Key { limit: limit.id.clone(), key: key.into() },
            Err(error) => return Place::Nowhere(Unplaced::Key(error)),
        },
        Per::Agent | Per::User | Per::Tenant | Per::Project | Per::Global => {
            let shared = ledger.of_caller(cell, &limit.per, env.now);
            return shared.map_or(Place::Nowhere(Unplaced::Full), Place::Wider);
        }
    };
    let shared = ledger.scopes.get(key, env.now);
    shared.map_or(Place::Nowhere(Unplaced::Full), Place::Wider)
}

impl Draw<'_> {
    /// What the call needs at most of the maximum at `position`, where that is an amount.
    pub fn amount(&self, position: usize, sizes: Sizes) -> Option<Amount> {
        match self.limit.max.get(position)? {
            Maximum::Calls(_)
            | Maximum::Rate(_)
            | Maximum::InFlight(_)
            | Maximum::Errors(_)
            | Maximum::Denials(_) => Some(1),
            Maximum::CostUsd(_) => Some(sizes.cost.nanos()),
            Maximum::Tokens(_) => Some(Amount::from(sizes.tokens)),
            Maximum::Sum(_) => match self.found(position)? {
                Found::Amount(amount) => Some(*amount),
                Found::Value(_) | Found::Fault(_) => None,
            },
            Maximum::Distinct(_)
            | Maximum::WallTime(_)
            | Maximum::DenialsSameRule(_)
            | Maximum::IdenticalCalls(_)
            | Maximum::CycleRepeats(_) => None,
        }
    }

    /// The value that the call has under the `distinct` measure at `position`.
    pub fn value(&self, position: usize) -> Option<ValueDigest> {
        match self.found(position)? {
            Found::Value(value) => Some(*value),
            Found::Amount(_) | Found::Fault(_) => None,
        }
    }

    /// Why the expression of the maximum at `position` has no value.
    pub fn fault(&self, position: usize) -> Option<&EvalError> {
        match self.found(position)? {
            Found::Fault(error) => Some(error),
            Found::Amount(_) | Found::Value(_) => None,
        }
    }

    fn found(&self, position: usize) -> Option<&Found> {
        self.found.iter().find(|(of, _)| *of == position).map(|(_, found)| found)
    }
}
