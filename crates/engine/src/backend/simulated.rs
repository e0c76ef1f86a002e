//! A kernel made of memory, a seed and a clock of its own, under the real loop and the real backend.
//!
//! Whatever a kernel may do, this one does: it takes a byte where a thousand were offered, interrupts,
//! wakes for nothing, tells events late and in any order, and lets peers vanish. What must hold all
//! the same stands in `worlds`.

mod peer;
mod random;
#[cfg(feature = "ring")]
mod tls;
mod turns;
mod wire;
mod worlds;

use std::{
    cell::RefCell,
    collections::{HashMap, VecDeque},
    io::IoSlice,
    rc::Rc,
    time::Duration,
};

use rustix::{
    event::{
        EventfdFlags, PollFd, PollFlags, Timespec,
        epoll::{Event, EventData, EventFlags},
        eventfd, poll,
    },
    fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd, RawFd},
    io::Errno,
};
use tidewire_proto::Timestamp;

use self::random::Random;
use super::epoll::Kernel;
use crate::plane::Write;

/// What the world's kernel is like.
#[derive(Debug, Clone, Copy)]
struct Weather {
    /// Takes and gives any part of what it could, interrupts, and tells events late.
    rough: bool,
    /// How far a wait without events moves the time on.
    leap: Duration,
}

/// All sockets, and the time.
#[derive(Debug)]
struct World {
    random: Random,
    now: Timestamp,
    weather: Weather,
    sockets: Vec<Socket>,
    by_fd: HashMap<RawFd, usize>,
    /// Registered file descriptors that are no sockets of ours: mailboxes.
    others: Vec<(OwnedFd, u64)>,
}

/// A connection between the loop and a peer.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each end of each direction, by itself")]
struct Socket {
    registered: Option<(u64, EventFlags)>,
    /// What the peer has sent.
    inbound: VecDeque<u8>,
    inbound_ended: bool,
    /// What the loop has sent.
    outbound: VecDeque<u8>,
    outbound_ended: bool,
    /// What `outbound` holds at most.
    room: usize,
    /// The peer is gone.
    reset: bool,
    /// The loop has closed it.
    closed: bool,
    /// Bytes of `inbound` that the loop has read.
    consumed: usize,
    /// What has been told of it (epoll's `ET`).
    told: Option<Told>,
    /// A write found too little room, and hears when there is more.
    starved: bool,
    /// The memory that each call wrote from.
    written_from: Vec<*const u8>,
}

/// What an edge-triggered epoll compares with: it tells what is new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Told {
    arrived: usize,
    ended: bool,
    reset: bool,
}

impl World {
    fn new(seed: u64, weather: Weather) -> Self {
        Self {
            random: Random::new(seed),
            now: Timestamp::from_millis(1),
            weather,
            sockets: Vec::new(),
            by_fd: HashMap::new(),
            others: Vec::new(),
        }
    }

    /// From now on everything works at once, and takes all there is.
    fn calm_down(&mut self) {
        self.weather.rough = false;
        self.sockets.iter_mut().for_each(|socket| socket.room = 1 << 20);
    }

    /// A socket, and what the loop holds of it: a file descriptor that is nothing but a name.
    fn socket(&mut self, room: usize) -> (usize, OwnedFd) {
        let fd = eventfd(0, EventfdFlags::CLOEXEC).unwrap();
        let number = self.sockets.len();
        self.sockets.push(Socket { room, ..Socket::default() });
        self.by_fd.insert(fd.as_fd().as_raw_fd(), number);
        (number, fd)
    }

    fn socket_mut(&mut self, fd: BorrowedFd<'_>) -> &mut Socket {
        &mut self.sockets[self.by_fd[&fd.as_raw_fd()]]
    }

    /// So many of `len` bytes are moved.
    fn part_of(&mut self, len: usize) -> usize {
        if !self.weather.rough || len == 0 {
            return len;
        }
        match self.random.below(4) {
            0 => 1,
            1 => 1 + self.random.below(len),
            _ => len,
        }
    }

    /// What a call does that could have worked.
    fn whim(&mut self) -> rustix::io::Result<()> {
        match self.random.below(40) {
            0 if self.weather.rough => Err(Errno::INTR),
            1 if self.weather.rough => Err(Errno::AGAIN),
            _ => Ok(()),
        }
    }

    fn happened(&mut self) -> Vec<Event> {
        let readable = self.others.iter().filter(|(fd, _)| is_readable(fd));
        let mut events: Vec<_> = readable.map(|&(_, token)| (token, EventFlags::IN)).collect();
        for socket in &self.sockets {
            let Some((token, interest)) = socket.registered else { continue };
            let flags = socket.state() & (interest | EventFlags::HUP | EventFlags::ERR);
            if !flags.is_empty() && socket.has_news() {
                events.push((token, flags));
            } else if self.weather.rough && self.random.one_in(20) && !interest.is_empty() {
                events.push((token, interest)); // for nothing
            }
        }
        if self.weather.rough {
            self.random.shuffle(&mut events);
            events.truncate(self.random.below(events.len() + 1));
        }
        for socket in &mut self.sockets {
            if let Some((token, _)) = socket.registered
                && let Some((_, flags)) = events.iter().find(|(told, _)| *told == token)
            {
                socket.told = Some(socket.news());
                socket.starved &= !flags.contains(EventFlags::OUT);
            }
        }
        let event = |(token, flags)| Event { flags, data: EventData::new_u64(token) };
        events.into_iter().map(event).collect()
    }

    fn write(&mut self, fd: BorrowedFd<'_>, slices: &[&[u8]]) -> rustix::io::Result<usize> {
        let whim = self.whim();
        let socket = self.socket_mut(fd);
        if whim.is_err() {
            socket.starved = true;
            whim?;
        }
        let offered: usize = slices.iter().map(|slice| slice.len()).sum();
        socket.written_from.push(slices[0].as_ptr());
        assert!(!socket.outbound_ended, "a write after the end of our half");
        if socket.reset {
            return Err(Errno::PIPE);
        }
        let room = socket.room.saturating_sub(socket.outbound.len());
        if room == 0 {
            socket.starved = true;
            return Err(Errno::AGAIN);
        }
        let mut left = self.part_of(offered.min(room));
        let written = left;
        let socket = self.socket_mut(fd);
        socket.starved |= written < offered;
        for slice in slices {
            let len = slice.len().min(left);
            socket.outbound.extend(&slice[..len]);
            left -= len;
        }
        Ok(written)
    }
}

/// Fills `out` with what stands in front.
fn move_front(queue: &mut VecDeque<u8>, out: &mut [u8]) {
    let (first, second) = queue.as_slices();
    let from_first = first.len().min(out.len());
    let (front, back) = out.split_at_mut(from_first);
    front.copy_from_slice(&first[..from_first]);
    back.copy_from_slice(&second[..back.len()]);
    queue.drain(..out.len());
}

/// The real kernel's word.
fn is_readable(fd: &OwnedFd) -> bool {
    let mut asked = [PollFd::new(fd, PollFlags::IN)];
    poll(&mut asked, Some(&Timespec::default())).unwrap() > 0
}

impl Socket {
    fn news(&self) -> Told {
        let arrived = self.consumed + self.inbound.len();
        Told { arrived, ended: self.inbound_ended, reset: self.reset }
    }

    fn has_news(&self) -> bool {
        let writable = self.outbound.len() < self.room || self.reset;
        self.told != Some(self.news()) || (self.starved && writable)
    }

    fn state(&self) -> EventFlags {
        let mut flags = EventFlags::empty();
        flags.set(EventFlags::IN, !self.inbound.is_empty() || self.inbound_ended || self.reset);
        flags.set(EventFlags::RDHUP, self.inbound_ended || self.reset);
        flags.set(EventFlags::OUT, self.outbound.len() < self.room || self.reset);
        flags.set(EventFlags::HUP, self.reset || (self.inbound_ended && self.outbound_ended));
        flags.set(EventFlags::ERR, self.reset);
        flags
    }
}

/// The kernel, as the backend calls it.
#[derive(Debug, Clone)]
struct Simulated(Rc<RefCell<World>>);

impl Write for Simulated {
    fn write(&mut self, fd: BorrowedFd<'_>, bytes: &[IoSlice<'_>]) -> rustix::io::Result<usize> {
        let slices: Vec<&[u8]> = bytes.iter().map(|slice| &**slice).collect();
        self.0.borrow_mut().write(fd, &slices)
    }
}

impl Kernel for Simulated {
    fn now(&self) -> Timestamp {
        self.0.borrow().now
    }

    fn add(&mut self, fd: BorrowedFd<'_>, token: u64, flags: EventFlags) -> rustix::io::Result<()> {
        let mut world = self.0.borrow_mut();
        if world.by_fd.contains_key(&fd.as_raw_fd()) {
            let socket = world.socket_mut(fd);
            assert_eq!(socket.registered, None, "EEXIST");
            socket.registered = Some((token, flags));
        } else {
            world.others.push((fd.try_clone_to_owned().unwrap(), token));
        }
        Ok(())
    }

    fn modify(
        &mut self,
        fd: BorrowedFd<'_>,
        token: u64,
        flags: EventFlags,
    ) -> rustix::io::Result<()> {
        let mut world = self.0.borrow_mut();
        let socket = world.socket_mut(fd);
        assert!(socket.registered.is_some(), "ENOENT");
        socket.registered = Some((token, flags));
        // What it is like now is told anew.
        socket.told = None;
        socket.starved = true;
        Ok(())
    }

    fn delete(&mut self, fd: BorrowedFd<'_>) -> rustix::io::Result<()> {
        let mut world = self.0.borrow_mut();
        let Some(number) = world.by_fd.remove(&fd.as_raw_fd()) else { return Err(Errno::NOENT) };
        let socket = &mut world.sockets[number];
        assert!(socket.registered.take().is_some(), "ENOENT");
        socket.closed = true;
        if !socket.inbound.is_empty() {
            // As TCP does: a reset takes along what the peer has not read yet.
            socket.outbound.clear();
            socket.reset = true;
        }
        Ok(())
    }

    fn wait(
        &mut self,
        events: &mut Vec<Event>,
        timeout: Option<Duration>,
    ) -> rustix::io::Result<()> {
        let mut world = self.0.borrow_mut();
        let happened = world.happened();
        let leap = world.weather.leap.min(timeout.unwrap_or(Duration::MAX));
        let passed = if happened.is_empty() { leap } else { Duration::from_micros(100) };
        world.now = world.now.saturating_add(passed);
        events.extend(happened);
        world.whim().or(Err(Errno::INTR))
    }

    fn recv(&mut self, fd: BorrowedFd<'_>, buffer: &mut [u8]) -> rustix::io::Result<usize> {
        let mut world = self.0.borrow_mut();
        let whim = world.whim();
        let socket = world.socket_mut(fd);
        if whim.is_err() {
            socket.told = None; // as if it came just after
            whim?;
        }
        let available = socket.inbound.len();
        let (reset, ended) = (socket.reset, socket.inbound_ended);
        if available == 0 {
            return match (reset, ended) {
                (true, _) => Err(Errno::CONNRESET),
                (false, true) => Ok(0),
                (false, false) => Err(Errno::AGAIN),
            };
        }
        let len = world.part_of(available.min(buffer.len()));
        let socket = world.socket_mut(fd);
        socket.consumed += len;
        move_front(&mut socket.inbound, &mut buffer[..len]);
        if len < buffer.len() && len < available {
            // Who read less than there was room for has read all there was: the rest comes now.
            socket.told = None;
        }
        Ok(len)
    }

    fn send(&mut self, fd: BorrowedFd<'_>, bytes: &[u8]) -> rustix::io::Result<usize> {
        self.0.borrow_mut().write(fd, &[bytes])
    }

    fn send_vectored(
        &mut self,
        fd: BorrowedFd<'_>,
        bytes: &[IoSlice<'_>],
    ) -> rustix::io::Result<usize> {
        Write::write(self, fd, bytes)
    }

    fn writer(&self) -> Box<dyn Write> {
        Box::new(self.clone())
    }

    fn shutdown(&mut self, fd: BorrowedFd<'_>) -> rustix::io::Result<()> {
        self.0.borrow_mut().socket_mut(fd).outbound_ended = true;
        Ok(())
    }
}
