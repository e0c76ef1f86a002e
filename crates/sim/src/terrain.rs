//! [`Terrain`]: what differs from world to world: how many of everything, how fast, and which channels.

use std::{sync::Arc, time::Duration};

use tidewire_brokers::memory::Limits;
use tidewire_hub::{
    Brim, ChannelName, ChannelOptions, HubConfig, HubLimits, Namespaces, Permissions, Seed, Who,
    broker::Retention,
};

use crate::{accepted, fault::Fault, pacing::CommandRate, random::Random};

/// What a seed decides before anything happens.
#[derive(Debug)]
pub(crate) struct Terrain {
    pub(crate) seed: Seed,
    pub(crate) config: Arc<HubConfig>,
    pub(crate) limits: Limits,
    pub(crate) shard_count: usize,
    pub(crate) partition_count: usize,
    pub(crate) client_count: usize,
    /// What a queue between threads holds.
    pub(crate) queue_count_max: usize,
    pub(crate) delay_max: u64,
    /// Events of streams may be lost in silence, come twice, or come again late: no broker promises more. Then
    /// positions are checked, since nothing else tells of a last event.
    pub(crate) unreliable: bool,
    /// Nothing goes wrong but what clients do: no queue is full, no partition freezes, no limit is reached.
    pub(crate) calm: bool,
    /// How fast a session may give commands.
    pub(crate) command_rate: Option<CommandRate>,
}

/// Channels that clients subscribe to.
pub(crate) const CHANNELS: &[&str] = &[
    "kept:a",
    "kept:b",
    "short:a",
    "brief:a",
    "loose:a",
    "fleeting:a",
    "oldest:a",
    "latest:a",
    "private:a",
];

/// Channels to which some are subscribed by the application.
pub(crate) const SERVER_CHANNELS: &[&str] = &["kept:server", "short:server", "fleeting:server"];

/// Nothing that is kept is kept for longer.
pub(crate) const KEPT_MILLIS_MAX: u64 = 120_000;

impl Terrain {
    pub(crate) fn new(seed: u64, random: &mut Random, fault: Option<Fault>) -> Self {
        let calm = random.one_in(3);
        let key = Seed::new([seed, 0x5EED]);
        let unreliable = !calm && random.one_in(2);
        let checks_positions = unreliable || random.one_in(2);
        let mut config = HubConfig::new(namespaces(key), key);
        config.ping_interval = Some(Duration::from_secs(2));
        config.pong_within = Duration::from_millis(1_500);
        config.connect_within = Duration::from_secs(3);
        config.expired_grace = Duration::from_millis(500);
        config.request_within = Duration::from_secs(1);
        config.retry_after = Duration::from_millis(50);
        config.position_check_interval = checks_positions.then_some(Duration::from_millis(1_500));
        config.allow_anonymous = true;
        // More at once than anybody asks who has just come and behaves.
        let rates = [(20, 16), (50, 40)].map(|(count, burst)| CommandRate { count, burst });
        let command_rate = random.one_in(2).then(|| random.pick(&rates));
        let rate_known = command_rate.filter(|_| fault != Some(Fault::IgnoreRate));
        config.limits = HubLimits {
            backlog_len_max: random.pick(&[400, 2_000, 20_000]),
            release_len: random.pick(&[1, 150, 2_000]),
            merge_count_max: if calm { 1_024 } else { random.pick(&[2, 8, 64]) },
            recovery_count_max: if calm { 300 } else { random.pick(&[5, 50]) },
            resubscribe_count: random.pick(&[1, 100]),
            commands: rate_known.map(CommandRate::rate),
            command_bytes: None,
            ..HubLimits::default()
        };
        Self {
            seed: key,
            config: Arc::new(config),
            limits: Limits {
                idempotency_age_max: accepted::AGE_MAX,
                expiries_per_tick_max: random.pick(&[2, 1_000]),
                ..Limits::default()
            },
            shard_count: 1 + random.index(4),
            partition_count: 1 + random.index(3),
            client_count: 2 + random.index(7),
            queue_count_max: if calm { 100_000 } else { random.pick(&[1, 4, 20, 100]) },
            delay_max: random.pick(&[0, 5, 40, 200]),
            unreliable,
            calm,
            command_rate,
        }
    }
}

pub(crate) fn name(channel: &str) -> ChannelName {
    ChannelName::new(channel).unwrap_or_else(|_| unreachable!("it is one of ours"))
}

fn namespaces(seed: Seed) -> Namespaces {
    let everybody = Who { users: true, anonymous: true, subscribers: true };
    let permissions = Permissions {
        subscribe: everybody,
        publish: everybody,
        presence: everybody,
        history: everybody,
    };
    let open = ChannelOptions { permissions, ..ChannelOptions::default() };
    let retention = |count_max, age, position_age| {
        Some(Retention {
            count_max,
            age_max: Duration::from_millis(age),
            position_age_max: Duration::from_millis(position_age),
        })
    };
    let kept = ChannelOptions {
        history: retention(200, 60_000, KEPT_MILLIS_MAX),
        presence: true,
        join_leave: true,
        allow_recovery: true,
        allow_positioning: true,
        force_recovery: true,
        ..open.clone()
    };
    let fleeting = ChannelOptions { presence: true, ..open.clone() };
    Namespaces::new(seed)
        .named("short", ChannelOptions { history: retention(6, 700, 60_000), ..kept.clone() })
        .named(
            "brief",
            ChannelOptions {
                history: retention(4, 200, 400),
                force_join_leave: true,
                ..kept.clone()
            },
        )
        .named("loose", ChannelOptions { force_recovery: false, ..kept.clone() })
        .named(
            "private",
            ChannelOptions {
                permissions: Permissions { subscribe: Who::default(), ..permissions },
                ..kept.clone()
            },
        )
        .named("kept", kept)
        .named("oldest", ChannelOptions { brim: Brim::DropOldest, ..fleeting.clone() })
        .named("latest", ChannelOptions { brim: Brim::Conflate, ..fleeting.clone() })
        .named("fleeting", fleeting)
}
