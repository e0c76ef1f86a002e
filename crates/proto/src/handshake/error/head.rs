//! [`HeadError`]: bytes that are no head.

use core::fmt;

/// Bytes that are no HTTP/1.1 head, or more of one than we accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HeadError {
    /// A line ends in LF without CR.
    LoneLineFeed,
    /// A CR without LF.
    LoneCarriageReturn,
    /// NUL or another control character.
    ControlCharacter {
        /// The byte.
        byte: u8,
    },
    /// A header line that begins with white space (`obs-fold`).
    FoldedLine,
    /// The request line or status line is malformed.
    StartLine,
    /// The version is neither HTTP/1.1 nor HTTP/1.0.
    Version,
    /// A header line is malformed, such as white space before its colon.
    Header,
    /// The head is longer than `head_len_max`.
    TooLong {
        /// The limit.
        head_len_max: usize,
    },
    /// The head has more header lines than `header_count_max`.
    TooManyHeaders {
        /// The limit.
        header_count_max: usize,
    },
}

impl HeadError {
    /// The section with the rule.
    pub const fn section(self) -> &'static str {
        match self {
            Self::LoneLineFeed | Self::LoneCarriageReturn => "RFC 9112 §2.2",
            Self::ControlCharacter { .. } => "RFC 9110 §5.5",
            Self::FoldedLine => "RFC 9112 §5.2",
            Self::StartLine => "RFC 9112 §2.1",
            Self::Version => "RFC 9112 §2.3",
            Self::Header => "RFC 9112 §5.1",
            Self::TooLong { .. } | Self::TooManyHeaders { .. } => "RFC 6585 §5",
        }
    }

    /// A stable name for logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LoneLineFeed => "lone_line_feed",
            Self::LoneCarriageReturn => "lone_carriage_return",
            Self::ControlCharacter { .. } => "control_character",
            Self::FoldedLine => "folded_line",
            Self::StartLine => "start_line",
            Self::Version => "http_version",
            Self::Header => "header_line",
            Self::TooLong { .. } => "head_len_max",
            Self::TooManyHeaders { .. } => "header_count_max",
        }
    }
}

impl fmt::Display for HeadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LoneLineFeed => f.write_str("a line ends in LF without CR"),
            Self::LoneCarriageReturn => f.write_str("a CR stands without LF"),
            Self::ControlCharacter { byte } => {
                write!(f, "the head contains the control character {byte:#04x}")
            }
            Self::FoldedLine => f.write_str("a header line is folded"),
            Self::StartLine => f.write_str("the first line is malformed"),
            Self::Version => f.write_str("the HTTP version is not supported; use HTTP/1.1"),
            Self::Header => f.write_str("a header line is malformed"),
            Self::TooLong { head_len_max } => {
                write!(f, "the head is longer than head_len_max = {head_len_max} bytes")
            }
            Self::TooManyHeaders { header_count_max } => {
                write!(f, "the head has more than header_count_max = {header_count_max} headers")
            }
        }?;
        write!(f, " ({})", self.section())
    }
}

impl core::error::Error for HeadError {}
