//! Fields as the protocols of JSON have them: what is `null` or absent is zero, wrong types are refused.

use std::{fmt, marker::PhantomData};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytestring::ByteString;
use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, Visitor, value::MapAccessDeserializer},
};
use serde_json::value::RawValue;
use tidewire_hub::Data;

use super::minify::{InvalidJson, minify};

/// A string, copied once out of what was received: a name of some bytes pins no frame.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Text(pub(crate) ByteString);

impl Text {
    /// Nothing where it is empty, which is what leaving it out means.
    pub(crate) fn non_empty(self) -> Option<ByteString> {
        (!self.0.is_empty()).then_some(self.0)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OfStr;

        impl Visitor<'_> for OfStr {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Text, E> {
                Ok(Text(text.into()))
            }
        }

        deserializer.deserialize_str(OfStr)
    }
}

/// What derives [`Deserialize`], from an object alone: by itself it would take a list as well.
pub(crate) struct Record<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Record<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OfMap<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for OfMap<T> {
            type Value = Record<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Record<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Record)
            }
        }

        deserializer.deserialize_map(OfMap(PhantomData))
    }
}

/// A whole body. RFC 8259 §8.1 has it in UTF-8, which is looked at first: a reader of bytes would not look
/// into the strings that it passes over.
pub(crate) fn body<'de, T: Deserialize<'de>>(body: &'de [u8]) -> Option<T> {
    serde_json::from_str(std::str::from_utf8(body).ok()?).ok()
}

/// `null` is as good as nothing.
pub(crate) fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// A payload where it stood. Here `null` is a value like any other, and not nothing.
pub(crate) type Present<'a> = Option<&'a RawValue>;

/// Reads a [`Present`].
pub(crate) fn present<'de, D>(deserializer: D) -> Result<Present<'de>, D::Error>
where
    D: Deserializer<'de>,
{
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// The payload, if there is one.
pub(crate) fn data(raw: Present<'_>) -> Result<Option<Data>, InvalidJson> {
    raw.map(minify).transpose()
}

/// The bytes of a string of base64 (RFC 4648 §4).
pub(crate) fn base64_data(text: &str) -> Option<Data> {
    STANDARD.decode(text).ok().map(|bytes| Data::Binary(bytes.into()))
}
