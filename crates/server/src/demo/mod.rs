//! What `--dev` is: a hub open to everybody who reaches it, for trying things out, with a chat at `/`.
//!
//! There are no passwords. A token is taken for the name of a user, so that a page can say who is
//! speaking; whoever has none is nobody in particular.

mod name;

use std::{io, sync::Arc, time::Duration};

use tidewire_hub::{
    ChannelName, ChannelOptions, ClientId, Credentials, HubConfig, Namespaces, Permissions, Seed,
    SubscriptionGrant, TokenError, UserId, Verifier, Who, broker::Retention,
};

use self::name::Name;
use crate::{
    door::{
        self, AllowedOrigins, DoorLimits, DoorRules, Pace, PlaceLimits, TokenPlaces,
        TrustedProxies, token::TokenRules,
    },
    node::ThreadVerifier,
};

/// The channel of the chat.
pub(crate) const ROOM: &str = "chat";

/// Characters in a name.
const NAME_LEN_MAX: usize = 32;

/// A hub in which everybody may do everything, in channels without a namespace: publish, see who is
/// there and hear who comes and goes, read the last 1,000 publications of an hour, and recover.
pub fn hub(seed: Seed) -> HubConfig {
    let everybody = Who { users: true, anonymous: true, subscribers: true };
    let options = ChannelOptions {
        permissions: Permissions {
            subscribe: everybody,
            publish: everybody,
            presence: everybody,
            history: everybody,
        },
        history: Some(Retention::new(1000, Duration::from_secs(60 * 60))),
        presence: true,
        join_leave: true,
        allow_recovery: true,
        allow_positioning: true,
        force_recovery: true,
        ..ChannelOptions::default()
    };
    let mut hub = HubConfig::new(Namespaces::new(seed).bare(options), seed);
    hub.allow_anonymous = true;
    // What a bare client says stands in quotes, where some bytes take six.
    hub.limits.publication_len_max = 6 * (64 << 10) + 64;
    hub
}

/// Every page may come, and everybody as often as it likes: one machine plays all parts.
pub(crate) fn door_rules() -> io::Result<DoorRules> {
    let tokens = Arc::new(TokenRules::new(Vec::new()).map_err(io::Error::other)?);
    let limits = DoorLimits {
        handshakes_per_address: Pace::new(100_000, 1_000_000),
        connections: PlaceLimits {
            connection_count_per_address_max: u32::MAX,
            ..PlaceLimits::default()
        },
        ..DoorLimits::default()
    };
    Ok(DoorRules {
        origins: AllowedOrigins::Any,
        proxies: TrustedProxies::default(),
        places: TokenPlaces::default(),
        subscription_tokens: Arc::clone(&tokens),
        tokens,
        limits,
    })
}

/// Takes every token for a name.
#[derive(Debug, Clone, Copy)]
pub struct NamesForTokens;

impl Verifier for NamesForTokens {
    fn connection(&mut self, token: &str) -> Result<Credentials, TokenError> {
        let name = Name::new(token, NAME_LEN_MAX).map_err(|_| TokenError::Invalid)?;
        Ok(Credentials { user: UserId::new(name.as_str()), ..Credentials::default() })
    }

    fn subscription(
        &mut self,
        _: &str,
        channel: &ChannelName,
        _: &UserId,
        _: &ClientId,
    ) -> Result<SubscriptionGrant, TokenError> {
        Ok(SubscriptionGrant { channel: channel.as_str().into(), ..SubscriptionGrant::default() })
    }
}

impl ThreadVerifier for NamesForTokens {
    /// Names do not expire.
    fn set_now(&mut self, _: door::Now) {}
}
