//! [`Paces`]: a bucket for each address.

use std::hash::Hash;

use tidewire_hub::{Seed, Timestamp};

use super::{
    bucket::{Bucket, Pace, TooFast},
    generations::Generations,
};

/// Buckets by key, of which so many are kept. Who was not seen for longest is forgotten first; it starts
/// with a full bucket again, so with more keys at hand than are kept one is as fast as with more of them.
#[derive(Debug)]
pub struct Paces<K> {
    pace: Pace,
    buckets: Generations<K, Bucket>,
}

impl<K: Hash + Eq + Clone> Paces<K> {
    /// Each key at this pace; `count_max` of them are kept.
    pub fn new(pace: Pace, count_max: usize, seed: Seed) -> Self {
        Self { pace, buckets: Generations::new(count_max, seed) }
    }

    /// Takes `cost` out of the bucket of `key`.
    ///
    /// # Errors
    /// If there is not so much in it.
    pub fn take(&mut self, now: Timestamp, key: &K, cost: u32) -> Result<(), TooFast> {
        if self.pace == Pace::UNLIMITED {
            return Ok(());
        }
        if let Some(bucket) = self.buckets.touch(key.clone()) {
            return bucket.take(now, cost, self.pace);
        }
        let mut bucket = Bucket::default();
        let taken = bucket.take(now, cost, self.pace);
        self.buckets.insert(key.clone(), bucket);
        taken
    }

    /// How many are kept.
    pub fn len(&self) -> usize {
        self.buckets.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_its_own_and_so_many() {
        let mut paces = Paces::new(Pace::new(1, 2), 16, Seed::new([1, 2]));
        let mut take = |key: u32| paces.take(Timestamp::ZERO, &key, 1).is_ok();
        assert_eq!([take(1), take(1), take(1)], [true, true, false]);
        assert!(take(2));
        // One who keeps coming is not forgotten, however many strangers come.
        for stranger in 10..1000 {
            assert!(take(stranger));
            assert!(!take(1), "after {stranger}");
        }
        assert!(paces.len() <= 16);
        let mut unlimited = Paces::new(Pace::UNLIMITED, 16, Seed::new([1, 2]));
        assert!((0..1000).all(|_| unlimited.take(Timestamp::ZERO, &1, 1).is_ok()));
        assert!(unlimited.is_empty());
    }
}
