//! Target: clients that ask for anything, and a broker that answers anything, late, twice or never, in any order.
//! What a shard says to each session is read by somebody who knows only the rules of that: one answer for a command,
//! first of all that it is connected, no publication of a channel it is not in, no gap where there may be none.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use arbitrary::{Result, Unstructured};
use tidewire_hub::{
    Brim, ChannelName, ChannelOptions, ClientId, Command, CommandId, Connect, Credentials, Data,
    Disconnect, Dismissal, Epoch, Error, Farewell, Guest, History, HistoryFilter, HubConfig,
    HubLimits, Member, Namespaces, Outside, Permissions, Position, Publication, Publish, Push,
    Reply, Seed, SessionKey, Shard, Subscribe, Subscribed, SubscriptionGrant, Timestamp,
    TokenError, UserId, Variant, Verifier, Who, Whom,
    broker::{Answer, Ask, Event, Failure, Request, RequestId, Response, Retention},
};

/// Channels of each kind.
const CHANNELS: [&str; 5] = ["gapless", "plain:x", "oldest:x", "latest:x", "unknown:x"];

/// One input.
pub fn run(data: &[u8]) {
    let _ = try_run(&mut Unstructured::new(data));
}

fn try_run(u: &mut Unstructured<'_>) -> Result<()> {
    let config = config(u)?;
    let mut world = World {
        shard: Shard::new(Arc::new(config)),
        now: Timestamp::from_millis(1_000_000),
        listener: Listener::default(),
        sessions: Vec::new(),
        grants: Vec::new(),
        command_count: 0,
    };
    for _ in 0..256 {
        if u.is_empty() {
            break;
        }
        world.step(u)?;
        world.shard.debug_check();
    }
    world.finish();
    Ok(())
}

fn config(u: &mut Unstructured<'_>) -> Result<HubConfig> {
    let seed = Seed::new([1, 2]);
    let everybody = Who { users: true, anonymous: true, subscribers: true };
    let options = ChannelOptions {
        permissions: Permissions {
            subscribe: everybody,
            publish: everybody,
            presence: everybody,
            history: everybody,
        },
        history: Some(Retention::new(100, Duration::from_mins(1))),
        presence: true,
        join_leave: true,
        allow_recovery: true,
        allow_positioning: true,
        ..ChannelOptions::default()
    };
    let plain = ChannelOptions { history: None, ..options.clone() };
    let namespaces = Namespaces::new(seed)
        .bare(options.clone())
        .named("plain", plain)
        .named("oldest", ChannelOptions { brim: Brim::DropOldest, ..options.clone() })
        .named("latest", ChannelOptions { brim: Brim::Conflate, ..options });
    let mut config = HubConfig::new(namespaces, seed);
    config.limits = HubLimits {
        session_count_max: 8,
        user_session_count_max: 3,
        subscription_count_max: 3,
        publication_len_max: 8,
        recovery_count_max: u.int_in_range(0..=8)?,
        merge_count_max: u.int_in_range(1..=8)?,
        pending_command_count_max: u.int_in_range(1..=8)?,
        backlog_len_max: u.int_in_range(100..=1000)?,
        shard_backlog_len_max: 2000,
        release_len: u.int_in_range(1..=500)?,
        attempt_count_max: u.int_in_range(1..=3)?,
        chore_count_max: 4,
        resubscribe_count: 2,
        commands: None,
        ..HubLimits::default()
    };
    config.presence_refresh_interval = Some(Duration::from_secs(3));
    config.position_check_interval = Some(Duration::from_secs(2));
    config.allow_anonymous = true;
    Ok(config)
}

#[derive(Debug)]
struct World {
    shard: Shard,
    now: Timestamp,
    listener: Listener,
    /// All that there ever were: those that have ended may be named as well.
    sessions: Vec<SessionKey>,
    grants: Vec<SubscriptionGrant>,
    command_count: u32,
}

/// What each session has been told.
#[derive(Debug, Default)]
struct Listener {
    alive: BTreeMap<SessionKey, Told>,
    requests: Vec<(RequestId, Ask)>,
}

#[derive(Debug, Default)]
struct Told {
    variant: Variant,
    connected: bool,
    unanswered: BTreeSet<u32>,
    /// Where it is in each channel it is in; `None` where that has no stream, or gaps do not matter.
    channels: BTreeMap<ChannelName, Option<u64>>,
    /// To which channels its subscribe commands were.
    asked: BTreeMap<u32, ChannelName>,
}

impl Listener {
    fn told(&mut self, session: SessionKey) -> &mut Told {
        self.alive.get_mut(&session).expect("nobody is told anything after its end")
    }

    fn receives(&mut self, session: SessionKey, channel: &ChannelName, publication: &Publication) {
        let told = self.told(session);
        assert!(told.connected, "the first thing it hears is that it is connected");
        let at = told.channels.get_mut(channel).expect("it is in that channel");
        if let Some(at) = at
            && publication.offset != 0
        {
            assert_eq!(publication.offset, *at + 1, "no gap and no duplicate");
            *at += 1;
        }
    }
}

impl Told {
    fn enters(&mut self, channel: ChannelName, subscribed: &Subscribed) {
        let offset = subscribed.position.as_ref().map(|position| position.offset);
        if subscribed.recovered {
            let last = subscribed.publications.last().map(|last| Some(last.offset));
            assert!(last.is_none_or(|last| last == offset), "{subscribed:?}");
            let offsets = subscribed.publications.windows(2);
            offsets.for_each(|two| assert_eq!(two[0].offset + 1, two[1].offset));
        } else {
            assert!(subscribed.publications.is_empty(), "never part of it");
        }
        let gapless = subscribed.recoverable || subscribed.positioned;
        let before = self.channels.insert(channel, offset.filter(|_| gapless));
        assert!(before.is_none(), "it is in a channel once");
    }
}

impl Outside for Listener {
    fn reply(
        &mut self,
        session: SessionKey,
        id: CommandId,
        reply: std::result::Result<Reply, Error>,
    ) {
        let told = self.told(session);
        assert!(told.unanswered.remove(&id.0), "one answer to {id:?}: {reply:?}");
        let asked = told.asked.remove(&id.0);
        match reply {
            Ok(Reply::Connected(connected)) => {
                assert!(!told.connected);
                told.connected = true;
                for (channel, subscribed) in connected.subscriptions {
                    told.enters(channel, &subscribed);
                }
            }
            Ok(Reply::Subscribed(subscribed)) => {
                told.enters(asked.expect("it has asked for that"), &subscribed);
            }
            Ok(Reply::Unsubscribed) => {
                told.channels.remove(&asked.expect("it has asked for that"));
            }
            Ok(_) => assert!(told.connected),
            Err(_) => {}
        }
    }

    fn push(&mut self, session: SessionKey, push: Push) {
        match push {
            Push::Disconnect(why) => {
                assert_ne!(why, Disconnect::ConnectionClosed, "that is never sent");
                self.alive.remove(&session).expect("it ends once");
            }
            Push::Dismissed(_) => _ = self.alive.remove(&session).expect("it ends once"),
            Push::Publication { channel, publication } => {
                self.receives(session, &channel, &publication);
            }
            Push::Subscribed { channel, subscribed } => {
                self.told(session).enters(channel, &subscribed);
            }
            Push::Unsubscribed { channel, .. } => {
                // Who was only about to be in it is told as well: it shall not try again.
                self.told(session).channels.remove(&channel);
            }
            Push::Message(_) | Push::Refresh { .. } | Push::Ping => {
                assert!(self.told(session).connected);
            }
        }
    }

    fn deliver(
        &mut self,
        channel: &ChannelName,
        publication: &Arc<Publication>,
        variant: Variant,
        receivers: &[SessionKey],
    ) {
        let once: BTreeSet<_> = receivers.iter().collect();
        assert_eq!(once.len(), receivers.len(), "each is named once");
        for session in receivers {
            assert_eq!(self.told(*session).variant, variant);
            self.receives(*session, channel, publication);
        }
    }

    fn announce(
        &mut self,
        channel: &ChannelName,
        _: &Arc<Member>,
        _: bool,
        variant: Variant,
        receivers: &[SessionKey],
    ) {
        for session in receivers {
            let told = self.told(*session);
            assert!(told.variant == variant && told.channels.contains_key(channel));
        }
    }

    fn submit(&mut self, request: Request) {
        self.requests.push((request.id, request.ask));
    }
}

/// A token says whether it is good.
struct Tokens<'a>(&'a [SubscriptionGrant]);

impl Verifier for Tokens<'_> {
    fn connection(&mut self, token: &str) -> std::result::Result<Credentials, TokenError> {
        match token {
            "bad" => Err(TokenError::Invalid),
            "late" => Err(TokenError::Expired),
            user => Ok(Credentials {
                user: UserId::new(user),
                channels: self.0.to_vec(),
                ..Credentials::default()
            }),
        }
    }

    fn subscription(
        &mut self,
        token: &str,
        channel: &ChannelName,
        _: &UserId,
        _: &ClientId,
    ) -> std::result::Result<SubscriptionGrant, TokenError> {
        match token {
            "bad" => Err(TokenError::Invalid),
            "late" => Err(TokenError::Expired),
            _ => Ok(SubscriptionGrant {
                channel: channel.as_str().into(),
                expires_at: Some(Timestamp::from_millis(1_030_000)),
                ..SubscriptionGrant::default()
            }),
        }
    }
}

impl World {
    fn step(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        let (now, listener) = (self.now, &mut self.listener);
        match u.int_in_range(0..=15)? {
            0 => self.open(u)?,
            1..=5 => self.command(u)?,
            6..=8 => self.answer(u)?,
            9 | 10 => {
                let event = event(u)?;
                self.shard.event(now, event, listener);
            }
            11 => {
                let Some(session) = self.any(u)? else { return Ok(()) };
                if u.arbitrary()? {
                    self.shard.congested(session);
                } else {
                    let _ = self.shard.writable(now, session, &mut self.listener);
                }
            }
            12 => {
                let Some(session) = self.any(u)? else { return Ok(()) };
                self.listener.alive.remove(&session);
                self.shard.closed(now, session, &mut self.listener);
            }
            13 => self.call(u)?,
            _ => {
                let millis = u.int_in_range(0..=4000)?;
                self.now = now.saturating_add(Duration::from_millis(millis));
                self.shard.tick(self.now, &mut self.listener);
            }
        }
        Ok(())
    }

    fn open(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        let variant = Variant(u.int_in_range(0..=2)?);
        let client = ClientId::new(&format!("client{}", self.sessions.len()));
        let guest = Guest { client, variant, credentials: None };
        if let Ok(session) = self.shard.open(self.now, guest, &mut self.listener) {
            assert!(!self.sessions.contains(&session), "no key comes twice");
            self.sessions.push(session);
            self.listener.alive.insert(session, Told { variant, ..Told::default() });
        }
        Ok(())
    }

    /// Any session, also one that has ended.
    fn any(&self, u: &mut Unstructured<'_>) -> Result<Option<SessionKey>> {
        if self.sessions.is_empty() {
            Ok(None)
        } else {
            u.choose(&self.sessions).copied().map(Some)
        }
    }

    fn command(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        let Some(session) = self.any(u)? else { return Ok(()) };
        let channel = *u.choose(&CHANNELS)?;
        let command = match u.int_in_range(0..=11)? {
            0 | 1 => {
                self.grants = grants(u)?;
                let token = u.choose(&["ann", "bob", "bad", "late", ""])?;
                Command::Connect(Connect {
                    token: (!token.is_empty()).then(|| (*token).into()),
                    data: None,
                    subscriptions: vec![subscribe(u, channel)?],
                })
            }
            2..=4 => Command::Subscribe(subscribe(u, channel)?),
            5 => Command::Unsubscribe { channel: channel.into() },
            6 => Command::Publish(Publish { channel: channel.into(), data: data(u)?, key: None }),
            7 => Command::History(History { channel: channel.into(), filter: filter(u)? }),
            8 => Command::Presence { channel: channel.into() },
            9 => Command::Refresh { token: (*u.choose(&["ann", "bad"])?).into() },
            10 => Command::RefreshSubscription { channel: channel.into(), token: "good".into() },
            _ => Command::Pong,
        };
        self.command_count += 1;
        let id = self.command_count;
        if let Some(told) = self.listener.alive.get_mut(&session) {
            told.unanswered.insert(id);
            if matches!(command, Command::Subscribe(_) | Command::Unsubscribe { .. }) {
                told.asked.insert(id, ChannelName::new(channel).expect("a name"));
            }
        }
        let tokens = &mut Tokens(&self.grants);
        self.shard.command(self.now, session, CommandId(id), command, tokens, &mut self.listener);
        Ok(())
    }

    /// An answer to something that was asked, or to nothing, that fits or does not.
    fn answer(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        let count = self.listener.requests.len();
        let (id, ask) = if count == 0 || u.ratio(1, 20)? {
            (RequestId(u.int_in_range(0..=500)?), Ask::Presence)
        } else {
            let at = u.int_in_range(0..=count - 1)?;
            if u.ratio(1, 8)? {
                self.listener.requests[at].clone()
            } else {
                self.listener.requests.remove(at)
            }
        };
        let answer = match (u.int_in_range(0..=9)?, ask) {
            (0, _) => Err(Failure::Unavailable),
            (1, _) => Err(Failure::LimitExceeded),
            (2, _) => Err(Failure::Unrecoverable { top: position(u)? }),
            (3, _) | (_, Ask::Subscribe) => Ok(Answer::Subscribed { top: position(u)? }),
            (_, Ask::Read(filter)) => Ok(history(u, &filter)?),
            (_, Ask::Publish(_)) => Ok(Answer::Published { position: None, suppressed: false }),
            (_, Ask::Presence) => Ok(Answer::Presence(Vec::new())),
            _ => Ok(Answer::Done),
        };
        self.shard.response(self.now, Response { id, answer }, &mut self.listener);
        Ok(())
    }

    /// The application calls.
    fn call(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        let (now, outside) = (self.now, &mut self.listener);
        let whom = Whom { user: UserId::new(u.choose(&["ann", "bob"])?), ..Whom::default() };
        let channel = *u.choose(&CHANNELS)?;
        match u.int_in_range(0..=5)? {
            0 | 1 => {
                let grant = SubscriptionGrant { channel: channel.into(), ..grant(u)? };
                let _ = self.shard.subscribe(now, &whom, &grant, Some(&position(u)?), outside);
            }
            2 => {
                let channel = ChannelName::new(channel).expect("a name");
                self.shard.unsubscribe(now, &whom, &channel, outside);
            }
            3 if channel == CHANNELS[0] => {
                let own =
                    Dismissal { why: Disconnect::ForceReconnect, code: 4000, reason: "".into() };
                self.shard.disconnect(now, &whom, Farewell::Own(own.into()), outside);
            }
            3 => self.shard.disconnect(now, &whom, Disconnect::ForceReconnect, outside),
            4 => self.shard.refresh(now, &whom, None, outside),
            _ => self.shard.message(&whom, &Data::Json("1".into()), outside),
        }
        Ok(())
    }

    /// Everybody goes; nothing is left.
    fn finish(mut self) {
        for session in self.sessions {
            self.listener.alive.remove(&session);
            self.shard.closed(self.now, session, &mut self.listener);
            self.shard.debug_check();
        }
        let stats = self.shard.stats();
        let left = (stats.session_count, stats.user_count, stats.channel_count, stats.backlog_len);
        assert_eq!(left, (0, 0, 0, 0));
    }
}

fn subscribe(u: &mut Unstructured<'_>, channel: &str) -> Result<Subscribe> {
    let at = position(u)?;
    let token = *u.choose(&["", "", "good", "bad", "late"])?;
    Ok(Subscribe {
        channel: channel.into(),
        token: (!token.is_empty()).then(|| token.into()),
        recover: u.arbitrary::<bool>()?.then(|| (at.epoch.as_str().into(), at.offset)),
        positioned: u.arbitrary()?,
        recoverable: u.arbitrary()?,
        join_leave: u.arbitrary()?,
        data: None,
    })
}

fn grant(u: &mut Unstructured<'_>) -> Result<SubscriptionGrant> {
    Ok(SubscriptionGrant {
        force_recovery: u.arbitrary()?,
        force_positioning: u.arbitrary()?,
        expires_at: u.ratio(1, 4)?.then(|| Timestamp::from_millis(1_020_000)),
        ..SubscriptionGrant::default()
    })
}

fn grants(u: &mut Unstructured<'_>) -> Result<Vec<SubscriptionGrant>> {
    let count = u.int_in_range(0..=2)?;
    (0..count)
        .map(|_| {
            Ok(SubscriptionGrant { channel: (*u.choose(&CHANNELS[..4])?).into(), ..grant(u)? })
        })
        .collect()
}

/// Few positions, so that they meet.
fn position(u: &mut Unstructured<'_>) -> Result<Position> {
    let epoch = Epoch::new(u.choose(&["a", "a", "a", "b", ""])?);
    Ok(Position { epoch, offset: u.int_in_range(0..=10)? })
}

fn data(u: &mut Unstructured<'_>) -> Result<Data> {
    Ok(Data::Json("123456789"[..u.int_in_range(1..=9)?].into()))
}

fn filter(u: &mut Unstructured<'_>) -> Result<HistoryFilter> {
    let since = u.arbitrary::<bool>()?.then(|| position(u)).transpose()?;
    Ok(HistoryFilter { since, limit: u.arbitrary()?, reverse: u.arbitrary()? })
}

fn publication(u: &mut Unstructured<'_>, offset: u64) -> Result<Arc<Publication>> {
    let key = u
        .arbitrary::<bool>()?
        .then(|| if offset.is_multiple_of(2) { "k".into() } else { "l".into() });
    let data = data(u)?;
    Ok(Arc::new(Publication { offset, data, publisher: None, tags: Box::default(), key, time: 0 }))
}

/// Mostly what was asked for, of a stream that may be any; sometimes anything.
fn history(u: &mut Unstructured<'_>, filter: &HistoryFilter) -> Result<Answer> {
    let top = position(u)?;
    let since = filter.since.as_ref().map_or(0, |since| since.offset);
    let mut offsets: Vec<u64> = (since + 1..=top.offset).collect();
    if filter.reverse {
        offsets.reverse();
    }
    offsets.truncate(filter.limit.map_or(usize::MAX, |limit| limit as usize));
    if u.ratio(1, 8)? {
        offsets = u
            .arbitrary_iter::<u8>()?
            .take(5)
            .map(|offset| offset.map(u64::from))
            .collect::<Result<_>>()?;
    }
    let publications =
        offsets.into_iter().map(|offset| publication(u, offset)).collect::<Result<_>>()?;
    Ok(Answer::History { publications, top })
}

fn event(u: &mut Unstructured<'_>) -> Result<Event> {
    let channel = ChannelName::new(u.choose(&CHANNELS)?).expect("a name");
    let at = position(u)?;
    Ok(match u.int_in_range(0..=9)? {
        0 => Event::Lost,
        1 => Event::Top { channel, position: at },
        2 => {
            let member = Arc::new(Member {
                user: UserId::new("eve"),
                client: ClientId::new("elsewhere"),
                connection_info: None,
                channel_info: None,
            });
            if u.arbitrary()? {
                Event::Joined { channel, member }
            } else {
                Event::Left { channel, member }
            }
        }
        _ => {
            let epoch = u.ratio(9, 10)?.then_some(at.epoch);
            Event::Published { channel, epoch, publication: publication(u, at.offset)? }
        }
    })
}
