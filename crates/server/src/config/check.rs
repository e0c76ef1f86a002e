//! What options have to be together, and the rules of the door that come of them.

use std::{
    collections::BTreeSet,
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use tidewire_hub::Brim;

use super::{
    options::{Api, ChannelSettings, Client, Options, Token, TokenKey},
    problem::Findings,
};
use crate::door::{
    AllowedOrigins, DoorLimits, DoorRules, Pace, PlaceLimits, Secret, TokenPlaces, TrustedProxies,
    token::{Algorithm, HmacAlgorithm, Key, KeyError, TokenLimits, TokenRules},
};

/// The shortest key of the server API, in bytes.
const API_KEY_LEN_MIN: usize = 16;

/// The longest name of a namespace, in bytes.
const NAMESPACE_LEN_MAX: usize = 64;

type Read<'r> = &'r dyn Fn(&Path) -> io::Result<String>;

/// The rules of the door and the keys of the API, unless something was found that is wrong.
pub(super) fn check(
    options: &Options,
    read: Read<'_>,
    findings: &mut Findings,
) -> Option<(DoorRules, Vec<Secret>)> {
    check_listeners(options, findings);
    check_client(&options.client, findings);
    let without = "channel.without_namespace";
    check_channel(&options.channel.without_namespace, without, findings);
    if !options.channel.without_namespace.name.is_empty() {
        let sentence = "channels without a namespace have no name for it; see channel.namespaces";
        findings.object(&format!("{without}.name"), sentence);
    }
    check_namespaces(&options.channel.namespaces, findings);
    let api_keys = api_keys(&options.api, read, findings);
    let door = door(options, read, findings)?;
    Some((door, api_keys))
}

fn check_listeners(options: &Options, findings: &mut Findings) {
    let http = &options.http;
    if http.listen.0.is_empty() {
        findings.object("http.listen", "there is nowhere to listen");
    }
    match (&http.tls_cert_file, &http.tls_key_file) {
        (Some(_), None) => {
            findings
                .object("http.tls_cert_file", "a certificate wants its key: set http.tls_key_file");
        }
        (None, Some(_)) => {
            findings
                .object("http.tls_key_file", "a key wants its certificate: set http.tls_cert_file");
        }
        _ => {}
    }
}

fn check_client(client: &Client, findings: &mut Findings) {
    if client.pong_timeout.is_zero() {
        findings.object("client.pong_timeout", "nobody answers at once; the default is \"10s\"");
    }
    if client.stale_close_delay.is_zero() {
        findings
            .object("client.stale_close_delay", "nobody connects at once; the default is \"10s\"");
    }
    let origins = &client.allowed_origins.0;
    let any = origins.iter().any(|origin| origin.0 == "*");
    if any && origins.len() > 1 {
        let sentence = "\"*\" allows every page; remove it, or the others";
        findings.object("client.allowed_origins", sentence);
    }
    if any && client.token_cookie.is_some() {
        findings.object(
            "client.token_cookie",
            "a cookie is sent by every page, and client.allowed_origins lets every page connect: name the pages that may",
        );
    }
    if let Some(cookie) = &client.token_cookie
        && !is_cookie_name(cookie)
    {
        findings.object("client.token_cookie", format!("{cookie:?} is no name of a cookie"));
    }
}

/// RFC 6265 §4.1.1: a token.
fn is_cookie_name(name: &str) -> bool {
    let is_tchar = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(is_tchar)
}

fn check_namespaces(namespaces: &[ChannelSettings], findings: &mut Findings) {
    let mut names = BTreeSet::new();
    for (index, namespace) in namespaces.iter().enumerate() {
        let option = format!("channel.namespaces[{index}]");
        let name = &namespace.name;
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if name.is_empty() {
            findings.object(&option, "a namespace has a name: write name = \"…\"");
        } else if name.len() > NAMESPACE_LEN_MAX || !name.bytes().all(is_name) {
            let sentence = format!(
                "{name:?} is no name of a namespace: up to {NAMESPACE_LEN_MAX} letters, digits, -, _ and ."
            );
            findings.object(&format!("{option}.name"), sentence);
        } else if !names.insert(name) {
            findings
                .object(&format!("{option}.name"), format!("there is another {name:?} before it"));
        }
        check_channel(namespace, &option, findings);
    }
}

fn check_channel(channel: &ChannelSettings, option: &str, findings: &mut Findings) {
    let mut object = |field: &str, sentence: &str| {
        findings.object(&format!("{option}.{field}"), sentence);
    };
    let has_history = channel.history_size > 0;
    if has_history && channel.history_ttl.is_zero() {
        object("history_size", "history is kept for some time: set history_ttl as well");
    }
    if !has_history && !channel.history_ttl.is_zero() {
        object("history_ttl", "history has a size: set history_size as well");
    }
    if has_history && channel.history_meta_ttl < channel.history_ttl {
        object("history_meta_ttl", "a position is remembered at least as long as history_ttl");
    }
    let streams = [
        ("force_recovery", channel.force_recovery),
        ("allow_recovery", channel.allow_recovery),
        ("force_positioning", channel.force_positioning),
        ("allow_positioning", channel.allow_positioning),
    ];
    for (field, _) in streams.into_iter().filter(|(_, on)| *on) {
        if !has_history {
            object(field, "this wants history: set history_size and history_ttl");
        } else if channel.slow_client != Brim::Disconnect {
            object(
                field,
                "slow_client drops publications, and this promises that none is missed: \
                 leave slow_client at \"disconnect\", or put these channels into another namespace",
            );
        }
    }
    if channel.force_push_join_leave && !channel.join_leave {
        object("force_push_join_leave", "there is nothing to hear: set join_leave as well");
    }
}

fn door(options: &Options, read: Read<'_>, findings: &mut Findings) -> Option<DoorRules> {
    let client = &options.client;
    let origins = client.allowed_origins.0.iter().map(|origin| &*origin.0);
    let origins = AllowedOrigins::parse(origins)
        .map_err(|error| findings.object("client.allowed_origins", error.to_string()))
        .ok()?;
    let tokens = Arc::new(token_rules(&client.token, client, "client.token", read, findings)?);
    let option = "client.subscription_token";
    let others = token_rules(&client.subscription_token, client, option, read, findings)?;
    let subscription_tokens =
        if others.has_keys() { Arc::new(others) } else { Arc::clone(&tokens) };
    Some(DoorRules {
        origins,
        proxies: TrustedProxies::new(options.trusted_proxies.0.iter().copied()),
        places: TokenPlaces { cookie: client.token_cookie.clone(), query: client.token_in_query },
        tokens,
        subscription_tokens,
        limits: DoorLimits {
            handshakes_per_address: Pace::new(
                client.handshake_rate_per_address,
                client.handshake_burst_per_address,
            ),
            connections: PlaceLimits {
                connection_count_max: client.connection_limit,
                connection_count_per_address_max: client.connection_limit_per_address,
                connection_count_per_user_max: client.user_connection_limit,
            },
            ticket_count_max: client.ticket_limit as usize,
            ..DoorLimits::default()
        },
    })
}

fn token_rules(
    token: &Token,
    client: &Client,
    option: &str,
    read: Read<'_>,
    findings: &mut Findings,
) -> Option<TokenRules> {
    let mut keys = Vec::new();
    let name = format!("{option}.hmac_secret_key");
    let pair = (token.hmac_secret_key.clone(), token.hmac_secret_key_file.as_ref());
    if let Some(secret) = secret(pair, &name, read, findings) {
        let key = Key::hmac(HmacAlgorithm::Hs256, &secret);
        let place = set_by(&name, token.hmac_secret_key_file.as_ref());
        keys.extend(key.map_err(|error| findings.object(&place, error.to_string())).ok());
    }
    for (index, key) in token.keys.iter().enumerate() {
        keys.extend(token_key(key, &format!("{option}.keys[{index}]"), read, findings));
    }
    let rules = TokenRules::new(keys);
    let mut rules = rules
        .map_err(|error| findings.object(&format!("{option}.keys"), error.to_string()))
        .ok()?;
    if let Some(issuer) = &token.issuer {
        rules = rules.issuer(issuer);
    }
    if let Some(audience) = &token.audience {
        rules = rules.audience(audience);
    }
    Some(rules.limits(TokenLimits {
        token_len_max: token.size_limit.len(),
        channel_count_max: client.channel_limit as usize,
        leeway: token.leeway,
        cache_count_max: token.cache_size as usize,
    }))
}

fn token_key(key: &TokenKey, option: &str, read: Read<'_>, findings: &mut Findings) -> Option<Key> {
    let Some(algorithm) = key.algorithm else {
        findings.object(option, "a key is for one algorithm: write algorithm = \"…\"");
        return None;
    };
    let secret_option = format!("{option}.secret");
    let public_option = format!("{option}.public_key");
    let secret =
        secret((key.secret.clone(), key.secret_file.as_ref()), &secret_option, read, findings);
    let public =
        one((key.public_key.clone(), key.public_key_file.as_ref()), &public_option, read, findings);
    let (made, place): (Result<Key, KeyError>, _) = match (algorithm, secret, public) {
        (Algorithm::Hmac(algorithm), Some(secret), None) => {
            (Key::hmac(algorithm, &secret), set_by(&secret_option, key.secret_file.as_ref()))
        }
        (Algorithm::Public(algorithm), None, Some(pem)) => {
            (Key::public(algorithm, &pem), set_by(&public_option, key.public_key_file.as_ref()))
        }
        (Algorithm::Hmac(_), ..) => {
            let sentence =
                format!("{algorithm} takes a secret, or a secret_file, and no public key");
            findings.object(option, sentence);
            return None;
        }
        (Algorithm::Public(_), ..) => {
            let sentence =
                format!("{algorithm} takes a public_key, or a public_key_file, and no secret");
            findings.object(option, sentence);
            return None;
        }
    };
    let made = made.map_err(|error| findings.object(&place, error.to_string())).ok()?;
    Some(match &key.kid {
        Some(kid) => made.named(kid),
        None => made,
    })
}

fn api_keys(api: &Api, read: Read<'_>, findings: &mut Findings) -> Vec<Secret> {
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
    (written, file): (Option<String>, Option<&PathBuf>),
    option: &str,
    read: Read<'_>,
    findings: &mut Findings,
) -> Option<String> {
    let Some(file) = file else { return written };
    let file_option = format!("{option}_file");
    if written.is_some() {
        findings.object(&file_option, format!("{option} says it already; one of both is enough"));
        return None;
    }
    match read(file) {
        // Editors end files with a newline, which is no part of a secret.
        Ok(text) => Some(text.trim_end_matches(['\r', '\n']).to_owned()),
        Err(error) => {
            findings.object(&file_option, cannot_read(file, &error));
            None
        }
    }
}

fn cannot_read(file: &Path, error: &dyn fmt::Display) -> String {
    format!("cannot read {}: {error}", file.display())
}
