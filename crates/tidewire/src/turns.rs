//! Turns of a thread's runtime: within one, the time need not be read twice.
//!
//! To read the clock costs a short message as much as its unmasking, and what it is read for are
//! deadlines of seconds. A runtime of one thread looks at its sockets, polls at most some 60 tasks
//! and looks again; it measures each of these turns for its metrics, so that a change of those tells
//! of a new one. Runtimes of several threads do not tell which worker we are on: there, and wherever
//! else nothing is known, each turn is a new one.

use std::{cell::RefCell, time::Duration};

use tokio::runtime::{Handle, RuntimeFlavor, RuntimeMetrics};

/// So often at most a turn is taken for the same, whatever the metrics say.
const SAME_MAX: u8 = 64;

struct Turns {
    metrics: RuntimeMetrics,
    busy: Duration,
    same: u8,
}

thread_local! {
    static TURNS: RefCell<Option<Turns>> = const { RefCell::new(None) };
}

/// From now on the turns of `runtime` are those of this thread, which runs it.
pub(crate) fn follow(runtime: &Handle) {
    let turns = (runtime.runtime_flavor() == RuntimeFlavor::CurrentThread).then(|| Turns {
        metrics: runtime.metrics(),
        busy: Duration::ZERO,
        same: SAME_MAX,
    });
    TURNS.set(turns);
}

/// The runtime of this thread ends.
pub(crate) fn forget() {
    // A thread that is being torn down has forgotten by itself.
    let _ = TURNS.try_with(RefCell::take);
}

/// Whether the turn is another one than when this was last asked.
#[inline]
pub(crate) fn is_new() -> bool {
    TURNS.with_borrow_mut(|turns| match turns {
        Some(turns) => turns.go_on(),
        None => true,
    })
}

impl Turns {
    fn go_on(&mut self) -> bool {
        let busy = self.busy_duration();
        if self.busy == busy && self.same < SAME_MAX {
            self.same += 1;
            return false;
        }
        self.busy = busy;
        self.same = 0;
        true
    }

    #[cfg(target_has_atomic = "64")]
    fn busy_duration(&self) -> Duration {
        self.metrics.worker_total_busy_duration(0)
    }

    /// Nothing is measured here; see that each turn is a new one.
    #[cfg(not(target_has_atomic = "64"))]
    fn busy_duration(&self) -> Duration {
        self.busy + Duration::from_nanos(1)
    }
}

#[cfg(test)]
mod tests {
    use tokio::{runtime, task::yield_now};

    use super::*;

    #[test]
    fn a_turn_is_new_once() {
        let runtime = runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            assert!(is_new() && is_new(), "nobody is followed");
            follow(&Handle::current());
            for _ in 0..3 {
                assert!(is_new());
                assert!(!is_new() && !is_new());
                yield_now().await;
            }
            assert!(is_new());
            assert_eq!((0..SAME_MAX).filter(|_| is_new()).count(), 0);
            assert!(is_new(), "it was the same for too long");
            forget();
            assert!(is_new() && is_new());
        });
    }

    #[test]
    fn of_several_threads_nothing_is_known() {
        let runtime = runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        runtime.block_on(async {
            follow(&Handle::current());
            assert!(is_new() && is_new());
        });
    }
}
