//! What happens for no reason.

use tidewire_hub::{
    Command, Disconnect, Dismissal, Farewell, History, HistoryFilter, Publish, SubscriptionGrant,
    Timestamp, UserId, Whom, broker::Ask,
};

use crate::{
    client::{Asked, Want},
    invariant::Checked,
    terrain::{CHANNELS, SERVER_CHANNELS, name},
    truth::payload,
    world::World,
};

impl World {
    /// One thing happens.
    pub(crate) fn happen(&mut self) -> Checked {
        let client = self.random.index(self.clients.len());
        match self.random.below(60) {
            0..=19 => self.publish_by_client(client),
            20..=27 => self.publish_by_api(),
            28..=33 => self.change_wish(client),
            34..=36 => self.hang_up(client),
            37..=40 => self.clients[client].pace = self.random.pick(&[0, 0, 1, 1, 3, 100]),
            41 => self.clients[client].mute = self.random.one_in(2),
            42 => self.clients[client].token_life = self.random.pick(&[0, 0, 800, 3_000]),
            43..=46 => self.look(client),
            47..=48 => self.pause(),
            49 => self.application()?,
            50 => {
                let channel = name(self.random.pick(CHANNELS));
                if self.random.one_in(4) {
                    self.ask_by_api(channel, Ask::RemoveHistory);
                }
            }
            51..=54 => {
                for _ in 0..self.random.below(12) {
                    self.publish_by_client(client);
                }
            }
            55 if self.random.one_in(3) => {
                let shard = self.random.index(self.shards.len());
                self.drain(shard)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn publish_by_client(&mut self, client: usize) {
        if !self.clients[client].connected {
            return;
        }
        let channels = [CHANNELS, SERVER_CHANNELS].concat();
        let channel = self.random.pick(&channels);
        self.last_serial += 1;
        let serial = self.last_serial;
        let len = self.random.pick(&[0, 20, 200]);
        let key = Some(format!("k{}", self.random.below(3)).into());
        let publish = Publish { channel: channel.into(), data: payload(serial, len), key };
        let client = &mut self.clients[client];
        if self.random.one_in(10) {
            client.say(Command::Publish(publish));
        } else {
            client.ask(Asked::Publish { serial }, Command::Publish(publish));
        }
    }

    /// A client wants to be somewhere, or does not any more.
    fn change_wish(&mut self, client: usize) {
        let channel = name(self.random.pick(CHANNELS));
        let want = Want {
            recoverable: self.random.one_in(2),
            positioned: self.random.one_in(2),
            join_leave: self.random.one_in(2),
        };
        let forgets = self.random.one_in(3);
        let client = &mut self.clients[client];
        let seen = client.seen(&channel);
        seen.owed = None;
        if seen.want.is_none() {
            seen.want = Some(want);
            if forgets {
                seen.position = None;
            }
            return;
        }
        seen.want = None;
        if seen.live.is_some() && !seen.waits {
            seen.waits = true;
            let command = Command::Unsubscribe { channel: channel.as_str().into() };
            client.ask(Asked::Unsubscribe { channel }, command);
        }
    }

    /// A client asks what was published, or who is there.
    fn look(&mut self, client: usize) {
        if !self.clients[client].connected {
            return;
        }
        let named = self.random.pick(CHANNELS);
        let channel = name(named);
        let limit = self.random.one_in(2).then(|| u32::try_from(self.random.below(6)).unwrap_or(0));
        let reverse = self.random.one_in(2);
        let client = &mut self.clients[client];
        match self.random.below(4) {
            0 => client.ask(Asked::Other, Command::Presence { channel: named.into() }),
            1 => client.ask(Asked::Other, Command::PresenceStats { channel: named.into() }),
            _ => {
                let since = client.seen(&channel).position.clone().filter(|_| limit != Some(0));
                let filter = HistoryFilter { since, limit, reverse };
                let history = History { channel: named.into(), filter: filter.clone() };
                client.ask(Asked::History { channel, filter }, Command::History(history));
            }
        }
    }

    /// Time passes in which nobody does anything, or one partition does not.
    fn pause(&mut self) {
        let millis = self.random.pick(&[100, 600, 1_200, 2_500]);
        if self.terrain.calm || self.random.one_in(3) {
            self.note(|| format!("nothing happens for {millis} ms"));
            self.now += millis;
            return;
        }
        let at = self.random.index(self.hosts.len());
        self.note(|| format!("partition {at} freezes for {millis} ms"));
        self.hosts[at].frozen_until = self.now + millis;
    }

    /// The application calls every shard.
    fn application(&mut self) -> Checked {
        let user = UserId::new(&format!("u{}", self.random.below(4)));
        let whom = Whom { user, ..Whom::default() };
        let what = self.random.below(5);
        let channel = name(self.random.pick(CHANNELS));
        let expires_at = self.now + self.random.below(3_000);
        let server_channel = self.random.pick(SERVER_CHANNELS);
        let why = Disconnect::ForceReconnect;
        let own = Dismissal { why, code: 4_000, reason: "away".into() };
        let farewell = if self.random.one_in(2) { Farewell::Own(own.into()) } else { why.into() };
        self.note(|| format!("the application calls {what} for {whom:?} {channel}"));
        for shard in 0..self.shards.len() {
            let whom = whom.clone();
            self.call(shard, |node, now| {
                let (shard, outside) = node.parts();
                match what {
                    0 => shard.unsubscribe(now, &whom, &channel, outside),
                    1 => shard.disconnect(now, &whom, farewell.clone(), outside),
                    2 => {
                        let until = Some(Timestamp::from_millis(expires_at));
                        shard.refresh(now, &whom, until, outside);
                    }
                    // An impossible channel would be refused; these are not.
                    3 => {
                        let grant = SubscriptionGrant {
                            channel: server_channel.into(),
                            ..SubscriptionGrant::default()
                        };
                        let _ = shard.subscribe(now, &whom, &grant, None, outside);
                    }
                    _ => shard.message(&whom, &payload(0, 1), outside),
                }
            })?;
        }
        Ok(())
    }
}
