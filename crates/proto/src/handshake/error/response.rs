//! [`ResponseError`]: what is wrong with a server's response.

use core::fmt;

use super::HeadError;
use crate::extension::ExtensionError;

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
