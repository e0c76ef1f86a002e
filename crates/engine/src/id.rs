//! [`ConnectionId`]: a connection's name.

/// A connection's name, for as long as the engine runs: no later connection has the same one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId {
    pub(crate) thread: u16,
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

impl ConnectionId {
    /// The thread that owns the connection, counted from zero.
    pub const fn thread(self) -> usize {
        self.thread as usize
    }

    /// Its place in that thread's slab: small, dense, and used again after it has ended. A handler
    /// may keep what it knows of connections in a `Vec` by this.
    pub const fn index(self) -> usize {
        self.index as usize
    }
}
