//! Connecting: who a session is, and the subscriptions that the application has given it.

use std::{mem, sync::Arc, time::Duration};

use crate::{
    command::{CommandId, Connect, Connected, Credentials, Reply, SubscriptionGrant, TokenError},
    error::{Disconnect, Error},
    outside::SessionKey,
    proof::Proof,
    publication::Member,
    session::{Connecting, Heartbeat, Phase, jitter},
    settling::Purpose,
    shard::{After, Shard, Turn},
    subscribing::Wanted,
    time::Timestamp,
};

impl Shard {
    pub(crate) fn connect(
        &mut self,
        key: SessionKey,
        id: CommandId,
        connect: &Connect,
        proof: Proof,
        turn: &mut Turn<'_>,
    ) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        let Phase::Silent { credentials: of_the_door, .. } = &mut session.phase else { return };
        let credentials = match proof {
            Proof::Connection(read) => match *read {
                Ok(credentials) => credentials,
                Err(TokenError::Expired) => return turn.reply(key, id, Err(Error::TokenExpired)),
                Err(TokenError::Invalid) => return self.end(key, Disconnect::InvalidToken, turn),
            },
            _ => match of_the_door.take() {
                Some(credentials) => *credentials,
                None if self.config.allow_anonymous => Credentials::default(),
                None => return turn.reply(key, id, Err(Error::Unauthorized)),
            },
        };
        if credentials.expires_at.is_some_and(|expires_at| expires_at <= turn.now) {
            return turn.reply(key, id, Err(Error::Expired));
        }
        let user_session_count = self.users.sessions(&credentials.user).len();
        if user_session_count >= self.config.limits.user_session_count_max {
            return self.end(key, Disconnect::ConnectionLimit, turn);
        }
        match self.granted(key, &credentials.channels, connect) {
            Ok(granted) if granted.len() > self.config.limits.subscription_count_max => {
                self.end(key, Disconnect::ChannelLimit, turn);
            }
            // Last, for whoever is refused otherwise may try again, and takes no room meanwhile.
            Ok(_) if !turn.outside.admit(key, &credentials.user) => {
                self.end(key, Disconnect::ConnectionLimit, turn);
            }
            Ok(granted) => self.admit(key, id, credentials, granted, turn),
            Err(error) => turn.reply(key, id, Err(error)),
        }
    }

    /// The subscriptions that the application has given a session, each once. A channel that cannot be is
    /// the application's mistake, and nobody connects by it.
    fn granted(
        &self,
        key: SessionKey,
        grants: &[SubscriptionGrant],
        connect: &Connect,
    ) -> Result<Vec<Wanted>, Error> {
        let mut granted: Vec<Wanted> = Vec::with_capacity(grants.len());
        let mut names: Vec<&str> = Vec::with_capacity(grants.len());
        for grant in grants {
            if names.contains(&&*grant.channel) {
                continue;
            }
            names.push(&grant.channel);
            let (channel, options) = self.channel_options(&grant.channel)?;
            let before =
                connect.subscriptions.iter().find(|before| before.channel == grant.channel);
            let recover = before.and_then(|before| before.recover.as_ref());
            let purpose = Purpose::Connect { place: granted.len() };
            granted.push(Wanted::new(key, purpose, channel, options, grant.clone(), None, recover));
        }
        Ok(granted)
    }

    /// A session is somebody from now on.
    fn admit(
        &mut self,
        key: SessionKey,
        id: CommandId,
        credentials: Credentials,
        granted: Vec<Wanted>,
        turn: &mut Turn<'_>,
    ) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        session.member = Arc::new(Member {
            client: session.member.client.clone(),
            connection_info: credentials.info,
            channel_info: None,
            user: credentials.user,
        });
        session.meta = credentials.meta.map(Box::new);
        session.expires_at = credentials.expires_at.unwrap_or(Timestamp::NEVER);
        session.presence_told_at = turn.now;
        session.user_place = self.users.insert(&session.member.user, key);
        session.phase = Phase::Connecting(Box::new(Connecting {
            id,
            subscriptions: granted.iter().map(|_| None).collect(),
            waiting_count: granted.len(),
            recovered_len: 0,
            deferred: Vec::new(),
        }));
        self.afterwards.push_back(After::Complete(key));
        if granted.is_empty() {
            return;
        }
        // The first thing that it is told is that it is connected.
        self.hold(key);
        for wanted in granted {
            self.begin(wanted, turn);
        }
    }

    /// Tells a session that it is connected, once all of its server-side subscriptions are made.
    pub(crate) fn connect_if_complete(&mut self, key: SessionKey, turn: &mut Turn<'_>) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        let Phase::Connecting(connecting) = &mut session.phase else { return };
        if connecting.waiting_count > 0 {
            return;
        }
        let subscriptions =
            mem::take(&mut connecting.subscriptions).into_iter().flatten().collect();
        let deferred = mem::take(&mut connecting.deferred);
        let connected = Connected {
            client: session.member.client.clone(),
            expires_in: time_left(session.expires_at, turn.now),
            data: None,
            subscriptions,
            ping_interval: self.config.ping_interval,
        };
        let id = connecting.id;
        session.phase = Phase::Connected;
        if let Some(interval) = self.config.ping_interval {
            let ping_at = turn.now.saturating_add(jitter(key, interval));
            session.heartbeat = Heartbeat::Quiet { ping_at };
        }
        let congested = session.congested;
        turn.reply(key, id, Ok(Reply::Connected(Box::new(connected))));
        if !congested {
            self.release(key, usize::MAX, turn);
        }
        for (id, command, proof) in deferred {
            if self.sessions.get(key).is_some() {
                self.carry_out(key, id, command, proof, turn);
            }
        }
    }
}

/// How long until then; `None` if that is never.
pub(crate) fn time_left(until: Timestamp, now: Timestamp) -> Option<Duration> {
    (until != Timestamp::NEVER).then(|| until.saturating_since(now))
}
