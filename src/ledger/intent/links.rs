//! Which run is meant by something that a model said: a tool call, its id, the id of an answer.
//!
//! Kept in two generations, of which the older goes when the younger is full: what is recent is
//! found, nothing grows without bound, and nobody walks over all of it.

use std::collections::HashMap;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::call::{Caller, RunId};

/// Things remembered in one generation.
pub(super) const GENERATION_LIMIT: usize = 65_536;

/// Runs told apart that asked for the same. Beyond it nobody knows which of them is meant.
const SAME_LIMIT_RUNS: usize = 16;

/// Longest id that is remembered, in bytes.
const ID_LIMIT_BYTES: usize = 256;

/// What a run is known by. Each caller has its own: nobody finds the run of another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Mark {
    /// Arguments of a tool call that a model asked for.
    Args(Caller, u64),
    /// The provider's id of a tool call.
    Call(Caller, Arc<str>),
    /// The provider's id of an answer.
    Response(Caller, Arc<str>),
    /// The provider's or client's id of a conversation.
    Conversation(Caller, Arc<str>),
    /// The run that a session is by itself.
    Session(Caller, RunId),
}

/// The runs that are known by one mark.
#[derive(Clone, Debug, Default)]
pub(super) struct Marked {
    /// The latest last, each once.
    pub runs: Vec<(RunId, Duration)>,
    /// When there were more than can be told apart.
    pub lost: Option<Duration>,
}

#[derive(Debug, Default)]
pub(super) struct Links {
    held: Mutex<Generations>,
}

#[derive(Debug, Default)]
struct Generations {
    young: HashMap<Mark, Marked>,
    old: HashMap<Mark, Marked>,
}

impl Mark {
    fn is_kept(&self) -> bool {
        match self {
            Self::Args(..) | Self::Session(..) => true,
            Self::Call(_, id) | Self::Response(_, id) | Self::Conversation(_, id) => {
                (1..=ID_LIMIT_BYTES).contains(&id.len())
            }
        }
    }
}

impl Marked {
    fn add(&mut self, run: &RunId, now: Duration) {
        self.runs.retain(|(known, _)| known != run);
        if self.runs.len() >= SAME_LIMIT_RUNS {
            self.runs.remove(0);
            self.lost = Some(now);
        }
        self.runs.push((run.clone(), now));
    }
}

impl Links {
    /// Notes that a run is known by a mark.
    pub fn note(&self, mark: Mark, run: &RunId, now: Duration) {
        if !mark.is_kept() {
            return;
        }
        let mut held = self.held.lock();
        let before = held.old.remove(&mark);
        if held.young.len() >= GENERATION_LIMIT {
            held.old = mem::take(&mut held.young);
        }
        let marked = held.young.entry(mark).or_insert_with(|| before.unwrap_or_default());
        marked.add(run, now);
    }

    /// The runs that are known by a mark.
    pub fn of(&self, mark: &Mark) -> Marked {
        let held = self.held.lock();
        held.young.get(mark).or_else(|| held.old.get(mark)).cloned().unwrap_or_default()
    }

    /// Marks that are remembered.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        let held = self.held.lock();
        held.young.len().saturating_add(held.old.len())
    }

    /// Forgets what was noted longer than `age` ago.
    pub fn sweep(&self, now: Duration, age: Duration) {
        let mut held = self.held.lock();
        let Generations { young, old } = &mut *held;
        for marks in [young, old] {
            marks.retain(|_, marked| {
                marked.runs.retain(|(_, at)| now.saturating_sub(*at) < age);
                !marked.runs.is_empty()
            });
        }
    }
}
