//! Refreshing: new tokens for connections and subscriptions whose time comes to an end.

use std::sync::Arc;

use crate::{
    command::{CommandId, Reply, TokenError},
    connecting::time_left,
    error::{Disconnect, Error},
    outside::SessionKey,
    proof::Proof,
    publication::Member,
    shard::{Shard, Turn},
    time::Timestamp,
};

impl Shard {
    pub(crate) fn refresh_connection(
        &mut self,
        key: SessionKey,
        id: CommandId,
        proof: Proof,
        turn: &mut Turn<'_>,
    ) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        let Proof::Connection(read) = proof else { return };
        let credentials = match *read {
            Ok(credentials) if credentials.user == session.member.user => credentials,
            // A session does not become somebody else.
            Ok(_) | Err(TokenError::Invalid) => {
                return self.end(key, Disconnect::InvalidToken, turn);
            }
            Err(TokenError::Expired) => return self.end(key, Disconnect::Expired, turn),
        };
        let expires_at = credentials.expires_at.unwrap_or(Timestamp::NEVER);
        if expires_at <= turn.now {
            return turn.reply(key, id, Err(Error::Expired));
        }
        session.expires_at = expires_at;
        session.meta = credentials.meta.map(Box::new);
        if session.member.connection_info != credentials.info {
            let member = Member { connection_info: credentials.info, ..(*session.member).clone() };
            session.member = Arc::new(member);
        }
        let client = session.member.client.clone();
        let expires_in = time_left(expires_at, turn.now);
        turn.reply(key, id, Ok(Reply::Refreshed { client, expires_in }));
    }

    pub(crate) fn refresh_subscription(
        &mut self,
        key: SessionKey,
        id: CommandId,
        channel: &str,
        proof: Proof,
        turn: &mut Turn<'_>,
    ) {
        let refreshed = self.subscription_refreshed(key, channel, proof, turn.now);
        turn.reply(key, id, refreshed);
    }

    fn subscription_refreshed(
        &mut self,
        key: SessionKey,
        channel: &str,
        proof: Proof,
        now: Timestamp,
    ) -> Result<Reply, Error> {
        let index = self.channels.find(channel).ok_or(Error::PermissionDenied)?;
        let session = self.sessions.get_mut(key).ok_or(Error::Internal)?;
        let subscription = session.subscriptions.get_mut(index).ok_or(Error::PermissionDenied)?;
        let Proof::Subscription(read) = proof else { return Err(Error::BadRequest) };
        let grant = (*read).map_err(Error::of_token)?;
        let expires_at = grant.expires_at.unwrap_or(Timestamp::NEVER);
        if expires_at <= now {
            return Err(Error::Expired);
        }
        subscription.expires_at = expires_at;
        Ok(Reply::SubscriptionRefreshed { expires_in: time_left(expires_at, now) })
    }
}
