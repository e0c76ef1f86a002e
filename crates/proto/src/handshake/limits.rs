//! What a peer may send before the opening handshake is done.

/// Bounds on the opening handshake. How long it may take is the driver's to bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "built with `..HandshakeLimits::default()`")]
pub struct HandshakeLimits {
    /// Bytes of a request or response head, with the empty line that ends it. Beyond: 431 as a
    /// server, an error as a client. Default: 16 KiB.
    pub head_len_max: usize,
    /// Header lines of a head. Beyond: as above. Default: 64.
    pub header_count_max: usize,
    /// Bytes of body that a client keeps of a response that refuses. Beyond: cut off. Default:
    /// 16 KiB.
    pub body_len_max: usize,
    /// Interim (1xx) responses that a client skips (RFC 9110 §15.2). Beyond: an error. Default: 8.
    pub interim_count_max: usize,
}

impl Default for HandshakeLimits {
    fn default() -> Self {
        Self {
            head_len_max: 16 << 10,
            header_count_max: 64,
            body_len_max: 16 << 10,
            interim_count_max: 8,
        }
    }
}
