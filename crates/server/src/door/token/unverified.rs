//! [`Unverified`]: what a token says, whoever has signed it.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;

use super::refused::TokenRefused;

/// A token taken apart, for people to look at. Nothing has been verified, so nothing may be decided by it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Unverified {
    /// Its header: the algorithm, and perhaps the name of the key.
    pub header: Value,
    /// What it claims.
    pub claims: Value,
}

impl Unverified {
    /// Takes a token apart.
    ///
    /// # Errors
    /// If it is none, or one whose claims are no JSON.
    pub fn parse(token: &str) -> Result<Self, TokenRefused> {
        let parts: Vec<_> = token.split('.').collect();
        let [header, claims, _signature] = parts[..] else { return Err(TokenRefused::Malformed) };
        let json = |part: &str| {
            let bytes = URL_SAFE_NO_PAD.decode(part).ok()?;
            serde_json::from_slice(&bytes).ok()
        };
        Ok(Self {
            header: json(header).ok_or(TokenRefused::Malformed)?,
            claims: json(claims).ok_or(TokenRefused::Claims)?,
        })
    }

    /// Whether it is one for a subscription.
    pub fn is_subscription(&self) -> bool {
        self.claims["channel"].as_str().is_some_and(|channel| !channel.is_empty())
    }
}
