//! What can be wrong with a head ([`HeadError`]), a request ([`RequestError`]), a response
//! ([`ResponseError`]), or with what our caller asks for ([`ApiMisuse`]).

use core::fmt;

use crate::extension::ExtensionError;

/// Bytes that are no HTTP/1.1 head, or more of one than we accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HeadError {
    /// A line ends in LF without CR.
    LoneLineFeed,
    /// A CR without LF.
    LoneCarriageReturn,
    /// NUL or another control character.
    ControlCharacter {
        /// The byte.
        byte: u8,
    },
    /// A header line that begins with white space (`obs-fold`).
    FoldedLine,
    /// The request line or status line is malformed.
    StartLine,
    /// The version is neither HTTP/1.1 nor HTTP/1.0.
    Version,
    /// A header line is malformed, such as white space before its colon.
    Header,
    /// The head is longer than `head_len_max`.
    TooLong {
        /// The limit.
        head_len_max: usize,
    },
    /// The head has more header lines than `header_count_max`.
    TooManyHeaders {
        /// The limit.
        header_count_max: usize,
    },
}

impl HeadError {
    /// The section with the rule.
    pub const fn section(self) -> &'static str {
        match self {
            Self::LoneLineFeed | Self::LoneCarriageReturn => "RFC 9112 §2.2",
            Self::ControlCharacter { .. } => "RFC 9110 §5.5",
            Self::FoldedLine => "RFC 9112 §5.2",
            Self::StartLine => "RFC 9112 §2.1",
            Self::Version => "RFC 9112 §2.3",
            Self::Header => "RFC 9112 §5.1",
            Self::TooLong { .. } | Self::TooManyHeaders { .. } => "RFC 6585 §5",
        }
    }

    /// A stable name for logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LoneLineFeed => "lone_line_feed",
            Self::LoneCarriageReturn => "lone_carriage_return",
            Self::ControlCharacter { .. } => "control_character",
            Self::FoldedLine => "folded_line",
            Self::StartLine => "start_line",
            Self::Version => "http_version",
            Self::Header => "header_line",
            Self::TooLong { .. } => "head_len_max",
            Self::TooManyHeaders { .. } => "header_count_max",
        }
    }
}

impl fmt::Display for HeadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LoneLineFeed => f.write_str("a line ends in LF without CR"),
            Self::LoneCarriageReturn => f.write_str("a CR stands without LF"),
            Self::ControlCharacter { byte } => {
                write!(f, "the head contains the control character {byte:#04x}")
            }
            Self::FoldedLine => f.write_str("a header line is folded"),
            Self::StartLine => f.write_str("the first line is malformed"),
            Self::Version => f.write_str("the HTTP version is not supported; use HTTP/1.1"),
            Self::Header => f.write_str("a header line is malformed"),
            Self::TooLong { head_len_max } => {
                write!(f, "the head is longer than head_len_max = {head_len_max} bytes")
            }
            Self::TooManyHeaders { header_count_max } => {
                write!(f, "the head has more than header_count_max = {header_count_max} headers")
            }
        }?;
        write!(f, " ({})", self.section())
    }
}

impl core::error::Error for HeadError {}

/// Why a request is not a valid opening handshake. The server answers with the
/// [`Rejection`](super::Rejection) that it converts to.
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
    /// More than [`SUBPROTOCOL_COUNT_MAX`](super::SUBPROTOCOL_COUNT_MAX) subprotocols.
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

/// Why a response does not complete the opening handshake, though it does not refuse it either.
/// The client ends TCP (_Fail the WebSocket Connection_, RFC 6455 §7.1.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ResponseError {
    /// It is no HTTP/1.1 response, or too long.
    Head(HeadError),
    /// The stream ended before a whole response.
    EndOfStream,
    /// A 101 by HTTP/1.0, which knows none.
    Http10,
    /// More 1xx responses than `interim_count_max`.
    TooManyInterim {
        /// The limit.
        interim_count_max: usize,
    },
    /// `Upgrade` does not contain `websocket`.
    UpgradeMissing,
    /// `Connection` does not contain `Upgrade`.
    ConnectionMissing,
    /// No `Sec-WebSocket-Accept`.
    AcceptMissing,
    /// Two `Sec-WebSocket-Accept` headers.
    AcceptRepeated,
    /// `Sec-WebSocket-Accept` does not answer our key.
    AcceptWrong,
    /// `Sec-WebSocket-Extensions` is malformed.
    Extensions(ExtensionError),
    /// An extension that we did not offer.
    ExtensionNotOffered,
    /// Two `Sec-WebSocket-Protocol` headers.
    SubprotocolRepeated,
    /// A subprotocol that we did not offer, or several.
    SubprotocolNotOffered,
    /// No subprotocol was selected, and we require one.
    SubprotocolMissing,
    /// Our caller's: the handshake had already come to its end.
    Over,
}

impl ResponseError {
    /// The section with the rule.
    pub const fn section(self) -> &'static str {
        match self {
            Self::Head(error) => error.section(),
            Self::Extensions(error) => error.section(),
            Self::EndOfStream => "RFC 9112 §8",
            Self::Http10 | Self::TooManyInterim { .. } => "RFC 9110 §15.2",
            Self::AcceptRepeated => "RFC 6455 §11.3.3",
            Self::SubprotocolRepeated => "RFC 6455 §11.3.4",
            Self::UpgradeMissing
            | Self::ConnectionMissing
            | Self::AcceptMissing
            | Self::AcceptWrong
            | Self::ExtensionNotOffered
            | Self::SubprotocolNotOffered
            | Self::SubprotocolMissing
            | Self::Over => "RFC 6455 §4.1",
        }
    }

    /// A stable name for logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Head(error) => error.name(),
            Self::Extensions(error) => error.name(),
            Self::EndOfStream => "end_of_stream",
            Self::Http10 => "http_1_0",
            Self::TooManyInterim { .. } => "interim_count_max",
            Self::UpgradeMissing => "upgrade_missing",
            Self::ConnectionMissing => "connection_missing",
            Self::AcceptMissing => "accept_missing",
            Self::AcceptRepeated => "accept_repeated",
            Self::AcceptWrong => "accept_wrong",
            Self::ExtensionNotOffered => "extension_not_offered",
            Self::SubprotocolRepeated => "subprotocol_repeated",
            Self::SubprotocolNotOffered => "subprotocol_not_offered",
            Self::SubprotocolMissing => "subprotocol_missing",
            Self::Over => "handshake_over",
        }
    }
}

impl fmt::Display for ResponseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Head(error) => return error.fmt(f),
            Self::Extensions(error) => return error.fmt(f),
            Self::EndOfStream => f.write_str("the connection ended before the response did"),
            Self::Http10 => f.write_str("the server switches protocols by HTTP/1.0"),
            Self::TooManyInterim { interim_count_max } => {
                write!(f, "more interim responses than interim_count_max = {interim_count_max}")
            }
            Self::UpgradeMissing => f.write_str("the response lacks Upgrade: websocket"),
            Self::ConnectionMissing => f.write_str("the response lacks Connection: Upgrade"),
            Self::AcceptMissing => f.write_str("the response lacks Sec-WebSocket-Accept"),
            Self::AcceptRepeated => {
                f.write_str("the response has more than one Sec-WebSocket-Accept")
            }
            Self::AcceptWrong => f.write_str("Sec-WebSocket-Accept does not answer our key"),
            Self::ExtensionNotOffered => {
                f.write_str("the server uses an extension that was not offered")
            }
            Self::SubprotocolRepeated => {
                f.write_str("the response has more than one Sec-WebSocket-Protocol")
            }
            Self::SubprotocolNotOffered => {
                f.write_str("the server selected a subprotocol that was not offered")
            }
            Self::SubprotocolMissing => {
                f.write_str("the server selected none of the subprotocols, and one is required")
            }
            Self::Over => f.write_str("the opening handshake is over"),
        }?;
        write!(f, " ({})", self.section())
    }
}

impl core::error::Error for ResponseError {}

impl From<HeadError> for ResponseError {
    fn from(error: HeadError) -> Self {
        Self::Head(error)
    }
}

impl From<ExtensionError> for ResponseError {
    fn from(error: ExtensionError) -> Self {
        Self::Extensions(error)
    }
}

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
