//! A line of a frame, and the command that it is.

use serde::Deserialize;
use tidewire_hub::{Command, CommandId};

use super::{
    commands::{FrameLimits, Malformed},
    request::{
        ChannelRequest, ConnectRequest, HistoryRequest, PublishRequest, RefreshRequest, RpcRequest,
        SendRequest, SubRefreshRequest, SubscribeRequest, named,
    },
};
use crate::json::{Record, or_default};

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
            Self::Send(request) => request.into_command()?,
            Self::Rpc(request) => request.into_command()?,
            Self::Refresh(request) => request.into_command()?,
            Self::SubRefresh(request) => request.into_command()?,
        })
    }
}
