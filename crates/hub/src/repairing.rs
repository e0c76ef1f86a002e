//! Repairing: what happens when receivers are not where the stream is.
//!
//! A gap is read from history. Where that cannot be done, each receiver that may miss nothing is told: a
//! subscription of the client's ends, a session with one of the application's does. All others go on.

use crate::{
    error::{Disconnect, Unsubscribe},
    names::ChannelName,
    outside::SessionKey,
    publication::Position,
    shard::{After, Shard, Turn},
};

impl Shard {
    /// The stream is here, says the broker.
    pub(crate) fn top(&mut self, name: &ChannelName, position: Position, turn: &mut Turn<'_>) {
        let Some(index) = self.channels.find(name.as_str()) else { return };
        let Some(channel) = self.channels.get_mut(index) else { return };
        if !channel.has_stream() {
            return;
        }
        match &channel.live {
            Some(live) if *live == position => channel.heard_at = turn.now,
            // It may be late, or the stream has gone back. That is not to be seen from here.
            Some(live) if live.epoch == position.epoch && live.offset > position.offset => {
                channel.unsettled().doubtful = true;
            }
            _ => channel.unsettled().see(position),
        }
        self.settle(index, turn);
    }

    /// Receivers go on from here, whatever was before. Those to whom that matters are told.
    pub(crate) fn start_over(&mut self, index: u32, from: &Position, turn: &mut Turn<'_>) {
        let Some(channel) = self.channels.get_mut(index) else { return };
        let old = channel.live.replace(from.clone());
        channel.heard_at = turn.now;
        if let Some(unsettled) = &mut channel.unsettled {
            unsettled.reading = None;
            unsettled.doubtful = false;
            unsettled.from_the_end = false;
            unsettled.passed.clear();
            unsettled.seen.take_if(|seen| {
                let is_old = old.as_ref().is_some_and(|old| old.epoch == seen.epoch);
                if seen.epoch == from.epoch { seen.offset <= from.offset } else { is_old }
            });
        }
        self.tell_gapless(index, turn);
        self.absorb(index, turn);
    }

    /// Tells all receivers of a channel that may miss nothing that they may have.
    pub(crate) fn tell_gapless(&mut self, index: u32, turn: &mut Turn<'_>) {
        let Some(channel) = self.channels.get(index) else { return };
        if channel.gapless_count == 0 {
            return;
        }
        let receivers = channel.receivers.lists().flat_map(|(_, list)| list.keys());
        let everybody: Vec<SessionKey> = receivers.chain(channel.held.keys()).copied().collect();
        for key in everybody {
            let subscription =
                self.sessions.get(key).and_then(|session| session.subscriptions.get(index));
            let Some(terms) = subscription.map(|subscription| subscription.terms) else { continue };
            if !terms.gapless() {
                continue;
            }
            self.counts.insufficient_state += 1;
            if terms.server_side {
                // It leaves here, so that it gets nothing of what comes after the gap.
                self.leave(key, index, turn);
                self.afterwards.push_back(After::End(key, Disconnect::InsufficientState));
            } else {
                self.unsubscribe_because(key, index, Unsubscribe::InsufficientState, turn);
            }
        }
    }
}
