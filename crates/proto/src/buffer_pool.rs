//! Message buffers between two uses: [`BufferPool`].

use alloc::vec::Vec;
use core::{fmt, mem};

use crate::buffer::MessageBuf;

/// Buffers between two uses, by size class, bounded in bytes. One per thread.
pub struct BufferPool {
    /// Class `i` holds buffers of at least `CLASS_MIN << i` bytes.
    classes: [Class; CLASS_COUNT],
    held_len: usize,
    held_len_max: usize,
}

#[derive(Default)]
struct Class {
    buffers: Vec<MessageBuf>,
    /// How few of them there were at some time since the pool was last trimmed.
    fewest: usize,
}

const CLASS_MIN: usize = 1 << 12;
/// 4 KiB to 4 MiB; what is larger goes back to the allocator.
const CLASS_COUNT: usize = 11;

impl BufferPool {
    /// A pool that keeps at most `held_len_max` bytes of unused buffers.
    pub fn new(held_len_max: usize) -> Self {
        let classes = [(); CLASS_COUNT].map(|()| Class::default());
        Self { classes, held_len: 0, held_len_max }
    }

    /// An empty buffer with room for at least `capacity` bytes.
    pub fn take(&mut self, capacity: usize) -> MessageBuf {
        let class = class_that_holds(capacity);
        // A buffer of the next class is better than an allocation; one far larger would pin memory.
        for class in self.classes.iter_mut().skip(class).take(2) {
            if let Some(buf) = class.pop() {
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
        if let Some(class) = self.classes.get_mut(class_that_holds(capacity + 1) - 1) {
            self.held_len += capacity;
            class.buffers.push(buf);
        }
    }

    /// Bytes of unused buffers.
    pub const fn held_len(&self) -> usize {
        self.held_len
    }

    /// Gives back to the allocator what nobody has used since this was last called.
    ///
    /// For drivers that have a timer, and send on what they received: many large messages under way
    /// want a large bound, and a thread that has become idle should not keep so much for ever.
    /// Called every few seconds, a pool holds no more than was in use at one time since the last
    /// but one call, and nothing once all is idle.
    pub fn trim(&mut self) {
        for class in &mut self.classes {
            // The latest are used first, so those at the front have not been.
            for buf in class.buffers.drain(..class.fewest) {
                self.held_len -= buf.capacity();
            }
            class.fewest = class.buffers.len();
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

impl Class {
    fn pop(&mut self) -> Option<MessageBuf> {
        let buf = self.buffers.pop();
        self.fewest = self.fewest.min(self.buffers.len());
        buf
    }
}

impl fmt::Debug for BufferPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BufferPool")
            .field("held_len", &self.held_len)
            .field("held_len_max", &self.held_len_max)
            .finish_non_exhaustive()
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
        assert_eq!(pool.classes.iter().map(|class| class.buffers.len()).sum::<usize>(), 3);
    }

    /// L10: what was not in use between two calls goes, and what was stays.
    #[test]
    fn l10_unused_buffers_are_given_back() {
        let mut pool = BufferPool::new(64 << 20);
        let use_at_once = |pool: &mut BufferPool, count| {
            let buffers: Vec<_> = (0..count).map(|_| pool.take(1 << 18)).collect();
            for buf in buffers {
                pool.give(buf);
            }
        };
        let held = |pool: &BufferPool| pool.held_len() / (1 << 18);
        use_at_once(&mut pool, 100);
        pool.trim();
        assert_eq!(held(&pool), 100, "they have all been in use");
        use_at_once(&mut pool, 10);
        use_at_once(&mut pool, 30);
        use_at_once(&mut pool, 20);
        pool.trim();
        assert_eq!(held(&pool), 30);
        pool.trim();
        assert_eq!(pool.held_len(), 0, "nobody has used them");
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
