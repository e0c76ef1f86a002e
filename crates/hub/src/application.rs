//! The application's calls, which reach every shard: each does its part for its own sessions.

use crate::{
    command::SubscriptionGrant,
    error::Disconnect,
    names::{ChannelName, ClientId, UserId},
    outside::Outside,
    publication::{Data, Position},
    shard::Shard,
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

impl Shard {
    /// Subscribes sessions to a channel, which may be [recovered](SubscriptionGrant) from a position.
    pub fn subscribe(
        &mut self,
        _now: Timestamp,
        _whom: &Whom,
        _grant: &SubscriptionGrant,
        _recover: Option<&Position>,
        _outside: &mut dyn Outside,
    ) {
    }

    /// Ends subscriptions, whoever has made them.
    pub fn unsubscribe(
        &mut self,
        _now: Timestamp,
        _whom: &Whom,
        _channel: &ChannelName,
        _outside: &mut dyn Outside,
    ) {
    }

    /// Ends sessions.
    pub fn disconnect(
        &mut self,
        _now: Timestamp,
        _whom: &Whom,
        _why: Disconnect,
        _outside: &mut dyn Outside,
    ) {
    }

    /// Says anew when sessions have to be refreshed; `None`: never.
    pub fn refresh(
        &mut self,
        _now: Timestamp,
        _whom: &Whom,
        _expires_at: Option<Timestamp>,
        _outside: &mut dyn Outside,
    ) {
    }

    /// Sends a message to sessions.
    pub fn message(&mut self, _whom: &Whom, _data: &Data, _outside: &mut dyn Outside) {}
}
