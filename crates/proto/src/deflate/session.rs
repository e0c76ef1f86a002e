//! One connection's compression: [`DeflateSession`].

use core::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

use super::{
    Codecs, DeflateParams, EMPTY_BLOCK, TAIL,
    codecs::{LiveDeflater, LiveKey},
    deflater::{Broken, Deflater, DeflaterKind},
    inflater::Inflating,
    params::Flow,
    received::ReceivedWindow,
    sent::SentWindow,
    stored,
};
use crate::{buffer::MessageBuf, opcode::Role};

/// Inflates the peer's messages and compresses ours (RFC 7692 §7.2).
///
/// Without context takeover it is stateless between two messages, and may be dropped then and made
/// anew for the next: see [`is_stateless`](Self::is_stateless). It belongs to no thread: whatever
/// [`Codecs`] are handed in serve it.
#[derive(Debug)]
pub(crate) struct DeflateSession {
    params: DeflateParams,
    role: Role,
    pub(super) received: ReceivedWindow,
    /// The peer's message under way.
    pub(super) inflating: Option<Inflating>,
    pub(super) sent: SentWindow,
    /// The compressor, in the middle of a message of ours that is sent in fragments.
    pub(super) deflating: Option<Deflater>,
    /// Where the compressor is between two messages, if it still lives.
    pub(super) live: Option<LiveKey>,
    /// Unique in the process, where we send with context takeover.
    pub(super) id: u64,
}

/// Why a compressed message is refused. The connection is then to be failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InflateError {
    /// Not DEFLATE data, cut off, or referring to what was never sent:
    /// [`ProtocolViolation::InvalidDeflate`](crate::ProtocolViolation::InvalidDeflate).
    InvalidDeflate,
    /// Longer than allowed:
    /// [`LimitExceeded::InflatedMessageTooLong`](crate::LimitExceeded::InflatedMessageTooLong).
    TooLong,
}

/// Whether a message was compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(crate) enum Deflated {
    /// Send what was appended, with RSV1 on its first frame (§6).
    Compressed,
    /// Send the message as it is, without RSV1. Nothing was appended.
    Skipped,
}

impl DeflateSession {
    pub(crate) fn new(params: DeflateParams, role: Role) -> Self {
        static ID: AtomicU64 = AtomicU64::new(0);
        let (ours, theirs) = (params.ours(role), params.theirs(role));
        Self {
            params,
            role,
            received: ReceivedWindow::new(theirs.window_len()),
            inflating: None,
            sent: SentWindow::new(ours.window_len()),
            deflating: None,
            live: None,
            id: if ours.no_context_takeover { 0 } else { ID.fetch_add(1, Ordering::Relaxed) },
        }
    }

    /// Appends to `out` what the next piece of the peer's compressed message inflates to; the
    /// message may be cut into pieces anywhere. `fin` tells the last piece, which may be empty.
    ///
    /// `len_max` bounds the message, over all its pieces: as soon as it is exceeded, and by one
    /// byte at most, it is [`TooLong`](InflateError::TooLong). After an error the session is of no
    /// use any more.
    pub(crate) fn inflate(
        &mut self,
        codecs: &mut Codecs,
        input: &[u8],
        fin: bool,
        out: &mut MessageBuf,
        len_max: u64,
    ) -> Result<(), InflateError> {
        let begin = out.len();
        let mut inflating = self
            .inflating
            .take()
            .unwrap_or_else(|| Inflating::new(codecs.take_inflater(), &self.received));
        let mut result = inflating.inflate(input, out, begin, &self.received, len_max);
        if result.is_ok() && fin {
            result = inflating.finish(out, begin, &self.received, len_max);
        }
        if fin || result.is_err() {
            codecs.give_inflater(inflating.into_inflater());
        } else {
            self.inflating = Some(inflating);
        }
        if !fin || !self.theirs().no_context_takeover {
            // Until the message ends it is needed in any case, for blocks behind BFINAL=1.
            self.received.push(out.get(begin..).unwrap_or_default());
        } else {
            self.received.clear();
        }
        result
    }

    /// Appends `payload`, compressed as one message, to `out`.
    ///
    /// Skipping one leaves both windows equal: nothing was fed to a compressor whose history
    /// matters, and what is sent uncompressed enters no window.
    pub(crate) fn deflate(
        &mut self,
        codecs: &mut Codecs,
        payload: &[u8],
        out: &mut MessageBuf,
    ) -> Deflated {
        debug_assert!(self.deflating.is_none(), "a fragmented message is under way");
        if payload.len() < self.params.threshold() {
            return Deflated::Skipped;
        }
        if self.ours().no_context_takeover {
            return deflate_alone(codecs, self.kind(), payload, out);
        }
        if !payload.is_empty() {
            let begin = out.len();
            let deflater = self.take_deflater(codecs);
            let deflater = deflate_or_store(deflater, payload, out);
            self.sent.push(payload);
            if let Some(deflater) = deflater {
                self.keep_deflater(codecs, deflater);
            }
            strip_tail(out, begin);
            return Deflated::Compressed;
        }
        out.extend_from_slice(&[EMPTY_BLOCK]);
        Deflated::Compressed
    }

    /// Appends the next fragment of a message of ours, compressed, to `out`. Each fragment is
    /// flushed, so that the peer can inflate all of it at once. No message between the first
    /// fragment and the last, and no threshold: the caller decides with the first.
    pub(crate) fn deflate_fragment(
        &mut self,
        codecs: &mut Codecs,
        payload: &[u8],
        fin: bool,
        out: &mut MessageBuf,
    ) {
        let begin = out.len();
        if !payload.is_empty() {
            let deflater = match self.deflating.take() {
                Some(deflater) => deflater,
                None => self.take_deflater(codecs),
            };
            self.deflating = deflate_or_store(deflater, payload, out);
            if !self.ours().no_context_takeover {
                self.sent.push(payload);
            }
        }
        if !fin {
            return;
        }
        if let Some(deflater) = self.deflating.take() {
            self.keep_deflater(codecs, deflater);
        }
        if payload.is_empty() {
            // All has been flushed, and the tail of that has been sent: one more empty block.
            out.extend_from_slice(&[EMPTY_BLOCK]);
        } else {
            strip_tail(out, begin);
        }
    }

    /// Tells that a message was sent to this peer that [`deflate_shared`] had compressed: from now
    /// on ours may refer to it. `plain` is what was compressed, all of it.
    pub(crate) fn push_shared(&mut self, plain: &Bytes) {
        if !self.ours().no_context_takeover {
            self.sent.push_shared(plain);
        }
    }

    /// Whether a session made anew would do the same: nothing is under way, and nothing will be
    /// referred to.
    pub(crate) const fn is_stateless(&self) -> bool {
        self.inflating.is_none() && self.deflating.is_none() && !self.params.has_context_takeover()
    }

    /// Bytes of memory that this session owns between two messages, itself included.
    #[cfg(test)]
    pub(crate) fn memory_len(&self) -> usize {
        size_of::<Self>() + self.received.memory_len() + self.sent.memory_len()
    }

    /// Gives back what it has of `codecs`. A session that is merely dropped leaves a live
    /// compressor behind, which then ages away.
    pub(crate) fn retire(mut self, codecs: &mut Codecs) {
        if let Some(inflating) = self.inflating.take() {
            codecs.give_inflater(inflating.into_inflater());
        }
        if let Some(live) = self.live.and_then(|key| codecs.take_live(key, self.id)) {
            codecs.give_deflater(live.deflater);
        }
    }

    fn ours(&self) -> Flow {
        self.params.ours(self.role)
    }

    fn theirs(&self) -> Flow {
        self.params.theirs(self.role)
    }

    fn kind(&self) -> DeflaterKind {
        DeflaterKind::new(self.ours().window_bits, self.params.level)
    }

    /// A compressor that knows what the peer knows, as far as we remember it.
    fn take_deflater(&mut self, codecs: &mut Codecs) -> Deflater {
        let kind = self.kind();
        let mut history = codecs.take_scratch();
        let deflater = match self.live.take().and_then(|key| codecs.take_live(key, self.id)) {
            Some(live) if live.position == self.sent.position() => Ok(live.deflater),
            // It lags behind what was compressed elsewhere (`push_shared`, another thread).
            Some(mut live) if self.sent.since(live.position, &mut history).is_some() => {
                live.deflater.feed(&history).map(|()| live.deflater)
            }
            live => {
                if let Some(live) = live {
                    codecs.give_deflater(live.deflater);
                }
                let mut deflater = codecs.take_deflater(kind);
                self.sent.all(&mut history);
                deflater.feed(&history).map(|()| deflater)
            }
        };
        codecs.give_scratch(history);
        // To go on without history is lawful too.
        deflater.unwrap_or_else(|Broken| codecs.take_deflater(kind))
    }

    fn keep_deflater(&mut self, codecs: &mut Codecs, deflater: Deflater) {
        if self.ours().no_context_takeover {
            codecs.give_deflater(deflater);
        } else {
            let (session, position) = (self.id, self.sent.position());
            self.live = Some(codecs.keep_live(LiveDeflater { deflater, session, position }));
        }
    }
}

/// Appends `plain` to `out`, compressed as a message that refers to no other: one that is valid
/// for each receiver whose window has at least `window_bits`, with context takeover too, where
/// [`DeflateSession::push_shared`] is to follow. Skipped where it would not shrink.
pub(crate) fn deflate_shared(
    codecs: &mut Codecs,
    window_bits: u8,
    level: u8,
    plain: &[u8],
    out: &mut MessageBuf,
) -> Deflated {
    deflate_alone(codecs, DeflaterKind::new(window_bits, level), plain, out)
}

fn deflate_alone(
    codecs: &mut Codecs,
    kind: DeflaterKind,
    payload: &[u8],
    out: &mut MessageBuf,
) -> Deflated {
    if payload.is_empty() {
        out.extend_from_slice(&[EMPTY_BLOCK]);
        return Deflated::Compressed;
    }
    let begin = out.len();
    let deflater = codecs.take_deflater(kind);
    if let Some(deflater) = deflate_or_store(deflater, payload, out) {
        codecs.give_deflater(deflater);
    }
    strip_tail(out, begin);
    if out.len() - begin < payload.len() {
        Deflated::Compressed
    } else {
        out.truncate(begin);
        Deflated::Skipped
    }
}

/// Appends `payload`, compressed, or stored where that is shorter: how it was sent is of no
/// concern to the window, which has the plain bytes. Returns the compressor, unless it is broken.
fn deflate_or_store(
    mut deflater: Deflater,
    payload: &[u8],
    out: &mut MessageBuf,
) -> Option<Deflater> {
    let begin = out.len();
    let result = deflater.deflate(payload, out);
    if result.is_err() || out.len() - begin > stored::encoded_len(payload.len()) + 1 + TAIL.len() {
        out.truncate(begin);
        stored::write(payload, out);
        out.extend_from_slice(&[EMPTY_BLOCK]);
        out.extend_from_slice(&TAIL);
    }
    result.ok().map(|()| deflater)
}

/// §7.2.1: "Remove 4 octets (that are 0x00 0x00 0xff 0xff) from the tail end."
fn strip_tail(out: &mut MessageBuf, begin: usize) {
    if out.get(begin..).is_some_and(|appended| appended.ends_with(&TAIL)) {
        out.truncate(out.len() - TAIL.len());
    } else {
        // Not after a flush; one more empty block would end the message as well.
        debug_assert!(false, "a flush ends in an empty stored block");
        out.extend_from_slice(&[EMPTY_BLOCK]);
    }
}
