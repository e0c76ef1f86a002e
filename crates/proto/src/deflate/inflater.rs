//! One message being inflated: [`Inflater`], [`Inflating`].

use alloc::boxed::Box;
use core::fmt;

use zlib_rs::{Inflate, InflateFlush, Status};

use super::{TAIL, received::ReceivedWindow, received::last, session::InflateError};
use crate::buffer::MessageBuf;

/// A raw inflater (RFC 1951, no zlib header): 48 KB whatever the window. It has no content until
/// it is primed, and priming forgets whatever it held before.
///
/// It remembers 32 KiB, which zlib-rs cannot be told to limit. So a message can refer farther back
/// than a smaller window allows, if only to itself and to what it was primed with; zlib lets that
/// pass as well.
pub(super) struct Inflater(Box<Inflate>);

impl Inflater {
    pub(super) fn new() -> Self {
        Self(Box::new(Inflate::new(false, 15)))
    }

    /// Begins a stream whose back-references reach into `window` and no further: what another
    /// connection inflated here before cannot be referred to.
    fn prime<'a>(&mut self, window: impl IntoIterator<Item = &'a [u8]>) {
        self.0.reset(false);
        for part in window {
            // An error only comes of a stream with a header.
            let set = self.0.set_dictionary(part);
            debug_assert!(set.is_ok());
        }
    }
}

impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Inflater")
    }
}

/// A message under way. It owns its inflater, which nobody could rebuild in the middle of a block.
#[derive(Debug)]
pub(super) struct Inflating {
    inflater: Inflater,
    /// Inflated so far. Counted here since the caller may drain the output in between.
    len: u64,
    progress: Progress,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// At the start of the message, or behind a block with BFINAL=1, and nothing has come since.
    Fresh,
    /// Behind a block with BFINAL=1: the inflater must be primed before the next byte.
    Ended,
    Running,
}

/// What is asked of zlib at a time. The least lets it use its fast path (which wants 260).
const ROOM_MIN: usize = 1 << 10;
const ROOM_MAX: usize = 1 << 16;

/// An empty block with BFINAL=1. It ends the stream exactly if it stands where a block may begin.
const FINAL_BLOCK: [u8; 2] = [0x03, 0x00];

impl Inflating {
    pub(super) fn new(mut inflater: Inflater, window: &ReceivedWindow) -> Self {
        inflater.prime(window.parts());
        Self { inflater, len: 0, progress: Progress::Fresh }
    }

    pub(super) fn into_inflater(self) -> Inflater {
        self.inflater
    }

    /// Appends what `input` inflates to. `window` is what had been inflated before `begin`, from
    /// where on `out` holds what has been inflated since.
    pub(super) fn inflate(
        &mut self,
        mut input: &[u8],
        out: &mut MessageBuf,
        begin: usize,
        window: &ReceivedWindow,
        len_max: u64,
    ) -> Result<(), InflateError> {
        if input.is_empty() {
            return Ok(());
        }
        loop {
            if self.progress == Progress::Ended {
                // §7.2.1 allows blocks with BFINAL=1 anywhere; further blocks follow at the
                // next byte and still refer to what came before them.
                self.prime_behind(out.get(begin..).unwrap_or_default(), window);
            }
            self.progress = Progress::Running;
            let room = room(out, input.len(), len_max.saturating_sub(self.len));
            let zlib = &mut self.inflater.0;
            let (total_in, total_out) = (zlib.total_in(), zlib.total_out());
            let status = zlib
                .decompress(input, out.spare(room), InflateFlush::NoFlush)
                .map_err(|_| InflateError::InvalidDeflate)?;
            let produced = advanced(zlib.total_out(), total_out);
            let consumed = advanced(zlib.total_in(), total_in);
            out.commit(produced);
            input = input.get(consumed..).unwrap_or_default();
            self.len += produced as u64;
            if self.len > len_max {
                return Err(InflateError::TooLong);
            }
            if status == Status::StreamEnd {
                self.progress = Progress::Ended;
            }
            if input.is_empty() && (status == Status::StreamEnd || produced < room) {
                return Ok(());
            }
            if consumed == 0 && produced == 0 {
                // It has room and input and wants neither: no lawful stream does this.
                return Err(InflateError::InvalidDeflate);
            }
        }
    }

    /// Ends the message. Same arguments as [`inflate`](Self::inflate).
    pub(super) fn finish(
        &mut self,
        out: &mut MessageBuf,
        begin: usize,
        window: &ReceivedWindow,
        len_max: u64,
    ) -> Result<(), InflateError> {
        // Strictly, an empty payload or one that ends in a block with BFINAL=1 needs one more 0x00
        // (§7.2.1). Peers are known to leave it out: zlib flushes nothing at all for the second of
        // two empty messages. Nothing is ambiguous about it, so we accept both.
        if self.progress != Progress::Running {
            return Ok(());
        }
        // §7.2.2: "Append 4 octets of 0x00 0x00 0xff 0xff to the tail end".
        self.inflate(&TAIL, out, begin, window, len_max)?;
        if self.progress == Progress::Ended {
            return Ok(()); // the block that the tail completed has BFINAL=1
        }
        // zlib does not tell whether it stands between two blocks or inside of one that was cut
        // off; a further block does. The inflater is primed anew for the next message anyway.
        let len = self.len;
        self.inflate(&FINAL_BLOCK, out, begin, window, len_max)?;
        if self.progress == Progress::Ended && self.len == len {
            Ok(())
        } else {
            Err(InflateError::InvalidDeflate)
        }
    }

    fn prime_behind(&mut self, inflated: &[u8], window: &ReceivedWindow) {
        let inflated = last(inflated, window.len_max());
        let [older, newer] = window.parts();
        // Of the window, what is still in reach: an inflater would remember 32 KiB.
        let reach = window.len_max() - inflated.len();
        let older = last(older, reach.saturating_sub(newer.len()));
        self.inflater.prime([older, last(newer, reach), inflated]);
    }
}

/// How much to inflate at a time, where `left` more bytes are allowed: what the buffer has, or a
/// guess. One byte more than allowed tells that there is more, so output is bounded by limit + 1.
fn room(out: &MessageBuf, input_len: usize, left: u64) -> usize {
    let guess = match out.capacity() - out.len() {
        0..ROOM_MIN => input_len.saturating_mul(4),
        room => room,
    };
    let left = usize::try_from(left).unwrap_or(usize::MAX).saturating_add(1);
    guess.clamp(ROOM_MIN, ROOM_MAX).min(left)
}

/// How far one of zlib's counters moved in one call, which is less than a slice has bytes.
#[expect(clippy::cast_possible_truncation, reason = "see above")]
pub(super) const fn advanced(now: u64, before: u64) -> usize {
    (now - before) as usize
}
