//! epoll, with numbers for tokens.

use rustix::{
    event::{
        Timespec,
        epoll::{self, EventData, EventFlags},
    },
    fd::{AsFd, OwnedFd},
};

use crate::Result;

pub(super) struct Poll {
    epoll: OwnedFd,
    events: Vec<epoll::Event>,
}

const EVENT_COUNT_MAX: usize = 1024;
/// A server that sends nothing for so long has lost something.
const PATIENCE: Timespec = Timespec { tv_sec: 10, tv_nsec: 0 };

impl Poll {
    pub(super) fn new() -> Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        Ok(Self { epoll, events: Vec::with_capacity(EVENT_COUNT_MAX) })
    }

    pub(super) fn add(&self, socket: impl AsFd, number: usize, flags: EventFlags) -> Result<()> {
        Ok(epoll::add(&self.epoll, socket, EventData::new_u64(number as u64), flags)?)
    }

    pub(super) fn modify(&self, socket: impl AsFd, number: usize, flags: EventFlags) -> Result<()> {
        Ok(epoll::modify(&self.epoll, socket, EventData::new_u64(number as u64), flags)?)
    }

    pub(super) fn remove(&self, socket: impl AsFd) -> Result<()> {
        Ok(epoll::delete(&self.epoll, socket)?)
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

    /// Whose an event is, and what has happened.
    pub(super) fn event(&self, index: usize) -> (usize, EventFlags) {
        let event = self.events[index];
        (event.data.u64() as usize, event.flags)
    }
}
