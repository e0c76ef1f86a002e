//! [`OriginPolicy`]: which pages may connect (RFC 6455 §10.2).

use alloc::{
    string::{String, ToString as _},
    sync::Arc,
    vec::Vec,
};
use core::{fmt, str::FromStr};

use super::{error::ApiMisuse, rejection::Rejection, upgrade::UpgradeRequest};
use crate::uri::{Authority, Scheme};

/// Which pages may open connections. Without a check any page can, with its visitor's cookies:
/// Cross-Site WebSocket Hijacking.
///
/// A request without `Origin` does not come from a browser and is allowed, except by
/// [`Custom`](Self::Custom), which decides for itself.
///
/// ```
/// use tidewire_proto::handshake::OriginPolicy;
///
/// let policy = OriginPolicy::list(["https://example.com", "https://app.example.com:8443"])?;
/// # Ok::<(), tidewire_proto::handshake::ApiMisuse>(())
/// ```
#[derive(Clone, Default)]
#[non_exhaustive]
pub enum OriginPolicy {
    /// Host and port of `Origin` are those that the client connected to. The default.
    #[default]
    SameHost,
    /// Every page, also one without an origin of its own (`null`).
    Any,
    /// The origins listed, and no other.
    List(Vec<Origin>),
    /// Whatever this function allows.
    Custom(Arc<dyn Fn(&UpgradeRequest) -> bool + Send + Sync>),
}

impl OriginPolicy {
    /// The origins listed, and no other.
    pub fn list<'a>(origins: impl IntoIterator<Item = &'a str>) -> Result<Self, ApiMisuse> {
        origins.into_iter().map(str::parse).collect::<Result<_, _>>().map(Self::List)
    }

    /// Whether the page that sent `request` may connect.
    ///
    /// `scheme` is what the server *knows* of the scheme: where TLS ends here, or a trusted proxy
    /// sent X-Forwarded-Proto; `None` where it knows nothing. Only then the scheme of `Origin` is
    /// compared too; behind a proxy that ends TLS, `https` meets plain TCP all day.
    pub fn check(
        &self,
        request: &UpgradeRequest,
        scheme: Option<Scheme>,
    ) -> Result<(), OriginRefused> {
        let allowed = match (self, request.origin()) {
            (Self::Custom(allows), _) => allows(request),
            (Self::Any, _) | (_, None) => true,
            (Self::SameHost, Some(origin)) => origin
                .parse()
                .is_ok_and(|origin: Origin| origin.is_same_host(request.authority(), scheme)),
            (Self::List(list), Some(origin)) => {
                origin.parse().is_ok_and(|origin| list.contains(&origin))
            }
        };
        if allowed {
            return Ok(());
        }
        Err(OriginRefused {
            origin: request.origin().map(String::from),
            host: request.authority().to_string(),
            policy: self.name(),
        })
    }

    /// A stable name of the setting: `same_host`, `any`, `list`, `custom`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::SameHost => "same_host",
            Self::Any => "any",
            Self::List(_) => "list",
            Self::Custom(_) => "custom",
        }
    }
}

impl fmt::Debug for OriginPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::List(list) => f.debug_tuple("List").field(list).finish(),
            _ => f.write_str(self.name()),
        }
    }
}

/// A serialised origin (RFC 6454 §6.2). Two that mean the same are equal: `https://a` and
/// `https://A:443`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin(Repr);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Repr {
    /// `null`: a sandboxed frame, a file, a redirect across origins.
    Opaque,
    /// Scheme in lower case, authority with the scheme's default port written out.
    Tuple { scheme: String, authority: Authority },
}

impl Origin {
    /// Scheme, in lower case, and authority, with the scheme's default port written out; `None` for `null`.
    pub fn tuple(&self) -> Option<(&str, &Authority)> {
        match &self.0 {
            Repr::Opaque => None,
            Repr::Tuple { scheme, authority } => Some((scheme, authority)),
        }
    }

    /// Whether it is `host`, as the page's client has named it. The scheme is compared only where it is known.
    pub fn is_same_host(&self, host: &Authority, secure: Option<Scheme>) -> bool {
        let Repr::Tuple { scheme, authority } = &self.0 else { return false };
        // Host leaves out the default port of the page's scheme, whatever TLS became on the way.
        let default_port = Scheme::from_any(scheme).map(Scheme::default_port);
        authority.host() == host.host()
            && authority.port() == host.port().or(default_port)
            && secure.is_none_or(|known| known.http() == scheme)
    }
}

impl FromStr for Origin {
    type Err = ApiMisuse;

    /// `null`, `scheme://host` or `scheme://host:port`; no path, not even `/`.
    fn from_str(text: &str) -> Result<Self, ApiMisuse> {
        if text == "null" {
            return Ok(Self(Repr::Opaque));
        }
        let (scheme, authority) = text.split_once("://").ok_or(ApiMisuse::OriginInvalid)?;
        let is_scheme_byte =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
        if !scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            || !scheme.bytes().all(is_scheme_byte)
        {
            return Err(ApiMisuse::OriginInvalid);
        }
        let authority: Authority = authority.parse().map_err(|_| ApiMisuse::OriginInvalid)?;
        let default_port = Scheme::from_any(scheme).map(Scheme::default_port);
        Ok(Self(Repr::Tuple {
            scheme: scheme.to_ascii_lowercase(),
            authority: authority.or_port(default_port),
        }))
    }
}

/// A page that may not connect. `Display` is the sentence for the log, with both values and the
/// setting; the peer gets the [`Rejection`] it converts to, which tells nothing of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OriginRefused {
    origin: Option<String>,
    host: String,
    policy: &'static str,
}

impl OriginRefused {
    /// The section with the advice.
    pub const fn section(&self) -> &'static str {
        "RFC 6455 §10.2"
    }

    /// A stable name for logs and metrics.
    pub const fn name(&self) -> &'static str {
        "origin_refused"
    }
}

impl fmt::Display for OriginRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Some(origin) => write!(f, "the Origin {origin:?}"),
            None => f.write_str("a request without Origin"),
        }?;
        write!(f, " may not connect to the host {:?}", self.host)?;
        write!(f, " under the setting origin = {} ({})", self.policy, self.section())
    }
}

impl core::error::Error for OriginRefused {}

impl From<&OriginRefused> for Rejection {
    fn from(_: &OriginRefused) -> Self {
        // §4.2.2 item 4: "If the server does not wish to accept this connection, it MUST return an
        // appropriate HTTP error code (e.g., 403 Forbidden)".
        Self::known(403, "This page's origin may not connect here.")
    }
}
