//! Limits in the admin API: how much of each is used up, and by whom.

use http::StatusCode;
use serde::Serialize;

use crate::admin::Admin;
use crate::admin::auth::Scope;
use crate::admin::reply::{self, Reply};
use crate::ledger::BudgetUse;
use crate::policy::amount::{self, Amount};
use crate::policy::model::Per;

/// Most budgets in one answer: those nearest to their maximum.
const SHOWN_LIMIT: usize = 1_000;

#[derive(Serialize)]
struct ShownBudgets<'a> {
    budgets: Vec<Shown<'a>>,
    /// How many there are, shown or not.
    total: usize,
}

/// One maximum of a limit, for one key.
#[derive(Serialize)]
struct Shown<'a> {
    /// `policy/id`
    limit: &'a str,
    per: &'static str,
    tenant: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    measure: &'a str,
    used: Figure,
    reserved: Figure,
    max: Figure,
    /// The sliding window, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    within_ms: Option<u64>,
}

/// A number of calls, or US dollars, seconds and sums.
#[derive(Serialize)]
#[serde(untagged)]
enum Figure {
    Whole(u64),
    Decimal(f64),
}

impl Admin {
    pub(super) fn list_budgets(&self, scope: Scope) -> Reply {
        let (snapshot, now) = (self.gate.snapshot(), self.gate.clock.now());
        let limits = snapshot.policies.limits();
        let (found, total) = self.gate.ledger.budgets(limits, SHOWN_LIMIT, now);
        let budgets = found.iter().map(|one| Shown::of(one, scope)).collect();
        reply::json(StatusCode::OK, &ShownBudgets { budgets, total })
    }
}

impl<'a> Shown<'a> {
    fn of(one: &'a BudgetUse, scope: Scope) -> Self {
        let limit = &one.limit;
        // What an expression gives comes from arguments, which not everybody who may read may see.
        let hidden = matches!(limit.per, Per::Key(_)) && scope != Scope::Write;
        let figure = |amount| Figure::of(amount, one.fine);
        Self {
            limit: &limit.name,
            per: limit.per.name(),
            tenant: &one.tenant,
            key: (!hidden).then_some(&*one.key),
            measure: &one.measure,
            used: figure(one.used),
            reserved: figure(one.reserved),
            max: figure(one.max),
            within_ms: limit
                .window()
                .map(|window| u64::try_from(window.as_millis()).unwrap_or(u64::MAX)),
        }
    }
}

impl Figure {
    fn of(amount: Amount, fine: bool) -> Self {
        match fine {
            true => Self::Decimal(amount::shown(amount).parse().unwrap_or(f64::MAX)),
            false => Self::Whole(u64::try_from(amount).unwrap_or(u64::MAX)),
        }
    }
}
