//! [`Exits`]: what a shard decides, made bytes on their way.

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;
use tidewire_dialects::centrifuge::{self, Emulated, Greeting};
use tidewire_engine::{Plane, proto::Prepared};
use tidewire_hub::{
    ChannelName, CommandId, Disconnect, Error, Farewell, Member, Outside, Publication, Push, Reply,
    SessionKey, UserId, Variant, broker::Request,
};
use tracing::{debug, info};

use super::{
    delivered::Delivered,
    dialect::Dialect,
    letter::Who,
    line::{Line, Lines},
    meters::Meters,
    shard_thread::ShardThread,
    stream::Pushed,
};

/// What a shard's decisions need, beside the connections.
#[derive(Debug, Default)]
pub(crate) struct Ways {
    pub(crate) lines: Lines,
    /// For the brokers, in this order.
    pub(crate) requests: VecDeque<Request>,
    /// Sessions whose readers do not keep up, and the shard has not heard of it.
    pub(crate) congested: Vec<SessionKey>,
    /// Sessions whose transport has ended, and the shard has not heard of it.
    pub(crate) gone: Vec<SessionKey>,
    /// Sessions that the shard has ended, for what is still kept of them elsewhere.
    pub(crate) ended: Vec<Line>,
    pub(crate) meters: Meters,
    /// What has been delivered in this turn.
    pub(crate) delivered: Delivered,
    scratch: String,
}

/// A thread's connections as the outside of its shard.
pub(crate) struct Exits<'a> {
    pub(crate) plane: &'a mut Plane<ShardThread>,
    pub(crate) ways: &'a mut Ways,
}

const VERSION: &str = concat!("tidewire ", env!("CARGO_PKG_VERSION"));

impl Exits<'_> {
    /// Says to one session what `write` appends; nothing where that is nothing.
    fn say(&mut self, key: SessionKey, write: impl FnOnce(&mut String, Dialect, &Line)) {
        let Ways { lines, scratch, meters, .. } = &mut *self.ways;
        let Some(line) = lines.get(key) else { return };
        scratch.clear();
        write(scratch, line.dialect(), line);
        if scratch.is_empty() {
            return;
        }
        meters.of(line.dialect()).sent.count(1, scratch.len());
        match line {
            // Who does not take it is closed by the engine, which tells us of it.
            Line::WebSocket { id, .. } => drop(self.plane.send(*id, scratch.as_str())),
            Line::Stream(stream) => {
                let pushed = stream.end.push(Bytes::copy_from_slice(scratch.as_bytes()));
                self.pushed(key, pushed);
            }
        }
    }

    fn pushed(&mut self, key: SessionKey, pushed: Pushed) {
        match pushed {
            Pushed::Flowing => {}
            Pushed::Congested => self.ways.congested.push(key),
            Pushed::Gone => self.ways.gone.push(key),
        }
    }

    /// Says one thing to many sessions of one variant; `false` if its dialect has no words for it.
    fn say_to_all(
        &mut self,
        variant: Variant,
        receivers: &[SessionKey],
        write: impl FnOnce(Dialect, &mut String),
    ) -> bool {
        let dialect = Dialect::of(variant);
        self.ways.scratch.clear();
        write(dialect, &mut self.ways.scratch);
        let text = self.ways.scratch.as_str();
        if text.is_empty() {
            return false;
        }
        self.ways.meters.of(dialect).sent.count(receivers.len(), text.len());
        if matches!(dialect, Dialect::Bare | Dialect::Centrifuge(centrifuge::Framing::WebSocket)) {
            let prepared = Prepared::new(text);
            let lines = &self.ways.lines;
            let ids = receivers.iter().filter_map(|key| lines.connection(*key));
            self.plane.queue_many(ids, &prepared);
            return true;
        }
        let text = Bytes::copy_from_slice(text.as_bytes());
        for &key in receivers {
            if let Some(Line::Stream(stream)) = self.ways.lines.get(key) {
                let pushed = stream.end.push(text.clone());
                self.pushed(key, pushed);
            }
        }
        true
    }

    /// A session is over: its transport ends once what was said has been written.
    fn end(&mut self, key: SessionKey, end: &Farewell) {
        let Some(line) = self.ways.lines.remove(key) else { return };
        self.ways.meters.of(line.dialect()).closed += 1;
        self.ways.meters.ended.count(end.why().name());
        self.hang_up(line, end);
    }

    /// Ends a line that has not become a session's: it is told why, as a session would be.
    pub(crate) fn turn_away(&mut self, line: Line, why: Disconnect) {
        self.ways.meters.turned_away.count(why.name());
        if let Line::Stream(stream) = &line {
            let mut push = String::new();
            stream.dialect.push(&mut push, &Push::Disconnect(why));
            // Whether anybody still reads it does not matter any more.
            let _ = stream.end.push(push.into());
        }
        self.hang_up(line, &Farewell::Ours(why));
    }

    /// Ends a line, when what was said on it has been written.
    fn hang_up(&mut self, line: Line, end: &Farewell) {
        match &line {
            Line::WebSocket { id, dialect, .. } => {
                if let Err(error) = self.plane.close(*id, dialect.close_frame(end)) {
                    debug!("closes already: {error}");
                }
            }
            Line::Stream(stream) => {
                let Who { client, peer } = &stream.who;
                info!(%peer, client = client.as_str(), why = end.why().name(), "close");
            }
        }
        // The body of a response ends with its last sender.
        self.ways.ended.push(line);
    }
}

impl Outside for Exits<'_> {
    fn reply(&mut self, session: SessionKey, id: CommandId, reply: Result<Reply, Error>) {
        if let Err(error) = reply {
            self.ways.meters.command_errors.count(error.name());
        }
        self.say(session, |out, dialect, line| {
            let name = match line {
                Line::Stream(stream) if matches!(reply, Ok(Reply::Connected(_))) => {
                    Some(stream.name.to_string())
                }
                _ => None,
            };
            let emulation = name.as_deref().map(|session| Emulated { session, node: "" });
            let greeting = Greeting { version: VERSION, emulation, time: 0 };
            dialect.reply(out, id, &reply, &greeting);
        });
    }

    fn push(&mut self, session: SessionKey, push: Push) {
        self.say(session, |out, dialect, _| dialect.push(out, &push));
        if let Some(end) = Farewell::of(&push) {
            self.end(session, &end);
        }
    }

    fn deliver(
        &mut self,
        channel: &ChannelName,
        publication: &Arc<Publication>,
        variant: Variant,
        receivers: &[SessionKey],
    ) {
        let is_said = self.say_to_all(variant, receivers, |dialect, out| {
            dialect.publication(out, channel, publication);
        });
        if is_said {
            self.ways.delivered.push(publication.time, receivers.len());
        }
    }

    fn announce(
        &mut self,
        channel: &ChannelName,
        member: &Arc<Member>,
        came: bool,
        variant: Variant,
        receivers: &[SessionKey],
    ) {
        self.say_to_all(variant, receivers, |dialect, out| {
            dialect.announcement(out, channel, member, came);
        });
    }

    fn submit(&mut self, request: Request) {
        self.ways.requests.push_back(request);
    }

    /// A user has so many connections on a node, whichever threads they are on.
    fn admit(&mut self, session: SessionKey, user: &UserId) -> bool {
        self.ways.lines.get_mut(session).is_none_or(|line| line.seat_mut().claim(user).is_ok())
    }
}
