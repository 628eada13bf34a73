//! What is used up of limits right now, for those who look from outside.

use std::cmp::Reverse;
use std::sync::Arc;

use crate::call::budget::Budget;
use crate::clock::Now;
use crate::ledger::Ledger;
use crate::ledger::keys::ScopeKey;
use crate::ledger::scope::Scope;
use crate::policy::amount::{Amount, BILLION};
use crate::policy::model::{Limit, Maximum, Measure, Per};

/// One maximum of a limit, as far as one run, agent, tenant … has used it up.
#[derive(Clone, Debug)]
pub struct BudgetUse {
    pub limit: Arc<Limit>,
    pub measure: Measure,
    /// Of an agent, user, project or tenant; empty where none is configured.
    pub tenant: Arc<str>,
    /// The run's id, the name of what the limit is kept by, or what its expression gave; empty when
    /// it is kept for everything together.
    pub key: Arc<str>,
    /// Amounts are billionths: of dollars, seconds, or a sum.
    pub fine: bool,
    /// Reservations included.
    pub used: Amount,
    /// What of it is taken by calls that have not ended.
    pub reserved: Amount,
    pub max: Amount,
}

/// Those that are nearest to their maximum, of all that were seen.
struct Nearest {
    found: Vec<BudgetUse>,
    most: usize,
    total: usize,
}

impl Ledger {
    /// What is used up of limits: at most `most` of them, those nearest to their maximum first, and
    /// how many there are. Maxima that are read off the history of a run are not among them.
    pub fn budgets(&self, limits: &[Arc<Limit>], most: usize, now: Now) -> (Vec<BudgetUse>, usize) {
        let mut nearest = Nearest { found: Vec::new(), most, total: 0 };
        let none: Arc<str> = Arc::from("");
        for run in &self.runs {
            let state = run.state.lock();
            for limit in limits.iter().filter(|limit| matches!(limit.per, Per::Run)) {
                nearest.add(limit, &run.caller.tenant, &run.id.0, &state.scope, now);
            }
        }
        self.scopes.each_key(|key, scope| {
            for limit in limits {
                let (tenant, key) = match (key, &limit.per) {
                    (ScopeKey::Agent { tenant, agent }, Per::Agent) => (tenant, agent),
                    (ScopeKey::User { tenant, user }, Per::User) => (tenant, user),
                    (ScopeKey::Project { tenant, project }, Per::Project) => (tenant, project),
                    (ScopeKey::Tenant(tenant), Per::Tenant) => (tenant, tenant),
                    (ScopeKey::Tool(tool), Per::Tool) => (&none, tool),
                    (ScopeKey::Global, Per::Global) => (&none, &none),
                    (ScopeKey::Key { limit: of, key }, Per::Key(_)) if *of == limit.id => {
                        (&none, &Arc::from(&**key))
                    }
                    (_, _) => continue,
                };
                nearest.add(limit, tenant, key, scope, now);
            }
        });
        nearest.prune();
        (nearest.found, nearest.total)
    }
}

impl Nearest {
    fn add(
        &mut self,
        limit: &Arc<Limit>,
        tenant: &Arc<str>,
        key: &Arc<str>,
        scope: &Scope,
        now: Now,
    ) {
        for maximum in &limit.max {
            let (fine, used, reserved, max) = match maximum {
                Maximum::WallTime(max) => (true, scope.age(now).as_nanos(), 0, max.as_nanos()),
                Maximum::Calls(_)
                | Maximum::CostUsd(_)
                | Maximum::Tokens(_)
                | Maximum::Rate(_)
                | Maximum::InFlight(_)
                | Maximum::Errors(_)
                | Maximum::Denials(_)
                | Maximum::DenialsSameRule(_)
                | Maximum::IdenticalCalls(_)
                | Maximum::CycleRepeats(_)
                | Maximum::Sum(_)
                | Maximum::Distinct(_) => {
                    let Some(max) = maximum.amount() else { continue };
                    let Some(reserved) = scope.reserved_of(limit, maximum) else { continue };
                    (Budget::is_fine(maximum), scope.used(limit, maximum, now), reserved, max)
                }
            };
            self.total = self.total.saturating_add(1);
            self.found.push(BudgetUse {
                limit: Arc::clone(limit),
                measure: maximum.measure(),
                tenant: Arc::clone(tenant),
                key: Arc::clone(key),
                fine,
                used,
                reserved,
                max,
            });
        }
        // Sorted now and then, so that neither memory nor time grows with all there is.
        if self.found.len() > self.most.saturating_mul(2) {
            self.prune();
        }
    }

    fn prune(&mut self) {
        let share = |one: &BudgetUse| one.used.saturating_mul(BILLION) / one.max.max(1);
        self.found.sort_by(|a, b| {
            let by_name = || (&a.limit.name, &*a.measure, &a.tenant, &a.key);
            let by_other = (&b.limit.name, &*b.measure, &b.tenant, &b.key);
            let nearer = Reverse(share(a)).cmp(&Reverse(share(b)));
            nearer.then_with(|| by_name().cmp(&by_other))
        });
        self.found.truncate(self.most);
    }
}
