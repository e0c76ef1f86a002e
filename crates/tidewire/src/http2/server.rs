//! The server's end: [`Connection`], and what it takes from it, [`Handshake`].

use std::{fmt, time::Duration};

use bytes::Bytes;
use h2::{RecvStream, ext::Protocol, server::SendResponse};
use tidewire_proto::{
    handshake::{Accept, HttpVersion, Rejection, Request, Response, UpgradeRequest},
    uri::Scheme,
};
use tokio::{
    io::AsyncReadExt as _,
    time::{Instant, timeout_at},
};

use super::{
    CONNECTION_WINDOW_LEN, SEND_BUFFER_LEN_MAX, STREAM_COUNT_MAX, STREAM_WINDOW_LEN,
    stream::{Stream, io_error},
};
use crate::{
    deadline::Deadline,
    error::{Error, HandshakeError},
    heads,
    rewound::Rewound,
    server::{Handshake as Http1Handshake, Server},
    websocket::WebSocket,
};

/// What every client of HTTP/2 says first (RFC 9113 §3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A connection without a stream is ended after so long.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// What a client speaks, by [`Server::negotiate`].
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "over TCP there are these two")]
#[expect(clippy::large_enum_variant, reason = "it is taken apart at once")]
pub enum Negotiated<S> {
    /// HTTP/1.1: one WebSocket.
    Http1(Http1Handshake<S>),
    /// HTTP/2: any number.
    Http2(Connection<S>),
}

impl Server {
    /// Accepts a connection of HTTP/2 on any byte stream.
    ///
    /// # Errors
    /// If the client does not speak it, or is late.
    ///
    /// # Cancel safety
    /// Dropping the future drops the stream.
    pub async fn http2<S: crate::Stream>(&self, io: S) -> Result<Connection<S>, Error> {
        self.http2_by(Rewound::new(Bytes::new(), io), None, self.bounds().handshake_deadline())
            .await
    }

    /// Accepts HTTP/1.1 or HTTP/2, whichever the client speaks. It may be TLS already.
    ///
    /// # Errors
    /// As [`Server::handshake`] and [`Server::http2`].
    ///
    /// # Cancel safety
    /// Dropping the future drops the stream.
    pub async fn negotiate<S: crate::Stream>(&self, io: S) -> Result<Negotiated<S>, Error> {
        self.negotiate_by(io, None, self.bounds().handshake_deadline()).await
    }

    pub(crate) async fn negotiate_by<S: crate::Stream>(
        &self,
        mut io: S,
        scheme: Option<Scheme>,
        deadline: Deadline,
    ) -> Result<Negotiated<S>, Error> {
        // With ALPN "h2" a client still begins so, and whoever begins so means HTTP/2.
        let mut read = Vec::new();
        while PREFACE.starts_with(&read) && read.len() < PREFACE.len() {
            let mut room = [0; PREFACE.len()];
            let reading = io.read(&mut room[read.len()..]);
            match deadline.limit(reading).await {
                Ok(Ok(len @ 1..)) => {
                    let start = read.len();
                    read.extend_from_slice(&room[start..start + len]);
                }
                Ok(Err(error)) => return Err(error.into()),
                // It has ended, or is late: HTTP/1.1 has words for it.
                Ok(Ok(0)) | Err(_) => break,
            }
        }
        if read == PREFACE {
            let io = Rewound::new(read.into(), io);
            return Ok(Negotiated::Http2(self.http2_by(io, scheme, deadline).await?));
        }
        Ok(Negotiated::Http1(self.handshake_by(io, &read, scheme, deadline).await?))
    }

    async fn http2_by<S: crate::Stream>(
        &self,
        io: Rewound<S>,
        scheme: Option<Scheme>,
        deadline: Deadline,
    ) -> Result<Connection<S>, Error> {
        let head_len_max = self.bounds().handshake_limits.head_len_max;
        let mut builder = h2::server::Builder::new();
        builder
            // RFC 8441 §3: announced with the first SETTINGS, and nothing here takes it back.
            .enable_connect_protocol()
            .initial_window_size(STREAM_WINDOW_LEN)
            .initial_connection_window_size(CONNECTION_WINDOW_LEN)
            .max_concurrent_streams(STREAM_COUNT_MAX)
            .max_header_list_size(u32::try_from(head_len_max).unwrap_or(u32::MAX))
            .max_send_buffer_size(SEND_BUFFER_LEN_MAX);
        let h2 = deadline.limit(builder.handshake(io)).await?.map_err(io_error)?;
        Ok(Connection { h2, server: self.clone(), scheme })
    }
}

/// A client's connection of HTTP/2.
///
/// Nothing moves on it, not even on the WebSockets that were taken from it, but while
/// [`next`](Self::next) is polled: keep calling it until it returns `None`.
pub struct Connection<S> {
    h2: h2::server::Connection<Rewound<S>, Bytes>,
    server: Server,
    scheme: Option<Scheme>,
}

impl<S: crate::Stream> Connection<S> {
    /// The next WebSocket that the client wants; `None` once the connection has ended.
    ///
    /// Requests that are wrong, or ask for something else, are answered meanwhile.
    ///
    /// # Errors
    /// If the connection broke; then its WebSockets have as well.
    ///
    /// # Cancel safety
    /// Nothing is lost if the future is dropped.
    pub async fn next(&mut self) -> Result<Option<Handshake>, Error> {
        let mut idle = Instant::now() + IDLE_TIMEOUT;
        loop {
            let (request, mut respond) = match timeout_at(idle, self.h2.accept()).await {
                Ok(Some(Ok(accepted))) => accepted,
                // Who just goes away leaves nothing undone, if there is no stream.
                Ok(Some(Err(error))) if error.is_io() && !self.h2.has_streams() => return Ok(None),
                Ok(Some(Err(error))) => return Err(io_error(error).into()),
                Ok(None) => return Ok(None),
                Err(_) => {
                    if !self.h2.has_streams() {
                        self.shutdown();
                    }
                    idle = Instant::now() + IDLE_TIMEOUT;
                    continue;
                }
            };
            let protocol = request.extensions().get::<Protocol>();
            let checked = heads::request(
                request.method(),
                request.uri(),
                request.version(),
                request.headers(),
                protocol.map(Protocol::as_str),
                &self.server.bounds().handshake_limits,
            );
            let response = match checked {
                Ok(Request::WebSocket(asked)) => {
                    return Ok(Some(Handshake {
                        request: asked,
                        respond,
                        receive: request.into_body(),
                        server: self.server.clone(),
                        scheme: self.scheme,
                    }));
                }
                Ok(Request::Other(other)) => other.respond(&other.upgrade_required()),
                Err(error) => Rejection::from(error).to_response(HttpVersion::Http2),
            };
            // A client that is gone before it gets its answer does not miss it.
            let _ = send(&mut respond, &response);
        }
    }

    /// Takes no more WebSockets (GOAWAY), and lets those there are come to their end:
    /// [`next`](Self::next) returns `None` then.
    pub fn shutdown(&mut self) {
        self.h2.graceful_shutdown();
    }
}

impl<S> fmt::Debug for Connection<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

/// A valid opening handshake that waits for a decision. Dropped, it is refused with
/// `RST_STREAM`.
#[derive(Debug)]
pub struct Handshake {
    request: UpgradeRequest,
    respond: SendResponse<Bytes>,
    receive: RecvStream,
    server: Server,
    scheme: Option<Scheme>,
}

impl Handshake {
    /// What the client asks for.
    pub const fn request(&self) -> &UpgradeRequest {
        &self.request
    }

    /// Decides by the [`Server`]'s rules: origins, then what the client offers.
    ///
    /// # Errors
    /// [`HandshakeError::Origin`], and the client gets its 403; [`Error::Io`] if it is gone.
    pub fn accept(mut self) -> Result<WebSocket<Stream>, Error> {
        match self.server.decide(&self.request, self.scheme) {
            Ok(accept) => self.accept_with(&accept),
            Err(refused) => {
                let response = Rejection::from(&refused).to_response(HttpVersion::Http2);
                send(&mut self.respond, &response)?;
                Err(HandshakeError::Origin(refused).into())
            }
        }
    }

    /// Accepts by the caller's decision. Compression is negotiated by the [`Server`]'s rules, unless
    /// `accept` has extensions of its own.
    ///
    /// # Errors
    /// [`HandshakeError::Misuse`] if `accept` chooses what was not offered; [`Error::Io`] if the
    /// client is gone.
    pub fn accept_with(self, accept: &Accept) -> Result<WebSocket<Stream>, Error> {
        let Self { request, mut respond, receive, server, .. } = self;
        let (response, agreed) = server.answer(&request, accept).map_err(HandshakeError::Misuse)?;
        let response = head(&response)?;
        let send = respond.send_response(response, false).map_err(io_error)?;
        Ok(server.established(Stream::new(send, receive), agreed, &[]))
    }

    /// Refuses, with any status from 300 on, headers and body.
    ///
    /// # Errors
    /// [`HandshakeError::Misuse`] for a status that would accept; [`Error::Io`] if the client is
    /// gone.
    pub fn reject(mut self, rejection: &Rejection) -> Result<(), Error> {
        let response = self.request.reject(rejection).map_err(HandshakeError::Misuse)?;
        send(&mut self.respond, &response)
    }
}

/// Sends a whole response.
fn send(respond: &mut SendResponse<Bytes>, response: &Response) -> Result<(), Error> {
    let body = Bytes::copy_from_slice(response.body());
    let mut stream = respond.send_response(head(response)?, body.is_empty()).map_err(io_error)?;
    if !body.is_empty() {
        stream.send_data(body, true).map_err(io_error)?;
    }
    Ok(())
}

fn head(response: &Response) -> Result<http::Response<()>, Error> {
    let response: http::Response<Bytes> =
        heads::response(response).map_err(HandshakeError::Misuse)?;
    Ok(response.map(drop))
}
