//! Two counts over the recent past, in fixed memory.

use std::time::Duration;

use crate::clock::Now;

/// Parts of a window. What is older than the window by less than one part may still be counted.
const PARTS: usize = 10;

/// Two counts over a sliding window. Times before those already noted count as the latest.
#[derive(Clone, Debug)]
pub(super) struct Window {
    length: Duration,
    parts: [Part; PARTS],
}

#[derive(Clone, Copy, Debug, Default)]
struct Part {
    /// Which part of all time since the clock began this is.
    at: u64,
    counts: Counts,
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub all: u64,
    /// Of those, the failures or the retries.
    pub marked: u64,
}

impl Window {
    pub fn new(length: Duration) -> Self {
        Self { length, parts: [Part::default(); PARTS] }
    }

    /// Counts one event.
    pub fn note(&mut self, marked: bool, now: Now) {
        self.add(Counts { all: 1, marked: u64::from(marked) }, now);
    }

    /// Marks an event that was counted before without a mark.
    pub fn mark(&mut self, now: Now) {
        self.add(Counts { all: 0, marked: 1 }, now);
    }

    fn add(&mut self, more: Counts, now: Now) {
        let at = self.part_of(now);
        let slots = u64::try_from(PARTS).unwrap_or(u64::MAX);
        let slot = usize::try_from(at % slots).unwrap_or_default();
        let Some(part) = self.parts.get_mut(slot) else { return };
        if part.at != at {
            *part = Part { at, counts: Counts::default() };
        }
        part.counts.all = part.counts.all.saturating_add(more.all);
        part.counts.marked = part.counts.marked.saturating_add(more.marked);
    }

    /// What was counted within the window that ends now.
    pub fn counts(&self, now: Now) -> Counts {
        let at = self.part_of(now);
        let slots = u64::try_from(PARTS).unwrap_or(u64::MAX);
        let recent = self.parts.iter().filter(|part| part.at <= at && at - part.at < slots);
        recent.fold(Counts::default(), |sum, part| Counts {
            all: sum.all.saturating_add(part.counts.all),
            marked: sum.marked.saturating_add(part.counts.marked),
        })
    }

    /// Gives the window another length; what was counted under the old one is forgotten.
    pub fn resize(&mut self, length: Duration) {
        if self.length != length {
            *self = Self::new(length);
        }
    }

    fn part_of(&self, now: Now) -> u64 {
        let parts = u128::try_from(PARTS).unwrap_or(1);
        let one = (self.length.as_nanos() / parts).max(1);
        u64::try_from(now.mono.as_nanos() / one).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Now {
        Now { mono: Duration::from_secs(seconds), wall_ms: 0 }
    }

    #[test]
    fn what_is_older_than_the_window_does_not_count() {
        let mut window = Window::new(Duration::from_secs(30));
        for second in 0..100 {
            window.note(second % 2 == 0, at(second));
        }
        let counts = window.counts(at(99));
        assert!((28..=30).contains(&counts.all), "{counts:?}");
        assert!((14..=15).contains(&counts.marked), "{counts:?}");
        assert_eq!(window.counts(at(99 + 33)), Counts::default());
        assert_eq!(window.counts(at(1_000_000)), Counts::default());
    }

    #[test]
    fn another_length_begins_anew_and_the_same_does_not() {
        let mut window = Window::new(Duration::from_secs(30));
        window.note(true, at(5));
        window.resize(Duration::from_secs(30));
        assert_eq!(window.counts(at(5)), Counts { all: 1, marked: 1 });
        window.resize(Duration::from_secs(10));
        assert_eq!(window.counts(at(5)), Counts::default());
    }
}
