//! [`UriError`]: what was wrong with a URI, and what is possible.

use core::fmt;

use super::{Scheme, URI_LEN_MAX};

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
