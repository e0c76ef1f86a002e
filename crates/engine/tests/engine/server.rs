//! An engine that echoes, tells the test what it hears, and does what the test says.

use std::{
    net::{SocketAddr, TcpListener},
    sync::mpsc::{self, Receiver, Sender},
    time::{Duration, Instant},
};

use tidewire_engine::{
    ConnectionId, Door, Engine, Handler, Io, Message, Plane, Remote, Settings,
    proto::{Outcome, handshake::Accept},
};

use crate::client::{Client, PATIENCE};

/// What happened to a connection.
#[derive(Debug, Clone, PartialEq)]
pub enum Told {
    Opened(ConnectionId, &'static str),
    Message(ConnectionId, Vec<u8>),
    Congested(ConnectionId),
    Writable(ConnectionId),
    Closed(ConnectionId, Outcome),
    Woken,
}

/// Something to be done on a thread.
pub type Deed = Box<dyn FnOnce(&mut Plane<Tester>) + Send>;

/// Echoes, and tells.
pub struct Tester {
    tell: Sender<Told>,
    /// What it does with a message, beside telling it.
    answer: Answer,
}

/// What is done with a message.
pub type Answer = fn(&mut Plane<Tester>, ConnectionId, Message<'_>);

/// A text that has this for its start makes the handler panic where it says.
pub const PANIC: &str = "panic";

impl Handler for Tester {
    type Guest = &'static str;
    type Command = Deed;

    fn opened(&mut self, _: &mut Plane<Self>, id: ConnectionId, guest: &'static str) {
        self.tell(Told::Opened(id, guest));
        panic_if(guest == "panics");
    }

    fn message(&mut self, plane: &mut Plane<Self>, id: ConnectionId, message: Message<'_>) {
        self.tell(Told::Message(id, message.as_bytes().to_vec()));
        panic_if(message.as_bytes() == PANIC.as_bytes());
        (self.answer)(plane, id, message);
    }

    fn congested(&mut self, _: &mut Plane<Self>, id: ConnectionId) {
        self.tell(Told::Congested(id));
    }

    fn writable(&mut self, _: &mut Plane<Self>, id: ConnectionId) {
        self.tell(Told::Writable(id));
    }

    fn closed(&mut self, _: &mut Plane<Self>, id: ConnectionId, outcome: &Outcome) {
        self.tell(Told::Closed(id, outcome.clone()));
        panic_if(outcome.reason() == PANIC);
    }

    fn command(&mut self, plane: &mut Plane<Self>, deed: Deed) {
        deed(plane);
    }

    fn woken(&mut self, _: &mut Plane<Self>) {
        self.tell(Told::Woken);
    }
}

impl Tester {
    fn tell(&self, told: Told) {
        // The test may be over.
        let _ = self.tell.send(told);
    }
}

/// As a mistake in an application does, without a word on stderr.
pub fn panic_if(so: bool) {
    if so {
        std::panic::resume_unwind(Box::new("on purpose"));
    }
}

/// An engine with a listener.
pub struct Server {
    pub engine: Engine<Tester>,
    pub address: SocketAddr,
    pub told: Receiver<Told>,
}

impl Server {
    /// One thread that echoes.
    pub fn new(io: Io) -> Self {
        Self::with(io, |_| {})
    }

    pub fn with(io: Io, configure: impl FnOnce(&mut Settings)) -> Self {
        Self::answering(io, configure, echo)
    }

    pub fn answering(io: Io, configure: impl FnOnce(&mut Settings), answer: Answer) -> Self {
        let door = Door::deciding(|_| Ok((Accept::new(), "")));
        Self::behind(io, door, configure, answer)
    }

    pub fn behind(
        io: Io,
        door: Door<&'static str>,
        configure: impl FnOnce(&mut Settings),
        answer: Answer,
    ) -> Self {
        let mut settings = Settings::default();
        settings.io = io;
        settings.thread_count = 1;
        configure(&mut settings);
        let (tell, told) = mpsc::channel();
        let tell = std::sync::Mutex::new(tell);
        let make = move |_| Tester { tell: tell.lock().unwrap().clone(), answer };
        let engine = Engine::start(settings, make).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        engine.listen(listener, door).unwrap();
        Self { engine, address, told }
    }

    pub fn remote(&self) -> &Remote<Tester> {
        self.engine.remote()
    }

    /// An open connection, and its name.
    pub fn connect(&self) -> (Client, ConnectionId) {
        let client = Client::open(self.address);
        (client, self.opened())
    }

    /// What happens next.
    pub fn told(&self) -> Told {
        self.told.recv_timeout(PATIENCE).expect("something happens")
    }

    pub fn opened(&self) -> ConnectionId {
        match self.told() {
            Told::Opened(id, _) => id,
            told => panic!("{told:?}"),
        }
    }

    /// How a connection ended; whatever happens before is passed over.
    pub fn closed(&self) -> (ConnectionId, Outcome) {
        loop {
            if let Told::Closed(id, outcome) = self.told() {
                return (id, outcome);
            }
        }
    }

    /// The next message; whatever else happens before is passed over.
    pub fn message(&self) -> (ConnectionId, Vec<u8>) {
        loop {
            if let Told::Message(id, message) = self.told() {
                return (id, message);
            }
        }
    }

    /// Whether anything has happened that nobody has asked for.
    pub fn told_already(&self) -> Option<Told> {
        self.told.try_recv().ok()
    }

    /// Does something on a thread, and waits for the result.
    pub fn run_on<R: Send + 'static>(
        &self,
        thread: usize,
        deed: impl FnOnce(&mut Plane<Tester>) -> R + Send + 'static,
    ) -> R {
        let (sender, result) = mpsc::channel();
        let deed = move |plane: &mut Plane<Tester>| {
            let _ = sender.send(deed(plane));
        };
        assert!(self.remote().tell(thread, Box::new(deed)).is_ok());
        result.recv_timeout(PATIENCE).expect("it is done")
    }

    pub fn run<R: Send + 'static>(
        &self,
        deed: impl FnOnce(&mut Plane<Tester>) -> R + Send + 'static,
    ) -> R {
        self.run_on(0, deed)
    }
}

pub fn echo(plane: &mut Plane<Tester>, id: ConnectionId, message: Message<'_>) {
    // It may close already.
    let _ = plane.send(id, message);
}

pub fn ignore(_: &mut Plane<Tester>, _: ConnectionId, _: Message<'_>) {}

/// Waits until `so` holds.
pub fn wait_until(what: &str, so: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !so() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Whether this kernel has what `Io::Uring` needs.
pub fn allows_uring() -> bool {
    let mut settings = Settings::default();
    (settings.io, settings.thread_count) = (Io::Uring, 1);
    match Engine::start(settings, |_| Nobody) {
        Ok(_) => true,
        Err(error) => {
            println!("NOT CHECKED: {error}");
            false
        }
    }
}

struct Nobody;

impl Handler for Nobody {
    type Guest = ();
    type Command = ();

    fn message(&mut self, _: &mut Plane<Self>, _: ConnectionId, _: Message<'_>) {}
}
