//! [`Queue`]: lines on their way to somebody who may not take them.
//!
//! Standard error is often a pipe. While nobody reads at its other end, a write waits, and a thread with ten
//! thousand sessions must not. So lines are put here, and one thread of its own writes them, many at a time.

use std::{
    io::{self, Write},
    mem,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tracing::warn;

/// A bounded queue of lines. What does not fit is dropped and counted.
#[derive(Debug)]
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    /// Something has been put in, or written.
    changed: Condvar,
    len_max: usize,
    dropped: Arc<AtomicU64>,
}

#[derive(Debug, Default)]
struct Waiting {
    lines: Vec<u8>,
    /// Whether some are being written.
    writing: bool,
}

/// Memory that a quiet queue keeps.
const KEPT: usize = 16 << 10;

impl Queue {
    /// For so many bytes.
    pub(crate) fn new(len_max: usize) -> Self {
        Self {
            waiting: Mutex::default(),
            changed: Condvar::new(),
            len_max,
            dropped: Arc::default(),
        }
    }

    /// How many lines did not fit.
    pub(crate) fn dropped(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.dropped)
    }

    /// Writes what is put in, for ever. Once there is room again, the log tells what it has not.
    pub(crate) fn write_to(&self, mut to: impl Write) {
        let mut lines = Vec::new();
        let mut told = 0;
        loop {
            self.take(&mut lines);
            // Whoever does not want it may close it.
            let _ = to.write_all(&lines);
            lines.clear();
            lines.shrink_to(KEPT);
            let dropped = self.dropped.load(Ordering::Relaxed);
            if dropped > told {
                warn!(lines = dropped - told, "the log was not taken in time: lines were dropped");
                told = dropped;
            }
        }
    }

    /// Waits until everything has been written, or for so long.
    pub(crate) fn flush(&self, within: Duration) {
        let is_busy = |waiting: &mut Waiting| waiting.writing || !waiting.lines.is_empty();
        // Whether in time or not, there is nothing more to do.
        drop(self.changed.wait_timeout_while(self.lock(), within, is_busy));
    }

    /// All there is, as soon as there is something, in exchange for an empty buffer.
    fn take(&self, empty: &mut Vec<u8>) {
        let mut waiting = self.lock();
        waiting.writing = false;
        self.changed.notify_all();
        let is_empty = |waiting: &mut Waiting| waiting.lines.is_empty();
        let waiting = self.changed.wait_while(waiting, is_empty);
        let mut waiting = waiting.unwrap_or_else(PoisonError::into_inner);
        waiting.writing = true;
        mem::swap(&mut waiting.lines, empty);
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Nothing in here panics while it holds the lock.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A line, with one call.
impl Write for &Queue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut waiting = self.lock();
        if waiting.lines.len() + line.len() > self.len_max {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        } else {
            waiting.lines.extend_from_slice(line);
            self.changed.notify_all();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, thread, time::Instant};

    use super::*;

    /// Takes a batch whenever it is allowed to, and hands it on.
    struct Slow {
        allowed: mpsc::Receiver<()>,
        taken: mpsc::Sender<Vec<u8>>,
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
            self.allowed.recv().map_err(gone)?;
            self.taken.send(bytes.to_vec()).map_err(|_| gone(mpsc::RecvError))?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn slow(len_max: usize) -> (Arc<Queue>, mpsc::Sender<()>, mpsc::Receiver<Vec<u8>>) {
        let queue = Arc::new(Queue::new(len_max));
        let (allow, allowed) = mpsc::channel();
        let (taken, takes) = mpsc::channel();
        let from = Arc::clone(&queue);
        thread::spawn(move || from.write_to(Slow { allowed, taken }));
        (queue, allow, takes)
    }

    fn put(mut queue: &Queue, line: &str) {
        queue.write_all(line.as_bytes()).unwrap();
    }

    #[test]
    fn lines_leave_in_order_and_together() {
        let (queue, allow, taken) = slow(1 << 20);
        put(&queue, "first\n");
        allow.send(()).unwrap();
        assert_eq!(taken.recv().unwrap(), b"first\n");
        queue.flush(Duration::from_secs(10));
        put(&queue, "a\n"); // this alone, or with those that follow
        put(&queue, "b\n");
        put(&queue, "c\n");
        (0..3).for_each(|_| allow.send(()).unwrap());
        queue.flush(Duration::from_secs(10));
        assert_eq!(taken.try_iter().collect::<Vec<_>>().concat(), b"a\nb\nc\n");
    }

    #[test]
    fn nobody_waits_for_who_does_not_take_it() {
        let (queue, allow, taken) = slow(10);
        put(&queue, "1\n");
        while !queue.lock().writing {
            thread::yield_now();
        }
        for line in ["12345678\n", "1", "2", "3\n"] {
            put(&queue, line); // 9 bytes, 10 at the limit, and no more
        }
        assert_eq!(queue.dropped().load(Ordering::Relaxed), 2);
        let began = Instant::now();
        queue.flush(Duration::from_millis(20));
        assert!(began.elapsed() >= Duration::from_millis(20));
        (0..2).for_each(|_| allow.send(()).unwrap());
        queue.flush(Duration::from_secs(10));
        assert_eq!(taken.try_iter().collect::<Vec<_>>().concat(), b"1\n12345678\n1");
    }

    #[test]
    fn who_closes_it_hears_nothing_more() {
        let (queue, allow, _) = slow(1 << 20);
        drop(allow);
        put(&queue, "1\n");
        queue.flush(Duration::from_secs(10));
        put(&queue, "2\n");
        queue.flush(Duration::from_secs(10));
        assert!(queue.lock().lines.is_empty());
    }
}
