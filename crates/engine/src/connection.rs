//! [`Conn`]: what a thread has of each connection.

use rustix::fd::OwnedFd;
use tidewire_proto::{Connection, Timestamp, Transport};

use crate::{opening::Opening, refusal::Refusal, runs::Run, tls::Tls, waiting::Waiting};

/// A socket and how far its connection has come. This and its place in the slab are all that an idle
/// connection has in user space.
#[derive(Debug)]
pub(crate) struct Conn<G> {
    pub(crate) stage: Stage<G>,
    /// Bytes that were read and not yet understood: a header cut short, or what came behind a
    /// message at which the handler paused reading.
    pub(crate) kept: Option<Box<Kept>>,
    /// What may be dropped, while the socket is full.
    pub(crate) waiting: Option<Box<Waiting>>,
    /// What lies between the socket's bytes and the protocol's.
    pub(crate) tls: Option<Box<Tls>>,
    /// What the queue costs, as the thread's sum has it.
    pub(crate) accounted: usize,
    pub(crate) socket: OwnedFd,
    /// What is published to it in this turn, while its own queue is empty.
    pub(crate) run: Run,
    pub(crate) flags: Flags,
}

/// Boxed, because nearly always there is nothing.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) bytes: Vec<u8>,
    /// It has not been looked at: the handler had paused reading.
    pub(crate) unheard: bool,
}

// Of the 272 bytes that an idle connection may cost, these are the ones in the slab.
const _: () = assert!(size_of::<Option<Conn<()>>>() <= 216);

/// Where a connection is in its life.
#[derive(Debug)]
pub(crate) enum Stage<G> {
    /// The opening handshake is being read.
    Opening(Box<Opening<G>>),
    /// The WebSocket, from its `101` to the end of TCP.
    Open(Connection),
    /// It gets an HTTP response that refuses, and ends.
    Refused(Box<Refusal>),
}

#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a state of its own, set by another")]
pub(crate) struct Flags {
    /// It is to be looked at when the turn ends.
    pub(crate) dirty: bool,
    /// The socket is full.
    pub(crate) blocked: bool,
    /// The backend writes, or is about to, what may not stand in any queue here.
    pub(crate) sending: bool,
    /// The handler does not want to hear it for a while.
    pub(crate) paused: bool,
    /// Its queue has been above the high-water mark, and not below the low one since.
    pub(crate) high: bool,
    /// The handler has been told so.
    pub(crate) congested: bool,
    /// A handler panicked at it: it hears nothing of this connection any more.
    pub(crate) muted: bool,
    /// The peer has ended its half. What is queued for it is still written.
    pub(crate) half_closed: bool,
    /// Our half of the transport has ended.
    pub(crate) sending_ended: bool,
    /// The transport is gone.
    pub(crate) ended: bool,
    /// The backend has heard that there is something to read, and not read all of it yet.
    pub(crate) readable: bool,
    /// ... and that nothing more will follow: there is an end to be read, or an error.
    pub(crate) hung_up: bool,
    /// It stands in the backend's list of those that are read next.
    pub(crate) queued: bool,
    /// The backend hears when the socket takes more.
    pub(crate) awaits_write: bool,
    /// The handler has been told that it is open, and not yet that it is closed.
    pub(crate) known: bool,
}

impl<G> Conn<G> {
    pub(crate) fn new(socket: OwnedFd, stage: Stage<G>) -> Self {
        let flags = Flags::default();
        Self {
            stage,
            kept: None,
            waiting: None,
            tls: None,
            accounted: 0,
            socket,
            run: Run::EMPTY,
            flags,
        }
    }

    pub(crate) const fn proto_mut(&mut self) -> Option<&mut Connection> {
        match &mut self.stage {
            Stage::Open(proto) => Some(proto),
            Stage::Opening(_) | Stage::Refused(_) => None,
        }
    }

    /// What waits to be written costs so much, in the queue and as ciphertext.
    #[inline]
    pub(crate) fn queued_cost(&self) -> usize {
        match &self.stage {
            Stage::Open(proto) => proto.outbox().cost() + self.held_len(),
            Stage::Opening(_) | Stage::Refused(_) => 0,
        }
    }

    /// Ciphertext that waits to be written.
    #[inline]
    pub(crate) fn held_len(&self) -> usize {
        self.tls.as_ref().map_or(0, |tls| tls.held_len())
    }

    /// Whether bytes from the peer are wanted at the moment.
    pub(crate) fn wants_read(&self) -> bool {
        !self.flags.half_closed && self.wants_to_hear()
    }

    /// Whether what has been read is wanted.
    pub(crate) fn wants_to_hear(&self) -> bool {
        self.discards() || !self.flags.paused && !self.flags.high
    }

    /// Whether there is something that the handler did not want to hear yet.
    pub(crate) fn has_unheard(&self) -> bool {
        self.kept.as_ref().is_some_and(|kept| kept.unheard)
    }

    /// Whether what arrives is read only so that it does not turn our Close into a reset
    /// (RFC 6455 §7.1.1).
    pub(crate) fn discards(&self) -> bool {
        matches!(&self.stage, Stage::Open(proto) if proto.transport() != Transport::Open)
    }

    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        let deadline = match &self.stage {
            Stage::Opening(opening) => Some(opening.deadline),
            Stage::Open(proto) => proto.poll_timeout(),
            Stage::Refused(refusal) => Some(refusal.deadline),
        };
        deadline.is_some_and(|deadline| deadline <= now)
    }
}
