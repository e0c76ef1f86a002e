//! [`TokenRules`]: which tokens are good.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Validation, errors::ErrorKind};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::RawValue;

use super::{
    algorithm::Algorithm,
    claims::{Claims, ConnectionClaims, SubscriptionClaims},
    key::Key,
    refused::TokenRefused,
};

/// Which tokens are good: by whose keys, from whom, for whom. Shared by all threads.
///
/// There may be several keys, so that they can be changed without a moment at which half of the tokens are
/// wrong: add the new one, let the application sign with it, and remove the old one when the last token
/// that it signed has expired.
///
/// A key is never looked for anywhere else: `jku`, `jwk` and `x5u` in a token's header are left alone, and
/// no claim is looked at before the signature was found to be right.
#[derive(Debug, Clone)]
pub struct TokenRules {
    keys: Vec<Key>,
    audience: Option<String>,
    issuer: Option<String>,
    limits: TokenLimits,
}

/// What a token may cost.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_structs, reason = "the configuration makes it, with `..default()`")]
pub struct TokenLimits {
    /// The longest token, in bytes.
    pub token_len_max: usize,
    /// Channels that a connection token may subscribe to.
    pub channel_count_max: usize,
    /// By how much the clocks of whoever makes tokens and ours may differ.
    pub leeway: Duration,
    /// Verified tokens that each thread remembers.
    pub cache_count_max: usize,
}

impl Default for TokenLimits {
    fn default() -> Self {
        Self {
            token_len_max: 8 << 10,
            channel_count_max: 128,
            leeway: Duration::from_secs(5),
            cache_count_max: 16 << 10,
        }
    }
}

/// What a token says, and until when that holds.
#[derive(Debug, Clone)]
pub(super) struct Good<T> {
    pub(super) claims: T,
    /// By the clock on the wall, in milliseconds, leeway included.
    not_before: u64,
    not_after: u64,
}

/// What we look at in a header (RFC 7515 §4.1).
#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    crit: Option<IgnoredAny>,
}

impl TokenRules {
    /// Keys at one time: a token without a `kid` is tried on each of its algorithm.
    pub const KEY_COUNT_MAX: usize = 16;

    /// Tokens signed for one of these keys. Without a key no token is good.
    ///
    /// # Errors
    /// If there are more than [`KEY_COUNT_MAX`](Self::KEY_COUNT_MAX).
    pub fn new(keys: Vec<Key>) -> Result<Self, TooManyKeys> {
        if keys.len() > Self::KEY_COUNT_MAX {
            return Err(TooManyKeys);
        }
        Ok(Self { keys, audience: None, issuer: None, limits: TokenLimits::default() })
    }

    /// Only tokens for this audience are good. Without this call, only tokens for nobody in particular are.
    #[must_use]
    pub fn audience(mut self, audience: &str) -> Self {
        self.audience = Some(audience.to_owned());
        self
    }

    /// Only tokens by this issuer are good.
    #[must_use]
    pub fn issuer(mut self, issuer: &str) -> Self {
        self.issuer = Some(issuer.to_owned());
        self
    }

    /// Whose tokens are good, if not everybody's who has a key.
    pub fn expected_issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    /// For whom tokens have to be, if for somebody.
    pub fn expected_audience(&self) -> Option<&str> {
        self.audience.as_deref()
    }

    /// Other limits than the default ones.
    #[must_use]
    pub fn limits(mut self, limits: TokenLimits) -> Self {
        self.limits = limits;
        self
    }

    /// What a token may cost.
    pub const fn limits_in_use(&self) -> &TokenLimits {
        &self.limits
    }

    /// Whether there is a key at all.
    pub const fn has_keys(&self) -> bool {
        !self.keys.is_empty()
    }

    /// Whether a connection token is good at this time, in milliseconds since 1970. Nothing is remembered.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn judge_connection(&self, token: &str, unix: u64) -> Result<(), TokenRefused> {
        self.check_len(token)?;
        self.connection(token)?.at(unix).map(|_| ())
    }

    /// Whether a subscription token is good at this time, for whomever and whatever channel it is.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn judge_subscription(&self, token: &str, unix: u64) -> Result<(), TokenRefused> {
        self.check_len(token)?;
        self.subscription(token)?.at(unix).map(|_| ())
    }

    /// Before anything is made of a token, a digest included.
    pub(super) const fn check_len(&self, token: &str) -> Result<(), TokenRefused> {
        if token.len() > self.limits.token_len_max { Err(TokenRefused::TooLong) } else { Ok(()) }
    }

    pub(super) fn connection(&self, token: &str) -> Result<Good<ConnectionClaims>, TokenRefused> {
        let (json, claims) = self.signed(token)?;
        let (not_before, not_after) = self.times(&claims);
        let claims = claims.connection(&json, self.limits.channel_count_max)?;
        Ok(Good { claims, not_before, not_after })
    }

    pub(super) fn subscription(
        &self,
        token: &str,
    ) -> Result<Good<SubscriptionClaims>, TokenRefused> {
        let (json, claims) = self.signed(token)?;
        let (not_before, not_after) = self.times(&claims);
        Ok(Good { claims: claims.subscription(&json)?, not_before, not_after })
    }

    /// The claims of a token that somebody we trust has signed, for us.
    fn signed(&self, token: &str) -> Result<(Box<RawValue>, Claims), TokenRefused> {
        let json = self.signature(token)?;
        let claims = Claims::parse(&json)?;
        if self.issuer.is_some() && claims.iss != self.issuer {
            return Err(TokenRefused::Issuer);
        }
        let audience = claims.aud.as_ref().filter(|audience| !audience.is_empty());
        match (&self.audience, audience) {
            (None, None) => {}
            (Some(wanted), Some(audience)) if audience.includes(wanted) => {}
            // RFC 7519 §4.1.3: "If the principal processing the claim does not identify itself with a
            // value in the "aud" claim when this claim is present, then the JWT MUST be rejected."
            _ => return Err(TokenRefused::Audience),
        }
        Ok((json, claims))
    }

    fn signature(&self, token: &str) -> Result<Box<RawValue>, TokenRefused> {
        if self.keys.is_empty() {
            return Err(TokenRefused::NoKeys);
        }
        let header = header(token)?;
        if header.crit.is_some() {
            return Err(TokenRefused::Critical);
        }
        // The algorithm is the key's; what the header says chooses among keys, and nothing else.
        let algorithm: Algorithm = header.alg.parse().map_err(|_| TokenRefused::Algorithm)?;
        let mut refused = TokenRefused::Algorithm;
        for key in self.keys.iter().filter(|key| key.algorithm == algorithm) {
            let same = match (&key.kid, &header.kid) {
                (Some(ours), Some(named)) => **ours == **named,
                (None, _) | (_, None) => true,
            };
            refused = match same.then(|| verify(token, key)) {
                Some(Ok(json)) => return Ok(json),
                Some(Err(why)) => why,
                None if refused == TokenRefused::Algorithm => TokenRefused::Kid,
                None => refused,
            };
        }
        Err(refused)
    }

    fn times(&self, claims: &Claims) -> (u64, u64) {
        let leeway = u64::try_from(self.limits.leeway.as_millis()).unwrap_or(u64::MAX);
        (
            claims.nbf.map_or(0, |date| date.0.saturating_sub(leeway)),
            claims.exp.map_or(u64::MAX, |date| date.0.saturating_add(leeway)),
        )
    }
}

impl<T> Good<T> {
    /// Whether it is good at this time, in milliseconds since 1970.
    ///
    /// RFC 7519 §4.1.4: "the expiration time on or after which the JWT MUST NOT be accepted".
    pub(super) fn at(&self, unix: u64) -> Result<&T, TokenRefused> {
        if unix >= self.not_after {
            return Err(TokenRefused::Expired);
        }
        if unix < self.not_before {
            return Err(TokenRefused::NotYet);
        }
        Ok(&self.claims)
    }
}

/// More keys than are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct TooManyKeys;

impl std::fmt::Display for TooManyKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} keys at most may verify tokens at one time", TokenRules::KEY_COUNT_MAX)
    }
}

impl std::error::Error for TooManyKeys {}

fn header(token: &str) -> Result<Header, TokenRefused> {
    let mut parts = token.split('.');
    let (Some(header), Some(_), Some(_), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(TokenRefused::Malformed);
    };
    let json = URL_SAFE_NO_PAD.decode(header).map_err(|_| TokenRefused::Malformed)?;
    serde_json::from_slice(&json).map_err(|_| TokenRefused::Malformed)
}

/// The claims as they are written, if `key` has signed them. When they hold is not asked here.
fn verify(token: &str, key: &Key) -> Result<Box<RawValue>, TokenRefused> {
    let mut signature_alone = Validation::new(key.jwt_algorithm());
    signature_alone.required_spec_claims.clear();
    signature_alone.validate_exp = false;
    signature_alone.validate_nbf = false;
    signature_alone.validate_aud = false;
    match jsonwebtoken::decode::<Box<RawValue>>(token, &key.decoding, &signature_alone) {
        Ok(token) => Ok(token.claims),
        Err(error) => Err(match error.kind() {
            ErrorKind::InvalidSignature => TokenRefused::Signature,
            ErrorKind::InvalidAlgorithm | ErrorKind::InvalidKeyFormat => TokenRefused::Algorithm,
            ErrorKind::Json(_) | ErrorKind::Utf8(_) => TokenRefused::Claims,
            _ => TokenRefused::Malformed,
        }),
    }
}
