//! The load of an echo: each connection sends its next window when the last one has come back.

use std::time::{Duration, Instant};

use super::{Done, Job, Load, connection::Progress, sockets::Sockets};
use crate::Result;

pub(super) struct Echo<'a> {
    job: &'a Job,
    sockets: Sockets,
}

impl<'a> Echo<'a> {
    pub(super) fn new(job: &'a Job) -> Result<Self> {
        Ok(Self { job, sockets: Sockets::new(job)? })
    }

    fn done(&self, windows: u64, began: Instant) -> Done {
        let in_flight = self.sockets.traffic.in_flight as u64;
        Done { piece_count: windows * in_flight, elapsed: began.elapsed() }
    }
}

impl Load for Echo<'_> {
    fn open(&mut self, count: usize) -> Result<Done> {
        self.sockets.open(self.job, count)?;
        Ok(Done::default())
    }

    fn close(&mut self) -> Result<Done> {
        self.sockets.close();
        Ok(Done::default())
    }

    fn run(&mut self, duration: Duration) -> Result<Done> {
        let began = Instant::now();
        let mut windows_done = 0;
        for number in 0..self.sockets.len() {
            self.sockets.begin(number)?;
        }
        let mut under_way = self.sockets.len();
        while under_way > 0 {
            let events = self.sockets.wait()?;
            let go_on = began.elapsed() < duration;
            for event in 0..events {
                let (number, progress) = self.sockets.turn(event)?;
                if progress == Progress::Complete {
                    windows_done += 1;
                    if go_on {
                        self.sockets.begin(number)?;
                    } else {
                        under_way -= 1;
                    }
                }
            }
        }
        Ok(self.done(windows_done, began))
    }

    fn each_in_turn(&mut self) -> Result<Done> {
        let began = Instant::now();
        for number in 0..self.sockets.len() {
            let mut progress = self.sockets.begin(number)?;
            while progress != Progress::Complete {
                for event in 0..self.sockets.wait()? {
                    let whose;
                    (whose, progress) = self.sockets.turn(event)?;
                    if whose != number {
                        return Err("bytes came on a connection that had sent none".into());
                    }
                }
            }
        }
        Ok(self.done(self.sockets.len() as u64, began))
    }
}
