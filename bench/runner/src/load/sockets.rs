//! Connections under epoll.

use rustix::{
    event::{
        Timespec,
        epoll::{self, EventData, EventFlags},
    },
    fd::OwnedFd,
};

use super::{
    Job,
    connection::{Connection, Progress},
    traffic::Traffic,
};
use crate::Result;

/// All connections of one load.
pub(super) struct Sockets {
    pub(super) traffic: Traffic,
    epoll: OwnedFd,
    connections: Vec<Connection>,
    buffer: Vec<u8>,
    events: Vec<epoll::Event>,
}

/// As much as a large message's socket buffer is likely to hold.
const READ_LEN_MAX: usize = 256 << 10;
const EVENT_COUNT_MAX: usize = 1024;
/// A server that sends nothing for so long has lost something.
const PATIENCE: Timespec = Timespec { tv_sec: 10, tv_nsec: 0 };

impl Sockets {
    pub(super) fn new(job: &Job) -> Result<Self> {
        Ok(Self {
            traffic: Traffic::new(&job.scenario, job.speaks),
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            connections: Vec::new(),
            buffer: vec![0; READ_LEN_MAX],
            events: Vec::with_capacity(EVENT_COUNT_MAX),
        })
    }

    pub(super) fn len(&self) -> usize {
        self.connections.len()
    }

    /// Opens so many more.
    pub(super) fn open(&mut self, job: &Job, count: usize) -> Result<()> {
        for _ in 0..count {
            let number = self.connections.len();
            let start = self.traffic.start_of(number);
            let connection = Connection::open(job.addr, job.speaks, start)
                .map_err(|error| format!("connection {number}: {error}"))?;
            epoll::add(&self.epoll, &connection, token(number), EventFlags::IN)?;
            self.connections.push(connection);
        }
        Ok(())
    }

    pub(super) fn close(&mut self) {
        self.connections.clear();
    }

    /// Waits for something to happen, and answers with the number of events.
    pub(super) fn wait(&mut self) -> Result<usize> {
        self.events.clear();
        let spare = rustix::buffer::spare_capacity(&mut self.events);
        match epoll::wait(&self.epoll, spare, Some(&PATIENCE)) {
            Ok(0) => Err("the server has not answered for ten seconds".into()),
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(self.events.len()),
            Err(error) => Err(error.into()),
        }
    }

    /// Begins the next window of a connection.
    pub(super) fn begin(&mut self, number: usize) -> Result<Progress> {
        let progress = self.connections[number].begin(&self.traffic)?;
        if progress == Progress::Unsent {
            self.listen(number, EventFlags::IN | EventFlags::OUT)?;
        }
        Ok(progress)
    }

    /// Does what an event asks for, and answers with whose it was.
    pub(super) fn turn(&mut self, event: usize) -> Result<(usize, Progress)> {
        let (number, flags) = (self.events[event].data.u64() as usize, self.events[event].flags);
        let mut progress = Progress::Waiting;
        if flags.contains(EventFlags::OUT) {
            progress = self.connections[number].write(&self.traffic)?;
            if progress != Progress::Unsent {
                self.listen(number, EventFlags::IN)?;
            }
        }
        if flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR) {
            progress = self.connections[number].read(&self.traffic, &mut self.buffer)?;
        }
        Ok((number, progress))
    }

    fn listen(&self, number: usize, flags: EventFlags) -> Result<()> {
        Ok(epoll::modify(&self.epoll, &self.connections[number], token(number), flags)?)
    }
}

fn token(number: usize) -> EventData {
    EventData::new_u64(number as u64)
}
