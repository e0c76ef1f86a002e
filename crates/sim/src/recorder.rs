//! [`Recorder`]: what comes out of a shard during one call.

use std::sync::Arc;

use tidewire_hub::{
    ChannelName, CommandId, Error, Member, Outside, Publication, Push, Reply, SessionKey, Variant,
    broker::Request,
};

use crate::transport::Frame;

/// One thing that a shard wants done.
#[derive(Debug)]
pub(crate) enum Effect {
    /// This frame to these sessions of one variant; `None`: of whichever they are.
    Send(Option<Variant>, Frame, Vec<SessionKey>),
    Submit(Request),
}

/// Takes everything down.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    pub(crate) effects: Vec<Effect>,
}

impl Outside for Recorder {
    fn reply(&mut self, session: SessionKey, id: CommandId, reply: Result<Reply, Error>) {
        self.effects.push(Effect::Send(None, Frame::Reply(id, reply), vec![session]));
    }

    fn push(&mut self, session: SessionKey, push: Push) {
        self.effects.push(Effect::Send(None, Frame::Push(push), vec![session]));
    }

    fn deliver(
        &mut self,
        channel: &ChannelName,
        publication: &Arc<Publication>,
        variant: Variant,
        receivers: &[SessionKey],
    ) {
        let frame = Frame::Publication(channel.clone(), Arc::clone(publication));
        self.effects.push(Effect::Send(Some(variant), frame, receivers.to_vec()));
    }

    fn announce(
        &mut self,
        channel: &ChannelName,
        member: &Arc<Member>,
        came: bool,
        variant: Variant,
        receivers: &[SessionKey],
    ) {
        let frame = Frame::Announce(channel.clone(), Arc::clone(member), came);
        self.effects.push(Effect::Send(Some(variant), frame, receivers.to_vec()));
    }

    fn submit(&mut self, request: Request) {
        self.effects.push(Effect::Submit(request));
    }
}
