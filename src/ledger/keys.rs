//! The scopes wider than one run: which keys there are, how many may be, and when one is forgotten.

use std::collections::hash_map::RandomState;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use parking_lot::Mutex;

use crate::call::Caller;
use crate::clock::Now;
use crate::ledger::scope::Scope;
use crate::policy::model::Per;

/// Scopes remembered at once. Keys may come from callers, and what a scope holds must not be had
/// anew: beyond it a new key is refused.
pub const SCOPE_LIMIT_KEYS: usize = 65_536;

/// Time between two searches for scopes that can be forgotten, when there is no room.
const SEARCH_PERIOD: Duration = Duration::from_secs(1);

/// What a limit wider than a run is counted by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum ScopeKey {
    Agent {
        tenant: Arc<str>,
        agent: Arc<str>,
    },
    User {
        tenant: Arc<str>,
        user: Arc<str>,
    },
    Project {
        tenant: Arc<str>,
        project: Arc<str>,
    },
    Tenant(Arc<str>),
    Tool(Arc<str>),
    Global,
    /// What the expression of one limit gave.
    Key {
        limit: Arc<str>,
        key: Box<str>,
    },
}

impl ScopeKey {
    /// The key of what a caller is part of; `None` of what is not the caller's.
    pub fn of_caller(caller: &Caller, per: &Per) -> Option<Self> {
        let tenant = || caller.tenant.clone();
        Some(match per {
            Per::Agent => Self::Agent { tenant: tenant(), agent: caller.agent.clone() },
            Per::User => Self::User { tenant: tenant(), user: caller.user.clone() },
            Per::Project => Self::Project { tenant: tenant(), project: caller.project.clone() },
            Per::Tenant => Self::Tenant(tenant()),
            Per::Global => Self::Global,
            Per::Run | Per::Tool | Per::Key(_) => return None,
        })
    }
}

/// A scope that runs share.
#[derive(Debug)]
pub(super) struct Shared {
    /// Locks are taken in this order, so that no two calls wait for each other.
    pub order: u64,
    pub scope: Mutex<Scope>,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Scopes {
    known: DashMap<ScopeKey, Arc<Shared>, RandomState>,
    /// INVARIANT: never smaller than `known.len()`, so that the cap needs no walk over the shards.
    count: AtomicUsize,
    made: AtomicU64,
    /// When room was last searched for, in nanoseconds of `Now::mono`, plus one.
    searched: AtomicU64,
}

impl Scopes {
    /// The scope of a key, made when it is new; `None` when there is no room for it.
    pub fn get(&self, key: ScopeKey, now: Now) -> Option<Arc<Shared>> {
        if let Some(known) = self.known.get(&key) {
            return Some(Arc::clone(&known));
        }
        if self.count.load(Ordering::Acquire) >= SCOPE_LIMIT_KEYS {
            self.make_room(now);
        }
        match self.known.entry(key) {
            Entry::Occupied(known) => Some(Arc::clone(known.get())),
            Entry::Vacant(place) => {
                if self.count.fetch_add(1, Ordering::AcqRel) >= SCOPE_LIMIT_KEYS {
                    self.count.fetch_sub(1, Ordering::AcqRel);
                    return None;
                }
                let order = self.made.fetch_add(1, Ordering::Relaxed);
                let scope = Mutex::new(Scope::new(now.mono));
                Some(Arc::clone(&place.insert(Arc::new(Shared { order, scope }))))
            }
        }
    }

    /// Forgets the scopes that nobody holds and whose loss gives nothing back.
    pub fn sweep(&self, now: Now) {
        self.known.retain(|_, shared| {
            // Nobody can come to hold it while its shard is locked.
            let keep = Arc::strong_count(shared) > 1 || !shared.scope.lock().is_idle(now);
            if !keep {
                self.count.fetch_sub(1, Ordering::AcqRel);
            }
            keep
        });
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// What `read` gives of each.
    pub fn each(&self, mut read: impl FnMut(&Scope)) {
        for shared in &self.known {
            read(&shared.scope.lock());
        }
    }

    /// Hands each to `read`, with its key.
    pub fn each_key(&self, mut read: impl FnMut(&ScopeKey, &Scope)) {
        for shared in &self.known {
            read(shared.key(), &shared.scope.lock());
        }
    }

    fn make_room(&self, now: Now) {
        let at = u64::try_from(now.mono.as_nanos()).unwrap_or(u64::MAX).saturating_add(1);
        let period = u64::try_from(SEARCH_PERIOD.as_nanos()).unwrap_or(u64::MAX);
        let due = |last: u64| (last == 0 || at.saturating_sub(last) >= period).then_some(at);
        // One caller searches, and the others are refused meanwhile.
        if self.searched.fetch_update(Ordering::AcqRel, Ordering::Acquire, due).is_ok() {
            self.sweep(now);
        }
    }
}
