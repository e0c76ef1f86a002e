//! How the owner gets at what it shares: [`Access`].

use std::{
    ops::{Deref, DerefMut},
    sync::{Arc, MutexGuard},
};

use crate::link::{Inner, Link, Stream};

/// Transport and protocol, for the owner.
///
/// A flusher, a waker or a sender that wants them holds the link as well. Mostly none of them does:
/// one atomic operation proves that, where a lock and its release would be two for each call.
pub(crate) enum Access<'a, S> {
    /// Nobody else holds the link, so there is nobody to lock out.
    Sole(&'a mut Inner<S>),
    Locked(MutexGuard<'a, Inner<S>>),
}

impl<'a, S: Stream> Access<'a, S> {
    pub(crate) fn new(link: &'a mut Arc<Link<S>>) -> Self {
        if Arc::strong_count(link) > 1 {
            return Self::Locked(link.lock());
        }
        #[expect(clippy::expect_used, reason = "only who holds a link can share it, and we do")]
        let link = Arc::get_mut(link).expect("no link is held weakly");
        Self::Sole(link.inner_mut())
    }
}

impl<S> Deref for Access<'_, S> {
    type Target = Inner<S>;

    fn deref(&self) -> &Inner<S> {
        match self {
            Self::Sole(inner) => inner,
            Self::Locked(inner) => inner,
        }
    }
}

impl<S> DerefMut for Access<'_, S> {
    fn deref_mut(&mut self) -> &mut Inner<S> {
        match self {
            Self::Sole(inner) => inner,
            Self::Locked(inner) => inner,
        }
    }
}
