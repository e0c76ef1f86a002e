//! UTF-8 that arrives in pieces, cut anywhere (RFC 6455 §8.1).

use crate::error::ProtocolViolation;

/// Validates text while it arrives; a code point may be cut between two pieces.
///
/// Refuses at the first byte that cannot belong to UTF-8, not at the end of the message.
#[derive(Debug, Clone, Default)]
pub(crate) struct Utf8Stream {
    /// The beginning of a code point that the last piece cut: at most 3 bytes.
    carry: [u8; 4],
    carry_len: u8,
}

impl Utf8Stream {
    /// Takes the next piece.
    pub(crate) fn push(&mut self, mut piece: &[u8]) -> Result<(), ProtocolViolation> {
        while self.carry_len > 0 {
            let Some((&byte, rest)) = piece.split_first() else { return Ok(()) };
            piece = rest;
            self.carry[usize::from(self.carry_len)] = byte;
            self.carry_len += 1;
            match core::str::from_utf8(&self.carry[..usize::from(self.carry_len)]) {
                Ok(_) => self.carry_len = 0,
                // Still a prefix of a code point; four bytes never are, so the carry cannot overflow.
                Err(error) if error.error_len().is_none() => {}
                Err(_) => return Err(ProtocolViolation::InvalidUtf8),
            }
        }
        let Err(error) = simdutf8::compat::from_utf8(piece) else { return Ok(()) };
        if error.error_len().is_some() {
            return Err(ProtocolViolation::InvalidUtf8);
        }
        let cut = &piece[error.valid_up_to()..];
        self.carry[..cut.len()].copy_from_slice(cut);
        #[expect(clippy::cast_possible_truncation, reason = "a cut code point has at most 3 bytes")]
        {
            self.carry_len = cut.len() as u8;
        }
        Ok(())
    }

    /// The message has ended: no code point may be open.
    pub(crate) const fn finish(&self) -> Result<(), ProtocolViolation> {
        if self.carry_len == 0 { Ok(()) } else { Err(ProtocolViolation::InvalidUtf8) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn validate<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> bool {
        let mut stream = Utf8Stream::default();
        pieces.into_iter().all(|piece| stream.push(piece).is_ok()) && stream.finish().is_ok()
    }

    #[test]
    fn u1_u3_u8_edges_at_every_cut() {
        let cases: &[(&str, &[u8], bool)] = &[
            (
                "the lowest and highest of each length",
                "\u{0}\u{7f}\u{80}\u{7ff}\u{800}\u{ffff}\u{10000}\u{10ffff}".as_bytes(),
                true,
            ),
            ("U8 a byte order mark", b"\xEF\xBB\xBFa", true),
            ("U1 a surrogate", b"\xED\xA0\x80", false),
            ("U1 overlong, two bytes", b"\xC0\x80", false),
            ("U1 overlong, three bytes", b"\xE0\x80\x80", false),
            ("U1 overlong, four bytes", b"\xF0\x80\x80\x80", false),
            ("U1 above U+10FFFF", b"\xF4\x90\x80\x80", false),
            ("U1 cut off at the end", b"a\xF4\x8F\xBF", false),
            ("a continuation byte alone", b"\x80", false),
            ("FE and FF", b"\xFE", false),
        ];
        for (what, bytes, valid) in cases {
            for one in 0..=bytes.len() {
                for two in one..=bytes.len() {
                    let pieces = [&bytes[..one], &bytes[one..two], &bytes[two..]];
                    assert_eq!(validate(pieces), *valid, "{what}, cut at {one} and {two}");
                }
            }
            assert_eq!(validate(bytes.chunks(1)), *valid, "{what}, byte by byte");
        }
    }

    /// U5: the violation is found at its first byte, though the sequence could still go on.
    #[test]
    fn u5_fails_at_the_first_bad_byte() {
        let mut stream = Utf8Stream::default();
        assert!(stream.push(b"\xF4").is_ok());
        assert!(stream.push(b"\x90").is_err());
    }

    proptest! {
        /// U6: random and mutated text agrees with the standard library at every cut.
        #[test]
        fn u6_agrees_with_std(text: String, at: prop::sample::Index, byte: u8, cut: prop::sample::Index, size in 1..9_usize) {
            let mut bytes = text.into_bytes();
            if !bytes.is_empty() && byte > 32 {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            let valid = core::str::from_utf8(&bytes).is_ok();
            let cut = cut.index(bytes.len() + 1);
            prop_assert_eq!(validate([&bytes[..cut], &bytes[cut..]]), valid);
            prop_assert_eq!(validate(bytes.chunks(size)), valid);
        }

        #[test]
        fn u6_agrees_with_std_on_noise(bytes: Vec<u8>, size in 1..9_usize) {
            prop_assert_eq!(validate(bytes.chunks(size)), core::str::from_utf8(&bytes).is_ok());
        }
    }
}
