//! [`Stream`]: the publications of one channel, as far back as they are kept.

use std::{collections::VecDeque, mem::size_of, sync::Arc, time::Duration};

use tidewire_hub::{
    Data, Epoch, HistoryFilter, Member, Position, Publication, Timestamp,
    broker::{Answer, Failure, Retention},
};

/// An epoch, its last offset, and the latest publications without a hole between them.
#[derive(Debug)]
pub(super) struct Stream {
    epoch: Epoch,
    offset: u64,
    kept: VecDeque<Kept>,
    /// What all of `kept` weighs.
    weight: usize,
    age_max: Duration,
}

#[derive(Debug)]
struct Kept {
    publication: Arc<Publication>,
    at: Timestamp,
}

impl Stream {
    pub(super) fn new(epoch: Epoch) -> Self {
        Self { epoch, offset: 0, kept: VecDeque::new(), weight: 0, age_max: Duration::ZERO }
    }

    pub(super) fn top(&self) -> Position {
        Position { epoch: self.epoch.clone(), offset: self.offset }
    }

    /// Whether a publication has ever been numbered.
    pub(super) fn has_begun(&self) -> bool {
        self.offset > 0
    }

    pub(super) fn next_offset(&self) -> u64 {
        self.offset + 1
    }

    pub(super) fn weight(&self) -> usize {
        self.weight
    }

    /// Adds a publication at the end, where its offset says it belongs. What then is too much, by count or
    /// by weight, goes.
    pub(super) fn push(
        &mut self,
        at: Timestamp,
        publication: Arc<Publication>,
        retention: &Retention,
        weight_max: usize,
    ) {
        debug_assert_eq!(publication.offset, self.next_offset(), "offsets are contiguous");
        self.offset = publication.offset;
        self.age_max = retention.age_max;
        self.weight += weight(&publication);
        self.kept.push_back(Kept { publication, at });
        let count_max = usize::try_from(retention.count_max).unwrap_or(usize::MAX);
        while self.kept.len() > count_max || self.weight > weight_max {
            self.pop();
        }
    }

    /// Lets the oldest publication go.
    pub(super) fn pop(&mut self) {
        if let Some(oldest) = self.kept.pop_front() {
            self.weight -= weight(&oldest.publication);
        }
        // A busy hour's table is not kept for a quiet day. Once in so many pops, so it costs little.
        if self.kept.len() < self.kept.capacity() / 4 {
            self.kept.shrink_to(self.kept.len() * 2);
        }
    }

    /// Lets all of them go. Epoch and offset go on.
    pub(super) fn clear(&mut self) {
        self.kept = VecDeque::new();
        self.weight = 0;
    }

    /// Until when the oldest publication is kept: to the end of this moment. `None` if there is none.
    pub(super) fn kept_until(&self) -> Option<Timestamp> {
        Some(self.kept.front()?.at.saturating_add(self.age_max))
    }

    /// Lets go what is too old by now.
    pub(super) fn expire(&mut self, now: Timestamp) {
        while self.kept_until().is_some_and(|until| until < now) {
            self.pop();
        }
    }

    /// What was asked for, or that it is not all there.
    pub(super) fn read(&self, filter: &HistoryFilter) -> Result<Answer, Failure> {
        // Offsets are contiguous, so a publication is found by counting from the first one.
        let first = self.next_offset() - self.kept.len() as u64;
        let place = |offset: u64| {
            let place = usize::try_from(offset.saturating_sub(first)).unwrap_or(usize::MAX);
            place.min(self.kept.len())
        };
        let range = match &filter.since {
            None => 0..self.kept.len(),
            Some(since) if !self.is_of_ours(since) => return Err(self.unrecoverable()),
            Some(since) if filter.reverse => 0..place(since.offset),
            // What comes after is not all here any more.
            Some(since) if since.offset < self.offset && since.offset + 1 < first => {
                return Err(self.unrecoverable());
            }
            Some(since) => place(since.offset + 1)..self.kept.len(),
        };
        let limit = filter.limit.map_or(usize::MAX, |limit| limit as usize);
        let publications = self.kept.range(range).map(|kept| Arc::clone(&kept.publication));
        let publications = if filter.reverse {
            publications.rev().take(limit).collect()
        } else {
            publications.take(limit).collect()
        };
        Ok(Answer::History { publications, top: self.top() })
    }

    fn unrecoverable(&self) -> Failure {
        Failure::Unrecoverable { top: self.top() }
    }

    /// Whether a position can be one of this stream's. Without an epoch it is the very beginning of
    /// whatever is here: who asks like that has nothing yet.
    fn is_of_ours(&self, position: &Position) -> bool {
        let named = position.epoch == self.epoch;
        let beginning = position.epoch.as_str().is_empty() && position.offset == 0;
        (named || beginning) && position.offset <= self.offset
    }
}

/// Bytes that it costs to keep a publication: what it points to, itself, and its place in the queue. What is
/// shared with others is counted in full, since it may be shared with nobody by tomorrow.
pub(super) fn weight(publication: &Publication) -> usize {
    /// Two reference counts, and what an allocation costs besides.
    const SHARED: usize = 32;
    let data = |data: &Option<Data>| data.as_ref().map_or(0, Data::len);
    let member = |member: &Arc<Member>| {
        let names = member.user.as_str().len() + member.client.as_str().len();
        let infos = data(&member.connection_info) + data(&member.channel_info);
        SHARED + size_of::<Member>() + names + infos
    };
    let tags = publication.tags.iter().map(|(name, value)| {
        size_of::<(bytestring::ByteString, bytestring::ByteString)>() + name.len() + value.len()
    });
    size_of::<Kept>()
        + SHARED
        + size_of::<Publication>()
        + publication.data.len()
        + publication.publisher.as_ref().map_or(0, member)
        + tags.sum::<usize>()
        + publication.key.as_ref().map_or(0, |key| key.len())
}
