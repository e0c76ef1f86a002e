//! DEFLATE blocks without compression (RFC 1951 §3.2.4): the way out that always works.

use crate::buffer::MessageBuf;

/// Content of one block: its length has 16 bits.
const BLOCK_LEN_MAX: usize = 0xffff;

/// How many bytes [`write`] needs for `len` bytes.
pub(super) const fn encoded_len(len: usize) -> usize {
    len + 5 * len.div_ceil(BLOCK_LEN_MAX)
}

/// Appends `payload` as stored blocks with BFINAL=0. What came before them ends at a byte.
pub(super) fn write(payload: &[u8], out: &mut MessageBuf) {
    for content in payload.chunks(BLOCK_LEN_MAX) {
        let [len_low, len_high, ..] = content.len().to_le_bytes();
        out.extend_from_slice(&[0, len_low, len_high, !len_low, !len_high]);
        out.extend_from_slice(content);
    }
}
