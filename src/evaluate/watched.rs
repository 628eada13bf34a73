//! The transcripts of live runs, bounded in number and bytes: the one that was begun first gives way.

use std::collections::{HashMap, VecDeque};

use parking_lot::Mutex;

use super::transcript::{Step, Transcript};
use crate::call::RunId;

/// Runs that are watched at once.
const RUNS_LIMIT: usize = 8_192;

/// Memory for all transcripts.
const HELD_LIMIT_BYTES: usize = 32 * 1024 * 1024;

/// What is known of live runs.
#[derive(Debug, Default)]
pub(super) struct Watched(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    runs: HashMap<RunId, Numbered>,
    /// Runs by the time they were begun; one that was taken since has another number, or none.
    order: VecDeque<(RunId, u64)>,
    /// The number of the next run.
    next: u64,
    held_bytes: usize,
}

#[derive(Debug)]
struct Numbered {
    number: u64,
    transcript: Transcript,
}

impl Watched {
    /// Adds a call to its run's transcript. How many runs were forgotten for it.
    pub fn step(&self, run: &RunId, step: Step) -> usize {
        self.0.lock().step(run, step, RUNS_LIMIT, HELD_LIMIT_BYTES)
    }

    /// The transcript of a run that has ended.
    pub fn take(&self, run: &RunId) -> Option<Transcript> {
        self.0.lock().take(run)
    }
}

impl State {
    fn step(
        &mut self,
        run: &RunId,
        step: Step,
        runs_limit: usize,
        held_limit_bytes: usize,
    ) -> usize {
        if !self.runs.contains_key(run) {
            // Its end has been told of already, and is not told of again.
            if step.after_the_stop {
                return 0;
            }
            self.next = self.next.wrapping_add(1);
            self.order.push_back((run.clone(), self.next));
            let begun = Numbered { number: self.next, transcript: Transcript::default() };
            self.runs.insert(run.clone(), begun);
        }
        let Some(Numbered { transcript, .. }) = self.runs.get_mut(run) else { return 0 };
        let before = if transcript.last().is_some() { transcript.weight_bytes() } else { 0 };
        transcript.push(step);
        let after = transcript.weight_bytes();
        self.held_bytes = self.held_bytes.saturating_sub(before).saturating_add(after);
        let mut forgotten = 0;
        while (self.runs.len() > runs_limit || self.held_bytes > held_limit_bytes)
            && self.forget_oldest()
        {
            forgotten += 1;
        }
        forgotten
    }

    fn take(&mut self, run: &RunId) -> Option<Transcript> {
        let Numbered { transcript, .. } = self.runs.remove(run)?;
        self.held_bytes = self.held_bytes.saturating_sub(transcript.weight_bytes());
        // Entries whose run is gone are passed over; they must not pile up.
        if self.order.len() > self.runs.len().saturating_mul(2).saturating_add(64) {
            let runs = &self.runs;
            let stands = |run: &RunId, number: u64| {
                runs.get(run).is_some_and(|known| known.number == number)
            };
            self.order.retain(|(run, number)| stands(run, *number));
        }
        Some(transcript)
    }

    fn forget_oldest(&mut self) -> bool {
        while let Some((run, number)) = self.order.pop_front() {
            if self.runs.get(&run).is_some_and(|known| known.number == number) {
                self.take(&run);
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::tests::step;

    fn run(name: &str) -> RunId {
        RunId(name.into())
    }

    #[test]
    fn the_first_runs_give_way_when_there_are_too_many() {
        let mut state = State::default();
        for name in ["a", "b", "a", "c"] {
            assert_eq!(state.step(&run(name), step("ok"), 3, usize::MAX), 0);
        }
        assert_eq!(state.step(&run("d"), step("ok"), 3, usize::MAX), 1);
        assert!(state.take(&run("a")).is_none());
        assert_eq!(state.take(&run("b")).map(|taken| taken.steps().count()), Some(1));
        // Begun anew, it is the youngest.
        for name in ["b", "e"] {
            state.step(&run(name), step("ok"), 3, usize::MAX);
        }
        assert!(state.take(&run("c")).is_none() && state.take(&run("b")).is_some());
    }

    #[test]
    fn and_when_they_are_too_large() {
        let mut state = State::default();
        let limit = 20_000;
        for number in 0..500 {
            state.step(&run(&format!("r{}", number % 100)), step("ok"), 1_000, limit);
            let summed: usize =
                state.runs.values().map(|known| known.transcript.weight_bytes()).sum();
            assert_eq!(state.held_bytes, summed);
            assert!(summed <= limit, "{summed} bytes");
        }
        assert!(state.runs.len() > 1);
        assert!(state.order.len() <= 2 * state.runs.len() + 64 + 1);
        for number in 0..100 {
            state.take(&run(&format!("r{number}")));
        }
        assert_eq!((state.held_bytes, state.runs.len()), (0, 0));
    }

    #[test]
    fn what_comes_after_a_stop_is_no_new_run() {
        let mut state = State::default();
        let late = || Step { after_the_stop: true, ..step("denied") };
        state.step(&run("a"), step("ok"), 9, usize::MAX);
        state.step(&run("a"), late(), 9, usize::MAX);
        assert_eq!(state.take(&run("a")).map(|taken| taken.steps().count()), Some(2));
        state.step(&run("a"), late(), 9, usize::MAX);
        assert!(state.take(&run("a")).is_none());
    }
}
