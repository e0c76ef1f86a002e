//! [`Lines`]: where each session's bytes go.

use tidewire_engine::ConnectionId;
use tidewire_hub::SessionKey;

use crate::web::Seat;

use super::{dialect::Dialect, letter::Who, secret::StreamName, stream::StreamEnd};

/// Where a session's bytes go.
#[derive(Debug)]
pub(crate) enum Line {
    WebSocket { id: ConnectionId, dialect: Dialect, seat: Seat },
    Stream(Box<Stream>),
}

/// Into the body of a response.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) name: StreamName,
    pub(crate) dialect: Dialect,
    pub(crate) who: Who,
    pub(crate) end: StreamEnd,
    pub(crate) seat: Seat,
}

impl Line {
    pub(crate) fn dialect(&self) -> Dialect {
        match self {
            Self::WebSocket { dialect, .. } => *dialect,
            Self::Stream(stream) => stream.dialect,
        }
    }

    /// What its session holds while it is here.
    pub(crate) fn seat(&self) -> &Seat {
        match self {
            Self::WebSocket { seat, .. } => seat,
            Self::Stream(stream) => &stream.seat,
        }
    }

    /// As [`seat`](Self::seat).
    pub(crate) fn seat_mut(&mut self) -> &mut Seat {
        match self {
            Self::WebSocket { seat, .. } => seat,
            Self::Stream(stream) => &mut stream.seat,
        }
    }
}

/// The lines of all sessions of a shard, by their keys.
#[derive(Debug, Default)]
pub(crate) struct Lines(Vec<Option<(SessionKey, Line)>>);

impl Lines {
    pub(crate) fn set(&mut self, key: SessionKey, line: Line) {
        if self.0.len() <= key.index() {
            self.0.resize_with(key.index() + 1, || None);
        }
        self.0[key.index()] = Some((key, line));
    }

    pub(crate) fn get(&self, key: SessionKey) -> Option<&Line> {
        match self.0.get(key.index())? {
            Some((is, line)) if *is == key => Some(line),
            _ => None,
        }
    }

    pub(crate) fn get_mut(&mut self, key: SessionKey) -> Option<&mut Line> {
        match self.0.get_mut(key.index())? {
            Some((is, line)) if *is == key => Some(line),
            _ => None,
        }
    }

    pub(crate) fn remove(&mut self, key: SessionKey) -> Option<Line> {
        self.get(key)?;
        self.0[key.index()].take().map(|(_, line)| line)
    }

    /// The connection of a session that has one.
    pub(crate) fn connection(&self, key: SessionKey) -> Option<ConnectionId> {
        match self.get(key)? {
            Line::WebSocket { id, .. } => Some(*id),
            Line::Stream(_) => None,
        }
    }
}
