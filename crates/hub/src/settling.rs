//! Settling: what is under way in a channel, and who gets a place among its receivers when.
//!
//! A subscriber waits until the broker sends the channel's events, and, where it wants to recover, until
//! what it has missed has been read. Then it gets its reply and its place in one step, so that nothing
//! can come between them.

use std::{collections::VecDeque, mem, sync::Arc};

use crate::{
    channel::Feed,
    command::{CommandId, Push, Reply, Subscribed},
    connecting::time_left,
    error::{Disconnect, Error},
    outside::SessionKey,
    publication::{Data, Epoch, Position, Publication},
    recovering::Reading,
    session::Phase,
    shard::{After, Shard, Turn},
    subscription::Terms,
};

/// What a channel has only while something is under way.
#[derive(Debug, Default)]
pub(crate) struct Unsettled {
    /// Those who are being subscribed, in the order in which they came.
    pub(crate) waiters: Vec<Waiter>,
    /// Publications that cannot go out yet, for something before them is missing.
    pub(crate) kept: VecDeque<(Epoch, Arc<Publication>)>,
    /// The history that is being read.
    pub(crate) reading: Option<Reading>,
    /// Publications that have gone out while it is.
    pub(crate) passed: Vec<Arc<Publication>>,
    /// Where the stream has been seen, if receivers are not there.
    pub(crate) seen: Option<Position>,
    /// Whether it has to be asked where the stream is.
    pub(crate) doubtful: bool,
    /// Whether history has to be read from its end, since it does not reach back far enough.
    pub(crate) from_the_end: bool,
    /// Whether reading has failed and is tried again later.
    pub(crate) retrying: bool,
    /// How often it has failed in a row.
    pub(crate) failure_count: u8,
}

/// Somebody who is being subscribed.
#[derive(Debug)]
pub(crate) struct Waiter {
    pub(crate) session: SessionKey,
    pub(crate) purpose: Purpose,
    pub(crate) since: Since,
    /// How often history was read for it, and was behind again by then.
    pub(crate) attempt_count: u8,
    /// For the client, from the application.
    pub(crate) data: Option<Data>,
}

/// Who is told when it is done, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The session, by a reply.
    Command(CommandId),
    /// The session, in the reply to its connect command, at this place.
    Connect { place: usize },
    /// The session, by a push.
    Application,
}

/// From where a subscriber wants to recover.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Since {
    /// It does not.
    Now,
    /// From nowhere that has ever been, or where it may not.
    Nowhere,
    /// From here.
    Position(Position),
}

/// What a waiter needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    /// A place.
    Nothing { recovered: bool },
    /// What comes after this offset.
    Since(u64),
}

impl Unsettled {
    /// Whether nothing is under way any more.
    pub(crate) fn is_settled(&self) -> bool {
        self.waiters.is_empty()
            && self.kept.is_empty()
            && self.reading.is_none()
            && self.seen.is_none()
            && !self.doubtful
            && !self.retrying
    }

    /// Keeps a publication until it can go out. What there is no room for will be read.
    pub(crate) fn keep(&mut self, epoch: Epoch, publication: &Arc<Publication>, count_max: usize) {
        self.see(Position { epoch: epoch.clone(), offset: publication.offset });
        if self.kept.len() < count_max {
            self.kept.push_back((epoch, Arc::clone(publication)));
        }
    }

    /// The stream has been seen here.
    pub(crate) fn see(&mut self, position: Position) {
        match &mut self.seen {
            Some(seen) if seen.epoch == position.epoch => {
                seen.offset = seen.offset.max(position.offset);
            }
            seen => *seen = Some(position),
        }
    }

    /// The smallest offset from which somebody has to recover.
    pub(crate) fn oldest_wanted(&self, live: &Position, count_max: u32) -> Option<u64> {
        let wanted = self.waiters.iter().filter_map(|waiter| {
            match waiter.since.need(Some(live), count_max) {
                Need::Since(offset) => Some(offset),
                Need::Nothing { .. } => None,
            }
        });
        wanted.min()
    }
}

impl Since {
    /// From where in this stream it is, if it can be recovered at all. An empty epoch stands for any: it
    /// is only ever at the very beginning.
    pub(crate) fn offset_in(&self, live: &Position) -> Option<u64> {
        match self {
            Self::Position(at) if at.epoch == live.epoch || at.epoch.as_str().is_empty() => {
                Some(at.offset)
            }
            _ => None,
        }
    }

    fn need(&self, live: Option<&Position>, count_max: u32) -> Need {
        let since = live.and_then(|live| Some((live.offset, self.offset_in(live)?)));
        match since {
            None => Need::Nothing { recovered: false },
            Some((live, since)) if live == since => Need::Nothing { recovered: true },
            Some((live, since)) if live.saturating_sub(since) > u64::from(count_max) => {
                Need::Nothing { recovered: false }
            }
            // Also where the client is ahead of us: the broker has to tell whether that can be.
            Some((_, since)) => Need::Since(since),
        }
    }
}

impl Shard {
    /// Looks at what is under way in a channel, and does what can be done now.
    pub(crate) fn settle(&mut self, index: u32, turn: &mut Turn<'_>) {
        if self.channels.get(index).is_some_and(|channel| channel.feed == Feed::Open) {
            self.seat_ready(index, turn);
            self.read_if_needed(index, turn);
        }
        self.tidy(index);
    }

    /// Gives a place to everybody who needs nothing else.
    fn seat_ready(&mut self, index: u32, turn: &mut Turn<'_>) {
        let count_max = self.config.limits.recovery_count_max;
        let Some(channel) = self.channels.get_mut(index) else { return };
        let live = channel.live.as_ref();
        let Some(unsettled) = &mut channel.unsettled else { return };
        let mut ready = Vec::new();
        for waiter in mem::take(&mut unsettled.waiters) {
            match waiter.since.need(live, count_max) {
                Need::Since(_) => unsettled.waiters.push(waiter),
                Need::Nothing { recovered } => ready.push((waiter, recovered)),
            }
        }
        for (waiter, recovered) in ready {
            self.seat(index, waiter, Vec::new(), recovered, turn);
        }
    }

    /// Drops what a channel does not need while nothing is under way.
    pub(crate) fn tidy(&mut self, index: u32) {
        if let Some(channel) = self.channels.get_mut(index)
            && channel.unsettled.as_ref().is_some_and(|unsettled| unsettled.is_settled())
        {
            channel.unsettled = None;
        }
    }

    /// Gives somebody a place among the receivers, and tells it so. It has everything up to where the
    /// channel is, by `publications` and by what it had before, if `recovered`.
    pub(crate) fn seat(
        &mut self,
        index: u32,
        waiter: Waiter,
        publications: Vec<Arc<Publication>>,
        recovered: bool,
        turn: &mut Turn<'_>,
    ) {
        let key = waiter.session;
        self.put_in(key, index);
        let Some(channel) = self.channels.get(index) else { return };
        let Some(session) = self.sessions.get_mut(key) else { return };
        let Some(subscription) = session.subscriptions.get(index) else { return };
        let Terms { recoverable, positioned, .. } = subscription.terms;
        let was_recovering = waiter.since != Since::Now;
        if was_recovering {
            self.counts.recovery(recovered, publications.len());
        }
        let subscribed = Subscribed {
            expires_in: time_left(subscription.expires_at, turn.now),
            recoverable,
            positioned,
            position: channel.live.clone(),
            publications,
            recovered,
            was_recovering,
            data: waiter.data,
        };
        let name = channel.name.clone();
        match waiter.purpose {
            Purpose::Command(id) => {
                session.pending_count -= 1;
                turn.reply(key, id, Ok(Reply::Subscribed(Box::new(subscribed))));
            }
            Purpose::Application => {
                let subscribed = Box::new(subscribed);
                turn.outside.push(key, Push::Subscribed { channel: name, subscribed });
            }
            Purpose::Connect { place } => {
                if let Phase::Connecting(connecting) = &mut session.phase {
                    connecting.made(place, Some((name, subscribed)));
                    self.afterwards.push_back(After::Complete(key));
                }
            }
        }
        self.tell_enter(key, index, turn);
    }

    /// Nobody who waits gets a place. The channel goes if nobody else is in it.
    pub(crate) fn refuse_all(&mut self, index: u32, error: Error, turn: &mut Turn<'_>) {
        let Some(channel) = self.channels.get_mut(index) else { return };
        let Some(unsettled) = &mut channel.unsettled else { return };
        for waiter in mem::take(&mut unsettled.waiters) {
            let key = waiter.session;
            let Some(session) = self.sessions.get_mut(key) else { continue };
            session.subscriptions.remove(index);
            match waiter.purpose {
                Purpose::Command(id) => {
                    session.pending_count -= 1;
                    turn.reply(key, id, Err(error));
                }
                Purpose::Connect { .. } => {
                    self.afterwards.push_back(After::End(key, Disconnect::ServerError));
                }
                Purpose::Application => {}
            }
        }
        self.tidy(index);
        self.close_feed_if_deserted(index, turn);
    }
}
