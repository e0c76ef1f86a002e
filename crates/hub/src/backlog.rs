//! [`Backlog`]: what is held back for one session that does not keep up.
//!
//! It holds references: a publication is there once, however many wait for it. What it is charged is
//! what it will cost to send, and for each piece something on top, so that many small ones are not free.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use bytestring::ByteString;

use crate::{
    config::HubLimits,
    namespace::Brim,
    publication::{Member, Publication},
};

/// What a piece is charged beside its payload.
pub(crate) const PIECE_OVERHEAD: usize = 128;

/// What all backlogs of a shard together are charged.
#[derive(Debug, Default)]
pub(crate) struct Charged {
    pub(crate) len: usize,
    /// How many pieces have given way.
    pub(crate) dropped_count: u64,
}

/// Publications and announcements that are held back, in order.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    /// What has given way is `None` until it is at the front.
    pieces: VecDeque<Option<Piece>>,
    /// How many pieces have left at the front: the number of the first.
    first: u64,
    /// How many have given way elsewhere.
    hole_count: usize,
    /// No piece before this one may be dropped.
    droppable_from: u64,
    /// Where the latest of each key stands, for channels that want no other.
    latest: BTreeMap<(u32, ByteString), u64>,
    len: usize,
}

#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) channel: u32,
    pub(crate) held: Held,
    len: usize,
    may_drop: bool,
    /// Whether the next one with its key takes its place.
    conflates: bool,
}

/// What is held back.
#[derive(Debug, Clone)]
pub(crate) enum Held {
    Publication(Arc<Publication>),
    /// Somebody came (`true`), or left.
    Announcement(Arc<Member>, bool),
}

impl Held {
    fn len(&self) -> usize {
        let len = match self {
            Self::Publication(publication) => {
                let tags = publication.tags.iter().map(|(name, value)| name.len() + value.len());
                publication.data.len() + tags.sum::<usize>()
            }
            Self::Announcement(..) => 0,
        };
        len + PIECE_OVERHEAD
    }

    /// By what a later one takes its place.
    fn key(&self, channel: u32) -> Option<(u32, ByteString)> {
        match self {
            Self::Publication(publication) => Some((channel, publication.key.clone()?)),
            Self::Announcement(..) => None,
        }
    }
}

impl Backlog {
    /// Holds something back. `false` says that there is no room, and that nothing may give way.
    ///
    /// `may_drop` says whether this one may be missing without anybody being told.
    pub(crate) fn push(
        &mut self,
        channel: u32,
        held: Held,
        brim: Brim,
        may_drop: bool,
        charged: &mut Charged,
        limits: &HubLimits,
    ) -> bool {
        let len = held.len();
        let may_drop = may_drop && brim != Brim::Disconnect;
        let before = self.len;
        let key = held.key(channel).filter(|_| may_drop && brim == Brim::Conflate);
        if let Some(at) = key.as_ref().and_then(|key| self.latest.get(key).copied()) {
            self.take(at);
        }
        let mut room = self.has_room(len, before, charged.len, limits);
        while !room && self.drop_oldest() {
            charged.dropped_count += 1;
            room = self.has_room(len, before, charged.len, limits);
        }
        if room {
            let conflates = key.is_some();
            if let Some(key) = key {
                self.latest.insert(key, self.first + self.pieces.len() as u64);
            }
            self.pieces.push_back(Some(Piece { channel, held, len, may_drop, conflates }));
            self.len += len;
        } else if may_drop {
            charged.dropped_count += 1;
        }
        self.compact();
        charged.len = charged.len + self.len - before;
        // One that may be missing is itself the oldest that can give way.
        room || may_drop
    }

    /// The next one to send.
    pub(crate) fn pop(&mut self, charged: &mut Charged) -> Option<Piece> {
        loop {
            let piece = self.pieces.pop_front()?;
            self.first += 1;
            let Some(piece) = piece else {
                self.hole_count -= 1;
                continue;
            };
            self.charge_off(&piece);
            charged.len -= piece.len;
            self.compact();
            return Some(piece);
        }
    }

    /// Drops all of a channel that the session has left.
    pub(crate) fn forget(&mut self, channel: u32, charged: &mut Charged) {
        let before = self.len;
        for at in 0..self.pieces.len() as u64 {
            if self.piece(self.first + at).is_some_and(|piece| piece.channel == channel) {
                self.take(self.first + at);
            }
        }
        self.compact();
        charged.len -= before - self.len;
    }

    /// Drops all.
    pub(crate) fn clear(&mut self, charged: &mut Charged) {
        charged.len -= self.len;
        *self = Self::default();
    }

    /// What it is charged.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pieces.len() == self.hole_count
    }

    /// Whether it agrees with itself; for tests.
    pub(crate) fn check(&self) {
        let pieces = || self.pieces.iter().flatten();
        assert_eq!(
            pieces().map(|piece| piece.len).sum::<usize>(),
            self.len,
            "the bytes of a backlog"
        );
        assert_eq!(self.pieces.len() - pieces().count(), self.hole_count, "its holes");
        assert!(self.hole_count * 2 <= self.pieces.len(), "more pieces than holes");
        assert_eq!(pieces().filter(|piece| piece.conflates).count(), self.latest.len(), "its keys");
    }

    fn has_room(&self, len: usize, before: usize, total: usize, limits: &HubLimits) -> bool {
        let others = total - before;
        self.len + len <= limits.backlog_len_max
            && others + self.len + len <= limits.shard_backlog_len_max
    }

    fn piece(&self, at: u64) -> Option<&Piece> {
        self.pieces.get(usize::try_from(at.checked_sub(self.first)?).ok()?)?.as_ref()
    }

    /// Takes out the one of that number.
    fn take(&mut self, at: u64) {
        let index = at.checked_sub(self.first).and_then(|at| usize::try_from(at).ok());
        if let Some(piece) = index.and_then(|index| self.pieces.get_mut(index)?.take()) {
            self.hole_count += 1;
            self.charge_off(&piece);
        }
    }

    fn charge_off(&mut self, piece: &Piece) {
        self.len -= piece.len;
        if piece.conflates
            && let Some(key) = piece.held.key(piece.channel)
        {
            // Of each key only one waits, so it is this one.
            self.latest.remove(&key);
        }
    }

    /// What has waited longest gives way, of what may.
    fn drop_oldest(&mut self) -> bool {
        self.droppable_from = self.droppable_from.max(self.first);
        let end = self.first + self.pieces.len() as u64;
        while self.droppable_from < end {
            let at = self.droppable_from;
            if self.piece(at).is_some_and(|piece| piece.may_drop) {
                self.take(at);
                return true;
            }
            self.droppable_from += 1;
        }
        false
    }

    /// Closes the holes, if they are more than half: so each costs little, and memory is bounded.
    fn compact(&mut self) {
        if self.hole_count * 2 <= self.pieces.len() {
            return;
        }
        self.pieces.retain(Option::is_some);
        self.hole_count = 0;
        self.droppable_from = 0;
        // New numbers, from where the last ended, so that no old one is taken for a new one.
        self.latest.clear();
        for (at, piece) in self.pieces.iter().flatten().enumerate() {
            if let Some(key) = piece.held.key(piece.channel).filter(|_| piece.conflates) {
                self.latest.insert(key, self.first + at as u64);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publication::Data;

    fn keyed(key: Option<&str>) -> Held {
        Held::Publication(Arc::new(Publication {
            offset: 0,
            data: Data::Json("1".into()),
            publisher: None,
            tags: Box::default(),
            key: key.map(Into::into),
            time: 0,
        }))
    }

    /// Holes are closed whichever way they become more than pieces.
    #[test]
    fn holes_are_closed_when_what_is_before_them_leaves() {
        let (mut backlog, mut charged) = (Backlog::default(), Charged::default());
        for key in [None, Some("k"), Some("k"), Some("k")] {
            let limits = &HubLimits::default();
            assert!(backlog.push(1, keyed(key), Brim::Conflate, true, &mut charged, limits));
            backlog.check();
        }
        for left in [true, false] {
            assert!(backlog.pop(&mut charged).is_some());
            backlog.check();
            assert_eq!(backlog.is_empty(), !left);
        }
        assert_eq!(charged.len, 0);
    }
}
