//! Where channels live: brokers behind the contract of [`tidewire_hub::broker`].
//!
//! - [`memory`]: the embedded default. A [`Partition`](memory::Partition) is a value with one owner, as a
//!   shard is; channels belong to partitions by hash ([`partition_of`]).
//! - [`Crossing`]: what a queue between a broker and a shard may not do: to lose anything untold.
//! - `conformance`, behind the feature of that name: the suite that every broker passes.
//!
//! Nothing here knows sessions, sockets or wire formats.
#![forbid(unsafe_code)]

#[cfg(feature = "conformance")]
pub mod conformance;
mod crossing;
pub mod memory;
mod routing;

pub use crossing::{Crossing, Lane, Over, Parcel};
pub use routing::{Postbox, ShardIndex, ShardSet, partition_of};
