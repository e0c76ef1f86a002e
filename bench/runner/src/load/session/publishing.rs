//! Ten clients publish where nobody is subscribed, each its next window when the last one is answered.
//! All others are there, each in a channel of its own, and say nothing.

use std::time::{Duration, Instant};

use super::{crowd::Crowd, lines};
use crate::{
    Result,
    load::{Done, Job, Load, traffic::Ring},
    task::Task,
};

pub(super) struct Publishing {
    crowd: Crowd,
    /// Publish commands, whose ids are their places and one.
    commands: Ring,
    command_count: usize,
    in_flight: usize,
    publishers: Vec<Publisher>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Publisher {
    /// The place of the command that is answered next.
    next: usize,
    unanswered: usize,
}

pub(super) const PUBLISHER_COUNT: usize = 10;
const CHANNEL_COUNT: usize = 10_000;

impl Publishing {
    pub(super) fn new(job: &Job) -> Result<Self> {
        let in_flight = job.scenario.in_flight;
        let (channel_count, least) = match job.task {
            Task::ServerPublish => (1, 16),
            _ => (CHANNEL_COUNT, CHANNEL_COUNT),
        };
        // Whole windows.
        let command_count = least.max(in_flight).next_multiple_of(in_flight);
        let command = |at: usize| {
            let data = lines::data(at % 16, job.scenario.payload_len);
            lines::publish(at as u64 + 1, &format!("busy{}", at % channel_count), &data)
        };
        let commands: Vec<_> = (0..command_count).map(command).collect();
        Ok(Self {
            crowd: Crowd::new(job.addr)?,
            commands: Ring::new(&commands),
            command_count,
            in_flight,
            publishers: Vec::new(),
        })
    }

    fn publish(&mut self, number: usize) -> Result<()> {
        let publisher = &mut self.publishers[number];
        publisher.unanswered = self.in_flight;
        self.crowd.send(number, self.commands.window(publisher.next, self.in_flight))
    }
}

impl Load for Publishing {
    fn open(&mut self, count: usize) -> Result<Done> {
        for number in self.crowd.clients.len()..self.crowd.clients.len() + count {
            if number < PUBLISHER_COUNT {
                // Each begins elsewhere.
                let windows = self.command_count / self.in_flight;
                let next = number * windows / PUBLISHER_COUNT * self.in_flight;
                self.publishers.push(Publisher { next, unanswered: 0 });
                self.crowd.open(None)?;
            } else {
                self.crowd.open(Some(&format!("own{number}")))?;
            }
        }
        Ok(Done::default())
    }

    fn close(&mut self) -> Result<Done> {
        self.crowd.close();
        self.publishers.clear();
        Ok(Done::default())
    }

    fn rest(&mut self) -> Result<Done> {
        self.crowd.answer_pings()?;
        Ok(Done::default())
    }

    fn run(&mut self, duration: Duration) -> Result<Done> {
        let (began, came_before) = (Instant::now(), self.crowd.came_len());
        for number in 0..self.publishers.len() {
            self.publish(number)?;
        }
        let (mut under_way, mut done_count) = (self.publishers.len(), 0);
        let mut done = Vec::new();
        while under_way > 0 {
            let (publishers, command_count) = (&mut self.publishers, self.command_count);
            self.crowd.turn(|number, line| {
                let publisher = publishers.get_mut(number).filter(|by| by.unanswered > 0);
                let publisher = publisher.ok_or_else(|| lines::unexpected("silence", line))?;
                if lines::published(line)? != publisher.next as u64 + 1 {
                    return Err(lines::unexpected("the next answer", line));
                }
                publisher.next = (publisher.next + 1) % command_count;
                publisher.unanswered -= 1;
                done_count += 1;
                if publisher.unanswered == 0 {
                    done.push(number);
                }
                Ok(())
            })?;
            let go_on = began.elapsed() < duration;
            for number in done.drain(..) {
                if go_on {
                    self.publish(number)?;
                } else {
                    under_way -= 1;
                }
            }
        }
        let came_len = self.crowd.came_len() - came_before;
        Ok(Done { piece_count: done_count, elapsed: began.elapsed(), came_len })
    }

    fn each_in_turn(&mut self) -> Result<Done> {
        Err("there is no echo here".into())
    }
}
