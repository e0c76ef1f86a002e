//! [`RedirectRefused`]: why a redirect is not followed.

use core::fmt;

use crate::uri::UriError;

/// Why a client does not go where a redirect points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RedirectRefused {
    /// The `Location` is no WebSocket URI.
    Location(UriError),
    /// From `wss` to `ws`: what was to be secret would travel in the clear.
    Insecure,
}

impl RedirectRefused {
    /// The section with the rule.
    pub const fn section(self) -> &'static str {
        match self {
            Self::Location(error) => error.section(),
            Self::Insecure => "RFC 6455 §10.6",
        }
    }

    /// A stable name for logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Location(error) => error.name(),
            Self::Insecure => "redirect_insecure",
        }
    }
}

impl fmt::Display for RedirectRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Location(error) => write!(f, "the redirect's Location: {error}"),
            Self::Insecure => {
                write!(f, "a redirect from wss: to ws: is not followed ({})", self.section())
            }
        }
    }
}

impl core::error::Error for RedirectRefused {}
