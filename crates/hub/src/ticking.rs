//! Ticking: deadlines have no timers. Each tick looks at one sixteenth of the sessions and channels, so that
//! each is noticed at most a second late, and nothing has to be set, moved or taken back.

use std::{sync::Arc, time::Duration};

use crate::{
    broker::{Ask, Attendance, Failure},
    channel::Feed,
    command::Push,
    error::{Disconnect, Unsubscribe},
    outside::{Outside, SessionKey},
    session::{Heartbeat, Phase, Session},
    shard::{Shard, Turn},
    subscription::Subscription,
    time::Timestamp,
};

/// So many ticks go round.
const ROUND: usize = 16;

impl Shard {
    /// Time goes by: call this some sixteen times a second.
    pub fn tick(&mut self, now: Timestamp, outside: &mut dyn Outside) {
        let turn = &mut Turn { now, outside };
        self.phase = (self.phase + 1) % ROUND;
        self.stray_told = false;
        self.retold_count = 0;
        for place in (self.phase..self.sessions.place_count()).step_by(ROUND) {
            if let Some((key, _)) = self.sessions.at(place) {
                self.look_at(key, turn);
            }
        }
        for index in self.channels.indexes().skip(self.phase).step_by(ROUND) {
            self.check_position(index, turn);
        }
        while let Some(request) = self.requests.overdue(now) {
            self.counts.overdue += 1;
            self.answered(request, Err(Failure::Unavailable), turn);
        }
        self.retry_due(turn);
        self.regain(turn);
        self.drain_some(turn);
        self.finish(turn);
    }

    fn look_at(&mut self, key: SessionKey, turn: &mut Turn<'_>) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        let now = turn.now;
        match session.phase {
            Phase::Silent { until, .. } if until <= now => {
                return self.end(key, Disconnect::Stale, turn);
            }
            Phase::Silent { .. } | Phase::Connecting(_) | Phase::Ended => return,
            Phase::Connected => {}
        }
        let is_over =
            |expires_at: Timestamp| expires_at.saturating_add(self.config.expired_grace) <= now;
        if is_over(session.expires_at) {
            return self.end(key, Disconnect::Expired, turn);
        }
        match session.heartbeat {
            Heartbeat::Asked { until } if until <= now => {
                return self.end(key, Disconnect::NoPong, turn);
            }
            Heartbeat::Quiet { ping_at } if ping_at <= now => {
                let until = now.saturating_add(self.config.pong_within);
                session.heartbeat = Heartbeat::Asked { until };
                turn.outside.push(key, Push::Ping);
            }
            _ => {}
        }
        let over = session.subscriptions.iter().filter(|one| is_over(one.expires_at));
        let over: Vec<_> = over.map(|one| (one.channel, one.terms.server_side)).collect();
        for (channel, server_side) in over {
            if server_side {
                return self.end(key, Disconnect::SubscriptionExpired, turn);
            }
            self.unsubscribe_because(key, channel, Unsubscribe::Expired, turn);
        }
        self.refresh_presence(key, turn);
    }

    /// Tells the broker again who is there: now and then, and when it may have forgotten.
    fn refresh_presence(&mut self, key: SessionKey, turn: &mut Turn<'_>) {
        let Some(session) = self.sessions.get(key) else { return };
        let told_at = session.presence_told_at;
        let interval = self.config.presence_refresh_interval;
        let is_due =
            interval.is_some_and(|interval| turn.now.saturating_since(told_at) >= interval);
        let is_forgotten = self.lost_at.is_some_and(|lost_at| told_at <= lost_at);
        let is_wanted = is_due || is_forgotten && self.may_retell(session);
        if !is_wanted {
            return;
        }
        let present =
            session.subscriptions.iter().filter(|one| one.is_seated() && one.terms.present);
        let present: Vec<_> = present.map(|one| (one.channel, Arc::clone(&one.member))).collect();
        self.retold_count += present.len();
        if let Some(session) = self.sessions.get_mut(key) {
            session.presence_told_at = turn.now;
        }
        for (channel, member) in present {
            let attendance = Attendance { member, present: true, announced: false };
            self.chore(channel, Some(key), Ask::Enter(attendance), turn);
        }
    }

    /// Whether the broker is to be told of a session after it was away: not before it is back, and not of too
    /// many at a time. Whoever has to wait is looked at again within a second.
    fn may_retell(&self, session: &Session) -> bool {
        let is_open = |subscription: &Subscription| {
            self.channels.get(subscription.channel).is_some_and(|one| one.feed == Feed::Open)
        };
        self.retold_count < self.config.limits.retell_count
            && session.subscriptions.iter().all(is_open)
    }

    /// Asks where a channel's stream is, if nothing was heard of it for long: its last publication may
    /// have been lost on the way.
    fn check_position(&mut self, index: u32, turn: &mut Turn<'_>) {
        let Some(interval) = self.config.position_check_interval else { return };
        let Some(channel) = self.channels.get_mut(index) else { return };
        let silent_for: Duration = turn.now.saturating_since(channel.heard_at);
        if channel.gapless_count == 0 || channel.feed != Feed::Open || silent_for < interval {
            return;
        }
        channel.heard_at = turn.now;
        channel.unsettled().doubtful = true;
        self.settle(index, turn);
    }
}
