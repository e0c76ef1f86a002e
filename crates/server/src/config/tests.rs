//! Configurations that are good, and what is said of those that are not.

use std::{io, path::Path, time::Duration};

use tidewire_hub::{Brim, ChannelName, HubConfig, HubLimits, Namespaces, Seed};

use super::*;
use crate::door::{AllowedOrigins, DoorLimits, Secret, token::TokenLimits};

const SECRET: &str = "a secret of more than thirty-two bytes";
const PUBLIC: &str = include_str!("../door/token/vectors/p256.pem");
const PRIVATE: &str = include_str!("../door/token/vectors/p256.key");

fn read(path: &Path) -> io::Result<String> {
    match path.to_str() {
        Some("secret.txt") => Ok(format!("{SECRET}\n")),
        Some("public.pem") => Ok(PUBLIC.to_owned()),
        Some("private.pem") => Ok(PRIVATE.to_owned()),
        _ => Err(io::Error::from(io::ErrorKind::NotFound)),
    }
}

fn load(text: &str) -> Result<Settings, String> {
    let sources = Sources::new().file("t.toml", text);
    sources.load(read).map_err(|error| error.to_string())
}

fn by_environment(variables: &[(&str, &str)]) -> Result<Settings, String> {
    let variables = variables.iter().map(|(name, value)| ((*name).into(), (*value).into()));
    Sources::new().environment(variables).load(read).map_err(|error| error.to_string())
}

/// What is written, and what is said of it.
const WRONG: &[(&str, &str)] = &[
    (
        "[log]\nlevle = 'info'",
        "t.toml:2:1: log.levle: there is no such option; did you mean level?",
    ),
    (
        "colour = 1",
        "t.toml:1:1: colour: there is no such option here; there are trusted_proxies, drain_within, http, operator, \
             client, channel, api, engine, log",
    ),
    (
        "[log]\n\n  level = 'loud'",
        "t.toml:3:3: log.level: \"loud\" is not one of error, warn, info, debug, trace",
    ),
    (
        "log.level = 3",
        "t.toml:1:5: log.level: this is a whole number, and it takes one of error, warn, info, debug, trace",
    ),
    ("log = 'info'", "t.toml:1:1: log: this is text, and it takes a table"),
    ("[[log]]", "t.toml:1:3: log: this is a list, and it takes a table"),
    (
        "channel.namespaces = {}",
        "t.toml:1:9: channel.namespaces: this is a table, and it takes a list of tables",
    ),
    (
        "drain_within = 30",
        "t.toml:1:1: drain_within: this is a whole number, and it takes a time with its unit: \"250ms\", \"10s\", \"5m\", \"12h\" or \"30d\"",
    ),
    (
        "drain_within = '30'",
        "t.toml:1:1: drain_within: \"30\" is not a time with its unit: \"250ms\", \"10s\", \"5m\", \"12h\" or \"30d\"",
    ),
    (
        "engine.threads = -1",
        "t.toml:1:8: engine.threads: -1 is not a whole number from 0 to 4294967295",
    ),
    (
        "engine.threads = 129",
        "t.toml:1:8: engine.threads: there are 128 at most; 0 is one for each core",
    ),
    (
        "[client]\nping_interval = '10s'\npong_timeout = '11s'",
        "t.toml:3:1: client.pong_timeout: the next ping comes before that: it is at most client.ping_interval",
    ),
    (
        "[client]\nchannel_limit = 50\ncommand_burst = 50",
        "t.toml:3:1: client.command_burst: a client that is back connects and subscribes to client.channel_limit \
         channels at once: it is more than that, or client.command_rate is 0",
    ),
    ("http.listen = '127.0.0.1:1'", "t.toml:1:6: http.listen: this is text, and it takes a list"),
    (
        "http.listen = ['localhost:1']",
        "t.toml:1:6: http.listen: \"localhost:1\" is not an address and a port, as in \"127.0.0.1:8080\" or \"[::]:8080\"",
    ),
    ("http.listen = []", "t.toml:1:6: http.listen: there is nowhere to listen"),
    (
        "http.tls_cert_file = 'a'",
        "t.toml:1:6: http.tls_cert_file: a certificate wants its key: set http.tls_key_file",
    ),
    (
        "trusted_proxies = ['10.0.0.0/99']",
        "t.toml:1:1: trusted_proxies: \"10.0.0.0/99\" is no network: write 10.0.0.0/8, fd00::/8, or an address",
    ),
    (
        "client.allowed_origins = ['example.com']",
        "t.toml:1:8: client.allowed_origins: \"example.com\" is no origin: write https://example.com, \
             https://*.example.com, http://localhost:* or *, without a path",
    ),
    (
        "client.allowed_origins = ['*', 'https://a.org']",
        "t.toml:1:8: client.allowed_origins: \"*\" allows every page; remove it, or the others",
    ),
    (
        "[client]\nallowed_origins = ['*']\ntoken_cookie = 'auth'",
        "t.toml:3:1: client.token_cookie: a cookie is sent by every page, and client.allowed_origins lets every \
             page connect: name the pages that may",
    ),
    (
        "client.token_cookie = 'a b'",
        "t.toml:1:8: client.token_cookie: \"a b\" is no name of a cookie",
    ),
    (
        "client.token.hmac_secret_key = 'short'",
        "t.toml:1:14: client.token.hmac_secret_key: the secret has 5 bytes, and HS256 wants 32 at least \
             (RFC 7518 §3.2); `openssl rand -hex 32` makes one",
    ),
    (
        "client.token.hmac_secret_key_file = 'nowhere'",
        "t.toml:1:14: client.token.hmac_secret_key_file: cannot read nowhere: entity not found",
    ),
    (
        "[client.token]\nhmac_secret_key = 'x'\nhmac_secret_key_file = 'secret.txt'",
        "t.toml:3:1: client.token.hmac_secret_key_file: client.token.hmac_secret_key says it already; one of \
             both is enough",
    ),
    (
        "[[client.token.keys]]\nkid = 'a'",
        "t.toml:1:1: client.token.keys[0]: a key is for one algorithm: write algorithm = \"…\"",
    ),
    (
        "[[client.token.keys]]\nalgorithm = 'none'",
        "t.toml:2:1: client.token.keys[0].algorithm: \"none\" is not one of HS256, HS384, HS512, RS256, RS384, \
             RS512, PS256, PS384, PS512, ES256, ES384, EdDSA",
    ),
    (
        "[[client.token.keys]]\nalgorithm = 'HS256'\npublic_key_file = 'public.pem'",
        "t.toml:1:1: client.token.keys[0]: HS256 takes a secret, or a secret_file, and no public key",
    ),
    (
        "[[client.token.keys]]\nalgorithm = 'ES256'\nsecret_file = 'secret.txt'",
        "t.toml:1:1: client.token.keys[0]: ES256 takes a public_key, or a public_key_file, and no secret",
    ),
    (
        "[[client.token.keys]]\nalgorithm = 'ES384'\npublic_key_file = 'public.pem'",
        "t.toml:3:1: client.token.keys[0].public_key_file: ES384 wants a key for P-384, and this is one for P-256",
    ),
    (
        "[[client.token.keys]]\nalgorithm = 'ES256'\npublic_key_file = 'private.pem'",
        "t.toml:3:1: client.token.keys[0].public_key_file: this is a private key; here belongs its public half, \
             which `openssl pkey -in FILE -pubout` prints",
    ),
    (
        "api.key = 'short'",
        "t.toml:1:5: api.key: a key has 16 bytes at least, so that nobody guesses it; `openssl rand -hex 32` \
             makes one",
    ),
    (
        "channel.without_namespace.name = 'x'",
        "t.toml:1:27: channel.without_namespace.name: channels without a namespace have no name for it; see \
             channel.namespaces",
    ),
    (
        "[[channel.namespaces]]\npresence = true",
        "t.toml:1:1: channel.namespaces[0]: a namespace has a name: write name = \"…\"",
    ),
    (
        "[[channel.namespaces]]\nname = 'a'\n[[channel.namespaces]]\nname = 'a'",
        "t.toml:4:1: channel.namespaces[1].name: there is another \"a\" before it",
    ),
    (
        "[[channel.namespaces]]\nname = 'a:b'",
        "t.toml:2:1: channel.namespaces[0].name: \"a:b\" is no name of a namespace: up to 64 letters, digits, -, \
             _ and .",
    ),
    (
        "[[channel.namespaces]]\nname = 'a'\nhistory_size = 10",
        "t.toml:3:1: channel.namespaces[0].history_size: history is kept for some time: set history_ttl as well",
    ),
    (
        "[channel.without_namespace]\nforce_recovery = true",
        "t.toml:2:1: channel.without_namespace.force_recovery: this wants history: set history_size and \
             history_ttl",
    ),
    (
        "[[channel.namespaces]]\nname = 'a'\nhistory_size = 10\nhistory_ttl = '1m'\nallow_recovery = true\n\
             slow_client = 'conflate'",
        "t.toml:5:1: channel.namespaces[0].allow_recovery: slow_client drops publications, and this promises \
             that none is missed: leave slow_client at \"disconnect\", or put these channels into another namespace",
    ),
    (
        "[channel.without_namespace]\nhistory_size = 1\nhistory_ttl = '2d'\nhistory_meta_ttl = '1d'",
        "t.toml:4:1: channel.without_namespace.history_meta_ttl: a position is remembered at least as long as \
             history_ttl",
    ),
    ("log.level = 'info", "t.toml:1:18: this is no TOML: invalid literal string, expected `'`"),
    ("[log]\n[log]", "t.toml:2:2: this is no TOML: duplicate key"),
];

#[test]
fn what_is_said_of_a_wrong_file() {
    for (text, expected) in WRONG {
        let said = load(text).map(|_| ()).unwrap_err();
        assert_eq!(said, *expected, "{text}");
    }
}

#[test]
fn limits_of_options_are_good_themselves() {
    for text in [
        "engine.threads = 128",
        "[client]\nping_interval = '10s'\npong_timeout = '10s'",
        "[client]\nping_interval = '0s'\npong_timeout = '11s'",
        "[client]\nchannel_limit = 50\ncommand_burst = 51",
        "[client]\nchannel_limit = 50\ncommand_burst = 50\ncommand_rate = 0",
    ] {
        assert_eq!(load(text).map(|_| ()), Ok(()), "{text}");
    }
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let said = load("engin = 1\n[log]\nformat = 'xml'\nlevel = 'x'\n").map(|_| ()).unwrap_err();
    let lines: Vec<_> = said.lines().map(|line| line.split(": ").next().unwrap()).collect();
    assert_eq!(lines, ["t.toml:1:1", "t.toml:3:1", "t.toml:4:1"]);
}

/// S12: whatever is wrong, no secret is in what is said of it.
#[test]
fn s12_no_secret_is_shown() {
    let texts = [
        "client.token.hmac_secret_key = 'hunter2'",
        "client.token.hmac_secret_kee = 'hunter2'",
        "client.token.hmac_secret_key = ['hunter2']",
        "client.token.hmac_secret_key = 'hunter2",
        "[client.token]\nhmac_secret_key = 'hunter2'\nhmac_secret_key_file = 'secret.txt'",
        "[[client.token.keys]]\nalgorithm = 'HS512'\nsecret = 'hunter2'",
        "api.key = 'hunter2'",
        "api.previous_keys = ['hunter2']",
    ];
    for text in texts {
        let said = load(text).map(|_| ()).unwrap_err();
        assert!(!said.contains("hunter2"), "{said}");
    }
    let good =
        load(&format!("[client.token]\nhmac_secret_key = '{SECRET}'\n[api]\nkey = '{SECRET}'"))
            .unwrap();
    assert!(!format!("{good:?}").contains(SECRET), "{good:?}");
    assert!(!good.options.to_toml().contains(SECRET));
    assert!(good.options.to_toml().contains("# hmac_secret_key = (a secret)"));
}

#[test]
fn what_comes_later_wins() {
    let sources = || Sources::new().file("t.toml", "log.level = 'warn'\nengine.threads = 3");
    let level = |sources: Sources| sources.load(read).unwrap().options.log.level;
    assert_eq!(level(Sources::new()), LogLevel::Info);
    assert_eq!(level(sources()), LogLevel::Warn);
    let debug = || [("TIDEWIRE_LOG_LEVEL".to_owned(), "debug".to_owned())];
    assert_eq!(level(sources().environment(debug())), LogLevel::Debug);
    let flag = sources().environment(debug()).flag("--log error", "log.level", "error");
    assert_eq!(level(flag.clone()), LogLevel::Error);
    assert_eq!(flag.load(read).unwrap().options.engine.threads, 3);
}

#[test]
fn environment_variables_by_rule() {
    let good = by_environment(&[
        ("PATH", "/bin"),
        ("TIDEWIRE_CLIENT_ALLOWED_ORIGINS", "https://a.org, https://b.org"),
        ("TIDEWIRE_CLIENT_TOKEN_HMAC_SECRET_KEY", SECRET),
        ("TIDEWIRE_HTTP_LISTEN", "0.0.0.0:80"),
        ("TIDEWIRE_CHANNEL_NAMESPACES", "[{ name = 'news', presence = true }]"),
        ("TIDEWIRE_CHANNEL_WITHOUT_NAMESPACE_PRESENCE", "true"),
        ("TIDEWIRE_CLIENT_MESSAGE_SIZE_LIMIT", "1MiB"),
    ]);
    let good = good.unwrap();
    assert!(good.door.tokens.has_keys() && good.door.subscription_tokens.has_keys());
    assert!(matches!(&good.door.origins, AllowedOrigins::List(list) if list.len() == 2));
    assert_eq!(good.options.channel.namespaces.len(), 1);
    assert!(good.options.channel.without_namespace.presence);
    assert_eq!(good.options.client.message_size_limit, Size(1 << 20));
    let cases = [
        (
            ("TIDEWIRE_LOG_LEVLE", "info"),
            "TIDEWIRE_LOG_LEVLE in the environment: there is no such option; did you mean TIDEWIRE_LOG_LEVEL?",
        ),
        (
            ("TIDEWIRE_XYZ", "info"),
            "TIDEWIRE_XYZ in the environment: there is no such option; `tidewire config` prints all of them",
        ),
        (
            ("TIDEWIRE_LOG_LEVEL", "loud"),
            "TIDEWIRE_LOG_LEVEL in the environment: log.level: \"loud\" is not one of error, warn, info, debug, trace",
        ),
        (
            ("TIDEWIRE_CHANNEL_NAMESPACES", "[{ nam = 'x' }]"),
            "TIDEWIRE_CHANNEL_NAMESPACES in the environment: channel.namespaces: [0].nam: there is no such option; \
             did you mean name?",
        ),
        (
            ("TIDEWIRE_CLIENT_PONG_TIMEOUT", "0s"),
            "TIDEWIRE_CLIENT_PONG_TIMEOUT in the environment: client.pong_timeout: nobody answers at once; the \
             default is \"10s\"",
        ),
    ];
    for (variable, expected) in cases {
        assert_eq!(by_environment(&[variable]).map(|_| ()).unwrap_err(), expected);
    }
    let flag =
        Sources::new().flag("--listen x", "http.listen", "x").load(read).unwrap_err().to_string();
    assert!(
        flag.starts_with("--listen x on the command line: http.listen: \"x\" is not"),
        "{flag}"
    );
    let unknown =
        Sources::new().flag("--set a.b=1", "log.b", "1").load(read).unwrap_err().to_string();
    assert_eq!(
        unknown,
        "--set a.b=1 on the command line: log.b: there is no such option here; there are level, format"
    );
}

#[test]
fn what_is_printed_can_be_read_again() {
    let defaults = Options::default().to_toml();
    let again = load(&defaults).unwrap();
    assert_eq!(again.options.to_toml(), defaults);
    // Every option has a line of its own, and words.
    for line in [
        "[client.token]",
        "# [[channel.namespaces]]",
        "# TIDEWIRE_DRAIN_WITHIN",
        "drain_within = \"30s\"",
    ] {
        assert!(defaults.lines().any(|printed| printed == line), "{line}\n{defaults}");
    }
    assert!(defaults.lines().all(|line| line.len() <= 170), "{defaults}");
    let text = "
        client.allowed_origins = ['https://a.org']
        [[channel.namespaces]]
        name = 'news'
        history_size = 10
        history_ttl = '90s'
        [[channel.namespaces]]
        name = 'chat'
        slow_client = 'drop_oldest'
        [[client.token.keys]]
        algorithm = 'ES256'
        public_key_file = 'public.pem'
    ";
    let printed = load(text).unwrap().options.to_toml();
    assert_eq!(printed.matches("\n[[channel.namespaces]]\n").count(), 2, "{printed}");
    let again = load(&printed).unwrap();
    assert_eq!(again.options.to_toml(), printed);
    assert!(again.door.tokens.has_keys());
}

/// What nobody has configured is what the parts do by themselves.
#[test]
fn defaults_are_those_of_the_parts() {
    let settings = Sources::new().load(read).unwrap();
    let seed = Seed::new([1, 2]);
    let (hub, its) = (settings.hub(seed), HubConfig::new(Namespaces::new(seed), seed));
    let limits = HubLimits { user_session_count_max: 100, ..HubLimits::default() };
    assert_eq!(hub.limits, limits, "there is more memory than patience with one user");
    assert_eq!(hub.ping_interval, its.ping_interval);
    assert_eq!((hub.pong_within, hub.connect_within), (its.pong_within, its.connect_within));
    assert_eq!((hub.expired_grace, hub.allow_anonymous), (its.expired_grace, its.allow_anonymous));
    assert_eq!(hub.position_check_interval, its.position_check_interval);
    assert_eq!(settings.door.limits, DoorLimits::default());
    let (tokens, theirs) = (settings.door.tokens.limits_in_use(), TokenLimits::default());
    assert_eq!((tokens.leeway, tokens.token_len_max), (theirs.leeway, theirs.token_len_max));
    assert_eq!(tokens.cache_count_max, theirs.cache_count_max);
    assert_eq!(tokens.channel_count_max, theirs.channel_count_max);
    assert_eq!(settings.door.origins, AllowedOrigins::Same);
    assert!(!settings.door.tokens.has_keys() && settings.api_keys.is_empty());
}

#[test]
fn what_the_hub_is_told() {
    let text = "
        [channel.without_namespace]
        allow_publish_for_subscriber = true
        [[channel.namespaces]]
        name = 'news'
        history_size = 10
        history_ttl = '90s'
        force_recovery = true
        allow_subscribe_for_client = true
        allow_history_for_anonymous = true
        [[channel.namespaces]]
        name = 'ticks'
        slow_client = 'conflate'
        [client]
        command_rate = 0
        ping_interval = '0s'
    ";
    let hub = load(text).unwrap().hub(Seed::new([1, 2]));
    assert_eq!((hub.limits.commands, hub.ping_interval), (None, None));
    let options = |name: &str| hub.namespaces.options(&ChannelName::new(name).unwrap()).cloned();
    let news = options("news:1").unwrap();
    let history = news.history.unwrap();
    assert_eq!((history.count_max, history.age_max), (10, Duration::from_secs(90)));
    assert!(news.force_recovery && news.permissions.subscribe.users);
    assert!(news.permissions.history.anonymous && !news.permissions.publish.subscribers);
    assert_eq!(options("ticks:1").unwrap().brim, Brim::Conflate);
    assert!(options("any").unwrap().permissions.publish.subscribers);
    assert!(options("other:1").is_none());
}

/// A client that is back subscribes to all of its channels in one frame.
#[test]
fn all_channels_of_a_client_fit_into_a_frame() {
    for (channels, commands, recoveries, pending) in
        [(1, 256, 256, 128), (128, 256, 256, 128), (1000, 1128, 1000, 1000)]
    {
        let settings =
            load(&format!("[client]\nchannel_limit = {channels}\ncommand_rate = 0")).unwrap();
        let (frames, hub) = (settings.options.frames(), settings.hub(Seed::new([1, 2])));
        let counts = (frames.command_count_max, frames.recovery_count_max);
        assert_eq!(counts, (commands, recoveries), "{channels}");
        assert_eq!(hub.limits.pending_command_count_max, pending, "{channels}");
    }
}

/// The certificate and its key are looked at before anything is started.
#[test]
fn tls_by_rule() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (cert, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let load = |cert_file: &str, key_file: &str| {
        let text = format!("[http]\ntls_cert_file = '{cert_file}'\ntls_key_file = '{key_file}'");
        let sources = Sources::new().file("t.toml", &text);
        let loaded = sources.load(|path| match path.to_str() {
            Some("cert.pem") => Ok(cert.clone()),
            Some("key.pem") => Ok(key.clone()),
            _ => read(path),
        });
        loaded.map(|settings| settings.tls.is_some()).map_err(|error| error.to_string())
    };
    assert_eq!(load("cert.pem", "key.pem"), Ok(true));
    let refused = [
        (
            "nowhere",
            "key.pem",
            "t.toml:2:1: http.tls_cert_file: cannot read nowhere: entity not found",
        ),
        (
            "cert.pem",
            "nowhere",
            "t.toml:3:1: http.tls_key_file: cannot read nowhere: entity not found",
        ),
        (
            "cert.pem",
            "private.pem",
            "t.toml:2:1: http.tls_cert_file: keys may not be consistent: KeyMismatch",
        ),
        ("key.pem", "key.pem", "t.toml:2:1: http.tls_cert_file: "),
        ("cert.pem", "cert.pem", "t.toml:2:1: http.tls_cert_file: private key: "),
    ];
    for (cert_file, key_file, expected) in refused {
        let said = load(cert_file, key_file).unwrap_err();
        assert!(said.starts_with(expected), "{cert_file} {key_file}: {said}");
    }
    assert!(Sources::new().load(read).unwrap().tls.is_none());
}

#[test]
fn keys_of_the_api_and_of_subscriptions() {
    let text = format!(
        "[api]\nkey_file = 'secret.txt'\nprevious_keys = ['0123456789abcdef']\n\
         [[client.subscription_token.keys]]\nkid = 'a'\nalgorithm = 'HS256'\nsecret = '{SECRET}'"
    );
    let settings = load(&text).unwrap();
    let keys: Vec<_> = settings.api_keys.iter().map(Secret::expose).collect();
    assert_eq!(keys, [SECRET, "0123456789abcdef"]);
    assert!(!settings.door.tokens.has_keys() && settings.door.subscription_tokens.has_keys());
}
