//! [`Bucket`]: how fast something may happen.

use std::time::Duration;

use tidewire_hub::Timestamp;

/// How often something may happen: so many at once, and so many a second in the long run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a pace is these two")]
pub struct Pace {
    /// In the long run. Zero: there is no limit.
    pub per_second: u32,
    /// At once, after a rest. At least one.
    pub burst: u32,
}

/// A bucket of tokens, as one number: the moment at which it will be full again.
///
/// It costs eight bytes, and one that is full is as good as none, so that it may be forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bucket {
    /// In nanoseconds of the hub's time.
    full_at: u64,
}

/// Too fast: how long to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "it is this one number")]
pub struct TooFast {
    /// By then there will be room.
    pub retry_after: Duration,
}

impl Pace {
    /// No limit at all.
    pub const UNLIMITED: Self = Self { per_second: 0, burst: 1 };

    /// So many a second in the long run, and so many at once.
    pub const fn new(per_second: u32, burst: u32) -> Self {
        Self { per_second, burst }
    }

    /// Nanoseconds for so many.
    fn nanos(self, count: u32) -> u64 {
        u64::from(count).saturating_mul(1_000_000_000) / u64::from(self.per_second.max(1))
    }
}

impl Bucket {
    /// The bucket of this number: see [`into_bits`](Self::into_bits).
    pub(super) const fn from_bits(full_at: u64) -> Self {
        Self { full_at }
    }

    /// The one number that it is, for where several threads share it.
    pub(super) const fn into_bits(self) -> u64 {
        self.full_at
    }

    /// Takes `cost` out of it. What costs more than the bucket holds takes a full one.
    ///
    /// # Errors
    /// If there is not so much in it; then nothing is taken.
    pub fn take(&mut self, now: Timestamp, cost: u32, pace: Pace) -> Result<(), TooFast> {
        if pace.per_second == 0 {
            return Ok(());
        }
        let burst = pace.burst.max(1);
        let now = now.as_millis().saturating_mul(1_000_000);
        // A clock that went back has not filled it.
        let full_at = self.full_at.max(now).saturating_add(pace.nanos(cost.min(burst)));
        let over = (full_at - now).saturating_sub(pace.nanos(burst));
        if over > 0 {
            return Err(TooFast { retry_after: Duration::from_nanos(over) });
        }
        self.full_at = full_at;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(bucket: &mut Bucket, millis: u64, cost: u32, pace: Pace) -> Result<(), u128> {
        let taken = bucket.take(Timestamp::from_millis(millis), cost, pace);
        taken.map_err(|fast| fast.retry_after.as_millis())
    }

    #[test]
    fn a_burst_and_then_the_pace() {
        let (mut bucket, pace) = (Bucket::default(), Pace::new(10, 5));
        for _ in 0..5 {
            assert_eq!(take(&mut bucket, 1000, 1, pace), Ok(()));
        }
        // At the limit and one beyond; it tells when, and that is true.
        assert_eq!(take(&mut bucket, 1000, 1, pace), Err(100));
        assert_eq!(take(&mut bucket, 1099, 1, pace), Err(1));
        assert_eq!(take(&mut bucket, 1100, 1, pace), Ok(()));
        assert_eq!(take(&mut bucket, 1100, 1, pace), Err(100));
        // After a rest there is a burst again, and no more than that.
        for _ in 0..5 {
            assert_eq!(take(&mut bucket, 100_000, 1, pace), Ok(()));
        }
        assert_eq!(take(&mut bucket, 100_000, 1, pace), Err(100));
    }

    #[test]
    fn costs_by_rule() {
        let pace = Pace::new(1000, 100);
        let cases = [
            ("nothing", 0, 0, Ok(())),
            ("all there is", 0, 100, Ok(())),
            ("more than it holds, when full", 0, 1_000_000, Ok(())),
            ("more than it holds, when not", 1, 1_000_000, Err(1)),
            ("more than is left", 1, 100, Err(1)),
        ];
        for (rule, before, cost, expected) in cases {
            let mut bucket = Bucket::default();
            take(&mut bucket, 5, before, pace).unwrap();
            assert_eq!(take(&mut bucket, 5, cost, pace), expected, "{rule}");
        }
    }

    #[test]
    fn extremes() {
        let mut bucket = Bucket::default();
        for _ in 0..1000 {
            assert_eq!(take(&mut bucket, 0, u32::MAX, Pace::UNLIMITED), Ok(()));
        }
        let fast = Pace::new(u32::MAX, u32::MAX);
        assert_eq!(take(&mut bucket, 0, u32::MAX, fast), Ok(()));
        assert!(take(&mut bucket, 0, u32::MAX, fast).is_err());
        // Z7: a clock that goes back, or ends.
        let mut bucket = Bucket::default();
        let pace = Pace::new(10, 1);
        assert_eq!(take(&mut bucket, 1000, 1, pace), Ok(()));
        assert_eq!(take(&mut bucket, 0, 1, pace), Err(1100));
        assert_eq!(take(&mut bucket, u64::MAX, 1, pace), Ok(()));
        // A burst of zero lets one through at a time.
        let mut bucket = Bucket::default();
        assert_eq!(take(&mut bucket, 0, 1, Pace::new(1, 0)), Ok(()));
        assert_eq!(take(&mut bucket, 0, 1, Pace::new(1, 0)), Err(1000));
    }
}
