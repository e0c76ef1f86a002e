//! WebSockets on a [hyper](https://docs.rs/hyper) 1 server, and on whatever is built upon it.
//!
//! The response comes first, the socket later: [`accept`] answers a request at once, by the rules
//! of a [`Server`], and hands out a future that is a [`WebSocket`] once hyper has sent the
//! response. HTTP/1.1 upgrades (RFC 6455 §4) and extended CONNECTs of HTTP/2 (RFC 8441) go through
//! the same function.
//!
//! ```no_run
//! use std::convert::Infallible;
//! use tidewire::{Server, hyper::Body};
//!
//! async fn serve(
//!     mut request: http::Request<hyper::body::Incoming>,
//!     server: Server,
//! ) -> Result<http::Response<Body>, Infallible> {
//!     match tidewire::hyper::accept(&mut request, &server) {
//!         Ok((response, socket)) => {
//!             tokio::spawn(async move {
//!                 let mut ws = socket.await?;
//!                 while let Some(message) = ws.next().await? {
//!                     ws.send(message).await?;
//!                 }
//!                 Ok::<_, tidewire::Error>(())
//!             });
//!             Ok(response)
//!         }
//!         Err(refused) => Ok(refused.into_response()),
//!     }
//! }
//! ```
//!
//! # Another driver
//! The handshake here, and the WebSocket elsewhere: [`Upgrading::into_parts`] gives what was agreed on
//! and hyper's connection, which can be taken apart down to the socket.
//!
//! ```no_run
//! # use hyper_util::rt::TokioIo;
//! # async fn elsewhere(
//! #     socket: tidewire::hyper::Upgrading,
//! # ) -> Result<(std::net::TcpStream, bytes::Bytes), Box<dyn std::error::Error>> {
//! let parts = socket.into_parts().await?; // by now the 101 has been written
//! // What was given to `serve_connection`: another type in another program.
//! let Ok(http) = parts.upgraded.downcast::<TokioIo<tokio::net::TcpStream>>() else {
//!     return Err("not a connection of HTTP/1.1 over TCP".into());
//! };
//! let (socket, unread) = (http.io.into_inner().into_std()?, http.read_buf);
//! # Ok((socket, unread))
//! # }
//! ```
//!
//! # What hyper has to be told
//! Over HTTP/1.1, `serve_connection(…).with_upgrades()`. Over HTTP/2, `enable_connect_protocol()`,
//! or clients never ask (RFC 8441 §3), and windows by which a connection that is not read does not
//! hold up the others: `initial_stream_window_size` of [`STREAM_WINDOW_LEN`],
//! `initial_connection_window_size` of [`CONNECTION_WINDOW_LEN`], and `max_concurrent_streams` of
//! [`STREAM_COUNT_MAX`].
//!
//! # What hyper keeps to itself
//! It reads the head, so its checks come first and its answers to what is no HTTP have no body; how
//! long a head may take is its `header_read_timeout`. Over HTTP/2, a client that resets its stream
//! with CANCEL looks like one that ends it: either is an end without a Close, hence 1006.

use std::{
    fmt,
    future::Future,
    io, mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Extensions, HeaderValue, StatusCode, Version, header::CONTENT_TYPE};
use hyper::{
    ext::Protocol,
    upgrade::{OnUpgrade, Upgraded},
};
use hyper_util::rt::TokioIo;
#[cfg(feature = "deflate")]
use tidewire_proto::DeflateParams;
use tidewire_proto::handshake::{
    Accept, ApiMisuse, Rejection, Request, RequestError, Response, UpgradeRequest,
};

pub use crate::windows::{CONNECTION_WINDOW_LEN, STREAM_COUNT_MAX, STREAM_WINDOW_LEN};
use crate::{
    agreed::Agreed,
    error::{Error, HandshakeError},
    heads,
    server::Server,
    websocket::WebSocket,
};

/// The body of every response: one plain sentence, or nothing.
pub type Body = http_body_util::Full<Bytes>;

/// What a [`WebSocket`] runs over here.
pub type Stream = TokioIo<Upgraded>;

/// Accepts a WebSocket by the rules of `server`: origins, then what the client offers.
///
/// The response is to be sent, whether or not anybody waits for the socket.
///
/// # Errors
/// What to answer instead, and why.
pub fn accept<B>(
    request: &mut http::Request<B>,
    server: &Server,
) -> Result<(http::Response<Body>, Upgrading), Refused> {
    handshake(request, server)?.accept()
}

/// Checks a request, and leaves the decision to the caller.
///
/// # Errors
/// What to answer, where the request is wrong or does not ask for a WebSocket.
pub fn handshake<B>(request: &mut http::Request<B>, server: &Server) -> Result<Handshake, Refused> {
    let protocol = request.extensions().get::<Protocol>().cloned();
    let checked = heads::request(
        request.method(),
        request.uri(),
        request.version(),
        request.headers(),
        protocol.as_ref().map(Protocol::as_str),
        &server.bounds().handshake_limits,
    );
    Handshake::new(checked, request.version(), request.extensions_mut(), server)
}

/// A valid opening handshake that waits for a decision.
#[derive(Debug)]
pub struct Handshake {
    request: UpgradeRequest,
    on_upgrade: OnUpgrade,
    server: Server,
}

impl Handshake {
    /// From what the checks said of a request, and what hyper has laid beside it.
    pub(crate) fn new(
        checked: Result<Request, RequestError>,
        version: Version,
        extensions: &mut Extensions,
        server: &Server,
    ) -> Result<Self, Refused> {
        match checked {
            Ok(Request::WebSocket(request)) => match extensions.remove::<OnUpgrade>() {
                Some(on_upgrade) => Ok(Self { request, on_upgrade, server: server.clone() }),
                None => Err(Refused::of_ours(HandshakeError::NotUpgradable)),
            },
            Ok(Request::Other(other)) => {
                let response = other.respond(&other.upgrade_required());
                Err(Refused::new(HandshakeError::NotWebSocket, &response))
            }
            Err(error) => {
                let response = Rejection::from(error).to_response(heads::version(version));
                Err(Refused::new(HandshakeError::Request(error), &response))
            }
        }
    }

    /// The same under other rules.
    #[cfg(feature = "axum")]
    pub(crate) fn under(mut self, change: impl FnOnce(Server) -> Server) -> Self {
        self.server = change(self.server);
        self
    }

    /// What the client asks for.
    pub const fn request(&self) -> &UpgradeRequest {
        &self.request
    }

    /// Decides by the [`Server`]'s rules.
    ///
    /// # Errors
    /// [`HandshakeError::Origin`], and its 403.
    pub fn accept(self) -> Result<(http::Response<Body>, Upgrading), Refused> {
        match self.server.decide(&self.request, None) {
            Ok(accept) => self
                .accept_with(&accept)
                .map_err(|misuse| Refused::of_ours(HandshakeError::Misuse(misuse))),
            Err(refused) => {
                let response = Rejection::from(&refused).to_response(self.request.version());
                Err(Refused::new(HandshakeError::Origin(refused), &response))
            }
        }
    }

    /// Accepts by the caller's decision. Compression is negotiated by the [`Server`]'s rules, unless
    /// `accept` has extensions of its own.
    ///
    /// # Errors
    /// If `accept` chooses what was not offered.
    pub fn accept_with(
        self,
        accept: &Accept,
    ) -> Result<(http::Response<Body>, Upgrading), ApiMisuse> {
        let (response, agreed) = self.server.answer(&self.request, accept)?;
        let response = heads::response(&response)?;
        let Self { on_upgrade, server, .. } = self;
        Ok((response, Upgrading { on_upgrade, agreed, server }))
    }

    /// The response that refuses, with any status, headers and body.
    ///
    /// # Errors
    /// For a status with which nothing can be refused.
    pub fn reject(&self, rejection: &Rejection) -> Result<http::Response<Body>, ApiMisuse> {
        heads::response(&self.request.reject(rejection)?)
    }
}

/// The [`WebSocket`] that will be, once the response is on its way.
///
/// # Errors
/// [`Error::Io`] if it never was: the client is gone, or the response was not sent.
#[derive(Debug)]
#[must_use = "a WebSocket comes of it only if it is awaited"]
pub struct Upgrading {
    on_upgrade: OnUpgrade,
    agreed: Agreed,
    server: Server,
}

impl Upgrading {
    /// The same for a driver that is not this library: no [`WebSocket`], but what one is made of.
    ///
    /// # Errors
    /// [`Error::Io`], as above.
    pub async fn into_parts(self) -> Result<Parts, Error> {
        let upgraded = self.on_upgrade.await.map_err(never_upgraded)?;
        Ok(Parts {
            upgraded,
            subprotocol: self.agreed.terms.and_then(|terms| terms.subprotocol),
            #[cfg(feature = "deflate")]
            deflate: self.agreed.deflate,
        })
    }
}

impl Future for Upgrading {
    type Output = Result<WebSocket<Stream>, Error>;

    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Self::Output> {
        let upgraded = ready!(Pin::new(&mut self.on_upgrade).poll(task)).map_err(never_upgraded)?;
        // Frames that came with the request are the first that `upgraded` gives to be read.
        let agreed = mem::take(&mut self.agreed);
        Poll::Ready(Ok(self.server.established(TokioIo::new(upgraded), agreed, &[])))
    }
}

fn never_upgraded(error: hyper::Error) -> Error {
    Error::Io(io::Error::other(error))
}

/// An open WebSocket that nobody drives yet: see [`Upgrading::into_parts`].
#[derive(Debug)]
#[non_exhaustive]
pub struct Parts {
    /// The connection behind the response. Frames that came with the request are the first that it
    /// gives to be read; taken apart, it has them as its `read_buf`.
    pub upgraded: Upgraded,
    /// The subprotocol that was chosen (RFC 6455 §1.9).
    pub subprotocol: Option<Box<str>>,
    /// How messages are compressed, where they are (RFC 7692).
    #[cfg(feature = "deflate")]
    pub deflate: Option<DeflateParams>,
}

/// A request that is answered with no WebSocket.
#[derive(Debug)]
pub struct Refused(Box<(HandshakeError, http::Response<Body>)>);

impl Refused {
    fn new(error: HandshakeError, response: &Response) -> Self {
        match heads::response(response) {
            Ok(response) => Self(Box::new((error, response))),
            Err(misuse) => Self::of_ours(HandshakeError::Misuse(misuse)),
        }
    }

    /// The mistake is not the client's.
    fn of_ours(error: HandshakeError) -> Self {
        let body = Bytes::from_static(b"The server cannot open a WebSocket here.\n");
        let mut response = http::Response::new(Body::new(body));
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        let plain = HeaderValue::from_static("text/plain; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, plain);
        Self(Box::new((error, response)))
    }

    /// Why; for a log.
    pub const fn error(&self) -> &HandshakeError {
        &self.0.0
    }

    /// What to answer.
    pub fn into_response(self) -> http::Response<Body> {
        self.0.1
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error().fmt(f)
    }
}

impl std::error::Error for Refused {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(self.error())
    }
}
