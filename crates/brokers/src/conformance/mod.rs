//! The suite that every broker passes: a row for each promise of [`tidewire_hub::broker`].
//!
//! A broker is driven through a [`Subject`], so it may be a value, a task or another machine. Rows
//! take a fresh channel each, use up to three shards, and let no more than a few seconds pass at a time.

mod desk;
mod presence;
mod reading;
mod streams;
mod taking;

use std::time::Duration;

use tidewire_hub::{
    ChannelName,
    broker::{Answer, Ask, Event, Failure},
};

use crate::ShardIndex;
use desk::Desk;

/// A broker under test.
pub trait Subject {
    /// A channel in which nothing has ever happened. `label` may stand in its name.
    fn channel(&mut self, label: &str) -> ChannelName;

    /// Asks as this shard does, and waits for the answer.
    ///
    /// # Errors
    /// If that is the answer.
    fn ask(
        &mut self,
        shard: ShardIndex,
        channel: &ChannelName,
        ask: Ask,
    ) -> Result<Answer, Failure>;

    /// What this shard has been told of this channel since the last call, as soon as it is `count` events, or
    /// no more will come.
    fn events(&mut self, shard: ShardIndex, channel: &ChannelName, count: usize) -> Vec<Event>;

    /// Lets time pass.
    fn pass(&mut self, time: Duration);
}

/// What became of a row: if it does not hold, what was seen.
pub type Verdict = Result<(), String>;

/// One promise, and how it is put to the test.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// In the words of the contract.
    pub promise: &'static str,
    run: fn(&mut Desk<'_>) -> Verdict,
}

impl Row {
    const fn new(promise: &'static str, run: fn(&mut Desk<'_>) -> Verdict) -> Self {
        Self { promise, run }
    }

    /// Puts it to the test.
    ///
    /// # Errors
    /// If the broker does not keep it.
    pub fn check(&self, subject: &mut dyn Subject) -> Verdict {
        (self.run)(&mut Desk::new(subject))
    }
}

/// All rows.
pub fn rows() -> impl Iterator<Item = &'static Row> {
    [streams::ROWS, reading::ROWS, taking::ROWS, presence::ROWS].into_iter().flatten()
}

/// The promises that a broker does not keep, and what was seen instead.
pub fn broken(subject: &mut dyn Subject) -> Vec<(&'static str, String)> {
    let verdicts = rows().map(|row| (row.promise, row.check(subject)));
    verdicts.filter_map(|(promise, verdict)| Some((promise, verdict.err()?))).collect()
}
