//! What `--dev` is: a hub open to everybody who reaches it, for trying things out, with a chat at `/`.
//!
//! There are no passwords. Unless keys are configured, a token is taken for the name of a user, so that a page
//! can say who is speaking; whoever has none is nobody in particular.

mod name;

use tidewire_hub::{
    ChannelName, ClientId, Credentials, SubscriptionGrant, TokenError, UserId, Verifier,
};

use self::name::Name;
use crate::{door, node::ThreadVerifier};

/// The channel of the chat.
pub(crate) const ROOM: &str = "chat";

/// Characters in a name.
const NAME_LEN_MAX: usize = 32;

/// The configuration of `--dev`, over which environment and flags go as over any other.
pub const CONFIG: &str = include_str!("dev.toml");

/// Takes every token for a name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NamesForTokens;

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
