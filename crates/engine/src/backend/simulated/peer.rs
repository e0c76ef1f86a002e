//! [`Peer`]: a client at the other end of a simulated socket.

use std::sync::Arc;

use tidewire_proto::{
    CloseFrame, Config, Connection, Context, Event, FrameHeader, MaskSource, OpCode, Outgoing,
    Role, Transport,
};

use super::{World, move_front, random::Random, wire::Wire};

/// What a client asks first; its key is that of RFC 6455 §1.3.
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";

/// What a peer has not read of what was sent to it, at most.
const INBOUND_LEN_MAX: usize = 200 << 10;

/// A client, with all it sent and heard.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a state of its own, set by another")]
pub(super) struct Peer {
    pub(super) socket: usize,
    number: usize,
    cx: Context,
    proto: Connection,
    wire: Wire,
    /// What was read and not understood yet.
    unread: Vec<u8>,
    /// The request, as far as it is not sent.
    request: &'static [u8],
    /// Whether the response is still to come.
    awaits_response: bool,
    /// Messages that it still wants to send.
    pub(super) plan: usize,
    pub(super) sent: Vec<Vec<u8>>,
    pub(super) heard: Vec<Vec<u8>>,
    /// It does not read for so many steps.
    rests: usize,
    /// It vanished: nothing is promised to it any more.
    pub(super) gone: bool,
    /// It broke a rule, and sends nothing any more.
    pub(super) broke_a_rule: bool,
    /// It ended its half of TCP without a Close.
    pub(super) half_closed: bool,
    frames: Frames,
    /// The loop's end of TCP has been seen...
    pub(super) ended: bool,
    /// ...inside a frame.
    pub(super) cut: bool,
}

#[derive(Debug)]
struct Masks(Random);

impl MaskSource for Masks {
    fn fill(&mut self, out: &mut [u8]) {
        for byte in out {
            *byte = self.0.next().to_le_bytes()[0];
        }
    }
}

impl Peer {
    /// A client that begins with an opening handshake, unless it is behind one already.
    pub(super) fn new(
        number: usize,
        socket: usize,
        opens: bool,
        wire: Wire,
        random: &mut Random,
    ) -> Self {
        let mut config = Config::default();
        config.timeouts.ping_after = None;
        config.timeouts.write_stall = None;
        config.fragment_len_max = random.one_in(3).then(|| 100 + random.below(5000));
        let cx = Context::new(Box::new(Masks(Random::new(random.next()))));
        Self {
            socket,
            number,
            proto: Connection::new(Role::Client, Arc::new(config), cx.now),
            cx,
            wire,
            unread: Vec::new(),
            request: if opens { REQUEST } else { b"" },
            awaits_response: opens,
            plan: random.below(12),
            sent: Vec::new(),
            heard: Vec::new(),
            rests: 0,
            gone: false,
            broke_a_rule: false,
            half_closed: false,
            frames: Frames::default(),
            ended: false,
            cut: false,
        }
    }

    #[cfg(feature = "deflate")]
    pub(super) fn with_deflate(mut self, params: Option<tidewire_proto::DeflateParams>) -> Self {
        self.proto = self.proto.with_deflate(params);
        self
    }

    /// Does a little of everything. `calm`: no mischief, and all there is.
    pub(super) fn step(&mut self, world: &mut World, calm: bool) {
        let mut random = Random::new(world.random.next());
        self.cx.now = world.now;
        if !calm {
            self.misbehave(world, &mut random);
        }
        if self.gone {
            return;
        }
        if self.rests > 0 && !calm {
            self.rests -= 1;
        } else {
            self.read(world, &mut random, calm);
        }
        if self.plan > 0 && !self.broke_a_rule && (calm || random.one_in(4)) {
            self.plan -= 1;
            self.say(&mut random);
        }
        if !calm && random.one_in(150) {
            // It may be closing already.
            let _ = self.proto.close(&mut self.cx, CloseFrame::EMPTY);
        }
        self.write(world, &mut random, calm);
    }

    pub(super) fn close(&mut self) {
        // It may be closing already.
        let _ = self.proto.close(&mut self.cx, CloseFrame::EMPTY);
    }

    /// Whether the loop closed in order, so that all it sent before has arrived.
    pub(super) fn was_told(&self) -> bool {
        self.proto.outcome().is_some_and(|outcome| outcome.received.is_some())
    }

    /// Whether both ends can still send.
    pub(super) fn is_open(&self) -> bool {
        let may_send = !self.gone && !self.broke_a_rule && !self.half_closed;
        may_send && !self.ended && self.proto.outcome().is_none()
    }

    /// The code of the loop's Close.
    pub(super) fn close_code(&self) -> u16 {
        self.proto.outcome().map_or(0, |outcome| outcome.code().get())
    }

    fn misbehave(&mut self, world: &mut World, random: &mut Random) {
        let may_send = self.proto.outbox().is_empty()
            && self.request.is_empty()
            && self.wire.waiting.is_empty()
            && self.proto.outcome().is_none()
            && !world.sockets[self.socket].inbound_ended;
        match random.below(500) {
            0 => {
                self.gone = true;
                let socket = &mut world.sockets[self.socket];
                socket.reset = true;
                socket.outbound.clear();
                if random.one_in(2) {
                    socket.inbound.clear();
                }
            }
            1 if may_send && !self.broke_a_rule => {
                world.sockets[self.socket].inbound_ended = true;
                self.half_closed = true;
            }
            2 if may_send && !self.half_closed => {
                self.broke_a_rule = true;
                let text = [b"a".repeat(random.below(100_000)), vec![0xFF]].concat();
                let (opcode, masking_key) = (OpCode::Text, Some([0; 4]));
                let len = 100_001;
                let header = FrameHeader { fin: true, rsv: 0, opcode, masking_key, len };
                self.wire.send(&header.encode()[..]);
                self.wire.send(&text);
            }
            3..20 => self.rests = random.below(60),
            _ => {}
        }
    }

    fn say(&mut self, random: &mut Random) {
        let message = message(self.number, self.sent.len(), random);
        // Where it closes, nothing more is said.
        if self.proto.send(&mut self.cx, Outgoing::binary(&message)).is_ok() {
            self.sent.push(message);
        }
    }

    fn read(&mut self, world: &mut World, random: &mut Random, calm: bool) {
        let socket = &mut world.sockets[self.socket];
        let available = socket.outbound.len();
        let len = if calm || random.one_in(3) { available } else { random.below(available + 1) };
        let mut bytes = vec![0; len];
        move_front(&mut socket.outbound, &mut bytes);
        let start = self.unread.len();
        self.unread.append(&mut self.wire.receive(bytes));
        let over = socket.outbound.is_empty() && (socket.outbound_ended || socket.closed);
        if self.awaits_response {
            let Some(end) = self.unread.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
                self.ended = over; // it was too slow to ask
                return;
            };
            assert!(self.unread.starts_with(b"HTTP/1.1 101 "), "it is let in");
            self.unread.drain(..end + 4);
            self.awaits_response = false;
            self.frames.pass(&self.unread);
        } else {
            self.frames.pass(&self.unread[start..]);
        }
        let mut unread = std::mem::take(&mut self.unread);
        let mut input = &mut unread[..];
        while let Some(event) = self.proto.receive(&mut self.cx, &mut input) {
            match event {
                Event::Text(text) => self.heard.push(text.as_bytes().to_vec()),
                Event::Binary(payload) => self.heard.push(payload.to_vec()),
                Event::Failed(failure) => panic!("peer {}: {failure}", self.number),
                _ => {}
            }
        }
        self.unread = input.to_vec();
        if over && !self.ended {
            self.cut = !self.unread.is_empty();
            self.ended = true;
            let _ = self.proto.handle_eof(&mut self.cx);
            world.sockets[self.socket].inbound_ended = true;
        }
    }

    fn write(&mut self, world: &mut World, random: &mut Random, calm: bool) {
        let socket = &mut world.sockets[self.socket];
        if socket.inbound_ended || socket.closed {
            return;
        }
        let part = |len: usize, random: &mut Random| {
            if calm || random.one_in(3) { len } else { random.below(len + 1) }
        };
        let (now, later) = self.request.split_at(part(self.request.len(), random));
        self.wire.send(now);
        self.request = later;
        let room = INBOUND_LEN_MAX.saturating_sub(socket.inbound.len() + self.wire.waiting.len());
        // What would follow a broken rule is in the middle of a frame.
        if later.is_empty() && !self.broke_a_rule {
            let mut left = part(self.proto.outbox().len(), random).min(room);
            let written = left;
            for chunk in self.proto.outbox().chunks() {
                let len = chunk.len().min(left);
                self.wire.send(&chunk[..len]);
                left -= len;
            }
            self.proto.advance(&mut self.cx, written);
        }
        let len = part(self.wire.waiting.len(), random);
        socket.inbound.extend(self.wire.waiting.drain(..len));
        if self.proto.outbox().is_empty()
            && self.wire.waiting.is_empty()
            && self.proto.transport() != Transport::Open
            && !self.broke_a_rule
        {
            socket.inbound_ended = true;
        }
    }
}

/// Sees every frame pass, also those that a client ignores: behind a Close there must be none (RFC
/// 6455 §5.5.1).
#[derive(Debug, Default)]
struct Frames {
    header: Vec<u8>,
    payload_left: usize,
    closed: bool,
}

impl Frames {
    fn pass(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let len = bytes.len().min(self.payload_left);
            self.payload_left -= len;
            bytes = &bytes[len..];
            let Some((first, rest)) = bytes.split_first() else { return };
            assert!(!self.closed, "a frame behind the Close");
            bytes = rest;
            self.header.push(*first);
            if let Some((header, _)) = FrameHeader::decode(&self.header).expect("a good header") {
                self.header.clear();
                self.payload_left = usize::try_from(header.len).unwrap();
                self.closed = header.opcode == OpCode::Close;
            }
        }
    }
}

/// Who says what may be dropped.
pub(super) const OFFERS: usize = 248;

/// Whether this is from [`OFFERS`].
pub(super) fn is_offered(message: &[u8]) -> bool {
    message.first().is_some_and(|first| usize::from(*first) == OFFERS)
}

/// A message that no other is like: who says it, and which of its own it is.
pub(super) fn message(who: usize, number: usize, random: &mut Random) -> Vec<u8> {
    let len = match random.below(40) {
        0 => random.below(150_000),
        1..4 => 60_000 + random.below(10_000),
        4..8 => random.below(20_000),
        8..12 => 120 + random.below(10),
        _ => random.below(16),
    };
    let tag = [u8::try_from(who % 250).unwrap(), number.to_le_bytes()[0], number.to_le_bytes()[1]];
    let mut message = tag.repeat(len / 3 + 1);
    message.truncate(len);
    message
}
