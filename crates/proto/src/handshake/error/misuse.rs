//! [`ApiMisuse`]: what our own caller may not ask for.

use core::fmt;

/// Our own caller asks for something that must not be sent. Nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ApiMisuse {
    /// A header name that is no token.
    HeaderName,
    /// A header value with a control character, such as CR or LF.
    HeaderValue,
    /// A header that belongs to the handshake itself.
    HeaderReserved,
    /// A status with which nothing can be refused.
    Status {
        /// The status.
        status: u16,
    },
    /// A subprotocol that is no token.
    SubprotocolInvalid,
    /// A subprotocol that is offered twice.
    SubprotocolRepeated,
    /// A subprotocol that the client did not offer.
    SubprotocolNotOffered,
    /// An extension that the client did not offer.
    ExtensionNotOffered,
    /// A list entry that is no Origin.
    OriginInvalid,
}

impl ApiMisuse {
    /// The section with the rule.
    pub const fn section(self) -> &'static str {
        match self {
            Self::HeaderName => "RFC 9110 §5.1",
            Self::HeaderValue => "RFC 9110 §5.5",
            Self::HeaderReserved => "RFC 6455 §4",
            Self::Status { .. } => "RFC 9110 §15",
            Self::SubprotocolInvalid | Self::SubprotocolRepeated => "RFC 6455 §4.1",
            Self::SubprotocolNotOffered | Self::ExtensionNotOffered => "RFC 6455 §4.2.2",
            Self::OriginInvalid => "RFC 6454 §7.1",
        }
    }

    /// A stable name for logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::HeaderName => "header_name",
            Self::HeaderValue => "header_value",
            Self::HeaderReserved => "header_reserved",
            Self::Status { .. } => "status",
            Self::SubprotocolInvalid => "subprotocol_invalid",
            Self::SubprotocolRepeated => "subprotocol_repeated",
            Self::SubprotocolNotOffered => "subprotocol_not_offered",
            Self::ExtensionNotOffered => "extension_not_offered",
            Self::OriginInvalid => "origin_invalid",
        }
    }
}

impl fmt::Display for ApiMisuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HeaderName => f.write_str("a header name must be a token"),
            Self::HeaderValue => {
                f.write_str("a header value must not contain CR, LF or other control characters")
            }
            Self::HeaderReserved => {
                f.write_str("this header belongs to the handshake and cannot be set by hand")
            }
            Self::Status { status } => {
                write!(
                    f,
                    "{status} refuses no handshake; use 300 to 599 (200 to 599 over HTTP/1.1)"
                )
            }
            Self::SubprotocolInvalid => f.write_str("a subprotocol must be a token"),
            Self::SubprotocolRepeated => f.write_str("a subprotocol is offered twice"),
            Self::SubprotocolNotOffered => {
                f.write_str("only a subprotocol that the client offered can be selected")
            }
            Self::ExtensionNotOffered => {
                f.write_str("only an extension that the client offered can be accepted")
            }
            Self::OriginInvalid => {
                f.write_str("an Origin is scheme://host or scheme://host:port, or null")
            }
        }?;
        write!(f, " ({})", self.section())
    }
}

impl core::error::Error for ApiMisuse {}
