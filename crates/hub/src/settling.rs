//! What is under way in a channel: subscribers who wait, and publications that cannot go out yet.

use std::sync::Arc;

use crate::{
    channel::Feed,
    command::{CommandId, Push, Reply, Subscribed},
    connecting::time_left,
    outside::SessionKey,
    publication::{Data, Position, Publication},
    shard::{Shard, Turn},
};

/// What a channel has only while something is under way.
#[derive(Debug, Default)]
pub(crate) struct Unsettled {
    /// Those who are being subscribed.
    pub(crate) waiters: Vec<Waiter>,
}

/// Somebody who is being subscribed.
#[derive(Debug)]
pub(crate) struct Waiter {
    pub(crate) session: SessionKey,
    pub(crate) purpose: Purpose,
    pub(crate) since: Since,
    /// For the client, from the application.
    pub(crate) data: Option<Data>,
}

/// Who is told when it is done, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The session, by a reply.
    Command(CommandId),
    /// The session, in the reply to its connect command.
    Connect { place: u32 },
    /// The session, by a push.
    Application,
}

/// From where a subscriber wants to recover.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Since {
    /// It does not.
    Now,
    /// From nowhere that has ever been.
    Nowhere,
    /// From here.
    Position(Position),
}

impl Shard {
    /// Looks at all who wait in a channel, and lets go on whoever can.
    pub(crate) fn settle(&mut self, index: u32, turn: &mut Turn<'_>) {
        let Some(channel) = self.channels.get_mut(index) else { return };
        if channel.feed != Feed::Open {
            return;
        }
        let Some(unsettled) = channel.unsettled.take() else { return };
        for waiter in unsettled.waiters {
            self.settled(index, waiter, Vec::new(), false, turn);
        }
    }

    /// Somebody is a subscriber now, and has everything up to where the channel is.
    fn settled(
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
        let Some(session) = self.sessions.get(key) else { return };
        let Some(subscription) = session.subscriptions.get(index) else { return };
        let subscribed = Subscribed {
            expires_in: time_left(subscription.expires_at, turn.now),
            recoverable: subscription.terms.recoverable,
            positioned: subscription.terms.positioned,
            position: channel.live.clone(),
            publications,
            recovered,
            was_recovering: waiter.since != Since::Now,
            data: waiter.data,
        };
        let name = channel.name.clone();
        match waiter.purpose {
            Purpose::Command(id) => {
                self.answered_one(key);
                turn.reply(key, id, Ok(Reply::Subscribed(Box::new(subscribed))));
            }
            Purpose::Application => {
                let subscribed = Box::new(subscribed);
                turn.outside.push(key, Push::Subscribed { channel: name, subscribed });
            }
            Purpose::Connect { .. } => {}
        }
        self.tell_enter(key, index, turn);
    }
}
