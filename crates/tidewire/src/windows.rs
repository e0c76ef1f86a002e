//! Flow control of HTTP/2, as WebSockets need it (RFC 9113 §5.2).

/// A window for each stream: so much may arrive on a WebSocket that nobody reads.
pub const STREAM_WINDOW_LEN: u32 = 64 << 10;

/// Streams at once on a connection.
pub const STREAM_COUNT_MAX: u32 = 256;

/// A window for all streams of a connection together. It is the sum of theirs: were it less,
/// WebSockets that nobody reads could use it up, and nothing would arrive on the others (§5.2.2).
pub const CONNECTION_WINDOW_LEN: u32 = STREAM_WINDOW_LEN * STREAM_COUNT_MAX;
