//! [`World`]: a shard, and everything around it, as far as a test wants it.

use std::sync::Arc;

use tidewire_hub::{
    ChannelName, ChannelOptions, ClientId, Command, CommandId, Connect, Connected, Credentials,
    Data, Disconnect, Error, Guest, HubConfig, Member, Namespaces, Outside, Permissions,
    Publication, Publish, Push, Reply, Seed, SessionKey, Shard, Subscribe, Subscribed,
    SubscriptionGrant, Timestamp, TokenError, UserId, Variant, Verifier, Who,
    broker::{Request, Retention},
};

use crate::broker::{Broker, Mail};

/// What has come out of a shard, in order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Out {
    Reply(SessionKey, CommandId, Result<Reply, Error>),
    Push(SessionKey, Push),
    /// A publication, to one of those who were named together.
    Deliver(SessionKey, ChannelName, Arc<Publication>),
    Announce(SessionKey, ChannelName, Arc<Member>, bool),
}

/// Takes everything down.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    pub(crate) out: Vec<Out>,
    pub(crate) requests: Vec<Request>,
    /// Whether every user has as many sessions elsewhere as it may.
    pub(crate) turns_users_away: bool,
}

impl Outside for Recorder {
    fn admit(&mut self, _session: SessionKey, _user: &UserId) -> bool {
        !self.turns_users_away
    }

    fn reply(&mut self, session: SessionKey, id: CommandId, reply: Result<Reply, Error>) {
        self.out.push(Out::Reply(session, id, reply));
    }

    fn push(&mut self, session: SessionKey, push: Push) {
        self.out.push(Out::Push(session, push));
    }

    fn deliver(
        &mut self,
        channel: &ChannelName,
        publication: &Arc<Publication>,
        _variant: Variant,
        receivers: &[SessionKey],
    ) {
        for key in receivers {
            self.out.push(Out::Deliver(*key, channel.clone(), Arc::clone(publication)));
        }
    }

    fn announce(
        &mut self,
        channel: &ChannelName,
        member: &Arc<Member>,
        came: bool,
        _variant: Variant,
        receivers: &[SessionKey],
    ) {
        for key in receivers {
            self.out.push(Out::Announce(*key, channel.clone(), Arc::clone(member), came));
        }
    }

    fn submit(&mut self, request: Request) {
        self.requests.push(request);
    }
}

/// Tokens are what they say: `user` for a connection, `channel|user` for a subscription; `expired` and
/// `bad` are just that.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    /// What each connection token is good for beside its user.
    pub(crate) channels: Vec<SubscriptionGrant>,
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) meta: Option<Data>,
    /// What each subscription token is good for beside its channel.
    pub(crate) grant: SubscriptionGrant,
}

impl Verifier for Tokens {
    fn connection(&mut self, token: &str) -> Result<Credentials, TokenError> {
        match token {
            "expired" => Err(TokenError::Expired),
            "bad" => Err(TokenError::Invalid),
            user => Ok(Credentials {
                user: UserId::new(user),
                expires_at: self.expires_at,
                channels: self.channels.clone(),
                meta: self.meta.clone(),
                ..Credentials::default()
            }),
        }
    }

    fn subscription(
        &mut self,
        token: &str,
        channel: &ChannelName,
        user: &UserId,
        _client: &ClientId,
    ) -> Result<SubscriptionGrant, TokenError> {
        match token {
            "expired" => Err(TokenError::Expired),
            token if token == format!("{channel}|{}", user.as_str()) => Ok(SubscriptionGrant {
                channel: channel.as_str().into(),
                expires_at: self.expires_at,
                ..self.grant.clone()
            }),
            _ => Err(TokenError::Invalid),
        }
    }
}

/// A shard, a broker that answers when it is told to, and what has come of everything.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) shard: Shard,
    pub(crate) now: Timestamp,
    pub(crate) recorder: Recorder,
    pub(crate) broker: Broker,
    /// What the broker has sent, and has not arrived.
    pub(crate) mail: Vec<Mail>,
    pub(crate) tokens: Tokens,
    pub(crate) answers_pings: bool,
    last_client: u32,
    last_command: u32,
}

/// Everything allowed, everything kept.
pub(crate) fn open_options() -> ChannelOptions {
    let everybody = Who { users: true, anonymous: true, subscribers: true };
    ChannelOptions {
        permissions: Permissions {
            subscribe: everybody,
            publish: everybody,
            presence: everybody,
            history: everybody,
        },
        history: Some(Retention::new(100, std::time::Duration::from_secs(3600))),
        allow_recovery: true,
        allow_positioning: true,
        ..ChannelOptions::default()
    }
}

pub(crate) fn config_of(options: ChannelOptions) -> HubConfig {
    let seed = Seed::new([1, 2]);
    HubConfig::new(Namespaces::new(seed).bare(options), seed)
}

pub(crate) fn name(channel: &str) -> ChannelName {
    ChannelName::new(channel).unwrap()
}

pub(crate) fn json(text: &str) -> Data {
    Data::Json(text.into())
}

/// Subscribes plainly.
pub(crate) fn plain(channel: &str) -> Subscribe {
    Subscribe { channel: channel.into(), ..Subscribe::default() }
}

/// Subscribes so that it may be recovered.
pub(crate) fn recoverable(channel: &str) -> Subscribe {
    Subscribe { recoverable: true, positioned: true, ..plain(channel) }
}

/// Subscribes and recovers.
pub(crate) fn recover(channel: &str, epoch: &str, offset: u64) -> Subscribe {
    Subscribe { recover: Some((epoch.into(), offset)), ..recoverable(channel) }
}

impl World {
    pub(crate) fn new(options: ChannelOptions) -> Self {
        Self::with(config_of(options))
    }

    pub(crate) fn with(config: HubConfig) -> Self {
        Self {
            shard: Shard::new(Arc::new(config)),
            now: Timestamp::from_millis(1_000_000),
            recorder: Recorder::default(),
            broker: Broker::default(),
            mail: Vec::new(),
            tokens: Tokens::default(),
            answers_pings: true,
            last_client: 0,
            last_command: 0,
        }
    }

    /// Somebody comes, who has not said anything yet.
    pub(crate) fn open(&mut self) -> SessionKey {
        self.try_open().unwrap()
    }

    pub(crate) fn try_open(&mut self) -> Result<SessionKey, Disconnect> {
        self.last_client += 1;
        let client = ClientId::new(&format!("client-{}", self.last_client));
        let guest = Guest { client, variant: Variant::default(), credentials: None };
        self.shard.open(self.now, guest, &mut self.recorder)
    }

    /// A command, whatever comes of it.
    pub(crate) fn command(&mut self, key: SessionKey, command: Command) -> CommandId {
        self.last_command += 1;
        let id = CommandId(self.last_command);
        self.shard.command(self.now, key, id, command, &mut self.tokens, &mut self.recorder);
        self.shard.debug_check();
        id
    }

    /// A user comes, and is told that it is connected.
    pub(crate) fn connect(&mut self, user: &str) -> SessionKey {
        let key = self.open();
        self.connect_with(key, Connect { token: Some(user.into()), ..Connect::default() }).unwrap();
        key
    }

    pub(crate) fn connect_with(
        &mut self,
        key: SessionKey,
        connect: Connect,
    ) -> Result<Box<Connected>, Error> {
        let id = self.command(key, Command::Connect(connect));
        self.run();
        match self.reply_to(id).expect("a reply") {
            Ok(Reply::Connected(connected)) => Ok(connected),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error),
        }
    }

    /// Subscribes; everything that is under way is done then.
    pub(crate) fn subscribe(
        &mut self,
        key: SessionKey,
        subscribe: Subscribe,
    ) -> Result<Subscribed, Error> {
        let id = self.command(key, Command::Subscribe(subscribe));
        self.run();
        self.subscribed(id)
    }

    /// The answer to a subscribe command.
    pub(crate) fn subscribed(&mut self, id: CommandId) -> Result<Subscribed, Error> {
        match self.reply_to(id).expect("a reply") {
            Ok(Reply::Subscribed(subscribed)) => Ok(*subscribed),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn ask(&mut self, key: SessionKey, command: Command) -> Result<Reply, Error> {
        let id = self.command(key, command);
        self.run();
        self.reply_to(id).expect("a reply")
    }

    pub(crate) fn publish(
        &mut self,
        key: SessionKey,
        channel: &str,
        text: &str,
    ) -> Result<Reply, Error> {
        let publish = Publish { channel: channel.into(), data: json(text), key: None };
        self.ask(key, Command::Publish(publish))
    }

    /// Takes out the one reply to a command, if it has come.
    pub(crate) fn reply_to(&mut self, id: CommandId) -> Option<Result<Reply, Error>> {
        let is_it = |out: &Out| matches!(out, Out::Reply(_, of, _) if *of == id);
        let at = self.recorder.out.iter().position(is_it)?;
        let Out::Reply(_, _, reply) = self.recorder.out.remove(at) else { return None };
        assert!(!self.recorder.out.iter().any(is_it), "one reply to {id:?}");
        Some(reply)
    }

    /// What has been pushed to a session, taken out.
    pub(crate) fn pushes(&mut self, key: SessionKey) -> Vec<Push> {
        self.recorder
            .out
            .extract_if(.., |out| matches!(out, Out::Push(to, _) if *to == key))
            .filter_map(|out| match out {
                Out::Push(_, push) => Some(push),
                _ => None,
            })
            .collect()
    }

    /// The payloads that a session has received, by whatever way, taken out.
    pub(crate) fn received(&mut self, key: SessionKey) -> Vec<String> {
        let publications = self.recorder.out.extract_if(.., |out| match out {
            Out::Deliver(to, ..) | Out::Push(to, Push::Publication { .. }) => *to == key,
            _ => false,
        });
        publications
            .filter_map(|out| match out {
                Out::Deliver(_, _, publication)
                | Out::Push(_, Push::Publication { publication, .. }) => Some(text(&publication)),
                _ => None,
            })
            .collect()
    }

    /// Who has heard of whom, taken out.
    pub(crate) fn announced(&mut self) -> Vec<(SessionKey, String, bool)> {
        let is_it = |out: &mut Out| matches!(out, Out::Announce(..));
        let announced = self.recorder.out.extract_if(.., is_it);
        announced
            .filter_map(|out| match out {
                Out::Announce(key, _, member, came) => {
                    Some((key, member.user.as_str().to_owned(), came))
                }
                _ => None,
            })
            .collect()
    }

    /// The broker takes all requests that there are.
    pub(crate) fn serve(&mut self) {
        for request in std::mem::take(&mut self.recorder.requests) {
            self.broker.serve(request, &mut self.mail);
        }
    }

    /// The first piece of mail arrives.
    pub(crate) fn arrive(&mut self, at: usize) {
        match self.mail.remove(at) {
            Mail::Response(response) => self.shard.response(self.now, response, &mut self.recorder),
            Mail::Event(event) => self.shard.event(self.now, event, &mut self.recorder),
        }
        self.shard.debug_check();
    }

    /// Until nothing is under way.
    pub(crate) fn run(&mut self) {
        while !self.recorder.requests.is_empty() || !self.mail.is_empty() {
            self.serve();
            if !self.mail.is_empty() {
                self.arrive(0);
            }
        }
    }

    /// Time goes by, and what is due gets done.
    pub(crate) fn wait(&mut self, millis: u64) {
        let until = self.now.as_millis() + millis;
        while self.now.as_millis() < until {
            self.now = Timestamp::from_millis((self.now.as_millis() + 62).min(until));
            self.shard.tick(self.now, &mut self.recorder);
            self.shard.debug_check();
            if self.answers_pings {
                self.pong();
            }
            self.run();
        }
    }

    /// Everybody answers the pings it has got.
    fn pong(&mut self) {
        let is_ping = |out: &mut Out| matches!(out, Out::Push(_, Push::Ping));
        let pings: Vec<_> = self.recorder.out.extract_if(.., is_ping).collect();
        for ping in pings {
            if let Out::Push(key, _) = ping {
                self.command(key, Command::Pong);
            }
        }
    }
}

/// A payload as text.
pub(crate) fn text(publication: &Publication) -> String {
    match &publication.data {
        Data::Json(text) => text.to_string(),
        Data::Binary(bytes) => format!("{bytes:?}"),
    }
}
