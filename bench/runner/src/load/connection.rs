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
    pings::{self, Pings},
    stream::Stream,
    traffic::{Speaks, Traffic},
};
use crate::{Result, task::Task};

/// Where a connection stands in its window.
pub(crate) struct Connection {
    stream: Stream,
    /// The window's first frame in the ring.
    first: usize,
    windows_begun: usize,
    /// How many of the window's bytes are sent.
    sent_len: usize,
    /// How much of it has come back: bytes, or messages where they are inflated.
    returned: usize,
    /// Whether all of it has, and was told.
    is_complete: bool,
    inflating: Option<Inflating>,
    pings: Pings,
    /// All bytes that have ever come back, without Pings.
    pub(crate) came_len: u64,
}

/// How far a window has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Bytes are still to be sent; the socket takes no more for now.
    Unsent,
    /// All is sent, something has not come back yet; or nothing has been asked for.
    Waiting,
    /// All of it has come back, and was right. Told once.
    Complete,
}

impl Connection {
    /// Connects and, where the server speaks WebSocket, performs the opening handshake.
    pub(crate) fn open(
        job: &Job,
        tls: Option<&Arc<ClientConfig>>,
        traffic: &Traffic,
        first: usize,
    ) -> Result<Self> {
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
        let mut connection = Self {
            stream,
            first,
            windows_begun: 0,
            sent_len: 0,
            returned: 0,
            is_complete: true,
            inflating,
            pings: Pings::default(),
            came_len: 0,
        };
        // As if an earlier window had just been completed.
        connection.sent_len = connection.sent(traffic).len();
        connection.returned = connection.window_len(traffic);
        Ok(connection)
    }

    /// Begins the next window.
    pub(crate) fn begin(&mut self, traffic: &Traffic) -> Result<Progress> {
        self.begin_at(traffic, traffic.after(self.first))
    }

    /// Begins the window at `first`.
    pub(crate) fn begin_at(&mut self, traffic: &Traffic, first: usize) -> Result<Progress> {
        self.windows_begun += 1;
        self.expect(traffic, first);
        self.sent_len = 0;
        self.write(traffic)
    }

    /// From now on the window at `first` must come, which another connection sends.
    pub(crate) fn expect(&mut self, traffic: &Traffic, first: usize) {
        self.first = first;
        self.sent_len = self.sent(traffic).len();
        self.returned = 0;
        self.is_complete = false;
    }

    /// Sends what the socket takes.
    pub(crate) fn write(&mut self, traffic: &Traffic) -> Result<Progress> {
        self.write_what_is_due(traffic).map_err(|error| format!("sending: {error}"))?;
        Ok(self.progress(traffic))
    }

    fn write_what_is_due(&mut self, traffic: &Traffic) -> io::Result<()> {
        if self.sent_len == 0 {
            self.write_pongs()?;
        }
        let window = self.sent(traffic);
        // Before the last byte of a Pong nothing else may leave.
        if self.sent_len > 0 || self.pings.pongs.is_empty() {
            self.sent_len += write_all_it_takes(&mut self.stream, &window[self.sent_len..])?;
        }
        if self.sent_len == window.len() {
            self.write_pongs()?;
        }
        would_block(self.stream.flush()).map(drop)
    }

    /// Only between two windows, and so between two frames.
    fn write_pongs(&mut self) -> io::Result<()> {
        let len = write_all_it_takes(&mut self.stream, &self.pings.pongs)?;
        self.pings.pongs.drain(..len);
        Ok(())
    }

    /// Reads once, compares what came, and answers Pings.
    pub(crate) fn read(&mut self, traffic: &Traffic, buffer: &mut [u8]) -> Result<Progress> {
        let len = match would_block(self.stream.read(buffer)) {
            Ok(Some(0)) => return Err("the server ended the connection".into()),
            Ok(Some(len)) => len,
            Ok(None) => return Ok(Progress::Waiting),
            Err(error) => return Err(format!("receiving: {error}").into()),
        };
        self.compare(traffic, &buffer[..len])?;
        if self.pings.pongs.is_empty() {
            return Ok(self.progress(traffic));
        }
        self.write(traffic)
    }

    fn compare(&mut self, traffic: &Traffic, came: &[u8]) -> Result<()> {
        let window_len = self.window_len(traffic);
        let Some(inflating) = &mut self.inflating else {
            return self.compare_bytes(traffic, came);
        };
        let next = self.first + self.returned;
        let (count, len) = inflating.accept(came, &traffic.payloads, next, &mut self.pings)?;
        self.came_len += len as u64;
        self.returned += count;
        if self.returned <= window_len {
            return Ok(());
        }
        Err("not an echo: more than was sent".into())
    }

    fn compare_bytes(&mut self, traffic: &Traffic, mut came: &[u8]) -> Result<()> {
        if self.pings.is_cut() {
            came = self.pings.take(came)?;
        }
        loop {
            let expected = &traffic.returned(self.first)[self.returned..];
            let same = same_len(expected, came);
            self.returned += same;
            self.came_len += same as u64;
            came = &came[same..];
            match came.first() {
                None => return Ok(()),
                Some(&pings::FIRST) if traffic.may_be_followed(self.first, self.returned) => {
                    came = self.pings.take(came)?;
                }
                Some(&CLOSE) if traffic.may_be_followed(self.first, self.returned) => {
                    let code = came.get(2..4).map(|code| u16::from_be_bytes([code[0], code[1]]));
                    return Err(format!("the server closes: {code:?}").into());
                }
                Some(_) => return Err(difference(&expected[same..], came, self.returned).into()),
            }
        }
    }

    fn progress(&mut self, traffic: &Traffic) -> Progress {
        if self.is_unsent(traffic) {
            Progress::Unsent
        } else if self.is_complete || self.returned < self.window_len(traffic) {
            Progress::Waiting
        } else {
            self.is_complete = true;
            Progress::Complete
        }
    }

    /// Whether something waits for the socket to take it.
    pub(crate) fn is_unsent(&self, traffic: &Traffic) -> bool {
        self.sent_len < self.sent(traffic).len()
            || !self.pings.pongs.is_empty()
            || !self.stream.is_flushed()
    }

    fn sent<'t>(&self, traffic: &'t Traffic) -> &'t [u8] {
        traffic.sent(self.first, self.windows_begun.saturating_sub(1))
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

/// FIN and the opcode of a Close (RFC 6455 §5.5.1).
const CLOSE: u8 = 0x88;

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

/// Answers with how much of `bytes` has left.
fn write_all_it_takes(stream: &mut Stream, bytes: &[u8]) -> io::Result<usize> {
    let mut sent_len = 0;
    while sent_len < bytes.len() {
        match would_block(stream.write(&bytes[sent_len..]))? {
            Some(0) => return Err(io::ErrorKind::WriteZero.into()),
            Some(len) => sent_len += len,
            None => break,
        }
    }
    Ok(sent_len)
}

/// How many bytes of `came` are as they should be.
fn same_len(expected: &[u8], came: &[u8]) -> usize {
    if expected.starts_with(came) {
        return came.len(); // nearly always, and much faster
    }
    expected.iter().zip(came).take_while(|(expected, came)| expected == came).count()
}

/// What is wrong with `came`, which differs at its first byte.
fn difference(expected: &[u8], came: &[u8], offset: usize) -> String {
    match (expected.first(), came.first()) {
        (Some(expected), Some(came)) => format!(
            "not an echo: byte {offset} of the window is {came:#04x} and should be {expected:#04x}"
        ),
        _ => format!("not an echo: {} bytes more than were sent", came.len()),
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
    use std::{
        net::{SocketAddr, TcpListener},
        sync::mpsc::{TryRecvError, channel},
        thread,
        time::Duration,
    };

    use super::*;

    fn job(addr: SocketAddr, speaks: Speaks) -> Job {
        Job { addr, speaks, task: Task::Echo, scenario: "20x1x4".parse().unwrap() }
    }

    /// Sends one window to a server that answers it with `answer` of what it got.
    fn outcome(answer: fn(Vec<u8>) -> Vec<u8>) -> Result<Progress> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let job = job(listener.local_addr().unwrap(), Speaks::Raw);
        let traffic = Traffic::new(&job.scenario, job.speaks, job.task);
        let window_len = traffic.sent(0, 0).len();
        let server = thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            let mut window = vec![0; window_len];
            socket.read_exact(&mut window).unwrap();
            socket.write_all(&answer(window)).unwrap();
        });
        let mut connection = Connection::open(&job, None, &traffic, 0).unwrap();
        let Stream::Plain(socket) = &connection.stream else { panic!("nobody asked for TLS") };
        socket.set_nonblocking(false).unwrap();
        let mut progress = connection.begin(&traffic)?;
        while progress == Progress::Waiting {
            progress = connection.read(&traffic, &mut [0; 256])?;
        }
        server.join().unwrap();
        Ok(progress)
    }

    const PING: &[u8] = &[0x89, 3, b'y', b'o', b'u'];
    const PONG: &[u8] = &[0x8A, 0x83, 0, 0, 0, 0, b'y', b'o', b'u'];

    /// Two windows from a server that asks before each frame and after the last one whether somebody
    /// is there; what comes is read `read_len` bytes at a time. The server must see a Pong for each
    /// Ping, and whole frames around them.
    fn echo_between_pings(read_len: usize) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let job = job(listener.local_addr().unwrap(), Speaks::WebSocket);
        let traffic = Arc::new(Traffic::new(&job.scenario, job.speaks, job.task));
        let known = Arc::clone(&traffic);
        let (answered, server_says) = channel();
        let server = thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            opening::consent(&mut socket);
            for first in [4, 8] {
                let mut window = vec![0; known.sent(first, 0).len()];
                socket.read_exact(&mut window).unwrap();
                assert_eq!(window, known.sent(first, 0));
                let mut back = PING.to_vec();
                for frame in known.returned(first).chunks(22) {
                    back.extend_from_slice(frame);
                    back.extend_from_slice(PING);
                }
                socket.write_all(&back).unwrap();
                let mut pongs = vec![0; 5 * PONG.len()];
                socket.read_exact(&mut pongs).unwrap();
                assert_eq!(pongs, PONG.repeat(5));
                answered.send(()).unwrap();
            }
        });
        let mut connection = Connection::open(&job, None, &traffic, 0).unwrap();
        let mut buffer = vec![0; read_len];
        for window in 1..=2 {
            let mut complete_count = 0;
            assert_eq!(connection.begin(&traffic).unwrap(), Progress::Waiting);
            while server_says.try_recv() == Err(TryRecvError::Empty) {
                let progress = connection.read(&traffic, &mut buffer).unwrap();
                complete_count += usize::from(progress == Progress::Complete);
            }
            let told = (complete_count, connection.came_len);
            assert_eq!(told, (1, window * 4 * 22), "read by {read_len}");
        }
        server.join().unwrap();
    }

    #[test]
    fn a_ping_may_stand_between_any_two_frames() {
        for read_len in [1, 2, 3, 22, 27, 4096] {
            echo_between_pings(read_len);
        }
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
