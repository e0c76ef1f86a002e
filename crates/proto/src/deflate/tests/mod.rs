//! RFC 7692 against its own examples, other implementations, and peers that wish us ill.
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "any byte will do where text is made up"
)]

mod hostile;
mod memory;
mod negotiation;
mod oracle;
mod strict;
mod takeover;
mod vectors;

use alloc::vec::Vec;

use super::{Codecs, DeflateParams, DeflateSession, Deflated, Flow, InflateError};
use crate::{buffer::MessageBuf, opcode::Role};

/// Any message may have this many bytes.
const LEN_MAX: u64 = 1 << 24;

/// The same parameters both ways, level 1, no threshold.
fn params(window_bits: u8, no_context_takeover: bool) -> DeflateParams {
    let flow = Flow { window_bits, no_context_takeover };
    DeflateParams { client: flow, server: flow, level: 1, threshold: 0 }
}

/// One endpoint with a thread of its own.
struct Endpoint {
    session: DeflateSession,
    codecs: Codecs,
}

impl Endpoint {
    fn new(params: DeflateParams, role: Role) -> Self {
        Self { session: DeflateSession::new(params, role), codecs: Codecs::new() }
    }

    fn pair(params: DeflateParams) -> (Self, Self) {
        (Self::new(params, Role::Client), Self::new(params, Role::Server))
    }

    /// A message compressed; `None` where it was skipped.
    fn deflate(&mut self, payload: &[u8]) -> Option<Vec<u8>> {
        let mut out = MessageBuf::from(&b"before"[..]);
        match self.session.deflate(&mut self.codecs, payload, &mut out) {
            Deflated::Compressed => Some(out.strip_prefix(b"before").unwrap().to_vec()),
            Deflated::Skipped => {
                assert_eq!(&out[..], b"before", "what is skipped appends nothing");
                None
            }
        }
    }

    fn deflate_fragment(&mut self, payload: &[u8], fin: bool) -> Vec<u8> {
        let mut out = MessageBuf::new();
        self.session.deflate_fragment(&mut self.codecs, payload, fin, &mut out);
        out.to_vec()
    }

    fn inflate(&mut self, message: &[u8]) -> Result<Vec<u8>, InflateError> {
        self.inflate_pieces([message], LEN_MAX)
    }

    /// Inflates one message from its pieces and drains the output between them.
    fn inflate_pieces<'a>(
        &mut self,
        pieces: impl IntoIterator<Item = &'a [u8]>,
        len_max: u64,
    ) -> Result<Vec<u8>, InflateError> {
        let mut all = Vec::new();
        let mut out = MessageBuf::from(&b"?"[..]);
        let mut pieces = pieces.into_iter().peekable();
        while let Some(piece) = pieces.next() {
            let fin = pieces.peek().is_none();
            self.session.inflate(&mut self.codecs, piece, fin, &mut out, len_max)?;
            all.extend_from_slice(&out[1..]);
            out.truncate(1);
        }
        Ok(all)
    }
}

/// Reproducible bytes with matches at all distances: words of a growing alphabet, and copies.
struct Text(u64);

impl Text {
    fn next(&mut self) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    fn below(&mut self, bound: usize) -> usize {
        self.next() as usize % bound
    }

    fn message(&mut self, len_max: usize) -> Vec<u8> {
        let len = self.below(len_max + 1);
        let alphabet = [2, 16, 64, 256][self.below(4)];
        let mut bytes = Vec::with_capacity(len + 300);
        while bytes.len() < len {
            let run = 1 + self.below(40);
            if bytes.len() > 3 && self.below(2) == 0 {
                let from = bytes.len() - 1 - self.below(bytes.len() - 1);
                (0..run * 8).for_each(|i| bytes.push(bytes[from + i]));
            } else {
                (0..run).for_each(|_| bytes.push(self.below(alphabet) as u8));
            }
        }
        bytes.truncate(len);
        bytes
    }
}
