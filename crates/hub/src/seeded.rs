//! [`Map`] and [`Set`]: keyed by what clients send, so hashed with a key that clients do not know.

use std::hash::BuildHasher;

use siphasher::sip::SipHasher13;

/// The key of a hub's maps. The driver draws it; a test chooses it.
///
/// Whoever knows it can make maps slow (SECURITY: hash flooding), so it is not shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Seed(u64, u64);

impl Seed {
    /// A key of 128 bits, which should come from the system's generator.
    pub const fn new(key: [u64; 2]) -> Self {
        Self(key[0], key[1])
    }
}

impl std::fmt::Debug for Seed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seed(..)")
    }
}

impl BuildHasher for Seed {
    type Hasher = SipHasher13;

    fn build_hasher(&self) -> SipHasher13 {
        SipHasher13::new_with_keys(self.0, self.1)
    }
}

/// A map that is looked up and never walked over where its order could be seen.
pub type Map<K, V> = hashbrown::HashMap<K, V, Seed>;

/// As [`Map`].
pub type Set<K> = hashbrown::HashSet<K, Seed>;
