//! [`Letter`]: what the threads of a node tell each other, and what HTTP tells them.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use bytestring::ByteString;
use tidewire_brokers::{Parcel, ShardIndex};
use tidewire_hub::{
    ChannelName, ClientId, Credentials, Outside, Shard, Timestamp,
    broker::{Answer, Ask, Failure, Request},
};
use tokio::sync::oneshot;

use crate::web::{RequestId, Seat};

use super::{
    dialect::Dialect,
    secret::StreamName,
    stream::{StreamEnd, StreamNews},
};

/// What a thread is told.
#[derive(Debug)]
pub(crate) enum Letter {
    /// What another thread's shard asks this thread's partition.
    Requests { from: ShardIndex, requests: Vec<Request> },
    /// What another thread's partition has for this thread's shard.
    Parcels(Vec<Parcel>),
    /// What the application asks this thread's partition.
    Ask { channel: ChannelName, ask: Ask, answer: oneshot::Sender<Result<Answer, Failure>> },
    /// Something to do with the shard, by whoever holds the way to it.
    Do(Deed),
    /// Somebody comes whose session goes out in the body of a response.
    Open(Box<StreamGuest>),
    /// A frame of one of those; `known` hears whether there is such a session.
    Frame { name: StreamName, frame: ByteString, known: oneshot::Sender<bool> },
    /// Who one of those is; nobody, if there is none.
    WhoIs { name: StreamName, answer: oneshot::Sender<Option<ClientId>> },
    /// What the reader of one of those does.
    News(StreamName, StreamNews),
    /// Tell all sessions to go elsewhere, spread over this time; `done` hears when all are gone.
    Drain { within: Duration, done: oneshot::Sender<()> },
}

/// What is done with a shard, once.
pub(crate) struct Deed(pub(crate) Box<Do>);

type Do = dyn FnOnce(&mut Shard, Timestamp, &mut dyn Outside) + Send;

impl fmt::Debug for Deed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Deed(..)")
    }
}

/// One who comes by a WebSocket.
#[derive(Debug)]
pub(crate) struct Guest {
    pub(crate) who: Who,
    /// Where it comes from, if a proxy has told.
    pub(crate) address: Option<IpAddr>,
    /// The request by which it comes.
    pub(crate) request: RequestId,
    pub(crate) dialect: Dialect,
    /// What came with the request, already verified.
    pub(crate) credentials: Option<Credentials>,
    /// What it holds while it is here.
    pub(crate) seat: Seat,
}

/// Whom a line of the log is about.
#[derive(Debug, Clone)]
pub(crate) struct Who {
    pub(crate) client: ClientId,
    /// The other end of the connection, which may be a proxy.
    pub(crate) peer: SocketAddr,
}

/// One who comes by a request that is answered by a stream.
#[derive(Debug)]
pub(crate) struct StreamGuest {
    pub(crate) name: StreamName,
    pub(crate) guest: Guest,
    pub(crate) end: StreamEnd,
    /// The first commands.
    pub(crate) frame: ByteString,
}
