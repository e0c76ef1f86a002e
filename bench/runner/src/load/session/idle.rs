//! Sessions that are subscribed and say nothing; until each asks once who is there.

use std::time::Duration;

use super::{crowd::Crowd, lines};
use crate::{
    Result,
    load::{Done, Job, Load},
    task::Task,
};

pub(super) struct IdleSessions {
    crowd: Crowd,
    task: Task,
}

impl IdleSessions {
    pub(super) fn new(job: &Job) -> Result<Self> {
        Ok(Self { crowd: Crowd::new(job.addr)?, task: job.task })
    }

    fn channel(&self, number: usize) -> String {
        match self.task {
            Task::ServerIdleOwn => format!("own{number}"),
            _ => "room".to_owned(),
        }
    }
}

impl Load for IdleSessions {
    fn open(&mut self, count: usize) -> Result<Done> {
        for number in self.crowd.clients.len()..self.crowd.clients.len() + count {
            let channel = self.channel(number);
            self.crowd.open(Some(&channel))?;
        }
        Ok(Done::default())
    }

    fn close(&mut self) -> Result<Done> {
        self.crowd.close();
        Ok(Done::default())
    }

    fn rest(&mut self) -> Result<Done> {
        self.crowd.answer_pings()?;
        Ok(Done::default())
    }

    fn run(&mut self, _: Duration) -> Result<Done> {
        Err("these say nothing".into())
    }

    fn each_in_turn(&mut self) -> Result<Done> {
        for number in 0..self.crowd.clients.len() {
            let command = lines::presence_stats(3, &self.channel(number));
            self.crowd.send(number, &command)?;
            let mut is_answered = false;
            while !is_answered {
                self.crowd.turn(|of, line| {
                    is_answered =
                        of == number && line.starts_with(br#"{"id":3,"presence_stats":{"#);
                    if is_answered { Ok(()) } else { Err(lines::unexpected("who is there", line)) }
                })?;
            }
        }
        Ok(Done::default())
    }
}
