//! [`Tally`]: what has happened in a world, so that one knows what was put to the test.

use std::collections::BTreeMap;

use tidewire_hub::{Push, Reply, ShardCounts, Subscribed};

use crate::{transport::Frame, world::World};

/// How often something has happened, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally(BTreeMap<(&'static str, &'static str), u64>);

impl Tally {
    /// How often something has happened.
    pub fn count(&self, what: &'static str, which: &'static str) -> u64 {
        self.0.get(&(what, which)).copied().unwrap_or(0)
    }

    /// Adds what has happened elsewhere.
    pub fn add(&mut self, other: &Self) {
        for ((what, which), count) in &other.0 {
            self.see(what, which, *count);
        }
    }

    /// Everything, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        self.0.iter().map(|((what, which), count)| (*what, *which, *count))
    }

    pub(crate) fn see(&mut self, what: &'static str, which: &'static str, count: u64) {
        *self.0.entry((what, which)).or_default() += count;
    }

    /// What a shard has counted.
    pub(crate) fn see_counts(&mut self, counts: &ShardCounts) {
        self.see("request", "overdue", counts.overdue);
        self.see("recovered", "publications", counts.recovered_publications);
        self.see("told of a gap", "", counts.insufficient_state);
    }

    /// What a shard has sent.
    pub(crate) fn see_frame(&mut self, frame: &Frame) {
        let (what, which) = match frame {
            Frame::Reply(_, Err(error)) => ("error", error.name()),
            Frame::Reply(_, Ok(Reply::Subscribed(subscribed))) => {
                ("subscribed", outcome(subscribed))
            }
            Frame::Reply(_, Ok(Reply::Connected(connected))) => {
                for (_, subscribed) in &connected.subscriptions {
                    self.see("by the application", outcome(subscribed), 1);
                }
                ("reply", "connected")
            }
            Frame::Reply(_, Ok(_)) => ("reply", "other"),
            Frame::Publication(..) => ("publication", "live"),
            Frame::Push(Push::Publication { .. }) => ("publication", "held back"),
            Frame::Push(Push::Unsubscribed { why, .. }) => ("unsubscribed", why.name()),
            Frame::Push(Push::Disconnect(why)) => ("disconnect", why.name()),
            Frame::Push(Push::Dismissed(_)) => ("disconnect", "in the application's words"),
            Frame::Push(Push::Subscribed { .. }) => ("push", "subscribed"),
            Frame::Push(_) => ("push", "other"),
            Frame::Announce(_, _, true) => ("announced", "came"),
            Frame::Announce(_, _, false) => ("announced", "left"),
        };
        self.see(what, which, 1);
    }
}

impl World {
    /// What the parts of the world have counted themselves.
    pub(crate) fn count_up(&mut self) {
        for node in &self.shards {
            self.tally.see_counts(&node.shard.stats().counts);
        }
        for host in &self.hosts {
            self.tally.see("event", "had no room", host.crossing.dropped_count());
        }
    }
}

/// What became of a subscription.
fn outcome(subscribed: &Subscribed) -> &'static str {
    match (subscribed.was_recovering, subscribed.recovered) {
        (false, _) => "anew",
        (true, false) => "not recovered",
        (true, true) if subscribed.publications.is_empty() => "nothing missed",
        (true, true) => "recovered",
    }
}
