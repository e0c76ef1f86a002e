//! What comes of a call into a shard: frames to sessions, and requests to partitions.

use std::mem;

use tidewire_brokers::partition_of;
use tidewire_hub::{
    ChannelName, Disconnect, Error, Farewell, Push, SessionKey, Timestamp, Variant,
    broker::{Failure, Request, Response},
};

use crate::{
    fault::Fault,
    invariant::{Checked, Invariant, Violation, hold},
    recorder::Effect,
    transport::{Frame, Transport},
    world::{Node, World},
};

impl World {
    /// Calls into a shard, and does what comes of it.
    pub(crate) fn call(
        &mut self,
        shard: usize,
        call: impl FnOnce(&mut Node, Timestamp),
    ) -> Checked {
        let now = Timestamp::from_millis(self.now);
        let node = &mut self.shards[shard];
        call(node, now);
        node.shard.debug_check();
        self.absorb(shard)
    }

    pub(crate) fn absorb(&mut self, shard: usize) -> Checked {
        let effects = mem::take(&mut self.shards[shard].recorder.effects);
        let mut full = Vec::new();
        for effect in effects {
            match effect {
                Effect::Submit(request) => self.submit(shard, request),
                Effect::Send(variant, frame, receivers) => {
                    for (at, key) in receivers.iter().enumerate() {
                        let again = receivers[..at].contains(key);
                        hold(Invariant::NoDuplicate, !again, || format!("{key:?} is named twice"))?;
                        full.extend(self.deliver(shard, variant, &frame, *key)?);
                    }
                }
            }
        }
        for id in full {
            self.congest(id)?;
        }
        Ok(())
    }

    fn submit(&mut self, shard: usize, request: Request) {
        let partition = self.partition_of(&request.channel);
        let link = &mut self.up[shard][partition];
        if let Err(request) = link.put(self.now, &mut self.random, request) {
            self.tally.see("request", "had no room", 1);
            let answer = Err(Failure::Unavailable);
            self.shards[shard].refused.push_back(Response { id: request.id, answer });
        }
    }

    pub(crate) fn partition_of(&self, channel: &ChannelName) -> usize {
        partition_of(self.terrain.seed, channel, self.hosts.len())
    }

    /// One frame to one session. Its number comes back if its queue is rather full.
    fn deliver(
        &mut self,
        shard: usize,
        variant: Option<Variant>,
        frame: &Frame,
        key: SessionKey,
    ) -> Result<Option<usize>, Violation> {
        let id = self.sessions.get(&(shard, key)).copied();
        hold(Invariant::NothingUnasked, id.is_some(), || format!("{frame:?} for nobody: {key:?}"))?;
        let Some(id) = id else { return Ok(None) };
        let mut frames = vec![frame.clone()];
        self.distort(id, &mut frames);
        for frame in frames {
            self.tally.see_frame(&frame);
            self.moved(id, &frame)?;
            self.recovers_what_it_can(id, &frame)?;
            if matches!(frame, Frame::Push(Push::Disconnect(Disconnect::Shutdown))) {
                self.told_to_go(shard)?;
            }
            let Some(transport) = self.transports.get_mut(&id) else { return Ok(None) };
            let fits = variant.is_none_or(|variant| variant == transport.variant);
            hold(Invariant::NothingUnasked, fits, || format!("{frame:?} in a wrong variant"))?;
            match &frame {
                Frame::Reply(command, reply) => {
                    let is_refused = transport.refused.remove(&command.0);
                    let says_so = !is_refused || *reply == Err(Error::TooManyRequests);
                    hold(Invariant::NothingHalfDone, says_so, || {
                        format!("{command:?}, which was refused, is answered with {reply:?}")
                    })?;
                    let asked = transport.unanswered.remove(&command.0);
                    hold(Invariant::ExactlyOneReply, asked, || {
                        format!("{command:?} was not asked, or answered before")
                    })?;
                }
                Frame::Publication(..) | Frame::Push(Push::Publication { .. }) => {
                    let releases = self.releasing.as_mut().filter(|(of, _)| *of == id);
                    hold(
                        Invariant::QueuesWithinBudget,
                        !transport.congested || releases.is_some(),
                        || format!("session {id}, which is full, gets {frame:?}"),
                    )?;
                    if let Some((_, len)) = releases {
                        *len += frame.len();
                    }
                }
                Frame::Push(push) if Farewell::of(push).is_some() => {
                    transport.ended = true;
                    transport.why = Farewell::of(push).map(|farewell| farewell.why());
                    transport.unanswered.clear();
                    self.sessions.remove(&(shard, key));
                }
                _ => {}
            }
            transport.push(frame);
        }
        Ok(self.transports.get(&id).is_some_and(|t| t.down_len > Transport::HIGH).then_some(id))
    }

    /// The shard is told that a session does not keep up.
    fn congest(&mut self, id: usize) -> Checked {
        let Some(transport) = self.transports.get_mut(&id) else { return Ok(()) };
        if transport.ended || transport.over {
            return Ok(());
        }
        let (shard, key) = (transport.shard, transport.key);
        if transport.down_len > Transport::LEN_MAX {
            self.note(|| format!("session {id} is far too slow"));
            return self.call(shard, |node, now| {
                node.shard.fail(now, key, Disconnect::Slow, &mut node.recorder);
            });
        }
        if !transport.congested {
            transport.congested = true;
            self.tally.see("session", "congested", 1);
            self.note(|| format!("session {id} is congested"));
            if self.fault != Some(Fault::IgnoreCongestion) {
                return self.call(shard, |node, _| node.shard.congested(key));
            }
        }
        Ok(())
    }
}
