//! Messages on their way out: whole, prepared, or in fragments.

use alloc::boxed::Box;
use core::mem;

use bytes::Bytes;

use crate::{
    buffer::MessageBuf,
    connection::Connection,
    context::Context,
    error::SendError,
    message::{Outgoing, Source},
    opcode::{Kind, OpCode, Role},
    outbox::FrameHead,
    prepared::Prepared,
    utf8::Utf8Stream,
};

/// A message of ours that the application sends piece by piece.
#[derive(Debug)]
pub(crate) struct FragmentedSend {
    kind: Kind,
    utf8: Utf8Stream,
    compressed: bool,
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
        let Outgoing { kind, source, compress } = message.into();
        match source {
            Source::Prepared(message) => self.push_prepared(cx, &message, compress),
            source => {
                let head = FrameHead::whole(kind.into());
                match self.compress(cx, &source, compress) {
                    Some(deflated) => {
                        source.recycle(cx);
                        self.push_data(cx, head.compressed(), Source::Owned(deflated));
                    }
                    None => self.push_data(cx, head, source),
                }
            }
        }
        self.watch_stall(cx.now);
        Ok(())
    }

    #[inline]
    fn compress(
        &mut self,
        cx: &mut Context,
        source: &Source<'_>,
        compress: bool,
    ) -> Option<MessageBuf> {
        if compress && self.compression.is_on() {
            self.compression.deflate(cx, self.role, source)
        } else {
            None
        }
    }

    /// The same bytes for everybody: not even `fragment_len_max` makes other ones.
    fn push_prepared(&mut self, cx: &mut Context, message: &Prepared, compress: bool) {
        let (frame, is_compressed) = self.frame_of(cx, message, compress);
        match self.role {
            Role::Server => self.outbox.push_encoded(cx, &frame.bytes),
            Role::Client => {
                let head = FrameHead::whole(message.kind().into());
                let head = if is_compressed { head.compressed() } else { head };
                self.outbox.push(cx, Role::Client, head, Source::Slice(frame.payload()));
            }
        }
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
        let (opcode, compressed) = match &self.sending {
            Some(sending) => (OpCode::Continuation, sending.compressed),
            None => (kind.into(), self.compression.wants(payload, last)),
        };
        let mut head = FrameHead { fin: last, rsv: 0, opcode };
        if compressed {
            let deflated = self.compression.deflate_fragment(cx, self.role, payload, last);
            if self.sending.is_none() {
                head = head.compressed();
            }
            self.push_data(cx, head, Source::Owned(deflated));
        } else {
            self.push_data(cx, head, Source::Slice(payload));
        }
        self.sending = (!last).then(|| Box::new(FragmentedSend { kind, utf8, compressed }));
        self.watch_stall(cx.now);
        Ok(())
    }

    fn may_send_message(&self) -> Result<(), SendError> {
        self.may_send()?;
        if self.sending.is_some() { Err(SendError::MessageUnderWay) } else { Ok(()) }
    }

    /// Queues a data frame, or several of at most `fragment_len_max` bytes.
    #[inline]
    fn push_data(&mut self, cx: &mut Context, head: FrameHead, source: Source<'_>) {
        match self.config.fragment_len_max {
            Some(len_max) if source.len() > len_max => {
                self.push_fragments(cx, head, source, len_max);
            }
            _ => self.outbox.push(cx, self.role, head, source),
        }
    }

    fn push_fragments(
        &mut self,
        cx: &mut Context,
        mut head: FrameHead,
        source: Source<'_>,
        len_max: usize,
    ) {
        let fin = head.fin;
        let mut pieces = Pieces::new(source);
        while !pieces.is_empty() {
            let piece = pieces.take(len_max.max(1));
            head.fin = fin && pieces.is_empty();
            self.outbox.push(cx, self.role, head, piece);
            // RFC 7692 §6.1: RSV1 stands on the first fragment alone.
            head = FrameHead { fin, rsv: 0, opcode: OpCode::Continuation };
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
