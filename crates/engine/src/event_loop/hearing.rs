//! What has arrived on a connection: ciphertext, bytes, messages, an end.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
};

use rustix::fd::{AsFd as _, BorrowedFd, OwnedFd};
use tidewire_proto::{CloseCode, Event, Transport};

use super::EventLoop;
use crate::{
    connection::{Conn, Kept, Stage},
    handler::{Handler, Message},
    id::ConnectionId,
    plane::{Plane, close_frame},
};

/// As much as one read brings at most.
const PLAINTEXT_LEN: usize = 64 << 10;

/// The longest header that is not whole.
const CUT_LEN_MAX: usize = 13;

impl<H: Handler> EventLoop<H> {
    /// Bytes that were read from a connection.
    pub(crate) fn received(&mut self, index: u32, bytes: &mut [u8]) {
        match self.plane.conns.get(index) {
            Some(conn) if conn.tls.is_some() => self.decrypt(index, bytes),
            _ => self.understand(index, bytes),
        }
    }

    pub(super) fn decrypt(&mut self, index: u32, mut ciphertext: &[u8]) {
        let mut buffer = std::mem::take(&mut self.plaintext);
        buffer.resize(PLAINTEXT_LEN, 0);
        while let Some(Conn { tls: Some(tls), .. }) = self.plane.conns.get_mut(index) {
            let before = ciphertext.len();
            let received = tls.receive(&mut ciphertext);
            while self.read_plaintext(index, &mut buffer) {}
            if let Err(error) = received {
                tracing::debug!(connection = ?self.plane.id(index), "TLS failed: {error}");
                self.gone(index); // the alert is written before it is removed
                break;
            }
            // What stands behind a close_notify is not taken (RFC 8446 §6.1).
            if ciphertext.is_empty() || ciphertext.len() == before {
                break;
            }
        }
        self.plaintext = buffer;
        // TLS has things to say of its own: its handshake, an alert.
        let tls = self.plane.conns.get(index).and_then(|conn| conn.tls.as_ref());
        if tls.is_some_and(|tls| tls.wants_write()) {
            self.plane.mark(index);
        }
    }

    /// Hears a piece of what TLS has decrypted. `false`: there is none.
    fn read_plaintext(&mut self, index: u32, buffer: &mut [u8]) -> bool {
        let Some(Conn { stage, tls: Some(tls), .. }) = self.plane.conns.get_mut(index) else {
            return false;
        };
        let target = match stage {
            Stage::Open(proto) => proto.read_target(&mut self.plane.cx),
            Stage::Opening(_) | Stage::Refused(_) => None,
        };
        // A large message is decrypted into its own memory.
        let (len, own) = match target {
            Some(target) => (tls.read(target), true),
            None => (tls.read(buffer), false),
        };
        match (len, own) {
            (0, _) => return false,
            (_, true) => self.filled(index, len),
            (_, false) => self.understand(index, &mut buffer[..len]),
        }
        true
    }

    fn understand(&mut self, index: u32, bytes: &mut [u8]) {
        let Some(conn) = self.plane.conns.get_mut(index) else { return };
        match (&conn.stage, conn.kept.take()) {
            (Stage::Open(_), None) => self.hear(index, bytes),
            (Stage::Open(_), Some(kept)) => self.hear_behind(index, *kept, bytes),
            (Stage::Opening(_), _) => self.open(index, bytes),
            // It has its answer.
            (Stage::Refused(_), _) => {}
        }
    }

    /// Where a large message is under way: its socket, and the memory to read into.
    pub(crate) fn read_target(&mut self, index: u32) -> Option<(BorrowedFd<'_>, &mut [u8])> {
        let conn = self.plane.conns.get_mut(index)?;
        // Behind what is kept, nothing can be read into the message.
        let Conn { stage: Stage::Open(proto), tls: None, kept: None, socket, .. } = conn else {
            return None;
        };
        Some((OwnedFd::as_fd(socket), proto.read_target(&mut self.plane.cx)?))
    }

    /// So much was read into what [`read_target`](Self::read_target) offered.
    pub(crate) fn filled(&mut self, index: u32, len: usize) {
        // As in `hear_all`.
        self.plane.settle(index);
        let Some(conn) = self.plane.conns.get_mut(index) else { return };
        let Stage::Open(proto) = &mut conn.stage else { return };
        let muted = conn.flags.muted;
        if let Some(event) = proto.handle_read(&mut self.plane.cx, len) {
            if !muted && catch_unwind(AssertUnwindSafe(|| self.event(index, event))).is_err() {
                self.panicked(index);
            }
            self.look_at_outbox(index);
        }
    }

    /// The peer has ended its half: what is queued for it is still written, and then it is over.
    pub(crate) fn eof(&mut self, index: u32) {
        let Some(conn) = self.plane.conns.get_mut(index) else { return };
        match &mut conn.stage {
            Stage::Open(proto) => {
                conn.flags.half_closed = true;
                // From now on its silence means nothing.
                proto.pause_reading();
            }
            Stage::Opening(_) | Stage::Refused(_) => conn.flags.ended = true,
        }
        self.plane.mark(index);
    }

    /// The transport is gone, in both directions.
    pub(crate) fn gone(&mut self, index: u32) {
        let Some(conn) = self.plane.conns.get_mut(index) else { return };
        match &mut conn.stage {
            Stage::Open(proto) => {
                // The outcome stays with the connection, and is told when it is removed.
                let _ = proto.handle_eof(&mut self.plane.cx);
            }
            Stage::Opening(_) | Stage::Refused(_) => conn.flags.ended = true,
        }
        self.plane.mark(index);
    }

    /// The transport broke.
    pub(crate) fn broken(&mut self, index: u32, error: &io::Error) {
        tracing::debug!(connection = ?self.plane.id(index), "the transport broke: {error}");
        self.gone(index);
    }

    pub(super) fn hear(&mut self, index: u32, mut input: &mut [u8]) {
        let mut before = usize::MAX;
        while catch_unwind(AssertUnwindSafe(|| self.hear_all(index, &mut input))).is_err() {
            self.panicked(index);
            if std::mem::replace(&mut before, input.len()) == input.len() {
                // It was not the handler, which is not called again; to go on would be for ever.
                return self.gone(index);
            }
        }
        if !input.is_empty()
            && let Some(conn) = self.plane.conns.get_mut(index)
        {
            let unheard = conn.flags.paused;
            conn.kept = Some(Box::new(Kept { bytes: input.to_vec(), unheard }));
        }
        self.look_at_outbox(index);
    }

    /// Until nothing but a header cut short is left, or the handler pauses reading.
    fn hear_all(&mut self, index: u32, input: &mut &mut [u8]) {
        loop {
            let Some(conn) = self.plane.conns.get_mut(index) else { return };
            if !conn.run.is_empty() {
                // What is queued in answer to this stands behind what was published before it.
                self.plane.settle(index);
                continue;
            }
            let Stage::Open(proto) = &mut conn.stage else { return };
            if conn.flags.paused && proto.transport() == Transport::Open {
                return;
            }
            let muted = conn.flags.muted;
            match proto.receive(&mut self.plane.cx, input) {
                Some(event) if !muted => self.event(index, event),
                Some(_) => {}
                None => return,
            }
        }
    }

    /// Hears `bytes` behind what was kept.
    fn hear_behind(&mut self, index: u32, mut kept: Kept, bytes: &mut [u8]) {
        let cut_len = kept.bytes.len();
        if kept.unheard || cut_len > CUT_LEN_MAX {
            kept.bytes.extend_from_slice(bytes);
            return self.hear(index, &mut kept.bytes);
        }
        // Only a header has been cut: it is put together with a few bytes, and all the rest stays
        // where it is.
        let mut joint = [0; 2 * (CUT_LEN_MAX + 1)];
        let taken = bytes.len().min(joint.len() - cut_len);
        joint[..cut_len].copy_from_slice(&kept.bytes);
        joint[cut_len..cut_len + taken].copy_from_slice(&bytes[..taken]);
        self.hear(index, &mut joint[..cut_len + taken]);
        let Some(conn) = self.plane.conns.get_mut(index) else { return };
        match conn.kept.take() {
            None => self.hear_unless_empty(index, &mut bytes[taken..]),
            // Not yet understood, and all of it from `bytes`.
            Some(left) if left.bytes.len() <= taken && !left.unheard => {
                self.hear_unless_empty(index, &mut bytes[taken - left.bytes.len()..]);
            }
            Some(mut left) => {
                left.bytes.extend_from_slice(&bytes[taken..]);
                conn.kept = Some(left);
            }
        }
    }

    pub(super) fn hear_unless_empty(&mut self, index: u32, bytes: &mut [u8]) {
        if !bytes.is_empty() {
            self.hear(index, bytes);
        }
    }

    fn event(&mut self, index: u32, event: Event<'_>) {
        match event {
            Event::Text(text) => self.message(index, Message::Text(text)),
            Event::Binary(payload) => self.message(index, Message::Binary(payload)),
            // Control frames have been answered; an end is told when the connection is removed.
            _ => {}
        }
    }

    fn message(&mut self, index: u32, message: Message<'_>) {
        if let Some(id) = self.plane.id(index) {
            self.handler.message(&mut self.plane, id, message);
        }
    }

    /// Runs a piece of the application. A panic there costs one connection, not the thread.
    pub(super) fn call(&mut self, index: u32, f: impl FnOnce(&mut H, &mut Plane<H>, ConnectionId)) {
        let Some(id) = self.plane.id(index) else { return };
        let (handler, plane) = (&mut self.handler, &mut self.plane);
        if catch_unwind(AssertUnwindSafe(|| f(handler, plane, id))).is_err() {
            self.panicked(index);
        }
    }

    /// Runs a piece of the application that is about no connection.
    pub(super) fn call_without(&mut self, at: &str, f: impl FnOnce(&mut H, &mut Plane<H>)) {
        let (handler, plane) = (&mut self.handler, &mut self.plane);
        if catch_unwind(AssertUnwindSafe(|| f(handler, plane))).is_err() {
            tracing::error!("the handler panicked at {at}");
        }
    }

    fn panicked(&mut self, index: u32) {
        let id = self.plane.id(index);
        tracing::error!(connection = ?id, "the handler panicked; the connection is closed");
        if let Some(conn) = self.plane.conns.get_mut(index) {
            conn.flags.muted = true;
            // Whoever would have resumed it knows nothing of it any more.
            conn.flags.paused = false;
            // Where it closes already, nothing is left to do.
            let _ = self.plane.close_at(index, close_frame(CloseCode::INTERNAL_ERROR));
        }
    }

    /// Has answers of the protocol's own written: Pongs, a Close.
    fn look_at_outbox(&mut self, index: u32) {
        if let Some(conn) = self.plane.conns.get(index)
            && let Stage::Open(proto) = &conn.stage
            && (!proto.outbox().is_empty() || proto.transport() != Transport::Open)
            && !conn.flags.dirty
        {
            self.plane.account(index);
            self.plane.mark(index);
        }
    }
}
