//! [`Plane`]: the connections of one thread, and what a handler can do with them.

use std::{fmt, io::IoSlice, sync::Arc};

use bytes::Bytes;
use rustix::fd::{AsFd as _, BorrowedFd};
use tidewire_proto::{
    BufferPool, CloseCode, CloseFrame, Config, Connection, Context, Outgoing, Prepared, ReadyState,
    Timestamp,
};

use crate::{
    connection::{Conn, Stage},
    handler::Handler,
    id::ConnectionId,
    random::SystemRandom,
    remote::{MailboxFull, Remote, ThreadStats},
    runs::{Run, Runs},
    settings::{Brim, Settings},
    slab::Slab,
    topics::Topics,
};

/// The connections of one thread, as a [`Handler`] sees them.
///
/// What is queued here leaves when the turn ends, in one write for each socket; what is published
/// leaves as one buffer that all receivers share.
pub struct Plane<H: Handler> {
    pub(crate) cx: Context,
    pub(crate) conns: Slab<Conn<H::Guest>>,
    /// Connections to look at when the turn ends.
    pub(crate) dirty: Vec<u32>,
    pub(crate) runs: Runs,
    pub(crate) topics: Topics,
    /// What all queues cost together.
    queued_len: usize,
    queued_len_max: usize,
    pub(crate) settings: Arc<Settings>,
    configs: Vec<Arc<Config>>,
    pub(crate) thread: u16,
    remote: Remote<H>,
    pub(crate) writer: Option<Box<dyn Write>>,
    pub(crate) stats: ThreadStats,
    /// When the handler wants to be woken.
    pub(crate) wake_at: Option<Timestamp>,
}

/// Writes to a socket right now, for payloads that are better not copied. A backend has one, or not.
pub(crate) trait Write {
    fn write(&mut self, fd: BorrowedFd<'_>, bytes: &[IoSlice<'_>]) -> rustix::io::Result<usize>;
}

/// What is borrowed and at least this long is written at once, from where it lies: beyond it a copy
/// costs more than a write of its own.
const WRITTEN_AT_ONCE_LEN_MIN: usize = 4 << 10;

/// Why a message was not queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// There is no such connection on this thread, or not any more.
    Gone,
    /// What is queued for it already is as much as may be ([`QueueLimits`](crate::QueueLimits)).
    Full,
    /// The connection does not take it: it closes, for example.
    Refused(tidewire_proto::SendError),
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => f.write_str("there is no such connection on this thread (any more)"),
            Self::Full => f.write_str("too much is queued for the connection already"),
            Self::Refused(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for SendError {}

impl From<tidewire_proto::SendError> for SendError {
    fn from(error: tidewire_proto::SendError) -> Self {
        Self::Refused(error)
    }
}

impl<H: Handler> Plane<H> {
    pub(crate) fn new(thread: u16, settings: Arc<Settings>, remote: Remote<H>) -> Self {
        let mut cx = Context::new(Box::new(SystemRandom));
        cx.buffers = BufferPool::new(settings.pool_len_max);
        #[cfg(feature = "deflate")]
        cx.codecs.set_live_len_max(settings.compressors_len_max);
        Self {
            cx,
            conns: Slab::new(),
            dirty: Vec::new(),
            runs: Runs::default(),
            topics: Topics::default(),
            queued_len: 0,
            queued_len_max: settings.queued_len_max(),
            configs: settings.jittered(),
            settings,
            thread,
            remote,
            writer: None,
            stats: ThreadStats::default(),
            wake_at: None,
        }
    }

    /// Which thread this is, counted from zero.
    pub const fn thread(&self) -> usize {
        self.thread as usize
    }

    /// The time of this turn, since the engine was started.
    pub const fn now(&self) -> Timestamp {
        self.cx.now
    }

    /// The way to the other threads, and to this one from elsewhere.
    pub const fn remote(&self) -> &Remote<H> {
        &self.remote
    }

    /// Has the handler [woken](Handler::woken) once it is `at`, or before if somebody has asked for
    /// that. It counts once: a handler with several deadlines asks for the next one then.
    pub fn wake_at(&mut self, at: Timestamp) {
        self.wake_at = Some(self.wake_at.map_or(at, |before| before.min(at)));
    }

    /// Bytes that wait to be written on all connections of this thread.
    pub const fn queued_len(&self) -> usize {
        self.queued_len
    }

    /// Every open connection of this thread, in no order that means anything.
    pub fn connections(&self) -> impl Iterator<Item = ConnectionId> + '_ {
        (0..self.conns.end()).filter_map(|index| {
            let index = u32::try_from(index).ok()?;
            matches!(self.conns.get(index)?.stage, Stage::Open(_)).then(|| self.id(index))?
        })
    }

    /// Queues a message.
    ///
    /// # Errors
    /// If it cannot be sent any more, or does not fit: [`Brim`] says what becomes of the connection.
    pub fn send<'a>(
        &mut self,
        id: ConnectionId,
        message: impl Into<Outgoing<'a>>,
    ) -> Result<(), SendError> {
        let index = self.index(id).ok_or(SendError::Gone)?;
        self.send_at(index, message.into())
    }

    /// Queues one message for many connections: those that are gone, or close, are passed over.
    ///
    /// Everything that is queued so during a turn is joined once and leaves in one write for each.
    pub fn queue_many(&mut self, ids: impl IntoIterator<Item = ConnectionId>, message: &Prepared) {
        let len = message.payload().len();
        for id in ids {
            if let Some(index) = self.index(id) {
                self.share_at(index, message, len);
            }
        }
    }

    /// Queues a message that may be dropped: while the socket of the connection is full it waits, up
    /// to [`offered_len_max`](crate::QueueLimits::offered_len_max), and the oldest make room for the
    /// newest. Messages that must arrive may overtake those that wait.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn offer(&mut self, id: ConnectionId, message: &Prepared) -> Result<(), SendError> {
        let index = self.index(id).ok_or(SendError::Gone)?;
        if self.keeps_waiting(index, message) {
            Ok(())
        } else {
            self.send_at(index, message.into())
        }
    }

    /// [Offers](Self::offer) one message to many connections, as [`queue_many`](Self::queue_many)
    /// queues one that must arrive.
    pub fn offer_many(&mut self, ids: impl IntoIterator<Item = ConnectionId>, message: &Prepared) {
        for id in ids {
            if let Some(index) = self.index(id)
                && !self.keeps_waiting(index, message)
            {
                self.share_at(index, message, message.payload().len());
            }
        }
    }

    /// Closes a connection (RFC 6455 §7.1.2), once what is queued has been written.
    ///
    /// # Errors
    /// If there is no such connection, or it closes already.
    pub fn close(&mut self, id: ConnectionId, frame: CloseFrame) -> Result<(), SendError> {
        let index = self.index(id).ok_or(SendError::Gone)?;
        self.close_at(index, frame)
    }

    /// Bytes that wait to be written on a connection, encrypted already or not; zero where there is none.
    pub fn buffered(&self, id: ConnectionId) -> usize {
        let conn = self.index(id).and_then(|index| self.conns.get(index));
        conn.map_or(0, |conn| match &conn.stage {
            Stage::Open(proto) => proto.outbox().len() + self.runs.len(conn.run) + conn.held_len(),
            Stage::Opening(_) | Stage::Refused(_) => 0,
        })
    }

    /// How far a connection has come; `None` where there is none.
    pub fn ready_state(&self, id: ConnectionId) -> Option<ReadyState> {
        match &self.conns.get(self.index(id)?)?.stage {
            Stage::Open(proto) => Some(proto.ready_state()),
            Stage::Opening(_) | Stage::Refused(_) => None,
        }
    }

    /// Hears nothing from a connection until [`resume_reading`](Self::resume_reading): its peer has
    /// to wait. Keep-alive rests meanwhile.
    pub fn pause_reading(&mut self, id: ConnectionId) {
        if let Some(index) = self.index(id)
            && let Some(conn) = self.conns.get_mut(index)
            && let Stage::Open(proto) = &mut conn.stage
        {
            conn.flags.paused = true;
            proto.pause_reading();
            self.mark(index);
        }
    }

    /// Hears a connection again.
    pub fn resume_reading(&mut self, id: ConnectionId) {
        if let Some(index) = self.index(id)
            && let Some(conn) = self.conns.get_mut(index)
            && let Stage::Open(proto) = &mut conn.stage
        {
            conn.flags.paused = false;
            if !conn.flags.high {
                proto.resume_reading(self.cx.now);
            }
            self.mark(index);
        }
    }

    /// Subscribes a connection to a topic; its end unsubscribes it. `false`: there is no such
    /// connection, or it is subscribed to 1,024 topics already.
    pub fn subscribe(&mut self, id: ConnectionId, topic: impl AsRef<[u8]>) -> bool {
        let index = self.index(id);
        index.is_some_and(|index| self.topics.subscribe(index, topic.as_ref()))
    }

    /// Undoes [`subscribe`](Self::subscribe).
    pub fn unsubscribe(&mut self, id: ConnectionId, topic: impl AsRef<[u8]>) {
        if let Some(index) = self.index(id) {
            self.topics.unsubscribe(index, topic.as_ref());
        }
    }

    /// Queues a message for every subscriber of a topic on this thread.
    /// [`Remote::publish`] reaches those on all threads.
    pub fn publish(&mut self, topic: impl AsRef<[u8]>, message: &Prepared) {
        let (topic, len) = (topic.as_ref(), message.payload().len());
        let topics = std::mem::take(&mut self.topics);
        for &index in topics.subscribers(topic) {
            self.share_at(index, message, len);
        }
        self.topics = topics;
    }

    /// Queues a message for every subscriber of a topic, on this thread and on all others.
    ///
    /// # Errors
    /// As [`Remote::publish`].
    pub fn publish_everywhere(
        &mut self,
        topic: impl AsRef<[u8]>,
        message: &Prepared,
    ) -> Result<(), MailboxFull> {
        self.publish(&topic, message);
        self.remote.publish_except(self.thread(), topic.as_ref(), message)
    }

    pub(crate) fn send_at(&mut self, index: u32, message: Outgoing<'_>) -> Result<(), SendError> {
        if self.conns.get(index).is_some_and(|conn| !conn.run.is_empty()) {
            self.settle(index);
        }
        let Some(conn @ Conn { stage: Stage::Open(_), .. }) = self.conns.get(index) else {
            return Err(SendError::Gone);
        };
        let len = message.len();
        if !self.fits(conn.queued_cost(), len) {
            return Err(self.brim(index));
        }
        if len >= WRITTEN_AT_ONCE_LEN_MIN && self.write_at_once(index, &message) {
            return Ok(());
        }
        let conn = self.conns.get_mut(index).ok_or(SendError::Gone)?;
        let proto = conn.proto_mut().ok_or(SendError::Gone)?;
        proto.send(&mut self.cx, message)?;
        self.account(index);
        self.mark(index);
        Ok(())
    }

    /// Writes a borrowed payload from where it lies, where nothing waits before it. `false`: not so.
    fn write_at_once(&mut self, index: u32, message: &Outgoing<'_>) -> bool {
        let Some(payload) = message.as_borrowed() else { return false };
        let Some(conn) = self.conns.get_mut(index) else { return false };
        let (Stage::Open(proto), None, Some(writer)) = (&conn.stage, &conn.tls, &mut self.writer)
        else {
            return false;
        };
        if conn.flags.sending {
            return false;
        }
        let Some(header) = proto.share_header(message) else { return false };
        let bytes = [IoSlice::new(&header), IoSlice::new(payload)];
        // Whatever goes wrong here goes wrong again when the rest is written, and is told then.
        let written = writer.write(conn.socket.as_fd(), &bytes).unwrap_or(0);
        let header_left = header.get(written..).unwrap_or_default();
        let payload_left = &payload[written.saturating_sub(header.len())..];
        if !payload_left.is_empty() || !header_left.is_empty() {
            let rest = Bytes::from([header_left, payload_left].concat());
            conn.flags.blocked = true;
            self.queue_encoded(index, &rest);
            self.mark(index);
        }
        true
    }

    /// `len` is the message's. Fan-out comes by here for each receiver.
    fn share_at(&mut self, index: u32, message: &Prepared, len: usize) {
        let Some(conn) = self.conns.get(index) else { return };
        let fits = self.fits(conn.held_len(), len);
        let Some(conn) = self.conns.get_mut(index) else { return };
        let Stage::Open(proto) = &mut conn.stage else { return };
        let Some(frame) = fits.then(|| proto.share(&mut self.cx, message)).flatten() else {
            // Something is queued already, or it is too much, or the connection closes.
            let _ = self.send_at(index, message.into());
            return;
        };
        if let Some(run) = self.runs.extended(conn.run, frame) {
            conn.run = run;
            if !conn.flags.dirty {
                conn.flags.dirty = true;
                self.dirty.push(index);
            }
            return;
        }
        let frame = frame.clone();
        self.settle(index);
        self.queue_encoded(index, &frame);
        self.mark(index);
    }

    pub(crate) fn close_at(&mut self, index: u32, frame: CloseFrame) -> Result<(), SendError> {
        self.settle(index);
        let conn = self.conns.get_mut(index).ok_or(SendError::Gone)?;
        let proto = conn.proto_mut().ok_or(SendError::Gone)?;
        proto.close(&mut self.cx, frame)?;
        self.account(index);
        self.mark(index);
        Ok(())
    }

    /// Puts what was published to a connection into its own queue, because something else is to be
    /// queued behind it.
    pub(crate) fn settle(&mut self, index: u32) {
        if let Some(conn) = self.conns.get_mut(index)
            && !conn.run.is_empty()
        {
            let run = std::mem::replace(&mut conn.run, Run::EMPTY);
            let joined = self.runs.joined(run).clone();
            self.queue_encoded(index, &joined);
        }
    }

    /// Queues bytes that count as sent already.
    pub(crate) fn queue_encoded(&mut self, index: u32, bytes: &Bytes) {
        if let Some(conn) = self.conns.get_mut(index)
            && let Some(proto) = conn.proto_mut()
        {
            proto.queue_encoded(&mut self.cx, bytes);
            self.account(index);
        }
    }

    /// Whether an offered message has to wait, and then it does.
    fn keeps_waiting(&mut self, index: u32, message: &Prepared) -> bool {
        let Some(conn) = self.conns.get_mut(index) else { return false };
        let Stage::Open(proto) = &conn.stage else { return false };
        // Its queue comes first, and what waits already before what is new.
        if proto.ready_state() != ReadyState::Open
            || !(conn.flags.blocked || conn.waiting.is_some())
        {
            return false;
        }
        let waiting = conn.waiting.get_or_insert_default();
        let dropped = waiting.push(message.clone(), self.settings.queues.offered_len_max);
        self.stats.dropped_count += dropped as u64;
        true
    }

    /// Queues what has waited, as far as there is room now.
    pub(crate) fn stop_waiting(&mut self, index: u32) {
        let low_water = self.settings.queues.low_water.max(1);
        while let Some(conn) = self.conns.get_mut(index)
            && let Some(waiting) = &mut conn.waiting
            && !conn.flags.blocked
            && conn.accounted < low_water
        {
            match waiting.pop() {
                // Where it is too much, or closes, nobody can be told any more.
                Some(message) => drop(self.send_at(index, (&message).into())),
                None => conn.waiting = None,
            }
        }
    }

    /// A message does not fit.
    #[cold]
    fn brim(&mut self, index: u32) -> SendError {
        if let Brim::Close(frame) = &self.settings.queues.brim {
            let frame = frame.clone();
            // If it closes already, so much the better.
            if self.close_at(index, frame).is_ok() {
                self.stats.closed_at_brim_count += 1;
                tracing::debug!(connection = ?self.id(index), "closed: it reads too slowly");
            }
        }
        SendError::Full
    }

    /// Whether a connection on which `queued` bytes wait may have `len` more.
    fn fits(&self, queued: usize, len: usize) -> bool {
        let queued = queued.saturating_add(len);
        let thread_len_max = self.settings.queues.thread_len_max;
        queued <= self.queued_len_max
            && (self.queued_len.saturating_add(len) <= thread_len_max
                // The others have used it up; this one shall not have to pay for them.
                || queued <= thread_len_max / self.conns.len().max(1))
    }

    /// Brings the thread's sum up to date after a change of one queue.
    #[inline]
    pub(crate) fn account(&mut self, index: u32) {
        let Some(conn) = self.conns.get_mut(index) else { return };
        let cost = conn.queued_cost();
        let Stage::Open(proto) = &mut conn.stage else { return };
        self.queued_len = self.queued_len - conn.accounted + cost;
        conn.accounted = cost;
        if cost > self.settings.queues.high_water && !conn.flags.high {
            conn.flags.high = true;
            proto.pause_reading();
        }
    }

    /// Bytes in a connection's own queue.
    pub(crate) fn queued_at(&self, index: u32) -> usize {
        match self.conns.get(index) {
            Some(Conn { stage: Stage::Open(proto), .. }) => proto.outbox().len(),
            _ => 0,
        }
    }

    /// Has a connection looked at when the turn ends.
    pub(crate) fn mark(&mut self, index: u32) {
        if let Some(conn) = self.conns.get_mut(index)
            && !conn.flags.dirty
        {
            conn.flags.dirty = true;
            self.dirty.push(index);
        }
    }

    /// Whether there are as many connections as there may be.
    pub(crate) fn is_full(&self) -> bool {
        self.conns.len() >= self.settings.connection_count_max
    }

    /// A place for a new connection.
    pub(crate) fn insert(&mut self, conn: Conn<H::Guest>) -> Option<u32> {
        let may_be_refused = matches!(conn.stage, Stage::Opening(_));
        let more = if may_be_refused { self.settings.refused_count_max } else { 0 };
        if self.conns.len() >= self.settings.connection_count_max.saturating_add(more) {
            return None;
        }
        self.conns.insert(conn)
    }

    /// A new WebSocket, with its share of the jitter.
    pub(crate) fn new_proto(&mut self) -> Connection {
        self.configs.rotate_left(1);
        let config = &self.configs[0];
        Connection::new(tidewire_proto::Role::Server, Arc::clone(config), self.cx.now)
    }

    pub(crate) fn remove(&mut self, index: u32) -> Option<Conn<H::Guest>> {
        let mut conn = self.conns.remove(index)?;
        self.queued_len -= conn.accounted;
        if let Some(proto) = conn.proto_mut() {
            proto.release(&mut self.cx);
        }
        self.topics.forget(index);
        Some(conn)
    }

    pub(crate) fn id(&self, index: u32) -> Option<ConnectionId> {
        let generation = self.conns.generation(index)?;
        Some(ConnectionId { thread: self.thread, index, generation })
    }

    fn index(&self, id: ConnectionId) -> Option<u32> {
        let here = id.thread == self.thread;
        (here && self.conns.generation(id.index) == Some(id.generation)).then_some(id.index)
    }
}

/// A Close without a reason. A code that must not be sent (RFC 6455 §7.4.1) is left out.
pub(crate) fn close_frame(code: CloseCode) -> CloseFrame {
    CloseFrame::new(code, "").unwrap_or(CloseFrame::EMPTY)
}

impl<H: Handler> fmt::Debug for Plane<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plane")
            .field("thread", &self.thread)
            .field("connections", &self.conns.len())
            .field("queued_len", &self.queued_len)
            .finish_non_exhaustive()
    }
}
