//! [`Pace`]: how fast a client may send.

use std::time::Duration;

use super::limits::{ChatLimits, MESSAGE_COST};

/// A bucket that fills with time and is emptied by messages.
///
/// Whoever empties it is not cut off: the next message is read later, TCP carries that back to the
/// sender, and nothing grows meanwhile.
#[derive(Debug)]
pub(crate) struct Pace {
    per_second: f64,
    burst: f64,
    left: f64,
}

impl Pace {
    pub(crate) fn new(limits: &ChatLimits) -> Self {
        let burst = count(limits.burst_len);
        Self { per_second: count(limits.bytes_per_second).max(1.0), burst, left: burst }
    }

    /// Takes what a message costs that came `since` the one before it; returns for how long the
    /// next one must wait.
    pub(crate) fn take(&mut self, message_len: usize, since: Duration) -> Duration {
        let filled = since.as_secs_f64().mul_add(self.per_second, self.left);
        self.left = filled.min(self.burst) - count(message_len + MESSAGE_COST);
        Duration::from_secs_f64((-self.left).max(0.0) / self.per_second)
    }
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 bytes")]
const fn count(bytes: usize) -> f64 {
    bytes as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace() -> Pace {
        let limits =
            ChatLimits { bytes_per_second: 1000, burst_len: 1000, ..ChatLimits::default() };
        Pace::new(&limits)
    }

    #[test]
    fn a_burst_passes_and_what_follows_waits() {
        let mut pace = pace();
        assert_eq!(pace.take(1000 - MESSAGE_COST, Duration::ZERO), Duration::ZERO, "at the limit");
        assert_eq!(pace.take(0, Duration::ZERO), Duration::from_millis(256));
        assert_eq!(pace.take(0, Duration::from_millis(256)), Duration::from_millis(256));
    }

    #[test]
    fn time_fills_the_bucket_and_not_beyond_its_brim() {
        let mut pace = pace();
        assert_eq!(pace.take(1000 - MESSAGE_COST, Duration::from_secs(3600)), Duration::ZERO);
        assert_eq!(pace.take(1 << 10, Duration::from_secs(1)), Duration::from_millis(280));
    }
}
