//! The server's end: [`Server`], [`Listener`], [`Handshake`].

use std::{fmt, io, net::SocketAddr, sync::Arc, time::Duration};

#[cfg(feature = "deflate")]
use tidewire_proto::DeflateConfig;
use tidewire_proto::{
    Role,
    handshake::{
        Accept, ApiMisuse, OriginPolicy, OriginRefused, Rejection, Request, Response,
        UpgradeRequest,
    },
    uri::Scheme,
};
use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};
#[cfg(feature = "tls")]
use tokio_rustls::rustls;

#[cfg(feature = "tls")]
use crate::tls;
use crate::{
    agreed::Agreed,
    bounds::{Bounds, bounded},
    deadline::Deadline,
    error::{Error, HandshakeError},
    link::Stream,
    net_stream::NetStream,
    opening,
    websocket::WebSocket,
};

/// How connections are accepted. Cheap to clone, and reusable.
///
/// ```no_run
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let server = tidewire::Server::new().subprotocols(["chat.v2", "chat.v1"]);
/// let listener = server.listen("127.0.0.1:9001").await?;
/// loop {
///     let pending = listener.accept().await?;
///     tokio::spawn(async move {
///         let mut ws = pending.upgrade().await?;
///         while let Some(message) = ws.next().await? {
///             ws.send(message).await?;
///         }
///         Ok::<_, tidewire::Error>(())
///     });
/// }
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Server(Arc<Options>);

#[derive(Debug, Clone)]
struct Options {
    bounds: Bounds,
    origins: Arc<OriginPolicy>,
    subprotocols: Vec<String>,
    #[cfg(feature = "deflate")]
    deflate: Option<DeflateConfig>,
    #[cfg(feature = "tls")]
    tls: Option<Arc<rustls::ServerConfig>>,
}

impl Server {
    /// The defaults: pages of the same host may connect (RFC 6455 §10.2), no subprotocol.
    pub fn new() -> Self {
        Self(Arc::new(Options {
            bounds: Bounds::default(),
            origins: Arc::new(OriginPolicy::default()),
            subprotocols: Vec::new(),
            #[cfg(feature = "deflate")]
            deflate: None,
            #[cfg(feature = "tls")]
            tls: None,
        }))
    }

    /// Which pages may connect (RFC 6455 §10.2). Others get 403. Default:
    /// [`OriginPolicy::SameHost`].
    #[must_use]
    pub fn origins(self, policy: OriginPolicy) -> Self {
        self.with(|options| options.origins = Arc::new(policy))
    }

    /// The subprotocols that we speak, the one we like best first (RFC 6455 §1.9).
    #[must_use]
    pub fn subprotocols<T: Into<String>>(self, subprotocols: impl IntoIterator<Item = T>) -> Self {
        self.with(|options| {
            options.subprotocols = subprotocols.into_iter().map(Into::into).collect();
        })
    }

    /// Compresses messages with clients that offer it (permessage-deflate, RFC 7692). Off by
    /// default: it costs memory and time, and it can tell about secrets (see [`DeflateConfig`]).
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn deflate(self, config: DeflateConfig) -> Self {
        self.with(|options| options.deflate = Some(config))
    }

    /// Does TLS on every connection that a [`Listener`] accepts, as `config` says: with which
    /// certificates, and whether clients must show one (RFC 6455 §10.5, §10.6).
    /// [`tls::server_config`](crate::tls::server_config) makes one from PEM files.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(self, config: Arc<rustls::ServerConfig>) -> Self {
        self.with(|options| options.tls = Some(config))
    }

    /// Whether its listeners do TLS.
    pub fn is_tls(&self) -> bool {
        #[cfg(feature = "tls")]
        return self.0.tls.is_some();
        #[cfg(not(feature = "tls"))]
        return false;
    }

    /// Listens on an address; port 0 picks a free one.
    ///
    /// # Errors
    /// If the address cannot be bound; the message names it.
    pub async fn listen(&self, address: impl ToSocketAddrs + fmt::Debug) -> io::Result<Listener> {
        let listener = TcpListener::bind(&address).await.map_err(|error| {
            io::Error::new(error.kind(), format!("cannot listen on {address:?}: {error}"))
        })?;
        Ok(self.listen_on(listener))
    }

    /// Listens on a socket that is bound already.
    pub fn listen_on(&self, listener: TcpListener) -> Listener {
        Listener { listener, server: self.clone() }
    }

    /// Accepts a connection on any byte stream, by our own rules. If it is to be TLS, it is
    /// already.
    ///
    /// # Errors
    /// [`Error::Handshake`]; the client has got its answer by then.
    ///
    /// # Cancel safety
    /// Dropping the future drops the stream.
    pub async fn accept<S: Stream>(&self, io: S) -> Result<WebSocket<S>, Error> {
        // On its own in memory, as in `Pending::upgrade`.
        Box::pin(async { self.handshake(io).await?.accept().await }).await
    }

    /// Reads the opening handshake, and leaves the decision to the caller.
    ///
    /// # Errors
    /// [`Error::Handshake`] where the request is wrong, or too late, or none at all; the client
    /// has got its answer by then.
    pub async fn handshake<S: Stream>(&self, io: S) -> Result<Handshake<S>, Error> {
        self.handshake_by(io, &[], None, self.bounds().handshake_deadline()).await
    }

    /// `read` is what was read of the request already.
    pub(crate) async fn handshake_by<S: Stream>(
        &self,
        mut io: S,
        read: &[u8],
        scheme: Option<Scheme>,
        deadline: Deadline,
    ) -> Result<Handshake<S>, Error> {
        let limits = self.0.bounds.handshake_limits;
        let (request, unread) = opening::read_request(&mut io, read, limits, deadline).await?;
        match request {
            Request::WebSocket(request) => {
                Ok(Handshake { io, request, scheme, unread, server: self.clone() })
            }
            Request::Other(other) => {
                let rejection = other.upgrade_required();
                opening::respond(&mut io, &other.respond(&rejection)).await?;
                Err(HandshakeError::NotWebSocket.into())
            }
        }
    }

    /// What our rules say to a request: first about its Origin, then about what it offers.
    ///
    /// `scheme` is what is known of the client's: see [`OriginPolicy::check`].
    pub(crate) fn decide(
        &self,
        request: &UpgradeRequest,
        scheme: Option<Scheme>,
    ) -> Result<Accept, OriginRefused> {
        self.0.origins.check(request, scheme)?;
        let mut accept = Accept::new();
        let preferred = self.0.subprotocols.iter().map(String::as_str);
        if let Some(chosen) = request.choose_subprotocol(preferred) {
            accept = accept.subprotocol(chosen);
        }
        Ok(accept)
    }

    /// The answer that accepts, and what is agreed on by it. Compression is negotiated here,
    /// unless the caller has accepted extensions by itself.
    #[cfg_attr(
        not(feature = "deflate"),
        expect(clippy::unused_self, reason = "without extensions there is nothing to decide")
    )]
    pub(crate) fn answer(
        &self,
        request: &UpgradeRequest,
        accept: &Accept,
    ) -> Result<(Response, Agreed), ApiMisuse> {
        let agreed = Agreed::chosen(accept.chosen_subprotocol());
        #[cfg(feature = "deflate")]
        {
            let deflate = self.0.deflate.as_ref();
            let (response, deflate) = request.accept_compressed(accept, deflate)?;
            Ok((response, Agreed { deflate, ..agreed }))
        }
        #[cfg(not(feature = "deflate"))]
        Ok((request.accept(accept)?, agreed))
    }

    /// The connection, once the client has its answer.
    pub(crate) fn established<S: Stream>(
        &self,
        io: S,
        agreed: Agreed,
        unread: &[u8],
    ) -> WebSocket<S> {
        WebSocket::new(io, Role::Server, Arc::clone(&self.0.bounds.config), agreed, unread)
    }

    fn with(mut self, change: impl FnOnce(&mut Options)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }
}

bounded!(Server);

impl Default for Server {
    fn default() -> Self {
        Self::new()
    }
}

/// A valid opening handshake that waits for a decision.
#[derive(Debug)]
pub struct Handshake<S> {
    io: S,
    request: UpgradeRequest,
    scheme: Option<Scheme>,
    unread: Vec<u8>,
    server: Server,
}

impl<S: Stream> Handshake<S> {
    /// What the client asks for.
    pub const fn request(&self) -> &UpgradeRequest {
        &self.request
    }

    /// Decides by the [`Server`]'s rules: origins, then subprotocols.
    ///
    /// # Errors
    /// [`HandshakeError::Origin`], after the client has got its 403.
    pub async fn accept(mut self) -> Result<WebSocket<S>, Error> {
        match self.server.decide(&self.request, self.scheme) {
            Ok(accept) => self.accept_with(&accept).await,
            Err(refused) => {
                let rejection = Rejection::from(&refused);
                let request = Request::WebSocket(self.request);
                opening::reject(&mut self.io, &request, &rejection).await?;
                Err(HandshakeError::Origin(refused).into())
            }
        }
    }

    /// Accepts by the caller's decision. Compression is negotiated by the [`Server`]'s rules, unless
    /// `accept` has extensions of its own.
    ///
    /// # Errors
    /// [`HandshakeError::Misuse`] if `accept` chooses what was not offered; [`Error::Io`].
    pub async fn accept_with(mut self, accept: &Accept) -> Result<WebSocket<S>, Error> {
        let (response, agreed) =
            self.server.answer(&self.request, accept).map_err(HandshakeError::Misuse)?;
        tokio::io::AsyncWriteExt::write_all(&mut self.io, &response.encode()).await?;
        tokio::io::AsyncWriteExt::flush(&mut self.io).await?;
        Ok(self.server.established(self.io, agreed, &self.unread))
    }

    /// Refuses, with any status, headers and body.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub async fn reject(mut self, rejection: &Rejection) -> Result<(), Error> {
        opening::reject(&mut self.io, &Request::WebSocket(self.request), rejection).await
    }
}

/// Accepts TCP connections.
#[derive(Debug)]
pub struct Listener {
    listener: TcpListener,
    server: Server,
}

/// How long `accept` rests when the process has no file descriptors left: others end meanwhile.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(50);

impl Listener {
    /// [`Server::listen`] with the defaults.
    ///
    /// # Errors
    /// If the address cannot be bound; the message names it.
    pub async fn bind(address: impl ToSocketAddrs + fmt::Debug) -> io::Result<Self> {
        Server::new().listen(address).await
    }

    /// The address it listens on.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// The next TCP connection. Nothing of it has been read: TLS and handshake run in
    /// [`Pending::upgrade`], so that a slow peer holds up nobody.
    ///
    /// Retries what is transient: connections that were gone already, and, after a pause, a lack of
    /// file descriptors or memory.
    ///
    /// # Errors
    /// If the listening socket itself is of no use any more.
    ///
    /// # Cancel safety
    /// No connection is lost if the future is dropped.
    pub async fn accept(&self) -> io::Result<Pending> {
        loop {
            match self.listener.accept().await {
                Ok((io, peer_addr)) => {
                    // What we write is complete: to wait for more would only cost time.
                    if io.set_nodelay(true).is_err() {
                        continue; // it is gone already
                    }
                    let server = self.server.clone();
                    return Ok(Pending(Box::new(Accepted { io, peer_addr, server })));
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::ConnectionAborted
                    | io::ErrorKind::ConnectionReset
                    | io::ErrorKind::Interrupted => {}
                    io::ErrorKind::InvalidInput | io::ErrorKind::NotConnected => return Err(error),
                    // EMFILE, ENFILE, ENOBUFS, ENOMEM
                    _ => tokio::time::sleep(EXHAUSTED_PAUSE).await,
                },
            }
        }
    }
}

/// A TCP connection whose opening handshake is still to come.
#[derive(Debug)]
pub struct Pending(Box<Accepted>);

/// On its own in memory: a task that is given it would keep the room for as long as it lives.
#[derive(Debug)]
struct Accepted {
    io: TcpStream,
    peer_addr: SocketAddr,
    server: Server,
}

impl Pending {
    /// Who connects.
    pub fn peer_addr(&self) -> SocketAddr {
        self.0.peer_addr
    }

    /// Does TLS, where the [`Server`] has it, and the opening handshake by its rules.
    ///
    /// # Errors
    /// As [`Server::accept`].
    pub fn upgrade(self) -> impl Future<Output = Result<WebSocket, Error>> + Send {
        // On its own in memory: a task is as large as its largest future for as long as it lives,
        // and this one is long over when connections are idle.
        Box::pin(async move { self.handshake().await?.accept().await })
    }

    /// Does TLS, where the [`Server`] has it, and reads the opening handshake, and leaves the
    /// decision to the caller.
    ///
    /// # Errors
    /// As [`Server::handshake`], and [`HandshakeError::Tls`].
    pub async fn handshake(self) -> Result<Handshake<NetStream>, Error> {
        let deadline = self.0.server.bounds().handshake_deadline();
        let server = self.0.server.clone();
        let (io, scheme) = self.secure(deadline).await?;
        server.handshake_by(io, &[], scheme, deadline).await
    }

    /// Does TLS, where the [`Server`] has it, and accepts HTTP/1.1 or HTTP/2, whichever the client
    /// speaks.
    ///
    /// # Errors
    /// As [`Server::negotiate`], and [`HandshakeError::Tls`].
    #[cfg(feature = "http2")]
    pub async fn negotiate(self) -> Result<crate::http2::Negotiated<NetStream>, Error> {
        // On its own in memory, as in `upgrade`.
        Box::pin(async {
            let deadline = self.0.server.bounds().handshake_deadline();
            let server = self.0.server.clone();
            let (io, scheme) = self.secure(deadline).await?;
            server.negotiate_by(io, scheme, deadline).await
        })
        .await
    }

    /// Does TLS, where the [`Server`] has it; what is known of the scheme.
    #[cfg_attr(
        not(feature = "tls"),
        expect(unused_variables, clippy::unused_async, reason = "it is for TLS alone")
    )]
    async fn secure(self, deadline: Deadline) -> Result<(NetStream, Option<Scheme>), Error> {
        let io = NetStream::from(self.0.io);
        #[cfg(feature = "tls")]
        let io = match &self.0.server.0.tls {
            Some(config) => deadline.limit(tls::accept(config, io)).await??,
            None => io,
        };
        // Behind a proxy that ends TLS, plain TCP says nothing of the scheme.
        let scheme = io.is_tls().then_some(Scheme::Wss);
        Ok((io, scheme))
    }
}
