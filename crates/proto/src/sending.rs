//! Messages on their way out: whole, in fragments, or prepared once for many receivers.

use alloc::{boxed::Box, sync::Arc};
use core::mem;

use bytes::{BufMut, Bytes, BytesMut};

use crate::{
    connection::Connection,
    context::Context,
    error::SendError,
    header::FrameHeader,
    message::{Outgoing, Source},
    opcode::{Kind, OpCode, Role},
    outbox::FrameHead,
    utf8::Utf8Stream,
};

/// A message of ours that the application sends piece by piece.
#[derive(Debug)]
pub(crate) struct FragmentedSend {
    kind: Kind,
    utf8: Utf8Stream,
}

/// One message, encoded once and shared by reference count with any number of receivers.
///
/// A server queues the same bytes on each connection; a client's frames need a masking key each,
/// so it copies.
#[derive(Debug, Clone)]
pub struct Prepared(Arc<Encoded>);

#[derive(Debug)]
struct Encoded {
    kind: Kind,
    /// Header and payload, unmasked.
    frame: Bytes,
    header_len: usize,
}

impl Prepared {
    /// Encodes a message.
    pub fn new<'a>(message: impl Into<Outgoing<'a>>) -> Self {
        let Outgoing { kind, source } = message.into();
        let header = FrameHeader {
            fin: true,
            rsv: 0,
            opcode: kind.into(),
            masking_key: None,
            len: source.len() as u64,
        };
        let header = header.encode();
        let mut frame = BytesMut::with_capacity(header.len() + source.len());
        frame.put_slice(&header);
        frame.put_slice(&source);
        Self(Arc::new(Encoded { kind, frame: frame.freeze(), header_len: header.len() }))
    }

    /// What it carries.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0.frame[self.0.header_len..]
    }

    /// The message.
    pub fn payload(&self) -> Bytes {
        self.0.frame.slice(self.0.header_len..)
    }
}

impl Connection {
    /// Queues a whole message, or a [`Prepared`] one that others receive too.
    ///
    /// A small one is copied next to others; a large owned or shared one is not copied.
    pub fn send<'a>(
        &mut self,
        cx: &mut Context,
        message: impl Into<Outgoing<'a>>,
    ) -> Result<(), SendError> {
        self.may_send_message()?;
        let Outgoing { kind, source } = message.into();
        self.push_data(cx, kind.into(), source, true);
        self.watch_stall(cx.now);
        Ok(())
    }

    /// Queues a piece of a message as a frame of its own (§5.4); `last` ends the message.
    ///
    /// The pieces of one message have the same `kind`. Text may be cut inside a code point.
    pub fn send_fragment(
        &mut self,
        cx: &mut Context,
        kind: Kind,
        payload: &[u8],
        last: bool,
    ) -> Result<(), SendError> {
        self.may_send()?;
        let mut utf8 = Utf8Stream::default();
        if let Some(sending) = &self.sending {
            if sending.kind != kind {
                return Err(SendError::MessageUnderWay);
            }
            utf8 = sending.utf8.clone();
        }
        if kind == Kind::Text {
            let valid = utf8.push(payload).and_then(|()| if last { utf8.finish() } else { Ok(()) });
            valid.map_err(|_| SendError::NotUtf8)?;
        }
        let opcode = if self.sending.is_some() { OpCode::Continuation } else { kind.into() };
        self.push_data(cx, opcode, Source::Slice(payload), last);
        self.sending = (!last).then(|| Box::new(FragmentedSend { kind, utf8 }));
        self.watch_stall(cx.now);
        Ok(())
    }

    fn may_send_message(&self) -> Result<(), SendError> {
        self.may_send()?;
        if self.sending.is_some() { Err(SendError::MessageUnderWay) } else { Ok(()) }
    }

    /// Queues a data frame, or several of at most `fragment_len_max` bytes.
    fn push_data(&mut self, cx: &mut Context, mut opcode: OpCode, source: Source<'_>, fin: bool) {
        let role = self.role();
        if let (Source::Prepared(message), Role::Server) = (&source, role) {
            // The same bytes for everybody; not even `fragment_len_max` makes other ones.
            return self.outbox.push_encoded(cx, &message.0.frame);
        }
        let Some(len_max) = self.config().fragment_len_max.filter(|max| source.len() > *max) else {
            let head = FrameHead { fin, rsv: 0, opcode };
            return self.outbox.push(cx, role, head, source);
        };
        let mut pieces = Pieces::new(source);
        while !pieces.is_empty() {
            let piece = pieces.take(len_max.max(1));
            let head = FrameHead { fin: fin && pieces.is_empty(), rsv: 0, opcode };
            self.outbox.push(cx, role, head, piece);
            opcode = OpCode::Continuation;
        }
    }
}

/// A payload that is cut into frames without being copied.
enum Pieces<'a> {
    Slice(&'a [u8]),
    Shared(Bytes),
}

impl<'a> Pieces<'a> {
    fn new(source: Source<'a>) -> Self {
        match source {
            Source::Slice(bytes) => Self::Slice(bytes),
            Source::Owned(buf) => Self::Shared(buf.into()),
            Source::Shared(bytes) => Self::Shared(bytes),
            Source::Prepared(message) => Self::Shared(message.payload()),
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::Slice(bytes) => bytes.is_empty(),
            Self::Shared(bytes) => bytes.is_empty(),
        }
    }

    fn take(&mut self, len_max: usize) -> Source<'a> {
        match self {
            Self::Slice(bytes) => {
                let (piece, rest) = bytes.split_at(len_max.min(bytes.len()));
                *bytes = rest;
                Source::Slice(piece)
            }
            Self::Shared(bytes) if bytes.len() <= len_max => Source::Shared(mem::take(bytes)),
            Self::Shared(bytes) => Source::Shared(bytes.split_to(len_max)),
        }
    }
}
