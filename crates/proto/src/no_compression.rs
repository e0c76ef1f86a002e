//! What stands for permessage-deflate where it is not built in: never on.

use bytes::Bytes;

use crate::{buffer::MessageBuf, closing::Failure, context::Context, opcode::Role};

/// Always off; its methods are there so that the callers need not know.
#[derive(Debug, Default)]
pub(crate) struct Compression;

#[expect(clippy::unused_self, reason = "the twin of the real one")]
impl Compression {
    pub(crate) const fn is_on(&self) -> bool {
        false
    }

    pub(crate) const fn inflate(
        &self,
        _cx: &mut Context,
        _role: Role,
        _piece: &[u8],
        _last: bool,
        _out: &mut MessageBuf,
        _message_len_max: u64,
    ) -> Result<(), Failure> {
        Ok(()) // RSV1 was refused
    }

    pub(crate) const fn deflate(
        &self,
        _cx: &mut Context,
        _role: Role,
        _payload: &[u8],
    ) -> Option<MessageBuf> {
        None
    }

    pub(crate) const fn wants(&self, _piece: &[u8], _last: bool) -> bool {
        false
    }

    pub(crate) const fn deflate_fragment(
        &self,
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

    pub(crate) const fn push_shared(&self, _role: Role, _plain: &Bytes) {}

    pub(crate) const fn release(&self, _cx: &mut Context) {}
}
