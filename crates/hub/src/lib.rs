//! Channels as a value: sessions, subscriptions, history, recovery, presence and permissions.
//!
//! A [`Shard`] is a state machine with one owner. Commands of sessions, events of the broker and the
//! time go in; replies, pushes and requests to the broker come out, through an [`Outside`] that the
//! owner hands in. It knows no socket, no clock, no thread, no randomness and no wire format, and
//! nothing in it depends on the order of a map: the same calls make the same answers, so a seed
//! replays a whole world.
//!
//! # The stream contract
//!
//! A channel is a stream: an [`Epoch`], which is this incarnation of it, and offsets that grow by one
//! with each publication. Subscribing with a [`Position`] either recovers *all* that was missed, in
//! order and once, and says so, or says that it did not and delivers none of it. A gap that is seen
//! while live is repaired from history, or told; it is never passed over.
//!
//! # Brokers
//!
//! Where streams live is a broker's business. The contract is messages ([`broker`]), not a trait with
//! futures in it, so that event loops can speak it and a simulator can replay it.
#![forbid(unsafe_code)]

mod application;
mod backlog;
pub mod broker;
mod channel;
mod checking;
mod command;
mod config;
mod connecting;
mod delivering;
mod drain;
mod error;
mod feed;
mod holding;
mod latencies;
mod leaving;
mod names;
mod namespace;
mod outside;
mod pace;
mod permissions;
mod proof;
mod publication;
mod publishing;
mod receivers;
mod recovering;
mod refreshing;
mod repairing;
mod requests;
mod retrying;
mod seeded;
mod session;
mod settling;
mod shard;
mod stats;
mod stretch;
mod subscribing;
mod subscription;
mod ticking;
mod time;
mod users;

pub use application::Whom;
pub use command::{
    Command, CommandId, Connect, Connected, Credentials, Dismissal, Farewell, History,
    HistoryFilter, Publish, Push, Reply, Subscribe, Subscribed, SubscriptionGrant, TokenError,
    Verifier,
};
pub use config::{HubConfig, HubLimits};
pub use error::{Disconnect, Error, Unsubscribe};
pub use latencies::Latencies;
pub use names::{ChannelName, ClientId, InvalidChannelName, UserId};
pub use namespace::{Brim, ChannelOptions, Namespaces, Permissions, Who};
pub use outside::{Outside, SessionKey, Variant};
pub use pace::Rate;
pub use publication::{Data, Epoch, Member, Position, Publication, Tags};
pub use seeded::{Map, Seed, Set};
pub use shard::{Guest, Shard};
pub use stats::{ShardCounts, ShardStats};
pub use time::Timestamp;
