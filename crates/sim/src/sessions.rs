//! Clients and their connections: what goes up, what comes down, and how they end.

use std::{
    collections::{BTreeSet, VecDeque},
    mem,
};

use tidewire_hub::{ClientId, Guest, Timestamp, Variant};

use crate::{
    invariant::{Checked, Invariant, hold},
    network::Link,
    pacing::Bucket,
    reading::Reading,
    transport::{Transport, Up},
    world::World,
};

impl World {
    /// One client, its connection, and those that it has left behind.
    pub(crate) fn live(&mut self, client: usize) -> Checked {
        let (now, quiet) = (self.now, self.is_quiet);
        if self.clients[client].session.is_none() && self.clients[client].reconnect_at <= now {
            self.connect(client)?;
        }
        self.clients[client].keep_up(now, &mut self.random);
        self.send_up(client);
        let mut ids: Vec<usize> = self.transports.keys().copied().collect();
        ids.retain(|id| self.transports[id].client == client);
        for id in ids {
            self.hear(id)?;
            let pace = if quiet { usize::MAX } else { self.clients[client].pace };
            self.read(id, pace)?;
            if self
                .transports
                .get(&id)
                .is_some_and(|transport| transport.over && !transport.attached)
            {
                self.transports.remove(&id);
            }
        }
        self.send_up(client);
        if self.clients[client].leaves {
            self.hang_up(client);
        }
        Ok(())
    }

    /// A client connects, to whichever shard.
    fn connect(&mut self, client: usize) -> Checked {
        let shard = self.random.index(self.shards.len());
        let variant = Variant(u8::try_from(self.random.below(3)).unwrap_or(0));
        let id = self.transport_count;
        self.transport_count += 1;
        let guest = Guest { client: ClientId::new(&format!("c{id}")), variant, credentials: None };
        let node = &mut self.shards[shard];
        let opened = node.shard.open(Timestamp::from_millis(self.now), guest, &mut node.recorder);
        let is_drained = node.draining.is_some();
        hold(Invariant::DrainIsPaced, opened.is_err() == is_drained, || {
            format!("a session on shard {shard}: {opened:?}")
        })?;
        let Ok(key) = opened else { return Ok(()) };
        self.note(|| format!("client {client} opens session {id} on shard {shard}"));
        let transport = Transport {
            client,
            shard,
            key,
            variant,
            up: Link::new(usize::MAX, self.terrain.delay_max),
            down: VecDeque::new(),
            down_len: 0,
            congested: false,
            ended: false,
            over: false,
            attached: true,
            unanswered: BTreeSet::new(),
            refused: BTreeSet::new(),
            bucket: Bucket::default(),
            why: None,
        };
        let known = self.sessions.insert((shard, key), id);
        hold(Invariant::NothingUnasked, known.is_none(), || format!("{key:?} is used again"))?;
        self.transports.insert(id, transport);
        self.clients[client].hello(self.now, id);
        self.absorb(shard)
    }

    fn send_up(&mut self, client: usize) {
        let Some(id) = self.clients[client].session else { return };
        for (command_id, command) in mem::take(&mut self.clients[client].outbox) {
            let Some(transport) = self.transports.get_mut(&id) else { return };
            let up = Up::Command(command_id, command);
            let _ = transport.up.put(self.now, &mut self.random, up); // it holds any number
        }
    }

    /// A client ends its connection, or sees that it has ended: what is on its way down is lost.
    pub(crate) fn hang_up(&mut self, client: usize) {
        let Some(id) = self.clients[client].session else { return };
        self.note(|| format!("client {client} leaves session {id}"));
        if let Some(transport) = self.transports.get_mut(&id) {
            transport.detach();
            let _ = transport.up.put(self.now, &mut self.random, Up::Close); // it holds any number
        }
        let longest = if self.is_quiet { 200 } else { 800 };
        let back = self.now + self.random.below(longest);
        self.clients[client].forget_session(back);
    }

    /// What a client has sent reaches the shard.
    fn hear(&mut self, id: usize) -> Checked {
        let appetite = self.appetite();
        for _ in 0..appetite {
            let Some(transport) = self.transports.get_mut(&id) else { break };
            let Some(up) = transport.up.take(self.now) else { break };
            if transport.over {
                continue;
            }
            match up {
                Up::Close => self.close(id)?,
                Up::Command(command_id, command) => {
                    if command_id.0 != 0 && !transport.ended {
                        transport.unanswered.insert(command_id.0);
                    }
                    self.obey(id, command_id, command)?;
                }
            }
        }
        Ok(())
    }

    /// The shard is told that a transport has ended.
    pub(crate) fn close(&mut self, id: usize) -> Checked {
        let Some(transport) = self.transports.get_mut(&id) else { return Ok(()) };
        let (shard, key) = (transport.shard, transport.key);
        self.note(|| format!("session {id} is over"));
        // What comes for it in this call is nobody's, and does no harm.
        self.call(shard, |node, now| node.shard.closed(now, key, &mut node.recorder))?;
        self.sessions.remove(&(shard, key));
        if let Some(transport) = self.transports.get_mut(&id) {
            transport.over = true;
            transport.unanswered.clear();
        }
        Ok(())
    }

    /// A client reads some of what has come down, and the shard is told when there is room again.
    fn read(&mut self, id: usize, count: usize) -> Checked {
        for _ in 0..count {
            let Some(transport) = self.transports.get_mut(&id) else { return Ok(()) };
            let client = transport.client;
            let Some(frame) = transport.pop() else {
                if transport.attached && (transport.ended || transport.over) {
                    transport.over = true;
                    self.clients[client].leaves = true;
                }
                break;
            };
            self.note(|| format!("session {id} reads {frame:?}"));
            self.moves(client, &frame);
            let whim = self.random.below(1_000);
            let cx = &Reading { now: self.now, truth: &self.truth, whim };
            self.clients[client].read(frame, cx)?;
        }
        self.release(id)
    }

    fn release(&mut self, id: usize) -> Checked {
        while let Some(transport) = self.transports.get_mut(&id) {
            let roomy = transport.down_len <= Transport::LOW;
            if !transport.congested || !roomy || transport.ended || transport.over {
                return Ok(());
            }
            let (shard, key) = (transport.shard, transport.key);
            self.releasing = Some((id, 0));
            let mut more = false;
            self.call(shard, |node, now| {
                more = node.shard.writable(now, key, &mut node.recorder);
            })?;
            let released = self.releasing.take().map_or(0, |(_, len)| len);
            let len_max = self.terrain.config.limits.release_len + 2 * Transport::HIGH;
            hold(Invariant::QueuesWithinBudget, released <= len_max, || {
                format!("{released} bytes were let go at once")
            })?;
            self.note(|| format!("session {id} is writable, {released} bytes come, more: {more}"));
            if !more {
                if let Some(transport) = self.transports.get_mut(&id) {
                    transport.congested = false;
                }
                return Ok(());
            }
        }
        Ok(())
    }
}
