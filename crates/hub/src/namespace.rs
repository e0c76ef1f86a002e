//! Namespaces: what the channels of one kind have and allow.

use std::{sync::Arc, time::Duration};

use crate::{
    broker::Retention,
    names::ChannelName,
    seeded::{Map, Seed},
};

/// The kinds of channels, by the name before the first `:`.
#[derive(Debug, Clone)]
pub struct Namespaces {
    /// For channels without a namespace; `None`: there are none.
    bare: Option<Arc<ChannelOptions>>,
    named: Map<Box<str>, Arc<ChannelOptions>>,
}

impl Namespaces {
    /// No channels at all.
    pub fn new(seed: Seed) -> Self {
        Self { bare: None, named: Map::with_hasher(seed) }
    }

    /// Allows channels without a namespace.
    #[must_use]
    pub fn bare(mut self, options: ChannelOptions) -> Self {
        self.bare = Some(Arc::new(options));
        self
    }

    /// Allows channels that begin with `name:`.
    #[must_use]
    pub fn named(mut self, name: &str, options: ChannelOptions) -> Self {
        self.named.insert(name.into(), Arc::new(options));
        self
    }

    /// What a channel has and allows; `None` where there is no such namespace.
    pub fn options(&self, channel: &ChannelName) -> Option<&Arc<ChannelOptions>> {
        match channel.namespace() {
            Some(namespace) => self.named.get(namespace),
            None => self.bare.as_ref(),
        }
    }
}

/// What a channel has and allows. By default it has nothing and allows nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_structs, reason = "the configuration makes it, with `..default()`")]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct ChannelOptions {
    /// Who may do what.
    pub permissions: Permissions,
    /// How much history is kept: without it a channel has no stream, no position and no recovery.
    pub history: Option<Retention>,
    /// Who is there is known.
    pub presence: bool,
    /// Others hear who comes and goes, if they ask for it.
    pub join_leave: bool,
    /// They hear it without asking.
    pub force_join_leave: bool,
    /// A client may ask for recovery.
    pub allow_recovery: bool,
    /// Every subscription is recoverable.
    pub force_recovery: bool,
    /// A client may ask for gaps to be noticed.
    pub allow_positioning: bool,
    /// Gaps are noticed in every subscription.
    pub force_positioning: bool,
    /// `name#ann,bob` is a channel of Ann and Bob alone, to which they may subscribe.
    pub allow_user_limited: bool,
    /// What becomes of a session that does not keep up.
    pub brim: Brim,
}

/// What happens when a session reads more slowly than its channels publish, and its queue is full.
///
/// The last two leave gaps, so they are for channels without recovery and positioning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_enums, reason = "a queue has to do one of these")]
pub enum Brim {
    /// The session ends with [`Disconnect::Slow`](crate::Disconnect::Slow), and recovers when it is back.
    #[default]
    Disconnect,
    /// What has waited longest gives way.
    DropOldest,
    /// Of each key only the latest waits; where there is none, or too many, what has waited longest gives way.
    Conflate,
}

/// Who may do what in a channel. A subscription or a publication that the application has granted by a
/// token, or makes itself, needs none of this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_structs, reason = "the configuration makes it, with `..default()`")]
pub struct Permissions {
    /// Subscribe. (Subscribers are nobody here.)
    pub subscribe: Who,
    /// Publish.
    pub publish: Who,
    /// Ask who is there.
    pub presence: Who,
    /// Read history.
    pub history: Who,
}

/// Some of those who may ask for something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_structs, reason = "the configuration makes it, with `..default()`")]
pub struct Who {
    /// Whoever has said who it is.
    pub users: bool,
    /// Whoever has not.
    pub anonymous: bool,
    /// Whoever is subscribed to the channel.
    pub subscribers: bool,
}

impl Retention {
    /// So many publications, none older; positions are remembered for a month.
    pub const fn new(count_max: u32, age_max: Duration) -> Self {
        Self { count_max, age_max, position_age_max: Duration::from_secs(30 * 24 * 60 * 60) }
    }
}
