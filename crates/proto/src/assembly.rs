//! A message that does not arrive whole: [`Assembly`].

use crate::{
    buffer::MessageBuf, context::Context, error::ProtocolViolation, opcode::Kind, time::Timestamp,
    utf8::Utf8Stream,
};

/// A message under way. Exists from the header of its first frame to the end of its last,
/// and not at all for a message that arrives whole in one read.
#[derive(Debug)]
pub(crate) struct Assembly {
    pub(crate) kind: Kind,
    /// RSV1 was set on its first frame (RFC 7692 §6).
    pub(crate) compressed: bool,
    /// What has arrived, unmasked and inflated, and has not been handed out.
    pub(crate) buf: MessageBuf,
    /// Payload bytes that the headers so far have announced.
    pub(crate) announced: u64,
    pub(crate) fragments: u32,
    /// Whether a piece of it has been handed out as a fragment.
    pub(crate) delivered: bool,
    pub(crate) deadline: Option<Timestamp>,
    utf8: Utf8Stream,
}

/// A message's buffer starts with room for this much...
const FIRST_CAPACITY: usize = 4 << 10;

/// ...and has at most this many times the room of what was received, so that memory follows what
/// arrives and never what a header announces (L6).
const GROWTH: usize = 4;

impl Assembly {
    pub(crate) fn new(kind: Kind, compressed: bool, deadline: Option<Timestamp>) -> Self {
        Self {
            kind,
            compressed,
            buf: MessageBuf::new(),
            announced: 0,
            fragments: 0,
            delivered: false,
            deadline,
            utf8: Utf8Stream::default(),
        }
    }

    /// Gives it a buffer, if it has none.
    pub(crate) fn make_buffer(&mut self, cx: &mut Context) {
        cx.buffers.grow(&mut self.buf, FIRST_CAPACITY);
    }

    /// Makes room for more, but not for more than `expected` bytes in all. Returns the room.
    pub(crate) fn reserve(&mut self, cx: &mut Context, expected: u64) -> usize {
        let len = self.buf.len();
        if self.buf.capacity() == len {
            let grown = len.saturating_mul(GROWTH).max(FIRST_CAPACITY);
            let capacity = usize::try_from(expected).map_or(grown, |expected| grown.min(expected));
            cx.buffers.grow(&mut self.buf, capacity.max(len + 1));
        }
        self.buf.capacity() - len
    }

    /// Appends bytes that are plain: unmasked and not compressed.
    pub(crate) fn append(
        &mut self,
        cx: &mut Context,
        piece: &[u8],
        expected: u64,
    ) -> Result<(), ProtocolViolation> {
        let len = self.buf.len() + piece.len();
        if self.buf.capacity() < len {
            let grown = len.saturating_mul(GROWTH).max(FIRST_CAPACITY);
            let capacity = usize::try_from(expected).map_or(grown, |expected| grown.min(expected));
            cx.buffers.grow(&mut self.buf, capacity.max(len));
        }
        self.buf.extend_from_slice(piece);
        self.validate(piece)
    }

    /// §8.1: text is validated while it arrives.
    pub(crate) fn validate(&mut self, piece: &[u8]) -> Result<(), ProtocolViolation> {
        match self.kind {
            Kind::Text => self.utf8.push(piece),
            Kind::Binary => Ok(()),
        }
    }

    /// Validates what `buf` holds from `start` on: it was put there by others.
    pub(crate) fn validate_from(&mut self, start: usize) -> Result<(), ProtocolViolation> {
        match self.kind {
            Kind::Text => self.utf8.push(&self.buf[start..]),
            Kind::Binary => Ok(()),
        }
    }

    /// The message has ended.
    pub(crate) const fn finish(&self) -> Result<(), ProtocolViolation> {
        match self.kind {
            Kind::Text => self.utf8.finish(),
            Kind::Binary => Ok(()),
        }
    }
}
