//! [`Token`]: what a completion belongs to.

use crate::id::ConnectionId;

/// What is asked of the kernel, in the `user_data` of each operation: it comes back with every
/// completion of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token {
    /// A cancellation, of which nobody wants to hear.
    Cancel,
    Mailbox,
    /// By its number.
    Listener(u32),
    /// By its place among those of this turn.
    Send(u32),
    /// Into the shared buffers, for one connection.
    Receive(Name),
    /// There is something to read from a connection.
    Readable(Name),
    /// A connection's socket takes bytes again.
    Writable(Name),
    /// The peer of a connection that is not read is gone.
    Gone(Name),
}

/// A connection by its place and as much of its generation as fits: the place would have to be
/// used sixteen million times while one operation is under way to be mistaken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) index: u32,
    generation: u32,
}

const GENERATION_BITS: u32 = 24;

impl Name {
    pub(super) const fn new(index: u32, generation: u32) -> Self {
        Self { index, generation: generation & ((1 << GENERATION_BITS) - 1) }
    }
}

impl From<ConnectionId> for Name {
    fn from(id: ConnectionId) -> Self {
        Self::new(id.index, id.generation)
    }
}

impl Token {
    /// From the top: eight bits for the kind, the generation, the index.
    pub(super) const fn encode(self) -> u64 {
        let (kind, generation, index) = match self {
            Self::Cancel => (0, 0, 0),
            Self::Mailbox => (1, 0, 0),
            Self::Listener(number) => (2, 0, number),
            Self::Send(place) => (3, 0, place),
            Self::Receive(name) => (4, name.generation, name.index),
            Self::Readable(name) => (5, name.generation, name.index),
            Self::Writable(name) => (6, name.generation, name.index),
            Self::Gone(name) => (7, name.generation, name.index),
        };
        (kind << (32 + GENERATION_BITS)) | ((generation as u64) << 32) | index as u64
    }

    #[expect(clippy::cast_possible_truncation, reason = "the lower half is the index")]
    pub(super) const fn decode(user_data: u64) -> Self {
        let index = user_data as u32;
        let name = Name::new(index, (user_data >> 32) as u32);
        match user_data >> (32 + GENERATION_BITS) {
            1 => Self::Mailbox,
            2 => Self::Listener(index),
            3 => Self::Send(index),
            4 => Self::Receive(name),
            5 => Self::Readable(name),
            6 => Self::Writable(name),
            7 => Self::Gone(name),
            _ => Self::Cancel,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_back() {
        let name = Name::new(u32::MAX, 0x0012_3456);
        for token in [
            Token::Cancel,
            Token::Mailbox,
            Token::Listener(7),
            Token::Send(u32::MAX),
            Token::Receive(name),
            Token::Readable(name),
            Token::Writable(name),
            Token::Gone(name),
        ] {
            assert_eq!(Token::decode(token.encode()), token);
        }
    }

    #[test]
    fn generations_differ() {
        let tokens = [0, 1, (1 << GENERATION_BITS) - 1]
            .map(|generation| Token::Receive(Name::new(5, generation)).encode());
        assert!(tokens[0] != tokens[1] && tokens[1] != tokens[2]);
    }
}
