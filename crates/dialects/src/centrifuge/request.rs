//! What stands in a line: the requests, one structure each, and the commands that they are.

use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::RawValue;
use tidewire_hub::{Command, Connect, Error, History, HistoryFilter, Position, Publish, Subscribe};

use super::{
    commands::{FrameLimits, Malformed},
    recoveries,
};
use crate::json::{self, InvalidJson, Present, Record, Text, or_default, present};

/// A channel must be named, though not every name is one of a channel: that is for hub to say.
pub(super) fn named(channel: Text) -> Result<bytestring::ByteString, Malformed> {
    channel.non_empty().ok_or(Malformed::NoChannel)
}

/// Its name, version and emulated headers are no business of ours: what a client says of itself is no
/// header, and would be mistaken for one.
#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub(super) struct ConnectRequest<'a> {
    #[serde(default, deserialize_with = "or_default")]
    token: Text,
    #[serde(default, deserialize_with = "present")]
    data: Present<'a>,
    subs: Option<&'a RawValue>,
}

impl ConnectRequest<'_> {
    pub(super) fn into_connect(self, limits: &FrameLimits) -> Result<Connect, Malformed> {
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
    pub(super) fn into_command(mut self) -> Result<Command, Malformed> {
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
pub(super) struct ChannelRequest {
    #[serde(default, deserialize_with = "or_default")]
    pub(super) channel: Text,
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub(super) struct PublishRequest<'a> {
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
    pub(super) fn into_command(self) -> Result<Command, Malformed> {
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
pub(super) struct HistoryRequest {
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
    pub(super) fn into_command(self) -> Result<Command, Malformed> {
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
pub(super) struct SendRequest<'a> {
    #[serde(default, deserialize_with = "present")]
    data: Present<'a>,
}

impl SendRequest<'_> {
    pub(super) fn into_command(self) -> Result<Command, Malformed> {
        Ok(Command::Send { data: json::data(self.data)? })
    }
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub(super) struct RpcRequest<'a> {
    #[serde(default, deserialize_with = "or_default")]
    method: Text,
    #[serde(default, deserialize_with = "present")]
    data: Present<'a>,
}

impl RpcRequest<'_> {
    pub(super) fn into_command(self) -> Result<Command, Malformed> {
        Ok(Command::Call { method: self.method.0, data: json::data(self.data)? })
    }
}

#[derive(Deserialize)]
pub(super) struct RefreshRequest {
    #[serde(default, deserialize_with = "or_default")]
    token: Text,
}

impl RefreshRequest {
    pub(super) fn into_command(self) -> Result<Command, Malformed> {
        Ok(Command::Refresh { token: self.token.non_empty().ok_or(Malformed::NoToken)? })
    }
}

#[derive(Deserialize)]
pub(super) struct SubRefreshRequest {
    #[serde(default, deserialize_with = "or_default")]
    channel: Text,
    #[serde(default, deserialize_with = "or_default")]
    token: Text,
    /// Something else than a new token.
    #[serde(default, rename = "type", deserialize_with = "or_default")]
    kind: i32,
}

impl SubRefreshRequest {
    pub(super) fn into_command(self) -> Result<Command, Malformed> {
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

impl From<InvalidJson> for Malformed {
    fn from(invalid: InvalidJson) -> Self {
        match invalid {
            InvalidJson::Syntax => Self::Syntax,
            InvalidJson::TooDeep => Self::TooDeep,
        }
    }
}
