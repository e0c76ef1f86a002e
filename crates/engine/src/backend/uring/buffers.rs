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
        let mut buffers = Self::new(shape);
        let (submitter, address) = (ring.submitter(), (&raw const *buffers.entries) as u64);
        // SAFETY: `entries` has room for `count` of them and stands in a box of its own, which lives
        // as long as `buffers`; the caller sees to it that this is long enough.
        unsafe {
            submitter.register_buf_ring_with_flags(address, shape.count, GROUP, shape.flags)?;
        }
        buffers.offer_all();
        Ok(buffers)
    }

    /// Memory that no kernel knows of yet.
    fn new(shape: Shape) -> Self {
        let len = usize::from(shape.count) * shape.len as usize;
        Self {
            entries: Box::new(Entries(std::array::from_fn(|_| Entry::default()))),
            memory: (0..len).map(|_| UnsafeCell::new(0)).collect(),
            shape,
            used: vec![0; shape.count.into()],
            tail: 0,
        }
    }

    fn offer_all(&mut self) {
        for buffer in 0..self.shape.count {
            self.offer(buffer);
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    const SELECTED: u32 = 1; // IORING_CQE_F_BUFFER
    const MORE: u32 = 1 << 4; // IORING_CQE_F_BUF_MORE

    /// What a kernel does, on one thread, so that Miri can look on.
    struct Kernel {
        buffers: Buffers,
        head: u16,
        /// How much is used up of the buffer at the head.
        used: u32,
    }

    impl Kernel {
        fn new(shape: Shape) -> Self {
            let mut buffers = Buffers::new(shape);
            buffers.offer_all();
            Self { buffers, head: 0, used: 0 }
        }

        /// Receives into the buffer at the head: flags and result of the completion, or `None`
        /// without a buffer.
        fn receive(&mut self, bytes: &[u8]) -> Option<(u32, i32)> {
            let Buffers { entries, shape, .. } = &self.buffers;
            if self.head == entries.0[0].tail.load(Ordering::Acquire) {
                return None;
            }
            let entry = &entries.0[usize::from(self.head & (shape.count - 1))];
            let (buffer, len) =
                (entry.buffer.load(Ordering::Relaxed), entry.len.load(Ordering::Relaxed));
            let taken = bytes.len().min((len - self.used) as usize);
            let start = usize::from(buffer) * shape.len as usize;
            let first = &self.buffers.memory[start];
            assert_eq!(entry.address.load(Ordering::Relaxed), (&raw const *first) as u64);
            for (i, byte) in bytes[..taken].iter().enumerate() {
                let cell = &self.buffers.memory[start + self.used as usize + i];
                // SAFETY: one thread, and nothing of the memory is borrowed.
                unsafe { *cell.get() = *byte };
            }
            self.used += u32::try_from(taken).unwrap();
            let more = shape.flags & INCREMENTAL != 0 && self.used < len;
            if !more {
                (self.head, self.used) = (self.head.wrapping_add(1), 0);
            }
            let flags = u32::from(buffer) << 16 | SELECTED | if more { MORE } else { 0 };
            Some((flags, i32::try_from(taken).unwrap()))
        }

        fn hear(&mut self, (flags, result): (u32, i32)) -> Vec<u8> {
            let heard = self.buffers.hear(flags, result, |bytes| {
                let heard = bytes.to_vec();
                bytes.fill(0xEE); // it is ours to write to: unmasking does
                heard
            });
            heard.expect("a buffer was used")
        }
    }

    const SMALL: [Shape; 2] =
        [Shape { count: 4, len: 16, flags: INCREMENTAL }, Shape { count: 4, len: 16, flags: 0 }];

    #[test]
    fn what_was_received_is_heard_and_the_memory_used_again() {
        for shape in SMALL {
            let mut kernel = Kernel::new(shape);
            for round in 0..40_u8 {
                let sent: Vec<u8> = (0..=round % 17).map(|i| round ^ i).collect();
                let mut rest = &sent[..];
                while !rest.is_empty() {
                    let completion = kernel.receive(rest).expect("each buffer comes back");
                    let heard = kernel.hear(completion);
                    assert_eq!(heard, rest[..heard.len()], "{shape:?}, round {round}");
                    rest = &rest[heard.len()..];
                }
            }
        }
    }

    #[test]
    fn completions_may_wait_until_all_is_used_up() {
        for shape in SMALL {
            let mut kernel = Kernel::new(shape);
            let completions: Vec<_> = (0..).map_while(|i| kernel.receive(&[i; 5])).collect();
            assert!(completions.len() >= 4, "{shape:?}");
            for (i, completion) in (0_u8..).zip(completions) {
                assert!(kernel.hear(completion).iter().all(|byte| *byte == i));
            }
            assert!(kernel.receive(&[1]).is_some(), "all are offered again");
        }
    }

    #[test]
    fn a_completion_without_a_buffer_or_of_one_that_is_not_ours_shows_nothing() {
        let mut buffers = Buffers::new(SMALL[0]);
        for flags in [0, MORE, 4 << 16 | SELECTED, 0xFFFF << 16 | SELECTED] {
            assert!(buffers.hear(flags, 5, |_| ()).is_none(), "{flags:#x}");
        }
        // An error has no bytes, and no kernel says more than there is room for.
        assert_eq!(buffers.hear(SELECTED, -5, |bytes| bytes.len()), Some(0));
        assert_eq!(buffers.hear(SELECTED | MORE, 1000, |bytes| bytes.len()), Some(16));
    }
}
