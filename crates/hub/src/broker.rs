//! The broker contract: where streams and presence live, as messages.
//!
//! A shard asks by [`Request`], each of which is answered by one [`Response`] with the same id, sooner or
//! later, in any order. What it wants to hear ([`Ask::Subscribe`]) comes as [`Event`]s. Requests about
//! one channel are carried out in the order in which they were submitted.
//!
//! What every broker promises:
//!
//! - Offsets of a channel are contiguous within an epoch, and all shards see its publications in one order.
//! - From the answer to [`Ask::Subscribe`] on, every publication reaches the shard as an event, or the shard
//!   is told of a [gap](Event::Top), or that [everything may be stale](Event::Lost).
//! - An event may come twice or late; the offset tells. It never has another publication's offset.
//! - [`Ask::Read`] since a position gives all that is after it, or says that it cannot. Never part of it,
//!   unless a limit was asked for; and then from the front. In reverse it gives what is still there.
//! - There is an epoch always, also in channels in which nothing has happened. A position with an empty
//!   epoch and offset zero ([`Position::of_client`]) is the very beginning of whatever stream there is.
//!   One above the top, or of another epoch, cannot be recovered from.
//! - While a shard is subscribed, the channel's epoch stays.
//! - A publication with an idempotency key that was taken before is not taken again, for as long as the key
//!   is remembered; its position is told. One with a version that is not above the last one is not taken.
//! - When history is removed or has expired, the epoch and the offset go on, for as long as the retention
//!   says. After that a new epoch begins.

use std::{sync::Arc, time::Duration};

use bytestring::ByteString;

use crate::{
    command::HistoryFilter,
    names::ChannelName,
    publication::{Data, Epoch, Member, Position, Publication, Tags},
};

/// By what a response is matched to its request: unique within one shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// A request to the broker.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "drivers take it apart")]
pub struct Request {
    /// Which one.
    pub id: RequestId,
    /// About what.
    pub channel: ChannelName,
    /// What is asked.
    pub ask: Ask,
}

/// What may be asked of a broker.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "each broker answers each")]
pub enum Ask {
    /// Take a publication. Answered by [`Answer::Published`].
    Publish(Box<Draft>),
    /// Tell what was published. Answered by [`Answer::History`].
    Read(HistoryFilter),
    /// Forget what was published; epoch and offset stay. Answered by [`Answer::Done`].
    RemoveHistory,
    /// Send this shard the channel's events from now on. Answered by [`Answer::Subscribed`].
    Subscribe,
    /// Do not, any more. Answered by [`Answer::Done`]; events may still come.
    Unsubscribe,
    /// A session is in the channel. Answered by [`Answer::Done`]. If it is there already, that refreshes what
    /// is said of it, and nobody is told.
    Enter(Attendance),
    /// A session is not there any more. Answered by [`Answer::Done`]. If it was not there, nobody is told.
    Leave(Attendance),
    /// Who is there. Answered by [`Answer::Presence`].
    Presence,
    /// How many are there. Answered by [`Answer::PresenceStats`].
    PresenceStats,
}

/// A publication before it has a place in a stream.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "drivers take it apart")]
pub struct Draft {
    /// The payload.
    pub data: Data,
    /// Who publishes, if that is a client.
    pub publisher: Option<Arc<Member>>,
    /// What is said beside the payload.
    pub tags: Tags,
    /// The key for conflation.
    pub key: Option<ByteString>,
    /// How much of the stream is kept. Nothing: then it has no stream, and its offset is zero.
    pub retention: Option<Retention>,
    /// Not taken again under the same key.
    pub idempotency_key: Option<ByteString>,
    /// Not taken unless above the channel's last one of the same version epoch.
    pub version: Option<Version>,
}

/// How much of a stream is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "namespaces have it")]
pub struct Retention {
    /// So many publications at most.
    pub count_max: u32,
    /// None that is older.
    pub age_max: Duration,
    /// How long epoch and offset are remembered after the last publication.
    pub position_age_max: Duration,
}

/// The version of what is published, by the application's count.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the application gives it")]
pub struct Version {
    /// Greater is newer.
    pub number: u64,
    /// Numbers of different epochs are not compared: the newcomer wins.
    pub epoch: ByteString,
}

/// Somebody in a channel.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "drivers take it apart")]
pub struct Attendance {
    /// Who.
    pub member: Arc<Member>,
    /// Whether it stands in presence.
    pub present: bool,
    /// Whether others hear of it.
    pub announced: bool,
}

/// The answer to a request.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "brokers make it")]
pub struct Response {
    /// Which request.
    pub id: RequestId,
    /// The answer to it.
    pub answer: Result<Answer, Failure>,
}

/// What a broker answers.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "one for each kind of request")]
pub enum Answer {
    /// The place of a publication, in channels that have a stream.
    Published {
        /// Where it stands, now or since the first time.
        position: Option<Position>,
        /// Whether it was not taken, for its idempotency key or its version.
        suppressed: bool,
    },
    /// Publications, as they were asked for.
    History {
        /// In the order that was asked for.
        publications: Vec<Arc<Publication>>,
        /// The newest of the stream, whether it is among them or not.
        top: Position,
    },
    /// Events come from here on.
    Subscribed {
        /// The newest of the stream.
        top: Position,
    },
    /// It is done.
    Done,
    /// In the order in which they came.
    Presence(Vec<Arc<Member>>),
    /// Counts.
    PresenceStats {
        /// Sessions.
        client_count: u32,
        /// Different users.
        user_count: u32,
    },
}

/// Why a broker did not do it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a shard makes something of each")]
pub enum Failure {
    /// The position is of another epoch, or history does not reach back to it.
    Unrecoverable {
        /// The newest of the stream.
        top: Position,
    },
    /// It is not there, or does not keep up. Worth another try.
    Unavailable,
    /// More than it may hold.
    LimitExceeded,
}

/// What a broker tells a shard that has subscribed to a channel.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "a shard makes something of each")]
pub enum Event {
    /// Something was published.
    Published {
        /// Where.
        channel: ChannelName,
        /// Of which incarnation; `None` in channels without a stream.
        epoch: Option<Epoch>,
        /// What.
        publication: Arc<Publication>,
    },
    /// Somebody came.
    Joined {
        /// Where.
        channel: ChannelName,
        /// Who.
        member: Arc<Member>,
    },
    /// Somebody left.
    Left {
        /// Where.
        channel: ChannelName,
        /// Who.
        member: Arc<Member>,
    },
    /// The stream is here now: whoever is not has missed something.
    Top {
        /// Which channel's.
        channel: ChannelName,
        /// The newest.
        position: Position,
    },
    /// The broker is away, or was: nothing is known of any channel until it has been asked again.
    Lost,
}

impl Event {
    /// The channel that it is about; `None`: all of them.
    pub const fn channel(&self) -> Option<&ChannelName> {
        match self {
            Self::Published { channel, .. }
            | Self::Joined { channel, .. }
            | Self::Left { channel, .. }
            | Self::Top { channel, .. } => Some(channel),
            Self::Lost => None,
        }
    }
}
