//! Retrying: what a broker did not do is asked for again, a few times, and ever more slowly.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    broker::Ask,
    channel::{ChannelKey, Feed},
    config::HubConfig,
    names::ChannelName,
    outside::SessionKey,
    requests::Pending,
    shard::{Shard, Turn},
    time::Timestamp,
};

/// What is to be tried again, by time.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    due: BTreeMap<(Timestamp, u64), Due>,
    count: u64,
}

/// Something to be tried again.
#[derive(Debug)]
pub(crate) enum Due {
    /// To ask for a channel's events.
    Feed(ChannelKey),
    /// To read a channel's history.
    Settle(ChannelKey),
    Chore(Box<Chore>),
}

/// Something that nobody waits for, and that has to be done all the same.
#[derive(Debug)]
pub(crate) struct Chore {
    pub(crate) channel: ChannelName,
    /// For whom.
    pub(crate) session: Option<SessionKey>,
    pub(crate) ask: Ask,
    pub(crate) failure_count: u8,
}

impl Agenda {
    fn add(&mut self, at: Timestamp, due: Due) {
        self.count += 1;
        self.due.insert((at, self.count), due);
    }

    fn take(&mut self, now: Timestamp) -> Option<Due> {
        let entry = self.due.first_entry()?;
        (entry.key().0 <= now).then(|| entry.remove())
    }
}

impl Shard {
    /// Puts something on the agenda that has failed so many times.
    pub(crate) fn retry(&mut self, due: Due, failure_count: u8, now: Timestamp) {
        let doublings = failure_count.saturating_sub(1).min(HubConfig::RETRY_DOUBLINGS_MAX);
        let after: Duration = self.config.retry_after.saturating_mul(1 << doublings);
        self.agenda.add(now.saturating_add(after), due);
    }

    /// Does what is due.
    pub(crate) fn retry_due(&mut self, turn: &mut Turn<'_>) {
        while let Some(due) = self.agenda.take(turn.now) {
            match due {
                Due::Feed(key) => {
                    // It may have been asked for by other ways.
                    let feed = self.channels.current(key).map(|channel| channel.feed);
                    if let Some(Feed::Failed { failure_count }) = feed {
                        self.open_feed(key.index, failure_count, turn);
                    }
                }
                Due::Settle(key) => {
                    let channel = self.channels.current(key);
                    if let Some(unsettled) = channel.and_then(|channel| channel.unsettled.as_mut())
                    {
                        unsettled.retrying = false;
                        self.settle(key.index, turn);
                    }
                }
                Due::Chore(chore) => self.submit_chore(chore, turn),
            }
        }
    }

    /// Asks the broker for something that nobody waits for.
    pub(crate) fn chore(
        &mut self,
        index: u32,
        session: Option<SessionKey>,
        ask: Ask,
        turn: &mut Turn<'_>,
    ) {
        let Some(channel) = self.channels.get(index) else { return };
        let channel = channel.name.clone();
        self.submit_chore(Box::new(Chore { channel, session, ask, failure_count: 0 }), turn);
    }

    fn submit_chore(&mut self, chore: Box<Chore>, turn: &mut Turn<'_>) {
        if chore.failure_count > 0 && !self.is_wanted(&chore) {
            return;
        }
        let (channel, ask) = (chore.channel.clone(), chore.ask.clone());
        self.submit(channel, ask, Pending::Chore(chore), turn);
    }

    /// Whether something that was to be done once is still to be done: later ones may have overtaken it.
    fn is_wanted(&self, chore: &Chore) -> bool {
        let is_in =
            chore.session.is_some_and(|session| self.is_subscribed(session, &chore.channel));
        match chore.ask {
            Ask::Unsubscribe => self.channels.find(chore.channel.as_str()).is_none(),
            Ask::Enter(_) => is_in,
            Ask::Leave(_) => !is_in,
            _ => false,
        }
    }

    pub(crate) fn chore_failed(&mut self, mut chore: Box<Chore>, now: Timestamp) {
        chore.failure_count += 1;
        if chore.failure_count < self.config.limits.attempt_count_max {
            let failure_count = chore.failure_count;
            self.retry(Due::Chore(chore), failure_count, now);
        } else {
            self.counts.given_up += 1;
        }
    }
}
