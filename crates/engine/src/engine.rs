//! [`Engine`]: threads with an event loop each.

use std::{
    fmt, io,
    net::TcpListener,
    sync::{Arc, mpsc},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use rustix::fd::OwnedFd;
#[cfg(feature = "deflate")]
use tidewire_proto::DeflateParams;

use crate::{
    event_loop::EventLoop,
    handler::Handler,
    mail::Mail,
    opening::Door,
    plane::Plane,
    remote::{MailboxFull, Remote},
    settings::Settings,
    tls::Tls,
};

/// Threads that own connections, each with an event loop and a [`Handler`].
///
/// It runs until [`stop`](Self::stop), or until it is dropped, which cuts its connections off.
pub struct Engine<H: Handler> {
    remote: Remote<H>,
    threads: Vec<JoinHandle<io::Result<()>>>,
}

/// An open connection that comes from somewhere else: from an HTTP server after its `101`.
#[derive(Debug)]
pub struct Adopted<G> {
    pub(crate) socket: OwnedFd,
    pub(crate) unread: Vec<u8>,
    pub(crate) guest: G,
    #[cfg(feature = "deflate")]
    pub(crate) deflate: Option<DeflateParams>,
    pub(crate) tls: Option<Box<Tls>>,
}

impl<G> Adopted<G> {
    /// A connection of which `unread` was read beyond the end of the opening handshake.
    pub fn new(socket: impl Into<OwnedFd>, unread: Vec<u8>, guest: G) -> Self {
        Self {
            socket: socket.into(),
            unread,
            guest,
            #[cfg(feature = "deflate")]
            deflate: None,
            tls: None,
        }
    }

    /// With permessage-deflate, as it was negotiated.
    #[cfg(feature = "deflate")]
    #[must_use]
    pub const fn deflate(mut self, params: Option<DeflateParams>) -> Self {
        self.deflate = params;
        self
    }

    /// Over TLS, whose handshake is done: rustls's connection goes on here.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(mut self, connection: rustls::ServerConnection) -> Self {
        self.tls = Some(Box::new(Tls::new(connection)));
        self
    }
}

impl<H: Handler> Engine<H> {
    /// Starts the threads. `handler` makes the handler of each, on that thread, from its number.
    ///
    /// # Errors
    /// If the operating system refuses a thread, a file descriptor, or
    /// `io_uring`, where that was asked for.
    pub fn start(
        settings: Settings,
        handler: impl Fn(usize) -> H + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let thread_count = settings.thread_count.clamp(1, usize::from(u16::MAX));
        let remote = Remote::new(thread_count, settings.mail_limits())?;
        let (settings, handler) = (Arc::new(settings), Arc::new(handler));
        let (chosen, origin) = (settings.io.choose()?, Instant::now());
        let mut engine = Self { remote, threads: Vec::new() };
        for number in 0..thread_count {
            let (settings, remote) = (Arc::clone(&settings), engine.remote.clone());
            let handler = Arc::clone(&handler);
            let (tell, begun) = mpsc::sync_channel(1);
            let run = move || {
                let watch = Watch { remote: remote.clone(), thread: number, in_order: false };
                // It was clamped.
                let thread = u16::try_from(number).unwrap_or_default();
                let plane = Plane::new(thread, settings, remote);
                let event_loop = || EventLoop::new(plane, handler(number));
                // If it is told, and if it is not, nobody waits any more.
                watch.ended(chosen.run(origin, |begun| drop(tell.send(begun)), event_loop))
            };
            let thread = std::thread::Builder::new().name(format!("tidewire-{number}"));
            engine.threads.push(thread.spawn(run)?);
            begun.recv().unwrap_or_else(|_| Err(io::Error::other("a thread panicked")))?;
        }
        Ok(engine)
    }

    /// Accepts connections at a listener, by a door. They are spread over all threads.
    ///
    /// # Errors
    /// If the listener cannot be used, or the engine does not keep up.
    pub fn listen(&self, listener: TcpListener, door: Door<H::Guest>) -> io::Result<()> {
        listener.set_nonblocking(true)?;
        let mail = Mail::Listen { socket: listener.into(), door: Arc::new(door) };
        self.remote.put(0, mail).map_err(|_| io::Error::other(MailboxFull))
    }

    /// Takes over a connection that is open already: [`Remote::adopt`].
    ///
    /// # Errors
    /// As there.
    pub fn adopt(&self, adopted: Adopted<H::Guest>) -> Result<(), Adopted<H::Guest>> {
        self.remote.adopt(adopted)
    }

    /// The way to the threads, to be given to others.
    pub const fn remote(&self) -> &Remote<H> {
        &self.remote
    }

    /// Stops in order: accepts nobody any more, closes every connection with 1001, one after the
    /// other over `within`, writes what is queued, and returns once they have ended. Peers that do
    /// not close in time are cut off.
    ///
    /// # Errors
    /// If a thread had ended before because the operating system failed it, or by a panic.
    pub fn stop(mut self, within: Duration) -> io::Result<()> {
        self.remote.stop(within);
        self.join()
    }

    /// Waits until the threads have ended: somebody has stopped them, or one of them has failed, and
    /// then the others stop as well.
    ///
    /// # Errors
    /// As [`stop`](Self::stop).
    pub fn wait(mut self) -> io::Result<()> {
        self.join()
    }

    fn join(&mut self) -> io::Result<()> {
        let mut result = Ok(());
        for thread in self.threads.drain(..) {
            let ended =
                thread.join().unwrap_or_else(|_| Err(io::Error::other("a thread panicked")));
            result = result.and(ended);
        }
        result
    }
}

/// Notices when a thread ends, however it does.
struct Watch<H: Handler> {
    remote: Remote<H>,
    thread: usize,
    in_order: bool,
}

impl<H: Handler> Watch<H> {
    fn ended(mut self, result: io::Result<()>) -> io::Result<()> {
        self.in_order = result.is_ok();
        result
    }
}

impl<H: Handler> Drop for Watch<H> {
    fn drop(&mut self) {
        if !self.in_order {
            // Its connections are gone, perhaps its listeners. Whoever waits for the engine shall
            // learn of it, and not find half of it running.
            self.remote.stop(Duration::ZERO);
        }
        self.remote.end(self.thread);
    }
}

impl<H: Handler> Drop for Engine<H> {
    fn drop(&mut self) {
        self.remote.cut();
        // There is nobody left to tell of an error to.
        let _ = self.join();
    }
}

impl<H: Handler> fmt::Debug for Engine<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("remote", &self.remote).finish_non_exhaustive()
    }
}
