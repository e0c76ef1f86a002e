//! [`Stream`]: one stream of HTTP/2 as a stream of bytes.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf as _, Bytes, BytesMut};
use h2::{Reason, RecvStream, SendStream};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    runtime::Handle,
    time::timeout,
};

/// A stream that we have ended and dropped waits so long for its peer.
const LINGER: Duration = Duration::from_secs(1);

/// The bytes of a WebSocket over HTTP/2 (RFC 8441 §5).
///
/// Dropped, it ends like a TCP socket: in order, if the peer has taken everything, else by a reset.
#[derive(Debug)]
pub struct Stream {
    send: SendStream<Bytes>,
    /// `None` while it is dropped.
    receive: Option<RecvStream>,
    /// Of a DATA frame, what is not consumed.
    unread: Bytes,
    sending: Sending,
}

/// What became of the last attempt to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sending {
    Idle,
    /// The peer does not take what is to be sent.
    Blocked,
    Ended,
}

impl Stream {
    pub(super) const fn new(send: SendStream<Bytes>, receive: RecvStream) -> Self {
        Self { send, receive: Some(receive), unread: Bytes::new(), sending: Sending::Idle }
    }

    /// Waits until the peer takes something, at most `wanted` bytes; how many it takes.
    fn poll_room(&mut self, task: &mut Context<'_>, wanted: usize) -> Poll<io::Result<usize>> {
        if self.sending == Sending::Ended {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        self.sending = Sending::Blocked;
        self.send.reserve_capacity(wanted);
        while self.send.capacity() == 0 {
            match ready!(self.send.poll_capacity(task)) {
                Some(Ok(_)) => {}
                Some(Err(error)) => return Poll::Ready(Err(io_error(error))),
                None => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            }
        }
        self.sending = Sending::Idle;
        Poll::Ready(Ok(self.send.capacity().min(wanted)))
    }

    fn end_sending(&mut self) -> Result<(), h2::Error> {
        if self.sending == Sending::Ended {
            return Ok(());
        }
        self.sending = Sending::Ended;
        self.send.send_data(Bytes::new(), true)
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { receive: Some(receive), unread, .. } = &mut *self else {
            return Poll::Ready(Ok(()));
        };
        while unread.is_empty() {
            match ready!(receive.poll_data(task)) {
                Some(Ok(data)) => *unread = data,
                Some(Err(error)) => return Poll::Ready(Err(io_error(error))),
                // §5: "The END_STREAM flag" is the FIN. Trailers mean nothing here.
                None => return Poll::Ready(Ok(())),
            }
        }
        let len = unread.len().min(buf.remaining());
        buf.put_slice(&unread[..len]);
        unread.advance(len);
        if unread.is_empty() {
            *unread = Bytes::new(); // it would hold on to h2's buffer
        }
        // Consumed, so the peer may send as much again.
        Poll::Ready(receive.flow_control().release_capacity(len).map_err(io_error))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        task: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(task, &[IoSlice::new(buf)])
    }

    /// Many pieces leave in one DATA frame.
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wanted = bufs.iter().map(|buf| buf.len()).sum();
        if wanted == 0 {
            return Poll::Ready(Ok(0));
        }
        let room = ready!(self.poll_room(task, wanted))?;
        let mut data = BytesMut::with_capacity(room);
        for buf in bufs {
            let left = room - data.len();
            data.extend_from_slice(&buf[..buf.len().min(left)]);
        }
        self.send.send_data(data.freeze(), false).map_err(io_error)?;
        Poll::Ready(Ok(room))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// The connection's own task writes to the network.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.end_sending().map_err(io_error))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // RFC 8441 §5: "a TCP connection closed with the RST flag set is represented by RST_STREAM
        // with the CANCEL error code".
        if self.sending == Sending::Blocked {
            self.send.send_reset(Reason::CANCEL);
            return;
        }
        // Where it fails there is nothing left to be ended.
        let _ = self.end_sending();
        // h2 resets a stream that nobody holds, and forgets what was still to be sent: our Close,
        // perhaps. So somebody holds it until the peer has ended too (RFC 6455 §7.1.1).
        if let Some(receive) = self.receive.take().filter(|receive| !receive.is_end_stream())
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(timeout(LINGER, discard(receive)));
        }
    }
}

/// Reads to the end, for nobody.
async fn discard(mut receive: RecvStream) {
    while let Some(Ok(data)) = receive.data().await {
        if receive.flow_control().release_capacity(data.len()).is_err() {
            return;
        }
    }
}

/// An error of HTTP/2 in the words of a byte stream.
pub(super) fn io_error(error: h2::Error) -> io::Error {
    if error.is_io() {
        return error.into_io().unwrap_or_else(|| io::ErrorKind::Other.into());
    }
    let kind = if error.is_reset() && error.is_remote() {
        io::ErrorKind::ConnectionReset
    } else if error.is_reset() || error.is_go_away() {
        io::ErrorKind::ConnectionAborted
    } else {
        io::ErrorKind::Other
    };
    io::Error::new(kind, error)
}
