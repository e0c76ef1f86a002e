//! [`read`]: from a socket that is ready, for both backends.

use std::io;

use rustix::{
    fd::{AsFd as _, BorrowedFd},
    io::Errno,
};

use crate::{event_loop::EventLoop, handler::Handler};

/// What is smaller arrives in the thread's buffer; of what is larger, the first part does and is
/// copied once. So it holds a message of 64 KiB with its header, and not much more.
pub(super) const BUFFER_LEN: usize = (64 << 10) + 64;

/// Of a large message so much is read at once; then others have their turn.
const READ_AT_ONCE_LEN_MAX: usize = 4 << 20;

/// With so much queued a connection does not wait for the end of the turn: by then the bytes would
/// have left the cache.
pub(super) const CORKED_LEN_MAX: usize = 4 << 10;

/// Reads once; or, while a large message is under way, as long as there is something: to go on
/// with it now, while it is in the core's cache, is cheaper than to take turns. Tells how much the
/// last read brought.
pub(super) fn read<H: Handler>(
    event_loop: &mut EventLoop<H>,
    index: u32,
    buffer: &mut [u8],
    mut recv: impl FnMut(BorrowedFd<'_>, &mut [u8]) -> rustix::io::Result<usize>,
) -> usize {
    let Some(conn) = event_loop.plane.conns.get(index) else { return 0 };
    if conn.kept.as_ref().is_some_and(|kept| kept.unheard) {
        return 0; // that comes first, when the turn ends
    }
    let mut read_len = 0;
    while let Some((fd, target)) = event_loop.read_target(index) {
        if read_len >= READ_AT_ONCE_LEN_MAX {
            return read_len; // it is still ready, and comes again after the others
        }
        let offered = target.len();
        match recv(fd, target) {
            Ok(len @ 1..) => {
                read_len += len;
                event_loop.filled(index, len);
                if len < offered {
                    return read_len;
                }
            }
            nothing => return end(event_loop, index, nothing),
        }
    }
    let Some(conn) = event_loop.plane.conns.get(index) else { return 0 };
    match recv(conn.socket.as_fd(), buffer) {
        Ok(len @ 1..) => {
            event_loop.received(index, &mut buffer[..len]);
            len
        }
        nothing => end(event_loop, index, nothing),
    }
}

fn end<H: Handler>(
    event_loop: &mut EventLoop<H>,
    index: u32,
    nothing: rustix::io::Result<usize>,
) -> usize {
    match nothing {
        Ok(_) => event_loop.eof(index),
        Err(Errno::AGAIN | Errno::INTR) => {}
        Err(error) => event_loop.broken(index, &io::Error::from(error)),
    }
    0
}
