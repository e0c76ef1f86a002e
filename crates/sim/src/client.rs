//! [`Client`]: one user's program: what it wants, what it has seen, and what it holds against the server.

use std::collections::BTreeMap;

use bytestring::ByteString;
use tidewire_hub::{
    ChannelName, Command, CommandId, Connect, HistoryFilter, Position, Subscribe, broker::Version,
};

use crate::{
    random::Random,
    terrain::{SERVER_CHANNELS, name},
    tokens,
    truth::Serial,
};

/// One user's program, over many connections.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "its habits and its state")]
pub(crate) struct Client {
    pub(crate) user: String,
    /// Its connection, if it has one.
    pub(crate) session: Option<usize>,
    pub(crate) connected: bool,
    pub(crate) channels: BTreeMap<ChannelName, Seen>,
    pub(crate) asked: BTreeMap<u32, Asked>,
    /// Commands that are about to go up.
    pub(crate) outbox: Vec<(CommandId, Command)>,
    /// It wants to end its connection.
    pub(crate) leaves: bool,
    /// Frames that it reads in a step.
    pub(crate) pace: usize,
    /// It answers no pings.
    pub(crate) mute: bool,
    /// It does not refresh its tokens.
    pub(crate) neglects: bool,
    pub(crate) reconnect_at: u64,
    pub(crate) refresh_at: Option<u64>,
    /// How long its tokens last; zero: forever.
    pub(crate) token_life: u64,
    server_channels: Vec<usize>,
    last_id: u32,
}

/// What a client knows of a channel.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// How it wants to be subscribed, if it does.
    pub(crate) want: Option<Want>,
    /// Up to where it has everything, and may recover from.
    pub(crate) position: Option<Position>,
    /// Where it was when it was told to go elsewhere: what has come since is owed to it.
    pub(crate) owed: Option<Position>,
    /// It is subscribed.
    pub(crate) live: Option<Live>,
    /// It has asked to be subscribed, or not to be any more.
    pub(crate) waits: bool,
    pub(crate) retry_at: u64,
    pub(crate) refresh_at: Option<u64>,
}

/// What a client asks for when it subscribes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Want {
    pub(crate) recoverable: bool,
    pub(crate) positioned: bool,
    pub(crate) join_leave: bool,
}

/// A subscription.
#[derive(Debug)]
pub(crate) struct Live {
    /// It is told of gaps.
    pub(crate) gapless: bool,
    pub(crate) recoverable: bool,
    /// Where it is, where there is a stream.
    pub(crate) position: Option<Position>,
    /// Where it is among what has no stream.
    pub(crate) place: Option<usize>,
    /// The newest version that it has seen.
    pub(crate) version: Option<Version>,
}

/// From where a client has asked to recover.
pub(crate) type Since = Option<(ByteString, u64)>;

/// What an answer will be about.
#[derive(Debug)]
pub(crate) enum Asked {
    Connect {
        since: BTreeMap<ChannelName, Since>,
    },
    /// `honest`: from where it really was, or from the beginning.
    Subscribe {
        channel: ChannelName,
        since: Since,
        honest: bool,
    },
    Unsubscribe {
        channel: ChannelName,
    },
    Publish {
        serial: Serial,
    },
    History {
        channel: ChannelName,
        filter: HistoryFilter,
    },
    Refresh,
    RefreshSubscription {
        channel: ChannelName,
    },
    Other,
}

impl Client {
    pub(crate) fn new(index: usize, random: &mut Random) -> Self {
        let server_channels =
            (0..SERVER_CHANNELS.len()).filter(|_| random.one_in(4)).collect::<Vec<_>>();
        Self {
            // Some users have several clients.
            user: format!("u{}", index / 2),
            session: None,
            connected: false,
            channels: BTreeMap::new(),
            asked: BTreeMap::new(),
            outbox: Vec::new(),
            leaves: false,
            pace: 100,
            mute: false,
            neglects: random.one_in(3),
            reconnect_at: 0,
            refresh_at: None,
            token_life: random.pick(&[0, 0, 1_500, 5_000]),
            server_channels,
            last_id: 0,
        }
    }

    pub(crate) fn ask(&mut self, asked: Asked, command: Command) {
        self.last_id += 1;
        self.asked.insert(self.last_id, asked);
        self.outbox.push((CommandId(self.last_id), command));
    }

    pub(crate) fn say(&mut self, command: Command) {
        self.outbox.push((CommandId(0), command));
    }

    pub(crate) fn seen(&mut self, channel: &ChannelName) -> &mut Seen {
        self.channels.entry(channel.clone()).or_default()
    }

    /// It has a connection, and says who it is.
    pub(crate) fn hello(&mut self, now: u64, session: usize) {
        self.session = Some(session);
        let mut since = BTreeMap::new();
        let mut subscriptions = Vec::new();
        for index in &self.server_channels {
            let channel = name(SERVER_CHANNELS[*index]);
            let position = self.channels.get(&channel).and_then(|seen| seen.position.clone());
            let Some(position) = position else { continue };
            let recover = Some((ByteString::from(position.epoch.as_str()), position.offset));
            subscriptions.push(Subscribe {
                channel: channel.as_str().into(),
                recover: recover.clone(),
                ..Subscribe::default()
            });
            since.insert(channel, recover);
        }
        let token = tokens::connection(&self.user, self.token_end(now), &self.server_channels);
        let connect = Connect { token: Some(token.into()), subscriptions, ..Connect::default() };
        self.ask(Asked::Connect { since }, Command::Connect(connect));
    }

    /// Its connection is lost, or it has ended it.
    pub(crate) fn forget_session(&mut self, reconnect_at: u64) {
        self.session = None;
        self.connected = false;
        self.leaves = false;
        self.asked.clear();
        self.outbox.clear();
        self.refresh_at = None;
        self.reconnect_at = reconnect_at;
        for seen in self.channels.values_mut() {
            seen.live = None;
            seen.waits = false;
            seen.refresh_at = None;
        }
    }

    /// What it does by itself: subscribe where it wants to be, and refresh its tokens.
    pub(crate) fn keep_up(&mut self, now: u64, random: &mut Random) {
        if !self.connected {
            return;
        }
        if self.refresh_at.is_some_and(|at| at <= now) && !self.neglects {
            self.refresh_at = None;
            let token = tokens::connection(&self.user, self.token_end(now), &self.server_channels);
            self.ask(Asked::Refresh, Command::Refresh { token: token.into() });
        }
        let token_end = self.token_end(now);
        let mut asks = Vec::new();
        for (channel, seen) in &mut self.channels {
            if seen.refresh_at.is_some_and(|at| at <= now) && !self.neglects && seen.live.is_some()
            {
                seen.refresh_at = None;
                let token = tokens::subscription(&self.user, token_end, channel.as_str()).into();
                let command =
                    Command::RefreshSubscription { channel: channel.as_str().into(), token };
                asks.push((Asked::RefreshSubscription { channel: channel.clone() }, command));
            }
            let Some(want) = seen.want else { continue };
            if seen.live.is_some() || seen.waits || seen.retry_at > now {
                continue;
            }
            seen.waits = true;
            let (since, honest) = seen.since(random);
            let needs_token = channel.namespace() == Some("private");
            let token = needs_token
                .then(|| tokens::subscription(&self.user, token_end, channel.as_str()).into());
            let subscribe = Subscribe {
                channel: channel.as_str().into(),
                token,
                recover: since.clone(),
                positioned: want.positioned,
                recoverable: want.recoverable,
                join_leave: want.join_leave,
                data: None,
            };
            let asked = Asked::Subscribe { channel: channel.clone(), since, honest };
            asks.push((asked, Command::Subscribe(subscribe)));
        }
        for (asked, command) in asks {
            self.ask(asked, command);
        }
    }

    fn token_end(&self, now: u64) -> u64 {
        if self.token_life == 0 { 0 } else { now + self.token_life }
    }
}

impl Seen {
    /// From where it recovers: from where it was, or now and then from the beginning, or from nowhere. And
    /// whether that is honest.
    fn since(&self, random: &mut Random) -> (Since, bool) {
        let nowhere = 1 + random.below(9);
        match &self.position {
            Some(position) => {
                let lies = random.one_in(60);
                let offset = if lies { position.offset + nowhere } else { position.offset };
                (Some((position.epoch.as_str().into(), offset)), !lies)
            }
            None => match random.below(12) {
                0 | 1 => (Some((ByteString::new(), 0)), true),
                2 => (Some((ByteString::new(), nowhere)), false),
                3 => (Some(("elsewhere".into(), nowhere)), false),
                _ => (None, true),
            },
        }
    }
}
