//! What messages carry, on the way in ([`Payload`], [`Text`]) and on the way out ([`Outgoing`]).

use alloc::{string::String, vec::Vec};
use core::{fmt, ops, str};

use bytes::Bytes;
use bytestring::ByteString;

use crate::{
    buffer::MessageBuf, context::Context, error::SendError, opcode::Kind, prepared::Prepared,
};

/// The bytes of a message or a piece of one.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "either the driver's memory or its own")]
pub enum Payload<'b> {
    /// It arrived whole in one frame: unmasked in place, neither copied nor allocated.
    Borrowed(&'b mut [u8]),
    /// It was assembled or inflated; keep it, send it on, or give it back to the pool.
    Owned(MessageBuf),
}

impl ops::Deref for Payload<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Borrowed(bytes) => bytes,
            Self::Owned(buf) => buf,
        }
    }
}

impl From<Payload<'_>> for Bytes {
    /// Copies what is borrowed, so that a small message never pins a large buffer, and moves
    /// what is owned.
    fn from(payload: Payload<'_>) -> Self {
        match payload {
            Payload::Borrowed(bytes) => Self::copy_from_slice(bytes),
            Payload::Owned(buf) => buf.into(),
        }
    }
}

/// Text that has been validated while it arrived (RFC 6455 §8.1). Nobody else can make one.
pub struct Text<'b>(TextInner<'b>);

enum TextInner<'b> {
    Borrowed(&'b mut str),
    /// Validated piece by piece.
    Owned(MessageBuf),
}

impl<'b> Text<'b> {
    pub(crate) const fn borrowed(text: &'b mut str) -> Self {
        Self(TextInner::Borrowed(text))
    }

    /// The caller has validated every piece of `buf`, and the end.
    pub(crate) const fn assembled(buf: MessageBuf) -> Self {
        Self(TextInner::Owned(buf))
    }

    /// The text as bytes; costs nothing.
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            TextInner::Borrowed(text) => text.as_bytes(),
            TextInner::Owned(buf) => buf,
        }
    }

    /// The text.
    ///
    /// Costs nothing where the message arrived whole. Where it was assembled from pieces this
    /// walks over it once more: safe code has no other way from valid bytes to a `str`.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            TextInner::Borrowed(text) => text,
            TextInner::Owned(buf) => validated(simdutf8::basic::from_utf8(buf)),
        }
    }
}

#[expect(clippy::expect_used, reason = "a Text is only made from bytes that Utf8Stream accepted")]
fn validated<T, E: fmt::Debug>(text: Result<T, E>) -> T {
    text.expect("validated while it arrived")
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl From<Text<'_>> for ByteString {
    fn from(text: Text<'_>) -> Self {
        match text.0 {
            TextInner::Borrowed(text) => Self::from(&*text),
            TextInner::Owned(buf) => validated(Self::try_from(Bytes::from(buf))),
        }
    }
}

impl<'b> From<Text<'b>> for Payload<'b> {
    fn from(text: Text<'b>) -> Self {
        match text.0 {
            // `str::as_bytes_mut` is unsafe; what is borrowed as text is small enough to copy.
            TextInner::Borrowed(text) => Self::Owned(text.as_bytes().into()),
            TextInner::Owned(buf) => Self::Owned(buf),
        }
    }
}

/// A message on its way out: text that is known to be UTF-8, or binary, in whatever memory it
/// lives. Small payloads are copied next to each other; large owned or shared ones are not copied.
#[derive(Debug)]
pub struct Outgoing<'a> {
    pub(crate) kind: Kind,
    pub(crate) source: Source<'a>,
    pub(crate) compress: bool,
}

/// Where the bytes of an outgoing payload are.
#[derive(Debug)]
pub(crate) enum Source<'a> {
    Slice(&'a [u8]),
    Owned(MessageBuf),
    Shared(Bytes),
    /// Encoded already, for many receivers.
    Prepared(Prepared),
}

impl Source<'_> {
    /// It was used otherwise: its memory goes back.
    pub(crate) fn recycle(self, cx: &mut Context) {
        if let Self::Owned(buf) = self {
            cx.buffers.give(buf);
        }
    }
}

impl ops::Deref for Source<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Slice(bytes) => bytes,
            Self::Owned(buf) => buf,
            Self::Shared(bytes) => bytes,
            Self::Prepared(prepared) => prepared.as_bytes(),
        }
    }
}

impl<'a> Outgoing<'a> {
    /// A binary message.
    pub const fn binary(payload: &'a [u8]) -> Self {
        Self::from_source(Kind::Binary, Source::Slice(payload))
    }

    /// A text message.
    pub const fn text(text: &'a str) -> Self {
        Self::from_source(Kind::Text, Source::Slice(text.as_bytes()))
    }

    const fn from_source(kind: Kind, source: Source<'a>) -> Self {
        Self { kind, source, compress: true }
    }

    /// Sends it as it is, though compression was negotiated: for messages that carry a secret
    /// beside text that an attacker chooses (RFC 7692 §8, CRIME), and for those that do not shrink.
    #[must_use]
    pub const fn uncompressed(mut self) -> Self {
        self.compress = false;
        self
    }

    /// A message of this kind from owned bytes; text is validated (§8.1).
    pub fn new(kind: Kind, payload: impl Into<Bytes>) -> Result<Self, SendError> {
        let payload = payload.into();
        if kind == Kind::Text && simdutf8::basic::from_utf8(&payload).is_err() {
            return Err(SendError::NotUtf8);
        }
        Ok(Self::from_source(kind, Source::Shared(payload)))
    }

    /// What it carries.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The payload, wherever it lives.
    pub fn as_bytes(&self) -> &[u8] {
        &self.source
    }

    /// The payload, where it is borrowed: to queue it would copy it.
    pub const fn as_borrowed(&self) -> Option<&'a [u8]> {
        match self.source {
            Source::Slice(payload) => Some(payload),
            Source::Owned(_) | Source::Shared(_) | Source::Prepared(_) => None,
        }
    }

    /// Bytes of payload.
    #[inline]
    pub fn len(&self) -> usize {
        self.source.len()
    }

    /// Whether there is no payload.
    pub fn is_empty(&self) -> bool {
        self.source.is_empty()
    }
}

impl<'a> From<&'a str> for Outgoing<'a> {
    fn from(text: &'a str) -> Self {
        Self::text(text)
    }
}

impl<'a> From<&'a [u8]> for Outgoing<'a> {
    fn from(payload: &'a [u8]) -> Self {
        Self::binary(payload)
    }
}

impl From<ByteString> for Outgoing<'_> {
    fn from(text: ByteString) -> Self {
        Self::from_source(Kind::Text, Source::Shared(text.into_bytes()))
    }
}

impl From<String> for Outgoing<'_> {
    fn from(text: String) -> Self {
        Self::from_source(Kind::Text, Source::Shared(text.into_bytes().into()))
    }
}

impl From<Bytes> for Outgoing<'_> {
    fn from(payload: Bytes) -> Self {
        Self::from_source(Kind::Binary, Source::Shared(payload))
    }
}

impl From<Vec<u8>> for Outgoing<'_> {
    fn from(payload: Vec<u8>) -> Self {
        Self::from_source(Kind::Binary, Source::Shared(payload.into()))
    }
}

impl From<MessageBuf> for Outgoing<'_> {
    fn from(payload: MessageBuf) -> Self {
        Self::from_source(Kind::Binary, Source::Owned(payload))
    }
}

impl From<Prepared> for Outgoing<'_> {
    fn from(message: Prepared) -> Self {
        Self::from_source(message.kind(), Source::Prepared(message))
    }
}

impl From<&Prepared> for Outgoing<'_> {
    fn from(message: &Prepared) -> Self {
        message.clone().into()
    }
}

/// Sends on what was received, without validating it again.
impl<'a> From<Text<'a>> for Outgoing<'a> {
    fn from(text: Text<'a>) -> Self {
        let source = match text.0 {
            TextInner::Borrowed(text) => Source::Slice(text.as_bytes()),
            TextInner::Owned(buf) => Source::Owned(buf),
        };
        Self::from_source(Kind::Text, source)
    }
}

/// Sends on what was received.
impl<'a> From<Payload<'a>> for Outgoing<'a> {
    fn from(payload: Payload<'a>) -> Self {
        let source = match payload {
            Payload::Borrowed(bytes) => Source::Slice(bytes),
            Payload::Owned(buf) => Source::Owned(buf),
        };
        Self::from_source(Kind::Binary, source)
    }
}
