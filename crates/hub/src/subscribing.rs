//! Subscribing and unsubscribing: from a wish to a place among a channel's receivers, and out again.

use std::sync::Arc;

use bytestring::ByteString;

use crate::{
    command::{CommandId, Subscribe, SubscriptionGrant},
    error::Error,
    names::ChannelName,
    namespace::ChannelOptions,
    outside::SessionKey,
    permissions::{self, Action},
    proof::Proof,
    publication::{Data, Member, Position},
    settling::{Purpose, Since, Waiter},
    shard::{Shard, Turn},
    subscription::{Standing, Subscription, Terms},
    time::Timestamp,
};

/// A subscription that has been decided on.
pub(crate) struct Wanted {
    pub(crate) channel: ChannelName,
    pub(crate) options: Arc<ChannelOptions>,
    pub(crate) terms: Terms,
    pub(crate) expires_at: Timestamp,
    /// Who the session is in this channel, where that is more than who it is anyway.
    pub(crate) channel_info: Option<Data>,
    pub(crate) waiter: Waiter,
}

impl Wanted {
    /// A subscription by a client's command (`asked`), or by the application's decision.
    pub(crate) fn new(
        session: SessionKey,
        purpose: Purpose,
        channel: ChannelName,
        options: Arc<ChannelOptions>,
        grant: SubscriptionGrant,
        asked: Option<&Subscribe>,
        recover: Option<&(ByteString, u64)>,
    ) -> Self {
        let terms = terms(&options, &grant, asked);
        Self {
            expires_at: grant.expires_at.unwrap_or(Timestamp::NEVER),
            channel_info: grant.info,
            waiter: Waiter {
                session,
                purpose,
                since: since(recover, terms.recoverable),
                attempt_count: 0,
                data: grant.data,
            },
            channel,
            options,
            terms,
        }
    }
}

impl Shard {
    pub(crate) fn subscribe_by_client(
        &mut self,
        key: SessionKey,
        id: CommandId,
        subscribe: &Subscribe,
        proof: Proof,
        turn: &mut Turn<'_>,
    ) {
        match self.wanted(key, id, subscribe, proof, turn.now) {
            Ok(wanted) => self.begin(wanted, turn),
            Err(error) => turn.reply(key, id, Err(error)),
        }
    }

    fn wanted(
        &self,
        key: SessionKey,
        id: CommandId,
        subscribe: &Subscribe,
        proof: Proof,
        now: Timestamp,
    ) -> Result<Wanted, Error> {
        let session = self.sessions.get(key).ok_or(Error::Internal)?;
        let (channel, options) = self.channel_options(&subscribe.channel)?;
        if self.is_subscribed(key, &channel) {
            return Err(Error::AlreadySubscribed);
        }
        let grant = if let Proof::Subscription(read) = proof {
            (*read).map_err(Error::of_token)?
        } else {
            permissions::allow(Action::Subscribe, &channel, &options, &session.member.user, false)?;
            SubscriptionGrant::default()
        };
        if grant.expires_at.is_some_and(|expires_at| expires_at <= now) {
            return Err(Error::Expired);
        }
        self.has_room(key)?;
        let recover = subscribe.recover.as_ref();
        Ok(Wanted::new(
            key,
            Purpose::Command(id),
            channel,
            options,
            grant,
            Some(subscribe),
            recover,
        ))
    }

    /// A channel that a client has named, and what it has and allows. Impossible, unknown and forbidden
    /// ones are all the same to it.
    pub(crate) fn channel_options(
        &self,
        name: &str,
    ) -> Result<(ChannelName, Arc<ChannelOptions>), Error> {
        if name.len() > self.config.limits.channel_name_len_max {
            return Err(Error::PermissionDenied);
        }
        let channel = ChannelName::new(name).map_err(|_| Error::PermissionDenied)?;
        let options = self.config.namespaces.options(&channel).ok_or(Error::PermissionDenied)?;
        let options = Arc::clone(options);
        Ok((channel, options))
    }

    pub(crate) fn is_subscribed(&self, key: SessionKey, channel: &ChannelName) -> bool {
        let index = self.channels.find(channel.as_str());
        let session = self.sessions.get(key);
        index
            .zip(session)
            .is_some_and(|(index, session)| session.subscriptions.get(index).is_some())
    }

    /// Whether a session may have one more subscription, and one more command that waits for it.
    fn has_room(&self, key: SessionKey) -> Result<(), Error> {
        let session = self.sessions.get(key).ok_or(Error::Internal)?;
        if !self.has_room_for_subscription(key) {
            return Err(Error::LimitExceeded);
        }
        session.may_wait(&self.config.limits)
    }

    pub(crate) fn has_room_for_subscription(&self, key: SessionKey) -> bool {
        let count_max = self.config.limits.subscription_count_max;
        self.sessions.get(key).is_some_and(|session| session.subscriptions.len() < count_max)
    }

    /// Somebody waits for a channel from now on, which is made if nobody was here.
    pub(crate) fn begin(&mut self, wanted: Wanted, turn: &mut Turn<'_>) {
        if self.sessions.get(wanted.waiter.session).is_none() {
            return;
        }
        let index = if let Some(index) = self.channels.find(wanted.channel.as_str()) {
            index
        } else {
            let index = self.channels.insert(wanted.channel, wanted.options, turn.now);
            self.open_feed(index, 0, turn);
            index
        };
        let Some(channel) = self.channels.get_mut(index) else { return };
        let Some(session) = self.sessions.get_mut(wanted.waiter.session) else { return };
        let member = match wanted.channel_info {
            None => Arc::clone(&session.member),
            info => Arc::new(Member { channel_info: info, ..(*session.member).clone() }),
        };
        session.subscriptions.insert(Subscription {
            channel: index,
            at: 0,
            standing: Standing::Waiting,
            terms: wanted.terms,
            expires_at: wanted.expires_at,
            member,
        });
        session.pending_count += u16::from(matches!(wanted.waiter.purpose, Purpose::Command(_)));
        channel.unsettled().waiters.push(wanted.waiter);
        self.settle(index, turn);
    }
}

/// What a subscription has: what the channel forces, unless the application has granted it otherwise, and what the
/// client asks for and may have. What it may ask for is the channel's business alone.
fn terms(options: &ChannelOptions, grant: &SubscriptionGrant, asked: Option<&Subscribe>) -> Terms {
    let has_stream = options.history.is_some();
    let asks = |what: fn(&Subscribe) -> bool| asked.is_some_and(what);
    Terms {
        server_side: asked.is_none(),
        recoverable: has_stream
            && (grant.force_recovery.unwrap_or(options.force_recovery)
                || options.allow_recovery
                    && asks(|asked| asked.recoverable || asked.recover.is_some())),
        positioned: has_stream
            && (grant.force_positioning.unwrap_or(options.force_positioning)
                || options.allow_positioning && asks(|asked| asked.positioned)),
        present: grant.presence.unwrap_or(options.presence),
        announced: grant.join_leave.unwrap_or(options.join_leave),
        hears: grant.force_join_leave.unwrap_or(options.force_join_leave)
            || options.join_leave && asks(|asked| asked.join_leave),
    }
}

/// From where a client wants to recover.
fn since(recover: Option<&(ByteString, u64)>, is_recoverable: bool) -> Since {
    match recover {
        None => Since::Now,
        Some((epoch, offset)) => Position::of_client(epoch, *offset)
            .filter(|_| is_recoverable)
            .map_or(Since::Nowhere, Since::Position),
    }
}
