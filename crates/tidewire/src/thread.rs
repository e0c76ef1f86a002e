//! What the connections of a thread share: the protocol's context and its read buffers.
//!
//! Nothing here is held by a connection that is idle: buffers are taken when bytes arrive and go
//! back when they are drained.

use std::{
    cell::{Cell, RefCell},
    sync::LazyLock,
    time::{Duration, Instant},
};

use tidewire_proto::{Context, MaskSource, Timestamp};

use crate::turns;

/// One read takes at most this much.
pub(crate) const READ_LEN: usize = 64 << 10;

/// What a read left over moves to a buffer of this size, where it fits: two small unread messages
/// must not pin a large buffer.
const SMALL_LEN: usize = 4 << 10;

/// Unused buffers that a thread keeps, of each size.
const KEPT_MAX: usize = 16;

struct Thread {
    cx: Context,
    large: Vec<Box<[u8]>>,
    small: Vec<Box<[u8]>>,
}

thread_local! {
    static THREAD: RefCell<Thread> = RefCell::new(Thread {
        cx: Context::new(Box::new(SystemRandom)),
        large: Vec::new(),
        small: Vec::new(),
    });

    /// The large buffer that came back last, before the others: each read takes one and gives it
    /// back, and a cell has it at once.
    static LAST: Cell<Option<Box<[u8]>>> = const { Cell::new(None) };
}

/// The origin of every [`Timestamp`] in this process.
static ORIGIN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Runs `f` with the thread's context, the time as it was when last somebody read from a socket.
///
/// `f` must not call out to a transport: that may be one of ours.
pub(crate) fn with_context<T>(f: impl FnOnce(&mut Context) -> T) -> T {
    THREAD.with_borrow_mut(|thread| f(&mut thread.cx))
}

/// Moves the thread's time on, once for all that is read in a turn of its runtime.
#[inline]
pub(crate) fn update_time_of_turn() {
    if turns::is_new() {
        update_time();
    }
}

/// Moves the thread's time on to now.
pub(crate) fn update_time() {
    let now = timestamp(tokio::time::Instant::now());
    with_context(|cx| cx.now = now);
}

pub(crate) fn timestamp(at: tokio::time::Instant) -> Timestamp {
    let since = at.into_std().saturating_duration_since(*ORIGIN);
    Timestamp::ZERO.saturating_add(since)
}

pub(crate) fn instant(at: Timestamp) -> tokio::time::Instant {
    // Far deadlines are cut to a year, which every clock can represent.
    let since = Duration::from_nanos(at.as_nanos()).min(YEAR + ORIGIN.elapsed());
    tokio::time::Instant::from_std(*ORIGIN + since)
}

const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// A buffer for one read.
#[inline]
pub(crate) fn take_read_buffer() -> Box<[u8]> {
    LAST.take().unwrap_or_else(take_another_read_buffer)
}

#[cold]
fn take_another_read_buffer() -> Box<[u8]> {
    THREAD
        .with_borrow_mut(|thread| thread.large.pop())
        .unwrap_or_else(|| vec![0; READ_LEN].into_boxed_slice())
}

/// A buffer that holds `bytes` at its front: a small one if they fit.
pub(crate) fn small_copy(bytes: &[u8]) -> Option<Box<[u8]>> {
    if bytes.len() > SMALL_LEN {
        return None;
    }
    let mut buffer = THREAD
        .with_borrow_mut(|thread| thread.small.pop())
        .unwrap_or_else(|| vec![0; SMALL_LEN].into_boxed_slice());
    buffer[..bytes.len()].copy_from_slice(bytes);
    Some(buffer)
}

/// Takes a buffer back.
pub(crate) fn give_read_buffer(buffer: Box<[u8]>) {
    let buffer = if buffer.len() == READ_LEN {
        // A thread that is being torn down has nothing to keep it in.
        match LAST.try_with(|last| last.replace(Some(buffer))) {
            Ok(Some(before)) => before,
            Ok(None) | Err(_) => return,
        }
    } else {
        buffer
    };
    keep(buffer);
}

#[cold]
fn keep(buffer: Box<[u8]>) {
    let _ = THREAD.try_with(|thread| {
        let mut thread = thread.borrow_mut();
        let kept = match buffer.len() {
            READ_LEN => &mut thread.large,
            SMALL_LEN => &mut thread.small,
            // What came with the opening handshake is as long as it was.
            _ => return,
        };
        if kept.len() < KEPT_MAX {
            kept.push(buffer);
        }
    });
}

/// The operating system's generator. §10.3: keys "MUST be unpredictable"; no feature of this
/// crate selects another one.
struct SystemRandom;

impl MaskSource for SystemRandom {
    #[expect(clippy::expect_used, reason = "without randomness nothing may be sent (§10.3)")]
    fn fill(&mut self, out: &mut [u8]) {
        getrandom::fill(out).expect("the operating system's random generator works");
    }

    fn incarnation(&self) -> u32 {
        std::process::id()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_buffers_of_the_two_sizes_are_kept() {
        for len in [0, 42, SMALL_LEN - 1, SMALL_LEN + 1, READ_LEN - 1, READ_LEN + 1] {
            give_read_buffer(vec![0; len].into_boxed_slice());
            assert_eq!(take_read_buffer().len(), READ_LEN, "{len}");
            assert_eq!(small_copy(&[7; SMALL_LEN]).as_deref(), Some(&[7; SMALL_LEN][..]), "{len}");
        }
        assert!(small_copy(&[0; SMALL_LEN + 1]).is_none());
    }
}
