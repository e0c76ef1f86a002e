//! [`Outside`]: where everything goes that comes out of a shard.

use std::sync::Arc;

use crate::{
    broker::Request,
    command::{CommandId, Push, Reply},
    error::Error,
    names::{ChannelName, UserId},
    publication::{Member, Publication},
};

/// A session of one shard. A new session never has the key of an old one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

impl SessionKey {
    /// A small number, unique among the sessions alive: a driver may keep what it knows of a session
    /// in a `Vec` by it.
    pub const fn index(self) -> usize {
        self.index as usize
    }
}

/// How a session's bytes look: a dialect and its framing, numbered by the driver. What is delivered
/// to many sessions of one variant is encoded once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Variant(pub u8);

impl Variant {
    /// As many as there may be.
    pub const COUNT_MAX: usize = 8;
}

/// What is made of a shard's decisions. Nothing here is called back from, and nothing fails: what
/// cannot be delivered is told to the shard later, as an event.
pub trait Outside {
    /// The answer to a command. For each command with an id there is exactly one, unless the session
    /// ends before.
    fn reply(&mut self, session: SessionKey, id: CommandId, reply: Result<Reply, Error>);

    /// A push to one session. After [`Push::Disconnect`] or [`Push::Dismissed`] nothing more comes for it; its
    /// transport ends once that has been written, and it is no session any more.
    fn push(&mut self, session: SessionKey, push: Push);

    /// A publication to many sessions of one variant, each of which is named once.
    fn deliver(
        &mut self,
        channel: &ChannelName,
        publication: &Arc<Publication>,
        variant: Variant,
        receivers: &[SessionKey],
    );

    /// Somebody came, or left, to many sessions of one variant.
    fn announce(
        &mut self,
        channel: &ChannelName,
        member: &Arc<Member>,
        came: bool,
        variant: Variant,
        receivers: &[SessionKey],
    );

    /// A request to the broker. Those of one channel are carried out in this order.
    fn submit(&mut self, request: Request);

    /// Whether one more session of `user` may be, as far as others than this shard know. Asked once, when
    /// a session has said who it is and nobody has heard of it: if not, it ends with
    /// [`Disconnect::ConnectionLimit`](crate::Disconnect::ConnectionLimit), and nobody ever does.
    fn admit(&mut self, session: SessionKey, user: &UserId) -> bool {
        let _ = (session, user);
        true
    }
}
