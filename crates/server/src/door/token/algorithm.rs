//! [`Algorithm`]: how a token is signed (RFC 7518 §3.1, RFC 8037 §3.1).

use std::{fmt, str::FromStr};

/// An algorithm of signatures, by the kind of key that it takes. There is no `none`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a key is a secret or a pair, and nothing else")]
pub enum Algorithm {
    /// Signed and verified by one secret.
    Hmac(HmacAlgorithm),
    /// Signed by a private key, verified by a public one.
    Public(PublicAlgorithm),
}

/// The algorithms that take a secret (RFC 7518 §3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HmacAlgorithm {
    /// HMAC with SHA-256.
    Hs256,
    /// HMAC with SHA-384.
    Hs384,
    /// HMAC with SHA-512.
    Hs512,
}

/// The algorithms that take a pair of keys (RFC 7518 §3.3 to §3.5, RFC 8037 §3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PublicAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// RSASSA-PSS with SHA-384.
    Ps384,
    /// RSASSA-PSS with SHA-512.
    Ps512,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// Ed25519.
    EdDsa,
}

impl HmacAlgorithm {
    /// The shortest secret, in bytes. RFC 7518 §3.2: "A key of the same size as the hash output … or
    /// larger MUST be used": a shorter one can be searched for by whoever has one token.
    pub const fn secret_len_min(self) -> usize {
        match self {
            Self::Hs256 => 32,
            Self::Hs384 => 48,
            Self::Hs512 => 64,
        }
    }

    const fn jwt(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::Hs256 => jsonwebtoken::Algorithm::HS256,
            Self::Hs384 => jsonwebtoken::Algorithm::HS384,
            Self::Hs512 => jsonwebtoken::Algorithm::HS512,
        }
    }
}

impl PublicAlgorithm {
    /// What it takes, for a sentence.
    pub(super) const fn key_kind(self) -> &'static str {
        match self {
            Self::Rs256 | Self::Rs384 | Self::Rs512 | Self::Ps256 | Self::Ps384 | Self::Ps512 => {
                "RSA"
            }
            Self::Es256 => "P-256",
            Self::Es384 => "P-384",
            Self::EdDsa => "Ed25519",
        }
    }

    const fn jwt(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::Rs256 => jsonwebtoken::Algorithm::RS256,
            Self::Rs384 => jsonwebtoken::Algorithm::RS384,
            Self::Rs512 => jsonwebtoken::Algorithm::RS512,
            Self::Ps256 => jsonwebtoken::Algorithm::PS256,
            Self::Ps384 => jsonwebtoken::Algorithm::PS384,
            Self::Ps512 => jsonwebtoken::Algorithm::PS512,
            Self::Es256 => jsonwebtoken::Algorithm::ES256,
            Self::Es384 => jsonwebtoken::Algorithm::ES384,
            Self::EdDsa => jsonwebtoken::Algorithm::EdDSA,
        }
    }
}

impl Algorithm {
    /// All there are.
    pub const ALL: [Self; 12] = [
        Self::Hmac(HmacAlgorithm::Hs256),
        Self::Hmac(HmacAlgorithm::Hs384),
        Self::Hmac(HmacAlgorithm::Hs512),
        Self::Public(PublicAlgorithm::Rs256),
        Self::Public(PublicAlgorithm::Rs384),
        Self::Public(PublicAlgorithm::Rs512),
        Self::Public(PublicAlgorithm::Ps256),
        Self::Public(PublicAlgorithm::Ps384),
        Self::Public(PublicAlgorithm::Ps512),
        Self::Public(PublicAlgorithm::Es256),
        Self::Public(PublicAlgorithm::Es384),
        Self::Public(PublicAlgorithm::EdDsa),
    ];

    /// Their names, in the same order.
    pub const NAMES: [&'static str; 12] = [
        "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256",
        "ES384", "EdDSA",
    ];

    /// As it stands in a token's header.
    pub fn name(self) -> &'static str {
        let here = Self::ALL.iter().position(|algorithm| *algorithm == self);
        here.and_then(|index| Self::NAMES.get(index)).copied().unwrap_or_default()
    }

    pub(super) const fn jwt(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::Hmac(algorithm) => algorithm.jwt(),
            Self::Public(algorithm) => algorithm.jwt(),
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Not the name of an algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnknownAlgorithm;

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    /// By its exact name: RFC 7515 §4.1.1, "The "alg" value is a case-sensitive ASCII string".
    fn from_str(name: &str) -> Result<Self, UnknownAlgorithm> {
        let index = Self::NAMES.iter().position(|known| *known == name).ok_or(UnknownAlgorithm)?;
        Self::ALL.get(index).copied().ok_or(UnknownAlgorithm)
    }
}

impl fmt::Display for UnknownAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no such algorithm; there are {}", Algorithm::NAMES.join(", "))
    }
}

impl std::error::Error for UnknownAlgorithm {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back() {
        for (algorithm, name) in Algorithm::ALL.into_iter().zip(Algorithm::NAMES) {
            assert_eq!(algorithm.name(), name);
            assert_eq!(name.parse(), Ok(algorithm));
        }
        for name in ["none", "None", "hs256", "HS257", "ES512", ""] {
            assert_eq!(name.parse::<Algorithm>(), Err(UnknownAlgorithm), "{name}");
        }
    }
}
