//! What operators are told of a collector, and how often: it may change its mind with every batch.

use std::time::Duration;

use super::transport::Failure;
use crate::clock::Now;

/// Least time between two lines.
const PAUSE: Duration = Duration::from_secs(60);

/// Something that operators should know of a collector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    Failed(Failure),
    Rejects,
}

/// What is to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Of the last batch; `None` when all is well again.
    pub trouble: Option<Trouble>,
    /// Batches that did not get there, or not whole, since the line before.
    pub failed_batches: u64,
}

/// What was told last, and when.
#[derive(Debug, Default)]
pub(super) struct Voice {
    trouble: Option<Trouble>,
    told_at: Option<Duration>,
    failed_batches: u64,
}

impl Voice {
    /// What came of a batch. A line when that is something else than what was told last, unless that
    /// was told a moment ago: then with the first batch after the pause, if it is still so.
    pub fn heard(&mut self, trouble: Option<Trouble>, now: Now) -> Option<Line> {
        if trouble.is_some() {
            self.failed_batches = self.failed_batches.saturating_add(1);
        }
        let is_soon = self.told_at.is_some_and(|told_at| now.since(told_at) < PAUSE);
        if trouble == self.trouble || is_soon {
            return None;
        }
        self.trouble = trouble;
        self.told_at = Some(now.mono);
        Some(Line { trouble, failed_batches: std::mem::take(&mut self.failed_batches) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    const REFUSED: Option<Trouble> =
        Some(Trouble::Failed(Failure::Status { status: 401, after: None }));
    const SILENT: Option<Trouble> = Some(Trouble::Failed(Failure::Silent));

    #[test]
    fn a_collector_that_flaps_is_told_of_once_a_minute() {
        let clock = ManualClock::new(0);
        let mut voice = Voice::default();
        let mut lines = Vec::new();
        // Five batches a second, for five minutes.
        for turn in 0..1_500 {
            let trouble = [None, REFUSED, SILENT, Some(Trouble::Rejects)][turn % 4];
            lines.extend(voice.heard(trouble, clock.now()));
            clock.advance(Duration::from_millis(200));
        }
        assert_eq!(lines.len(), 5, "{lines:?}");
        assert_eq!(lines[0], Line { trouble: REFUSED, failed_batches: 1 });
        let told: u64 = lines.iter().map(|line| line.failed_batches).sum();
        assert_eq!(told + voice.failed_batches, 1_125, "none is forgotten");
    }

    #[test]
    fn what_stays_as_it_is_is_told_once() {
        let clock = ManualClock::new(0);
        let mut voice = Voice::default();
        let mut hear = |trouble, after| {
            clock.advance(Duration::from_secs(after));
            voice.heard(trouble, clock.now())
        };
        assert_eq!(hear(None, 0), None);
        assert_eq!(hear(SILENT, 1), Some(Line { trouble: SILENT, failed_batches: 1 }));
        assert_eq!(hear(SILENT, 300), None);
        assert_eq!(hear(None, 10), Some(Line { trouble: None, failed_batches: 1 }));
        assert_eq!(hear(REFUSED, 59), None);
        assert_eq!(hear(REFUSED, 1), Some(Line { trouble: REFUSED, failed_batches: 2 }));
        assert_eq!(hear(None, 1), None);
        assert_eq!(hear(None, 59), Some(Line { trouble: None, failed_batches: 0 }));
    }
}
