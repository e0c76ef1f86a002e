//! Keys and secrets of a configuration, which may stand in files of their own.

use std::{
    io,
    path::{Path, PathBuf},
};

use super::{
    options::{Api, Client, Token, TokenKey},
    problem::Findings,
};
use crate::door::{
    Secret,
    token::{Algorithm, HmacAlgorithm, Key, SigningKey, TokenLimits, TokenRules},
};

/// The shortest key of the server API, in bytes.
const API_KEY_LEN_MIN: usize = 16;

/// Reads a file that an option names.
pub(super) type Read<'r> = &'r dyn Fn(&Path) -> io::Result<String>;

/// The rules of tokens, and by what one could be made.
#[derive(Clone)]
pub(super) struct Tokens {
    pub(super) rules: TokenRules,
    pub(super) signing_key: Option<SigningKey>,
}

/// The rules of tokens, unless something is wrong with them.
pub(super) fn tokens(
    token: &Token,
    client: &Client,
    option: &str,
    read: Read<'_>,
    findings: &mut Findings,
) -> Option<Tokens> {
    let mut keys = Vec::new();
    let name = format!("{option}.hmac_secret_key");
    let pair = (token.hmac_secret_key.clone(), token.hmac_secret_key_file.as_ref());
    if let Some(secret) = secret(pair, &name, read, findings) {
        let place = set_by(&name, token.hmac_secret_key_file.as_ref());
        keys.extend(hmac(HmacAlgorithm::Hs256, &secret, None, &place, findings));
    }
    for (index, key) in token.keys.iter().enumerate() {
        keys.extend(token_key(key, &format!("{option}.keys[{index}]"), read, findings));
    }
    let signing_key = keys.iter().find_map(|(_, signing)| signing.clone());
    let rules = TokenRules::new(keys.into_iter().map(|(key, _)| key).collect());
    let mut rules = rules
        .map_err(|error| findings.object(&format!("{option}.keys"), error.to_string()))
        .ok()?;
    if let Some(issuer) = &token.issuer {
        rules = rules.issuer(issuer);
    }
    if let Some(audience) = &token.audience {
        rules = rules.audience(audience);
    }
    let rules = rules.limits(TokenLimits {
        token_len_max: token.size_limit.len(),
        channel_count_max: client.channel_limit as usize,
        leeway: token.leeway,
        cache_count_max: token.cache_size as usize,
    });
    Some(Tokens { rules, signing_key })
}

/// A key, and by what tokens for it are made where that is known here.
type Pair = (Key, Option<SigningKey>);

fn token_key(
    key: &TokenKey,
    option: &str,
    read: Read<'_>,
    findings: &mut Findings,
) -> Option<Pair> {
    let Some(algorithm) = key.algorithm else {
        findings.object(option, "a key is for one algorithm: write algorithm = \"…\"");
        return None;
    };
    let secret_option = format!("{option}.secret");
    let public_option = format!("{option}.public_key");
    let secret =
        secret((key.secret.clone(), key.secret_file.as_ref()), &secret_option, read, findings);
    let pair = (key.public_key.clone(), key.public_key_file.as_ref());
    let public = one(pair, &public_option, read, findings);
    let kid = key.kid.as_deref();
    match (algorithm, secret, public) {
        (Algorithm::Hmac(algorithm), Some(secret), None) => {
            let place = set_by(&secret_option, key.secret_file.as_ref());
            hmac(algorithm, &secret, kid, &place, findings)
        }
        (Algorithm::Public(algorithm), None, Some(pem)) => {
            let place = set_by(&public_option, key.public_key_file.as_ref());
            let made = Key::public(algorithm, &pem);
            let made = made.map_err(|error| findings.object(&place, error.to_string())).ok()?;
            Some((kid.into_iter().fold(made, Key::named), None))
        }
        (Algorithm::Hmac(_), ..) => {
            let sentence =
                format!("{algorithm} takes a secret, or a secret_file, and no public key");
            findings.object(option, sentence);
            None
        }
        (Algorithm::Public(_), ..) => {
            let sentence =
                format!("{algorithm} takes a public_key, or a public_key_file, and no secret");
            findings.object(option, sentence);
            None
        }
    }
}

fn hmac(
    algorithm: HmacAlgorithm,
    secret: &Secret,
    kid: Option<&str>,
    place: &str,
    findings: &mut Findings,
) -> Option<Pair> {
    let made = Key::hmac(algorithm, secret)
        .and_then(|key| Ok((key, SigningKey::hmac(algorithm, secret)?)))
        .map_err(|error| findings.object(place, error.to_string()))
        .ok()?;
    Some(match kid {
        Some(kid) => (made.0.named(kid), Some(made.1.named(kid))),
        None => (made.0, Some(made.1)),
    })
}

pub(super) fn api_keys(api: &Api, read: Read<'_>, findings: &mut Findings) -> Vec<Secret> {
    let mut keys: Vec<_> =
        secret((api.key.clone(), api.key_file.as_ref()), "api.key", read, findings)
            .into_iter()
            .collect();
    let first = keys.len();
    keys.extend(api.previous_keys.0.iter().cloned());
    for (index, key) in keys.iter().enumerate() {
        if key.expose().len() < API_KEY_LEN_MIN {
            let key = set_by("api.key", api.key_file.as_ref());
            let option = if index < first { &*key } else { "api.previous_keys" };
            let sentence = format!(
                "a key has {API_KEY_LEN_MIN} bytes at least, so that nobody guesses it; \
                 `openssl rand -hex 32` makes one"
            );
            findings.object(option, sentence);
        }
    }
    keys
}

/// The option that has set a value, its own or that of the file.
fn set_by(option: &str, file: Option<&PathBuf>) -> String {
    if file.is_some() { format!("{option}_file") } else { option.to_owned() }
}

/// A secret that is written, or stands in a file.
fn secret(
    (written, file): (Option<Secret>, Option<&PathBuf>),
    option: &str,
    read: Read<'_>,
    findings: &mut Findings,
) -> Option<Secret> {
    let written = written.map(|secret| secret.expose().to_owned());
    one((written, file), option, read, findings).map(|text| Secret::new(&text))
}

fn one(
    (written, path): (Option<String>, Option<&PathBuf>),
    option: &str,
    read: Read<'_>,
    findings: &mut Findings,
) -> Option<String> {
    let Some(path) = path else { return written };
    let file_option = format!("{option}_file");
    if written.is_some() {
        findings.object(&file_option, format!("{option} says it already; one of both is enough"));
        return None;
    }
    // Editors end files with a newline, which is no part of a secret.
    file(path, &file_option, read, findings)
        .map(|text| text.trim_end_matches(['\r', '\n']).to_owned())
}

/// What stands in a file that this option names.
pub(super) fn file(
    path: &Path,
    option: &str,
    read: Read<'_>,
    findings: &mut Findings,
) -> Option<String> {
    let cannot = |error| format!("cannot read {}: {error}", path.display());
    read(path).map_err(|error| findings.object(option, cannot(error))).ok()
}
