//! Two halves that live in different tasks: [`Sender`] and [`Receiver`].

use std::{
    fmt,
    future::{Future, poll_fn},
    io,
    sync::Arc,
    task::{Poll, ready},
};

use tidewire_proto::{CloseCode, CloseFrame, Outcome, Outgoing, ReadyState, SendError};
use tokio::sync::{Notify, mpsc};

use crate::{
    error::Error,
    link::{Link, Stream},
    message::Message,
    thread::{self, with_context},
    websocket::{QUEUED_LEN_MAX, WebSocket},
};

/// The sending half of a connection; see [`WebSocket::split`].
///
/// Cheap to clone; the clones share one queue, bounded in bytes. What several tasks send during
/// one turn of the runtime leaves in one write. When the last clone is dropped, the connection is
/// closed with 1000, and the receiver goes on until the peer has answered.
#[derive(Clone)]
pub struct Sender(Arc<LastSender>);

/// Closes the connection when nobody can send any more.
struct LastSender {
    link: Arc<dyn Outbound>,
    /// Told when something was written.
    room: Arc<Notify>,
}

impl Drop for LastSender {
    fn drop(&mut self) {
        // If it closes already, that is what is wanted.
        let _ = Arc::clone(&self.link).close(CloseFrame::new(CloseCode::NORMAL_CLOSURE, ""));
    }
}

/// The receiving half of a connection; see [`WebSocket::split`].
#[derive(Debug)]
pub struct Receiver {
    messages: mpsc::Receiver<Result<Message, Error>>,
    driver: Option<tokio::task::JoinHandle<()>>,
}

/// What the driver reports to the receiver.
type Inbound = mpsc::Sender<Result<Message, Error>>;

/// Messages that wait for the receiver; then the peer has to wait.
const WAITING_MAX: usize = 32;

/// A link of any transport, as the sender sees it.
trait Outbound: Send + Sync {
    /// Queues `message` if there is room for it.
    fn queue(&self, message: &mut dyn FnMut() -> Outgoing<'static>) -> Result<(), Refused>;
    fn close(self: Arc<Self>, frame: Result<CloseFrame, SendError>) -> Result<(), Error>;
    fn buffered(&self) -> usize;
    fn ready_state(&self) -> ReadyState;
    fn close_info(&self) -> Option<Outcome>;
    fn schedule(self: Arc<Self>);
}

enum Refused {
    Full,
    Error(Error),
}

impl<S: Stream> Outbound for Link<S> {
    fn queue(&self, message: &mut dyn FnMut() -> Outgoing<'static>) -> Result<(), Refused> {
        let mut inner = self.lock();
        inner.write_result().map_err(|error| Refused::Error(error.into()))?;
        match inner.conn.ready_state() {
            ReadyState::Open if inner.conn.outbox().cost() >= QUEUED_LEN_MAX => {
                return Err(Refused::Full);
            }
            ReadyState::Closing => return Err(Refused::Error(SendError::Closing.into())),
            ReadyState::Closed => return Err(Refused::Error(SendError::Closed.into())),
            ReadyState::Connecting | ReadyState::Open => {}
        }
        with_context(|cx| inner.conn.send(cx, message()))
            .map_err(|error| Refused::Error(error.into()))
    }

    fn close(self: Arc<Self>, frame: Result<CloseFrame, SendError>) -> Result<(), Error> {
        let frame = frame?;
        let mut inner = self.lock();
        thread::update_time();
        with_context(|cx| inner.conn.close(cx, frame))?;
        let driver = inner.take_owner();
        drop(inner);
        Self::schedule(&self);
        if let Some(driver) = driver {
            driver.wake(); // it keeps the deadline
        }
        Ok(())
    }

    fn buffered(&self) -> usize {
        self.lock().conn.outbox().len()
    }

    fn ready_state(&self) -> ReadyState {
        self.lock().conn.ready_state()
    }

    fn close_info(&self) -> Option<Outcome> {
        self.lock().conn.outcome().cloned()
    }

    fn schedule(self: Arc<Self>) {
        Self::schedule(&self);
    }
}

/// Why [`Sender::try_send`] did not take a message; it hands it back.
#[derive(Debug)]
#[non_exhaustive]
pub enum TrySendError<M> {
    /// More than 1 MiB is queued.
    Full(M),
    /// The connection closes or has ended.
    Closed(M, Error),
}

impl<M> fmt::Display for TrySendError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(_) => f.write_str("the peer does not take what is queued for it already"),
            Self::Closed(_, error) => error.fmt(f),
        }
    }
}

impl<M: fmt::Debug> std::error::Error for TrySendError<M> {}

impl Sender {
    /// Sends a message; waits while more than 1 MiB is queued.
    ///
    /// # Errors
    /// [`Error::Send`] once the connection closes, [`Error::Io`] where the transport broke.
    ///
    /// # Cancel safety
    /// If the future is dropped, the message is queued wholly or not at all.
    pub async fn send(&self, message: impl Into<Outgoing<'static>>) -> Result<(), Error> {
        let mut message = message;
        loop {
            let room = self.0.room.notified();
            tokio::pin!(room);
            // Registered before we look, so that room made meanwhile is not missed.
            room.as_mut().enable();
            match self.try_send(message) {
                Ok(()) => return Ok(()),
                Err(TrySendError::Full(back)) => message = back,
                Err(TrySendError::Closed(_, error)) => return Err(error),
            }
            room.await;
        }
    }

    /// Sends a message if there is room for it, else hands it back.
    ///
    /// # Errors
    /// [`TrySendError`].
    pub fn try_send<M: Into<Outgoing<'static>>>(&self, message: M) -> Result<(), TrySendError<M>> {
        let mut message = Some(message);
        let link = &self.0.link;
        let result = link.queue(&mut || message.take().map_or_else(unreachable, Into::into));
        match (result, message) {
            (Ok(()), _) => {
                Arc::clone(link).schedule();
                Ok(())
            }
            (Err(Refused::Full), Some(message)) => Err(TrySendError::Full(message)),
            (Err(Refused::Error(error)), Some(message)) => {
                Err(TrySendError::Closed(message, error))
            }
            // `queue` asks for the message only once nothing can refuse it any more.
            (Err(_), None) => unreachable(),
        }
    }

    /// Bytes that wait to be written.
    pub fn buffered(&self) -> usize {
        self.0.link.buffered()
    }

    /// Waits until everything that is queued has been written, or cannot be any more.
    ///
    /// # Cancel safety
    /// May be dropped at any time.
    pub async fn drained(&self) {
        loop {
            let room = self.0.room.notified();
            tokio::pin!(room);
            room.as_mut().enable();
            if self.buffered() == 0 {
                return;
            }
            room.await;
        }
    }

    /// Sends a Close frame. The [`Receiver`] goes on until the peer has answered.
    ///
    /// # Errors
    /// If the code or reason must not be sent, or the connection closes already.
    pub fn close(&self, code: CloseCode, reason: &str) -> Result<(), Error> {
        Arc::clone(&self.0.link).close(CloseFrame::new(code, reason))
    }

    /// How far the connection has come.
    pub fn ready_state(&self) -> ReadyState {
        self.0.link.ready_state()
    }

    /// What was said of the end, from the first Close frame on: both codes, and who began.
    pub fn close_info(&self) -> Option<Outcome> {
        self.0.link.close_info()
    }
}

#[expect(clippy::panic, reason = "a bug of ours and of nobody else")]
fn unreachable<T>() -> T {
    panic!("a message that was taken was refused afterwards")
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("buffered", &self.buffered()).finish_non_exhaustive()
    }
}

impl Receiver {
    /// The next message; `None` is a clean end.
    ///
    /// # Errors
    /// Once, when the connection has ended otherwise. Then `None`.
    ///
    /// # Cancel safety
    /// Nothing is lost if the future is dropped.
    pub async fn next(&mut self) -> Result<Option<Message>, Error> {
        if let Some(message) = self.messages.recv().await {
            return message.map(Some);
        }
        match self.driver.take() {
            None => Ok(None),
            Some(driver) => match driver.await {
                Ok(()) => Ok(None),
                Err(error) => Err(io::Error::other(error).into()),
            },
        }
    }
}

impl<S: Stream> WebSocket<S> {
    /// Splits the connection into halves for different tasks, and starts one task that reads,
    /// answers Pings and keeps the timeouts.
    ///
    /// If the [`Receiver`] is dropped, messages are discarded and Pings still answered. If all
    /// [`Sender`]s are dropped, the connection is closed with 1000. While 32 messages wait for the
    /// receiver nothing more is read, and the peer has to wait.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn split(mut self) -> (Receiver, Sender) {
        let (inbound, messages) = mpsc::channel(WAITING_MAX);
        // It is there before anybody waits, so that what is written from now on is told.
        let room = self.link().lock().room();
        let link = Arc::clone(self.share_link()) as Arc<dyn Outbound>;
        let driver = Some(tokio::spawn(drive(self, inbound, Arc::clone(&room))));
        (Receiver { messages, driver }, Sender(Arc::new(LastSender { link, room })))
    }
}

async fn drive<S: Stream>(mut ws: WebSocket<S>, inbound: Inbound, room: Arc<Notify>) {
    /// Whoever waits for room learns of the end.
    struct OnDrop(Arc<Notify>);
    impl Drop for OnDrop {
        fn drop(&mut self) {
            self.0.notify_waiters();
        }
    }
    let end = OnDrop(room);
    let mut wanted = true;
    loop {
        let place = if wanted { place_for_one(&mut ws, &inbound).await } else { None };
        wanted = place.is_some();
        match (ws.next_driven().await, place) {
            (Ok(Some(message)), Some(place)) => place.send(Ok(message)),
            (Ok(Some(_)), None) => {}
            (Ok(None), _) => return,
            (Err(error), place) => {
                drop(place);
                drop(ws);
                drop(end); // the receiver may not take this before it has learned of the end
                // Without a receiver there is nobody to tell.
                let _ = inbound.send(Err(error)).await;
                return;
            }
        }
    }
}

/// Waits until the receiver takes one more message; `None` where there is no receiver any more, or
/// where the connection has ended meanwhile.
async fn place_for_one<'a, S: Stream>(
    ws: &mut WebSocket<S>,
    inbound: &'a Inbound,
) -> Option<mpsc::Permit<'a, Result<Message, Error>>> {
    let mut reserve = std::pin::pin!(inbound.reserve());
    poll_fn(|task| {
        loop {
            if let Poll::Ready(place) = reserve.as_mut().poll(task) {
                return Poll::Ready(place.ok());
            }
            if ready!(ws.poll_unread(task)).is_err() {
                return Poll::Ready(None);
            }
        }
    })
    .await
}
