//! Which server-side subscriptions a connect command wants recovered.

use std::{collections::BTreeSet, fmt};

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use tidewire_hub::Subscribe;

use super::{
    commands::Malformed,
    request::{self, SubscribeRequest},
};
use crate::json::{Record, Text};

/// The subscriptions of a map by channel, in the order in which they stand.
pub(super) fn subscriptions(
    subs: &RawValue,
    count_max: usize,
) -> Result<Vec<Subscribe>, Malformed> {
    let mut deserializer = serde_json::Deserializer::from_str(subs.get());
    ByChannel { count_max }.deserialize(&mut deserializer).map_err(|_| Malformed::Syntax)?
}

/// Takes no more than it may, so that small entries of a large frame do not grow into large structures.
struct ByChannel {
    count_max: usize,
}

impl<'de> DeserializeSeed<'de> for ByChannel {
    type Value = Result<Vec<Subscribe>, Malformed>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ByChannel {
    type Value = Result<Vec<Subscribe>, Malformed>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("subscriptions by channel")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut channels = BTreeSet::new();
        let mut subscriptions = Vec::new();
        let mut malformed = None;
        while let Some((channel, Record(request))) =
            map.next_entry::<Text, Record<SubscribeRequest<'de>>>()?
        {
            // Its place in the text is behind us in any case: the rest is read, and dropped.
            if malformed.is_some() {
                continue;
            }
            if subscriptions.len() == self.count_max {
                malformed = Some(Malformed::TooManyRecoveries);
                continue;
            }
            if !channels.insert(channel.0.clone()) {
                return Err(de::Error::custom("a channel stands twice"));
            }
            match subscription(channel, request) {
                Ok(subscription) => subscriptions.push(subscription),
                Err(why) => malformed = Some(why),
            }
        }
        Ok(malformed.map_or(Ok(subscriptions), Err))
    }
}

fn subscription(channel: Text, request: SubscribeRequest<'_>) -> Result<Subscribe, Malformed> {
    Ok(Subscribe { channel: request::named(channel)?, ..request.into_subscribe()? })
}
