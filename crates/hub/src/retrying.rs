//! Retrying: what a broker did not do is asked for again, ever more slowly.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    broker::{Ask, Failure},
    channel::{ChannelKey, Feed},
    config::HubConfig,
    names::ChannelName,
    outside::SessionKey,
    requests::Pending,
    shard::{Shard, Turn},
    subscription::Subscription,
    time::Timestamp,
};

/// What is to be tried again, by time.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    due: BTreeMap<(Timestamp, u64), Due>,
    count: u64,
    chore_count: usize,
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

impl Chore {
    pub(crate) fn new(channel: ChannelName, session: Option<SessionKey>, ask: Ask) -> Self {
        Self { channel, session, ask, failure_count: 0 }
    }
}

impl Agenda {
    fn add(&mut self, at: Timestamp, due: Due) {
        self.count += 1;
        self.chore_count += usize::from(matches!(due, Due::Chore(_)));
        self.due.insert((at, self.count), due);
    }

    fn take(&mut self, now: Timestamp) -> Option<Due> {
        let entry = self.due.first_entry()?;
        let due = (entry.key().0 <= now).then(|| entry.remove())?;
        self.chore_count -= usize::from(matches!(due, Due::Chore(_)));
        Some(due)
    }

    pub(crate) fn len(&self) -> usize {
        self.due.len()
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
        self.submit_chore(Box::new(Chore::new(channel, session, ask)), turn);
    }

    pub(crate) fn submit_chore(&mut self, chore: Box<Chore>, turn: &mut Turn<'_>) {
        if chore.failure_count > 0 && !self.is_wanted(&chore) {
            return;
        }
        let (channel, ask) = (chore.channel.clone(), chore.ask.clone());
        self.submit(channel, ask, Pending::Chore(chore), turn);
    }

    /// Whether something that was to be done once is still to be done: later ones may have overtaken it.
    fn is_wanted(&self, chore: &Chore) -> bool {
        let is_in = chore.session.is_some_and(|session| self.is_seated(session, &chore.channel));
        match chore.ask {
            Ask::Unsubscribe => self.channels.find(chore.channel.as_str()).is_none(),
            Ask::Enter(_) => is_in,
            Ask::Leave(_) => !is_in,
            _ => false,
        }
    }

    /// Whether a session has its place in a channel. Who is still waiting for one has not been told to be
    /// there, and leaves without a word.
    fn is_seated(&self, session: SessionKey, channel: &ChannelName) -> bool {
        let index = self.channels.find(channel.as_str());
        let subscription = index
            .zip(self.sessions.get(session))
            .and_then(|(index, session)| session.subscriptions.get(index));
        subscription.is_some_and(Subscription::is_seated)
    }

    /// A chore is tried again for as long as it is wanted, since nobody else would: a broker that has not
    /// heard of a leave may have a ghost in presence for ever.
    pub(crate) fn chore_failed(&mut self, mut chore: Box<Chore>, why: &Failure, now: Timestamp) {
        // Where there is no room now, there is none in a moment.
        let is_final = *why == Failure::LimitExceeded;
        if is_final || self.agenda.chore_count >= self.config.limits.chore_count_max {
            self.counts.given_up += 1;
            return;
        }
        chore.failure_count = chore.failure_count.saturating_add(1);
        let failure_count = chore.failure_count;
        self.retry(Due::Chore(chore), failure_count, now);
    }
}
