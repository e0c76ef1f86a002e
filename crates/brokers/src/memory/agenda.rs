//! [`Agenda`]: which channel is to be looked at next.

use std::collections::BTreeSet;

use tidewire_hub::{ChannelName, Timestamp};

/// What a channel waits for by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// Nothing: somebody is there.
    Nothing,
    /// Its oldest publication is kept until then.
    History(Timestamp),
    /// There is nothing in it, and its position is remembered until then.
    Position(Timestamp),
}

/// Channels by the time until which something in them is kept: so nobody walks all of them to find what has
/// expired, or what may give way first.
///
/// A channel stands here once at most. It may stand too early: most often an oldest publication is only
/// replaced by a later one, and then nothing is moved, until its turn comes.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    histories: BTreeSet<(Timestamp, ChannelName)>,
    positions: BTreeSet<(Timestamp, ChannelName)>,
}

impl Agenda {
    /// Moves a channel from where it stood to where it belongs. Where it stands now.
    pub(super) fn arm(&mut self, channel: &ChannelName, stood: Wait, wait: Wait) -> Wait {
        match (stood, wait) {
            (Wait::Nothing, Wait::Nothing) => return stood,
            (Wait::History(stood_at), Wait::History(at))
            | (Wait::Position(stood_at), Wait::Position(at))
                if stood_at <= at =>
            {
                return stood;
            }
            _ => {}
        }
        match stood {
            Wait::Nothing => false,
            Wait::History(at) => self.histories.remove(&(at, channel.clone())),
            Wait::Position(at) => self.positions.remove(&(at, channel.clone())),
        };
        match wait {
            Wait::Nothing => false,
            Wait::History(at) => self.histories.insert((at, channel.clone())),
            Wait::Position(at) => self.positions.insert((at, channel.clone())),
        };
        wait
    }

    /// Takes out a channel of which something was kept until a moment that has passed.
    pub(super) fn take_due(&mut self, now: Timestamp) -> Option<ChannelName> {
        let due = |set: &mut BTreeSet<(Timestamp, ChannelName)>| {
            (set.first()?.0 < now).then(|| set.pop_first())?
        };
        let (_, channel) = due(&mut self.histories).or_else(|| due(&mut self.positions))?;
        Some(channel)
    }

    /// Takes out the channel whose history would expire next.
    pub(super) fn take_history(&mut self) -> Option<(Timestamp, ChannelName)> {
        self.histories.pop_first()
    }

    /// Takes out the channel whose position would be forgotten next.
    pub(super) fn take_position(&mut self) -> Option<(Timestamp, ChannelName)> {
        self.positions.pop_first()
    }

    pub(super) fn len(&self) -> usize {
        self.histories.len() + self.positions.len()
    }
}
