//! Whatever the kernel and the peers do: what a peer receives is what was sent to it, in order and
//! whole, until its connection ends; what a handler hears is what the peer sent; every `opened` has
//! one `closed`, and nothing is told after it; and all memory is given back.

use std::{cell::RefCell, collections::HashMap, rc::Rc, sync::Arc, time::Duration};

use tidewire_proto::{
    CloseCode, CloseFrame, Outcome, Outgoing, Prepared, ReadyState, handshake::Accept,
};

use super::{
    Simulated, Weather, World,
    peer::{OFFERS, Peer, is_offered, message},
    random::Random,
    wire::Wire,
};
use crate::{
    Adopted, Brim, ConnectionId, Door, Handler, Message, Plane, Remote, Settings,
    backend::epoll::Epoll, event_loop::EventLoop, mail::Mail,
};

const EVERYBODY: &str = "everybody";

/// `TIDEWIRE_SEED` replays one world; `TIDEWIRE_WORLDS` says how many there are otherwise.
#[test]
fn whatever_the_kernel_does() {
    let number = |name| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    if let Some(seed) = number("TIDEWIRE_SEED") {
        return Play::new(seed).run();
    }
    for seed in 0..number("TIDEWIRE_WORLDS").unwrap_or(1000) {
        let _named = Named(seed);
        Play::new(seed).run();
    }
}

/// The same over TLS. It draws randomness of its own, and lengths differ by a few bytes: a seed may
/// not always show the same again.
#[cfg(feature = "ring")]
#[test]
fn whatever_the_kernel_does_to_tls() {
    let (client, server) = super::tls::configs();
    let (client, server) = (Arc::new(client), Arc::new(server));
    for seed in 0..150 {
        let _named = Named(seed);
        let mut play = Play::new(seed);
        play.tls = Some((Arc::clone(&client), Arc::clone(&server)));
        play.run();
    }
}

/// Says which world it was when a test fails in it.
struct Named(u64);

impl Drop for Named {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("to see it again: TIDEWIRE_SEED={}", self.0);
        }
    }
}

/// What the application knows of one peer.
#[derive(Default)]
struct Entry {
    id: Option<ConnectionId>,
    outcome: Option<Outcome>,
    /// A handler panicked at it.
    panicked: bool,
    subscribed: bool,
    congested: bool,
    heard: Vec<Vec<u8>>,
    /// What was sent to it and accepted.
    expected: Vec<Vec<u8>>,
    /// What was offered to it, some of which may be dropped.
    offered: Vec<Vec<u8>>,
}

impl Entry {
    const fn is_known(&self) -> bool {
        self.id.is_some() && self.outcome.is_none()
    }
}

#[derive(Default)]
struct Journal {
    entries: Vec<Entry>,
    numbers: HashMap<ConnectionId, usize>,
    paused: Vec<ConnectionId>,
    said: usize,
    /// The application does nothing any more but hear.
    calm: bool,
}

impl Journal {
    fn entry(&mut self, id: ConnectionId) -> &mut Entry {
        let entry = &mut self.entries[self.numbers[&id]];
        assert!(entry.is_known() && !entry.panicked, "an event at a connection that has ended");
        entry
    }
}

/// The application: remembers everything, and does anything.
struct Recorder {
    journal: Rc<RefCell<Journal>>,
    random: Random,
    settings: Settings,
    panics: bool,
}

enum Deed {
    Anything,
    /// Hears everybody again, and does nothing else from now on.
    Calm,
}

impl Handler for Recorder {
    type Guest = usize;
    type Command = Deed;

    fn opened(&mut self, plane: &mut Plane<Self>, id: ConnectionId, guest: usize) {
        {
            let journal = &mut *self.journal.borrow_mut();
            let entry = &mut journal.entries[guest];
            assert_eq!(entry.id, None, "opened twice");
            entry.id = Some(id);
            journal.numbers.insert(id, guest);
        }
        if self.random.one_in(3) {
            self.do_something(plane, id);
        }
        assert!(plane.subscribe(id, EVERYBODY));
        self.journal.borrow_mut().entries[guest].subscribed = true;
    }

    fn message(&mut self, plane: &mut Plane<Self>, id: ConnectionId, message: Message<'_>) {
        self.journal.borrow_mut().entry(id).heard.push(message.as_bytes().to_vec());
        if self.random.one_in(4) {
            self.do_something(plane, id);
        } else {
            let copy = message.as_bytes().to_vec();
            let sent = plane.send(id, message);
            self.sent(id, copy, sent.is_ok());
        }
    }

    fn congested(&mut self, plane: &mut Plane<Self>, id: ConnectionId) {
        let was = std::mem::replace(&mut self.journal.borrow_mut().entry(id).congested, true);
        assert!(!was, "told twice");
        assert!(plane.buffered(id) > 0);
        if self.random.one_in(2) {
            self.do_something(plane, id);
        }
    }

    fn writable(&mut self, plane: &mut Plane<Self>, id: ConnectionId) {
        self.journal.borrow_mut().entry(id).congested = false;
        assert!(plane.buffered(id) < self.settings.queues.low_water.max(1));
        if self.random.one_in(2) {
            self.do_something(plane, id);
        }
    }

    fn closed(&mut self, plane: &mut Plane<Self>, id: ConnectionId, outcome: &Outcome) {
        {
            let journal = &mut *self.journal.borrow_mut();
            let entry = &mut journal.entries[journal.numbers[&id]];
            assert!(entry.is_known(), "closed without opened, or twice");
            entry.outcome = Some(outcome.clone());
        }
        assert_eq!(plane.send(id, "x"), Err(crate::SendError::Gone));
        assert!(!plane.subscribe(id, EVERYBODY));
        self.publish(plane);
    }

    fn command(&mut self, plane: &mut Plane<Self>, deed: Deed) {
        if let Deed::Calm = deed {
            let paused = std::mem::take(&mut self.journal.borrow_mut().paused);
            for id in paused {
                plane.resume_reading(id);
            }
            self.journal.borrow_mut().calm = true;
            return;
        }
        if let Some(id) = self.somebody() {
            // Outside of a connection's own events, a panic says nothing about it.
            let panics = std::mem::take(&mut self.panics);
            self.do_something(plane, id);
            self.panics = panics;
        }
    }
}

impl Recorder {
    fn do_something(&mut self, plane: &mut Plane<Self>, id: ConnectionId) {
        if self.journal.borrow().calm {
            return;
        }
        match self.random.below(40) {
            0..4 => self.send(plane, id),
            4..12 => self.publish(plane),
            12..16 => (0..20).for_each(|_| self.send(plane, id)),
            16..20 => {
                if let Some(id) = self.somebody() {
                    self.send(plane, id);
                }
            }
            20..22 => self.queue_many(plane),
            22..24 => self.offer(plane, id),
            24..27 => {
                plane.pause_reading(id);
                self.journal.borrow_mut().paused.push(id);
            }
            27..37 => {
                let paused = self.journal.borrow_mut().paused.pop();
                if let Some(id) = paused {
                    plane.resume_reading(id);
                }
            }
            37 => drop(plane.close(id, CloseFrame::EMPTY)),
            38 => {
                plane.unsubscribe(id, EVERYBODY);
                let mut journal = self.journal.borrow_mut();
                let number = journal.numbers[&id];
                journal.entries[number].subscribed = false;
            }
            _ => self.panic_at(id),
        }
    }

    /// As a mistake in an application does, without a word on stderr.
    fn panic_at(&self, id: ConnectionId) {
        let mut journal = self.journal.borrow_mut();
        let number = journal.numbers[&id];
        let entry = &mut journal.entries[number];
        if self.panics && entry.is_known() {
            entry.panicked = true;
            drop(journal);
            std::panic::resume_unwind(Box::new("on purpose"));
        }
    }

    fn somebody(&mut self) -> Option<ConnectionId> {
        let journal = self.journal.borrow();
        let known: Vec<_> = journal.entries.iter().filter(|entry| entry.is_known()).collect();
        known.get(self.random.below(known.len().max(1)))?.id
    }

    fn next_message(&mut self) -> Vec<u8> {
        let journal = &mut *self.journal.borrow_mut();
        journal.said += 1;
        message(249, journal.said, &mut self.random)
    }

    fn send(&mut self, plane: &mut Plane<Self>, id: ConnectionId) {
        let message = self.next_message();
        let sent = plane.send(id, Outgoing::binary(&message));
        self.sent(id, message, sent.is_ok());
    }

    fn sent(&self, id: ConnectionId, message: Vec<u8>, accepted: bool) {
        if accepted {
            let journal = &mut *self.journal.borrow_mut();
            let number = journal.numbers[&id];
            journal.entries[number].expected.push(message);
        }
    }

    fn offer(&mut self, plane: &mut Plane<Self>, id: ConnectionId) {
        for _ in 0..self.random.below(30) {
            let message = {
                let journal = &mut *self.journal.borrow_mut();
                journal.said += 1;
                [message(OFFERS, journal.said, &mut self.random), vec![0]].concat()
            };
            if is_offered(&message)
                && plane.offer(id, &Prepared::new(Outgoing::binary(&message)).compressed()).is_ok()
            {
                let journal = &mut *self.journal.borrow_mut();
                let number = journal.numbers[&id];
                journal.entries[number].offered.push(message);
            }
        }
    }

    fn publish(&mut self, plane: &mut Plane<Self>) {
        let mut receivers = self.open(plane);
        let journal = self.journal.borrow();
        receivers.retain(|id| journal.entries[journal.numbers[id]].subscribed);
        drop(journal);
        self.share(plane, &receivers, |plane, message| plane.publish(EVERYBODY, message));
    }

    fn queue_many(&mut self, plane: &mut Plane<Self>) {
        let mut receivers = self.open(plane);
        receivers.retain(|_| self.random.one_in(2));
        let ids = receivers.clone();
        self.share(plane, &receivers, |plane, message| plane.queue_many(ids, message));
    }

    /// Who takes messages, and has been told as open.
    fn open(&self, plane: &Plane<Self>) -> Vec<ConnectionId> {
        let journal = self.journal.borrow();
        let open = plane.connections().filter(|id| {
            plane.ready_state(*id) == Some(ReadyState::Open) && journal.numbers.contains_key(id)
        });
        open.collect()
    }

    fn share(
        &mut self,
        plane: &mut Plane<Self>,
        receivers: &[ConnectionId],
        queue: impl FnOnce(&mut Plane<Self>, &Prepared),
    ) {
        // Nobody would say for whom it was too much.
        if self.settings.queues.brim == Brim::Refuse || self.journal.borrow().calm {
            return;
        }
        let message = self.next_message();
        queue(plane, &Prepared::new(Outgoing::binary(&message)).compressed());
        for &id in receivers {
            let accepted = plane.ready_state(id) == Some(ReadyState::Open);
            self.sent(id, message.clone(), accepted);
        }
    }
}

/// One world, from its beginning to its end.
struct Play {
    random: Random,
    world: Rc<RefCell<World>>,
    peers: Vec<Peer>,
    journal: Rc<RefCell<Journal>>,
    event_loop: EventLoop<Recorder>,
    epoll: Epoll<Simulated>,
    remote: Remote<Recorder>,
    /// Time moves so fast that deadlines pass.
    leaps: bool,
    /// What half of the connections speak TLS with.
    #[cfg(feature = "ring")]
    tls: Option<(Arc<rustls::ClientConfig>, Arc<rustls::ServerConfig>)>,
}

impl Play {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let leaps = random.one_in(4);
        let leap = Duration::from_millis(if leaps { 3000 } else { 20 });
        let weather = Weather { rough: true, leap };
        let world = Rc::new(RefCell::new(World::new(random.next(), weather)));
        let mut settings = Settings { thread_count: 1, ..Settings::default() };
        if random.one_in(2) {
            let queues = &mut settings.queues;
            queues.high_water = random.below(50_000);
            queues.low_water = random.below(queues.high_water + 1);
            queues.len_max = random.one_in(2).then(|| 1 + random.below(400_000));
            queues.thread_len_max = 1 + random.below(1 << 20);
        }
        if random.one_in(3) {
            settings.queues.brim = Brim::Refuse;
        }
        let remote = Remote::new(1, settings.mail_limits()).unwrap();
        let plane = Plane::new(0, Arc::new(settings.clone()), remote.clone());
        let journal = Rc::new(RefCell::new(Journal::default()));
        let recorder = Recorder {
            journal: Rc::clone(&journal),
            random: Random::new(random.next()),
            settings,
            panics: random.one_in(3),
        };
        let mut epoll = Epoll::new(Simulated(Rc::clone(&world)));
        let mut event_loop = EventLoop::new(plane, recorder);
        event_loop.begin(&mut epoll).unwrap();
        Self {
            random,
            world,
            peers: Vec::new(),
            journal,
            event_loop,
            epoll,
            remote,
            leaps,
            #[cfg(feature = "ring")]
            tls: None,
        }
    }

    fn run(mut self) {
        let (turns, peer_count) = (20 + self.random.below(150), 1 + self.random.below(5));
        for _ in 0..turns {
            if self.peers.len() < peer_count && self.random.one_in(4) {
                self.connect();
            }
            if self.random.one_in(3) {
                assert!(self.remote.tell(0, Deed::Anything).is_ok());
            }
            self.turn(false);
        }
        self.world.borrow_mut().calm_down();
        assert!(self.remote.tell(0, Deed::Calm).is_ok());
        for _ in 0..2000 {
            self.turn(true);
            if self.has_settled() {
                break;
            }
        }
        // Once more round, for what may come too much.
        (0..3).for_each(|_| self.turn(true));
        self.check_who_is_open();
        self.end();
        self.check();
    }

    fn turn(&mut self, calm: bool) {
        for peer in &mut self.peers {
            peer.step(&mut self.world.borrow_mut(), calm);
        }
        self.event_loop.turn(&mut self.epoll).unwrap();
    }

    fn connect(&mut self) {
        let number = self.peers.len();
        self.journal.borrow_mut().entries.push(Entry::default());
        let room_max = if self.random.one_in(2) { 200 } else { 100_000 };
        let room = 1 + self.random.below(room_max);
        let (socket, fd) = self.world.borrow_mut().socket(room);
        let opens = self.random.one_in(2);
        let door = Door::deciding(move |_| Ok((Accept::new(), number)));
        let (opens, door, wire) = self.dress(opens, door);
        let mut peer = Peer::new(number, socket, opens, wire, &mut self.random);
        #[cfg(feature = "deflate")]
        let params = self.compression().filter(|_| !opens);
        #[cfg(feature = "deflate")]
        {
            peer = peer.with_deflate(params);
        }
        let mail = if opens {
            Mail::Accepted { socket: fd, door: Arc::new(door) }
        } else {
            // What whoever accepted it has read already.
            peer.step(&mut self.world.borrow_mut(), false);
            let unread = self.world.borrow_mut().sockets[socket].inbound.drain(..).collect();
            let adopted = Adopted::new(fd, unread, number);
            #[cfg(feature = "deflate")]
            let adopted = adopted.deflate(params);
            Mail::Adopt(Box::new(adopted))
        };
        assert!(self.remote.hand_over(0, mail).is_ok());
        self.peers.push(peer);
    }

    /// With context takeover, without, or none at all.
    #[cfg(feature = "deflate")]
    fn compression(&mut self) -> Option<tidewire_proto::DeflateParams> {
        let mut config = tidewire_proto::DeflateConfig::balanced();
        config.threshold = u16::try_from(self.random.below(200)).unwrap_or(0);
        config.server_no_context_takeover = self.random.one_in(2);
        let wanted = self.random.one_in(2);
        wanted.then(|| config.negotiate(&config.offers()).unwrap().0)
    }

    /// With TLS or without.
    #[cfg(feature = "ring")]
    fn dress(&mut self, opens: bool, door: Door<usize>) -> (bool, Door<usize>, Wire) {
        match &self.tls {
            Some((client, server)) if self.random.one_in(2) => {
                let wire = Wire::tls(super::tls::client(Arc::clone(client)));
                (true, door.tls(Arc::clone(server)), wire)
            }
            _ => (opens, door, Wire::default()),
        }
    }

    #[cfg(not(feature = "ring"))]
    #[expect(clippy::unused_self, reason = "the twin of the other one")]
    fn dress(&self, opens: bool, door: Door<usize>) -> (bool, Door<usize>, Wire) {
        (opens, door, Wire::default())
    }

    /// Whether everybody has all there is.
    fn has_settled(&self) -> bool {
        let journal = self.journal.borrow();
        let mut pairs = self.peers.iter().zip(&journal.entries);
        pairs.all(|(peer, entry)| {
            !peer.is_open() || (peer.plan == 0 && is_complete(peer, entry)) || entry.panicked
        })
    }

    /// Who still has a connection has lost nothing.
    fn check_who_is_open(&self) {
        for (number, (peer, entry)) in
            self.peers.iter().zip(&self.journal.borrow().entries).enumerate()
        {
            if !peer.is_open() || entry.panicked {
                continue;
            }
            assert!(entry.is_known(), "peer {number} still waits for what has ended");
            assert_eq!(lens(&sure(peer)), lens(&entry.expected), "what peer {number} has heard");
            assert_eq!(lens(&entry.heard), lens(&peer.sent), "what peer {number} has said");
            assert!(is_complete(peer, entry), "peer {number}");
        }
    }

    /// Either the peers go, or the engine does, in order or at once.
    fn end(&mut self) {
        self.world.borrow_mut().weather.leap = Duration::from_millis(62);
        if self.random.one_in(8) {
            self.event_loop.end(&mut self.epoll);
            // Nothing is promised to anybody any more.
            self.peers.iter_mut().for_each(|peer| peer.gone = true);
        } else if self.random.one_in(2) {
            self.remote.stop(Duration::from_millis(self.random.next() % 3000));
            for _ in 0..2000 {
                self.turn(true);
                if self.event_loop.is_done() {
                    break;
                }
            }
            assert!(self.event_loop.is_done(), "the engine does not end");
        } else {
            self.peers.iter_mut().for_each(Peer::close);
            for _ in 0..2000 {
                self.turn(true);
                if self.remote.connection_count() == 0 {
                    break;
                }
            }
        }
    }

    fn check(&self) {
        assert_eq!(self.remote.connection_count(), 0, "connections are left");
        assert!(self.event_loop.plane.conns.is_empty());
        assert_eq!(self.event_loop.plane.queued_len(), 0, "bytes are left");
        assert!(self.world.borrow().sockets.iter().all(|socket| socket.closed));
        for (number, (peer, entry)) in
            self.peers.iter().zip(&self.journal.borrow().entries).enumerate()
        {
            assert!(!entry.is_known(), "peer {number} was never told as closed");
            let outcome = entry.outcome.clone().unwrap_or_default();
            assert!(entry.expected.starts_with(&sure(peer)), "what peer {number} has heard");
            let mut offered = entry.offered.iter();
            let mut heard = peer.heard.iter().filter(|message| is_offered(message));
            assert!(heard.all(|heard| offered.any(|offered| offered == heard)), "{number}");
            assert!(peer.sent.starts_with(&entry.heard), "what peer {number} has said");
            assert!(self.leaps || !peer.cut, "peer {number}: a frame is cut off");
            assert!(
                self.leaps || peer.broke_a_rule || outcome.failure.is_none(),
                "peer {number}: {outcome:?}"
            );
            if outcome.failure.is_some() || peer.gone || peer.cut {
                continue;
            }
            if peer.was_told() || (peer.half_closed && !self.leaps) {
                assert_eq!(lens(&sure(peer)), lens(&entry.expected), "before its Close: {number}");
            }
            if outcome.received.is_some() && !entry.panicked {
                assert_eq!(lens(&entry.heard), lens(&peer.sent), "before the Close of {number}");
            }
            if entry.panicked && peer.was_told() && outcome.was_clean() {
                let known =
                    [CloseCode::INTERNAL_ERROR, CloseCode::TRY_AGAIN_LATER].map(CloseCode::get);
                let code = peer.close_code();
                assert!(known.contains(&code) || code == 1005 || code == 1001, "{code}");
            }
        }
    }
}

fn is_complete(peer: &Peer, entry: &Entry) -> bool {
    sure(peer) == entry.expected && peer.sent == entry.heard
}

/// What a peer has heard of what must not be dropped.
fn sure(peer: &Peer) -> Vec<Vec<u8>> {
    peer.heard.iter().filter(|message| !is_offered(message)).cloned().collect()
}

/// Enough to see what is wrong.
fn lens(messages: &[Vec<u8>]) -> Vec<usize> {
    messages.iter().map(Vec::len).collect()
}
