//! [`Error`]: by whose fault it is.

use std::{fmt, io, time::Duration};

#[cfg(feature = "deflate")]
use tidewire_proto::NegotiationError;
use tidewire_proto::{
    CloseCode, Failure, LimitExceeded, Outcome, ProtocolViolation, SendError, TimeoutKind,
    handshake::{
        ApiMisuse, HandshakeFailure, OriginRefused, RedirectRefused, Rejection, RequestError,
        Response, ResponseError,
    },
    uri::UriError,
};

use crate::proxy::ProxyError;

/// Why a connection does not go on.
///
/// Where a Close frame was due, it has been sent (or tried) before the error is returned, and TCP
/// has ended in order: there is nothing left to do with the connection.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// There was no connection: the opening handshake failed.
    Handshake(Box<HandshakeError>),
    /// The peer broke a rule of an RFC; the message names its section.
    Protocol(ProtocolViolation),
    /// The peer sent more than our limits accept.
    Limit(LimitExceeded),
    /// The peer was too slow, or is gone.
    Timeout(TimeoutKind),
    /// The transport broke. Without a Close frame, this is what RFC 6455 calls 1006.
    Io(io::Error),
    /// The connection ended without a closing handshake, or has ended before.
    Closed(Box<Outcome>),
    /// We asked too late, or wrongly. The connection is as it was.
    Send(SendError),
}

impl Error {
    /// The code that describes the end of the connection (RFC 6455 §7.1.5), if it has ended.
    pub fn close_code(&self) -> Option<CloseCode> {
        match self {
            Self::Protocol(violation) => Some(violation.close_code()),
            Self::Limit(limit) => Some(limit.close_code()),
            Self::Timeout(_) | Self::Io(_) => Some(CloseCode::ABNORMAL_CLOSURE),
            Self::Closed(outcome) => Some(outcome.code()),
            Self::Send(_) | Self::Handshake(_) => None,
        }
    }
}

/// Why there is no connection (RFC 6455 §4).
#[derive(Debug)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The URI cannot be connected to.
    Uri(UriError),
    /// The server refused: status, headers and body.
    Refused(Response),
    /// The server's answer makes no sense.
    Response(ResponseError),
    /// The server's answer about compression is not what we offered (RFC 7692 §7).
    #[cfg(feature = "deflate")]
    Deflate(NegotiationError),
    /// The client's request broke a rule; it got its answer.
    Request(RequestError),
    /// The client asked for something else than a WebSocket; it got 426.
    NotWebSocket,
    /// The server does not take WebSockets over HTTP/2 (RFC 8441 §3).
    ConnectProtocol,
    /// The HTTP server beneath cannot hand over its connection; the client got 500.
    NotUpgradable,
    /// The page that connects may not; it got 403.
    Origin(OriginRefused),
    /// Our own caller asked for something that must not be sent.
    Misuse(ApiMisuse),
    /// TLS failed: a certificate that is not trusted, a protocol that is not spoken, an alert of
    /// the peer. The [`source`](std::error::Error::source) knows more, often a `rustls::Error`.
    Tls(io::Error),
    /// The server, or the proxy, cannot be reached.
    Connect {
        /// Host and port, or the path of the socket.
        target: String,
        /// What the system says, or [`TimedOut`](io::ErrorKind::TimedOut).
        error: io::Error,
    },
    /// The proxy does not connect us to the server.
    Proxy(ProxyError),
    /// A redirect is not followed, though redirects are.
    Redirect(RedirectRefused),
    /// It took too long, TLS included.
    Timeout {
        /// What was allowed.
        within: Duration,
    },
}

impl HandshakeError {
    /// For `wss:` where there is no TLS.
    #[cfg(not(feature = "tls"))]
    pub(crate) fn no_tls() -> Self {
        Self::Tls(io::Error::new(
            io::ErrorKind::Unsupported,
            "this program was built without; turn on the feature `ring` or `aws-lc-rs`",
        ))
    }

    /// What a server answers to a request that failed so.
    pub(crate) fn rejection(&self) -> Option<Rejection> {
        match self {
            Self::Request(error) => Some((*error).into()),
            Self::Origin(refused) => Some(refused.into()),
            Self::Timeout { .. } => Some(Rejection::timeout()),
            _ => None,
        }
    }
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uri(error) => error.fmt(f),
            Self::Refused(response) => {
                write!(f, "the server refused the handshake with status {}", response.status())
            }
            Self::Response(error) => error.fmt(f),
            #[cfg(feature = "deflate")]
            Self::Deflate(error) => error.fmt(f),
            Self::Request(error) => error.fmt(f),
            Self::NotWebSocket => f.write_str("the request does not ask for a WebSocket"),
            Self::ConnectProtocol => {
                f.write_str("the server takes no WebSockets over HTTP/2 (RFC 8441 §3)")
            }
            Self::NotUpgradable => f.write_str("the HTTP server does not hand over its connection"),
            Self::Origin(refused) => refused.fmt(f),
            Self::Misuse(misuse) => misuse.fmt(f),
            Self::Connect { target, error } => write!(f, "cannot connect to {target}: {error}"),
            Self::Proxy(error) => error.fmt(f),
            Self::Redirect(refused) => refused.fmt(f),
            Self::Tls(error) => write!(f, "the TLS handshake failed: {error}"),
            Self::Timeout { within } => {
                write!(f, "the opening handshake took longer than {within:?}")
            }
        }
    }
}

impl std::error::Error for HandshakeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Uri(error) => Some(error),
            Self::Response(error) => Some(error),
            #[cfg(feature = "deflate")]
            Self::Deflate(error) => Some(error),
            Self::Request(error) => Some(error),
            Self::Origin(refused) => Some(refused),
            Self::Misuse(misuse) => Some(misuse),
            Self::Connect { error, .. } => Some(error),
            Self::Proxy(error) => Some(error),
            Self::Redirect(refused) => Some(refused),
            Self::Tls(error) => Some(error),
            Self::Refused(_)
            | Self::NotWebSocket
            | Self::ConnectProtocol
            | Self::NotUpgradable
            | Self::Timeout { .. } => None,
        }
    }
}

impl From<HandshakeError> for Error {
    fn from(error: HandshakeError) -> Self {
        Self::Handshake(Box::new(error))
    }
}

impl From<HandshakeFailure> for Error {
    fn from(failure: HandshakeFailure) -> Self {
        match failure {
            HandshakeFailure::Refused(response) => HandshakeError::Refused(response).into(),
            HandshakeFailure::Invalid(error) => HandshakeError::Response(error).into(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Handshake(error) => error.fmt(f),
            Self::Protocol(violation) => write!(f, "the peer broke the protocol: {violation}"),
            Self::Limit(limit) => write!(f, "the peer sent too much: {limit}"),
            Self::Timeout(kind) => kind.fmt(f),
            Self::Io(error) => write!(f, "the transport broke: {error}"),
            Self::Closed(outcome) => {
                write!(f, "the connection has ended: {}", outcome.code())?;
                if outcome.reason().is_empty() {
                    Ok(())
                } else {
                    write!(f, " ({})", outcome.reason())
                }
            }
            Self::Send(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Handshake(error) => Some(error),
            Self::Protocol(violation) => Some(violation),
            Self::Limit(limit) => Some(limit),
            Self::Io(error) => Some(error),
            Self::Send(error) => Some(error),
            Self::Timeout(_) | Self::Closed(_) => None,
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Protocol(violation) => Self::Protocol(violation),
            Failure::Limit(limit) => Self::Limit(limit),
            Failure::Timeout(kind) => Self::Timeout(kind),
        }
    }
}

impl From<SendError> for Error {
    fn from(error: SendError) -> Self {
        Self::Send(error)
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Io(error) => error,
            other => Self::other(other),
        }
    }
}
