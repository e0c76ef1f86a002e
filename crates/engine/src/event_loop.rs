//! [`EventLoop`]: one thread, turn by turn.
//!
//! A turn waits for something to happen, hears what has arrived, takes what other threads have sent,
//! looks at the time, and then writes, once for each socket. Connections come and go only between
//! these steps, never while one of them is being heard.

use std::{
    collections::VecDeque,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use rustix::{
    fd::{AsFd as _, BorrowedFd, OwnedFd},
    io::Errno,
    net::SocketFlags,
};
use tidewire_proto::{CloseCode, Event, Outcome, Timestamp, Transport, handshake::Response};

use crate::{
    backend::{Backend, Turn, Watched},
    connection::{Conn, Kept, Stage},
    engine::Adopted,
    handler::{Handler, Message},
    id::ConnectionId,
    mail::Mail,
    opening::{Door, Opened, Opening},
    plane::{Plane, close_frame},
    refusal::Refusal,
    remote::Remote,
    settings::{SECTOR_COUNT, TICK},
    stopping::Stopping,
    tls::Tls,
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

/// As much as one read brings at most.
const PLAINTEXT_LEN: usize = 64 << 10;

/// So many are accepted in one turn; those who are connected already want to be heard as well.
const ACCEPTED_AT_ONCE_MAX: usize = 64;

/// How long accepting rests when the process has no file descriptors left: others end meanwhile.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(50);

/// What `writable` queues may make a socket writable again, and so on: after so many rounds others
/// have their turn.
const ROUND_COUNT_MAX: usize = 4;

/// A message buffer that has not been used for so long, or twice that, goes back to the allocator.
const TRIM_AFTER: Duration = Duration::from_secs(4);

/// The longest header that is not whole.
const CUT_LEN_MAX: usize = 13;

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

    // --- what has arrived ---

    /// Bytes that were read from a connection.
    pub(crate) fn received(&mut self, index: u32, bytes: &mut [u8]) {
        match self.plane.conns.get(index) {
            Some(conn) if conn.tls.is_some() => self.decrypt(index, bytes),
            _ => self.understand(index, bytes),
        }
    }

    fn decrypt(&mut self, index: u32, mut ciphertext: &[u8]) {
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

    fn hear(&mut self, index: u32, mut input: &mut [u8]) {
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

    fn hear_unless_empty(&mut self, index: u32, bytes: &mut [u8]) {
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
    fn call(&mut self, index: u32, f: impl FnOnce(&mut H, &mut Plane<H>, ConnectionId)) {
        let Some(id) = self.plane.id(index) else { return };
        let (handler, plane) = (&mut self.handler, &mut self.plane);
        if catch_unwind(AssertUnwindSafe(|| f(handler, plane, id))).is_err() {
            self.panicked(index);
        }
    }

    /// Runs a piece of the application that is about no connection.
    fn call_without(&mut self, at: &str, f: impl FnOnce(&mut H, &mut Plane<H>)) {
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

    // --- who comes ---

    fn open(&mut self, index: u32, bytes: &mut [u8]) {
        let Some(conn) = self.plane.conns.get_mut(index) else { return };
        let Stage::Opening(opening) = &mut conn.stage else { return };
        let mut input = &*bytes;
        let answer = opening.receive(&mut input);
        let unread = bytes.len() - input.len();
        match answer {
            None => {}
            Some(Ok(opened)) => {
                self.opened(index, opened);
                self.hear_unless_empty(index, &mut bytes[unread..]);
            }
            Some(Err(response)) => self.refuse(index, &response),
        }
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

    fn refuse(&mut self, index: u32, response: &Response) {
        if let Some(conn) = self.plane.conns.get_mut(index) {
            let refusal = Refusal::new(response, self.plane.cx.now);
            conn.stage = Stage::Refused(Box::new(refusal));
            self.plane.mark(index);
        }
    }

    fn accept<B: Backend>(&mut self, backend: &mut B, remote: &Remote<H>, number: u32) {
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

    fn listen<B: Backend>(&mut self, backend: &mut B, on: bool) {
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

    fn enter<B: Backend>(&mut self, backend: &mut B, socket: OwnedFd, door: Arc<Door<H::Guest>>) {
        let tls = match door.tls.as_ref().map(Tls::with_config).transpose() {
            Ok(tls) => tls,
            Err(error) => {
                self.plane.remote().load(self.plane.thread(), -1);
                return tracing::error!("TLS cannot be spoken: {error}");
            }
        };
        let opening = Opening::new(door, self.plane.cx.now);
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
            self.plane.stats.turned_away_count += 1;
            tracing::warn!("a connection is turned away: the thread has as many as it may");
            return None;
        };
        if let Err(error) = backend.add(self, index) {
            tracing::error!("a connection cannot be watched: {error}");
            self.plane.remove(index);
            return None;
        }
        Some(index)
    }

    fn adopt<B: Backend>(&mut self, backend: &mut B, adopted: Adopted<H::Guest>) {
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
        self.plane.stop_waiting(index);
        self.look_at_marks(index);
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

    /// Below the low-water mark a connection is heard again, and its handler told.
    fn look_at_marks(&mut self, index: u32) {
        let Some(conn) = self.plane.conns.get_mut(index) else { return };
        let Stage::Open(proto) = &mut conn.stage else { return };
        let low_water = self.plane.settings.queues.low_water.max(1);
        if !conn.flags.high || proto.outbox().cost() >= low_water {
            return;
        }
        conn.flags.high = false;
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
