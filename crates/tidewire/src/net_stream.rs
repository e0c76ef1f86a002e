//! [`NetStream`]: whatever a connection was made over.

use std::{
    fmt,
    io::{self, IoSlice},
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// The byte stream below a connection that this library made or accepted itself: TCP or a Unix
/// socket.
///
/// Which of them is seen by [`Debug`](fmt::Debug) alone; whoever brings a stream of its own uses
/// [`Server::accept`](crate::Server::accept) or [`Client::handshake`](crate::Client::handshake).
pub struct NetStream(Inner);

enum Inner {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(tokio::net::UnixStream),
}

/// Calls the same method of whichever stream it is.
macro_rules! forward {
    ($self:ident, $io:ident => $call:expr) => {
        match &mut $self.get_mut().0 {
            Inner::Tcp(io) => {
                let $io = Pin::new(io);
                $call
            }
            #[cfg(unix)]
            Inner::Unix(io) => {
                let $io = Pin::new(io);
                $call
            }
        }
    };
}

impl NetStream {
    /// The address of the other end, or of the proxy where the connection goes through one.
    ///
    /// # Errors
    /// Those of the operating system; [`Unsupported`](io::ErrorKind::Unsupported) for a Unix
    /// socket, which has none.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        match &self.0 {
            Inner::Tcp(io) => io.peer_addr(),
            #[cfg(unix)]
            Inner::Unix(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Our own address.
    ///
    /// # Errors
    /// As [`peer_addr`](Self::peer_addr).
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match &self.0 {
            Inner::Tcp(io) => io.local_addr(),
            #[cfg(unix)]
            Inner::Unix(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}

impl From<TcpStream> for NetStream {
    fn from(io: TcpStream) -> Self {
        Self(Inner::Tcp(io))
    }
}

#[cfg(unix)]
impl From<tokio::net::UnixStream> for NetStream {
    fn from(io: tokio::net::UnixStream) -> Self {
        Self(Inner::Unix(io))
    }
}

impl AsyncRead for NetStream {
    fn poll_read(
        self: Pin<&mut Self>,
        task: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        forward!(self, io => io.poll_read(task, buf))
    }
}

impl AsyncWrite for NetStream {
    fn poll_write(
        self: Pin<&mut Self>,
        task: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        forward!(self, io => io.poll_write(task, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        task: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        forward!(self, io => io.poll_write_vectored(task, bufs))
    }

    /// All of them write many pieces at once.
    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        forward!(self, io => io.poll_flush(task))
    }

    fn poll_shutdown(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        forward!(self, io => io.poll_shutdown(task))
    }
}

impl fmt::Debug for NetStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Inner::Tcp(io) => io.fmt(f),
            #[cfg(unix)]
            Inner::Unix(io) => io.fmt(f),
        }
    }
}

// Each idle connection pays for it.
const _: () = assert!(size_of::<NetStream>() <= size_of::<TcpStream>() + size_of::<usize>());
