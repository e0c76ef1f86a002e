//! The load of a fan-out: one connection publishes a window, and every connection, the publisher's
//! too, must get all of it before the next is published.

use std::time::{Duration, Instant};

use super::{Done, Job, Load, connection::Progress, sockets::Sockets};
use crate::Result;

pub(super) struct Fanout<'a> {
    job: &'a Job,
    sockets: Sockets,
    /// Where in the ring the last window published begins.
    first: usize,
}

/// Who publishes.
const PUBLISHER: usize = 0;

impl<'a> Fanout<'a> {
    pub(super) fn new(job: &'a Job) -> Result<Self> {
        Ok(Self { job, sockets: Sockets::new(job)?, first: 0 })
    }

    /// Publishes one window and sees it delivered to everybody.
    fn round(&mut self) -> Result<()> {
        self.first = self.sockets.traffic.after(self.first);
        let receiver_count = self.sockets.len();
        for receiver in PUBLISHER + 1..receiver_count {
            self.sockets.expect(receiver, self.first);
        }
        self.sockets.begin_at(PUBLISHER, self.first)?;
        let mut complete = 0;
        while complete < receiver_count {
            for event in 0..self.sockets.wait()? {
                let (_, progress) = self.sockets.turn(event)?;
                complete += usize::from(progress == Progress::Complete);
            }
        }
        Ok(())
    }
}

impl Load for Fanout<'_> {
    fn open(&mut self, count: usize) -> Result<Done> {
        self.sockets.open(self.job, count)?;
        Ok(Done::default())
    }

    fn close(&mut self) -> Result<Done> {
        self.sockets.close();
        Ok(Done::default())
    }

    fn rest(&mut self) -> Result<Done> {
        self.sockets.answer_pings()?;
        Ok(Done::default())
    }

    fn run(&mut self, duration: Duration) -> Result<Done> {
        let (began, came_before) = (Instant::now(), self.sockets.came_len());
        let mut round_count = 0;
        while round_count == 0 || began.elapsed() < duration {
            self.round()?;
            round_count += 1;
        }
        let deliveries = self.sockets.len() * self.sockets.traffic.in_flight;
        Ok(Done {
            piece_count: round_count * deliveries as u64,
            elapsed: began.elapsed(),
            came_len: self.sockets.came_len() - came_before,
        })
    }

    fn each_in_turn(&mut self) -> Result<Done> {
        Err("nobody but the publisher sends".into())
    }
}
