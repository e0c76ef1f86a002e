//! The application's calls, which reach every shard: each does its part for its own sessions.

use std::sync::Arc;

use bytestring::ByteString;

use crate::{
    command::{Farewell, Push, SubscriptionGrant},
    connecting::time_left,
    error::{Error, Unsubscribe},
    names::{ChannelName, ClientId, UserId},
    outside::{Outside, SessionKey},
    publication::{Data, Member, Position},
    session::{Phase, Session},
    settling::Purpose,
    shard::{Shard, Turn},
    subscribing::Wanted,
    time::Timestamp,
};

/// Of which sessions the application speaks: all of a user, but for some.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_structs, reason = "callers make it, with `..default()`")]
pub struct Whom {
    /// Those of this user. An anonymous one's can only be named by `client`.
    pub user: UserId,
    /// Of those this one alone.
    pub client: Option<ClientId>,
    /// Of those all but these.
    pub except: Vec<ClientId>,
}

impl Whom {
    fn is(&self, member: &Member) -> bool {
        member.user == self.user
            && self.client.as_ref().is_none_or(|client| *client == member.client)
            && !self.except.contains(&member.client)
    }
}

impl Shard {
    /// Subscribes sessions to a channel. Those that are, or have no room for more, stay as they are.
    ///
    /// # Errors
    /// If there is no such channel.
    pub fn subscribe(
        &mut self,
        now: Timestamp,
        whom: &Whom,
        grant: &SubscriptionGrant,
        recover: Option<&Position>,
        outside: &mut dyn Outside,
    ) -> Result<(), Error> {
        let turn = &mut Turn { now, outside };
        let (channel, options) =
            self.channel_options(&grant.channel).map_err(|_| Error::UnknownChannel)?;
        let recover = recover.map(|at| (ByteString::from(at.epoch.as_str()), at.offset));
        for key in self.sessions_of(whom) {
            if self.is_subscribed(key, &channel) || !self.has_room_for_subscription(key) {
                continue;
            }
            let Some(session) = self.sessions.get_mut(key) else { continue };
            let purpose = match &mut session.phase {
                Phase::Silent { .. } | Phase::Ended => continue,
                Phase::Connected => Purpose::Application,
                // It is told along with the others.
                Phase::Connecting(connecting) => Purpose::Connect { place: connecting.one_more() },
            };
            if !session.is_connected() {
                self.hold(key);
            }
            let (channel, options) = (channel.clone(), Arc::clone(&options));
            let wanted =
                Wanted::new(key, purpose, channel, options, grant.clone(), None, recover.as_ref());
            self.begin(wanted, turn);
        }
        self.finish(turn);
        Ok(())
    }

    /// Ends subscriptions, whoever has made them.
    pub fn unsubscribe(
        &mut self,
        now: Timestamp,
        whom: &Whom,
        channel: &ChannelName,
        outside: &mut dyn Outside,
    ) {
        let turn = &mut Turn { now, outside };
        for key in self.sessions_of(whom) {
            // The last one takes the channel along.
            let Some(index) = self.channels.find(channel.as_str()) else { break };
            let Some(session) = self.sessions.get_mut(key) else { continue };
            if let Phase::Connecting(connecting) = &mut session.phase {
                connecting.unmake(channel);
                self.leave(key, index, turn);
            } else {
                self.unsubscribe_because(key, index, Unsubscribe::Server, turn);
            }
        }
        self.finish(turn);
    }

    /// Ends sessions.
    pub fn disconnect(
        &mut self,
        now: Timestamp,
        whom: &Whom,
        why: impl Into<Farewell>,
        outside: &mut dyn Outside,
    ) {
        let turn = &mut Turn { now, outside };
        let last = why.into().push();
        for key in self.sessions_of(whom) {
            self.end_by(key, last.clone(), turn);
        }
        self.finish(turn);
    }

    /// Says anew when sessions have to be refreshed; `None`: never.
    pub fn refresh(
        &mut self,
        now: Timestamp,
        whom: &Whom,
        expires_at: Option<Timestamp>,
        outside: &mut dyn Outside,
    ) {
        let turn = &mut Turn { now, outside };
        for key in self.sessions_of(whom) {
            let Some(session) = self.sessions.get_mut(key) else { continue };
            session.expires_at = expires_at.unwrap_or(Timestamp::NEVER);
            if session.is_connected() {
                let expires_in = time_left(session.expires_at, now);
                turn.outside.push(key, Push::Refresh { expires_in });
            }
        }
    }

    /// Sends a message to sessions.
    pub fn message(&mut self, whom: &Whom, data: &Data, outside: &mut dyn Outside) {
        for key in self.sessions_of(whom) {
            if self.sessions.get(key).is_some_and(Session::is_connected) {
                outside.push(key, Push::Message(data.clone()));
            }
        }
    }

    /// Those who are meant.
    fn sessions_of(&self, whom: &Whom) -> Vec<SessionKey> {
        let is_meant = |key: &SessionKey| {
            self.sessions.get(*key).is_some_and(|session| whom.is(&session.member))
        };
        if !whom.user.is_anonymous() {
            return self.users.sessions(&whom.user).iter().copied().filter(is_meant).collect();
        }
        if whom.client.is_none() {
            // Nobody in particular is not everybody.
            return Vec::new();
        }
        // The anonymous are not listed; this is rare.
        self.sessions.iter().map(|(key, _)| key).filter(is_meant).collect()
    }
}
