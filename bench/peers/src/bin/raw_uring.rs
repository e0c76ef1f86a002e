//! The raw limit on `io_uring`: sends back what it receives and knows no protocol; with
//! `broadcast`, sends it to every connection. Multishot accept and receive, one ring of small
//! buffers for all connections, from which what was received is sent without a copy, one send in
//! flight for each connection, and one system call per turn for all that is to be submitted.
#![expect(unsafe_code, reason = "the kernel is handed addresses; each block says why it may be")]
#![deny(
    unsafe_op_in_unsafe_fn,
    clippy::undocumented_unsafe_blocks,
    clippy::multiple_unsafe_ops_per_block
)]

use std::{
    alloc::{self, Layout},
    collections::VecDeque,
    io,
    net::{Shutdown, TcpListener, TcpStream},
    os::fd::{AsRawFd, FromRawFd, RawFd},
    ptr::NonNull,
    sync::atomic::{AtomicU16, Ordering},
};

use io_uring::{
    IoUring, cqueue, opcode,
    squeue::Entry,
    types::{BufRingEntry, Fd},
};
use rustix::io::Errno;
use tidewire_bench_peers::{asked_for, raw::listen};

fn main() -> io::Result<()> {
    Loop::new(asked_for("broadcast"))?.run(&listen()?)
}

const SUBMISSION_COUNT_MAX: u32 = 4096;
/// A broadcast to 10,000 completes that often before the completions are looked at.
const COMPLETION_COUNT_MAX: u32 = 1 << 16;

struct Loop {
    broadcast: bool,
    // Before the buffers: dropping the ring ends what the kernel may still do with them.
    ring: IoUring,
    buffers: Buffers,
    connections: Vec<Option<Connection>>,
    free: Vec<usize>,
    /// Who found no buffer, and shall try again.
    starved: Vec<usize>,
}

struct Connection {
    socket: TcpStream,
    /// What is to be sent; the first is on its way if `sending`.
    pieces: VecDeque<Piece>,
    sending: bool,
    /// Until its end has come; also while it is starved.
    receiving: bool,
}

/// What was received into a buffer.
#[derive(Clone, Copy)]
struct Piece {
    buffer: u16,
    len: u32,
}

/// What a completion is of, and of which connection: the kernel carries it as a number.
#[derive(Clone, Copy)]
enum Operation {
    Accept,
    Receive(usize),
    Send(usize),
}

impl Operation {
    const fn to_bits(self) -> u64 {
        match self {
            Self::Accept => 0,
            Self::Receive(index) => (index as u64) << 2 | 1,
            Self::Send(index) => (index as u64) << 2 | 2,
        }
    }

    const fn from_bits(bits: u64) -> Self {
        match (bits & 3, (bits >> 2) as usize) {
            (1, index) => Self::Receive(index),
            (2, index) => Self::Send(index),
            _ => Self::Accept,
        }
    }
}

impl Loop {
    fn new(broadcast: bool) -> io::Result<Self> {
        let ring = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_coop_taskrun()
            .setup_cqsize(COMPLETION_COUNT_MAX)
            .build(SUBMISSION_COUNT_MAX)?;
        let buffers = Buffers::register(&ring)?;
        let (connections, free, starved) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Self { broadcast, ring, buffers, connections, free, starved })
    }

    fn run(&mut self, listener: &TcpListener) -> io::Result<()> {
        self.accept(listener)?;
        let mut completions = Vec::new();
        loop {
            match self.ring.submit_and_wait(1) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            completions.extend(self.ring.completion());
            for completion in completions.drain(..) {
                match Operation::from_bits(completion.user_data()) {
                    Operation::Accept => {
                        let socket = completion.result();
                        if socket >= 0 {
                            self.accepted(socket)?;
                        }
                        if !cqueue::more(completion.flags()) {
                            self.accept(listener)?;
                        }
                    }
                    Operation::Receive(index) => self.received(index, &completion)?,
                    Operation::Send(index) => self.sent(index, completion.result())?,
                }
            }
            for index in std::mem::take(&mut self.starved) {
                self.receive(index)?;
            }
        }
    }

    fn accept(&mut self, listener: &TcpListener) -> io::Result<()> {
        let accept = opcode::AcceptMulti::new(Fd(listener.as_raw_fd())).build();
        self.submit(&accept, Operation::Accept)
    }

    fn accepted(&mut self, socket: RawFd) -> io::Result<()> {
        // SAFETY: the kernel has just made this descriptor for us, and nobody else knows it.
        let socket = unsafe { TcpStream::from_raw_fd(socket) };
        socket.set_nodelay(true)?;
        let index = self.free.pop().unwrap_or_else(|| {
            self.connections.push(None);
            self.connections.len() - 1
        });
        let pieces = VecDeque::new();
        self.connections[index] =
            Some(Connection { socket, pieces, sending: false, receiving: false });
        self.receive(index)
    }

    fn receive(&mut self, index: usize) -> io::Result<()> {
        let Some(connection) = &mut self.connections[index] else { return Ok(()) };
        connection.receiving = true;
        let socket = Fd(connection.socket.as_raw_fd());
        let receive = opcode::RecvMulti::new(socket, Buffers::GROUP).build();
        self.submit(&receive, Operation::Receive(index))
    }

    fn received(&mut self, index: usize, completion: &cqueue::Entry) -> io::Result<()> {
        if let Some(buffer) = cqueue::buffer_select(completion.flags()) {
            let len = u32::try_from(completion.result()).unwrap_or(0);
            self.distribute(index, Piece { buffer, len })?;
        }
        if cqueue::more(completion.flags()) {
            return Ok(());
        }
        match completion.result() {
            error if error == -Errno::NOBUFS.raw_os_error() => self.starved.push(index),
            len if len > 0 => self.receive(index)?,
            _ended => {
                if let Some(connection) = &mut self.connections[index] {
                    connection.receiving = false;
                }
                self.forget(index);
            }
        }
        Ok(())
    }

    /// Queues what has come on whatever connections it goes to.
    fn distribute(&mut self, index: usize, piece: Piece) -> io::Result<()> {
        let everybody = 0..self.connections.len();
        let receivers = if self.broadcast { everybody } else { index..index + 1 };
        // Held until all have been told: the first may be done before the last is.
        self.buffers.hold(piece.buffer);
        for receiver in receivers {
            if let Some(connection) = &mut self.connections[receiver] {
                self.buffers.hold(piece.buffer);
                connection.pieces.push_back(piece);
                if !connection.sending {
                    self.send(receiver)?;
                }
            }
        }
        self.buffers.release(piece.buffer);
        Ok(())
    }

    /// Sends the first piece that a connection has.
    fn send(&mut self, index: usize) -> io::Result<()> {
        let Some(connection) = &mut self.connections[index] else { return Ok(()) };
        let Some(piece) = connection.pieces.front() else { return Ok(()) };
        connection.sending = true;
        let socket = Fd(connection.socket.as_raw_fd());
        // All or nothing: the kernel itself goes on where a full socket stopped.
        let send = opcode::Send::new(socket, self.buffers.at(piece.buffer), piece.len)
            .flags(WAIT_ALL | NO_SIGNAL)
            .build();
        self.submit(&send, Operation::Send(index))
    }

    fn sent(&mut self, index: usize, result: i32) -> io::Result<()> {
        let Some(connection) = &mut self.connections[index] else { return Ok(()) };
        connection.sending = false;
        if let Some(piece) = connection.pieces.pop_front() {
            self.buffers.release(piece.buffer);
            if i64::from(result) != i64::from(piece.len) {
                // Ends the receiving too. It may have ended by itself.
                let _ = connection.socket.shutdown(Shutdown::Both);
                connection.pieces.drain(..).for_each(|piece| self.buffers.release(piece.buffer));
            }
        }
        if connection.receiving {
            return self.send(index);
        }
        self.forget(index);
        Ok(())
    }

    /// Lets go of a connection that receives no more, once nothing of it is under way.
    fn forget(&mut self, index: usize) {
        let ended = |connection: &mut Connection| !connection.receiving && !connection.sending;
        if let Some(connection) = self.connections[index].take_if(ended) {
            connection.pieces.iter().for_each(|piece| self.buffers.release(piece.buffer));
            self.free.push(index);
        }
    }

    fn submit(&mut self, entry: &Entry, operation: Operation) -> io::Result<()> {
        let entry = entry.clone().user_data(operation.to_bits());
        loop {
            // SAFETY: what an entry refers to outlives it. Sockets are closed only when nothing of
            // theirs is under way (`forget`), the listener at the end of the process; a buffer
            // that is sent from is held until the completion, and the buffers outlive the ring.
            if unsafe { self.ring.submission().push(&entry) }.is_ok() {
                return Ok(());
            }
            self.ring.submit()?;
        }
    }
}

/// `MSG_WAITALL` and `MSG_NOSIGNAL` of Linux.
const WAIT_ALL: i32 = 0x100;
const NO_SIGNAL: i32 = 0x4000;

/// The buffers into which the kernel receives, and the ring in which they are offered to it.
struct Buffers {
    entries: NonNull<BufRingEntry>,
    memory: NonNull<u8>,
    tail: u16,
    /// How many still want to send from a buffer. At none it is the kernel's.
    holders: Vec<u32>,
}

impl Buffers {
    const GROUP: u16 = 0;
    const COUNT: u16 = 1024;
    /// Holds 16 KiB and a header; no multiple of a page, so that the beginnings of buffers, which
    /// is all that small messages touch, do not meet in the same few lines of a cache.
    const LEN: u32 = (17 << 10) + 64;

    fn register(ring: &IoUring) -> io::Result<Self> {
        let count = usize::from(Self::COUNT);
        let entries = allocate(count * size_of::<BufRingEntry>())?.cast::<BufRingEntry>();
        let memory = allocate(count * Self::LEN as usize)?;
        // SAFETY: the ring is page-aligned, zeroed, has room for `COUNT` entries, and is never
        // freed.
        unsafe {
            ring.submitter().register_buf_ring_with_flags(
                entries.as_ptr() as u64,
                Self::COUNT,
                Self::GROUP,
                0,
            )
        }?;
        let mut buffers = Self { entries, memory, tail: 0, holders: vec![0; count] };
        (0..Self::COUNT).for_each(|buffer| buffers.offer(buffer));
        Ok(buffers)
    }

    fn at(&self, buffer: u16) -> *const u8 {
        self.memory.as_ptr().wrapping_add(usize::from(buffer) * Self::LEN as usize)
    }

    fn hold(&mut self, buffer: u16) {
        self.holders[usize::from(buffer)] += 1;
    }

    fn release(&mut self, buffer: u16) {
        let holders = &mut self.holders[usize::from(buffer)];
        *holders -= 1;
        if *holders == 0 {
            self.offer(buffer);
        }
    }

    /// Gives a buffer to the kernel.
    fn offer(&mut self, buffer: u16) {
        let place = usize::from(self.tail % Self::COUNT);
        // SAFETY: `place` is below `COUNT`, so this stays inside the ring.
        let entry = unsafe { self.entries.add(place) };
        // SAFETY: it is aligned and zeroed or written before, and the kernel reads no entry beyond
        // the tail, which comes below. No other reference to the ring exists.
        let entry = unsafe { &mut *entry.as_ptr() };
        entry.set_addr(self.at(buffer) as u64);
        entry.set_len(Self::LEN);
        entry.set_bid(buffer);
        self.tail = self.tail.wrapping_add(1);
        // SAFETY: the pointer is to the beginning of a registered ring.
        let tail = unsafe { BufRingEntry::tail(self.entries.as_ptr()) };
        // SAFETY: the tail is an aligned `u16` inside the ring, which both sides access only
        // atomically.
        let tail = unsafe { AtomicU16::from_ptr(tail.cast_mut()) };
        tail.store(self.tail, Ordering::Release);
    }
}

/// Zeroed memory for the rest of the process, page-aligned as the kernel wants the ring.
fn allocate(len: usize) -> io::Result<NonNull<u8>> {
    let layout = Layout::from_size_align(len, 4096).map_err(io::Error::other)?;
    // SAFETY: the layout is not empty: both callers ask for more than a page.
    let memory = unsafe { alloc::alloc_zeroed(layout) };
    NonNull::new(memory).ok_or_else(|| io::ErrorKind::OutOfMemory.into())
}
