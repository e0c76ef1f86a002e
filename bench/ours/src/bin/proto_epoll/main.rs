//! An echo server on `tidewire-proto` and nothing else: one thread, one level-triggered epoll
//! loop, one receive buffer. The proof of proto's shape: an idle connection is a socket and a
//! `Connection` in a slab and owns no buffer; a large message is received into its own buffer and
//! sent back from there.
#![forbid(unsafe_code)]

mod connection;

use std::{
    fs::File,
    io::{self, Read},
    net::{TcpListener, TcpStream},
    sync::Arc,
    time::{Duration, Instant},
};

use rustix::{
    buffer::spare_capacity,
    event::{
        Timespec,
        epoll::{self, EventData, EventFlags},
    },
    fd::OwnedFd,
    io::Errno,
};
use tidewire_proto::{BufferPool, Config, Context, MaskSource, Timestamp};

use crate::connection::{Connection, Next};

const LISTENER: u64 = u64::MAX;
const EVENT_COUNT_MAX: usize = 1024;
const MESSAGE_LEN_MAX: u64 = 64 << 20;

/// What is smaller arrives here; of what is larger, the first part does and is copied once. So it
/// holds a message of 64 KiB with its header, and not much more.
const BUFFER_LEN: usize = (64 << 10) + 64;

/// Message buffers that wait for their next use: enough for a hundred large messages under way.
const UNUSED_LEN_MAX: usize = 64 << 20;

/// What was not used for so long goes back to the allocator.
const TRIM_INTERVAL: Duration = Duration::from_secs(10);

/// Deadlines of all connections are looked at this often: pings and timeouts need no more, and a
/// connection needs no entry in any timer.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

fn main() -> io::Result<()> {
    let addr = std::env::args().nth(1).ok_or_else(|| io::Error::other("which address?"))?;
    Server::bind(&addr)?.run()
}

struct Server {
    listener: TcpListener,
    epoll: OwnedFd,
    config: Arc<Config>,
    cx: Context,
    origin: Instant,
    swept_at: Instant,
    trimmed_at: Instant,
    buffer: Vec<u8>,
    /// The slab: a connection's index is its epoll token.
    connections: Vec<Option<Connection>>,
    free: Vec<usize>,
}

impl Server {
    fn bind(addr: &str) -> io::Result<Self> {
        let listener = TcpListener::bind(addr)?;
        listener.set_nonblocking(true)?;
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
        let mut config = Config::default();
        config.limits.message_len_max = MESSAGE_LEN_MAX;
        let origin = Instant::now();
        let mut cx = Context::new(Box::new(Urandom(File::open("/dev/urandom")?)));
        cx.buffers = BufferPool::new(UNUSED_LEN_MAX);
        Ok(Self {
            listener,
            epoll,
            config: Arc::new(config),
            cx,
            origin,
            swept_at: origin,
            trimmed_at: origin,
            buffer: vec![0; BUFFER_LEN],
            connections: Vec::new(),
            free: Vec::new(),
        })
    }

    fn run(mut self) -> io::Result<()> {
        let mut events: Vec<epoll::Event> = Vec::with_capacity(EVENT_COUNT_MAX);
        let patience = Timespec { tv_sec: 1, tv_nsec: 0 };
        loop {
            events.clear();
            // Without connections there is no deadline.
            let idle = self.free.len() == self.connections.len() && self.cx.buffers.held_len() == 0;
            let timeout = (!idle).then_some(&patience);
            match epoll::wait(&self.epoll, spare_capacity(&mut events), timeout) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            let now = Instant::now();
            let nanos = now.duration_since(self.origin).as_nanos();
            self.cx.now = Timestamp::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
            for event in &events {
                match event.data.u64() {
                    LISTENER => self.accept()?,
                    token => self.turn(token as usize, event.flags)?,
                }
            }
            if now.duration_since(self.swept_at) >= SWEEP_INTERVAL {
                self.swept_at = now;
                self.sweep()?;
            }
            if now.duration_since(self.trimmed_at) >= TRIM_INTERVAL {
                self.trimmed_at = now;
                self.cx.buffers.trim();
            }
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        let socket = match self.listener.accept() {
            Ok((socket, _)) => socket,
            Err(error) if is_transient(&error) => return Ok(()),
            Err(error) => return Err(error),
        };
        socket.set_nonblocking(true)?;
        socket.set_nodelay(true)?;
        let index = self.free.pop().unwrap_or_else(|| {
            self.connections.push(None);
            self.connections.len() - 1
        });
        let token = EventData::new_u64(index as u64);
        epoll::add(&self.epoll, &socket, token, EventFlags::IN)?;
        self.connections[index] = Some(Connection::new(socket));
        Ok(())
    }

    /// Does what one event asks for.
    fn turn(&mut self, index: usize, flags: EventFlags) -> io::Result<()> {
        let Some(connection) = &mut self.connections[index] else { return Ok(()) };
        let before = connection.interest();
        let next = connection.turn(flags, &self.config, &mut self.cx, &mut self.buffer);
        self.follow(index, before, next)
    }

    fn follow(&mut self, index: usize, before: EventFlags, next: Next) -> io::Result<()> {
        let Some(connection) = &mut self.connections[index] else { return Ok(()) };
        match next {
            Next::Wait if connection.interest() == before => Ok(()),
            Next::Wait => {
                let token = EventData::new_u64(index as u64);
                Ok(epoll::modify(&self.epoll, &*connection, token, connection.interest())?)
            }
            Next::End => {
                connection.release(&mut self.cx);
                self.connections[index] = None;
                self.free.push(index);
                Ok(())
            }
        }
    }

    fn sweep(&mut self) -> io::Result<()> {
        for index in 0..self.connections.len() {
            if let Some(connection) = &mut self.connections[index]
                && connection.is_due(self.cx.now)
            {
                let before = connection.interest();
                let next = connection.handle_timeout(&mut self.cx);
                self.follow(index, before, next)?;
            }
        }
        Ok(())
    }
}

/// An `accept` that failed for one connection, or for now, and not for ever.
fn is_transient(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    matches!(errno, Some(Errno::AGAIN | Errno::INTR | Errno::CONNABORTED | Errno::MFILE))
}

/// The kernel's generator.
struct Urandom(File);

impl MaskSource for Urandom {
    fn fill(&mut self, out: &mut [u8]) {
        if self.0.read_exact(out).is_err() {
            // Predictable keys would be worse than no server.
            std::process::abort();
        }
    }
}

/// Reads without blocking: `None` if there is nothing to read.
fn read(socket: &mut TcpStream, buffer: &mut [u8]) -> io::Result<Option<usize>> {
    loop {
        match socket.read(buffer) {
            Ok(len) => return Ok(Some(len)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
