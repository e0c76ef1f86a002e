//! [`HubConfig`]: what a shard is told when it begins, and [`HubLimits`]: how much of everything there may be.

use std::time::Duration;

use crate::{namespace::Namespaces, pace::Rate, seeded::Seed};

/// How a hub behaves. All shards of a node share one.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_structs, reason = "made by `new`, and changed field by field")]
pub struct HubConfig {
    /// Which channels there are, and what they allow.
    pub namespaces: Namespaces,
    /// How much of everything there may be.
    pub limits: HubLimits,
    /// The key of all maps.
    pub seed: Seed,
    /// Whether a session may be nobody in particular. What such a one may do is said by the namespaces.
    pub allow_anonymous: bool,
    /// How often a session is pinged, if it is.
    pub ping_interval: Option<Duration>,
    /// How long it may take to answer.
    pub pong_within: Duration,
    /// How long a session may take to say who it is.
    pub connect_within: Duration,
    /// How long after its time a session or a subscription lives on, so that a new token may come.
    pub expired_grace: Duration,
    /// How long a broker may take to answer, before that counts as a failure.
    pub request_within: Duration,
    /// How long to wait before a broker that has failed is asked again; doubled each time,
    /// [`RETRY_DOUBLINGS_MAX`](Self::RETRY_DOUBLINGS_MAX) times at most.
    pub retry_after: Duration,
    /// How often the top of a channel with positioned subscriptions is asked for when nothing was heard of
    /// it, so that the loss of a last publication is noticed.
    pub position_check_interval: Option<Duration>,
    /// How often presence is told again, for brokers that forget it.
    pub presence_refresh_interval: Option<Duration>,
}

impl HubConfig {
    /// How often [`retry_after`](Self::retry_after) is doubled.
    pub const RETRY_DOUBLINGS_MAX: u8 = 7;

    /// The defaults, for these channels and with this key.
    pub fn new(namespaces: Namespaces, seed: Seed) -> Self {
        Self {
            namespaces,
            limits: HubLimits::default(),
            seed,
            allow_anonymous: false,
            ping_interval: Some(Duration::from_secs(25)),
            pong_within: Duration::from_secs(10),
            connect_within: Duration::from_secs(10),
            expired_grace: Duration::from_secs(25),
            request_within: Duration::from_secs(10),
            retry_after: Duration::from_millis(125),
            position_check_interval: Some(Duration::from_secs(40)),
            presence_refresh_interval: None,
        }
    }
}

/// How much of everything there may be in one shard, or in one session of it.
///
/// Whoever reaches a limit is told so; what is at the limit is still served.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the configuration makes it, with `..default()`")]
pub struct HubLimits {
    /// Sessions.
    pub session_count_max: usize,
    /// Sessions of one user, unless anonymous.
    pub user_session_count_max: usize,
    /// Subscriptions of one session.
    pub subscription_count_max: usize,
    /// Bytes in the name of a channel; not more than [`ChannelName::LEN_MAX`](crate::ChannelName::LEN_MAX).
    pub channel_name_len_max: usize,
    /// Bytes of payload in a publication of a client.
    pub publication_len_max: usize,
    /// Publications in the answer to a request for history.
    pub history_count_max: u32,
    /// Bytes of publications in it, overhead included: what is beyond can be asked for from there. One
    /// publication may always be in it.
    pub history_len_max: usize,
    /// Publications that a client may have missed and still recover.
    pub recovery_count_max: u32,
    /// Bytes of publications, overhead included, that one answer recovers: for one subscription, or for all of
    /// those that are recovered as a session connects. Beyond, a subscription is not recovered.
    pub recovery_len_max: usize,
    /// Publications kept for one channel while its history is read.
    pub merge_count_max: usize,
    /// Commands of one session that wait for an answer.
    pub pending_command_count_max: usize,
    /// Bytes of publications held back for one session that does not keep up.
    pub backlog_len_max: usize,
    /// Bytes of publications held back for all sessions together.
    pub shard_backlog_len_max: usize,
    /// Bytes of them that are let go at a time.
    pub release_len: usize,
    /// Commands of one session, by time.
    pub commands: Option<Rate>,
    /// Bytes in the commands of one session, by time.
    pub command_bytes: Option<Rate>,
    /// How often a broker that fails is asked before somebody is told.
    pub attempt_count_max: u8,
    /// What the broker has failed to do, that nobody waits for and that is asked for again until it is done: to
    /// forget who has left, or that a channel's events are wanted. What is above it is given up.
    pub chore_count_max: usize,
    /// Channels asked for again in one tick after the broker was away.
    pub resubscribe_count: usize,
    /// Members of channels that it is told of again in one tick, in case it has forgotten who is there.
    pub retell_count: usize,
}

/// Many clients take no message beyond 1 MiB, and bytes are a third longer where a dialect has only text for them.
const ANSWER_LEN_MAX: usize = 768 << 10;

impl Default for HubLimits {
    fn default() -> Self {
        Self {
            session_count_max: 1 << 20,
            user_session_count_max: 1 << 10,
            subscription_count_max: 128,
            channel_name_len_max: 255,
            publication_len_max: 64 << 10,
            history_count_max: 1000,
            history_len_max: ANSWER_LEN_MAX,
            recovery_count_max: 300,
            recovery_len_max: ANSWER_LEN_MAX,
            merge_count_max: 1024,
            pending_command_count_max: 128,
            backlog_len_max: 1 << 20,
            shard_backlog_len_max: 256 << 20,
            release_len: 64 << 10,
            commands: Some(Rate::per_second(500, 1000)),
            command_bytes: Some(Rate::per_second(1 << 20, 4 << 20)),
            attempt_count_max: 4,
            chore_count_max: 1 << 16,
            resubscribe_count: 1 << 10,
            retell_count: 1 << 10,
        }
    }
}
