//! [`WebSocket`]: one connection, over any byte stream.

use std::{
    collections::VecDeque,
    fmt,
    future::{Future, poll_fn},
    io,
    pin::pin,
    sync::Arc,
    task::{self, Poll, ready},
    time::Duration,
};

use tidewire_proto::{
    CloseCode, CloseFrame, Config, Connection, Kind, Outcome, Outgoing, ReadyState, Role,
    SendError, handshake::Headers,
};
use tokio::sync::oneshot;

use crate::{
    agreed::{Agreed, Terms},
    error::Error,
    hold::Hold,
    link::{Inner, Link, Short, Stream},
    message::Message,
    net_stream::NetStream,
    streaming::{MessageReader, MessageWriter},
    thread::{self, with_context},
    timer::{Timer, poll_timer},
    unread::{Event, Unread},
};

/// A WebSocket connection, in either role, over any byte stream: by default one that this library
/// made or accepted itself.
///
/// ```no_run
/// # async fn echo(mut ws: tidewire::WebSocket) -> Result<(), tidewire::Error> {
/// while let Some(message) = ws.next().await? {
///     ws.send(message).await?;
/// }
/// # Ok(()) }
/// ```
///
/// # What happens when
/// There is no task behind a `WebSocket`: it reads, answers Pings and keeps its timeouts while one
/// of its futures is polled. (What is queued is written even if none is: see
/// [`send`](Self::send).) Use [`split`](Self::split) for one that reads by itself.
///
/// # Cancel safety
/// Every future of this type may be dropped at any point. [`next`](Self::next) loses nothing: what
/// was read stays with the connection. [`send`](Self::send) has queued the message wholly or not
/// at all.
///
/// # Dropping
/// A connection that is dropped while open says 1001 (going away), or 1011 (internal error) by a
/// panic, if the socket takes it at once, and ends TCP. To wait for the peer, [`close`](Self::close) it.
pub struct WebSocket<S: Stream = NetStream> {
    link: Hold<S>,
    unread: Unread,
    /// What was read while a `send` waited for room.
    ahead: Option<Box<Ahead>>,
    timer: Option<Timer>,
    terms: Option<Box<Terms>>,
    fragments: Fragments,
    end: End,
    /// Whom to tell of the end, when the connection is dropped.
    told: Option<oneshot::Sender<Option<Outcome>>>,
    /// Events since this task last yielded.
    turn: u16,
    /// Reads since the deadlines were looked at; two stand for more.
    reads: u8,
}

/// Whether messages are asked for in pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fragments {
    /// Whole messages.
    Off,
    /// The next message is to come in pieces.
    On,
    /// So it did, and its reader was dropped: the rest of it is skipped.
    Skip,
}

/// How far the end has been told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    NotYet,
    Told,
}

#[derive(Default)]
struct Ahead {
    events: VecDeque<Event>,
    /// What they cost.
    len: usize,
}

impl Ahead {
    fn push(&mut self, event: Event) {
        self.len += event.cost();
        self.events.push_back(event);
    }

    fn pop(&mut self) -> Option<Event> {
        let event = self.events.pop_front()?;
        self.len -= event.cost();
        Some(event)
    }
}

/// With this much queued, `send` waits until the peer has taken some.
pub(crate) const QUEUED_LEN_MAX: usize = 1 << 20;

/// While `send` waits, so much is read ahead; then the peer has to wait too.
const AHEAD_LEN_MAX: usize = 1 << 20;

/// Corked messages are written in any case when they are this much.
const CORK_LEN_MAX: usize = 64 << 10;

/// After so many events the task yields, though more have arrived already: one read may bring
/// thousands of tiny messages, and tokio's own budget counts reads. Others wait for less than a
/// millisecond then, and 10,000 pipelined echoes take five writes more.
const TURN_LEN_MAX: u16 = 2048;

impl<S: Stream> WebSocket<S> {
    /// A connection whose opening handshake was done elsewhere, without extensions.
    ///
    /// `unread` is what the handshake has read beyond its own end.
    pub fn from_handshaken(io: S, role: Role, config: Arc<Config>, unread: &[u8]) -> Self {
        Self::new(io, role, config, Agreed::default(), unread)
    }

    pub(crate) fn new(
        io: S,
        role: Role,
        config: Arc<Config>,
        agreed: Agreed,
        unread: &[u8],
    ) -> Self {
        thread::update_time();
        let conn = with_context(|cx| Connection::new(role, config, cx.now));
        #[cfg(feature = "deflate")]
        let conn = conn.with_deflate(agreed.deflate);
        Self {
            link: Hold::new(Link::new(io, conn)),
            unread: Unread::new(unread),
            ahead: None,
            timer: None,
            terms: agreed.terms,
            fragments: Fragments::Off,
            end: End::NotYet,
            told: None,
            reads: 0,
            turn: 0,
        }
    }

    /// Tells what was said of the end, when the connection is dropped.
    pub(crate) fn tell_end(&mut self) -> oneshot::Receiver<Option<Outcome>> {
        let (told, ended) = oneshot::channel();
        self.told = Some(told);
        ended
    }

    /// The subprotocol that was agreed on (RFC 6455 §1.9).
    pub fn subprotocol(&self) -> Option<&str> {
        self.terms.as_ref()?.subprotocol.as_deref()
    }

    /// The headers of the server's answer to the opening handshake, the 101 or over HTTP/2 the 200,
    /// where we are the client: a cookie for the next connection, or which node of many it is.
    pub fn response_headers(&self) -> Option<&Headers> {
        self.terms.as_ref()?.response_headers.as_deref()
    }

    /// The next message; `None` is a clean end.
    ///
    /// # Errors
    /// Once, when the connection has ended otherwise. Then `None`.
    ///
    /// # Cancel safety
    /// Nothing is lost if the future is dropped.
    #[expect(clippy::should_implement_trait, reason = "an async fn is not taken for it either")]
    pub fn next(&mut self) -> impl Future<Output = Result<Option<Message>, Error>> {
        // Not an async fn: that hands each message on once more.
        poll_fn(|task| self.poll_next(task))
    }

    /// [`next`](Self::next), for hand-written futures.
    pub fn poll_next(
        &mut self,
        task: &mut task::Context<'_>,
    ) -> Poll<Result<Option<Message>, Error>> {
        if self.fragments == Fragments::On {
            self.fragments = Fragments::Off;
            self.link.lock().conn.deliver_fragments(false);
        }
        while self.end == End::NotYet {
            match ready!(self.poll_untold(task)) {
                // Not by way of `tell`: it is moved once less.
                Ok(Event::Message(message)) => return Poll::Ready(Ok(Some(message))),
                event => {
                    if let Some(Event::Fragment(fragment)) = self.tell(event)? {
                        self.skipped(fragment.last);
                    }
                }
            }
        }
        Poll::Ready(Ok(None))
    }

    /// The next message, to be read while it arrives: for messages that are larger than memory.
    /// `message_len_max` does not hold for it. `None` is a clean end.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    ///
    /// # Cancel safety
    /// Nothing is lost if the future is dropped.
    pub async fn next_reader(&mut self) -> Result<Option<MessageReader<'_, S>>, Error> {
        MessageReader::next(self).await
    }

    /// Sends a message piece by piece: for messages that are larger than memory.
    pub const fn writer(&mut self, kind: Kind) -> MessageWriter<'_, S> {
        MessageWriter::new(self, kind)
    }

    pub(crate) fn deliver_fragments(&mut self) {
        if self.fragments == Fragments::Off {
            self.fragments = Fragments::On;
            self.link.lock().conn.deliver_fragments(true);
        }
    }

    /// A reader left the message: `last` if nothing of it is to come.
    pub(crate) fn skipped(&mut self, last: bool) {
        if last {
            self.fragments = Fragments::Off;
            self.link.lock().conn.deliver_fragments(false);
        } else {
            self.fragments = Fragments::Skip;
        }
    }

    pub(crate) fn link(&self) -> &Link<S> {
        &self.link
    }

    /// The link, for somebody else to hold as well.
    pub(crate) fn share_link(&mut self) -> &Arc<Link<S>> {
        self.link.share()
    }

    /// [`next`](Self::next) for the task behind a split connection: woken as well when a sender
    /// has closed.
    pub(crate) async fn next_driven(&mut self) -> Result<Option<Message>, Error> {
        poll_fn(|task| {
            self.link.lock().register_owner(task);
            self.poll_next(task)
        })
        .await
    }

    /// Sends a message.
    ///
    /// Waits while more than 1 MiB is queued; reads ahead meanwhile, up to 1 MiB. Then the message
    /// is written at once, unless further messages have arrived already: then their answers leave
    /// together, as soon as this task yields.
    ///
    /// # Errors
    /// [`Error::Send`] after a Close, and [`Error::Io`] where the transport broke. If the peer has
    /// closed, or has broken a rule, the connection has come to its end before that is told; of a
    /// broken rule [`next`](Self::next) will tell as well.
    ///
    /// # Cancel safety
    /// If the future is dropped, the message is queued wholly or not at all.
    pub fn send<'a>(
        &mut self,
        message: impl Into<Outgoing<'a>>,
    ) -> impl Future<Output = Result<(), Error>> {
        // Not an async fn: that would keep room for the message twice in every task.
        let mut message = Some(message.into());
        poll_fn(move |task| self.poll_send(task, &mut message))
    }

    /// `message` is taken once there is room for it, and then it is queued.
    fn poll_send(
        &mut self,
        task: &mut task::Context<'_>,
        message: &mut Option<Outgoing<'_>>,
    ) -> Poll<Result<(), Error>> {
        let mut lock = None;
        let mut inner = self.link.access(&mut lock);
        while !inner.takes_message()? {
            drop(lock);
            ready!(self.poll_ready(task))?;
            lock = None;
            inner = self.link.access(&mut lock);
        }
        // A short one is not moved out: to load in one piece what was stored in several makes the
        // processor wait.
        let short = match message {
            Some(message) if self.unread.is_empty() => inner.write_short(message),
            _ => Short::Not,
        };
        match short {
            Short::Done => {
                *message = None;
                return Poll::Ready(Ok(()));
            }
            Short::Begun => *message = None,
            Short::Not => {
                if let Some(message) = message.take() {
                    with_context(|cx| inner.conn.send(cx, message))?;
                }
            }
        }
        let flushed = flush_or_cork(inner, &self.unread);
        drop(lock);
        Poll::Ready(self.after_flush_or_cork(flushed))
    }

    /// Queues a message without writing it: [`flush`](Self::flush) does, or else this task's next
    /// yield.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    /// As [`send`](Self::send).
    pub async fn feed<'a>(&mut self, message: impl Into<Outgoing<'a>>) -> Result<(), Error> {
        let message = message.into();
        poll_fn(|task| self.poll_ready(task)).await?;
        self.queue(message)
    }

    /// Queues a message, and has it written once this task yields.
    pub(crate) fn queue(&mut self, message: Outgoing<'_>) -> Result<(), Error> {
        let mut inner = self.link.lock();
        with_context(|cx| inner.conn.send(cx, message))?;
        drop(inner);
        self.link.schedule();
        Ok(())
    }

    /// Waits until everything that is queued has been given to the transport; reads ahead
    /// meanwhile, as [`send`](Self::send) does.
    ///
    /// # Errors
    /// [`Error::Io`] where the transport broke.
    ///
    /// # Cancel safety
    /// Nothing is lost if the future is dropped; writing goes on.
    pub async fn flush(&mut self) -> Result<(), Error> {
        poll_fn(|task| self.poll_flush(task)).await
    }

    /// Sends a Ping (RFC 6455 §5.5.2) with a payload of at most 125 bytes. Nobody needs this to
    /// keep a connection alive: see [`Timeouts`](tidewire_proto::Timeouts).
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), Error> {
        let mut inner = self.link.lock();
        with_context(|cx| inner.conn.ping(cx, payload))?;
        drop(inner);
        self.flush_or_cork()
    }

    /// Closes the connection and waits until it has ended. Messages that still arrive are
    /// discarded; to get them, [`start_close`](Self::start_close) and go on with
    /// [`next`](Self::next).
    ///
    /// # Errors
    /// If the code or reason must not be sent, or if it ended in any other way than cleanly.
    ///
    /// # Cancel safety
    /// If the future is dropped the Close is sent nevertheless.
    pub async fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), Error> {
        self.start_close(code, reason)?;
        while self.next().await?.is_some() {}
        Ok(())
    }

    /// Sends a Close frame (RFC 6455 §7.1.2). From now on nothing can be sent; messages may still
    /// arrive until the peer has answered.
    ///
    /// # Errors
    /// If the code or reason must not be sent, or the connection closes already.
    pub fn start_close(&mut self, code: CloseCode, reason: &str) -> Result<(), Error> {
        let frame = CloseFrame::new(code, reason)?;
        let mut inner = self.link.lock();
        thread::update_time();
        with_context(|cx| inner.conn.close(cx, frame))?;
        drop(inner);
        self.flush_or_cork()
    }

    /// Whether messages are compressed (RFC 7692), and how.
    #[cfg(feature = "deflate")]
    pub fn deflate(&self) -> Option<tidewire_proto::DeflateParams> {
        self.link.lock().conn.deflate()
    }

    /// How far the connection has come (RFC 6455 §4.1, §7.1).
    pub fn ready_state(&self) -> ReadyState {
        self.link.lock().conn.ready_state()
    }

    /// Which end we are.
    pub fn role(&self) -> Role {
        self.link.lock().conn.role()
    }

    /// What was said of the end, from the first Close frame on: both codes, and who began.
    pub fn close_info(&self) -> Option<Outcome> {
        self.link.lock().conn.outcome().cloned()
    }

    /// The round trip of the last answered keep-alive Ping.
    pub fn latency(&self) -> Option<Duration> {
        self.link.lock().conn.latency()
    }

    /// Bytes that wait to be written.
    pub fn buffered(&self) -> usize {
        self.link.lock().conn.outbox().len()
    }

    /// Looks at the transport, for its addresses for example.
    #[expect(clippy::missing_panics_doc, reason = "it does not")]
    pub fn with_io<T>(&self, f: impl FnOnce(&S) -> T) -> T {
        #[expect(clippy::expect_used, reason = "only dropping the WebSocket takes it away")]
        f(self.link.lock().io().expect("the transport is there"))
    }

    /// Writes at once, or leaves it to the flusher while more messages are unread.
    pub(crate) fn flush_or_cork(&mut self) -> Result<(), Error> {
        let flushed = flush_or_cork(self.link.access(&mut None), &self.unread);
        self.after_flush_or_cork(flushed)
    }

    fn after_flush_or_cork(&mut self, flushed: Option<Poll<io::Result<()>>>) -> Result<(), Error> {
        match flushed.map(|result| self.link.after_flush(result)) {
            Some(Poll::Ready(result)) => Ok(result?),
            // The flusher goes on when the transport takes more.
            Some(Poll::Pending) => Ok(()),
            None => {
                self.link.schedule();
                Ok(())
            }
        }
    }

    pub(crate) fn poll_flush(&mut self, task: &mut task::Context<'_>) -> Poll<Result<(), Error>> {
        loop {
            self.link.lock().register_owner(task);
            if self.link.poll_flush()?.is_ready() {
                return Poll::Ready(Ok(()));
            }
            ready!(self.poll_meanwhile(task))?;
        }
    }

    /// Ready when there is room in the queue. Reads ahead while there is none.
    pub(crate) fn poll_ready(&mut self, task: &mut task::Context<'_>) -> Poll<Result<(), Error>> {
        loop {
            let mut inner = self.link.lock();
            if inner.is_ending() {
                drop(inner);
                return self.poll_end(task);
            }
            if inner.has_room()? {
                return Poll::Ready(Ok(()));
            }
            inner.register_owner(task);
            drop(inner);
            if self.link.poll_flush()?.is_ready() || self.link.lock().has_room()? {
                return Poll::Ready(Ok(()));
            }
            ready!(self.poll_meanwhile(task))?;
        }
    }

    /// Nothing can be sent any more: the peer has closed, or we fail the connection. Goes on to the
    /// end of it before that is told, since whoever gets an error drops the connection, and with it
    /// what is queued: our Close for one (§7.1.1).
    fn poll_end(&mut self, task: &mut task::Context<'_>) -> Poll<Result<(), Error>> {
        loop {
            let event = ready!(self.poll_transport(task))?;
            if matches!(event, Event::Closed(_)) {
                return Poll::Ready(self.ended(event));
            }
        }
    }

    /// While something waits to be written: reads ahead, as far as that may go, and keeps the time.
    /// Ready when something has happened, or with an error when the connection has ended.
    fn poll_meanwhile(&mut self, task: &mut task::Context<'_>) -> Poll<Result<(), Error>> {
        if self.ahead.as_ref().is_some_and(|ahead| ahead.len >= AHEAD_LEN_MAX) {
            return self.poll_unread(task);
        }
        let event = ready!(self.poll_transport(task))?;
        match &event {
            Event::Message(_) | Event::Fragment(_) => {}
            Event::Closed(_) => return Poll::Ready(self.ended(event)),
            Event::Control | Event::Failed => return Poll::Ready(Ok(())),
        }
        self.ahead.get_or_insert_default().push(event);
        Poll::Ready(Ok(()))
    }

    /// Keeps the time without reading: nobody takes what would be read. Ready as
    /// [`poll_meanwhile`](Self::poll_meanwhile) is.
    pub(crate) fn poll_unread(&mut self, task: &mut task::Context<'_>) -> Poll<Result<(), Error>> {
        let mut inner = self.link.lock();
        inner.conn.pause_reading();
        if inner.wants_flush() {
            inner.register_owner(task);
            drop(inner);
            let _ = self.link.poll_flush();
            inner = self.link.lock();
        }
        let event = ready!(poll_timer(&mut self.timer, &mut inner, task));
        drop(inner);
        Poll::Ready(match event {
            Some(event @ Event::Closed(_)) => self.ended(event),
            _ => Ok(()),
        })
    }

    /// The connection ended while something was to be sent.
    fn ended(&mut self, event: Event) -> Result<(), Error> {
        let failure = match &event {
            Event::Closed(outcome) => outcome.failure,
            _ => None,
        };
        self.ahead.get_or_insert_default().push(event);
        Err(failure.map_or(Error::Send(SendError::Closed), Error::from))
    }

    /// The next event, be it read ahead; `None` after the end was told.
    pub(crate) fn poll_event(
        &mut self,
        task: &mut task::Context<'_>,
    ) -> Poll<Result<Option<Event>, Error>> {
        if self.end == End::Told {
            return Poll::Ready(Ok(None));
        }
        let event = ready!(self.poll_untold(task));
        Poll::Ready(self.tell(event))
    }

    /// The next event, be it read ahead, as it is.
    #[inline]
    fn poll_untold(&mut self, task: &mut task::Context<'_>) -> Poll<io::Result<Event>> {
        match self.take_ahead() {
            Some(event) => Poll::Ready(Ok(event)),
            None => self.poll_transport(task),
        }
    }

    /// What is told of an event; `None` for a clean end.
    #[inline(never)]
    fn tell(&mut self, event: io::Result<Event>) -> Result<Option<Event>, Error> {
        match event {
            Ok(Event::Closed(outcome)) => {
                self.end = End::Told;
                self.timer = None;
                self.link.lock().end_sending();
                match outcome.failure {
                    Some(failure) => Err(failure.into()),
                    None if outcome.was_clean() => Ok(None),
                    None => Err(Error::Closed(outcome)),
                }
            }
            Ok(event) => Ok(Some(event)),
            Err(error) => {
                self.end = End::Told;
                Err(error.into())
            }
        }
    }

    fn take_ahead(&mut self) -> Option<Event> {
        let ahead = self.ahead.as_mut()?;
        let event = ahead.pop();
        if ahead.events.is_empty() {
            self.ahead = None;
        }
        event
    }

    /// Reads, writes and keeps time until something happens.
    fn poll_transport(&mut self, task: &mut task::Context<'_>) -> Poll<io::Result<Event>> {
        let mut flushed = false;
        'locked: loop {
            let mut lock = None;
            let inner = self.link.access(&mut lock);
            if inner.conn.is_reading_paused() {
                with_context(|cx| inner.conn.resume_reading(cx.now));
            }
            loop {
                if self.turn == TURN_LEN_MAX {
                    self.turn = 0;
                    yield_now(task);
                    return Poll::Pending;
                }
                if let Some(event) = self.unread.next(&mut inner.conn) {
                    self.turn += 1;
                    self.unread.shrink();
                    return Poll::Ready(Ok(event));
                }
                // Everything that was read has been answered: now the answers leave, or as much of
                // them as the transport takes.
                if inner.wants_flush() && !flushed {
                    flushed = true;
                    // Errors of writing are told by `send`; here what arrives is still of interest.
                    let result = inner.try_flush();
                    drop(lock);
                    let _ = self.link.after_flush(result);
                    continue 'locked;
                }
                flushed = false;
                // A peer that never falls silent must not keep the deadlines from being looked at;
                // where it does, the timer looks, so not after the first read: mostly it is the
                // only one. Not before what was read has been either: it may meet them.
                if self.reads > 1 {
                    self.reads = 0;
                    if let Some(event) = inner.meet_deadline() {
                        return Poll::Ready(Ok(event));
                    }
                }
                match inner.poll_read(task, &mut self.unread) {
                    Poll::Ready(Ok(Some(event))) => return Poll::Ready(Ok(event)),
                    Poll::Ready(Ok(None)) => self.reads += 1,
                    Poll::Ready(Err(error)) => return Poll::Ready(broken(inner, error)),
                    Poll::Pending => {
                        self.turn = 0;
                        self.reads = 0;
                        if let Some(event) = ready!(poll_timer(&mut self.timer, inner, task)) {
                            return Poll::Ready(Ok(event));
                        }
                    }
                }
            }
        }
    }
}

/// Has the task polled again once others have run.
#[cold]
fn yield_now(task: &mut task::Context<'_>) {
    // Its first poll has the task woken once the sockets have been looked at as well; merely to wake
    // it would leave those out.
    let _ = pin!(tokio::task::yield_now()).poll(task);
}

/// Writes what the transport takes; `None` where it is corked, for more messages are unread.
fn flush_or_cork<S: Stream>(inner: &mut Inner<S>, unread: &Unread) -> Option<Poll<io::Result<()>>> {
    let corks = !unread.is_empty() && inner.conn.outbox().len() < CORK_LEN_MAX;
    (!corks).then(|| inner.try_flush())
}

/// Reading failed. Only a connection that was open is surprised: after a closing handshake many
/// peers just drop the transport.
#[cold]
fn broken<S: Stream>(inner: &mut Inner<S>, error: io::Error) -> io::Result<Event> {
    let surprised = inner.is_open();
    match inner.eof() {
        // TLS without close_notify is an end that anybody could have forged: 1006 (§7.1.5).
        Some(event) if !surprised || error.kind() == io::ErrorKind::UnexpectedEof => Ok(event),
        _ => Err(error),
    }
}

impl<S: Stream> Drop for WebSocket<S> {
    fn drop(&mut self) {
        let mut inner = self.link.lock();
        if let Some(told) = self.told.take() {
            // Nobody may want to know any more.
            let _ = told.send(inner.conn.outcome().cloned());
        }
        let code = if std::thread::panicking() {
            CloseCode::INTERNAL_ERROR
        } else {
            CloseCode::GOING_AWAY
        };
        if inner.is_open()
            && let Ok(close) = CloseFrame::new(code, "")
        {
            // It is open, so it takes a Close.
            let _ = with_context(|cx| inner.conn.close(cx, close));
        }
        inner.shut();
    }
}

impl<S: Stream> fmt::Debug for WebSocket<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocket")
            .field("ready_state", &self.ready_state())
            .field("buffered", &self.buffered())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_makes_room_to_read_ahead() {
        let message = || Event::Message(Message::binary(vec![0; 1000]));
        let mut ahead = Ahead::default();
        ahead.push(message());
        let one = ahead.len;
        assert!(one >= 1000);
        ahead.push(message());
        assert!(ahead.pop().is_some());
        assert_eq!(ahead.len, one);
    }
}
