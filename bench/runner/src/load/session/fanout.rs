//! One client publishes a window to a recoverable channel, and everybody in it, the publisher too, must
//! get all of it before the next is published.

use std::time::{Duration, Instant};

use super::{crowd::Crowd, lines};
use crate::{
    Result,
    load::{Done, Job, Load},
};

pub(super) struct ChannelFanout {
    crowd: Crowd,
    /// What is published, round and round, and the commands that do it.
    data: Vec<String>,
    commands: Vec<Vec<u8>>,
    in_flight: usize,
    /// Where the channel is: all offsets must follow this one without a gap.
    offset: u64,
    /// The pushes of this window, as who got them first got them: all others must get the same bytes.
    pushes: Vec<Vec<u8>>,
    /// How many of them each has got.
    heard: Vec<usize>,
}

pub(super) const CHANNEL: &str = "room";
const PUBLISHER: usize = 0;
/// Different publications.
const DATA_COUNT: usize = 16;

impl ChannelFanout {
    pub(super) fn new(job: &Job) -> Result<Self> {
        let in_flight = job.scenario.in_flight;
        let one = |number| lines::data(number, job.scenario.payload_len);
        let data: Vec<String> = (0..DATA_COUNT.max(in_flight)).map(one).collect();
        let command =
            |(number, data): (usize, &String)| lines::publish(number as u64 + 1, CHANNEL, data);
        Ok(Self {
            crowd: Crowd::new(job.addr)?,
            commands: data.iter().enumerate().map(command).collect(),
            data,
            in_flight,
            offset: 0,
            pushes: Vec::new(),
            heard: Vec::new(),
        })
    }

    fn round(&mut self) -> Result<()> {
        let Self { crowd, data, commands, in_flight, offset, pushes, heard } = self;
        let of = |place: usize| (*offset as usize + place) % data.len();
        let window: Vec<u8> = (0..*in_flight).flat_map(|at| commands[of(at)].clone()).collect();
        pushes.clear();
        heard.fill(0);
        crowd.send(PUBLISHER, &window)?;
        let (mut complete_count, mut answer_count) = (0, 0);
        while complete_count < heard.len() || answer_count < *in_flight {
            crowd.turn(|number, line| {
                if number == PUBLISHER && line.starts_with(b"{\"id\":") {
                    answer_count += 1;
                    return lines::published(line).map(drop);
                }
                let place = heard[number];
                match pushes.get(place) {
                    Some(push) if push == line => {}
                    Some(_) => return Err(lines::unexpected("what others got", line)),
                    None if place == *in_flight => {
                        return Err(lines::unexpected("published at all", line));
                    }
                    None => {
                        let at = lines::delivered(line, CHANNEL, &data[of(place)])?;
                        if at != *offset + place as u64 + 1 {
                            return Err(lines::unexpected("the next offset", line));
                        }
                        pushes.push(line.to_vec());
                    }
                }
                heard[number] += 1;
                complete_count += usize::from(heard[number] == *in_flight);
                Ok(())
            })?;
        }
        *offset += *in_flight as u64;
        Ok(())
    }
}

impl Load for ChannelFanout {
    fn open(&mut self, count: usize) -> Result<Done> {
        for _ in 0..count {
            let position = self.crowd.open(Some(CHANNEL))?;
            self.offset = position.map_or(0, |position| position.offset);
            self.heard.push(0);
        }
        Ok(Done::default())
    }

    fn close(&mut self) -> Result<Done> {
        self.crowd.close();
        self.heard.clear();
        Ok(Done::default())
    }

    fn rest(&mut self) -> Result<Done> {
        self.crowd.answer_pings()?;
        Ok(Done::default())
    }

    fn run(&mut self, duration: Duration) -> Result<Done> {
        let (began, came_before) = (Instant::now(), self.crowd.came_len());
        let mut round_count = 0;
        while round_count == 0 || began.elapsed() < duration {
            self.round()?;
            round_count += 1;
        }
        Ok(Done {
            piece_count: round_count * (self.heard.len() * self.in_flight) as u64,
            elapsed: began.elapsed(),
            came_len: self.crowd.came_len() - came_before,
        })
    }

    fn each_in_turn(&mut self) -> Result<Done> {
        Err("nobody but the publisher sends".into())
    }
}
