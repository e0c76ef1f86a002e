//! Message buffers that travel: from the network to the application and back out again.

use alloc::vec::Vec;
use core::{fmt, ops};

use bytes::Bytes;

/// Room kept in front of a payload, so that a frame header can be written there in place: the
/// longest header has 14 bytes (RFC 6455 §5.2).
pub(crate) const HEADROOM: usize = 16;

/// A message's own bytes: growable, owned, and free to be sent on without a copy.
///
/// All of its memory is initialised once and remembered as such, so that a pooled buffer is
/// offered to the next read without being cleared, in safe code.
pub struct MessageBuf {
    /// Initialised to its length; `start..end` is what the buffer holds.
    memory: Vec<u8>,
    start: usize,
    end: usize,
}

impl MessageBuf {
    /// An empty buffer. Allocates nothing.
    pub const fn new() -> Self {
        Self { memory: Vec::new(), start: HEADROOM, end: HEADROOM }
    }

    /// An empty buffer with room for `capacity` bytes.
    pub fn with_capacity(capacity: usize) -> Self {
        let mut buf = Self::new();
        buf.memory.reserve_exact(HEADROOM + capacity);
        buf
    }

    /// How many bytes it can hold without growing.
    pub fn capacity(&self) -> usize {
        self.memory.capacity().saturating_sub(self.start)
    }

    /// Appends `bytes`.
    pub fn extend_from_slice(&mut self, bytes: &[u8]) {
        let end = self.end + bytes.len();
        if let Some(room) = self.memory.get_mut(self.end..end) {
            room.copy_from_slice(bytes);
        } else {
            if self.memory.len() < self.end {
                self.memory.resize(self.end, 0); // the headroom of a fresh buffer
            }
            self.memory.truncate(self.end);
            self.memory.extend_from_slice(bytes);
        }
        self.end = end;
    }

    /// Appends a header of two bytes and its payload, where that fits into memory that has been used
    /// before. `false`: nothing was done.
    #[inline]
    pub(crate) fn append_short(&mut self, header: [u8; 2], payload: &[u8]) -> bool {
        let end = self.end + header.len() + payload.len();
        let Some([a, b, room @ ..]) = self.memory.get_mut(self.end..end) else { return false };
        [*a, *b] = header;
        room.copy_from_slice(payload);
        self.end = end;
        true
    }

    /// Room for `len` more bytes, initialised but without meaning, to be read into. What was
    /// written is kept by [`commit`](Self::commit).
    pub fn spare(&mut self, len: usize) -> &mut [u8] {
        let end = self.end + len;
        if self.memory.len() < end {
            self.memory.resize(end, 0);
        }
        &mut self.memory[self.end..end]
    }

    /// Keeps the first `len` bytes of what [`spare`](Self::spare) offered.
    ///
    /// # Panics
    /// If `len` is more than was offered.
    pub fn commit(&mut self, len: usize) {
        assert!(self.end + len <= self.memory.len(), "commit of more than spare() offered");
        self.end += len;
    }

    /// Keeps only the first `len` bytes.
    pub fn truncate(&mut self, len: usize) {
        self.end = self.end.min(self.start + len);
    }

    /// Drops the first `len` bytes, or all there are.
    pub fn advance(&mut self, len: usize) {
        self.start = self.end.min(self.start + len);
    }

    /// Empties the buffer and keeps its memory.
    pub fn clear(&mut self) {
        self.start = HEADROOM;
        self.end = HEADROOM;
    }

    /// Writes `header` directly before the content, into the headroom.
    ///
    /// # Panics
    /// If it is longer than the headroom that is left.
    pub(crate) fn prepend(&mut self, header: &[u8]) {
        if self.memory.len() < self.start {
            self.memory.resize(self.start, 0); // an empty payload in a fresh buffer
        }
        let start = self.start - header.len();
        self.memory[start..self.start].copy_from_slice(header);
        self.start = start;
    }
}

impl Default for MessageBuf {
    fn default() -> Self {
        Self::new()
    }
}

impl ops::Deref for MessageBuf {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.memory.get(self.start..self.end).unwrap_or_default()
    }
}

impl ops::DerefMut for MessageBuf {
    fn deref_mut(&mut self) -> &mut [u8] {
        self.memory.get_mut(self.start..self.end).unwrap_or_default()
    }
}

impl fmt::Debug for MessageBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The content may be anybody's secret: only its length is told.
        write!(f, "MessageBuf({} bytes)", self.end - self.start)
    }
}

impl From<&[u8]> for MessageBuf {
    fn from(bytes: &[u8]) -> Self {
        let mut buf = Self::with_capacity(bytes.len());
        buf.extend_from_slice(bytes);
        buf
    }
}

impl From<MessageBuf> for Bytes {
    /// Moves the memory; the headroom stays with it.
    fn from(mut buf: MessageBuf) -> Self {
        if buf.is_empty() {
            return Self::new();
        }
        buf.memory.truncate(buf.end);
        let mut bytes = Self::from(buf.memory);
        bytes::Buf::advance(&mut bytes, buf.start);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_grows_and_keeps_its_content() {
        let mut buf = MessageBuf::new();
        buf.extend_from_slice(b"ab");
        buf.spare(3)[..2].copy_from_slice(b"cd");
        buf.commit(2);
        buf.extend_from_slice(b"e");
        assert_eq!(&buf[..], b"abcde");
        buf.prepend(&[1, 2]);
        assert_eq!(&buf[..], b"\x01\x02abcde");
        buf.advance(3);
        assert_eq!(&Bytes::from(buf)[..], b"bcde");
    }

    #[test]
    fn a_header_before_an_empty_payload() {
        let mut buf = MessageBuf::new();
        buf.prepend(&[0x82, 0]);
        assert_eq!(&buf[..], [0x82, 0]);
    }
}
