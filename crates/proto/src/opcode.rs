//! The small words of the protocol: [`Role`], [`OpCode`], [`Kind`].

/// Which endpoint of the connection we are (RFC 6455 §1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "RFC 6455 knows exactly two endpoints")]
pub enum Role {
    /// Opened the connection; masks what it sends (§5.1).
    Client,
    /// Accepted the connection; sends unmasked (§5.1).
    Server,
}

/// What kind of data a message carries (RFC 6455 §5.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "opcodes 3 to 7 are reserved and refused")]
pub enum Kind {
    /// UTF-8 text.
    Text,
    /// Arbitrary bytes.
    Binary,
}

/// The opcode of a frame (RFC 6455 §5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
#[expect(clippy::exhaustive_enums, reason = "the others are reserved and refused")]
pub enum OpCode {
    /// A further fragment of the message under way.
    Continuation = 0x0,
    /// The first (or only) frame of a text message.
    Text = 0x1,
    /// The first (or only) frame of a binary message.
    Binary = 0x2,
    /// Starts or answers the closing handshake (§5.5.1).
    Close = 0x8,
    /// Asks for a [`Pong`](Self::Pong) (§5.5.2).
    Ping = 0x9,
    /// Answers a [`Ping`](Self::Ping), or stands alone as a heartbeat (§5.5.3).
    Pong = 0xA,
}

impl OpCode {
    /// The opcode with this four-bit value, or `None` where it is reserved (§5.2).
    pub const fn from_bits(bits: u8) -> Option<Self> {
        match bits {
            0x0 => Some(Self::Continuation),
            0x1 => Some(Self::Text),
            0x2 => Some(Self::Binary),
            0x8 => Some(Self::Close),
            0x9 => Some(Self::Ping),
            0xA => Some(Self::Pong),
            _ => None,
        }
    }

    /// Whether this is a control frame: Close, Ping or Pong (§5.5).
    pub const fn is_control(self) -> bool {
        self as u8 & 0x8 != 0
    }
}

impl From<Kind> for OpCode {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Text => Self::Text,
            Kind::Binary => Self::Binary,
        }
    }
}
