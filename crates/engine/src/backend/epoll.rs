//! The backend that is always there: edge-triggered epoll, one receive buffer for all.
//!
//! The kernel tells once that something has arrived, and this keeps in mind that there may be more
//! until a read has brought less than it could have (docs/decisions/0009).

use std::{
    io::{self, IoSlice},
    time::{Duration, Instant},
};

use rustix::{
    buffer::spare_capacity,
    event::{
        Timespec,
        epoll::{self, EventData, EventFlags},
    },
    fd::{AsFd as _, BorrowedFd, OwnedFd},
    io::Errno,
    net::{RecvFlags, SendFlags, Shutdown},
};
use tidewire_proto::Timestamp;

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
};

/// The system calls of this backend, so that a test can put others in their place.
pub(crate) trait Kernel {
    fn now(&self) -> Timestamp;
    fn add(&mut self, fd: BorrowedFd<'_>, token: u64, flags: EventFlags) -> rustix::io::Result<()>;
    fn modify(
        &mut self,
        fd: BorrowedFd<'_>,
        token: u64,
        flags: EventFlags,
    ) -> rustix::io::Result<()>;
    fn delete(&mut self, fd: BorrowedFd<'_>) -> rustix::io::Result<()>;
    /// Appends what has happened.
    fn wait(
        &mut self,
        events: &mut Vec<epoll::Event>,
        timeout: Option<Duration>,
    ) -> rustix::io::Result<()>;
    fn recv(&mut self, fd: BorrowedFd<'_>, buffer: &mut [u8]) -> rustix::io::Result<usize>;
    fn send(&mut self, fd: BorrowedFd<'_>, bytes: &[u8]) -> rustix::io::Result<usize>;
    fn send_vectored(
        &mut self,
        fd: BorrowedFd<'_>,
        bytes: &[IoSlice<'_>],
    ) -> rustix::io::Result<usize>;
    fn shutdown(&mut self, fd: BorrowedFd<'_>) -> rustix::io::Result<()>;
    /// The same sockets, for [`Plane::writer`].
    fn writer(&self) -> Box<dyn Write>;
}

/// The real one.
#[derive(Debug)]
pub(crate) struct Linux {
    epoll: OwnedFd,
    origin: Instant,
}

impl Linux {
    pub(crate) fn new(origin: Instant) -> io::Result<Self> {
        Ok(Self { epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?, origin })
    }
}

impl Kernel for Linux {
    fn now(&self) -> Timestamp {
        Timestamp::ZERO.saturating_add(self.origin.elapsed())
    }

    fn add(&mut self, fd: BorrowedFd<'_>, token: u64, flags: EventFlags) -> rustix::io::Result<()> {
        epoll::add(&self.epoll, fd, EventData::new_u64(token), flags)
    }

    fn modify(
        &mut self,
        fd: BorrowedFd<'_>,
        token: u64,
        flags: EventFlags,
    ) -> rustix::io::Result<()> {
        epoll::modify(&self.epoll, fd, EventData::new_u64(token), flags)
    }

    fn delete(&mut self, fd: BorrowedFd<'_>) -> rustix::io::Result<()> {
        epoll::delete(&self.epoll, fd)
    }

    fn wait(
        &mut self,
        events: &mut Vec<epoll::Event>,
        timeout: Option<Duration>,
    ) -> rustix::io::Result<()> {
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        epoll::wait(&self.epoll, spare_capacity(events), timeout.as_ref())?;
        Ok(())
    }

    fn recv(&mut self, fd: BorrowedFd<'_>, buffer: &mut [u8]) -> rustix::io::Result<usize> {
        rustix::net::recv(fd, buffer, RecvFlags::empty()).map(|(len, _)| len)
    }

    fn send(&mut self, fd: BorrowedFd<'_>, bytes: &[u8]) -> rustix::io::Result<usize> {
        rustix::net::send(fd, bytes, SendFlags::NOSIGNAL)
    }

    fn send_vectored(
        &mut self,
        fd: BorrowedFd<'_>,
        bytes: &[IoSlice<'_>],
    ) -> rustix::io::Result<usize> {
        Sockets.write(fd, bytes)
    }

    fn shutdown(&mut self, fd: BorrowedFd<'_>) -> rustix::io::Result<()> {
        rustix::net::shutdown(fd, Shutdown::Write)
    }

    fn writer(&self) -> Box<dyn Write> {
        Box::new(Sockets)
    }
}

pub(crate) struct Epoll<K> {
    kernel: K,
    events: Vec<epoll::Event>,
    /// What is read from any connection, until the handler has seen it.
    buffer: Vec<u8>,
    /// Connections of which more can be read, without another word of the kernel's.
    ready: Vec<u32>,
}

/// Connections in one turn. More would let the answers of the first ones leave the cache before they
/// leave the machine.
const EVENT_COUNT_MAX: usize = 256;

/// What is always heard of a connection. RDHUP tells that an end stands behind what is read: it may
/// have come before that was told, and then nothing is told of it again.
const READABLE: EventFlags = EventFlags::IN.union(EventFlags::RDHUP).union(EventFlags::ET);

/// Pieces in one vectored write.
const SLICES_MAX: usize = 32;

/// A token is a number in its lower half and what it counts in its upper one: zero is connections.
const KIND: u64 = !(u32::MAX as u64);
const MAILBOX: u64 = 1 << 32;
const LISTENER: u64 = 2 << 32;

impl<K: Kernel> Epoll<K> {
    pub(crate) fn new(kernel: K) -> Self {
        let events = Vec::with_capacity(EVENT_COUNT_MAX);
        Self { kernel, events, buffer: vec![0; BUFFER_LEN], ready: Vec::new() }
    }

    /// Writes the frames that many connections share, without queueing them first. Says whether that was all
    /// there is to write, as it is for nearly all receivers of a publication.
    fn write_run<H: Handler>(&mut self, plane: &mut Plane<H>, index: u32) -> io::Result<bool> {
        let Some(conn) = plane.conns.get_mut(index) else { return Ok(true) };
        if conn.run.is_empty() {
            return Ok(false);
        }
        if conn.flags.blocked {
            plane.settle(index); // the turn's end forgets it
            return Ok(false);
        }
        let joined = plane.runs.joined(conn.run);
        conn.run = crate::runs::Run::EMPTY;
        let written = match self.kernel.send(conn.socket.as_fd(), joined) {
            Ok(len) => len,
            Err(Errno::AGAIN | Errno::INTR) => 0,
            Err(error) => return Err(error.into()),
        };
        if written == joined.len() {
            return Ok(matches!(&conn.stage, Stage::Open(proto) if proto.outbox().is_empty()));
        }
        conn.flags.blocked = true;
        let rest = joined.slice(written..);
        plane.queue_encoded(index, &rest);
        Ok(false)
    }

    /// Encrypts what is queued, as much as TLS holds at a time, and writes that.
    fn write_tls<H: Handler>(&mut self, plane: &mut Plane<H>, index: u32) -> io::Result<()> {
        plane.settle(index);
        let Some(conn) = plane.conns.get_mut(index) else { return Ok(()) };
        let Some(tls) = &mut conn.tls else { return Ok(()) };
        while !conn.flags.blocked {
            match &mut conn.stage {
                Stage::Opening(_) => {}
                Stage::Refused(refusal) => {
                    let taken = tls.write(&[IoSlice::new(&refusal.unsent)]);
                    refusal.advance(taken);
                }
                Stage::Open(proto) => {
                    let mut slices = [IoSlice::new(&[]); SLICES_MAX];
                    let mut count = 0;
                    for (slice, chunk) in slices.iter_mut().zip(proto.outbox().chunks()) {
                        *slice = IoSlice::new(chunk);
                        count += 1;
                    }
                    let taken = tls.write(&slices[..count]);
                    proto.advance(&mut plane.cx, taken);
                }
            }
            if !tls.wants_write() {
                break;
            }
            let mut socket = Socket { kernel: &mut self.kernel, fd: conn.socket.as_fd() };
            match tls.write_to(&mut socket) {
                Ok(len) => tls.taken(len, !tls.wants_write()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    conn.flags.blocked = true;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn write_outbox<H: Handler>(&mut self, plane: &mut Plane<H>, index: u32) -> io::Result<()> {
        let Some(conn) = plane.conns.get_mut(index) else { return Ok(()) };
        let fd = conn.socket.as_fd();
        while !conn.flags.blocked {
            let (written, offered) = match &conn.stage {
                Stage::Opening(_) => return Ok(()),
                Stage::Refused(refusal) => {
                    if refusal.unsent.is_empty() {
                        return Ok(());
                    }
                    (self.kernel.send(fd, &refusal.unsent), refusal.unsent.len())
                }
                Stage::Open(proto) => {
                    let mut chunks = proto.outbox().chunks();
                    let Some(first) = chunks.next() else { return Ok(()) };
                    match chunks.next() {
                        None => (self.kernel.send(fd, first), first.len()),
                        Some(second) => {
                            let mut slices = [IoSlice::new(&[]); SLICES_MAX];
                            let (mut count, mut offered) = (0, 0);
                            let all = [first, second].into_iter().chain(chunks);
                            for (slice, chunk) in slices.iter_mut().zip(all) {
                                *slice = IoSlice::new(chunk);
                                count += 1;
                                offered += chunk.len();
                            }
                            (self.kernel.send_vectored(fd, &slices[..count]), offered)
                        }
                    }
                }
            };
            let written = match written {
                Ok(len) => len,
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN) => 0,
                Err(error) => return Err(error.into()),
            };
            // A socket that took a part is full: to ask again would be a call for nothing.
            conn.flags.blocked = written < offered;
            match &mut conn.stage {
                Stage::Opening(_) => {}
                Stage::Refused(refusal) => refusal.advance(written),
                Stage::Open(proto) => proto.advance(&mut plane.cx, written),
            }
        }
        Ok(())
    }
}

/// A socket as rustls wants it.
struct Socket<'a, K> {
    kernel: &'a mut K,
    fd: BorrowedFd<'a>,
}

impl<K: Kernel> io::Write for Socket<'_, K> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(self.kernel.send(self.fd, bytes)?)
    }

    fn write_vectored(&mut self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        Ok(self.kernel.send_vectored(self.fd, bytes)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<K: Kernel> Backend for Epoll<K> {
    fn now(&self) -> Timestamp {
        self.kernel.now()
    }

    fn writer(&self) -> Option<Box<dyn Write>> {
        Some(self.kernel.writer())
    }

    fn add<H: Handler>(&mut self, event_loop: &mut EventLoop<H>, index: u32) -> io::Result<()> {
        let Some(conn) = event_loop.plane.conns.get_mut(index) else { return Ok(()) };
        rustix::io::ioctl_fionbio(&conn.socket, true)?;
        Ok(self.kernel.add(conn.socket.as_fd(), index.into(), READABLE)?)
    }

    fn close(&mut self, _: ConnectionId, socket: OwnedFd) {
        // Closing it takes it out of the set only where nobody has a copy of it: the program that
        // handed it over may have kept one, and so has every child that it is forking just now.
        // It fails where it was never added.
        let _ = self.kernel.delete(socket.as_fd());
    }

    fn watch(&mut self, fd: BorrowedFd<'_>, watched: Watched) -> io::Result<()> {
        Ok(self.kernel.add(fd, token(watched), EventFlags::IN)?)
    }

    fn unwatch(&mut self, fd: BorrowedFd<'_>, _: Watched) -> io::Result<()> {
        Ok(self.kernel.delete(fd)?)
    }

    fn turn<H: Handler>(
        &mut self,
        event_loop: &mut EventLoop<H>,
        timeout: Option<Duration>,
    ) -> io::Result<Turn> {
        self.events.clear();
        let ready = std::mem::take(&mut self.ready);
        let timeout = if ready.is_empty() { timeout } else { Some(Duration::ZERO) };
        match self.kernel.wait(&mut self.events, timeout) {
            Ok(()) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        event_loop.plane.cx.now = self.kernel.now();
        let mut turn = Turn::default();
        #[expect(clippy::cast_possible_truncation, reason = "the lower half is the number")]
        for at in 0..self.events.len() {
            let epoll::Event { data, flags, .. } = self.events[at];
            let token = data.u64();
            match (token & KIND, token as u32) {
                (MAILBOX, _) => turn.mail = true,
                (LISTENER, number) => turn.listeners.push(number),
                (_, index) => self.ready(event_loop, index, flags),
            }
        }
        for index in ready {
            if let Some(conn) = event_loop.plane.conns.get_mut(index)
                && std::mem::take(&mut conn.flags.queued)
            {
                self.read(event_loop, index);
            }
        }
        Ok(turn)
    }

    fn flush<H: Handler>(&mut self, event_loop: &mut EventLoop<H>, index: u32) {
        let plane = &mut event_loop.plane;
        let written = match plane.conns.get(index) {
            Some(conn) if conn.tls.is_some() => self.write_tls(plane, index),
            _ => match self.write_run(plane, index) {
                // What is written past the queue changes nothing of what the queue costs.
                Ok(true) => return,
                Ok(false) => self.write_outbox(plane, index),
                Err(error) => Err(error),
            },
        };
        plane.account(index);
        if let Err(error) = written {
            event_loop.broken(index, &error);
        }
    }

    fn update<H: Handler>(&mut self, event_loop: &mut EventLoop<H>, index: u32) -> io::Result<()> {
        let Some(conn) = event_loop.plane.conns.get_mut(index) else { return Ok(()) };
        if conn.flags.blocked && !conn.flags.awaits_write {
            // For good: it is told only when a full socket takes more, and few ever are full.
            conn.flags.awaits_write = true;
            let flags = READABLE | EventFlags::OUT;
            self.kernel.modify(conn.socket.as_fd(), index.into(), flags)?;
        }
        self.queue(conn, index);
        Ok(())
    }

    fn end_sending<H: Handler>(&mut self, plane: &mut Plane<H>, index: u32) {
        if let Some(conn) = plane.conns.get_mut(index) {
            // It only fails where the peer is gone already; reading will tell.
            let _ = self.kernel.shutdown(conn.socket.as_fd());
        }
    }
}

impl<K: Kernel> Epoll<K> {
    /// Something can be done at a connection.
    fn ready<H: Handler>(&mut self, event_loop: &mut EventLoop<H>, index: u32, flags: EventFlags) {
        let Some(conn) = event_loop.plane.conns.get_mut(index) else { return };
        let gone = flags.intersects(EventFlags::HUP | EventFlags::ERR);
        conn.flags.readable |= gone || flags.intersects(EventFlags::IN | EventFlags::RDHUP);
        conn.flags.hung_up |= gone || flags.contains(EventFlags::RDHUP);
        let reads = conn.wants_read();
        if flags.contains(EventFlags::OUT) && std::mem::take(&mut conn.flags.blocked) {
            event_loop.plane.mark(index);
        }
        if reads {
            self.read(event_loop, index);
        } else if gone {
            // Nobody wants to read what it has sent, and it does not take any more.
            event_loop.gone(index);
        }
    }

    /// Reads from a connection, and keeps in mind whether there is more.
    fn read<H: Handler>(&mut self, event_loop: &mut EventLoop<H>, index: u32) {
        let Some(conn) = event_loop.plane.conns.get(index) else { return };
        if !conn.flags.readable || !conn.wants_read() {
            return;
        }
        let (kernel, hung_up, mut drained) = (&mut self.kernel, conn.flags.hung_up, false);
        read(event_loop, index, &mut self.buffer, |fd, buffer| {
            let result = kernel.recv(fd, buffer);
            // epoll(7): who gets less than was asked for has exhausted it. But for an end.
            drained = match result {
                Ok(len) => len < buffer.len() && !hung_up,
                Err(error) => error == Errno::AGAIN,
            };
            result
        });
        if event_loop.plane.queued_at(index) >= CORKED_LEN_MAX {
            self.flush(event_loop, index);
        }
        let Some(conn) = event_loop.plane.conns.get_mut(index) else { return };
        if drained {
            (conn.flags.readable, conn.flags.hung_up) = (false, false);
        }
        self.queue(conn, index);
    }

    /// Has a connection read in the next turn, where there is more and it is wanted.
    fn queue<G>(&mut self, conn: &mut Conn<G>, index: u32) {
        if conn.flags.readable && conn.wants_read() && !conn.flags.queued {
            conn.flags.queued = true;
            self.ready.push(index);
        }
    }
}

fn token(watched: Watched) -> u64 {
    match watched {
        Watched::Mailbox => MAILBOX,
        Watched::Listener(number) => LISTENER | u64::from(number),
    }
}
