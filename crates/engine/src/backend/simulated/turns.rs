//! Single turns: what leaves in one write, and in which order.

use std::{cell::RefCell, rc::Rc, sync::Arc, time::Duration};

use tidewire_proto::{FrameHeader, OpCode, Prepared};

use super::{Simulated, Weather, World};
use crate::{
    Adopted, ConnectionId, Handler, Message, Plane, Settings, backend::epoll::Epoll,
    event_loop::EventLoop, mail::Mail, remote::Remote,
};

const TOPIC: &str = "topic";

/// Does what it is told, and remembers what it heard.
#[derive(Default)]
pub(super) struct Obedient {
    heard: Vec<(usize, Vec<u8>)>,
    /// Bytes that were still queued when each turn ended.
    left: Vec<usize>,
}

impl Handler for Obedient {
    type Guest = ();
    type Command = usize;

    fn opened(&mut self, plane: &mut Plane<Self>, id: ConnectionId, (): ()) {
        plane.subscribe(id, TOPIC);
    }

    fn message(&mut self, plane: &mut Plane<Self>, id: ConnectionId, message: Message<'_>) {
        match message.as_bytes() {
            b"send" => (0..10).for_each(|_| plane.send(id, "sent").unwrap()),
            b"publish" => plane.publish(TOPIC, &Prepared::new("published")),
            b"pause" => plane.pause_reading(id),
            _ => {}
        }
        self.heard.push((id.index(), message.as_bytes().to_vec()));
    }

    fn turn_ended(&mut self, plane: &mut Plane<Self>) {
        self.left.push(plane.queued_len());
    }

    /// The connection at this index is heard again.
    fn command(&mut self, plane: &mut Plane<Self>, index: usize) {
        let id = plane.connections().find(|id| id.index() == index).unwrap();
        plane.resume_reading(id);
    }
}

pub(super) struct Turns {
    pub(super) world: Rc<RefCell<World>>,
    pub(super) event_loop: EventLoop<Obedient>,
    epoll: Epoll<Simulated>,
    remote: Remote<Obedient>,
}

impl Turns {
    /// With so many open connections.
    pub(super) fn new(count: usize) -> Self {
        Self::with(Settings::default(), count)
    }

    pub(super) fn with(settings: Settings, count: usize) -> Self {
        let weather = Weather { rough: false, leap: Duration::from_millis(1) };
        let world = Rc::new(RefCell::new(World::new(0, weather)));
        let remote = Remote::new(1, settings.mail_limits()).unwrap();
        let plane = Plane::new(0, Arc::new(settings), remote.clone());
        let mut epoll = Epoll::new(Simulated(Rc::clone(&world)));
        let mut event_loop = EventLoop::new(plane, Obedient::default());
        event_loop.begin(&mut epoll).unwrap();
        let mut turns = Self { world, event_loop, epoll, remote };
        (0..count).for_each(|_| turns.adopt(Vec::new(), |adopted| adopted));
        turns
    }

    pub(super) fn adopt(
        &mut self,
        unread: Vec<u8>,
        dress: impl FnOnce(Adopted<()>) -> Adopted<()>,
    ) {
        let (_, fd) = self.world.borrow_mut().socket(1 << 20);
        let mail = Mail::Adopt(Box::new(dress(Adopted::new(fd, unread, ()))));
        assert!(self.remote.hand_over(0, mail).is_ok());
        self.turn();
    }

    pub(super) fn turn(&mut self) {
        self.event_loop.turn(&mut self.epoll).unwrap();
    }

    pub(super) fn receive(&self, socket: usize, bytes: &[u8]) {
        self.world.borrow_mut().sockets[socket].inbound.extend(bytes);
    }

    /// What was written to a socket, and how often.
    fn written(&self, socket: usize) -> (Vec<u8>, usize) {
        let world = self.world.borrow();
        let socket = &world.sockets[socket];
        (socket.outbound.iter().copied().collect(), socket.written_from.len())
    }

    pub(super) fn heard(&self) -> Vec<&[u8]> {
        self.event_loop.handler().heard.iter().map(|(_, message)| &**message).collect()
    }
}

fn masked(opcode: OpCode, len: usize) -> Vec<u8> {
    let masking_key = Some([0; 4]);
    FrameHeader { fin: true, rsv: 0, opcode, masking_key, len: len as u64 }.encode().to_vec()
}

pub(super) fn text(text: &str) -> Vec<u8> {
    [&masked(OpCode::Text, text.len())[..], text.as_bytes()].concat()
}

pub(super) fn sent(text: &str) -> Vec<u8> {
    [&[0x81, u8::try_from(text.len()).unwrap()], text.as_bytes()].concat()
}

#[test]
fn what_is_sent_in_a_turn_leaves_in_one_write() {
    let mut turns = Turns::new(1);
    turns.receive(0, &[text("send"), text("publish"), text("send")].concat());
    turns.turn();
    let expected = [sent("sent").repeat(10), sent("published"), sent("sent").repeat(10)].concat();
    assert_eq!(turns.written(0), (expected, 1));
}

#[test]
fn when_a_turn_ends_it_has_been_written() {
    let mut turns = Turns::new(2);
    let before = turns.event_loop.handler().left.len();
    turns.receive(0, &[text("send"), text("publish")].concat());
    turns.turn();
    assert_eq!(turns.event_loop.handler().left[before..], [0]);
    assert_eq!(turns.remote.stats()[0].turn_count, before as u64 + 1);
}

#[test]
fn what_is_published_in_a_turn_is_joined_once_for_all() {
    let mut turns = Turns::new(50);
    for publisher in [3, 20, 21] {
        turns.receive(publisher, &text("publish").repeat(2));
    }
    turns.turn();
    let expected = (sent("published").repeat(6), 1);
    let mut listeners: Vec<usize> = (0..50).collect();
    for &listener in &listeners {
        assert_eq!(turns.written(listener), expected);
    }
    // Who was heard in between has a list of its own.
    listeners.retain(|listener| ![3, 20, 21].contains(listener));
    let world = turns.world.borrow();
    let mut from: Vec<_> = listeners.iter().map(|&l| world.sockets[l].written_from[0]).collect();
    from.dedup();
    assert_eq!(from.len(), 1, "each was written from memory of its own");
}

/// RFC 6455 §5.5.1: a publication before a violation comes before our Close, and nothing after it.
#[test]
fn nothing_follows_a_close() {
    for len in [10, 200_000] {
        let mut turns = Turns::new(3);
        turns.receive(1, &masked(OpCode::Text, len));
        turns.receive(1, &b"a".repeat(len / 2));
        turns.turn();
        turns.turn();
        turns.receive(0, &text("publish"));
        turns.receive(1, &[0xFF; 100]);
        turns.receive(2, &text("publish"));
        turns.turn();
        let close = [0x88, 2, 0x03, 0xEF];
        assert_eq!(turns.written(1).0, [&sent("published")[..], &close].concat(), "{len}");
    }
}

/// What is behind a pause may be shorter than a header can be.
#[test]
fn frames_behind_a_pause_are_heard_after_it() {
    for behind in ["", "x", "some more", &"y".repeat(1000)] {
        let mut turns = Turns::new(1);
        turns.receive(0, &[text("pause"), text(behind)].concat());
        turns.turn();
        assert_eq!(turns.heard(), [b"pause"]);
        assert!(turns.remote.tell(0, 0).is_ok());
        turns.turn();
        assert_eq!(turns.heard(), [b"pause", behind.as_bytes()]);
    }
}

/// A backend that reads ahead may learn of the end before the pause is over.
#[test]
fn frames_behind_a_pause_are_heard_though_the_peer_has_ended() {
    for (behind, answers) in [("send", 10), ("nothing to do", 0)] {
        let mut turns = Turns::new(1);
        turns.receive(0, &[text("pause"), text(behind)].concat());
        turns.turn();
        turns.event_loop.eof(0);
        turns.turn();
        assert_eq!(turns.heard(), [b"pause"]);
        assert!(turns.remote.tell(0, 0).is_ok());
        turns.turn();
        assert_eq!(turns.heard(), [b"pause", behind.as_bytes()]);
        assert_eq!(turns.written(0).0, sent("sent").repeat(answers));
        assert!(turns.world.borrow().sockets[0].closed);
    }
}
