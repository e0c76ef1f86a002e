//! Fan-out: frames that a driver writes to many sockets by itself.

use bytes::Bytes;

use crate::{
    closing::State, connection::Connection, context::Context, opcode::Role, prepared::Prepared,
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
        let free = matches!(self.state, State::Open) && self.sending.is_none();
        if !free || self.role == Role::Client || !self.outbox.is_empty() {
            return None;
        }
        let compressed = self
            .compression
            .shared_kind(Role::Server, message.as_bytes())
            .and_then(|(window_bits, level)| message.compressed_frame(cx, window_bits, level));
        if compressed.is_some() {
            self.compression.push_shared(Role::Server, &message.payload());
        }
        Some(&compressed.unwrap_or(message.frame()).bytes)
    }

    /// Queues bytes that are encoded already: what is left of a [`share`](Self::share)d frame, or
    /// the response that opens the connection.
    pub fn queue_encoded(&mut self, cx: &mut Context, bytes: &Bytes) {
        self.outbox.push_encoded(cx, bytes);
        self.watch_stall(cx.now);
    }
}
