//! The backend on `io_uring`: everything that a turn asks of the kernel is asked at once.
//!
//! What arrives is in the thread's shared buffers already when a turn begins, by receives that stay
//! under way; what is sent waits for the next turn's one system call. There is no queue between:
//! a send is done when it has been submitted (see [`ring`]), and where a socket is full, it is tried
//! again when that says so.
//!
//! Who sends much at a time is read from when there is something to read, as on epoll: into one buffer
//! that stays in the cache, or into the memory of a large message. To have the kernel receive that
//! beforehand was measured to cost more, be it into shared buffers or into the message.

mod buffers;
mod load;
mod probe;
mod ring;
mod token;

use std::{
    io, mem,
    time::{Duration, Instant},
};

use bytes::{Buf as _, Bytes};
use io_uring::cqueue;
use rustix::{
    fd::{AsFd as _, BorrowedFd, OwnedFd},
    io::Errno,
    net::{RecvFlags, Shutdown},
};
use tidewire_proto::{Connection, ReadyState, Timestamp};

use self::{
    load::Load,
    ring::{Completion, Ring, Send, Wait},
    token::{Name, Token},
};
use super::{
    Backend, Sockets, Turn, Watched,
    reading::{BUFFER_LEN, CORKED_LEN_MAX, read},
};
use crate::{
    connection::{Conn, Stage},
    event_loop::EventLoop,
    handler::Handler,
    id::ConnectionId,
    plane::{Plane, Write},
    runs::Run,
};

pub(crate) use self::probe::{Probed, probe};

pub(crate) struct Uring {
    ring: Ring,
    origin: Instant,
    /// What is under way for each connection, by its index.
    places: Vec<Place>,
    /// What has happened and was not looked at yet.
    completions: Vec<Completion>,
    /// Connections that can write more at once.
    unfinished: Vec<u32>,
    /// What sockets did not take of ciphertext: it comes before all else.
    unsent: Vec<(Name, Bytes)>,
    /// What is read from a connection that was ready, until the handler has seen it.
    buffer: Vec<u8>,
    /// There is something to do that no completion will tell of.
    hurries: bool,
}

#[derive(Debug, Default, Clone, Copy)]
struct Place {
    receiving: Receiving,
    /// It sends much at a time. Zero: it does not; or else after so many small reads it does not any
    /// more.
    ready_count: u8,
    awaits_writable: bool,
    awaits_gone: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Receiving {
    #[default]
    Not,
    /// All that comes, into the shared buffers.
    All,
    /// It is told when there is something to read.
    Ready,
    /// It has been cancelled.
    Ending,
}

/// Who sends so much at a time is read from when there is something to read...
const READY_LEN_MIN: usize = 8 << 10;

/// ...until so many reads in a row have brought less.
const READY_COUNT: u8 = 16;

/// poll(2): what is asked for, and what is always told: an error, or both halves have ended. That
/// the peer has ended its half is always told as well, and means nothing here.
const POLL_IN: u32 = 1;
const POLL_OUT: u32 = 4;
const POLL_BROKEN: u32 = 8 | 16;

impl Uring {
    /// On the thread that is to run it.
    pub(crate) fn new(probed: Probed, origin: Instant) -> io::Result<Self> {
        Ok(Self {
            ring: probed.ring()?,
            origin,
            places: Vec::new(),
            unfinished: Vec::new(),
            completions: Vec::new(),
            unsent: Vec::new(),
            buffer: vec![0; BUFFER_LEN],
            hurries: false,
        })
    }

    fn place(&mut self, index: u32) -> &mut Place {
        let at = index as usize;
        if at >= self.places.len() {
            self.places.resize(at + 1, Place::default());
        }
        &mut self.places[at]
    }

    // --- what has arrived ---

    fn completed<H: Handler>(
        &mut self,
        event_loop: &mut EventLoop<H>,
        completion: Completion,
        turn: &mut Turn,
    ) -> io::Result<()> {
        match completion.token {
            Token::Mailbox => {
                turn.mail = true;
                self.watch_again(event_loop, Watched::Mailbox, completion.result)?;
            }
            Token::Listener(number) => {
                turn.listeners.push(number);
                self.watch_again(event_loop, Watched::Listener(number), completion.result)?;
            }
            Token::Receive(name) => self.received(event_loop, name, completion),
            Token::Readable(name) if is_here(&event_loop.plane, name) => {
                self.readable(event_loop, name.index)?;
            }
            Token::Writable(name) if is_here(&event_loop.plane, name) => {
                self.place(name.index).awaits_writable = cqueue::more(completion.flags);
                if completion.result & (POLL_OUT | POLL_BROKEN).cast_signed() != 0
                    && let Some(conn) = event_loop.plane.conns.get_mut(name.index)
                {
                    conn.flags.blocked = false;
                }
                event_loop.plane.mark(name.index);
            }
            Token::Gone(name) if is_here(&event_loop.plane, name) => {
                self.place(name.index).awaits_gone = cqueue::more(completion.flags);
                let conn = event_loop.plane.conns.get(name.index);
                // Otherwise reading tells.
                if completion.result & POLL_BROKEN.cast_signed() != 0
                    && conn.is_some_and(|conn| !conn.wants_read())
                {
                    event_loop.gone(name.index);
                }
            }
            Token::Readable(_)
            | Token::Writable(_)
            | Token::Gone(_)
            | Token::Send(_)
            | Token::Cancel => {}
        }
        Ok(())
    }

    /// A poll tells once. Asked again, the kernel looks at the file as it is then: who was not
    /// accepted in this turn is told of in the next.
    fn watch_again<H: Handler>(
        &mut self,
        event_loop: &EventLoop<H>,
        watched: Watched,
        result: i32,
    ) -> io::Result<()> {
        match event_loop.watched(watched).filter(|_| result >= 0) {
            Some(fd) => self.watch(fd, watched),
            None => Ok(()),
        }
    }

    fn received<H: Handler>(
        &mut self,
        event_loop: &mut EventLoop<H>,
        name: Name,
        Completion { result, flags, .. }: Completion,
    ) {
        let index = name.index;
        let is_here = is_here(&event_loop.plane, name);
        self.ring.buffers().hear(flags, result, |bytes| {
            if is_here && !bytes.is_empty() {
                event_loop.received(index, bytes);
            }
        });
        if !is_here {
            return;
        }
        if !cqueue::more(flags) {
            return self.receive_ended(event_loop, index, result);
        }
        let is_much = usize::try_from(result).is_ok_and(|len| len >= READY_LEN_MIN);
        if is_much && self.place(index).receiving == Receiving::All {
            self.place(index).ready_count = READY_COUNT;
            self.stop_receiving(event_loop, index);
        }
    }

    /// There is something to read, or somebody wanted to be told and does not any more.
    fn readable<H: Handler>(
        &mut self,
        event_loop: &mut EventLoop<H>,
        index: u32,
    ) -> io::Result<()> {
        self.place(index).receiving = Receiving::Not;
        if event_loop.plane.conns.get(index).is_some_and(Conn::wants_read) {
            let recv = |fd: BorrowedFd<'_>, buffer: &mut [u8]| {
                rustix::net::recv(fd, buffer, RecvFlags::DONTWAIT).map(|(len, _)| len)
            };
            let len = read(event_loop, index, &mut self.buffer, recv);
            let place = self.place(index);
            place.ready_count =
                if len < READY_LEN_MIN { place.ready_count.saturating_sub(1) } else { READY_COUNT };
            if event_loop.plane.queued_at(index) >= CORKED_LEN_MAX {
                self.flush(event_loop, index);
                self.submit(event_loop)?;
            }
        }
        self.receive(event_loop, index);
        Ok(())
    }

    /// A receive has ended: the next one follows, or the peer or the transport has ended as well.
    fn receive_ended<H: Handler>(
        &mut self,
        event_loop: &mut EventLoop<H>,
        index: u32,
        result: i32,
    ) {
        self.place(index).receiving = Receiving::Not;
        let Some(conn) = event_loop.plane.conns.get(index) else { return };
        match result {
            // The end comes behind what nobody wanted to hear yet; it is told again.
            0 if !is_heard(conn) => return,
            0 => return event_loop.eof(index),
            1.. => {}
            _ => match Errno::from_raw_os_error(-result) {
                // Out of buffers, for the moment; or stopped by us.
                Errno::NOBUFS | Errno::CANCELED | Errno::AGAIN | Errno::INTR => {}
                error => return event_loop.broken(index, &error.into()),
            },
        }
        self.receive(event_loop, index);
    }

    /// Starts to receive in the way that fits, where something is wanted and nothing under way.
    fn receive<H: Handler>(&mut self, event_loop: &mut EventLoop<H>, index: u32) {
        let Some(id) = event_loop.plane.id(index) else { return };
        let place = *self.place(index);
        let wanted = event_loop.plane.conns.get(index).is_some_and(Conn::wants_read);
        if !wanted || place.receiving != Receiving::Not {
            return;
        }
        let Some(conn) = event_loop.plane.conns.get(index) else { return };
        let (fd, name) = (conn.socket.as_fd(), Name::from(id));
        let (started, receiving) = if place.ready_count > 0 {
            (self.ring.poll(fd, POLL_IN, Token::Readable(name)), Receiving::Ready)
        } else {
            (self.ring.receive(fd, name), Receiving::All)
        };
        match started {
            Ok(()) => self.place(index).receiving = receiving,
            Err(error) => event_loop.broken(index, &error),
        }
    }

    fn stop_receiving<H: Handler>(&mut self, event_loop: &mut EventLoop<H>, index: u32) {
        let Some(id) = event_loop.plane.id(index) else { return };
        self.place(index).receiving = Receiving::Ending;
        if let Err(error) = self.ring.cancel(Token::Receive(id.into())) {
            event_loop.broken(index, &error);
        }
    }

    // --- what is sent ---

    /// Looks at the sends that are done, and goes on where there is more than one of them takes: until
    /// everything is written, or the socket is full.
    fn take_sends<H: Handler>(&mut self, event_loop: &mut EventLoop<H>) -> io::Result<()> {
        loop {
            let mut sends = self.ring.take_sends();
            for send in sends.drain(..) {
                self.sent(event_loop, send);
            }
            self.ring.reuse_sends(sends);
            if self.unfinished.is_empty() {
                return Ok(());
            }
            while let Some(index) = self.unfinished.pop() {
                self.send(&mut event_loop.plane, index)?;
            }
            self.ring.enter(Wait::Not)?;
            self.ring.take_completions(&mut self.completions);
        }
    }

    fn sent<H: Handler>(&mut self, event_loop: &mut EventLoop<H>, send: Send) {
        let (result, offered) = (send.result(), send.load.len());
        let (index, plane) = (send.name.index, &mut event_loop.plane);
        if !is_here(plane, send.name) {
            return send.load.recycle(&mut plane.cx);
        }
        let Some(conn) = plane.conns.get_mut(index) else { return };
        conn.flags.sending = false;
        let written = result.unwrap_or(0);
        if let Load::Ciphertext(mut bytes) = send.load {
            bytes.advance(written);
            if let Some(tls) = &mut conn.tls {
                tls.taken(written, bytes.is_empty());
            }
            if !bytes.is_empty() {
                conn.flags.sending = true;
                self.unsent.push((send.name, bytes));
            }
        } else {
            put_back(plane, index, send.load, written);
        }
        plane.account(index);
        if let Err(error) = result {
            event_loop.broken(index, &error.into());
        } else if written < offered {
            self.await_writable(event_loop, send.name);
        } else if plane.conns.get(index).is_some_and(|conn| !is_settled(conn)) {
            plane.mark(index);
            if plane.queued_at(index) > 0 {
                self.unfinished.push(index);
            }
        }
    }

    /// The socket is full.
    fn await_writable<H: Handler>(&mut self, event_loop: &mut EventLoop<H>, name: Name) {
        let Some(conn) = event_loop.plane.conns.get_mut(name.index) else { return };
        conn.flags.blocked = true;
        if mem::replace(&mut self.place(name.index).awaits_writable, true) {
            return;
        }
        if let Err(error) = self.ring.watch(conn.socket.as_fd(), POLL_OUT, Token::Writable(name)) {
            event_loop.broken(name.index, &error);
        }
    }

    /// Submits what is queued, so that there is room for more, and looks at the sends among it while
    /// their connections are still in the cache.
    fn submit<H: Handler>(&mut self, event_loop: &mut EventLoop<H>) -> io::Result<()> {
        self.ring.enter(Wait::Not)?;
        self.ring.take_completions(&mut self.completions);
        self.take_sends(event_loop)
    }

    /// Queues what a connection has to write.
    fn send<H: Handler>(&mut self, plane: &mut Plane<H>, index: u32) -> io::Result<()> {
        let Some(name) = plane.id(index).map(Name::from) else { return Ok(()) };
        let Some(load) = self.load(plane, name)? else {
            // Nobody may keep a place in the turn's tree.
            plane.settle(index);
            return Ok(());
        };
        let Some(conn) = plane.conns.get_mut(index) else { return Ok(()) };
        let silent = nothing_follows(conn, &load);
        self.ring.send(conn.socket.as_fd(), name, load, silent)?;
        conn.flags.sending = true;
        Ok(())
    }

    /// What a connection writes next, if it can at the moment.
    fn load<H: Handler>(&mut self, plane: &mut Plane<H>, name: Name) -> io::Result<Option<Load>> {
        let Some(conn) = plane.conns.get_mut(name.index) else { return Ok(None) };
        if conn.flags.blocked {
            return Ok(None);
        }
        if conn.tls.is_none() && !conn.flags.sending {
            return Ok(if conn.run.is_empty() {
                Load::take(&mut conn.stage)
            } else {
                let run = mem::replace(&mut conn.run, Run::EMPTY);
                Some(Load::Shared(plane.runs.joined(run).clone()))
            });
        }
        if let Some(at) = self.unsent.iter().position(|(of, _)| *of == name) {
            return Ok(Some(Load::Ciphertext(self.unsent.swap_remove(at).1)));
        }
        if conn.flags.sending {
            // It is looked at again when that is done.
            self.hurries = true;
            return Ok(None);
        }
        plane.settle(name.index);
        let Some(conn) = plane.conns.get_mut(name.index) else { return Ok(None) };
        let Some(tls) = &mut conn.tls else { return Ok(None) };
        let load = Load::encrypt(&mut conn.stage, tls, &mut plane.cx);
        plane.account(name.index);
        load
    }
}

impl Backend for Uring {
    fn now(&self) -> Timestamp {
        Timestamp::ZERO.saturating_add(self.origin.elapsed())
    }

    fn writer(&self) -> Option<Box<dyn Write>> {
        Some(Box::new(Sockets))
    }

    fn add<H: Handler>(&mut self, event_loop: &mut EventLoop<H>, index: u32) -> io::Result<()> {
        let Some(conn) = event_loop.plane.conns.get(index) else { return Ok(()) };
        // An operation on a socket that does not block would fail where it is to wait.
        rustix::io::ioctl_fionbio(&conn.socket, false)?;
        *self.place(index) = Place::default();
        self.receive(event_loop, index);
        Ok(())
    }

    fn close(&mut self, id: ConnectionId, socket: OwnedFd) {
        let place = mem::take(self.place(id.index));
        let name = Name::from(id);
        let receiving = match place.receiving {
            Receiving::All => Some(Token::Receive(name)),
            Receiving::Ready => Some(Token::Readable(name)),
            Receiving::Not | Receiving::Ending => None,
        };
        let writable = place.awaits_writable.then_some(Token::Writable(name));
        let gone = place.awaits_gone.then_some(Token::Gone(name));
        for token in [receiving, writable, gone].into_iter().flatten() {
            // An operation keeps its socket open.
            if let Err(error) = self.ring.cancel(token) {
                tracing::error!("an operation cannot be cancelled: {error}");
            }
        }
        self.unsent.retain(|(of, _)| *of != name);
        // What is queued for the socket has to find it open.
        self.ring.close(socket);
        self.hurries = true;
    }

    fn watch(&mut self, fd: BorrowedFd<'_>, watched: Watched) -> io::Result<()> {
        self.ring.poll(fd, POLL_IN, token(watched))
    }

    fn unwatch(&mut self, _: BorrowedFd<'_>, watched: Watched) -> io::Result<()> {
        self.ring.cancel(token(watched))
    }

    fn turn<H: Handler>(
        &mut self,
        event_loop: &mut EventLoop<H>,
        timeout: Option<Duration>,
    ) -> io::Result<Turn> {
        let hurries = mem::take(&mut self.hurries) || !self.completions.is_empty();
        self.ring.enter(match timeout {
            _ if hurries => Wait::Not,
            Some(Duration::ZERO) => Wait::Not,
            Some(timeout) => Wait::For(timeout),
            None => Wait::Forever,
        })?;
        event_loop.plane.cx.now = self.now();
        self.ring.take_completions(&mut self.completions);
        self.take_sends(event_loop)?;
        let mut turn = Turn::default();
        let mut completions = mem::take(&mut self.completions);
        for completion in completions.drain(..) {
            self.completed(event_loop, completion, &mut turn)?;
        }
        // Unless there are new ones, which come in the next turn.
        if self.completions.is_empty() {
            self.completions = completions;
        }
        Ok(turn)
    }

    fn flush<H: Handler>(&mut self, event_loop: &mut EventLoop<H>, index: u32) {
        let submitted = if self.ring.is_full() { self.submit(event_loop) } else { Ok(()) };
        let sent = submitted.and_then(|()| self.send(&mut event_loop.plane, index));
        if let Err(error) = sent {
            event_loop.broken(index, &error);
        }
    }

    fn update<H: Handler>(&mut self, event_loop: &mut EventLoop<H>, index: u32) -> io::Result<()> {
        let Some(conn) = event_loop.plane.conns.get(index) else { return Ok(()) };
        if conn.flags.blocked
            && let Some(id) = event_loop.plane.id(index)
        {
            self.await_writable(event_loop, id.into());
        }
        let Some(conn) = event_loop.plane.conns.get(index) else { return Ok(()) };
        match (conn.wants_read(), self.place(index).receiving) {
            (true, Receiving::Not) => self.receive(event_loop, index),
            (false, receiving) => {
                if receiving == Receiving::All {
                    self.stop_receiving(event_loop, index);
                }
                return self.await_gone(&event_loop.plane, index);
            }
            (true, _) => {}
        }
        Ok(())
    }

    fn end_sending<H: Handler>(&mut self, plane: &mut Plane<H>, index: u32) {
        if let Some(conn) = plane.conns.get_mut(index) {
            // It only fails where the peer is gone already; reading will tell.
            let _ = rustix::net::shutdown(&conn.socket, Shutdown::Write);
        }
    }
}

impl Uring {
    /// Who is not read is not heard leaving.
    fn await_gone<H: Handler>(&mut self, plane: &Plane<H>, index: u32) -> io::Result<()> {
        let (Some(id), Some(conn)) = (plane.id(index), plane.conns.get(index)) else {
            return Ok(());
        };
        if mem::replace(&mut self.place(index).awaits_gone, true) {
            return Ok(());
        }
        self.ring.watch(conn.socket.as_fd(), 0, Token::Gone(id.into()))
    }
}

const fn token(watched: Watched) -> Token {
    match watched {
        Watched::Mailbox => Token::Mailbox,
        Watched::Listener(number) => Token::Listener(number),
    }
}

fn is_here<H: Handler>(plane: &Plane<H>, name: Name) -> bool {
    plane.id(name.index).is_some_and(|id| Name::from(id) == name)
}

/// Whether the handler has heard, or may hear, all that was received before.
fn is_heard<G>(conn: &Conn<G>) -> bool {
    conn.wants_read() && conn.kept.as_ref().is_none_or(|kept| !kept.unheard)
}

/// Gives a load back to where it came from.
fn put_back<H: Handler>(plane: &mut Plane<H>, index: u32, load: Load, written: usize) {
    // What is left of shared frames comes before all that was queued since.
    if matches!(&load, Load::Shared(bytes) if written < bytes.len()) {
        plane.settle(index);
    }
    let Some(conn) = plane.conns.get_mut(index) else { return };
    match (load, &mut conn.stage) {
        (Load::Front(front), Stage::Open(proto)) => {
            proto.put_front(&mut plane.cx, front, written);
        }
        (Load::Fronts(fronts), Stage::Open(proto)) => {
            let mut left = written;
            for front in fronts.pieces {
                let written = left.min(front.len());
                left -= written;
                proto.put_front(&mut plane.cx, front, written);
            }
        }
        (Load::Shared(mut bytes), Stage::Open(proto)) => {
            bytes.advance(written);
            if !bytes.is_empty() {
                proto.requeue_encoded(&mut plane.cx, &bytes);
            }
        }
        (Load::Refusal(_), Stage::Refused(refusal)) => refusal.advance(written),
        (load, _) => load.recycle(&mut plane.cx),
    }
}

/// Whether there is nothing to be done once all that is queued has been written.
fn is_settled<G>(conn: &Conn<G>) -> bool {
    match &conn.stage {
        Stage::Open(proto) => proto.outbox().is_empty() && is_at_rest(conn, proto),
        Stage::Opening(_) => true,
        Stage::Refused(_) => false,
    }
}

/// Whether there is nothing to be done once `load` has been written.
fn nothing_follows<G>(conn: &Conn<G>, load: &Load) -> bool {
    match (&conn.stage, load) {
        (Stage::Open(_), Load::Shared(_) | Load::Ciphertext(_)) => is_settled(conn),
        (Stage::Open(proto), _) => proto.outbox().len() == load.len() && is_at_rest(conn, proto),
        (Stage::Opening(_) | Stage::Refused(_), _) => false,
    }
}

/// Whether nothing waits for the queue to become shorter.
const fn is_at_rest<G>(conn: &Conn<G>, proto: &Connection) -> bool {
    matches!(proto.ready_state(), ReadyState::Open)
        && !conn.flags.high
        && !conn.flags.half_closed
        && conn.waiting.is_none()
}
