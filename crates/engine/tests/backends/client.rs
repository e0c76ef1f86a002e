//! [`Client`]: frames over a blocking socket.

use std::{
    io::{self, Read as _, Write as _},
    net::{Shutdown, TcpStream},
    thread,
    time::Duration,
};

/// A client that masks with zeros and checks every byte.
pub(crate) struct Client(pub(crate) TcpStream);

/// The opcode of a binary message, and of a Close.
pub(crate) const BINARY: u8 = 2;
pub(crate) const CLOSE: u8 = 8;

impl Client {
    pub(crate) fn new(socket: TcpStream) -> Self {
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        socket.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
        Self(socket)
    }

    pub(crate) fn send(&mut self, payload: &[u8]) {
        self.0.write_all(&frame(BINARY, payload)).unwrap();
    }

    /// The next frame of the server: its opcode and payload.
    pub(crate) fn receive(&mut self) -> io::Result<(u8, Vec<u8>)> {
        let mut start = [0; 2];
        self.0.read_exact(&mut start)?;
        let len = match start[1] {
            126 => {
                let mut len = [0; 2];
                self.0.read_exact(&mut len)?;
                u16::from_be_bytes(len).into()
            }
            127 => {
                let mut len = [0; 8];
                self.0.read_exact(&mut len)?;
                usize::try_from(u64::from_be_bytes(len)).unwrap()
            }
            len => len.into(),
        };
        let mut payload = vec![0; len];
        self.0.read_exact(&mut payload)?;
        Ok((start[0] & 0xF, payload))
    }

    pub(crate) fn expect(&mut self, payload: &[u8]) {
        let (opcode, received) = self.receive().unwrap();
        assert_eq!((opcode, received.len()), (BINARY, payload.len()));
        assert!(received == payload, "other bytes came back");
    }

    /// Sends all of them, without waiting for any answer, and receives the same.
    pub(crate) fn echo(&mut self, payloads: &[Vec<u8>]) {
        let mut sender = self.0.try_clone().unwrap();
        thread::scope(|scope| {
            scope.spawn(move || {
                for payload in payloads {
                    sender.write_all(&frame(BINARY, payload)).unwrap();
                }
            });
            for payload in payloads {
                self.expect(payload);
            }
        });
    }

    /// The closing handshake, to the end of TCP.
    pub(crate) fn close(mut self) {
        self.0.write_all(&frame(CLOSE, &1000_u16.to_be_bytes())).unwrap();
        assert_eq!(self.receive().unwrap(), (CLOSE, 1000_u16.to_be_bytes().to_vec()));
        assert_eq!(self.0.read(&mut [0]).unwrap(), 0);
    }

    /// Has the kernel reset the connection, with whatever is under way.
    pub(crate) fn reset(self) {
        let none = Some(Duration::ZERO);
        rustix::net::sockopt::set_socket_linger(&self.0, none).unwrap();
    }

    pub(crate) fn end_sending(&self) {
        self.0.shutdown(Shutdown::Write).unwrap();
    }
}

pub(crate) fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode];
    match payload.len() {
        len @ ..126 => frame.push(0x80 | u8::try_from(len).unwrap()),
        len @ ..0x1_0000 => {
            frame.push(0xFE);
            frame.extend(u16::try_from(len).unwrap().to_be_bytes());
        }
        len => {
            frame.push(0xFF);
            frame.extend((len as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

/// Bytes that do not repeat soon, another row of them for each seed.
pub(crate) fn bytes(seed: u64, len: usize) -> Vec<u8> {
    let mut random = Random(seed);
    (0..len).map(|_| random.next().to_le_bytes()[7]).collect()
}

/// What a seed decides.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// The next number, by `SplitMix64`.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }
}
