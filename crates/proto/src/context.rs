//! What a connection needs from outside: the time, masking keys, and the thread's pools.

use alloc::{boxed::Box, vec::Vec};
use core::fmt;

use crate::{
    buffer_pool::BufferPool,
    outbox::{Queue, QueuePool},
    time::Timestamp,
};

/// A source of unpredictable bytes for masking keys (RFC 6455 §5.3, §10.3).
///
/// It must be a cryptographically strong generator, such as the operating system's: a key that
/// can be guessed lets a page choose the bytes that an intermediary sees.
pub trait MaskSource: Send {
    /// Fills `out` with fresh random bytes.
    fn fill(&mut self, out: &mut [u8]);

    /// A number that changes where bytes drawn before must not be used any more: the process id,
    /// so that a forked child does not repeat its parent's keys.
    fn incarnation(&self) -> u32 {
        0
    }
}

/// What every call hands in. One per thread, owned by the driver and shared by its connections.
pub struct Context {
    /// The time of this turn; the driver moves it on.
    pub now: Timestamp,
    /// Buffers between two uses. A driver that sends on what it received, and has many large
    /// messages under way, puts a larger pool here and [trims](BufferPool::trim) it.
    pub buffers: BufferPool,
    /// Compressors and inflaters, between two uses or still knowing what a connection sent.
    #[cfg(feature = "deflate")]
    pub codecs: crate::deflate::Codecs,
    masks: MaskKeys,
    queues: QueuePool,
}

impl Context {
    /// A context whose masking keys come from `masks`, and which keeps at most 8 MiB of unused
    /// buffers and 16 MiB of live compressors.
    pub fn new(masks: Box<dyn MaskSource>) -> Self {
        Self {
            now: Timestamp::ZERO,
            buffers: BufferPool::new(8 << 20),
            #[cfg(feature = "deflate")]
            codecs: crate::deflate::Codecs::new(),
            masks: MaskKeys { batch: Vec::new(), incarnation: masks.incarnation(), source: masks },
            queues: QueuePool::default(),
        }
    }

    /// A fresh masking key (§5.3: "derived from a strong source of entropy", new for each frame).
    pub(crate) fn masking_key(&mut self) -> [u8; 4] {
        self.masks.next()
    }

    pub(crate) fn take_queue(&mut self) -> Box<Queue> {
        self.queues.take()
    }

    pub(crate) fn give_queue(&mut self, queue: Box<Queue>) {
        self.queues.give(queue);
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("now", &self.now).finish_non_exhaustive()
    }
}

/// Keys drawn in batches: one call of the operating system serves 256 frames.
struct MaskKeys {
    batch: Vec<[u8; 4]>,
    incarnation: u32,
    source: Box<dyn MaskSource>,
}

const BATCH_LEN: usize = 256;

impl MaskKeys {
    fn next(&mut self) -> [u8; 4] {
        let incarnation = self.source.incarnation();
        if self.incarnation != incarnation {
            self.incarnation = incarnation;
            self.batch.clear();
        }
        if let Some(key) = self.batch.pop() {
            return key;
        }
        let mut bytes = [0; 4 * BATCH_LEN];
        self.source.fill(&mut bytes);
        let (keys, _) = bytes.as_chunks();
        self.batch.extend_from_slice(keys);
        // The batch has just been filled.
        self.batch.pop().unwrap_or_default()
    }
}
