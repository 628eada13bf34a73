//! The scopes wider than one run: which keys there are, how many may be, and when one is forgotten.

use std::collections::HashMap;
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

/// Keys of one limit remembered at once. Keys may come from callers, and what a scope holds must not
/// be had anew: beyond it a new key is refused.
pub const SCOPE_LIMIT_KEYS: usize = 32_768;

/// Keys of all limits remembered at once: several times those of one, so that one does not use up
/// the room of the others.
const ALL_LIMIT_KEYS: usize = 131_072;

/// Scopes of callers, and those of tools, remembered at once. The keys of limits take none of it.
const KIND_LIMIT_SCOPES: usize = 65_536;

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

/// What scopes share the room for.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Callers,
    Tools,
    Keys,
}

impl ScopeKey {
    fn kind(&self) -> Kind {
        match self {
            Self::Agent { .. }
            | Self::User { .. }
            | Self::Project { .. }
            | Self::Tenant(_)
            | Self::Global => Kind::Callers,
            Self::Tool(_) => Kind::Tools,
            Self::Key { .. } => Kind::Keys,
        }
    }
}

/// How many scopes of each kind there are. INVARIANT: never fewer than are known, so that no cap
/// needs a walk over the shards.
#[derive(Debug, Default)]
struct Room {
    callers: AtomicUsize,
    tools: AtomicUsize,
    keys: AtomicUsize,
    /// Of each limit with keys.
    of_limits: Mutex<HashMap<Arc<str>, usize>>,
}

impl Room {
    fn of(&self, kind: Kind) -> (&AtomicUsize, usize) {
        match kind {
            Kind::Callers => (&self.callers, KIND_LIMIT_SCOPES),
            Kind::Tools => (&self.tools, KIND_LIMIT_SCOPES),
            Kind::Keys => (&self.keys, ALL_LIMIT_KEYS),
        }
    }

    fn is_full(&self, key: &ScopeKey) -> bool {
        let (count, cap) = self.of(key.kind());
        if count.load(Ordering::Acquire) >= cap {
            return true;
        }
        let ScopeKey::Key { limit, .. } = key else { return false };
        self.of_limits.lock().get(limit).is_some_and(|keys| *keys >= SCOPE_LIMIT_KEYS)
    }

    /// Takes room for one more, if there is any.
    fn take(&self, key: &ScopeKey) -> bool {
        let (count, cap) = self.of(key.kind());
        if count.fetch_add(1, Ordering::AcqRel) >= cap {
            count.fetch_sub(1, Ordering::AcqRel);
            return false;
        }
        let ScopeKey::Key { limit, .. } = key else { return true };
        let mut of_limits = self.of_limits.lock();
        let keys = of_limits.entry(limit.clone()).or_default();
        if *keys >= SCOPE_LIMIT_KEYS {
            count.fetch_sub(1, Ordering::AcqRel);
            return false;
        }
        *keys = keys.saturating_add(1);
        true
    }

    fn give_back(&self, key: &ScopeKey) {
        self.of(key.kind()).0.fetch_sub(1, Ordering::AcqRel);
        let ScopeKey::Key { limit, .. } = key else { return };
        let mut of_limits = self.of_limits.lock();
        let Some(keys) = of_limits.get_mut(limit) else { return };
        *keys = keys.saturating_sub(1);
        if *keys == 0 {
            of_limits.remove(limit);
        }
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
    room: Room,
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
        if self.room.is_full(&key) {
            self.make_room(now);
        }
        match self.known.entry(key) {
            Entry::Occupied(known) => Some(Arc::clone(known.get())),
            Entry::Vacant(place) => {
                if !self.room.take(place.key()) {
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
        self.known.retain(|key, shared| {
            // Nobody can come to hold it while its shard is locked.
            let keep = Arc::strong_count(shared) > 1 || !shared.scope.lock().is_idle(now);
            if !keep {
                self.room.give_back(key);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn key(limit: &str, number: usize) -> ScopeKey {
        ScopeKey::Key { limit: Arc::from(limit), key: number.to_string().into() }
    }

    #[test]
    fn the_keys_of_one_limit_leave_room_for_all_else() {
        let (scopes, now) = (Scopes::default(), Now { mono: Duration::ZERO, wall_ms: 0 });
        // Held, so that none of them can be forgotten.
        let mut held = Vec::new();
        for number in 0..SCOPE_LIMIT_KEYS {
            held.push(scopes.get(key("greedy", number), now).expect("there is room"));
        }
        assert!(scopes.get(key("greedy", SCOPE_LIMIT_KEYS), now).is_none());
        assert!(scopes.get(key("greedy", 7), now).is_some(), "it is known");
        assert!(scopes.get(key("other", 1), now).is_some());
        for limit in ["second", "third", "fourth", "fifth"] {
            held.extend(
                (0..SCOPE_LIMIT_KEYS).filter_map(|number| scopes.get(key(limit, number), now)),
            );
        }
        assert!(scopes.len() <= ALL_LIMIT_KEYS);
        assert!(scopes.get(key("sixth", 1), now).is_none(), "all keys have a bound");
        assert!(scopes.get(ScopeKey::Tenant(Arc::from("t")), now).is_some());
        assert!(scopes.get(ScopeKey::Tool(Arc::from("s.t")), now).is_some());
        assert!(scopes.get(ScopeKey::Global, now).is_some());
        held.clear();
        scopes.sweep(now);
        assert_eq!((scopes.len(), scopes.room.of_limits.lock().len()), (0, 0));
        assert!(scopes.get(key("greedy", 1), now).is_some(), "room is given back");
    }
}
