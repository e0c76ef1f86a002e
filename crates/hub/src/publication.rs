//! [`Publication`]: what is published, by whom, and where it stands in its channel's stream.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use bytestring::ByteString;

use crate::names::{ClientId, UserId};

/// The payload of a publication, a message or a call.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "text that is JSON, or bytes that may be anything")]
pub enum Data {
    /// JSON, checked and minified by whoever took it in: no newline stands in it.
    Json(ByteString),
    /// Any bytes.
    Binary(Bytes),
}

impl Data {
    /// Bytes of payload.
    pub fn len(&self) -> usize {
        match self {
            Self::Json(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }

    /// Whether there is no payload.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// One incarnation of a stream. Offsets of different epochs have nothing to do with each other.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Epoch(Arc<str>);

impl Epoch {
    /// The epoch of that name. A broker never gives out an empty one.
    pub fn new(name: &str) -> Self {
        Self(Arc::from(name))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A place in a stream: everything up to and including `offset` is before it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a position is these two")]
pub struct Position {
    /// The incarnation.
    pub epoch: Epoch,
    /// Zero before the first publication, which has offset one.
    pub offset: u64,
}

/// `epoch.offset`, as it stands wherever a position is text.
impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.epoch.as_str(), self.offset)
    }
}

/// Who is in a channel, or has published: what others may see of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "as the client protocol has it")]
pub struct Member {
    /// The user, empty for an anonymous one.
    pub user: UserId,
    /// The session.
    pub client: ClientId,
    /// What the application said of the connection.
    pub connection_info: Option<Data>,
    /// What the application said of the subscription.
    pub channel_info: Option<Data>,
}

/// Tags of a publication: few, and in order.
pub type Tags = Box<[(ByteString, ByteString)]>;

/// A publication, shared by all who receive it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "it is made by brokers and read by dialects")]
pub struct Publication {
    /// Its place in the stream; zero in channels without history, which have no stream.
    pub offset: u64,
    /// The payload.
    pub data: Data,
    /// Who published, if that was a client.
    pub publisher: Option<Arc<Member>>,
    /// What was said beside the payload.
    pub tags: Tags,
    /// The key for [conflation](crate::Brim::Conflate): of those with the same one, the latest counts.
    pub key: Option<ByteString>,
    /// Milliseconds since 1970, by the clock of the broker that took it; it orders nothing.
    pub time: u64,
}

impl Publication {
    /// What each is charged in an answer beside what it says, so that many small ones are not free.
    const OVERHEAD: usize = 128;

    /// Bytes that it takes in an answer, whatever the dialect: there it is about as long, and never twice.
    pub(crate) fn cost(&self) -> usize {
        let data = |data: &Option<Data>| data.as_ref().map_or(0, Data::len);
        let member = |member: &Arc<Member>| {
            let names = member.user.as_str().len() + member.client.as_str().len();
            names + data(&member.connection_info) + data(&member.channel_info)
        };
        let tags = self.tags.iter().map(|(name, value)| name.len() + value.len());
        self.data.len()
            + self.publisher.as_ref().map_or(0, member)
            + tags.sum::<usize>()
            + self.key.as_ref().map_or(0, |key| key.len())
            + Self::OVERHEAD
    }
}

/// What all of them take together.
pub(crate) fn cost(publications: &[Arc<Publication>]) -> usize {
    publications.iter().map(|publication| publication.cost()).sum()
}

/// As many from the front as may stand in one answer; one at least, so that whoever asks on from there
/// gets on.
pub(crate) fn page(
    mut publications: Vec<Arc<Publication>>,
    len_max: usize,
) -> Vec<Arc<Publication>> {
    let mut len = 0;
    let fits = |publication: &&Arc<Publication>| {
        len += publication.cost();
        len <= len_max
    };
    let count = publications.iter().take_while(fits).count();
    publications.truncate(count.max(1));
    publications
}
