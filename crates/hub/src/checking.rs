//! [`Shard::debug_check`]: whether everything agrees with everything else.

use crate::{
    channel::{Channel, Feed},
    outside::SessionKey,
    requests::Pending,
    session::Session,
    settling::Purpose,
    shard::Shard,
    subscription::{Standing, Subscription},
};

impl Shard {
    /// Checks that everything agrees with everything else: that nothing leaks, nobody waits for nothing, and
    /// everybody stands where it is thought to stand. It goes through everything, so it is for tests.
    ///
    /// # Panics
    /// If something does not agree.
    #[doc(hidden)]
    pub fn debug_check(&self) {
        assert!(self.afterwards.is_empty(), "nothing is left for afterwards");
        self.check_sessions();
        let congested = self.sessions.iter().filter(|(_, session)| session.congested);
        assert_eq!(congested.count(), self.congested_count, "who does not keep up");
        self.check_channels();
        let charged = self.sessions.iter().filter_map(|(_, session)| session.backlog.as_ref());
        assert_eq!(
            charged.map(|backlog| backlog.len()).sum::<usize>(),
            self.charged.len,
            "backlogs"
        );
    }

    fn check_sessions(&self) {
        assert_eq!(self.sessions.iter().count(), self.sessions.len(), "sessions");
        for (key, session) in self.sessions.iter() {
            let user = &session.member.user;
            if !user.is_anonymous() {
                let place = session.user_place as usize;
                assert_eq!(
                    self.users.sessions(user).get(place),
                    Some(&key),
                    "the place of {key:?}"
                );
            }
            let asked = |pending: &&Pending| matches!(pending, Pending::Command { session, .. } if *session == key);
            let asked = self.requests.iter().filter(asked).count();
            let waits = |one: &&Subscription| {
                let purpose = self.purpose(key, one.channel);
                one.standing == Standing::Waiting && matches!(purpose, Some(Purpose::Command(_)))
            };
            let waiting = session.subscriptions.iter().filter(waits).count();
            assert_eq!(usize::from(session.pending_count), asked + waiting, "commands of {key:?}");
            if let Some(backlog) = &session.backlog {
                backlog.check();
                assert!(
                    backlog.len() <= self.config.limits.backlog_len_max,
                    "the budget of {key:?}"
                );
            } else {
                assert!(!session.congested, "{key:?} holds back what comes");
            }
            for subscription in session.subscriptions.iter() {
                self.check_seat(key, session, subscription);
            }
        }
        let listed =
            self.sessions.iter().filter(|(_, session)| !session.member.user.is_anonymous());
        assert_eq!(listed.count(), self.users.session_count(), "sessions of users");
    }

    fn check_seat(&self, key: SessionKey, session: &Session, subscription: &Subscription) {
        let Some(channel) = self.channels.get(subscription.channel) else {
            unreachable!("the channel of a subscription of {key:?}");
        };
        let at = subscription.at as usize;
        let (list, hears) = match subscription.standing {
            Standing::Waiting => {
                assert!(self.purpose(key, subscription.channel).is_some(), "{key:?} waits");
                return;
            }
            Standing::Receiving => {
                let list =
                    channel.receivers.lists().find(|(variant, _)| *variant == session.variant);
                let (keys, hearing) =
                    list.map_or((&[][..], &[][..]), |(_, list)| (list.keys(), list.hearing()));
                (keys, hearing.len())
            }
            Standing::Held => (channel.held.keys(), channel.held.hearing().len()),
        };
        assert_eq!(list.get(at), Some(&key), "where {key:?} stands");
        assert_eq!(at < hears, subscription.terms.hears, "whether {key:?} hears");
        let held = subscription.standing == Standing::Held;
        assert_eq!(held, session.backlog.is_some(), "in which list {key:?} stands");
    }

    fn check_channels(&self) {
        let mut seated = 0;
        let mut waiting = 0;
        for index in self.channels.indexes() {
            let Some(channel) = self.channels.get(index) else { continue };
            let name = &channel.name;
            assert_eq!(self.channels.find(name.as_str()), Some(index), "{name}");
            assert!(!channel.is_deserted(), "{name} has somebody in it");
            let receivers = channel.receivers.lists().flat_map(|(_, list)| list.keys());
            let everybody: Vec<_> = receivers.chain(channel.held.keys()).collect();
            let gapless = everybody.iter().filter(|key| {
                let subscription =
                    self.sessions.get(***key).and_then(|one| one.subscriptions.get(index));
                subscription.is_some_and(|subscription| subscription.terms.gapless())
            });
            assert_eq!(channel.gapless_count as usize, gapless.count(), "{name}");
            seated += everybody.len();
            waiting += channel.unsettled.as_ref().map_or(0, |unsettled| unsettled.waiters.len());
            self.check_unsettled(channel);
        }
        let subscriptions =
            self.sessions.iter().flat_map(|(_, session)| session.subscriptions.iter());
        let (there, not_yet): (Vec<_>, Vec<_>) = subscriptions.partition(|one| one.is_seated());
        assert_eq!((seated, waiting), (there.len(), not_yet.len()), "subscriptions");
    }

    fn check_unsettled(&self, channel: &Channel) {
        let name = &channel.name;
        assert!(
            channel.feed != Feed::Open || channel.live.is_some() == channel.has_stream(),
            "{name}"
        );
        let Some(unsettled) = &channel.unsettled else { return };
        assert!(!unsettled.is_settled(), "{name} is settled");
        let count_max = self.config.limits.merge_count_max;
        assert!(unsettled.kept.len() <= count_max && unsettled.passed.len() <= count_max, "{name}");
        let is_working =
            unsettled.reading.is_some() || unsettled.retrying || channel.feed != Feed::Open;
        assert!(is_working, "{name} waits for nothing");
    }

    /// For what a session waits in a channel.
    fn purpose(&self, key: SessionKey, index: u32) -> Option<Purpose> {
        let unsettled = self.channels.get(index)?.unsettled.as_ref()?;
        let waiter = unsettled.waiters.iter().find(|waiter| waiter.session == key)?;
        Some(waiter.purpose)
    }
}
