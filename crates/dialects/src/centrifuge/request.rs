//! A line of a frame, and the command that it is.

use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::RawValue;
use tidewire_hub::{
    Command, CommandId, Connect, Error, History, HistoryFilter, Position, Publish, Subscribe,
};

use super::{
    commands::{FrameLimits, Malformed},
    recoveries,
};
use crate::json::{self, InvalidJson, Present, Record, Text, or_default, present};

/// The command of a line.
pub(super) fn command(line: &str, limits: &FrameLimits) -> Result<(CommandId, Command), Malformed> {
    let Record(line): Record<Line<'_>> =
        serde_json::from_str(line).map_err(|_| Malformed::Syntax)?;
    let id = CommandId(line.id);
    let Some(command) = line.into_request()? else {
        // `{}` and nothing else answers a ping.
        return if id.0 == 0 { Ok((id, Command::Pong)) } else { Err(Malformed::NoRequest) };
    };
    let command = command.into_command(limits)?;
    if id.0 == 0 && !matches!(command, Command::Send { .. }) {
        return Err(Malformed::NoId);
    }
    Ok((id, command))
}

impl From<InvalidJson> for Malformed {
    fn from(invalid: InvalidJson) -> Self {
        match invalid {
            InvalidJson::Syntax => Self::Syntax,
            InvalidJson::TooDeep => Self::TooDeep,
        }
    }
}

/// A command on the wire. Members that we do not know are passed over, members that stand twice are not
/// taken: two readers might disagree on what was meant.
#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
struct Line<'a> {
    #[serde(default, deserialize_with = "or_default")]
    id: u32,
    connect: Option<Record<ConnectRequest<'a>>>,
    subscribe: Option<Record<SubscribeRequest<'a>>>,
    unsubscribe: Option<Record<ChannelRequest>>,
    publish: Option<Record<PublishRequest<'a>>>,
    presence: Option<Record<ChannelRequest>>,
    presence_stats: Option<Record<ChannelRequest>>,
    history: Option<Record<HistoryRequest>>,
    send: Option<Record<SendRequest<'a>>>,
    rpc: Option<Record<RpcRequest<'a>>>,
    refresh: Option<Record<RefreshRequest>>,
    sub_refresh: Option<Record<SubRefreshRequest>>,
}

enum Request<'a> {
    Connect(ConnectRequest<'a>),
    Subscribe(SubscribeRequest<'a>),
    Unsubscribe(ChannelRequest),
    Publish(PublishRequest<'a>),
    Presence(ChannelRequest),
    PresenceStats(ChannelRequest),
    History(HistoryRequest),
    Send(SendRequest<'a>),
    Rpc(RpcRequest<'a>),
    Refresh(RefreshRequest),
    SubRefresh(SubRefreshRequest),
}

impl<'a> Line<'a> {
    /// The one request, if there is one.
    fn into_request(self) -> Result<Option<Request<'a>>, Malformed> {
        let mut requests = [
            self.connect.map(|Record(request)| Request::Connect(request)),
            self.subscribe.map(|Record(request)| Request::Subscribe(request)),
            self.unsubscribe.map(|Record(request)| Request::Unsubscribe(request)),
            self.publish.map(|Record(request)| Request::Publish(request)),
            self.presence.map(|Record(request)| Request::Presence(request)),
            self.presence_stats.map(|Record(request)| Request::PresenceStats(request)),
            self.history.map(|Record(request)| Request::History(request)),
            self.send.map(|Record(request)| Request::Send(request)),
            self.rpc.map(|Record(request)| Request::Rpc(request)),
            self.refresh.map(|Record(request)| Request::Refresh(request)),
            self.sub_refresh.map(|Record(request)| Request::SubRefresh(request)),
        ]
        .into_iter()
        .flatten();
        let request = requests.next();
        if requests.next().is_some() {
            return Err(Malformed::SeveralRequests);
        }
        Ok(request)
    }
}

impl Request<'_> {
    fn into_command(self, limits: &FrameLimits) -> Result<Command, Malformed> {
        Ok(match self {
            Self::Connect(request) => Command::Connect(request.into_connect(limits)?),
            Self::Subscribe(request) => request.into_command()?,
            Self::Unsubscribe(request) => Command::Unsubscribe { channel: named(request.channel)? },
            Self::Publish(request) => request.into_command()?,
            Self::Presence(request) => Command::Presence { channel: named(request.channel)? },
            Self::PresenceStats(request) => {
                Command::PresenceStats { channel: named(request.channel)? }
            }
            Self::History(request) => request.into_command()?,
            Self::Send(request) => Command::Send { data: json::data(request.data)? },
            Self::Rpc(request) => {
                Command::Call { method: request.method.0, data: json::data(request.data)? }
            }
            Self::Refresh(request) => {
                Command::Refresh { token: request.token.non_empty().ok_or(Malformed::NoToken)? }
            }
            Self::SubRefresh(request) => request.into_command()?,
        })
    }
}

/// A channel must be named, though not every name is one of a channel: that is for hub to say.
pub(super) fn named(channel: Text) -> Result<bytestring::ByteString, Malformed> {
    channel.non_empty().ok_or(Malformed::NoChannel)
}

/// Its name, version and emulated headers are no business of ours: what a client says of itself is no
/// header, and would be mistaken for one.
#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
struct ConnectRequest<'a> {
    #[serde(default, deserialize_with = "or_default")]
    token: Text,
    #[serde(default, deserialize_with = "present")]
    data: Present<'a>,
    subs: Option<&'a RawValue>,
}

impl ConnectRequest<'_> {
    fn into_connect(self, limits: &FrameLimits) -> Result<Connect, Malformed> {
        let subscriptions = match self.subs {
            Some(subs) => recoveries::subscriptions(subs, limits.recovery_count_max)?,
            None => Vec::new(),
        };
        Ok(Connect { token: self.token.non_empty(), data: json::data(self.data)?, subscriptions })
    }
}

/// `delta` is not among them: whoever offers to take deltas takes whole publications as well.
#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
#[expect(clippy::struct_excessive_bools, reason = "as the protocol has it")]
pub(super) struct SubscribeRequest<'a> {
    #[serde(default, deserialize_with = "or_default")]
    channel: Text,
    #[serde(default, deserialize_with = "or_default")]
    token: Text,
    #[serde(default, deserialize_with = "or_default")]
    recover: bool,
    #[serde(default, deserialize_with = "or_default")]
    epoch: Text,
    #[serde(default, deserialize_with = "or_default")]
    offset: u64,
    #[serde(default, deserialize_with = "present")]
    data: Present<'a>,
    #[serde(default, deserialize_with = "or_default")]
    positioned: bool,
    #[serde(default, deserialize_with = "or_default")]
    recoverable: bool,
    #[serde(default, deserialize_with = "or_default")]
    join_leave: bool,
    /// A filter by tags. Who wants one would be sent what it asked not to be.
    tf: Option<IgnoredAny>,
    /// Another kind of subscription than to a stream.
    #[serde(default, rename = "type", deserialize_with = "or_default")]
    kind: i32,
}

impl SubscribeRequest<'_> {
    fn into_command(mut self) -> Result<Command, Malformed> {
        let channel = named(std::mem::take(&mut self.channel))?;
        if self.kind != 0 || self.tf.is_some() {
            return Ok(Command::Refused(Error::NotAvailable));
        }
        Ok(Command::Subscribe(Subscribe { channel, ..self.into_subscribe()? }))
    }

    /// The subscription; a channel named elsewhere is to be put in.
    pub(super) fn into_subscribe(self) -> Result<Subscribe, Malformed> {
        Ok(Subscribe {
            channel: self.channel.0,
            token: self.token.non_empty(),
            recover: self.recover.then_some((self.epoch.0, self.offset)),
            positioned: self.positioned,
            recoverable: self.recoverable,
            join_leave: self.join_leave,
            data: json::data(self.data)?,
        })
    }
}

#[derive(Deserialize)]
struct ChannelRequest {
    #[serde(default, deserialize_with = "or_default")]
    channel: Text,
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
struct PublishRequest<'a> {
    #[serde(default, deserialize_with = "or_default")]
    channel: Text,
    #[serde(default, deserialize_with = "present")]
    data: Present<'a>,
    /// Another kind of publication than to a stream.
    #[serde(default, rename = "type", deserialize_with = "or_default")]
    kind: i32,
    #[serde(default, deserialize_with = "or_default")]
    key: Text,
}

impl PublishRequest<'_> {
    fn into_command(self) -> Result<Command, Malformed> {
        let channel = named(self.channel)?;
        if self.kind != 0 {
            return Ok(Command::Refused(Error::NotAvailable));
        }
        Ok(match json::data(self.data)? {
            Some(data) => Command::Publish(Publish { channel, data, key: self.key.non_empty() }),
            // An application's mistake rather than a broken client.
            None => Command::Refused(Error::BadRequest),
        })
    }
}

#[derive(Deserialize)]
struct HistoryRequest {
    #[serde(default, deserialize_with = "or_default")]
    channel: Text,
    /// Negative for all there is.
    #[serde(default, deserialize_with = "or_default")]
    limit: i32,
    since: Option<Record<Since>>,
    #[serde(default, deserialize_with = "or_default")]
    reverse: bool,
}

#[derive(Deserialize)]
struct Since {
    #[serde(default, deserialize_with = "or_default")]
    offset: u64,
    #[serde(default, deserialize_with = "or_default")]
    epoch: Text,
}

impl HistoryRequest {
    fn into_command(self) -> Result<Command, Malformed> {
        let channel = named(self.channel)?;
        let since = match self.since {
            None => None,
            Some(Record(since)) => match Position::of_client(&since.epoch.0, since.offset) {
                Some(position) => Some(position),
                None => return Ok(Command::Refused(Error::UnrecoverablePosition)),
            },
        };
        let limit = u32::try_from(self.limit).ok();
        let filter = HistoryFilter { since, limit, reverse: self.reverse };
        Ok(Command::History(History { channel, filter }))
    }
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
struct SendRequest<'a> {
    #[serde(default, deserialize_with = "present")]
    data: Present<'a>,
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
struct RpcRequest<'a> {
    #[serde(default, deserialize_with = "or_default")]
    method: Text,
    #[serde(default, deserialize_with = "present")]
    data: Present<'a>,
}

#[derive(Deserialize)]
struct RefreshRequest {
    #[serde(default, deserialize_with = "or_default")]
    token: Text,
}

#[derive(Deserialize)]
struct SubRefreshRequest {
    #[serde(default, deserialize_with = "or_default")]
    channel: Text,
    #[serde(default, deserialize_with = "or_default")]
    token: Text,
    /// Something else than a new token.
    #[serde(default, rename = "type", deserialize_with = "or_default")]
    kind: i32,
}

impl SubRefreshRequest {
    fn into_command(self) -> Result<Command, Malformed> {
        let channel = named(self.channel)?;
        if self.kind != 0 {
            return Ok(Command::Refused(Error::NotAvailable));
        }
        Ok(match self.token.non_empty() {
            Some(token) => Command::RefreshSubscription { channel, token },
            None => Command::Refused(Error::BadRequest),
        })
    }
}
