//! The load of an echo: each connection sends its next window when the last one has come back.

use std::time::{Duration, Instant};

use super::{Done, Job, OverSockets, connection::Progress, sockets::Sockets};
use crate::Result;

pub(super) struct Echo {
    sockets: Sockets,
}

impl Echo {
    pub(super) fn new(job: &Job) -> Result<Self> {
        Ok(Self { sockets: Sockets::new(job)? })
    }

    fn done(&self, windows: u64, began: Instant, came_before: u64) -> Done {
        Done {
            piece_count: windows * self.sockets.traffic.in_flight as u64,
            elapsed: began.elapsed(),
            came_len: self.sockets.came_len() - came_before,
        }
    }
}

impl OverSockets for Echo {
    fn sockets(&mut self) -> &mut Sockets {
        &mut self.sockets
    }

    fn run(&mut self, duration: Duration) -> Result<Done> {
        let (began, came_before) = (Instant::now(), self.sockets.came_len());
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
        Ok(self.done(windows_done, began, came_before))
    }

    fn each_in_turn(&mut self) -> Result<Done> {
        let (began, came_before) = (Instant::now(), self.sockets.came_len());
        for number in 0..self.sockets.len() {
            self.sockets.begin(number)?;
            let mut complete = false;
            while !complete {
                for event in 0..self.sockets.wait()? {
                    // Others have asked for nothing, and may get a Ping.
                    let (_, progress) = self.sockets.turn(event)?;
                    complete |= progress == Progress::Complete;
                }
            }
        }
        Ok(self.done(self.sockets.len() as u64, began, came_before))
    }
}
