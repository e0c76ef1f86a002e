//! Leaving a channel: by the client's wish, by the application's, by the end of its time, or with its session.

use std::sync::Arc;

use crate::{
    broker::{Ask, Attendance},
    command::{CommandId, Push, Reply},
    error::{Error, Unsubscribe},
    outside::SessionKey,
    receivers::Moved,
    settling::{Purpose, Waiter},
    shard::{Shard, Turn},
    subscription::{Standing, Subscription, Terms},
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
        if subscription.standing == Standing::Waiting {
            self.stop_waiting(key, index, turn);
        } else {
            self.take_out(key, &subscription);
            self.tell_leave(&subscription, turn);
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
        if let Purpose::Command(id) = purpose {
            self.answered_one(key);
            turn.reply(key, id, Err(Error::Internal));
        }
    }

    /// A command of a session waits no longer.
    pub(crate) fn answered_one(&mut self, key: SessionKey) {
        if let Some(session) = self.sessions.get_mut(key) {
            session.pending_count = session.pending_count.saturating_sub(1);
        }
    }

    /// Takes a subscription out of the list in which it stands.
    pub(crate) fn take_out(&mut self, key: SessionKey, subscription: &Subscription) {
        let Some(session) = self.sessions.get(key) else { return };
        let Some(channel) = self.channels.get_mut(subscription.channel) else { return };
        let list = match subscription.standing {
            Standing::Waiting => return,
            Standing::Receiving => channel.receivers.list_mut(session.variant),
            Standing::Held => &mut channel.held,
        };
        let moved = list.remove(subscription.at);
        channel.gapless_count -= u32::from(subscription.terms.gapless());
        self.relocate(subscription.channel, moved);
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
        self.chore(index, Ask::Enter(attendance), turn);
    }

    fn tell_leave(&mut self, subscription: &Subscription, turn: &mut Turn<'_>) {
        if let Some(attendance) = attendance(subscription) {
            self.chore(subscription.channel, Ask::Leave(attendance), turn);
        }
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
