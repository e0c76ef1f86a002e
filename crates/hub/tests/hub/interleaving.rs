//! The stream contract, whatever comes in whatever order: publications, subscribers, answers, events that
//! are late, doubled or lost, brokers that fail, begin anew or forget, transports that do not keep up.

use proptest::prelude::*;
use tidewire_hub::{
    Command, CommandId, Connect, Epoch, HubConfig, Position, Push, Reply, SessionKey, Subscribe,
    Subscribed, SubscriptionGrant, Unsubscribe, broker::Event,
};

use crate::{
    broker::Mail,
    world::{Out, World, config_of, name, open_options, recoverable, text},
};

/// Something that happens.
#[derive(Debug, Clone)]
enum Step {
    /// Somebody elsewhere publishes.
    Publish,
    /// A client does whatever comes next: connects, subscribes, unsubscribes.
    Act(u8),
    /// Its connection breaks.
    Break(u8),
    Congested(u8),
    Writable(u8),
    /// The broker takes the oldest request.
    Serve,
    /// One of the next few pieces of mail arrives, not always the first.
    Arrive(u8),
    /// An event arrives twice.
    Double(u8),
    /// An event is lost; the shard hears later where the stream was.
    Lose(u8),
    /// History forgets its older half.
    Trim,
    /// The stream begins anew.
    Renew,
    /// The next request fails.
    Fail,
    /// The broker was away.
    Lost,
    Wait,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => Just(Step::Publish),
        4 => any::<u8>().prop_map(Step::Act),
        1 => any::<u8>().prop_map(Step::Break),
        1 => any::<u8>().prop_map(Step::Congested),
        2 => any::<u8>().prop_map(Step::Writable),
        6 => Just(Step::Serve),
        10 => any::<u8>().prop_map(Step::Arrive),
        1 => any::<u8>().prop_map(Step::Double),
        1 => any::<u8>().prop_map(Step::Lose),
        1 => Just(Step::Trim),
        1 => Just(Step::Renew),
        1 => Just(Step::Fail),
        1 => Just(Step::Lost),
        2 => Just(Step::Wait),
    ];
    prop::collection::vec(step, 1..160)
}

/// One who is there again and again, with what it has seen.
#[derive(Debug, Default)]
struct Client {
    session: Option<SessionKey>,
    /// The subscribe or connect command that is under way.
    asked: Option<CommandId>,
    subscribed: bool,
    seen: Option<Position>,
    /// It is subscribed by the application, as it connects.
    server_side: bool,
}

struct Play {
    world: World,
    clients: Vec<Client>,
    epoch_count: u32,
}

const CHANNEL: &str = "room";

fn config(merge_count_max: usize, recovery_count_max: u32) -> HubConfig {
    let mut config = config_of(open_options());
    config.limits.merge_count_max = merge_count_max;
    config.limits.recovery_count_max = recovery_count_max;
    config.limits.commands = None;
    config.limits.attempt_count_max = 3;
    config.limits.release_len = 300;
    config
}

impl Play {
    fn new(config: HubConfig) -> Self {
        let mut world = World::with(config);
        world.tokens.channels = Vec::new();
        let client = |index| Client { server_side: index % 3 == 2, ..Client::default() };
        Self { world, clients: (0..6).map(client).collect(), epoch_count: 0 }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Publish => {
                let channel = self.world.broker.channel(CHANNEL);
                let says = format!("{}.{}", channel.epoch.as_str(), channel.top + 1);
                self.world.broker.publish(CHANNEL, &says, &mut self.world.mail);
            }
            Step::Act(who) => self.act(usize::from(*who) % self.clients.len()),
            Step::Break(who) => {
                let who = usize::from(*who) % self.clients.len();
                if let Some(session) = self.clients[who].session.take() {
                    self.clients[who].asked = None;
                    self.clients[who].subscribed = false;
                    let World { shard, recorder, now, .. } = &mut self.world;
                    shard.closed(*now, session, recorder);
                }
            }
            Step::Congested(who) => {
                if let Some(session) = self.clients[usize::from(*who) % self.clients.len()].session
                {
                    self.world.shard.congested(session);
                }
            }
            Step::Writable(who) => {
                if let Some(session) = self.clients[usize::from(*who) % self.clients.len()].session
                {
                    let World { shard, recorder, now, .. } = &mut self.world;
                    let _ = shard.writable(*now, session, recorder);
                }
            }
            Step::Serve => {
                if !self.world.recorder.requests.is_empty() {
                    let request = self.world.recorder.requests.remove(0);
                    self.world.broker.serve(request, &mut self.world.mail);
                }
            }
            Step::Arrive(which) => self.arrive(*which),
            Step::Double(which) => {
                if let Some(mail) = self.event(*which).map(|at| self.world.mail[at].clone()) {
                    self.world.mail.push(mail);
                }
            }
            Step::Lose(which) => {
                if let Some(at) = self.event(*which) {
                    self.world.mail.remove(at);
                    let position = self.world.broker.channel(CHANNEL).position();
                    self.world
                        .mail
                        .push(Mail::Event(Event::Top { channel: name(CHANNEL), position }));
                }
            }
            Step::Trim => {
                let kept = &mut self.world.broker.channel(CHANNEL).kept;
                kept.drain(..kept.len() / 2);
            }
            Step::Renew => {
                self.epoch_count += 1;
                let epoch = Epoch::new(&format!("epoch{}", self.epoch_count));
                let channel = self.world.broker.channel(CHANNEL);
                channel.epoch = epoch;
                channel.top = 0;
                channel.kept.clear();
                let position = channel.position();
                // A broker that begins anew has forgotten who wanted to hear, and its node notices.
                channel.subscribed = false;
                let _ = position;
                self.world.mail.push(Mail::Event(Event::Lost));
            }
            Step::Fail => self.world.broker.failure_count += 1,
            Step::Lost => self.world.mail.push(Mail::Event(Event::Lost)),
            Step::Wait => {
                let World { shard, recorder, now, .. } = &mut self.world;
                *now = tidewire_hub::Timestamp::from_millis(now.as_millis() + 100);
                shard.tick(*now, recorder);
            }
        }
        self.look();
        self.world.shard.debug_check();
    }

    /// The number of an event on its way.
    fn event(&self, which: u8) -> Option<usize> {
        let events = self.world.mail.iter().enumerate();
        let events: Vec<_> = events
            .filter(|(_, mail)| matches!(mail, Mail::Event(Event::Published { .. })))
            .map(|(at, _)| at)
            .collect();
        (!events.is_empty()).then(|| events[usize::from(which) % events.len()])
    }

    fn arrive(&mut self, which: u8) {
        if !self.world.mail.is_empty() {
            let at = usize::from(which / 64) % self.world.mail.len();
            self.world.arrive(at);
        }
    }

    fn act(&mut self, who: usize) {
        let client = &mut self.clients[who];
        if client.asked.is_some() {
            return;
        }
        let seen = client.seen.as_ref().map(|seen| (seen.epoch.as_str().into(), seen.offset));
        let again = Subscribe { recover: seen, ..recoverable(CHANNEL) };
        let Some(session) = client.session else {
            let server_side = client.server_side;
            let session = self.world.open();
            self.world.tokens.channels = if server_side {
                vec![SubscriptionGrant {
                    channel: CHANNEL.into(),
                    force_recovery: Some(true),
                    force_positioning: Some(true),
                    ..SubscriptionGrant::default()
                }]
            } else {
                Vec::new()
            };
            let connect = Connect {
                token: Some(format!("user{who}").into()),
                subscriptions: vec![again],
                data: None,
            };
            let asked = self.world.command(session, Command::Connect(connect));
            self.clients[who].session = Some(session);
            self.clients[who].asked = Some(asked);
            return;
        };
        if client.server_side {
            return;
        }
        if client.subscribed {
            client.subscribed = false;
            let _ = self.world.command(session, Command::Unsubscribe { channel: CHANNEL.into() });
        } else {
            let asked = self.world.command(session, Command::Subscribe(again));
            self.clients[who].asked = Some(asked);
        }
    }

    /// Every client looks at what it was told, in order.
    fn look(&mut self) {
        for out in std::mem::take(&mut self.world.recorder.out) {
            let (Out::Reply(session, ..)
            | Out::Push(session, _)
            | Out::Deliver(session, ..)
            | Out::Announce(session, ..)) = &out;
            let client = self.clients.iter_mut().find(|client| client.session == Some(*session));
            let client = client.unwrap_or_else(|| panic!("nobody is told {out:?}"));
            client.told(out);
        }
    }

    /// Until nothing is under way, without any more trouble; then everybody has everything.
    fn finish(mut self) {
        self.world.broker.failure_count = 0;
        for who in 0..self.clients.len() {
            if let Some(session) = self.clients[who].session {
                let World { shard, recorder, now, .. } = &mut self.world;
                while shard.writable(*now, session, recorder) {}
            }
            self.look();
        }
        for _ in 0..100 {
            self.step(&Step::Serve);
            self.step(&Step::Arrive(0));
            for _ in 0..4 {
                self.step(&Step::Serve);
                self.step(&Step::Arrive(0));
            }
            self.step(&Step::Wait);
        }
        assert!(
            self.world.mail.is_empty() && self.world.recorder.requests.is_empty(),
            "it comes to rest"
        );
        let top = self.world.broker.channel(CHANNEL).position();
        for client in &self.clients {
            assert!(client.asked.is_none(), "everything is answered: {client:?}");
            if client.subscribed {
                assert_eq!(client.seen.as_ref(), Some(&top), "everybody has everything");
            }
        }
        for session in self.clients.iter().filter_map(|client| client.session) {
            let World { shard, recorder, now, .. } = &mut self.world;
            shard.closed(*now, session, recorder);
            shard.debug_check();
        }
        let stats = self.world.shard.stats();
        assert_eq!(
            (stats.session_count, stats.user_count, stats.channel_count, stats.backlog_len),
            (0, 0, 0, 0)
        );
    }
}

impl Client {
    fn told(&mut self, out: Out) {
        match out {
            Out::Reply(_, id, reply) if Some(id) == self.asked => {
                self.asked = None;
                match reply {
                    Ok(Reply::Subscribed(subscribed)) => self.starts(&subscribed),
                    Ok(Reply::Connected(connected)) => {
                        for (_, subscribed) in &connected.subscriptions {
                            self.starts(subscribed);
                        }
                    }
                    Ok(other) => panic!("{other:?}"),
                    Err(_) => {}
                }
            }
            Out::Reply(..) | Out::Announce(..) | Out::Push(_, Push::Ping) => {}
            Out::Deliver(_, _, publication)
            | Out::Push(_, Push::Publication { publication, .. }) => {
                assert!(
                    self.subscribed && self.asked.is_none(),
                    "{publication:?} to nobody: {self:?}"
                );
                self.receives(&text(&publication), publication.offset);
            }
            Out::Push(_, Push::Unsubscribed { why, .. }) => {
                assert_eq!(why, Unsubscribe::InsufficientState);
                assert!(self.subscribed && !self.server_side);
                self.subscribed = false;
            }
            Out::Push(_, Push::Disconnect(_)) => {
                self.session = None;
                self.asked = None;
                self.subscribed = false;
            }
            Out::Push(_, other) => panic!("{other:?}"),
        }
    }

    fn starts(&mut self, subscribed: &Subscribed) {
        self.subscribed = true;
        let position = subscribed.position.clone().expect("a stream has positions");
        if subscribed.recovered {
            assert!(subscribed.was_recovering);
            for publication in &subscribed.publications {
                self.receives(&text(publication), publication.offset);
            }
            assert_eq!(self.seen.as_ref(), Some(&position), "recovered is all of it");
        } else {
            assert!(subscribed.publications.is_empty(), "never part of it");
            self.seen = Some(position);
        }
    }

    fn receives(&mut self, says: &str, offset: u64) {
        let seen = self.seen.as_mut().expect("somebody who has a position");
        seen.offset += 1;
        assert_eq!(offset, seen.offset, "no gap, no duplicate, one order");
        assert_eq!(says, seen.to_string(), "it is what was published there");
    }
}

/// Enough for each run; more by the variable that proptest has for it.
fn case_count() -> u32 {
    let asked = std::env::var("PROPTEST_CASES").ok();
    asked.and_then(|count| count.parse().ok()).unwrap_or(96)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: case_count(), max_shrink_iters: 4_000, ..ProptestConfig::default() })]

    #[test]
    fn a_subscriber_sees_all_from_where_it_began(
        steps in steps(),
        merge_count_max in 1..8_usize,
        recovery_count_max in 1..12_u32,
    ) {
        let mut play = Play::new(config(merge_count_max, recovery_count_max));
        for step in &steps {
            play.step(step);
        }
        play.finish();
    }
}
