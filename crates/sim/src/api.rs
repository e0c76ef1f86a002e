//! [`Api`]: the application, which publishes past the shards.

use std::collections::{BTreeMap, VecDeque};

use tidewire_brokers::Parcel;
use tidewire_hub::{
    ChannelName,
    broker::{Answer, Ask, Draft, Request, RequestId, Retention, Version},
};

use crate::{
    invariant::{Checked, Invariant, hold},
    terrain::{CHANNELS, SERVER_CHANNELS, name},
    truth::{payload, serial_in},
    world::World,
};

/// What the application has asked, and what it means to ask again.
#[derive(Debug, Default)]
pub(crate) struct Api {
    asked: BTreeMap<RequestId, Request>,
    again: VecDeque<Request>,
    last_id: u64,
    /// The newest version that was given, by channel.
    versions: BTreeMap<ChannelName, u64>,
}

impl Api {
    pub(crate) fn is_idle(&self) -> bool {
        self.asked.is_empty() && self.again.is_empty()
    }
}

impl World {
    /// The application publishes. With a key it may do so again, as one that has not heard of the answer.
    pub(crate) fn publish_by_api(&mut self) {
        let channels = [CHANNELS, SERVER_CHANNELS].concat();
        let channel = name(self.random.pick(&channels));
        self.last_serial += 1;
        let serial = self.last_serial;
        let is_keyed = self.random.one_in(2);
        let len = self.random.index(60);
        let version = self.random.one_in(3).then(|| self.version(&channel));
        let mut draft = Draft {
            data: payload(serial, len),
            publisher: None,
            tags: Box::default(),
            key: Some(format!("k{}", self.random.below(3)).into()),
            retention: self.retention(&channel),
            idempotency_key: is_keyed.then(|| serial.to_string().into()),
            version,
        };
        self.publish(channel.clone(), &draft);
        if is_keyed && self.random.one_in(2) {
            if self.random.one_in(3) {
                // It is not what stands in it that makes a publication the same.
                self.last_serial += 1;
                draft.data = payload(self.last_serial, len);
            }
            self.publish(channel, &draft);
        }
    }

    fn publish(&mut self, channel: ChannelName, draft: &Draft) {
        if let (Some(serial), Some(version)) = (serial_in(&draft.data), &draft.version) {
            self.truth.give_version(serial, version.clone());
        }
        self.ask_by_api(channel, Ask::Publish(Box::new(draft.clone())));
    }

    /// Mostly the next version of a channel; now and then an old one, or one of another count.
    fn version(&mut self, channel: &ChannelName) -> Version {
        let last = self.api.versions.entry(channel.clone()).or_default();
        if self.random.one_in(8) {
            return Version { number: self.random.below(3), epoch: "another".into() };
        }
        if self.random.one_in(3) {
            let number = last.saturating_sub(self.random.below(3));
            return Version { number, epoch: "".into() };
        }
        *last += 1;
        Version { number: *last, epoch: "".into() }
    }

    /// What is kept of a channel's stream.
    pub(crate) fn retention(&self, channel: &ChannelName) -> Option<Retention> {
        self.terrain.config.namespaces.options(channel).and_then(|options| options.history)
    }

    pub(crate) fn ask_by_api(&mut self, channel: ChannelName, ask: Ask) {
        self.api.last_id += 1;
        let id = RequestId(self.api.last_id);
        self.note(|| format!("the application asks {channel}: {ask:?}"));
        self.submit_by_api(Request { id, channel, ask });
    }

    fn submit_by_api(&mut self, request: Request) {
        let partition = self.partition_of(&request.channel);
        let Some(links) = self.up.last_mut() else { return };
        match links[partition].put(self.now, &mut self.random, request.clone()) {
            Ok(()) => _ = self.api.asked.insert(request.id, request),
            Err(request) => self.api.again.push_back(request),
        }
    }

    /// What was answered, and what had no room.
    pub(crate) fn run_api(&mut self) -> Checked {
        for _ in 0..self.api.again.len() {
            if let Some(request) = self.api.again.pop_front() {
                self.submit_by_api(request);
            }
        }
        let api = self.shards.len();
        for at in 0..self.hosts.len() {
            while let Some(parcel) = self.hosts[at].down[api].take(self.now) {
                let Parcel::Response(response) = parcel else { continue };
                let asked = self.api.asked.remove(&response.id);
                hold(Invariant::ExactlyOneReply, asked.is_some(), || format!("{response:?}"))?;
                let Some(Ask::Publish(draft)) = asked.map(|asked| asked.ask) else { continue };
                let Ok(Answer::Published { suppressed, .. }) = &response.answer else { continue };
                if *suppressed {
                    let which = match (&draft.idempotency_key, &draft.version) {
                        (Some(_), None) => "for its key",
                        (None, Some(_)) => "for its version",
                        _ => "for either",
                    };
                    self.tally.see("suppressed", which, 1);
                } else if let Some(serial) = serial_in(&draft.data) {
                    hold(Invariant::PublishedIsThere, self.truth.has(serial), || {
                        format!("{serial} was acknowledged")
                    })?;
                }
            }
        }
        Ok(())
    }
}
