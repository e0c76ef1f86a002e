//! Delivering: from the broker's event to the sessions that receive it.

use std::sync::Arc;

use crate::{
    backlog::Held,
    error::Disconnect,
    names::ChannelName,
    publication::{Epoch, Member, Position, Publication},
    shard::{After, Shard, Turn},
};

impl Shard {
    /// Something was published.
    pub(crate) fn published(
        &mut self,
        name: &ChannelName,
        epoch: Option<Epoch>,
        publication: &Arc<Publication>,
        turn: &mut Turn<'_>,
    ) {
        let Some(index) = self.channels.find(name.as_str()) else {
            return self.tell_stray(name, turn);
        };
        let Some(channel) = self.channels.get_mut(index) else { return };
        if channel.has_stream() && epoch.is_some() != (publication.offset != 0) {
            // Neither in the stream nor beside it: an offset without an epoch would be taken for a position.
            return;
        }
        let Some(epoch) = epoch.filter(|_| channel.has_stream()) else {
            // It has no place in a stream: it is for whoever is here now.
            return self.pass(index, publication, turn);
        };
        let kept_count_max = self.config.limits.merge_count_max;
        match &channel.live {
            Some(live) if live.epoch == epoch && publication.offset <= live.offset => {
                channel.heard_at = turn.now;
            }
            Some(live) if live.epoch == epoch && publication.offset == live.offset + 1 => {
                channel.heard_at = turn.now;
                let is_settled = channel.unsettled.is_none();
                self.advance(index, publication, turn);
                if !is_settled {
                    self.absorb(index, turn);
                    self.settle(index, turn);
                }
            }
            _ => {
                channel.unsettled().keep(epoch, publication, kept_count_max);
                self.settle(index, turn);
            }
        }
    }

    /// Gives receivers a publication of the stream, if it is the next one.
    pub(crate) fn advance(
        &mut self,
        index: u32,
        publication: &Arc<Publication>,
        turn: &mut Turn<'_>,
    ) {
        let passed_count_max = self.config.limits.merge_count_max;
        let Some(channel) = self.channels.get_mut(index) else { return };
        let Some(live) = &mut channel.live else { return };
        if publication.offset != live.offset + 1 {
            return;
        }
        live.offset = publication.offset;
        if let Some(unsettled) = &mut channel.unsettled
            && !unsettled.waiters.is_empty()
            && unsettled.passed.len() < passed_count_max
        {
            unsettled.passed.push(Arc::clone(publication));
        }
        self.pass(index, publication, turn);
    }

    /// Gives receivers what was kept, as far as nothing is missing before it.
    pub(crate) fn absorb(&mut self, index: u32, turn: &mut Turn<'_>) {
        loop {
            let Some(channel) = self.channels.get_mut(index) else { return };
            let Some(live) = &channel.live else { return };
            let Some(unsettled) = &mut channel.unsettled else { return };
            let is_next = |(epoch, one): &(Epoch, Arc<Publication>)| {
                *epoch == live.epoch && one.offset == live.offset + 1
            };
            let Some(at) = unsettled.kept.iter().position(is_next) else { break };
            let Some((_, publication)) = unsettled.kept.remove(at) else { break };
            self.advance(index, &publication, turn);
        }
        let Some(channel) = self.channels.get_mut(index) else { return };
        let Some((live, unsettled)) = channel.live.as_ref().zip(channel.unsettled.as_mut()) else {
            return;
        };
        unsettled.seen.take_if(|seen| seen.epoch == live.epoch && seen.offset <= live.offset);
        // Of other epochs than ours only what may yet turn out to be the right one is of use.
        let other = unsettled.seen.as_ref().map(|seen| seen.epoch.clone());
        unsettled.kept.retain(|(epoch, one)| {
            if *epoch == live.epoch {
                one.offset > live.offset
            } else {
                Some(epoch) == other.as_ref()
            }
        });
        // What is left of ours waits for what is missing before it, whatever else has been seen since.
        let ours = unsettled.kept.iter().filter(|(epoch, _)| *epoch == live.epoch);
        if let Some(offset) = ours.map(|(_, one)| one.offset).max() {
            unsettled.see(Position { epoch: live.epoch.clone(), offset });
        }
    }

    /// Hands a publication over: to those whose transports keep up at once, to the others' backlogs.
    ///
    /// The first part is all there is for most publications, and it touches no session.
    fn pass(&mut self, index: u32, publication: &Arc<Publication>, turn: &mut Turn<'_>) {
        let Some(channel) = self.channels.get(index) else { return };
        for (variant, list) in channel.receivers.lists() {
            turn.outside.deliver(&channel.name, publication, variant, list.keys());
        }
        for key in channel.held.keys() {
            let Some(session) = self.sessions.get_mut(*key) else { continue };
            let Some(subscription) = session.subscriptions.get(index) else { continue };
            let may_drop = !subscription.terms.gapless();
            let Some(backlog) = &mut session.backlog else { continue };
            let held = Held::Publication(Arc::clone(publication));
            let brim = channel.options.brim;
            if !backlog.push(index, held, brim, may_drop, &mut self.charged, &self.config.limits) {
                self.afterwards.push_back(After::End(*key, Disconnect::Slow));
            }
        }
    }

    /// Somebody came, or left.
    pub(crate) fn announced(
        &mut self,
        name: &ChannelName,
        member: &Arc<Member>,
        came: bool,
        turn: &mut Turn<'_>,
    ) {
        let Some(index) = self.channels.find(name.as_str()) else { return };
        let Some(channel) = self.channels.get(index) else { return };
        for (variant, list) in channel.receivers.lists() {
            if !list.hearing().is_empty() {
                turn.outside.announce(&channel.name, member, came, variant, list.hearing());
            }
        }
        for key in channel.held.hearing() {
            let Some(session) = self.sessions.get_mut(*key) else { continue };
            let Some(backlog) = &mut session.backlog else { continue };
            let held = Held::Announcement(Arc::clone(member), came);
            // Who comes and goes can be asked for: there is no gap in that.
            let brim = channel.options.brim;
            if !backlog.push(index, held, brim, true, &mut self.charged, &self.config.limits) {
                self.afterwards.push_back(After::End(*key, Disconnect::Slow));
            }
        }
    }
}
