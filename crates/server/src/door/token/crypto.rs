//! The cryptography of tokens: `ring`, plugged into `jsonwebtoken`.
//!
//! That crate takes its signatures from a provider which is set once for the whole process. Its own
//! choices would bring a second library of cryptography along, one of them with an `rsa` whose decryption
//! can be timed; TLS here is ring's already.

use std::sync::OnceLock;

use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey,
    crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils},
    errors::{Error, ErrorKind},
    signature,
};
use ring::{
    hmac,
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED,
        ECDSA_P384_SHA384_FIXED_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair,
        RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
        RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_2048_8192_SHA256,
        RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384,
        RSA_PSS_SHA512, RsaEncoding, RsaKeyPair, UnparsedPublicKey, VerificationAlgorithm,
    },
};

/// Installs it, the first time.
///
/// # Errors
/// If somebody else's has been installed in this process: then who verifies our tokens is not known.
pub(super) fn install() -> Result<(), ProviderTaken> {
    static INSTALLED: OnceLock<bool> = OnceLock::new();
    let ours = *INSTALLED.get_or_init(|| PROVIDER.install_default().is_ok());
    ours.then_some(()).ok_or(ProviderTaken)
}

/// Another provider of cryptography has been installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ProviderTaken;

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |algorithm, key| {
        of_family(*algorithm, key.family() == algorithm.family())?;
        Ok(Box::new(Signs { algorithm: *algorithm, key: key.clone() }))
    },
    verifier_factory: |algorithm, key| {
        of_family(*algorithm, key.family() == algorithm.family())?;
        Ok(Box::new(Verifies { algorithm: *algorithm, key: key.clone() }))
    },
    // For sets of keys (JWK), of which we have none: an error instead of that crate's panic.
    key_utils: KeyUtils {
        rsa_pub_components_from_private_key: |_| Err(ErrorKind::UnsupportedAlgorithm.into()),
        rsa_pub_components_from_public_key: |_| Err(ErrorKind::UnsupportedAlgorithm.into()),
        ec_pub_components_from_private_key: |_, _| Err(ErrorKind::UnsupportedAlgorithm.into()),
        ed_pub_components_from_private_key: |_, _| Err(ErrorKind::UnsupportedAlgorithm.into()),
        compute_digest: |_, _| Err(ErrorKind::UnsupportedAlgorithm.into()),
    },
};

/// A public key is no secret of HMAC, whatever a token's header says.
fn of_family(algorithm: Algorithm, same: bool) -> Result<(), Error> {
    if same && is_known(algorithm) { Ok(()) } else { Err(ErrorKind::InvalidKeyFormat.into()) }
}

fn is_known(algorithm: Algorithm) -> bool {
    hmac_algorithm(algorithm).is_some() || public_algorithm(algorithm).is_some()
}

const fn hmac_algorithm(algorithm: Algorithm) -> Option<hmac::Algorithm> {
    match algorithm {
        Algorithm::HS256 => Some(hmac::HMAC_SHA256),
        Algorithm::HS384 => Some(hmac::HMAC_SHA384),
        Algorithm::HS512 => Some(hmac::HMAC_SHA512),
        _ => None,
    }
}

fn public_algorithm(algorithm: Algorithm) -> Option<&'static dyn VerificationAlgorithm> {
    Some(match algorithm {
        Algorithm::RS256 => &RSA_PKCS1_2048_8192_SHA256,
        Algorithm::RS384 => &RSA_PKCS1_2048_8192_SHA384,
        Algorithm::RS512 => &RSA_PKCS1_2048_8192_SHA512,
        Algorithm::PS256 => &RSA_PSS_2048_8192_SHA256,
        Algorithm::PS384 => &RSA_PSS_2048_8192_SHA384,
        Algorithm::PS512 => &RSA_PSS_2048_8192_SHA512,
        Algorithm::ES256 => &ECDSA_P256_SHA256_FIXED,
        Algorithm::ES384 => &ECDSA_P384_SHA384_FIXED,
        Algorithm::EdDSA => &ED25519,
        _ => return None,
    })
}

struct Verifies {
    algorithm: Algorithm,
    key: DecodingKey,
}

impl signature::Verifier<Vec<u8>> for Verifies {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        let key = self.key.try_get_as_bytes().map_err(signature::Error::from_source)?;
        let verified = match (hmac_algorithm(self.algorithm), public_algorithm(self.algorithm)) {
            (Some(algorithm), _) => {
                hmac::verify(&hmac::Key::new(algorithm, key), message, signature)
            }
            (None, Some(algorithm)) => {
                UnparsedPublicKey::new(algorithm, key).verify(message, signature)
            }
            (None, None) => return Err(signature::Error::new()),
        };
        verified.map_err(|_| signature::Error::new())
    }
}

impl JwtVerifier for Verifies {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

struct Signs {
    algorithm: Algorithm,
    key: EncodingKey,
}

impl signature::Signer<Vec<u8>> for Signs {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
        let key = self.key.as_bytes();
        if let Some(algorithm) = hmac_algorithm(self.algorithm) {
            return Ok(hmac::sign(&hmac::Key::new(algorithm, key), message).as_ref().to_vec());
        }
        match self.algorithm {
            Algorithm::RS256 => rsa(key, message, &RSA_PKCS1_SHA256),
            Algorithm::RS384 => rsa(key, message, &RSA_PKCS1_SHA384),
            Algorithm::RS512 => rsa(key, message, &RSA_PKCS1_SHA512),
            Algorithm::PS256 => rsa(key, message, &RSA_PSS_SHA256),
            Algorithm::PS384 => rsa(key, message, &RSA_PSS_SHA384),
            Algorithm::PS512 => rsa(key, message, &RSA_PSS_SHA512),
            Algorithm::ES256 => ecdsa(key, message, &ECDSA_P256_SHA256_FIXED_SIGNING),
            Algorithm::ES384 => ecdsa(key, message, &ECDSA_P384_SHA384_FIXED_SIGNING),
            Algorithm::EdDSA => Ed25519KeyPair::from_pkcs8_maybe_unchecked(key)
                .map(|pair| pair.sign(message).as_ref().to_vec())
                .map_err(|_| signature::Error::new()),
            _ => Err(signature::Error::new()),
        }
    }
}

impl JwtSigner for Signs {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

fn rsa(
    key: &[u8],
    message: &[u8],
    padding: &'static dyn RsaEncoding,
) -> Result<Vec<u8>, signature::Error> {
    let pair = RsaKeyPair::from_pkcs8(key)
        .or_else(|_| RsaKeyPair::from_der(key))
        .map_err(|_| signature::Error::new())?;
    let mut signature = vec![0; pair.public().modulus_len()];
    pair.sign(padding, &SystemRandom::new(), message, &mut signature)
        .map_err(|_| signature::Error::new())?;
    Ok(signature)
}

fn ecdsa(
    key: &[u8],
    message: &[u8],
    algorithm: &'static ring::signature::EcdsaSigningAlgorithm,
) -> Result<Vec<u8>, signature::Error> {
    let random = SystemRandom::new();
    let pair =
        EcdsaKeyPair::from_pkcs8(algorithm, key, &random).map_err(|_| signature::Error::new())?;
    let signature = pair.sign(&random, message).map_err(|_| signature::Error::new())?;
    Ok(signature.as_ref().to_vec())
}
