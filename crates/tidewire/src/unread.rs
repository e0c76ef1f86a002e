//! Bytes that were read and not yet understood: [`Unread`], and what comes out: [`Event`].

use bytes::Bytes;
use tidewire_proto::{self as proto, Connection, Kind, Outcome};

use crate::{
    message::Message,
    thread::{give_read_buffer, small_copy, take_read_buffer, with_context},
};

/// What happened on a connection, in memory of its own.
#[derive(Debug)]
pub(crate) enum Event {
    Message(Message),
    /// Boxed for the sake of messages: with bytes of its own beside the tag, an event is moved at
    /// odd offsets, which the processor cannot forward from what was just written.
    Fragment(Box<Fragment>),
    /// A control frame; it has been dealt with.
    Control,
    /// We failed the connection; `Closed` will follow.
    Failed,
    Closed(Box<Outcome>),
}

/// A piece of a message.
#[derive(Debug)]
pub(crate) struct Fragment {
    pub(crate) kind: Kind,
    pub(crate) payload: Bytes,
    pub(crate) first: bool,
    pub(crate) last: bool,
}

// Events are handed through several layers for each message: one without a tag of its own, which
// stands in the message's.
const _: () = assert!(size_of::<Event>() == size_of::<Message>());

impl Event {
    /// Bytes of memory that it takes to keep it.
    pub(crate) fn cost(&self) -> usize {
        let payload = match self {
            Self::Message(message) => message.len(),
            Self::Fragment(fragment) => fragment.payload.len() + size_of::<Fragment>(),
            Self::Control | Self::Failed | Self::Closed(_) => 0,
        };
        payload + size_of::<Self>()
    }
}

impl From<proto::Event<'_>> for Event {
    #[inline]
    fn from(event: proto::Event<'_>) -> Self {
        match event {
            proto::Event::Text(text) => Self::Message(text.into()),
            proto::Event::Binary(payload) => Self::Message(payload.into()),
            proto::Event::Fragment(fragment) => Self::Fragment(Box::new(Fragment {
                kind: fragment.kind,
                payload: fragment.payload.into(),
                first: fragment.first,
                last: fragment.last,
            })),
            proto::Event::Failed(_) => Self::Failed,
            proto::Event::Closed(outcome) => Self::Closed(outcome),
            _ => Self::Control,
        }
    }
}

/// What a read left behind a message. Holds a buffer only while unread bytes are in it; a header
/// that was cut short is kept inline.
#[derive(Default)]
pub(crate) struct Unread {
    buffer: Option<Box<[u8]>>,
    start: usize,
    end: usize,
    cut: [u8; CUT_LEN_MAX],
    cut_len: u8,
}

/// The longest header that is not whole.
const CUT_LEN_MAX: usize = 13;

impl Unread {
    /// Bytes that came with the opening handshake (RFC 6455 §4.1: a server may send at once).
    pub(crate) fn new(bytes: &[u8]) -> Self {
        if bytes.is_empty() {
            return Self::default();
        }
        Self { buffer: Some(bytes.into()), end: bytes.len(), ..Self::default() }
    }

    /// Whether bytes wait that may be whole frames.
    pub(crate) const fn is_empty(&self) -> bool {
        self.buffer.is_none()
    }

    /// Reads behind what was cut. `read` returns how much it put into the room it is given.
    pub(crate) fn fill<T>(&mut self, read: impl FnOnce(&mut [u8]) -> (usize, T)) -> (usize, T) {
        debug_assert!(self.is_empty(), "what is unread comes first");
        let mut buffer = take_read_buffer();
        let cut_len = usize::from(self.cut_len);
        if cut_len > 0 {
            buffer[..cut_len].copy_from_slice(&self.cut[..cut_len]);
        }
        let (len, result) = read(&mut buffer[cut_len..]);
        if len == 0 {
            give_read_buffer(buffer);
        } else {
            self.cut_len = 0;
            self.start = 0;
            self.end = cut_len + len;
            self.buffer = Some(buffer);
        }
        (len, result)
    }

    /// The next event. Gives the buffer back once nothing but a cut header is left.
    pub(crate) fn next(&mut self, conn: &mut Connection) -> Option<Event> {
        let buffer = self.buffer.as_mut()?;
        let mut input = &mut buffer[self.start..self.end];
        let event = with_context(|cx| conn.receive(cx, &mut input).map(Event::from));
        let left = input.len();
        self.start = self.end - left;
        if event.is_none() {
            self.keep_cut();
        }
        if self.start == self.end
            && let Some(buffer) = self.buffer.take()
        {
            give_read_buffer(buffer);
        }
        event
    }

    /// No whole frame is left: what is there goes inline.
    #[inline(never)]
    fn keep_cut(&mut self) {
        let Some(buffer) = &self.buffer else { return };
        let cut = &buffer[self.start..self.end];
        self.cut[..cut.len()].copy_from_slice(cut);
        #[expect(clippy::cast_possible_truncation, reason = "receive() leaves at most 13 bytes")]
        {
            self.cut_len = cut.len() as u8;
        }
        self.start = self.end;
    }

    /// Moves what is left to a small buffer where it fits: it may stay a while.
    pub(crate) fn shrink(&mut self) {
        if let Some(buffer) = self.buffer.take_if(|buffer| buffer.len() == crate::thread::READ_LEN)
        {
            match small_copy(&buffer[self.start..self.end]) {
                Some(small) => {
                    self.end -= self.start;
                    self.start = 0;
                    self.buffer = Some(small);
                    give_read_buffer(buffer);
                }
                None => self.buffer = Some(buffer),
            }
        }
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        if let Some(buffer) = self.buffer.take() {
            give_read_buffer(buffer);
        }
    }
}
