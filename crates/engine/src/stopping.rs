//! [`Stopping`]: the end of an engine, in order.

use std::{ops::Range, time::Duration};

use tidewire_proto::Timestamp;

/// Connections are closed one after the other over a given time, so that those who come back do not
/// all do so at once.
#[derive(Debug)]
pub(crate) struct Stopping {
    began: Timestamp,
    within: Duration,
    over: Timestamp,
    /// Places up to this one have been closed.
    closed: usize,
}

impl Stopping {
    /// The last connections are closed after `within`; then their peers have `close_within`.
    pub(crate) fn new(now: Timestamp, within: Duration, close_within: Duration) -> Self {
        let over = now.saturating_add(within).saturating_add(close_within).saturating_add(GRACE);
        Self { began: now, within, over, closed: 0 }
    }

    /// The places to close now, of `end` that there are.
    pub(crate) fn due(&mut self, now: Timestamp, end: usize) -> Range<u32> {
        let passed = now.saturating_since(self.began);
        let share = if self.within.is_zero() { 1.0 } else { passed.div_duration_f64(self.within) };
        // Places are at most 2³², which an f64 counts exactly.
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between zero and `end`, which is at most 2³²"
        )]
        let until = (end as f64 * share.min(1.0)).ceil() as usize;
        // Those who came late, from mail that was under way, stand anywhere.
        let from = if share >= 1.0 { 0 } else { self.closed };
        self.closed = until;
        let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        place(from)..place(until)
    }

    /// Who has not ended by now is cut off.
    pub(crate) fn is_over(&self, now: Timestamp) -> bool {
        now >= self.over
    }
}

/// Deadlines are noticed up to a second late.
const GRACE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_has_its_moment() {
        let second = Duration::from_secs(1);
        let mut stopping = Stopping::new(Timestamp::from_millis(5000), 10 * second, second);
        let mut closed = Vec::new();
        for tick in 0..10_u64 {
            let due = stopping.due(Timestamp::from_millis(5000 + tick * 1000), 100);
            assert!(due.len() <= 10, "{tick}: {due:?}");
            closed.extend(due);
        }
        assert_eq!(closed, (0..90).collect::<Vec<_>>());
        assert_eq!(stopping.due(Timestamp::from_millis(15_000), 100), 0..100, "and who came late");
        assert!(!stopping.is_over(Timestamp::from_millis(17_999)));
        assert!(stopping.is_over(Timestamp::from_millis(18_000)));
    }

    #[test]
    fn without_time_all_are_closed_at_once() {
        let mut stopping = Stopping::new(Timestamp::ZERO, Duration::ZERO, Duration::ZERO);
        assert_eq!(stopping.due(Timestamp::ZERO, 7), 0..7);
    }
}
