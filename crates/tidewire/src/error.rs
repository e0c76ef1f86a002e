//! [`Error`]: by whose fault it is.

use std::{fmt, io};

use tidewire_proto::{
    CloseCode, Failure, LimitExceeded, Outcome, ProtocolViolation, SendError, TimeoutKind,
};

/// Why a connection does not go on.
///
/// Where a Close frame was due, it has been sent (or tried) before the error is returned, and TCP
/// has ended in order: there is nothing left to do with the connection.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
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
            Self::Send(_) => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
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
