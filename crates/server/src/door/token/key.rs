//! [`Key`]: by what tokens are verified, and [`SigningKey`]: by what they are made.

use std::fmt;

use jsonwebtoken::{DecodingKey, EncodingKey, Header};
use rustls_pki_types::{PrivateKeyDer, SubjectPublicKeyInfoDer, alg_id, pem::PemObject as _};
use serde::Serialize;

use super::{
    algorithm::{Algorithm, HmacAlgorithm, PublicAlgorithm},
    crypto, der,
};
use crate::door::Secret;

/// A key that verifies tokens of one algorithm, and of no other: RFC 8725 §3.1, "each key MUST be used
/// with exactly one algorithm".
///
/// A secret and a public key are made by different functions that take different algorithms, so that a
/// public key, which everybody may know, is never taken for the secret of an HMAC.
#[derive(Clone)]
pub struct Key {
    pub(super) kid: Option<Box<str>>,
    pub(super) algorithm: Algorithm,
    pub(super) decoding: DecodingKey,
}

impl Key {
    /// A secret that the application shares with us.
    ///
    /// # Errors
    /// If it is too short for that algorithm, or is a key of another kind.
    pub fn hmac(algorithm: HmacAlgorithm, secret: &Secret) -> Result<Self, KeyError> {
        let secret = checked_secret(algorithm, secret)?;
        Self::new(Algorithm::Hmac(algorithm), DecodingKey::from_secret(secret))
    }

    /// A public key, in PEM (`BEGIN PUBLIC KEY`).
    ///
    /// # Errors
    /// If it is none, or one for another algorithm.
    pub fn public(algorithm: PublicAlgorithm, pem: &str) -> Result<Self, KeyError> {
        if pem.contains("PRIVATE KEY-----") {
            return Err(KeyError::Private);
        }
        let info = SubjectPublicKeyInfoDer::from_pem_slice(pem.as_bytes())
            .map_err(|_| KeyError::NotPublicKey)?;
        let (identifier, key) = der::public_key_info(&info).ok_or(KeyError::NotPublicKey)?;
        let wanted = algorithm.key_kind();
        let there = key_kind(identifier).ok_or(KeyError::OtherKind { algorithm, there: None })?;
        if there != wanted {
            return Err(KeyError::OtherKind { algorithm, there: Some(there) });
        }
        let decoding = match wanted {
            "RSA" => {
                check_modulus(der::rsa_modulus(key).ok_or(KeyError::NotPublicKey)?)?;
                DecodingKey::from_rsa_der(key)
            }
            "Ed25519" => DecodingKey::from_ed_der(key),
            _ => DecodingKey::from_ec_der(key),
        };
        Self::new(Algorithm::Public(algorithm), decoding)
    }

    /// Names it: a token that names a key is verified by keys of that name and by those without one.
    #[must_use]
    pub fn named(mut self, kid: &str) -> Self {
        self.kid = Some(kid.into());
        self
    }

    /// The algorithm that it verifies.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub(super) const fn jwt_algorithm(&self) -> jsonwebtoken::Algorithm {
        self.algorithm.jwt()
    }

    fn new(algorithm: Algorithm, decoding: DecodingKey) -> Result<Self, KeyError> {
        crypto::install().map_err(|_| KeyError::OtherCryptography)?;
        Ok(Self { kid: None, algorithm, decoding })
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kid, algorithm, .. } = self;
        f.debug_struct("Key")
            .field("kid", kid)
            .field("algorithm", algorithm)
            .finish_non_exhaustive()
    }
}

/// A key that signs tokens: for trying things out, and for applications that are written in Rust.
#[derive(Clone)]
pub struct SigningKey {
    algorithm: Algorithm,
    kid: Option<String>,
    encoding: EncodingKey,
}

impl SigningKey {
    /// A secret that is shared with whoever verifies.
    ///
    /// # Errors
    /// As [`Key::hmac`].
    pub fn hmac(algorithm: HmacAlgorithm, secret: &Secret) -> Result<Self, KeyError> {
        let secret = checked_secret(algorithm, secret)?;
        Self::new(Algorithm::Hmac(algorithm), EncodingKey::from_secret(secret))
    }

    /// A private key, in PEM: PKCS #8 (`BEGIN PRIVATE KEY`), or PKCS #1 for RSA.
    ///
    /// # Errors
    /// If it is none, or one for another algorithm.
    pub fn private(algorithm: PublicAlgorithm, pem: &str) -> Result<Self, KeyError> {
        let key =
            PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| KeyError::NotPrivateKey)?;
        let der = match &key {
            PrivateKeyDer::Pkcs8(key) => key.secret_pkcs8_der(),
            PrivateKeyDer::Pkcs1(key) => key.secret_pkcs1_der(),
            _ => return Err(KeyError::NotPkcs8),
        };
        let encoding = match algorithm.key_kind() {
            "RSA" => EncodingKey::from_rsa_der(der),
            "Ed25519" => EncodingKey::from_ed_der(der),
            _ => EncodingKey::from_ec_der(der),
        };
        let key = Self::new(Algorithm::Public(algorithm), encoding)?;
        // Whether it is of the right kind is seen when it is used.
        let other_kind = KeyError::OtherKind { algorithm, there: None };
        key.sign(&()).map(|_| key).map_err(|_| other_kind)
    }

    /// Names the key in each token's header.
    #[must_use]
    pub fn named(mut self, kid: &str) -> Self {
        self.kid = Some(kid.to_owned());
        self
    }

    /// A token with these claims.
    ///
    /// # Errors
    /// If they cannot be written as JSON.
    pub fn sign(&self, claims: &impl Serialize) -> Result<String, SigningFailed> {
        let header = Header { kid: self.kid.clone(), ..Header::new(self.algorithm.jwt()) };
        jsonwebtoken::encode(&header, claims, &self.encoding).map_err(|_| SigningFailed)
    }

    fn new(algorithm: Algorithm, encoding: EncodingKey) -> Result<Self, KeyError> {
        crypto::install().map_err(|_| KeyError::OtherCryptography)?;
        Ok(Self { algorithm, kid: None, encoding })
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

/// Claims that could not be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SigningFailed;

impl fmt::Display for SigningFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the claims cannot be signed with this key")
    }
}

impl std::error::Error for SigningFailed {}

/// Why something is no key for tokens. Nothing of the key is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyError {
    /// A secret that is shorter than the hash.
    SecretTooShort {
        /// For which algorithm.
        algorithm: HmacAlgorithm,
        /// Its bytes.
        len: usize,
    },
    /// A PEM where a secret belongs: public keys are known to everybody.
    SecretIsPem,
    /// No public key in PEM.
    NotPublicKey,
    /// A private key where a public one belongs.
    Private,
    /// No private key in PEM.
    NotPrivateKey,
    /// A private key in an older wrapping.
    NotPkcs8,
    /// A key for another algorithm.
    OtherKind {
        /// The one that it was meant for.
        algorithm: PublicAlgorithm,
        /// What it is, if we know it.
        there: Option<&'static str>,
    },
    /// An RSA key of a size that is not taken.
    ModulusLen {
        /// Its size in bits.
        bits: usize,
    },
    /// The process uses `jsonwebtoken` with cryptography of somebody else's.
    OtherCryptography,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::SecretTooShort { algorithm, len } => write!(
                f,
                "the secret has {len} bytes, and {} wants {} at least (RFC 7518 §3.2); \
                 `openssl rand -hex 32` makes one",
                Algorithm::Hmac(algorithm),
                algorithm.secret_len_min(),
            ),
            Self::SecretIsPem => f.write_str(
                "the secret is a key in PEM: name the algorithm that it is for, and give it as public_key",
            ),
            Self::NotPublicKey => f.write_str("this is no public key in PEM (BEGIN PUBLIC KEY)"),
            Self::Private => f.write_str(
                "this is a private key; here belongs its public half, which \
                 `openssl pkey -in FILE -pubout` prints",
            ),
            Self::NotPrivateKey => f.write_str("this is no private key in PEM (BEGIN PRIVATE KEY)"),
            Self::NotPkcs8 => f.write_str(
                "this private key is not in PKCS #8 (BEGIN PRIVATE KEY); \
                 `openssl pkcs8 -topk8 -nocrypt -in FILE` converts it",
            ),
            Self::OtherKind { algorithm, there } => {
                let name = Algorithm::Public(algorithm);
                write!(f, "{name} wants a key for {}", algorithm.key_kind())?;
                match there {
                    Some(there) => write!(f, ", and this is one for {there}"),
                    None => f.write_str(", and this is none"),
                }
            }
            Self::ModulusLen { bits } => {
                write!(f, "the RSA key has {bits} bits; 2048 to 8192 are taken")
            }
            Self::OtherCryptography => f.write_str(
                "this process has installed another provider of cryptography for tokens already",
            ),
        }
    }
}

impl std::error::Error for KeyError {}

fn checked_secret(algorithm: HmacAlgorithm, secret: &Secret) -> Result<&[u8], KeyError> {
    let secret = secret.expose();
    if secret.contains("-----BEGIN ") {
        return Err(KeyError::SecretIsPem);
    }
    if secret.len() < algorithm.secret_len_min() {
        return Err(KeyError::SecretTooShort { algorithm, len: secret.len() });
    }
    Ok(secret.as_bytes())
}

/// What ring takes: RFC 7518 §3.3, "A key of size 2048 bits or larger MUST be used".
fn check_modulus(modulus: &[u8]) -> Result<(), KeyError> {
    let leading = modulus.first().map_or(0, |first| first.leading_zeros() as usize);
    match (modulus.len() * 8).saturating_sub(leading) {
        2048..=8192 => Ok(()),
        bits => Err(KeyError::ModulusLen { bits }),
    }
}

fn key_kind(identifier: &[u8]) -> Option<&'static str> {
    let kinds = [
        (alg_id::RSA_ENCRYPTION, "RSA"),
        (alg_id::ECDSA_P256, "P-256"),
        (alg_id::ECDSA_P384, "P-384"),
        (alg_id::ED25519, "Ed25519"),
    ];
    kinds.into_iter().find_map(|(known, kind)| (known.as_ref() == identifier).then_some(kind))
}
