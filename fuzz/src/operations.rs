//! Target: everything that a driver, an application and a hostile peer may do to one connection, in
//! any order; and what it writes is read by a decoder that shares nothing with it.

use std::time::Duration;

use arbitrary::{Result, Unstructured};
use bytes::Bytes;
use tidewire_proto::{
    CloseCode, CloseFrame, Kind, Outgoing, Prepared, ReadyState, Role, Timestamp, Transport,
};

use crate::{
    driver::{Endpoint, Seen},
    settings,
    wire::{self, Frame, LengthForm},
};

/// One input.
pub fn run(data: &[u8]) {
    let _ = try_run(&mut Unstructured::new(data));
}

fn try_run(u: &mut Unstructured<'_>) -> Result<()> {
    let role = settings::role(u)?;
    let config = settings::config(u)?;
    let params = if u.ratio(1, 4)? {
        let deflate = settings::deflate_config(u)?;
        let (at_client, at_server) = settings::negotiate(&deflate, &deflate);
        Some(if role == Role::Client { at_client } else { at_server })
    } else {
        None
    };
    let mut world = World {
        endpoint: Endpoint::new(role, config, params),
        compresses: params.is_some(),
        delivers_fragments: false,
        written: Vec::new(),
        reader: Reader::default(),
        sent: Vec::new(),
        pings: Vec::new(),
        under_way: None,
        failed: false,
        closed: false,
    };
    for _ in 0..128 {
        if u.is_empty() {
            break;
        }
        world.step(u)?;
        world.check();
    }
    world.finish();
    Ok(())
}

#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "a record of what has happened")]
struct World {
    endpoint: Endpoint,
    compresses: bool,
    delivers_fragments: bool,
    /// Written and not read yet.
    written: Vec<u8>,
    reader: Reader,
    /// Messages that were accepted from the application: opcode and content.
    sent: Vec<(u8, Vec<u8>)>,
    /// Pings that were reported while the connection was open.
    pings: Vec<Vec<u8>>,
    under_way: Option<(Kind, Vec<u8>)>,
    failed: bool,
    closed: bool,
}

/// What the other end makes of our bytes.
#[derive(Debug, Default)]
struct Reader {
    messages: Vec<(u8, Vec<u8>)>,
    under_way: Option<(u8, Vec<u8>)>,
    pongs: usize,
    last_pong: Option<Vec<u8>>,
    closed: bool,
}

impl World {
    fn step(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        let Endpoint { conn, cx, .. } = &mut self.endpoint;
        match u.int_in_range(0..=17)? {
            0..=2 => {
                let (opcode, payload, message) = message(u)?;
                if conn.send(cx, message).is_ok() {
                    self.sent.push((opcode, payload));
                }
            }
            3 => self.send_fragment(u)?,
            4 => drop(conn.ping(cx, &settings::payload(u)?)),
            5 if u.ratio(1, 4)? => drop(conn.pong(cx, b"heartbeat")),
            6 if u.ratio(1, 4)? => {
                let code = CloseCode::new(*u.choose(&[1000, 1001, 1005, 4999])?);
                if let Ok(frame) = CloseFrame::new(code, "done") {
                    let was_open = conn.ready_state() == ReadyState::Open;
                    assert_eq!(conn.close(cx, frame).is_ok(), was_open);
                }
            }
            7 | 8 => {
                let len = usize::from(u.arbitrary::<u16>()?) * 2;
                let bytes = self.endpoint.write(len);
                self.written.extend(bytes);
            }
            9 => {
                let bytes = self.endpoint.write_all();
                self.written.extend(bytes);
            }
            10 => {
                // A clock that jumps, in both directions (Z7).
                let span = Duration::from_millis(u.arbitrary::<u16>()?.into());
                let span = span * *u.choose(&[0, 1, 1, 1, 60])?;
                cx.now = if u.ratio(1, 8)? {
                    let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
                    Timestamp::from_nanos(cx.now.as_nanos().saturating_sub(nanos))
                } else {
                    cx.now.saturating_add(span)
                };
                self.endpoint.timeouts();
            }
            11 if u.ratio(1, 8)? => self.endpoint.eof(),
            12 if u.ratio(1, 2)? => {
                self.delivers_fragments = u.arbitrary()?;
                conn.deliver_fragments(self.delivers_fragments);
            }
            13 => self.endpoint.reads_into_target = u.arbitrary()?,
            _ => self.receive(u)?,
        }
        Ok(())
    }

    fn send_fragment(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        let kind = if u.arbitrary()? { Kind::Text } else { Kind::Binary };
        let payload = settings::payload(u)?;
        let last = u.arbitrary()?;
        let Endpoint { conn, cx, .. } = &mut self.endpoint;
        if conn.send_fragment(cx, kind, &payload, last).is_err() {
            return Ok(());
        }
        let (began, mut all) = self.under_way.take().unwrap_or((kind, Vec::new()));
        assert_eq!(began, kind, "a message has one kind");
        all.extend(payload);
        if last {
            let opcode = if kind == Kind::Text { 1 } else { 2 };
            assert!(opcode == 2 || std::str::from_utf8(&all).is_ok(), "§8.1");
            self.sent.push((opcode, all));
        } else {
            self.under_way = Some((kind, all));
        }
        Ok(())
    }

    /// Frames from the peer, mostly lawful, perhaps only a part of them.
    fn receive(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        let mut stream = Vec::new();
        for _ in 0..u.int_in_range(1..=20)? {
            let first = *u.choose(&[
                0x89, 0x89, 0x8A, 0x81, 0x82, 0x01, 0x02, 0x00, 0x80, 0x88, 0xC2, 0x42, 0x8B,
            ])?;
            let payload = match first {
                0x88..=0x8A => settings::few(u, 7)?,
                0x81 => settings::text(u)?.into_bytes(),
                _ => settings::payload(u)?,
            };
            let key = match self.endpoint.conn.role() {
                Role::Server => Some(u.arbitrary()?),
                Role::Client => None,
            };
            stream.extend(wire::frame(first, key, &payload, LengthForm::Shortest));
            if u.ratio(1, 2)? {
                break;
            }
        }
        if u.ratio(1, 16)? {
            stream.truncate(u.int_in_range(0..=stream.len())?);
        }
        self.endpoint.read(&stream);
        Ok(())
    }

    /// What must hold after each step.
    fn check(&mut self) {
        for event in std::mem::take(&mut self.endpoint.seen) {
            assert!(!self.closed, "after the last event: {event:?}");
            match event {
                Seen::Closed(outcome) => {
                    self.closed = true;
                    assert!(!self.failed || outcome.failure.is_some());
                }
                event => {
                    assert!(!self.failed, "after the failure: {event:?}");
                    match event {
                        Seen::Failed(_) => self.failed = true,
                        Seen::Ping(payload) => self.pings.push(payload),
                        Seen::Text(text) => self.bounded(text.len()),
                        Seen::Binary(payload) => self.bounded(payload.len()),
                        Seen::Fragment { payload, .. } if !self.delivers_fragments => {
                            self.bounded(payload.len());
                        }
                        _ => {}
                    }
                }
            }
        }
        let conn = &self.endpoint.conn;
        assert_eq!(self.closed, conn.ready_state() == ReadyState::Closed);
        assert_eq!(self.closed, conn.transport() == Transport::Ended);
        assert!(!self.closed || (conn.outbox().is_empty() && conn.poll_timeout().is_none()));
        let frames = wire::take_frames(&mut self.written);
        for frame in frames {
            self.read(&frame);
        }
    }

    /// L3: whatever arrives, a message is no longer than allowed.
    fn bounded(&self, len: usize) {
        let len_max = self.endpoint.conn.config().limits.message_len_max;
        assert!(len as u64 <= len_max, "{len} bytes, of {len_max}");
    }

    fn read(&mut self, frame: &Frame) {
        let reader = &mut self.reader;
        assert!(!reader.closed, "§5.5.1: a frame after our Close: {:#04x}", frame.first);
        assert_eq!(frame.masked, self.endpoint.conn.role() == Role::Client, "§5.1");
        let opcode = frame.opcode();
        if opcode >= 8 {
            assert!(frame.is_last() && frame.payload.len() <= 125 && frame.rsv() == 0, "§5.5");
        }
        match opcode {
            0..=2 => {
                let starts = opcode != 0;
                assert_eq!(starts, reader.under_way.is_none(), "§5.4");
                assert!(frame.rsv() == 0 || frame.rsv() == 4 && starts && self.compresses);
                let (_, all) = reader.under_way.get_or_insert((opcode, Vec::new()));
                all.extend(&frame.payload);
                if frame.is_last() {
                    reader.messages.extend(reader.under_way.take());
                    let (opcode, payload) = &reader.messages[reader.messages.len() - 1];
                    let (expected_opcode, expected) = &self.sent[reader.messages.len() - 1];
                    assert_eq!(opcode, expected_opcode);
                    // What is compressed is for the target `pair`, where somebody inflates it.
                    assert!(self.compresses || payload == expected, "another message was sent");
                }
            }
            9 => {}
            10 if frame.payload == b"heartbeat" => {}
            10 => {
                // §5.5.3: of several, only some may be answered; those in order, and no other.
                let unanswered = &self.pings[reader.pongs..];
                let answered = unanswered.iter().position(|ping| *ping == frame.payload);
                let answered = answered.expect("§5.5.2: a Pong to no Ping, or out of order");
                reader.pongs += answered + 1;
                reader.last_pong = Some(frame.payload.clone());
            }
            8 => {
                reader.closed = true;
                crate::model::close_body(&frame.payload).expect("§5.5.1");
            }
            other => panic!("opcode {other}"),
        }
    }

    /// Everything is written at last, and the transport ends.
    fn finish(&mut self) {
        let was_open = self.endpoint.conn.ready_state() == ReadyState::Open;
        let was_closed = self.closed;
        let bytes = self.endpoint.write_all();
        self.written.extend(bytes);
        self.check();
        if !was_closed {
            assert!(self.written.is_empty(), "half a frame");
        }
        if was_open {
            assert_eq!(self.reader.messages.len(), self.sent.len(), "a message was not sent");
            if let Some(ping) = self.pings.last() {
                assert_eq!(self.reader.last_pong.as_ref(), Some(ping), "§5.5.2: the latest Ping");
            }
        } else if !was_closed {
            assert!(self.reader.closed, "it closes, and has not said so");
        }
        self.endpoint.eof();
        self.check();
        assert!(self.closed);
        self.endpoint.eof();
        self.endpoint.read(b"\x81\x00");
        self.endpoint.timeouts();
        self.check();
    }
}

fn message(u: &mut Unstructured<'_>) -> Result<(u8, Vec<u8>, Outgoing<'static>)> {
    let (opcode, payload, message) = if u.arbitrary()? {
        let text = settings::text(u)?;
        (1, text.clone().into_bytes(), Outgoing::from(text))
    } else {
        let payload = settings::payload(u)?;
        (2, payload.clone(), Outgoing::from(Bytes::from(payload)))
    };
    let message = match u.int_in_range(0..=3)? {
        0 => Prepared::new(message).compressed().into(),
        1 => message.uncompressed(),
        _ => message,
    };
    Ok((opcode, payload, message))
}
