//! Whose fault was it? [`ProtocolViolation`], [`LimitExceeded`]: the peer's. [`SendError`]: our caller's.

use core::fmt;

use crate::close::CloseCode;

/// The peer broke a rule of an RFC. The connection has been failed (RFC 6455 §7.1.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProtocolViolation {
    /// Reserved bits are set that no negotiated extension defines; RSV1 is `0b100`.
    ReservedBits(u8),
    /// An opcode that nobody has defined.
    ReservedOpCode(u8),
    /// A control frame without `fin`.
    FragmentedControlFrame,
    /// A control frame with more than 125 bytes of payload.
    ControlFrameTooLong,
    /// A payload length that is not encoded in the shortest form.
    NonMinimalLength {
        /// The length in question.
        len: u64,
    },
    /// A 64-bit payload length whose most significant bit is set.
    LengthAbove63Bits,
    /// A client sent a frame without a masking key.
    UnmaskedFrameFromClient,
    /// A server sent a frame with a masking key.
    MaskedFrameFromServer,
    /// A continuation frame where no message is under way.
    ContinuationWithoutMessage,
    /// A new data frame where a fragmented message is still under way.
    MessageInsideMessage,
    /// A text message that is not UTF-8.
    InvalidUtf8,
    /// A Close frame with a body of one byte, where a status code has two.
    CloseBodyOfOneByte,
    /// A status code that no Close frame may carry.
    CloseCodeMayNotTravel(CloseCode),
    /// A close reason that is not UTF-8.
    InvalidUtf8InCloseReason,
    /// A compressed message that is not valid DEFLATE data.
    InvalidDeflate,
}

impl ProtocolViolation {
    /// The status code to send when we _Fail the WebSocket Connection_ (RFC 6455 §7.1.7).
    pub const fn close_code(self) -> CloseCode {
        // No wildcard arm, on purpose: whoever adds a violation decides its code here.
        match self {
            Self::ReservedBits(_)
            | Self::ReservedOpCode(_)
            | Self::FragmentedControlFrame
            | Self::ControlFrameTooLong
            | Self::NonMinimalLength { .. }
            | Self::LengthAbove63Bits
            | Self::UnmaskedFrameFromClient
            | Self::MaskedFrameFromServer
            | Self::ContinuationWithoutMessage
            | Self::MessageInsideMessage
            | Self::CloseBodyOfOneByte
            | Self::CloseCodeMayNotTravel(_) => CloseCode::PROTOCOL_ERROR,
            Self::InvalidUtf8 | Self::InvalidUtf8InCloseReason | Self::InvalidDeflate => {
                CloseCode::INVALID_FRAME_PAYLOAD_DATA
            }
        }
    }

    /// The section that the peer broke.
    pub const fn section(self) -> &'static str {
        match self {
            Self::ReservedBits(_)
            | Self::ReservedOpCode(_)
            | Self::NonMinimalLength { .. }
            | Self::LengthAbove63Bits => "RFC 6455 §5.2",
            Self::FragmentedControlFrame | Self::ControlFrameTooLong => "RFC 6455 §5.5",
            Self::UnmaskedFrameFromClient | Self::MaskedFrameFromServer => "RFC 6455 §5.1",
            Self::ContinuationWithoutMessage | Self::MessageInsideMessage => "RFC 6455 §5.4",
            Self::InvalidUtf8 => "RFC 6455 §8.1",
            Self::CloseBodyOfOneByte | Self::InvalidUtf8InCloseReason => "RFC 6455 §5.5.1",
            Self::CloseCodeMayNotTravel(_) => "RFC 6455 §7.4",
            Self::InvalidDeflate => "RFC 7692 §7.2.2",
        }
    }

    /// A stable name for logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ReservedBits(_) => "reserved_bits",
            Self::ReservedOpCode(_) => "reserved_opcode",
            Self::FragmentedControlFrame => "fragmented_control_frame",
            Self::ControlFrameTooLong => "control_frame_too_long",
            Self::NonMinimalLength { .. } => "non_minimal_length",
            Self::LengthAbove63Bits => "length_above_63_bits",
            Self::UnmaskedFrameFromClient => "unmasked_frame_from_client",
            Self::MaskedFrameFromServer => "masked_frame_from_server",
            Self::ContinuationWithoutMessage => "continuation_without_message",
            Self::MessageInsideMessage => "message_inside_message",
            Self::InvalidUtf8 => "invalid_utf8",
            Self::CloseBodyOfOneByte => "close_body_of_one_byte",
            Self::CloseCodeMayNotTravel(_) => "close_code_may_not_travel",
            Self::InvalidUtf8InCloseReason => "invalid_utf8_in_close_reason",
            Self::InvalidDeflate => "invalid_deflate",
        }
    }
}

impl fmt::Display for ProtocolViolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReservedBits(bits) => {
                write!(f, "reserved bits {bits:#05b} are set, and no extension defines them")
            }
            Self::ReservedOpCode(code) => write!(f, "opcode {code:#x} is reserved"),
            Self::FragmentedControlFrame => f.write_str("a control frame is fragmented"),
            Self::ControlFrameTooLong => {
                f.write_str("a control frame announces more than 125 bytes")
            }
            Self::NonMinimalLength { len } => {
                write!(f, "the payload length {len} is not encoded in the shortest form")
            }
            Self::LengthAbove63Bits => f.write_str("a payload length uses its topmost bit"),
            Self::UnmaskedFrameFromClient => f.write_str("the client sent an unmasked frame"),
            Self::MaskedFrameFromServer => f.write_str("the server sent a masked frame"),
            Self::ContinuationWithoutMessage => {
                f.write_str("a continuation frame, and no message is under way")
            }
            Self::MessageInsideMessage => {
                f.write_str("a new message begins inside a fragmented one")
            }
            Self::InvalidUtf8 => f.write_str("a text message is not UTF-8"),
            Self::CloseBodyOfOneByte => f.write_str("a Close frame has a body of one byte"),
            Self::CloseCodeMayNotTravel(code) => {
                write!(f, "a Close frame carries the code {code}, which may not travel")
            }
            Self::InvalidUtf8InCloseReason => f.write_str("a close reason is not UTF-8"),
            Self::InvalidDeflate => f.write_str("a compressed message is not valid DEFLATE data"),
        }?;
        write!(f, " ({})", self.section())
    }
}

impl core::error::Error for ProtocolViolation {}

/// Lawful, but more than our [`Limits`](crate::Limits) accept. The connection has been failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LimitExceeded {
    /// A message is longer than `message_len_max`, by its headers or after reassembly.
    MessageTooLong {
        /// The limit.
        message_len_max: u64,
    },
    /// A compressed message inflates to more than `message_len_max`.
    InflatedMessageTooLong {
        /// The limit.
        message_len_max: u64,
    },
    /// A frame is longer than `frame_len_max`, by its header.
    FrameTooLong {
        /// The limit.
        frame_len_max: u64,
    },
    /// A message has more than `fragment_count_max` fragments.
    TooManyFragments {
        /// The limit.
        fragment_count_max: u32,
    },
    /// More than `control_frames_per_second_max` control frames in one second.
    TooManyControlFrames {
        /// The limit.
        control_frames_per_second_max: u32,
    },
}

impl LimitExceeded {
    /// The status code to send: 1009 where something is too big, 1008 where it is too many
    /// (RFC 6455 §7.4.1, §10.4).
    pub const fn close_code(self) -> CloseCode {
        match self {
            Self::MessageTooLong { .. }
            | Self::InflatedMessageTooLong { .. }
            | Self::FrameTooLong { .. } => CloseCode::MESSAGE_TOO_BIG,
            Self::TooManyFragments { .. } | Self::TooManyControlFrames { .. } => {
                CloseCode::POLICY_VIOLATION
            }
        }
    }

    /// The section that allows us to refuse.
    pub const fn section(self) -> &'static str {
        "RFC 6455 §10.4"
    }

    /// A stable name for logs and metrics: that of the limit.
    pub const fn name(self) -> &'static str {
        match self {
            Self::MessageTooLong { .. } => "message_len_max",
            Self::InflatedMessageTooLong { .. } => "message_len_max_inflated",
            Self::FrameTooLong { .. } => "frame_len_max",
            Self::TooManyFragments { .. } => "fragment_count_max",
            Self::TooManyControlFrames { .. } => "control_frames_per_second_max",
        }
    }
}

impl fmt::Display for LimitExceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MessageTooLong { message_len_max } => {
                write!(f, "a message is longer than message_len_max = {message_len_max} bytes")
            }
            Self::InflatedMessageTooLong { message_len_max } => write!(
                f,
                "a compressed message inflates to more than message_len_max = {message_len_max} bytes"
            ),
            Self::FrameTooLong { frame_len_max } => {
                write!(f, "a frame is longer than frame_len_max = {frame_len_max} bytes")
            }
            Self::TooManyFragments { fragment_count_max } => {
                write!(
                    f,
                    "a message has more than fragment_count_max = {fragment_count_max} fragments"
                )
            }
            Self::TooManyControlFrames { control_frames_per_second_max } => write!(
                f,
                "more than control_frames_per_second_max = {control_frames_per_second_max} control frames in a second"
            ),
        }?;
        write!(f, " ({})", self.section())
    }
}

impl core::error::Error for LimitExceeded {}

/// Our own caller asked too late, or wrongly. Nothing was queued and the state is unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SendError {
    /// The closing handshake has begun: nothing may follow our Close (RFC 6455 §5.5.1).
    Closing,
    /// The connection has ended.
    Closed,
    /// A fragmented message of ours is under way, and this is not its next fragment (§5.4).
    MessageUnderWay,
    /// A Ping or Pong carries at most 125 bytes (§5.5).
    ControlPayloadTooLong {
        /// The length that was asked for.
        len: usize,
    },
    /// A status code that no Close frame may carry (§7.4.1).
    CloseCodeMayNotTravel(CloseCode),
    /// A close reason has at most 123 bytes (§5.5.1).
    CloseReasonTooLong {
        /// The length that was asked for.
        len: usize,
    },
    /// A text message must be UTF-8 (§8.1), and this [`MessageBuf`](crate::MessageBuf) is not.
    NotUtf8,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closing => {
                f.write_str("the closing handshake has begun; nothing may be sent any more")
            }
            Self::Closed => f.write_str("the connection has ended"),
            Self::MessageUnderWay => {
                f.write_str("a fragmented message is under way; finish it first")
            }
            Self::ControlPayloadTooLong { len } => {
                write!(f, "a Ping or Pong carries at most 125 bytes, not {len}")
            }
            Self::CloseCodeMayNotTravel(code) => {
                write!(
                    f,
                    "a Close frame may not carry {code}; use 1000 to 1003, 1007 to 1014 or 3000 to 4999"
                )
            }
            Self::CloseReasonTooLong { len } => {
                write!(f, "a close reason has at most 123 bytes, not {len}")
            }
            Self::NotUtf8 => f.write_str("a text message must be UTF-8"),
        }
    }
}

impl core::error::Error for SendError {}
