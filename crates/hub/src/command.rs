//! What sessions ask and what they are told, whatever dialect they speak.

use std::{sync::Arc, time::Duration};

use bytestring::ByteString;

use crate::{
    error::{Disconnect, Error, Unsubscribe},
    names::{ChannelName, ClientId, UserId},
    publication::{Data, Epoch, Member, Position, Publication},
    time::Timestamp,
};

/// By what a session matches a reply to its command. Zero where it wants none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct CommandId(pub u32);

/// What a session asks for. Channels are names as they came: an impossible one is refused like a forbidden one.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "a new command wants an answer everywhere")]
pub enum Command {
    /// Who it is. The first command of a session, and only that.
    Connect(Connect),
    /// A new token for the connection.
    Refresh {
        /// The token.
        token: ByteString,
    },
    /// To receive what is published to a channel.
    Subscribe(Subscribe),
    /// A new token for a subscription.
    RefreshSubscription {
        /// The channel.
        channel: ByteString,
        /// The token.
        token: ByteString,
    },
    /// To receive it no longer.
    Unsubscribe {
        /// The channel.
        channel: ByteString,
    },
    /// To publish.
    Publish(Publish),
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
    /// A call of a procedure of the application.
    Call {
        /// Its name.
        method: ByteString,
        /// Its argument.
        data: Option<Data>,
    },
    /// A message to the application, without an answer.
    Send {
        /// The message.
        data: Option<Data>,
    },
    /// The answer to our ping.
    Pong,
    /// What its dialect understands and cannot do here: answered by that error in its turn, and
    /// otherwise a command like any other.
    Refused(Error),
}

/// What a command costs beside its bytes.
const COMMAND_OVERHEAD: usize = 32;

impl Command {
    /// Bytes that it stands for: those of its parts, and what each of them costs anyway, so that many
    /// small pieces are not free.
    pub(crate) fn cost(&self) -> usize {
        let data = |data: &Option<Data>| data.as_ref().map_or(0, Data::len);
        let len = match self {
            Self::Connect(connect) => {
                connect.token.as_ref().map_or(0, |token| token.len())
                    + data(&connect.data)
                    + connect.subscriptions.iter().map(Subscribe::cost).sum::<usize>()
            }
            Self::Refresh { token } => token.len(),
            Self::Subscribe(subscribe) => subscribe.cost(),
            Self::RefreshSubscription { channel, token } => channel.len() + token.len(),
            Self::Unsubscribe { channel }
            | Self::Presence { channel }
            | Self::PresenceStats { channel } => channel.len(),
            Self::Publish(publish) => {
                publish.channel.len()
                    + publish.data.len()
                    + publish.key.as_ref().map_or(0, |key| key.len())
            }
            Self::History(history) => history.channel.len(),
            Self::Call { method, data: argument } => method.len() + data(argument),
            Self::Send { data: message } => data(message),
            Self::Pong | Self::Refused(_) => 0,
        };
        len + COMMAND_OVERHEAD
    }
}

impl Subscribe {
    fn cost(&self) -> usize {
        self.channel.len()
            + self.token.as_ref().map_or(0, |token| token.len())
            + self.recover.as_ref().map_or(0, |(epoch, _)| epoch.len())
            + self.data.as_ref().map_or(0, Data::len)
            + COMMAND_OVERHEAD
    }
}

/// See [`Command::Connect`].
#[derive(Debug, Clone, PartialEq, Default)]
#[expect(clippy::exhaustive_structs, reason = "dialects make it")]
pub struct Connect {
    /// A token, where none came with the request.
    pub token: Option<ByteString>,
    /// For the application.
    pub data: Option<Data>,
    /// Where server-side subscriptions were when the connection was lost: each is recovered.
    pub subscriptions: Vec<Subscribe>,
}

/// See [`Command::Subscribe`].
#[derive(Debug, Clone, PartialEq, Default)]
#[expect(clippy::exhaustive_structs, reason = "dialects make it")]
pub struct Subscribe {
    /// The channel.
    pub channel: ByteString,
    /// A token for this channel.
    pub token: Option<ByteString>,
    /// Whether to recover from here: the epoch, which may be empty, and the offset.
    pub recover: Option<(ByteString, u64)>,
    /// Whether gaps shall be noticed, where the channel does not see to that anyway.
    pub positioned: bool,
    /// Whether a position shall be told, so that recovery is possible later.
    pub recoverable: bool,
    /// Whether to hear of others who come and go.
    pub join_leave: bool,
    /// For the application.
    pub data: Option<Data>,
}

/// See [`Command::Publish`].
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "dialects make it")]
pub struct Publish {
    /// The channel.
    pub channel: ByteString,
    /// The payload.
    pub data: Data,
    /// The key for conflation.
    pub key: Option<ByteString>,
}

/// See [`Command::History`].
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "dialects make it")]
pub struct History {
    /// The channel.
    pub channel: ByteString,
    /// Which part.
    pub filter: HistoryFilter,
}

/// Which part of a history.
#[derive(Debug, Clone, PartialEq, Default)]
#[expect(clippy::exhaustive_structs, reason = "dialects make it")]
pub struct HistoryFilter {
    /// What comes after here; in reverse, what comes before.
    pub since: Option<Position>,
    /// So many at most; zero asks for the position alone, `None` for all there is.
    pub limit: Option<u32>,
    /// Newest first.
    pub reverse: bool,
}

/// The answer to a command.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "a dialect has a shape for each")]
pub enum Reply {
    /// To [`Command::Connect`].
    Connected(Box<Connected>),
    /// To [`Command::Refresh`]: how long until the next one is due, if ever.
    Refreshed {
        /// The session.
        client: ClientId,
        /// The time left.
        expires_in: Option<Duration>,
    },
    /// To [`Command::Subscribe`].
    Subscribed(Box<Subscribed>),
    /// To [`Command::RefreshSubscription`].
    SubscriptionRefreshed {
        /// The time left.
        expires_in: Option<Duration>,
    },
    /// To [`Command::Unsubscribe`].
    Unsubscribed,
    /// To [`Command::Publish`].
    Published,
    /// To [`Command::Presence`].
    Presence(Vec<Arc<Member>>),
    /// To [`Command::PresenceStats`].
    PresenceStats {
        /// Sessions.
        client_count: u32,
        /// Different users among them.
        user_count: u32,
    },
    /// To [`Command::History`]: what was asked for, and where the stream is.
    History {
        /// In the order that was asked for.
        publications: Vec<Arc<Publication>>,
        /// The newest.
        top: Position,
    },
}

/// See [`Reply::Connected`].
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "dialects read it")]
pub struct Connected {
    /// The session's public name.
    pub client: ClientId,
    /// How long until a [`Command::Refresh`] is due, if ever.
    pub expires_in: Option<Duration>,
    /// From the application.
    pub data: Option<Data>,
    /// Server-side subscriptions.
    pub subscriptions: Vec<(ChannelName, Subscribed)>,
    /// How often the session is pinged, if it is.
    pub ping_interval: Option<Duration>,
}

/// See [`Reply::Subscribed`].
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "dialects read it")]
#[expect(clippy::struct_excessive_bools, reason = "as the client protocol has it")]
pub struct Subscribed {
    /// How long until a [`Command::RefreshSubscription`] is due, if ever.
    pub expires_in: Option<Duration>,
    /// Whether it may be recovered later.
    pub recoverable: bool,
    /// Whether gaps are noticed.
    pub positioned: bool,
    /// Where it is: after `publications`. `None` in channels without a stream.
    pub position: Option<Position>,
    /// All that was missed, if `recovered`; else nothing.
    pub publications: Vec<Arc<Publication>>,
    /// Whether all that was missed is here.
    pub recovered: bool,
    /// Whether recovery was asked for.
    pub was_recovering: bool,
    /// From the application.
    pub data: Option<Data>,
}

/// What a session is told without having asked.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "a dialect has a shape for each")]
pub enum Push {
    /// A publication, to this session alone. Those to many go by [`Outside::deliver`](crate::Outside::deliver).
    Publication {
        /// The channel.
        channel: ChannelName,
        /// What was published.
        publication: Arc<Publication>,
    },
    /// It is subscribed from now on, by the application's decision.
    Subscribed {
        /// The channel.
        channel: ChannelName,
        /// As in the answer to a command; nothing is recovered here.
        subscribed: Box<Subscribed>,
    },
    /// It is subscribed no longer.
    Unsubscribed {
        /// The channel.
        channel: ChannelName,
        /// Why.
        why: Unsubscribe,
    },
    /// A message of the application, to this session alone.
    Message(Data),
    /// When its token has to be refreshed has changed, by the application's decision.
    Refresh {
        /// The time left.
        expires_in: Option<Duration>,
    },
    /// Our ping, which wants a [`Command::Pong`].
    Ping,
    /// It ends. The last that a session is told.
    Disconnect(Disconnect),
    /// It ends, and the application has words of its own for it. Also the last.
    Dismissed(Arc<Dismissal>),
}

/// What a session is told as it ends: something of ours, or of the application's.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "these are the two")]
pub enum Farewell {
    /// In our words.
    Ours(Disconnect),
    /// In the application's.
    Own(Arc<Dismissal>),
}

impl Farewell {
    /// The one that a push says, if it is the last.
    pub fn of(push: &Push) -> Option<Self> {
        match push {
            Push::Disconnect(why) => Some(Self::Ours(*why)),
            Push::Dismissed(dismissal) => Some(Self::Own(Arc::clone(dismissal))),
            _ => None,
        }
    }

    /// The push that says it.
    pub fn push(self) -> Push {
        match self {
            Self::Ours(why) => Push::Disconnect(why),
            Self::Own(dismissal) => Push::Dismissed(dismissal),
        }
    }

    /// What it means, in our words.
    pub fn why(&self) -> Disconnect {
        match self {
            Self::Ours(why) => *why,
            Self::Own(dismissal) => dismissal.why,
        }
    }
}

impl From<Disconnect> for Farewell {
    fn from(why: Disconnect) -> Self {
        Self::Ours(why)
    }
}

/// How the application ends a session in its own words.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "dialects make it and read it")]
pub struct Dismissal {
    /// What it means, for dialects that have no words for it but ours.
    pub why: Disconnect,
    /// Its number, from those that the dialect leaves to applications.
    pub code: u16,
    /// Its words, as short as a Close frame wants them (RFC 6455 §5.5).
    pub reason: ByteString,
}

/// Who a session is and what it may do, as the application has said it: from a verified token, or
/// from a request that was authenticated.
#[derive(Debug, Clone, PartialEq, Default)]
#[expect(clippy::exhaustive_structs, reason = "the door makes it")]
pub struct Credentials {
    /// The user; empty for an anonymous one.
    pub user: UserId,
    /// What others may know of the connection.
    pub info: Option<Data>,
    /// What the application wants to know of it later, and nobody else is told.
    pub meta: Option<Data>,
    /// When that ends, if ever.
    pub expires_at: Option<Timestamp>,
    /// Server-side subscriptions.
    pub channels: Vec<SubscriptionGrant>,
}

/// A subscription that the application has allowed, or made.
#[derive(Debug, Clone, PartialEq, Default)]
#[expect(clippy::exhaustive_structs, reason = "the door makes it")]
pub struct SubscriptionGrant {
    /// The channel.
    pub channel: ByteString,
    /// What others in the channel may know of the session.
    pub info: Option<Data>,
    /// For the client.
    pub data: Option<Data>,
    /// When that ends, if ever.
    pub expires_at: Option<Timestamp>,
    /// Turns the channel's options on or off for this subscription alone: the session stands in presence. Without
    /// history there is nothing to recover, whatever is granted.
    pub presence: Option<bool>,
    /// As `presence`: others hear of it.
    pub join_leave: Option<bool>,
    /// As `presence`: it hears of others, without asking.
    pub force_join_leave: Option<bool>,
    /// As `presence`.
    pub force_recovery: Option<bool>,
    /// As `presence`.
    pub force_positioning: Option<bool>,
}

/// Why a token was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a session is told one of two things")]
pub enum TokenError {
    /// It was good once.
    Expired,
    /// It never was, or it is for something else.
    Invalid,
}

/// Reads tokens: signatures are not a hub's business.
pub trait Verifier {
    /// A token for a connection.
    ///
    /// # Errors
    /// If it is not good (any more).
    fn connection(&mut self, token: &str) -> Result<Credentials, TokenError>;

    /// A token for one channel and one user, or one client.
    ///
    /// # Errors
    /// If it is not good (any more), or for somebody else.
    fn subscription(
        &mut self,
        token: &str,
        channel: &ChannelName,
        user: &UserId,
        client: &ClientId,
    ) -> Result<SubscriptionGrant, TokenError>;
}

impl Error {
    /// What a command that carried such a token is told.
    pub const fn of_token(error: TokenError) -> Self {
        match error {
            TokenError::Expired => Self::TokenExpired,
            TokenError::Invalid => Self::PermissionDenied,
        }
    }
}

impl Position {
    /// The position that a client has named, if it can be one of ours at all: with an empty epoch only
    /// the very beginning, since an epoch is always told along with an offset.
    pub fn of_client(epoch: &str, offset: u64) -> Option<Self> {
        (!epoch.is_empty() || offset == 0).then(|| Self { epoch: Epoch::new(epoch), offset })
    }
}
