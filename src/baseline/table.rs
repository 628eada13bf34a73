//! What is kept by name: bounded, in parts with a short lock each, least recently used out first.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher};
use std::time::Duration;

use parking_lot::Mutex;

use crate::clock::Now;

/// Parts of a table, each with its own lock.
const SHARDS: usize = 16;

/// Share of a full part that makes room at once, so that its walk is paid for by many new names.
const EVICTION_SHARE: usize = 16;

/// Values by a keyed hash of their names: names come from callers, and two of them meet by accident
/// only.
#[derive(Debug)]
pub(super) struct Table<V> {
    shards: [Mutex<Shard<V>>; SHARDS],
    keys: RandomState,
    shard_limit: usize,
}

type Shard<V> = HashMap<u64, Held<V>, BuildHasherDefault<Same>>;

#[derive(Debug)]
struct Held<V> {
    value: V,
    seen: Duration,
}

impl<V> Table<V> {
    /// A table of at most `limit` values.
    pub fn new(limit: usize) -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::default()),
            keys: RandomState::new(),
            shard_limit: (limit / SHARDS).max(1),
        }
    }

    /// Works on the value of a name, which `make` makes when there is none.
    pub fn with<T>(
        &self,
        name: impl Hash,
        now: Now,
        make: impl FnOnce() -> V,
        work: impl FnOnce(&mut V) -> T,
    ) -> T {
        let key = self.keys.hash_one(name);
        let mut shard = self.shard(key).lock();
        if let Some(held) = shard.get_mut(&key) {
            held.seen = now.mono;
            return work(&mut held.value);
        }
        if shard.len() >= self.shard_limit {
            evict(&mut shard);
        }
        let held = shard.entry(key).or_insert_with(|| Held { value: make(), seen: now.mono });
        work(&mut held.value)
    }

    /// Looks at the value of a name, if there is one.
    pub fn look<T>(&self, name: impl Hash, work: impl FnOnce(&V) -> T) -> Option<T> {
        let key = self.keys.hash_one(name);
        self.shard(key).lock().get(&key).map(|held| work(&held.value))
    }

    /// Takes the value of a name out.
    pub fn take(&self, name: impl Hash) -> Option<V> {
        let key = self.keys.hash_one(name);
        self.shard(key).lock().remove(&key).map(|held| held.value)
    }

    fn shard(&self, key: u64) -> &Mutex<Shard<V>> {
        // The upper bits: the map within goes by the lower ones.
        let [first, ..] = &self.shards;
        self.shards.get((key >> 60) as usize).unwrap_or(first)
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().len()).sum()
    }
}

fn evict<V>(shard: &mut Shard<V>) {
    let mut ages: Vec<(Duration, u64)> =
        shard.iter().map(|(key, held)| (held.seen, *key)).collect();
    ages.sort_unstable();
    for (_, key) in ages.iter().take((shard.len() / EVICTION_SHARE).max(1)) {
        shard.remove(key);
    }
}

/// What is already a hash.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Same(u64);

impl Hasher for Same {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Now {
        Now { mono: Duration::from_secs(seconds), wall_ms: 0 }
    }

    #[test]
    fn the_least_recently_used_goes_first() {
        let table = Table::new(160);
        for name in 0..10_000_u64 {
            table.with("kept", at(name), || 7, |_| ());
            table.with(name, at(name), || 0, |_| ());
        }
        assert!(table.len() <= 160, "{}", table.len());
        assert_eq!(table.look("kept", |value| *value), Some(7));
        assert_eq!(table.look(1_u64, |value| *value), None);
        assert_eq!(table.look(9_999_u64, |value| *value), Some(0));
        assert_eq!((table.take("kept"), table.take("kept")), (Some(7), None));
    }
}
