//! The flusher: one task per runtime that writes what was corked.
//!
//! `send` leaves a message in the outbox while more unread messages wait, because their answers
//! may leave with it. Whoever does so schedules the flusher, which runs once the sending task
//! yields: without a timer, and however long that task then sleeps. It is also woken when a
//! socket that was full takes more.

use std::{
    cell::RefCell,
    collections::HashMap,
    mem,
    sync::{
        Arc, LazyLock, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
};

use atomic_waker::AtomicWaker;
use tokio::runtime;

use crate::turns;

/// What the flusher can do with a connection.
pub(crate) trait Flush: Send + Sync {
    /// Writes what waits, as far as the transport takes it.
    fn flush(self: Arc<Self>);
}

pub(crate) struct Flusher {
    scheduled: Mutex<Vec<Arc<dyn Flush>>>,
    task: AtomicWaker,
    alive: AtomicBool,
}

static FLUSHERS: LazyLock<Mutex<HashMap<runtime::Id, Weak<Flusher>>>> =
    LazyLock::new(Mutex::default);

thread_local! {
    /// The one this thread used last: it nearly always is the right one.
    static RECENT: RefCell<Option<(runtime::Id, Arc<Flusher>)>> = const { RefCell::new(None) };
}

impl Flusher {
    /// The flusher of the runtime that we run on; `None` outside of one.
    pub(crate) fn current() -> Option<Arc<Self>> {
        let handle = runtime::Handle::try_current().ok()?;
        let id = handle.id();
        let recent = RECENT.with_borrow(|recent| {
            recent
                .as_ref()
                .filter(|(known, flusher)| *known == id && flusher.is_alive())
                .map(|(_, flusher)| Arc::clone(flusher))
        });
        if recent.is_some() {
            return recent;
        }
        let mut flushers = FLUSHERS.lock().unwrap_or_else(PoisonError::into_inner);
        flushers.retain(|_, flusher| flusher.upgrade().is_some_and(|flusher| flusher.is_alive()));
        let flusher = flushers.get(&id).and_then(Weak::upgrade).unwrap_or_else(|| {
            let flusher = Arc::new(Self {
                scheduled: Mutex::default(),
                task: AtomicWaker::new(),
                alive: AtomicBool::new(true),
            });
            flushers.insert(id, Arc::downgrade(&flusher));
            handle.spawn(Arc::clone(&flusher).run());
            flusher
        });
        RECENT.set(Some((id, Arc::clone(&flusher))));
        Some(flusher)
    }

    /// Has `connection` flushed soon.
    pub(crate) fn schedule(&self, connection: Arc<dyn Flush>) {
        // With its runtime gone nothing would ever take the connection out of the list again.
        if self.is_alive() {
            self.lock().push(connection);
            self.task.wake();
        }
    }

    fn is_alive(&self) -> bool {
        self.alive.load(Ordering::Acquire)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Arc<dyn Flush>>> {
        self.scheduled.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn run(self: Arc<Self>) {
        /// Tells when the runtime drops the task: a later runtime may get the same id.
        struct OnDrop(Arc<Flusher>);
        impl Drop for OnDrop {
            fn drop(&mut self) {
                self.0.alive.store(false, Ordering::Release);
                turns::forget();
                let left = mem::take(&mut *self.0.lock());
                drop(left);
            }
        }
        let flusher = OnDrop(self);
        turns::follow(&runtime::Handle::current());
        let mut batch = Vec::new();
        std::future::poll_fn(|cx| -> Poll<()> {
            flusher.0.task.register(cx.waker());
            mem::swap(&mut batch, &mut *flusher.0.lock());
            for connection in batch.drain(..) {
                connection.flush();
            }
            Poll::Pending
        })
        .await;
    }
}
