//! What a client asks of a channel without staying in it: publish, history, presence.

use std::sync::Arc;

use crate::{
    broker::{Answer, Ask, Draft, Failure},
    command::{CommandId, History, Publish, Reply},
    error::Error,
    names::ChannelName,
    namespace::ChannelOptions,
    outside::SessionKey,
    permissions::{self, Action},
    publication::{Member, page},
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

    pub(crate) fn history(
        &mut self,
        key: SessionKey,
        id: CommandId,
        history: History,
        turn: &mut Turn<'_>,
    ) {
        let History { channel, mut filter } = history;
        let count_max = self.config.limits.history_count_max;
        filter.limit = Some(filter.limit.map_or(count_max, |limit| limit.min(count_max)));
        let asked = self.may(key, Action::History, &channel).and_then(|allowed| {
            // An empty epoch is that of nobody who has been told a position: it stands for the beginning.
            filter.since.take_if(|since| since.epoch.as_str().is_empty() && since.offset == 0);
            let is_impossible =
                filter.since.as_ref().is_some_and(|since| since.epoch.as_str().is_empty());
            if is_impossible { Err(Error::UnrecoverablePosition) } else { Ok(allowed) }
        });
        match asked {
            Ok((channel, _)) => self.ask(key, id, channel, Ask::Read(filter), turn),
            Err(error) => turn.reply(key, id, Err(error)),
        }
    }

    pub(crate) fn presence(
        &mut self,
        key: SessionKey,
        id: CommandId,
        channel: &str,
        ask: Ask,
        turn: &mut Turn<'_>,
    ) {
        match self.may(key, Action::Presence, channel) {
            Ok((channel, _)) => self.ask(key, id, channel, ask, turn),
            Err(error) => turn.reply(key, id, Err(error)),
        }
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
        session.may_wait(&self.config.limits)?;
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
        let Some(session) = self.sessions.get_mut(key) else { return };
        session.pending_count -= 1;
        let reply = match answer {
            Ok(Answer::Published { .. }) => Ok(Reply::Published),
            Ok(Answer::History { publications, top }) => {
                // A shorter page than was asked for, as where the count is too large: `top` tells.
                let publications = page(publications, self.config.limits.history_len_max);
                Ok(Reply::History { publications, top })
            }
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
