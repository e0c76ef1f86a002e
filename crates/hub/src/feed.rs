//! A channel's feed: the broker is asked for its events when the first subscriber comes, and no longer when
//! the last one has gone. In between it may be lost, and is asked for again.

use crate::{
    broker::{Answer, Ask, Failure, RequestId},
    channel::{Channel, ChannelKey, Feed},
    error::Error,
    names::ChannelName,
    requests::Pending,
    retrying::{Chore, Due},
    shard::{Shard, Turn},
};

impl Shard {
    /// Asks the broker for a channel's events.
    pub(crate) fn open_feed(&mut self, index: u32, failure_count: u8, turn: &mut Turn<'_>) {
        let Some(channel) = self.channels.get(index) else { return };
        let key = ChannelKey { index, generation: channel.generation };
        let live_offset = channel.live.as_ref().map_or(0, |live| live.offset);
        let name = channel.name.clone();
        let pending = Pending::Subscribe { channel: key, live_offset };
        let request = self.submit(name, Ask::Subscribe, pending, turn);
        if let Some(channel) = self.channels.get_mut(index) {
            channel.feed = Feed::Asked { request, failure_count };
        }
    }

    /// The broker has answered that it sends them, or why not.
    pub(crate) fn subscribe_answered(
        &mut self,
        request: RequestId,
        key: ChannelKey,
        live_offset: u64,
        answer: Result<Answer, Failure>,
        turn: &mut Turn<'_>,
    ) {
        let Some(channel) = self.channels.current(key) else { return };
        let Feed::Asked { request: asked, failure_count } = channel.feed else { return };
        if asked != request {
            // It was answered before the feed was lost.
            return;
        }
        let top = match answer {
            Ok(Answer::Subscribed { top }) => top,
            Err(Failure::LimitExceeded) => {
                return self.feed_failed(key, failure_count, Error::LimitExceeded, turn);
            }
            _ => return self.feed_failed(key, failure_count, Error::Internal, turn),
        };
        channel.feed = Feed::Open;
        channel.heard_at = turn.now;
        if channel.has_stream() {
            match &channel.live {
                Some(live) if live.epoch == top.epoch && top.offset >= live_offset => {
                    channel.unsettled().see(top);
                    self.absorb(key.index, turn);
                }
                _ => self.start_over(key.index, &top, turn),
            }
        }
        self.settle(key.index, turn);
    }

    fn feed_failed(
        &mut self,
        key: ChannelKey,
        failure_count: u8,
        error: Error,
        turn: &mut Turn<'_>,
    ) {
        let failure_count = failure_count.saturating_add(1);
        let Some(channel) = self.channels.current(key) else { return };
        channel.feed = Feed::Failed { failure_count };
        let is_final = error == Error::LimitExceeded;
        if is_final || failure_count >= self.config.limits.attempt_count_max {
            self.refuse_all(key.index, error, turn);
            self.tell_gapless(key.index, turn);
        }
        // Those who may miss something are still there, and nothing is asked for where nobody is.
        if self.channels.current(key).is_some() {
            self.retry(Due::Feed(key), failure_count, turn.now);
        }
    }

    /// Nothing is known of any channel. All are asked for again, not too many at a time.
    pub(crate) fn lost(&mut self, turn: &mut Turn<'_>) {
        for index in self.channels.indexes() {
            if let Some(channel) = self.channels.get_mut(index) {
                channel.feed = Feed::Lost;
            }
        }
        self.lost_from = Some(0);
        self.lost_at = Some(turn.now);
        self.regain(turn);
    }

    /// Asks for some of the channels that were lost.
    pub(crate) fn regain(&mut self, turn: &mut Turn<'_>) {
        let Some(from) = self.lost_from else { return };
        let mut left = self.config.limits.resubscribe_count;
        for index in self.channels.indexes().skip(from) {
            if left == 0 {
                self.lost_from = Some(index as usize);
                return;
            }
            if self.channels.get(index).is_some_and(|channel| channel.feed == Feed::Lost) {
                self.open_feed(index, 0, turn);
                left -= 1;
            }
        }
        self.lost_from = None;
    }

    /// The broker sends what nobody here wants. That may just be late; or it has not heard, and goes on. So
    /// it is told again, now and then.
    pub(crate) fn tell_stray(&mut self, name: &ChannelName, turn: &mut Turn<'_>) {
        if !self.stray_told {
            self.stray_told = true;
            let chore = Chore::new(name.clone(), None, Ask::Unsubscribe);
            self.submit_chore(Box::new(chore), turn);
        }
    }

    /// Does without a channel in which nobody is left.
    pub(crate) fn close_feed_if_deserted(&mut self, index: u32, turn: &mut Turn<'_>) {
        if self.channels.get(index).is_some_and(Channel::is_deserted) {
            self.chore(index, None, Ask::Unsubscribe, turn);
            self.channels.remove(index);
        }
    }
}
