//! A partition as what the conformance suite asks.

use std::{collections::BTreeMap, time::Duration};

use tidewire_brokers::{
    Postbox, ShardIndex,
    conformance::Subject,
    memory::{Limits, Now, Partition},
};
use tidewire_hub::{
    ChannelName, Seed, Timestamp,
    broker::{Answer, Ask, Event, Failure, Request, RequestId, Response},
};

/// A partition, its clock, and what it has told.
#[derive(Debug)]
pub(crate) struct Memory {
    pub(crate) partition: Partition,
    now: u64,
    channel_count: u64,
    mail: Mail,
}

/// What came for shards.
#[derive(Debug, Default)]
pub(crate) struct Mail {
    response: Option<Response>,
    events: BTreeMap<ShardIndex, Vec<Event>>,
}

pub(crate) fn shard(index: usize) -> ShardIndex {
    ShardIndex::new(index).unwrap()
}

impl Memory {
    pub(crate) fn new(limits: Limits) -> Self {
        let partition = Partition::new(Seed::new([7, 8]), limits);
        Self { partition, now: 0, channel_count: 0, mail: Mail::default() }
    }

    pub(crate) fn now(&self) -> Now {
        let at = Timestamp::from_millis(self.now);
        Now { at, unix_millis: Self::unix_millis_after(self.now) }
    }

    /// What the calendar says so many milliseconds after the beginning.
    pub(crate) const fn unix_millis_after(millis: u64) -> u64 {
        1_700_000_000_000 + millis
    }

    /// Lets time pass without a tick: what has expired is not seen, all the same.
    pub(crate) fn pass_untold(&mut self, time: Duration) {
        self.now += u64::try_from(time.as_millis()).unwrap();
    }

    pub(crate) fn turn_back(&mut self, time: Duration) {
        self.now -= u64::try_from(time.as_millis()).unwrap();
    }

    pub(crate) fn tick(&mut self) {
        let now = self.now();
        self.partition.tick(now);
    }
}

impl Subject for Memory {
    fn channel(&mut self, label: &str) -> ChannelName {
        self.channel_count += 1;
        ChannelName::new(&format!("{label}:{}", self.channel_count)).unwrap()
    }

    fn ask(
        &mut self,
        shard: ShardIndex,
        channel: &ChannelName,
        ask: Ask,
    ) -> Result<Answer, Failure> {
        let id = RequestId(1);
        let request = Request { id, channel: channel.clone(), ask };
        self.partition.request(self.now(), shard, request, &mut self.mail);
        let response = self.mail.response.take().expect("each request is answered at once");
        assert_eq!(response.id, id);
        response.answer
    }

    fn events(&mut self, shard: ShardIndex, channel: &ChannelName, _: usize) -> Vec<Event> {
        let mut events = self.mail.events.remove(&shard).unwrap_or_default();
        events.retain(|event| event.channel() == Some(channel));
        events
    }

    fn pass(&mut self, time: Duration) {
        self.pass_untold(time);
        self.tick();
    }
}

impl Postbox for Mail {
    fn respond(&mut self, _: ShardIndex, response: Response) {
        assert!(self.response.replace(response).is_none(), "one answer to a request");
    }

    fn tell(&mut self, to: ShardIndex, event: Event) {
        self.events.entry(to).or_default().push(event);
    }
}
