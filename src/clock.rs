//! The only reader of time: everything else is handed a [`Now`], so that tests and replays set it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// One reading of both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Time since the clock was made. Never goes back; limits, windows and ages use it.
    pub mono: Duration,
    /// Milliseconds since the Unix epoch. May jump; only records and `now` in expressions use it.
    pub wall_ms: i64,
}

impl Now {
    /// How long ago `earlier` was; zero when it lies in the future.
    pub fn since(&self, earlier: Duration) -> Duration {
        self.mono.saturating_sub(earlier)
    }
}

/// Where time comes from.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's clocks, with the wall clock moved by a fixed offset in milliseconds
    /// (0 unless recorded traffic is being replayed).
    System { origin: Instant, offset_ms: i64 },
    /// A clock that moves only when told to.
    Manual(ManualClock),
}

/// A clock for tests and policy tests: starts at a chosen wall time and moves when told to.
#[derive(Clone, Debug)]
pub struct ManualClock {
    start_wall_ms: i64,
    elapsed_ns: Arc<AtomicU64>,
}

impl Clock {
    /// The machine's own clocks.
    pub fn system() -> Self {
        Self::System { origin: read_instant(), offset_ms: 0 }
    }

    /// The machine's clocks, with the wall clock set to `wall_ms` at this moment.
    pub fn system_starting_at(wall_ms: i64) -> Self {
        Self::System { origin: read_instant(), offset_ms: wall_ms.saturating_sub(read_wall_ms()) }
    }

    /// Reads both clocks.
    pub fn now(&self) -> Now {
        match self {
            Self::System { origin, offset_ms } => Now {
                mono: read_instant().saturating_duration_since(*origin),
                wall_ms: read_wall_ms().saturating_add(*offset_ms),
            },
            Self::Manual(manual) => manual.now(),
        }
    }
}

impl ManualClock {
    /// A clock that stands at `start_wall_ms` (milliseconds since the Unix epoch).
    pub fn new(start_wall_ms: i64) -> Self {
        Self { start_wall_ms, elapsed_ns: Arc::new(AtomicU64::new(0)) }
    }

    /// Moves both clocks forward.
    pub fn advance(&self, by: Duration) {
        let ns = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        self.elapsed_ns.fetch_add(ns, Ordering::SeqCst);
    }

    /// Reads both clocks.
    pub fn now(&self) -> Now {
        let mono = Duration::from_nanos(self.elapsed_ns.load(Ordering::SeqCst));
        let elapsed_ms = i64::try_from(mono.as_millis()).unwrap_or(i64::MAX);
        Now { mono, wall_ms: self.start_wall_ms.saturating_add(elapsed_ms) }
    }
}

#[expect(clippy::disallowed_methods, reason = "this module is the one reader of time")]
fn read_instant() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "this module is the one reader of time")]
fn read_wall_ms() -> i64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
        Err(before) => -i64::try_from(before.duration().as_millis()).unwrap_or(i64::MAX),
    }
}
