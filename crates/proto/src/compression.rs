//! A connection's permessage-deflate (RFC 7692), as far as it has any: [`Compression`].
//!
//! Between two messages it owns a session only where context takeover needs one; else a session
//! is made for each message and gone after it.

use alloc::boxed::Box;

use bytes::Bytes;

use crate::{
    buffer::MessageBuf,
    closing::Failure,
    context::Context,
    deflate::{DeflateParams, DeflateSession, Deflated, InflateError},
    error::{LimitExceeded, ProtocolViolation},
    opcode::Role,
};

#[derive(Debug)]
pub(crate) struct Compression {
    params: Option<DeflateParams>,
    session: Option<Box<DeflateSession>>,
}

impl Compression {
    /// Nothing was negotiated.
    pub(crate) const OFF: Self = Self { params: None, session: None };

    pub(crate) const fn new(params: DeflateParams) -> Self {
        Self { params: Some(params), session: None }
    }

    pub(crate) const fn params(&self) -> Option<DeflateParams> {
        self.params
    }

    pub(crate) const fn is_on(&self) -> bool {
        self.params.is_some()
    }

    /// Inflates a piece of a compressed message into `out`; `last` is its end.
    pub(crate) fn inflate(
        &mut self,
        cx: &mut Context,
        role: Role,
        piece: &[u8],
        last: bool,
        out: &mut MessageBuf,
        message_len_max: u64,
    ) -> Result<(), Failure> {
        let result = self.with_session(role, |session| {
            session.inflate(&mut cx.codecs, piece, last, out, message_len_max)
        });
        match result {
            // RSV1 is refused before, where nothing was negotiated.
            None | Some(Ok(())) => Ok(()),
            Some(Err(InflateError::InvalidDeflate)) => {
                Err(Failure::Protocol(ProtocolViolation::InvalidDeflate))
            }
            Some(Err(InflateError::TooLong)) => {
                Err(Failure::Limit(LimitExceeded::InflatedMessageTooLong { message_len_max }))
            }
        }
    }

    /// A whole message of ours, compressed; `None` if it goes as it is.
    pub(crate) fn deflate(
        &mut self,
        cx: &mut Context,
        role: Role,
        payload: &[u8],
    ) -> Option<MessageBuf> {
        let params = self.params?;
        if payload.len() < params.threshold() {
            return None;
        }
        let mut out = cx.buffers.take(payload.len() / 2);
        let result =
            self.with_session(role, |session| session.deflate(&mut cx.codecs, payload, &mut out));
        if result == Some(Deflated::Compressed) {
            return Some(out);
        }
        cx.buffers.give(out);
        None
    }

    /// Whether a message of ours that begins with this piece is to be compressed.
    pub(crate) fn wants(&self, piece: &[u8], last: bool) -> bool {
        self.params.is_some_and(|params| !last || piece.len() >= params.threshold())
    }

    /// A piece of a message of ours, compressed so that the peer can inflate all of it at once.
    pub(crate) fn deflate_fragment(
        &mut self,
        cx: &mut Context,
        role: Role,
        payload: &[u8],
        last: bool,
    ) -> MessageBuf {
        let mut out = cx.buffers.take(payload.len() / 2);
        self.with_session(role, |session| {
            session.deflate_fragment(&mut cx.codecs, payload, last, &mut out);
        });
        out
    }

    /// The window and level for a message that many receivers share, if we would compress it.
    pub(crate) fn shared_kind(&self, role: Role, payload: &[u8]) -> Option<(u8, u8)> {
        let params = self.params.filter(|params| payload.len() >= params.threshold())?;
        Some((params.ours(role).window_bits(), params.level()))
    }

    /// A message that was compressed for many was sent: what follows may refer to it.
    pub(crate) fn push_shared(&mut self, role: Role, plain: &Bytes) {
        self.with_session(role, |session| session.push_shared(plain));
    }

    /// Gives back what it has of the thread's codecs.
    pub(crate) fn release(&mut self, cx: &mut Context) {
        if let Some(session) = self.session.take() {
            session.retire(&mut cx.codecs);
        }
    }

    fn with_session<T>(
        &mut self,
        role: Role,
        f: impl FnOnce(&mut DeflateSession) -> T,
    ) -> Option<T> {
        let params = self.params?;
        if let Some(session) = &mut self.session {
            let result = f(session);
            if session.is_stateless() {
                self.session = None;
            }
            return Some(result);
        }
        let mut session = DeflateSession::new(params, role);
        let result = f(&mut session);
        if !session.is_stateless() {
            self.session = Some(Box::new(session));
        }
        Some(result)
    }
}
