//! Who comes: listeners, the opening handshake, connections that are handed over.

use std::{sync::Arc, time::Duration};

use rustix::{
    fd::{AsFd as _, OwnedFd},
    io::Errno,
    net::SocketFlags,
};
use tidewire_proto::handshake::Response;

use super::EventLoop;
use crate::{
    backend::{Backend, Watched},
    connection::{Conn, Stage},
    engine::Adopted,
    handler::Handler,
    mail::Mail,
    opening::{Answer, Door, Opened, Opening},
    refusal::Refusal,
    remote::Remote,
    settings::TICK,
    tls::Tls,
};

/// So many are accepted in one turn; those who are connected already want to be heard as well.
const ACCEPTED_AT_ONCE_MAX: usize = 64;

/// How long accepting rests when the process has no file descriptors left: others end meanwhile.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(50);

impl<H: Handler> EventLoop<H> {
    pub(super) fn open(&mut self, index: u32, bytes: &mut [u8]) {
        let has_room = self.plane.conns.len() <= self.plane.settings.connection_count_max;
        let Some(conn) = self.plane.conns.get_mut(index) else { return };
        let Stage::Opening(opening) = &mut conn.stage else { return };
        let has_place = has_room || !opening.is_beyond;
        let mut input = &*bytes;
        let answer = opening.receive(&mut input, has_place);
        let unread = bytes.len() - input.len();
        match answer {
            None => {}
            Some(Answer::Opened(opened)) => {
                self.opened(index, opened);
                self.hear_unless_empty(index, &mut bytes[unread..]);
            }
            Some(Answer::Refused(response)) => self.refuse(index, &response),
            Some(Answer::TurnedAway(response)) => {
                self.turned_away();
                self.refuse(index, &response);
            }
        }
    }

    fn turned_away(&mut self) {
        self.plane.stats.turned_away_count += 1;
        tracing::warn!("a connection is turned away: the thread has as many as it may");
    }

    fn opened(&mut self, index: u32, opened: Opened<H::Guest>) {
        let proto = self.plane.new_proto();
        #[cfg(feature = "deflate")]
        let proto = proto.with_deflate(opened.deflate);
        let Some(conn) = self.plane.conns.get_mut(index) else { return };
        conn.stage = Stage::Open(proto);
        conn.flags.known = true;
        if !opened.response.is_empty() {
            self.plane.queue_encoded(index, &opened.response);
            self.plane.mark(index);
        }
        self.call(index, |handler, plane, id| handler.opened(plane, id, opened.guest));
    }

    pub(super) fn refuse(&mut self, index: u32, response: &Response) {
        if let Some(conn) = self.plane.conns.get_mut(index) {
            let refusal = Refusal::new(response, self.plane.cx.now);
            conn.stage = Stage::Refused(Box::new(refusal));
            self.plane.mark(index);
        }
    }

    pub(super) fn accept<B: Backend>(&mut self, backend: &mut B, remote: &Remote<H>, number: u32) {
        for _ in 0..ACCEPTED_AT_ONCE_MAX {
            // It may have come to rest, or to its end, earlier in this turn.
            let Some(listener) = self.listeners.get(number as usize) else { return };
            if !listener.watched {
                return;
            }
            let socket = match rustix::net::accept_with(&listener.socket, SocketFlags::CLOEXEC) {
                Ok(socket) => socket,
                Err(Errno::AGAIN) => return,
                // Gone before we looked.
                Err(Errno::CONNABORTED | Errno::INTR | Errno::PROTO | Errno::PERM) => continue,
                Err(error) => return self.rest(backend, error),
            };
            let door = Arc::clone(&listener.door);
            let thread = remote.least_loaded();
            if thread == self.plane.thread() {
                self.take_in(backend, remote, socket, door);
            } else if let Err(Mail::Accepted { socket, door }) =
                remote.hand_over(thread, Mail::Accepted { socket, door })
            {
                // That thread does not keep up; this one takes it.
                self.take_in(backend, remote, socket, door);
            }
        }
    }

    /// A connection stays on the thread that accepted it.
    fn take_in<B: Backend>(
        &mut self,
        backend: &mut B,
        remote: &Remote<H>,
        socket: OwnedFd,
        door: Arc<Door<H::Guest>>,
    ) {
        remote.load(self.plane.thread(), 1);
        self.enter(backend, socket, door);
    }

    /// Nobody is accepted for a while.
    fn rest<B: Backend>(&mut self, backend: &mut B, error: Errno) {
        tracing::warn!("cannot accept connections at the moment: {error}");
        self.accepts_again_at = Some(self.plane.cx.now.saturating_add(EXHAUSTED_PAUSE));
        self.listen(backend, false);
    }

    pub(super) fn listen<B: Backend>(&mut self, backend: &mut B, on: bool) {
        for (number, listener) in (0..).zip(&mut self.listeners) {
            if listener.watched == on {
                continue;
            }
            listener.watched = on;
            let (fd, watched) = (listener.socket.as_fd(), Watched::Listener(number));
            let result = if on { backend.watch(fd, watched) } else { backend.unwatch(fd, watched) };
            if let Err(error) = result {
                tracing::error!("a listener cannot be watched: {error}");
            }
        }
    }

    pub(super) fn enter<B: Backend>(
        &mut self,
        backend: &mut B,
        socket: OwnedFd,
        door: Arc<Door<H::Guest>>,
    ) {
        let tls = match door.tls.as_ref().map(Tls::with_config).transpose() {
            Ok(tls) => tls,
            Err(error) => {
                self.plane.remote().load(self.plane.thread(), -1);
                return tracing::error!("TLS cannot be spoken: {error}");
            }
        };
        let opening = Opening::new(door, self.plane.cx.now, self.plane.is_full());
        let mut conn = Conn::new(socket, Stage::Opening(Box::new(opening)));
        conn.tls = tls.map(Box::new);
        self.place(backend, conn);
    }

    /// Gives a connection its place; `None` where there is none left, and then it is closed.
    fn place<B: Backend>(&mut self, backend: &mut B, conn: Conn<H::Guest>) -> Option<u32> {
        let placed = self.try_place(backend, conn);
        if placed.is_none() {
            self.plane.remote().load(self.plane.thread(), -1);
        }
        placed
    }

    fn try_place<B: Backend>(&mut self, backend: &mut B, conn: Conn<H::Guest>) -> Option<u32> {
        if self.plane.conns.is_empty() {
            self.next_tick = self.plane.cx.now.saturating_add(TICK);
        }
        // What we write is complete. It fails if the peer is gone; reading will tell.
        let _ = rustix::net::sockopt::set_tcp_nodelay(&conn.socket, true);
        let Some(index) = self.plane.insert(conn) else {
            self.turned_away();
            return None;
        };
        if let Err(error) = backend.add(self, index) {
            tracing::error!("a connection cannot be watched: {error}");
            self.plane.remove(index);
            return None;
        }
        Some(index)
    }

    pub(super) fn adopt<B: Backend>(&mut self, backend: &mut B, adopted: Adopted<H::Guest>) {
        let mut conn = Conn::new(adopted.socket, Stage::Open(self.plane.new_proto()));
        conn.tls = adopted.tls;
        let Some(index) = self.place(backend, conn) else { return };
        let mut unread = adopted.unread;
        self.opened(
            index,
            Opened {
                response: bytes::Bytes::new(),
                guest: adopted.guest,
                #[cfg(feature = "deflate")]
                deflate: adopted.deflate,
            },
        );
        self.hear_unless_empty(index, &mut unread);
        if self.plane.conns.get(index).is_some_and(|conn| conn.tls.is_some()) {
            // It may hold more that has arrived.
            self.decrypt(index, &[]);
        }
    }
}
