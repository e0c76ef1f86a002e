//! The frame header (RFC 6455 §5.2): [`FrameHeader`].

use core::{fmt, ops};

use crate::{error::ProtocolViolation, opcode::OpCode};

/// What stands before a frame's payload (RFC 6455 §5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the wire format is fixed")]
pub struct FrameHeader {
    /// Whether this is the last (or only) frame of its message.
    pub fin: bool,
    /// The reserved bits, RSV1 topmost: `0b100`. Only an extension may set them.
    pub rsv: u8,
    /// What the frame is.
    pub opcode: OpCode,
    /// The masking key, where the frame is masked (§5.3).
    pub masking_key: Option<[u8; 4]>,
    /// Bytes of payload, below 2^63.
    pub len: u64,
}

/// RSV1, as [`FrameHeader::rsv`] has it: "this message is compressed" (RFC 7692 §6).
pub(crate) const RSV1: u8 = 0b100;

/// The longest payload of a control frame (§5.5).
pub(crate) const CONTROL_LEN_MAX: usize = 125;

/// The longest payload whose length stands in seven bits (§5.2).
pub(crate) const LEN7_MAX: usize = 125;

impl FrameHeader {
    /// The longest header: 2 bytes, 8 of length, 4 of masking key.
    pub const LEN_MAX: usize = 14;

    /// Reads a header from the front of `bytes`, and tells how many of them it is.
    ///
    /// `Ok(None)` asks for more bytes; nothing is consumed. What is wrong whatever was negotiated
    /// is refused at the first byte that shows it. Masking and reserved bits depend on the
    /// connection, which judges them.
    pub fn decode(bytes: &[u8]) -> Result<Option<(Self, usize)>, ProtocolViolation> {
        let &[first, ref rest @ ..] = bytes else { return Ok(None) };
        let fin = first & 0x80 != 0;
        let rsv = (first >> 4) & 0b111;
        // §5.2: "If an unknown opcode is received, the receiving endpoint MUST _Fail the
        // WebSocket Connection_."
        let opcode = OpCode::from_bits(first & 0x0F)
            .ok_or(ProtocolViolation::ReservedOpCode(first & 0x0F))?;
        // §5.5: "All control frames ... MUST NOT be fragmented."
        if opcode.is_control() && !fin {
            return Err(ProtocolViolation::FragmentedControlFrame);
        }

        let &[second, ref rest @ ..] = rest else { return Ok(None) };
        let masked = second & 0x80 != 0;
        let len7 = second & 0x7F;
        // §5.5: "All control frames MUST have a payload length of 125 bytes or less."
        if opcode.is_control() && usize::from(len7) > CONTROL_LEN_MAX {
            return Err(ProtocolViolation::ControlFrameTooLong);
        }
        let Some((len, rest)) = decode_len(len7, rest) else { return Ok(None) };
        // §5.2: "the most significant bit MUST be 0", and "the minimal number of bytes MUST be
        // used to encode the length".
        if len > i64::MAX as u64 {
            return Err(ProtocolViolation::LengthAbove63Bits);
        }
        if len7 == 126 && len <= 125 || len7 == 127 && len <= 0xFFFF {
            return Err(ProtocolViolation::NonMinimalLength { len });
        }

        let (masking_key, rest) = match rest.split_first_chunk::<4>() {
            _ if !masked => (None, rest),
            Some((key, rest)) => (Some(*key), rest),
            None => return Ok(None),
        };
        Ok(Some((Self { fin, rsv, opcode, masking_key, len }, bytes.len() - rest.len())))
    }

    /// The bytes of this header, its length in the shortest form.
    #[inline]
    pub fn encode(&self) -> EncodedHeader {
        let mut out = EncodedHeader { bytes: [0; Self::LEN_MAX], len: 2 };
        out.bytes[0] = u8::from(self.fin) << 7 | self.rsv << 4 | self.opcode as u8;
        let mask_bit = u8::from(self.masking_key.is_some()) << 7;
        #[expect(clippy::cast_possible_truncation, reason = "each arm bounds the length")]
        match self.len {
            0..=125 => out.bytes[1] = mask_bit | self.len as u8,
            126..=0xFFFF => {
                out.bytes[1] = mask_bit | 0x7E;
                out.bytes[2..4].copy_from_slice(&(self.len as u16).to_be_bytes());
                out.len = 4;
            }
            _ => {
                out.bytes[1] = mask_bit | 0x7F;
                out.bytes[2..10].copy_from_slice(&self.len.to_be_bytes());
                out.len = 10;
            }
        }
        if let Some(key) = self.masking_key {
            let at = usize::from(out.len);
            out.bytes[at..at + 4].copy_from_slice(&key);
            out.len += 4;
        }
        out
    }
}

/// The payload length behind the first two bytes, and what follows it; `None` where it is cut.
fn decode_len(len7: u8, rest: &[u8]) -> Option<(u64, &[u8])> {
    match len7 {
        126 => rest.split_first_chunk().map(|(len, rest)| (u16::from_be_bytes(*len).into(), rest)),
        127 => rest.split_first_chunk().map(|(len, rest)| (u64::from_be_bytes(*len), rest)),
        len => Some((len.into(), rest)),
    }
}

/// A header as it stands on the wire; see [`FrameHeader::encode`].
#[derive(Clone, Copy)]
pub struct EncodedHeader {
    bytes: [u8; FrameHeader::LEN_MAX],
    len: u8,
}

impl EncodedHeader {
    /// Writes it to the front of `room`. What stands behind it there has no meaning afterwards: a
    /// copy of constant length is a store or two, one of this header's length a call.
    ///
    /// # Panics
    /// If `room` is shorter than the header.
    pub fn write_to(&self, room: &mut [u8]) {
        match room.first_chunk_mut() {
            Some(room) => *room = self.bytes,
            None => room[..self.len()].copy_from_slice(self),
        }
    }
}

impl ops::Deref for EncodedHeader {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl fmt::Debug for EncodedHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x?}", &**self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ProtocolViolation as V;
    use proptest::prelude::*;

    #[test]
    fn f2_f3_f6_f7_what_a_header_must_not_say() {
        let cases: &[(&str, &[u8], V)] = &[
            ("§5.2 opcode 3 is reserved", &[0x83], V::ReservedOpCode(3)),
            ("§5.2 opcode 7 is reserved", &[0x87, 0x00], V::ReservedOpCode(7)),
            ("§5.2 opcode 11 is reserved", &[0x8B], V::ReservedOpCode(11)),
            ("§5.2 opcode 15 is reserved", &[0x8F, 0x00], V::ReservedOpCode(15)),
            ("§5.5 a Close is not fragmented", &[0x08], V::FragmentedControlFrame),
            ("§5.5 Pings are not fragmented", &[0x09, 0x00], V::FragmentedControlFrame),
            ("§5.5 Pongs are not fragmented", &[0x0A, 0x00], V::FragmentedControlFrame),
            ("§5.5 126 in a Ping", &[0x89, 0x7E, 0, 126], V::ControlFrameTooLong),
            ("§5.5 before the length is there", &[0x89, 0x7E], V::ControlFrameTooLong),
            ("§5.2 125 must fit 7 bits", &[0x82, 0x7E, 0, 0x7D], V::NonMinimalLength { len: 125 }),
            (
                "§5.2 65535 must fit 16 bits",
                &[0x82, 0x7F, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF],
                V::NonMinimalLength { len: 65535 },
            ),
            (
                "§5.2 the topmost bit is zero",
                &[0x82, 0x7F, 0x80, 0, 0, 0, 0, 0, 0, 0],
                V::LengthAbove63Bits,
            ),
        ];
        for (rule, bytes, violation) in cases {
            assert_eq!(FrameHeader::decode(bytes), Err(*violation), "{rule}");
        }
    }

    /// F9: the edges of the three length encodings, with and without a key.
    #[test]
    fn f9_lengths_at_the_edges() {
        let edges = [
            (0, 2),
            (1, 2),
            (125, 2),
            (126, 4),
            (127, 4),
            (0xFFFF, 4),
            (0x1_0000, 10),
            (i64::MAX.unsigned_abs(), 10),
        ];
        for (len, header_len) in edges {
            for masking_key in [None, Some([1, 2, 3, 4])] {
                let header =
                    FrameHeader { fin: true, rsv: 0, opcode: OpCode::Binary, masking_key, len };
                let bytes = header.encode();
                assert_eq!(
                    bytes.len(),
                    header_len + 4 * usize::from(masking_key.is_some()),
                    "{len}"
                );
                assert_eq!(FrameHeader::decode(&bytes), Ok(Some((header, bytes.len()))), "{len}");
            }
        }
    }

    proptest! {
        /// Decode undoes encode, asks for more at every cut before the end, and touches nothing after it.
        #[test]
        fn decode_undoes_encode(
            fin: bool,
            rsv in 0..8_u8,
            opcode in prop::sample::select(vec![OpCode::Continuation, OpCode::Text, OpCode::Binary]),
            masking_key: Option<[u8; 4]>,
            len in prop_oneof![0..200_u64, 0xFF00..0x1_0100_u64, 0..=i64::MAX as u64],
            tail: [u8; 3],
        ) {
            let header = FrameHeader { fin, rsv, opcode, masking_key, len };
            let mut bytes = header.encode().to_vec();
            for cut in 0..bytes.len() {
                prop_assert_eq!(FrameHeader::decode(&bytes[..cut]), Ok(None));
            }
            let header_len = bytes.len();
            bytes.extend(tail);
            prop_assert_eq!(FrameHeader::decode(&bytes), Ok(Some((header, header_len))));
        }

        /// Any bytes: no panic, and what is accepted is encoded again to the same bytes.
        #[test]
        fn encode_undoes_decode(bytes: Vec<u8>) {
            if let Ok(Some((header, len))) = FrameHeader::decode(&bytes) {
                prop_assert_eq!(&*header.encode(), &bytes[..len]);
            }
        }
    }
}
