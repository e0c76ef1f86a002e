//! The load of handshakes: connect, upgrade, close, and again; so many at once.
//!
//! A connection is closed as RFC 6455 §7.1.1 has it: a Close each way, then the server ends TCP.
//! Without a protocol the request comes back as it was, and the load ends TCP.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpStream},
    time::{Duration, Instant},
};

use rustix::{
    event::epoll::EventFlags,
    net::{AddressFamily, SocketFlags, SocketType, connect, socket_with},
};

use super::{Done, Job, Load, opening, poll::Poll, traffic::Speaks};
use crate::Result;

pub(super) struct Handshakes {
    job: Job,
    request: Vec<u8>,
    poll: Poll,
    at_once: usize,
}

/// One connection from its first byte to its last.
struct Attempt {
    socket: TcpStream,
    state: State,
    came: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Connecting,
    /// The request is sent.
    Opening,
    /// Our Close is sent, or our end of TCP.
    Closing,
    Closed,
}

/// A masked Close with status code 1000, and the answer to it (§5.5.1: an endpoint "typically
/// echos the status code it received").
const CLOSE: &[u8] = &[0x88, 0x82, 1, 2, 3, 4, 0x03 ^ 1, 0xE8 ^ 2];
const CLOSE_BACK: &[u8] = &[0x88, 2, 0x03, 0xE8];

impl Handshakes {
    pub(super) fn new(job: &Job) -> Result<Self> {
        Ok(Self {
            job: job.clone(),
            request: opening::request(job.addr, job.task),
            poll: Poll::new()?,
            at_once: 0,
        })
    }

    fn begin(&self, number: usize) -> Result<Attempt> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
        match connect(&socket, &self.job.addr) {
            Ok(()) | Err(rustix::io::Errno::INPROGRESS) => {}
            Err(error) => return Err(format!("connecting: {error}").into()),
        }
        self.poll.add(&socket, number, EventFlags::OUT)?;
        Ok(Attempt { socket: socket.into(), state: State::Connecting, came: Vec::new() })
    }

    /// Does what an event of `attempt` asks for.
    fn turn(&self, number: usize, attempt: &mut Attempt) -> Result<()> {
        if attempt.state == State::Connecting {
            // It is empty, and takes more than a request at once. If it never was connected, this
            // says why.
            if attempt.socket.write(&self.request)? != self.request.len() {
                return Err("a new socket takes no request".into());
            }
            attempt.state = State::Opening;
            return self.poll.modify(&attempt.socket, number, EventFlags::IN);
        }
        let mut buffer = [0; 1024];
        let len = match attempt.socket.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            read => read.map_err(|error| format!("{:?}: {error}", attempt.state))?,
        };
        if len == 0 {
            return self.end(attempt);
        }
        attempt.came.extend_from_slice(&buffer[..len]);
        if attempt.state == State::Opening && self.is_open(attempt)? {
            attempt.came.clear();
            attempt.state = State::Closing;
            match self.job.speaks {
                Speaks::WebSocket | Speaks::Centrifuge => attempt.socket.write_all(CLOSE)?,
                Speaks::Raw => attempt.socket.shutdown(Shutdown::Write)?,
            }
        }
        Ok(())
    }

    fn is_open(&self, attempt: &Attempt) -> Result<bool> {
        match self.job.speaks {
            Speaks::WebSocket | Speaks::Centrifuge => {
                opening::is_complete(&attempt.came, self.job.task)
            }
            Speaks::Raw if self.request.starts_with(&attempt.came) => {
                Ok(attempt.came.len() == self.request.len())
            }
            Speaks::Raw => Err("not an echo".into()),
        }
    }

    fn end(&self, attempt: &mut Attempt) -> Result<()> {
        let last = match self.job.speaks {
            Speaks::WebSocket | Speaks::Centrifuge => CLOSE_BACK,
            Speaks::Raw => &[],
        };
        if attempt.state != State::Closing || attempt.came != last {
            return Err(format!("{:?}: ended with {:02x?}", attempt.state, attempt.came).into());
        }
        attempt.state = State::Closed;
        Ok(())
    }
}

impl Load for Handshakes {
    fn open(&mut self, count: usize) -> Result<Done> {
        self.at_once += count;
        Ok(Done::default())
    }

    fn close(&mut self) -> Result<Done> {
        self.at_once = 0;
        Ok(Done::default())
    }

    fn rest(&mut self) -> Result<Done> {
        Ok(Done::default()) // nothing is open between two runs
    }

    fn run(&mut self, duration: Duration) -> Result<Done> {
        let began = Instant::now();
        let mut attempts: Vec<Attempt> =
            (0..self.at_once).map(|number| self.begin(number)).collect::<Result<_>>()?;
        let (mut under_way, mut done) = (attempts.len(), 0);
        while under_way > 0 {
            let events = self.poll.wait()?;
            let go_on = began.elapsed() < duration;
            for event in 0..events {
                let (number, _) = self.poll.event(event);
                let attempt = &mut attempts[number];
                if attempt.state == State::Closed {
                    continue;
                }
                self.turn(number, attempt)?;
                if attempt.state == State::Closed {
                    done += 1;
                    if go_on {
                        attempts[number] = self.begin(number)?;
                    } else {
                        self.poll.remove(&attempts[number].socket)?;
                        under_way -= 1;
                    }
                }
            }
        }
        Ok(Done { piece_count: done, elapsed: began.elapsed(), came_len: 0 })
    }

    fn each_in_turn(&mut self) -> Result<Done> {
        Err("there are no messages here".into())
    }
}
