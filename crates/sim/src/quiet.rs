//! What must be so once it is quiet.

use std::collections::BTreeSet;

use bytestring::ByteString;
use tidewire_brokers::{Postbox, ShardIndex, memory::Stats};
use tidewire_hub::{
    ChannelName, Epoch, HistoryFilter, Position, Reply, ShardStats,
    broker::{Answer, Ask, Event, Failure, Request, RequestId, Response},
};

use crate::{
    client::Asked,
    host::moment,
    invariant::{Checked, Invariant, hold},
    network::Link,
    terrain::{CHANNELS, KEPT_MILLIS_MAX, SERVER_CHANNELS, name},
    transport::Frame,
    world::{World, index},
};

/// Within this everything has to come to rest: retries are spread over seconds.
const REST_MILLIS_MAX: u64 = 40_000;

/// How long it has to stay at rest.
const REST_MILLIS: u64 = 3_000;

impl World {
    /// All of a life: some chaos, quiet, farewell.
    pub(crate) fn run(&mut self) -> Checked {
        for _ in 0..100 + self.random.below(300) {
            self.happen()?;
            self.step(20)?;
        }
        self.calm_down();
        self.rest(Self::is_at_rest)?;
        self.note(|| "everybody leaves".into());
        for client in 0..self.clients.len() {
            self.hang_up(client);
            self.clients[client].reconnect_at = u64::MAX;
        }
        // Whom the application had ended in silence is not heard of by a pong any more.
        self.rest(Self::is_deserted)?;
        self.now += 2 * KEPT_MILLIS_MAX;
        self.rest(Self::is_empty)
    }

    /// From here on nothing goes wrong, and everybody behaves.
    fn calm_down(&mut self) {
        self.note(|| "quiet".into());
        self.is_quiet = true;
        for host in &mut self.hosts {
            host.frozen_until = 0;
            host.unreliable = false;
            host.down.iter_mut().for_each(Link::clear_up);
        }
        self.up.iter_mut().flatten().for_each(Link::clear_up);
        for client in &mut self.clients {
            client.mute = false;
            client.neglects = false;
            if client.token_life != 0 {
                client.token_life = 5_000;
            }
        }
    }

    /// Goes on until something holds, and goes on holding; then that is so. Or it does not, in time.
    fn rest(&mut self, holds: impl Fn(&mut Self) -> Checked) -> Checked {
        let deadline = self.now + REST_MILLIS_MAX;
        let mut since = None;
        loop {
            for _ in 0..8 {
                self.step(100)?;
            }
            match holds(self) {
                Ok(()) if since.is_some_and(|since| since + REST_MILLIS <= self.now) => {
                    return Ok(());
                }
                Ok(()) => since = since.or(Some(self.now)),
                Err(violation) if self.now > deadline => return Err(violation),
                Err(_) => since = None,
            }
        }
    }

    fn is_at_rest(&mut self) -> Checked {
        for transport in self.transports.values() {
            let unanswered = &transport.unanswered;
            hold(Invariant::ExactlyOneReply, unanswered.is_empty(), || {
                format!("{unanswered:?} have no answer in {:?}", transport.key)
            })?;
        }
        hold(Invariant::ExactlyOneReply, self.api.is_idle(), || format!("{:?}", self.api))?;
        for client in 0..self.clients.len() {
            self.is_where_it_wants_to_be(client)?;
        }
        for channel in CHANNELS.iter().chain(SERVER_CHANNELS) {
            self.presence_equals_the_living(&name(channel))?;
        }
        Ok(())
    }

    fn is_where_it_wants_to_be(&self, at: usize) -> Checked {
        let client = &self.clients[at];
        hold(Invariant::LiveAfterQuiet, client.connected, || {
            format!("client {at} is not connected")
        })?;
        for (channel, seen) in &client.channels {
            let Some(live) = &seen.live else {
                hold(Invariant::LiveAfterQuiet, seen.want.is_none(), || {
                    format!("client {at} is not in {channel}, where it wants to be")
                })?;
                continue;
            };
            let Some(position) = &live.position else { continue };
            if live.gapless || self.terrain.calm {
                let top = self.hosts[self.partition_of(channel)].partition.top(channel);
                hold(Invariant::LiveAfterQuiet, *position == top, || {
                    format!("client {at} is at {position} of {channel}, which is at {top}")
                })?;
            }
        }
        Ok(())
    }

    fn presence_equals_the_living(&mut self, channel: &ChannelName) -> Checked {
        let mut living = BTreeSet::new();
        for client in &self.clients {
            let is_there = client.channels.get(channel).is_some_and(|seen| seen.live.is_some());
            if let Some(session) = client.session.filter(|_| is_there) {
                living.insert(format!("c{session}"));
            }
        }
        let present = match self.peek(channel, Ask::Presence) {
            Some(Ok(Answer::Presence(members))) => members,
            other => {
                return hold(Invariant::PresenceEqualsTheLiving, false, || format!("{other:?}"));
            }
        };
        let present: BTreeSet<String> =
            present.iter().map(|member| member.client.as_str().to_owned()).collect();
        hold(Invariant::PresenceEqualsTheLiving, present == living, || {
            format!("{channel}: {present:?} are said to be there, {living:?} are")
        })
    }

    /// Who is told that it has not recovered could not have, unless something has gone wrong on the way.
    pub(crate) fn recovers_what_it_can(&mut self, session: usize, frame: &Frame) -> Checked {
        let Frame::Reply(id, Ok(Reply::Subscribed(subscribed))) = frame else { return Ok(()) };
        if subscribed.recovered || !self.terrain.calm {
            return Ok(());
        }
        let client = self.transports.get(&session).map(|transport| transport.client);
        let asked = client.and_then(|client| self.clients[client].asked.get(&id.0));
        let Some(Asked::Subscribe { channel, since: Some(since), honest: true }) = asked else {
            return Ok(());
        };
        let (channel, since) = (channel.clone(), since.clone());
        let is_kept = subscribed.position.is_some() && self.is_kept(&channel, &since);
        hold(Invariant::RecoversWhatItCan, !is_kept, || {
            format!("session {session} could have been recovered in {channel} since {since:?}")
        })
    }

    /// Whether everything is there that came after a place. History only ever loses what is old: what is there
    /// now was there when it was asked for.
    pub(crate) fn is_kept(&mut self, channel: &ChannelName, since: &(ByteString, u64)) -> bool {
        let since = Position { epoch: Epoch::new(&since.0), offset: since.1 };
        let filter = HistoryFilter { since: Some(since), ..HistoryFilter::default() };
        matches!(self.peek(channel, Ask::Read(filter)), Some(Ok(_)))
    }

    /// Asks a partition in passing.
    pub(crate) fn peek(
        &mut self,
        channel: &ChannelName,
        ask: Ask,
    ) -> Option<Result<Answer, Failure>> {
        let partition = self.partition_of(channel);
        let mut peek = Peek(None);
        let request = Request { id: RequestId(0), channel: channel.clone(), ask };
        let now = moment(self.now);
        self.hosts[partition].partition.request(now, index(self.shards.len()), request, &mut peek);
        peek.0
    }

    fn is_deserted(&mut self) -> Checked {
        hold(Invariant::NothingLeaks, self.transports.is_empty(), || {
            format!("sessions are left: {:?}", self.transports.keys())
        })?;
        for (at, node) in self.shards.iter().enumerate() {
            let stats = node.stats();
            hold(Invariant::NothingLeaks, stats == ShardStats::default(), || {
                format!("in shard {at}: {stats:?}")
            })?;
            hold(Invariant::NothingLeaks, !node.has_refused(), || format!("in shard {at}"))?;
        }
        for (at, host) in self.hosts.iter().enumerate() {
            let is_idle = !host.crossing.is_behind() && host.down.iter().all(Link::is_empty);
            hold(Invariant::NothingLeaks, is_idle, || format!("on the way from partition {at}"))?;
        }
        let is_idle = self.up.iter().flatten().all(Link::is_empty);
        hold(Invariant::NothingLeaks, is_idle, || "on the way to partitions".into())
    }

    fn is_empty(&mut self) -> Checked {
        self.is_deserted()?;
        for (at, host) in self.hosts.iter().enumerate() {
            let stats = host.partition.stats();
            hold(Invariant::NothingLeaks, stats == Stats::default(), || {
                format!("in partition {at}: {stats:?}")
            })?;
        }
        Ok(())
    }
}

/// Keeps one answer.
struct Peek(Option<Result<Answer, Failure>>);

impl Postbox for Peek {
    fn respond(&mut self, _: ShardIndex, response: Response) {
        self.0 = Some(response.answer);
    }

    fn tell(&mut self, _: ShardIndex, _: Event) {}
}
