//! What our next message may refer to: [`SentWindow`].

use alloc::{collections::VecDeque, vec::Vec};

use bytes::Bytes;

use super::received::last;

/// The last bytes that we sent compressed, as pieces: copied ones, coalesced, and shared ones.
///
/// It may hold less than the negotiated window has: how far back we refer is our own choice, where
/// the peer's [`ReceivedWindow`](super::received::ReceivedWindow) has none. So it holds what a
/// compressor can reach, and drops whole pieces where that keeps its memory below the window's.
#[derive(Debug)]
pub(super) struct SentWindow {
    pieces: VecDeque<Piece>,
    /// Bytes in `pieces`.
    len: usize,
    /// Capacity of the copied `pieces`.
    copied_capacity: usize,
    /// Bytes sent since the connection began.
    position: u64,
    /// The negotiated window.
    window_len: usize,
}

#[derive(Debug)]
enum Piece {
    Copied(Vec<u8>),
    Shared(Bytes),
}

/// Pieces in one window: 2 KiB of them, should all be shared.
const PIECE_COUNT_MAX: usize = 64;

/// A compressor of `w` bytes of window refers no further back than `w - MIN_LOOKAHEAD` (zlib:
/// the longest match, the shortest match and one).
const MIN_LOOKAHEAD: usize = 258 + 3 + 1;

impl SentWindow {
    pub(super) const fn new(window_len: usize) -> Self {
        Self { pieces: VecDeque::new(), len: 0, copied_capacity: 0, position: 0, window_len }
    }

    /// How many bytes have been sent since the connection began.
    pub(super) const fn position(&self) -> u64 {
        self.position
    }

    /// Adds bytes by copying them.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.position += bytes.len() as u64;
        let mut rest = last(bytes, self.reach());
        let mut recycled = None;
        while !rest.is_empty() {
            let capacity_max = self.copied_piece_len_max();
            if let Some(Piece::Copied(piece)) = self.pieces.back_mut()
                && piece.len() < capacity_max
            {
                let (fits, beyond) = rest.split_at(rest.len().min(capacity_max - piece.len()));
                let capacity_before = piece.capacity();
                reserve(piece, fits.len(), capacity_max);
                self.copied_capacity += piece.capacity() - capacity_before;
                piece.extend_from_slice(fits);
                self.len += fits.len();
                rest = beyond;
                self.trim(&mut recycled);
            } else {
                // What fell out at the front serves again at the back: a busy connection
                // allocates nothing here.
                let piece = recycled.take().unwrap_or_default();
                self.copied_capacity += piece.capacity();
                self.pieces.push_back(Piece::Copied(piece));
            }
        }
        self.trim(&mut recycled);
    }

    /// Adds bytes by reference. `bytes` should own little more memory than its length: it stays
    /// alive until it leaves the window.
    pub(super) fn push_shared(&mut self, bytes: &Bytes) {
        let by_reference = self.shared_piece_len_min()..=2 * self.window_len;
        if !by_reference.contains(&bytes.len()) {
            // Too small to be worth a piece, or so large that a window of it would pin the rest.
            return self.push(bytes);
        }
        self.position += bytes.len() as u64;
        let end = bytes.slice(bytes.len().saturating_sub(self.reach())..);
        self.len += end.len();
        self.pieces.push_back(Piece::Shared(end));
        self.trim(&mut None);
    }

    /// Puts everything that was sent since `position` into `out`, as far as a compressor reaches.
    /// `None`: some of it is not here any more.
    pub(super) fn since(&self, position: u64, out: &mut Vec<u8>) -> Option<()> {
        let missing = usize::try_from(self.position - position).ok()?;
        (missing <= self.len).then(|| self.tail(missing, out))
    }

    /// Puts all that a compressor can reach into `out`.
    pub(super) fn all(&self, out: &mut Vec<u8>) {
        self.tail(self.len, out);
    }

    /// Bytes of memory, beside the struct itself and what is shared.
    #[cfg(test)]
    pub(super) fn memory_len(&self) -> usize {
        self.copied_capacity + self.pieces.capacity() * size_of::<Piece>()
    }

    fn tail(&self, len: usize, out: &mut Vec<u8>) {
        out.clear();
        let mut skip = self.len - len.min(self.reach()).min(self.len);
        for piece in &self.pieces {
            let bytes = piece.as_slice();
            out.extend_from_slice(bytes.get(skip..).unwrap_or_default());
            skip = skip.saturating_sub(bytes.len());
        }
    }

    /// Drops pieces that are out of reach, or too many.
    fn trim(&mut self, recycled: &mut Option<Vec<u8>>) {
        while let Some(front) = self.pieces.front()
            && (self.len - front.as_slice().len() >= self.reach()
                || self.copied_capacity > self.copied_capacity_max()
                || self.pieces.len() > PIECE_COUNT_MAX)
        {
            self.len -= front.as_slice().len();
            if let Some(Piece::Copied(mut piece)) = self.pieces.pop_front() {
                self.copied_capacity -= piece.capacity();
                piece.clear();
                *recycled = Some(piece);
            }
        }
    }

    /// How far back a compressor of ours can refer. The smallest one has 512 bytes of window,
    /// also where 256 were negotiated: it then reaches back 250.
    fn reach(&self) -> usize {
        self.window_len.max(512) - MIN_LOOKAHEAD
    }

    /// Room for the pieces themselves is left below the window's size.
    fn copied_capacity_max(&self) -> usize {
        self.window_len - self.window_len / 8
    }

    fn copied_piece_len_max(&self) -> usize {
        self.window_len / 16
    }

    fn shared_piece_len_min(&self) -> usize {
        self.window_len / PIECE_COUNT_MAX
    }
}

impl Piece {
    fn as_slice(&self) -> &[u8] {
        match self {
            Self::Copied(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }
}

/// Doubles, but never beyond `capacity_max`.
fn reserve(piece: &mut Vec<u8>, additional: usize, capacity_max: usize) {
    let len = piece.len() + additional;
    if len > piece.capacity() {
        let capacity = len.next_power_of_two().min(capacity_max).max(len);
        piece.reserve_exact(capacity - piece.len());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Miri needs a millisecond for some ten bytes.
    const PUSH_COUNT_MAX: usize = if cfg!(miri) { 8 } else { 200 };
    const PUSH_LEN_MAX: usize = if cfg!(miri) { 600 } else { 3000 };

    proptest! {
        /// It holds an end of the stream, most of what a compressor reaches, and its memory stays
        /// below the window's and what the pieces cost.
        #[test]
        fn holds_an_end_of_the_stream(
            bits in 8..13_u8,
            pushes in prop::collection::vec((any::<bool>(), any::<u8>(), 0..PUSH_LEN_MAX), 0..PUSH_COUNT_MAX),
        ) {
            let window_len = 1 << bits;
            let mut window = SentWindow::new(window_len);
            let (mut stream, mut held) = (Vec::new(), Vec::new());
            for (i, &(shared, byte, len)) in pushes.iter().enumerate() {
                let bytes: Vec<u8> = (0..len).map(|at| byte ^ (at + i).to_le_bytes()[0]).collect();
                stream.extend_from_slice(&bytes);
                let before = window.position();
                if shared {
                    window.push_shared(&Bytes::from(bytes));
                } else {
                    window.push(&bytes);
                }
                prop_assert_eq!(window.position(), stream.len() as u64);
                window.all(&mut held);
                prop_assert!(stream.ends_with(&held));
                prop_assert!(held.len() <= window.reach());
                if len >= window.reach() {
                    prop_assert!(2 * held.len() >= window.reach(), "{} held", held.len());
                }
                if let Some(()) = window.since(before, &mut held) {
                    prop_assert_eq!(&held[..], last(&stream[stream.len() - len..], window.reach()));
                }
                prop_assert!(window.copied_capacity <= window.copied_capacity_max());
                prop_assert!(window.pieces.len() <= PIECE_COUNT_MAX);
                let copied: usize = window.pieces.iter().map(|piece| match piece {
                    Piece::Copied(bytes) => bytes.capacity(),
                    Piece::Shared(_) => 0,
                }).sum();
                prop_assert_eq!(copied, window.copied_capacity);
            }
        }
    }

    #[test]
    fn a_small_shared_piece_is_coalesced_and_a_huge_one_is_not_pinned() {
        let mut window = SentWindow::new(4096);
        for _ in 0..100 {
            window.push_shared(&Bytes::from_static(b"tiny"));
        }
        assert_eq!(window.pieces.len(), 2);
        let huge = Bytes::from(vec![7; 1 << 20]);
        window.push_shared(&huge);
        assert!(huge.is_unique());
        let fitting = Bytes::from(vec![7; 4096]);
        window.push_shared(&fitting);
        assert!(!fitting.is_unique(), "it is shared, not copied");
    }
}
