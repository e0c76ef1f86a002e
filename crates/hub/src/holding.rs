//! Holding back: a session whose transport takes no more leaves its channels' fast lists, and its
//! publications wait in its backlog until there is room.

use crate::{
    backlog::{Backlog, Held},
    command::Push,
    outside::{Outside, SessionKey},
    shard::{Shard, Turn},
    time::Timestamp,
};

impl Shard {
    /// A session's transport takes no more: its publications are held back here, within a budget, and
    /// what each channel's [`Brim`](crate::Brim) says happens beyond it.
    pub fn congested(&mut self, session: SessionKey) {
        if let Some(slow) = self.sessions.get_mut(session) {
            self.congested_count += usize::from(!slow.congested);
            slow.congested = true;
            self.hold(session);
        }
    }

    /// A session's transport takes more. Some of what was held back leaves, in order. `true` says that
    /// there is more, and that this is to be called again: at once, or when there is room again.
    #[must_use]
    pub fn writable(
        &mut self,
        now: Timestamp,
        session: SessionKey,
        outside: &mut dyn Outside,
    ) -> bool {
        let Some(slow) = self.sessions.get_mut(session) else { return false };
        self.congested_count -= usize::from(slow.congested);
        slow.congested = false;
        if !slow.is_connected() {
            // The first thing it is told is that it is connected.
            return false;
        }
        self.release(session, self.config.limits.release_len, &mut Turn { now, outside })
    }

    /// Holds a session's publications back from now on.
    pub(crate) fn hold(&mut self, key: SessionKey) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        if session.backlog.is_none() {
            session.backlog = Some(Box::<Backlog>::default());
            self.move_all(key);
        }
    }

    /// Lets go what was held back, about so many bytes of it. Says whether there is more.
    pub(crate) fn release(&mut self, key: SessionKey, len: usize, turn: &mut Turn<'_>) -> bool {
        let Some(session) = self.sessions.get_mut(key) else { return false };
        let Some(backlog) = &mut session.backlog else { return false };
        let enough = backlog.len().saturating_sub(len);
        while let Some(piece) = backlog.pop(&mut self.charged) {
            let Some(channel) = self.channels.get(piece.channel) else { continue };
            match piece.held {
                Held::Publication(publication) => {
                    let channel = channel.name.clone();
                    turn.outside.push(key, Push::Publication { channel, publication });
                }
                Held::Announcement(member, came) => {
                    turn.outside.announce(&channel.name, &member, came, session.variant, &[key]);
                }
            }
            if backlog.len() <= enough && !backlog.is_empty() {
                return true;
            }
        }
        session.backlog = None;
        self.move_all(key);
        false
    }

    /// Puts all subscriptions of a session into the lists where they belong now.
    fn move_all(&mut self, key: SessionKey) {
        let Some(session) = self.sessions.get(key) else { return };
        for index in session.subscriptions.channels() {
            let Some(session) = self.sessions.get(key) else { return };
            let Some(subscription) = session.subscriptions.get(index) else { continue };
            if subscription.is_seated() {
                self.take_out(key, index, subscription.seat());
                self.put_in(key, index);
            }
        }
    }
}
