//! What we would agree to: [`DeflateConfig`].

/// How an endpoint offers, accepts and uses permessage-deflate (RFC 7692).
///
/// **Compression and secrets**: where a message carries a secret *and* text that an attacker
/// chooses, its compressed length tells about the secret (§8; CRIME, BREACH). Send such messages
/// uncompressed, and beware of context takeover, which lets one message refer to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeflateConfig {
    /// 0 (stored) to 9 (smallest); what is above counts as 9. Default: 1, which costs a quarter
    /// of level 6 on small messages and leaves them some 45% longer.
    pub level: u8,
    /// Messages of fewer bytes are sent as they are. Default: 64, since a message without
    /// history to refer to hardly shrinks below it.
    pub threshold: u16,
    /// The largest window of the server's compressor, 8 to 15 bits (`server_max_window_bits`);
    /// what is beyond counts as the nearest. A server sends with no more; a client asks for it,
    /// and does without where the server cannot. Default: 12, which is 4 KiB.
    pub server_window_bits: u8,
    /// The largest window of the client's compressor, likewise (`client_max_window_bits`). A
    /// client sends with no more; a server asks for it where the client lets it. Default: 12.
    pub client_window_bits: u8,
    /// The server compresses each message on its own (`server_no_context_takeover`). A client asks
    /// for it, and does without where the server cannot. Default: no.
    pub server_no_context_takeover: bool,
    /// The client compresses each message on its own (`client_no_context_takeover`). Default: no.
    pub client_no_context_takeover: bool,
}

impl DeflateConfig {
    /// Windows of 4 KiB with context takeover, level 1: most of the gain on small messages that
    /// resemble each other, for 8 KB of an idle connection.
    pub const fn balanced() -> Self {
        Self {
            level: 1,
            threshold: 64,
            server_window_bits: 12,
            client_window_bits: 12,
            server_no_context_takeover: false,
            client_no_context_takeover: false,
        }
    }

    /// No context takeover: an idle connection owns nothing, and small messages hardly shrink.
    pub const fn small_memory() -> Self {
        Self {
            server_no_context_takeover: true,
            client_no_context_takeover: true,
            threshold: 256,
            ..Self::balanced()
        }
    }

    /// Windows of 32 KiB with context takeover, level 6: up to 64 KiB of an idle connection.
    pub const fn best_ratio() -> Self {
        Self {
            level: 6,
            threshold: 16,
            server_window_bits: 15,
            client_window_bits: 15,
            ..Self::balanced()
        }
    }
}

impl Default for DeflateConfig {
    /// [`balanced`](Self::balanced).
    fn default() -> Self {
        Self::balanced()
    }
}
