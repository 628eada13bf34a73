//! The baseline of a quantity: how its values are spread, and whether they have moved.

use crate::baseline::course::{Course, LEARNED_VALUES_MIN, Seen, Step};
use crate::baseline::histogram::{Histogram, bucket_of};
use crate::baseline::signal::{Change, Shift};
use crate::baseline::stream::Stream;
use crate::clock::Now;

/// How far beyond a usual quantile values lie that speak for a change, in buckets: at least 1.6 times
/// as much, or half as much.
const MARGIN_ABOVE_BUCKETS: usize = 4;
const MARGIN_BELOW_BUCKETS: usize = 4;

/// Shares beyond the lines that are usual whatever was seen: a narrow spread that moves with the load
/// has not changed.
const MIDDLE_FLOOR: f64 = 0.2;
const TAIL_FLOOR: f64 = 0.02;

/// Beyond this quantile a single value is unusual.
const UNUSUAL_QUANTILE: f64 = 0.99;

/// Values of a change that are enough to say what is unusual since.
const MOVED_VALUES_MIN: f64 = 64.0;

/// How usual one value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Usualness {
    Usual,
    Unusual,
    /// Too little is known.
    Unknown,
}

/// Values seen, those held back, and what speaks for their having moved.
#[derive(Clone, Debug)]
pub(super) struct Spread {
    course: Course,
    learned: Histogram,
    /// Not learned yet.
    held_back: Histogram,
    /// Since something has begun to speak for a change.
    recent: Histogram,
    marks: [Mark; 3],
    /// Values in buckets above are unusual.
    unusual_above: Option<usize>,
}

/// A line beyond which more values than usual speak for a change.
#[derive(Clone, Debug)]
struct Mark {
    q: f64,
    side: Side,
    edge: usize,
    stream: Stream,
}

#[derive(Clone, Copy, Debug)]
enum Side {
    /// At the edge and above.
    Above,
    /// Below the edge.
    Below,
}

impl Side {
    fn holds(self, bucket: usize, edge: usize) -> bool {
        match self {
            Self::Above => bucket >= edge,
            Self::Below => bucket < edge,
        }
    }
}

impl Mark {
    fn new(q: f64, side: Side, floor: f64) -> Self {
        Self { q, side, edge: usize::MAX, stream: Stream::with_floor(floor) }
    }

    /// Moves to where the usual values of now end, and says how many are beyond.
    fn aim(&mut self, learned: &Histogram) -> f64 {
        let at = learned.bucket_at(self.q);
        match self.side {
            Side::Above => {
                self.edge = at.saturating_add(MARGIN_ABOVE_BUCKETS);
                learned.from(self.edge)
            }
            Side::Below => {
                self.edge = at.saturating_sub(MARGIN_BELOW_BUCKETS);
                learned.total() - learned.from(self.edge)
            }
        }
    }
}

impl Default for Spread {
    fn default() -> Self {
        Self {
            course: Course::default(),
            learned: Histogram::default(),
            held_back: Histogram::default(),
            recent: Histogram::default(),
            marks: [
                Mark::new(0.5, Side::Above, MIDDLE_FLOOR),
                Mark::new(0.95, Side::Above, TAIL_FLOOR),
                Mark::new(0.5, Side::Below, MIDDLE_FLOOR),
            ],
            unusual_above: None,
        }
    }
}

impl Spread {
    /// Takes a value in. What has changed, when that is to be told now.
    pub fn note(&mut self, value: u64, now: Now) -> Option<Shift> {
        let shift = match self.course.count(now) {
            Some(values) => self.close_window(values, now),
            None => None,
        };
        let bucket = bucket_of(value);
        self.held_back.add(bucket);
        self.recent.add(bucket);
        for mark in &mut self.marks {
            if mark.side.holds(bucket, mark.edge) {
                mark.stream.hit();
            }
        }
        shift
    }

    /// How usual a value is.
    pub fn usualness(&self, value: u64) -> Usualness {
        match self.unusual_above {
            None => Usualness::Unknown,
            Some(limit) if bucket_of(value) > limit => Usualness::Unusual,
            Some(_) => Usualness::Usual,
        }
    }

    fn evidence(&self) -> f64 {
        self.marks.iter().map(|mark| mark.stream.evidence()).fold(0.0, f64::max)
    }

    fn close_window(&mut self, values: u32, now: Now) -> Option<Shift> {
        self.marks.iter_mut().for_each(|mark| mark.stream.close_window(values));
        let evidence = self.evidence();
        let seen = Seen {
            evidence,
            learned: self.learned.total(),
            held_back: self.held_back.total(),
            recent: self.recent.total(),
        };
        let mut shift = None;
        match self.course.step(&seen, now) {
            Step::WarmUp => {
                self.learn(now);
                self.restart();
            }
            Step::Learn => self.learn(now),
            Step::Tell => shift = self.told(now),
            Step::Return => {
                self.held_back.clear();
                self.recent.clear();
                self.marks.iter_mut().for_each(|mark| mark.stream.drop_block());
            }
            Step::Adopt => {
                self.learned = std::mem::take(&mut self.recent);
                self.held_back.clear();
                self.restart();
            }
            Step::Wait => {}
        }
        if Course::is_quiet(evidence) && !self.course.has_moved() {
            self.recent.clear();
        }
        self.unusual_above = self.limit();
        shift
    }

    fn learn(&mut self, now: Now) {
        self.learned.scale(self.course.fade(self.learned.total(), now));
        self.learned.merge(&self.held_back);
        let values = self.held_back.total();
        self.held_back.clear();
        for mark in &mut self.marks {
            let hits = mark.aim(&self.learned);
            mark.stream.learn(values, hits, self.learned.total());
        }
    }

    fn restart(&mut self) {
        for mark in &mut self.marks {
            let hits = mark.aim(&self.learned);
            mark.stream.restart(hits, self.learned.total());
        }
    }

    /// What has changed: of all that speaks for it, what does so most.
    fn told(&self, now: Now) -> Option<Shift> {
        let order =
            |one: &&Mark, other: &&Mark| one.stream.evidence().total_cmp(&other.stream.evidence());
        let most = self.marks.iter().rev().max_by(order)?;
        let change = Change::Quantile {
            q: most.q,
            now: self.recent.quantile(most.q),
            was: self.learned.quantile(most.q),
        };
        Some(Shift { change, over: self.course.age(now) })
    }

    /// The bucket above which a value is unusual, as things are now.
    fn limit(&self) -> Option<usize> {
        let moved = self.course.has_moved() && self.recent.total() >= MOVED_VALUES_MIN;
        let seen = if moved { &self.recent } else { &self.learned };
        let known = moved || seen.total() >= LEARNED_VALUES_MIN;
        known.then(|| seen.bucket_at(UNUSUAL_QUANTILE))
    }
}
