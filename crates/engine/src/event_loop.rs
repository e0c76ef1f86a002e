//! [`EventLoop`]: one thread, turn by turn.
//!
//! A turn waits for something to happen, hears what has arrived, takes what other threads have sent,
//! looks at the time, and then writes, once for each socket. Connections come and go only between
//! these steps, never while one of them is being heard.

mod arriving;
mod hearing;

use std::{collections::VecDeque, io, sync::Arc, time::Duration};

use rustix::fd::{AsFd as _, BorrowedFd, OwnedFd};
use tidewire_proto::{CloseCode, Outcome, Timestamp, Transport};

use crate::{
    backend::{Backend, Turn, Watched},
    connection::Stage,
    handler::Handler,
    mail::Mail,
    opening::Door,
    plane::{Plane, close_frame},
    remote::Remote,
    settings::{SECTOR_COUNT, TICK},
    stopping::Stopping,
};

pub(crate) struct EventLoop<H: Handler> {
    pub(crate) plane: Plane<H>,
    handler: H,
    /// What TLS has decrypted, until the handler has seen it.
    plaintext: Vec<u8>,
    mail: VecDeque<Mail<H>>,
    listeners: Vec<Listener<H>>,
    /// Where accepting goes on, after the process had no file descriptors left.
    accepts_again_at: Option<Timestamp>,
    /// Whose turn it is to be looked at for deadlines.
    sector: usize,
    next_tick: Timestamp,
    /// When buffers that nobody has used go back to the allocator.
    trims_at: Timestamp,
    stopping: Option<Stopping>,
}

struct Listener<H: Handler> {
    socket: OwnedFd,
    door: Arc<Door<H::Guest>>,
    watched: bool,
}

/// What `writable` queues may make a socket writable again, and so on: after so many rounds others
/// have their turn.
const ROUND_COUNT_MAX: usize = 4;

/// A message buffer that has not been used for so long, or twice that, goes back to the allocator.
const TRIM_AFTER: Duration = Duration::from_secs(4);

impl<H: Handler> EventLoop<H> {
    pub(crate) fn new(plane: Plane<H>, handler: H) -> Self {
        Self {
            plane,
            handler,
            plaintext: Vec::new(),
            mail: VecDeque::new(),
            listeners: Vec::new(),
            accepts_again_at: None,
            sector: 0,
            next_tick: Timestamp::ZERO,
            trims_at: Timestamp::ZERO,
            stopping: None,
        }
    }

    #[cfg(test)]
    pub(crate) const fn handler(&self) -> &H {
        &self.handler
    }

    /// Turns until the engine stops.
    pub(crate) fn run<B: Backend>(&mut self, backend: &mut B) -> io::Result<()> {
        let result = self.turns(backend);
        self.end(backend);
        result
    }

    fn turns<B: Backend>(&mut self, backend: &mut B) -> io::Result<()> {
        let remote = self.plane.remote().clone();
        self.begin(backend)?;
        while !self.is_done() && !remote.is_cut() {
            self.turn(backend)?;
        }
        Ok(())
    }

    /// Cuts off whoever is left, and tells the handler.
    pub(crate) fn end<B: Backend>(&mut self, backend: &mut B) {
        for index in 0..self.plane.conns.end() {
            if let Ok(index) = u32::try_from(index)
                && self.plane.conns.get(index).is_some()
            {
                self.gone(index);
                self.remove(backend, index);
            }
        }
    }

    pub(crate) fn begin<B: Backend>(&mut self, backend: &mut B) -> io::Result<()> {
        self.plane.writer = backend.writer();
        let mailbox = self.plane.remote().mailbox(self.plane.thread());
        backend.watch(mailbox.event(), Watched::Mailbox)
    }

    pub(crate) fn turn<B: Backend>(&mut self, backend: &mut B) -> io::Result<()> {
        let timeout = self.timeout(backend.now());
        let turn = backend.turn(self, timeout)?;
        let remote = self.plane.remote().clone();
        self.finish(backend, &remote, &turn);
        Ok(())
    }

    /// All of a turn that comes after hearing the connections.
    fn finish<B: Backend>(&mut self, backend: &mut B, remote: &Remote<H>, turn: &Turn) {
        for &listener in &turn.listeners {
            self.accept(backend, remote, listener);
        }
        if turn.mail {
            self.take_mail(backend, remote);
        }
        if self.next_tick <= self.plane.cx.now {
            self.tick(backend, remote);
        }
        if self.plane.wake_at.take_if(|at| *at <= self.plane.cx.now).is_some() {
            self.call_without("a deadline of its own", H::woken);
        }
        self.write(backend);
        self.call_without("the end of a turn", H::turn_ended);
        self.plane.stats.turn_count += 1;
        self.plane.stats.connection_count = self.plane.conns.len();
        self.plane.stats.queued_len = self.plane.queued_len();
        remote.report(self.plane.thread(), &self.plane.stats);
    }

    fn timeout(&self, now: Timestamp) -> Option<Duration> {
        if !self.plane.dirty.is_empty() {
            return Some(Duration::ZERO);
        }
        let idle = self.plane.conns.is_empty()
            && self.plane.cx.buffers.held_len() == 0
            && self.accepts_again_at.is_none()
            && self.stopping.is_none();
        let tick = (!idle).then_some(self.next_tick);
        let next = tick.into_iter().chain(self.plane.wake_at).min();
        next.map(|at| at.saturating_since(now))
    }

    /// A file descriptor that is not a connection, while it is watched.
    pub(crate) fn watched(&self, watched: Watched) -> Option<BorrowedFd<'_>> {
        match watched {
            Watched::Mailbox => Some(self.plane.remote().mailbox(self.plane.thread()).event()),
            Watched::Listener(number) => {
                let listener = self.listeners.get(number as usize)?;
                listener.watched.then(|| listener.socket.as_fd())
            }
        }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.stopping.as_ref().is_some_and(|stopping| {
            self.plane.conns.is_empty() || stopping.is_over(self.plane.cx.now)
        })
    }

    // --- other threads ---

    fn take_mail<B: Backend>(&mut self, backend: &mut B, remote: &Remote<H>) {
        let mut mail = std::mem::take(&mut self.mail);
        remote.mailbox(self.plane.thread()).take(&mut mail);
        for mail in mail.drain(..) {
            self.obey(backend, mail);
        }
        self.mail = mail;
        if self.stopping.is_none()
            && let Some(within) = remote.stop_within()
        {
            self.stop(backend, within);
        }
    }

    fn obey<B: Backend>(&mut self, backend: &mut B, mail: Mail<H>) {
        match mail {
            Mail::Accepted { socket, door } => self.enter(backend, socket, door),
            Mail::Adopt(adopted) => self.adopt(backend, *adopted),
            // It came too late.
            Mail::Listen { .. } if self.stopping.is_some() => {}
            Mail::Listen { socket, door } => {
                self.listeners.push(Listener { socket, door, watched: false });
                if self.accepts_again_at.is_none() {
                    self.listen(backend, true);
                }
            }
            // Whom it is for may be gone by now, or not take it; the sender has gone on.
            Mail::Send { id, message } => drop(self.plane.send(id, message)),
            Mail::Many { ids, message } => self.plane.queue_many(ids, &message),
            Mail::Publish { topic, message } => self.plane.publish(&topic, &message),
            Mail::Close { id, frame } => drop(self.plane.close(id, frame)),
            Mail::PauseReading(id) => self.plane.pause_reading(id),
            Mail::ResumeReading(id) => self.plane.resume_reading(id),
            Mail::Command(command) => {
                self.call_without("a command", |handler, plane| handler.command(plane, command));
            }
        }
    }

    // --- time ---

    fn tick<B: Backend>(&mut self, backend: &mut B, remote: &Remote<H>) {
        let now = self.plane.cx.now;
        self.next_tick = now.saturating_add(TICK);
        if self.accepts_again_at.is_some_and(|at| at <= now) {
            self.accepts_again_at = None;
            self.listen(backend, true);
        }
        if self.trims_at <= now {
            self.trims_at = now.saturating_add(TRIM_AFTER);
            self.plane.cx.buffers.trim();
        }
        let sector_len = self.plane.conns.end().div_ceil(SECTOR_COUNT);
        let start = self.sector * sector_len;
        self.sector = (self.sector + 1) % SECTOR_COUNT;
        for index in start..(start + sector_len).min(self.plane.conns.end()) {
            let Ok(index) = u32::try_from(index) else { break };
            if self.plane.conns.get(index).is_some_and(|conn| conn.is_due(now)) {
                self.due(index);
            }
        }
        if let Some(within) = remote.stop_within()
            && self.stopping.is_none()
        {
            self.stop(backend, within);
        }
        self.close_some();
    }

    fn due(&mut self, index: u32) {
        self.plane.settle(index);
        let Some(conn) = self.plane.conns.get_mut(index) else { return };
        match &mut conn.stage {
            Stage::Open(proto) => {
                // Whatever it does is seen in the outbox, or when the connection is removed.
                let _ = proto.handle_timeout(&mut self.plane.cx);
                self.plane.account(index);
                self.plane.mark(index);
            }
            Stage::Opening(opening) => match opening.too_late() {
                Some(response) => self.refuse(index, &response),
                None => self.gone(index),
            },
            Stage::Refused(_) => self.gone(index),
        }
    }

    fn stop<B: Backend>(&mut self, backend: &mut B, within: Duration) {
        self.accepts_again_at = None;
        self.listen(backend, false);
        self.listeners.clear();
        let close_within = self.plane.settings.config.timeouts.close;
        self.stopping = Some(Stopping::new(self.plane.cx.now, within, close_within));
        self.next_tick = self.plane.cx.now;
    }

    /// While the engine stops: the share of the connections that is to be closed by now.
    fn close_some(&mut self) {
        let Some(stopping) = &mut self.stopping else { return };
        for index in stopping.due(self.plane.cx.now, self.plane.conns.end()) {
            let Some(conn) = self.plane.conns.get(index) else { continue };
            match &conn.stage {
                Stage::Open(_) => {
                    // What closes already ends by itself.
                    let _ = self.plane.close_at(index, close_frame(CloseCode::GOING_AWAY));
                }
                Stage::Opening(_) => self.gone(index),
                Stage::Refused(_) => {}
            }
        }
    }

    // --- the end of a turn ---

    fn write<B: Backend>(&mut self, backend: &mut B) {
        let mut round = Vec::new();
        for _ in 0..ROUND_COUNT_MAX {
            if self.plane.dirty.is_empty() {
                break;
            }
            std::mem::swap(&mut round, &mut self.plane.dirty);
            for &index in &round {
                if let Some(conn) = self.plane.conns.get_mut(index) {
                    conn.flags.dirty = false;
                    backend.flush(self, index);
                    self.written(backend, index);
                }
            }
            round.clear();
        }
        // What a handler has queued in the last round waits for the next turn.
        for at in 0..self.plane.dirty.len() {
            let index = self.plane.dirty[at];
            self.plane.settle(index);
        }
        self.plane.runs.clear();
        if self.plane.dirty.is_empty() {
            self.plane.dirty = round; // for its memory
        }
    }

    /// A connection's turn ends: whatever its state asks for.
    pub(crate) fn written<B: Backend>(&mut self, backend: &mut B, index: u32) {
        let Some(conn) = self.plane.conns.get_mut(index) else { return };
        // Hardly any receiver of a fan-out has one or the other, and each comes by here.
        let (waits, is_high) = (conn.waiting.is_some(), conn.flags.high);
        let (drained, transport) = match &conn.stage {
            Stage::Opening(_) => (false, Transport::Open),
            Stage::Refused(refusal) => (refusal.unsent.is_empty(), Transport::EndSending),
            Stage::Open(proto) => (proto.outbox().is_empty(), proto.transport()),
        };
        let tls_wants = conn.tls.as_ref().is_some_and(|tls| tls.wants_write());
        let drained = drained && !tls_wants && !conn.flags.sending;
        if conn.flags.half_closed && drained && !conn.has_unheard() {
            if conn.tls.as_mut().is_some_and(|tls| tls.end_sending()) {
                return self.plane.mark(index); // that has to be written first
            }
            self.gone(index);
            return self.remove(backend, index);
        }
        if conn.flags.ended || transport == Transport::Ended {
            return self.remove(backend, index);
        }
        if drained && transport == Transport::EndSending && !conn.flags.sending_ended {
            if conn.tls.as_mut().is_some_and(|tls| tls.end_sending()) {
                self.plane.mark(index); // that has to be written first
            } else {
                conn.flags.sending_ended = true;
                backend.end_sending(&mut self.plane, index);
            }
        }
        if waits {
            self.plane.stop_waiting(index);
        }
        if waits || is_high {
            self.look_at_marks(index);
        }
        if let Some(conn) = self.plane.conns.get_mut(index)
            && conn.wants_to_hear()
            && let Some(mut kept) = conn.kept.take_if(|kept| kept.unheard)
        {
            if conn.flags.half_closed {
                self.plane.mark(index); // that was what its end waited for
            }
            self.hear(index, &mut kept.bytes);
        }
        if let Err(error) = backend.update(self, index) {
            self.broken(index, &error);
        }
    }

    /// Below the low-water mark a connection is heard again. The handler is told of both marks.
    fn look_at_marks(&mut self, index: u32) {
        let Some(conn) = self.plane.conns.get_mut(index) else { return };
        if !conn.flags.high {
            return;
        }
        let cost = conn.queued_cost();
        let queues = &self.plane.settings.queues;
        if cost >= queues.low_water.max(1) {
            if cost > queues.high_water && !conn.flags.congested && !conn.flags.muted {
                conn.flags.congested = true;
                self.call(index, H::congested);
            }
            return;
        }
        let Stage::Open(proto) = &mut conn.stage else { return };
        conn.flags.high = false;
        conn.flags.congested = false;
        if !conn.flags.paused && !conn.flags.half_closed {
            proto.resume_reading(self.plane.cx.now);
        }
        if !conn.flags.muted {
            self.call(index, H::writable);
        }
    }

    fn remove<B: Backend>(&mut self, backend: &mut B, index: u32) {
        let Some(id) = self.plane.id(index) else { return };
        let Some(conn) = self.plane.remove(index) else { return };
        backend.close(id, conn.socket);
        self.plane.remote().load(self.plane.thread(), -1);
        if !conn.flags.known {
            return;
        }
        let Stage::Open(proto) = &conn.stage else { return };
        let never = Outcome::default();
        let outcome = proto.outcome().unwrap_or(&never);
        self.call_without("the end of a connection", |handler, plane| {
            handler.closed(plane, id, outcome);
        });
    }
}
