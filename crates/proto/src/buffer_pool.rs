//! Message buffers between two uses: [`BufferPool`].

use alloc::vec::Vec;
use core::mem;

use crate::buffer::MessageBuf;

/// Buffers between two uses, by size class, bounded in bytes. One per thread.
#[derive(Debug)]
pub struct BufferPool {
    /// Class `i` holds buffers of at least `CLASS_MIN << i` bytes.
    classes: [Vec<MessageBuf>; CLASS_COUNT],
    held_len: usize,
    held_len_max: usize,
}

const CLASS_MIN: usize = 1 << 12;
/// 4 KiB to 4 MiB; what is larger goes back to the allocator.
const CLASS_COUNT: usize = 11;

impl BufferPool {
    /// A pool that keeps at most `held_len_max` bytes of unused buffers.
    pub fn new(held_len_max: usize) -> Self {
        Self { classes: [const { Vec::new() }; CLASS_COUNT], held_len: 0, held_len_max }
    }

    /// An empty buffer with room for at least `capacity` bytes.
    pub fn take(&mut self, capacity: usize) -> MessageBuf {
        let class = class_that_holds(capacity);
        // A buffer of the next class is better than an allocation; one far larger would pin memory.
        for i in class..CLASS_COUNT.min(class + 2) {
            if let Some(buf) = self.classes[i].pop() {
                self.held_len -= buf.capacity();
                return buf;
            }
        }
        MessageBuf::with_capacity(if class < CLASS_COUNT { CLASS_MIN << class } else { capacity })
    }

    /// Takes back a buffer that is not needed any more. Its content is forgotten.
    pub fn give(&mut self, mut buf: MessageBuf) {
        buf.clear();
        let capacity = buf.capacity();
        if capacity < CLASS_MIN || self.held_len + capacity > self.held_len_max {
            return;
        }
        let class = class_that_holds(capacity + 1) - 1;
        if class < CLASS_COUNT {
            self.held_len += capacity;
            self.classes[class].push(buf);
        }
    }

    /// Moves `buf`'s content to a buffer with room for at least `capacity` bytes in all.
    pub(crate) fn grow(&mut self, buf: &mut MessageBuf, capacity: usize) {
        if buf.capacity() < capacity {
            let mut larger = self.take(capacity);
            larger.extend_from_slice(buf);
            self.give(mem::replace(buf, larger));
        }
    }
}

/// The smallest class whose buffers all hold `capacity` bytes.
fn class_that_holds(capacity: usize) -> usize {
    let units = capacity.div_ceil(CLASS_MIN).max(1);
    units.next_power_of_two().trailing_zeros() as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::buffer::HEADROOM;

    #[test]
    fn the_pool_holds_no_more_than_its_bound() {
        let mut pool = BufferPool::new(3 * (CLASS_MIN + HEADROOM));
        let buffers: Vec<_> = (0..5).map(|_| pool.take(CLASS_MIN)).collect();
        for buf in buffers {
            pool.give(buf);
        }
        assert!(pool.held_len <= pool.held_len_max);
        assert_eq!(pool.classes.iter().map(Vec::len).sum::<usize>(), 3);
    }

    #[test]
    fn what_is_taken_has_the_room_that_was_asked_for() {
        let mut pool = BufferPool::new(64 << 20);
        for capacity in [0, 1, CLASS_MIN - 1, CLASS_MIN, CLASS_MIN + 1, 100_000, 5 << 20] {
            for _ in 0..3 {
                let buf = pool.take(capacity);
                assert!(buf.capacity() >= capacity && buf.is_empty());
                pool.give(buf);
            }
        }
    }
}
