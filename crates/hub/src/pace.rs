//! [`Rate`] and [`Pace`]: how fast is too fast, as values.

use std::time::Duration;

use crate::time::Timestamp;

/// So much by time, and so much at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Nanoseconds that one piece takes.
    interval: u64,
    /// Nanoseconds that may be taken in advance.
    tolerance: u64,
}

impl Rate {
    /// So many a second in the long run; `burst` of them may come at once.
    ///
    /// Both are at least one; more than 10⁹ a second is no limit.
    pub const fn per_second(count: u32, burst: u32) -> Self {
        let interval = 1_000_000_000 / if count == 0 { 1 } else { count as u64 };
        let burst = if burst == 0 { 1 } else { burst as u64 };
        Self { interval, tolerance: interval.saturating_mul(burst) }
    }
}

/// Of what somebody sends more than it may by time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OverPace {
    Commands,
    Bytes,
}

/// How much of a [`Rate`] somebody has used: one moment, up to which everything is paid for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Pace(u64);

impl Pace {
    /// Takes `count` pieces, if the rate allows it now; else nothing.
    pub(crate) fn take(&mut self, now: Timestamp, rate: Rate, count: usize) -> bool {
        let now = nanos(Duration::from_millis(now.as_millis()));
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        let paid_until = self.0.max(now).saturating_add(rate.interval.saturating_mul(count));
        let allowed = paid_until <= now.saturating_add(rate.tolerance);
        if allowed {
            self.0 = paid_until;
        }
        allowed
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_one_more_does_not() {
        let rate = Rate::per_second(10, 5);
        let now = Timestamp::from_millis(1_000_000);
        let mut pace = Pace::default();
        for piece in 0..5 {
            assert!(pace.take(now, rate, 1), "piece {piece}");
        }
        assert!(!pace.take(now, rate, 1), "one more than the burst");
        assert!(!pace.take(Timestamp::from_millis(1_000_099), rate, 1), "not yet");
        assert!(pace.take(Timestamp::from_millis(1_000_100), rate, 1), "a tenth of a second later");
    }

    #[test]
    fn what_is_refused_costs_nothing() {
        let rate = Rate::per_second(1000, 10);
        let mut pace = Pace::default();
        assert!(!pace.take(Timestamp::ZERO, rate, 11), "more at once than the burst");
        assert!(pace.take(Timestamp::ZERO, rate, 10));
    }

    #[test]
    fn after_a_long_silence_no_more_than_the_burst_is_free() {
        let rate = Rate::per_second(10, 5);
        let mut pace = Pace::default();
        assert!(pace.take(Timestamp::ZERO, rate, 1));
        let later = Timestamp::from_millis(3_600_000);
        assert!(!pace.take(later, rate, 6));
        assert!(pace.take(later, rate, 5));
    }

    #[test]
    fn a_clock_that_goes_back_does_no_harm() {
        let rate = Rate::per_second(10, 5);
        let mut pace = Pace::default();
        assert!(pace.take(Timestamp::from_millis(10_000), rate, 5));
        assert!(!pace.take(Timestamp::from_millis(9_000), rate, 1));
    }
}
