//! Writes of which nobody knows whether they happened: sent, and not answered. The same write is
//! not sent again until somebody has looked.
//!
//! An entry goes when a declared read-back tool succeeds in the same run, or when an operator clears
//! it. Another run of the same caller may repeat the write when it has looked itself, and anybody may
//! under the same idempotency key; that it was answered then ends the matter. Nothing goes
//! by itself, and nothing is evicted: at the limit writes without a key are refused instead.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use crate::call::{Caller, Plan, RunId, Status};
use crate::clock::Now;
use crate::ledger::Ledger;
use crate::weaken::Hole;

/// Entries kept. At the limit, writes that carry no idempotency key are refused; those in flight at
/// that moment may still become entries.
const UNKNOWN_LIMIT: usize = 10_000;

/// Runs remembered of one entry that have looked since.
const LOOKED_LIMIT: usize = 32;

/// Keys remembered of one entry. Beyond it, no key ends the matter.
const KEYS_LIMIT: usize = 32;

/// All writes whose outcome is not known, and those in flight of tools that want each at most once.
#[derive(Debug, Default)]
pub struct UnknownWrites {
    entries: Mutex<HashMap<Key, Entry>>,
    /// INVARIANT: the number of entries, so that a call that finds none takes no lock.
    count: AtomicUsize,
    /// Ids given out.
    numbers: AtomicU64,
}

/// Which write it is: the same caller, tool and arguments. In which run does not matter.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    tenant: Arc<str>,
    agent: Arc<str>,
    tool: Arc<str>,
    /// Tool and arguments, 1 and 1.0 being equal; arguments that the config ignores left out.
    call: u64,
}

#[derive(Debug)]
struct Entry {
    number: u64,
    run: RunId,
    since: Now,
    /// The keys of the writes that it stands for, each once; `None` for those without one.
    keys: Vec<Option<Arc<str>>>,
    read_back: Arc<[Arc<str>]>,
    /// Other runs that have looked since.
    looked: Vec<RunId>,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    InFlight,
    Unknown,
}

/// A write about to be sent, as it is remembered.
#[derive(Clone, Debug)]
pub struct Write {
    key: Key,
    run: RunId,
    /// Under which a repetition is the same request.
    idempotency_key: Option<Arc<str>>,
    /// The agent chose the key: what differs by it was meant as another request.
    chosen: bool,
    plan: Arc<Plan>,
}

/// How a write ended, as far as repeating it is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The tool said that it was done.
    Done,
    /// The tool said that it failed, or it was never sent.
    Failed,
    /// It may have reached the tool, and nothing came back.
    InDoubt,
}

/// Why a write must not be sent now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// What became of an identical one is not known.
    Unknown { id: String, read_back: Arc<[Arc<str>]> },
    /// An identical one is in flight.
    InFlight,
    /// Too many outcomes are not known to remember one more.
    Full,
}

/// An unknown outcome, for operators.
#[derive(Clone, Debug)]
pub struct UnknownWrite {
    /// `unk_` and a number.
    pub id: String,
    pub tenant: Arc<str>,
    pub agent: Arc<str>,
    pub tool: Arc<str>,
    pub run: RunId,
    /// Milliseconds since the Unix epoch.
    pub since_ms: i64,
    pub idempotency_key: Option<Arc<str>>,
    /// Tools of which one success clears it.
    pub read_back: Arc<[Arc<str>]>,
}

/// Watches one write from its admission to its end. Dropped while the request may have reached the
/// tool, the outcome is not known.
pub struct Watched {
    ledger: Arc<Ledger>,
    write: Write,
    /// The number of the entry that it made when it began.
    own: Option<u64>,
    reached: AtomicBool,
    ended: bool,
}

impl UnknownWrites {
    /// Everything that is not known, oldest first.
    pub fn list(&self) -> Vec<UnknownWrite> {
        let entries = self.entries.lock();
        let mut found: Vec<(u64, UnknownWrite)> = entries
            .iter()
            .filter(|(_, entry)| entry.stage == Stage::Unknown)
            .map(|(key, entry)| (entry.number, entry.shown(key)))
            .collect();
        drop(entries);
        found.sort_unstable_by_key(|(number, _)| *number);
        found.into_iter().map(|(_, shown)| shown).collect()
    }

    /// Forgets one by its id, because an operator knows what became of it. What it was, if it was
    /// there.
    pub fn clear(&self, id: &str) -> Option<UnknownWrite> {
        let number: u64 = id.strip_prefix("unk_")?.parse().ok()?;
        let mut entries = self.entries.lock();
        let is_it = |entry: &Entry| entry.number == number && entry.stage == Stage::Unknown;
        let key = entries.iter().find(|(_, entry)| is_it(entry)).map(|(key, _)| key.clone())?;
        let entry = entries.remove(&key)?;
        self.count.store(entries.len(), Ordering::Release);
        Some(entry.shown(&key))
    }

    /// How many outcomes are not known.
    pub fn count(&self) -> usize {
        let entries = self.entries.lock();
        entries.values().filter(|entry| entry.stage == Stage::Unknown).count()
    }

    /// The key that an identical write of unknown outcome was sent under, so that a repetition can
    /// be the same request.
    pub fn key_of(&self, caller: &Caller, tool: &Arc<str>, call: u64) -> Option<Arc<str>> {
        if self.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        let entries = self.entries.lock();
        let entry = entries.get(&Key::new(caller, tool, call))?;
        entry.key().filter(|_| entry.stage == Stage::Unknown)
    }

    /// Whether the write may be sent. One that wants to be in flight alone is noted: under which
    /// number.
    fn begin(&self, write: &Write, now: Now) -> Result<Option<u64>, Doubt> {
        let alone = write.plan.resilience.at_most_once && !write.chosen;
        let nothing = self.count.load(Ordering::Acquire) == 0;
        if (nothing && !alone) || Hole::ForgetUnknown.is_open() {
            return Ok(None);
        }
        let mut entries = self.entries.lock();
        match entries.get(&write.key) {
            Some(entry) if write.repeats(entry) => return Ok(None),
            Some(entry) if entry.stage == Stage::Unknown && entry.looked.contains(&write.run) => {
                entries.remove(&write.key);
                self.count.store(entries.len(), Ordering::Release);
            }
            Some(entry) if entry.stage == Stage::InFlight && write.chosen => return Ok(None),
            Some(entry) if entry.stage == Stage::InFlight => return Err(Doubt::InFlight),
            Some(entry) => {
                let read_back = Arc::clone(&entry.read_back);
                return Err(Doubt::Unknown { id: entry.id(), read_back });
            }
            None => {}
        }
        if entries.len() >= UNKNOWN_LIMIT {
            // Under a key it can be repeated without harm.
            let keyed = write.idempotency_key.is_some();
            return if keyed { Ok(None) } else { Err(Doubt::Full) };
        }
        let noted = alone.then(|| self.put(&mut entries, write, Stage::InFlight, now));
        Ok(noted)
    }

    fn put(&self, entries: &mut HashMap<Key, Entry>, write: &Write, stage: Stage, now: Now) -> u64 {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let entry = Entry {
            number,
            run: write.run.clone(),
            since: now,
            keys: vec![write.idempotency_key.clone()],
            read_back: Arc::clone(&write.plan.resilience.read_back),
            looked: Vec::new(),
            stage,
        };
        entries.insert(write.key.clone(), entry);
        self.count.store(entries.len(), Ordering::Release);
        number
    }

    /// `own`: the number of the entry that the write made when it began, if it made one.
    fn end(&self, write: &Write, own: Option<u64>, end: End, now: Now) {
        let mut entries = self.entries.lock();
        let Some(entry) = entries.get_mut(&write.key) else {
            if end == End::InDoubt {
                self.put(&mut entries, write, Stage::Unknown, now);
            }
            return;
        };
        let over = match (end, entry.stage) {
            // In the place of its own, or of one in flight, which adds itself if it is lost too.
            (End::InDoubt, Stage::InFlight) => {
                self.put(&mut entries, write, Stage::Unknown, now);
                false
            }
            (End::InDoubt, Stage::Unknown) => {
                entry.add(write, now);
                false
            }
            (End::Done | End::Failed, Stage::InFlight) => own == Some(entry.number),
            // Another write, which may have happened whatever became of this one.
            (End::Done, Stage::Unknown) => entry.answered(write),
            (End::Failed, Stage::Unknown) => false,
        };
        if over {
            entries.remove(&write.key);
            self.count.store(entries.len(), Ordering::Release);
        }
    }

    /// Notes what a success of `tool`, asked for at `asked` by the run `run`, has shown: the run
    /// that wrote knows now, and so it is over; another may repeat the write, and no third one.
    pub fn read_back(&self, caller: &Caller, tool: &str, run: &RunId, asked: Duration) {
        if self.count.load(Ordering::Acquire) == 0 {
            return;
        }
        let mut entries = self.entries.lock();
        entries.retain(|key, entry| {
            let shows = entry.stage == Stage::Unknown
                && entry.since.mono <= asked
                && key.tenant == caller.tenant
                && key.agent == caller.agent
                && entry.read_back.iter().any(|name| **name == *tool);
            if shows && entry.run != *run && !entry.looked.contains(run) {
                if entry.looked.len() >= LOOKED_LIMIT {
                    entry.looked.remove(0);
                }
                entry.looked.push(run.clone());
            }
            !(shows && entry.run == *run)
        });
        self.count.store(entries.len(), Ordering::Release);
    }
}

impl Key {
    fn new(caller: &Caller, tool: &Arc<str>, call: u64) -> Self {
        let Caller { tenant, agent, .. } = caller;
        Self { tenant: tenant.clone(), agent: agent.clone(), tool: tool.clone(), call }
    }
}

impl Entry {
    fn id(&self) -> String {
        format!("unk_{}", self.number)
    }

    /// The first key there is.
    fn key(&self) -> Option<Arc<str>> {
        self.keys.iter().find_map(Clone::clone)
    }

    /// Stands for one more write, of which nobody has had the time to look.
    fn add(&mut self, write: &Write, now: Now) {
        (self.since, self.run) = (now, write.run.clone());
        self.looked.clear();
        let known = self.keys.contains(&write.idempotency_key);
        if !known && self.keys.len() < KEYS_LIMIT {
            self.keys.push(write.idempotency_key.clone());
        } else if !known && !self.keys.contains(&None) {
            self.keys.push(None);
        }
    }

    /// Stands no longer for the request that was answered. Whether it stands for nothing now.
    fn answered(&mut self, write: &Write) -> bool {
        if write.repeats(self) {
            self.keys.retain(|key| *key != write.idempotency_key);
        }
        self.keys.is_empty()
    }

    fn shown(&self, key: &Key) -> UnknownWrite {
        UnknownWrite {
            id: self.id(),
            tenant: key.tenant.clone(),
            agent: key.agent.clone(),
            tool: key.tool.clone(),
            run: self.run.clone(),
            since_ms: self.since.wall_ms,
            idempotency_key: self.key(),
            read_back: Arc::clone(&self.read_back),
        }
    }
}

impl Write {
    /// A write of the run `run`. `call` is its loop key.
    pub fn new(caller: &Caller, tool: &Arc<str>, call: u64, run: &RunId, plan: &Arc<Plan>) -> Self {
        let key = Key::new(caller, tool, call);
        let plan = Arc::clone(plan);
        Self { key, run: run.clone(), idempotency_key: None, chosen: false, plan }
    }

    /// The same under an idempotency key. `chosen`: by the agent.
    pub fn under(mut self, key: Arc<str>, chosen: bool) -> Self {
        (self.idempotency_key, self.chosen) = (Some(key), chosen);
        self
    }

    /// Whether it is the same request as an earlier one, and not only an identical one.
    fn repeats(&self, entry: &Entry) -> bool {
        self.idempotency_key.is_some() && entry.keys.contains(&self.idempotency_key)
    }
}

impl Watched {
    /// Watches a write, unless it must not be sent now.
    ///
    /// # Errors
    /// Why it must not.
    pub(super) fn begin(ledger: &Arc<Ledger>, write: Write, now: Now) -> Result<Self, Doubt> {
        let own = ledger.unknown.begin(&write, now)?;
        let ledger = Arc::clone(ledger);
        Ok(Self { ledger, write, own, reached: AtomicBool::new(false), ended: false })
    }

    /// Says whether the request may have reached the tool.
    pub fn mark(&self, reached: bool) {
        self.reached.store(reached, Ordering::Release);
    }

    /// Notes how it ended.
    pub fn end(mut self, status: Status, now: Now) {
        self.ended = true;
        self.close(
            match status {
                Status::Ok => End::Done,
                Status::Unknown => End::InDoubt,
                Status::Error | Status::Timeout | Status::Denied | Status::Cancelled => End::Failed,
            },
            now,
        );
    }

    fn close(&self, end: End, now: Now) {
        let reached = self.reached.load(Ordering::Acquire);
        let end = if end == End::InDoubt && !reached { End::Failed } else { end };
        // Most writes leave nothing behind and had nothing before them: no lock for them.
        if end == End::InDoubt || self.ledger.unknown.count.load(Ordering::Acquire) > 0 {
            self.ledger.unknown.end(&self.write, self.own, end, now);
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if !self.ended {
            self.close(End::InDoubt, self.ledger.clock.now());
        }
    }
}

#[cfg(test)]
mod tests;
