//! A driver for one connection: reads go in, events come out and are remembered.

use std::sync::Arc;

use tidewire_proto::{
    Config, Connection, Context, DeflateParams, Event, Failure, Kind, MaskSource, Outcome, Role,
};

/// Keys that differ from each other and repeat in each run.
#[derive(Debug)]
struct CountingMasks(u8);

impl MaskSource for CountingMasks {
    fn fill(&mut self, out: &mut [u8]) {
        for byte in out {
            self.0 = self.0.wrapping_mul(5).wrapping_add(113);
            *byte = self.0;
        }
    }
}

/// A context whose keys repeat in each run.
pub fn context() -> Context {
    Context::new(Box::new(CountingMasks(1)))
}

/// An event with its bytes copied out of whatever they were borrowed from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names of Event")]
pub enum Seen {
    Text(String),
    Binary(Vec<u8>),
    Fragment { kind: Kind, payload: Vec<u8>, first: bool, last: bool },
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Failed(Failure),
    Closed(Outcome),
}

impl From<Event<'_>> for Seen {
    fn from(event: Event<'_>) -> Self {
        match event {
            Event::Text(text) => {
                assert_eq!(text.as_str().as_bytes(), text.as_bytes());
                Self::Text(text.as_str().into())
            }
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
            other => panic!("an event that the targets do not know: {other:?}"),
        }
    }
}

/// A connection with its context, the bytes of a cut header, and everything it has reported.
#[derive(Debug)]
pub struct Endpoint {
    /// The connection.
    pub conn: Connection,
    /// Its thread's context.
    pub cx: Context,
    /// What was reported and not taken.
    pub seen: Vec<Seen>,
    /// Whether reads go straight into the message's own memory, where that is offered.
    pub reads_into_target: bool,
    carry: Vec<u8>,
}

impl Endpoint {
    /// An open connection.
    pub fn new(role: Role, config: Config, params: Option<DeflateParams>) -> Self {
        let cx = context();
        let conn = Connection::new(role, Arc::new(config), cx.now).with_deflate(params);
        Self { conn, cx, seen: Vec::new(), reads_into_target: true, carry: Vec::new() }
    }

    /// Hands in bytes as one read.
    pub fn read(&mut self, mut bytes: &[u8]) {
        while self.reads_into_target
            && self.carry.is_empty()
            && !bytes.is_empty()
            && let Some(target) = self.conn.read_target(&mut self.cx)
        {
            assert!(!target.is_empty(), "a read into nothing looks like the end");
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

    /// Takes up to `len` of the bytes that wait to be written.
    pub fn write(&mut self, len: usize) -> Vec<u8> {
        let outbox = self.conn.outbox();
        let mut out = Vec::new();
        let mut waiting = 0;
        for chunk in outbox.chunks() {
            assert!(!chunk.is_empty(), "a write of nothing");
            waiting += chunk.len();
            out.extend_from_slice(&chunk[..chunk.len().min(len - out.len())]);
        }
        assert_eq!(waiting, outbox.len(), "len() is what chunks() yield");
        assert!(outbox.cost() >= waiting);
        assert_eq!(outbox.is_empty(), waiting == 0);
        self.conn.advance(&mut self.cx, out.len());
        out
    }

    /// Takes all of them.
    pub fn write_all(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        while !self.conn.outbox().is_empty() {
            out.extend(self.write(usize::MAX));
        }
        out
    }

    /// The transport has ended.
    pub fn eof(&mut self) {
        let event = self.conn.handle_eof(&mut self.cx).map(Seen::from);
        self.seen.extend(event);
    }

    /// Does what is due by now; it must come to rest.
    pub fn timeouts(&mut self) {
        for _ in 0..16 {
            if self.conn.poll_timeout().is_none_or(|at| at > self.cx.now) {
                return;
            }
            let event = self.conn.handle_timeout(&mut self.cx).map(Seen::from);
            self.seen.extend(event);
        }
        panic!("due at {:?}, for ever: {:?}", self.conn.poll_timeout(), self.conn);
    }
}
