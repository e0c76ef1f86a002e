//! [`Site`]: what is served, made of a configuration.

use std::{
    fmt, io,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use tidewire::{DeflateConfig, Server, proto::handshake::OriginPolicy};
use tidewire_brokers::{ShardIndex, memory};
use tidewire_dialects::api::ApiLimits;
use tidewire_hub::Seed;
use tokio_rustls::TlsAcceptor;

use super::api::Api;
use crate::{
    config::Settings,
    demo,
    door::Door,
    node::{Node, NodeConfig},
};

/// What is served. [`start`](Self::start) makes it of a configuration.
pub struct Site {
    pub(super) node: Node,
    pub(super) door: Door,
    pub(super) server: Server,
    pub(super) tls: Option<TlsAcceptor>,
    pub(super) frame_len_max: usize,
    pub(super) api: Api,
    pub(super) demo: bool,
    pub(super) operator_public: bool,
    pub(super) log_lines_dropped: Arc<AtomicU64>,
    pub(super) drain_within: Duration,
    /// What tells the requests of this run from those of others, in logs.
    pub(super) run: u32,
}

impl Site {
    /// Starts a node by this configuration. With `demo` the chat is at `/`, and names are taken for tokens
    /// unless there are keys.
    ///
    /// # Errors
    /// If the engine does not start.
    pub fn start(settings: &Settings, demo: bool) -> io::Result<Self> {
        let options = &settings.options;
        let (seed, run) = (random_seed()?, random_run()?);
        let threads = usize::try_from(options.engine.threads).ok().filter(|count| *count > 0);
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        // Where there are more cores than threads may be, the rest is for others.
        let thread_count = threads.unwrap_or_else(|| cores().min(ShardIndex::COUNT_MAX));
        let frame_len_max = options.client.message_size_limit.len();
        let mut hub = settings.hub(seed);
        if demo {
            // What a bare client says is quoted, where some bytes take six.
            hub.limits.publication_len_max = 6 * frame_len_max + 64;
        }
        let rules = settings.door.clone();
        let takes_names = demo && !rules.tokens.has_keys();
        let node = Node::start(NodeConfig {
            io: options.engine.io,
            thread_count,
            hub: Arc::new(hub),
            memory: memory::Limits::default(),
            frames: options.frames(),
            verifier: Box::new(move || {
                if takes_names {
                    Box::new(demo::NamesForTokens)
                } else {
                    Box::new(rules.verifier(seed))
                }
            }),
        })?;
        let server = Server::new()
            // The door has looked at it already.
            .origins(OriginPolicy::Any)
            // Whoever publishes secrets beside what strangers say should not compress them together
            // (RFC 7692 §8), so a window is never kept from one message to the next.
            .deflate(DeflateConfig::small_memory());
        let door = Door::new(settings.door.clone(), thread_count, seed);
        let api = Api {
            node: node.handle().clone(),
            users: door.users().clone(),
            calls: Arc::default(),
            run: format!("{run:08x}"),
            keys: settings.api_keys.clone(),
            body_len_max: options.api.request_size_limit.len(),
            limits: ApiLimits::default(),
        };
        Ok(Self {
            node,
            door,
            server,
            tls: settings.tls.clone().map(TlsAcceptor::from),
            frame_len_max,
            api,
            demo,
            operator_public: options.operator.public,
            log_lines_dropped: Arc::default(),
            drain_within: options.drain_within,
            run,
        })
    }

    /// Tells in the metrics how many lines of the log were dropped, which somebody else counts.
    #[must_use]
    pub fn log_lines_dropped(mut self, count: Arc<AtomicU64>) -> Self {
        self.log_lines_dropped = count;
        self
    }

    /// Whether clients have to speak TLS.
    pub const fn is_tls(&self) -> bool {
        self.tls.is_some()
    }
}

impl fmt::Debug for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Site")
            .field("node", &self.node)
            .field("demo", &self.demo)
            .finish_non_exhaustive()
    }
}

/// The key of all maps, by the system's generator.
fn random_seed() -> io::Result<Seed> {
    let mut key = [0; 16];
    getrandom::fill(&mut key).map_err(io::Error::other)?;
    let half = |bytes: &[u8]| bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
    Ok(Seed::new([half(&key[..8]), half(&key[8..])]))
}

fn random_run() -> io::Result<u32> {
    let mut run = [0; 4];
    getrandom::fill(&mut run).map_err(io::Error::other)?;
    Ok(u32::from_be_bytes(run))
}
