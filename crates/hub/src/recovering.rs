//! Recovering: a channel's history is read, and joined with what has been published meanwhile.
//!
//! One reading serves everybody who waits in a channel, and its receivers as well, if they have missed
//! something: it begins at the oldest offset that anybody needs. Whatever it brings beyond the receivers'
//! position is theirs too, so that a channel has one position at all times.

use std::{mem, sync::Arc};

use crate::{
    broker::{Answer, Ask, Failure, RequestId},
    channel::ChannelKey,
    command::HistoryFilter,
    error::Error,
    publication::{Position, Publication, cost},
    requests::Pending,
    retrying::Due,
    session::Phase,
    settling::Waiter,
    shard::{Shard, Turn},
    stretch::{Reach, Stretch},
};

/// A channel's history is being read.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) request: RequestId,
    reach: Reach,
    /// Where the receivers were when it began. A broker that is not even there has begun anew.
    live: Position,
    /// What had been seen then, if it was of another epoch.
    seen: Option<Position>,
}

/// What becomes of a waiter when history has been read.
enum Outcome {
    Recovered(Vec<Arc<Publication>>),
    NotRecovered,
    /// Not yet.
    Waits,
}

impl Shard {
    /// Begins to read a channel's history, if somebody needs it and nobody does already.
    pub(crate) fn read_if_needed(&mut self, index: u32, turn: &mut Turn<'_>) {
        let limits = &self.config.limits;
        let Some(channel) = self.channels.get_mut(index) else { return };
        let Some(live) = channel.live.clone() else { return };
        let Some(unsettled) = &mut channel.unsettled else { return };
        if unsettled.reading.is_some() || unsettled.retrying {
            return;
        }
        let wanted = unsettled.oldest_wanted(&live, limits.recovery_count_max);
        let seen = unsettled.seen.clone();
        let missing = seen.as_ref().filter(|seen| seen.epoch == live.epoch);
        let missing = missing.map(|seen| seen.offset.saturating_sub(live.offset));
        let reach = match (wanted, missing) {
            // More than is worth it, or than anybody cares for: receivers go on from there.
            (_, Some(missing)) if missing > limits.merge_count_max as u64 => None,
            (None, Some(_)) if channel.gapless_count == 0 => None,
            _ if unsettled.from_the_end => Some(Reach::FromTheEnd),
            // From where receivers are at most, so that they can be brought on.
            (Some(wanted), _) => Some(Reach::Since(wanted.min(live.offset))),
            (None, Some(_)) => Some(Reach::Since(live.offset)),
            (None, None) if unsettled.doubtful || seen.is_some() => Some(Reach::Top),
            (None, None) => return,
        };
        match (reach, seen) {
            (Some(reach), seen) => self.read(index, reach, live, seen, turn),
            (None, Some(seen)) => {
                self.start_over(index, &seen, turn);
                self.settle(index, turn);
            }
            (None, None) => {}
        }
    }

    fn read(
        &mut self,
        index: u32,
        reach: Reach,
        live: Position,
        seen: Option<Position>,
        turn: &mut Turn<'_>,
    ) {
        let limits = &self.config.limits;
        let Some(channel) = self.channels.get(index) else { return };
        let key = ChannelKey { index, generation: channel.generation };
        let count_max = u32::try_from(limits.merge_count_max).unwrap_or(u32::MAX);
        let count_max = limits.recovery_count_max.saturating_add(count_max);
        let filter = match reach {
            Reach::Since(offset) => HistoryFilter {
                since: Some(Position { epoch: live.epoch.clone(), offset }),
                limit: Some(count_max),
                reverse: false,
            },
            Reach::FromTheEnd => {
                HistoryFilter { since: None, limit: Some(count_max), reverse: true }
            }
            Reach::Top => HistoryFilter { since: None, limit: Some(0), reverse: false },
        };
        let name = channel.name.clone();
        let request = self.submit(name, Ask::Read(filter), Pending::Read { channel: key }, turn);
        if let Some(unsettled) =
            self.channels.get_mut(index).and_then(|channel| channel.unsettled.as_mut())
        {
            unsettled.passed.clear();
            unsettled.reading = Some(Reading { request, reach, live, seen });
        }
    }

    /// The broker has answered.
    pub(crate) fn read_answered(
        &mut self,
        request: RequestId,
        key: ChannelKey,
        answer: Result<Answer, Failure>,
        turn: &mut Turn<'_>,
    ) {
        let Some(channel) = self.channels.current(key) else { return };
        let Some(unsettled) = &mut channel.unsettled else { return };
        let Some(reading) = unsettled.reading.take_if(|reading| reading.request == request) else {
            return;
        };
        unsettled.retrying = false;
        let index = key.index;
        match answer {
            Ok(Answer::History { top, .. }) | Err(Failure::Unrecoverable { top })
                if top.epoch != reading.live.epoch || top.offset < reading.live.offset =>
            {
                // Another incarnation, whether it says so or has only lost its end.
                unsettled.failure_count = 0;
                self.start_over(index, &top, turn);
            }
            Ok(Answer::History { publications, top }) => {
                match Stretch::new(reading.reach, publications, &top) {
                    Some(stretch) => self.join(index, &reading, &stretch, &top, turn),
                    None => return self.read_failed(key, turn),
                }
            }
            Err(Failure::Unrecoverable { .. }) if matches!(reading.reach, Reach::Since(_)) => {
                unsettled.from_the_end = true;
            }
            _ => return self.read_failed(key, turn),
        }
        self.settle(index, turn);
    }

    /// Brings receivers on by what was read, and gives places to those who have everything now.
    fn join(
        &mut self,
        index: u32,
        reading: &Reading,
        stretch: &Stretch,
        top: &Position,
        turn: &mut Turn<'_>,
    ) {
        let Some(channel) = self.channels.get_mut(index) else { return };
        channel.heard_at = turn.now;
        let live = channel.live.as_ref().map_or(0, |live| live.offset);
        let unsettled = channel.unsettled();
        unsettled.failure_count = 0;
        unsettled.doubtful = false;
        unsettled.from_the_end = false;
        if unsettled.seen == reading.seen
            || unsettled.seen.as_ref().is_some_and(|seen| seen.epoch == top.epoch)
        {
            // What had been seen of another epoch then is old news now.
            unsettled.seen.take_if(|seen| seen.epoch != top.epoch);
            unsettled.see(top.clone());
        }
        if stretch.base > live && reading.reach == Reach::FromTheEnd {
            // History does not reach back to where receivers are.
            let end = Position { epoch: top.epoch.clone(), offset: stretch.base };
            self.start_over(index, &end, turn);
        }
        for publication in &stretch.publications {
            self.advance(index, publication, turn);
        }
        self.absorb(index, turn);
        self.seat_recovered(index, reading.reach, stretch, top, turn);
    }

    fn seat_recovered(
        &mut self,
        index: u32,
        reach: Reach,
        stretch: &Stretch,
        top: &Position,
        turn: &mut Turn<'_>,
    ) {
        let Some(channel) = self.channels.get_mut(index) else { return };
        let Some(live) = channel.live.clone() else { return };
        let unsettled = channel.unsettled();
        let passed = mem::take(&mut unsettled.passed);
        let waiters = mem::take(&mut unsettled.waiters);
        for mut waiter in waiters {
            match self.outcome(&mut waiter, reach, stretch, &passed, &live, top) {
                Outcome::Recovered(publications) => {
                    self.seat(index, waiter, publications, true, turn);
                }
                Outcome::NotRecovered => self.seat(index, waiter, Vec::new(), false, turn),
                Outcome::Waits => {
                    if let Some(channel) = self.channels.get_mut(index) {
                        channel.unsettled().waiters.push(waiter);
                    }
                }
            }
        }
    }

    fn outcome(
        &self,
        waiter: &mut Waiter,
        reach: Reach,
        stretch: &Stretch,
        passed: &[Arc<Publication>],
        live: &Position,
        top: &Position,
    ) -> Outcome {
        let limits = &self.config.limits;
        let Some(since) = waiter.since.offset_in(live) else { return Outcome::NotRecovered };
        let missed = live.offset.saturating_sub(since);
        if since > top.offset.max(live.offset) || missed > u64::from(limits.recovery_count_max) {
            return Outcome::NotRecovered;
        }
        if since < stretch.base {
            // It may have come after the reading began.
            return if reach == Reach::FromTheEnd { Outcome::NotRecovered } else { Outcome::Waits };
        }
        if let Some(whole) = stretch.whole(since, passed, live.offset) {
            let len = self.recovered_len(waiter).saturating_add(cost(&whole));
            let fits = len <= limits.recovery_len_max;
            return if fits { Outcome::Recovered(whole) } else { Outcome::NotRecovered };
        }
        waiter.attempt_count += 1;
        if waiter.attempt_count < limits.attempt_count_max {
            Outcome::Waits
        } else {
            Outcome::NotRecovered
        }
    }

    /// Bytes that are in the answer to this one already: all that a session gets as it connects is one.
    fn recovered_len(&self, waiter: &Waiter) -> usize {
        match self.sessions.get(waiter.session).map(|session| &session.phase) {
            Some(Phase::Connecting(connecting)) => connecting.recovered_len,
            _ => 0,
        }
    }

    /// The broker did not tell. It is asked again, a few times; then those who wait are refused, and those
    /// who may have missed something are told so.
    fn read_failed(&mut self, key: ChannelKey, turn: &mut Turn<'_>) {
        let Some(channel) = self.channels.current(key) else { return };
        let unsettled = channel.unsettled();
        unsettled.failure_count += 1;
        if unsettled.failure_count < self.config.limits.attempt_count_max {
            unsettled.retrying = true;
            let failure_count = unsettled.failure_count;
            return self.retry(Due::Settle(key), failure_count, turn.now);
        }
        unsettled.failure_count = 0;
        unsettled.doubtful = false;
        unsettled.from_the_end = false;
        if let Some(seen) = unsettled.seen.clone() {
            self.start_over(key.index, &seen, turn);
        }
        self.refuse_all(key.index, Error::Internal, turn);
        if self.channels.current(key).is_some() {
            self.settle(key.index, turn);
        }
    }
}
