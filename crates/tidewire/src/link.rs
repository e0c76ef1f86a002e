//! A transport and its protocol, shared between the socket's owner and the flusher.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{self, Poll, Wake, Waker, ready},
};

use bytes::Bytes;
use tidewire_proto::{Connection, FrameHeader, Initiator, Outbox, Outgoing, ReadyState, Transport};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::Notify,
};

use crate::{
    flusher::{Flush, Flusher},
    thread::{self, with_context},
    unread::{Event, Unread},
    websocket::QUEUED_LEN_MAX,
};

/// Any byte stream that a WebSocket can run over.
///
/// Implemented for every type that fits: TCP, TLS, Unix sockets, pipes, HTTP/2 streams.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Stream for S {}

/// What both the owner and the flusher hold.
pub(crate) struct Link<S> {
    inner: Mutex<Inner<S>>,
    flusher: Option<Arc<Flusher>>,
    scheduled: AtomicBool,
}

pub(crate) struct Inner<S> {
    /// `None` once the owner is gone: senders and wakers may outlive it, the socket does not.
    io: Option<S>,
    pub(crate) conn: Connection,
    /// The owner's task, where it waits for what is queued to be written.
    owner: Option<Waker>,
    /// Tells the senders of a split connection that something was written, or that it ended.
    /// Nobody waits where there is none.
    room: Option<Arc<Notify>>,
    /// The transport may hold bytes that we gave it: TLS does.
    unflushed: bool,
    sending_ended: bool,
    write_error: Option<io::ErrorKind>,
}

/// What [`Inner::write_short`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Short {
    /// Nothing: the message is to be queued.
    Not,
    /// It is sent, and something is left to be written or flushed, or an error to be told.
    Begun,
    /// The transport has all of it.
    Done,
}

/// Messages up to this length are framed where they are written, if nothing waits before them.
const SHORT_LEN_MAX: usize = 256;

/// Pieces in one vectored write.
const SLICES_MAX: usize = 32;

impl<S: Stream> Link<S> {
    pub(crate) fn new(io: S, conn: Connection) -> Self {
        Self {
            inner: Mutex::new(Inner {
                io: Some(io),
                conn,
                owner: None,
                room: None,
                unflushed: false,
                sending_ended: false,
                write_error: None,
            }),
            flusher: Flusher::current(),
            scheduled: AtomicBool::new(false),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner<S>> {
        // A panic inside the lock is a bug of ours; the connection's own state says what holds.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn inner_mut(&mut self) -> &mut Inner<S> {
        self.inner.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the outbox written once the running task yields.
    pub(crate) fn schedule(self: &Arc<Self>) {
        // Looked at first: whoever corks a message held the lock since the flusher last ran, so
        // what it sees is not out of date, and mostly it is scheduled already.
        if let Some(flusher) = &self.flusher
            && !self.scheduled.load(Ordering::Acquire)
            && !self.scheduled.swap(true, Ordering::AcqRel)
        {
            flusher.schedule(Arc::clone(self) as Arc<dyn Flush>);
        }
    }

    /// Writes what waits. `Pending`: the flusher will go on once the transport takes more.
    pub(crate) fn poll_flush(self: &Arc<Self>, inner: &mut Inner<S>) -> Poll<io::Result<()>> {
        // To make a waker of ours costs two atomics, and mostly the transport takes everything.
        let result = inner.try_flush();
        if result.is_ready() {
            return result;
        }
        let waker = Waker::from(Arc::clone(self));
        inner.poll_flush(&mut task::Context::from_waker(&waker))
    }
}

/// The transport takes more: the flusher goes on, and the owner looks whether there is room.
impl<S: Stream> Wake for Link<S> {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.schedule();
    }
}

impl<S: Stream> Flush for Link<S> {
    fn flush(self: Arc<Self>) {
        self.scheduled.store(false, Ordering::Release);
        let mut inner = self.lock();
        // An error is kept, and told to the owner at its next call.
        let _ = self.poll_flush(&mut inner);
        let owner = inner.take_owner();
        drop(inner);
        if let Some(owner) = owner {
            owner.wake();
        }
    }
}

impl<S: Stream> Inner<S> {
    /// `task` is to be woken once the flusher has written.
    pub(crate) fn register_owner(&mut self, task: &task::Context<'_>) {
        match &mut self.owner {
            Some(owner) => owner.clone_from(task.waker()),
            None => self.owner = Some(task.waker().clone()),
        }
    }

    /// Whom [`register_owner`](Self::register_owner) named, to be woken without the lock.
    pub(crate) const fn take_owner(&mut self) -> Option<Waker> {
        self.owner.take()
    }

    /// What senders wait on for room; whoever asked for it is told of each write from now on.
    pub(crate) fn room(&mut self) -> Arc<Notify> {
        Arc::clone(self.room.get_or_insert_default())
    }

    /// Writes what the transport takes right now. `Pending`: nobody will be woken to go on.
    pub(crate) fn try_flush(&mut self) -> Poll<io::Result<()>> {
        self.poll_flush(&mut task::Context::from_waker(Waker::noop()))
    }

    /// Frames a short message here and writes it at once, where nothing waits to be written: the
    /// outbox, its pools and its watch over the peer are for what the transport leaves, which
    /// [`poll_flush`](Self::poll_flush) goes on with.
    pub(crate) fn write_short(&mut self, message: &Outgoing<'_>) -> Short {
        // To clear the room for the longer ones costs as much as a copy of the shorter ones.
        const ROOM: usize = FrameHeader::LEN_MAX + 128;
        const ROOM_MAX: usize = FrameHeader::LEN_MAX + SHORT_LEN_MAX;
        let payload = message.as_bytes();
        match payload.len() {
            0..=128 => self.write_framed::<ROOM>(message, payload),
            129..=SHORT_LEN_MAX => self.write_framed::<ROOM_MAX>(message, payload),
            _ => Short::Not,
        }
    }

    /// [`write_short`](Self::write_short) by way of `ROOM` bytes.
    #[inline]
    fn write_framed<const ROOM: usize>(&mut self, message: &Outgoing<'_>, payload: &[u8]) -> Short {
        let Some(io) = &mut self.io else { return Short::Not };
        let Some(header) = self.conn.share_header(message) else { return Short::Not };
        let mut frame = [0; ROOM];
        let len = header.len() + payload.len();
        header.write_to(&mut frame);
        frame[header.len()..len].copy_from_slice(payload);
        let task = &mut task::Context::from_waker(Waker::noop());
        let written = match Pin::new(&mut *io).poll_write(task, &frame[..len]) {
            Poll::Ready(Ok(written)) => written,
            Poll::Ready(Err(error)) => {
                self.write_error = Some(error.kind());
                return Short::Begun;
            }
            Poll::Pending => 0,
        };
        self.unflushed |= written > 0;
        if written < len {
            let rest = Bytes::copy_from_slice(&frame[written..len]);
            with_context(|cx| self.conn.queue_encoded(cx, &rest));
            return Short::Begun;
        }
        match Pin::new(io).poll_flush(task) {
            Poll::Ready(Ok(())) => {
                self.unflushed = false;
                return Short::Done;
            }
            Poll::Ready(Err(error)) => self.write_error = Some(error.kind()),
            Poll::Pending => {}
        }
        Short::Begun
    }

    /// Writes the outbox, and ends the sending half where the protocol says so.
    fn poll_flush(&mut self, task: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        let before = self.conn.outbox().len();
        let result = self.poll_write_all(task);
        if let Poll::Ready(Err(error)) = &result {
            // Nobody takes it any more. What arrives may still be read: perhaps a Close.
            self.write_error = Some(error.kind());
            with_context(|cx| self.conn.discard_outbox(cx));
        }
        if let Some(room) = &self.room
            && self.conn.outbox().len() < before
        {
            room.notify_waiters();
        }
        result
    }

    fn poll_write_all(&mut self, task: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        self.write_result()?;
        while !self.conn.outbox().is_empty() {
            let io = connected(&mut self.io)?;
            let written = ready!(write_some(io, self.conn.outbox(), task))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.unflushed = true;
            with_context(|cx| self.conn.advance(cx, written));
        }
        if self.unflushed {
            ready!(connected(&mut self.io)?.poll_flush(task))?;
            self.unflushed = false;
        }
        if self.conn.transport() == Transport::EndSending && !self.sending_ended {
            ready!(connected(&mut self.io)?.poll_shutdown(task))?;
            self.sending_ended = true;
        }
        Poll::Ready(Ok(()))
    }

    /// The connection has ended, and its owner may keep it for long: the peer need not wait for us.
    pub(crate) fn end_sending(&mut self) {
        if let Some(io) = &mut self.io
            && !self.sending_ended
        {
            // Where the transport does not take it at once, it ends when the owner is dropped.
            let task = &mut task::Context::from_waker(Waker::noop());
            self.sending_ended = Pin::new(io).poll_shutdown(task).is_ready();
        }
    }

    /// The owner is gone: writes what the transport takes right now, forgets the rest, and closes
    /// it. Senders may still hold the link, and a waker of ours may be stuck in the transport.
    pub(crate) fn shut(&mut self) {
        // There is nobody left to tell of an error to.
        let _ = self.try_flush();
        with_context(|cx| {
            // Senders learn of the end by this.
            let _ = self.conn.handle_eof(cx);
            self.conn.release(cx);
        });
        self.io = None;
    }

    /// Whether something is to be written, flushed or ended.
    pub(crate) fn wants_flush(&self) -> bool {
        self.write_error.is_none()
            && (!self.conn.outbox().is_empty()
                || self.unflushed
                || self.conn.transport() == Transport::EndSending && !self.sending_ended)
    }

    /// The error that writing met, now or while nobody looked.
    pub(crate) fn write_result(&self) -> io::Result<()> {
        match self.write_error {
            Some(kind) => Err(kind.into()),
            None => Ok(()),
        }
    }

    /// Reads once, into the message under way where that is large, else into a buffer of the
    /// thread. `Ok(None)`: something has arrived; look at `unread`.
    pub(crate) fn poll_read(
        &mut self,
        task: &mut task::Context<'_>,
        unread: &mut Unread,
    ) -> Poll<io::Result<Option<Event>>> {
        if self.conn.has_read_target()
            && let Some(read) = self.poll_read_target(task)
        {
            return read;
        }
        let io = connected(&mut self.io)?;
        let (len, result) = unread.fill(|room| {
            let mut buf = ReadBuf::new(room);
            let poll = io.poll_read(task, &mut buf);
            (buf.filled().len(), poll)
        });
        ready!(result)?;
        thread::update_time_of_turn();
        Poll::Ready(Ok(if len == 0 { self.eof() } else { None }))
    }

    /// Reads into the message under way; `None` where it has no room to offer.
    #[inline(never)]
    fn poll_read_target(
        &mut self,
        task: &mut task::Context<'_>,
    ) -> Option<Poll<io::Result<Option<Event>>>> {
        let target = with_context(|cx| self.conn.read_target(cx))?;
        let mut buf = ReadBuf::new(target);
        let read = connected(&mut self.io).map(|io| io.poll_read(task, &mut buf));
        let len = buf.filled().len();
        Some(match read {
            Ok(Poll::Pending) => Poll::Pending,
            Err(error) | Ok(Poll::Ready(Err(error))) => Poll::Ready(Err(error)),
            Ok(Poll::Ready(Ok(()))) => {
                thread::update_time_of_turn();
                Poll::Ready(Ok(match len {
                    0 => self.eof(),
                    _ => with_context(|cx| self.conn.handle_read(cx, len).map(Event::from)),
                }))
            }
        })
    }

    /// Does what is due, where a deadline has passed.
    #[inline(never)]
    pub(crate) fn meet_deadline(&mut self) -> Option<Event> {
        with_context(|cx| match self.conn.poll_timeout() {
            Some(deadline) if deadline <= cx.now => self.conn.handle_timeout(cx).map(Event::from),
            _ => None,
        })
    }

    /// The transport has ended or broken.
    pub(crate) fn eof(&mut self) -> Option<Event> {
        with_context(|cx| self.conn.handle_eof(cx).map(Event::from))
    }

    /// Whether a message may be sent right now: mostly nothing at all stands before it.
    #[inline]
    pub(crate) fn takes_message(&self) -> io::Result<bool> {
        let at_rest = self.write_error.is_none() && self.conn.outbox().is_empty() && self.is_open();
        Ok(at_rest || self.has_room()? && !self.is_ending())
    }

    /// Whether another message may be queued.
    pub(crate) fn has_room(&self) -> io::Result<bool> {
        self.write_result()?;
        Ok(self.conn.outbox().cost() < QUEUED_LEN_MAX)
    }

    /// Whether the connection comes to its end by the peer: it has closed, or broken a rule.
    pub(crate) fn is_ending(&self) -> bool {
        self.conn.ready_state() == ReadyState::Closing
            && self.conn.outcome().is_some_and(|outcome| {
                outcome.failure.is_some() || outcome.initiator == Some(Initiator::Remote)
            })
    }

    pub(crate) fn is_open(&self) -> bool {
        self.conn.ready_state() == ReadyState::Open
    }

    pub(crate) const fn io(&self) -> Option<&S> {
        self.io.as_ref()
    }
}

/// Writes once.
fn write_some<S: Stream>(
    io: Pin<&mut S>,
    outbox: &Outbox,
    task: &mut task::Context<'_>,
) -> Poll<io::Result<usize>> {
    let mut chunks = outbox.chunks();
    let (first, second) = (chunks.next(), chunks.next());
    if let (Some(only), None) = (first, second) {
        return io.poll_write(task, only); // the kernel has a shorter way for one piece
    }
    let mut slices = [IoSlice::new(&[]); SLICES_MAX];
    let mut count = 0;
    for (slice, chunk) in slices.iter_mut().zip(first.into_iter().chain(second).chain(chunks)) {
        *slice = IoSlice::new(chunk);
        count += 1;
    }
    io.poll_write_vectored(task, &slices[..count])
}

fn connected<S: Unpin>(io: &mut Option<S>) -> io::Result<Pin<&mut S>> {
    io.as_mut().map(Pin::new).ok_or_else(|| io::ErrorKind::NotConnected.into())
}
