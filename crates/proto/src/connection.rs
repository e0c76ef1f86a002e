//! One WebSocket connection: [`Connection`].

use alloc::{boxed::Box, sync::Arc};
use core::{mem, time::Duration};

use crate::{
    assembly::Assembly,
    close::CloseFrame,
    closing::{Failure, Outcome, ReadyState, State, TimeoutKind, Transport},
    compression::Compression,
    context::Context,
    error::SendError,
    header::CONTROL_LEN_MAX,
    limits::{Limits, Timeouts},
    opcode::{OpCode, Role},
    outbox::Outbox,
    receiving::{ControlRate, Event, FrameUnderWay, PartialControl},
    sending::FragmentedSend,
    time::Timestamp,
};

/// What all connections of an endpoint share.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Config {
    /// What is accepted from peers.
    pub limits: Limits,
    /// How long is waited for them.
    pub timeouts: Timeouts,
    /// Messages that we send are split into frames of at most this many bytes, between which a
    /// Ping or Pong may pass (RFC 6455 §5.4). `None`, the default: a message is one frame.
    pub fragment_len_max: Option<usize>,
}

/// One WebSocket connection, from the end of the opening handshake (RFC 6455 §5 to §7).
///
/// Does no I/O and reads no clock. Call [`receive`](Self::receive) until it returns `None`, then
/// write out the [`outbox`](Self::outbox), then do what [`transport`](Self::transport) says, then
/// wait no longer than [`poll_timeout`](Self::poll_timeout) says.
#[derive(Debug)]
pub struct Connection {
    pub(crate) config: Arc<Config>,
    pub(crate) state: State,
    pub(crate) outbox: Outbox,
    pub(crate) frame: FrameUnderWay,
    pub(crate) message: Option<Box<Assembly>>,
    /// The payload of a control frame that a read has cut.
    pub(crate) control: Option<Box<PartialControl>>,
    pub(crate) sending: Option<Box<FragmentedSend>>,
    /// When the peer last finished a frame, or made good progress in one.
    pub(crate) received_at: Timestamp,
    pub(crate) ping: KeepAlive,
    pub(crate) control_rate: ControlRate,
    pub(crate) role: Role,
    /// RSV1 is ours to use where this is on (RFC 7692).
    pub(crate) compression: Compression,
    pub(crate) deliver_fragments: bool,
    pub(crate) reading_paused: bool,
}

/// The keep-alive: a Ping of ours that is on its way, and what the last one told.
#[derive(Debug, Default)]
pub(crate) struct KeepAlive {
    pub(crate) sent_at: Option<Timestamp>,
    pub(crate) token: [u8; 4],
    /// The last measured round trip, in microseconds; zero where none was measured.
    pub(crate) latency_us: u32,
}

/// The rate that [`Timeouts::write_stall`] wants of a peer, in bytes a second.
const STALL_BYTES_PER_SECOND: u64 = 1 << 10;

// Proof of shape: what is shared stands behind `config`, what is rare is boxed.
#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<Connection>() <= 160);

impl Connection {
    /// A connection whose opening handshake is done.
    pub fn new(role: Role, config: Arc<Config>, now: Timestamp) -> Self {
        Self {
            config,
            state: State::Open,
            outbox: Outbox::new(),
            frame: FrameUnderWay::NONE,
            message: None,
            control: None,
            sending: None,
            received_at: now,
            ping: KeepAlive::default(),
            control_rate: ControlRate::default(),
            role,
            compression: Compression::OFF,
            deliver_fragments: false,
            reading_paused: false,
        }
    }

    /// The same with permessage-deflate, as it was negotiated (RFC 7692).
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn with_deflate(mut self, params: Option<crate::deflate::DeflateParams>) -> Self {
        self.compression = params.map_or(Compression::OFF, Compression::new);
        self
    }

    /// How messages are compressed, where they are.
    #[cfg(feature = "deflate")]
    pub const fn deflate(&self) -> Option<crate::deflate::DeflateParams> {
        self.compression.params()
    }

    /// Which end we are.
    pub const fn role(&self) -> Role {
        self.role
    }

    /// What this connection shares with others.
    pub const fn config(&self) -> &Arc<Config> {
        &self.config
    }

    /// How far the connection has come.
    pub const fn ready_state(&self) -> ReadyState {
        self.state.ready_state()
    }

    /// What to do with the transport, once the outbox is written.
    pub const fn transport(&self) -> Transport {
        self.state.transport(self.role)
    }

    /// How the connection ends, from the first Close frame on.
    pub fn outcome(&self) -> Option<&Outcome> {
        self.state.outcome()
    }

    /// The frames that wait to be written.
    pub const fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// The round trip of the last answered keep-alive Ping.
    pub fn latency(&self) -> Option<Duration> {
        (self.ping.latency_us > 0).then(|| Duration::from_micros(self.ping.latency_us.into()))
    }

    /// Hands out messages piece by piece as they arrive, instead of whole.
    ///
    /// For messages that are larger than memory: `message_len_max` does not hold meanwhile. May be
    /// changed at any time; what has been assembled of a message becomes its first piece.
    pub const fn deliver_fragments(&mut self, on: bool) {
        self.deliver_fragments = on;
    }

    /// The transport has ended: no more bytes will come, or it broke.
    ///
    /// Without a Close frame this is 1006 (§7.1.5); TLS without its `close_notify` is the same.
    pub fn handle_eof(&mut self, cx: &mut Context) -> Option<Event<'static>> {
        self.end(cx, None)
    }

    /// Time has come: sends a due Ping, fails or ends what has waited too long.
    pub fn handle_timeout(&mut self, cx: &mut Context) -> Option<Event<'static>> {
        let due = |deadline: Option<Timestamp>| deadline.is_some_and(|at| at <= cx.now);
        if due(self.state.deadline()) {
            return self.end(cx, None);
        }
        if due(self.outbox.stall().and_then(|stall| stall.deadline)) {
            if !self.outbox.stall_is_over() {
                // It does not read; it will not read a Close either.
                return self.end(cx, Some(Failure::Timeout(TimeoutKind::WriteStall)));
            }
            self.watch_stall(cx.now);
        }
        if !self.listens() {
            return None;
        }
        if due(self.message.as_ref().and_then(|message| message.deadline)) {
            return Some(self.fail(cx, Failure::Timeout(TimeoutKind::Message)));
        }
        if due(self.pong_deadline()) {
            return Some(self.fail(cx, Failure::Timeout(TimeoutKind::Pong)));
        }
        if due(self.ping_deadline()) {
            self.ping.sent_at = Some(cx.now);
            self.ping.token = cx.masking_key();
            self.outbox.push_control(cx, self.role, OpCode::Ping, &self.ping.token);
            self.watch_stall(cx.now);
        }
        None
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due; `None` means never.
    #[inline]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        // Drivers ask at every message, and mostly the next Ping is all there is to wait for.
        let at_rest =
            self.outbox.is_empty() && self.message.is_none() && self.ping.sent_at.is_none();
        if at_rest && self.listens() { self.ping_deadline() } else { self.next_deadline() }
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        let stall = self.outbox.stall().and_then(|stall| stall.deadline);
        let deadline = earlier(self.state.deadline(), stall);
        if !self.listens() {
            return deadline;
        }
        let message = self.message.as_ref().and_then(|message| message.deadline);
        // A Ping is on its way, or one will be.
        let ping = self.pong_deadline().or_else(|| self.ping_deadline());
        earlier(deadline, earlier(message, ping))
    }

    /// `n` bytes of the outbox were written.
    ///
    /// # Panics
    /// If that is more than the outbox holds.
    pub fn advance(&mut self, cx: &mut Context, n: usize) {
        self.outbox.advance(cx, self.role, n);
        if self.outbox.is_empty() {
            self.state.all_written(self.role, cx.now);
        }
    }

    /// Asks the peer for a Pong (§5.5.2), with a payload of at most 125 bytes.
    pub fn ping(&mut self, cx: &mut Context, payload: &[u8]) -> Result<(), SendError> {
        self.send_control(cx, OpCode::Ping, payload)
    }

    /// Sends an unsolicited Pong, a heartbeat in one direction (§5.5.3), of at most 125 bytes.
    pub fn pong(&mut self, cx: &mut Context, payload: &[u8]) -> Result<(), SendError> {
        self.send_control(cx, OpCode::Pong, payload)
    }

    /// Starts the closing handshake (§7.1.2). What was queued before leaves first.
    pub fn close(&mut self, cx: &mut Context, frame: CloseFrame) -> Result<(), SendError> {
        self.may_send()?;
        self.push_close(cx, &frame);
        self.state.close_sent(frame, cx.now, &self.config.timeouts);
        self.watch_stall(cx.now);
        Ok(())
    }

    /// The driver reads no more for a while, since nobody takes what arrives. A peer that cannot be
    /// heard is not late: keep-alive and the timeout of a message rest until
    /// [`resume_reading`](Self::resume_reading).
    pub const fn pause_reading(&mut self) {
        self.reading_paused = true;
    }

    /// Whether the driver has said that it does not read.
    pub const fn is_reading_paused(&self) -> bool {
        self.reading_paused
    }

    /// The driver reads again.
    pub fn resume_reading(&mut self, now: Timestamp) {
        if mem::take(&mut self.reading_paused) {
            self.received_at = self.received_at.max(now);
            if let Some(message) = &mut self.message {
                message.deadline =
                    self.config.timeouts.message.map(|timeout| now.saturating_add(timeout));
            }
        }
    }

    /// Forgets what waits to be written: nobody takes it any more. What arrives may still be read.
    pub fn discard_outbox(&mut self, cx: &mut Context) {
        self.outbox.clear(cx);
    }

    /// Gives back all that the connection has from the pools. Call it before a connection is
    /// dropped, or do not: then it goes to the allocator.
    pub fn release(&mut self, cx: &mut Context) {
        self.outbox.clear(cx);
        self.compression.release(cx);
        if let Some(message) = self.message.take() {
            cx.buffers.give(message.buf);
        }
    }

    pub(crate) const fn may_send(&self) -> Result<(), SendError> {
        match self.state {
            State::Open => Ok(()),
            State::CloseSent(_) | State::CloseExchanged(_) | State::Failed(_) => {
                Err(SendError::Closing)
            }
            State::Closed(_) => Err(SendError::Closed),
        }
    }

    /// Something was queued: from now on the peer must take it at a certain rate.
    pub(crate) fn watch_stall(&mut self, now: Timestamp) {
        // Of what is queued in one turn, only the first has anything to work out here.
        if self.outbox.stall().is_none_or(|stall| stall.deadline.is_none())
            && let Some(span) = self.config.timeouts.write_stall
        {
            let wanted = STALL_BYTES_PER_SECOND.saturating_mul(span.as_secs().max(1));
            self.outbox.watch_stall(now.saturating_add(span), wanted);
        }
    }

    fn send_control(
        &mut self,
        cx: &mut Context,
        opcode: OpCode,
        payload: &[u8],
    ) -> Result<(), SendError> {
        self.may_send()?;
        if payload.len() > CONTROL_LEN_MAX {
            return Err(SendError::ControlPayloadTooLong { len: payload.len() });
        }
        self.outbox.push_control(cx, self.role, opcode, payload);
        self.watch_stall(cx.now);
        Ok(())
    }

    pub(crate) fn fail(&mut self, cx: &mut Context, failure: Failure) -> Event<'static> {
        if let Some(close) = self.state.fail(failure, cx.now) {
            self.outbox.cut_backlog(cx);
            self.push_close(cx, &close);
        }
        if let Some(message) = self.message.take() {
            cx.buffers.give(message.buf);
        }
        self.control = None;
        Event::Failed(failure)
    }

    fn end(&mut self, cx: &mut Context, failure: Option<Failure>) -> Option<Event<'static>> {
        let outcome = self.state.end(failure)?;
        self.release(cx);
        Some(Event::Closed(outcome))
    }

    pub(crate) fn push_close(&mut self, cx: &mut Context, frame: &CloseFrame) {
        let mut body = [0; CONTROL_LEN_MAX];
        let len = frame.encode_body(&mut body);
        self.outbox.push_close(cx, self.role, &body[..len]);
    }

    /// Whether the peer's silence means anything.
    const fn listens(&self) -> bool {
        matches!(self.state, State::Open) && !self.reading_paused
    }

    fn pong_deadline(&self) -> Option<Timestamp> {
        let sent_at = self.ping.sent_at?;
        // Any frame is a sign of life, not only the Pong.
        let heard = sent_at.max(self.received_at);
        Some(heard.saturating_add(self.config.timeouts.pong_within))
    }

    fn ping_deadline(&self) -> Option<Timestamp> {
        let after = self.config.timeouts.ping_after?;
        self.ping.sent_at.is_none().then(|| self.received_at.saturating_add(after))
    }
}

/// The earlier of two deadlines.
fn earlier(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
