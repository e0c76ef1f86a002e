//! Numbers and words for what hub means.
//!
//! Clients act by the number alone: disconnects of 3000 to 3499 and 4000 to 4499 ask for a reconnect,
//! those of 3500 to 3999 and 4500 to 4999 forbid it; an unsubscription from 2500 on asks for another
//! subscription.

use std::ops::RangeInclusive;

use tidewire_hub::{Disconnect, Error, Unsubscribe};

/// How an error looks to a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "as the protocol has it")]
pub struct ErrorCode {
    /// The number.
    pub code: u32,
    /// The words.
    pub message: &'static str,
    /// Whether the client shall try again by itself.
    pub temporary: bool,
}

/// Why a session or a subscription is over, as a client is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "as the protocol has it")]
pub struct EndCode {
    /// The number; of a disconnect it is the WebSocket's close code too (RFC 6455 §7.4.2).
    pub code: u16,
    /// The words; short enough for a Close frame.
    pub reason: &'static str,
}

impl EndCode {
    /// Whether the client comes back, or subscribes again.
    pub const fn is_temporary(self) -> bool {
        matches!(self.code, 2500..=2999 | 3000..=3499 | 4000..=4499)
    }
}

/// What a client is told of an error.
pub const fn error(error: Error) -> ErrorCode {
    let (code, message, temporary) = match error {
        Error::Internal => (100, "internal server error", true),
        Error::Unauthorized => (101, "unauthorized", false),
        // 102 is "unknown channel": whoever tries names out would learn which exist.
        Error::UnknownChannel | Error::PermissionDenied => (103, "permission denied", false),
        Error::MethodNotFound => (104, "method not found", false),
        Error::AlreadySubscribed => (105, "already subscribed", false),
        Error::LimitExceeded => (106, "limit exceeded", false),
        Error::BadRequest => (107, "bad request", false),
        Error::NotAvailable => (108, "not available", false),
        Error::TokenExpired => (109, "token expired", false),
        Error::Expired => (110, "expired", false),
        Error::TooManyRequests => (111, "too many requests", true),
        Error::UnrecoverablePosition => (112, "unrecoverable position", false),
    };
    ErrorCode { code, message, temporary }
}

/// What a client is told when its session ends.
pub const fn disconnect(disconnect: Disconnect) -> EndCode {
    let (code, reason) = match disconnect {
        Disconnect::ConnectionClosed => (3000, "connection closed"),
        Disconnect::Shutdown => (3001, "shutdown"),
        Disconnect::ServerError => (3004, "internal server error"),
        Disconnect::Expired => (3005, "connection expired"),
        Disconnect::SubscriptionExpired => (3006, "subscription expired"),
        Disconnect::Slow => (3008, "slow"),
        Disconnect::InsufficientState => (3010, "insufficient state"),
        Disconnect::ForceReconnect => (3011, "force reconnect"),
        Disconnect::NoPong => (3012, "no pong"),
        Disconnect::TooManyRequests => (3013, "too many requests"),
        Disconnect::InvalidToken => (3500, "invalid token"),
        Disconnect::BadRequest => (3501, "bad request"),
        Disconnect::Stale => (3502, "stale"),
        Disconnect::ForceNoReconnect => (3503, "force disconnect"),
        Disconnect::ConnectionLimit => (3504, "connection limit"),
        Disconnect::ChannelLimit => (3505, "channel limit"),
        Disconnect::PermissionDenied => (3507, "permission denied"),
        Disconnect::NotAvailable => (3508, "not available"),
    };
    EndCode { code, reason }
}

/// What an application means that ends a session by a number. One that is none of these means that the
/// client shall come back, or shall not.
pub fn disconnect_of_code(code: u32) -> Disconnect {
    let known = DISCONNECTS.into_iter().find(|known| u32::from(disconnect(*known).code) == code);
    known.unwrap_or(match code {
        3000..=3499 | 4000..=4499 => Disconnect::ForceReconnect,
        _ => Disconnect::ForceNoReconnect,
    })
}

/// Numbers that the protocol leaves to applications.
pub const OWN_CODES: RangeInclusive<u16> = 4000..=4999;

/// Bytes of the reason that an application may give: what a Close frame has beside the number (RFC 6455 §5.5).
pub const REASON_LEN_MAX: usize = 123;

/// All that are told.
const DISCONNECTS: [Disconnect; 17] = [
    Disconnect::Shutdown,
    Disconnect::ServerError,
    Disconnect::Expired,
    Disconnect::SubscriptionExpired,
    Disconnect::Slow,
    Disconnect::InsufficientState,
    Disconnect::ForceReconnect,
    Disconnect::NoPong,
    Disconnect::TooManyRequests,
    Disconnect::InvalidToken,
    Disconnect::BadRequest,
    Disconnect::Stale,
    Disconnect::ForceNoReconnect,
    Disconnect::ConnectionLimit,
    Disconnect::ChannelLimit,
    Disconnect::PermissionDenied,
    Disconnect::NotAvailable,
];

/// What a client is told when a subscription ends.
pub const fn unsubscribe(unsubscribe: Unsubscribe) -> EndCode {
    let (code, reason) = match unsubscribe {
        Unsubscribe::Server => (2000, "server unsubscribe"),
        Unsubscribe::InsufficientState => (2500, "insufficient state"),
        Unsubscribe::Expired => (2501, "subscription expired"),
    };
    EndCode { code, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors() {
        let cases = [
            (Error::Internal, 100, "internal server error", true),
            (Error::Unauthorized, 101, "unauthorized", false),
            (Error::UnknownChannel, 103, "permission denied", false),
            (Error::PermissionDenied, 103, "permission denied", false),
            (Error::MethodNotFound, 104, "method not found", false),
            (Error::AlreadySubscribed, 105, "already subscribed", false),
            (Error::LimitExceeded, 106, "limit exceeded", false),
            (Error::BadRequest, 107, "bad request", false),
            (Error::NotAvailable, 108, "not available", false),
            (Error::TokenExpired, 109, "token expired", false),
            (Error::Expired, 110, "expired", false),
            (Error::TooManyRequests, 111, "too many requests", true),
            (Error::UnrecoverablePosition, 112, "unrecoverable position", false),
        ];
        for (value, code, message, temporary) in cases {
            assert_eq!(error(value), ErrorCode { code, message, temporary }, "{value:?}");
        }
    }

    #[test]
    fn disconnects() {
        let cases = [
            // what                          code  words                    comes back
            (Disconnect::ConnectionClosed, 3000, "connection closed", true),
            (Disconnect::Shutdown, 3001, "shutdown", true),
            (Disconnect::ServerError, 3004, "internal server error", true),
            (Disconnect::Expired, 3005, "connection expired", true),
            (Disconnect::SubscriptionExpired, 3006, "subscription expired", true),
            (Disconnect::Slow, 3008, "slow", true),
            (Disconnect::InsufficientState, 3010, "insufficient state", true),
            (Disconnect::ForceReconnect, 3011, "force reconnect", true),
            (Disconnect::NoPong, 3012, "no pong", true),
            (Disconnect::TooManyRequests, 3013, "too many requests", true),
            (Disconnect::InvalidToken, 3500, "invalid token", false),
            (Disconnect::BadRequest, 3501, "bad request", false),
            (Disconnect::Stale, 3502, "stale", false),
            (Disconnect::ForceNoReconnect, 3503, "force disconnect", false),
            (Disconnect::ConnectionLimit, 3504, "connection limit", false),
            (Disconnect::ChannelLimit, 3505, "channel limit", false),
            (Disconnect::PermissionDenied, 3507, "permission denied", false),
            (Disconnect::NotAvailable, 3508, "not available", false),
        ];
        for (value, code, reason, comes_back) in cases {
            let told = disconnect(value);
            assert_eq!(told, EndCode { code, reason }, "{value:?}");
            assert_eq!(told.is_temporary(), comes_back, "{value:?}");
            // RFC 6455 §5.5: a control frame has 125 bytes at most, two of them the code.
            assert!(reason.len() <= REASON_LEN_MAX, "{value:?}");
            // 3000 is never told, so nobody means it.
            let meant = if code == 3000 { Disconnect::ForceReconnect } else { value };
            assert_eq!(disconnect_of_code(code.into()), meant, "{value:?}");
        }
    }

    #[test]
    fn codes_of_an_application() {
        let cases = [
            (0, Disconnect::ForceNoReconnect),
            (1000, Disconnect::ForceNoReconnect),
            (3499, Disconnect::ForceReconnect),
            (3999, Disconnect::ForceNoReconnect),
            (4000, Disconnect::ForceReconnect),
            (4499, Disconnect::ForceReconnect),
            (4500, Disconnect::ForceNoReconnect),
            (u32::MAX, Disconnect::ForceNoReconnect),
        ];
        for (code, meant) in cases {
            assert_eq!(disconnect_of_code(code), meant, "{code}");
        }
    }

    #[test]
    fn unsubscriptions() {
        let cases = [
            (Unsubscribe::Server, 2000, "server unsubscribe", false),
            (Unsubscribe::InsufficientState, 2500, "insufficient state", true),
            (Unsubscribe::Expired, 2501, "subscription expired", true),
        ];
        for (value, code, reason, again) in cases {
            let told = unsubscribe(value);
            assert_eq!(told, EndCode { code, reason }, "{value:?}");
            assert_eq!(told.is_temporary(), again, "{value:?}");
        }
    }
}
