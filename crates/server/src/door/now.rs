//! [`Now`]: the time, by the two clocks that the door goes by.

use std::time::Duration;

use tidewire_hub::Timestamp;

/// A moment. Nothing at the door reads a clock: its driver does, once a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_structs, reason = "the driver makes it")]
pub struct Now {
    /// Milliseconds since 1970, by the clock on the wall: tokens speak of it.
    pub unix: u64,
    /// The hub's time, which does not jump: everything that is counted here goes by it.
    pub hub: Timestamp,
}

impl Now {
    /// The hub's time at a moment in milliseconds since 1970; now, if that is past.
    pub fn hub_time_of(self, unix: u64) -> Timestamp {
        self.hub.saturating_add(Duration::from_millis(unix.saturating_sub(self.unix)))
    }
}
