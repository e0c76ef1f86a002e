//! Numbers and words for an application. It may know which channels there are, so it is told.

use tidewire_hub::Error;

use crate::centrifuge;

/// The number and the words of an error.
pub const fn error_code(error: Error) -> (u32, &'static str) {
    match error {
        Error::UnknownChannel => (102, "unknown channel"),
        Error::MethodNotFound => (104, "not found"),
        other => {
            let told = centrifuge::error_code(other);
            (told.code, told.message)
        }
    }
}

/// The status of a response, where an application asks that errors be told by it.
pub const fn http_status(error: Error) -> u16 {
    match error {
        Error::Unauthorized | Error::TokenExpired | Error::Expired => 401,
        Error::PermissionDenied => 403,
        Error::UnknownChannel | Error::MethodNotFound => 404,
        Error::BadRequest | Error::NotAvailable | Error::LimitExceeded => 400,
        Error::AlreadySubscribed => 409,
        Error::UnrecoverablePosition => 416,
        Error::TooManyRequests => 429,
        Error::Internal => 500,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes() {
        let cases = [
            (Error::Internal, 100, "internal server error", 500),
            (Error::Unauthorized, 101, "unauthorized", 401),
            (Error::UnknownChannel, 102, "unknown channel", 404),
            (Error::PermissionDenied, 103, "permission denied", 403),
            (Error::MethodNotFound, 104, "not found", 404),
            (Error::AlreadySubscribed, 105, "already subscribed", 409),
            (Error::LimitExceeded, 106, "limit exceeded", 400),
            (Error::BadRequest, 107, "bad request", 400),
            (Error::NotAvailable, 108, "not available", 400),
            (Error::TokenExpired, 109, "token expired", 401),
            (Error::Expired, 110, "expired", 401),
            (Error::TooManyRequests, 111, "too many requests", 429),
            (Error::UnrecoverablePosition, 112, "unrecoverable position", 416),
        ];
        for (error, code, words, status) in cases {
            assert_eq!(error_code(error), (code, words), "{error:?}");
            assert_eq!(http_status(error), status, "{error:?}");
        }
    }
}
