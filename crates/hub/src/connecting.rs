//! Connecting: who a session is, and the subscriptions that the application has given it.

use std::{mem, sync::Arc, time::Duration};

use crate::{
    command::{CommandId, Connect, Connected, Credentials, Reply, TokenError},
    error::{Disconnect, Error},
    outside::SessionKey,
    proof::Proof,
    publication::Member,
    session::{Connecting, Heartbeat, Phase, jitter},
    shard::{Shard, Turn},
    time::Timestamp,
};

impl Shard {
    pub(crate) fn connect(
        &mut self,
        key: SessionKey,
        id: CommandId,
        connect: Connect,
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
        if self.users.sessions(&credentials.user).len() >= self.config.limits.user_session_count_max
        {
            return self.end(key, Disconnect::ConnectionLimit, turn);
        }
        self.admit(key, id, connect, credentials, turn);
    }

    /// A session is somebody from now on.
    fn admit(
        &mut self,
        key: SessionKey,
        id: CommandId,
        connect: Connect,
        credentials: Credentials,
        turn: &mut Turn<'_>,
    ) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        session.member = Arc::new(Member {
            client: session.member.client.clone(),
            connection_info: credentials.info,
            channel_info: None,
            user: credentials.user,
        });
        session.expires_at = credentials.expires_at.unwrap_or(Timestamp::NEVER);
        session.user_place = self.users.insert(&session.member.user, key);
        session.phase = Phase::Connecting(Box::new(Connecting {
            id,
            data: None,
            subscriptions: Vec::new(),
            deferred: Vec::new(),
        }));
        let _ = (credentials.channels, connect);
        self.connect_if_complete(key, turn);
    }

    /// Tells a session that it is connected, once all of its server-side subscriptions are made.
    pub(crate) fn connect_if_complete(&mut self, key: SessionKey, turn: &mut Turn<'_>) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        let Phase::Connecting(connecting) = &mut session.phase else { return };
        if connecting.subscriptions.iter().any(Option::is_none) {
            return;
        }
        let subscriptions =
            mem::take(&mut connecting.subscriptions).into_iter().flatten().collect();
        let deferred = mem::take(&mut connecting.deferred);
        let connected = Connected {
            client: session.member.client.clone(),
            expires_in: time_left(session.expires_at, turn.now),
            data: connecting.data.take(),
            subscriptions,
            ping_interval: self.config.ping_interval,
        };
        let id = connecting.id;
        session.phase = Phase::Connected;
        if let Some(interval) = self.config.ping_interval {
            let ping_at = turn.now.saturating_add(jitter(key, interval));
            session.heartbeat = Heartbeat::Quiet { ping_at };
        }
        turn.reply(key, id, Ok(Reply::Connected(Box::new(connected))));
        for (id, command, proof) in deferred {
            self.carry_out(key, id, command, proof, turn);
        }
    }
}

/// How long until then; `None` if that is never.
pub(crate) fn time_left(until: Timestamp, now: Timestamp) -> Option<Duration> {
    (until != Timestamp::NEVER).then(|| until.saturating_since(now))
}
