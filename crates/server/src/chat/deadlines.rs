//! [`Deadlines`]: what is to be done with a connection when its time has come.

use std::collections::{BTreeSet, HashMap};

use tidewire_engine::{ConnectionId, proto::Timestamp};

/// At most one deadline for each connection: it waits for one thing at a time.
#[derive(Debug, Default)]
pub(crate) struct Deadlines {
    by_time: BTreeSet<(Timestamp, ConnectionId)>,
    /// Looked up, and never walked over: its order means nothing.
    by_connection: HashMap<ConnectionId, (Timestamp, Due)>,
}

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    /// The client should have told its name by now.
    Name,
    /// The client has waited long enough, and is read again.
    Reading,
}

impl Deadlines {
    /// Sets the deadline of a connection, in place of the one that it had.
    pub(crate) fn set(&mut self, id: ConnectionId, at: Timestamp, due: Due) {
        self.forget(id);
        self.by_time.insert((at, id));
        self.by_connection.insert(id, (at, due));
    }

    pub(crate) fn forget(&mut self, id: ConnectionId) {
        if let Some((at, _)) = self.by_connection.remove(&id) {
            self.by_time.remove(&(at, id));
        }
    }

    /// The next one of all.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// Takes one whose time has come.
    pub(crate) fn take(&mut self, now: Timestamp) -> Option<(ConnectionId, Due)> {
        let (_, id) = *self.by_time.first().filter(|(at, _)| *at <= now)?;
        self.by_time.pop_first();
        let (_, due) = self.by_connection.remove(&id)?;
        Some((id, due))
    }
}
