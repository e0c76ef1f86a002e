//! Leaving a channel: by the client's wish, by the application's, by the end of its time, or with its session.

use std::sync::Arc;

use crate::{
    broker::{Ask, Attendance},
    command::{CommandId, Push, Reply},
    error::{Error, Unsubscribe},
    outside::SessionKey,
    receivers::Moved,
    session::Phase,
    settling::{Purpose, Waiter},
    shard::{After, Shard, Turn},
    subscription::{Seat, Standing, Subscription, Terms},
};

impl Shard {
    pub(crate) fn unsubscribe_by_client(
        &mut self,
        key: SessionKey,
        id: CommandId,
        channel: &str,
        turn: &mut Turn<'_>,
    ) {
        // Whoever is not subscribed is told the same: it is so.
        if let Some(index) = self.channels.find(channel) {
            self.leave(key, index, turn);
        }
        turn.reply(key, id, Ok(Reply::Unsubscribed));
    }

    /// Ends a subscription, and tells the client why.
    pub(crate) fn unsubscribe_because(
        &mut self,
        key: SessionKey,
        index: u32,
        why: Unsubscribe,
        turn: &mut Turn<'_>,
    ) {
        let Some(channel) = self.channels.get(index).map(|channel| channel.name.clone()) else {
            return;
        };
        if self.leave(key, index, turn) {
            turn.outside.push(key, Push::Unsubscribed { channel, why });
        }
    }

    /// Takes a session out of a channel; says whether it was in it. The channel goes with its last one.
    pub(crate) fn leave(&mut self, key: SessionKey, index: u32, turn: &mut Turn<'_>) -> bool {
        let Some(session) = self.sessions.get_mut(key) else { return false };
        let Some(subscription) = session.subscriptions.remove(index) else { return false };
        if let Some(backlog) = &mut session.backlog {
            backlog.forget(index, &mut self.charged);
        }
        if subscription.is_seated() {
            self.take_out(key, index, subscription.seat());
            if let Some(attendance) = attendance(&subscription) {
                self.chore(index, Some(key), Ask::Leave(attendance), turn);
            }
        } else {
            self.stop_waiting(key, index, turn);
        }
        self.close_feed_if_deserted(index, turn);
        true
    }

    /// Somebody does not wait any more. If it is a command that waits, that is answered.
    fn stop_waiting(&mut self, key: SessionKey, index: u32, turn: &mut Turn<'_>) {
        let Some(channel) = self.channels.get_mut(index) else { return };
        let Some(unsettled) = &mut channel.unsettled else { return };
        let Some(at) = unsettled.waiters.iter().position(|waiter| waiter.session == key) else {
            return;
        };
        let Waiter { purpose, .. } = unsettled.waiters.remove(at);
        let Some(session) = self.sessions.get_mut(key) else { return };
        match purpose {
            _ if matches!(session.phase, Phase::Ended) => {}
            Purpose::Command(id) => {
                session.pending_count -= 1;
                turn.reply(key, id, Err(Error::Internal));
            }
            Purpose::Connect { place } => {
                if let Phase::Connecting(connecting) = &mut session.phase {
                    connecting.made(place, None);
                    self.afterwards.push_back(After::Complete(key));
                }
            }
            Purpose::Application => {}
        }
        self.tidy(index);
    }

    /// Takes a subscription out of the list in which it stands.
    pub(crate) fn take_out(&mut self, key: SessionKey, index: u32, seat: Seat) {
        let Some(session) = self.sessions.get(key) else { return };
        let Some(channel) = self.channels.get_mut(index) else { return };
        let list = match seat.standing {
            Standing::Waiting => return,
            Standing::Receiving => channel.receivers.list_mut(session.variant),
            Standing::Held => &mut channel.held,
        };
        let moved = list.remove(seat.at);
        channel.gapless_count -= u32::from(seat.gapless);
        self.relocate(index, moved);
    }

    /// Some stand elsewhere in their lists now.
    pub(crate) fn relocate(&mut self, index: u32, moved: impl IntoIterator<Item = Moved>) {
        for (key, at) in moved.into_iter().flatten() {
            let session = self.sessions.get_mut(key);
            if let Some(subscription) =
                session.and_then(|session| session.subscriptions.get_mut(index))
            {
                subscription.at = at;
            }
        }
    }

    /// Puts a subscription into the list where it belongs.
    pub(crate) fn put_in(&mut self, key: SessionKey, index: u32) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        let Some(channel) = self.channels.get_mut(index) else { return };
        let Some(subscription) = session.subscriptions.get_mut(index) else { return };
        let hears = subscription.terms.hears;
        let moved;
        if session.backlog.is_some() {
            subscription.standing = Standing::Held;
            (subscription.at, moved) = channel.held.insert(key, hears);
        } else {
            subscription.standing = Standing::Receiving;
            (subscription.at, moved) =
                channel.receivers.list_mut(session.variant).insert(key, hears);
        }
        channel.gapless_count += u32::from(subscription.terms.gapless());
        self.relocate(index, [moved]);
    }

    /// Tells the broker that somebody is in a channel, if anybody may know.
    pub(crate) fn tell_enter(&mut self, key: SessionKey, index: u32, turn: &mut Turn<'_>) {
        let subscription =
            self.sessions.get(key).and_then(|session| session.subscriptions.get(index));
        let Some(attendance) = subscription.and_then(attendance) else { return };
        self.chore(index, Some(key), Ask::Enter(attendance), turn);
    }
}

fn attendance(subscription: &Subscription) -> Option<Attendance> {
    let Terms { present, announced, .. } = subscription.terms;
    (present || announced).then(|| Attendance {
        member: Arc::clone(&subscription.member),
        present,
        announced,
    })
}
