//! One raw compressor: [`Deflater`].

use alloc::boxed::Box;
use core::fmt;

use zlib_rs::{Deflate, DeflateConfig as ZlibConfig, DeflateError, DeflateFlush};

use super::inflater::advanced;
use crate::buffer::MessageBuf;

/// A raw compressor (RFC 1951, no zlib header): 137 to 380 KB.
pub(super) struct Deflater {
    zlib: Box<Deflate>,
    kind: DeflaterKind,
}

/// What a compressor was built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DeflaterKind {
    window_bits: u8,
    level: u8,
}

/// The compressor failed, which it does only if it was driven wrongly. It must not be used again.
#[derive(Debug)]
pub(super) struct Broken;

impl From<DeflateError> for Broken {
    fn from(_: DeflateError) -> Self {
        Self
    }
}

/// What is asked of zlib at a time.
const ROOM_MIN: usize = 1 << 8;
const ROOM_MAX: usize = 1 << 16;

impl Deflater {
    pub(super) fn new(kind: DeflaterKind) -> Self {
        let config = ZlibConfig {
            level: i32::from(kind.level),
            window_bits: -i32::from(kind.window_bits),
            mem_level: kind.mem_level(),
            ..ZlibConfig::default()
        };
        Self { zlib: Box::new(Deflate::new_with_config(config)), kind }
    }

    pub(super) const fn kind(&self) -> DeflaterKind {
        self.kind
    }

    /// Begins a stream without history. Only between two flushes: zlib-rs does not forget a
    /// block that level 1 has left open.
    pub(super) fn reset(&mut self) {
        self.zlib.reset();
    }

    /// Continues the history by `bytes`, which the peer already has.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        if !bytes.is_empty() {
            self.zlib.set_dictionary(bytes)?;
        }
        Ok(())
    }

    /// Appends `payload`, compressed, up to the end of a block and of a byte: what is appended
    /// ends in [`TAIL`](super::TAIL), or is empty where there was nothing to flush.
    pub(super) fn deflate(
        &mut self,
        mut payload: &[u8],
        out: &mut MessageBuf,
    ) -> Result<(), Broken> {
        loop {
            let room = room(out, payload.len());
            let (total_in, total_out) = (self.zlib.total_in(), self.zlib.total_out());
            self.zlib.compress(payload, out.spare(room), DeflateFlush::SyncFlush)?;
            let produced = advanced(self.zlib.total_out(), total_out);
            let consumed = advanced(self.zlib.total_in(), total_in);
            out.commit(produced);
            payload = payload.get(consumed..).unwrap_or_default();
            if payload.is_empty() && produced < room {
                return Ok(());
            }
            if consumed == 0 && produced == 0 {
                return Err(Broken);
            }
        }
    }
}

impl fmt::Debug for Deflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Deflater({:?})", self.kind)
    }
}

impl DeflaterKind {
    /// For a window of `window_bits`, 8 to 15. zlib has no raw compressor with 256 bytes of window;
    /// one with 512 refers back 250 at most (512 less zlib's look-ahead of 262).
    pub(super) fn new(window_bits: u8, level: u8) -> Self {
        Self { window_bits: window_bits.clamp(9, 15), level: level.min(9) }
    }

    /// Room for symbols between two blocks. Level 1 writes them as it goes; for the others less
    /// room means more blocks, each with its own codes.
    const fn mem_level(self) -> i32 {
        match self.level {
            0..=1 => 3,
            2..=5 => 6,
            _ => 8,
        }
    }

    /// Bytes of memory of a compressor: zlib-rs allocates it as one piece.
    pub(super) const fn memory_len(self) -> usize {
        const STATE: usize = 5 << 10;
        const HASH_HEADS: usize = 2 << 16;
        let window = 2 << self.window_bits;
        let hash_chains = 2 << self.window_bits;
        let pending_and_symbols = 7 << (self.mem_level() + 6);
        STATE + HASH_HEADS + window + hash_chains + pending_and_symbols
    }
}

fn room(out: &MessageBuf, payload_len: usize) -> usize {
    let guess = match out.capacity() - out.len() {
        0..ROOM_MIN => payload_len / 2 + 64,
        room => room,
    };
    guess.clamp(ROOM_MIN, ROOM_MAX)
}
