//! [`Generations`]: a map of bounded size that forgets what has not been touched for longest.

use std::{hash::Hash, mem};

use tidewire_hub::{Map, Seed};

/// Two maps, a young one and an old one. What is touched stands in the young one; when that is full it
/// becomes the old one, and what the old one held is forgotten. So each touch costs the same, however
/// many strangers come, and there are never more than `count_max` entries.
#[derive(Debug, Clone)]
pub(super) struct Generations<K, V> {
    young: Map<K, V>,
    old: Map<K, V>,
    half: usize,
}

impl<K: Hash + Eq, V> Generations<K, V> {
    /// An empty one for so many entries; at least two, one in each generation.
    pub(super) fn new(count_max: usize, seed: Seed) -> Self {
        let (young, old) = (Map::with_hasher(seed), Map::with_hasher(seed));
        Self { young, old, half: (count_max / 2).max(1) }
    }

    /// The entry, if it has not been forgotten.
    pub(super) fn touch(&mut self, key: K) -> Option<&mut V> {
        if !self.young.contains_key(&key) {
            let value = self.old.remove(&key)?;
            self.make_room();
            return Some(self.young.entry(key).or_insert(value));
        }
        self.young.get_mut(&key)
    }

    /// Puts an entry in the place of any other with this key.
    pub(super) fn insert(&mut self, key: K, value: V) {
        self.old.remove(&key);
        if !self.young.contains_key(&key) {
            self.make_room();
        }
        self.young.insert(key, value);
    }

    /// Takes an entry out, if it has not been forgotten.
    pub(super) fn take(&mut self, key: &K) -> Option<V> {
        self.young.remove(key).or_else(|| self.old.remove(key))
    }

    /// Forgets an entry.
    pub(super) fn remove(&mut self, key: &K) {
        self.young.remove(key);
        self.old.remove(key);
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    fn make_room(&mut self) {
        if self.young.len() >= self.half {
            self.old.clear();
            mem::swap(&mut self.young, &mut self.old);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(count_max: usize) -> Generations<u32, char> {
        Generations::new(count_max, Seed::new([1, 2]))
    }

    #[test]
    fn never_more_than_its_size() {
        let mut map = of(8);
        for key in 0..1000 {
            map.insert(key, 'x');
            assert!(map.len() <= 8, "{} after {key}", map.len());
        }
    }

    #[test]
    fn what_is_touched_stays() {
        let mut map = of(8);
        map.insert(0, 'a');
        for key in 1..1000 {
            map.insert(key, 'x');
            assert_eq!(map.touch(0), Some(&mut 'a'), "after {key}");
        }
        assert_eq!(map.touch(1), None);
    }

    #[test]
    fn an_entry_stands_in_one_generation() {
        let mut map = of(4);
        for (key, value) in [(1, 'a'), (2, 'b'), (3, 'c'), (1, 'd')] {
            map.insert(key, value);
        }
        assert_eq!(map.touch(1), Some(&mut 'd'));
        assert_eq!(map.len(), 3);
        map.remove(&1);
        assert_eq!(map.touch(1), None);
        assert_eq!((map.take(&2), map.take(&2), map.len()), (Some('b'), None, 1));
    }
}
