//! Closed calls by run, until it is decided whether the run is kept: sampling at the end, when it is
//! known what the run came to.
//!
//! A run is kept as soon as a call of it failed, was refused or is an outlier, and when it was
//! stopped. Of all others the configured share is kept, chosen by their ids, so that several gates
//! choose the same ones. Whatever cannot wait for its run is decided over early, and what is lost by
//! that is counted.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::call::{RunEnd, RunId};
use crate::clock::Now;
use crate::ledger::EndedRun;
use crate::record::outgoing::{Kept, Outgoing, Sink, Why};
use crate::record::span;
use crate::record::told::{Interest, Told};

/// Calls of one run that wait for its end.
const CALLS_LIMIT_A_RUN: usize = 4_096;

/// What is kept, and how much may wait.
#[derive(Clone, Copy, Debug)]
pub struct Keeping {
    /// Share of the runs that are kept although nothing about them is remarkable: 0 to 1.
    pub share: f64,
    /// Longest time that a call waits for the end of its run.
    pub hold: Duration,
    /// Most memory for calls that wait.
    pub held_limit_bytes: usize,
    /// Runs that are known at once, decided over or not: at least as many as the gate remembers.
    pub runs_limit: usize,
}

/// The calls that wait.
pub(super) struct Shelf {
    keeping: Keeping,
    sink: Arc<dyn Sink>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    runs: HashMap<RunId, Waiting>,
    /// Runs by age; one that was forgotten since, or begun anew, has another number.
    order: VecDeque<(RunId, u64)>,
    /// The number of the next run.
    next: u64,
    held_bytes: usize,
}

/// What is known of one run.
struct Waiting {
    number: u64,
    /// When the oldest call came that still waits.
    since: Duration,
    /// When the last call came.
    seen: Duration,
    decided: Option<Kept>,
    #[expect(clippy::vec_box, reason = "they are handed on in their boxes")]
    calls: Vec<Box<Told>>,
    bytes: usize,
}

/// What is to be done once the lock is released.
#[derive(Default)]
struct Todo {
    send: Vec<Outgoing>,
    sampled_out: u64,
    lost: u64,
}

impl Shelf {
    pub fn new(keeping: Keeping, sink: Arc<dyn Sink>) -> Self {
        Self { keeping, sink, state: Mutex::default() }
    }

    /// Where what is kept goes.
    pub fn sink(&self) -> &dyn Sink {
        &*self.sink
    }

    /// Takes a closed call. One that belongs to no run is kept if it is worth it.
    pub fn put(&self, told: Told, interest: Interest) {
        let mut todo = Todo::default();
        match told.known.run.as_ref().map(|(id, _)| id.clone()) {
            None => match Why::of(interest) {
                Some(why) => todo.send.push(Outgoing::call(told, Kept::always(why))),
                None => todo.sampled_out = 1,
            },
            Some(run) => self.state.lock().put(&self.keeping, run, told, interest, &mut todo),
        }
        self.finish(todo);
    }

    /// A run has come to its end: whatever of it waits is decided over, and it is told of itself.
    /// `worth`: why it is kept whatever its calls were, if it is.
    pub fn run_ended(&self, ended: EndedRun, worth: Option<Why>, now: Now) {
        let mut todo = Todo::default();
        let waiting = self.state.lock().take(&ended.id);
        let decided = waiting.as_ref().and_then(|waiting| waiting.decided);
        let kept = match (decided, ended.end) {
            (Some(kept), _) => Some(kept),
            (None, RunEnd::Stopped(_)) => Some(Kept::always(Why::Stopped)),
            (None, RunEnd::Completed | RunEnd::Idle | RunEnd::Evicted | RunEnd::Shutdown) => {
                worth.map(Kept::always).or_else(|| self.keeping.chosen(&ended.id))
            }
        };
        let calls = waiting.map(|waiting| waiting.calls).unwrap_or_default();
        match kept {
            Some(kept) => {
                todo.send.extend(calls.into_iter().map(|told| Outgoing::Call(told, kept)));
                todo.send.push(Outgoing::run(ended, now, kept));
            }
            None => todo.sampled_out = count(calls.len()),
        }
        self.finish(todo);
    }

    /// Hands on what does not wait for its run.
    pub fn tell(&self, outgoing: Outgoing) {
        self.sink.push(outgoing);
    }

    /// Decides over calls that have waited for too long.
    pub fn tend(&self, now: Now) {
        let mut todo = Todo::default();
        self.state.lock().expire(&self.keeping, now, &mut todo);
        self.finish(todo);
    }

    fn finish(&self, todo: Todo) {
        let Todo { send, sampled_out, lost } = todo;
        for outgoing in send {
            self.sink.push(outgoing);
        }
        if sampled_out > 0 {
            self.sink.sampled_out(sampled_out);
        }
        if lost > 0 {
            self.sink.lost(lost);
        }
    }
}

impl Keeping {
    /// Whether a run of which nothing is remarkable is among the share that is kept.
    fn chosen(&self, run: &RunId) -> Option<Kept> {
        let mut hasher = DefaultHasher::new();
        run.hash(&mut hasher);
        #[expect(clippy::cast_precision_loss, reason = "a place between 0 and 1")]
        let place = (hasher.finish() >> 11) as f64 / (1_u64 << 53) as f64;
        (place < self.share).then(|| Kept::share(self.share))
    }
}

impl State {
    fn put(
        &mut self,
        keeping: &Keeping,
        run: RunId,
        told: Told,
        interest: Interest,
        todo: &mut Todo,
    ) {
        let now = told.ended;
        if told.is_beyond_the_end()
            && !self.runs.contains_key(&run)
            && let Some(why) = Why::of(interest)
        {
            // Its end has been told of, and will not be again: nothing may wait for that.
            todo.send.push(Outgoing::call(told, Kept::always(why)));
            return;
        }
        let next = &mut self.next;
        let order = &mut self.order;
        let waiting = self.runs.entry(run).or_insert_with_key(|run| {
            *next = next.wrapping_add(1);
            order.push_back((run.clone(), *next));
            Waiting {
                number: *next,
                since: now.mono,
                seen: now.mono,
                decided: None,
                calls: Vec::new(),
                bytes: 0,
            }
        });
        waiting.seen = now.mono;
        if waiting.decided.is_none()
            && let Some(why) = Why::of(interest)
        {
            waiting.decided = Some(Kept::always(why));
        }
        if let Some(kept) = waiting.decided {
            self.held_bytes = self.held_bytes.saturating_sub(std::mem::take(&mut waiting.bytes));
            let calls = std::mem::take(&mut waiting.calls);
            todo.send.extend(calls.into_iter().map(|told| Outgoing::Call(told, kept)));
            todo.send.push(Outgoing::call(told, kept));
        } else if waiting.calls.len() >= CALLS_LIMIT_A_RUN {
            todo.lost = todo.lost.saturating_add(span::count_of_call(&told));
        } else {
            let bytes = told.weight_bytes();
            waiting.bytes = waiting.bytes.saturating_add(bytes);
            self.held_bytes = self.held_bytes.saturating_add(bytes);
            waiting.calls.push(Box::new(told));
        }
        while self.held_bytes > keeping.held_limit_bytes || self.runs.len() > keeping.runs_limit {
            if !self.force_oldest(keeping, todo) {
                break;
            }
        }
    }

    fn take(&mut self, run: &RunId) -> Option<Waiting> {
        let waiting = self.runs.remove(run)?;
        self.held_bytes = self.held_bytes.saturating_sub(waiting.bytes);
        // Entries of `order` whose run is gone are passed over; they must not pile up.
        if self.order.len() > self.runs.len().saturating_mul(2).saturating_add(64) {
            let runs = &self.runs;
            self.order.retain(|(run, number)| {
                runs.get(run).is_some_and(|waiting| waiting.number == *number)
            });
        }
        Some(waiting)
    }

    /// Forgets the oldest run. What waits of it is lost unless it is among the share that is kept.
    fn force_oldest(&mut self, keeping: &Keeping, todo: &mut Todo) -> bool {
        while let Some((run, number)) = self.order.pop_front() {
            if self.runs.get(&run).is_none_or(|waiting| waiting.number != number) {
                continue;
            }
            let Some(waiting) = self.take(&run) else { continue };
            match keeping.chosen(&run) {
                Some(kept) => {
                    let calls = waiting.calls.into_iter();
                    todo.send.extend(calls.map(|told| Outgoing::Call(told, kept)));
                }
                None => {
                    let spans = waiting.calls.iter().map(|told| span::count_of_call(told));
                    todo.lost = spans.fold(todo.lost, u64::saturating_add);
                }
            }
            return true;
        }
        false
    }

    fn expire(&mut self, keeping: &Keeping, now: Now, todo: &mut Todo) {
        while let Some((run, number)) = self.order.front().cloned() {
            let waiting = self.runs.get_mut(&run).filter(|waiting| waiting.number == number);
            let Some(waiting) = waiting else {
                self.order.pop_front();
                continue;
            };
            if now.since(waiting.since) < keeping.hold {
                return;
            }
            // The run may go on: what comes of it later waits anew, behind all others.
            self.order.pop_front();
            waiting.since = now.mono;
            let calls = std::mem::take(&mut waiting.calls);
            self.held_bytes = self.held_bytes.saturating_sub(std::mem::take(&mut waiting.bytes));
            // Of a run that is silent for so long nothing more is expected.
            if calls.is_empty() && now.since(waiting.seen) >= keeping.hold {
                self.runs.remove(&run);
                continue;
            }
            self.order.push_back((run.clone(), number));
            match keeping.chosen(&run) {
                Some(kept) => {
                    todo.send.extend(calls.into_iter().map(|told| Outgoing::Call(told, kept)));
                }
                None => todo.sampled_out = todo.sampled_out.saturating_add(count(calls.len())),
            }
        }
    }
}

fn count(calls: usize) -> u64 {
    u64::try_from(calls).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
