//! How a baseline goes from learning to telling and back: one change is told once.

use std::time::Duration;

use crate::baseline::stream::EVIDENCE_LIMIT_NATS;
use crate::clock::Now;

/// Values a baseline has learned, and time it has learned for, before it tells of a change.
pub const LEARNED_VALUES_MIN: f64 = 256.0;
pub const LEARNED_TIME_MIN: Duration = Duration::from_secs(30 * 60);

/// Shortest window.
const WINDOW: Duration = Duration::from_secs(60);

/// Values are held back until there are so many without evidence of a change, so that a change is
/// not learned before it can be told; beyond the second number they are learned all the same.
const BLOCK_VALUES: f64 = 256.0;
const HELD_BACK_LIMIT_VALUES: f64 = 2_048.0;

/// Evidence up to which nothing speaks for a change, and at which one that was told is over.
const QUIET_NATS: f64 = 2.0;
const RETURNED_NATS: f64 = EVIDENCE_LIMIT_NATS / 4.0;

/// A change that lasts so long is what is usual from then on.
pub const ADOPTED_AFTER: Duration = Duration::from_secs(24 * 3600);

/// What was learned weighs half after so long, as long as enough remains.
const HALF_LIFE: Duration = Duration::from_secs(24 * 3600);
const FORGOTTEN_ABOVE_VALUES: f64 = 1_024.0;
/// Beyond it a single precision count would no longer grow.
const LEARNED_LIMIT_VALUES: f64 = 1_000_000.0;

/// Where a baseline stands.
#[derive(Clone, Debug, Default)]
pub(super) struct Course {
    /// When its first value came (`Now::mono`).
    began: Option<Duration>,
    window_began: Duration,
    window_values: u32,
    learned_at: Duration,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Steady,
    /// A change was told then.
    Moved(Duration),
}

/// What there is to do when a window has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Too little is known to tell of anything: learn all that came.
    WarmUp,
    /// What was held back is as usual: learn it.
    Learn,
    /// It may or may not be.
    Wait,
    /// A change has begun.
    Tell,
    /// A change that was told is over.
    Return,
    /// A change that was told is what is usual from now on.
    Adopt,
}

/// What a baseline has seen, when a window ends.
pub(super) struct Seen {
    /// The most that speaks for any change, in nats.
    pub evidence: f64,
    pub learned: f64,
    pub held_back: f64,
    /// Values since something has begun to speak for a change.
    pub recent: f64,
}

impl Course {
    /// Counts a value. The number of values of the window that ended before it, if one did.
    pub fn count(&mut self, now: Now) -> Option<u32> {
        let began = *self.began.get_or_insert(now.mono);
        if began == now.mono && self.window_values == 0 {
            (self.window_began, self.learned_at) = (began, began);
        }
        let ended = now.since(self.window_began) >= WINDOW && self.window_values > 0;
        let values = ended.then_some(self.window_values);
        if ended {
            self.window_values = 0;
            self.window_began = now.mono;
        }
        self.window_values = self.window_values.saturating_add(1);
        values
    }

    /// Decides over a window that has ended.
    pub fn step(&mut self, seen: &Seen, now: Now) -> Step {
        let warm = seen.learned >= LEARNED_VALUES_MIN && self.age(now) >= LEARNED_TIME_MIN;
        match self.phase {
            Phase::Steady if !warm => Step::WarmUp,
            Phase::Steady if seen.evidence >= EVIDENCE_LIMIT_NATS => {
                self.phase = Phase::Moved(now.mono);
                Step::Tell
            }
            Phase::Steady => {
                let enough = seen.held_back >= BLOCK_VALUES && seen.evidence <= QUIET_NATS;
                let learns = enough || seen.held_back >= HELD_BACK_LIMIT_VALUES;
                if learns { Step::Learn } else { Step::Wait }
            }
            Phase::Moved(_) if seen.evidence <= RETURNED_NATS => {
                self.phase = Phase::Steady;
                Step::Return
            }
            Phase::Moved(since) if now.since(since) >= ADOPTED_AFTER => {
                if seen.recent < LEARNED_VALUES_MIN {
                    return Step::Wait;
                }
                self.phase = Phase::Steady;
                self.learned_at = now.mono;
                Step::Adopt
            }
            Phase::Moved(_) => Step::Wait,
        }
    }

    /// What everything that was `learned` so far weighs now that more is.
    pub fn fade(&mut self, learned: f64, now: Now) -> f64 {
        let halves = now.since(self.learned_at).as_secs_f64() / HALF_LIFE.as_secs_f64();
        self.learned_at = now.mono;
        let faded = learned * (-halves).exp2();
        let kept = faded.max(learned.min(FORGOTTEN_ABOVE_VALUES)).min(LEARNED_LIMIT_VALUES);
        if learned > 0.0 { kept / learned } else { 1.0 }
    }

    /// Whether nothing more than chance speaks for a change.
    pub fn is_quiet(evidence: f64) -> bool {
        evidence <= QUIET_NATS
    }

    /// Whether a change was told and is not over.
    pub fn has_moved(&self) -> bool {
        matches!(self.phase, Phase::Moved(_))
    }

    /// Time since the first value.
    pub fn age(&self, now: Now) -> Duration {
        self.began.map_or(Duration::ZERO, |began| now.since(began))
    }
}
