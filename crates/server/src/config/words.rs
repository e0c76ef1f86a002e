//! Options that are one of some words.

use tidewire_engine::Io;
use tidewire_hub::Brim;

use super::scalar::{Scalar, quoted};

/// Types that are one of some words.
macro_rules! words {
    ($type:ty, $expected:literal, $($word:literal => $value:expr),+ $(,)?) => {
        impl Scalar for $type {
            const EXPECTED: &'static str = $expected;

            fn from_text(text: &str) -> Result<Self, String> {
                match text {
                    $($word => Ok($value),)+
                    _ => Err(format!("{text:?} is not {}", Self::EXPECTED)),
                }
            }

            fn show(&self) -> Option<String> {
                $(if *self == $value { return Some(quoted($word)); })+
                None
            }
        }
    };
}

/// How much is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "as logs have it")]
pub enum LogLevel {
    /// What somebody has to look after.
    Error,
    /// What somebody may want to look after.
    Warn,
    /// What is going on.
    Info,
    /// Each connection.
    Debug,
    /// Everything.
    Trace,
}

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "for people or for programs")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

words!(LogLevel, "one of error, warn, info, debug, trace",
    "error" => Self::Error, "warn" => Self::Warn, "info" => Self::Info, "debug" => Self::Debug,
    "trace" => Self::Trace);
words!(LogFormat, "one of text, json", "text" => Self::Text, "json" => Self::Json);
words!(Io, "one of auto, epoll, uring",
    "auto" => Self::Auto, "epoll" => Self::Epoll, "uring" => Self::Uring);
words!(Brim, "one of disconnect, drop_oldest, conflate",
    "disconnect" => Self::Disconnect, "drop_oldest" => Self::DropOldest, "conflate" => Self::Conflate);
