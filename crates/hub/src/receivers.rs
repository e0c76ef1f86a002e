//! [`Receivers`]: who gets what is published to a channel, ready to be handed over as slices.
//!
//! A subscription remembers where in its list it stands, so that it can be taken out without a search.
//! Where somebody else had to move for it, that is told, and the caller corrects what the other remembers.

use crate::outside::{SessionKey, Variant};

/// Somebody now stands elsewhere in a list.
pub(crate) type Moved = Option<(SessionKey, u32)>;

/// The receivers of a channel, by variant. A channel has few variants, mostly one.
#[derive(Debug, Default)]
pub(crate) struct Receivers(Vec<(Variant, List)>);

/// Sessions, of which the first ones want to hear who comes and goes.
#[derive(Debug, Default)]
pub(crate) struct List {
    keys: Vec<SessionKey>,
    hearing: u32,
}

impl Receivers {
    pub(crate) fn list_mut(&mut self, variant: Variant) -> &mut List {
        let index = self.0.iter().position(|(of, _)| *of == variant).unwrap_or_else(|| {
            self.0.push((variant, List::default()));
            self.0.len() - 1
        });
        &mut self.0[index].1
    }

    /// Each variant that somebody has, and who has it.
    pub(crate) fn lists(&self) -> impl Iterator<Item = (Variant, &List)> {
        self.0
            .iter()
            .filter(|(_, list)| !list.keys.is_empty())
            .map(|(variant, list)| (*variant, list))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.iter().all(|(_, list)| list.keys.is_empty())
    }
}

impl List {
    pub(crate) fn keys(&self) -> &[SessionKey] {
        &self.keys
    }

    /// Those who want to hear who comes and goes.
    pub(crate) fn hearing(&self) -> &[SessionKey] {
        &self.keys[..self.hearing as usize]
    }

    /// Takes somebody in; says where it stands.
    pub(crate) fn insert(&mut self, key: SessionKey, hears: bool) -> (u32, Moved) {
        let last = index(self.keys.len());
        self.keys.push(key);
        if !hears {
            return (last, None);
        }
        let at = self.hearing;
        self.hearing += 1;
        self.keys.swap(at as usize, last as usize);
        (at, (at != last).then(|| (self.keys[last as usize], last)))
    }

    /// Takes out who stands there.
    pub(crate) fn remove(&mut self, at: u32) -> [Moved; 2] {
        let last = index(self.keys.len() - 1);
        let mut moved = [None, None];
        let mut hole = at;
        if at < self.hearing {
            // The last of those who hear takes its place, so that the hole is among the others.
            self.hearing -= 1;
            hole = self.hearing;
            self.keys.swap(at as usize, hole as usize);
            moved[0] = (at != hole).then(|| (self.keys[at as usize], at));
        }
        self.keys.swap_remove(hole as usize);
        moved[1] = (hole != last).then(|| (self.keys[hole as usize], hole));
        moved
    }
}

/// There are fewer sessions than that, since their keys have as many bits.
fn index(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(index: u32) -> SessionKey {
        SessionKey { index, generation: 0 }
    }

    proptest! {
        /// Whoever comes and goes, each stands where it was told it stands, and those who hear come first.
        #[test]
        fn everybody_stands_where_it_was_told(steps in prop::collection::vec((any::<bool>(), any::<bool>(), any::<u16>()), 1..200)) {
            let mut list = List::default();
            let mut told: Vec<Option<(u32, bool)>> = Vec::new();
            for (comes, hears, which) in steps {
                let moved = if comes {
                    let (at, moved) = list.insert(key(index(told.len())), hears);
                    told.push(Some((at, hears)));
                    [moved, None]
                } else {
                    let here: Vec<usize> = (0..told.len()).filter(|i| told[*i].is_some()).collect();
                    if here.is_empty() { continue; }
                    let who = here[usize::from(which) % here.len()];
                    let (at, _) = told[who].take().unwrap();
                    prop_assert_eq!(list.keys()[at as usize], key(index(who)));
                    list.remove(at)
                };
                for (who, at) in moved.into_iter().flatten() {
                    told[who.index()].as_mut().unwrap().0 = at;
                }
                prop_assert_eq!(list.keys().len(), told.iter().flatten().count());
                for (who, (at, hears)) in told.iter().enumerate().filter_map(|(who, told)| told.map(|told| (who, told))) {
                    prop_assert_eq!(list.keys()[at as usize], key(index(who)));
                    prop_assert_eq!(hears, list.hearing().contains(&key(index(who))));
                }
            }
        }
    }
}
