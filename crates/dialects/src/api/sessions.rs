//! `subscribe`, `unsubscribe` and `disconnect`.

use std::sync::Arc;

use serde::Deserialize;
use tidewire_hub::{ClientId, Dismissal, Error, Farewell, SubscriptionGrant, UserId};

use super::{
    call::{Call, Subscribe, Whom},
    request::{StreamPosition, either, named},
};
use crate::{
    centrifuge,
    json::{Present, Record, Text, or_default, present},
};

fn whom(user: &Text, client: Text, session: Text) -> Whom {
    Whom {
        user: UserId::new(&user.0),
        client: client.non_empty().map(|client| ClientId::new(&client)),
        session: session.non_empty(),
    }
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub(super) struct SubscribeRequest<'a> {
    #[serde(default, deserialize_with = "or_default")]
    channel: Text,
    #[serde(default, deserialize_with = "or_default")]
    user: Text,
    #[serde(default, deserialize_with = "or_default")]
    client: Text,
    #[serde(default, deserialize_with = "or_default")]
    session: Text,
    #[serde(default, deserialize_with = "or_default")]
    expire_at: u64,
    #[serde(default, deserialize_with = "present")]
    info: Present<'a>,
    #[serde(default, deserialize_with = "or_default")]
    b64info: Text,
    #[serde(default, deserialize_with = "present")]
    data: Present<'a>,
    #[serde(default, deserialize_with = "or_default")]
    b64data: Text,
    recover_since: Option<Record<StreamPosition>>,
    #[serde(rename = "override")]
    overrides: Option<Record<Overrides>>,
}

/// Options of the channel that are other for this subscription.
#[derive(Deserialize, Default)]
struct Overrides {
    presence: Option<Record<Switch>>,
    join_leave: Option<Record<Switch>>,
    force_push_join_leave: Option<Record<Switch>>,
    force_recovery: Option<Record<Switch>>,
    force_positioning: Option<Record<Switch>>,
}

/// `{}` is off, since what is zero may be left out.
#[derive(Deserialize)]
struct Switch {
    #[serde(default, deserialize_with = "or_default")]
    value: bool,
}

fn switch(switch: Option<Record<Switch>>) -> Option<bool> {
    switch.map(|Record(switch)| switch.value)
}

impl SubscribeRequest<'_> {
    pub(super) fn into_call(self) -> Result<Call, Error> {
        let Record(overrides) = self.overrides.unwrap_or(Record(Overrides::default()));
        let grant = SubscriptionGrant {
            channel: named(self.channel)?,
            info: either(self.info, &self.b64info)?,
            data: either(self.data, &self.b64data)?,
            expires_at: None,
            presence: switch(overrides.presence),
            join_leave: switch(overrides.join_leave),
            force_join_leave: switch(overrides.force_push_join_leave),
            force_recovery: switch(overrides.force_recovery),
            force_positioning: switch(overrides.force_positioning),
        };
        Ok(Call::Subscribe(Box::new(Subscribe {
            whom: whom(&self.user, self.client, self.session),
            grant,
            expires_at: (self.expire_at != 0).then_some(self.expire_at),
            recover: self.recover_since.map(|Record(since)| (since.epoch.0, since.offset)),
        })))
    }
}

#[derive(Deserialize)]
pub(super) struct UnsubscribeRequest {
    #[serde(default, deserialize_with = "or_default")]
    channel: Text,
    #[serde(default, deserialize_with = "or_default")]
    user: Text,
    #[serde(default, deserialize_with = "or_default")]
    client: Text,
    #[serde(default, deserialize_with = "or_default")]
    session: Text,
}

impl UnsubscribeRequest {
    pub(super) fn into_call(self) -> Result<Call, Error> {
        let whom = whom(&self.user, self.client, self.session);
        Ok(Call::Unsubscribe { whom, channel: named(self.channel)? })
    }
}

#[derive(Deserialize)]
pub(super) struct DisconnectRequest {
    #[serde(default, deserialize_with = "or_default")]
    user: Text,
    #[serde(default, deserialize_with = "or_default")]
    client: Text,
    #[serde(default, deserialize_with = "or_default")]
    session: Text,
    #[serde(default, deserialize_with = "or_default")]
    whitelist: Vec<Text>,
    disconnect: Option<Record<Code>>,
}

#[derive(Deserialize, Default)]
struct Code {
    #[serde(default, deserialize_with = "or_default")]
    code: u32,
    #[serde(default, deserialize_with = "or_default")]
    reason: Text,
}

impl Code {
    /// The reason is taken where the number is the application's: the protocol's have words of their own.
    fn into_farewell(self) -> Result<Farewell, Error> {
        let why = centrifuge::disconnect_of_code(self.code);
        let code = u16::try_from(self.code).map_err(|_| Error::BadRequest)?;
        match code {
            0 | 3000..=3999 => Ok(Farewell::Ours(why)),
            code if centrifuge::OWN_CODES.contains(&code) => {
                if self.reason.0.len() > centrifuge::REASON_LEN_MAX {
                    return Err(Error::LimitExceeded);
                }
                let reason = self.reason.0;
                Ok(Farewell::Own(Arc::new(Dismissal { why, code, reason })))
            }
            // Clients would take it for something that has happened on the way (RFC 6455 §7.4.1).
            _ => Err(Error::BadRequest),
        }
    }
}

impl DisconnectRequest {
    pub(super) fn into_call(self) -> Result<Call, Error> {
        let Record(code) = self.disconnect.unwrap_or(Record(Code::default()));
        let why = code.into_farewell()?;
        let spared = self.whitelist.iter().map(|client| ClientId::new(&client.0)).collect();
        Ok(Call::Disconnect { whom: whom(&self.user, self.client, self.session), spared, why })
    }
}
