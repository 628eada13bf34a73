//! What a minted run was given of calls, money and tokens, and what of it is gone.

use crate::ledger::draw::Sizes;
use crate::policy::amount::{self, Amount};

/// What a budget is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BudgetKind {
    Calls,
    /// Nano-dollars.
    CostUsd,
    Tokens,
}

/// So much as a run was given of one kind, and what is gone: reserved, used, or given to runs below.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Purse {
    /// `None` when the run has no bound of this kind.
    pub limit: Option<Amount>,
    /// More than the limit when a call has used more than was reserved for it.
    pub taken: Amount,
}

/// The purses of one run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Purses {
    pub calls: Purse,
    pub cost_usd: Purse,
    pub tokens: Purse,
}

impl BudgetKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Calls, Self::CostUsd, Self::Tokens];

    /// The name users see.
    pub fn name(self) -> &'static str {
        match self {
            Self::Calls => "calls",
            Self::CostUsd => "cost_usd",
            Self::Tokens => "tokens",
        }
    }

    /// An amount as users see it.
    pub fn shown(self, amount: Amount) -> String {
        match self {
            Self::Calls | Self::Tokens => amount.to_string(),
            Self::CostUsd => amount::shown(amount),
        }
    }

    /// How much one call of these sizes takes.
    pub(super) fn of_call(self, sizes: Sizes) -> Amount {
        match self {
            Self::Calls => 1,
            Self::CostUsd => sizes.cost.nanos(),
            Self::Tokens => Amount::from(sizes.tokens),
        }
    }
}

impl Purse {
    pub(super) fn new(limit: Option<Amount>) -> Self {
        Self { limit, taken: 0 }
    }

    /// What may still be taken; without a bound, everything.
    pub fn left(self) -> Amount {
        self.limit.map_or(Amount::MAX, |limit| limit.saturating_sub(self.taken))
    }

    /// Whether so much more may be taken. Of what is overdrawn not even nothing may.
    pub(super) fn fits(self, amount: Amount) -> bool {
        self.limit.is_none_or(|limit| self.taken.saturating_add(amount) <= limit)
    }

    /// What was used beyond the limit.
    pub(super) fn overdraft(self) -> Amount {
        self.limit.map_or(0, |limit| self.taken.saturating_sub(limit))
    }
}

impl Purses {
    /// The purse of a kind.
    pub fn of(&self, kind: BudgetKind) -> Purse {
        match kind {
            BudgetKind::Calls => self.calls,
            BudgetKind::CostUsd => self.cost_usd,
            BudgetKind::Tokens => self.tokens,
        }
    }

    pub(super) fn of_mut(&mut self, kind: BudgetKind) -> &mut Purse {
        match kind {
            BudgetKind::Calls => &mut self.calls,
            BudgetKind::CostUsd => &mut self.cost_usd,
            BudgetKind::Tokens => &mut self.tokens,
        }
    }
}
