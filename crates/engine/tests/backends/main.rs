//! What every backend owes, over real sockets, while connections come, go, stall and break.
#![cfg(test)]

mod churn;
mod client;
mod echo;
mod fan_out;
mod pausing;
mod stopping;

use std::{
    io,
    net::{TcpListener, TcpStream},
    time::{Duration, Instant},
};

use client::Client;
use tidewire_engine::{Adopted, ConnectionId, Engine, Handler, Io, Message, Plane, Settings};

/// A test of every backend; one that this kernel does not have is said to be missing.
pub(crate) fn on_each_backend<H: Handler<Guest = ()>>(
    handler: fn(usize) -> H,
    test: impl Fn(&Server<H>),
) {
    for io in [Io::Epoll, Io::Uring] {
        match Server::start(io, handler) {
            Ok(server) => test(&server),
            Err(error) if io == Io::Uring => println!("NOT CHECKED: {error}"),
            Err(error) => panic!("{error}"),
        }
    }
}

/// An engine of one thread, so that everything meets everything.
pub(crate) struct Server<H: Handler> {
    pub(crate) engine: Engine<H>,
    listener: TcpListener,
}

impl<H: Handler<Guest = ()>> Server<H> {
    fn start(io: Io, handler: fn(usize) -> H) -> io::Result<Self> {
        let mut settings = Settings::default();
        (settings.io, settings.thread_count) = (io, 1);
        settings.config.limits.message_len_max = 16 << 20;
        let engine = Engine::start(settings, handler)?;
        Ok(Self { engine, listener: TcpListener::bind("127.0.0.1:0")? })
    }

    /// A connection that is open already.
    pub(crate) fn connect(&self) -> Client {
        let client = TcpStream::connect(self.listener.local_addr().unwrap()).unwrap();
        let (socket, _) = self.listener.accept().unwrap();
        self.engine.adopt(Adopted::new(socket, Vec::new(), ())).unwrap();
        Client::new(client)
    }

    /// Waits until so many connections are left.
    pub(crate) fn wait_for_count(&self, count: usize) {
        let end = Instant::now() + Duration::from_secs(20);
        while self.engine.remote().connection_count() != count {
            assert!(Instant::now() < end, "{:?} connections", self.engine.remote().stats());
            std::thread::yield_now();
        }
    }
}

pub(crate) struct Echo;

impl Handler for Echo {
    type Guest = ();
    type Command = ();

    fn message(&mut self, plane: &mut Plane<Self>, id: ConnectionId, message: Message<'_>) {
        let _ = plane.send(id, message); // it may close already
    }
}
