//! [`Partition`]: some of the channels, and all that is asked about them.

use std::hash::BuildHasher;

use tidewire_hub::{
    ChannelName, Epoch, Map, Position, Seed, Timestamp,
    broker::{Ask, Request, Response},
};

use super::{Limits, Now, agenda::Agenda, channel::Channel, keys::Keys};
use crate::{Postbox, ShardIndex};

/// The memory broker for the channels that hash to it. See the [module](super).
#[derive(Debug)]
pub struct Partition {
    pub(super) limits: Limits,
    pub(super) seed: Seed,
    pub(super) now: Timestamp,
    /// Boxed, so that a table that grows has little to move.
    pub(super) channels: Map<ChannelName, Box<Channel>>,
    pub(super) agenda: Agenda,
    pub(super) keys: Keys,
    /// What all histories weigh.
    pub(super) history_len: usize,
    pub(super) presence_count: usize,
    /// How many streams have been forgotten.
    pub(super) generation: u64,
    /// The epoch of every channel that comes into being before the next stream is forgotten.
    ///
    /// So whoever asks about a channel that is not there is told an epoch that it may come back with,
    /// and nothing has to be remembered for that. It is good for as long as nothing that bore it has been
    /// forgotten: whether *this* channel was among the forgotten, nobody knows any more.
    pub(super) epoch: Epoch,
}

/// How much a partition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Channels, with those of which only the position is remembered.
    pub channel_count: usize,
    /// Bytes of all histories, as [`Limits::history_len_max`] counts them.
    pub history_len: usize,
    /// Idempotency keys.
    pub idempotency_key_count: usize,
    /// Members in all channels.
    pub presence_count: usize,
    /// Channels in which something is going to expire.
    pub expiring_channel_count: usize,
}

impl Partition {
    /// An empty partition. The seed is its own and secret: epochs are named by it, so that those of another
    /// partition and of another process are others.
    pub fn new(seed: Seed, limits: Limits) -> Self {
        let keys = Keys::new(seed, limits.idempotency_age_max, limits.idempotency_key_count_max);
        Self {
            limits,
            seed,
            now: Timestamp::ZERO,
            channels: Map::with_hasher(seed),
            agenda: Agenda::default(),
            keys,
            history_len: 0,
            presence_count: 0,
            generation: 0,
            epoch: epoch_name(seed, 0),
        }
    }

    /// Does what is asked, and answers at once: events first, so that who publishes hears of it before it
    /// is told that it was taken.
    pub fn request(
        &mut self,
        now: Now,
        from: ShardIndex,
        request: Request,
        postbox: &mut impl Postbox,
    ) {
        let Request { id, channel, ask } = request;
        self.now = self.now.max(now.at);
        self.refresh(&channel);
        let answer = match ask {
            Ask::Publish(draft) => self.publish(now.unix_millis, &channel, *draft, postbox),
            Ask::Read(filter) => self.read(&channel, &filter),
            Ask::RemoveHistory => Ok(self.remove_history(&channel)),
            Ask::Subscribe => self.subscribe(&channel, from),
            Ask::Unsubscribe => Ok(self.unsubscribe(&channel, from)),
            Ask::Enter(attendance) => self.enter(&channel, attendance, postbox),
            Ask::Leave(attendance) => Ok(self.leave(&channel, attendance, postbox)),
            Ask::Presence => Ok(self.presence(&channel)),
            Ask::PresenceStats => Ok(self.presence_stats(&channel)),
        };
        self.settle(&channel);
        self.make_room_in_history();
        postbox.respond(from, Response { id, answer });
    }

    /// Lets go what has expired. Called some times a second; it does not matter when.
    pub fn tick(&mut self, now: Now) {
        self.now = self.now.max(now.at);
        self.expire();
    }

    /// The newest of a channel's stream.
    pub fn top(&self, channel: &ChannelName) -> Position {
        match self.channels.get(channel) {
            Some(channel) => channel.stream.top(),
            None => Position { epoch: self.epoch.clone(), offset: 0 },
        }
    }

    /// How much it holds.
    pub fn stats(&self) -> Stats {
        Stats {
            channel_count: self.channels.len(),
            history_len: self.history_len,
            idempotency_key_count: self.keys.len(),
            presence_count: self.presence_count,
            expiring_channel_count: self.agenda.len(),
        }
    }
}

/// Sixteen digits. A keyed hash: nobody can tell from one what the seed is, or the next one.
pub(super) fn epoch_name(seed: Seed, generation: u64) -> Epoch {
    Epoch::new(&format!("{:016x}", seed.hash_one(("epoch", generation))))
}
