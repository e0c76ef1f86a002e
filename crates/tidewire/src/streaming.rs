//! Messages that are larger than memory: [`MessageReader`], [`MessageWriter`].

use std::{
    fmt,
    future::poll_fn,
    io,
    pin::Pin,
    task::{self, Poll, ready},
};

use bytes::{Buf, Bytes};
use tidewire_proto::{CloseCode, Kind};
use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, ReadBuf};

use crate::{
    error::Error,
    link::Stream,
    thread::with_context,
    unread::{Event, Fragment},
    websocket::WebSocket,
};

/// One message, read while it arrives. Fragments are hidden, and text is validated on the way.
///
/// Get the bytes by [`chunk`](Self::chunk), or by [`AsyncRead`]. Dropping it early skips the rest
/// of the message, which is lawful.
pub struct MessageReader<'a, S: Stream> {
    ws: &'a mut WebSocket<S>,
    kind: Kind,
    /// What arrived and was not taken yet.
    chunk: Bytes,
    last: bool,
}

impl<'a, S: Stream> MessageReader<'a, S> {
    /// Waits for the next message to begin.
    pub(crate) async fn next(ws: &'a mut WebSocket<S>) -> Result<Option<Self>, Error> {
        loop {
            let event = poll_fn(|task| {
                ws.deliver_fragments();
                ws.poll_event(task)
            });
            let (kind, chunk, last) = match event.await? {
                None => return Ok(None),
                // It was read ahead, whole.
                Some(Event::Message(message)) => (message.kind(), message.into_bytes(), true),
                Some(Event::Fragment(fragment)) => {
                    let Fragment { kind, payload, first, last } = *fragment;
                    if !first {
                        ws.skipped(last);
                        continue;
                    }
                    (kind, payload, last)
                }
                Some(_) => continue,
            };
            return Ok(Some(Self { ws, kind, chunk, last }));
        }
    }

    /// What the message carries.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The next bytes of the message; `None` at its end. Text may be cut inside a code point.
    ///
    /// # Errors
    /// As [`WebSocket::next`].
    ///
    /// # Cancel safety
    /// Nothing is lost if the future is dropped.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        poll_fn(|task| self.poll_chunk(task)).await?;
        let chunk = std::mem::take(&mut self.chunk);
        Ok(if chunk.is_empty() { None } else { Some(chunk) })
    }

    /// Ready when there are bytes, or the message has ended.
    fn poll_chunk(&mut self, task: &mut task::Context<'_>) -> Poll<Result<(), Error>> {
        while self.chunk.is_empty() && !self.last {
            match ready!(self.ws.poll_event(task))? {
                Some(Event::Fragment(fragment)) => {
                    self.chunk = fragment.payload;
                    self.last = fragment.last;
                }
                Some(_) => {}
                None => {
                    // Clean for the connection, but not for a message that is not finished.
                    self.last = true;
                    let error = io::Error::from(io::ErrorKind::UnexpectedEof);
                    return Poll::Ready(Err(error.into()));
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: Stream> AsyncBufRead for MessageReader<'_, S> {
    fn poll_fill_buf(
        self: Pin<&mut Self>,
        task: &mut task::Context<'_>,
    ) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        ready!(this.poll_chunk(task)).map_err(io::Error::from)?;
        Poll::Ready(Ok(&this.chunk))
    }

    fn consume(self: Pin<&mut Self>, amount: usize) {
        self.get_mut().chunk.advance(amount);
    }
}

impl<S: Stream> AsyncRead for MessageReader<'_, S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        task: &mut task::Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let chunk = ready!(self.as_mut().poll_fill_buf(task))?;
        let len = chunk.len().min(buf.remaining());
        buf.put_slice(&chunk[..len]);
        self.consume(len);
        Poll::Ready(Ok(()))
    }
}

impl<S: Stream> Drop for MessageReader<'_, S> {
    fn drop(&mut self) {
        self.ws.skipped(self.last);
    }
}

impl<S: Stream> fmt::Debug for MessageReader<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageReader").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// One message, sent while it is made: what is written leaves in frames of at most 64 KiB, and
/// Pings pass between them.
///
/// [`finish`](Self::finish) it. Dropped unfinished, it fails the connection with 1011: the peer
/// never takes a torn message for a whole one.
pub struct MessageWriter<'a, S: Stream> {
    ws: &'a mut WebSocket<S>,
    kind: Kind,
    finished: bool,
}

const FRAME_LEN_MAX: usize = 64 << 10;

impl<'a, S: Stream> MessageWriter<'a, S> {
    pub(crate) const fn new(ws: &'a mut WebSocket<S>, kind: Kind) -> Self {
        Self { ws, kind, finished: false }
    }

    /// Ends the message.
    ///
    /// # Errors
    /// As [`WebSocket::send`]; and where a text message ends inside a code point.
    ///
    /// # Cancel safety
    /// If the future is dropped, the message may be unfinished, which fails the connection.
    pub async fn finish(mut self) -> Result<(), Error> {
        poll_fn(|task| self.ws.poll_ready(task)).await?;
        self.queue(&[], true)?;
        self.finished = true;
        self.ws.flush().await
    }

    fn queue(&self, payload: &[u8], last: bool) -> Result<(), Error> {
        let mut inner = self.ws.link().lock();
        Ok(with_context(|cx| inner.conn.send_fragment(cx, self.kind, payload, last))?)
    }
}

impl<S: Stream> AsyncWrite for MessageWriter<'_, S> {
    fn poll_write(
        self: Pin<&mut Self>,
        task: &mut task::Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.ws.poll_ready(task)).map_err(io::Error::from)?;
        let len = buf.len().min(FRAME_LEN_MAX);
        this.queue(&buf[..len], false).map_err(io::Error::from)?;
        this.ws.flush_or_cork().map_err(io::Error::from)?;
        Poll::Ready(Ok(len))
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        self.ws.poll_flush(task).map_err(io::Error::from)
    }

    /// Flushes. It does not end the message: only [`MessageWriter::finish`] does.
    fn poll_shutdown(self: Pin<&mut Self>, task: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(task)
    }
}

impl<S: Stream> Drop for MessageWriter<'_, S> {
    fn drop(&mut self) {
        if !self.finished {
            // Where the connection closes already, the peer learns of it anyway.
            let _ = self.ws.start_close(CloseCode::INTERNAL_ERROR, "");
        }
    }
}

impl<S: Stream> fmt::Debug for MessageWriter<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageWriter").field("kind", &self.kind).finish_non_exhaustive()
    }
}
