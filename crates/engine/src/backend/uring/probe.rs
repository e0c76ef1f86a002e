//! [`probe`]: whether this kernel does all that the backend relies on.

use std::{io, thread};

use bytes::Bytes;
use rustix::{
    fd::{AsFd as _, OwnedFd},
    io::Errno,
    net::{AddressFamily, SocketFlags, SocketType, socketpair},
};

use super::{
    buffers::Shape,
    load::Load,
    ring::{Ring, Wait},
    token::Name,
};

/// Looks whether this kernel does all that is needed of it.
///
/// On a thread of its own: when a ring ends, the kernel interrupts the thread that has made it.
pub(crate) fn probe() -> io::Result<Probed> {
    let probing = thread::Builder::new().spawn(|| {
        let shape = if tells_in_order() { Shape::INCREMENTAL } else { Shape::WHOLE };
        // A kernel may know less than its number says.
        let (shape, mut ring) = match Ring::new(shape) {
            Ok(ring) => (shape, ring),
            Err(_) => (Shape::WHOLE, Ring::new(Shape::WHOLE)?),
        };
        try_sends(&mut ring)?;
        Ok(Probed { shape })
    })?;
    probing.join().unwrap_or_else(|_| Err(io::ErrorKind::Other.into()))
}

/// What is known of this kernel.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Probed {
    shape: Shape,
}

impl Probed {
    /// A ring for this thread.
    pub(super) fn ring(self) -> io::Result<Ring> {
        Ring::new(self.shape)
    }
}

/// Pieces of a buffer are known by the order of their completions. Up to 6.14, the last completion
/// of one connection's receive could be told after that of another which came later.
fn tells_in_order() -> bool {
    let name = rustix::system::uname();
    let release = name.release().to_string_lossy();
    let mut numbers = release.split(['.', '-']).map(|part| part.parse::<u32>().unwrap_or(0));
    (numbers.next(), numbers.next()) >= (Some(6), Some(15))
}

/// That a send is done when it has been submitted, whole or not, and that it says so, is what its
/// memory depends on.
fn try_sends(ring: &mut Ring) -> io::Result<()> {
    const LARGE: usize = 8 << 20;
    let (ours, theirs) = pair()?;
    let mut buffer = [0; 16];
    let whole = send(ring, &ours, Bytes::from_static(b"small"))?;
    let small = rustix::io::read(&theirs, &mut buffer)?;
    let first = send(ring, &ours, vec![0; LARGE].into())?;
    let second = send(ring, &ours, Bytes::from_static(b"more"))?;
    drop(theirs);
    let third = send(ring, &ours, Bytes::from_static(b"gone"))?;
    let as_expected = whole == Ok(5)
        && small == 5
        && first.is_ok_and(|written| written > 0 && written < LARGE)
        && second == Ok(0)
        && third == Err(Errno::PIPE);
    if as_expected { Ok(()) } else { Err(io::ErrorKind::Unsupported.into()) }
}

fn pair() -> rustix::io::Result<(OwnedFd, OwnedFd)> {
    socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)
}

fn send(ring: &mut Ring, fd: &OwnedFd, bytes: Bytes) -> io::Result<Result<usize, Errno>> {
    ring.send(fd.as_fd(), Name::new(0, 0), Load::Shared(bytes), true)?;
    ring.enter(Wait::Not)?;
    ring.take_completions(&mut Vec::new());
    let sends = ring.take_sends();
    let send = sends.first().ok_or(io::ErrorKind::Unsupported)?;
    Ok(send.result())
}
