//! [`Places`]: how many connections there are, of the node and of an address.

use std::{
    fmt,
    hash::Hash,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tidewire_hub::{Map, Seed, UserId};

use super::{
    address::AddressKey,
    users::{UserPlace, Users},
};

/// How many connections there may be. Zero: there is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the configuration makes it, with `..default()`")]
pub struct PlaceLimits {
    /// On this node.
    pub connection_count_max: u32,
    /// Of one address; of IPv6, of one /64.
    pub connection_count_per_address_max: u32,
}

impl Default for PlaceLimits {
    /// Whole offices come from one address.
    fn default() -> Self {
        Self { connection_count_max: 100_000, connection_count_per_address_max: 1000 }
    }
}

/// The places there are, shared by all threads. What takes one gets a [`Place`], and leaves by dropping it:
/// on whatever thread, for whatever reason, and once. So none is ever leaked or given back twice.
///
/// There is one lock, which is held for as long as it takes to count.
#[derive(Debug, Clone)]
pub struct Places(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    limits: PlaceLimits,
    taken: Mutex<Taken>,
    users: Users,
}

/// Never more entries than connections: who has left altogether is not in it.
#[derive(Debug)]
struct Taken {
    count: u32,
    addresses: Map<AddressKey, u32>,
}

/// The place of a connection.
#[derive(Debug)]
#[must_use = "who drops it has left"]
pub struct Place {
    shared: Arc<Shared>,
    address: AddressKey,
}

/// Of what there are too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "one for each limit")]
pub enum Full {
    /// Connections on this node.
    Node,
    /// Connections of that address.
    Address,
    /// Connections of that user.
    User,
}

impl Places {
    /// All of them free. Whoever has one may say later which of the `users` it is.
    pub fn new(limits: PlaceLimits, users: Users, seed: Seed) -> Self {
        let taken = Mutex::new(Taken { count: 0, addresses: Map::with_hasher(seed) });
        Self(Arc::new(Shared { limits, taken, users }))
    }

    /// Takes a place for a connection from `address`.
    ///
    /// # Errors
    /// If there is none on the node, or none for that address.
    pub fn enter(&self, address: IpAddr) -> Result<Place, Full> {
        let (limits, address) = (&self.0.limits, AddressKey::from(address));
        let mut taken = self.0.lock();
        if is_full(taken.count, limits.connection_count_max) {
            return Err(Full::Node);
        }
        if !increment(&mut taken.addresses, address, limits.connection_count_per_address_max) {
            return Err(Full::Address);
        }
        taken.count += 1;
        drop(taken);
        Ok(Place { shared: Arc::clone(&self.0), address })
    }

    /// Takes a place for a connection of `user`, once that is known.
    ///
    /// # Errors
    /// If the user has none left.
    pub fn enter_user(&self, user: &UserId) -> Result<UserPlace, Full> {
        self.0.users.enter(user)
    }

    /// Those who have said who they are.
    pub fn users(&self) -> &Users {
        &self.0.users
    }

    /// How many are taken.
    pub fn count(&self) -> u32 {
        self.0.lock().count
    }
}

impl Place {
    /// Takes a place among those of `user` for this connection, which has said who it is by now.
    ///
    /// # Errors
    /// If the user has none left.
    pub fn enter_user(&self, user: &UserId) -> Result<UserPlace, Full> {
        self.shared.users.enter(user)
    }
}

impl Shared {
    /// A panic elsewhere has not made the counts wrong: nothing between lock and unlock panics.
    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.shared.lock();
        taken.count = taken.count.saturating_sub(1);
        decrement(&mut taken.addresses, &self.address);
    }
}

impl Full {
    /// A stable name, for logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Node => "node_full",
            Self::Address => "address_full",
            Self::User => "user_full",
        }
    }
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Node => "this node has as many connections as it may (connection_limit)",
            Self::Address => {
                "the address has as many connections as it may (connection_limit_per_address)"
            }
            Self::User => "the user has as many connections as it may (user_connection_limit)",
        })
    }
}

impl std::error::Error for Full {}

const fn is_full(count: u32, count_max: u32) -> bool {
    count_max != 0 && count >= count_max
}

fn increment<K: Hash + Eq>(counts: &mut Map<K, u32>, key: K, count_max: u32) -> bool {
    let count = counts.entry(key).or_default();
    // With a limit of zero it is never full, and otherwise the entry was there already.
    if is_full(*count, count_max) {
        return false;
    }
    *count = count.saturating_add(1);
    true
}

fn decrement<K: Hash + Eq>(counts: &mut Map<K, u32>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1; // an entry is one at least
        if *count == 0 {
            counts.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::door::users::UserLimits;

    fn places(node: u32, address: u32) -> Places {
        let limits =
            PlaceLimits { connection_count_max: node, connection_count_per_address_max: address };
        let seed = Seed::new([1, 2]);
        Places::new(limits, Users::new(UserLimits::default(), seed), seed)
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn s20_limits_at_and_beyond() {
        let places = places(4, 2);
        let (one, two) = (ip("192.0.2.1"), ip("192.0.2.2"));
        let first = places.enter(one).unwrap();
        let _second = places.enter(one).unwrap();
        assert_eq!(places.enter(one).unwrap_err(), Full::Address);
        let _third = places.enter(two).unwrap();
        let _fourth = places.enter(two).unwrap();
        assert_eq!(places.enter(ip("::1")).unwrap_err(), Full::Node);
        assert_eq!(places.count(), 4);
        // Who leaves makes room, for the address and for the node.
        drop(first);
        let _fifth = places.enter(one).unwrap();
        assert_eq!(places.enter(one).unwrap_err(), Full::Node);
    }

    #[test]
    fn one_household_is_one_address() {
        let places = places(0, 1);
        let _place = places.enter(ip("2001:db8::1")).unwrap();
        assert_eq!(places.enter(ip("2001:db8::2")).unwrap_err(), Full::Address);
        let _next_door = places.enter(ip("2001:db8:0:1::1")).unwrap();
    }

    #[test]
    fn nothing_is_left_behind() {
        let places = places(0, 0);
        let crowd: Vec<_> = (0..1000_u32)
            .map(|index| {
                let user = UserId::new(&index.to_string());
                (places.enter(IpAddr::from(index.to_be_bytes())), places.enter_user(&user))
            })
            .collect();
        assert_eq!(places.count(), 1000);
        drop(crowd);
        let taken = places.0.lock();
        assert_eq!((taken.count, taken.addresses.len(), places.0.users.count()), (0, 0, 0));
    }
}
