//! A client made of bytes, that blocks.

use std::{
    io::{self, ErrorKind, Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpStream},
    time::Duration,
};

use tidewire_engine::proto::{FrameHeader, OpCode};

/// Whatever is waited for comes much sooner, or never.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub const REQUEST: &str = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";

pub struct Client {
    pub io: TcpStream,
    read: Vec<u8>,
}

/// What a server says.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    /// With its code, if it has one.
    Close(Option<u16>),
    /// TCP has ended, in whatever way.
    End,
}

impl Client {
    /// TCP alone.
    pub fn tcp(server: SocketAddr) -> Self {
        Self::over(TcpStream::connect(server).expect("the server accepts"))
    }

    /// Over a socket whose opening handshake is done, or will be.
    pub fn over(io: TcpStream) -> Self {
        io.set_nodelay(true).unwrap();
        io.set_read_timeout(Some(PATIENCE)).unwrap();
        io.set_write_timeout(Some(PATIENCE)).unwrap();
        Self { io, read: Vec::new() }
    }

    pub fn open(server: SocketAddr) -> Self {
        let mut client = Self::tcp(server);
        client.write(REQUEST.as_bytes());
        assert_eq!(client.status(), 101);
        client
    }

    pub fn write(&mut self, bytes: &[u8]) {
        self.io.write_all(bytes).expect("the server takes it");
    }

    pub fn send(&mut self, text: &str) {
        self.write(&frame(OpCode::Text, text.as_bytes()));
    }

    pub fn end(&self) {
        self.io.shutdown(Shutdown::Write).unwrap();
    }

    /// Ends with a reset.
    pub fn reset(self) {
        rustix::net::sockopt::set_socket_linger(&self.io, Some(Duration::ZERO)).unwrap();
    }

    /// One read; `false` at the end.
    fn fill(&mut self) -> bool {
        let mut buffer = vec![0; 64 << 10];
        match self.io.read(&mut buffer) {
            Ok(0) => false,
            Ok(len) => {
                self.read.extend_from_slice(&buffer[..len]);
                true
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => false,
            Err(error) => panic!("nothing came, and no end: {error}"),
        }
    }

    /// The status of the response to a request; its body, if it has one, is what is left.
    pub fn status(&mut self) -> u16 {
        let head = self.head();
        head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status")
    }

    /// All of the response but its body.
    pub fn head(&mut self) -> String {
        let end = loop {
            if let Some(at) = self.read.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break at + 4;
            }
            assert!(self.fill(), "no answer, or half of one: {:?}", self.read);
        };
        let head: Vec<u8> = self.read.drain(..end).collect();
        String::from_utf8(head).unwrap()
    }

    /// All that comes until TCP ends.
    pub fn rest(&mut self) -> Vec<u8> {
        while self.fill() {}
        std::mem::take(&mut self.read)
    }

    pub fn hear(&mut self) -> Heard {
        loop {
            if let Some((header, header_len)) = FrameHeader::decode(&self.read).expect("a header") {
                let end = header_len + usize::try_from(header.len).unwrap();
                if self.read.len() >= end {
                    assert!(header.fin && header.masking_key.is_none());
                    let payload: Vec<u8> = self.read.drain(..end).skip(header_len).collect();
                    return heard(header.opcode, payload);
                }
            }
            if !self.fill() {
                assert!(self.read.is_empty(), "a frame is cut off: {} bytes", self.read.len());
                return Heard::End;
            }
        }
    }

    /// Sends a text and waits for it to come back.
    pub fn round_trip(&mut self, text: &str) {
        self.send(text);
        assert_eq!(self.hear(), Heard::Text(text.to_owned()));
    }

    /// The server closes with this code, and ends; what else it says before is passed over.
    pub fn is_closed_with(&mut self, code: u16) {
        loop {
            match self.hear() {
                Heard::Close(heard) => {
                    assert_eq!(heard, Some(code));
                    break;
                }
                Heard::End => panic!("no Close"),
                _ => {}
            }
        }
        // It waits for ours, and may have gone by then.
        let _ = self.io.write_all(&close(code));
        assert_eq!(self.hear(), Heard::End);
    }

    /// Writes until the server does not take any more for a while. Tells how much it took.
    pub fn flood(&mut self, block: &[u8], len_max: usize) -> usize {
        self.io.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
        let (mut taken, mut rest) = (0, block);
        while taken < len_max {
            match self.io.write(rest) {
                Ok(len) => {
                    taken += len;
                    rest = if len == rest.len() { block } else { &rest[len..] };
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("{error}"),
            }
        }
        taken
    }
}

fn heard(opcode: OpCode, payload: Vec<u8>) -> Heard {
    match opcode {
        OpCode::Text => Heard::Text(String::from_utf8(payload).unwrap()),
        OpCode::Binary => Heard::Binary(payload),
        OpCode::Ping => Heard::Ping(payload),
        OpCode::Pong => Heard::Pong(payload),
        OpCode::Close => Heard::Close(payload.first_chunk().map(|code| u16::from_be_bytes(*code))),
        OpCode::Continuation => panic!("nothing is sent in fragments"),
    }
}

/// A whole frame as a client sends it, with a key that changes something.
pub fn frame(opcode: OpCode, payload: &[u8]) -> Vec<u8> {
    fragment(true, opcode, payload)
}

pub fn fragment(fin: bool, opcode: OpCode, payload: &[u8]) -> Vec<u8> {
    const KEY: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];
    let len = payload.len() as u64;
    let header = FrameHeader { fin, rsv: 0, opcode, masking_key: Some(KEY), len };
    let masked = payload.iter().zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ key);
    header.encode().iter().copied().chain(masked).collect()
}

pub fn close(code: u16) -> Vec<u8> {
    frame(OpCode::Close, &code.to_be_bytes())
}

/// Whether an error says that the other end is gone.
pub fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)
}
