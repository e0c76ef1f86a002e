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
use core::{fmt, str::FromStr};

mod authority;
mod error;
mod reference;

pub use authority::{Authority, Host};
pub use error::UriError;

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
    pub fn from_any(name: &str) -> Option<Self> {
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
        self.authority.host()
    }

    /// The port to connect to: the one that is written, or the scheme's default.
    pub fn port(&self) -> u16 {
        self.authority.port().unwrap_or(self.scheme.default_port())
    }

    /// The user and password before the host, where there are any.
    pub const fn user_info(&self) -> Option<&UserInfo> {
        self.user_info.as_ref()
    }

    pub(crate) fn set_user_info(&mut self, user_info: Option<UserInfo>) {
        self.user_info = user_info;
    }

    /// The _resource name_ (§3): path and query, as the request line carries them.
    pub fn resource_name(&self) -> &str {
        &self.resource_name
    }

    /// The value of the `Host` header: IPv6 in brackets, a default port left out (§4.1 item 4).
    pub fn host_header(&self) -> String {
        if self.port() == self.scheme.default_port() {
            format!("{}", self.host())
        } else {
            format!("{}:{}", self.host(), self.port())
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

#[cfg(test)]
mod tests;
