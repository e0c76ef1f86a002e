//! What was negotiated: [`DeflateParams`].

use core::fmt;

use crate::opcode::Role;

/// The parameters in force on a connection (RFC 7692 §7.1), and how we ourselves compress.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DeflateParams {
    /// What the client sends.
    pub(super) client: Flow,
    /// What the server sends.
    pub(super) server: Flow,
    /// Of our own compressor, 0 to 9. Not negotiated.
    pub(super) level: u8,
    /// Bytes below which we do not compress. Not negotiated.
    pub(super) threshold: u16,
}

/// The parameters of one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Flow {
    pub(super) window_bits: u8,
    pub(super) no_context_takeover: bool,
}

impl DeflateParams {
    /// What the client sends: `client_max_window_bits`, `client_no_context_takeover`.
    pub const fn client(self) -> Flow {
        self.client
    }

    /// What the server sends: `server_max_window_bits`, `server_no_context_takeover`.
    pub const fn server(self) -> Flow {
        self.server
    }

    /// What we send, being `role`.
    pub const fn ours(self, role: Role) -> Flow {
        match role {
            Role::Client => self.client,
            Role::Server => self.server,
        }
    }

    /// What the peer sends, we being `role`.
    pub const fn theirs(self, role: Role) -> Flow {
        match role {
            Role::Client => self.server,
            Role::Server => self.client,
        }
    }

    /// The compression level we use, 0 to 9.
    pub const fn level(self) -> u8 {
        self.level
    }

    /// We send messages of fewer bytes as they are.
    pub const fn threshold(self) -> usize {
        self.threshold as usize
    }

    /// Whether anything must be remembered between two messages, in either direction.
    pub(crate) const fn has_context_takeover(self) -> bool {
        !(self.client.no_context_takeover && self.server.no_context_takeover)
    }
}

impl Flow {
    /// The base-two logarithm of the LZ77 window, 8 to 15 (§7.1.2).
    pub const fn window_bits(self) -> u8 {
        self.window_bits
    }

    /// Whether each message is compressed on its own (§7.1.1).
    pub const fn no_context_takeover(self) -> bool {
        self.no_context_takeover
    }

    /// The LZ77 window in bytes, 256 to 32,768.
    pub const fn window_len(self) -> usize {
        1 << self.window_bits
    }
}

/// In the words of the header: what was agreed, without our own level and threshold.
impl fmt::Display for DeflateParams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("permessage-deflate")?;
        for (name, flow) in [("server", self.server), ("client", self.client)] {
            if flow.no_context_takeover {
                write!(f, "; {name}_no_context_takeover")?;
            }
            if flow.window_bits < 15 {
                write!(f, "; {name}_max_window_bits={}", flow.window_bits)?;
            }
        }
        Ok(())
    }
}

// Kept beside the state of each connection.
const _: () = assert!(size_of::<DeflateParams>() <= 8);
