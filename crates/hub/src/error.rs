//! What a session is told when something is not done, or ends.
//!
//! These are meanings. Numbers and words belong to the dialects.

use std::fmt;

/// Why a command was not carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a dialect has a code for each: no wildcard there, on purpose"
)]
pub enum Error {
    /// Something of ours failed. Worth another try.
    Internal,
    /// Who it is has not been told, and has to be.
    Unauthorized,
    /// No such channel. A client sees [`PermissionDenied`](Self::PermissionDenied) instead, so that names cannot be tried out.
    UnknownChannel,
    /// Not allowed.
    PermissionDenied,
    /// No such procedure.
    MethodNotFound,
    /// Subscribed already.
    AlreadySubscribed,
    /// More than is allowed.
    LimitExceeded,
    /// The command makes no sense.
    BadRequest,
    /// Not switched on here.
    NotAvailable,
    /// The token has expired: get a new one and try again.
    TokenExpired,
    /// The time for which it was allowed is over.
    Expired,
    /// Too fast. Worth another try, later.
    TooManyRequests,
    /// History does not reach back to that position, or it is of another epoch.
    UnrecoverablePosition,
}

/// Why a session is ended by us. What each asks of the client stands beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a dialect has a code for each: no wildcard there, on purpose"
)]
pub enum Disconnect {
    /// The connection ended, by nobody's decision here. Never sent.
    ConnectionClosed,
    /// The node goes down: reconnect, elsewhere.
    Shutdown,
    /// Something of ours failed: reconnect.
    ServerError,
    /// The session's time is over: reconnect, with a new token.
    Expired,
    /// A subscription's time is over: reconnect, with a new token.
    SubscriptionExpired,
    /// It reads too slowly: reconnect.
    Slow,
    /// What it has of a server-side subscription is not all there is: reconnect and recover.
    InsufficientState,
    /// The application wants it to reconnect.
    ForceReconnect,
    /// No answer to a ping: reconnect.
    NoPong,
    /// Too fast: reconnect.
    TooManyRequests,
    /// The token is no good: do not come back with it.
    InvalidToken,
    /// Not our protocol: do not come back.
    BadRequest,
    /// It did not say in time who it is: do not come back.
    Stale,
    /// The application wants it gone: do not come back.
    ForceNoReconnect,
    /// Too many connections: do not come back.
    ConnectionLimit,
    /// Too many channels: do not come back.
    ChannelLimit,
    /// Not allowed: do not come back.
    PermissionDenied,
    /// Not switched on here: do not come back.
    NotAvailable,
}

/// Why a subscription is ended by us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a dialect has a code for each: no wildcard there, on purpose"
)]
pub enum Unsubscribe {
    /// The application wants it so. Stay away.
    Server,
    /// Something may have been missed: subscribe again, with the last position.
    InsufficientState,
    /// Its time is over: subscribe again, with a new token.
    Expired,
}

impl Error {
    /// All of them, in the order above.
    pub const ALL: [Self; 13] = [
        Self::Internal,
        Self::Unauthorized,
        Self::UnknownChannel,
        Self::PermissionDenied,
        Self::MethodNotFound,
        Self::AlreadySubscribed,
        Self::LimitExceeded,
        Self::BadRequest,
        Self::NotAvailable,
        Self::TokenExpired,
        Self::Expired,
        Self::TooManyRequests,
        Self::UnrecoverablePosition,
    ];

    /// A stable name, for logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Internal => "internal",
            Self::Unauthorized => "unauthorized",
            Self::UnknownChannel => "unknown_channel",
            Self::PermissionDenied => "permission_denied",
            Self::MethodNotFound => "method_not_found",
            Self::AlreadySubscribed => "already_subscribed",
            Self::LimitExceeded => "limit_exceeded",
            Self::BadRequest => "bad_request",
            Self::NotAvailable => "not_available",
            Self::TokenExpired => "token_expired",
            Self::Expired => "expired",
            Self::TooManyRequests => "too_many_requests",
            Self::UnrecoverablePosition => "unrecoverable_position",
        }
    }
}

impl Disconnect {
    /// All of them, in the order above.
    pub const ALL: [Self; 18] = [
        Self::ConnectionClosed,
        Self::Shutdown,
        Self::ServerError,
        Self::Expired,
        Self::SubscriptionExpired,
        Self::Slow,
        Self::InsufficientState,
        Self::ForceReconnect,
        Self::NoPong,
        Self::TooManyRequests,
        Self::InvalidToken,
        Self::BadRequest,
        Self::Stale,
        Self::ForceNoReconnect,
        Self::ConnectionLimit,
        Self::ChannelLimit,
        Self::PermissionDenied,
        Self::NotAvailable,
    ];

    /// A stable name, for logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ConnectionClosed => "connection_closed",
            Self::Shutdown => "shutdown",
            Self::ServerError => "server_error",
            Self::Expired => "expired",
            Self::SubscriptionExpired => "subscription_expired",
            Self::Slow => "slow",
            Self::InsufficientState => "insufficient_state",
            Self::ForceReconnect => "force_reconnect",
            Self::NoPong => "no_pong",
            Self::TooManyRequests => "too_many_requests",
            Self::InvalidToken => "invalid_token",
            Self::BadRequest => "bad_request",
            Self::Stale => "stale",
            Self::ForceNoReconnect => "force_no_reconnect",
            Self::ConnectionLimit => "connection_limit",
            Self::ChannelLimit => "channel_limit",
            Self::PermissionDenied => "permission_denied",
            Self::NotAvailable => "not_available",
        }
    }
}

impl Unsubscribe {
    /// A stable name, for logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::InsufficientState => "insufficient_state",
            Self::Expired => "expired",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl std::error::Error for Error {}

const _: () = assert!(Error::ALL.len() == Error::UnrecoverablePosition as usize + 1);
const _: () = assert!(Disconnect::ALL.len() == Disconnect::NotAvailable as usize + 1);
