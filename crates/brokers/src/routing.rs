//! Which channel belongs to which partition, and which shards hear of it.

use std::{fmt, hash::BuildHasher};

use tidewire_hub::{
    ChannelName, Seed,
    broker::{Event, Response},
};

/// The partition of `count` to which a channel belongs. Every shard has to ask with the same seed.
///
/// The seed is secret, so nobody can choose names that all end up in one partition.
pub fn partition_of(seed: Seed, channel: &ChannelName, count: usize) -> usize {
    // Not the hash by which maps find the channel: within a partition, that one would be the same
    // in just the bits that have led here.
    let hash = seed.hash_one(("partition", channel.as_str()));
    // The upper half of the product: as even as `%`, without a division.
    let product = u128::from(hash) * count as u128;
    usize::try_from(product >> u64::BITS).unwrap_or(0) // it is below `count`
}

/// One of the shards of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardIndex(u8);

impl ShardIndex {
    /// As many shards as there may be.
    pub const COUNT_MAX: usize = 128;

    /// The shard of that number; `None` from [`COUNT_MAX`](Self::COUNT_MAX) on.
    pub fn new(index: usize) -> Option<Self> {
        u8::try_from(index).ok().filter(|_| index < Self::COUNT_MAX).map(Self)
    }

    /// Its number.
    pub const fn get(self) -> usize {
        self.0 as usize
    }
}

/// Some of the shards of a node.
///
/// A set of bits: every channel has one, and a publication asks it.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct ShardSet(u128);

impl ShardSet {
    /// None of them.
    pub const EMPTY: Self = Self(0);

    /// Adds a shard.
    pub const fn insert(&mut self, shard: ShardIndex) {
        self.0 |= 1 << shard.0;
    }

    /// Takes it out.
    pub const fn remove(&mut self, shard: ShardIndex) {
        self.0 &= !(1 << shard.0);
    }

    /// Whether it is among them.
    pub const fn contains(self, shard: ShardIndex) -> bool {
        self.0 & (1 << shard.0) != 0
    }

    /// Whether there are none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Each of them, in ascending order.
    pub fn iter(self) -> impl Iterator<Item = ShardIndex> {
        let mut left = self.0;
        std::iter::from_fn(move || {
            let shard = ShardIndex(u8::try_from(left.trailing_zeros()).ok()?);
            left &= left.checked_sub(1)?;
            Some(shard)
        })
    }
}

impl fmt::Debug for ShardSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(ShardIndex::get)).finish()
    }
}

/// Where everything goes that a broker has for shards: in this order, for each of them.
pub trait Postbox {
    /// The answer to a request of this shard's.
    fn respond(&mut self, to: ShardIndex, response: Response);

    /// Something in a channel that this shard has subscribed to.
    fn tell(&mut self, to: ShardIndex, event: Event);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_spread_over_partitions() {
        let seed = Seed::new([1, 2]);
        let mut counts = [0_usize; 7];
        for n in 0..7_000 {
            let channel = ChannelName::new(&format!("room:{n}")).unwrap();
            counts[partition_of(seed, &channel, 7)] += 1;
        }
        assert!(counts.iter().all(|count| (900..1_100).contains(count)), "{counts:?}");
    }

    #[test]
    fn with_one_partition_there_is_no_question() {
        let channel = ChannelName::new("news").unwrap();
        assert_eq!(partition_of(Seed::new([3, 4]), &channel, 1), 0);
    }

    #[test]
    fn a_set_has_what_was_put_in() {
        let shard = |n| ShardIndex::new(n).unwrap();
        assert_eq!(ShardIndex::new(ShardIndex::COUNT_MAX), None);
        let mut set = ShardSet::EMPTY;
        for n in [127, 0, 64] {
            set.insert(shard(n));
        }
        assert!(set.contains(shard(127)) && !set.contains(shard(1)));
        assert_eq!(set.iter().map(ShardIndex::get).collect::<Vec<_>>(), [0, 64, 127]);
        set.remove(shard(64));
        set.remove(shard(0));
        set.remove(shard(127));
        assert!(set.is_empty() && set.iter().next().is_none());
    }
}
