//! [`Options`]: everything that can be configured, with its default and its documentation.
//!
//! Names are Centrifugo's where the meaning is, so that a configuration is easily brought along. Tables
//! stand behind the values of the table that they are in, as TOML wants it.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use tidewire_engine::Io;
use tidewire_hub::Brim;

use super::{
    measures::Size,
    scalar::OriginText,
    setting::{List, section},
    words::{LogFormat, LogLevel},
};
use crate::door::{Network, Secret, token::Algorithm};

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

section! {
    /// Every option, with what it is for. Those that are comments are not set.
    pub struct Options {
        /// Proxies in front of the server, as networks. What anybody else says in X-Forwarded-For and
        /// X-Forwarded-Proto is not listened to.
        trusted_proxies: List<Network> = List(Vec::new()),
        /// How long a stop may take: clients are told to reconnect elsewhere, one after another.
        drain_within: Duration = seconds(30),
        /// Where clients connect.
        http: Http = Http::default(),
        /// Where /health and /metrics are.
        operator: Operator = Operator::default(),
        /// Who may connect, and how much of everything a client may have.
        client: Client = Client::default(),
        /// Which channels there are, and what they have and allow.
        channel: Channels = Channels::default(),
        /// The server API, for the application.
        api: Api = Api::default(),
        /// The event loops that move the bytes.
        engine: EngineOptions = EngineOptions::default(),
        /// The log, which goes to standard error.
        log: Log = Log::default(),
    }
}

section! {
    /// Where clients connect.
    pub struct Http {
        /// Addresses and ports to listen on.
        listen: List<SocketAddr> = List(vec![SocketAddr::from(([127, 0, 0, 1], 8080))]),
        /// The certificate and its chain, in PEM. Without it there is no TLS.
        tls_cert_file: Option<PathBuf> = None,
        /// The certificate's private key, in PEM.
        tls_key_file: Option<PathBuf> = None,
    }
}

section! {
    /// Where /health and /metrics are: not for everybody, so it has a listener of its own.
    pub struct Operator {
        /// Addresses and ports to listen on.
        listen: List<SocketAddr> = List(vec![SocketAddr::from(([127, 0, 0, 1], 8081))]),
        /// Answer /health and /metrics where clients connect, too.
        public: bool = false,
    }
}

section! {
    /// Who may connect, and how much of everything a client may have.
    pub struct Client {
        /// Pages that may connect, by their origins: `https://example.com`, `https://*.example.com` for its
        /// subdomains, `http://localhost:*` for any port, `*` for all. With none, those from the same host and port.
        allowed_origins: List<OriginText> = List(Vec::new()),
        /// Clients without a token may connect, as nobody in particular. What they may do, the channels say.
        allow_anonymous_connect_without_token: bool = false,
        /// The cookie that has the token, if one may. It counts for pages that may connect, and no others.
        token_cookie: Option<String> = None,
        /// Tokens are taken from ?token= as well, where every proxy on the way writes them into its log.
        token_in_query: bool = false,
        /// How often a client is pinged; "0s" for never.
        ping_interval: Duration = seconds(25),
        /// How long it may take to answer; no longer than `ping_interval`.
        pong_timeout: Duration = seconds(10),
        /// How long a client may take to say who it is.
        stale_close_delay: Duration = seconds(10),
        /// How long a session or a subscription lives on when its time is over, for a new token to come.
        expired_close_delay: Duration = seconds(25),
        /// Channels that one client may be subscribed to. When it is back it asks for all of them in one message,
        /// for which `message_size_limit` and `command_burst` have to have room.
        channel_limit: u32 = 128,
        /// Connections on this node; 0 for no limit. Beyond, 503.
        connection_limit: u32 = 100_000,
        /// Connections of one address, or one /64 of IPv6; 0 for no limit. Beyond, 429.
        connection_limit_per_address: u32 = 1000,
        /// Connections of one user on this node; 0 for no limit. Beyond, 429, or 3504 where the token comes later.
        user_connection_limit: u32 = 100,
        /// Requests a second by one address in the long run; 0 for no limit. Beyond, 429.
        handshake_rate_per_address: u32 = 20,
        /// Requests by one address at once.
        handshake_burst_per_address: u32 = 500,
        /// Tickets that may be out at one time.
        ticket_limit: u32 = 10_000,
        /// Commands a second of one client in the long run; 0 for no limit. Beyond, it is disconnected with 3013.
        command_rate: u32 = 500,
        /// Commands of one client at once; more than `channel_limit`.
        command_burst: u32 = 1000,
        /// Bytes a second in the commands of one client in the long run; 0 for no limit.
        byte_rate: Size = Size(1 << 20),
        /// Bytes in the commands of one client at once.
        byte_burst: Size = Size(4 << 20),
        /// Commands a second of one user in the long run, of all its connections on this node together; 0 for no
        /// limit. Beyond, they are answered with error 111. Clients who have not said who they are are not one user.
        user_command_rate: u32 = 2000,
        /// Commands of one user at once.
        user_command_burst: u32 = 5000,
        /// Bytes a second in the messages of one user in the long run, likewise; 0 for no limit.
        user_byte_rate: Size = Size(4 << 20),
        /// Bytes in the messages of one user at once.
        user_byte_burst: Size = Size(16 << 20),
        /// The longest message of a client, in bytes.
        message_size_limit: Size = Size(64 << 10),
        /// Bytes that wait for a client that reads slowly. Beyond, the channel's `slow_client` counts.
        queue_max_size: Size = Size(1 << 20),
        /// Publications in one answer to a request for history.
        history_max_publication_limit: u32 = 1000,
        /// Bytes of publications in one answer to a request for history. What is beyond, a client asks for from there.
        /// Many clients take no message beyond 1 MiB.
        history_max_size: Size = Size(768 << 10),
        /// Publications that a client may have missed and still recover.
        recovery_max_publication_limit: u32 = 300,
        /// Bytes of publications that one answer recovers. Who has missed more is told that it is not recovered.
        recovery_max_size: Size = Size(768 << 10),
        /// How often it is checked that nothing was lost at the end of a channel; "0s" for never.
        channel_position_check_delay: Duration = seconds(40),
        /// Which tokens are good.
        token: Token = Token::default(),
        /// Which subscription tokens are good, where they have keys of their own; else those of `token`.
        subscription_token: Token = Token::default(),
    }
}

section! {
    /// Which tokens are good. Without a key none is.
    pub struct Token {
        /// The secret of tokens by HS256: the same as one of `keys` with that algorithm.
        hmac_secret_key: Option<Secret> = None,
        /// The file that has it.
        hmac_secret_key_file: Option<PathBuf> = None,
        /// Tokens by this issuer (`iss`) are good, and no others. If it is not set, nobody asks.
        issuer: Option<String> = None,
        /// Tokens for this audience (`aud`) are good, and no others. If it is not set, tokens without one.
        audience: Option<String> = None,
        /// By how much clocks may differ.
        leeway: Duration = seconds(5),
        /// The longest token, in bytes.
        size_limit: Size = Size(8 << 10),
        /// Verified tokens that each thread remembers, so that clients that come back cost no signatures.
        cache_size: u32 = 16_384,
        /// Keys, each for one algorithm. Several at a time, while one takes another's place.
        keys: Vec<TokenKey> = Vec::new(),
    }
}

section! {
    /// A key that verifies tokens: a secret for HS…, a public key for the others.
    pub struct TokenKey {
        /// Its name, as in the `kid` of tokens. Without one it is tried on every token of its algorithm.
        kid: Option<String> = None,
        /// The one algorithm that it is for.
        algorithm: Option<Algorithm> = None,
        /// The secret.
        secret: Option<Secret> = None,
        /// The file that has it.
        secret_file: Option<PathBuf> = None,
        /// The public key, in PEM (BEGIN PUBLIC KEY).
        public_key: Option<String> = None,
        /// The file that has it.
        public_key_file: Option<PathBuf> = None,
    }
}

section! {
    /// Which channels there are, and what they have and allow.
    pub struct Channels {
        /// Channels without a namespace: without a `:` in their names.
        without_namespace: ChannelSettings = ChannelSettings::default(),
        /// Channels whose names begin with that of the namespace and a `:`.
        namespaces: Vec<ChannelSettings> = Vec::new(),
    }
}

section! {
    /// What channels have and allow: by default nothing. A subscription token, or the server API, needs no permission.
    pub struct ChannelSettings {
        /// The namespace: letters, digits, `-`, `_` and `.`.
        name: String = String::new(),
        /// Who is in a channel is known.
        presence: bool = false,
        /// Others hear who comes and goes, if they ask for it.
        join_leave: bool = false,
        /// They hear it without asking.
        force_push_join_leave: bool = false,
        /// So many publications are kept; 0 for none.
        history_size: u32 = 0,
        /// For so long.
        history_ttl: Duration = Duration::ZERO,
        /// For so long after the last publication a channel's position is remembered.
        history_meta_ttl: Duration = seconds(30 * 24 * 60 * 60),
        /// Every subscription is recovered when its client was away.
        force_recovery: bool = false,
        /// Clients may ask for it.
        allow_recovery: bool = false,
        /// The loss of a publication is noticed in every subscription.
        force_positioning: bool = false,
        /// Clients may ask for it.
        allow_positioning: bool = false,
        /// Clients who have said who they are may subscribe.
        allow_subscribe_for_client: bool = false,
        /// Those who have not may subscribe.
        allow_subscribe_for_anonymous: bool = false,
        /// Clients who have said who they are may publish.
        allow_publish_for_client: bool = false,
        /// Those who have not may publish.
        allow_publish_for_anonymous: bool = false,
        /// Subscribers may publish.
        allow_publish_for_subscriber: bool = false,
        /// Clients who have said who they are may ask who is there.
        allow_presence_for_client: bool = false,
        /// Those who have not may ask who is there.
        allow_presence_for_anonymous: bool = false,
        /// Subscribers may ask who is there.
        allow_presence_for_subscriber: bool = false,
        /// Clients who have said who they are may read history.
        allow_history_for_client: bool = false,
        /// Those who have not may read history.
        allow_history_for_anonymous: bool = false,
        /// Subscribers may read history.
        allow_history_for_subscriber: bool = false,
        /// `name#ann,bob` is a channel of Ann and Bob alone, to which they may subscribe.
        allow_user_limited_channels: bool = false,
        /// What happens to a client that reads more slowly than a channel publishes: it is disconnected, what
        /// has waited longest is dropped, or only the latest of each key waits.
        slow_client: Brim = Brim::Disconnect,
    }
}

section! {
    /// The server API, for the application. Without a key it is off.
    pub struct Api {
        /// The key, as in `X-API-Key` or `Authorization: apikey`.
        key: Option<Secret> = None,
        /// The file that has it.
        key_file: Option<PathBuf> = None,
        /// Further keys that are taken, while one takes another's place.
        previous_keys: List<Secret> = List(Vec::new()),
        /// The longest request, in bytes.
        request_size_limit: Size = Size(1 << 20),
    }
}

section! {
    /// The event loops that move the bytes.
    pub struct EngineOptions {
        /// What they are built on: auto is uring where the kernel allows it.
        io: Io = Io::Auto,
        /// How many there are, 128 at most; 0 for one on each core.
        threads: u32 = 0,
    }
}

section! {
    /// The log, which goes to standard error.
    pub struct Log {
        /// The least important lines that it has.
        level: LogLevel = LogLevel::Info,
        /// How a line looks.
        format: LogFormat = LogFormat::Text,
    }
}
