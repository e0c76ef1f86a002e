//! [`Tls`]: a connection's TLS, as a value between the socket's bytes and the protocol's.

use std::{
    fmt,
    io::{self, IoSlice, Read as _, Write as _},
    sync::Arc,
};

use rustls::ServerConnection;

/// What TLS is spoken with.
pub(crate) type Config = Arc<rustls::ServerConfig>;

/// A rustls connection that somebody else moves bytes for.
pub(crate) struct Tls {
    connection: ServerConnection,
    /// Nothing more may be encrypted: it failed, or has said that this is the end.
    ended: bool,
    /// What was encrypted of ours and not taken by the socket, as it is on the wire.
    held_len: usize,
}

/// What encryption adds to each record, and how much one holds (RFC 8446 §5.2; older versions add some
/// bytes more).
const RECORD_OVERHEAD: usize = 22;
const RECORD_LEN_MAX: usize = 1 << 14;

/// What rustls may hold of ours before the socket has taken it: so the connection's own queue is
/// where most bytes wait. [`Tls::held_len`] counts the others.
const HELD_LEN_MAX: usize = 64 << 10;

impl Tls {
    pub(crate) fn new(mut connection: ServerConnection) -> Self {
        connection.set_buffer_limit(Some(HELD_LEN_MAX));
        Self { connection, ended: false, held_len: 0 }
    }

    /// A connection of which nothing has arrived yet.
    pub(crate) fn with_config(config: &Config) -> Result<Self, rustls::Error> {
        ServerConnection::new(Arc::clone(config)).map(Self::new)
    }

    /// Takes ciphertext off the front of `input`: as much as can be held before somebody
    /// [reads](Self::read) what it says.
    ///
    /// After an error an alert is to be written, and the connection ends.
    pub(crate) fn receive(&mut self, input: &mut &[u8]) -> Result<(), rustls::Error> {
        if !input.is_empty() {
            // From memory it does not fail but for want of room, and then there is something to read.
            let _ = self.connection.read_tls(input);
        }
        let processed = self.connection.process_new_packets();
        self.ended |= processed.is_err();
        processed.map(drop)
    }

    /// Plaintext that has been received; zero if there is none at the moment.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> usize {
        // An error here is an end without close_notify, which the end of TCP tells as well.
        self.connection.reader().read(buffer).unwrap_or(0)
    }

    /// Encrypts as much of `chunks` as may be held.
    pub(crate) fn write(&mut self, chunks: &[IoSlice<'_>]) -> usize {
        let len = self.connection.writer().write_vectored(chunks).unwrap_or(0);
        self.held_len += len + len.div_ceil(RECORD_LEN_MAX) * RECORD_OVERHEAD;
        len
    }

    /// Bytes that were encrypted, and that the socket has not [taken](Self::taken) yet. They belong to
    /// what waits to be written (see [`QueueLimits`](crate::QueueLimits)).
    pub(crate) const fn held_len(&self) -> usize {
        self.held_len
    }

    /// The socket has taken so much ciphertext, or all of it. Not every byte of that was ours, so only
    /// the latter is exact.
    pub(crate) const fn taken(&mut self, len: usize, all: bool) {
        self.held_len = if all { 0 } else { self.held_len.saturating_sub(len) };
    }

    /// Whether ciphertext waits to be written.
    pub(crate) fn wants_write(&self) -> bool {
        self.connection.wants_write()
    }

    /// Writes ciphertext, once.
    pub(crate) fn write_to(&mut self, socket: &mut dyn io::Write) -> io::Result<usize> {
        self.connection.write_tls(socket)
    }

    /// Says that nothing more will come (RFC 8446 §6.1), so that nobody can cut the stream short
    /// unnoticed. `false`: it was said before.
    pub(crate) fn end_sending(&mut self) -> bool {
        let first = !std::mem::replace(&mut self.ended, true);
        if first {
            self.connection.send_close_notify();
        }
        first
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("ended", &self.ended).finish_non_exhaustive()
    }
}
