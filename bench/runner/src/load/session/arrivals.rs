//! Clients that come: connect, upgrade, a session, a subscription.
//!
//! In the one task each comes, goes in order, and comes again, to a channel that all have in common. In
//! the other all come at once, back to channels of their own in each of which they have missed something.

use std::{
    io::{self, Read},
    time::{Duration, Instant},
};

use rustix::{
    event::epoll::EventFlags,
    net::{AddressFamily, SocketFlags, SocketType, connect, socket_with},
};

use super::{
    client::Client,
    crowd::Crowd,
    lines::{self, Position},
};
use crate::{
    Result,
    load::{Done, Job, Load, opening, poll::Poll},
    task::Task,
};

pub(super) struct Arrivals {
    job: Job,
    request: Vec<u8>,
    poll: Poll,
    buffer: Vec<u8>,
    /// Where each stands who comes, and what it has seen last.
    seats: Vec<Seat>,
    /// Publishes what others miss.
    publisher: Option<Crowd>,
    missed: String,
    is_missed: bool,
}

#[derive(Default)]
struct Seat {
    arrival: Option<(Client, State)>,
    seen: Option<Position>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Connecting,
    /// The request is sent; so much of the answer has come.
    Opening(Vec<u8>),
    /// The first commands are sent.
    Joining,
    Here,
    /// Our Close is sent; so much of the answer has come.
    Closing(Vec<u8>),
    Gone,
}

/// So many are in their opening handshake at a time: whoever finds a listening socket's queue full would
/// only come again a second later.
pub(super) const OPENING_COUNT_MAX: usize = 512;
const CHANNEL: &str = "room";
const MISSED_LEN: usize = 125;
/// Publish commands under way at a time.
const PUBLISHED_COUNT_MAX: usize = 64;
/// A masked Close with status code 1000, and the answer to it (RFC 6455 §5.5.1).
const CLOSE: &[u8] = &[0x88, 0x82, 1, 2, 3, 4, 0x03 ^ 1, 0xE8 ^ 2];
const CLOSE_BACK: &[u8] = &[0x88, 2, 0x03, 0xE8];

impl Arrivals {
    pub(super) fn new(job: &Job) -> Result<Self> {
        Ok(Self {
            job: job.clone(),
            request: opening::request(job.addr, job.task),
            poll: Poll::new()?,
            buffer: vec![0; 64 << 10],
            seats: Vec::new(),
            publisher: None,
            missed: lines::data(0, MISSED_LEN),
            is_missed: false,
        })
    }

    fn is_storm(&self) -> bool {
        self.job.task == Task::ServerStorm
    }

    fn channel(&self, number: usize) -> String {
        if self.is_storm() { format!("own{number}") } else { CHANNEL.to_owned() }
    }

    fn begin(&mut self, number: usize) -> Result<()> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
        match connect(&socket, &self.job.addr) {
            Ok(()) | Err(rustix::io::Errno::INPROGRESS) => {}
            Err(error) => return Err(format!("connecting: {error}").into()),
        }
        self.poll.add(&socket, number, EventFlags::OUT)?;
        self.seats[number].arrival = Some((Client::new(socket.into()), State::Connecting));
        Ok(())
    }

    /// Does what an event asks for.
    fn turn(&mut self, number: usize) -> Result<()> {
        let channel = self.channel(number);
        let is_storm = self.is_storm();
        let Seat { arrival, seen } = &mut self.seats[number];
        let Some((client, state)) = arrival else { return Ok(()) };
        match state {
            State::Connecting => {
                client.send(&self.request)?;
                *state = State::Opening(Vec::new());
                self.poll.modify(&*client, number, EventFlags::IN)?;
            }
            State::Opening(came) => {
                read(client, came, &mut self.buffer)?;
                if opening::is_complete(came, self.job.task)? {
                    client.socket.set_nodelay(true)?;
                    let since = seen.as_ref().filter(|_| is_storm);
                    client.send(&[lines::connect(), lines::subscribe(&channel, since)].concat())?;
                    *state = State::Joining;
                }
            }
            State::Joining => {
                let mut joined = None;
                client.read(&mut self.buffer, |line| {
                    joined = lines::joined(line)?.or(joined.take());
                    if joined.is_some() && is_storm && seen.is_some() {
                        lines::check_recovered(line, &self.missed)?;
                    }
                    Ok(())
                })?;
                if joined.is_some() {
                    *seen = joined;
                    *state = State::Here;
                    if !is_storm {
                        client.send(CLOSE)?;
                        *state = State::Closing(Vec::new());
                    }
                }
            }
            State::Here => {
                client.read(&mut self.buffer, |line| Err(lines::unexpected("silence", line)))?;
            }
            State::Closing(came) => {
                if read(client, came, &mut self.buffer)? {
                    if came != CLOSE_BACK {
                        return Err(format!("ended with {came:02x?}").into());
                    }
                    *state = State::Gone;
                }
            }
            State::Gone => {}
        }
        Ok(())
    }

    fn state(&self, number: usize) -> Option<&State> {
        self.seats[number].arrival.as_ref().map(|(_, state)| state)
    }

    fn is_opening(&self, number: usize) -> bool {
        matches!(self.state(number), Some(State::Connecting | State::Opening(_)))
    }

    fn is_done(&self, number: usize) -> bool {
        matches!(self.state(number), Some(State::Here | State::Gone))
    }

    /// Everybody comes, not too many at a time; and whoever has gone again, as long as `duration` lasts.
    fn all_come(&mut self, duration: Duration) -> Result<Done> {
        let began = Instant::now();
        let (mut next, mut opening_count, mut open_ended, mut done_count) = (0, 0, 0, 0);
        while open_ended < self.seats.len() {
            while next < self.seats.len() && opening_count < OPENING_COUNT_MAX {
                self.begin(next)?;
                next += 1;
                opening_count += 1;
            }
            let events = self.poll.wait()?;
            for event in 0..events {
                let (number, _) = self.poll.event(event);
                let (was_opening, was_done) = (self.is_opening(number), self.is_done(number));
                self.turn(number).map_err(|error| {
                    format!("client {number}, {:?}: {error}", self.state(number))
                })?;
                opening_count -= usize::from(was_opening && !self.is_opening(number));
                if !was_done && self.is_done(number) {
                    done_count += 1;
                    if self.is_storm() || began.elapsed() >= duration {
                        open_ended += 1;
                    } else {
                        self.begin(number)?;
                        opening_count += 1;
                    }
                }
            }
        }
        self.is_missed = false;
        Ok(Done { piece_count: done_count, elapsed: began.elapsed(), came_len: 0 })
    }

    /// Everybody goes without a word, and then misses something.
    fn all_miss_something(&mut self) -> Result<()> {
        for seat in &mut self.seats {
            seat.arrival = None;
        }
        if self.publisher.is_none() {
            let mut publisher = Crowd::new(self.job.addr)?;
            publisher.open(None)?;
            self.publisher = Some(publisher);
        }
        for first in (0..self.seats.len()).step_by(PUBLISHED_COUNT_MAX) {
            let channels: Vec<String> = (first..self.seats.len().min(first + PUBLISHED_COUNT_MAX))
                .map(|number| self.channel(number))
                .collect();
            let command = |channel: &String| lines::publish(1, channel, &self.missed);
            let commands: Vec<u8> = channels.iter().flat_map(command).collect();
            let Some(publisher) = &mut self.publisher else { break };
            publisher.send(0, &commands)?;
            let mut answer_count = 0;
            while answer_count < channels.len() {
                publisher.turn(|_, line| {
                    answer_count += 1;
                    lines::published(line).map(drop)
                })?;
            }
        }
        self.is_missed = true;
        Ok(())
    }
}

/// Reads once; says whether that was the end.
fn read(client: &mut Client, came: &mut Vec<u8>, buffer: &mut [u8]) -> Result<bool> {
    match client.socket.read(buffer) {
        Ok(len) => {
            came.extend_from_slice(&buffer[..len]);
            Ok(len == 0)
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
        Err(error) => Err(error.into()),
    }
}

impl Load for Arrivals {
    fn open(&mut self, count: usize) -> Result<Done> {
        self.seats.resize_with(self.seats.len() + count, Seat::default);
        if self.is_storm() {
            self.all_come(Duration::ZERO)?; // for the first time, with nothing missed
        }
        Ok(Done::default())
    }

    fn close(&mut self) -> Result<Done> {
        self.seats.clear();
        Ok(Done::default())
    }

    /// Before a storm everybody goes away, so that only the coming back is measured.
    fn rest(&mut self) -> Result<Done> {
        if self.is_storm() && !self.is_missed {
            self.all_miss_something()?;
        }
        if let Some(publisher) = &mut self.publisher {
            publisher.answer_pings()?;
        }
        Ok(Done::default())
    }

    fn run(&mut self, duration: Duration) -> Result<Done> {
        Load::rest(self)?;
        self.all_come(duration)
    }

    fn each_in_turn(&mut self) -> Result<Done> {
        Err("there are no messages here".into())
    }
}
