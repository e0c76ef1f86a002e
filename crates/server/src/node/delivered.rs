//! [`Delivered`]: how long publications take from their broker to the sockets.

use std::time::Duration;

use tidewire_hub::Latencies;

/// What was delivered in this turn, whose end is when it has been written.
///
/// The clock is read once a turn, not once a publication; and a publication takes one entry, however many
/// receive it.
#[derive(Debug, Default)]
pub(crate) struct Delivered(Vec<Delivery>);

#[derive(Debug)]
struct Delivery {
    /// When it was published, in milliseconds since 1970.
    time: u64,
    receiver_count: usize,
}

/// Entries of one turn. Beyond, further publications count as the last one, which was published about when
/// they were.
const ENTRY_COUNT_MAX: usize = 1024;

impl Delivered {
    /// Something that was published then goes out to so many.
    pub(crate) fn push(&mut self, time: u64, receiver_count: usize) {
        let is_full = self.0.len() >= ENTRY_COUNT_MAX;
        match self.0.last_mut() {
            // As what is published in bursts has, or goes out to several dialects.
            Some(last) if is_full || last.time == time => last.receiver_count += receiver_count,
            _ => self.0.push(Delivery { time, receiver_count }),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// It has been written. Each receiver counts.
    pub(crate) fn written(&mut self, unix_millis: u64, latencies: &mut Latencies) {
        for Delivery { time, receiver_count } in self.0.drain(..) {
            let took = Duration::from_millis(unix_millis.saturating_sub(time));
            latencies.count(took, receiver_count as u64);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_receiver_counts_when_it_has_been_written() {
        let (mut delivered, mut latencies) = (Delivered::default(), Latencies::default());
        for (time, receiver_count) in [(1000, 5), (1000, 7), (1010, 1), (1030, 2)] {
            delivered.push(time, receiver_count);
        }
        assert!(!delivered.is_empty());
        // One is from a clock that is ahead of ours.
        delivered.written(1020, &mut latencies);
        assert!(delivered.is_empty());
        assert_eq!(latencies.sum(), Duration::from_millis(12 * 20 + 10));
        assert_eq!(latencies.counts().iter().sum::<u64>(), 15);
    }

    #[test]
    fn a_turn_has_so_many_entries() {
        let (mut delivered, mut latencies) = (Delivered::default(), Latencies::default());
        for time in 0..=ENTRY_COUNT_MAX as u64 {
            delivered.push(time, 1);
        }
        assert_eq!(delivered.0.len(), ENTRY_COUNT_MAX);
        delivered.written(0, &mut latencies);
        assert_eq!(latencies.counts().iter().sum::<u64>(), ENTRY_COUNT_MAX as u64 + 1);
    }
}
