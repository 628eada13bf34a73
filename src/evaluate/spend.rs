//! How many questions may still be asked: a bound on what judging costs.

use std::collections::VecDeque;
use std::time::Duration;

use crate::clock::Now;

const HOUR: Duration = Duration::from_secs(3_600);

/// Questions of the last hour.
#[derive(Debug)]
pub(super) struct Spend {
    per_hour: usize,
    /// When each was asked (`Now::mono`), the oldest first; at most `per_hour`.
    asked: VecDeque<Duration>,
}

impl Spend {
    pub fn new(per_hour: u32) -> Self {
        let per_hour = usize::try_from(per_hour).unwrap_or(usize::MAX);
        Self { per_hour, asked: VecDeque::new() }
    }

    /// Whether one more may be asked now; it then counts.
    pub fn take(&mut self, now: Now) -> bool {
        while self.asked.front().is_some_and(|asked| now.since(*asked) >= HOUR) {
            self.asked.pop_front();
        }
        let granted = self.asked.len() < self.per_hour;
        if granted {
            self.asked.push_back(now.mono);
        }
        granted
    }
}
