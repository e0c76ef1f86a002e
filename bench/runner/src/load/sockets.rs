//! Connections that stay open, under epoll.

use std::{sync::Arc, thread, time::Duration};

use rustix::event::epoll::EventFlags;
use rustls::ClientConfig;

use super::{
    Job,
    connection::{Connection, Progress},
    poll::Poll,
    stream::tls_config,
    traffic::{Speaks, Traffic},
};
use crate::{Result, task::Task};

/// All connections of one load.
pub(super) struct Sockets {
    job: Job,
    pub(super) traffic: Traffic,
    poll: Poll,
    tls: Option<Arc<ClientConfig>>,
    connections: Vec<Connection>,
    buffer: Vec<u8>,
}

/// As much as a large message's socket buffer is likely to hold.
const READ_LEN_MAX: usize = 256 << 10;

/// Without a handshake nothing says that a server has taken a connection, and one that finds the
/// queue full waits a second: so they come in groups, and the server has time between them.
const RAW_OPEN_COUNT_MAX: usize = 64;
const RAW_OPEN_PAUSE: Duration = Duration::from_millis(2);

impl Sockets {
    pub(super) fn new(job: &Job) -> Result<Self> {
        Ok(Self {
            job: job.clone(),
            traffic: Traffic::new(&job.scenario, job.speaks, job.task),
            poll: Poll::new()?,
            tls: (job.task.served_as() == Task::Tls).then(tls_config).transpose()?,
            connections: Vec::new(),
            buffer: vec![0; READ_LEN_MAX],
        })
    }

    pub(super) fn len(&self) -> usize {
        self.connections.len()
    }

    /// Bytes that have come back so far.
    pub(super) fn came_len(&self) -> u64 {
        self.connections.iter().map(|connection| connection.came_len).sum()
    }

    /// Opens so many more.
    pub(super) fn open(&mut self, count: usize) -> Result<()> {
        for _ in 0..count {
            let number = self.connections.len();
            let start = self.traffic.start_of(number);
            let connection = Connection::open(&self.job, self.tls.as_ref(), &self.traffic, start)
                .map_err(|error| format!("connection {number}: {error}"))?;
            self.poll.add(&connection, number, EventFlags::IN)?;
            self.connections.push(connection);
            if self.job.speaks == Speaks::Raw && number.is_multiple_of(RAW_OPEN_COUNT_MAX) {
                thread::sleep(RAW_OPEN_PAUSE);
            }
        }
        Ok(())
    }

    /// Answers the Pings of a server that has kept the connections alive while others were measured.
    /// Nothing else may have come.
    pub(super) fn answer_pings(&mut self) -> Result<()> {
        for number in 0..self.connections.len() {
            self.read(number)?;
        }
        Ok(())
    }

    pub(super) fn close(&mut self) {
        self.connections.clear();
    }

    /// Waits for something to happen, and answers with the number of events.
    pub(super) fn wait(&mut self) -> Result<usize> {
        self.poll.wait()
    }

    /// Begins the next window of a connection.
    pub(super) fn begin(&mut self, number: usize) -> Result<Progress> {
        let progress = self.connections[number].begin(&self.traffic)?;
        self.listen_if_unsent(number, progress)
    }

    /// Begins the window at `first`.
    pub(super) fn begin_at(&mut self, number: usize, first: usize) -> Result<Progress> {
        let progress = self.connections[number].begin_at(&self.traffic, first)?;
        self.listen_if_unsent(number, progress)
    }

    /// From now on the window at `first` must come to a connection that does not send it.
    pub(super) fn expect(&mut self, number: usize, first: usize) {
        self.connections[number].expect(&self.traffic, first);
    }

    fn listen_if_unsent(&self, number: usize, progress: Progress) -> Result<Progress> {
        if progress == Progress::Unsent {
            self.listen(number, EventFlags::IN | EventFlags::OUT)?;
        }
        Ok(progress)
    }

    /// Does what an event asks for, and answers with whose it was.
    pub(super) fn turn(&mut self, event: usize) -> Result<(usize, Progress)> {
        let (number, flags) = self.poll.event(event);
        let mut progress = Progress::Waiting;
        if flags.contains(EventFlags::OUT) {
            progress = self.connections[number].write(&self.traffic)?;
            if progress != Progress::Unsent {
                self.listen(number, EventFlags::IN)?;
            }
        }
        if flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR) {
            let after_reading = self.read(number)?;
            if progress != Progress::Complete {
                progress = after_reading;
            }
        }
        Ok((number, progress))
    }

    fn read(&mut self, number: usize) -> Result<Progress> {
        let connection = &mut self.connections[number];
        let was_unsent = connection.is_unsent(&self.traffic);
        let progress = connection.read(&self.traffic, &mut self.buffer)?;
        if was_unsent {
            return Ok(progress);
        }
        // It may be a Pong that the socket did not take.
        self.listen_if_unsent(number, progress)
    }

    fn listen(&self, number: usize, flags: EventFlags) -> Result<()> {
        self.poll.modify(&self.connections[number], number, flags)
    }
}
