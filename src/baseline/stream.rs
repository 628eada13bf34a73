//! Evidence that something has become more frequent, gathered until it is beyond chance.
//!
//! A sequential test (CUSUM, Page 1954): each value moves the evidence by the logarithm of how much
//! likelier it is under "clearly more often than usual" than under "as usual", and evidence never
//! falls below zero. As long as all is usual, the mean number of values until it reaches `h` nats is
//! at least `e^h` (Lorden 1971); once it is not, it gets there after `h` divided by the divergence of
//! the two, whatever the volume of traffic. Three things make that bound hold for real traffic: what
//! is usual is taken at the upper end of what was seen, what counts as more is far from it, and
//! values that come in clumps count for less.

/// Evidence at which a change is told, in nats: by chance once in more than a
/// quarter of a million values.
pub(super) const EVIDENCE_LIMIT_NATS: f64 = 12.5;

/// Most that one window adds, so that no blip is told; a single value always counts.
const GAIN_LIMIT_NATS: f64 = EVIDENCE_LIMIT_NATS / 10.0;

/// Smallest change that is looked for: so many times the odds, and at least so much of the whole.
const ODDS_RATIO: f64 = 3.0;
const SHARE_STEP: f64 = 0.03;

/// A share that is usually larger cannot grow by enough to be told.
const USUAL_LIMIT: f64 = 0.95;

/// How much likelier clumps may make a block of values than chance would: beyond it nothing would
/// ever be told.
const CLUMPING_LIMIT: f64 = 6.0;
const CLUMPING_AT_FIRST: f64 = 1.5;
/// Weight of the newest block in the clumping.
const CLUMPING_STEP: f64 = 1.0 / 16.0;

/// The share of values of one sort, and the evidence that it has grown.
#[derive(Clone, Debug)]
pub(super) struct Stream {
    /// What one value of the sort adds to the evidence, in nats, and what any other does.
    hit: f32,
    miss: f32,
    /// The share among all values that were learned.
    usual: f32,
    evidence: f32,
    /// How much more values vary from block to block than independent ones would: 1 when not at all.
    clumping: f32,
    /// No smaller share is taken for usual.
    floor: f32,
    window_hits: u32,
    block_hits: u32,
}

/// The share at the upper end of what `hits` of `total` are compatible with: one and a half standard
/// errors.
fn upper_share(hits: f64, total: f64) -> f64 {
    (hits + 1.5 + 1.5 * (hits + 1.0).sqrt()) / (total + 4.0)
}

/// The smallest share that is clearly more than `usual`.
fn raised_share(usual: f64) -> f64 {
    let odds = ODDS_RATIO * usual / (1.0 - usual);
    (odds / (1.0 + odds)).max(usual + SHARE_STEP)
}

impl Stream {
    /// Of a sort of which `hits` of `total` values were.
    pub fn new(hits: f64, total: f64) -> Self {
        let mut stream = Self {
            hit: 0.0,
            miss: 0.0,
            usual: 0.0,
            evidence: 0.0,
            clumping: CLUMPING_AT_FIRST as f32,
            floor: 0.0,
            window_hits: 0,
            block_hits: 0,
        };
        stream.expect(hits, total);
        stream
    }

    /// One that takes no share below `floor` for usual, so that a small move of a narrow spread across
    /// a far line is nothing.
    pub fn with_floor(floor: f64) -> Self {
        Self { floor: floor as f32, ..Self::new(0.0, 0.0) }
    }

    /// Takes `hits` of `total` for what is usual.
    fn expect(&mut self, hits: f64, total: f64) {
        let usual = upper_share(hits, total).max(f64::from(self.floor));
        if usual <= USUAL_LIMIT {
            let raised = raised_share(usual);
            self.hit = (raised / usual).ln() as f32;
            self.miss = ((1.0 - raised) / (1.0 - usual)).ln() as f32;
        } else {
            (self.hit, self.miss) = (0.0, -1.0);
        }
        self.usual = ((hits + 0.5) / (total + 1.0)) as f32;
    }

    /// Counts a value of the sort.
    pub fn hit(&mut self) {
        self.window_hits = self.window_hits.saturating_add(1);
        self.block_hits = self.block_hits.saturating_add(1);
    }

    /// Ends a window of `values`.
    pub fn close_window(&mut self, values: u32) {
        let hits = std::mem::take(&mut self.window_hits);
        let misses = values.saturating_sub(hits);
        let gain = f64::from(hits) * f64::from(self.hit) + f64::from(misses) * f64::from(self.miss);
        let limit = GAIN_LIMIT_NATS.max(f64::from(self.hit));
        let gain = (gain / f64::from(self.clumping).max(1.0)).min(limit);
        self.evidence = (self.evidence() + gain).clamp(0.0, EVIDENCE_LIMIT_NATS) as f32;
    }

    /// Takes a block of `values`, in which nothing had changed, into account. From now on `hits` of
    /// `total` are usual.
    pub fn learn(&mut self, values: f64, hits: f64, total: f64) {
        let seen = f64::from(std::mem::take(&mut self.block_hits));
        let usual = f64::from(self.usual.max(self.floor));
        let variance = values * usual * (1.0 - usual);
        if variance > 0.0 {
            let excess = seen - values * usual;
            // Fewer than what is taken for usual whatever was seen say nothing.
            let is_less = excess < 0.0 && self.floor > self.usual;
            let ratio = if is_less { 0.0 } else { excess.powi(2) / variance };
            let step = (ratio.min(4.0 * CLUMPING_LIMIT) - f64::from(self.clumping)) * CLUMPING_STEP;
            self.clumping = (f64::from(self.clumping) + step).min(CLUMPING_LIMIT) as f32;
        }
        self.expect(hits, total);
    }

    /// Forgets what was gathered, and expects `hits` of `total`.
    pub fn restart(&mut self, hits: f64, total: f64) {
        self.evidence = 0.0;
        self.block_hits = 0;
        self.expect(hits, total);
    }

    /// Forgets the hits of the block.
    pub fn drop_block(&mut self) {
        self.block_hits = 0;
    }

    /// What speaks for a change, in nats: 0 to [`EVIDENCE_LIMIT_NATS`].
    pub fn evidence(&self) -> f64 {
        f64::from(self.evidence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values until the change is told, when every `every`th is a hit.
    fn told_after(hits: f64, total: f64, every: u32) -> Option<u32> {
        let mut stream = Stream::new(hits, total);
        for value in 1..=20_000_u32 {
            if value % every == 0 {
                stream.hit();
            }
            stream.close_window(1);
            if stream.evidence() >= EVIDENCE_LIMIT_NATS - 1e-3 {
                return Some(value);
            }
        }
        None
    }

    #[test]
    fn a_share_that_stays_is_never_told_and_one_that_grows_soon_is() {
        assert_eq!(told_after(10.0, 1_000.0, 100), None, "1 % stays");
        assert_eq!(told_after(10.0, 1_000.0, 50), None, "2 % is within what is usual");
        assert_eq!(told_after(0.0, 1_000.0, 1_000), None);
        assert!(told_after(10.0, 1_000.0, 10).is_some_and(|values| values < 500), "10 %");
        assert!(told_after(0.0, 1_000.0, 20).is_some_and(|values| values < 600), "a new sort");
        assert!(told_after(500.0, 1_000.0, 1).is_some_and(|values| values < 80), "1/2 to all");
    }

    #[test]
    fn one_window_alone_tells_nothing_and_clumps_count_for_less() {
        let mut stream = Stream::new(10.0, 1_000.0);
        (0..500).for_each(|_| stream.hit());
        stream.close_window(500);
        assert!(stream.evidence() <= GAIN_LIMIT_NATS + 1e-3);
        stream.close_window(1_000);
        assert_eq!(stream.evidence(), 0.0, "what is usual takes it back");

        let mut clumped = Stream::new(10.0, 1_000.0);
        for block in 0..64 {
            let hits = if block % 4 == 0 { 10 } else { 0 };
            (0..hits).for_each(|_| clumped.hit());
            clumped.learn(250.0, 10.0, 1_000.0);
        }
        assert!(clumped.clumping > 3.0, "{}", clumped.clumping);
        let mut even = Stream::new(10.0, 1_000.0);
        for _ in 0..64 {
            (0..2).for_each(|_| even.hit());
            even.learn(250.0, 10.0, 1_000.0);
        }
        assert!(even.clumping < 1.0, "{}", even.clumping);
    }
}
