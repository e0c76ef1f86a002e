//! [`Host`]: a partition, its clock's stumbles, and the queues into and out of it.

use std::mem;

use tidewire_brokers::{
    Crossing, Lane, Parcel, Postbox, ShardIndex,
    memory::{Now, Partition},
};
use tidewire_hub::{
    Timestamp,
    broker::{Answer, Ask, Event, Failure, Request, Response},
};

use crate::{
    accepted::Terms,
    fault::Fault,
    invariant::Checked,
    network::Link,
    random::Random,
    truth::{Truth, Witness, serial_in},
};

/// One partition, as a thread has it.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) partition: Partition,
    pub(crate) crossing: Crossing,
    /// To each shard; the last one is the application.
    pub(crate) down: Vec<Link<Parcel>>,
    /// Nothing is served before.
    pub(crate) frozen_until: u64,
    /// Events are lost, repeated and late.
    pub(crate) unreliable: bool,
    /// One that will come again.
    pub(crate) late: Option<(ShardIndex, Event)>,
}

/// The links to shards, as the crossing sees them.
struct Down<'a> {
    links: &'a mut [Link<Parcel>],
    late: &'a mut Option<(ShardIndex, Event)>,
    unreliable: bool,
    random: &'a mut Random,
    now: u64,
    fault: Option<Fault>,
}

impl Lane for Down<'_> {
    fn put(&mut self, to: ShardIndex, parcel: Parcel) -> Result<(), Parcel> {
        let mut parcel = parcel;
        match (self.fault, &mut parcel) {
            (Some(Fault::LoseEvents), Parcel::Event(_)) if self.random.one_in(8) => return Ok(()),
            (Some(Fault::SwapPayload), Parcel::Event(Event::Published { publication, .. }))
                if self.random.one_in(30) =>
            {
                let mut other = (**publication).clone();
                other.data = crate::truth::payload(0, 1);
                *publication = other.into();
            }
            _ => {}
        }
        let is_of_stream =
            matches!(&parcel, Parcel::Event(Event::Published { epoch: Some(_), .. }));
        if self.unreliable && is_of_stream && self.random.one_in(4) {
            return self.put_badly(to, parcel);
        }
        self.links[to.get()].put(self.now, self.random, parcel)
    }
}

impl Down<'_> {
    /// An event is lost, comes twice, or will come again.
    fn put_badly(&mut self, to: ShardIndex, parcel: Parcel) -> Result<(), Parcel> {
        let Parcel::Event(event) = &parcel else { return Ok(()) };
        let link = &mut self.links[to.get()];
        match self.random.below(4) {
            0 => return Ok(()),
            1 => _ = link.put(self.now, self.random, parcel.clone()), // it may as well be lost
            2 => *self.late = Some((to, event.clone())),
            _ => {
                if let Some((of, late)) = self.late.take() {
                    let link = &mut self.links[of.get()];
                    let _ = link.put(self.now, self.random, Parcel::Event(late)); // likewise
                }
            }
        }
        self.links[to.get()].put(self.now, self.random, parcel)
    }
}

/// Where nobody listens.
struct Nobody;

impl Postbox for Nobody {
    fn respond(&mut self, _: ShardIndex, _: Response) {}

    fn tell(&mut self, _: ShardIndex, _: Event) {}
}

pub(crate) fn moment(now: u64) -> Now {
    Now { at: Timestamp::from_millis(now), unix_millis: now }
}

impl Host {
    /// Answers one request, and tells who wants to hear of it.
    pub(crate) fn serve(
        &mut self,
        now: u64,
        random: &mut Random,
        truth: &mut Truth,
        from: ShardIndex,
        mut request: Request,
        fault: Option<Fault>,
    ) -> Checked {
        let published = match &request.ask {
            Ask::Publish(draft) => serial_in(&draft.data).zip(Some(Terms::of(draft))),
            _ => None,
        };
        let (links, late, unreliable) = (&mut self.down, &mut self.late, self.unreliable);
        let mut down = Down { links, late, unreliable, random, now, fault };
        if let Some(answer) = plant(fault, &mut request, down.random) {
            let response = Response { id: request.id, answer };
            self.crossing.over(&mut down).respond(from, response);
            return Ok(());
        }
        if fault == Some(Fault::SkipOffset) && published.is_some() && down.random.one_in(20) {
            self.partition.request(moment(now), from, request.clone(), &mut Nobody);
        }
        let channel = request.channel.clone();
        let mut witness = Witness {
            postbox: self.crossing.over(&mut down),
            truth,
            channel: &channel,
            now,
            published,
            verdict: Ok(()),
        };
        self.partition.request(moment(now), from, request, &mut witness);
        mem::replace(&mut witness.verdict, Ok(()))
    }

    /// Lets go what has expired, and delivers what had to wait.
    pub(crate) fn tick(&mut self, now: u64, random: &mut Random, fault: Option<Fault>) {
        self.partition.tick(moment(now));
        if self.crossing.is_behind() {
            let partition = &self.partition;
            let (links, late, unreliable) = (&mut self.down, &mut self.late, self.unreliable);
            let mut down = Down { links, late, unreliable, random, now, fault };
            self.crossing.catch_up(&mut down, |channel| partition.top(channel));
        }
    }
}

/// A bug of the broker: changes a request, or answers it instead of the partition.
fn plant(
    fault: Option<Fault>,
    request: &mut Request,
    random: &mut Random,
) -> Option<Result<Answer, Failure>> {
    let fault = fault.filter(|_| random.one_in(4))?;
    assert!(fault != Fault::Panic, "a bug that was planted");
    match (fault, &mut request.ask) {
        (Fault::ForgetLeave, Ask::Leave(_))
        | (Fault::ForgetEnter, Ask::Enter(_))
        | (Fault::ForgetUnsubscribe, Ask::Unsubscribe) => Some(Ok(Answer::Done)),
        (Fault::ForgetKeys, Ask::Publish(draft)) => {
            draft.idempotency_key = None;
            None
        }
        (Fault::ForgetVersions, Ask::Publish(draft)) => {
            draft.version = None;
            None
        }
        (Fault::MistakeKeys, Ask::Publish(draft)) => {
            draft.idempotency_key = draft.idempotency_key.as_ref().map(|_| "the same".into());
            None
        }
        (Fault::Acknowledge, Ask::Publish(_)) => {
            Some(Ok(Answer::Published { position: None, suppressed: false }))
        }
        _ => None,
    }
}
