//! One loaded connection: a window of messages out, the same window back, compared byte by byte.

use std::{
    io::{self, Read, Write},
    os::fd::{AsFd, BorrowedFd},
    sync::Arc,
};

use rustls::ClientConfig;

use super::{
    Job,
    deflated::Inflating,
    opening,
    stream::Stream,
    traffic::{Speaks, Traffic},
};
use crate::{Result, task::Task};

/// Where a connection stands in its window.
pub(crate) struct Connection {
    stream: Stream,
    /// The window's first frame in the ring.
    first: usize,
    windows_before: usize,
    /// How many of the window's bytes are sent.
    sent_len: usize,
    /// How much of it has come back: bytes, or messages where they are inflated.
    returned: usize,
    inflating: Option<Inflating>,
    /// All bytes that have ever come back.
    pub(crate) came_len: u64,
}

/// How far a window has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Bytes are still to be sent; the socket takes no more for now.
    Unsent,
    /// All is sent, something has not come back yet.
    Waiting,
    /// All of it has come back, and was right.
    Complete,
}

impl Connection {
    /// Connects and, where the server speaks WebSocket, performs the opening handshake.
    pub(crate) fn open(job: &Job, tls: Option<&Arc<ClientConfig>>, first: usize) -> Result<Self> {
        let mut stream = Stream::open(job.addr, tls)?;
        if job.speaks == Speaks::WebSocket {
            handshake(&mut stream, job)?;
        }
        stream.set_nonblocking()?;
        let inflating = match job.task {
            Task::Deflate => Some(Inflating::new(false)),
            Task::DeflateTakeover => Some(Inflating::new(true)),
            _ => None,
        };
        Ok(Self {
            stream,
            first,
            windows_before: 0,
            // As if an earlier window had just been completed.
            sent_len: 0,
            returned: usize::MAX,
            inflating,
            came_len: 0,
        })
    }

    /// Begins the next window.
    pub(crate) fn begin(&mut self, traffic: &Traffic) -> Result<Progress> {
        self.begin_at(traffic, traffic.after(self.first))
    }

    /// Begins the window at `first`.
    pub(crate) fn begin_at(&mut self, traffic: &Traffic, first: usize) -> Result<Progress> {
        self.windows_before += usize::from(self.returned != usize::MAX);
        self.expect(traffic, first);
        self.sent_len = 0;
        self.write(traffic)
    }

    /// From now on the window at `first` must come, which another connection sends.
    pub(crate) fn expect(&mut self, traffic: &Traffic, first: usize) {
        self.first = first;
        self.sent_len = self.sent(traffic).len();
        self.returned = 0;
    }

    /// Sends what the socket takes.
    pub(crate) fn write(&mut self, traffic: &Traffic) -> Result<Progress> {
        let bytes = self.sent(traffic);
        while self.sent_len < bytes.len() {
            match would_block(self.stream.write(&bytes[self.sent_len..])) {
                Ok(Some(0)) => return Err("the server takes no more bytes".into()),
                Ok(Some(len)) => self.sent_len += len,
                Ok(None) => break,
                Err(error) => return Err(format!("sending: {error}").into()),
            }
        }
        would_block(self.stream.flush()).map_err(|error| format!("sending: {error}"))?;
        Ok(self.progress(traffic))
    }

    /// Reads once, and compares what came.
    pub(crate) fn read(&mut self, traffic: &Traffic, buffer: &mut [u8]) -> Result<Progress> {
        let len = match would_block(self.stream.read(buffer)) {
            Ok(Some(0)) => return Err("the server ended the connection".into()),
            Ok(Some(len)) => len,
            Ok(None) => return Ok(Progress::Waiting),
            Err(error) => return Err(format!("receiving: {error}").into()),
        };
        self.came_len += len as u64;
        self.compare(traffic, &buffer[..len])?;
        Ok(self.progress(traffic))
    }

    /// Answers the Pings of a server that has kept the connection alive while others were measured
    /// (RFC 6455 §5.5.2). Nothing else may come between two runs.
    pub(crate) fn answer_pings(&mut self, buffer: &mut [u8]) -> Result<()> {
        let mut came = match would_block(self.stream.read(buffer))? {
            Some(0) => return Err("the server ended the connection".into()),
            Some(len) => &buffer[..len],
            None => return Ok(()),
        };
        while let [0x89, len @ 0..=125, rest @ ..] = came
            && let Some((payload, rest)) = rest.split_at_checked(usize::from(*len))
        {
            let pong = [&[0x8A, 0x80 | len, 0, 0, 0, 0], payload].concat();
            self.stream.write_all(&pong)?;
            self.stream.flush()?;
            came = rest;
        }
        if came.is_empty() {
            return Ok(());
        }
        Err("bytes came on a connection that had sent none".into())
    }

    fn compare(&mut self, traffic: &Traffic, came: &[u8]) -> Result<()> {
        let window_len = self.window_len(traffic);
        let Some(inflating) = &mut self.inflating else {
            let expected = &traffic.returned(self.first)[self.returned.min(window_len)..];
            if expected.get(..came.len()) != Some(came) {
                return Err(difference(expected, came, self.returned).into());
            }
            self.returned += came.len();
            return Ok(());
        };
        if self.returned < window_len {
            self.returned +=
                inflating.accept(came, &traffic.payloads, self.first + self.returned)?;
            if self.returned <= window_len {
                return Ok(());
            }
        }
        Err("not an echo: more than was sent".into())
    }

    fn progress(&self, traffic: &Traffic) -> Progress {
        if self.sent_len < self.sent(traffic).len() || !self.stream.is_flushed() {
            Progress::Unsent
        } else if self.returned < self.window_len(traffic) {
            Progress::Waiting
        } else {
            Progress::Complete
        }
    }

    fn sent<'t>(&self, traffic: &'t Traffic) -> &'t [u8] {
        traffic.sent(self.first, self.windows_before)
    }

    /// In units of `returned`.
    fn window_len(&self, traffic: &Traffic) -> usize {
        if self.inflating.is_some() {
            traffic.in_flight
        } else {
            traffic.returned(self.first).len()
        }
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// `None` for what can be tried again.
fn would_block<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(done) => Ok(Some(done)),
        Err(error)
            if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn difference(expected: &[u8], came: &[u8], offset: usize) -> String {
    let same = expected.iter().zip(came).take_while(|(expected, came)| expected == came).count();
    match (expected.get(same), came.get(same)) {
        (Some(expected), Some(came)) => format!(
            "not an echo: byte {} of the window is {came:#04x} and should be {expected:#04x}",
            offset.saturating_add(same)
        ),
        _ => format!("not an echo: {} bytes more than were sent", came.len() - same),
    }
}

/// The opening handshake, blocking.
fn handshake(stream: &mut Stream, job: &Job) -> Result<()> {
    stream.write_all(&opening::request(job.addr, job.task))?;
    stream.flush()?;
    let mut response = Vec::new();
    let mut buffer = [0; 1024];
    while !opening::is_complete(&response, job.task)? {
        let len = stream.read(&mut buffer).map_err(|error| format!("no handshake: {error}"))?;
        if len == 0 {
            return Err("the server ended the opening handshake".into());
        }
        response.extend_from_slice(&buffer[..len]);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{net::TcpListener, thread};

    use super::*;

    /// Sends one window to a server that answers it with `answer` of what it got.
    fn outcome(answer: fn(Vec<u8>) -> Vec<u8>) -> Result<Progress> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let job = Job {
            addr: listener.local_addr().unwrap(),
            speaks: Speaks::Raw,
            task: Task::Echo,
            scenario: "20x1x4".parse().unwrap(),
        };
        let traffic = Traffic::new(&job.scenario, job.speaks, job.task);
        let window_len = traffic.sent(0, 0).len();
        let server = thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            let mut window = vec![0; window_len];
            socket.read_exact(&mut window).unwrap();
            socket.write_all(&answer(window)).unwrap();
        });
        let mut connection = Connection::open(&job, None, 0).unwrap();
        let Stream::Plain(socket) = &connection.stream else { panic!("nobody asked for TLS") };
        socket.set_nonblocking(false).unwrap();
        let mut progress = connection.begin(&traffic)?;
        while progress == Progress::Waiting {
            progress = connection.read(&traffic, &mut [0; 256])?;
        }
        server.join().unwrap();
        Ok(progress)
    }

    #[test]
    fn an_echo_is_complete() {
        assert_eq!(outcome(|window| window).unwrap(), Progress::Complete);
    }

    #[test]
    fn a_wrong_byte_is_noticed() {
        let wrong = outcome(|mut window| {
            window[71] ^= 1;
            window
        });
        assert!(wrong.unwrap_err().to_string().starts_with("not an echo: byte 71"));
    }

    #[test]
    fn a_byte_too_many_is_noticed() {
        let long = outcome(|mut window| {
            window.push(0);
            window
        });
        assert_eq!(long.unwrap_err().to_string(), "not an echo: 1 bytes more than were sent");
    }

    #[test]
    fn a_byte_too_few_is_noticed() {
        let short = outcome(|mut window| {
            window.pop();
            window
        });
        assert_eq!(short.unwrap_err().to_string(), "the server ended the connection");
    }
}
