//! What options have to be together, and the rules of the door that come of them.

use std::{collections::BTreeSet, sync::Arc};

use tidewire_brokers::ShardIndex;
use tidewire_hub::Brim;
use tokio_rustls::rustls::ServerConfig;

use super::{
    keys::{self, Read},
    options::{ChannelSettings, Client, Options},
    problem::Findings,
};
use crate::door::{
    AllowedOrigins, DoorLimits, DoorRules, Pace, PlaceLimits, Secret, TokenPlaces, TrustedProxies,
    UserLimits,
    token::{SigningKey, TokenRules},
};

/// The longest name of a namespace, in bytes.
const NAMESPACE_LEN_MAX: usize = 64;

/// What is made of options that are good.
pub(super) struct Checked {
    pub(super) door: DoorRules,
    pub(super) api_keys: Vec<Secret>,
    pub(super) signing_key: Option<SigningKey>,
    pub(super) subscription_signing_key: Option<SigningKey>,
    pub(super) tls: Option<Arc<ServerConfig>>,
}

/// What comes of the options, unless something was found that is wrong.
pub(super) fn check(options: &Options, read: Read<'_>, findings: &mut Findings) -> Option<Checked> {
    let tls = check_listeners(options, read, findings);
    check_client(&options.client, findings);
    if options.engine.threads as usize > ShardIndex::COUNT_MAX {
        let sentence =
            format!("there are {} at most; 0 is one for each core", ShardIndex::COUNT_MAX);
        findings.object("engine.threads", sentence);
    }
    let without = "channel.without_namespace";
    check_channel(&options.channel.without_namespace, without, findings);
    if !options.channel.without_namespace.name.is_empty() {
        let sentence = "channels without a namespace have no name for it; see channel.namespaces";
        findings.object(&format!("{without}.name"), sentence);
    }
    check_namespaces(&options.channel.namespaces, findings);
    let api_keys = keys::api_keys(&options.api, read, findings);
    let client = &options.client;
    let tokens = keys::tokens(&client.token, client, "client.token", read, findings)?;
    let option = "client.subscription_token";
    let others = keys::tokens(&client.subscription_token, client, option, read, findings)?;
    let others = if others.rules.has_keys() { others } else { tokens.clone() };
    let door = door(options, tokens.rules, others.rules, findings)?;
    let (signing_key, subscription_signing_key) = (tokens.signing_key, others.signing_key);
    Some(Checked { door, api_keys, signing_key, subscription_signing_key, tls })
}

/// What TLS is made of, where there is some.
fn check_listeners(
    options: &Options,
    read: Read<'_>,
    findings: &mut Findings,
) -> Option<Arc<ServerConfig>> {
    let http = &options.http;
    if http.listen.0.is_empty() {
        findings.object("http.listen", "there is nowhere to listen");
    }
    let (cert_option, key_option) = ("http.tls_cert_file", "http.tls_key_file");
    let (certificates, key) = match (&http.tls_cert_file, &http.tls_key_file) {
        (Some(certificates), Some(key)) => (certificates, key),
        (Some(_), None) => {
            findings.object(cert_option, "a certificate wants its key: set http.tls_key_file");
            return None;
        }
        (None, Some(_)) => {
            findings.object(key_option, "a key wants its certificate: set http.tls_cert_file");
            return None;
        }
        (None, None) => return None,
    };
    let certificates = keys::file(certificates, cert_option, read, findings)?;
    let key = keys::file(key, key_option, read, findings)?;
    tidewire::tls::server_config_from_pem(certificates.as_bytes(), key.as_bytes())
        .map_err(|error| findings.object(cert_option, error.to_string()))
        .ok()
        .map(Arc::new)
}

fn check_client(client: &Client, findings: &mut Findings) {
    if client.pong_timeout.is_zero() {
        findings.object("client.pong_timeout", "nobody answers at once; the default is \"10s\"");
    }
    // Clients are told the interval, and take a server for gone that pings them much later.
    if !client.ping_interval.is_zero() && client.pong_timeout > client.ping_interval {
        let sentence = "the next ping comes before that: it is at most client.ping_interval";
        findings.object("client.pong_timeout", sentence);
    }
    // Otherwise it is disconnected for what it does when it is back, each time.
    if client.command_rate > 0 && client.command_burst <= client.channel_limit {
        let sentence = "a client that is back connects and subscribes to client.channel_limit \
                        channels at once: it is more than that, or client.command_rate is 0";
        findings.object("client.command_burst", sentence);
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

fn door(
    options: &Options,
    tokens: TokenRules,
    subscription_tokens: TokenRules,
    findings: &mut Findings,
) -> Option<DoorRules> {
    let client = &options.client;
    let origins = client.allowed_origins.0.iter().map(|origin| &*origin.0);
    let origins = AllowedOrigins::parse(origins)
        .map_err(|error| findings.object("client.allowed_origins", error.to_string()))
        .ok()?;
    Some(DoorRules {
        origins,
        proxies: TrustedProxies::new(options.trusted_proxies.0.iter().copied()),
        places: TokenPlaces { cookie: client.token_cookie.clone(), query: client.token_in_query },
        tokens: Arc::new(tokens),
        subscription_tokens: Arc::new(subscription_tokens),
        limits: DoorLimits {
            handshakes_per_address: Pace::new(
                client.handshake_rate_per_address,
                client.handshake_burst_per_address,
            ),
            connections: PlaceLimits {
                connection_count_max: client.connection_limit,
                connection_count_per_address_max: client.connection_limit_per_address,
            },
            user: UserLimits {
                connection_count_max: client.user_connection_limit,
                commands: Pace::new(client.user_command_rate, client.user_command_burst),
                bytes: Pace::new(client.user_byte_rate.0, client.user_byte_burst.0),
                ..UserLimits::default()
            },
            ticket_count_max: client.ticket_limit as usize,
            ..DoorLimits::default()
        },
    })
}
