//! [`Truth`]: what was really published, as the partitions took it.

use std::collections::{BTreeMap, BTreeSet};

use tidewire_brokers::{Postbox, ShardIndex};
use tidewire_hub::{
    ChannelName, Data, Epoch, Position, Publication,
    broker::{Answer, Event, Response, Version},
};

use crate::{
    accepted::{Accepted, Terms},
    invariant::{Checked, Invariant, hold},
};

/// A publication's number: each is published with one of its own.
pub(crate) type Serial = u64;

/// Everything that was published.
#[derive(Debug, Default)]
pub(crate) struct Truth {
    /// By channel and epoch, in order of offset.
    streams: BTreeMap<(ChannelName, String), Vec<Serial>>,
    /// What stands in no stream, in order of arrival.
    fleeting: BTreeMap<ChannelName, Vec<Serial>>,
    taken: BTreeMap<Serial, usize>,
    /// What is to be in no stream.
    refused: BTreeSet<Serial>,
    /// What the application gave a version.
    versions: BTreeMap<Serial, Version>,
    accepted: Accepted,
}

impl Truth {
    /// A partition has taken a publication, or says that it need not.
    fn answered(
        &mut self,
        now: u64,
        channel: &ChannelName,
        (serial, terms): (Serial, &Terms),
        position: Option<&Position>,
        suppressed: bool,
    ) -> Checked {
        if !suppressed {
            self.record(channel, position, serial)?;
        }
        self.accepted.judge(now, channel, terms, position, suppressed)
    }

    /// A partition has taken something.
    fn record(
        &mut self,
        channel: &ChannelName,
        position: Option<&Position>,
        serial: Serial,
    ) -> Checked {
        let Some(position) = position else {
            self.fleeting.entry(channel.clone()).or_default().push(serial);
            return self.count(serial);
        };
        let key = (channel.clone(), position.epoch.as_str().to_owned());
        let stream = self.streams.entry(key).or_default();
        stream.push(serial);
        let expected = stream.len() as u64;
        hold(Invariant::NoGap, position.offset == expected, || {
            format!("{channel}: {position} was given to what should have {expected}")
        })?;
        self.count(serial)
    }

    fn count(&mut self, serial: Serial) -> Checked {
        hold(Invariant::NothingHalfDone, !self.refused.contains(&serial), || {
            format!("{serial} was refused, and is published")
        })?;
        let count = self.taken.entry(serial).or_default();
        *count += 1;
        hold(Invariant::NoDuplicate, *count == 1, || format!("{serial} was published twice"))
    }

    /// Nothing must come of a publication.
    pub(crate) fn refuse(&mut self, serial: Serial) {
        self.refused.insert(serial);
    }

    /// The application gives a publication a version.
    pub(crate) fn give_version(&mut self, serial: Serial, version: Version) {
        self.versions.insert(serial, version);
    }

    pub(crate) fn version_of(&self, serial: Serial) -> Option<&Version> {
        self.versions.get(&serial)
    }

    pub(crate) fn has(&self, serial: Serial) -> bool {
        self.taken.contains_key(&serial)
    }

    /// That a publication is what stands at its place.
    pub(crate) fn confirms(
        &self,
        channel: &ChannelName,
        epoch: &Epoch,
        publication: &Publication,
    ) -> Checked {
        let key = (channel.clone(), epoch.as_str().to_owned());
        let at = usize::try_from(publication.offset).unwrap_or(0).wrapping_sub(1);
        let there = self.streams.get(&key).and_then(|stream| stream.get(at)).copied();
        let seen = serial_of(publication);
        hold(Invariant::OneOrder, there.is_some() && there == seen, || {
            format!(
                "{channel} {}.{}: {seen:?} was seen, {there:?} is there",
                epoch.as_str(),
                publication.offset
            )
        })
    }

    /// Whether a stream has ever come that far.
    pub(crate) fn reaches(&self, channel: &ChannelName, position: &Position) -> bool {
        let key = (channel.clone(), position.epoch.as_str().to_owned());
        let len = self.streams.get(&key).map_or(0, Vec::len);
        position.offset <= len as u64
    }

    /// Where something stands among what has no stream.
    pub(crate) fn place_of(&self, channel: &ChannelName, serial: Serial) -> Option<usize> {
        self.fleeting.get(channel)?.iter().position(|other| *other == serial)
    }
}

/// The number in a payload.
pub(crate) fn serial_of(publication: &Publication) -> Option<Serial> {
    serial_in(&publication.data)
}

pub(crate) fn serial_in(data: &Data) -> Option<Serial> {
    let Data::Json(text) = data else { return None };
    text.trim_matches('"').split(':').next()?.parse().ok()
}

/// A payload with a number, and so many bytes beside it.
pub(crate) fn payload(serial: Serial, len: usize) -> Data {
    Data::Json(format!("\"{serial}:{}\"", "x".repeat(len)).into())
}

/// Takes down what a partition answers to one request before it goes on its way.
pub(crate) struct Witness<'a, P> {
    pub(crate) postbox: P,
    pub(crate) truth: &'a mut Truth,
    pub(crate) channel: &'a ChannelName,
    pub(crate) now: u64,
    /// The number and the terms of a publication, if it is one.
    pub(crate) published: Option<(Serial, Terms)>,
    pub(crate) verdict: Checked,
}

impl<P: Postbox> Postbox for Witness<'_, P> {
    fn respond(&mut self, to: ShardIndex, response: Response) {
        if let (Some((serial, terms)), Ok(Answer::Published { position, suppressed })) =
            (&self.published, &response.answer)
        {
            let verdict = self.truth.answered(
                self.now,
                self.channel,
                (*serial, terms),
                position.as_ref(),
                *suppressed,
            );
            self.verdict = std::mem::replace(&mut self.verdict, Ok(())).and(verdict);
        }
        self.postbox.respond(to, response);
    }

    fn tell(&mut self, to: ShardIndex, event: Event) {
        self.postbox.tell(to, event);
    }
}
