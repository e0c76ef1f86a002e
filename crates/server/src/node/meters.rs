//! [`Meters`]: what a thread counts; and [`Board`], where others can read it.
//!
//! To count is to add to a field of the thread's own: nothing is shared, locked or formatted while messages
//! move. With each tick the thread puts a copy on the board.

use std::sync::{Arc, Mutex, PoisonError};

use tidewire_hub::{Disconnect, Error, Latencies, ShardStats};

use super::dialect::Dialect;
use crate::door::OverPace;

/// What a thread has counted since it began. Counts by name have few names, and none is a client's.
#[derive(Debug, Clone)]
pub(crate) struct Meters {
    /// In the order of their variants.
    pub(crate) dialects: [DialectMeters; Dialect::COUNT],
    /// Sessions that have ended, by why.
    pub(crate) ended: ByName,
    /// Guests that the shard had no place for.
    pub(crate) turned_away: ByName,
    /// Frames that were not the dialect's.
    pub(crate) malformed: ByName,
    /// WebSockets that were failed for what their peers did.
    pub(crate) failures: ByName,
    /// Commands that were not carried out.
    pub(crate) command_errors: ByName,
    /// Those of them that came faster than their user may send them.
    pub(crate) over_pace: ByName,
    /// From when a broker took a publication until it was written, once for each receiver. Those are left out
    /// who did not keep up and got it later.
    pub(crate) deliveries: Latencies,
    /// How often a session's transport took no more.
    pub(crate) congestions: u64,
    /// Tokens that were remembered, and those that had to be verified.
    pub(crate) token_hits: u64,
    pub(crate) token_misses: u64,
    pub(crate) shard: ShardStats,
}

/// What went through sessions of one dialect on one transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct DialectMeters {
    /// Sessions that have begun.
    pub(crate) opened: u64,
    /// Those of them that have ended.
    pub(crate) closed: u64,
    pub(crate) received: Traffic,
    pub(crate) sent: Traffic,
}

/// Messages, and the bytes in them: as the dialect has them, before compression and without the transport's headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Traffic {
    pub(crate) message_count: u64,
    pub(crate) len: u64,
}

/// Counts by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct ByName(Vec<(&'static str, u64)>);

/// The meters of all threads, as they were at their last tick.
#[derive(Debug, Clone)]
pub(crate) struct Board(Arc<[Mutex<Meters>]>);

impl Default for Meters {
    fn default() -> Self {
        Self {
            dialects: Default::default(),
            // From the beginning: what appears only when it happens has no increase to be seen.
            ended: ByName::of(Disconnect::ALL.map(Disconnect::name)),
            turned_away: ByName::of(
                [Disconnect::ConnectionLimit, Disconnect::Shutdown].map(Disconnect::name),
            ),
            malformed: ByName::default(),
            failures: ByName::default(),
            command_errors: ByName::of(Error::ALL.map(Error::name)),
            over_pace: ByName::of([OverPace::Commands, OverPace::Bytes].map(OverPace::name)),
            deliveries: Latencies::default(),
            congestions: 0,
            token_hits: 0,
            token_misses: 0,
            shard: ShardStats::default(),
        }
    }
}

impl Meters {
    /// What went through this dialect.
    pub(crate) fn of(&mut self, dialect: Dialect) -> &mut DialectMeters {
        &mut self.dialects[dialect.index()]
    }

    /// What others have counted is counted here as well.
    pub(crate) fn add(&mut self, others: &Self) {
        for (one, other) in self.dialects.iter_mut().zip(&others.dialects) {
            one.opened += other.opened;
            one.closed += other.closed;
            one.received.add(other.received);
            one.sent.add(other.sent);
        }
        self.ended.add(&others.ended);
        self.turned_away.add(&others.turned_away);
        self.malformed.add(&others.malformed);
        self.failures.add(&others.failures);
        self.command_errors.add(&others.command_errors);
        self.over_pace.add(&others.over_pace);
        self.deliveries.add(&others.deliveries);
        self.congestions += others.congestions;
        self.token_hits += others.token_hits;
        self.token_misses += others.token_misses;
        add_stats(&mut self.shard, &others.shard);
    }
}

impl DialectMeters {
    /// Sessions that there are.
    pub(crate) const fn session_count(&self) -> u64 {
        self.opened.saturating_sub(self.closed)
    }
}

impl Traffic {
    /// So many messages of so many bytes each.
    pub(crate) const fn count(&mut self, message_count: usize, len: usize) {
        self.message_count += message_count as u64;
        self.len += message_count as u64 * len as u64;
    }

    const fn add(&mut self, other: Self) {
        self.message_count += other.message_count;
        self.len += other.len;
    }
}

impl ByName {
    /// Nothing yet, of any of these.
    fn of(names: impl IntoIterator<Item = &'static str>) -> Self {
        Self(names.into_iter().map(|name| (name, 0)).collect())
    }

    /// One more.
    pub(crate) fn count(&mut self, name: &'static str) {
        *self.of_name(name) += 1;
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.0.iter().copied()
    }

    fn add(&mut self, other: &Self) {
        for (name, count) in other.iter() {
            *self.of_name(name) += count;
        }
    }

    fn of_name(&mut self, name: &'static str) -> &mut u64 {
        let at = self.0.iter().position(|(known, _)| *known == name).unwrap_or_else(|| {
            self.0.push((name, 0));
            self.0.len() - 1
        });
        &mut self.0[at].1
    }
}

impl Board {
    pub(crate) fn new(thread_count: usize) -> Self {
        Self((0..thread_count).map(|_| Mutex::default()).collect())
    }

    /// What a thread has counted; next time, if somebody is reading.
    pub(crate) fn post(&self, thread: usize, meters: &Meters) {
        if let Some(Ok(mut place)) = self.0.get(thread).map(Mutex::try_lock) {
            place.clone_from(meters);
        }
    }

    /// What all of them have.
    pub(crate) fn sum(&self) -> Meters {
        let mut sum = Meters::default();
        for place in self.0.iter() {
            sum.add(&place.lock().unwrap_or_else(PoisonError::into_inner));
        }
        sum
    }
}

fn add_stats(sum: &mut ShardStats, more: &ShardStats) {
    sum.session_count += more.session_count;
    sum.user_count += more.user_count;
    sum.channel_count += more.channel_count;
    sum.request_count += more.request_count;
    sum.backlog_len += more.backlog_len;
    sum.congested_count += more.congested_count;
    let (sum, more) = (&mut sum.counts, &more.counts);
    sum.recovered += more.recovered;
    sum.recovered_publications += more.recovered_publications;
    sum.not_recovered += more.not_recovered;
    sum.insufficient_state += more.insufficient_state;
    sum.commands_over_pace += more.commands_over_pace;
    sum.bytes_over_pace += more.bytes_over_pace;
    sum.overdue += more.overdue;
    sum.given_up += more.given_up;
    sum.round_trips.add(&more.round_trips);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Everything counts something, each something else.
    fn meters(factor: u64) -> Meters {
        let mut meters = Meters::default();
        for (index, dialect) in Dialect::ALL.into_iter().enumerate() {
            let of = meters.of(dialect);
            (of.opened, of.closed) = (factor * (3 + index as u64), factor);
            of.received.count(1, 10);
            of.sent.count(2, 10);
        }
        meters.ended.count("slow");
        meters.malformed.count("syntax");
        meters.deliveries.count(Duration::from_millis(7), factor);
        (meters.congestions, meters.token_hits, meters.token_misses) =
            (factor, 2 * factor, 3 * factor);
        meters.shard.user_count = 5;
        meters.shard.counts.round_trips.count(Duration::from_millis(1), factor);
        meters
    }

    #[test]
    fn the_sum_of_all_threads_is_read() {
        let board = Board::new(3);
        board.post(0, &meters(1));
        board.post(2, &meters(10));
        board.post(2, &meters(20));
        board.post(3, &meters(1000)); // there is no such thread
        let sum = board.sum();
        assert_eq!(sum.dialects.map(|dialect| dialect.session_count()), [42, 63, 84, 105]);
        let traffic = |message_count, len| Traffic { message_count, len };
        assert_eq!(sum.dialects[3].received, traffic(2, 20));
        assert_eq!(sum.dialects[3].sent, traffic(4, 40));
        assert!(sum.ended.iter().any(|counted| counted == ("slow", 2)));
        assert!(sum.ended.iter().any(|counted| counted == ("stale", 0)));
        assert_eq!(sum.malformed.iter().collect::<Vec<_>>(), [("syntax", 2)]);
        assert_eq!(sum.deliveries.counts().iter().sum::<u64>(), 21);
        assert_eq!((sum.congestions, sum.token_hits, sum.token_misses), (21, 42, 63));
        assert_eq!(
            (sum.shard.user_count, sum.shard.counts.round_trips.sum().as_millis()),
            (10, 21)
        );
    }

    #[test]
    fn a_thread_does_not_wait_for_who_reads() {
        let board = Board::new(1);
        let reading = board.0[0].lock().unwrap();
        board.post(0, &meters(1));
        drop(reading);
        assert_eq!(board.sum().congestions, 0);
        board.post(0, &meters(2));
        assert_eq!(board.sum().congestions, 2);
    }
}
