//! [`World`]: shards, partitions, the network between them, and clients, moved on by a seed.

use std::collections::{BTreeMap, VecDeque};

use tidewire_brokers::{Crossing, Parcel, ShardIndex, memory::Partition};
use tidewire_hub::{
    Seed, SessionKey, Shard, ShardCounts, ShardStats,
    broker::{Event, Request, Response},
};

use crate::{
    api::Api,
    client::Client,
    draining::Draining,
    fault::Fault,
    host::Host,
    invariant::Checked,
    network::Link,
    random::Random,
    recorder::Recorder,
    tally::Tally,
    terrain::Terrain,
    transport::{Frame, Transport},
    truth::Truth,
};

/// How often a shard is told the time.
pub(crate) const TICK_MILLIS: u64 = 62;

/// Channels that one shard may have missed something of before it is told that all is lost.
const MISSED_CHANNEL_COUNT_MAX: usize = 2;

/// Everything.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) terrain: Terrain,
    pub(crate) random: Random,
    pub(crate) now: u64,
    pub(crate) shards: Vec<Node>,
    pub(crate) hosts: Vec<Host>,
    /// Requests, from each shard, and the application after them, to each partition.
    pub(crate) up: Vec<Vec<Link<Request>>>,
    pub(crate) transports: BTreeMap<usize, Transport>,
    pub(crate) transport_count: usize,
    pub(crate) sessions: BTreeMap<(usize, SessionKey), usize>,
    pub(crate) clients: Vec<Client>,
    pub(crate) api: Api,
    pub(crate) truth: Truth,
    pub(crate) last_serial: u64,
    pub(crate) fault: Option<Fault>,
    /// Nothing happens any more but what has to.
    pub(crate) is_quiet: bool,
    /// The session whose publications are being let go, and how much of them has come.
    pub(crate) releasing: Option<(usize, usize)>,
    /// A publication that waits to be overtaken, where that is the bug.
    pub(crate) held: Option<(usize, Frame)>,
    pub(crate) trace: Option<Vec<String>>,
    pub(crate) tally: Tally,
}

/// A shard, and what its thread has for it.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) shard: Shard,
    pub(crate) recorder: Recorder,
    /// Answers to what no queue had room for.
    pub(crate) refused: VecDeque<Response>,
    /// It lets go of its sessions.
    pub(crate) draining: Option<Draining>,
    tick_at: u64,
}

impl World {
    pub(crate) fn new(seed: u64, fault: Option<Fault>, traces: bool) -> Self {
        let mut random = Random::new(seed);
        let terrain = Terrain::new(seed, &mut random, fault);
        let delay_max = terrain.delay_max;
        let shards = (0..terrain.shard_count).map(|_| Node::new(&terrain)).collect();
        let down = || {
            let link = || Link::new(terrain.queue_count_max, delay_max);
            (0..=terrain.shard_count).map(|_| link()).collect()
        };
        let hosts = (0..terrain.partition_count).map(|index| Host {
            partition: Partition::new(Seed::new([seed, index as u64]), terrain.limits.clone()),
            crossing: Crossing::new(MISSED_CHANNEL_COUNT_MAX),
            down: down(),
            frozen_until: 0,
            unreliable: terrain.unreliable,
            late: None,
        });
        let hosts = hosts.collect();
        let links = || {
            let link = || Link::new(terrain.queue_count_max, delay_max);
            (0..terrain.partition_count).map(|_| link()).collect()
        };
        let up = (0..=terrain.shard_count).map(|_| links()).collect();
        let clients = (0..terrain.client_count).map(|index| Client::new(index, &mut random));
        let clients = clients.collect();
        Self {
            random,
            now: 1_000,
            shards,
            hosts,
            up,
            transports: BTreeMap::new(),
            transport_count: 0,
            sessions: BTreeMap::new(),
            clients,
            api: Api::default(),
            truth: Truth::default(),
            last_serial: 0,
            fault,
            is_quiet: false,
            releasing: None,
            held: None,
            trace: traces.then(Vec::new),
            tally: Tally::default(),
            terrain,
        }
    }

    pub(crate) fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{:6} {}", self.now, line()));
        }
    }

    /// Some milliseconds: everything that has arrived by then is taken up, some of it at least.
    pub(crate) fn step(&mut self, millis_max: u64) -> Checked {
        self.now += self.random.below(millis_max + 1);
        for client in 0..self.clients.len() {
            self.live(client)?;
        }
        self.serve()?;
        for shard in 0..self.shards.len() {
            self.arrive(shard)?;
            let stalls =
                self.fault == Some(Fault::StallDrain) && self.shards[shard].draining.is_some();
            if self.shards[shard].tick_at <= self.now && !stalls {
                self.shards[shard].tick_at = self.now + TICK_MILLIS;
                self.call(shard, |node, now| node.shard.tick(now, &mut node.recorder))?;
            }
            self.end_drain(shard)?;
        }
        self.run_api()
    }

    /// How much of a queue is taken up at once.
    pub(crate) fn appetite(&mut self) -> usize {
        if self.is_quiet { usize::MAX } else { 1 + self.random.index(4) }
    }

    /// Partitions answer.
    fn serve(&mut self) -> Checked {
        for at in 0..self.hosts.len() {
            let first = self.random.index(self.up.len());
            for shard in 0..self.up.len() {
                let from = (first + shard) % self.up.len();
                let appetite = self.appetite();
                for _ in 0..appetite {
                    if self.hosts[at].frozen_until > self.now {
                        break;
                    }
                    let Some(request) = self.up[from][at].take(self.now) else { break };
                    self.note(|| format!("partition {at} has {request:?} of {from}"));
                    let (now, fault) = (self.now, self.fault);
                    self.hosts[at].serve(
                        now,
                        &mut self.random,
                        &mut self.truth,
                        index(from),
                        request,
                        fault,
                    )?;
                }
            }
            let (now, fault) = (self.now, self.fault);
            self.hosts[at].tick(now, &mut self.random, fault);
        }
        Ok(())
    }

    /// What partitions have sent to a shard, and what was refused.
    fn arrive(&mut self, shard: usize) -> Checked {
        while let Some(response) = self.shards[shard].refused.pop_front() {
            self.note(|| format!("shard {shard} is refused {response:?}"));
            self.call(shard, |node, now| node.shard.response(now, response, &mut node.recorder))?;
        }
        let first = self.random.index(self.hosts.len());
        for at in 0..self.hosts.len() {
            let at = (first + at) % self.hosts.len();
            let appetite = self.appetite();
            for _ in 0..appetite {
                let Some(parcel) = self.hosts[at].down[shard].take(self.now) else { break };
                self.note(|| format!("shard {shard} has {parcel:?}"));
                match &parcel {
                    Parcel::Event(Event::Top { .. }) => self.tally.see("event", "top", 1),
                    Parcel::Event(Event::Lost) => self.tally.see("event", "lost", 1),
                    _ => {}
                }
                self.call(shard, |node, now| match parcel {
                    Parcel::Response(response) => {
                        node.shard.response(now, response, &mut node.recorder);
                    }
                    Parcel::Event(event) => node.shard.event(now, event, &mut node.recorder),
                })?;
            }
        }
        Ok(())
    }
}

impl Node {
    pub(crate) fn new(terrain: &Terrain) -> Self {
        Self {
            shard: Shard::new(std::sync::Arc::clone(&terrain.config)),
            recorder: Recorder::default(),
            refused: VecDeque::new(),
            draining: None,
            tick_at: 0,
        }
    }

    /// The shard, and where what comes of it goes.
    pub(crate) fn parts(&mut self) -> (&mut Shard, &mut Recorder) {
        (&mut self.shard, &mut self.recorder)
    }

    /// What it has, without what it has counted: that is of what has been.
    pub(crate) fn stats(&self) -> ShardStats {
        let mut stats = self.shard.stats();
        stats.counts = ShardCounts::default();
        stats
    }

    pub(crate) fn has_refused(&self) -> bool {
        !self.refused.is_empty()
    }
}

pub(crate) fn index(shard: usize) -> ShardIndex {
    ShardIndex::new(shard).unwrap_or_else(|| unreachable!("worlds are small"))
}
