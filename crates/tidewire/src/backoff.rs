//! [`Backoff`]: how long to wait before connecting again (RFC 6455 §7.2.3).

use std::{io, time::Duration};

/// How long to wait before connecting again.
///
/// §7.2.3: before the first attempt after an abnormal closure "a random amount of time"; if that
/// fails, "longer delays on subsequent connection attempts, using a method such as truncated
/// binary exponential backoff". The later delays are random too, between half and all of the
/// bound that doubles, so that clients which a server lost at once do not come back at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "built with `..Backoff::default()`")]
pub struct Backoff {
    /// The first delay is between nothing and this; each further bound is twice the one before.
    /// Default: 5 s, as §7.2.3 suggests.
    pub first_delay_max: Duration,
    /// No delay is longer. Default: 60 s.
    pub delay_max: Duration,
    /// A connection that held for so long begins anew with the first delay. Default: 30 s.
    pub stable_after: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            first_delay_max: Duration::from_secs(5),
            delay_max: Duration::from_secs(60),
            stable_after: Duration::from_secs(30),
        }
    }
}

impl Backoff {
    /// The delay after `failure_count` attempts have failed in a row.
    pub(crate) fn delay(&self, failure_count: u32) -> io::Result<Duration> {
        Ok(self.delay_at(failure_count, getrandom::u64().map_err(io::Error::other)?))
    }

    /// The delay at a random number.
    fn delay_at(&self, failure_count: u32, random: u64) -> Duration {
        let doubled = 2_u32.checked_pow(failure_count).unwrap_or(u32::MAX);
        let max = self.first_delay_max.saturating_mul(doubled).min(self.delay_max);
        let min = if failure_count == 0 { Duration::ZERO } else { max / 2 };
        // Milliseconds are fine enough, and the bias of a remainder is of no interest here.
        let span = u64::try_from(max.saturating_sub(min).as_millis()).unwrap_or(u64::MAX - 1);
        min + Duration::from_millis(random % (span + 1))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn delays_by_section() {
        let backoff = Backoff::default();
        // rule, failures in a row, the shortest and the longest delay in seconds
        let rows = [
            ("§7.2.3 a random delay from 0 to 5 s", 0, 0, 5),
            ("§7.2.3 longer", 1, 5, 10),
            ("§7.2.3 binary exponential", 2, 10, 20),
            ("§7.2.3 binary exponential", 3, 20, 40),
            ("§7.2.3 truncated", 4, 30, 60),
            ("§7.2.3 truncated", u32::MAX, 30, 60),
        ];
        for (rule, failures, min, max) in rows {
            let longest_span = (max - min) * 1000;
            assert_eq!(backoff.delay_at(failures, 0).as_secs(), min, "{rule}");
            assert_eq!(backoff.delay_at(failures, longest_span).as_secs(), max, "{rule}");
        }
    }

    proptest! {
        #[test]
        fn never_beyond_its_bounds(failures: u32, random: u64, first: Duration, max: Duration) {
            let backoff = Backoff { first_delay_max: first, delay_max: max, ..Backoff::default() };
            prop_assert!(backoff.delay_at(failures, random) <= max);
        }
    }
}
