//! [`Subscription`]: one session in one channel; and [`Subscriptions`], those of one session.

use std::sync::Arc;

use crate::{publication::Member, time::Timestamp};

/// One session in one channel.
#[derive(Debug)]
pub(crate) struct Subscription {
    /// The index of the channel, which is there as long as anybody is subscribed to it.
    pub(crate) channel: u32,
    /// Where in its list there it stands.
    pub(crate) at: u32,
    pub(crate) standing: Standing,
    pub(crate) terms: Terms,
    /// When it has to have been refreshed; [never](Timestamp::NEVER) for most.
    pub(crate) expires_at: Timestamp,
    /// Who it is in this channel. The session's own, unless the application has said more.
    pub(crate) member: Arc<Member>,
}

const _: () = assert!(size_of::<Subscription>() <= 32, "a session may have many");

/// In which of its channel's lists a subscription stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is being made.
    Waiting,
    /// It receives what is published.
    Receiving,
    /// It is due to receive, but its session's publications are held back.
    Held,
}

/// What was agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub(crate) struct Terms {
    /// By the application's decision, not by the client's.
    pub(crate) server_side: bool,
    /// It may be recovered later.
    pub(crate) recoverable: bool,
    /// Gaps are noticed.
    pub(crate) positioned: bool,
    /// It stands in presence.
    pub(crate) present: bool,
    /// Others hear of it.
    pub(crate) announced: bool,
    /// It hears of others.
    pub(crate) hears: bool,
}

/// What has to be known of a subscription to take it out of its list.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seat {
    pub(crate) standing: Standing,
    pub(crate) at: u32,
    pub(crate) gapless: bool,
}

impl Subscription {
    pub(crate) const fn seat(&self) -> Seat {
        Seat { standing: self.standing, at: self.at, gapless: self.terms.gapless() }
    }

    /// Whether it is made.
    pub(crate) const fn is_seated(&self) -> bool {
        !matches!(self.standing, Standing::Waiting)
    }
}

impl Terms {
    /// Whether it may miss nothing without being told.
    pub(crate) const fn gapless(self) -> bool {
        self.positioned || self.recoverable
    }
}

/// The subscriptions of a session, ordered by channel: a few in a row are found faster than in a map, and
/// take a third of its memory.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions(Vec<Subscription>);

impl Subscriptions {
    pub(crate) fn get(&self, channel: u32) -> Option<&Subscription> {
        self.find(channel).ok().and_then(|at| self.0.get(at))
    }

    pub(crate) fn get_mut(&mut self, channel: u32) -> Option<&mut Subscription> {
        self.find(channel).ok().and_then(|at| self.0.get_mut(at))
    }

    /// Takes one in, unless there is one for that channel.
    pub(crate) fn insert(&mut self, subscription: Subscription) {
        if let Err(at) = self.find(subscription.channel) {
            // Most sessions have one; a `Vec` left alone would make room for four.
            self.0.reserve_exact(usize::from(self.0.is_empty()));
            self.0.insert(at, subscription);
        }
    }

    pub(crate) fn remove(&mut self, channel: u32) -> Option<Subscription> {
        let at = self.find(channel).ok()?;
        Some(self.0.remove(at))
    }

    pub(crate) const fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Subscription> {
        self.0.iter()
    }

    /// The channels, for going through them while they change.
    pub(crate) fn channels(&self) -> Vec<u32> {
        self.0.iter().map(|subscription| subscription.channel).collect()
    }

    fn find(&self, channel: u32) -> Result<usize, usize> {
        self.0.binary_search_by_key(&channel, |subscription| subscription.channel)
    }
}
