//! Bodies, and the calls that they are.

use bytestring::ByteString;
use serde::Deserialize;
use serde_json::value::RawValue;
use tidewire_hub::{Data, Error, History, HistoryFilter, Position};

use super::{
    call::{ApiLimits, BadCall, Call, Method},
    publishing::{BroadcastRequest, PublishRequest},
    sessions::{DisconnectRequest, SubscribeRequest, UnsubscribeRequest},
};
use crate::json::{self, Present, Record, Text, base64_data, or_default};

/// The call of a body.
pub(super) fn call(method: Method, body: &[u8], limits: &ApiLimits) -> Result<Call, BadCall> {
    let request = match method {
        Method::Publish => Request::Publish(read(body)?),
        Method::Broadcast => Request::Broadcast(read(body)?),
        Method::Subscribe => Request::Subscribe(read(body)?),
        Method::Unsubscribe => Request::Unsubscribe(read(body)?),
        Method::Disconnect => Request::Disconnect(read(body)?),
        Method::Presence => Request::Presence(read(body)?),
        Method::PresenceStats => Request::PresenceStats(read(body)?),
        Method::History => Request::History(read(body)?),
        Method::HistoryRemove => Request::HistoryRemove(read(body)?),
        Method::Channels => Request::Channels(read(body)?),
        Method::Info => Request::Info(read(body)?),
        Method::Batch => {
            let batch: BatchRequest<'_> = read(body)?;
            return batch.into_call(limits);
        }
    };
    request.into_call(limits).map_err(BadCall::Refused)
}

fn read<'de, T: Deserialize<'de>>(body: &'de [u8]) -> Result<T, BadCall> {
    let Record(request) = json::body(body).ok_or(BadCall::Malformed)?;
    Ok(request)
}

enum Request<'a> {
    Publish(PublishRequest<'a>),
    Broadcast(BroadcastRequest<'a>),
    Subscribe(SubscribeRequest<'a>),
    Unsubscribe(UnsubscribeRequest),
    Disconnect(DisconnectRequest),
    Presence(ChannelRequest),
    PresenceStats(ChannelRequest),
    History(HistoryRequest),
    HistoryRemove(ChannelRequest),
    Channels(ChannelsRequest),
    Info(InfoRequest),
}

impl Request<'_> {
    fn into_call(self, limits: &ApiLimits) -> Result<Call, Error> {
        Ok(match self {
            Self::Publish(request) => request.into_call(limits)?,
            Self::Broadcast(request) => request.into_call(limits)?,
            Self::Subscribe(request) => request.into_call()?,
            Self::Unsubscribe(request) => request.into_call()?,
            Self::Disconnect(request) => request.into_call()?,
            Self::Presence(request) => Call::Presence { channel: named(request.channel)? },
            Self::PresenceStats(request) => {
                Call::PresenceStats { channel: named(request.channel)? }
            }
            Self::History(request) => request.into_call()?,
            Self::HistoryRemove(request) => {
                Call::HistoryRemove { channel: named(request.channel)? }
            }
            Self::Channels(request) => Call::Channels { pattern: request.pattern.0 },
            Self::Info(InfoRequest {}) => Call::Info,
        })
    }
}

/// Here a channel must be named. Which names are names of channels is for hub to say.
pub(super) fn named(channel: Text) -> Result<ByteString, Error> {
    channel.non_empty().ok_or(Error::BadRequest)
}

/// A payload in either of its two ways.
pub(super) fn either(raw: Present<'_>, base64: &Text) -> Result<Option<Data>, Error> {
    if base64.0.is_empty() {
        return json::data(raw).map_err(|_| Error::BadRequest);
    }
    if raw.is_some() {
        return Err(Error::BadRequest);
    }
    base64_data(&base64.0).map(Some).ok_or(Error::BadRequest)
}

#[derive(Deserialize)]
struct ChannelRequest {
    #[serde(default, deserialize_with = "or_default")]
    channel: Text,
}

#[derive(Deserialize)]
struct HistoryRequest {
    #[serde(default, deserialize_with = "or_default")]
    channel: Text,
    /// Negative for all there is.
    #[serde(default, deserialize_with = "or_default")]
    limit: i32,
    since: Option<Record<StreamPosition>>,
    #[serde(default, deserialize_with = "or_default")]
    reverse: bool,
}

/// A position, as an application names it.
#[derive(Deserialize)]
pub(super) struct StreamPosition {
    #[serde(default, deserialize_with = "or_default")]
    pub(super) offset: u64,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) epoch: Text,
}

impl HistoryRequest {
    fn into_call(self) -> Result<Call, Error> {
        let channel = named(self.channel)?;
        let since = match self.since {
            None => None,
            Some(Record(since)) => Some(
                Position::of_client(&since.epoch.0, since.offset)
                    .ok_or(Error::UnrecoverablePosition)?,
            ),
        };
        let limit = u32::try_from(self.limit).ok();
        let filter = HistoryFilter { since, limit, reverse: self.reverse };
        Ok(Call::History(History { channel, filter }))
    }
}

#[derive(Deserialize)]
struct ChannelsRequest {
    #[serde(default, deserialize_with = "or_default")]
    pattern: Text,
}

#[derive(Deserialize)]
struct InfoRequest {}

#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
struct BatchRequest<'a> {
    /// Some bytes each would grow into large structures, so they are counted first.
    #[serde(default, deserialize_with = "or_default")]
    commands: Vec<&'a RawValue>,
}

impl BatchRequest<'_> {
    fn into_call(self, limits: &ApiLimits) -> Result<Call, BadCall> {
        if self.commands.len() > limits.call_count_max {
            return Err(BadCall::Refused(Error::LimitExceeded));
        }
        let mut calls = Vec::with_capacity(self.commands.len());
        for command in self.commands {
            let command: Option<Record<BatchCommand<'_>>> =
                serde_json::from_str(command.get()).map_err(|_| BadCall::Malformed)?;
            calls.push(match command {
                Some(Record(command)) => {
                    command.into_request().and_then(|request| request.into_call(limits))
                }
                None => Err(Error::BadRequest),
            });
        }
        Ok(Call::Batch(calls))
    }
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
struct BatchCommand<'a> {
    publish: Option<Record<PublishRequest<'a>>>,
    broadcast: Option<Record<BroadcastRequest<'a>>>,
    subscribe: Option<Record<SubscribeRequest<'a>>>,
    unsubscribe: Option<Record<UnsubscribeRequest>>,
    disconnect: Option<Record<DisconnectRequest>>,
    presence: Option<Record<ChannelRequest>>,
    presence_stats: Option<Record<ChannelRequest>>,
    history: Option<Record<HistoryRequest>>,
    history_remove: Option<Record<ChannelRequest>>,
    channels: Option<Record<ChannelsRequest>>,
    info: Option<Record<InfoRequest>>,
}

impl<'a> BatchCommand<'a> {
    /// The one request.
    fn into_request(self) -> Result<Request<'a>, Error> {
        let mut requests = [
            self.publish.map(|Record(request)| Request::Publish(request)),
            self.broadcast.map(|Record(request)| Request::Broadcast(request)),
            self.subscribe.map(|Record(request)| Request::Subscribe(request)),
            self.unsubscribe.map(|Record(request)| Request::Unsubscribe(request)),
            self.disconnect.map(|Record(request)| Request::Disconnect(request)),
            self.presence.map(|Record(request)| Request::Presence(request)),
            self.presence_stats.map(|Record(request)| Request::PresenceStats(request)),
            self.history.map(|Record(request)| Request::History(request)),
            self.history_remove.map(|Record(request)| Request::HistoryRemove(request)),
            self.channels.map(|Record(request)| Request::Channels(request)),
            self.info.map(|Record(request)| Request::Info(request)),
        ]
        .into_iter()
        .flatten();
        let request = requests.next().ok_or(Error::MethodNotFound)?;
        if requests.next().is_some() {
            return Err(Error::BadRequest);
        }
        Ok(request)
    }
}
