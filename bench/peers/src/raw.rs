//! An epoll loop that knows no protocol, level-triggered: one receive buffer for all
//! connections, one `read` per turn of a connection.

use std::{
    collections::VecDeque,
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
};

use rustix::{
    buffer::spare_capacity,
    event::epoll::{self, EventData, EventFlags},
    fd::OwnedFd,
};

const LISTENER: u64 = u64::MAX;
const BUFFER_LEN: usize = 256 << 10;
/// A connection with so much unsent is not read from.
const UNSENT_LEN_MAX: usize = 1 << 20;

/// Listens on the address that is the first argument, and has `arrived` see whatever comes, and
/// on which connection.
pub fn serve(mut arrived: impl FnMut(&mut Connections, usize, &[u8])) -> io::Result<()> {
    let listener = listen()?;
    listener.set_nonblocking(true)?;
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
    let mut connections = Connections { epoll, slots: Vec::new(), free: Vec::new() };
    let mut buffer = vec![0; BUFFER_LEN];
    let mut events: Vec<epoll::Event> = Vec::with_capacity(1024);
    loop {
        events.clear();
        match epoll::wait(&connections.epoll, spare_capacity(&mut events), None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in &events {
            let (token, flags) = (event.data.u64(), event.flags);
            if token == LISTENER {
                // All of them: who has connected before a message is published shall get it.
                while let Some(socket) = accept(&listener)? {
                    connections.add(socket)?;
                }
                continue;
            }
            let index = token as usize;
            if flags.contains(EventFlags::OUT) {
                connections.act(index, Connection::flush);
            }
            if flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR)
                && let Some(len) = connections.read(index, &mut buffer)
            {
                arrived(&mut connections, index, &buffer[..len]);
            }
        }
    }
}

/// Listens on the address that is the first argument.
pub fn listen() -> io::Result<TcpListener> {
    let listener = TcpListener::bind(crate::address()?)?;
    // Again, with more room: the load waits for no handshake here, and who finds the queue full
    // tries again only after a second.
    rustix::net::listen(&listener, BACKLOG)?;
    Ok(listener)
}

/// What Linux allows by default.
const BACKLOG: i32 = 4096;

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

/// All that are open.
#[derive(Debug)]
pub struct Connections {
    epoll: OwnedFd,
    slots: Vec<Option<Connection>>,
    free: Vec<usize>,
}

impl Connections {
    /// Writes `bytes` to one connection, and keeps what its socket does not take.
    pub fn send(&mut self, index: usize, bytes: &[u8]) {
        self.act(index, |connection| connection.send(bytes));
    }

    /// Writes `bytes` to every connection.
    pub fn send_to_all(&mut self, bytes: &[u8]) {
        for index in 0..self.slots.len() {
            self.send(index, bytes);
        }
    }

    fn add(&mut self, socket: TcpStream) -> io::Result<()> {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        epoll::add(&self.epoll, &socket, EventData::new_u64(index as u64), EventFlags::IN)?;
        self.slots[index] = Some(Connection { socket, unsent: VecDeque::new() });
        Ok(())
    }

    /// `None` if nothing came, or the connection has ended.
    fn read(&mut self, index: usize, buffer: &mut [u8]) -> Option<usize> {
        let connection = self.slots[index].as_mut()?;
        match would_block(connection.socket.read(buffer)) {
            Ok(Some(len)) if len > 0 => Some(len),
            Ok(None) => None,
            Ok(Some(_)) | Err(_) => {
                self.remove(index);
                None
            }
        }
    }

    /// Does something to a connection, listens for what it then waits for, and forgets it if it
    /// has ended.
    fn act(&mut self, index: usize, action: impl FnOnce(&mut Connection) -> io::Result<()>) {
        let Some(connection) = &mut self.slots[index] else { return };
        let before = connection.interest();
        let mut outcome = action(connection);
        let after = connection.interest();
        if outcome.is_ok() && before != after {
            let data = EventData::new_u64(index as u64);
            outcome =
                epoll::modify(&self.epoll, &connection.socket, data, after).map_err(Into::into);
        }
        if outcome.is_err() {
            self.remove(index);
        }
    }

    fn remove(&mut self, index: usize) {
        self.slots[index] = None;
        self.free.push(index);
    }
}

/// A socket and what it would not take yet.
#[derive(Debug)]
struct Connection {
    socket: TcpStream,
    unsent: VecDeque<u8>,
}

impl Connection {
    fn send(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        if self.unsent.is_empty()
            && let Some(len) = would_block(self.socket.write(bytes))?
        {
            bytes = &bytes[len..];
        }
        self.unsent.extend(bytes);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        while !self.unsent.is_empty() {
            let Some(len) = would_block(self.socket.write(self.unsent.as_slices().0))? else {
                break;
            };
            self.unsent.drain(..len);
        }
        Ok(())
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
