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
#[cfg(feature = "tls")]
use tokio_rustls::{TlsStream, rustls};

/// The byte stream below a connection that this library made or accepted itself: TCP, a Unix
/// socket, TLS over one of them, or a stream of HTTP/2 over TLS.
///
/// Whoever brings a stream of its own uses
/// [`Server::accept`](crate::Server::accept) or [`Client::handshake`](crate::Client::handshake).
pub struct NetStream(Inner);

enum Inner {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(tokio::net::UnixStream),
    /// Over any of these, itself included: to a server through a proxy that is reached by TLS.
    #[cfg(feature = "tls")]
    Tls(Box<TlsStream<NetStream>>),
    /// See [`Client::prefer_http2`](crate::Client::prefer_http2).
    #[cfg(all(feature = "http2", feature = "tls"))]
    Http2(Box<crate::http2::Stream>),
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
            #[cfg(feature = "tls")]
            Inner::Tls(io) => {
                let $io = Pin::new(&mut **io);
                $call
            }
            #[cfg(all(feature = "http2", feature = "tls"))]
            Inner::Http2(io) => {
                let $io = Pin::new(&mut **io);
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
    /// socket, which has none, and for a stream of HTTP/2, whose connection is out of sight.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        match &self.0 {
            Inner::Tcp(io) => io.peer_addr(),
            #[cfg(unix)]
            Inner::Unix(_) => Err(io::ErrorKind::Unsupported.into()),
            #[cfg(feature = "tls")]
            Inner::Tls(io) => io.get_ref().0.peer_addr(),
            #[cfg(all(feature = "http2", feature = "tls"))]
            Inner::Http2(_) => Err(io::ErrorKind::Unsupported.into()),
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
            #[cfg(feature = "tls")]
            Inner::Tls(io) => io.get_ref().0.local_addr(),
            #[cfg(all(feature = "http2", feature = "tls"))]
            Inner::Http2(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Whether it is TLS.
    pub const fn is_tls(&self) -> bool {
        #[cfg(all(feature = "http2", feature = "tls"))]
        if matches!(self.0, Inner::Http2(_)) {
            return true; // elsewhere it is not chosen
        }
        #[cfg(feature = "tls")]
        return matches!(self.0, Inner::Tls(_));
        #[cfg(not(feature = "tls"))]
        return false;
    }

    /// What TLS knows, where it is TLS: the peer's certificates, the protocol version, ALPN. Nothing
    /// for a stream of HTTP/2, whose connection is out of sight.
    #[cfg(feature = "tls")]
    pub fn tls(&self) -> Option<&rustls::CommonState> {
        match &self.0 {
            Inner::Tls(io) => Some(io.get_ref().1),
            _ => None,
        }
    }

    /// The name that the client asked for (SNI, RFC 6066 §3), where we are its TLS server.
    #[cfg(feature = "tls")]
    pub fn server_name(&self) -> Option<&str> {
        match &self.0 {
            Inner::Tls(io) => match &**io {
                TlsStream::Server(io) => io.get_ref().1.server_name(),
                TlsStream::Client(_) => None,
            },
            _ => None,
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

#[cfg(feature = "tls")]
impl From<TlsStream<Self>> for NetStream {
    fn from(io: TlsStream<Self>) -> Self {
        Self(Inner::Tls(Box::new(io)))
    }
}

#[cfg(all(feature = "http2", feature = "tls"))]
impl From<crate::http2::Stream> for NetStream {
    fn from(io: crate::http2::Stream) -> Self {
        Self(Inner::Http2(Box::new(io)))
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
            #[cfg(feature = "tls")]
            Inner::Tls(io) => f.debug_tuple("Tls").field(io.get_ref().0).finish(),
            #[cfg(all(feature = "http2", feature = "tls"))]
            Inner::Http2(io) => io.fmt(f),
        }
    }
}

// Each idle connection pays for it.
const _: () = assert!(size_of::<NetStream>() <= size_of::<TcpStream>() + size_of::<usize>());
