//! Everything a peer can make grow, and how far.

use core::time::Duration;

/// What one connection accepts from its peer. Shared by all connections of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes in a message, over all its fragments, inflated where it is compressed.
    /// Beyond: 1009. Default: 1 MiB.
    pub message_len_max: u64,
    /// Bytes in one frame, judged by its header before any of its payload is read.
    /// Beyond: 1009. Default: no limit of its own; `message_len_max` holds.
    pub frame_len_max: u64,
    /// Fragments in a message. Beyond: 1008. Default: 4096.
    pub fragment_count_max: u32,
    /// Control frames in one second. Beyond: 1008. Default: 10,000.
    pub control_frames_per_second_max: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_len_max: 1 << 20,
            frame_len_max: u64::MAX,
            fragment_count_max: 4096,
            control_frames_per_second_max: 10_000,
        }
    }
}

/// How long a connection waits. `None`: for ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeouts {
    /// For the peer's half of the closing handshake, and for TCP to end after it (RFC 6455 §7.1.1).
    /// Default: 5 s.
    pub close: Duration,
    /// For a peer that does not take what is queued for it: in each such span it must take
    /// 1 KiB a second, or all there is. Default: 30 s.
    pub write_stall: Option<Duration>,
    /// For the rest of a message whose first byte has arrived. Default: none.
    pub message: Option<Duration>,
    /// From the last byte received to our Ping. Default: 20 s.
    pub ping_after: Option<Duration>,
    /// From our Ping to the next byte received; after it the peer counts as gone. Default: 20 s.
    pub pong_within: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            close: Duration::from_secs(5),
            write_stall: Some(Duration::from_secs(30)),
            message: None,
            ping_after: Some(Duration::from_secs(20)),
            pong_within: Duration::from_secs(20),
        }
    }
}
