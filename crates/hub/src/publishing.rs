//! What a client asks of a channel without staying in it: publish, history, presence.

use std::sync::Arc;

use crate::{
    broker::{Answer, Ask, Draft, Failure},
    command::{CommandId, Publish, Reply},
    error::Error,
    names::ChannelName,
    namespace::ChannelOptions,
    outside::SessionKey,
    permissions::{self, Action},
    publication::Member,
    requests::Pending,
    shard::{Shard, Turn},
};

impl Shard {
    pub(crate) fn publish(
        &mut self,
        key: SessionKey,
        id: CommandId,
        publish: Publish,
        turn: &mut Turn<'_>,
    ) {
        let allowed = self.may(key, Action::Publish, &publish.channel);
        let (channel, options) = match allowed {
            Ok(_) if publish.data.len() > self.config.limits.publication_len_max => {
                return turn.reply(key, id, Err(Error::LimitExceeded));
            }
            Ok(allowed) => allowed,
            Err(error) => return turn.reply(key, id, Err(error)),
        };
        let draft = Draft {
            data: publish.data,
            publisher: self.member_in(key, &channel),
            tags: Box::default(),
            key: publish.key,
            retention: options.history,
            idempotency_key: None,
            version: None,
        };
        self.ask(key, id, channel, Ask::Publish(Box::new(draft)), turn);
    }
}

impl Shard {
    /// A channel that a client has named, if it may do that there.
    fn may(
        &self,
        key: SessionKey,
        action: Action,
        name: &str,
    ) -> Result<(ChannelName, Arc<ChannelOptions>), Error> {
        let session = self.sessions.get(key).ok_or(Error::Internal)?;
        let (channel, options) = self.channel_options(name)?;
        let is_subscribed = self.is_subscribed(key, &channel);
        permissions::allow(action, &channel, &options, &session.member.user, is_subscribed)?;
        if usize::from(session.pending_count) >= self.config.limits.pending_command_count_max {
            return Err(Error::TooManyRequests);
        }
        Ok((channel, options))
    }

    /// Who a session is in a channel.
    fn member_in(&self, key: SessionKey, channel: &ChannelName) -> Option<Arc<Member>> {
        let session = self.sessions.get(key)?;
        let index = self.channels.find(channel.as_str());
        let subscription = index.and_then(|index| session.subscriptions.get(index));
        Some(Arc::clone(subscription.map_or(&session.member, |subscription| &subscription.member)))
    }

    /// Asks the broker, for a command that waits for the answer.
    fn ask(
        &mut self,
        key: SessionKey,
        id: CommandId,
        channel: ChannelName,
        ask: Ask,
        turn: &mut Turn<'_>,
    ) {
        if let Some(session) = self.sessions.get_mut(key) {
            session.pending_count += 1;
        }
        self.submit(channel, ask, Pending::Command { session: key, id }, turn);
    }

    /// The broker has answered what a command has asked.
    pub(crate) fn command_answered(
        &mut self,
        key: SessionKey,
        id: CommandId,
        answer: Result<Answer, Failure>,
        turn: &mut Turn<'_>,
    ) {
        if self.sessions.get(key).is_none() {
            return;
        }
        self.answered_one(key);
        let reply = match answer {
            Ok(Answer::Published { .. }) => Ok(Reply::Published),
            Ok(Answer::History { publications, top }) => Ok(Reply::History { publications, top }),
            Ok(Answer::Presence(members)) => Ok(Reply::Presence(members)),
            Ok(Answer::PresenceStats { client_count, user_count }) => {
                Ok(Reply::PresenceStats { client_count, user_count })
            }
            Err(Failure::Unrecoverable { .. }) => Err(Error::UnrecoverablePosition),
            Err(Failure::LimitExceeded) => Err(Error::LimitExceeded),
            // The last two are no answers to anything that a command asks.
            Err(Failure::Unavailable) | Ok(Answer::Subscribed { .. } | Answer::Done) => {
                Err(Error::Internal)
            }
        };
        turn.reply(key, id, reply);
    }
}
