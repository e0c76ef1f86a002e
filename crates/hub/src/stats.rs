//! [`ShardStats`]: how much of everything there is.

/// How much of everything there is in a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ShardStats {
    /// Sessions, those that have not said who they are among them.
    pub session_count: usize,
    /// Users who have sessions.
    pub user_count: usize,
    /// Channels with subscribers here.
    pub channel_count: usize,
}
