//! [`TokenRefused`]: what is wrong with a token.

use std::fmt;

use tidewire_hub::TokenError;

/// Why a token was not taken. For logs, metrics and whoever made the token; a client hears a
/// [`TokenError`], which tells it nothing that helps to forge one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "metrics count each")]
pub enum TokenRefused {
    /// There is no key to verify any by.
    NoKeys,
    /// More bytes than are looked at.
    TooLong,
    /// Not three parts of base64url, the first of them a header in JSON (RFC 7515 §3.1).
    Malformed,
    /// It wants extensions to be understood (RFC 7515 §4.1.11).
    Critical,
    /// No key is for its algorithm; `none` has no key.
    Algorithm,
    /// No key has the name that it gives.
    Kid,
    /// Nobody we trust has signed it.
    Signature,
    /// Its claims are not what claims have to be: another type, no JSON.
    Claims,
    /// It was good until a moment ago, or longer (`exp`).
    Expired,
    /// It is not good yet (`nbf`).
    NotYet,
    /// Somebody else has made it (`iss`).
    Issuer,
    /// It is for somebody else (`aud`).
    Audience,
    /// A token for a subscription where one for a connection belongs, or the other way round.
    Kind,
    /// It subscribes to more channels than a token may.
    Channels,
    /// It is for another channel.
    Channel,
    /// It is for another user.
    User,
    /// It is for another client.
    Client,
}

impl TokenRefused {
    /// All there are, for whoever counts them.
    pub const ALL: [Self; 17] = [
        Self::NoKeys,
        Self::TooLong,
        Self::Malformed,
        Self::Critical,
        Self::Algorithm,
        Self::Kid,
        Self::Signature,
        Self::Claims,
        Self::Expired,
        Self::NotYet,
        Self::Issuer,
        Self::Audience,
        Self::Kind,
        Self::Channels,
        Self::Channel,
        Self::User,
        Self::Client,
    ];

    /// A stable name, for logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoKeys => "no_keys",
            Self::TooLong => "too_long",
            Self::Malformed => "malformed",
            Self::Critical => "critical",
            Self::Algorithm => "algorithm",
            Self::Kid => "kid",
            Self::Signature => "signature",
            Self::Claims => "claims",
            Self::Expired => "expired",
            Self::NotYet => "not_yet",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::Kind => "kind",
            Self::Channels => "channels",
            Self::Channel => "channel",
            Self::User => "user",
            Self::Client => "client",
        }
    }
}

impl fmt::Display for TokenRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoKeys => "no key is configured to verify tokens by",
            Self::TooLong => "it is longer than any token that is looked at",
            Self::Malformed => "it is no JWT: three parts of base64url with dots between them",
            Self::Critical => "its header has `crit`, which nothing here understands",
            Self::Algorithm => "no key is configured for its algorithm",
            Self::Kid => "no key is configured under the name in its `kid`",
            Self::Signature => "its signature is wrong",
            Self::Claims => "one of its claims is of the wrong type",
            Self::Expired => "it has expired (`exp`)",
            Self::NotYet => "it is not good yet (`nbf`)",
            Self::Issuer => "its issuer (`iss`) is not the one that is configured",
            Self::Audience => "its audience (`aud`) is not the one that is configured",
            Self::Kind => {
                "a subscription token has a `channel`, a connection token has none, and this is not \
                 the one that is wanted"
            }
            Self::Channels => "it subscribes to more channels than a token may",
            Self::Channel => "it is for another channel",
            Self::User => "it is for another user (`sub`)",
            Self::Client => "it is for another client",
        })
    }
}

impl std::error::Error for TokenRefused {}

impl From<TokenRefused> for TokenError {
    /// One that is not good yet is told as expired too: a client asks for another one then, and that is
    /// what helps where two clocks differ. Told as invalid, it would stay away for ever.
    fn from(refused: TokenRefused) -> Self {
        match refused {
            TokenRefused::Expired | TokenRefused::NotYet => Self::Expired,
            _ => Self::Invalid,
        }
    }
}
