//! What an event loop is built on: [`Backend`], and which one: [`Io`].
//!
//! A backend moves bytes between sockets and the [`EventLoop`](crate::event_loop::EventLoop). It
//! knows no protocol, and the loop knows no system call.

pub(crate) mod epoll;
#[cfg(test)]
mod simulated;

use std::{fmt, io, str::FromStr, time::Duration};

use rustix::fd::BorrowedFd;
use tidewire_proto::Timestamp;

use crate::{event_loop::EventLoop, handler::Handler, plane::Write};

/// What the event loops are built on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Io {
    /// The best that the kernel allows.
    #[default]
    Auto,
    /// epoll, which is always there.
    Epoll,
}

impl FromStr for Io {
    type Err = UnknownIo;

    fn from_str(text: &str) -> Result<Self, UnknownIo> {
        match text {
            "auto" => Ok(Self::Auto),
            "epoll" => Ok(Self::Epoll),
            _ => Err(UnknownIo),
        }
    }
}

/// A name that names no backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "there is nothing more to say")]
pub struct UnknownIo;

impl fmt::Display for UnknownIo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it is `epoll` or `auto`")
    }
}

impl std::error::Error for UnknownIo {}

/// Moves bytes between sockets and the loop.
pub(crate) trait Backend {
    /// The time since the engine was started.
    fn now(&self) -> Timestamp;

    /// Writes to a socket between turns, where this backend can.
    fn writer(&self) -> Option<Box<dyn Write>>;

    /// Starts to receive on the connection at `index`.
    fn add<H: Handler>(&mut self, plane: &mut crate::Plane<H>, index: u32) -> io::Result<()>;

    /// The connection at `index` is about to be removed, and its socket closed.
    fn remove<H: Handler>(&mut self, plane: &mut crate::Plane<H>, index: u32);

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

    /// Writes what is queued for a connection, as far as its socket takes it.
    fn flush<H: Handler>(&mut self, event_loop: &mut EventLoop<H>, index: u32);

    /// What the connection waits for may have changed.
    fn update<H: Handler>(&mut self, plane: &mut crate::Plane<H>, index: u32) -> io::Result<()>;

    /// Ends our half of the transport: everything has been written.
    fn end_sending<H: Handler>(&mut self, plane: &mut crate::Plane<H>, index: u32);
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
