//! [`Accepted`]: what partitions have taken under which keys and versions, and so must not take again.

use std::{collections::BTreeMap, time::Duration};

use bytestring::ByteString;
use tidewire_hub::{
    ChannelName, Position,
    broker::{Draft, Version},
};

use crate::invariant::{Checked, Invariant, hold};

/// How long keys are remembered, and versions where there is no stream and nobody.
pub(crate) const AGE_MAX: Duration = Duration::from_secs(30);

/// A channel, at the time of one stream of it.
type Stream = (ChannelName, Option<String>);

/// What was taken.
#[derive(Debug, Default)]
pub(crate) struct Accepted {
    /// When something was taken under a key, and where it stands.
    keys: BTreeMap<(ChannelName, ByteString), (u64, Option<Position>)>,
    /// The newest version, and when it was taken.
    versions: BTreeMap<Stream, (u64, Version)>,
}

/// What the application wants of a publication.
#[derive(Debug)]
pub(crate) struct Terms {
    key: Option<ByteString>,
    version: Option<Version>,
}

impl Terms {
    pub(crate) fn of(draft: &Draft) -> Self {
        Self { key: draft.idempotency_key.clone(), version: draft.version.clone() }
    }
}

impl Accepted {
    /// A partition has taken something, or says that it need not (`suppressed`).
    pub(crate) fn judge(
        &mut self,
        now: u64,
        channel: &ChannelName,
        terms: &Terms,
        position: Option<&Position>,
        suppressed: bool,
    ) -> Checked {
        let age_max = u64::try_from(AGE_MAX.as_millis()).unwrap_or(u64::MAX);
        let keyed = terms.key.clone().map(|key| (channel.clone(), key));
        let first = keyed.as_ref().and_then(|keyed| self.keys.get(keyed));
        if let Some((_, first)) = first.filter(|(at, _)| at + age_max >= now) {
            return hold(
                Invariant::OnceForEachKey,
                suppressed && first.as_ref() == position,
                || {
                    format!(
                        "{channel} {terms:?}: first {first:?}, then {position:?}, taken: {}",
                        !suppressed
                    )
                },
            );
        }
        let stream = (channel.clone(), position.map(|at| at.epoch.as_str().to_owned()));
        let last = self.versions.get(&stream);
        let is_passed = terms.version.as_ref().zip(last).is_some_and(|(version, (_, last))| {
            version.epoch == last.epoch && version.number <= last.number
        });
        // Without a stream, and with nobody there, a channel is forgotten, and its version with it.
        let may_be_forgotten = position.is_none() && last.is_some_and(|(at, _)| at + age_max < now);
        // Without a version it can only have been taken for something else under its key.
        let broken = match terms.version {
            Some(_) => Invariant::OnlyNewerVersions,
            None => Invariant::OnceForEachKey,
        };
        hold(broken, suppressed == is_passed || (!suppressed && may_be_forgotten), || {
            format!("{channel} {terms:?} after {last:?}, taken: {}", !suppressed)
        })?;
        if suppressed {
            return Ok(());
        }
        if let Some(keyed) = keyed {
            self.keys.insert(keyed, (now, position.cloned()));
        }
        if let Some(version) = &terms.version {
            self.versions.insert(stream, (now, version.clone()));
        }
        Ok(())
    }
}
