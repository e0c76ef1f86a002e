//! [`TokenVerifier`]: a thread's reader of tokens, which remembers those that were good.

use std::sync::Arc;

use tidewire_hub::{
    ChannelName, ClientId, Credentials, Seed, SubscriptionGrant, TokenError, UserId, Verifier,
};

use super::{
    claims::{ConnectionClaims, SubscriptionClaims},
    memory::Memory,
    refused::TokenRefused,
    rules::TokenRules,
};
use crate::door::Now;

/// Reads tokens by [`TokenRules`]. One per thread; the time is [handed in](Self::set_now).
///
/// What was verified is remembered until it expires, so that ten thousand clients who come back at once
/// cost digests and no signatures. The memory is bounded by
/// [`cache_count_max`](super::TokenLimits::cache_count_max).
#[derive(Debug)]
pub struct TokenVerifier {
    rules: Arc<TokenRules>,
    subscription_rules: Arc<TokenRules>,
    now: Now,
    /// Each kind has its own memory, so that none is ever taken for the other.
    connections: Memory<ConnectionClaims>,
    subscriptions: Memory<SubscriptionClaims>,
    refused: [u64; TokenRefused::ALL.len()],
}

impl TokenVerifier {
    /// A verifier with nothing to remember yet. Tokens for subscriptions may have rules of their own.
    pub fn new(rules: Arc<TokenRules>, subscription_rules: Arc<TokenRules>, seed: Seed) -> Self {
        let half = rules.limits_in_use().cache_count_max / 2;
        Self {
            rules,
            subscription_rules,
            now: Now::default(),
            connections: Memory::new(half, seed),
            subscriptions: Memory::new(half, seed),
            refused: [0; TokenRefused::ALL.len()],
        }
    }

    /// The time from now on.
    pub const fn set_now(&mut self, now: Now) {
        self.now = now;
    }

    /// Tokens that were remembered, and those that had to be verified.
    pub const fn hits_and_misses(&self) -> (u64, u64) {
        let Self { connections, subscriptions, .. } = self;
        (connections.hits + subscriptions.hits, connections.misses + subscriptions.misses)
    }

    /// Tokens that were refused, by why.
    pub fn refused(&self) -> impl Iterator<Item = (TokenRefused, u64)> {
        TokenRefused::ALL.into_iter().zip(self.refused)
    }

    /// What a connection token says.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read_connection(&mut self, token: &str) -> Result<Credentials, TokenRefused> {
        let Self { rules, now, connections, .. } = self;
        let result = rules.check_len(token).and_then(|()| {
            let claims = connections.read(token, now.unix, || rules.connection(token))?;
            let expires_at = claims.expires_at.map(|at| now.hub_time_of(at));
            Ok(Credentials { expires_at, ..claims.credentials.clone() })
        });
        self.counted(result)
    }

    /// What a subscription token says, for this channel and whoever asks.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read_subscription(
        &mut self,
        token: &str,
        channel: &str,
        user: &UserId,
        client: &ClientId,
    ) -> Result<SubscriptionGrant, TokenRefused> {
        let Self { subscription_rules: rules, now, subscriptions, .. } = self;
        let result = rules.check_len(token).and_then(|()| {
            let claims = subscriptions.read(token, now.unix, || rules.subscription(token))?;
            claims.check_holder(channel, user, client)?;
            let expires_at = claims.expires_at.map(|at| now.hub_time_of(at));
            Ok(SubscriptionGrant { expires_at, ..claims.grant.clone() })
        });
        self.counted(result)
    }

    fn counted<T>(&mut self, result: Result<T, TokenRefused>) -> Result<T, TokenRefused> {
        if let Err(why) = &result
            && let Some(index) = TokenRefused::ALL.iter().position(|known| known == why)
            && let Some(count) = self.refused.get_mut(index)
        {
            *count += 1;
        }
        result
    }

    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        self.connections.len() + self.subscriptions.len()
    }
}

impl Verifier for TokenVerifier {
    fn connection(&mut self, token: &str) -> Result<Credentials, TokenError> {
        Ok(self.read_connection(token)?)
    }

    fn subscription(
        &mut self,
        token: &str,
        channel: &ChannelName,
        user: &UserId,
        client: &ClientId,
    ) -> Result<SubscriptionGrant, TokenError> {
        Ok(self.read_subscription(token, channel.as_str(), user, client)?)
    }
}
