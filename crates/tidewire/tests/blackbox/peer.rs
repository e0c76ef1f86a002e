//! A client made of bytes.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
};

use crate::program::PATIENCE;

/// A good opening handshake.
pub const REQUEST: &str = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";

/// The Accept for its key: RFC 6455 §1.3.
pub const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// The header of a masked frame whose key is zero, with its length in the shortest form.
pub fn header(first: u8, len: usize) -> Vec<u8> {
    let mut out = vec![first];
    match len {
        0..=125 => out.push(0x80 | u8::try_from(len).unwrap()),
        126..=65535 => {
            out.push(0x80 | 0x7E);
            out.extend(u16::try_from(len).unwrap().to_be_bytes());
        }
        _ => {
            out.push(0x80 | 0x7F);
            out.extend((len as u64).to_be_bytes());
        }
    }
    out.extend([0; 4]);
    out
}

/// A frame as a client sends it, with the zero key, which is as good as any (RFC 6455 §5.3).
pub fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = header(first, payload.len());
    out.extend(payload);
    out
}

/// A Close frame.
pub fn close(code: u16, reason: &[u8]) -> Vec<u8> {
    masked(0x88, &[&code.to_be_bytes(), reason].concat())
}

/// A frame as a server sends it.
#[derive(Debug, PartialEq, Eq)]
pub struct Frame {
    pub first: u8,
    pub payload: Vec<u8>,
}

impl Frame {
    pub fn new(first: u8, payload: &[u8]) -> Self {
        Self { first, payload: payload.to_vec() }
    }
}

/// An HTTP response.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    head: String,
    pub body: Vec<u8>,
}

impl Answer {
    /// The only value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.head.lines().filter_map(|line| {
            let (field, value) = line.split_once(':')?;
            field.eq_ignore_ascii_case(name).then(|| value.trim())
        });
        let value = values.next();
        assert_eq!(values.next(), None, "two headers {name}");
        value
    }
}

/// One TCP connection.
pub struct Peer {
    pub io: TcpStream,
    /// What was read and not yet looked at.
    read: Vec<u8>,
}

impl Peer {
    /// TCP alone.
    pub fn tcp(server: SocketAddr) -> Self {
        let io = TcpStream::connect(server).expect("the server accepts");
        io.set_nodelay(true).unwrap();
        io.set_read_timeout(Some(PATIENCE)).unwrap();
        io.set_write_timeout(Some(PATIENCE)).unwrap();
        Self { io, read: Vec::new() }
    }

    /// A WebSocket.
    pub fn open(server: SocketAddr) -> Self {
        let mut peer = Self::tcp(server);
        peer.write(REQUEST.as_bytes());
        peer.accepted();
        peer
    }

    pub fn address(&self) -> SocketAddr {
        self.io.local_addr().unwrap()
    }

    /// Writes, and does not mind whether the server still takes it.
    pub fn write(&mut self, bytes: &[u8]) {
        if let Err(error) = self.io.write_all(bytes) {
            assert!(is_end(&error), "{error}");
        }
    }

    /// Ends our half of TCP.
    pub fn end(&self) {
        if let Err(error) = self.io.shutdown(Shutdown::Write) {
            assert_eq!(error.kind(), ErrorKind::NotConnected, "the server was quicker: {error}");
        }
    }

    /// One read; false at the end of the stream.
    fn fill(&mut self) -> bool {
        let mut buffer = vec![0; 64 << 10];
        match self.io.read(&mut buffer) {
            Ok(0) => false,
            Ok(len) => {
                self.read.extend_from_slice(&buffer[..len]);
                true
            }
            // Whatever came before the reset has been read by now.
            Err(error) if is_end(&error) => false,
            Err(error) => panic!("nothing came, and no end: {error}"),
        }
    }

    /// Reads once, whatever it is; false at the end of the stream.
    pub fn skip(&mut self) -> bool {
        let more = self.fill();
        self.read.clear();
        more
    }

    /// The next frame, or `None` where TCP has ended behind a whole frame.
    pub fn frame(&mut self) -> Option<Frame> {
        loop {
            if let Some((frame, len)) = decode(&self.read) {
                self.read.drain(..len);
                return Some(frame);
            }
            if !self.fill() {
                assert!(self.read.is_empty(), "a frame is cut off: {:?}…", self.read.first());
                return None;
            }
        }
    }

    /// All frames until TCP ends.
    pub fn frames(&mut self) -> Vec<Frame> {
        std::iter::from_fn(|| self.frame()).collect()
    }

    /// The response to a request. A 101 has no body; any other one is followed by the end of TCP.
    pub fn answer(&mut self) -> Answer {
        let end = loop {
            if let Some(at) = self.read.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break at + 4;
            }
            assert!(self.fill(), "silence, or half an answer: {:?}", self.read);
        };
        let head: Vec<u8> = self.read.drain(..end).collect();
        let head = String::from_utf8(head).expect("ASCII");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("status");
        let mut answer = Answer { status, head, body: Vec::new() };
        if status != 101 {
            while self.fill() {}
            answer.body = std::mem::take(&mut self.read);
            let len = answer.header("content-length").and_then(|len| len.parse().ok());
            assert_eq!(len, Some(answer.body.len()), "{answer:?}");
        }
        answer
    }

    /// The 101 that a good request gets.
    pub fn accepted(&mut self) -> Answer {
        let answer = self.answer();
        assert_eq!(answer.status, 101, "{answer:?}");
        assert_eq!(answer.header("sec-websocket-accept"), Some(ACCEPT));
        answer
    }

    /// Sends a text message and waits for its echo.
    pub fn round_trip(&mut self, text: &str) {
        self.write(&masked(0x81, text.as_bytes()));
        assert_eq!(self.frame(), Some(Frame::new(0x81, text.as_bytes())));
    }

    /// The general rule: exactly one Close with this code, nothing after it, and TCP ends.
    pub fn failed_with(&mut self, code: u16, rule: &str) {
        let frames = self.frames();
        assert_eq!(frames, [Frame::new(0x88, &code.to_be_bytes())], "{rule}");
    }
}

/// Whether the other end does not take or send any more.
fn is_end(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted
    )
}

/// A frame of a server, with its length: never masked (§5.1), its length in the shortest form.
fn decode(bytes: &[u8]) -> Option<(Frame, usize)> {
    let (&first, rest) = bytes.split_first()?;
    let (&second, rest) = rest.split_first()?;
    assert_eq!(second & 0x80, 0, "§5.1 a server does not mask");
    let (len, size) = match second {
        126 => (u64::from(u16::from_be_bytes(*rest.first_chunk()?)), 2),
        127 => (u64::from_be_bytes(*rest.first_chunk()?), 8),
        len => (u64::from(len), 0),
    };
    let shortest = match size {
        0 => true,
        2 => len > 125,
        _ => len > 65535,
    };
    assert!(shortest, "§5.2 the length {len} is not in its shortest form");
    assert!(first & 0x08 == 0 || first & 0x80 != 0 && size == 0, "§5.5 control frame {first:#x}");
    let payload = rest.get(size..)?.get(..usize::try_from(len).ok()?)?;
    Some((Frame::new(first, payload), 2 + size + payload.len()))
}
