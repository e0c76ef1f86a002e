//! [`Latencies`]: how long something takes, counted.

use std::time::Duration;

/// How long something takes: how many took at most how long, and how long all of them together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Latencies {
    /// By the bound at the same place, each counted once; the last is for those beyond all bounds.
    counts: [u64; BOUND_COUNT + 1],
    sum: Duration,
}

const BOUND_COUNT: usize = 13;

impl Latencies {
    /// How long those at the same place took at most, in milliseconds.
    pub const BOUNDS: [u64; BOUND_COUNT] =
        [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000];

    /// So many took so long.
    pub fn count(&mut self, took: Duration, how_many: u64) {
        let at = Self::BOUNDS.partition_point(|bound| Duration::from_millis(*bound) < took);
        self.counts[at] += how_many;
        let times = u32::try_from(how_many).unwrap_or(u32::MAX);
        self.sum = self.sum.saturating_add(took.saturating_mul(times));
    }

    /// What others have counted is counted here as well.
    pub fn add(&mut self, others: &Self) {
        for (count, more) in self.counts.iter_mut().zip(others.counts) {
            *count += more;
        }
        self.sum = self.sum.saturating_add(others.sum);
    }

    /// How many there were by their [bound](Self::BOUNDS); the last are those beyond all bounds.
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// How long all of them took together.
    pub const fn sum(&self) -> Duration {
        self.sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_counted_once_and_at_its_bound() {
        let cases = [(0, 0), (1, 0), (2, 1), (3, 2), (5, 2), (6, 3), (10_000, 12), (10_001, 13)];
        for (millis, at) in cases {
            let mut latencies = Latencies::default();
            latencies.count(Duration::from_millis(millis), 3);
            let mut expected = [0; BOUND_COUNT + 1];
            expected[at] = 3;
            assert_eq!(latencies.counts(), expected, "{millis}");
            assert_eq!(latencies.sum(), Duration::from_millis(3 * millis));
            let once = latencies;
            latencies.add(&once);
            assert_eq!(latencies.counts()[at], 6);
            assert_eq!(latencies.sum(), 2 * once.sum());
        }
    }
}
