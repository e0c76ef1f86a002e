//! How the owner of a connection has what it may share: [`Hold`].

use std::{
    io,
    ops::Deref,
    sync::{Arc, MutexGuard},
    task::Poll,
};

use crate::link::{Inner, Link, Stream};

/// The owner's hold on transport and protocol.
///
/// A flusher, a waker or a sender that wants them holds the link as well; but one that answers each
/// message at once never meets any of them. So the link is the owner's alone until somebody else
/// is to have it: to prove each time that nobody does would be an atomic operation, and to lock it
/// two, for each call.
pub(crate) enum Hold<S> {
    /// Nobody else has ever held it. `None` only while it becomes shared.
    Sole(Option<Box<Sole<S>>>),
    Shared(Arc<Link<S>>),
}

/// As large as what an [`Arc`] allocates: so the memory that is freed when one connection comes to
/// be shared serves the next one, and leaves no hole.
pub(crate) struct Sole<S> {
    link: Link<S>,
    _counts: [usize; 2],
}

impl<S: Stream> Hold<S> {
    pub(crate) fn new(link: Link<S>) -> Self {
        Self::Sole(Some(Box::new(Sole { link, _counts: [0; 2] })))
    }

    /// Transport and protocol. `lock` is room for the lock, which is taken only while somebody else
    /// holds the link.
    #[inline]
    pub(crate) fn access<'l, 'a: 'l>(
        &'a mut self,
        lock: &'l mut Option<MutexGuard<'a, Inner<S>>>,
    ) -> &'l mut Inner<S> {
        match self {
            Self::Sole(Some(sole)) => sole.link.inner_mut(),
            Self::Sole(None) => never(),
            Self::Shared(link) => access_shared(link, lock),
        }
    }

    /// The link, for somebody else to hold as well.
    pub(crate) fn share(&mut self) -> &Arc<Link<S>> {
        if let Self::Sole(sole) = self
            && let Some(sole) = sole.take()
        {
            *self = Self::Shared(Arc::new(sole.link));
        }
        match self {
            Self::Shared(link) => link,
            Self::Sole(_) => never(),
        }
    }

    /// Has the outbox written once the running task yields.
    pub(crate) fn schedule(&mut self) {
        self.share().schedule();
    }

    /// Writes what waits. `Pending`: the flusher will go on once the transport takes more.
    pub(crate) fn poll_flush(&mut self) -> Poll<io::Result<()>> {
        if let Self::Sole(Some(sole)) = self {
            let result = sole.link.inner_mut().try_flush();
            if result.is_ready() {
                return result;
            }
        }
        let link = self.share();
        link.poll_flush(&mut link.lock())
    }

    /// What follows on a [`try_flush`](Inner::try_flush) of ours: as
    /// [`poll_flush`](Self::poll_flush) does.
    #[inline(never)]
    pub(crate) fn after_flush(&mut self, result: Poll<io::Result<()>>) -> Poll<io::Result<()>> {
        if result.is_pending() { self.poll_flush() } else { result }
    }
}

impl<S> Deref for Hold<S> {
    type Target = Link<S>;

    fn deref(&self) -> &Link<S> {
        match self {
            Self::Sole(Some(sole)) => &sole.link,
            Self::Sole(None) => never(),
            Self::Shared(link) => link,
        }
    }
}

/// Somebody else holds it, or did once.
#[inline(never)]
fn access_shared<'l, 'a: 'l, S: Stream>(
    link: &'a mut Arc<Link<S>>,
    lock: &'l mut Option<MutexGuard<'a, Inner<S>>>,
) -> &'l mut Inner<S> {
    if Arc::strong_count(link) > 1 {
        return lock.insert(link.lock());
    }
    #[expect(clippy::expect_used, reason = "only who holds a link can share it, and we do")]
    let link = Arc::get_mut(link).expect("no link is held weakly");
    link.inner_mut()
}

#[cold]
fn never() -> ! {
    unreachable!("a link becomes shared in one step")
}

#[cfg(test)]
mod tests {
    use tidewire_proto::{Connection, Role, Timestamp};

    use super::*;

    #[tokio::test]
    async fn nobody_is_locked_out_until_somebody_else_is_to_hold_it() {
        let (io, _peer) = tokio::io::duplex(64);
        let conn = Connection::new(Role::Server, Arc::default(), Timestamp::ZERO);
        let mut hold = Hold::new(Link::new(io, conn));
        let locks = |hold: &mut Hold<_>| {
            let mut lock = None;
            hold.access(&mut lock);
            lock.is_some()
        };
        assert!(hold.poll_flush().is_ready());
        assert!(matches!(hold, Hold::Sole(_)) && !locks(&mut hold), "nothing waits");
        let other = Arc::clone(hold.share());
        assert!(locks(&mut hold));
        drop(other);
        assert!(!locks(&mut hold), "it is ours alone again");
        hold.schedule();
        assert!(locks(&mut hold), "the flusher has it");
    }
}
