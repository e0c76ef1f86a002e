//! [`Requests`]: what the broker was asked and has not answered.

use std::collections::BTreeMap;

use crate::{
    broker::RequestId, channel::ChannelKey, command::CommandId, outside::SessionKey,
    retrying::Chore, time::Timestamp,
};

/// Requests under way, by number, which is also by age.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    last_id: u64,
    pending: BTreeMap<RequestId, (Timestamp, Pending)>,
}

/// What its answer is for.
#[derive(Debug)]
pub(crate) enum Pending {
    /// A command of a session.
    Command { session: SessionKey, id: CommandId },
    /// A channel's events.
    Subscribe { channel: ChannelKey, live_offset: u64 },
    /// A channel's history, to recover or to repair.
    Read { channel: ChannelKey },
    /// Nobody waits for it, but it has to be done.
    Chore(Box<Chore>),
}

impl Requests {
    /// Notes a request, which has to be answered until then.
    pub(crate) fn begin(&mut self, until: Timestamp, pending: Pending) -> RequestId {
        self.last_id += 1;
        let id = RequestId(self.last_id);
        self.pending.insert(id, (until, pending));
        id
    }

    /// What the answer to a request is for. Nothing, if it was answered or given up before.
    pub(crate) fn finish(&mut self, id: RequestId) -> Option<Pending> {
        self.pending.remove(&id).map(|(_, pending)| pending)
    }

    /// A request that should have been answered by now.
    pub(crate) fn overdue(&self, now: Timestamp) -> Option<RequestId> {
        self.pending.first_key_value().filter(|(_, (until, _))| *until <= now).map(|(id, _)| *id)
    }

    pub(crate) fn len(&self) -> usize {
        self.pending.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Pending> {
        self.pending.values().map(|(_, pending)| pending)
    }
}
