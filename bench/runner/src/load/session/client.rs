//! One client: frames in, lines out.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    os::fd::{AsFd, BorrowedFd},
    time::Duration,
};

use super::lines::{self, Position};
use crate::{
    Result,
    load::{opening, pings::Pings},
    task::Task,
};

/// A WebSocket of a session, after its opening handshake.
pub(super) struct Client {
    pub(super) socket: TcpStream,
    /// A frame whose end has not come.
    cut: Vec<u8>,
    /// All bytes of lines that have ever come, with their frames.
    pub(super) came_len: u64,
}

/// A server that says nothing for so long has lost something.
const PATIENCE: Duration = Duration::from_secs(10);
/// FIN and the opcode (RFC 6455 §5.2).
const TEXT: u8 = 0x81;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;

impl Client {
    pub(super) fn new(socket: TcpStream) -> Self {
        Self { socket, cut: Vec::new(), came_len: 0 }
    }

    /// Connects and makes a session, without a subscription where there is no channel. Says where the
    /// channel is.
    pub(super) fn open(
        addr: SocketAddr,
        channel: Option<&str>,
        buffer: &mut [u8],
    ) -> Result<(Self, Option<Position>)> {
        let mut socket = TcpStream::connect(addr)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.write_all(&opening::request(addr, Task::ServerSessions))?;
        let mut response = Vec::new();
        while !opening::is_complete(&response, Task::ServerSessions)? {
            match socket.read(buffer)? {
                0 => return Err("the server ended the opening handshake".into()),
                len => response.extend_from_slice(&buffer[..len]),
            }
        }
        let mut client = Self::new(socket);
        let mut commands = lines::connect();
        commands.extend(channel.map(|channel| lines::subscribe(channel, None)).unwrap_or_default());
        client.send(&commands)?;
        let (mut answer_count, mut position) = (0, None);
        while answer_count < 1 + usize::from(channel.is_some()) {
            client.read(buffer, |line| {
                answer_count += 1;
                position = lines::joined(line)?.or(position.take());
                Ok(())
            })?;
        }
        client.socket.set_read_timeout(None)?;
        client.socket.set_nonblocking(true)?;
        Ok((client, position))
    }

    /// A window is small beside a socket's buffer: one that is not taken is not read.
    pub(super) fn send(&mut self, bytes: &[u8]) -> Result<()> {
        match self.socket.write(bytes) {
            Ok(len) if len == bytes.len() => Ok(()),
            Ok(_) => Err("sending: the server does not read".into()),
            Err(error) => Err(format!("sending: {error}").into()),
        }
    }

    /// Reads once, shows every line to `heard`, and answers pings.
    pub(super) fn read(
        &mut self,
        buffer: &mut [u8],
        mut heard: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let len = match self.socket.read(buffer) {
            Ok(0) => return Err("the server ended the connection".into()),
            Ok(len) => len,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(format!("receiving: {error}").into()),
        };
        if self.cut.is_empty() {
            let used = self.take(&buffer[..len], &mut heard)?;
            self.cut.extend_from_slice(&buffer[used..len]);
        } else {
            self.cut.extend_from_slice(&buffer[..len]);
            let cut = std::mem::take(&mut self.cut);
            let used = self.take(&cut, &mut heard)?;
            self.cut.extend_from_slice(&cut[used..]);
        }
        Ok(())
    }

    /// Takes all whole frames off the front of `came`; says how long they are.
    fn take(&mut self, came: &[u8], heard: &mut impl FnMut(&[u8]) -> Result<()>) -> Result<usize> {
        let mut used = 0;
        while let Some((first, payload, len)) = frame(&came[used..])? {
            used += len;
            match first {
                TEXT => {
                    for line in payload.split(|byte| *byte == b'\n').filter(|line| !line.is_empty())
                    {
                        if line == lines::PING {
                            self.send(&lines::frame("{}"))?;
                        } else {
                            heard(line)?;
                        }
                    }
                    self.came_len += len as u64;
                }
                PING => {
                    let mut pings = Pings::default();
                    pings.answer(payload);
                    self.send(&pings.pongs)?;
                }
                CLOSE => return Err(closed(payload)),
                first => return Err(format!("a frame that begins with {first:#04x}").into()),
            }
        }
        Ok(used)
    }
}

impl AsFd for Client {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn closed(payload: &[u8]) -> crate::Error {
    let code = payload.first_chunk().map(|code| u16::from_be_bytes(*code));
    let reason = String::from_utf8_lossy(payload.get(2..).unwrap_or_default());
    format!("the server closes: {code:?} {reason}").into()
}

/// The first whole frame of a server (§5.2): its first byte, its payload, and its length with all.
fn frame(came: &[u8]) -> Result<Option<(u8, &[u8], usize)>> {
    let &[first, len, ..] = came else { return Ok(None) };
    let (begin, payload_len) = match len {
        0..126 => (2, usize::from(len)),
        126 => match came.get(2..4) {
            Some(len) => (4, usize::from(u16::from_be_bytes([len[0], len[1]]))),
            None => return Ok(None),
        },
        _ => return Err("a frame that is masked, or longer than any line here".into()),
    };
    let end = begin + payload_len;
    Ok(came.get(begin..end).map(|payload| (first, payload, end)))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn lines_are_heard_however_frames_are_cut_and_pings_answered() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = Client::new(TcpStream::connect(listener.local_addr().unwrap()).unwrap());
        let (mut server, _) = listener.accept().unwrap();
        let long = [b'x'; 200];
        let mut sent =
            vec![0x81, 2, b'{', b'}', 0x89, 1, b'?', 0x81, 5, b'a', b'\n', b'b', b'c', b'\n'];
        sent.extend([0x81, 126, 0, 200]);
        sent.extend(long);
        server.write_all(&sent).unwrap();
        let mut heard = Vec::new();
        while heard.len() < 3 {
            let mut keep = |line: &[u8]| {
                heard.push(line.to_vec());
                Ok(())
            };
            client.read(&mut [0; 3], &mut keep).unwrap();
        }
        assert_eq!(heard, [b"a".to_vec(), b"bc".to_vec(), long.to_vec()]);
        assert_eq!(client.came_len, 4 + 7 + 204);
        let mut answers = vec![0; lines::frame("{}").len() + 7];
        server.read_exact(&mut answers).unwrap();
        assert_eq!(answers[..8], lines::frame("{}"));
        assert_eq!(answers[8..], [0x8A, 0x81, 0, 0, 0, 0, b'?']);
        server.write_all(&[0x88, 4, 0x0D, 0xAC, b'n', b'o']).unwrap();
        let error = client.read(&mut [0; 64], |_| Ok(())).unwrap_err();
        assert_eq!(error.to_string(), "the server closes: Some(3500) no");
    }
}
