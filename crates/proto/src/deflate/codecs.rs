//! A thread's compressors and inflaters: [`Codecs`].

use alloc::{collections::BTreeMap, vec::Vec};
use core::mem;

use super::{
    deflater::{Deflater, DeflaterKind},
    inflater::Inflater,
};

/// Compressors and inflaters, shared by all connections of a thread.
///
/// Idle ones belong to nobody: whoever takes one begins a fresh stream with it. Live compressors
/// still know what their connection sent last and need not be rebuilt for its next message; those
/// used longest ago give way where they would take more memory than
/// [`set_live_len_max`](Self::set_live_len_max) allows. That a connection's compressor is gone, or
/// lives on another thread, costs time and nothing else.
#[derive(Debug)]
pub struct Codecs {
    inflaters: Vec<Inflater>,
    deflaters: Vec<Deflater>,
    /// By age: each use removes and inserts.
    live: BTreeMap<LiveKey, LiveDeflater>,
    next_key: u64,
    live_len: usize,
    live_len_max: usize,
    scratch: Vec<u8>,
}

/// Where a session's live compressor is, if it still is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LiveKey(u64);

/// A compressor between two messages of a connection with context takeover.
#[derive(Debug)]
pub(super) struct LiveDeflater {
    pub(super) deflater: Deflater,
    /// Which session's stream it knows.
    pub(super) session: u64,
    /// Up to where it knows that stream.
    pub(super) position: u64,
}

/// As many messages of one kind are under way at a time, mostly.
const IDLE_COUNT_MAX: usize = 4;

impl Codecs {
    /// Bytes that live compressors may take if [nobody says otherwise](Self::set_live_len_max): 64
    /// MiB are some 400 of them with 12 window bits at level 1, and more than 150 with 15.
    pub const LIVE_LEN_MAX: usize = 64 << 20;

    /// Empty pools; nothing is allocated until it is needed.
    pub fn new() -> Self {
        Self {
            inflaters: Vec::new(),
            deflaters: Vec::new(),
            live: BTreeMap::new(),
            next_key: 0,
            live_len: 0,
            live_len_max: Self::LIVE_LEN_MAX,
            scratch: Vec::new(),
        }
    }

    /// Bytes that live compressors may take, beside the few idle ones. Default:
    /// [`LIVE_LEN_MAX`](Self::LIVE_LEN_MAX).
    pub fn set_live_len_max(&mut self, live_len_max: usize) {
        self.live_len_max = live_len_max;
        self.trim();
    }

    /// Bytes that live compressors take now.
    pub const fn live_len(&self) -> usize {
        self.live_len
    }

    pub(super) fn take_inflater(&mut self) -> Inflater {
        self.inflaters.pop().unwrap_or_else(Inflater::new)
    }

    pub(super) fn give_inflater(&mut self, inflater: Inflater) {
        if self.inflaters.len() < IDLE_COUNT_MAX {
            self.inflaters.push(inflater);
        }
    }

    /// A compressor without history.
    pub(super) fn take_deflater(&mut self, kind: DeflaterKind) -> Deflater {
        let Some(i) = self.deflaters.iter().rposition(|idle| idle.kind() == kind) else {
            return Deflater::new(kind);
        };
        let mut deflater = self.deflaters.remove(i);
        deflater.reset();
        deflater
    }

    /// Takes back a compressor that stands between two messages; one in the middle of a message
    /// is dropped instead, see [`Deflater::reset`].
    pub(super) fn give_deflater(&mut self, deflater: Deflater) {
        if self.deflaters.len() == IDLE_COUNT_MAX {
            // The oldest, which may be of a kind that nobody asks for any more.
            self.deflaters.remove(0);
        }
        self.deflaters.push(deflater);
    }

    /// Takes `session`'s live compressor, if it is still here.
    pub(super) fn take_live(&mut self, key: LiveKey, session: u64) -> Option<LiveDeflater> {
        // Another thread has the same keys for other sessions.
        if self.live.get(&key)?.session != session {
            return None;
        }
        let live = self.live.remove(&key)?;
        self.live_len -= live.deflater.kind().memory_len();
        Some(live)
    }

    /// Keeps a compressor that stands between two messages, as the most recently used one.
    ///
    /// Where the budget is full, every second one is not kept: of connections that take turns and are
    /// more than fit, the least recently used is the very one that comes next, and to make room by
    /// the oldest alone would lose each of them just before it is needed.
    pub(super) fn keep_live(&mut self, live: LiveDeflater) -> LiveKey {
        let key = LiveKey(self.next_key);
        self.next_key += 1;
        let len = live.deflater.kind().memory_len();
        if self.live_len + len > self.live_len_max && key.0.is_multiple_of(2) {
            self.give_deflater(live.deflater);
            return key;
        }
        self.live_len += len;
        self.live.insert(key, live);
        self.trim();
        key
    }

    /// A buffer for a moment, which [`give_scratch`](Self::give_scratch) takes back.
    pub(super) fn take_scratch(&mut self) -> Vec<u8> {
        mem::take(&mut self.scratch)
    }

    pub(super) fn give_scratch(&mut self, scratch: Vec<u8>) {
        self.scratch = scratch;
    }

    fn trim(&mut self) {
        while self.live_len > self.live_len_max
            && let Some((_, oldest)) = self.live.pop_first()
        {
            self.live_len -= oldest.deflater.kind().memory_len();
            self.give_deflater(oldest.deflater);
        }
    }

    #[cfg(test)]
    pub(super) fn counts(&self) -> (usize, usize, usize) {
        (self.inflaters.len(), self.deflaters.len(), self.live.len())
    }
}

impl Default for Codecs {
    fn default() -> Self {
        Self::new()
    }
}
