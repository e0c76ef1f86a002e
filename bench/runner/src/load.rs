//! The load of one server: an epoll loop over its connections, in a process of its own, told what
//! to do by lines on standard input. A process has its own file descriptor limit, and sleeps
//! while another server is measured.

use std::{
    io::{self, BufRead, Write},
    net::SocketAddr,
    time::{Duration, Instant},
};

use rustix::{
    event::{Timespec, epoll},
    fd::OwnedFd,
};

use crate::{
    Result,
    connection::{Connection, Progress},
    scenario::Scenario,
    traffic::{Speaks, Traffic},
};

/// What one load process is for.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) addr: SocketAddr,
    pub(crate) speaks: Speaks,
    pub(crate) scenario: Scenario,
}

/// Obeys standard input until it ends. Each line is answered by one line.
pub(crate) fn serve(job: &Job) -> Result<()> {
    let mut load = Load::new(job)?;
    for line in io::stdin().lock().lines() {
        let line = line?;
        let mut words = line.split_whitespace();
        let answer = match (words.next(), words.next().map(str::parse::<u64>)) {
            (Some("open"), Some(Ok(count))) => load.open(job, usize::try_from(count)?),
            (Some("close"), None) => {
                load.connections.clear();
                Ok(Done::default())
            }
            (Some("run"), Some(Ok(millis))) => load.run(Duration::from_millis(millis)),
            (Some("each"), None) => load.each_in_turn(),
            _ => Err(format!("`{line}` is not an order").into()),
        };
        let mut out = io::stdout().lock();
        match answer {
            Ok(done) => {
                writeln!(out, "done {} {}", done.message_count, done.elapsed.as_nanos())?;
            }
            Err(error) => writeln!(out, "error {error}")?,
        }
        out.flush()?;
    }
    Ok(())
}

/// What was measured on the load's side.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Done {
    pub(crate) message_count: u64,
    pub(crate) elapsed: Duration,
}

struct Load {
    traffic: Traffic,
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

impl Load {
    fn new(job: &Job) -> Result<Self> {
        Ok(Self {
            traffic: Traffic::new(&job.scenario, job.speaks),
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            connections: Vec::new(),
            buffer: vec![0; READ_LEN_MAX],
            events: Vec::with_capacity(EVENT_COUNT_MAX),
        })
    }

    fn open(&mut self, job: &Job, count: usize) -> Result<Done> {
        for _ in 0..count {
            let number = self.connections.len();
            let start = self.traffic.start_of(number);
            let connection = Connection::open(job.addr, job.speaks, start)
                .map_err(|error| format!("connection {number}: {error}"))?;
            let data = epoll::EventData::new_u64(number as u64);
            epoll::add(&self.epoll, &connection, data, epoll::EventFlags::IN)?;
            self.connections.push(connection);
        }
        Ok(Done::default())
    }

    /// Keeps every connection's window in flight for `duration`, then lets all of them return.
    fn run(&mut self, duration: Duration) -> Result<Done> {
        let began = Instant::now();
        let mut windows_done = 0_u64;
        for number in 0..self.connections.len() {
            self.begin(number)?;
        }
        let mut under_way = self.connections.len();
        while under_way > 0 {
            self.wait()?;
            let go_on = began.elapsed() < duration;
            for index in 0..self.events.len() {
                let number = self.events[index].data.u64() as usize;
                if self.turn(number, self.events[index].flags)? == Progress::Complete {
                    windows_done += 1;
                    if go_on {
                        self.begin(number)?;
                    } else {
                        under_way -= 1;
                    }
                }
            }
        }
        Ok(Done {
            message_count: windows_done * self.traffic.in_flight as u64,
            elapsed: began.elapsed(),
        })
    }

    /// One window on each connection, one connection after the other.
    fn each_in_turn(&mut self) -> Result<Done> {
        let began = Instant::now();
        for number in 0..self.connections.len() {
            let mut progress = self.begin(number)?;
            while progress != Progress::Complete {
                self.wait()?;
                for index in 0..self.events.len() {
                    let event = &self.events[index];
                    if event.data.u64() as usize != number {
                        return Err("bytes came on a connection that had sent none".into());
                    }
                    progress = self.turn(number, event.flags)?;
                }
            }
        }
        let message_count = (self.connections.len() * self.traffic.in_flight) as u64;
        Ok(Done { message_count, elapsed: began.elapsed() })
    }

    fn wait(&mut self) -> Result<()> {
        self.events.clear();
        let spare = rustix::buffer::spare_capacity(&mut self.events);
        match epoll::wait(&self.epoll, spare, Some(&PATIENCE)) {
            Ok(0) => Err("the server has not answered for ten seconds".into()),
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn begin(&mut self, number: usize) -> Result<Progress> {
        let progress = self.connections[number].begin(&self.traffic)?;
        if progress == Progress::Unsent {
            self.listen(number, epoll::EventFlags::IN | epoll::EventFlags::OUT)?;
        }
        Ok(progress)
    }

    /// Does what one event asks for.
    fn turn(&mut self, number: usize, flags: epoll::EventFlags) -> Result<Progress> {
        let connection = &mut self.connections[number];
        let mut progress = Progress::Waiting;
        if flags.contains(epoll::EventFlags::OUT) {
            progress = connection.write(&self.traffic)?;
            if progress != Progress::Unsent {
                self.listen(number, epoll::EventFlags::IN)?;
            }
        }
        let readable = epoll::EventFlags::IN | epoll::EventFlags::HUP | epoll::EventFlags::ERR;
        if flags.intersects(readable) {
            progress = self.connections[number].read(&self.traffic, &mut self.buffer)?;
        }
        Ok(progress)
    }

    fn listen(&self, number: usize, flags: epoll::EventFlags) -> Result<()> {
        let data = epoll::EventData::new_u64(number as u64);
        Ok(epoll::modify(&self.epoll, &self.connections[number], data, flags)?)
    }
}
