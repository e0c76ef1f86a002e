//! What arrives: bytes in, [`Event`]s out.

use alloc::boxed::Box;
use core::mem;

use crate::{
    assembly::Assembly,
    close::CloseFrame,
    closing::{Failure, Outcome, State},
    connection::Connection,
    context::Context,
    error::{LimitExceeded, ProtocolViolation},
    header::{CONTROL_LEN_MAX, FrameHeader, LEN7_MAX, RSV1},
    limits::Limits,
    mask,
    message::{Payload, Text},
    opcode::{Kind, OpCode, Role},
    time::Timestamp,
};

/// What [`Connection::receive`] found.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'b> {
    /// A whole text message.
    Text(Text<'b>),
    /// A whole binary message.
    Binary(Payload<'b>),
    /// A piece of a message, while [`Connection::deliver_fragments`] is on. Pieces are what
    /// arrived together; they need not be the frames of the sender. Text has been validated up
    /// to the end of the piece, which may lie inside a code point.
    Fragment(Fragment<'b>),
    /// A Ping arrived. Its Pong is queued already (§5.5.2).
    Ping(Payload<'b>),
    /// A Pong arrived, asked for or not (§5.5.3).
    Pong(Payload<'b>),
    /// We fail the connection (§7.1.7). Our Close is queued; write the outbox, follow
    /// [`Connection::transport`], and wait for [`Closed`](Self::Closed).
    Failed(Failure),
    /// The connection has ended. The last event.
    Closed(Box<Outcome>),
}

/// A piece of a message.
#[derive(Debug)]
#[non_exhaustive]
pub struct Fragment<'b> {
    /// What the message carries.
    pub kind: Kind,
    /// The bytes; may be empty at the end of a message.
    pub payload: Payload<'b>,
    /// Whether the message begins here.
    pub first: bool,
    /// Whether the message ends here.
    pub last: bool,
}

/// The frame whose payload is being received.
#[derive(Debug)]
pub(crate) struct FrameUnderWay {
    /// Payload bytes that are still to come.
    remaining: u64,
    /// Rotated to fit the next of them; zero where the frame is not masked, which changes nothing.
    key: [u8; 4],
    opcode: OpCode,
    fin: bool,
    /// Whether there is such a frame at all: one with no payload left is still to be finished.
    active: bool,
}

#[derive(Debug)]
pub(crate) struct PartialControl {
    payload: [u8; CONTROL_LEN_MAX],
    len: usize,
}

/// Control frames within the current second.
#[derive(Debug, Default)]
pub(crate) struct ControlRate {
    second: u32,
    count: u32,
}

/// Progress of this much within a frame counts as a sign of life; a byte a second does not (L8).
const PROGRESS_LEN_MIN: usize = 1 << 10;

/// So much of a compressed message is inflated for one fragment: a thousand times as much comes
/// out at most, and where fragments are delivered no `message_len_max` bounds it.
const INFLATED_AT_ONCE_LEN_MAX: usize = 1 << 10;

/// With less than this to come, a read of its own for the message's buffer is not worth it.
const READ_TARGET_LEN_MIN: u64 = 16 << 10;

impl FrameUnderWay {
    pub(crate) const NONE: Self =
        Self { remaining: 0, key: [0; 4], opcode: OpCode::Continuation, fin: false, active: false };
}

impl Connection {
    /// Takes one event off the front of `input`.
    ///
    /// A message that arrived whole is unmasked in place and borrowed from it, neither copied nor
    /// allocated; an assembled one is moved out, owned. What stays in `input` after `None` is at
    /// most a header cut short, 13 bytes: keep those few and put what is read next behind them.
    pub fn receive<'b>(&mut self, cx: &mut Context, input: &mut &'b mut [u8]) -> Option<Event<'b>> {
        if let Some((opcode, payload)) = self.take_short_message(input) {
            self.received_at = cx.now;
            return match deliver_whole(opcode, payload) {
                Ok(event) => Some(event),
                Err(violation) => Some(self.fail(cx, Failure::Protocol(violation))),
            };
        }
        loop {
            if !self.state.is_receiving() {
                return self.discard(input);
            }
            if !self.frame.active {
                let (header, len) = match FrameHeader::decode(input) {
                    Ok(Some(decoded)) => decoded,
                    Ok(None) => return None,
                    Err(violation) => return Some(self.fail(cx, Failure::Protocol(violation))),
                };
                if let Err(failure) = self.judge(cx, &header) {
                    return Some(self.fail(cx, failure));
                }
                let _ = take(input, len);
                self.begin_frame(cx, &header, input.len());
            }
            if self.frame.remaining > 0 && input.is_empty() {
                return None;
            }
            let mut wanted = usize::try_from(self.frame.remaining).unwrap_or(usize::MAX);
            if self.deliver_fragments && self.message.as_ref().is_some_and(|m| m.compressed) {
                wanted = wanted.min(INFLATED_AT_ONCE_LEN_MAX);
            }
            let piece = take(input, wanted.min(input.len()));
            self.frame.remaining -= piece.len() as u64;
            self.frame.key = mask::apply(self.frame.key, piece);
            let frame_ends = self.frame.remaining == 0;
            if frame_ends {
                self.frame.active = false;
            }
            if frame_ends || piece.len() >= PROGRESS_LEN_MIN {
                self.received_at = cx.now;
            }
            let event = if self.frame.opcode.is_control() {
                self.receive_control(cx, piece, frame_ends)
            } else {
                self.receive_data(cx, piece, frame_ends)
            };
            match event {
                Ok(None) => {}
                Ok(event) => return event,
                Err(failure) => return Some(self.fail(cx, failure)),
            }
        }
    }

    /// Nearly all messages: one frame of at most 125 bytes, all of it here. No rule forbids what
    /// this takes, so there is nothing to judge and no state to keep. Whatever else there is goes
    /// the long way, where the rules stand.
    fn take_short_message<'b>(&self, input: &mut &'b mut [u8]) -> Option<(OpCode, &'b mut [u8])> {
        let &[first, second, ..] = &**input else { return None };
        let opcode = match first {
            0x81 => OpCode::Text,
            0x82 => OpCode::Binary,
            _ => return None,
        };
        // §5.1: what a client sends is masked, what a server sends is not.
        let (mask_bit, header_len) = match self.role {
            Role::Server => (0x80, 6),
            Role::Client => (0, 2),
        };
        let len = usize::from(second ^ mask_bit);
        let Limits { message_len_max, frame_len_max, fragment_count_max, .. } = self.config.limits;
        if len > LEN7_MAX
            || input.len() < header_len + len
            || len as u64 > message_len_max.min(frame_len_max)
            || fragment_count_max == 0
            || self.frame.active
            || self.message.is_some()
            || self.deliver_fragments
            || !self.state.is_receiving()
        {
            return None;
        }
        let header = take(input, header_len);
        let payload = take(input, len);
        if let &mut [_, _, a, b, c, d] = header {
            let _ = mask::apply([a, b, c, d], payload);
        }
        Some((opcode, payload))
    }

    /// While a large payload is under way: the message's own memory, for the driver's next read,
    /// which must not be larger. Tell [`handle_read`](Self::handle_read) how much came.
    ///
    /// The memory grows with what was received, never by what was announced.
    pub fn read_target(&mut self, cx: &mut Context) -> Option<&mut [u8]> {
        if !self.has_read_target() {
            return None;
        }
        let remaining = self.frame.remaining;
        let message_len_max = self.config.limits.message_len_max;
        let message = self
            .message
            .as_mut()
            .filter(|message| !message.compressed && message.announced <= message_len_max)?;
        let expected =
            if self.frame.fin { message.buf.len() as u64 + remaining } else { message_len_max };
        let room = message.reserve(cx, expected);
        let len = usize::try_from(remaining).map_or(room, |remaining| room.min(remaining));
        Some(message.buf.spare(len))
    }

    /// Whether it is worth to ask for a [`read_target`](Self::read_target): between messages it is
    /// not, and a driver whose [`Context`] is not at hand asks this first.
    #[inline]
    pub const fn has_read_target(&self) -> bool {
        self.frame.active
            && self.frame.remaining >= READ_TARGET_LEN_MIN
            && !self.deliver_fragments
            && self.state.is_receiving()
    }

    /// `len` bytes were read into what [`read_target`](Self::read_target) offered.
    ///
    /// # Panics
    /// If it is more than was offered.
    pub fn handle_read(&mut self, cx: &mut Context, len: usize) -> Option<Event<'static>> {
        let Some(message) = &mut self.message else { return None };
        let start = message.buf.len();
        message.buf.commit(len);
        self.frame.key = mask::apply(self.frame.key, &mut message.buf[start..]);
        self.frame.remaining -= len as u64;
        if len >= PROGRESS_LEN_MIN {
            self.received_at = cx.now;
        }
        let frame_ends = self.frame.remaining == 0;
        if frame_ends {
            self.received_at = cx.now;
            self.frame.active = false;
        }
        let valid = message.validate_from(start);
        match valid.map_err(Failure::Protocol).and_then(|()| self.end_of_piece(frame_ends)) {
            Ok(event) => event,
            Err(failure) => Some(self.fail(cx, failure)),
        }
    }

    /// The rules that depend on the connection: masking, reserved bits, the order of fragments,
    /// and our limits; all before a byte of the payload is looked at.
    fn judge(&mut self, cx: &Context, header: &FrameHeader) -> Result<(), Failure> {
        use ProtocolViolation as V;
        match (self.role, header.masking_key) {
            // §5.1: "The server MUST close the connection upon receiving a frame that is not
            // masked"; "A client MUST close a connection if it detects a masked frame."
            (Role::Server, None) => return Err(Failure::Protocol(V::UnmaskedFrameFromClient)),
            (Role::Client, Some(_)) => return Err(Failure::Protocol(V::MaskedFrameFromServer)),
            (Role::Server, Some(_)) | (Role::Client, None) => {}
        }
        // RFC 7692 §6: RSV1 belongs to the first frame of a data message, and to that alone.
        let starts_message = matches!(header.opcode, OpCode::Text | OpCode::Binary);
        let allowed = if self.compression.is_on() && starts_message { RSV1 } else { 0 };
        if header.rsv & !allowed != 0 {
            return Err(Failure::Protocol(V::ReservedBits(header.rsv)));
        }
        if header.opcode.is_control() {
            return self.count_control(cx.now);
        }
        match (&self.message, starts_message) {
            // §5.4: fragments of one message are not interleaved with those of another.
            (Some(_), true) => return Err(Failure::Protocol(V::MessageInsideMessage)),
            (None, false) => return Err(Failure::Protocol(V::ContinuationWithoutMessage)),
            _ => {}
        }
        self.judge_length(header).map_err(Failure::Limit)
    }

    fn judge_length(&self, header: &FrameHeader) -> Result<(), LimitExceeded> {
        let Limits { message_len_max, frame_len_max, fragment_count_max, .. } = self.config.limits;
        if header.len > frame_len_max {
            return Err(LimitExceeded::FrameTooLong { frame_len_max });
        }
        let (announced, fragments, compressed) = match self.message.as_deref() {
            Some(message) => (message.announced, message.fragments, message.compressed),
            None => (0, 0, header.rsv & RSV1 != 0),
        };
        if fragments >= fragment_count_max {
            return Err(LimitExceeded::TooManyFragments { fragment_count_max });
        }
        // What is compressed is judged by what it inflates to; on the wire it may be a little
        // longer than that, but not without bound.
        let wire_len_max = if compressed {
            message_len_max.saturating_mul(2).saturating_add(1 << 16)
        } else {
            message_len_max
        };
        if !self.deliver_fragments && announced.saturating_add(header.len) > wire_len_max {
            return Err(LimitExceeded::MessageTooLong { message_len_max });
        }
        Ok(())
    }

    fn count_control(&mut self, now: Timestamp) -> Result<(), Failure> {
        let control_frames_per_second_max = self.config.limits.control_frames_per_second_max;
        // Only compared for being equal: it may wrap.
        #[expect(clippy::cast_possible_truncation, reason = "it may wrap")]
        let second = (now.as_nanos() / 1_000_000_000) as u32;
        if self.control_rate.second != second {
            self.control_rate = ControlRate { second, count: 0 };
        }
        if self.control_rate.count >= control_frames_per_second_max {
            return Err(Failure::Limit(LimitExceeded::TooManyControlFrames {
                control_frames_per_second_max,
            }));
        }
        self.control_rate.count += 1;
        Ok(())
    }

    /// `here` of the payload's bytes have arrived with the header.
    fn begin_frame(&mut self, cx: &Context, header: &FrameHeader, here: usize) {
        self.frame = FrameUnderWay {
            remaining: header.len,
            key: header.masking_key.unwrap_or_default(),
            opcode: header.opcode,
            fin: header.fin,
            active: true,
        };
        let kind = match header.opcode {
            OpCode::Text => Kind::Text,
            OpCode::Binary => Kind::Binary,
            OpCode::Continuation | OpCode::Close | OpCode::Ping | OpCode::Pong => {
                if let Some(message) = self.message.as_mut().filter(|_| !header.opcode.is_control())
                {
                    message.announced += header.len;
                    message.fragments += 1;
                }
                return;
            }
        };
        let compressed = header.rsv & RSV1 != 0;
        let is_whole = header.fin && header.len <= here as u64;
        if !is_whole || compressed || self.deliver_fragments {
            let timeout = self.config.timeouts.message;
            let deadline = timeout.map(|timeout| cx.now.saturating_add(timeout));
            let mut message = Box::new(Assembly::new(kind, compressed, deadline));
            message.announced = header.len;
            message.fragments = 1;
            self.message = Some(message);
        }
    }

    /// A piece of a control frame's payload: handled once it is all here.
    fn receive_control<'b>(
        &mut self,
        cx: &mut Context,
        piece: &'b mut [u8],
        frame_ends: bool,
    ) -> Result<Option<Event<'b>>, Failure> {
        if !frame_ends || self.control.is_some() {
            let partial = self.control.get_or_insert_with(|| {
                Box::new(PartialControl { payload: [0; CONTROL_LEN_MAX], len: 0 })
            });
            partial.payload[partial.len..partial.len + piece.len()].copy_from_slice(piece);
            partial.len += piece.len();
            if !frame_ends {
                return Ok(None);
            }
        }
        let payload = match self.control.take() {
            Some(partial) => Payload::Owned(partial.payload[..partial.len].into()),
            None => Payload::Borrowed(piece),
        };
        match self.frame.opcode {
            OpCode::Ping => {
                // §5.5.2: "an endpoint MUST send a Pong frame in response, unless it already
                // received a Close frame." After our own Close nothing may follow (§5.5.1).
                if matches!(self.state, State::Open) {
                    self.outbox.push_pong(cx, self.role, &payload);
                    self.watch_stall(cx.now);
                }
                Ok(Some(Event::Ping(payload)))
            }
            OpCode::Pong => {
                if let Some(sent_at) = self.ping.sent_at.filter(|_| *payload == self.ping.token) {
                    let micros = cx.now.saturating_since(sent_at).as_micros();
                    self.ping.latency_us = u32::try_from(micros).unwrap_or(u32::MAX).max(1);
                    self.ping.sent_at = None;
                }
                Ok(Some(Event::Pong(payload)))
            }
            _ => {
                let frame = CloseFrame::decode(&payload).map_err(Failure::Protocol)?;
                let answer = self.state.close_received(frame, cx.now, &self.config.timeouts);
                match answer {
                    Some(answer) => self.push_close(cx, &answer),
                    // Ours has been written already, if nothing waits.
                    None if self.outbox.is_empty() => self.state.all_written(self.role, cx.now),
                    None => {}
                }
                Ok(None)
            }
        }
    }

    /// A piece of a data frame's payload, unmasked.
    fn receive_data<'b>(
        &mut self,
        cx: &mut Context,
        piece: &'b mut [u8],
        frame_ends: bool,
    ) -> Result<Option<Event<'b>>, Failure> {
        let Some(message) = &mut self.message else {
            return match deliver_whole(self.frame.opcode, piece) {
                Ok(event) => Ok(Some(event)),
                Err(violation) => Err(Failure::Protocol(violation)),
            };
        };
        if message.compressed {
            let last = frame_ends && self.frame.fin;
            let message_len_max =
                if self.deliver_fragments { u64::MAX } else { self.config.limits.message_len_max };
            message.make_buffer(cx);
            let start = message.buf.len();
            let out = &mut message.buf;
            self.compression.inflate(cx, self.role, piece, last, out, message_len_max)?;
            message.validate_from(start).map_err(Failure::Protocol)?;
            return self.end_of_piece(frame_ends);
        }
        let fragment_is_borrowed = self.deliver_fragments && message.buf.is_empty();
        if fragment_is_borrowed {
            message.validate(piece).map_err(Failure::Protocol)?;
            let last = frame_ends && self.frame.fin;
            if last {
                message.finish().map_err(Failure::Protocol)?;
            } else if piece.is_empty() {
                return Ok(None);
            }
            let first = !mem::replace(&mut message.delivered, true);
            let kind = message.kind;
            if last {
                self.message = None;
            }
            let payload = Payload::Borrowed(piece);
            return Ok(Some(Event::Fragment(Fragment { kind, payload, first, last })));
        }
        let message_len_max = self.config.limits.message_len_max;
        if !self.deliver_fragments && message.announced > message_len_max {
            // It began while fragments were delivered, when its length was nobody's concern.
            return Err(Failure::Limit(LimitExceeded::MessageTooLong { message_len_max }));
        }
        let expected = if self.frame.fin {
            (message.buf.len() + piece.len()) as u64 + self.frame.remaining
        } else {
            // Further fragments follow. To make room for this one alone would copy all that came
            // before it for each of them.
            message_len_max
        };
        message.append(cx, piece, expected).map_err(Failure::Protocol)?;
        self.end_of_piece(frame_ends)
    }

    /// Hands out what has been assembled, where it is time for that.
    fn end_of_piece(&mut self, frame_ends: bool) -> Result<Option<Event<'static>>, Failure> {
        let last = frame_ends && self.frame.fin;
        let Some(message) = &mut self.message else { return Ok(None) };
        if last {
            message.finish().map_err(Failure::Protocol)?;
        }
        if !last && (!self.deliver_fragments || message.buf.is_empty()) {
            return Ok(None);
        }
        let kind = message.kind;
        let buf = mem::take(&mut message.buf);
        let first = !mem::replace(&mut message.delivered, true);
        if last {
            self.message = None;
        }
        Ok(Some(if self.deliver_fragments || !first {
            Event::Fragment(Fragment { kind, payload: Payload::Owned(buf), first, last })
        } else if kind == Kind::Text {
            Event::Text(Text::assembled(buf))
        } else {
            Event::Binary(Payload::Owned(buf))
        }))
    }

    fn discard(&mut self, input: &mut &mut [u8]) -> Option<Event<'static>> {
        let len = mem::take(input).len();
        if self.state.discard(len) { self.state.end(None).map(Event::Closed) } else { None }
    }
}

/// The whole message is here, unmasked.
fn deliver_whole(opcode: OpCode, payload: &mut [u8]) -> Result<Event<'_>, ProtocolViolation> {
    if opcode != OpCode::Text {
        return Ok(Event::Binary(Payload::Borrowed(payload)));
    }
    // §8.1
    match simdutf8::basic::from_utf8_mut(payload) {
        Ok(text) => Ok(Event::Text(Text::borrowed(text))),
        Err(_) => Err(ProtocolViolation::InvalidUtf8),
    }
}

/// Splits `n` bytes off the front.
fn take<'b>(input: &mut &'b mut [u8], n: usize) -> &'b mut [u8] {
    let (front, rest) = mem::take(input).split_at_mut(n);
    *input = rest;
    front
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, context::MaskSource};

    struct NoMasks;

    impl MaskSource for NoMasks {
        fn fill(&mut self, out: &mut [u8]) {
            out.fill(0);
        }
    }

    /// L1, L3: what has arrived is copied a few times, and not once for each further fragment.
    #[test]
    #[cfg_attr(miri, ignore = "it is about megabytes")]
    fn l1_l3_fragments_are_not_copied_again_and_again() {
        const LEN: usize = 8 << 20;
        for fragment_len in [8 << 10, 64 << 10] {
            let mut config = Config::default();
            config.limits.message_len_max = 2 * LEN as u64;
            let cx = &mut Context::new(Box::new(NoMasks));
            let mut conn = Connection::new(Role::Client, config.into(), cx.now);
            let (mut moves, mut place) = (0, core::ptr::null());
            for i in 0..LEN / fragment_len {
                let opcode = if i == 0 { OpCode::Binary } else { OpCode::Continuation };
                let len = fragment_len as u64;
                let header = FrameHeader { fin: false, rsv: 0, opcode, masking_key: None, len };
                let mut bytes = header.encode().to_vec();
                bytes.resize(bytes.len() + fragment_len / 2, 0);
                assert!(conn.receive(cx, &mut &mut bytes[..]).is_none());
                // The other half by a read of its own, where that is worth it.
                let mut left = fragment_len / 2;
                while left > 0 {
                    let target = conn.read_target(cx).map(|target| target.len().min(left));
                    left -= if let Some(len) = target {
                        assert!(conn.handle_read(cx, len).is_none());
                        len
                    } else {
                        assert!(conn.receive(cx, &mut &mut vec![0; left][..]).is_none());
                        left
                    };
                }
                let now = conn.message.as_ref().map(|message| message.buf.as_ptr());
                moves += usize::from(now != Some(place));
                place = now.unwrap();
            }
            assert!(moves < 12, "{moves} moves of fragments of {fragment_len}");
        }
    }
}
