//! A line of a frame, and the command that it is.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{self, IgnoredAny, MapAccess, Visitor},
};
use tidewire_hub::{Command, CommandId};

use super::{
    commands::{FrameLimits, Malformed},
    request::{
        ChannelRequest, ConnectRequest, HistoryRequest, PublishRequest, RefreshRequest, RpcRequest,
        SendRequest, SubRefreshRequest, SubscribeRequest, named,
    },
};
use crate::json::Record;

/// The command of a line.
pub(super) fn command(line: &str, limits: &FrameLimits) -> Result<(CommandId, Command), Malformed> {
    let line: Line<'_> = serde_json::from_str(line).map_err(|_| Malformed::Syntax)?;
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
///
/// It is read by hand, for every command of every client comes by here: derived, it would be moved about
/// with room for every kind of request at once.
#[derive(Default)]
struct Line<'a> {
    id: u32,
    request: Option<Request<'a>>,
    has_several: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Member {
    Id,
    Connect,
    Subscribe,
    Unsubscribe,
    Publish,
    Presence,
    PresenceStats,
    History,
    Send,
    Rpc,
    Refresh,
    SubRefresh,
    #[serde(other)]
    Unknown,
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

impl<'de: 'a, 'a> Deserialize<'de> for Line<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OfMap<'a>(PhantomData<Line<'a>>);

        impl<'de: 'a, 'a> Visitor<'de> for OfMap<'a> {
            type Value = Line<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Line<'a>, A::Error> {
                let mut line = Line::default();
                let mut seen = 0_u16;
                while let Some(member) = map.next_key::<Member>()? {
                    let bit = 1 << member as u16;
                    if member != Member::Unknown && seen & bit != 0 {
                        return Err(de::Error::custom("a member that stands twice"));
                    }
                    seen |= bit;
                    line.take(member, &mut map)?;
                }
                Ok(line)
            }
        }

        deserializer.deserialize_map(OfMap(PhantomData))
    }
}

impl<'a> Line<'a> {
    fn take<'de: 'a, A: MapAccess<'de>>(
        &mut self,
        member: Member,
        map: &mut A,
    ) -> Result<(), A::Error> {
        let request = match member {
            Member::Id => {
                self.id = map.next_value::<Option<u32>>()?.unwrap_or_default();
                None
            }
            Member::Connect => request(map, Request::Connect)?,
            Member::Subscribe => request(map, Request::Subscribe)?,
            Member::Unsubscribe => request(map, Request::Unsubscribe)?,
            Member::Publish => request(map, Request::Publish)?,
            Member::Presence => request(map, Request::Presence)?,
            Member::PresenceStats => request(map, Request::PresenceStats)?,
            Member::History => request(map, Request::History)?,
            Member::Send => request(map, Request::Send)?,
            Member::Rpc => request(map, Request::Rpc)?,
            Member::Refresh => request(map, Request::Refresh)?,
            Member::SubRefresh => request(map, Request::SubRefresh)?,
            Member::Unknown => {
                map.next_value::<IgnoredAny>()?;
                None
            }
        };
        if request.is_some() {
            self.has_several |= self.request.is_some();
            self.request = request;
        }
        Ok(())
    }

    /// The one request, if there is one.
    fn into_request(self) -> Result<Option<Request<'a>>, Malformed> {
        if self.has_several { Err(Malformed::SeveralRequests) } else { Ok(self.request) }
    }
}

/// A request, or `null`, which is none.
fn request<'de, 'a, A: MapAccess<'de>, T: Deserialize<'de>>(
    map: &mut A,
    kind: fn(T) -> Request<'a>,
) -> Result<Option<Request<'a>>, A::Error> {
    Ok(map.next_value::<Option<Record<T>>>()?.map(|Record(request)| kind(request)))
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
