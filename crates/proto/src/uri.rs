//! `ws:` and `wss:` URIs (RFC 6455 §3), and the host and port of a `Host` header.
//!
//! ```
//! use tidewire_proto::uri::{Scheme, Uri};
//!
//! let uri: Uri = "WSS://[::1]:443?room=1".parse()?;
//! assert_eq!(uri.scheme(), Scheme::Wss);
//! assert_eq!(uri.port(), 443);
//! assert_eq!(uri.host_header(), "[::1]"); // the default port is left out
//! assert_eq!(uri.resource_name(), "/?room=1");
//! # Ok::<(), tidewire_proto::uri::UriError>(())
//! ```

use alloc::{format, string::String, vec::Vec};
use core::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

/// The longest URI that is read, in bytes. Servers commonly refuse a request line beyond 8 KiB.
pub const URI_LEN_MAX: usize = 8 << 10;

/// The two schemes of RFC 6455 §3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "RFC 6455 §3 defines these two")]
pub enum Scheme {
    /// `ws`: over TCP, port 80 by default.
    Ws,
    /// `wss`: over TLS, port 443 by default.
    Wss,
}

impl Scheme {
    /// 80 or 443 (§3).
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Ws => 80,
            Self::Wss => 443,
        }
    }

    /// `ws` or `wss`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ws => "ws",
            Self::Wss => "wss",
        }
    }

    /// `http` or `https`: the scheme of a page's Origin, and of `:scheme` (RFC 8441 §5).
    pub const fn http(self) -> &'static str {
        match self {
            Self::Ws => "http",
            Self::Wss => "https",
        }
    }

    /// The scheme called `ws`, `wss`, `http` or `https`, in any case.
    pub(crate) fn from_any(name: &str) -> Option<Self> {
        let is = |scheme: &str| name.eq_ignore_ascii_case(scheme);
        if is("ws") || is("http") {
            Some(Self::Ws)
        } else if is("wss") || is("https") {
            Some(Self::Wss)
        } else {
            None
        }
    }
}

/// The host of an authority (RFC 3986 §3.2.2). Two that mean the same are equal.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "RFC 3986 §3.2.2 knows these; IPvFuture has no user")]
pub enum Host {
    /// A registered name, in lower case.
    Name(String),
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// An IPv6 address, written in brackets.
    V6(Ipv6Addr),
}

impl Host {
    fn parse(text: &str) -> Result<Self, UriError> {
        if let Some(rest) = text.strip_prefix('[') {
            let literal = rest.strip_suffix(']').ok_or(UriError::HostInvalid)?;
            return literal.parse().map(Self::V6).map_err(|_| UriError::HostInvalid);
        }
        if text.is_empty() {
            return Err(UriError::HostMissing);
        }
        if let Ok(address) = text.parse() {
            return Ok(Self::V4(address));
        }
        // reg-name = *( unreserved / pct-encoded / sub-delims )
        let mut bytes = text.bytes();
        while let Some(byte) = bytes.next() {
            let valid = match byte {
                b'%' => [bytes.next(), bytes.next()]
                    .iter()
                    .all(|digit| digit.is_some_and(|digit| digit.is_ascii_hexdigit())),
                _ => is_unreserved(byte) || is_sub_delim(byte),
            };
            if !valid {
                return Err(UriError::HostInvalid);
            }
        }
        Ok(Self::Name(text.to_ascii_lowercase()))
    }
}

/// As it stands in a URI: IPv6 in brackets.
impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::V4(address) => address.fmt(f),
            Self::V6(address) => write!(f, "[{address}]"),
        }
    }
}

/// `host [ ":" port ]`, as in a URI and in the `Host` header (RFC 9110 §7.2).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Authority {
    host: Host,
    port: Option<u16>,
}

impl Authority {
    /// The host.
    pub const fn host(&self) -> &Host {
        &self.host
    }

    /// The port, where one is written.
    pub const fn port(&self) -> Option<u16> {
        self.port
    }

    /// The same with `port` written out, where there was none.
    pub(crate) fn or_port(self, port: Option<u16>) -> Self {
        Self { port: self.port.or(port), ..self }
    }
}

impl FromStr for Authority {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        // The colons within brackets belong to the address.
        let after_host = text.rfind(']').map_or(0, |bracket| bracket + 1);
        let (host, port) = match text.get(after_host..).and_then(|rest| rest.find(':')) {
            Some(colon) => {
                let (host, port) = text.split_at(after_host + colon);
                (host, port.get(1..).unwrap_or_default())
            }
            None => (text, ""),
        };
        if port.contains(':') {
            return Err(UriError::HostInvalid); // an IPv6 address without its brackets
        }
        Ok(Self { host: Host::parse(host)?, port: parse_port(port)? })
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.host.fmt(f)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// `port = *DIGIT` (RFC 3986 §3.2.3): an empty one is the default.
fn parse_port(text: &str) -> Result<Option<u16>, UriError> {
    if text.is_empty() {
        return Ok(None);
    }
    // `u16::from_str` alone would take a sign.
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(UriError::PortInvalid);
    }
    text.parse().map(Some).map_err(|_| UriError::PortInvalid)
}

/// A `ws:` or `wss:` URI (RFC 6455 §3).
///
/// User info is kept apart: it is for the `Authorization` header alone, and neither `Display` nor
/// `Debug` shows it. `Debug` does not show the query either, since it may carry a token.
#[derive(Clone, PartialEq, Eq)]
pub struct Uri {
    scheme: Scheme,
    authority: Authority,
    user_info: Option<UserInfo>,
    resource_name: String,
}

impl Uri {
    /// The scheme.
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host to connect to.
    pub const fn host(&self) -> &Host {
        &self.authority.host
    }

    /// The port to connect to: the one that is written, or the scheme's default.
    pub fn port(&self) -> u16 {
        self.authority.port.unwrap_or(self.scheme.default_port())
    }

    /// The user and password before the host, where there are any.
    pub const fn user_info(&self) -> Option<&UserInfo> {
        self.user_info.as_ref()
    }

    /// The _resource name_ (§3): path and query, as the request line carries them.
    pub fn resource_name(&self) -> &str {
        &self.resource_name
    }

    /// The value of the `Host` header: IPv6 in brackets, a default port left out (§4.1 item 4).
    pub fn host_header(&self) -> String {
        if self.port() == self.scheme.default_port() {
            format!("{}", self.authority.host)
        } else {
            format!("{}:{}", self.authority.host, self.port())
        }
    }
}

impl FromStr for Uri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        if text.len() > URI_LEN_MAX {
            return Err(UriError::TooLong { len: text.len() });
        }
        // RFC 3986 §2: a URI is made of visible ASCII.
        if let Some(at) = text.bytes().position(|byte| !byte.is_ascii_graphic()) {
            return Err(UriError::InvalidCharacter { at });
        }
        let (scheme, rest) = text.split_once("://").ok_or(UriError::SchemeMissing)?;
        let scheme = parse_scheme(scheme)?;
        // §3: "Fragment identifiers are meaningless in the context of WebSocket URIs and MUST NOT
        // be used on these URIs."
        if rest.contains('#') {
            return Err(UriError::Fragment);
        }
        let authority_len = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, resource) = rest.split_at(authority_len);
        let (user_info, authority) = match authority.rsplit_once('@') {
            Some((user_info, authority)) => (Some(UserInfo::parse(user_info)?), authority),
            None => (None, authority),
        };
        // §3: the resource name is "/" if the path is empty, the path, "?" and the query.
        let slash = if resource.starts_with('/') { "" } else { "/" };
        Ok(Self {
            scheme,
            authority: authority.parse()?,
            user_info,
            resource_name: format!("{slash}{resource}"),
        })
    }
}

fn parse_scheme(scheme: &str) -> Result<Scheme, UriError> {
    let found = Scheme::from_any(scheme).ok_or(UriError::SchemeUnknown)?;
    if found.as_str().eq_ignore_ascii_case(scheme) {
        Ok(found)
    } else {
        Err(UriError::SchemeOfHttp { instead: found })
    }
}

/// The URI without its user info.
impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme.as_str(), self.authority, self.resource_name)
    }
}

impl fmt::Debug for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.resource_name.split('?').next().unwrap_or_default();
        let query = if path.len() < self.resource_name.len() { "?…" } else { "" };
        write!(f, "Uri({}://{}{path}{query})", self.scheme.as_str(), self.authority)
    }
}

/// User and password of a URI, percent-decoded. Secret: `Debug` tells nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct UserInfo {
    user: Vec<u8>,
    password: Vec<u8>,
}

impl UserInfo {
    fn parse(text: &str) -> Result<Self, UriError> {
        let (user, password) = text.split_once(':').unwrap_or((text, ""));
        // RFC 7617 §2: a user-id with a colon cannot be told from its password.
        let user = percent_decode(user).filter(|user| !user.contains(&b':'));
        match (user, percent_decode(password)) {
            (Some(user), Some(password)) => Ok(Self { user, password }),
            _ => Err(UriError::UserInfoInvalid),
        }
    }

    /// The user's name.
    pub fn user(&self) -> &[u8] {
        &self.user
    }

    /// The password; empty where there is none.
    pub fn password(&self) -> &[u8] {
        &self.password
    }
}

impl fmt::Debug for UserInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserInfo(…)")
    }
}

/// Undoes RFC 3986 §2.1; `None` where a `%` has no two hexadecimal digits.
fn percent_decode(text: &str) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => u8::try_from(digit(bytes.next())? * 16 + digit(bytes.next())?).ok()?,
            byte => byte,
        });
    }
    Some(decoded)
}

const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

const fn is_sub_delim(byte: u8) -> bool {
    matches!(byte, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=')
}

/// What is wrong with a URI, or with a host and port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UriError {
    /// More than [`URI_LEN_MAX`] bytes.
    TooLong {
        /// Its length.
        len: usize,
    },
    /// Something that is not visible ASCII.
    InvalidCharacter {
        /// Its place in bytes, from zero.
        at: usize,
    },
    /// There is no `://`.
    SchemeMissing,
    /// `http` or `https`.
    SchemeOfHttp {
        /// The scheme that was probably meant.
        instead: Scheme,
    },
    /// Any other scheme.
    SchemeUnknown,
    /// There is a `#`.
    Fragment,
    /// There is no host.
    HostMissing,
    /// The host is neither a name nor an address.
    HostInvalid,
    /// The port is no number from 0 to 65535.
    PortInvalid,
    /// User info with a bad percent encoding, or a user name that contains a colon.
    UserInfoInvalid,
}

impl UriError {
    /// The section with the rule.
    pub const fn section(self) -> &'static str {
        match self {
            Self::SchemeMissing
            | Self::SchemeOfHttp { .. }
            | Self::SchemeUnknown
            | Self::Fragment => "RFC 6455 §3",
            Self::TooLong { .. } => "RFC 9110 §4.1",
            Self::InvalidCharacter { .. } => "RFC 3986 §2",
            Self::HostMissing => "RFC 9110 §4.2.1",
            Self::HostInvalid => "RFC 3986 §3.2.2",
            Self::PortInvalid => "RFC 3986 §3.2.3",
            Self::UserInfoInvalid => "RFC 7617 §2",
        }
    }

    /// A stable name for logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TooLong { .. } => "uri_len_max",
            Self::InvalidCharacter { .. } => "uri_character",
            Self::SchemeMissing => "uri_scheme_missing",
            Self::SchemeOfHttp { .. } => "uri_scheme_of_http",
            Self::SchemeUnknown => "uri_scheme_unknown",
            Self::Fragment => "uri_fragment",
            Self::HostMissing => "uri_host_missing",
            Self::HostInvalid => "uri_host",
            Self::PortInvalid => "uri_port",
            Self::UserInfoInvalid => "uri_user_info",
        }
    }
}

impl fmt::Display for UriError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { len } => {
                write!(f, "the URI has {len} bytes; {URI_LEN_MAX} are the most")
            }
            Self::InvalidCharacter { at } => {
                write!(
                    f,
                    "the character at {at} must be percent-encoded (in a host name: punycode)"
                )
            }
            Self::SchemeMissing => {
                f.write_str("a WebSocket URI begins with ws:// or wss://, as in ws://localhost/")
            }
            Self::SchemeOfHttp { instead } => {
                let (http, ws) = (instead.http(), instead.as_str());
                write!(f, "{http}: is not a WebSocket scheme; write {ws}: for {http}:")
            }
            Self::SchemeUnknown => f.write_str("the scheme must be ws: or wss:"),
            Self::Fragment => {
                f.write_str("a WebSocket URI has no fragment; leave out the # or write it as %23")
            }
            Self::HostMissing => f.write_str("there is no host, as in ws://localhost/"),
            Self::HostInvalid => f.write_str(
                "the host is neither a name nor an address (IPv6 in brackets, as in [::1])",
            ),
            Self::PortInvalid => f.write_str("the port must be a number from 0 to 65535"),
            Self::UserInfoInvalid => f.write_str(
                "the user and password must be percent-encoded, and a user name has no colon",
            ),
        }?;
        write!(f, " ({})", self.section())
    }
}

impl core::error::Error for UriError {}

#[cfg(test)]
mod tests;
