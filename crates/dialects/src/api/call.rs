//! [`Call`]: what an application asks for.

use std::fmt;

use bytestring::ByteString;
use tidewire_hub::{
    ClientId, Data, Error, Farewell, History, SubscriptionGrant, Tags, UserId, broker::Version,
};

use super::request;

/// What may be asked for, by the last part of the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a server answers each")]
#[expect(missing_docs, reason = "each is the call of that name")]
pub enum Method {
    Publish,
    Broadcast,
    Subscribe,
    Unsubscribe,
    Disconnect,
    Presence,
    PresenceStats,
    History,
    HistoryRemove,
    Channels,
    Info,
    Batch,
}

impl Method {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Publish,
        Self::Broadcast,
        Self::Subscribe,
        Self::Unsubscribe,
        Self::Disconnect,
        Self::Presence,
        Self::PresenceStats,
        Self::History,
        Self::HistoryRemove,
        Self::Channels,
        Self::Info,
        Self::Batch,
    ];

    /// The method of that name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.name() == name)
    }

    /// Its name, in paths and in batches.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Broadcast => "broadcast",
            Self::Subscribe => "subscribe",
            Self::Unsubscribe => "unsubscribe",
            Self::Disconnect => "disconnect",
            Self::Presence => "presence",
            Self::PresenceStats => "presence_stats",
            Self::History => "history",
            Self::HistoryRemove => "history_remove",
            Self::Channels => "channels",
            Self::Info => "info",
            Self::Batch => "batch",
        }
    }
}

/// How much may be asked for at once. How long a body may be is for whoever receives it to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the configuration makes it, with `..default()`")]
pub struct ApiLimits {
    /// Calls of a batch. 1,000 unless said otherwise.
    pub call_count_max: usize,
    /// Channels of a broadcast. 10,000 unless said otherwise.
    pub channel_count_max: usize,
    /// Tags of a publication. 32 unless said otherwise: each receiver gets them all.
    pub tag_count_max: usize,
}

impl Default for ApiLimits {
    fn default() -> Self {
        Self { call_count_max: 1_000, channel_count_max: 10_000, tag_count_max: 32 }
    }
}

/// What an application asks for. Channels are names as they came.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "a server answers each")]
pub enum Call {
    /// To publish to a channel.
    Publish {
        /// The channel.
        channel: ByteString,
        /// What.
        message: Message,
    },
    /// To publish the same to many channels.
    Broadcast {
        /// The channels; at least one.
        channels: Vec<ByteString>,
        /// What.
        message: Message,
    },
    /// To subscribe sessions.
    Subscribe(Box<Subscribe>),
    /// To end subscriptions.
    Unsubscribe {
        /// Whose.
        whom: Whom,
        /// To what.
        channel: ByteString,
    },
    /// To end sessions.
    Disconnect {
        /// Whose.
        whom: Whom,
        /// But not these.
        spared: Vec<ClientId>,
        /// What they are told.
        why: Farewell,
    },
    /// Who is in a channel.
    Presence {
        /// The channel.
        channel: ByteString,
    },
    /// How many are in a channel.
    PresenceStats {
        /// The channel.
        channel: ByteString,
    },
    /// What was published to a channel.
    History(History),
    /// To forget what was published to a channel.
    HistoryRemove {
        /// The channel.
        channel: ByteString,
    },
    /// Which channels have subscribers.
    Channels {
        /// Only those whose name matches; empty for all.
        pattern: ByteString,
    },
    /// What the nodes are doing.
    Info,
    /// Several calls, one after the other; none of them is a batch. Some of them may not be what they
    /// should be, which harms no others.
    Batch(Vec<Result<Self, Error>>),
}

/// What is published.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "a server takes it apart")]
pub struct Message {
    /// The payload.
    pub data: Data,
    /// What is said beside it.
    pub tags: Tags,
    /// The key for conflation.
    pub key: Option<ByteString>,
    /// Whether it is sent, and not kept.
    pub skip_history: bool,
    /// Not taken again under the same key.
    pub idempotency_key: Option<ByteString>,
    /// Not taken unless above the channel's last one.
    pub version: Option<Version>,
}

/// Some sessions: those of a user, or of them the one that is named.
#[derive(Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a server takes it apart")]
pub struct Whom {
    /// The user; empty for those who are nobody in particular.
    pub user: UserId,
    /// The session, by its public name.
    pub client: Option<ClientId>,
    /// The session, by its secret.
    pub session: Option<ByteString>,
}

/// The secret is not for logs.
impl fmt::Debug for Whom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Whom")
            .field("user", &self.user)
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}

/// See [`Call::Subscribe`].
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "a server takes it apart")]
pub struct Subscribe {
    /// Whose sessions.
    pub whom: Whom,
    /// To what, and how. It has no expiry: that is `expires_at`.
    pub grant: SubscriptionGrant,
    /// When it ends, in seconds since 1970, if ever. A hub counts time from elsewhere.
    pub expires_at: Option<u64>,
    /// Whether to recover from here: the epoch, which may be empty, and the offset.
    pub recover: Option<(ByteString, u64)>,
}

/// Why a call is not carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a server answers each")]
pub enum BadCall {
    /// It is no JSON, no object, or has members of wrong types: 400, without a body of ours.
    Malformed,
    /// It is understood, and refused: a [response](super::response) like any other.
    Refused(Error),
}

impl Call {
    /// Reads the body of a request.
    ///
    /// # Errors
    /// If it is not what its method wants.
    pub fn of_body(method: Method, body: &[u8], limits: &ApiLimits) -> Result<Self, BadCall> {
        request::call(method, body, limits)
    }

    /// What it is a call of.
    pub const fn method(&self) -> Method {
        match self {
            Self::Publish { .. } => Method::Publish,
            Self::Broadcast { .. } => Method::Broadcast,
            Self::Subscribe(_) => Method::Subscribe,
            Self::Unsubscribe { .. } => Method::Unsubscribe,
            Self::Disconnect { .. } => Method::Disconnect,
            Self::Presence { .. } => Method::Presence,
            Self::PresenceStats { .. } => Method::PresenceStats,
            Self::History(_) => Method::History,
            Self::HistoryRemove { .. } => Method::HistoryRemove,
            Self::Channels { .. } => Method::Channels,
            Self::Info => Method::Info,
            Self::Batch(_) => Method::Batch,
        }
    }
}
