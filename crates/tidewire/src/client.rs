//! The client's end: [`connect`] and [`Client`].

use std::{fmt, sync::Arc, time::Duration};

use tidewire_proto::{
    Config, Limits, Role, Timeouts,
    handshake::{ClientHandshake, ClientRequest, HandshakeLimits},
    uri::{Scheme, Uri},
};
#[cfg(feature = "deflate")]
use tidewire_proto::{DeflateConfig, DeflateParams, handshake::Established};
use tokio::net::TcpStream;
#[cfg(feature = "tls")]
use tokio_rustls::rustls;

#[cfg(feature = "tls")]
use crate::tls;
use crate::{
    agreed::Agreed,
    deadline::Deadline,
    error::{Error, HandshakeError},
    link::Stream,
    net_stream::NetStream,
    opening,
    websocket::WebSocket,
};

/// Connects with the defaults.
///
/// ```no_run
/// # async fn run() -> Result<(), tidewire::Error> {
/// let mut ws = tidewire::connect("ws://127.0.0.1:9001/feed").await?;
/// ws.send("hello").await?;
/// while let Some(message) = ws.next().await? {
///     println!("{message:?}");
/// }
/// # Ok(()) }
/// ```
///
/// # Errors
/// As [`Client::connect`].
pub async fn connect(uri: &str) -> Result<WebSocket, Error> {
    Client::new().connect(uri).await
}

/// How to connect. Cheap to clone, and reusable.
#[derive(Clone)]
pub struct Client(Arc<Options>);

#[derive(Clone)]
struct Options {
    config: Arc<Config>,
    headers: Vec<(String, Vec<u8>)>,
    subprotocols: Vec<String>,
    subprotocol_required: bool,
    handshake_limits: HandshakeLimits,
    handshake_timeout: Duration,
    connect_timeout: Duration,
    #[cfg(feature = "deflate")]
    deflate: Option<DeflateConfig>,
    #[cfg(feature = "tls")]
    tls: Option<Arc<rustls::ClientConfig>>,
}

/// Finding the server and reaching it takes at most this long by default.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// And so does the opening handshake, TLS included.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

impl Client {
    /// The defaults.
    pub fn new() -> Self {
        Self(Arc::new(Options {
            config: Arc::default(),
            headers: Vec::new(),
            subprotocols: Vec::new(),
            subprotocol_required: false,
            handshake_limits: HandshakeLimits::default(),
            handshake_timeout: HANDSHAKE_TIMEOUT,
            connect_timeout: CONNECT_TIMEOUT,
            #[cfg(feature = "deflate")]
            deflate: None,
            #[cfg(feature = "tls")]
            tls: None,
        }))
    }

    /// Adds a header to the request, such as `Authorization`, `Cookie` or `Origin`.
    ///
    /// # Errors
    /// [`HandshakeError::Misuse`] for CR, LF, or a header that the handshake writes itself.
    pub fn header(self, name: &str, value: impl AsRef<[u8]>) -> Result<Self, Error> {
        // Checked now, where the mistake is made.
        let probe = ClientRequest::new(probe_uri());
        probe.header(name, &value).map_err(HandshakeError::Misuse)?;
        Ok(self.with(|options| options.headers.push((name.into(), value.as_ref().into()))))
    }

    /// Offers subprotocols, the one we like best first (RFC 6455 §1.9).
    #[must_use]
    pub fn subprotocols<T: Into<String>>(self, subprotocols: impl IntoIterator<Item = T>) -> Self {
        self.with(|options| {
            options.subprotocols = subprotocols.into_iter().map(Into::into).collect();
        })
    }

    /// Whether to refuse a server that selects none of our subprotocols, as browsers do. By RFC
    /// 6455, and by default, it is not refused.
    #[must_use]
    pub fn require_subprotocol(self, required: bool) -> Self {
        self.with(|options| options.subprotocol_required = required)
    }

    /// What is accepted from the server.
    #[must_use]
    pub fn limits(self, limits: Limits) -> Self {
        self.with_config(|config| config.limits = limits)
    }

    /// How long is waited for it, once connected.
    #[must_use]
    pub fn timeouts(self, timeouts: Timeouts) -> Self {
        self.with_config(|config| config.timeouts = timeouts)
    }

    /// Everything that proto lets be configured.
    #[must_use]
    pub fn with_config(self, change: impl FnOnce(&mut Config)) -> Self {
        self.with(|options| change(Arc::make_mut(&mut options.config)))
    }

    /// Offers to compress messages (permessage-deflate, RFC 7692). Off by default: it costs memory
    /// and time, and it can tell about secrets (see [`DeflateConfig`]).
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn deflate(self, config: DeflateConfig) -> Self {
        self.with(|options| options.deflate = Some(config))
    }

    /// Bounds on the opening handshake.
    #[must_use]
    pub fn handshake_limits(self, limits: HandshakeLimits) -> Self {
        self.with(|options| options.handshake_limits = limits)
    }

    /// How long the opening handshake may take, TLS included. Default: 10 s.
    #[must_use]
    pub fn handshake_timeout(self, within: Duration) -> Self {
        self.with(|options| options.handshake_timeout = within)
    }

    /// How long finding and reaching the server may take. Default: 10 s.
    #[must_use]
    pub fn connect_timeout(self, within: Duration) -> Self {
        self.with(|options| options.connect_timeout = within)
    }

    /// How to do TLS for `wss:`: whom to trust, which certificate to show, which cryptography.
    ///
    /// By default, the operating system's roots are trusted. The module [`tls`](crate::tls) says
    /// why, and which cryptography is chosen.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(self, config: Arc<rustls::ClientConfig>) -> Self {
        self.with(|options| options.tls = Some(config))
    }

    /// Connects to a `ws:` or `wss:` URI.
    ///
    /// # Errors
    /// [`Error::Handshake`] with what is wrong with the URI, or what the server answered;
    /// [`Error::Io`] if it cannot be reached.
    ///
    /// # Cancel safety
    /// Dropping the future ends the attempt.
    pub async fn connect(&self, uri: &str) -> Result<WebSocket, Error> {
        let uri: Uri = uri.parse().map_err(HandshakeError::Uri)?;
        let within = self.0.connect_timeout;
        let address = (uri.host().to_string(), uri.port());
        let connecting = TcpStream::connect((address.0.trim_matches(['[', ']']), address.1));
        let io = tokio::time::timeout(within, connecting)
            .await
            .map_err(|_| HandshakeError::Timeout { within })??;
        io.set_nodelay(true)?;
        let deadline = Deadline::after(self.0.handshake_timeout);
        let io = self.secure(NetStream::from(io), &uri, deadline).await?;
        self.handshake_by(io, uri, deadline).await
    }

    /// Does TLS where the URI asks for it (RFC 6455 §4.1: "if /secure/ is true, the client MUST
    /// perform a TLS handshake over the connection after opening the connection and before
    /// sending the handshake data").
    async fn secure(
        &self,
        io: NetStream,
        uri: &Uri,
        deadline: Deadline,
    ) -> Result<NetStream, HandshakeError> {
        if uri.scheme() == Scheme::Ws {
            return Ok(io);
        }
        #[cfg(feature = "tls")]
        return deadline.limit(tls::connect(self.0.tls.as_ref(), io, uri.host())).await?;
        #[cfg(not(feature = "tls"))]
        return deadline.limit(async { Err(HandshakeError::no_tls()) }).await?;
    }

    /// Does the opening handshake on any byte stream. For a `wss:` URI, TLS has been done on it.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn handshake<S: Stream>(&self, io: S, uri: &str) -> Result<WebSocket<S>, Error> {
        let uri = uri.parse().map_err(HandshakeError::Uri)?;
        self.handshake_by(io, uri, Deadline::after(self.0.handshake_timeout)).await
    }

    async fn handshake_by<S: Stream>(
        &self,
        mut io: S,
        uri: Uri,
        deadline: Deadline,
    ) -> Result<WebSocket<S>, Error> {
        let request = self.request(uri)?;
        let mut nonce = [0; 16];
        getrandom::fill(&mut nonce).map_err(std::io::Error::other)?;
        let handshake = ClientHandshake::new(request, nonce, self.0.handshake_limits);
        let (established, unread) =
            opening::request(&mut io, handshake, deadline).await.map_err(|error| match error {
                #[cfg(feature = "tls")]
                Error::Io(error) if tls::is_alert(&error) => HandshakeError::Tls(error).into(),
                other => other,
            })?;
        let agreed = Agreed::new(established.subprotocol());
        #[cfg(feature = "deflate")]
        let agreed = Agreed { deflate: self.verify(&established)?, ..agreed };
        Ok(WebSocket::new(io, Role::Client, Arc::clone(&self.0.config), agreed, &unread))
    }

    /// What the server's answer says about compression.
    #[cfg(feature = "deflate")]
    fn verify(&self, established: &Established) -> Result<Option<DeflateParams>, HandshakeError> {
        let Some(deflate) = &self.0.deflate else { return Ok(None) };
        deflate.verify(established.extensions()).map_err(HandshakeError::Deflate)
    }

    fn request(&self, uri: Uri) -> Result<ClientRequest, HandshakeError> {
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

    fn with(mut self, change: impl FnOnce(&mut Options)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }
}

#[expect(clippy::expect_used, reason = "a constant")]
fn probe_uri() -> Uri {
    "ws://host".parse().expect("a valid URI")
}

impl Default for Client {
    fn default() -> Self {
        Self::new()
    }
}

/// Names of headers alone: their values may be secrets.
impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers: Vec<_> = self.0.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("Client").field("headers", &headers).finish_non_exhaustive()
    }
}
