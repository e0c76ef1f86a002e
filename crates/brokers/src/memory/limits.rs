//! [`Limits`]: what a partition holds at most.

use std::time::Duration;

/// What a partition holds at most.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the configuration makes it, with `..default()`")]
pub struct Limits {
    /// Channels: those with history, subscribers or somebody present, and those whose position is
    /// remembered. Of the last, the one that would be forgotten next gives way; where there is none, what
    /// would need a new channel is refused.
    pub channel_count_max: usize,
    /// Bytes of all histories, with what it costs to keep a publication. The publication that would
    /// expire next gives way. One that is larger by itself is refused.
    pub history_len_max: usize,
    /// Bytes of one channel's history, counted likewise. Its oldest publication gives way, so that one busy
    /// channel does not take the others' history away.
    pub channel_history_len_max: usize,
    /// Idempotency keys. The oldest gives way: to refuse would let a flood of keys stop those who publish.
    pub idempotency_key_count_max: usize,
    /// How long they are remembered; versions as well, in channels without history.
    pub idempotency_age_max: Duration,
    /// Members in the presence of one channel. Who comes later is refused.
    pub presence_count_max: usize,
    /// Expiries that one tick handles: the rest waits for the next one, so that no tick takes long. What has
    /// expired is never handed out, whether a tick has seen to it or not.
    pub expiries_per_tick_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            channel_count_max: 1 << 20,
            history_len_max: 256 << 20,
            channel_history_len_max: 16 << 20,
            idempotency_key_count_max: 1 << 16,
            idempotency_age_max: Duration::from_secs(5 * 60),
            presence_count_max: 1 << 16,
            expiries_per_tick_max: 1_024,
        }
    }
}
