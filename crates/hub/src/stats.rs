//! [`ShardStats`]: how much of everything there is; [`ShardCounts`]: how much of everything there was.

use crate::{latencies::Latencies, names::ChannelName, pace::OverPace, shard::Shard};

/// How much of everything there is in a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ShardStats {
    /// Sessions, those that have not said who they are among them.
    pub session_count: usize,
    /// Users who have sessions.
    pub user_count: usize,
    /// Channels with subscribers here.
    pub channel_count: usize,
    /// Requests that the broker has not answered, or has failed at and is to be asked again.
    pub request_count: usize,
    /// Sessions whose transports take no more.
    pub congested_count: usize,
    /// Bytes held back for sessions that do not keep up.
    pub backlog_len: usize,
    /// What has happened since it began.
    pub counts: ShardCounts,
}

/// What has happened in a shard since it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ShardCounts {
    /// Subscriptions recovered.
    pub recovered: u64,
    /// Publications recovered in them.
    pub recovered_publications: u64,
    /// Subscriptions that were to be recovered, and were not.
    pub not_recovered: u64,
    /// Subscriptions that had to be told that something may have been missed.
    pub insufficient_state: u64,
    /// Publications and announcements that were not sent to sessions that do not keep up.
    pub dropped: u64,
    /// Requests that the broker has not answered in time.
    pub overdue: u64,
    /// Requests that nobody waited for, that failed, and for which there was no room to be tried again.
    pub given_up: u64,
    /// Sessions that had to end because they sent commands faster than they may.
    pub commands_over_pace: u64,
    /// Sessions that had to end because they sent bytes faster than they may.
    pub bytes_over_pace: u64,
    /// How long clients took to answer pings.
    pub round_trips: Latencies,
}

impl ShardCounts {
    pub(crate) fn recovery(&mut self, recovered: bool, publication_count: usize) {
        self.recovered += u64::from(recovered);
        self.not_recovered += u64::from(!recovered);
        self.recovered_publications += publication_count as u64;
    }

    pub(crate) const fn over_pace(&mut self, over: OverPace) {
        match over {
            OverPace::Commands => self.commands_over_pace += 1,
            OverPace::Bytes => self.bytes_over_pace += 1,
        }
    }
}

impl Shard {
    /// How much of everything there is.
    pub fn stats(&self) -> ShardStats {
        ShardStats {
            session_count: self.sessions.len(),
            user_count: self.users.len(),
            channel_count: self.channels.len(),
            request_count: self.requests.len() + self.agenda.len(),
            congested_count: self.congested_count,
            backlog_len: self.charged.len,
            counts: ShardCounts { dropped: self.charged.dropped_count, ..self.counts },
        }
    }

    /// The channels with subscribers here, and how many, in no order.
    pub fn channels(&self) -> impl Iterator<Item = (&ChannelName, usize)> {
        self.channels.indexes().filter_map(|index| self.channels.get(index)).map(|channel| {
            let lists = channel.receivers.lists().map(|(_, list)| list);
            let count = lists.chain([&channel.held]).map(|list| list.keys().len()).sum();
            (&channel.name, count)
        })
    }
}
