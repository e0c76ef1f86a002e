//! [`Listeners`]: the sockets that a server listens on.

use std::{
    fmt, io,
    net::{Ipv6Addr, SocketAddr},
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::mpsc,
};

/// TCP sockets that listen.
#[derive(Debug)]
pub struct Listeners(Vec<TcpListener>);

/// Connections that the kernel keeps until they are accepted: as many as Linux allows by default. When all
/// clients come back at once, whoever finds the queue full tries again only after a second.
const BACKLOG: u32 = 4096;

/// How long accepting rests when the process has no file descriptors left: others end meanwhile.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(50);

impl Listeners {
    /// Listens on each of these addresses; port 0 picks a free one. Where the machine has no IPv6, its
    /// loopback address is left out behind others, and the log says so.
    ///
    /// # Errors
    /// With the first address that cannot be listened on.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn bind(addresses: &[SocketAddr]) -> Result<Self, ListenError> {
        let mut listeners = Vec::new();
        for &address in addresses {
            match listen(address) {
                Ok(listener) => listeners.push(listener),
                Err(ListenError { address, source })
                    if address.ip() == Ipv6Addr::LOCALHOST
                        && !listeners.is_empty()
                        && is_absent(&source) =>
                {
                    tracing::warn!("no IPv6 here, so not listening on {address}: {source}");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Self(listeners))
    }

    /// Where they listen.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn local_addrs(&self) -> io::Result<Vec<SocketAddr>> {
        self.0.iter().map(TcpListener::local_addr).collect()
    }

    /// Hands every connection to `accepted`, from tasks of their own, until that is dropped. Rests
    /// while the queue is full.
    pub(crate) fn accept_into(self, accepted: &mpsc::Sender<(TcpStream, SocketAddr)>) {
        for listener in self.0 {
            let accepted = accepted.clone();
            tokio::spawn(async move {
                // A place first: what is not accepted waits in the kernel, which bounds it.
                while let Ok(place) = accepted.reserve().await {
                    tokio::select! {
                        connection = accept(&listener) => place.send(connection),
                        () = accepted.closed() => return,
                    }
                }
            });
        }
    }
}

fn listen(address: SocketAddr) -> Result<TcpListener, ListenError> {
    bind(address).map_err(|source| ListenError { address, source })
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A server that is started again does not wait for what is left of the one before.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// The next connection. What goes wrong before it is over by itself: a connection that was gone
/// already, or a lack of file descriptors.
async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            // Without Nagle's algorithm: what we write is complete. It fails if the peer is gone.
            Ok((io, peer)) if io.set_nodelay(true).is_ok() => return (io, peer),
            Ok(_) => {}
            Err(error) => match error.kind() {
                io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset => {}
                _ => {
                    tracing::warn!("cannot accept connections at the moment: {error}");
                    tokio::time::sleep(EXHAUSTED_PAUSE).await;
                }
            },
        }
    }
}

/// Whether the machine does not have this kind of address at all. Systems tell it by different
/// errors (`EADDRNOTAVAIL`, `EAFNOSUPPORT`), but none of them by these two.
fn is_absent(error: &io::Error) -> bool {
    !matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied)
}

/// An address that cannot be listened on.
#[derive(Debug)]
pub struct ListenError {
    /// The address.
    pub address: SocketAddr,
    /// What the operating system said.
    pub source: io::Error,
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, source } = self;
        match source.kind() {
            io::ErrorKind::AddrInUse => {
                write!(f, "cannot listen on {address}: the port is in use by another program")
            }
            io::ErrorKind::AddrNotAvailable => {
                write!(f, "cannot listen on {address}: it is no address of this machine")
            }
            io::ErrorKind::PermissionDenied => {
                write!(f, "cannot listen on {address}: not permitted (ports below 1024 need more)")
            }
            _ => write!(f, "cannot listen on {address}: {source}"),
        }
    }
}

impl std::error::Error for ListenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}
