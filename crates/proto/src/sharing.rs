//! Frames that a driver writes by itself, from memory that is not the outbox's: one buffer for many
//! sockets, or a payload that lies somewhere else.

use bytes::Bytes;

use crate::{
    closing::State,
    connection::Connection,
    context::Context,
    header::{EncodedHeader, FrameHeader},
    message::Outgoing,
    opcode::Role,
    prepared::{Frame, Prepared},
};

impl Connection {
    /// The frame to write for `message`, for a driver that has one buffer for many connections and
    /// writes it without queueing it on each.
    ///
    /// With `Some` the message counts as sent: the driver writes the frame before anything that is
    /// queued later, and gives to [`queue_encoded`](Self::queue_encoded) what the socket does not
    /// take. `None`: something is queued already, or frames must be masked (§5.1), or nothing may
    /// be sent; [`send`](Self::send) it, which says why.
    pub fn share<'m>(&mut self, cx: &mut Context, message: &'m Prepared) -> Option<&'m Bytes> {
        if !self.may_share() {
            return None;
        }
        Some(&self.frame_of(cx, message, true).0.bytes)
    }

    /// The frame that carries `message` here, and whether it is compressed. From then on it counts as
    /// sent: messages that follow may refer to it.
    #[inline]
    pub(crate) fn frame_of<'m>(
        &mut self,
        cx: &mut Context,
        message: &'m Prepared,
        compress: bool,
    ) -> (&'m Frame, bool) {
        let compressed = self
            .compression
            .shared_kind(self.role, message.as_bytes())
            .filter(|_| compress)
            .and_then(|(window_bits, level)| message.compressed_frame(cx, window_bits, level));
        if compressed.is_some() {
            self.compression.push_shared(self.role, &message.payload());
        }
        (compressed.unwrap_or(message.frame()), compressed.is_some())
    }

    /// The header of the frame that carries `message` as it is, for a driver that writes header and
    /// payload at once, without a copy of the payload.
    ///
    /// As with [`share`](Self::share): with `Some` the message counts as sent, and what the socket
    /// does not take is to be [queued](Self::queue_encoded). `None`: [`send`](Self::send) it.
    #[inline]
    pub fn share_header(&self, message: &Outgoing<'_>) -> Option<EncodedHeader> {
        let len = message.len();
        let one_frame = self.config.fragment_len_max.is_none_or(|max| len <= max);
        let as_it_is = !(message.compress && self.compression.is_on());
        if !(self.may_share() && one_frame && as_it_is) {
            return None;
        }
        let opcode = message.kind.into();
        let header = FrameHeader { fin: true, rsv: 0, opcode, masking_key: None, len: len as u64 };
        Some(header.encode())
    }

    fn may_share(&self) -> bool {
        matches!(self.state, State::Open)
            && self.sending.is_none()
            && self.role == Role::Server
            && self.outbox.is_empty()
    }

    /// Queues bytes that are encoded already: what is left of a [`share`](Self::share)d frame, or
    /// the response that opens the connection.
    pub fn queue_encoded(&mut self, cx: &mut Context, bytes: &Bytes) {
        self.outbox.push_encoded(cx, bytes);
        self.watch_stall(cx.now);
    }
}
