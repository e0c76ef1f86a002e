//! [`ChatLimits`].

use std::time::Duration;

/// What one room accepts from its clients.
#[derive(Debug, Clone)]
pub struct ChatLimits {
    /// Bytes in a message. Beyond: 1009. Default: 16 KiB.
    pub message_len_max: u64,
    /// Characters in a name. Beyond: 1008. Default: 32.
    pub name_len_max: usize,
    /// Clients in the room. Beyond: 503, or 1013 where it filled up meanwhile. Default: 1000.
    pub member_count_max: usize,
    /// Bytes that wait for a client which reads too slowly, their overhead included. Beyond: 1013. A
    /// welcome has to fit, with its history and everybody's name. Default: 256 KiB.
    pub queued_len_max: usize,
    /// Bytes a second that are read from a client on average; beyond, it waits. Each message costs
    /// 256 bytes more than its length. Default: 256 KiB.
    pub bytes_per_second: usize,
    /// And so many at once, before it waits. Default: 128 KiB.
    pub burst_len: usize,
    /// How long a named client may take until it has told its name. Beyond: 1008. Default: 10 s.
    pub join_within: Duration,
    /// Messages that a named client learns of when it joins. Default: 50.
    pub history_count_max: usize,
    /// And their bytes, as they are sent. Default: 64 KiB.
    pub history_len_max: usize,
}

/// What a message costs beyond its bytes, so that many small ones are not cheaper than they are.
pub(super) const MESSAGE_COST: usize = 256;

impl Default for ChatLimits {
    fn default() -> Self {
        Self {
            message_len_max: 16 << 10,
            name_len_max: 32,
            member_count_max: 1000,
            queued_len_max: 256 << 10,
            bytes_per_second: 256 << 10,
            burst_len: 128 << 10,
            join_within: Duration::from_secs(10),
            history_count_max: 50,
            history_len_max: 64 << 10,
        }
    }
}
