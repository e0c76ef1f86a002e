//! [`Node`]: threads, each with a shard of the hub, a partition of the memory broker, and sessions.
//!
//! HTTP is on tokio; whoever comes from there is handed to one of these threads, and lives there. Threads
//! tell each other letters (`letter.rs`) over bounded queues. A publication crosses to a thread only if
//! somebody there is subscribed.

mod bare;
mod delivered;
mod dialect;
mod exits;
mod lanes;
mod letter;
mod line;
mod meters;
mod secret;
mod seen;
mod shard_thread;
mod stream;

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bytestring::ByteString;
use tidewire_brokers::{ShardIndex, memory, partition_of};
use tidewire_dialects::centrifuge::FrameLimits;
use tidewire_engine::{Adopted, Engine, Io, Remote, Settings, ThreadStats};
use tidewire_hub::{
    ChannelName, ClientId, Error, HubConfig, HubLimits, Outside, Shard, Timestamp, Verifier,
    broker::{Answer, Ask, Failure},
};
use tokio::{
    sync::oneshot,
    time::{sleep, timeout},
};

use crate::door::{self, token::TokenVerifier};

pub(crate) use self::{
    dialect::Dialect,
    letter::{Guest, Who},
    meters::{DialectMeters, Meters},
    secret::StreamName,
    shard_thread::ShardThread,
    stream::StreamBody,
};
use self::{
    letter::{Deed, Letter, StreamGuest},
    meters::Board,
    shard_thread::{Beginning, unix_millis},
    stream::StreamCount,
};

/// How a node works.
pub struct NodeConfig {
    /// What the engine is built on.
    pub io: Io,
    /// Threads; each has a shard.
    pub thread_count: usize,
    /// Sessions, channels, and what they may do.
    pub hub: Arc<HubConfig>,
    /// What each partition of the memory broker holds at most.
    pub memory: memory::Limits,
    /// How much a client may put into one frame.
    pub frames: FrameLimits,
    /// Reads tokens, for one thread.
    pub verifier: Box<dyn Fn() -> Box<dyn ThreadVerifier> + Send + Sync>,
}

/// Reads tokens on one thread, by a clock that is handed in.
pub trait ThreadVerifier: Verifier + Send {
    /// The time from now on.
    fn set_now(&mut self, now: door::Now);

    /// Tokens that were remembered, and those that had to be verified.
    fn hits_and_misses(&self) -> (u64, u64) {
        (0, 0)
    }
}

impl ThreadVerifier for TokenVerifier {
    fn set_now(&mut self, now: door::Now) {
        Self::set_now(self, now);
    }

    fn hits_and_misses(&self) -> (u64, u64) {
        Self::hits_and_misses(self)
    }
}

/// Threads that run. [`handle`](Self::handle) is the way to them.
#[derive(Debug)]
pub struct Node {
    engine: Engine<ShardThread>,
    handle: NodeHandle,
}

/// The way to a node from any thread: cheap to clone.
#[derive(Debug, Clone)]
pub struct NodeHandle {
    remote: Remote<ShardThread>,
    hub: Arc<HubConfig>,
    queue_len_max: usize,
    streams: StreamCount,
    /// When the engine's time began, but for the moment that it took to start.
    origin: Instant,
    /// Whose turn it is to get a session without a socket.
    next: Arc<AtomicUsize>,
    board: Board,
}

/// A node does not keep up: nothing was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Overloaded;

/// What waits to be written on one connection before its session is held back by the hub, which knows
/// what may be dropped.
const HIGH_WATER: usize = 64 << 10;
const LOW_WATER: usize = 16 << 10;

/// What may wait beyond that, whatever the limits are: publications of the application, and lists of who is there.
const REPLY_LEN_MIN: usize = 1 << 20;

/// What may wait to be written on one connection at most: whatever the hub may answer at once has to fit in, or
/// whoever asks for it would be closed, and come back and ask again.
fn queue_len_max(limits: &HubLimits, frame_len_max: usize) -> usize {
    let reply = limits.history_len_max.max(limits.recovery_len_max).max(REPLY_LEN_MIN);
    // As the hub counts it, which is no more than half too little.
    reply.saturating_mul(2).saturating_add(HIGH_WATER).saturating_add(frame_len_max)
}

/// When a full mailbox is tried again.
const TELL_AGAIN: Duration = Duration::from_millis(20);

impl Node {
    /// Starts the threads.
    ///
    /// # Errors
    /// If the engine does not start: the kernel does not allow that `io`, for example; or if there are
    /// to be more threads than a node may have.
    pub fn start(config: NodeConfig) -> io::Result<Self> {
        let NodeConfig { io, thread_count, hub, memory, frames, verifier } = config;
        if thread_count == 0 || thread_count > ShardIndex::COUNT_MAX {
            let message = format!("a node has 1 to {} threads", ShardIndex::COUNT_MAX);
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let mut settings = Settings::default();
        settings.thread_count = thread_count;
        settings.io = io;
        settings.config.limits.message_len_max = frames.frame_len_max as u64;
        let queue_len_max = queue_len_max(&hub.limits, frames.frame_len_max);
        settings.queues.len_max = Some(queue_len_max);
        settings.queues.high_water = HIGH_WATER;
        settings.queues.low_water = LOW_WATER;
        let for_threads = Arc::clone(&hub);
        let board = Board::new(thread_count);
        let to_post = board.clone();
        let origin = Instant::now();
        let engine = Engine::start(settings, move |thread| {
            // As many as were counted above.
            let here = ShardIndex::new(thread).unwrap_or_else(|| unreachable!("counted"));
            ShardThread::new(Beginning {
                here,
                thread_count,
                seed: for_threads.seed,
                shard: Shard::new(Arc::clone(&for_threads)),
                partition: memory::Partition::new(for_threads.seed, memory.clone()),
                verifier: verifier(),
                frame_limits: frames,
                board: to_post.clone(),
            })
        })?;
        let remote = engine.remote().clone();
        let (next, streams) = (Arc::default(), StreamCount::default());
        let handle = NodeHandle { remote, hub, queue_len_max, streams, origin, next, board };
        Ok(Self { engine, handle })
    }

    /// The way to its threads.
    pub const fn handle(&self) -> &NodeHandle {
        &self.handle
    }

    /// Ends it: every connection that is left is closed with 1001.
    ///
    /// # Errors
    /// If a thread has ended before.
    pub fn stop(self, within: Duration) -> io::Result<()> {
        self.engine.stop(within)
    }
}

impl NodeHandle {
    /// Hands over a WebSocket.
    pub(crate) fn adopt(&self, adopted: Adopted<Guest>) -> Result<(), Overloaded> {
        self.remote.adopt(adopted).map_err(|_| Overloaded)
    }

    /// Opens a session that goes out by the body of a response.
    pub(crate) fn open_stream(
        &self,
        guest: Guest,
        frame: ByteString,
    ) -> Result<StreamBody, Overloaded> {
        let thread = self.next.fetch_add(1, Ordering::Relaxed) % self.remote.thread_count();
        let mut secret = [0; 16];
        // Without the system's generator nobody comes in.
        getrandom::fill(&mut secret).map_err(|_| Overloaded)?;
        let name = StreamName::new(u16::try_from(thread).map_err(|_| Overloaded)?, secret);
        let remote = self.remote.clone();
        let (end, body) = stream::stream(self.queue_len_max, &self.streams, move |news| {
            // A thread that does not take it notices by a ping that is not answered.
            let _ = remote.tell(thread, Letter::News(name, news));
        });
        let guest = StreamGuest { name, guest, end, frame };
        self.remote.tell(thread, Letter::Open(Box::new(guest))).map_err(|_| Overloaded)?;
        Ok(body)
    }

    /// How many of those there are.
    pub(crate) fn stream_count(&self) -> usize {
        self.streams.get()
    }

    /// A frame for one of those. Says whether there is such a session.
    pub(crate) async fn frame(
        &self,
        name: StreamName,
        frame: ByteString,
    ) -> Result<bool, Overloaded> {
        if name.thread() >= self.remote.thread_count() {
            return Ok(false);
        }
        let (known, is_known) = oneshot::channel();
        self.remote
            .tell(name.thread(), Letter::Frame { name, frame, known })
            .map_err(|_| Overloaded)?;
        is_known.await.map_err(|_| Overloaded)
    }

    /// Who one of those is; nobody, if there is none.
    pub(crate) async fn client_of(&self, name: StreamName) -> Result<Option<ClientId>, Overloaded> {
        if name.thread() >= self.remote.thread_count() {
            return Ok(None);
        }
        let (answer, answered) = oneshot::channel();
        self.remote.tell(name.thread(), Letter::WhoIs { name, answer }).map_err(|_| Overloaded)?;
        answered.await.map_err(|_| Overloaded)
    }

    /// Does something with every shard, and tells what came of each.
    pub(crate) async fn on_every_shard<T: Send + 'static>(
        &self,
        deed: impl Fn(&mut Shard, Timestamp, &mut dyn Outside) -> T + Send + Sync + 'static,
    ) -> Result<Vec<T>, Error> {
        let deed = Arc::new(deed);
        let mut all = Vec::new();
        for thread in 0..self.remote.thread_count() {
            let deed = Arc::clone(&deed);
            let (done, is_done) = oneshot::channel();
            let deed = Deed(Box::new(move |shard, now, outside| {
                // Whoever has asked may have gone.
                let _ = done.send(deed(shard, now, outside));
            }));
            self.remote.tell(thread, Letter::Do(deed)).map_err(|_| Error::Internal)?;
            all.push(is_done);
        }
        let mut outcomes = Vec::with_capacity(all.len());
        for is_done in all {
            outcomes.push(is_done.await.map_err(|_| Error::Internal)?);
        }
        Ok(outcomes)
    }

    /// Asks the broker, on behalf of the application.
    pub(crate) async fn ask(&self, channel: ChannelName, ask: Ask) -> Result<Answer, Failure> {
        let (answer, answered) = oneshot::channel();
        let thread = partition_of(self.hub.seed, &channel, self.remote.thread_count());
        self.remote
            .tell(thread, Letter::Ask { channel, ask, answer })
            .map_err(|_| Failure::Unavailable)?;
        match timeout(self.hub.request_within, answered).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) | Err(_) => Err(Failure::Unavailable),
        }
    }

    /// Tells every session to go elsewhere, spread over this time. Done when all have been told.
    pub(crate) async fn drain(&self, within: Duration) {
        let mut all = Vec::new();
        for thread in 0..self.remote.thread_count() {
            let (done, is_done) = oneshot::channel();
            self.tell(thread, Letter::Drain { within, done }).await;
            all.push(is_done);
        }
        for is_done in all {
            // It is only dropped with the thread.
            let _ = is_done.await;
        }
    }

    /// Whether every thread does what it is told, within this time.
    pub(crate) async fn answers(&self, within: Duration) -> bool {
        let all_answer = async {
            let mut all = Vec::new();
            for thread in 0..self.remote.thread_count() {
                let (done, is_done) = oneshot::channel();
                let nothing = move |_: &mut Shard, _: Timestamp, _: &mut dyn Outside| {
                    // Whoever has asked may have lost patience.
                    let _ = done.send(());
                };
                self.tell(thread, Letter::Do(Deed(Box::new(nothing)))).await;
                all.push(is_done);
            }
            for is_done in all {
                if is_done.await.is_err() {
                    return false;
                }
            }
            true
        };
        timeout(within, all_answer).await.unwrap_or(false)
    }

    /// Tells a thread something, as soon as its mailbox has room for it: for ever, if it has ended.
    async fn tell(&self, thread: usize, mut letter: Letter) {
        while let Err(back) = self.remote.tell(thread, letter) {
            letter = back;
            sleep(TELL_AGAIN).await;
        }
    }

    /// What all threads have counted, each up to its last tick.
    pub(crate) fn meters(&self) -> Meters {
        self.board.sum()
    }

    /// What the engine says of each of its threads.
    pub(crate) fn engine_stats(&self) -> Vec<ThreadStats> {
        self.remote.stats()
    }

    /// What time it is, for the door.
    pub(crate) fn now(&self) -> door::Now {
        let hub = Timestamp::ZERO.saturating_add(self.origin.elapsed());
        door::Now { unix: unix_millis(), hub }
    }

    /// How long it is up.
    pub(crate) fn uptime(&self) -> Duration {
        self.origin.elapsed()
    }

    /// What the hub is configured to.
    pub(crate) fn hub(&self) -> &HubConfig {
        &self.hub
    }
}

/// A public name for a new session: a UUID of version 4 (RFC 9562 §5.4).
pub(crate) fn new_client() -> Result<ClientId, Overloaded> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|_| Overloaded)?;
    bytes[6] = bytes[6] & 0x0F | 0x40;
    bytes[8] = bytes[8] & 0x3F | 0x80;
    let mut name = String::with_capacity(36);
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            name.push('-');
        }
        for digit in [byte >> 4, byte & 0x0F] {
            name.extend(char::from_digit(digit.into(), 16));
        }
    }
    Ok(ClientId::new(&name))
}

impl std::fmt::Debug for NodeConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NodeConfig")
            .field("io", &self.io)
            .field("thread_count", &self.thread_count)
            .finish_non_exhaustive()
    }
}
