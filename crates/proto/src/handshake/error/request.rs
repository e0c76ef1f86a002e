//! [`RequestError`]: what is wrong with a client's request, and the status that says so.

use core::fmt;

use super::HeadError;
use crate::extension::ExtensionError;

/// Why a request is not a valid opening handshake. The server answers with the
/// [`Rejection`](crate::handshake::Rejection) that it converts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RequestError {
    /// It is no HTTP/1.1 request at all, or too long.
    Head(HeadError),
    /// The target is not visible ASCII, has a fragment, or names neither a path nor a URI of HTTP.
    TargetInvalid,
    /// HTTP/1.1 without `Host`.
    HostMissing,
    /// Two `Host` headers.
    HostRepeated,
    /// `Host` is neither a name nor an address with an optional port.
    HostInvalid,
    /// The method is not GET.
    Method,
    /// HTTP/1.0, where an Upgrade must be ignored.
    Http10,
    /// `Upgrade` does not contain `websocket`.
    UpgradeMissing,
    /// `Connection` does not contain `Upgrade`.
    ConnectionMissing,
    /// `Sec-WebSocket-Version` is absent, or another one than 13.
    VersionUnsupported,
    /// Two `Sec-WebSocket-Version` headers.
    VersionRepeated,
    /// No `Sec-WebSocket-Key`.
    KeyMissing,
    /// Two `Sec-WebSocket-Key` headers.
    KeyRepeated,
    /// `Sec-WebSocket-Key` is not 16 bytes in base64.
    KeyInvalid,
    /// `Content-Length` above zero or malformed, or `Transfer-Encoding`.
    Body,
    /// Two `Origin` headers.
    OriginRepeated,
    /// `Origin` is not ASCII.
    OriginInvalid,
    /// A subprotocol that is no token.
    SubprotocolInvalid,
    /// A subprotocol that is offered twice.
    SubprotocolRepeated,
    /// More than [`SUBPROTOCOL_COUNT_MAX`](crate::handshake::SUBPROTOCOL_COUNT_MAX) subprotocols.
    TooManySubprotocols,
    /// `Sec-WebSocket-Extensions` is malformed.
    Extensions(ExtensionError),
    /// HTTP/2: `:protocol` with another method than CONNECT.
    ProtocolWithoutConnect,
    /// HTTP/2: `:protocol` without `:scheme`, `:path` or `:authority`.
    PseudoHeaderMissing,
    /// HTTP/2: a `:protocol` other than `websocket`.
    ProtocolUnknown,
}

impl RequestError {
    /// The status of the response that refuses.
    pub const fn status(self) -> u16 {
        // No wildcard arm, on purpose: whoever adds an error decides its status here.
        match self {
            Self::Head(HeadError::TooLong { .. } | HeadError::TooManyHeaders { .. }) => 431,
            Self::Head(HeadError::Version) => 505,
            Self::Head(
                HeadError::LoneLineFeed
                | HeadError::LoneCarriageReturn
                | HeadError::ControlCharacter { .. }
                | HeadError::FoldedLine
                | HeadError::StartLine
                | HeadError::Header,
            )
            | Self::TargetInvalid
            | Self::HostMissing
            | Self::HostRepeated
            | Self::HostInvalid
            | Self::ConnectionMissing
            | Self::VersionRepeated
            | Self::KeyMissing
            | Self::KeyRepeated
            | Self::KeyInvalid
            | Self::Body
            | Self::OriginRepeated
            | Self::OriginInvalid
            | Self::SubprotocolInvalid
            | Self::SubprotocolRepeated
            | Self::TooManySubprotocols
            | Self::Extensions(_)
            | Self::ProtocolWithoutConnect
            | Self::PseudoHeaderMissing => 400,
            Self::Method => 405,
            // An HTTP/1.0 request is one without Upgrade: "A server MUST ignore an Upgrade header
            // field that is received in an HTTP/1.0 request" (RFC 9110 §7.8).
            Self::Http10 | Self::UpgradeMissing | Self::VersionUnsupported => 426,
            // RFC 9220 §3: "a server … SHOULD respond to the request with a 501".
            Self::ProtocolUnknown => 501,
        }
    }

    /// The section with the rule.
    pub const fn section(self) -> &'static str {
        match self {
            Self::Head(error) => error.section(),
            Self::Extensions(error) => error.section(),
            Self::TargetInvalid | Self::HostMissing | Self::HostRepeated | Self::HostInvalid => {
                "RFC 9112 §3.2"
            }
            Self::Method
            | Self::Http10
            | Self::UpgradeMissing
            | Self::ConnectionMissing
            | Self::KeyMissing
            | Self::KeyInvalid
            | Self::OriginInvalid => "RFC 6455 §4.2.1",
            Self::VersionUnsupported => "RFC 6455 §4.4",
            Self::VersionRepeated => "RFC 6455 §11.3.5",
            Self::KeyRepeated => "RFC 6455 §11.3.1",
            Self::Body => "RFC 9112 §6.3",
            Self::OriginRepeated => "RFC 6454 §7.3",
            Self::SubprotocolInvalid | Self::SubprotocolRepeated => "RFC 6455 §4.1",
            Self::TooManySubprotocols => "RFC 6455 §10.4",
            Self::ProtocolWithoutConnect | Self::PseudoHeaderMissing => "RFC 8441 §4",
            Self::ProtocolUnknown => "RFC 9220 §3",
        }
    }

    /// A stable name for logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Head(error) => error.name(),
            Self::Extensions(error) => error.name(),
            Self::TargetInvalid => "target_invalid",
            Self::HostMissing => "host_missing",
            Self::HostRepeated => "host_repeated",
            Self::HostInvalid => "host_invalid",
            Self::Method => "method",
            Self::Http10 => "http_1_0",
            Self::UpgradeMissing => "upgrade_missing",
            Self::ConnectionMissing => "connection_missing",
            Self::VersionUnsupported => "version_unsupported",
            Self::VersionRepeated => "version_repeated",
            Self::KeyMissing => "key_missing",
            Self::KeyRepeated => "key_repeated",
            Self::KeyInvalid => "key_invalid",
            Self::Body => "body",
            Self::OriginRepeated => "origin_repeated",
            Self::OriginInvalid => "origin_invalid",
            Self::SubprotocolInvalid => "subprotocol_invalid",
            Self::SubprotocolRepeated => "subprotocol_repeated",
            Self::TooManySubprotocols => "subprotocol_count_max",
            Self::ProtocolWithoutConnect => "protocol_without_connect",
            Self::PseudoHeaderMissing => "pseudo_header_missing",
            Self::ProtocolUnknown => "protocol_unknown",
        }
    }

    const fn sentence(self) -> &'static str {
        match self {
            // These two speak for themselves.
            Self::Head(_) | Self::Extensions(_) => "",
            Self::TargetInvalid => "the request target is malformed",
            Self::HostMissing => "the Host header is missing",
            Self::HostRepeated => "there is more than one Host header",
            Self::HostInvalid => "the Host header is malformed",
            Self::Method => "a WebSocket opening handshake uses GET",
            Self::Http10 => "WebSockets need HTTP/1.1",
            Self::UpgradeMissing => "this is a WebSocket endpoint; send Upgrade: websocket",
            Self::ConnectionMissing => "the Connection header does not contain Upgrade",
            Self::VersionUnsupported => "Sec-WebSocket-Version must be 13",
            Self::VersionRepeated => "there is more than one Sec-WebSocket-Version header",
            Self::KeyMissing => "the Sec-WebSocket-Key header is missing",
            Self::KeyRepeated => "there is more than one Sec-WebSocket-Key header",
            Self::KeyInvalid => "Sec-WebSocket-Key must be 16 bytes in base64",
            Self::Body => "an opening handshake has no body",
            Self::OriginRepeated => "there is more than one Origin header",
            Self::OriginInvalid => "the Origin header is malformed",
            Self::SubprotocolInvalid => "Sec-WebSocket-Protocol is not a list of tokens",
            Self::SubprotocolRepeated => "Sec-WebSocket-Protocol offers a subprotocol twice",
            Self::TooManySubprotocols => "Sec-WebSocket-Protocol offers too many subprotocols",
            Self::ProtocolWithoutConnect => ":protocol needs the method CONNECT",
            Self::PseudoHeaderMissing => "an extended CONNECT needs :scheme, :path and :authority",
            Self::ProtocolUnknown => "the only :protocol here is websocket",
        }
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Head(error) => error.fmt(f),
            Self::Extensions(error) => error.fmt(f),
            _ => write!(f, "{} ({})", self.sentence(), self.section()),
        }
    }
}

impl core::error::Error for RequestError {}

impl From<HeadError> for RequestError {
    fn from(error: HeadError) -> Self {
        Self::Head(error)
    }
}

impl From<ExtensionError> for RequestError {
    fn from(error: ExtensionError) -> Self {
        Self::Extensions(error)
    }
}
