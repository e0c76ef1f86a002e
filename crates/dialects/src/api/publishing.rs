//! `publish` and `broadcast`.

use std::{collections::BTreeSet, fmt};

use bytestring::ByteString;
use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, Visitor},
};
use tidewire_hub::{Error, broker::Version};

use super::{
    call::{ApiLimits, Call, Message},
    request::{either, named},
};
use crate::json::{Present, Text, or_default, present};

#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub(super) struct PublishRequest<'a> {
    #[serde(default, deserialize_with = "or_default")]
    channel: Text,
    #[serde(default, deserialize_with = "present")]
    data: Present<'a>,
    #[serde(default, deserialize_with = "or_default")]
    b64data: Text,
    #[serde(default, deserialize_with = "or_default")]
    skip_history: bool,
    #[serde(default, deserialize_with = "or_default")]
    tags: TagMap,
    #[serde(default, deserialize_with = "or_default")]
    idempotency_key: Text,
    #[serde(default, deserialize_with = "or_default")]
    version: u64,
    #[serde(default, deserialize_with = "or_default")]
    version_epoch: Text,
    #[serde(default, deserialize_with = "or_default")]
    key: Text,
}

impl PublishRequest<'_> {
    pub(super) fn into_call(mut self, limits: &ApiLimits) -> Result<Call, Error> {
        let channel = named(std::mem::take(&mut self.channel))?;
        Ok(Call::Publish { channel, message: self.into_message(limits)? })
    }

    fn into_message(self, limits: &ApiLimits) -> Result<Message, Error> {
        if self.tags.0.len() > limits.tag_count_max {
            return Err(Error::LimitExceeded);
        }
        // As the shape has it, a version of zero is none, whatever its epoch.
        let version = (self.version != 0)
            .then(|| Version { number: self.version, epoch: self.version_epoch.0 });
        Ok(Message {
            data: either(self.data, &self.b64data)?.ok_or(Error::BadRequest)?,
            tags: self.tags.0.into(),
            key: self.key.non_empty(),
            skip_history: self.skip_history,
            idempotency_key: self.idempotency_key.non_empty(),
            version,
        })
    }
}

/// Like a `publish`, but for its channels.
#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub(super) struct BroadcastRequest<'a> {
    #[serde(default, deserialize_with = "or_default")]
    channels: Vec<Text>,
    #[serde(default, deserialize_with = "present")]
    data: Present<'a>,
    #[serde(default, deserialize_with = "or_default")]
    b64data: Text,
    #[serde(default, deserialize_with = "or_default")]
    skip_history: bool,
    #[serde(default, deserialize_with = "or_default")]
    tags: TagMap,
    #[serde(default, deserialize_with = "or_default")]
    idempotency_key: Text,
    #[serde(default, deserialize_with = "or_default")]
    version: u64,
    #[serde(default, deserialize_with = "or_default")]
    version_epoch: Text,
    #[serde(default, deserialize_with = "or_default")]
    key: Text,
}

impl BroadcastRequest<'_> {
    pub(super) fn into_call(self, limits: &ApiLimits) -> Result<Call, Error> {
        if self.channels.is_empty() {
            return Err(Error::BadRequest);
        }
        if self.channels.len() > limits.channel_count_max {
            return Err(Error::LimitExceeded);
        }
        let each = PublishRequest {
            channel: Text::default(),
            data: self.data,
            b64data: self.b64data,
            skip_history: self.skip_history,
            tags: self.tags,
            idempotency_key: self.idempotency_key,
            version: self.version,
            version_epoch: self.version_epoch,
            key: self.key,
        };
        // One that is empty is answered in its place, like any that is no name.
        let channels = self.channels.into_iter().map(|channel| channel.0).collect();
        Ok(Call::Broadcast { channels, message: each.into_message(limits)? })
    }
}

/// Tags, in the order in which they stood.
#[derive(Default)]
struct TagMap(Vec<(ByteString, ByteString)>);

impl<'de> Deserialize<'de> for TagMap {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OfMap;

        impl<'de> Visitor<'de> for OfMap {
            type Value = TagMap;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("tags by name")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<TagMap, A::Error> {
                let mut names = BTreeSet::new();
                let mut tags = Vec::new();
                while let Some((name, value)) = map.next_entry::<Text, Text>()? {
                    if !names.insert(name.0.clone()) {
                        return Err(de::Error::custom("a tag stands twice"));
                    }
                    tags.push((name.0, value.0));
                }
                Ok(TagMap(tags))
            }
        }

        deserializer.deserialize_map(OfMap)
    }
}
