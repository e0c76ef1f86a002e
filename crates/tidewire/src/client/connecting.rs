//! [`Client::connect`]: from a URI to a connection.

use std::{future::Future, io, sync::Arc};

#[cfg(feature = "deflate")]
use tidewire_proto::{DeflateConfig, DeflateParams};
use tidewire_proto::{
    Role,
    handshake::{ClientHandshake, ClientRequest, Established, HttpVersion},
    uri::{Host, Scheme, Uri},
};

use super::Client;
#[cfg(feature = "tls")]
use crate::tls;
use crate::{
    agreed::Agreed,
    deadline::Deadline,
    dialing::dial,
    error::{Error, HandshakeError},
    link::Stream,
    net_stream::NetStream,
    opening,
    proxy::{ProxyUri, TunnelError},
    websocket::WebSocket,
};

impl Client {
    /// Connects to a `ws:` or `wss:` URI.
    ///
    /// A host with several addresses is reached by whichever answers first (RFC 8305): each is
    /// given 250 ms before the next is tried beside it.
    ///
    /// # Errors
    /// [`Error::Handshake`] with what is wrong with the URI, why the server cannot be reached, or
    /// what it answered; [`Error::Io`] if the connection broke meanwhile.
    ///
    /// # Cancel safety
    /// Dropping the future ends the attempt.
    pub async fn connect(&self, uri: &str) -> Result<WebSocket, Error> {
        let uri = uri.parse().map_err(HandshakeError::Uri)?;
        let mut request = self.request(uri)?;
        let mut redirects_left = self.0.redirect_count_max;
        loop {
            let refused = match self.attempt(request.clone()).await {
                Err(Error::Handshake(refused)) if redirects_left > 0 => refused,
                result => return result,
            };
            let Some(location) = location(&refused) else { return Err(Error::Handshake(refused)) };
            redirects_left -= 1;
            request = request.redirect(&location).map_err(HandshakeError::Redirect)?;
        }
    }

    /// Connects by a Unix socket. The URI says what to ask for, and whether to do TLS; its host
    /// and port are for the `Host` header alone.
    ///
    /// # Errors
    /// As [`connect`](Self::connect). Redirects are not followed: they do not lead to this socket.
    ///
    /// # Cancel safety
    /// Dropping the future ends the attempt.
    #[cfg(unix)]
    pub async fn connect_unix(
        &self,
        path: impl AsRef<std::path::Path>,
        uri: &str,
    ) -> Result<WebSocket, Error> {
        let uri: Uri = uri.parse().map_err(HandshakeError::Uri)?;
        let request = self.request(uri)?;
        let path = path.as_ref();
        let target = path.display().to_string();
        let connecting = async {
            let connect = |error| connect_error(&target, error);
            tokio::net::UnixStream::connect(path).await.map_err(connect)
        };
        let io = self.in_time(&target, connecting).await?;
        self.secure_and_handshake(io.into(), request).await
    }

    /// Does the opening handshake on any byte stream. For a `wss:` URI, TLS has been done on it.
    ///
    /// # Errors
    /// As [`connect`](Self::connect). Redirects are not followed.
    ///
    /// # Cancel safety
    /// Dropping the future drops the stream.
    pub async fn handshake<S: Stream>(&self, io: S, uri: &str) -> Result<WebSocket<S>, Error> {
        let request = self.request(uri.parse().map_err(HandshakeError::Uri)?)?;
        self.handshake_by(io, request, self.bounds().handshake_deadline()).await
    }

    async fn attempt(&self, request: ClientRequest) -> Result<WebSocket, Error> {
        // On its own in memory: the task that uses the connection is as large as its largest
        // future for as long as it lives, and TLS and dialing take kilobytes.
        Box::pin(async {
            let io = self.reach(request.uri()).await?;
            #[cfg(all(feature = "http2", feature = "tls"))]
            if self.0.prefers_http2 && request.uri().scheme() == Scheme::Wss {
                return self.handshake_by_choice(io, request).await;
            }
            self.secure_and_handshake(io, request).await
        })
        .await
    }

    /// By HTTP/2 where the server selects it and takes WebSockets over it; else by HTTP/1.1.
    #[cfg(all(feature = "http2", feature = "tls"))]
    async fn handshake_by_choice(
        &self,
        io: NetStream,
        request: ClientRequest,
    ) -> Result<WebSocket, Error> {
        let versions = [HttpVersion::Http2, HttpVersion::Http11];
        let deadline = self.bounds().handshake_deadline();
        let io = self.secure(io, request.uri(), &versions, deadline).await?;
        if !tls::is_http2(&io) {
            return self.handshake_by(io, request, deadline).await;
        }
        match self.http2_by(io, deadline).await {
            Ok(connector) => connector.open(&request, deadline).await,
            // Most servers speak HTTP/2 and have never heard of RFC 8441; this connection speaks
            // nothing else any more (RFC 7301 §3.2).
            Err(Error::Handshake(error)) if matches!(*error, HandshakeError::ConnectProtocol) => {
                let io = self.reach(request.uri()).await?;
                self.secure_and_handshake(io, request).await
            }
            Err(error) => Err(error),
        }
    }

    /// A connection to the server for this version of HTTP, TLS included.
    #[cfg(feature = "http2")]
    pub(crate) async fn open(&self, uri: &Uri, version: HttpVersion) -> Result<NetStream, Error> {
        Box::pin(async {
            let io = self.reach(uri).await?;
            Ok(self.secure(io, uri, &[version], self.bounds().handshake_deadline()).await?)
        })
        .await
    }

    /// A connection to the server, through a proxy where one is to be used.
    async fn reach(&self, uri: &Uri) -> Result<NetStream, HandshakeError> {
        let (host, port) = (uri.host(), uri.port());
        if let Some(proxy) = self.0.proxy.choose(uri).map_err(HandshakeError::Proxy)? {
            let target = format!("the proxy {proxy}");
            return self.in_time(&target, self.reach_by(proxy, &target, host, port)).await;
        }
        let target = format!("{host}:{port}");
        let dialing = async {
            let connect = |error| connect_error(&target, error);
            Ok(dial(host, port).await.map_err(connect)?.into())
        };
        self.in_time(&target, dialing).await
    }

    async fn reach_by(
        &self,
        proxy: &ProxyUri,
        target: &str,
        host: &Host,
        port: u16,
    ) -> Result<NetStream, HandshakeError> {
        let connect = |error| connect_error(target, error);
        let mut io = NetStream::from(dial(proxy.host(), proxy.port()).await.map_err(connect)?);
        if proxy.is_tls() {
            #[cfg(feature = "tls")]
            {
                let versions = &[HttpVersion::Http11];
                io = tls::connect(self.0.tls.as_ref(), io, proxy.host(), versions).await?;
            }
            #[cfg(not(feature = "tls"))]
            return Err(HandshakeError::no_tls());
        }
        match proxy.tunnel(&mut io, host, port).await {
            Ok(()) => Ok(io),
            Err(TunnelError::Proxy(error)) => Err(HandshakeError::Proxy(error)),
            Err(TunnelError::Io(error)) => Err(connect(error)),
        }
    }

    /// What `connecting` to `target` returns, if it does so within the time for it.
    async fn in_time<T>(
        &self,
        target: &str,
        connecting: impl Future<Output = Result<T, HandshakeError>>,
    ) -> Result<T, HandshakeError> {
        let within = self.0.connect_timeout;
        tokio::time::timeout(within, connecting).await.unwrap_or_else(|_| {
            let text = format!("no answer within {within:?}");
            Err(connect_error(target, io::Error::new(io::ErrorKind::TimedOut, text)))
        })
    }

    async fn secure_and_handshake(
        &self,
        io: NetStream,
        request: ClientRequest,
    ) -> Result<WebSocket, Error> {
        let deadline = self.bounds().handshake_deadline();
        let io = self.secure(io, request.uri(), &[HttpVersion::Http11], deadline).await?;
        self.handshake_by(io, request, deadline).await
    }

    /// Does TLS where the URI asks for it (RFC 6455 §4.1: "if /secure/ is true, the client MUST
    /// perform a TLS handshake over the connection after opening the connection and before
    /// sending the handshake data").
    #[cfg_attr(not(feature = "tls"), expect(unused_variables, reason = "it is for TLS alone"))]
    async fn secure(
        &self,
        io: NetStream,
        uri: &Uri,
        versions: &[HttpVersion],
        deadline: Deadline,
    ) -> Result<NetStream, HandshakeError> {
        if uri.scheme() == Scheme::Ws {
            return Ok(io);
        }
        #[cfg(feature = "tls")]
        return deadline.limit(tls::connect(self.0.tls.as_ref(), io, uri.host(), versions)).await?;
        #[cfg(not(feature = "tls"))]
        return deadline.limit(async { Err(HandshakeError::no_tls()) }).await?;
    }

    async fn handshake_by<S: Stream>(
        &self,
        mut io: S,
        request: ClientRequest,
        deadline: Deadline,
    ) -> Result<WebSocket<S>, Error> {
        let mut nonce = [0; 16];
        getrandom::fill(&mut nonce).map_err(io::Error::other)?;
        let handshake = ClientHandshake::new(request, nonce, self.0.bounds.handshake_limits);
        let (established, unread) =
            opening::request(&mut io, handshake, deadline).await.map_err(|error| match error {
                #[cfg(feature = "tls")]
                Error::Io(error) if tls::is_alert(&error) => HandshakeError::Tls(error).into(),
                other => other,
            })?;
        self.established(io, established, &unread)
    }

    /// The connection, once the server's answer was found good but for its extensions.
    #[cfg_attr(
        not(feature = "deflate"),
        expect(clippy::unnecessary_wraps, reason = "no other extension can be wrong")
    )]
    pub(crate) fn established<S: Stream>(
        &self,
        io: S,
        established: Established,
        unread: &[u8],
    ) -> Result<WebSocket<S>, Error> {
        #[cfg(feature = "deflate")]
        let deflate = self.verify(&established)?;
        let agreed = Agreed::answered(established);
        #[cfg(feature = "deflate")]
        let agreed = Agreed { deflate, ..agreed };
        Ok(WebSocket::new(io, Role::Client, Arc::clone(&self.0.bounds.config), agreed, unread))
    }

    /// What the server's answer says about compression.
    #[cfg(feature = "deflate")]
    fn verify(&self, established: &Established) -> Result<Option<DeflateParams>, HandshakeError> {
        let Some(deflate) = &self.0.deflate else { return Ok(None) };
        deflate.verify(established.extensions()).map_err(HandshakeError::Deflate)
    }

    /// What to ask for.
    pub(crate) fn request(&self, uri: Uri) -> Result<ClientRequest, HandshakeError> {
        let mut request = ClientRequest::new(uri);
        for (name, value) in &self.0.headers {
            request = request.header(name, value).map_err(HandshakeError::Misuse)?;
        }
        for subprotocol in &self.0.subprotocols {
            request = request.subprotocol(subprotocol).map_err(HandshakeError::Misuse)?;
        }
        #[cfg(feature = "deflate")]
        for offer in self.0.deflate.iter().flat_map(DeflateConfig::offers) {
            request = request.extension(offer);
        }
        Ok(request.require_subprotocol(self.0.subprotocol_required))
    }
}

fn connect_error(target: &str, error: io::Error) -> HandshakeError {
    HandshakeError::Connect { target: target.into(), error }
}

/// Where a refusal points to, if it is a redirect (RFC 9110 §15.4) that says so in ASCII.
fn location(refused: &HandshakeError) -> Option<String> {
    let HandshakeError::Refused(response) = refused else { return None };
    if !matches!(response.status(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let location = std::str::from_utf8(response.headers().get("location")?).ok()?;
    Some(location.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a task that connects and then idles for hours carries around: 504 bytes, not 3960.
    #[test]
    fn connecting_leaves_a_task_small() {
        let client = Client::new();
        assert!(size_of_val(&client.connect("ws://h/")) <= 640);
    }
}
