//! [`Buffers`]: the memory that the kernel receives into, shared by all connections of a thread.

use std::{
    cell::UnsafeCell,
    io,
    sync::atomic::{AtomicU16, AtomicU32, AtomicU64, Ordering},
};

use io_uring::{IoUring, cqueue};

/// Buffers that the kernel takes by itself, one after the other, when something arrives.
///
/// Where the kernel can, it uses up a buffer piece by piece, so that a few large ones hold many
/// small messages and nearly every message that is not small is in one piece. Before, each receive
/// takes a buffer for itself, and there are many small ones.
pub(super) struct Buffers {
    entries: Box<Entries>,
    /// The kernel writes to it.
    memory: Box<[UnsafeCell<u8>]>,
    shape: Shape,
    /// How much of each buffer has been used up, as far as we have heard.
    used: Vec<u32>,
    tail: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    count: u16,
    len: u32,
    flags: u16,
}

/// Where receives find the buffers.
pub(super) const GROUP: u16 = 0;

/// `IOU_PBUF_RING_INC`: a buffer is used up piece by piece. Linux 6.12.
const INCREMENTAL: u16 = 2;

impl Shape {
    pub(super) const INCREMENTAL: Self = Self { count: 8, len: 64 << 10, flags: INCREMENTAL };
    pub(super) const WHOLE: Self = Self { count: 128, len: 4 << 10, flags: 0 };
}

/// The ring in which the kernel is told of buffers, as `io_uring_register(2)` has it: entries of
/// sixteen bytes on pages of their own. The tail is the last field of the first.
#[repr(C, align(4096))]
struct Entries([Entry; COUNT_MAX]);

#[repr(C)]
#[derive(Default)]
struct Entry {
    address: AtomicU64,
    len: AtomicU32,
    buffer: AtomicU16,
    tail: AtomicU16,
}

const COUNT_MAX: usize = 128;

// The kernel knows them by these.
const _: () = assert!(size_of::<Entry>() == 16 && align_of::<Entries>() == 4096);

impl Buffers {
    /// Registers buffers with a ring.
    ///
    /// # Safety
    /// They must outlive every receive of the ring from [`GROUP`].
    pub(super) unsafe fn register(ring: &IoUring, shape: Shape) -> io::Result<Self> {
        let len = usize::from(shape.count) * shape.len as usize;
        let mut buffers = Self {
            entries: Box::new(Entries(std::array::from_fn(|_| Entry::default()))),
            memory: (0..len).map(|_| UnsafeCell::new(0)).collect(),
            shape,
            used: vec![0; shape.count.into()],
            tail: 0,
        };
        let (submitter, address) = (ring.submitter(), (&raw const *buffers.entries) as u64);
        // SAFETY: `entries` has room for `count` of them and stands in a box of its own, which lives
        // as long as `buffers`; the caller sees to it that this is long enough.
        unsafe {
            submitter.register_buf_ring_with_flags(address, shape.count, GROUP, shape.flags)?;
        }
        for buffer in 0..shape.count {
            buffers.offer(buffer);
        }
        Ok(buffers)
    }

    /// Shows `f` what a completion has brought, and has the memory used again. `None`: no buffer was
    /// used.
    pub(super) fn hear<R>(
        &mut self,
        flags: u32,
        result: i32,
        f: impl FnOnce(&mut [u8]) -> R,
    ) -> Option<R> {
        let buffer = cqueue::buffer_select(flags).filter(|buffer| *buffer < self.shape.count)?;
        let used = &mut self.used[usize::from(buffer)];
        let start = usize::from(buffer) * self.shape.len as usize + *used as usize;
        let len = u32::try_from(result).unwrap_or(0).min(self.shape.len - *used);
        *used += len;
        let piece = &self.memory[start..start + len as usize];
        let first = UnsafeCell::raw_get(piece.as_ptr());
        // SAFETY: `first` is that of `piece`, whose cells may be written to, and are initialised.
        // Nobody else has these bytes: the kernel has told of them, and comes back to them when the
        // whole buffer has been offered again, which is below at the earliest; pieces of a buffer
        // follow each other, and `self` is borrowed while this one is seen.
        let bytes = unsafe { std::slice::from_raw_parts_mut(first, piece.len()) };
        let heard = f(bytes);
        // Completions come in the order in which the pieces were used: this is the last one.
        if !cqueue::buffer_more(flags) {
            self.offer(buffer);
        }
        Some(heard)
    }

    /// Puts a whole buffer into the ring.
    fn offer(&mut self, buffer: u16) {
        self.used[usize::from(buffer)] = 0;
        let at = usize::from(buffer) * self.shape.len as usize;
        let entry = &self.entries.0[usize::from(self.tail & (self.shape.count - 1))];
        let address = (&raw const self.memory[at]) as u64;
        entry.address.store(address, Ordering::Relaxed);
        entry.len.store(self.shape.len, Ordering::Relaxed);
        entry.buffer.store(buffer, Ordering::Relaxed);
        self.tail = self.tail.wrapping_add(1);
        // The kernel reads the entry after it has read the tail.
        self.entries.0[0].tail.store(self.tail, Ordering::Release);
    }
}
