//! [`ShardThread`]: one thread of a node, as a handler of the engine.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tidewire_brokers::{
    Crossing, Parcel, ShardIndex,
    memory::{Now, Partition},
    partition_of,
};
use tidewire_dialects::centrifuge::{Commands, FrameLimits, Malformed};
use tidewire_engine::{
    ConnectionId, Handler, Message, Plane,
    proto::{CloseFrame, Outcome},
};
use tidewire_hub::{
    ClientId, Command, CommandId, Connect, Disconnect, Error, Map, Publish, Seed, SessionKey,
    Shard, Subscribe, Timestamp,
    broker::{Answer, Failure, Request, RequestId},
};
use tokio::sync::oneshot;
use tracing::{debug, field::display, info, warn};

use crate::door::{self, OverPace, UserPlace};

use super::{
    HIGH_WATER, ThreadVerifier, bare,
    dialect::Dialect,
    exits::{Exits, Ways},
    lanes::Lanes,
    letter::{Guest, Letter, StreamGuest, Who},
    line::{Line, Stream},
    meters::Board,
    secret::StreamName,
    seen::Seen,
    stream::StreamNews,
};

/// A thread of a node: a shard of the hub, a partition of the memory broker, and whatever carries bytes
/// between its sessions and the world.
///
/// Whatever the engine tells is told to the shard, and then all that comes of it is carried out, until
/// nothing is left to do ([`settle`](Self::settle)).
pub(crate) struct ShardThread {
    here: ShardIndex,
    thread_count: usize,
    seed: Seed,
    shard: Shard,
    partition: Partition,
    crossing: Crossing,
    lanes: Lanes,
    ways: Ways,
    verifier: Box<dyn ThreadVerifier>,
    frame_limits: FrameLimits,
    /// Who is at the other end of each WebSocket, and whose it is, by the index of the connection. It may be
    /// nobody's for a while: the connection ends after the session.
    connections: Vec<Option<(Who, Option<SessionKey>)>>,
    /// The sessions that go out by responses.
    streams: Map<StreamName, StreamSession>,
    /// What the application has asked this partition.
    asked: Map<RequestId, oneshot::Sender<Result<Answer, Failure>>>,
    asked_count: u64,
    /// Hears when nobody is left.
    drained: Option<oneshot::Sender<()>>,
    board: Board,
    /// Whether the engine has been told when to wake this thread.
    is_armed: bool,
}

#[derive(Debug)]
struct StreamSession {
    key: SessionKey,
    seen: Seen,
}

/// What a thread begins with.
pub(crate) struct Beginning {
    pub(crate) here: ShardIndex,
    pub(crate) thread_count: usize,
    pub(crate) seed: Seed,
    pub(crate) shard: Shard,
    pub(crate) partition: Partition,
    pub(crate) verifier: Box<dyn ThreadVerifier>,
    pub(crate) frame_limits: FrameLimits,
    pub(crate) board: Board,
}

/// How often a shard looks at its clock.
const TICK: Duration = Duration::from_millis(62);

/// Channels of which a thread remembers that another one has missed something.
const MISSED_CHANNEL_COUNT_MAX: usize = 1024;

/// Requests of the application have ids that no shard's have.
const ASKED: u64 = 1 << 63;

impl ShardThread {
    pub(crate) fn new(beginning: Beginning) -> Self {
        let Beginning { here, thread_count, seed, shard, partition, verifier, .. } = beginning;
        Self {
            here,
            thread_count,
            seed,
            shard,
            partition,
            crossing: Crossing::new(MISSED_CHANNEL_COUNT_MAX),
            lanes: Lanes::new(here, thread_count),
            ways: Ways::default(),
            verifier,
            frame_limits: beginning.frame_limits,
            connections: Vec::new(),
            streams: Map::with_hasher(seed),
            asked: Map::with_hasher(seed),
            asked_count: 0,
            drained: None,
            board: beginning.board,
            is_armed: false,
        }
    }

    // --- sessions ---

    /// Lets somebody in; `None` if the session was ended at once.
    fn enter(
        &mut self,
        plane: &mut Plane<Self>,
        guest: tidewire_hub::Guest,
        line: Line,
    ) -> Option<SessionKey> {
        let exits = &mut Exits { plane: &mut *plane, ways: &mut self.ways };
        match self.shard.open(now(exits.plane), guest, exits) {
            Ok(key) => {
                self.ways.meters.of(line.dialect()).opened += 1;
                self.ways.lines.set(key, line);
                Some(key)
            }
            Err(why) => {
                Exits { plane, ways: &mut self.ways }.turn_away(line, why);
                None
            }
        }
    }

    fn command(
        &mut self,
        plane: &mut Plane<Self>,
        key: SessionKey,
        id: CommandId,
        command: Command,
    ) {
        let now = now(plane);
        if may_have_token(&command) {
            self.verifier.set_now(door::Now { unix: unix_millis(), hub: now });
        }
        let exits = &mut Exits { plane, ways: &mut self.ways };
        self.shard.command(now, key, id, command, &mut *self.verifier, exits);
    }

    /// Answers a command that comes faster than its user may send them, on all connections together. The
    /// session goes on: it may be another one's fault.
    fn refuse_over_pace(
        &mut self,
        plane: &mut Plane<Self>,
        key: SessionKey,
        id: CommandId,
        command: &Command,
        over: OverPace,
    ) {
        self.ways.meters.over_pace.count(over.name());
        let (now, why) = (now(plane), Error::TooManyRequests);
        let exits = &mut Exits { plane, ways: &mut self.ways };
        self.shard.refuse(now, key, id, command, why, exits);
    }

    /// A command of a client, whose user may have others who send commands as well.
    fn command_in_pace(
        &mut self,
        plane: &mut Plane<Self>,
        key: SessionKey,
        id: CommandId,
        command: Command,
        bytes: Result<(), OverPace>,
    ) {
        let is_exempt = matches!(command, Command::Connect(_) | Command::Pong);
        let taken = bytes.and_then(|()| match self.user_place(key) {
            Some(place) if !is_exempt => place.take_command(now(plane)),
            _ => Ok(()),
        });
        match taken {
            Err(over) if !is_exempt => self.refuse_over_pace(plane, key, id, &command, over),
            _ => self.command(plane, key, id, command),
        }
    }

    /// The place of a session among those of its user, once that is known.
    fn user_place(&self, key: SessionKey) -> Option<&UserPlace> {
        self.ways.lines.get(key)?.seat().of_user()
    }

    /// Carries out what a frame asks for; `is_new` says of which commands.
    fn frame(
        &mut self,
        plane: &mut Plane<Self>,
        key: SessionKey,
        frame: &str,
        mut is_new: impl FnMut(CommandId) -> bool,
    ) {
        let commands = match Commands::of_frame(frame, self.frame_limits) {
            Ok(commands) => commands,
            Err(malformed) => return self.refuse(plane, key, malformed),
        };
        let now = now(plane);
        let bytes = self.user_place(key).map_or(Ok(()), |place| place.take_bytes(now, frame.len()));
        for command in commands {
            match command {
                Ok((id, command)) if is_new(id) => {
                    self.command_in_pace(plane, key, id, command, bytes);
                }
                Ok(_) => {}
                Err(malformed) => return self.refuse(plane, key, malformed),
            }
        }
    }

    fn refuse(&mut self, plane: &mut Plane<Self>, key: SessionKey, malformed: Malformed) {
        debug!(session = key.index(), "not the protocol: {malformed}");
        self.ways.meters.malformed.count(malformed.name());
        self.end(plane, key, malformed.disconnect());
    }

    fn end(&mut self, plane: &mut Plane<Self>, key: SessionKey, why: Disconnect) {
        let now = now(plane);
        self.shard.fail(now, key, why, &mut Exits { plane, ways: &mut self.ways });
    }

    /// A bare client is in the room from the beginning, and knows nothing of it.
    fn join_room(&mut self, plane: &mut Plane<Self>, key: SessionKey) {
        self.command(plane, key, CommandId::default(), Command::Connect(Connect::default()));
        let room = Subscribe { channel: bare::ROOM.into(), ..Subscribe::default() };
        self.command(plane, key, CommandId::default(), Command::Subscribe(room));
    }

    fn say_in_room(&mut self, plane: &mut Plane<Self>, key: SessionKey, text: &str) {
        let Some(data) = bare::said(text) else { return };
        let publish = Publish { channel: bare::ROOM.into(), data, key: None };
        self.command(plane, key, CommandId::default(), Command::Publish(publish));
    }

    fn open_stream(&mut self, plane: &mut Plane<Self>, guest: StreamGuest) {
        let StreamGuest { name, guest, end, frame } = guest;
        log_open(&guest);
        let Guest { who, dialect, credentials, seat, .. } = guest;
        let client = who.client.clone();
        let line = Line::Stream(Box::new(Stream { name, dialect, who, end, seat }));
        let guest = tidewire_hub::Guest { client, variant: dialect.variant(), credentials };
        let Some(key) = self.enter(plane, guest, line) else { return };
        self.streams.insert(name, StreamSession { key, seen: Seen::default() });
        self.stream_frame(plane, name, &frame);
    }

    /// Says whether there is such a session.
    fn stream_frame(&mut self, plane: &mut Plane<Self>, name: StreamName, frame: &str) -> bool {
        let Some(session) = self.streams.get(&name) else { return false };
        let StreamSession { key, mut seen } = *session;
        if let Some(line) = self.ways.lines.get(key) {
            self.ways.meters.of(line.dialect()).received.count(1, frame.len());
        }
        self.frame(plane, key, frame, |id| seen.is_new(id.0));
        if let Some(session) = self.streams.get_mut(&name) {
            session.seen = seen;
        }
        true
    }

    fn client_of(&self, name: StreamName) -> Option<ClientId> {
        match self.ways.lines.get(self.streams.get(&name)?.key)? {
            Line::Stream(stream) => Some(stream.who.client.clone()),
            Line::WebSocket { .. } => None,
        }
    }

    fn news(&mut self, plane: &mut Plane<Self>, name: StreamName, news: StreamNews) {
        let Some(session) = self.streams.get(&name) else { return };
        let key = session.key;
        match news {
            StreamNews::Writable => self.writable(plane, key),
            StreamNews::Gone => self.ways.gone.push(key),
        }
    }

    /// What is published for a session waits in the shard from now on: its transport takes no more.
    fn hold_back(&mut self, key: SessionKey) {
        self.ways.meters.congestions += 1;
        self.shard.congested(key);
    }

    /// Lets go of what was held back for a session, as long as its transport takes it. When it does not,
    /// this is called again: what is beyond its high-water mark will be below the low one some time.
    fn writable(&mut self, plane: &mut Plane<Self>, key: SessionKey) {
        let now = now(plane);
        loop {
            let exits = &mut Exits { plane: &mut *plane, ways: &mut self.ways };
            let is_more = self.shard.writable(now, key, exits);
            if !is_more || !self.has_room(plane, key) {
                break;
            }
        }
    }

    fn has_room(&self, plane: &Plane<Self>, key: SessionKey) -> bool {
        match self.ways.lines.get(key) {
            Some(Line::WebSocket { id, .. }) => plane.buffered(*id) <= HIGH_WATER,
            Some(Line::Stream(_)) => !self.ways.congested.contains(&key),
            None => false,
        }
    }

    fn closed(&mut self, plane: &mut Plane<Self>, key: SessionKey) {
        if let Some(line) = self.ways.lines.remove(key) {
            self.ways.meters.of(line.dialect()).closed += 1;
            self.ways.meters.ended.count(Disconnect::ConnectionClosed.name());
            self.ways.ended.push(line);
        }
        let now = now(plane);
        self.shard.closed(now, key, &mut Exits { plane, ways: &mut self.ways });
    }

    /// Others may read what has been counted.
    fn post_meters(&mut self) {
        let meters = &mut self.ways.meters;
        (meters.token_hits, meters.token_misses) = self.verifier.hits_and_misses();
        meters.shard = self.shard.stats();
        self.board.post(self.here.get(), meters);
    }

    // --- brokers ---

    /// Carries out all that has come of what was told, until nothing is left to do here.
    fn settle(&mut self, plane: &mut Plane<Self>) {
        let at = Now { at: now(plane), unix_millis: unix_millis() };
        if self.crossing.is_behind() {
            let (crossing, partition) = (&mut self.crossing, &self.partition);
            crossing.catch_up(&mut self.lanes, |channel| partition.top(channel));
        }
        loop {
            if let Some(request) = self.ways.requests.pop_front() {
                self.route(at, request);
            } else if let Some(parcel) = self.lanes.local.pop_front() {
                self.unpack(plane, parcel);
            } else if let Some(key) = self.ways.gone.pop() {
                self.closed(plane, key);
            } else if let Some(line) = self.ways.ended.pop() {
                self.forget(&line);
            } else if let Some(key) = self.ways.congested.pop() {
                self.hold_back(key);
            } else {
                break;
            }
        }
        self.lanes.send(plane.remote());
        if let Some(drained) = self.drained.take_if(|_| self.shard.stats().session_count == 0) {
            // Whoever waited may have gone.
            let _ = drained.send(());
        }
        if !self.is_armed {
            self.is_armed = true;
            plane.wake_at(plane.now().saturating_add(TICK));
        }
    }

    fn route(&mut self, at: Now, request: Request) {
        let partition = partition_of(self.seed, &request.channel, self.thread_count);
        if partition == self.here.get() {
            let postbox = &mut self.crossing.over(&mut self.lanes);
            self.partition.request(at, self.here, request, postbox);
        } else {
            self.lanes.ask(partition, request);
        }
    }

    fn unpack(&mut self, plane: &mut Plane<Self>, parcel: Parcel) {
        let now = now(plane);
        let exits = &mut Exits { plane, ways: &mut self.ways };
        match parcel {
            Parcel::Response(response) if response.id.0 & ASKED != 0 => {
                if let Some(asked) = self.asked.remove(&response.id) {
                    // Whoever has asked may have gone.
                    let _ = asked.send(response.answer);
                }
            }
            Parcel::Response(response) => self.shard.response(now, response, exits),
            Parcel::Event(event) => self.shard.event(now, event, exits),
        }
    }

    /// A line has ended: nothing of its session is left.
    fn forget(&mut self, line: &Line) {
        match line {
            Line::WebSocket { id, .. } => {
                if let Some(Some((_, key))) = self.connections.get_mut(id.index()) {
                    *key = None;
                }
            }
            Line::Stream(stream) => _ = self.streams.remove(&stream.name),
        }
    }

    fn session(&self, id: ConnectionId) -> Option<SessionKey> {
        self.connections.get(id.index())?.as_ref()?.1
    }
}

impl Handler for ShardThread {
    type Guest = Guest;
    type Command = Letter;

    fn opened(&mut self, plane: &mut Plane<Self>, id: ConnectionId, guest: Guest) {
        log_open(&guest);
        let Guest { who, dialect, credentials, seat, .. } = guest;
        let client = who.client.clone();
        let line = Line::WebSocket { id, dialect, seat };
        let guest = tidewire_hub::Guest { client, variant: dialect.variant(), credentials };
        let key = self.enter(plane, guest, line);
        if self.connections.len() <= id.index() {
            self.connections.resize(id.index() + 1, None);
        }
        self.connections[id.index()] = Some((who, key));
        if let (Some(key), Dialect::Bare) = (key, dialect) {
            self.join_room(plane, key);
        }
        self.settle(plane);
    }

    fn message(&mut self, plane: &mut Plane<Self>, id: ConnectionId, message: Message<'_>) {
        let Some(key) = self.session(id) else { return }; // it ends: what still comes is not heard
        let Some(line) = self.ways.lines.get(key) else { return };
        let dialect = line.dialect();
        self.ways.meters.of(dialect).received.count(1, message.as_bytes().len());
        match (dialect, &message) {
            (Dialect::Centrifuge(_), Message::Text(text)) => {
                self.frame(plane, key, text.as_str(), |_| true);
            }
            (Dialect::Bare, Message::Text(text)) => self.say_in_room(plane, key, text.as_str()),
            (_, Message::Binary(_)) => self.end(plane, key, Disconnect::BadRequest),
        }
        self.settle(plane);
    }

    fn congested(&mut self, _: &mut Plane<Self>, id: ConnectionId) {
        if let Some(key) = self.session(id) {
            self.hold_back(key);
        }
    }

    fn writable(&mut self, plane: &mut Plane<Self>, id: ConnectionId) {
        if let Some(key) = self.session(id) {
            Self::writable(self, plane, key);
            self.settle(plane);
        }
    }

    fn closed(&mut self, plane: &mut Plane<Self>, id: ConnectionId, outcome: &Outcome) {
        let Some((who, key)) = self.connections.get_mut(id.index()).and_then(Option::take) else {
            return;
        };
        log_end(&who, outcome);
        if let Some(failure) = outcome.failure {
            self.ways.meters.failures.count(failure.name());
        }
        if let Some(key) = key {
            Self::closed(self, plane, key);
            self.settle(plane);
        }
    }

    fn woken(&mut self, plane: &mut Plane<Self>) {
        self.is_armed = false;
        let at = Now { at: now(plane), unix_millis: unix_millis() };
        self.partition.tick(at);
        self.shard.tick(at.at, &mut Exits { plane, ways: &mut self.ways });
        self.settle(plane);
        self.post_meters();
    }

    fn turn_ended(&mut self, _: &mut Plane<Self>) {
        let Ways { delivered, meters, .. } = &mut self.ways;
        if !delivered.is_empty() {
            delivered.written(unix_millis(), &mut meters.deliveries);
        }
    }

    fn command(&mut self, plane: &mut Plane<Self>, letter: Letter) {
        match letter {
            Letter::Requests { from, requests } => {
                let at = Now { at: now(plane), unix_millis: unix_millis() };
                for request in requests {
                    let postbox = &mut self.crossing.over(&mut self.lanes);
                    self.partition.request(at, from, request, postbox);
                }
            }
            Letter::Parcels(parcels) => {
                for parcel in parcels {
                    self.unpack(plane, parcel);
                }
            }
            Letter::Ask { channel, ask, answer } => {
                self.asked_count += 1;
                let id = RequestId(ASKED | self.asked_count);
                self.asked.insert(id, answer);
                self.ways.requests.push_back(Request { id, channel, ask });
            }
            Letter::Do(deed) => {
                let now = now(plane);
                deed.0(&mut self.shard, now, &mut Exits { plane, ways: &mut self.ways });
            }
            Letter::Open(guest) => self.open_stream(plane, *guest),
            Letter::Frame { name, frame, known } => {
                let is_known = self.stream_frame(plane, name, &frame);
                // Whoever has asked may have gone.
                let _ = known.send(is_known);
            }
            Letter::WhoIs { name, answer } => {
                // Whoever has asked may have gone.
                let _ = answer.send(self.client_of(name));
            }
            Letter::News(name, news) => self.news(plane, name, news),
            Letter::Drain { within, done } => {
                self.shard.drain(now(plane), within);
                self.drained = Some(done);
            }
        }
        self.settle(plane);
    }
}

impl std::fmt::Debug for ShardThread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ShardThread").field("here", &self.here).finish_non_exhaustive()
    }
}

fn log_open(guest: &Guest) {
    let Guest { who: Who { client, peer }, address, request, dialect, .. } = guest;
    let (transport, dialect) = dialect.names();
    let address = address.map(display);
    info!(%peer, address, client = client.as_str(), %request, transport, dialect, "open");
}

/// How a connection ended.
fn log_end(who: &Who, outcome: &Outcome) {
    let Who { client, peer } = who;
    let client = client.as_str();
    if let Some(failure) = outcome.failure {
        warn!(%peer, client, "error: {}", tidewire::Error::from(failure));
    }
    // Without a Close frame it ended as 1006 (RFC 6455 §7.1.5).
    let ours = outcome.sent.as_ref().map_or("", CloseFrame::reason);
    info!(%peer, client, code = outcome.code().get(), reason = outcome.reason(), ours, "close");
}

fn may_have_token(command: &Command) -> bool {
    matches!(
        command,
        Command::Connect(_)
            | Command::Refresh { .. }
            | Command::Subscribe(_)
            | Command::RefreshSubscription { .. }
    )
}

/// The time of this turn, by the hub's count.
fn now(plane: &Plane<ShardThread>) -> Timestamp {
    Timestamp::from_millis(plane.now().as_nanos() / 1_000_000)
}

/// It is written on publications, and decides nothing.
pub(crate) fn unix_millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
