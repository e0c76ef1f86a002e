//! [`Channel`]: one channel to which somebody here is subscribed; and [`Channels`], all of them.

use std::sync::Arc;

use crate::{
    broker::RequestId,
    names::ChannelName,
    namespace::ChannelOptions,
    publication::Position,
    receivers::{List, Receivers},
    seeded::{Map, Seed},
    settling::Unsettled,
    time::Timestamp,
};

/// A channel, as one shard sees it. It is made when somebody here subscribes, and goes with the last one.
#[derive(Debug)]
pub(crate) struct Channel {
    pub(crate) name: ChannelName,
    pub(crate) options: Arc<ChannelOptions>,
    pub(crate) feed: Feed,
    /// All receivers have everything up to here. `None` before the broker has answered, and in channels
    /// without a stream.
    pub(crate) live: Option<Position>,
    /// When it was last heard where the stream is.
    pub(crate) heard_at: Timestamp,
    /// Receivers to whom no gap may pass in silence.
    pub(crate) gapless_count: u32,
    pub(crate) generation: u32,
    /// Those who get publications at once.
    pub(crate) receivers: Receivers,
    /// Those for whom they are held back.
    pub(crate) held: List,
    /// What is under way, if anything is.
    pub(crate) unsettled: Option<Box<Unsettled>>,
}

const _: () = assert!(size_of::<Channel>() <= 168, "there may be one for each session");

/// Whether the broker sends us the channel's events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Feed {
    /// It has been asked to.
    Asked { request: RequestId, failure_count: u8 },
    /// It did not, so many times, and will be asked again.
    Failed { failure_count: u8 },
    /// It may not any more, and will be asked again.
    Lost,
    /// It does.
    Open,
}

/// A channel at one time: not one of that name that comes after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ChannelKey {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

impl Channel {
    /// Whether it has positions at all.
    pub(crate) fn has_stream(&self) -> bool {
        self.options.history.is_some()
    }

    pub(crate) fn unsettled(&mut self) -> &mut Unsettled {
        self.unsettled.get_or_insert_default()
    }

    /// Whether nobody here is subscribed, nor about to be.
    pub(crate) fn is_deserted(&self) -> bool {
        self.receivers.is_empty()
            && self.held.keys().is_empty()
            && self.unsettled.as_ref().is_none_or(|unsettled| unsettled.waiters.is_empty())
    }
}

/// The channels of a shard.
#[derive(Debug)]
pub(crate) struct Channels {
    by_name: Map<ChannelName, u32>,
    slots: Vec<Option<Box<Channel>>>,
    free: Vec<u32>,
    generation: u32,
}

impl Channels {
    pub(crate) fn new(seed: Seed) -> Self {
        Self { by_name: Map::with_hasher(seed), slots: Vec::new(), free: Vec::new(), generation: 0 }
    }

    pub(crate) fn find(&self, name: &str) -> Option<u32> {
        self.by_name.get(name).copied()
    }

    pub(crate) fn get(&self, index: u32) -> Option<&Channel> {
        self.slots.get(index as usize)?.as_deref()
    }

    pub(crate) fn get_mut(&mut self, index: u32) -> Option<&mut Channel> {
        self.slots.get_mut(index as usize)?.as_deref_mut()
    }

    /// The channel that had this key, if it is still there.
    pub(crate) fn current(&mut self, key: ChannelKey) -> Option<&mut Channel> {
        self.get_mut(key.index).filter(|channel| channel.generation == key.generation)
    }

    /// Makes one that is not there yet.
    pub(crate) fn insert(
        &mut self,
        name: ChannelName,
        options: Arc<ChannelOptions>,
        now: Timestamp,
    ) -> u32 {
        self.generation = self.generation.wrapping_add(1);
        let channel = Channel {
            name: name.clone(),
            options,
            feed: Feed::Lost,
            live: None,
            heard_at: now,
            gapless_count: 0,
            generation: self.generation,
            receivers: Receivers::default(),
            held: List::default(),
            unsettled: None,
        };
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
        });
        if let Some(slot) = self.slots.get_mut(index as usize) {
            *slot = Some(Box::new(channel));
        }
        self.by_name.insert(name, index);
        index
    }

    pub(crate) fn remove(&mut self, index: u32) -> Option<Box<Channel>> {
        let channel = self.slots.get_mut(index as usize)?.take()?;
        self.by_name.remove(&channel.name);
        self.free.push(index);
        Some(channel)
    }

    pub(crate) fn len(&self) -> usize {
        self.by_name.len()
    }

    /// All places that there ever were.
    pub(crate) fn indexes(&self) -> std::ops::Range<u32> {
        0..u32::try_from(self.slots.len()).unwrap_or(u32::MAX)
    }
}
