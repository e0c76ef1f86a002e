//! [`Proxy`]: through whom to connect (RFC 6455 §4.1).

use std::{fmt, io, sync::Arc};

use tidewire_proto::uri::{Host, Scheme, Uri};

use crate::net_stream::NetStream;

mod bypass;
mod connect;
mod environment;
mod error;
mod socks5;

use environment::Environment;
pub use error::ProxyError;

/// Through which proxy to connect, if any.
///
/// The proxy is asked for a tunnel to the server by the server's name, which is not resolved
/// here, for `ws:` as well as for `wss:` (RFC 6455 §4.1). It sees nothing of what `wss:` carries.
///
/// User and password, where a proxy's URI has them, go to that proxy alone, and are shown neither
/// by `Debug` nor in errors.
#[derive(Clone)]
pub struct Proxy(Rule);

#[derive(Clone)]
enum Rule {
    Direct,
    Always(Arc<ProxyUri>),
    Environment(Arc<Environment>),
}

impl Proxy {
    /// Connects directly, whatever the environment says.
    pub const fn none() -> Self {
        Self(Rule::Direct)
    }

    /// Always through this proxy: `http://host:port`, `https://…` (TLS to the proxy itself) or
    /// `socks5://…`, with `user:password@` before the host where it wants to know us. Without a
    /// scheme it is `http`.
    ///
    /// # Errors
    /// If that is no URI of a proxy.
    pub fn new(uri: &str) -> Result<Self, ProxyError> {
        Ok(Self(Rule::Always(Arc::new(uri.parse()?))))
    }

    /// As the usual environment variables say, now:
    ///
    /// | variable | for |
    /// |---|---|
    /// | `http_proxy`, `HTTP_PROXY` | `ws:` |
    /// | `https_proxy`, `HTTPS_PROXY` | `wss:` |
    /// | `all_proxy`, `ALL_PROXY` | both, where the ones above are not set |
    /// | `no_proxy`, `NO_PROXY` | whom to connect to directly |
    ///
    /// Lower case comes first; what is empty is not set. `no_proxy` is a list with commas: a
    /// domain means itself and all below it (with or without a leading dot), an address or a
    /// network such as `10.0.0.0/8` means hosts that are written as addresses, either may end in
    /// `:port`, and `*` means everybody. `localhost` and loopback addresses are always connected
    /// to directly.
    ///
    /// In a CGI program `HTTP_PROXY` is what the client has sent in its header `Proxy`
    /// (CVE-2016-5385, "httpoxy"); so where there is a `REQUEST_METHOD`, it is not read.
    ///
    /// A variable that is no URI of a proxy makes connecting fail where it would have been used.
    pub fn from_env() -> Self {
        let environment = Environment::read(|name| std::env::var(name).ok());
        Self(Rule::Environment(Arc::new(environment)))
    }

    /// The proxy for `uri`.
    pub(crate) fn choose(&self, uri: &Uri) -> Result<Option<&ProxyUri>, ProxyError> {
        match &self.0 {
            Rule::Direct => Ok(None),
            Rule::Always(proxy) => Ok(Some(proxy)),
            Rule::Environment(environment) => environment.choose(uri),
        }
    }
}

/// Without user and password.
impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Rule::Direct => f.write_str("Proxy(none)"),
            Rule::Always(proxy) => write!(f, "Proxy({proxy})"),
            Rule::Environment(environment) => environment.fmt(f),
        }
    }
}

/// Where a proxy is, what it speaks, and who we are to it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ProxyUri {
    kind: ProxyKind,
    /// As a URI that proto reads: `wss` stands for TLS.
    uri: Uri,
    port: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ProxyKind {
    /// CONNECT (RFC 9110 §9.3.6), over TCP or TLS.
    Http,
    /// RFC 1928.
    Socks5,
}

/// The port that IANA has for SOCKS.
const SOCKS_PORT: u16 = 1080;

impl std::str::FromStr for ProxyUri {
    type Err = ProxyError;

    fn from_str(text: &str) -> Result<Self, ProxyError> {
        let (scheme, rest) = text.trim().split_once("://").unwrap_or(("http", text.trim()));
        let (kind, secure) = match &*scheme.to_ascii_lowercase() {
            "http" => (ProxyKind::Http, "ws"),
            "https" => (ProxyKind::Http, "wss"),
            // With "h" the proxy resolves names, without it we would: nobody wants the latter.
            "socks5" | "socks5h" => (ProxyKind::Socks5, "ws"),
            _ => return Err(ProxyError::Scheme),
        };
        let uri: Uri = format!("{secure}://{rest}").parse().map_err(ProxyError::Uri)?;
        // `Uri` does not tell a default port from one that is written.
        let written = rest
            .split(['/', '?'])
            .next()
            .and_then(|authority| authority.rsplit('@').next())
            .is_some_and(|authority| {
                authority.rsplit(']').next().is_some_and(|end| end.contains(':'))
            });
        let port = match kind {
            ProxyKind::Socks5 if !written => SOCKS_PORT,
            _ => uri.port(),
        };
        Ok(Self { kind, uri, port })
    }
}

impl ProxyUri {
    pub(crate) const fn host(&self) -> &Host {
        self.uri.host()
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    /// Whether the proxy itself is reached by TLS.
    pub(crate) fn is_tls(&self) -> bool {
        self.uri.scheme() == Scheme::Wss
    }

    /// Has the proxy connect `io` to the server.
    pub(crate) async fn tunnel(
        &self,
        io: &mut NetStream,
        host: &Host,
        port: u16,
    ) -> Result<(), TunnelError> {
        let credentials = self.uri.user_info();
        match self.kind {
            ProxyKind::Http => connect::tunnel(io, host, port, credentials).await,
            ProxyKind::Socks5 => socks5::tunnel(io, host, port, credentials).await,
        }
    }
}

/// Without user and password.
impl fmt::Display for ProxyUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.kind {
            ProxyKind::Http => self.uri.scheme().http(),
            ProxyKind::Socks5 => "socks5",
        };
        write!(f, "{scheme}://{}:{}", self.host(), self.port)
    }
}

/// Why there is no tunnel.
#[derive(Debug)]
pub(crate) enum TunnelError {
    /// The connection to the proxy broke.
    Io(io::Error),
    /// The proxy does not want to, or makes no sense.
    Proxy(ProxyError),
}

impl From<io::Error> for TunnelError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            Self::Proxy(ProxyError::EndOfStream)
        } else {
            Self::Io(error)
        }
    }
}

impl From<ProxyError> for TunnelError {
    fn from(error: ProxyError) -> Self {
        Self::Proxy(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c10_uris_of_proxies() {
        let rows = [
            ("http://p:3128", "http://p:3128"),
            ("http://p:3128/", "http://p:3128"),
            ("p:3128", "http://p:3128"),
            ("p", "http://p:80"),
            ("HTTPS://user:secret@P", "https://p:443"),
            ("socks5://p", "socks5://p:1080"),
            ("socks5://u:secret@p:80/", "socks5://p:80"),
            ("socks5h://[::1]", "socks5://[::1]:1080"),
            ("socks5h://[::1]:9", "socks5://[::1]:9"),
            ("socks5h://user:1@p", "socks5://p:1080"),
        ];
        for (text, shown) in rows {
            assert_eq!(text.parse::<ProxyUri>().unwrap().to_string(), shown, "{text}");
            assert_eq!(format!("{:?}", Proxy::new(text).unwrap()), format!("Proxy({shown})"));
        }
        for text in ["socks4://p", "ftp://p", "http://", "http://p:99999", "http://a b/", "://p"] {
            let error = Proxy::new(text).unwrap_err();
            assert!(matches!(error, ProxyError::Scheme | ProxyError::Uri(_)), "{text}: {error:?}");
        }
    }
}
