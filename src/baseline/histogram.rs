//! A histogram with a fixed number of buckets, four to each doubling: quantiles of any
//! distribution to within a fifth, in memory that does not grow.

/// Buckets to each doubling.
const STEPS: u64 = 4;

/// Doublings that are told apart; what is larger is counted in the last bucket.
const DOUBLINGS: u64 = 26;

/// All buckets: one for zero, and [`STEPS`] for each of the doublings.
pub(super) const BUCKETS: usize = (STEPS * DOUBLINGS + 1) as usize;

/// How often values of each size were seen. Counts may have been scaled down since, so they are no
/// whole numbers.
#[derive(Clone, Debug)]
pub(super) struct Histogram {
    counts: [f32; BUCKETS],
    total: f32,
}

/// The bucket of a value.
pub(super) fn bucket_of(value: u64) -> usize {
    let Some(doubling) = value.checked_ilog2() else { return 0 };
    // The two bits after the first: a value below four has them as zeros after its own.
    let step = ((u128::from(value) << 2) >> doubling) as u64 & (STEPS - 1);
    let bucket = u64::from(doubling) * STEPS + step + 1;
    usize::try_from(bucket).map_or(BUCKETS - 1, |bucket| bucket.min(BUCKETS - 1))
}

/// The smallest value of a bucket.
pub(super) fn floor_of(bucket: usize) -> f64 {
    let Some(place) = bucket.checked_sub(1) else { return 0.0 };
    let (doubling, step) = (place as u64 / STEPS, place as u64 % STEPS);
    (doubling as f64).exp2() * (1.0 + step as f64 / STEPS as f64)
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: [0.0; BUCKETS], total: 0.0 }
    }
}

impl Histogram {
    pub fn add(&mut self, bucket: usize) {
        if let Some(count) = self.counts.get_mut(bucket) {
            *count += 1.0;
            self.total += 1.0;
        }
    }

    pub fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count += more;
        }
        self.total += other.total;
    }

    /// Makes everything that was seen weigh `factor` (0 to 1) of what it did.
    pub fn scale(&mut self, factor: f64) {
        self.counts.iter_mut().for_each(|count| *count *= factor as f32);
        self.total = self.counts.iter().sum();
    }

    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Values that were seen.
    pub fn total(&self) -> f64 {
        f64::from(self.total)
    }

    /// Values in this bucket and those above.
    pub fn from(&self, bucket: usize) -> f64 {
        self.counts.iter().skip(bucket).copied().map(f64::from).sum()
    }

    /// The bucket below or in which the share `q` (0 to 1) of values lies; 0 when there are none.
    pub fn bucket_at(&self, q: f64) -> usize {
        self.place(q).0
    }

    /// The value below which the share `q` (0 to 1) lies, evenly spread within its bucket.
    pub fn quantile(&self, q: f64) -> f64 {
        let (bucket, within) = self.place(q);
        let (low, high) = (floor_of(bucket), floor_of(bucket + 1));
        low + (high - low) * within
    }

    fn place(&self, q: f64) -> (usize, f64) {
        let wanted = self.total() * q;
        let mut below = 0.0;
        let mut last = (0, 0.0);
        for (bucket, count) in self.counts.iter().enumerate() {
            let count = f64::from(*count);
            if count <= 0.0 {
                continue;
            }
            if below + count >= wanted {
                return (bucket, ((wanted - below) / count).clamp(0.0, 1.0));
            }
            below += count;
            last = (bucket, 1.0);
        }
        last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_has_a_bucket_that_holds_it() {
        for value in (1..5_000).chain((0..26).map(|bit| 3 << bit >> 1)) {
            let bucket = bucket_of(value);
            assert!(floor_of(bucket) <= value as f64, "{value} in {bucket}");
            assert!(bucket == BUCKETS - 1 || (value as f64) < floor_of(bucket + 1), "{value}");
        }
        assert_eq!((bucket_of(0), bucket_of(u64::MAX)), (0, BUCKETS - 1));
        let widest = (1..BUCKETS - 1).filter(|at| at % 4 != 0 || *at > 12);
        for at in widest {
            assert!(floor_of(at + 1) / floor_of(at) <= 1.25 + 1e-9, "{at}");
        }
    }

    #[test]
    fn quantiles_are_near_those_of_the_values() {
        let mut seen = Histogram::default();
        (1..=10_000_u64).for_each(|value| seen.add(bucket_of(value)));
        for q in [0.01, 0.1, 0.5, 0.9, 0.95, 0.99] {
            let (found, exact) = (seen.quantile(q), q * 10_000.0);
            assert!((found / exact - 1.0).abs() < 0.05, "{q}: {found} and not {exact}");
        }
        let above = seen.from(bucket_of(8_192));
        assert_eq!(above, 10_000.0 - 8_191.0);
        seen.scale(0.5);
        assert_eq!(seen.total(), 5_000.0);
        assert_eq!(Histogram::default().quantile(0.5), 0.0);
    }
}
