//! Tokens: what the application says of a client, signed (JWT, RFC 7519), in Centrifugo's claims.

mod algorithm;
mod claims;
mod crypto;
mod der;
mod key;
mod memory;
mod refused;
mod rules;
#[cfg(test)]
mod tests;
mod unverified;
mod verifier;

pub use algorithm::{Algorithm, HmacAlgorithm, PublicAlgorithm, UnknownAlgorithm};
pub use key::{Key, KeyError, SigningFailed, SigningKey};
pub use refused::TokenRefused;
pub use rules::{TokenLimits, TokenRules, TooManyKeys};
pub use unverified::Unverified;
pub use verifier::TokenVerifier;
