//! What may be asked of a [`Partition`].

use std::sync::Arc;

use tidewire_hub::{
    ChannelName, HistoryFilter, Publication,
    broker::{Answer, Attendance, Draft, Event, Failure},
};

use super::{Partition, channel::Channel, keys::Digest, stream::weight};
use crate::{Postbox, ShardIndex, ShardSet};

impl Partition {
    pub(super) fn publish(
        &mut self,
        unix_millis: u64,
        name: &ChannelName,
        draft: Draft,
        postbox: &mut impl Postbox,
    ) -> Result<Answer, Failure> {
        let key = draft.idempotency_key.map(|key| Digest::of(self.seed, name, &key));
        if let Some(position) = key.and_then(|key| self.keys.find(self.now, key)) {
            return Ok(Answer::Published { position: position.clone(), suppressed: true });
        }
        let mut publication = Publication {
            offset: 0,
            data: draft.data,
            publisher: draft.publisher,
            tags: draft.tags,
            key: draft.key,
            time: unix_millis,
        };
        let len_max = self.limits.history_len_max.min(self.limits.channel_history_len_max);
        if draft.retention.is_some() && weight(&publication) > len_max {
            return Err(Failure::LimitExceeded);
        }
        if draft.retention.is_some() || draft.version.is_some() {
            self.ensure(name)?;
        }
        let mut position = None;
        // If it is not there, nobody hears of it, and nothing has to be kept.
        if let Some(channel) = self.channels.get_mut(name) {
            if draft.version.as_ref().is_some_and(|version| channel.has_passed(version)) {
                let position = draft.retention.map(|_| channel.stream.top());
                return Ok(Answer::Published { position, suppressed: true });
            }
            let age_max = self.limits.idempotency_age_max;
            channel.remember(self.now, draft.retention.as_ref(), draft.version, age_max);
            if draft.retention.is_some() {
                publication.offset = channel.stream.next_offset();
            }
            let publication = Arc::new(publication);
            if let Some(retention) = &draft.retention {
                let len_max = self.limits.channel_history_len_max;
                channel.stream.push(self.now, Arc::clone(&publication), retention, len_max);
                position = Some(channel.stream.top());
            }
            tell(postbox, channel.subscribers, || Event::Published {
                channel: name.clone(),
                epoch: position.as_ref().map(|position| position.epoch.clone()),
                publication: Arc::clone(&publication),
            });
        }
        if let Some(key) = key {
            self.keys.remember(self.now, key, position.clone());
        }
        Ok(Answer::Published { position, suppressed: false })
    }

    pub(super) fn read(
        &self,
        name: &ChannelName,
        filter: &HistoryFilter,
    ) -> Result<Answer, Failure> {
        match self.channels.get(name) {
            Some(channel) => channel.stream.read(filter),
            // As one that is empty, which is nowhere.
            None => Channel::new(self.epoch.clone()).stream.read(filter),
        }
    }

    pub(super) fn remove_history(&mut self, name: &ChannelName) -> Answer {
        if let Some(channel) = self.channels.get_mut(name) {
            channel.stream.clear();
        }
        Answer::Done
    }

    pub(super) fn subscribe(
        &mut self,
        name: &ChannelName,
        shard: ShardIndex,
    ) -> Result<Answer, Failure> {
        let channel = self.ensure(name)?;
        channel.subscribers.insert(shard);
        Ok(Answer::Subscribed { top: channel.stream.top() })
    }

    pub(super) fn unsubscribe(&mut self, name: &ChannelName, shard: ShardIndex) -> Answer {
        if let Some(channel) = self.channels.get_mut(name) {
            channel.subscribers.remove(shard);
        }
        Answer::Done
    }

    pub(super) fn enter(
        &mut self,
        name: &ChannelName,
        attendance: Attendance,
        postbox: &mut impl Postbox,
    ) -> Result<Answer, Failure> {
        let Attendance { member, present, announced } = attendance;
        let mut news = true;
        if present {
            let (count_max, seed) = (self.limits.presence_count_max, self.seed);
            let channel = self.ensure(name)?;
            let count = channel.roster.as_ref().map_or(0, |roster| roster.len());
            let known =
                channel.roster.as_ref().is_some_and(|roster| roster.contains(&member.client));
            if !known && count >= count_max {
                return Err(Failure::LimitExceeded);
            }
            // Who enters twice refreshes what is said of it, and nobody came.
            news = channel.roster.get_or_insert_default().enter(Arc::clone(&member), seed);
            self.presence_count += usize::from(news);
        }
        if announced && news {
            tell(postbox, self.subscribers(name), || Event::Joined {
                channel: name.clone(),
                member: Arc::clone(&member),
            });
        }
        Ok(Answer::Done)
    }

    pub(super) fn leave(
        &mut self,
        name: &ChannelName,
        attendance: Attendance,
        postbox: &mut impl Postbox,
    ) -> Answer {
        let Attendance { member, present, announced } = attendance;
        let mut news = true;
        if present {
            let channel = self.channels.get_mut(name);
            let seed = self.seed;
            news = channel.is_some_and(|channel| {
                let Some(roster) = &mut channel.roster else { return false };
                let left = roster.leave(&member.client, seed).is_some();
                if roster.is_empty() {
                    channel.roster = None;
                }
                left
            });
            self.presence_count -= usize::from(news);
        }
        // Who was refused, or has left already, does not leave.
        if announced && news {
            tell(postbox, self.subscribers(name), || Event::Left {
                channel: name.clone(),
                member: Arc::clone(&member),
            });
        }
        Answer::Done
    }

    pub(super) fn presence(&self, name: &ChannelName) -> Answer {
        let roster = self.channels.get(name).and_then(|channel| channel.roster.as_ref());
        Answer::Presence(
            roster.map_or_else(Vec::new, |roster| roster.members().map(Arc::clone).collect()),
        )
    }

    pub(super) fn presence_stats(&self, name: &ChannelName) -> Answer {
        let roster = self.channels.get(name).and_then(|channel| channel.roster.as_ref());
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Answer::PresenceStats {
            client_count: count(roster.map_or(0, |roster| roster.len())),
            user_count: count(roster.map_or(0, |roster| roster.user_count())),
        }
    }

    fn subscribers(&self, name: &ChannelName) -> ShardSet {
        self.channels.get(name).map_or(ShardSet::EMPTY, |channel| channel.subscribers)
    }
}

fn tell(postbox: &mut impl Postbox, shards: ShardSet, event: impl Fn() -> Event) {
    for shard in shards.iter() {
        postbox.tell(shard, event());
    }
}
