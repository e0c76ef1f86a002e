//! One message for many receivers: [`Prepared`].

use alloc::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};

use crate::{context::Context, header::FrameHeader, message::Outgoing, opcode::Kind};

/// One message, encoded once and shared by reference count with any number of receivers.
///
/// A server queues the same bytes on each connection; a client's frames need a masking key each,
/// so it copies.
#[derive(Debug, Clone)]
pub struct Prepared(Arc<Encoded>);

#[derive(Debug)]
struct Encoded {
    kind: Kind,
    frame: Frame,
    #[cfg(feature = "deflate")]
    compressed: Option<Compressed>,
}

/// A whole frame, unmasked.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    pub(crate) bytes: Bytes,
    header_len: usize,
}

/// Compressed forms, made when the first receiver wants one: a slot for each window from 8 to 15
/// bits. `None` within: it would not shrink.
#[cfg(feature = "deflate")]
#[derive(Debug, Default)]
struct Compressed([std::sync::OnceLock<Option<Frame>>; 8]);

impl Frame {
    fn new(kind: Kind, rsv: u8, payload: &[u8]) -> Self {
        let header = FrameHeader {
            fin: true,
            rsv,
            opcode: kind.into(),
            masking_key: None,
            len: payload.len() as u64,
        };
        let header = header.encode();
        let mut bytes = BytesMut::with_capacity(header.len() + payload.len());
        bytes.put_slice(&header);
        bytes.put_slice(payload);
        Self { bytes: bytes.freeze(), header_len: header.len() }
    }

    pub(crate) fn payload(&self) -> &[u8] {
        &self.bytes[self.header_len..]
    }
}

impl Prepared {
    /// Encodes a message, to be sent as it is.
    pub fn new<'a>(message: impl Into<Outgoing<'a>>) -> Self {
        let message = message.into();
        Self(Arc::new(Encoded {
            kind: message.kind,
            frame: Frame::new(message.kind, 0, &message.source),
            #[cfg(feature = "deflate")]
            compressed: None,
        }))
    }

    /// The same message, to be compressed for those receivers with whom permessage-deflate was
    /// negotiated: once for each window size, and only when somebody wants it.
    ///
    /// It refers to no other message, so that one compressed frame serves all, context takeover or
    /// not; messages that follow may refer to it.
    #[must_use]
    pub fn compressed(self) -> Self {
        #[cfg(feature = "deflate")]
        if self.0.compressed.is_none() {
            return Self(Arc::new(Encoded {
                kind: self.0.kind,
                frame: self.0.frame.clone(),
                compressed: Some(Compressed::default()),
            }));
        }
        self
    }

    /// What it carries.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// The message.
    pub fn payload(&self) -> Bytes {
        self.0.frame.bytes.slice(self.0.frame.header_len..)
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.frame.payload()
    }

    pub(crate) fn frame(&self) -> &Frame {
        &self.0.frame
    }

    /// The compressed frame for a window of so many bits.
    #[cfg(feature = "deflate")]
    pub(crate) fn compressed_frame(
        &self,
        cx: &mut Context,
        window_bits: u8,
        level: u8,
    ) -> Option<&Frame> {
        let slots = &self.0.compressed.as_ref()?.0;
        let slot = slots.get(usize::from(window_bits).checked_sub(8)?)?;
        slot.get_or_init(|| {
            let mut out = cx.buffers.take(self.as_bytes().len() / 2);
            let codecs = &mut cx.codecs;
            let deflated = crate::deflate::deflate_shared(
                codecs,
                window_bits,
                level,
                self.as_bytes(),
                &mut out,
            );
            let frame = (deflated == crate::deflate::Deflated::Compressed)
                .then(|| Frame::new(self.kind(), crate::header::RSV1, &out));
            cx.buffers.give(out);
            frame
        })
        .as_ref()
    }

    #[cfg(not(feature = "deflate"))]
    #[expect(clippy::unused_self, reason = "the twin of the real one")]
    pub(crate) const fn compressed_frame(
        &self,
        _cx: &mut Context,
        _window_bits: u8,
        _level: u8,
    ) -> Option<&Frame> {
        None
    }
}
