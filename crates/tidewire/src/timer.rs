//! When a connection wants to be looked at next: [`Timer`].

use std::{
    future::Future,
    pin::Pin,
    task::{self, Poll, ready},
};

use tidewire_proto::Timestamp;
use tokio::time::Sleep;

use crate::{
    link::{Inner, Stream},
    thread::{self, with_context},
    unread::Event,
};

/// Fires at or before the connection's next deadline.
pub(crate) struct Timer {
    sleep: Pin<Box<Sleep>>,
    at: Timestamp,
    /// The task that the timer will wake, by its address, which the timer keeps from being reused;
    /// zero for none.
    wakes: usize,
}

impl Timer {
    fn new(at: Timestamp) -> Self {
        Self { sleep: Box::pin(tokio::time::sleep_until(thread::instant(at))), at, wakes: 0 }
    }

    fn reset(&mut self, at: Timestamp) {
        self.sleep.as_mut().reset(thread::instant(at));
        self.at = at;
        self.wakes = 0;
    }

    /// Whether it will wake `task` at or before `deadline`. To tell it again costs as much as a
    /// small message's copy, and mostly it is the same task.
    #[inline]
    fn waits(&self, deadline: Timestamp, task: &task::Context<'_>) -> bool {
        let waker = task.waker().data().addr();
        self.at <= deadline && self.wakes == waker && waker != 0 && !self.sleep.is_elapsed()
    }

    fn poll(&mut self, task: &mut task::Context<'_>) -> Poll<()> {
        let waker = task.waker().data().addr();
        // Out of budget, tokio's timers want to be asked again and note nobody.
        self.wakes = if tokio::task::coop::has_budget_remaining() { waker } else { 0 };
        self.sleep.as_mut().poll(task)
    }
}

/// Waits for the connection's next deadline. `Ready(None)`: time was kept, look again.
#[inline]
pub(crate) fn poll_timer<S: Stream>(
    timer: &mut Option<Timer>,
    inner: &mut Inner<S>,
    task: &mut task::Context<'_>,
) -> Poll<Option<Event>> {
    match (inner.conn.poll_timeout(), &timer) {
        (None, _) => Poll::Pending,
        (Some(deadline), Some(timer)) if timer.waits(deadline, task) => Poll::Pending,
        (Some(deadline), _) => poll_deadline(deadline, timer, inner, task),
    }
}

/// Not inlined, so that the above is.
#[inline(never)]
fn poll_deadline<S: Stream>(
    deadline: Timestamp,
    timer: &mut Option<Timer>,
    inner: &mut Inner<S>,
    task: &mut task::Context<'_>,
) -> Poll<Option<Event>> {
    let timer = timer.get_or_insert_with(|| Timer::new(deadline));
    // A deadline that moved on is only noticed when the timer fires: messages do not touch it.
    if deadline < timer.at {
        timer.reset(deadline);
    }
    ready!(timer.poll(task));
    thread::update_time();
    let event = with_context(|cx| inner.conn.handle_timeout(cx).map(Event::from));
    if let Some(deadline) = inner.conn.poll_timeout() {
        timer.reset(deadline);
    }
    Poll::Ready(event)
}
