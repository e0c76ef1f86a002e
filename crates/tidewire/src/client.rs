//! The client's end: [`connect`] and [`Client`].

use std::{fmt, sync::Arc, time::Duration};

#[cfg(feature = "deflate")]
use tidewire_proto::DeflateConfig;
use tidewire_proto::{handshake::ClientRequest, uri::Uri};
#[cfg(feature = "tls")]
use tokio_rustls::rustls;

use crate::{
    bounds::{Bounds, bounded},
    error::{Error, HandshakeError},
    proxy::Proxy,
    websocket::WebSocket,
};

mod connecting;

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
    bounds: Bounds,
    headers: Vec<(String, Vec<u8>)>,
    subprotocols: Vec<String>,
    subprotocol_required: bool,
    connect_timeout: Duration,
    redirect_count_max: usize,
    #[cfg(all(feature = "http2", feature = "tls"))]
    prefers_http2: bool,
    proxy: Proxy,
    #[cfg(feature = "deflate")]
    deflate: Option<DeflateConfig>,
    #[cfg(feature = "tls")]
    tls: Option<Arc<rustls::ClientConfig>>,
}

/// Finding the server and reaching it takes at most this long by default.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

impl Client {
    /// The defaults. Reads the environment: see [`proxy`](Self::proxy).
    pub fn new() -> Self {
        Self(Arc::new(Options {
            bounds: Bounds::default(),
            headers: Vec::new(),
            subprotocols: Vec::new(),
            subprotocol_required: false,
            connect_timeout: CONNECT_TIMEOUT,
            redirect_count_max: 0,
            #[cfg(all(feature = "http2", feature = "tls"))]
            prefers_http2: false,
            proxy: Proxy::from_env(),
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

    /// Offers to compress messages (permessage-deflate, RFC 7692). Off by default: it costs memory
    /// and time, and it can tell about secrets (see [`DeflateConfig`]).
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn deflate(self, config: DeflateConfig) -> Self {
        self.with(|options| options.deflate = Some(config))
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

    /// Through which proxy to connect. Default: as the environment says now, which is
    /// [`Proxy::from_env`]; programs that must not be led elsewhere by it say [`Proxy::none`].
    #[must_use]
    pub fn proxy(self, proxy: Proxy) -> Self {
        self.with(|options| options.proxy = proxy)
    }

    /// Follows up to `count_max` redirects (RFC 9110 §15.4). Default: 0, so that a redirect is a
    /// refusal.
    ///
    /// From `wss` to `ws` none is followed, and to another origin the request goes without
    /// `Authorization`, `Cookie`, `Host` and user info.
    #[must_use]
    pub fn redirects(self, count_max: usize) -> Self {
        self.with(|options| options.redirect_count_max = count_max)
    }

    /// Whether [`connect`](Self::connect) speaks HTTP/2 (RFC 8441) with servers of `wss:` that select
    /// it by ALPN and take WebSockets over it. Default: no.
    ///
    /// For servers that speak nothing else, and networks where HTTP/1.1 fares worse. It saves
    /// nothing: each WebSocket has a connection of its own, as by HTTP/1.1, and one that speaks
    /// HTTP/2 without RFC 8441, as most do, is reached a second time. For many WebSockets on one
    /// connection there is [`connect_http2`](Self::connect_http2).
    #[cfg(all(feature = "http2", feature = "tls"))]
    #[must_use]
    pub fn prefer_http2(self, preferred: bool) -> Self {
        self.with(|options| options.prefers_http2 = preferred)
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

bounded!(Client);

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
