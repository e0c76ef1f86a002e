//! A channel's feed: the broker is asked for its events when the first subscriber comes, and no longer when
//! the last one has gone.

use crate::{
    broker::{Answer, Ask, Failure},
    channel::{Channel, ChannelKey, Feed},
    requests::{Chore, Pending},
    shard::{Shard, Turn},
};

impl Shard {
    /// Asks the broker for a channel's events.
    pub(crate) fn open_feed(&mut self, index: u32, turn: &mut Turn<'_>) {
        let Some(channel) = self.channels.get(index) else { return };
        let key = ChannelKey { index, generation: channel.generation };
        let live_offset = channel.live.as_ref().map_or(0, |live| live.offset);
        let pending = Pending::Subscribe { channel: key, live_offset };
        self.submit(channel.name.clone(), Ask::Subscribe, pending, turn);
    }

    /// The broker has answered that it sends them, or why not.
    pub(crate) fn subscribe_answered(
        &mut self,
        key: ChannelKey,
        _live_offset: u64,
        answer: Result<Answer, Failure>,
        turn: &mut Turn<'_>,
    ) {
        let Some(channel) = self.channels.current(key) else { return };
        if let Ok(Answer::Subscribed { top }) = answer {
            channel.feed = Feed::Open;
            channel.heard_at = turn.now;
            channel.live = channel.has_stream().then_some(top);
            self.settle(key.index, turn);
        }
    }

    /// Does without a channel in which nobody is left.
    pub(crate) fn close_feed_if_deserted(&mut self, index: u32, turn: &mut Turn<'_>) {
        if !self.channels.get(index).is_some_and(Channel::is_deserted) {
            return;
        }
        self.chore(index, Ask::Unsubscribe, turn);
        self.channels.remove(index);
    }

    /// Asks the broker for something that nobody waits for.
    pub(crate) fn chore(&mut self, index: u32, ask: Ask, turn: &mut Turn<'_>) {
        let Some(channel) = self.channels.get(index) else { return };
        let name = channel.name.clone();
        let chore = Chore { channel: name.clone(), ask: ask.clone(), failure_count: 0 };
        self.submit(name, ask, Pending::Chore(Box::new(chore)), turn);
    }
}
