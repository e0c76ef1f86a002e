//! [`Roster`]: who is in a channel, in order of arrival.

use std::sync::Arc;

use tidewire_hub::{ClientId, Map, Member, Seed, UserId};

/// Up to here members are found by looking at each: most channels have few, and an index costs more
/// memory than they do.
const UNINDEXED_MAX: usize = 16;

/// The members of a channel.
#[derive(Debug, Default)]
pub(super) struct Roster {
    /// In order of arrival. Who has left leaves a gap, until half of it is gaps.
    places: Vec<Option<Arc<Member>>>,
    count: usize,
    index: Option<Box<Index>>,
}

/// Where members stand, and how often each user does.
#[derive(Debug)]
struct Index {
    clients: Map<ClientId, usize>,
    users: Map<UserId, u32>,
}

impl Roster {
    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(super) fn contains(&self, client: &ClientId) -> bool {
        self.place_of(client).is_some()
    }

    /// Members, in order of arrival.
    pub(super) fn members(&self) -> impl Iterator<Item = &Arc<Member>> {
        self.places.iter().flatten()
    }

    /// Different users. All who have not said who they are count as one.
    pub(super) fn user_count(&self) -> usize {
        if let Some(index) = &self.index {
            return index.users.len();
        }
        let users = |count| self.members().map(|member| &member.user).take(count);
        let seen_before =
            |(n, member): &(usize, &Arc<Member>)| users(*n).any(|user| *user == member.user);
        self.members().enumerate().filter(|member| !seen_before(member)).count()
    }

    /// Adds a member at the end. One that is here already stays in its place, with what is said of it
    /// now. Whether it is new.
    pub(super) fn enter(&mut self, member: Arc<Member>, seed: Seed) -> bool {
        if let Some(place) = self.place_of(&member.client) {
            let before = self.places[place].replace(Arc::clone(&member));
            if let Some(index) = &mut self.index {
                index.count(&member.user);
                if let Some(before) = before {
                    index.discount(&before.user);
                }
            }
            return false;
        }
        if let Some(index) = &mut self.index {
            index.clients.insert(member.client.clone(), self.places.len());
            index.count(&member.user);
        }
        self.places.push(Some(member));
        self.count += 1;
        if self.index.is_none() && self.count > UNINDEXED_MAX {
            self.rebuild(seed);
        }
        true
    }

    /// Takes a member out. `None` if it was not there.
    pub(super) fn leave(&mut self, client: &ClientId, seed: Seed) -> Option<Arc<Member>> {
        let place = self.place_of(client)?;
        let member = self.places[place].take()?;
        self.count -= 1;
        if let Some(index) = &mut self.index {
            index.clients.remove(client);
            index.discount(&member.user);
        }
        // Each gap was an arrival and a departure, so closing them all is paid for by those.
        if self.count < self.places.len() / 2 || self.count == 0 {
            self.rebuild(seed);
        }
        Some(member)
    }

    fn place_of(&self, client: &ClientId) -> Option<usize> {
        match &self.index {
            Some(index) => index.clients.get(client).copied(),
            None => self
                .places
                .iter()
                .position(|place| place.as_ref().is_some_and(|member| member.client == *client)),
        }
    }

    /// Closes the gaps, and makes the index anew, or does without one.
    fn rebuild(&mut self, seed: Seed) {
        self.places.retain(Option::is_some);
        self.places.shrink_to(self.count * 2);
        self.index = None;
        if self.count > UNINDEXED_MAX {
            let mut index =
                Index { clients: Map::with_hasher(seed), users: Map::with_hasher(seed) };
            for (place, member) in self.places.iter().flatten().enumerate() {
                index.clients.insert(member.client.clone(), place);
                index.count(&member.user);
            }
            self.index = Some(Box::new(index));
        }
    }
}

impl Index {
    fn count(&mut self, user: &UserId) {
        *self.users.entry_ref(user).or_insert(0) += 1;
    }

    fn discount(&mut self, user: &UserId) {
        if let Some(count) = self.users.get_mut(user) {
            *count -= 1;
            if *count == 0 {
                self.users.remove(user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(user: &str, client: usize) -> Arc<Member> {
        let client = ClientId::new(&format!("c{client}"));
        let user = UserId::new(user);
        Arc::new(Member { user, client, connection_info: None, channel_info: None })
    }

    fn clients(roster: &Roster) -> Vec<&str> {
        roster.members().map(|member| member.client.as_str()).collect()
    }

    const SEED: Seed = Seed::new([1, 2]);

    #[test]
    fn members_stand_in_order_of_arrival_with_and_without_an_index() {
        for count in [3, UNINDEXED_MAX, UNINDEXED_MAX + 1, 3 * UNINDEXED_MAX] {
            let mut roster = Roster::default();
            for n in 0..count {
                assert!(roster.enter(member(if n % 2 == 0 { "even" } else { "odd" }, n), SEED));
            }
            assert_eq!(roster.user_count(), 2);
            assert!(!roster.enter(member("other", 1), SEED), "it is here already");
            assert_eq!(clients(&roster)[1], "c1", "in its place");
            assert_eq!(roster.user_count(), if count > 3 { 3 } else { 2 });
            assert_eq!(roster.leave(&ClientId::new("c0"), SEED).unwrap().user.as_str(), "even");
            assert!(roster.leave(&ClientId::new("c0"), SEED).is_none());
            assert!(roster.enter(member("even", 0), SEED));
            assert_eq!((roster.len(), *clients(&roster).last().unwrap()), (count, "c0"));
            for n in 0..count {
                assert!(roster.contains(&ClientId::new(&format!("c{n}"))));
                roster.leave(&ClientId::new(&format!("c{n}")), SEED);
                assert_eq!(roster.len(), clients(&roster).len());
            }
            assert!(roster.is_empty() && roster.user_count() == 0);
            assert!(roster.places.is_empty() && roster.index.is_none(), "nothing is left behind");
        }
    }

    #[test]
    fn gaps_do_not_pile_up() {
        let mut roster = Roster::default();
        for n in 0..1_000 {
            roster.enter(member("u", n), SEED);
            if n >= 20 {
                roster.leave(&ClientId::new(&format!("c{}", n - 20)), SEED);
            }
            assert!(roster.places.len() <= 2 * roster.count + 1);
        }
    }
}
