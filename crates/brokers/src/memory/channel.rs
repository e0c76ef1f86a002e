//! [`Channel`]: what a partition keeps of one channel.

use std::time::Duration;

use tidewire_hub::{
    Epoch, Timestamp,
    broker::{Retention, Version},
};

use super::{agenda::Wait, roster::Roster, stream::Stream};
use crate::ShardSet;

/// A channel in which there is something, or somebody, or was of late.
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) stream: Stream,
    pub(super) subscribers: ShardSet,
    /// Boxed, since most channels of most applications have no presence.
    pub(super) roster: Option<Box<Roster>>,
    /// The last version that was published. Boxed, since few have it.
    pub(super) version: Option<Box<Version>>,
    /// How long epoch, offset and version are remembered when nobody is here.
    pub(super) remembered_until: Timestamp,
    /// Where it stands in the agenda.
    pub(super) wait: Wait,
    /// What of its history is in the partition's account.
    pub(super) counted: usize,
}

impl Channel {
    pub(super) fn new(epoch: Epoch) -> Self {
        Self {
            stream: Stream::new(epoch),
            subscribers: ShardSet::EMPTY,
            roster: None,
            version: None,
            remembered_until: Timestamp::ZERO,
            wait: Wait::Nothing,
            counted: 0,
        }
    }

    /// What it waits for, as it is now; `None` if there is nothing to keep it for.
    pub(super) fn wait(&self, now: Timestamp) -> Option<Wait> {
        if let Some(until) = self.stream.kept_until() {
            return Some(Wait::History(until));
        }
        if !self.subscribers.is_empty() || self.roster.is_some() {
            // A subscriber's position stays good for as long as it is here.
            return Some(Wait::Nothing);
        }
        let remembers = self.stream.has_begun() || self.version.is_some();
        (remembers && self.remembered_until >= now).then_some(Wait::Position(self.remembered_until))
    }

    /// Makes sure that what a publication says of the channel is known for long enough, also when nobody
    /// is here. `version_age_max` is for a version that stands in no stream.
    pub(super) fn remember(
        &mut self,
        now: Timestamp,
        retention: Option<&Retention>,
        version: Option<Version>,
        version_age_max: Duration,
    ) {
        let age_max = match (retention, &version) {
            (Some(retention), _) => retention.position_age_max.max(retention.age_max),
            (None, Some(_)) => version_age_max,
            (None, None) => return,
        };
        self.remembered_until = self.remembered_until.max(now.saturating_add(age_max));
        if let Some(version) = version {
            self.version = Some(Box::new(version));
        }
    }

    /// Whether a publication with this version is not newer than what was published last.
    pub(super) fn has_passed(&self, version: &Version) -> bool {
        self.version
            .as_ref()
            .is_some_and(|last| last.epoch == version.epoch && last.number >= version.number)
    }
}
