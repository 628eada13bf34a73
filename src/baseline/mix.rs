//! The baseline of a mix: how often each sort of thing happens, and whether one of them happens more
//! often than it did. One that happens less often leaves room that another takes.

use smallvec::SmallVec;

use crate::baseline::course::{Course, Seen, Step};
use crate::baseline::signal::{Change, Shift, Sort};
use crate::baseline::stream::{EVIDENCE_LIMIT_NATS, Stream};
use crate::clock::Now;

/// Sorts that are kept apart: every error class, the usual stop reasons, the usual structures. What
/// is beyond them is only known as not seen before.
const KNOWN_LIMIT: usize = 20;

/// Sorts that are counted, those among them that may become known.
const CELLS_LIMIT: usize = 28;

/// How often a sort has to be seen to be known.
const KNOWN_TIMES_MIN: f32 = 1.5;

/// Values after which a sort that comes for the first time is new.
const KNOWN_VALUES_MIN: f32 = 64.0;

/// Of all things that are usually not seen before, the share that any one sort of them may have.
const NEW_SHARE_OF_ONE: f32 = 0.1;

/// How often each of a few sorts was seen.
#[derive(Clone, Debug)]
pub(super) struct Mix {
    course: Course,
    cells: Vec<Cell>,
    /// Those of the sorts that are known.
    known: SmallVec<[Sort; 4]>,
    /// How often a sort may have been seen that has no cell.
    uncounted: f32,
    /// Things of a sort that was not known when last something was learned.
    new: Tally,
    /// Things of any sort but the commonest.
    unusual: Tally,
    commonest: Option<Sort>,
    learned: f32,
    held_back: f32,
    recent: f32,
}

#[derive(Clone, Debug)]
struct Cell {
    sort: Sort,
    tally: Tally,
}

#[derive(Clone, Debug)]
struct Tally {
    learned: f32,
    held_back: f32,
    recent: f32,
    stream: Stream,
}

impl Tally {
    /// Of something of which `learned` of `total` things were, or as many as `uncounted`.
    fn new(learned: f32, uncounted: f32, total: f32) -> Self {
        let stream = Stream::new(f64::from(learned.max(uncounted)), f64::from(total));
        Self { learned, held_back: 0.0, recent: 0.0, stream }
    }

    fn count(&mut self) {
        self.held_back += 1.0;
        self.recent += 1.0;
        self.stream.hit();
    }

    fn learn(&mut self, faded: f32, block: f32, mix: (f32, f32)) {
        let (total, uncounted) = mix;
        self.learned = self.learned * faded + std::mem::take(&mut self.held_back);
        let hits = self.learned.max(uncounted);
        self.stream.learn(f64::from(block), f64::from(hits), f64::from(total));
    }

    fn share(&self, sort: Sort, mix: &Mix) -> Change {
        let share = |part: f32, all: f32| if all > 0.0 { f64::from(part / all) } else { 0.0 };
        Change::Share {
            sort,
            now: share(self.recent, mix.recent),
            was: share(self.learned, mix.learned),
        }
    }
}

impl Default for Mix {
    fn default() -> Self {
        Self {
            course: Course::default(),
            cells: Vec::new(),
            known: SmallVec::new(),
            uncounted: 0.0,
            new: Tally::new(0.0, 0.0, 0.0),
            unusual: Tally::new(0.0, 0.0, 0.0),
            commonest: None,
            learned: 0.0,
            held_back: 0.0,
            recent: 0.0,
        }
    }
}

impl Mix {
    /// The most memory that one takes.
    #[cfg(test)]
    pub fn memory_limit_bytes() -> usize {
        // The list of cells grows by doubling.
        let cells = CELLS_LIMIT.next_power_of_two() * size_of::<Cell>();
        size_of::<Self>() + cells + KNOWN_LIMIT.next_power_of_two() * size_of::<Sort>()
    }

    /// Counts one thing. What has changed, when that is to be told now.
    pub fn note(&mut self, sort: Sort, now: Now) -> Option<Shift> {
        let shift = match self.course.count(now) {
            Some(values) => self.close_window(values, now),
            None => None,
        };
        self.held_back += 1.0;
        self.recent += 1.0;
        if let Some(cell) = self.cell(sort) {
            cell.tally.count();
        }
        if !self.known.contains(&sort) {
            self.new.count();
        }
        if self.commonest != Some(sort) {
            self.unusual.count();
        }
        shift
    }

    /// The cell of a sort. A new one takes the place of the least often seen that is not known.
    fn cell(&mut self, sort: Sort) -> Option<&mut Cell> {
        if let Some(at) = self.cells.iter().position(|cell| cell.sort == sort) {
            return self.cells.get_mut(at);
        }
        let tally = Tally::new(0.0, self.uncounted, self.learned);
        let cell = Cell { sort, tally };
        if self.cells.len() < CELLS_LIMIT {
            self.cells.push(cell);
            return self.cells.last_mut();
        }
        let weight = |cell: &Cell| cell.tally.learned + cell.tally.held_back;
        let unknown = self.cells.iter_mut().filter(|cell| !self.known.contains(&cell.sort));
        let least = unknown.min_by(|a, b| weight(a).total_cmp(&weight(b)))?;
        *least = cell;
        Some(least)
    }

    fn tallies(&mut self) -> impl Iterator<Item = &mut Tally> {
        let cells = self.cells.iter_mut().map(|cell| &mut cell.tally);
        cells.chain([&mut self.new, &mut self.unusual])
    }

    fn close_window(&mut self, values: u32, now: Now) -> Option<Shift> {
        self.tallies().for_each(|tally| tally.stream.close_window(values));
        let evidence = self.tallies().map(|tally| tally.stream.evidence()).fold(0.0, f64::max);
        let seen = Seen {
            evidence,
            learned: f64::from(self.learned),
            held_back: f64::from(self.held_back),
            recent: f64::from(self.recent),
        };
        let mut shift = None;
        match self.course.step(&seen, now) {
            Step::WarmUp => self.warm_up(now),
            Step::Learn => self.learn(now),
            Step::Tell => shift = self.told(now),
            Step::Return => self.forget_recent(),
            Step::Adopt => self.adopt(),
            Step::Wait => {}
        }
        if Course::is_quiet(evidence) && !self.course.has_moved() {
            self.recent = 0.0;
            self.tallies().for_each(|tally| tally.recent = 0.0);
        }
        shift
    }

    fn forget_recent(&mut self) {
        (self.held_back, self.recent) = (0.0, 0.0);
        for tally in self.tallies() {
            (tally.held_back, tally.recent) = (0.0, 0.0);
            tally.stream.drop_block();
        }
    }

    fn warm_up(&mut self, now: Now) {
        if self.learned < KNOWN_VALUES_MIN {
            // At first everything is new.
            self.new.held_back = 0.0;
        }
        self.learn(now);
        self.restart();
    }

    fn adopt(&mut self) {
        self.learned = self.recent;
        self.tallies().for_each(|tally| tally.learned = tally.recent);
        // All that keeps coming is known from now on.
        self.new.learned = 0.0;
        self.forget_recent();
        self.know();
        self.restart();
    }

    fn learn(&mut self, now: Now) {
        let faded = self.course.fade(f64::from(self.learned), now) as f32;
        let block = std::mem::take(&mut self.held_back);
        self.learned = self.learned * faded + block;
        let mix = (self.learned, self.uncounted);
        self.tallies().for_each(|tally| tally.learn(faded, block, mix));
        self.know();
    }

    /// Takes what was learned for what is known.
    fn know(&mut self) {
        self.cells.sort_by(|a, b| b.tally.learned.total_cmp(&a.tally.learned));
        let known = self.cells.iter().filter(|cell| cell.tally.learned >= KNOWN_TIMES_MIN);
        self.known = known.take(KNOWN_LIMIT).map(|cell| cell.sort).collect();
        // A table with room has a cell for whatever was seen.
        let last = self.cells.get(KNOWN_LIMIT - 1).filter(|_| self.cells.len() >= CELLS_LIMIT);
        let lightest = last.map_or(0.0, |cell| cell.tally.learned);
        self.uncounted = lightest.max(self.new.learned * NEW_SHARE_OF_ONE);
        let first = self.cells.first().map(|cell| (cell.sort, cell.tally.learned));
        let Some((sort, learned)) = first else { return };
        if self.commonest != Some(sort) {
            self.commonest = Some(sort);
            self.unusual.learned = self.learned - learned;
            self.unusual.stream.restart(f64::from(self.unusual.learned), f64::from(self.learned));
        }
    }

    fn restart(&mut self) {
        let total = f64::from(self.learned);
        self.tallies().for_each(|tally| tally.stream.restart(f64::from(tally.learned), total));
    }

    /// What has changed: the sort for which most speaks, or, where nothing much speaks for any one of
    /// them, what they have in common.
    fn told(&self, now: Now) -> Option<Shift> {
        let by_evidence = |(_, a): &(Sort, &Tally), (_, b): &(Sort, &Tally)| {
            a.stream.evidence().total_cmp(&b.stream.evidence())
        };
        let one = self.cells.iter().map(|cell| (cell.sort, &cell.tally)).max_by(by_evidence);
        let one = one.filter(|(_, tally)| tally.stream.evidence() >= EVIDENCE_LIMIT_NATS / 2.0);
        let common = [(Sort::Unusual, &self.unusual), (Sort::New, &self.new)];
        let (sort, most) = one.or_else(|| common.into_iter().max_by(by_evidence))?;
        Some(Shift { change: most.share(sort, self), over: self.course.age(now) })
    }
}
