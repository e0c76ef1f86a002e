//! [`Keys`]: which idempotency keys were taken of late, and what was published under each.

use std::{collections::VecDeque, hash::BuildHasher, time::Duration};

use tidewire_hub::{ChannelName, Map, Position, Seed, Timestamp};

/// A channel and a key, as 128 bits of a keyed hash: however long they are, remembering them costs the
/// same, and nobody finds two that agree without knowing the seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Digest(u64, u64);

impl Digest {
    pub(super) fn of(seed: Seed, channel: &ChannelName, key: &str) -> Self {
        let half = |which: u8| seed.hash_one(("idempotency", which, channel.as_str(), key));
        Self(half(0), half(1))
    }
}

/// Keys by age, so many at most.
#[derive(Debug)]
pub(super) struct Keys {
    taken: Map<Digest, (Timestamp, Option<Position>)>,
    /// The oldest in front: all of them are remembered for the same time.
    order: VecDeque<(Timestamp, Digest)>,
    age_max: Duration,
    count_max: usize,
}

impl Keys {
    pub(super) fn new(seed: Seed, age_max: Duration, count_max: usize) -> Self {
        Self { taken: Map::with_hasher(seed), order: VecDeque::new(), age_max, count_max }
    }

    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    /// What was published under a key, if it is remembered.
    pub(super) fn find(&self, now: Timestamp, digest: Digest) -> Option<&Option<Position>> {
        let (at, position) = self.taken.get(&digest)?;
        (!self.is_too_old(now, *at)).then_some(position)
    }

    /// Remembers a key that is not remembered yet.
    pub(super) fn remember(&mut self, now: Timestamp, digest: Digest, position: Option<Position>) {
        self.taken.insert(digest, (now, position));
        self.order.push_back((now, digest));
        while self.order.len() > self.count_max {
            self.forget_oldest();
        }
    }

    /// Forgets what is too old, `count_max` of them at most.
    pub(super) fn expire(&mut self, now: Timestamp, count_max: usize) {
        for _ in 0..count_max {
            match self.order.front() {
                Some(&(at, _)) if self.is_too_old(now, at) => self.forget_oldest(),
                _ => return,
            }
        }
    }

    fn is_too_old(&self, now: Timestamp, at: Timestamp) -> bool {
        at.saturating_add(self.age_max) < now
    }

    fn forget_oldest(&mut self) {
        let Some((at, digest)) = self.order.pop_front() else { return };
        // Taken again since, if it had expired and nobody had seen to that yet.
        if self.taken.get(&digest).is_some_and(|taken| taken.0 == at) {
            self.taken.remove(&digest);
        }
    }
}
