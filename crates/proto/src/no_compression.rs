//! What stands for permessage-deflate where it is not built in: never on.

#![expect(
    clippy::unused_self,
    clippy::unnecessary_wraps,
    clippy::needless_pass_by_ref_mut,
    clippy::missing_const_for_fn,
    reason = "the twin of the real one, so that callers need not know"
)]

use bytes::Bytes;

use crate::{buffer::MessageBuf, closing::Failure, context::Context, opcode::Role};

/// Always off.
#[derive(Debug)]
pub(crate) struct Compression;

impl Compression {
    pub(crate) const OFF: Self = Self;

    pub(crate) const fn is_on(&self) -> bool {
        false
    }

    pub(crate) fn inflate(
        &mut self,
        _cx: &mut Context,
        _role: Role,
        _piece: &[u8],
        _last: bool,
        _out: &mut MessageBuf,
        _message_len_max: u64,
    ) -> Result<(), Failure> {
        Ok(()) // RSV1 was refused
    }

    pub(crate) fn deflate(
        &mut self,
        _cx: &mut Context,
        _role: Role,
        _payload: &[u8],
    ) -> Option<MessageBuf> {
        None
    }

    pub(crate) const fn wants(&self, _piece: &[u8], _last: bool) -> bool {
        false
    }

    pub(crate) fn deflate_fragment(
        &mut self,
        _cx: &mut Context,
        _role: Role,
        _payload: &[u8],
        _last: bool,
    ) -> MessageBuf {
        MessageBuf::new() // never wanted
    }

    pub(crate) const fn shared_kind(&self, _role: Role, _payload: &[u8]) -> Option<(u8, u8)> {
        None
    }

    pub(crate) fn push_shared(&mut self, _role: Role, _plain: &Bytes) {}

    pub(crate) fn release(&mut self, _cx: &mut Context) {}
}
