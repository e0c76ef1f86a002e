//! [`ExtensionError`]: what was wrong with the header.

use core::fmt;

use super::{EMPTY_ELEMENT_COUNT_MAX, EXTENSION_COUNT_MAX, PARAM_COUNT_MAX};

/// What is wrong with a `Sec-WebSocket-Extensions` header, or with an extension to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ExtensionError {
    /// A byte that the grammar does not allow here.
    UnexpectedByte {
        /// The byte.
        byte: u8,
        /// Its place in its line, from zero.
        at: usize,
    },
    /// The header ends where a name should stand.
    UnexpectedEnd,
    /// A quoted value without its closing quote.
    UnclosedQuote,
    /// A quoted value whose content is not a token.
    ValueNotToken {
        /// The first byte that no token has.
        byte: u8,
    },
    /// More than [`EXTENSION_COUNT_MAX`] extensions.
    TooManyExtensions,
    /// An extension with more than [`PARAM_COUNT_MAX`] parameters.
    TooManyParams,
    /// More than [`EMPTY_ELEMENT_COUNT_MAX`] empty list elements.
    TooManyEmptyElements,
    /// Our caller's: a name or value of an extension to be written is not a token.
    NotAToken,
}

impl ExtensionError {
    /// The section with the rule.
    pub const fn section(self) -> &'static str {
        match self {
            Self::UnexpectedByte { .. }
            | Self::UnexpectedEnd
            | Self::UnclosedQuote
            | Self::ValueNotToken { .. }
            | Self::NotAToken => "RFC 6455 §9.1",
            Self::TooManyExtensions | Self::TooManyParams => "RFC 6455 §10.4",
            Self::TooManyEmptyElements => "RFC 9110 §5.6.1.2",
        }
    }

    /// A stable name for logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::UnexpectedByte { .. } => "extension_unexpected_byte",
            Self::UnexpectedEnd => "extension_unexpected_end",
            Self::UnclosedQuote => "extension_unclosed_quote",
            Self::ValueNotToken { .. } => "extension_value_not_token",
            Self::TooManyExtensions => "extension_count_max",
            Self::TooManyParams => "extension_param_count_max",
            Self::TooManyEmptyElements => "extension_empty_element_count_max",
            Self::NotAToken => "extension_not_a_token",
        }
    }
}

impl fmt::Display for ExtensionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sec-WebSocket-Extensions: ")?;
        match self {
            Self::UnexpectedByte { byte, at } => {
                write!(f, "byte {byte:#04x} at {at} is not allowed there")
            }
            Self::UnexpectedEnd => f.write_str("it ends where a name should stand"),
            Self::UnclosedQuote => f.write_str("a quoted value has no closing quote"),
            Self::ValueNotToken { byte } => {
                write!(f, "a quoted value contains byte {byte:#04x}, which no token has")
            }
            Self::TooManyExtensions => {
                write!(f, "more than {EXTENSION_COUNT_MAX} extensions")
            }
            Self::TooManyParams => {
                write!(f, "an extension with more than {PARAM_COUNT_MAX} parameters")
            }
            Self::TooManyEmptyElements => {
                write!(f, "more than {EMPTY_ELEMENT_COUNT_MAX} empty list elements")
            }
            Self::NotAToken => f.write_str("a name or a value is not a token"),
        }?;
        write!(f, " ({})", self.section())
    }
}

impl core::error::Error for ExtensionError {}
