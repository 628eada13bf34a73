//! What one key of a limit (a run, a tool, an agent, a tenant, everything …) has used up.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

use crate::clock::Now;
use crate::ledger::claim::{Claim, Taken, Used};
use crate::ledger::draw::{Draw, Sizes};
use crate::ledger::meter::{Meter, Need, Occurrences, ValueDigest};
use crate::policy::amount::Amount;
use crate::policy::model::{Limit, Maximum, Measure};

/// Rules whose denials are told apart in one scope; the rest are counted together.
const DENIAL_RULES_LIMIT: usize = 4_096;

/// The counters of one limit, each under the name of its measure.
type Account = SmallVec<[(Measure, Meter); 1]>;

/// The measure that refusals are counted under.
const DENIALS: &str = "denials";

/// How long a scope that nobody draws on must be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Keep {
    /// So long after it was last touched: then its windows are empty and its rates are free.
    For(Duration),
    /// It holds a budget for life.
    Forever,
}

/// The counters of one scope. Keyed by limit id, so that they survive a change of policies.
#[derive(Debug)]
pub struct Scope {
    started: Duration,
    touched: Duration,
    keep: Keep,
    accounts: BTreeMap<Arc<str>, Account>,
    denials: BTreeMap<Arc<str>, Occurrences>,
}

impl Scope {
    /// An unused scope whose life begins at `started` (`clock::Now::mono`).
    pub fn new(started: Duration) -> Self {
        Self {
            started,
            touched: started,
            keep: Keep::For(Duration::ZERO),
            accounts: BTreeMap::new(),
            denials: BTreeMap::new(),
        }
    }

    /// Time since the scope's first call.
    pub fn age(&self, now: Now) -> Duration {
        now.since(self.started)
    }

    /// What is used up of one maximum of a limit, reservations included.
    pub fn used(&self, limit: &Limit, maximum: &Maximum, now: Now) -> Amount {
        let meter = self.meter(&limit.id, maximum);
        meter.map_or(0, |meter| meter.used(maximum, limit.window(), now))
    }

    /// How long it takes until `need` fits under the maximum, if time alone brings that about.
    pub fn wait(
        &self,
        limit: &Limit,
        maximum: &Maximum,
        need: Amount,
        now: Now,
    ) -> Option<Duration> {
        self.meter(&limit.id, maximum)?.wait(maximum, need, limit.window(), now)
    }

    /// Denials by one rule.
    pub fn denials_by(&self, rule: &str, within: Option<Duration>, now: Now) -> u64 {
        self.denials.get(rule).map_or(0, |denials| denials.count(within, now))
    }

    /// What of a maximum is taken and neither settled nor released; `None` when nobody drew on it.
    pub fn reserved_of(&self, limit: &Limit, maximum: &Maximum) -> Option<Amount> {
        self.meter(&limit.id, maximum).map(Meter::reserved)
    }

    /// What is taken under any limit and neither settled nor released: calls, and everything.
    pub fn reserved(&self) -> (u64, Amount) {
        let meters = self.accounts.values().flatten();
        meters.fold((0, 0), |(calls, all), (name, meter)| {
            let reserved = meter.reserved();
            let of_calls = if **name == *"calls" { reserved } else { 0 };
            let of_calls = u64::try_from(of_calls).unwrap_or(u64::MAX);
            (calls.saturating_add(of_calls), all.saturating_add(reserved))
        })
    }

    /// Whether nothing would be lost if the scope were forgotten: nothing is reserved, and what was
    /// used lies outside every window.
    pub(super) fn is_idle(&self, now: Now) -> bool {
        let over = match self.keep {
            Keep::Forever => false,
            Keep::For(time) => now.since(self.touched) >= time,
        };
        over && self.reserved().1 == 0
    }

    /// Whether the value that a call has under a `distinct` measure is among those used.
    pub(super) fn has_value(
        &self,
        limit: &Limit,
        maximum: &Maximum,
        value: &ValueDigest,
        now: Now,
    ) -> bool {
        match self.meter(&limit.id, maximum) {
            Some(Meter::Values(values)) => values.has(value, limit.window(), now),
            Some(Meter::Tally(_) | Meter::Bucket(_) | Meter::Gauge(_) | Meter::Occurrences(_))
            | None => false,
        }
    }

    /// Takes what the call draws on one maximum of a limit, whether it fits or not: that was judged
    /// before, under the same lock.
    pub(super) fn take(
        &mut self,
        draw: &Draw<'_>,
        position: usize,
        sizes: Sizes,
        now: Now,
    ) -> Option<Taken> {
        let limit = draw.limit;
        let maximum = limit.max.get(position)?;
        let window = limit.window();
        let amount = draw.amount(position, sizes);
        let value = draw.value(position);
        self.touch(limit, maximum, now);
        let meter = self.meter_mut(&limit.id, maximum)?;
        meter.take(maximum, Need { amount, value }, window, now)
    }

    /// Turns what an admitted call took into what it used, or gives it back.
    pub(super) fn close(&mut self, claim: &Claim, used: Used, now: Now) {
        self.touched = self.touched.max(now.mono);
        let account = self.accounts.get_mut(&claim.limit);
        if let Some(meter) = account.and_then(|account| find_mut(account, &claim.measure)) {
            meter.close(&claim.taken, used, now);
        }
    }

    /// Counts a refusal under the measure `denials` of a limit.
    pub(super) fn note_refusal(&mut self, limit: &Arc<str>, at: Duration) {
        let account = self.account(limit);
        if find_mut(account, DENIALS).is_none() {
            account.push((Measure::Fixed(DENIALS), Meter::Occurrences(Occurrences::default())));
        }
        if let Some(Meter::Occurrences(denials)) = find_mut(account, DENIALS) {
            denials.note(at);
        }
    }

    pub(super) fn note_denial(&mut self, rule: &Arc<str>, at: Duration) {
        let key = if self.denials.contains_key(rule) || self.denials.len() < DENIAL_RULES_LIMIT {
            rule.clone()
        } else {
            Arc::from("")
        };
        self.denials.entry(key).or_default().note(at);
    }

    /// Notes that the scope was drawn on, and for how long that matters.
    pub(super) fn touch(&mut self, limit: &Limit, maximum: &Maximum, now: Now) {
        self.touched = self.touched.max(now.mono);
        let keep = match (maximum, limit.window()) {
            (Maximum::Rate(rate), _) => Keep::For(rate.interval.saturating_mul(rate.burst)),
            (Maximum::InFlight(_), _) => Keep::For(Duration::ZERO),
            (_, Some(window)) => Keep::For(window),
            (_, None) => Keep::Forever,
        };
        self.keep = self.keep.max(keep);
    }

    fn meter(&self, limit: &str, maximum: &Maximum) -> Option<&Meter> {
        let account = self.accounts.get(limit)?;
        let measure = maximum.measure();
        account.iter().find(|(name, _)| **name == *measure).map(|(_, meter)| meter)
    }

    fn meter_mut(&mut self, limit: &Arc<str>, maximum: &Maximum) -> Option<&mut Meter> {
        let account = self.account(limit);
        let measure = maximum.measure();
        if find_mut(account, &measure).is_none() {
            account.push((measure.clone(), Meter::of(maximum)?));
        }
        find_mut(account, &measure)
    }

    fn account(&mut self, limit: &Arc<str>) -> &mut Account {
        if !self.accounts.contains_key(limit) {
            self.accounts.insert(limit.clone(), Account::new());
        }
        self.accounts.entry(limit.clone()).or_default()
    }
}

fn find_mut<'a>(account: &'a mut Account, measure: &str) -> Option<&'a mut Meter> {
    account.iter_mut().find(|(name, _)| **name == *measure).map(|(_, meter)| meter)
}
