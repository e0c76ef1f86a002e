//! Clients that stay, under epoll.

use std::net::SocketAddr;

use rustix::event::epoll::EventFlags;

use super::{client::Client, lines::Position};
use crate::{Result, load::poll::Poll};

pub(super) struct Crowd {
    addr: SocketAddr,
    poll: Poll,
    pub(super) clients: Vec<Client>,
    buffer: Vec<u8>,
}

const READ_LEN_MAX: usize = 256 << 10;

impl Crowd {
    pub(super) fn new(addr: SocketAddr) -> Result<Self> {
        let (poll, buffer) = (Poll::new()?, vec![0; READ_LEN_MAX]);
        Ok(Self { addr, poll, clients: Vec::new(), buffer })
    }

    /// One more, subscribed to a channel if there is one. Says where that is.
    pub(super) fn open(&mut self, channel: Option<&str>) -> Result<Option<Position>> {
        let number = self.clients.len();
        let (client, position) = Client::open(self.addr, channel, &mut self.buffer)
            .map_err(|error| format!("client {number}: {error}"))?;
        self.poll.add(&client, number, EventFlags::IN)?;
        self.clients.push(client);
        Ok(position)
    }

    pub(super) fn close(&mut self) {
        self.clients.clear();
    }

    pub(super) fn came_len(&self) -> u64 {
        self.clients.iter().map(|client| client.came_len).sum()
    }

    pub(super) fn send(&mut self, number: usize, bytes: &[u8]) -> Result<()> {
        self.clients[number].send(bytes)
    }

    /// Waits until something has come to somebody, and shows every line to `heard`.
    pub(super) fn turn(&mut self, mut heard: impl FnMut(usize, &[u8]) -> Result<()>) -> Result<()> {
        for event in 0..self.poll.wait()? {
            let (number, _) = self.poll.event(event);
            self.clients[number].read(&mut self.buffer, |line| heard(number, line))?;
        }
        Ok(())
    }

    /// Answers the pings that came while others were measured. Nothing else may have come.
    pub(super) fn answer_pings(&mut self) -> Result<()> {
        for client in &mut self.clients {
            client.read(&mut self.buffer, |line| Err(super::lines::unexpected("silence", line)))?;
        }
        Ok(())
    }
}
