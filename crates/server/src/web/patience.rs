//! [`Patient`]: a connection whose peer has to read, some time.

use std::{
    future::Future as _,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

/// A connection that fails when its peer takes nothing for so long.
///
/// hyper waits for ever for a peer that asks and does not read. What a session says is held back and the
/// session ended, but its response would stay, and with it the place among the connections.
#[derive(Debug)]
pub(super) struct Patient<T> {
    io: T,
    within: Duration,
    /// While the peer takes nothing. It is boxed so that who reads costs no timer.
    waits: Option<Pin<Box<Sleep>>>,
}

impl<T> Patient<T> {
    pub(super) const fn new(io: T, within: Duration) -> Self {
        Self { io, within, waits: None }
    }

    pub(super) fn into_inner(self) -> T {
        self.io
    }

    /// What became of an attempt to write.
    fn patiently<R>(
        &mut self,
        task: &mut Context<'_>,
        attempt: Poll<io::Result<R>>,
    ) -> Poll<io::Result<R>> {
        if attempt.is_ready() {
            self.waits = None;
            return attempt;
        }
        let within = self.within;
        let waits = self.waits.get_or_insert_with(|| Box::pin(sleep(within)));
        match waits.as_mut().poll(task) {
            Poll::Ready(()) => {
                let sentence = format!("nothing was read for {within:?}");
                Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, sentence)))
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Patient<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        task: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_read(task, buffer)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Patient<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        task: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let attempt = Pin::new(&mut this.io).poll_write(task, bytes);
        this.patiently(task, attempt)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        task: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let attempt = Pin::new(&mut this.io).poll_write_vectored(task, bytes);
        this.patiently(task, attempt)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let attempt = Pin::new(&mut this.io).poll_flush(task);
        this.patiently(task, attempt)
    }

    fn poll_shutdown(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let attempt = Pin::new(&mut this.io).poll_shutdown(task);
        this.patiently(task, attempt)
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _, duplex},
        time::Instant,
    };

    use super::*;

    const WITHIN: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_is_given_up() {
        let (ours, _theirs) = duplex(16);
        let began = Instant::now();
        let error = Patient::new(ours, WITHIN).write_all(&[0; 17]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(began.elapsed().as_secs(), WITHIN.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn who_reads_a_little_now_and_then_is_waited_for() {
        let (ours, mut theirs) = duplex(16);
        let mut ours = Patient::new(ours, WITHIN);
        let reading = async {
            for _ in 0..10 {
                sleep(WITHIN.mul_f64(0.99)).await;
                theirs.read_exact(&mut [0; 16]).await.unwrap();
            }
        };
        let (written, ()) = tokio::join!(ours.write_all(&[0; 160]), reading);
        written.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn silence_alone_is_no_reason() {
        let (ours, mut theirs) = duplex(16);
        let mut ours = Patient::new(ours, WITHIN);
        ours.write_all(b"a").await.unwrap();
        sleep(10 * WITHIN).await;
        ours.write_all(b"b").await.unwrap();
        theirs.read_exact(&mut [0; 2]).await.unwrap();
    }
}
