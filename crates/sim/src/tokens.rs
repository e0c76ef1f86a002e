//! [`Tokens`]: what tokens say in these worlds: just what stands in them.

use tidewire_hub::{
    ChannelName, ClientId, Credentials, SubscriptionGrant, Timestamp, TokenError, UserId, Verifier,
};

use crate::terrain::SERVER_CHANNELS;

/// Reads tokens at a moment.
#[derive(Debug)]
pub(crate) struct Tokens {
    pub(crate) now: u64,
}

/// For a connection: a user, until when (zero: forever), and to which of the [`SERVER_CHANNELS`] it is subscribed.
pub(crate) fn connection(user: &str, until: u64, channels: &[usize]) -> String {
    let channels = channels.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
    format!("{user};{until};{channels}")
}

/// For a subscription of a user, until when.
pub(crate) fn subscription(user: &str, until: u64, channel: &str) -> String {
    format!("{user};{until};{channel}")
}

impl Tokens {
    fn read<'a>(
        &self,
        token: &'a str,
    ) -> Result<(&'a str, Option<Timestamp>, &'a str), TokenError> {
        let mut parts = token.split(';');
        let (Some(user), Some(until), Some(rest)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(TokenError::Invalid);
        };
        let until = until.parse().map_err(|_| TokenError::Invalid)?;
        if until != 0 && until <= self.now {
            return Err(TokenError::Expired);
        }
        Ok((user, (until != 0).then(|| Timestamp::from_millis(until)), rest))
    }
}

impl Verifier for Tokens {
    fn connection(&mut self, token: &str) -> Result<Credentials, TokenError> {
        let (user, expires_at, channels) = self.read(token)?;
        let channels = channels.split(',').filter_map(|index| {
            let channel = SERVER_CHANNELS.get(index.parse::<usize>().ok()?)?;
            Some(SubscriptionGrant { channel: (*channel).into(), ..SubscriptionGrant::default() })
        });
        let channels = channels.collect();
        Ok(Credentials { user: UserId::new(user), expires_at, channels, ..Credentials::default() })
    }

    fn subscription(
        &mut self,
        token: &str,
        channel: &ChannelName,
        user: &UserId,
        _: &ClientId,
    ) -> Result<SubscriptionGrant, TokenError> {
        let (of, expires_at, named) = self.read(token)?;
        if of != user.as_str() || named != channel.as_str() {
            return Err(TokenError::Invalid);
        }
        Ok(SubscriptionGrant { channel: named.into(), expires_at, ..SubscriptionGrant::default() })
    }
}
