//! The client's end: [`Connector`].

use std::fmt;

use bytes::Bytes;
use h2::{RecvStream, client::SendRequest, ext::Protocol};
use http::{Method, Uri as HttpUri, Version};
use tidewire_proto::{
    handshake::{ClientRequest, HandshakeFailure, HttpVersion, ResponseError},
    uri::Uri,
};

use super::{
    CONNECTION_WINDOW_LEN, SEND_BUFFER_LEN_MAX, STREAM_WINDOW_LEN,
    stream::{Stream, io_error},
};
use crate::{
    client::Client,
    deadline::Deadline,
    error::{Error, HandshakeError},
    heads,
    websocket::WebSocket,
};

impl Client {
    /// Connects to the host of a `ws:` or `wss:` URI by HTTP/2, to open WebSockets there. With TLS,
    /// `h2` is selected by ALPN; without, the server has to speak HTTP/2 from the first byte on.
    ///
    /// # Errors
    /// As [`Client::connect`] and [`Client::http2`].
    ///
    /// # Cancel safety
    /// Dropping the future ends the attempt.
    pub async fn connect_http2(&self, uri: &str) -> Result<Connector, Error> {
        let uri: Uri = uri.parse().map_err(HandshakeError::Uri)?;
        let io = self.open(&uri, HttpVersion::Http2).await?;
        self.http2(io).await
    }

    /// Speaks HTTP/2 on any byte stream, to open WebSockets on it. For `wss:` URIs, TLS has been
    /// done on it, with the ALPN `h2`.
    ///
    /// The connection is driven by a task of its own, and ends with the last [`Connector`] and the
    /// last WebSocket.
    ///
    /// # Errors
    /// [`HandshakeError::ConnectProtocol`] if the server does not take WebSockets over HTTP/2;
    /// [`Error::Io`] if it does not speak it at all.
    ///
    /// # Cancel safety
    /// Dropping the future drops the stream.
    pub async fn http2<S: crate::Stream>(&self, io: S) -> Result<Connector, Error> {
        self.http2_by(io, self.bounds().handshake_deadline()).await
    }

    pub(crate) async fn http2_by<S: crate::Stream>(
        &self,
        io: S,
        deadline: Deadline,
    ) -> Result<Connector, Error> {
        let mut builder = h2::client::Builder::new();
        builder
            .enable_push(false)
            .initial_window_size(STREAM_WINDOW_LEN)
            .initial_connection_window_size(CONNECTION_WINDOW_LEN)
            .max_header_list_size(
                u32::try_from(self.bounds().handshake_limits.head_len_max).unwrap_or(u32::MAX),
            )
            .max_send_buffer_size(SEND_BUFFER_LEN_MAX);
        let (requests, mut connection) =
            deadline.limit(builder.handshake(io)).await?.map_err(io_error)?;
        // RFC 8441 §3: a client may not ask before the server's SETTINGS allow it. They are the
        // first thing that it sends (RFC 9113 §3.4), so once a PING is answered they are known.
        let pings = connection.ping_pong();
        // What breaks the connection is told to whoever uses it.
        tokio::spawn(connection);
        if let Some(mut pings) = pings {
            deadline.limit(pings.ping(h2::Ping::opaque())).await?.map_err(io_error)?;
        }
        if !requests.is_extended_connect_protocol_enabled() {
            return Err(HandshakeError::ConnectProtocol.into());
        }
        Ok(Connector { requests, client: self.clone() })
    }
}

/// Opens WebSockets on one connection of HTTP/2. Cheap to clone.
#[derive(Clone)]
pub struct Connector {
    requests: SendRequest<Bytes>,
    client: Client,
}

impl Connector {
    /// Opens a WebSocket, as the [`Client`] says that made the connection.
    ///
    /// Waits while as many are open as the server allows, within the handshake's timeout.
    ///
    /// # Errors
    /// [`Error::Handshake`] with what is wrong with the URI, or what the server answered;
    /// [`Error::Io`] if the connection has ended, or the server drains it.
    ///
    /// # Cancel safety
    /// Dropping the future ends the attempt.
    pub async fn connect(&self, uri: &str) -> Result<WebSocket<Stream>, Error> {
        let uri: Uri = uri.parse().map_err(HandshakeError::Uri)?;
        self.open(&self.client.request(uri)?, self.client.bounds().handshake_deadline()).await
    }

    /// Opens what is asked for.
    pub(crate) async fn open<S>(
        &self,
        asked: &ClientRequest,
        deadline: Deadline,
    ) -> Result<WebSocket<S>, Error>
    where
        S: crate::Stream + From<Stream>,
    {
        let request = head(asked)?;
        let requests = deadline.limit(self.requests.clone().ready()).await?;
        let (response, send) =
            requests.map_err(io_error)?.send_request(request, false).map_err(io_error)?;
        // From here on it is a stream: dropped, for whatever reason, it is reset.
        let response = match deadline.limit(response).await {
            Ok(response) => response.map_err(io_error)?,
            Err(late) => {
                let mut send = send;
                send.send_reset(h2::Reason::CANCEL);
                return Err(late.into());
            }
        };
        let (parts, mut receive) = response.into_parts();
        let limits = &self.client.bounds().handshake_limits;
        let headers = heads::headers(&parts.headers).map_err(HandshakeError::Misuse)?;
        if headers.len() > limits.header_count_max {
            let header_count_max = limits.header_count_max;
            let error = tidewire_proto::handshake::HeadError::TooManyHeaders { header_count_max };
            return Err(HandshakeFailure::Invalid(ResponseError::from(error)).into());
        }
        match asked.check_http2(parts.status.as_u16(), headers) {
            Ok(established) => {
                self.client.established(Stream::new(send, receive).into(), established, &[])
            }
            Err(HandshakeFailure::Refused(response)) => {
                let mut body = Vec::new();
                // As much of it as comes in time.
                let _ = deadline.limit(read(&mut receive, limits.body_len_max, &mut body)).await;
                Err(HandshakeFailure::Refused(response.with_body(body)).into())
            }
            Err(invalid) => Err(invalid.into()),
        }
    }
}

/// Reads the body of a refusal, as far as it is kept.
async fn read(receive: &mut RecvStream, len_max: usize, body: &mut Vec<u8>) {
    while body.len() < len_max
        && let Some(Ok(data)) = receive.data().await
    {
        body.extend_from_slice(&data[..data.len().min(len_max - body.len())]);
        // Of a stream that has ended there is nothing to be released.
        let _ = receive.flow_control().release_capacity(data.len());
    }
}

/// An extended CONNECT (RFC 8441 §4, §5).
fn head(asked: &ClientRequest) -> Result<http::Request<()>, Error> {
    let uri = HttpUri::builder()
        .scheme(asked.uri().scheme().http())
        .authority(asked.authority())
        .path_and_query(asked.uri().resource_name())
        .build()
        .map_err(std::io::Error::other)?;
    let mut request = http::Request::new(());
    *request.method_mut() = Method::CONNECT;
    *request.version_mut() = Version::HTTP_2;
    *request.uri_mut() = uri;
    *request.headers_mut() =
        heads::header_map(&asked.headers_http2()).map_err(HandshakeError::Misuse)?;
    request.extensions_mut().insert(Protocol::from_static("websocket"));
    Ok(request)
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").finish_non_exhaustive()
    }
}
