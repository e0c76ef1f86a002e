//! [`Transport`]: what lies between one session and its client.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
};

use tidewire_hub::{
    ChannelName, Command, CommandId, Disconnect, Error, Member, Publication, Push, Reply,
    SessionKey, Variant,
};

use crate::{network::Link, pacing::Bucket};

/// A connection: commands go up, frames come down into a queue with a budget.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "either end may have ended it, and know it or not"
)]
pub(crate) struct Transport {
    pub(crate) client: usize,
    pub(crate) shard: usize,
    pub(crate) key: SessionKey,
    pub(crate) variant: Variant,
    pub(crate) up: Link<Up>,
    pub(crate) down: VecDeque<Frame>,
    pub(crate) down_len: usize,
    /// The shard has been told that nothing more can be taken.
    pub(crate) congested: bool,
    /// The shard has ended the session.
    pub(crate) ended: bool,
    /// The shard has been told that the transport has ended, or has ended it itself.
    pub(crate) over: bool,
    /// The client is still there.
    pub(crate) attached: bool,
    /// Commands that have reached the shard and have no answer.
    pub(crate) unanswered: BTreeSet<u32>,
    /// Those of them that the driver did not want carried out.
    pub(crate) refused: BTreeSet<u32>,
    /// What its commands have used of their rate.
    pub(crate) bucket: Bucket,
    /// Why the shard has ended the session.
    pub(crate) why: Option<Disconnect>,
}

/// What goes up.
#[derive(Debug)]
pub(crate) enum Up {
    Command(CommandId, Command),
    /// The client has gone.
    Close,
}

/// What comes down.
#[derive(Debug, Clone)]
pub(crate) enum Frame {
    Reply(CommandId, Result<Reply, Error>),
    Push(Push),
    Publication(ChannelName, Arc<Publication>),
    /// Somebody came (`true`), or left. Who, is for the trace alone.
    #[expect(dead_code, reason = "it is shown")]
    Announce(ChannelName, Arc<Member>, bool),
}

impl Frame {
    /// About as many bytes as it would be on a wire.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Publication(_, publication)
            | Self::Push(Push::Publication { publication, .. }) => 20 + publication.data.len(),
            Self::Reply(_, Ok(Reply::Subscribed(subscribed))) => {
                let lens = subscribed.publications.iter().map(|publication| publication.data.len());
                40 + lens.sum::<usize>()
            }
            _ => 40,
        }
    }
}

impl Transport {
    /// Above this a session is told to hold back.
    pub(crate) const HIGH: usize = 600;
    /// Below this it is told to go on.
    pub(crate) const LOW: usize = 200;
    /// Above this the connection ends: what is not held back is answers, and a client that asks and
    /// does not read is not served.
    pub(crate) const LEN_MAX: usize = 60_000;

    pub(crate) fn push(&mut self, frame: Frame) {
        if self.attached {
            self.down_len += frame.len();
            self.down.push_back(frame);
        }
    }

    pub(crate) fn pop(&mut self) -> Option<Frame> {
        let frame = self.down.pop_front()?;
        self.down_len -= frame.len();
        Some(frame)
    }

    /// The client is not there any more: what is on its way to it is lost.
    pub(crate) fn detach(&mut self) {
        self.attached = false;
        self.down.clear();
        self.down_len = 0;
    }
}
