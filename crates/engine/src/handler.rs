//! [`Handler`]: the application, as the engine sees it.

use tidewire_proto::{Outcome, Outgoing, Payload, Text};

use crate::{id::ConnectionId, plane::Plane};

/// The application on one thread: what it does when something happens to a connection.
///
/// Each thread has a handler of its own, so nothing here is shared and nothing needs a lock. What a
/// handler queues leaves at the end of the turn, in one write for each socket.
///
/// A panic in one of these functions costs the connection at which it happened, which is closed with
/// 1011; the thread and the handler go on.
pub trait Handler: Sized + 'static {
    /// What is known of a connection before it opens: who it is, what it asked for.
    type Guest: Send + 'static;

    /// What other threads may tell this one: see [`Remote::tell`](crate::Remote::tell).
    type Command: Send + 'static;

    /// A connection is open.
    fn opened(&mut self, plane: &mut Plane<Self>, id: ConnectionId, guest: Self::Guest) {
        let _ = (plane, id, guest);
    }

    /// A whole message arrived.
    fn message(&mut self, plane: &mut Plane<Self>, id: ConnectionId, message: Message<'_>);

    /// The queue of a connection has grown beyond its high-water mark, and its socket has taken none
    /// of that at the end of the turn: the peer does not keep up. What follows is
    /// [`writable`](Self::writable), or the end.
    fn congested(&mut self, plane: &mut Plane<Self>, id: ConnectionId) {
        let _ = (plane, id);
    }

    /// The queue of a connection had grown beyond its high-water mark and is below the low one now.
    fn writable(&mut self, plane: &mut Plane<Self>, id: ConnectionId) {
        let _ = (plane, id);
    }

    /// A connection that was open has ended. Its name names nothing any more.
    fn closed(&mut self, plane: &mut Plane<Self>, id: ConnectionId, outcome: &Outcome) {
        let _ = (plane, id, outcome);
    }

    /// The time has come that was asked for by [`Plane::wake_at`].
    fn woken(&mut self, plane: &mut Plane<Self>) {
        let _ = plane;
    }

    /// A turn ends: what was queued in it has been written, as far as the sockets take it (on `io_uring`
    /// it leaves with the system call that follows). For looking at the clock, not for queueing more.
    fn turn_ended(&mut self, plane: &mut Plane<Self>) {
        let _ = plane;
    }

    /// Another thread tells something.
    fn command(&mut self, plane: &mut Plane<Self>, command: Self::Command) {
        let _ = (plane, command);
    }
}

/// A message, in the memory in which it arrived: borrowed where it came whole in one read, owned and
/// free to keep where it was assembled.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "RFC 6455 §5.6 has these two")]
pub enum Message<'b> {
    /// Text, validated while it arrived.
    Text(Text<'b>),
    /// Bytes.
    Binary(Payload<'b>),
}

impl Message<'_> {
    /// The bytes of either.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(payload) => payload,
        }
    }
}

/// Sends on what was received: without another copy where it is large, without validating it again.
impl<'b> From<Message<'b>> for Outgoing<'b> {
    fn from(message: Message<'b>) -> Self {
        match message {
            Message::Text(text) => text.into(),
            Message::Binary(payload) => payload.into(),
        }
    }
}
