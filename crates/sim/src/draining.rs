//! Shards that are drained: their sessions are told to go elsewhere, and come back there.

use std::time::Duration;

use bytestring::ByteString;
use tidewire_hub::{ChannelName, Disconnect, Push, Reply, ShardStats};

use crate::{
    client::{Asked, Client},
    fault::Fault,
    invariant::{Checked, Invariant, hold},
    network::Link,
    transport::Frame,
    world::{Node, TICK_MILLIS, World},
};

/// What a shard that is drained should have done by when.
#[derive(Debug)]
pub(crate) struct Draining {
    began_at: u64,
    millis: u64,
    /// Sessions that were there when it began, and how many of them have been told.
    total: u64,
    told: u64,
}

impl Draining {
    /// One more has been told; not before it was its turn.
    fn tell(&mut self, now: u64) -> Checked {
        self.told += 1;
        let elapsed = now - self.began_at;
        let is_due = elapsed >= self.millis || self.told * self.millis <= elapsed * self.total;
        hold(Invariant::DrainIsPaced, is_due, || format!("after {elapsed} ms: {self:?}"))
    }
}

impl World {
    /// A shard begins to be drained, as one does whose process shall end.
    pub(crate) fn drain(&mut self, shard: usize) -> Checked {
        if self.shards[shard].draining.is_some() {
            return Ok(());
        }
        let millis = self.random.pick(&[0, 300, 2_000]);
        let total = self.session_count(shard);
        self.note(|| format!("shard {shard} is drained of {total} sessions in {millis} ms"));
        self.shards[shard].draining = Some(Draining { began_at: self.now, millis, total, told: 0 });
        let millis = if self.fault == Some(Fault::RushDrain) { 0 } else { millis };
        self.call(shard, |node, now| node.shard.drain(now, Duration::from_millis(millis)))
    }

    /// A session is told to go elsewhere.
    pub(crate) fn told_to_go(&mut self, shard: usize) -> Checked {
        let now = self.now;
        match &mut self.shards[shard].draining {
            Some(draining) => draining.tell(now),
            None => {
                hold(Invariant::DrainIsPaced, false, || format!("shard {shard} is not drained"))
            }
        }
    }

    /// Who drains has nobody left in time, and is started anew once nothing of it is left.
    pub(crate) fn end_drain(&mut self, shard: usize) -> Checked {
        let Some(draining) = &self.shards[shard].draining else { return Ok(()) };
        let is_over = self.now >= draining.began_at + draining.millis + TICK_MILLIS;
        let left = self.session_count(shard);
        hold(Invariant::DrainIsPaced, !is_over || left == 0, || {
            format!("{left} sessions are left on shard {shard}: {draining:?}")
        })?;
        if left == 0 && self.is_clean(shard) {
            self.restart(shard);
        }
        Ok(())
    }

    fn session_count(&self, shard: usize) -> u64 {
        self.sessions.keys().filter(|(of, _)| *of == shard).count() as u64
    }

    /// Whether nothing of a shard is left, here or on the way: what is for the old one must not come to
    /// the new one, as no process gets its predecessor's mail.
    fn is_clean(&self, shard: usize) -> bool {
        let node = &self.shards[shard];
        node.stats() == ShardStats::default()
            && !node.has_refused()
            && self.up[shard].iter().all(Link::is_empty)
            && self
                .hosts
                .iter()
                .all(|host| host.down[shard].is_empty() && !host.crossing.is_behind())
    }

    fn restart(&mut self, shard: usize) {
        self.note(|| format!("shard {shard} is started anew"));
        self.tally.see("shard", "restarted", 1);
        let counts = self.shards[shard].shard.stats().counts;
        self.tally.see_counts(&counts);
        self.shards[shard] = Node::new(&self.terrain);
        // Whoever still reads what was said to it gets to the end of that.
        for transport in self.transports.values_mut().filter(|one| one.shard == shard) {
            transport.over = true;
        }
    }

    /// A client reads that it shall go elsewhere.
    pub(crate) fn moves(&mut self, client: usize, frame: &Frame) {
        if !matches!(frame, Frame::Push(Push::Disconnect(Disconnect::Shutdown))) {
            return;
        }
        let forgets = self.fault == Some(Fault::ForgetPosition);
        self.clients[client].keep_in_mind(forgets);
    }

    /// Who had to go elsewhere asks for what it has missed, and gets it where nothing goes wrong.
    pub(crate) fn moved(&mut self, session: usize, frame: &Frame) -> Checked {
        let Frame::Reply(id, Ok(Reply::Subscribed(subscribed))) = frame else { return Ok(()) };
        let Some(transport) = self.transports.get(&session) else { return Ok(()) };
        let client = &self.clients[transport.client];
        let Some(Asked::Subscribe { channel, since, honest: true }) = client.asked.get(&id.0)
        else {
            return Ok(());
        };
        let Some(owed) = client.owed(channel) else { return Ok(()) };
        if subscribed.recovered && !subscribed.publications.is_empty() {
            self.tally.see("moved", "recovered", 1);
        }
        let (since, channel) = (since.clone(), channel.clone());
        hold(Invariant::MovesWithoutLoss, since.as_ref() == Some(&owed), || {
            format!("session {session} has {owed:?} of {channel}, and asks since {since:?}")
        })?;
        let loses = self.terrain.calm && !subscribed.recovered && self.is_kept(&channel, &owed);
        hold(Invariant::MovesWithoutLoss, !loses, || {
            format!("session {session} has lost what came to {channel} since {owed:?}")
        })
    }
}

impl Client {
    /// It will want to know what comes from here on, wherever it will be.
    fn keep_in_mind(&mut self, forgets: bool) {
        for seen in self.channels.values_mut() {
            let is_recoverable = seen.live.as_ref().is_some_and(|live| live.recoverable);
            if is_recoverable && seen.want.is_some() {
                seen.owed.clone_from(&seen.position);
            }
            seen.position.take_if(|_| forgets);
        }
    }

    /// From where it has to ask when it comes back to a channel, if it was told to go elsewhere.
    fn owed(&self, channel: &ChannelName) -> Option<(ByteString, u64)> {
        let owed = self.channels.get(channel)?.owed.as_ref()?;
        Some((owed.epoch.as_str().into(), owed.offset))
    }
}
