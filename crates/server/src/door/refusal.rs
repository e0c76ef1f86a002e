//! [`Refusal`]: what somebody who may not come in is told, and [`Refusals`]: how many were.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use http::StatusCode;

use super::{
    bucket::TooFast, origin::OriginRefused, places::Full, presented::PresentedError,
    tickets::NoTicket, token::TokenRefused,
};

/// Why a request is not let in. `Display` is for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "each has a status and a counter")]
pub enum Refusal {
    /// The request names no host, or one that is none.
    Host,
    /// Its page may not.
    Origin(OriginRefused),
    /// Its address comes too often.
    TooFast(TooFast),
    /// There is no place.
    Full(Full),
    /// It shows something that cannot be taken.
    Presented(PresentedError),
    /// The token that it shows is not good.
    Token(TokenRefused),
    /// Its ticket was used already, is too old, or was never given.
    Ticket,
    /// It wants a ticket, and shows no token.
    Nobody,
    /// It wants a ticket, and there is none.
    NoTicket(NoTicket),
}

/// How many kinds of refusals there are for [`Refusal::index`].
const KIND_COUNT: usize = 12;

impl Refusal {
    /// The names of all kinds, in the order of their counters.
    const NAMES: [&'static str; KIND_COUNT] = [
        "host",
        "origin",
        "too_fast",
        "node_full",
        "address_full",
        "user_full",
        "token_conflict",
        "token_malformed",
        "token_in_query",
        "token",
        "ticket",
        "no_ticket",
    ];

    /// A stable name, for logs and metrics.
    pub fn name(&self) -> &'static str {
        Self::NAMES.get(self.index()).copied().unwrap_or_default()
    }

    /// The status of the response.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::Host | Self::Presented(_) => StatusCode::BAD_REQUEST,
            Self::Origin(_) => StatusCode::FORBIDDEN,
            Self::TooFast(_) | Self::Full(Full::Address | Full::User) => {
                StatusCode::TOO_MANY_REQUESTS
            }
            Self::Full(Full::Node) | Self::NoTicket(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Token(_) | Self::Ticket | Self::Nobody => StatusCode::UNAUTHORIZED,
        }
    }

    /// When it is worth another try (RFC 9110 §10.2.3), in whole seconds, one at least.
    pub fn retry_after(&self) -> Option<u64> {
        match self {
            Self::TooFast(fast) => Some(fast.retry_after.max(Duration::from_millis(1))),
            Self::Full(_) | Self::NoTicket(_) => Some(Duration::from_secs(10)),
            _ => None,
        }
        .map(|time| time.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX))
    }

    /// The body: one sentence that tells nothing of our insides, nor what is wrong with a token.
    pub const fn sentence(&self) -> &'static str {
        match self {
            Self::Host => "The request names no host.",
            Self::Origin(_) => "This page's origin may not connect here.",
            Self::TooFast(_) => "Too many requests; try again later.",
            Self::Full(Full::Node) | Self::NoTicket(_) => "There is no room at the moment.",
            Self::Full(Full::Address | Full::User) => "Too many connections.",
            Self::Presented(why) => why.sentence(),
            Self::Token(TokenRefused::Expired | TokenRefused::NotYet) => "The token has expired.",
            Self::Token(_) => "The token is not valid.",
            Self::Ticket => "The ticket is not valid (any more).",
            Self::Nobody => "A ticket is given for a token, and there is none.",
        }
    }

    const fn index(&self) -> usize {
        match self {
            Self::Host => 0,
            Self::Origin(_) => 1,
            Self::TooFast(_) => 2,
            Self::Full(Full::Node) => 3,
            Self::Full(Full::Address) => 4,
            Self::Full(Full::User) => 5,
            Self::Presented(PresentedError::Conflict) => 6,
            Self::Presented(PresentedError::Malformed) => 7,
            Self::Presented(PresentedError::QueryToken) => 8,
            Self::Token(_) | Self::Nobody => 9,
            Self::Ticket => 10,
            Self::NoTicket(_) => 11,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Origin(refused) => refused.fmt(f),
            Self::Full(full) => full.fmt(f),
            Self::Token(refused) => write!(f, "the token is not taken: {refused}"),
            Self::NoTicket(why) => why.fmt(f),
            Self::TooFast(_) => {
                f.write_str("the address comes more often than it may (handshakes)")
            }
            Self::Host | Self::Presented(_) | Self::Ticket | Self::Nobody => {
                f.write_str(self.sentence())
            }
        }
    }
}

impl std::error::Error for Refusal {}

/// Refusals by name, counted by all threads.
#[derive(Debug, Default)]
pub struct Refusals([AtomicU64; KIND_COUNT]);

impl Refusals {
    /// Counts one.
    pub fn count(&self, refusal: &Refusal) {
        if let Some(count) = self.0.get(refusal.index()) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// All of them, for metrics: the names are few, and never a client's.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Refusal::NAMES.into_iter().zip(self.0.iter().map(|count| count.load(Ordering::Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// S18: whatever is wrong with a token, a stranger hears the same, but for one that was good once.
    #[test]
    fn s18_what_is_wrong_with_a_token_is_not_told() {
        for refused in TokenRefused::ALL {
            let refusal = Refusal::Token(refused);
            assert_eq!((refusal.status(), refusal.name()), (StatusCode::UNAUTHORIZED, "token"));
            let expired = matches!(refused, TokenRefused::Expired | TokenRefused::NotYet);
            let sentence =
                if expired { "The token has expired." } else { "The token is not valid." };
            assert_eq!(refusal.sentence(), sentence);
        }
    }

    #[test]
    fn each_is_counted_under_its_name() {
        let fast = TooFast { retry_after: Duration::from_micros(1) };
        let cases = [
            (Refusal::Host, 400, None),
            (Refusal::TooFast(fast), 429, Some(1)),
            (Refusal::Full(Full::Node), 503, Some(10)),
            (Refusal::Full(Full::Address), 429, Some(10)),
            (Refusal::Full(Full::User), 429, Some(10)),
            (Refusal::Presented(PresentedError::Conflict), 400, None),
            (Refusal::Presented(PresentedError::Malformed), 400, None),
            (Refusal::Presented(PresentedError::QueryToken), 400, None),
            (Refusal::Ticket, 401, None),
            (Refusal::Nobody, 401, None),
            (Refusal::NoTicket(NoTicket::Full), 503, Some(10)),
        ];
        let refusals = Refusals::default();
        for (refusal, status, retry_after) in &cases {
            assert_eq!(refusal.status().as_u16(), *status, "{refusal}");
            assert_eq!(refusal.retry_after(), *retry_after, "{refusal}");
            refusals.count(refusal);
            let counted = refusals.all().find(|(name, _)| *name == refusal.name());
            assert_eq!(counted.map(|(_, count)| count), Some(1), "{refusal}");
        }
        for full in [Full::Node, Full::Address, Full::User] {
            assert_eq!(Refusal::Full(full).name(), full.name());
        }
        let long = TooFast { retry_after: Duration::from_millis(1001) };
        assert_eq!(Refusal::TooFast(long).retry_after(), Some(2));
    }
}
