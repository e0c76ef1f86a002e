//! [`Users`]: the sessions of each user, for the application's calls.

use crate::{
    names::UserId,
    outside::SessionKey,
    seeded::{Map, Seed},
};

/// The sessions of each user. The anonymous are nobody in particular, and not listed.
#[derive(Debug)]
pub(crate) struct Users(Map<UserId, Vec<SessionKey>>);

impl Users {
    pub(crate) fn new(seed: Seed) -> Self {
        Self(Map::with_hasher(seed))
    }

    /// A session's user is known now. Says which place it has.
    pub(crate) fn insert(&mut self, user: &UserId, session: SessionKey) -> u32 {
        if user.is_anonymous() {
            return 0;
        }
        let sessions = self.0.entry(user.clone()).or_insert_with(|| Vec::with_capacity(1));
        sessions.push(session);
        u32::try_from(sessions.len() - 1).unwrap_or(u32::MAX)
    }

    /// Takes out a session by its place; says who has that place now.
    pub(crate) fn remove(&mut self, user: &UserId, place: u32) -> Option<(SessionKey, u32)> {
        if user.is_anonymous() {
            return None;
        }
        let sessions = self.0.get_mut(user)?;
        sessions.swap_remove(place as usize);
        let moved = sessions.get(place as usize).map(|moved| (*moved, place));
        if sessions.is_empty() {
            self.0.remove(user);
        }
        moved
    }

    pub(crate) fn sessions(&self, user: &UserId) -> &[SessionKey] {
        self.0.get(user).map_or(&[], Vec::as_slice)
    }

    /// How many sessions have a user.
    pub(crate) fn session_count(&self) -> usize {
        self.0.values().map(Vec::len).sum()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}
