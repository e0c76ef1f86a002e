//! What a [`Partition`] keeps, and for how long.

use tidewire_hub::{ChannelName, broker::Failure};

use super::{Partition, agenda::Wait, channel::Channel, partition::epoch_name};

impl Partition {
    /// Lets go what has expired, as much of it as one tick may.
    pub(super) fn expire(&mut self) {
        for _ in 0..self.limits.expiries_per_tick_max {
            let Some(name) = self.agenda.take_due(self.now) else { break };
            if let Some(channel) = self.channels.get_mut(&name) {
                channel.wait = Wait::Nothing;
                channel.stream.expire(self.now);
            }
            self.settle(&name);
        }
        self.keys.expire(self.now, self.limits.expiries_per_tick_max);
    }

    /// Lets go what has expired in a channel, so that nobody sees it.
    pub(super) fn refresh(&mut self, name: &ChannelName) {
        let Some(channel) = self.channels.get_mut(name) else { return };
        channel.stream.expire(self.now);
        if channel.wait(self.now).is_none() {
            self.forget(name);
        }
    }

    /// The channel, which is made if it is not there.
    pub(super) fn ensure(&mut self, name: &ChannelName) -> Result<&mut Channel, Failure> {
        if !self.channels.contains_key(name) {
            self.make_room_for_channel()?;
        }
        let channel = self.channels.entry_ref(name);
        Ok(channel.or_insert_with(|| Box::new(Channel::new(self.epoch.clone()))))
    }

    /// After every change: counts what the channel holds, puts it where it belongs in the agenda, or
    /// forgets it.
    pub(super) fn settle(&mut self, name: &ChannelName) {
        let Some(channel) = self.channels.get_mut(name) else { return };
        let weight = channel.stream.weight();
        self.history_len = self.history_len - channel.counted + weight;
        channel.counted = weight;
        match channel.wait(self.now) {
            Some(wait) => channel.wait = self.agenda.arm(name, channel.wait, wait),
            None => self.forget(name),
        }
    }

    fn forget(&mut self, name: &ChannelName) {
        let Some(channel) = self.channels.remove(name) else { return };
        self.agenda.arm(name, channel.wait, Wait::Nothing);
        self.history_len -= channel.counted;
        if channel.stream.has_begun() {
            self.generation += 1;
            self.epoch = epoch_name(self.seed, self.generation);
        }
        if self.channels.len() < self.channels.capacity() / 8 {
            self.channels.shrink_to(self.channels.len() * 2);
        }
    }

    fn make_room_for_channel(&mut self) -> Result<(), Failure> {
        while self.channels.len() >= self.limits.channel_count_max {
            let (stood, name) = self.agenda.take_position().ok_or(Failure::LimitExceeded)?;
            let Some(channel) = self.channels.get_mut(&name) else { continue };
            channel.wait = Wait::Nothing;
            match channel.wait(self.now) {
                Some(Wait::Position(until)) if until > stood => self.settle(&name),
                _ => self.forget(&name),
            }
        }
        Ok(())
    }

    pub(super) fn make_room_in_history(&mut self) {
        while self.history_len > self.limits.history_len_max {
            let Some((stood, name)) = self.agenda.take_history() else { return };
            if let Some(channel) = self.channels.get_mut(&name) {
                channel.wait = Wait::Nothing;
                channel.stream.expire(self.now);
                if channel.stream.kept_until().is_some_and(|until| until <= stood) {
                    channel.stream.pop();
                }
            }
            self.settle(&name);
        }
    }
}
