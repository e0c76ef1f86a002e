//! [`Api`]: the application, which publishes past the shards.

use std::collections::{BTreeMap, VecDeque};

use tidewire_brokers::Parcel;
use tidewire_hub::{
    ChannelName,
    broker::{Answer, Ask, Draft, Request, RequestId},
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
        let draft = Draft {
            data: payload(serial, len),
            publisher: None,
            tags: Box::default(),
            key: Some(format!("k{}", self.random.below(3)).into()),
            retention: self
                .terrain
                .config
                .namespaces
                .options(&channel)
                .and_then(|options| options.history),
            idempotency_key: is_keyed.then(|| serial.to_string().into()),
            version: None,
        };
        let count = if is_keyed { 1 + self.random.below(2) } else { 1 };
        for _ in 0..count {
            self.ask_by_api(channel.clone(), Ask::Publish(Box::new(draft.clone())));
        }
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
                if let (Some(serial), Ok(Answer::Published { .. })) =
                    (serial_in(&draft.data), &response.answer)
                {
                    hold(Invariant::PublishedIsThere, self.truth.has(serial), || {
                        format!("{serial} was acknowledged")
                    })?;
                }
            }
        }
        Ok(())
    }
}
