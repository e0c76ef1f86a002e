//! [`Ring`]: the kernel's two queues, and all memory that it reads and writes.

use std::{
    io,
    mem::{self, ManuallyDrop},
    time::Duration,
};

use io_uring::{IoUring, cqueue, opcode, squeue, types};
use rustix::{
    fd::{AsRawFd as _, BorrowedFd, OwnedFd},
    io::Errno,
};

use super::{
    buffers::{Buffers, GROUP, Shape},
    load::Load,
    token::{Name, Token},
};

/// Operations are queued here, and done when the kernel is [`enter`](Self::enter)ed. Their memory
/// stays here until the kernel is done with it, whatever happens to the connections.
///
/// A file descriptor must stay open until what was queued for it has been submitted: it is given to
/// [`close`](Self::close) for that.
pub(super) struct Ring {
    io: IoUring,
    buffers: ManuallyDrop<Buffers>,
    /// Receives into `buffers` that have not ended.
    receive_count: usize,
    sends: Vec<Send>,
    closing: Vec<OwnedFd>,
}

/// A send that was queued.
pub(super) struct Send {
    pub(super) name: Name,
    pub(super) load: Load,
    /// What the kernel said, where it said anything: bytes written, or the negative error.
    result: Option<i32>,
}

/// What has come of an operation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Completion {
    pub(super) token: Token,
    pub(super) result: i32,
    pub(super) flags: u32,
}

/// How long to stay in the kernel while nothing happens.
#[derive(Debug, Clone, Copy)]
pub(super) enum Wait {
    Not,
    For(Duration),
    Forever,
}

/// Operations that are submitted together. More would let the first ones leave the cache.
const SUBMISSION_COUNT: u32 = 256;

/// Completions that fit before the kernel has to keep them elsewhere.
const COMPLETION_COUNT: u32 = 4096;

/// A send copies its bytes to the socket while it is submitted, or it fails: by `MSG_DONTWAIT` it
/// never waits in the kernel, and by `MSG_WAITALL` a short one is a failure that says how much was
/// written. So once it has been submitted the kernel has no business with its memory any more, and
/// one of which no completion came has written everything.
const SEND_FLAGS: i32 = libc::MSG_WAITALL | libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;

/// So often, for so long, the end of a ring is waited for.
const LAST_WAITS: (u32, Duration) = (100, Duration::from_millis(10));

impl Ring {
    /// A ring for this thread. Fails where the kernel does not allow one, or lacks what is needed.
    pub(super) fn new(shape: Shape) -> io::Result<Self> {
        let mut builder = IoUring::builder();
        builder
            .setup_single_issuer()
            .setup_coop_taskrun()
            .setup_taskrun_flag()
            .setup_defer_taskrun()
            .setup_submit_all()
            .setup_cqsize(COMPLETION_COUNT)
            .dontfork();
        let io: IoUring = builder.build(SUBMISSION_COUNT)?;
        let features = io.params();
        let complete = features.is_feature_nodrop()
            && features.is_feature_ext_arg()
            && features.is_feature_fast_poll()
            && features.is_feature_submit_stable()
            && features.is_feature_skip_cqe_on_success();
        if !complete {
            return Err(io::ErrorKind::Unsupported.into());
        }
        // SAFETY: `Drop` frees the buffers only when no receive is under way.
        let buffers = unsafe { Buffers::register(&io, shape)? };
        Ok(Self {
            io,
            buffers: ManuallyDrop::new(buffers),
            receive_count: 0,
            sends: Vec::new(),
            closing: Vec::new(),
        })
    }

    // --- operations ---

    /// Tells once when any of these poll(2) events is the case, or the peer has ended its half, or
    /// the file is broken.
    pub(super) fn poll(&mut self, fd: BorrowedFd<'_>, events: u32, token: Token) -> io::Result<()> {
        self.poll_or_watch(fd, events, false, token)
    }

    /// The same, and then each time when any of it comes to be the case.
    pub(super) fn watch(
        &mut self,
        fd: BorrowedFd<'_>,
        events: u32,
        token: Token,
    ) -> io::Result<()> {
        self.poll_or_watch(fd, events, true, token)
    }

    fn poll_or_watch(
        &mut self,
        fd: BorrowedFd<'_>,
        events: u32,
        stays: bool,
        token: Token,
    ) -> io::Result<()> {
        let entry = opcode::PollAdd::new(types::Fd(fd.as_raw_fd()), events).multi(stays).build();
        // SAFETY: a poll refers to no memory.
        unsafe { self.push(entry, token) }
    }

    /// Ends an operation; its completion says how.
    pub(super) fn cancel(&mut self, token: Token) -> io::Result<()> {
        let entry = opcode::AsyncCancel::new(token.encode()).build();
        // SAFETY: a cancellation refers to no memory.
        unsafe { self.push(entry.flags(squeue::Flags::SKIP_SUCCESS), Token::Cancel) }
    }

    /// Receives all that comes into the shared buffers.
    pub(super) fn receive(&mut self, fd: BorrowedFd<'_>, name: Name) -> io::Result<()> {
        let entry = opcode::RecvMulti::new(types::Fd(fd.as_raw_fd()), GROUP).build();
        // SAFETY: it writes to the registered buffers, which outlive it: see `receive_count`.
        unsafe { self.push(entry, Token::Receive(name))? };
        self.receive_count += 1;
        Ok(())
    }

    /// Writes as much as the socket takes at once. A `silent` send that writes everything does not
    /// end a wait; in any case [`take_sends`](Self::take_sends) has it when it is done.
    pub(super) fn send(
        &mut self,
        fd: BorrowedFd<'_>,
        name: Name,
        load: Load,
        silent: bool,
    ) -> io::Result<()> {
        let fd = types::Fd(fd.as_raw_fd());
        let entry = if let Load::Fronts(fronts) = &load {
            opcode::SendMsg::new(fd, fronts.header()).flags(SEND_FLAGS.cast_unsigned()).build()
        } else {
            let len = u32::try_from(load.len()).unwrap_or(u32::MAX);
            opcode::Send::new(fd, load.bytes().as_ptr(), len).flags(SEND_FLAGS).build()
        };
        let flags = if silent { squeue::Flags::SKIP_SUCCESS } else { squeue::Flags::empty() };
        let place = u32::try_from(self.sends.len()).unwrap_or(u32::MAX);
        self.sends.push(Send { name, load, result: None });
        // SAFETY: the memory is on the heap, and in `sends` until everything that was queued has
        // been submitted. By then the kernel has read it: see `SEND_FLAGS`.
        let pushed = unsafe { self.push(entry.flags(flags), Token::Send(place)) };
        if pushed.is_err() {
            self.sends.pop();
        }
        pushed
    }

    /// Closes a file as soon as what was queued for it has been submitted.
    pub(super) fn close(&mut self, fd: OwnedFd) {
        self.closing.push(fd);
    }

    /// # Safety
    /// Memory that the operation refers to must be where it is until the kernel is done with it.
    unsafe fn push(&mut self, entry: squeue::Entry, token: Token) -> io::Result<()> {
        let entry = entry.user_data(token.encode());
        if self.is_full() {
            self.enter(Wait::Not)?;
        }
        // SAFETY: so has the caller promised.
        let pushed = unsafe { self.io.submission().push(&entry) };
        pushed.map_err(|_| io::ErrorKind::ResourceBusy.into())
    }

    // --- the kernel ---

    /// Whether the next operation has to wait for the others to be submitted.
    pub(super) fn is_full(&mut self) -> bool {
        self.io.submission().is_full()
    }

    /// Submits what is queued, and waits for something to happen.
    pub(super) fn enter(&mut self, wait: Wait) -> io::Result<()> {
        let submitter = self.io.submitter();
        let entered = match wait {
            Wait::Not => submitter.submit(),
            Wait::Forever => submitter.submit_and_wait(1),
            Wait::For(timeout) => {
                let timeout = types::Timespec::from(timeout);
                submitter.submit_with_args(1, &types::SubmitArgs::new().timespec(&timeout))
            }
        };
        if let Err(error) = entered {
            match Errno::from_io_error(&error) {
                // What was not submitted is submitted the next time.
                Some(Errno::TIME | Errno::INTR | Errno::AGAIN | Errno::BUSY) => {}
                _ => return Err(error),
            }
        }
        if self.is_submitted() {
            self.closing.clear();
        }
        Ok(())
    }

    fn is_submitted(&mut self) -> bool {
        self.io.submission().is_empty()
    }

    /// Appends what has come of operations, but for sends.
    pub(super) fn take_completions(&mut self, completions: &mut Vec<Completion>) {
        for entry in self.io.completion() {
            let (token, result) = (Token::decode(entry.user_data()), entry.result());
            match token {
                Token::Cancel => {}
                Token::Send(place) => {
                    if let Some(send) = self.sends.get_mut(place as usize) {
                        send.result = Some(result);
                    }
                }
                _ => {
                    let flags = entry.flags();
                    if matches!(token, Token::Receive(_)) && !cqueue::more(flags) {
                        self.receive_count = self.receive_count.saturating_sub(1);
                    }
                    completions.push(Completion { token, result, flags });
                }
            }
        }
    }

    /// All sends that are done; to be called when the completions have been taken.
    pub(super) fn take_sends(&mut self) -> Vec<Send> {
        if self.is_submitted() { mem::take(&mut self.sends) } else { Vec::new() }
    }

    /// Has the memory of a list used again.
    pub(super) fn reuse_sends(&mut self, mut sends: Vec<Send>) {
        if self.sends.is_empty() {
            sends.clear();
            self.sends = sends;
        }
    }

    pub(super) fn buffers(&mut self) -> &mut Buffers {
        &mut self.buffers
    }

    /// Ends all receives.
    fn finish(&mut self) -> io::Result<()> {
        if self.receive_count == 0 && self.is_submitted() {
            return Ok(());
        }
        self.enter(Wait::Not)?;
        let (count, pause) = LAST_WAITS;
        for _ in 0..count {
            self.take_completions(&mut Vec::new());
            if self.receive_count == 0 {
                break;
            }
            let all = types::CancelBuilder::any();
            // It fails where there is nothing left to cancel; then there is something to hear.
            let _ = self.io.submitter().register_sync_cancel(Some(pause.into()), all);
            self.enter(Wait::For(pause))?;
        }
        Ok(())
    }
}

impl Send {
    /// Bytes that were written.
    pub(super) fn result(&self) -> Result<usize, Errno> {
        match self.result {
            None => Ok(self.load.len()),
            Some(result) => match usize::try_from(result) {
                Ok(written) => Ok(written),
                Err(_) => match Errno::from_raw_os_error(-result) {
                    Errno::AGAIN | Errno::INTR => Ok(0),
                    error => Err(error),
                },
            },
        }
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        let finished = self.finish();
        if finished.is_ok() && self.is_submitted() && self.receive_count == 0 {
            // SAFETY: they are not used again, and no receive that could write to them is left.
            unsafe { ManuallyDrop::drop(&mut self.buffers) };
        } else {
            tracing::error!("a ring does not end; its memory is given up");
            // What was not submitted refers to them.
            mem::forget(mem::take(&mut self.sends));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Write as _, os::unix::net::UnixStream};

    use rustix::fd::AsFd as _;

    use super::{
        super::probe::{Probed, probe},
        *,
    };

    /// A ring, where this kernel has them.
    fn ring() -> Option<Ring> {
        match probe().and_then(Probed::ring) {
            Ok(ring) => Some(ring),
            Err(error) => {
                println!("NOT CHECKED: {error}");
                None
            }
        }
    }

    const NAME: Name = Name::new(7, 1);

    /// Far more than the buffers hold, and without a pause between.
    #[test]
    fn buffers_are_used_again() {
        if let Some(ring) = ring() {
            use_buffers_again(ring);
        }
        // As older kernels have them.
        if let Ok(ring) = Ring::new(Shape::WHOLE) {
            use_buffers_again(ring);
        }
    }

    fn use_buffers_again(mut ring: Ring) {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let sent: Vec<u8> = (0..5_000_000_u32).map(|i| (i % 251) as u8).collect();
        let mut received = Vec::new();
        std::thread::scope(|scope| {
            let bytes = &sent;
            scope.spawn(move || {
                theirs.write_all(bytes).unwrap();
                drop(theirs);
            });
            let (mut completions, mut ended) = (Vec::new(), false);
            ring.receive(ours.as_fd(), NAME).unwrap();
            while !ended {
                ring.enter(Wait::For(Duration::from_secs(10))).unwrap();
                ring.take_completions(&mut completions);
                for Completion { token, result, flags } in completions.drain(..) {
                    assert_eq!(token, Token::Receive(NAME));
                    ring.buffers().hear(flags, result, |bytes| received.extend_from_slice(bytes));
                    ended = result == 0;
                    if !ended && !cqueue::more(flags) {
                        ring.receive(ours.as_fd(), NAME).unwrap();
                    }
                }
            }
        });
        assert!(received == sent, "{} bytes", received.len());
    }

    #[test]
    fn a_ring_ends_with_receives_under_way() {
        let Some(mut ring) = ring() else { return };
        let pairs: Vec<_> = (0..600).map(|_| UnixStream::pair().unwrap()).collect();
        for (ours, _) in &pairs {
            ring.receive(ours.as_fd(), NAME).unwrap();
        }
        ring.enter(Wait::Not).unwrap();
        assert_eq!(ring.receive_count, pairs.len());
        ring.finish().unwrap();
        assert_eq!(ring.receive_count, 0);
    }

    #[test]
    fn what_is_closed_is_open_until_its_last_bytes_have_left() {
        let Some(mut ring) = ring() else { return };
        let (ours, theirs) = UnixStream::pair().unwrap();
        let load = Load::Shared(bytes::Bytes::from_static(b"last"));
        ring.send(ours.as_fd(), NAME, load, true).unwrap();
        ring.close(ours.into());
        ring.enter(Wait::Not).unwrap();
        ring.take_completions(&mut Vec::new());
        let sends = ring.take_sends();
        assert_eq!(sends.first().map(Send::result), Some(Ok(4)));
        assert_eq!(io::read_to_string(theirs).unwrap(), "last");
    }
}
