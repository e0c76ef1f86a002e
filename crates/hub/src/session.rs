//! [`Session`]: one client's connection, as far as channels are concerned; and [`Sessions`], all of them.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use crate::{
    backlog::Backlog,
    command::{Command, CommandId, Credentials, Subscribed},
    config::{HubConfig, HubLimits},
    error::Error,
    names::ChannelName,
    outside::{SessionKey, Variant},
    pace::{OverPace, Pace},
    proof::Proof,
    publication::{Data, Member, cost},
    subscription::Subscriptions,
    time::Timestamp,
};

/// One session. Boxes hold what most sessions do not have most of the time.
#[derive(Debug)]
pub(crate) struct Session {
    /// Who it is, as others see it. Nobody's before it has connected.
    pub(crate) member: Arc<Member>,
    pub(crate) phase: Phase,
    pub(crate) heartbeat: Heartbeat,
    /// When it has to have been refreshed; [never](Timestamp::NEVER) for most.
    pub(crate) expires_at: Timestamp,
    pub(crate) subscriptions: Subscriptions,
    /// What the application wants to know of it later.
    pub(crate) meta: Option<Box<Data>>,
    /// Where publications go while they cannot go out: its transport takes no more, or it is not yet connected.
    pub(crate) backlog: Option<Box<Backlog>>,
    paces: [Pace; 2],
    /// When the broker was told last in which channels it is.
    pub(crate) presence_told_at: Timestamp,
    /// Its place among the sessions of its user.
    pub(crate) user_place: u32,
    /// Commands that wait for an answer.
    pub(crate) pending_count: u16,
    pub(crate) variant: Variant,
    /// Whether its transport takes no more.
    pub(crate) congested: bool,
}

const _: () = assert!(size_of::<Session>() <= 160, "there are many idle sessions");

/// How far a session has come.
#[derive(Debug)]
pub(crate) enum Phase {
    /// It has not said who it is, and has time until then. Credentials may have come before it did.
    Silent { until: Timestamp, credentials: Option<Box<Credentials>> },
    /// It has, and its server-side subscriptions are being made.
    Connecting(Box<Connecting>),
    /// It is told everything.
    Connected,
    /// It is being taken out of everything, and told nothing any more.
    Ended,
}

/// What a session needs until its first reply.
#[derive(Debug)]
pub(crate) struct Connecting {
    pub(crate) id: CommandId,
    /// Subscriptions, in the order in which they were granted; `None` for those that are not made.
    pub(crate) subscriptions: Vec<Option<(ChannelName, Subscribed)>>,
    /// So many of them are under way.
    pub(crate) waiting_count: usize,
    /// Bytes of publications that they have recovered.
    pub(crate) recovered_len: usize,
    /// What came meanwhile. Its tokens are looked at already, for whoever can is not there later.
    pub(crate) deferred: Vec<(CommandId, Command, Proof)>,
}

/// Our pings and their answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heartbeat {
    /// The next ping is due then.
    Quiet { ping_at: Timestamp },
    /// The answer is due then.
    Asked { until: Timestamp },
}

impl Connecting {
    /// One more subscription is under way. Says its place.
    pub(crate) fn one_more(&mut self) -> usize {
        self.waiting_count += 1;
        self.subscriptions.push(None);
        self.subscriptions.len() - 1
    }

    /// A subscription is gone before it could be told of.
    pub(crate) fn unmake(&mut self, channel: &ChannelName) {
        for subscription in &mut self.subscriptions {
            subscription.take_if(|(of, _)| of == channel);
        }
    }

    /// One of the subscriptions is made, or will not be.
    pub(crate) fn made(&mut self, place: usize, made: Option<(ChannelName, Subscribed)>) {
        self.waiting_count -= 1;
        self.recovered_len +=
            made.as_ref().map_or(0, |(_, subscribed)| cost(&subscribed.publications));
        if let Some(subscription) = self.subscriptions.get_mut(place) {
            *subscription = made;
        }
    }
}

impl Session {
    pub(crate) fn new(member: Arc<Member>, variant: Variant, phase: Phase) -> Self {
        Self {
            member,
            phase,
            heartbeat: Heartbeat::Quiet { ping_at: Timestamp::NEVER },
            expires_at: Timestamp::NEVER,
            subscriptions: Subscriptions::default(),
            meta: None,
            backlog: None,
            paces: [Pace::default(); 2],
            presence_told_at: Timestamp::ZERO,
            user_place: 0,
            pending_count: 0,
            variant,
            congested: false,
        }
    }

    /// Whether one more of its commands may wait for an answer.
    pub(crate) fn may_wait(&self, limits: &HubLimits) -> Result<(), Error> {
        let count_max = limits.pending_command_count_max.min(usize::from(u16::MAX));
        if usize::from(self.pending_count) < count_max {
            Ok(())
        } else {
            Err(Error::TooManyRequests)
        }
    }

    /// Our ping is answered. The next one is due when it would have been anyway. Says how long it took, where
    /// one was sent.
    pub(crate) fn pong(&mut self, now: Timestamp, config: &HubConfig) -> Option<Duration> {
        let Heartbeat::Asked { until } = self.heartbeat else { return None };
        let rest = config.ping_interval?.saturating_sub(config.pong_within);
        self.heartbeat = Heartbeat::Quiet { ping_at: until.saturating_add(rest) };
        Some(config.pong_within.saturating_sub(until.saturating_since(now)))
    }

    pub(crate) const fn is_connected(&self) -> bool {
        matches!(self.phase, Phase::Connected)
    }

    /// Of what there is too much by time with one more command of so many bytes, if of anything.
    pub(crate) fn over_pace(
        &mut self,
        now: Timestamp,
        len: usize,
        limits: &HubLimits,
    ) -> Option<OverPace> {
        let [commands, bytes] = &mut self.paces;
        if limits.commands.is_some_and(|rate| !commands.take(now, rate, 1)) {
            Some(OverPace::Commands)
        } else if limits.command_bytes.is_some_and(|rate| !bytes.take(now, rate, len)) {
            Some(OverPace::Bytes)
        } else {
            None
        }
    }
}

/// All sessions of a shard, by [`SessionKey`].
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    slots: Vec<Slot>,
    free: Vec<u32>,
    count: usize,
}

#[derive(Debug)]
struct Slot {
    generation: NonZeroU32,
    session: Option<Box<Session>>,
}

impl Sessions {
    pub(crate) fn insert(&mut self, session: Session) -> Option<SessionKey> {
        let index = if let Some(index) = self.free.pop() {
            index
        } else {
            let index = u32::try_from(self.slots.len()).ok()?;
            self.slots.push(Slot { generation: NonZeroU32::MIN, session: None });
            index
        };
        let slot = self.slots.get_mut(index as usize)?;
        slot.session = Some(Box::new(session));
        self.count += 1;
        Some(SessionKey { index, generation: slot.generation.get() })
    }

    pub(crate) fn get(&self, key: SessionKey) -> Option<&Session> {
        let slot = self.slots.get(key.index())?;
        (slot.generation.get() == key.generation).then_some(slot.session.as_deref()).flatten()
    }

    pub(crate) fn get_mut(&mut self, key: SessionKey) -> Option<&mut Session> {
        let slot = self.slots.get_mut(key.index())?;
        (slot.generation.get() == key.generation).then_some(slot.session.as_deref_mut()).flatten()
    }

    pub(crate) fn remove(&mut self, key: SessionKey) -> Option<Box<Session>> {
        let slot = self.slots.get_mut(key.index())?;
        if slot.generation.get() != key.generation {
            return None;
        }
        let session = slot.session.take()?;
        self.count -= 1;
        // A slot whose keys are used up is not used again: a new session never has the key of an old one.
        if let Some(generation) = slot.generation.checked_add(1) {
            slot.generation = generation;
            self.free.push(key.index);
        }
        Some(session)
    }

    pub(crate) const fn len(&self) -> usize {
        self.count
    }

    /// As many places as there ever were, those of sessions that have ended among them.
    pub(crate) const fn place_count(&self) -> usize {
        self.slots.len()
    }

    /// Who is at a place, if somebody is.
    pub(crate) fn at(&self, place: usize) -> Option<(SessionKey, &Session)> {
        let slot = self.slots.get(place)?;
        let key =
            SessionKey { index: u32::try_from(place).ok()?, generation: slot.generation.get() };
        Some((key, slot.session.as_deref()?))
    }

    /// Everybody, by place.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (SessionKey, &Session)> {
        (0..self.slots.len()).filter_map(|place| self.at(place))
    }
}

/// Where in an interval a session is pinged first: spread evenly by its place, so that not all are pinged at once.
pub(crate) fn jitter(key: SessionKey, interval: Duration) -> Duration {
    // By the golden ratio neighbours are far from each other, and all together spread evenly.
    let share = key.index.wrapping_mul(0x9E37_79B9);
    let millis = interval.as_millis().saturating_mul(u128::from(share)) >> u32::BITS;
    Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
}
