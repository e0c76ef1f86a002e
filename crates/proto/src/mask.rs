//! Masking (RFC 6455 §5.3): a payload is combined with a key of four bytes by exclusive or.

/// Masks or unmasks `payload` in place, and returns the key for the bytes that follow it.
///
/// §5.3: octet `i` of the result is octet `i` of the payload XOR octet `i` modulo 4 of the key;
/// a payload in several pieces goes on where the last one ended.
#[must_use = "the next piece of the same payload needs the rotated key"]
pub fn apply(key: [u8; 4], payload: &mut [u8]) -> [u8; 4] {
    let len = payload.len();
    let [a, b, c, d] = key;
    let wide = [a, b, c, d, a, b, c, d, a, b, c, d, a, b, c, d];
    // Sixteen bytes a step are one vector on nearly every machine, and at memory speed. Of shorter
    // steps the compiler makes vectors as well, but leaves so many over that for a hundred bytes
    // they were most of the work.
    let (words, rest) = payload.as_chunks_mut::<16>();
    for word in words {
        for (byte, key) in word.iter_mut().zip(wide) {
            *byte ^= key;
        }
    }
    let (quarters, tail) = rest.as_chunks_mut::<4>();
    for word in quarters {
        *word = (u32::from_ne_bytes(*word) ^ u32::from_ne_bytes(key)).to_ne_bytes();
    }
    for (byte, key) in tail.iter_mut().zip(key) {
        *byte ^= key;
    }
    // As a number: to rotate the array is a call that costs more than a short message does.
    #[expect(clippy::cast_possible_truncation, reason = "at most 24")]
    let phase = (8 * (len % 4)) as u32;
    u32::from_le_bytes(key).rotate_right(phase).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// §5.3, to the letter.
    fn byte_loop(key: [u8; 4], payload: &mut [u8]) {
        for (i, byte) in payload.iter_mut().enumerate() {
            *byte ^= key[i % 4];
        }
    }

    /// F9: every length and every phase around the width of a step.
    #[test]
    fn f9_agrees_with_the_byte_loop() {
        let key = [0x37, 0xfa, 0x21, 0x3d];
        // Miri takes minutes for all; two steps and a rest of each length are enough for it.
        for len in 0..if cfg!(miri) { 30 } else { 200_usize } {
            let plain: Vec<u8> = (0..=255).cycle().take(len).collect();
            let mut expected = plain.clone();
            byte_loop(key, &mut expected);
            for cut in 0..=len {
                let mut payload = plain.clone();
                let next = apply(key, &mut payload[..cut]);
                let _ = apply(next, &mut payload[cut..]);
                assert_eq!(payload, expected, "length {len}, cut at {cut}");
            }
        }
    }

    #[test]
    fn m4_the_zero_key_changes_nothing() {
        let mut payload = *b"payload";
        assert_eq!(apply([0; 4], &mut payload), [0; 4]);
        assert_eq!(&payload, b"payload");
    }

    proptest! {
        #[test]
        fn masking_twice_is_nothing(key: [u8; 4], payload: Vec<u8>) {
            let mut twice = payload.clone();
            let _ = apply(key, &mut twice);
            let _ = apply(key, &mut twice);
            prop_assert_eq!(twice, payload);
        }
    }
}
