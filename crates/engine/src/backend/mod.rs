//! What an event loop is built on: [`Backend`], and which one: [`Io`].
//!
//! A backend moves bytes between sockets and the [`EventLoop`](crate::event_loop::EventLoop). It
//! knows no protocol, and the loop knows no system call.

pub(crate) mod epoll;
mod reading;
#[cfg(test)]
mod simulated;
#[expect(unsafe_code, reason = "the kernel reads and writes memory while the program goes on")]
mod uring;

use std::{
    fmt,
    io::{self, IoSlice},
    str::FromStr,
    time::{Duration, Instant},
};

use rustix::{
    fd::{BorrowedFd, OwnedFd},
    net::{SendAncillaryBuffer, SendFlags},
};
use tidewire_proto::Timestamp;

use self::{
    epoll::{Epoll, Linux},
    uring::{Probed, Uring},
};
use crate::{event_loop::EventLoop, handler::Handler, id::ConnectionId, plane::Write};

/// What the event loops are built on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Io {
    /// `io_uring` where the kernel allows all that is needed, or else epoll.
    #[default]
    Auto,
    /// epoll, which is always there.
    Epoll,
    /// `io_uring`. An engine does not start where the kernel does not allow it, or is too old:
    /// Linux 6.1 has what is needed, 6.15 is better.
    Uring,
}

impl FromStr for Io {
    type Err = UnknownIo;

    fn from_str(text: &str) -> Result<Self, UnknownIo> {
        match text {
            "auto" => Ok(Self::Auto),
            "epoll" => Ok(Self::Epoll),
            "uring" => Ok(Self::Uring),
            _ => Err(UnknownIo),
        }
    }
}

/// The name by which it is parsed.
impl fmt::Display for Io {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Epoll => "epoll",
            Self::Uring => "uring",
        })
    }
}

/// A name that names no backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "there is nothing more to say")]
pub struct UnknownIo;

impl fmt::Display for UnknownIo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it is `epoll`, `uring` or `auto`")
    }
}

impl std::error::Error for UnknownIo {}

/// Which backend the threads of an engine use.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Chosen {
    Epoll,
    Uring(Probed),
}

impl Io {
    pub(crate) fn choose(self) -> io::Result<Chosen> {
        if self == Self::Epoll {
            return Ok(Chosen::Epoll);
        }
        match (uring::probe(), self) {
            (Ok(probed), _) => Ok(Chosen::Uring(probed)),
            (Err(error), Self::Uring) => {
                let sentence = format!("io_uring cannot be used here: {error}");
                Err(io::Error::new(error.kind(), sentence))
            }
            (Err(error), _) => {
                tracing::info!("io_uring cannot be used here ({error}); epoll is");
                Ok(Chosen::Epoll)
            }
        }
    }
}

impl Chosen {
    /// Turns until the engine stops. `begun` hears first whether there is a backend for this thread:
    /// it has to be made here.
    pub(crate) fn run<H: Handler>(
        self,
        origin: Instant,
        begun: impl FnOnce(io::Result<()>),
        event_loop: impl FnOnce() -> EventLoop<H>,
    ) -> io::Result<()> {
        match self {
            Self::Epoll => {
                let Some(kernel) = tell(Linux::new(origin), begun) else { return Ok(()) };
                event_loop().run(&mut Epoll::new(kernel))
            }
            Self::Uring(probed) => {
                let Some(mut uring) = tell(Uring::new(probed, origin), begun) else {
                    return Ok(());
                };
                event_loop().run(&mut uring)
            }
        }
    }
}

/// Tells the result, and keeps what it has.
fn tell<T>(result: io::Result<T>, tell: impl FnOnce(io::Result<()>)) -> Option<T> {
    match result {
        Ok(value) => {
            tell(Ok(()));
            Some(value)
        }
        Err(error) => {
            tell(Err(error));
            None
        }
    }
}

/// Moves bytes between sockets and the loop.
pub(crate) trait Backend {
    /// The time since the engine was started.
    fn now(&self) -> Timestamp;

    /// Writes to a socket between turns, where this backend can.
    fn writer(&self) -> Option<Box<dyn Write>>;

    /// Starts to receive on the connection at `index`.
    fn add<H: Handler>(&mut self, event_loop: &mut EventLoop<H>, index: u32) -> io::Result<()>
    where
        Self: Sized;

    /// Closes the socket of a connection that was removed. What was flushed is still written.
    fn close(&mut self, id: ConnectionId, socket: OwnedFd);

    /// Tells when `fd` is readable: one that is not a connection.
    fn watch(&mut self, fd: BorrowedFd<'_>, watched: Watched) -> io::Result<()>;

    /// Does not tell any more.
    fn unwatch(&mut self, fd: BorrowedFd<'_>, watched: Watched) -> io::Result<()>;

    /// Waits at most so long for anything to happen, and hands it to the loop.
    fn turn<H: Handler>(
        &mut self,
        event_loop: &mut EventLoop<H>,
        timeout: Option<Duration>,
    ) -> io::Result<Turn>
    where
        Self: Sized;

    /// Writes what is queued for a connection, as far as its socket takes it; now, or when the next
    /// turn begins.
    fn flush<H: Handler>(&mut self, event_loop: &mut EventLoop<H>, index: u32);

    /// What the connection waits for may have changed.
    fn update<H: Handler>(&mut self, event_loop: &mut EventLoop<H>, index: u32) -> io::Result<()>
    where
        Self: Sized;

    /// Ends our half of the transport: everything has been written.
    fn end_sending<H: Handler>(&mut self, plane: &mut crate::Plane<H>, index: u32);
}

/// Sockets that are written to at once, as far as they take it.
#[derive(Debug)]
pub(crate) struct Sockets;

impl Write for Sockets {
    fn write(&mut self, fd: BorrowedFd<'_>, bytes: &[IoSlice<'_>]) -> rustix::io::Result<usize> {
        let mut nothing = SendAncillaryBuffer::default();
        rustix::net::sendmsg(fd, bytes, &mut nothing, SendFlags::NOSIGNAL | SendFlags::DONTWAIT)
    }
}

/// A file descriptor of a loop that is not a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Watched {
    Mailbox,
    /// By its number.
    Listener(u32),
}

/// What happened in a turn beside the connections.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    pub(crate) mail: bool,
    /// Listeners at which somebody waits.
    pub(crate) listeners: Vec<u32>,
}
