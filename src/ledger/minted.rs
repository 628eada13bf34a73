//! Runs that an operator or orchestrator made before their first call: each with a signed token, a
//! budget of its own, and perhaps a parent that the budget was carved from.
//!
//! Budgets are taken atomically under one lock: a child's is taken from its parent's remainder as a
//! whole when it is made, and what it did not use returns when it ends. So no family of runs uses
//! more than its eldest was given. Calls and the most that they may cost are taken before they are
//! sent, and the real figures put in their place when they have ended; where these are larger, the
//! difference is at the cost of the parents too.

mod purse;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use ring::hmac::{self, HMAC_SHA256};
use ring::rand::SystemRandom;

use crate::call::{Caller, RunId};
use crate::clock::Now;
use crate::json::Digest;
use crate::ledger::Ledger;
use crate::ledger::draw::Sizes;
use crate::policy::amount::{Amount, Usd};
use crate::policy::view::Labels;
use crate::weaken::Hole;
pub use purse::{BudgetKind, Purse, Purses};

/// Longest line of parents, the run itself included.
pub const MINTED_DEPTH_LIMIT: usize = 8;

/// What a token begins with.
const TOKEN_PREFIX: &str = "tgr_";

/// What a minted run may use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunBudget {
    /// Calls that are sent, by it and all runs below it.
    pub calls: Option<u64>,
    /// What they may cost.
    pub cost_usd: Option<Usd>,
    /// What they may use.
    pub tokens: Option<u64>,
    /// From its making on.
    pub wall_time: Option<Duration>,
}

/// What a run is made with.
#[derive(Clone, Debug, Default)]
pub struct MintSpec {
    pub parent: Option<RunId>,
    pub budget: RunBudget,
    pub labels: Labels,
    /// Digest and size in bytes of the prompt, which is not kept.
    pub prompt: Option<(Digest, u64)>,
}

/// What is known of a minted run.
#[derive(Clone, Debug)]
pub struct MintedRun {
    pub parent: Option<RunId>,
    pub labels: Labels,
    pub prompt: Option<(Digest, u64)>,
    /// What it may use, and what of it is taken: in flight, used, or given to runs below it.
    pub purses: Purses,
    /// When its time is over, by the clock that never goes back.
    pub deadline: Option<Duration>,
    depth: usize,
    /// What it did not use has returned to its parent.
    over: bool,
}

/// Why a run was not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MintError {
    #[error("The parent is not a run made here that still goes on.")]
    NoParent,
    #[error("The parent has a bound on {0}; the run needs one of its own within it.")]
    Unbounded(&'static str),
    #[error("The parent has {left} of {what} left.")]
    TooMuch { what: &'static str, left: String },
    #[error("Runs are nested at most {MINTED_DEPTH_LIMIT} deep.")]
    TooDeep,
    #[error("The system gave no random bytes for a key.")]
    NoKey,
}

/// What a run has used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exhausted {
    /// What is left of the limit is less than the call may use.
    Budget {
        kind: BudgetKind,
        limit: Amount,
        left: Amount,
    },
    WallTime,
}

/// The runs that were made here and are remembered.
#[derive(Debug, Default)]
pub struct Minted {
    /// Made at the first use; tokens do not outlive the gate, as their runs do not.
    key: Mutex<Option<hmac::Key>>,
    runs: Mutex<HashMap<RunId, MintedRun>>,
}

impl Minted {
    /// The token that names `run` for `caller` until `expires_ms` (since the Unix epoch).
    fn token(&self, run: &RunId, caller: &Caller, expires_ms: i64) -> Option<String> {
        let mut key = self.key.lock();
        if key.is_none() {
            *key = hmac::Key::generate(HMAC_SHA256, &SystemRandom::new()).ok();
        }
        let tag = hmac::sign(key.as_ref()?, &signed(&run.0, caller, expires_ms));
        let mut token = format!("{TOKEN_PREFIX}{}.{expires_ms}.", run.0);
        for byte in tag.as_ref() {
            let _ = write!(token, "{byte:02x}");
        }
        Some(token)
    }

    /// The run that a token names, if the token is ours, is for this caller and has not expired.
    pub fn verify(&self, token: &str, caller: &Caller, now: Now) -> Option<RunId> {
        let mut parts = token.strip_prefix(TOKEN_PREFIX)?.split('.');
        let (run, expires, tag) = (parts.next()?, parts.next()?, parts.next()?);
        let expires_ms: i64 = expires.parse().ok()?;
        if parts.next().is_some() || now.wall_ms >= expires_ms {
            return None;
        }
        let tag = bytes_of(tag)?;
        let key = self.key.lock();
        let verified = hmac::verify(key.as_ref()?, &signed(run, caller, expires_ms), &tag);
        if verified.is_err() && !Hole::ForgedTokens.is_open() {
            return None;
        }
        Some(RunId(Arc::from(run)))
    }

    /// What is known of a run, if it was made here and is remembered.
    pub fn get(&self, run: &RunId) -> Option<MintedRun> {
        self.runs.lock().get(run).cloned()
    }

    /// The runs above a run: the one that made it, the one that made that, and so on.
    pub fn above(&self, run: &RunId) -> Vec<RunId> {
        let runs = self.runs.lock();
        line(&runs, run).cloned().collect()
    }

    /// Takes one call of these sizes of the run's budget: of every kind, or of none. A run that was
    /// not made here has no budget and takes nothing.
    ///
    /// # Errors
    /// What is used up.
    pub(super) fn take(&self, run: &RunId, sizes: Sizes, now: Now) -> Result<bool, Exhausted> {
        let mut runs = self.runs.lock();
        let Some(minted) = runs.get_mut(run) else { return Ok(false) };
        if minted.deadline.is_some_and(|deadline| now.mono >= deadline) {
            return Err(Exhausted::WallTime);
        }
        for kind in BudgetKind::ALL {
            let purse = minted.purses.of(kind);
            if let Some(limit) = purse.limit.filter(|_| !purse.fits(kind.of_call(sizes))) {
                return Err(Exhausted::Budget { kind, limit, left: purse.left() });
            }
        }
        for kind in BudgetKind::ALL {
            let purse = minted.purses.of_mut(kind);
            purse.taken = purse.taken.saturating_add(kind.of_call(sizes));
        }
        Ok(true)
    }

    /// Puts what a call has used in the place of what was taken for it.
    pub(super) fn settle(&self, run: &RunId, taken: Sizes, used: Sizes) {
        let mut runs = self.runs.lock();
        for kind in BudgetKind::ALL {
            exchange(&mut runs, run, kind, kind.of_call(taken), kind.of_call(used));
        }
    }

    /// Gives back what was taken for one call that was never sent.
    pub(super) fn give_back(&self, run: &RunId, taken: Sizes) {
        let mut runs = self.runs.lock();
        for kind in BudgetKind::ALL {
            exchange(&mut runs, run, kind, kind.of_call(taken), 0);
        }
    }

    fn add(&self, run: RunId, spec: MintSpec, now: Now) -> Result<(), MintError> {
        let MintSpec { parent, budget, labels, prompt } = spec;
        let mut deadline = budget.wall_time.map(|time| now.mono.saturating_add(time));
        let purses = Purses {
            calls: Purse::new(budget.calls.map(Amount::from)),
            cost_usd: Purse::new(budget.cost_usd.map(Usd::nanos)),
            tokens: Purse::new(budget.tokens.map(Amount::from)),
        };
        let mut runs = self.runs.lock();
        let mut depth = 1;
        if let Some(parent) = &parent {
            let above = runs.get_mut(parent).filter(|above| !above.over);
            let above = above.ok_or(MintError::NoParent)?;
            depth = above.depth.saturating_add(1);
            if depth > MINTED_DEPTH_LIMIT {
                return Err(MintError::TooDeep);
            }
            // A child has no more time than its parent.
            deadline = match (deadline, above.deadline) {
                (Some(own), Some(above)) => Some(own.min(above)),
                (own, above) => own.or(above),
            };
            if !Hole::FreeChildren.is_open() {
                carve(&mut above.purses, &purses)?;
            }
        }
        let minted = MintedRun { parent, labels, prompt, purses, deadline, depth, over: false };
        runs.insert(run, minted);
        Ok(())
    }

    /// Returns what a run that has ended did not use to its parent.
    pub(super) fn ended(&self, run: &RunId) {
        let mut runs = self.runs.lock();
        let Some(minted) = runs.get_mut(run).filter(|minted| !minted.over) else { return };
        minted.over = true;
        let parent = minted.parent.clone();
        for kind in BudgetKind::ALL {
            let Some(minted) = runs.get_mut(run) else { return };
            let purse = minted.purses.of_mut(kind);
            let Some(limit) = purse.limit else { continue };
            let unused = limit.saturating_sub(purse.taken);
            // Nothing more is taken of it, by whatever comes late.
            purse.limit = Some(purse.taken);
            if let Some(parent) = &parent {
                exchange(&mut runs, parent, kind, unused, 0);
            }
        }
    }

    /// Forgets the runs that the ledger has forgotten, unless they stand above one that it knows.
    pub(super) fn keep(&self, is_known: impl Fn(&RunId) -> bool) {
        let mut runs = self.runs.lock();
        let known: Vec<&RunId> = runs.keys().filter(|run| is_known(run)).collect();
        let above = known.iter().flat_map(|run| line(&runs, run));
        let kept: HashSet<RunId> = known.iter().copied().chain(above).cloned().collect();
        runs.retain(|run, _| kept.contains(run));
    }
}

impl Ledger {
    /// Makes a run before its first call, and the token that names it for `lifetime`.
    ///
    /// # Errors
    /// Why its parent cannot have it, or that there is no key to sign with.
    pub fn mint(
        &self,
        run: RunId,
        caller: &Caller,
        spec: MintSpec,
        lifetime: Duration,
        now: Now,
    ) -> Result<(String, i64), MintError> {
        let lifetime_ms = i64::try_from(lifetime.as_millis()).unwrap_or(i64::MAX);
        let expires_ms = now.wall_ms.saturating_add(lifetime_ms);
        let token = self.minted.token(&run, caller, expires_ms).ok_or(MintError::NoKey)?;
        let labels = spec.labels.clone();
        self.minted.add(run.clone(), spec, now)?;
        self.begin(&run, "token", caller, now).state.lock().labels = labels;
        Ok((token, expires_ms))
    }
}

/// Takes a child's budget of its parent's: of every kind, or of none.
fn carve(above: &mut Purses, wanted: &Purses) -> Result<(), MintError> {
    for kind in BudgetKind::ALL {
        let purse = above.of(kind);
        if purse.limit.is_none() {
            continue;
        }
        let wanted = wanted.of(kind).limit.ok_or(MintError::Unbounded(kind.name()))?;
        if !purse.fits(wanted) {
            let left = kind.shown(purse.left());
            return Err(MintError::TooMuch { what: kind.name(), left });
        }
    }
    for kind in BudgetKind::ALL {
        let purse = above.of_mut(kind);
        if purse.limit.is_some() {
            let wanted = wanted.of(kind).limit.unwrap_or_default();
            purse.taken = purse.taken.saturating_add(wanted);
        }
    }
    Ok(())
}

/// Puts `new` in the place of `old` in what is taken of a run. What the run cannot carry itself,
/// because it is overdrawn or over, changes what is taken of its parent alike, and so on.
fn exchange(
    runs: &mut HashMap<RunId, MintedRun>,
    run: &RunId,
    kind: BudgetKind,
    mut old: Amount,
    mut new: Amount,
) {
    let mut at = Some(run.clone());
    // Lines of parents are no longer than this.
    for level in 0..MINTED_DEPTH_LIMIT {
        let Some(minted) = at.as_ref().and_then(|run| runs.get_mut(run)) else { return };
        let over = minted.over;
        let purse = minted.purses.of_mut(kind);
        if level > 0 && purse.limit.is_none() {
            // Nothing was carved from it.
            return;
        }
        let before = purse.overdraft();
        purse.taken = purse.taken.saturating_add(new).saturating_sub(old);
        if over {
            purse.limit = purse.limit.map(|_| purse.taken);
        } else {
            (old, new) = (before, purse.overdraft());
        }
        if old == new {
            return;
        }
        at = minted.parent.clone();
    }
}

/// The runs above a run, the nearest first.
fn line<'a>(
    runs: &'a HashMap<RunId, MintedRun>,
    run: &RunId,
) -> impl Iterator<Item = &'a RunId> + use<'a> {
    let parent = |run: &RunId| runs.get(run).and_then(|minted| minted.parent.as_ref());
    std::iter::successors(parent(run), move |above| parent(above)).take(MINTED_DEPTH_LIMIT)
}

/// What a token vouches for; the lengths keep its parts apart.
fn signed(run: &str, caller: &Caller, expires_ms: i64) -> Vec<u8> {
    let mut bytes = Vec::new();
    let expires = expires_ms.to_string();
    let parts = [run, &expires, &caller.tenant, &caller.project, &caller.user, &caller.agent];
    for part in parts {
        bytes.extend_from_slice(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    bytes
}

fn bytes_of(hex: &str) -> Option<Vec<u8>> {
    if !hex.len().is_multiple_of(2) || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let pair = |at: usize| u8::from_str_radix(hex.get(at..at.saturating_add(2))?, 16).ok();
    (0..hex.len()).step_by(2).map(pair).collect()
}
