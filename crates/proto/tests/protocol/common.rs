//! What the tests of the protocol share: endpoints, a decoder of their own, a pair with virtual time.

use std::{sync::Arc, time::Duration};

use tidewire_proto::{
    Config, Connection, Context, Event, Kind, MaskSource, Outcome, Role, Timestamp, Transport,
};

/// Keys that differ from each other and repeat in each run.
pub struct CountingMasks(u8);

impl MaskSource for CountingMasks {
    fn fill(&mut self, out: &mut [u8]) {
        for byte in out {
            self.0 = self.0.wrapping_mul(5).wrapping_add(113);
            *byte = self.0;
        }
    }
}

pub fn context() -> Context {
    Context::new(Box::new(CountingMasks(1)))
}

/// An event with its bytes copied out of whatever they were borrowed from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    Text(String),
    Binary(Vec<u8>),
    Fragment { kind: Kind, payload: Vec<u8>, first: bool, last: bool },
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Failed(tidewire_proto::Failure),
    Closed(Outcome),
}

impl From<Event<'_>> for Seen {
    fn from(event: Event<'_>) -> Self {
        match event {
            Event::Text(text) => Self::Text(text.as_str().into()),
            Event::Binary(payload) => Self::Binary(payload.to_vec()),
            Event::Fragment(fragment) => Self::Fragment {
                kind: fragment.kind,
                payload: fragment.payload.to_vec(),
                first: fragment.first,
                last: fragment.last,
            },
            Event::Ping(payload) => Self::Ping(payload.to_vec()),
            Event::Pong(payload) => Self::Pong(payload.to_vec()),
            Event::Failed(failure) => Self::Failed(failure),
            Event::Closed(outcome) => Self::Closed(*outcome),
            other => panic!("an event that the tests do not know: {other:?}"),
        }
    }
}

/// A connection with its context, the bytes of a cut header, and everything it has reported.
pub struct Endpoint {
    pub conn: Connection,
    pub cx: Context,
    pub seen: Vec<Seen>,
    carry: Vec<u8>,
}

impl Endpoint {
    pub fn new(role: Role) -> Self {
        Self::with(role, Config::default())
    }

    pub fn with(role: Role, config: Config) -> Self {
        let cx = context();
        let conn = Connection::new(role, Arc::new(config), cx.now);
        Self { conn, cx, seen: Vec::new(), carry: Vec::new() }
    }

    /// The same connection, as yet unused, with compression.
    #[cfg(all(feature = "deflate", not(miri)))]
    pub fn set_deflate(&mut self, params: tidewire_proto::DeflateParams) {
        let config = Arc::clone(self.conn.config());
        self.conn =
            Connection::new(self.conn.role(), config, self.cx.now).with_deflate(Some(params));
    }

    /// Hands in bytes as one read, through `read_target` where that is offered.
    pub fn read(&mut self, mut bytes: &[u8]) {
        while self.carry.is_empty()
            && !bytes.is_empty()
            && let Some(target) = self.conn.read_target(&mut self.cx)
        {
            let n = target.len().min(bytes.len());
            target[..n].copy_from_slice(&bytes[..n]);
            bytes = &bytes[n..];
            let event = self.conn.handle_read(&mut self.cx, n).map(Seen::from);
            self.seen.extend(event);
        }
        let mut buffer = std::mem::take(&mut self.carry);
        buffer.extend_from_slice(bytes);
        let mut input = &mut buffer[..];
        while let Some(event) = self.conn.receive(&mut self.cx, &mut input) {
            self.seen.push(event.into());
        }
        assert!(input.len() <= 13, "only a header cut short may stay: {} bytes", input.len());
        self.carry = input.to_vec();
    }

    /// Takes all that waits to be written.
    pub fn written(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        while !self.conn.outbox().is_empty() {
            let before = out.len();
            self.conn.outbox().chunks().for_each(|chunk| out.extend_from_slice(chunk));
            let n = out.len() - before;
            assert_eq!(n, self.conn.outbox().len(), "len() is what chunks() yield");
            self.conn.advance(&mut self.cx, n);
        }
        out
    }

    pub fn eof(&mut self) {
        let event = self.conn.handle_eof(&mut self.cx).map(Seen::from);
        self.seen.extend(event);
    }

    /// Lets the time pass, deadline by deadline.
    pub fn wait(&mut self, span: Duration) {
        let end = self.cx.now.saturating_add(span);
        while let Some(at) = self.conn.poll_timeout().filter(|at| *at <= end) {
            self.cx.now = self.cx.now.max(at);
            let event = self.conn.handle_timeout(&mut self.cx).map(Seen::from);
            self.seen.extend(event);
        }
        self.cx.now = end;
    }

    pub fn take_seen(&mut self) -> Vec<Seen> {
        std::mem::take(&mut self.seen)
    }
}

/// A frame as the tests see it on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub first: u8,
    pub masked: bool,
    pub payload: Vec<u8>,
}

/// A decoder that shares nothing with the one under test. Insists on shortest lengths (F10).
pub fn decode_frames(mut bytes: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let (first, second) = (bytes[0], bytes[1]);
        let masked = second >= 128;
        let (len, mut at) = match second % 128 {
            126 => {
                let len = usize::from(bytes[2]) << 8 | usize::from(bytes[3]);
                assert!(len > 125, "not the shortest form: {len}");
                (len, 4)
            }
            127 => {
                let len = bytes[2..10].iter().fold(0, |len, byte| len << 8 | usize::from(*byte));
                assert!(len > 0xFFFF, "not the shortest form: {len}");
                (len, 10)
            }
            len => (usize::from(len), 2),
        };
        let mut key = [0; 4];
        if masked {
            key.copy_from_slice(&bytes[at..at + 4]);
            at += 4;
        }
        let mut payload = bytes[at..at + len].to_vec();
        if masked {
            payload.iter_mut().enumerate().for_each(|(i, byte)| *byte ^= key[i % 4]);
        }
        frames.push(Frame { first, masked, payload });
        bytes = &bytes[at + len..];
    }
    frames
}

/// One frame, masked where `key` is given; lengths in the shortest form.
pub fn frame(first: u8, key: Option<[u8; 4]>, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    let mask_bit = if key.is_some() { 128 } else { 0 };
    match payload.len() {
        len @ 0..=125 => out.push(mask_bit | u8::try_from(len).unwrap()),
        len @ 126..=0xFFFF => {
            out.push(mask_bit | 126);
            out.extend(u16::try_from(len).unwrap().to_be_bytes());
        }
        len => {
            out.push(mask_bit | 127);
            out.extend((len as u64).to_be_bytes());
        }
    }
    let key_bytes = key.unwrap_or_default();
    out.extend(key.iter().flatten());
    out.extend(payload.iter().enumerate().map(|(i, b)| b ^ key_bytes[i % 4]));
    out
}

/// A frame as a client sends it.
pub fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    frame(first, Some([0x37, 0xfa, 0x21, 0x3d]), payload)
}

/// A frame as the peer of `role` sends it.
pub fn from_peer_of(role: Role, first: u8, payload: &[u8]) -> Vec<u8> {
    match role {
        Role::Server => masked(first, payload),
        Role::Client => frame(first, None, payload),
    }
}

/// Two endpoints, the bytes between them, and one clock.
pub struct Pair {
    pub client: Endpoint,
    pub server: Endpoint,
}

impl Pair {
    pub fn new(config: Config) -> Self {
        Self {
            client: Endpoint::with(Role::Client, config.clone()),
            server: Endpoint::with(Role::Server, config),
        }
    }

    /// Carries bytes back and forth, in reads of at most `read_len`, until nothing moves; then
    /// ends the transports as the endpoints say. Returns whether anything moved.
    pub fn settle(&mut self, read_len: usize) {
        loop {
            let up = self.client.written();
            up.chunks(read_len).for_each(|chunk| self.server.read(chunk));
            let down = self.server.written();
            down.chunks(read_len).for_each(|chunk| self.client.read(chunk));
            if up.is_empty() && down.is_empty() {
                break;
            }
        }
        if self.server.conn.transport() != Transport::Open {
            self.client.eof();
        }
        if self.client.conn.transport() != Transport::Open {
            self.server.eof();
        }
    }
}

/// How much, where Miri interprets each instruction and has no time for the usual amount.
pub const fn unless_miri(usual: usize, under_miri: usize) -> usize {
    if cfg!(miri) { under_miri } else { usual }
}

pub const fn millis(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}
