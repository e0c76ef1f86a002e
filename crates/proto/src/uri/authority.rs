//! [`Authority`]: a host and perhaps a port (RFC 3986 §3.2).

use alloc::string::String;
use core::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use super::UriError;

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

const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

const fn is_sub_delim(byte: u8) -> bool {
    matches!(byte, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=')
}
