//! [`Proof`]: what the token in a command says, read when the command comes.

use crate::{
    command::{Command, Credentials, SubscriptionGrant, TokenError, Verifier},
    names::ChannelName,
    publication::Member,
};

/// What a command's token says. Commands may have to wait; then it has been read already.
#[derive(Debug)]
pub(crate) enum Proof {
    /// It has none.
    None,
    /// Of a connection.
    Connection(Box<Result<Credentials, TokenError>>),
    /// Of a subscription.
    Subscription(Box<Result<SubscriptionGrant, TokenError>>),
}

impl Proof {
    /// Reads the token of a command, if it has one.
    pub(crate) fn of(command: &Command, member: &Member, verifier: &mut dyn Verifier) -> Self {
        let (channel, token) = match command {
            Command::Connect(connect) => {
                return connect
                    .token
                    .as_ref()
                    .map_or(Self::None, |token| Self::of_connection(token, verifier));
            }
            Command::Refresh { token } => return Self::of_connection(token, verifier),
            Command::Subscribe(subscribe) => match &subscribe.token {
                Some(token) => (&subscribe.channel, token),
                None => return Self::None,
            },
            Command::RefreshSubscription { channel, token } => (channel, token),
            _ => return Self::None,
        };
        // A token for something that cannot be a channel is for nothing.
        let grant =
            ChannelName::new(channel).map_err(|_| TokenError::Invalid).and_then(|channel| {
                verifier.subscription(token, &channel, &member.user, &member.client)
            });
        Self::Subscription(Box::new(grant))
    }

    fn of_connection(token: &str, verifier: &mut dyn Verifier) -> Self {
        Self::Connection(Box::new(verifier.connection(token)))
    }
}
