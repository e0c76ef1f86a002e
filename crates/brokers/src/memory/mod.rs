//! The embedded broker: channels in this process's memory.
//!
//! A [`Partition`] owns the channels that [hash to it](crate::partition_of), and has one owner itself: it
//! knows no lock, clock, thread or randomness. Requests and the time go in; answers and events come out,
//! through a [`Postbox`](crate::Postbox). It numbers publications, so all shards see them in one order.
//!
//! # What it promises
//!
//! All of the [contract](tidewire_hub::broker), as long as the process lives. When it ends, streams end, and
//! a new process has new epochs: who was there before is told so.
//!
//! # Memory
//!
//! Everything that clients can make grow has a bound in [`Limits`]. Where it is reached, what nobody is
//! waiting for gives way (history that would have expired next, positions of channels where nothing
//! is kept, keys of the longest ago): what is lost by that is *told* to whoever asks for it. Only where nothing
//! can give way is a request refused.

mod agenda;
mod asks;
mod channel;
mod keeping;
mod keys;
mod limits;
mod partition;
mod roster;
mod stream;

pub use limits::Limits;
pub use partition::{Partition, Stats};

use tidewire_hub::Timestamp;

/// What time it is, twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_structs, reason = "the driver makes it")]
pub struct Now {
    /// By the clock that only goes forward: it decides what expires.
    pub at: Timestamp,
    /// Milliseconds since 1970: it is written on publications, and decides nothing.
    pub unix_millis: u64,
}
