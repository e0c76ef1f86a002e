//! Draining: all sessions are told to go elsewhere, spread over some time, so that the others are not
//! overrun by those who come.

use std::time::Duration;

use crate::{
    error::Disconnect,
    shard::{Shard, Turn},
    time::Timestamp,
};

/// A shard that is being drained.
#[derive(Debug)]
pub(crate) struct Drain {
    began_at: Timestamp,
    over: Duration,
    /// As many sessions as there were.
    total: usize,
    told: usize,
    /// Everybody before this place has been told.
    place: usize,
}

impl Shard {
    /// Tells all sessions to go elsewhere, evenly spread over that time, and lets nobody in any more.
    /// It is done when [`stats`](Self::stats) tells of no session.
    pub fn drain(&mut self, now: Timestamp, over: Duration) {
        let total = self.sessions.len();
        self.drain = Some(Drain { began_at: now, over, total, told: 0, place: 0 });
    }

    /// Tells as many as should know by now.
    pub(crate) fn drain_some(&mut self, turn: &mut Turn<'_>) {
        loop {
            let Some(drain) = &mut self.drain else { return };
            let elapsed = turn.now.saturating_since(drain.began_at);
            let is_over = elapsed >= drain.over;
            if drain.place >= self.sessions.place_count()
                || (!is_over && drain.told >= drain.due(elapsed))
            {
                return;
            }
            let here = self.sessions.at(drain.place).map(|(key, _)| key);
            drain.place += 1;
            drain.told += usize::from(here.is_some());
            if let Some(key) = here {
                self.end(key, Disconnect::Shutdown, turn);
            }
        }
    }
}

impl Drain {
    /// As many as should have been told after that time.
    fn due(&self, elapsed: Duration) -> usize {
        let share =
            elapsed.as_millis().saturating_mul(self.total as u128) / self.over.as_millis().max(1);
        usize::try_from(share).unwrap_or(usize::MAX).min(self.total)
    }
}
