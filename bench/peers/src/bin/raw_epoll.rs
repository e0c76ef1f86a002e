//! The raw limit: an epoll loop that sends back what it reads and knows no protocol. One receive
//! buffer for all connections, one `read` and one `write` per turn of a connection.
#![forbid(unsafe_code)]

use std::{
    collections::VecDeque,
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
};

use rustix::{
    buffer::spare_capacity,
    event::epoll::{self, EventData, EventFlags},
};

/// A socket and what it would not take yet.
struct Connection {
    socket: TcpStream,
    unsent: VecDeque<u8>,
}

const LISTENER: u64 = u64::MAX;
const BUFFER_LEN: usize = 256 << 10;
/// A connection with so much unsent is not read from.
const UNSENT_LEN_MAX: usize = 1 << 20;

fn main() -> io::Result<()> {
    let addr = std::env::args().nth(1).ok_or_else(|| io::Error::other("which address?"))?;
    let listener = TcpListener::bind(addr)?;
    listener.set_nonblocking(true)?;
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
    let mut connections: Vec<Option<Connection>> = Vec::new();
    let mut free = Vec::new();
    let mut buffer = vec![0; BUFFER_LEN];
    let mut events: Vec<epoll::Event> = Vec::with_capacity(1024);
    loop {
        events.clear();
        match epoll::wait(&epoll, spare_capacity(&mut events), None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in &events {
            let token = event.data.u64();
            if token == LISTENER {
                let Some(socket) = accept(&listener)? else { continue };
                let index = free.pop().unwrap_or_else(|| {
                    connections.push(None);
                    connections.len() - 1
                });
                epoll::add(&epoll, &socket, EventData::new_u64(index as u64), EventFlags::IN)?;
                connections[index] = Some(Connection { socket, unsent: VecDeque::new() });
                continue;
            }
            let index = token as usize;
            let Some(connection) = &mut connections[index] else { continue };
            match connection.turn(event.flags, &mut buffer) {
                Ok(Some(interest)) => {
                    epoll::modify(&epoll, &connection.socket, event.data, interest)?;
                }
                Ok(None) => {}
                Err(_ended) => {
                    connections[index] = None;
                    free.push(index);
                }
            }
        }
    }
}

fn accept(listener: &TcpListener) -> io::Result<Option<TcpStream>> {
    match listener.accept() {
        Ok((socket, _)) => {
            socket.set_nonblocking(true)?;
            socket.set_nodelay(true)?;
            Ok(Some(socket))
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

impl Connection {
    /// Answers with a new interest where it has changed.
    fn turn(&mut self, flags: EventFlags, buffer: &mut [u8]) -> io::Result<Option<EventFlags>> {
        let before = self.interest();
        if flags.contains(EventFlags::OUT) {
            while !self.unsent.is_empty() {
                let Some(len) = would_block(self.socket.write(self.unsent.as_slices().0))? else {
                    break;
                };
                self.unsent.drain(..len);
            }
        }
        if flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR)
            && let Some(len) = would_block(self.socket.read(buffer))?
        {
            if len == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let mut rest = &buffer[..len];
            if self.unsent.is_empty()
                && let Some(len) = would_block(self.socket.write(rest))?
            {
                rest = &rest[len..];
            }
            self.unsent.extend(rest);
        }
        let after = self.interest();
        Ok((before != after).then_some(after))
    }

    fn interest(&self) -> EventFlags {
        if self.unsent.is_empty() {
            EventFlags::IN
        } else if self.unsent.len() < UNSENT_LEN_MAX {
            EventFlags::IN | EventFlags::OUT
        } else {
            EventFlags::OUT
        }
    }
}

fn would_block(result: io::Result<usize>) -> io::Result<Option<usize>> {
    match result {
        Ok(len) => Ok(Some(len)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}
