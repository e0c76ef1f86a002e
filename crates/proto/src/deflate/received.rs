//! What the peer's next message may refer to: [`ReceivedWindow`].

use alloc::vec::Vec;

/// The last bytes that were inflated, at most one LZ77 window of them.
///
/// A ring that grows with what was really received, and owns no byte more than the window has.
#[derive(Debug)]
pub(super) struct ReceivedWindow {
    /// A ring once it has grown to `len_max`: then the oldest byte is at `oldest`, else at zero.
    bytes: Vec<u8>,
    oldest: usize,
    len_max: usize,
}

impl ReceivedWindow {
    pub(super) const fn new(len_max: usize) -> Self {
        Self { bytes: Vec::new(), oldest: 0, len_max }
    }

    /// What the peer's compressor may refer to: the negotiated window, in bytes.
    pub(super) const fn len_max(&self) -> usize {
        self.len_max
    }

    /// The content, oldest first, in the two pieces that a ring has.
    pub(super) fn parts(&self) -> [&[u8]; 2] {
        let (newer, older) = self.bytes.split_at(self.oldest);
        [older, newer]
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        let bytes = last(bytes, self.len_max);
        if bytes.len() == self.len_max {
            self.bytes.clear();
            self.oldest = 0;
        }
        let room = self.len_max - self.bytes.len();
        let (grow, overwrite) = bytes.split_at(bytes.len().min(room));
        self.reserve(grow.len());
        self.bytes.extend_from_slice(grow);
        if !overwrite.is_empty() {
            let (end, begin) = overwrite.split_at(overwrite.len().min(self.len_max - self.oldest));
            self.bytes[self.oldest..][..end.len()].copy_from_slice(end);
            self.bytes[..begin.len()].copy_from_slice(begin);
            self.oldest = (self.oldest + overwrite.len()) % self.len_max;
        }
    }

    /// Forgets everything and owns nothing.
    pub(super) fn clear(&mut self) {
        self.bytes = Vec::new();
        self.oldest = 0;
    }

    /// Bytes of memory, beside the struct itself.
    #[cfg(test)]
    pub(super) fn memory_len(&self) -> usize {
        self.bytes.capacity()
    }

    /// Doubles, but never beyond the window: `Vec` alone would.
    fn reserve(&mut self, additional: usize) {
        let len = self.bytes.len() + additional;
        if len > self.bytes.capacity() {
            let capacity = len.next_power_of_two().clamp(CAPACITY_MIN, self.len_max);
            self.bytes.reserve_exact(capacity - self.bytes.len());
        }
    }
}

/// The smallest window has 256 bytes.
const CAPACITY_MIN: usize = 256;

/// The last `len` bytes, or all there are.
pub(super) fn last(bytes: &[u8], len: usize) -> &[u8] {
    &bytes[bytes.len().saturating_sub(len)..]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// It holds the last bytes of the stream, however they came, in no more than its bound.
        #[test]
        fn holds_the_end_of_the_stream(
            bits in 8..11_u8,
            lens in prop::collection::vec(0..700_usize, 0..12),
        ) {
            let len_max = 1 << bits;
            let mut window = ReceivedWindow::new(len_max);
            let mut stream = Vec::new();
            for len in lens {
                let begin = stream.len();
                stream.extend((begin..begin + len).map(|i| i.to_le_bytes()[0] ^ (i >> 8).to_le_bytes()[0]));
                window.push(&stream[begin..]);
                prop_assert_eq!(&window.parts().concat()[..], last(&stream, len_max));
                prop_assert!(window.memory_len() <= len_max);
                prop_assert!(window.memory_len() <= CAPACITY_MIN.max(2 * stream.len()));
            }
        }
    }
}
