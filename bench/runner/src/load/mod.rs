//! The load of one server: an epoll loop over its connections, in a process of its own, told what
//! to do by lines on standard input. A process has its own file descriptor limit, and sleeps
//! while another server is measured.

mod connection;
mod deflated;
mod echo;
mod fanout;
mod handshakes;
mod opening;
mod pings;
mod poll;
mod session;
mod sockets;
mod stream;
pub(crate) mod traffic;

use std::{
    io::{self, BufRead, Write},
    net::SocketAddr,
    time::Duration,
};

use self::sockets::Sockets;
use crate::{Result, load::traffic::Speaks, scenario::Scenario, task::Task};

/// What one load process is for.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub(crate) addr: SocketAddr,
    pub(crate) speaks: Speaks,
    pub(crate) task: Task,
    pub(crate) scenario: Scenario,
}

/// Obeys standard input until it ends. Each line is answered by one line.
pub(crate) fn serve(job: &Job) -> Result<()> {
    let mut load: Box<dyn Load> = match job.task {
        task if task.is_of_sessions() => session::load(job)?,
        Task::Fanout => Box::new(fanout::Fanout::new(job)?),
        Task::Handshakes => Box::new(handshakes::Handshakes::new(job)?),
        _ => Box::new(echo::Echo::new(job)?),
    };
    for line in io::stdin().lock().lines() {
        let line = line?;
        let mut words = line.split_whitespace();
        let answer = match (words.next(), words.next().map(str::parse::<u64>)) {
            (Some("open"), Some(Ok(count))) => load.open(usize::try_from(count)?),
            (Some("close"), None) => load.close(),
            (Some("rest"), None) => load.rest(),
            (Some("run"), Some(Ok(millis))) => load.run(Duration::from_millis(millis)),
            (Some("each"), None) => load.each_in_turn(),
            _ => Err(format!("`{line}` is not an order").into()),
        };
        let mut out = io::stdout().lock();
        match answer {
            Ok(done) => {
                let nanos = done.elapsed.as_nanos();
                writeln!(out, "done {} {nanos} {}", done.piece_count, done.came_len)?;
            }
            Err(error) => writeln!(out, "error {error}")?,
        }
        out.flush()?;
    }
    Ok(())
}

/// One kind of load.
trait Load {
    /// Opens so many more connections.
    fn open(&mut self, count: usize) -> Result<Done>;

    /// Ends all connections.
    fn close(&mut self) -> Result<Done>;

    /// Before a run, after a while in which others had theirs.
    fn rest(&mut self) -> Result<Done>;

    /// Keeps the server at work for `duration`, and lets it finish what it has begun.
    fn run(&mut self, duration: Duration) -> Result<Done>;

    /// One window on each connection, one connection after the other.
    fn each_in_turn(&mut self) -> Result<Done>;
}

/// A load whose connections stay open between its runs.
trait OverSockets {
    fn sockets(&mut self) -> &mut Sockets;

    /// As [`Load::run`].
    fn run(&mut self, duration: Duration) -> Result<Done>;

    /// As [`Load::each_in_turn`].
    fn each_in_turn(&mut self) -> Result<Done>;
}

impl<L: OverSockets> Load for L {
    fn open(&mut self, count: usize) -> Result<Done> {
        self.sockets().open(count)?;
        Ok(Done::default())
    }

    fn close(&mut self) -> Result<Done> {
        self.sockets().close();
        Ok(Done::default())
    }

    fn rest(&mut self) -> Result<Done> {
        self.sockets().answer_pings()?;
        Ok(Done::default())
    }

    fn run(&mut self, duration: Duration) -> Result<Done> {
        OverSockets::run(self, duration)
    }

    fn each_in_turn(&mut self) -> Result<Done> {
        OverSockets::each_in_turn(self)
    }
}

/// What was measured on the load's side.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Done {
    /// Messages echoed, or whatever else the work consists of.
    pub(crate) piece_count: u64,
    pub(crate) elapsed: Duration,
    /// Bytes that came back, with all framing; of TLS, without its own.
    pub(crate) came_len: u64,
}
