//! permessage-deflate (RFC 7692) on the load's side: messages compressed beforehand, and a reader
//! that inflates what comes back.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};

use super::{
    pings::{self, Pings},
    traffic::Payloads,
};
use crate::{Result, scenario::Kind};

/// What RFC 7692 §7.2.1 takes off the end of a message, and §7.2.2 puts back.
const TAIL: [u8; 4] = [0, 0, 0xFF, 0xFF];
/// The largest window there is (§7.1.2).
const WINDOW_LEN: usize = 32 << 10;
const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;

/// Each message compressed on its own (`client_no_context_takeover`): right at any time.
pub(super) fn each_alone(payloads: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut compress = Compress::new(Compression::default(), false);
    let one = |payload: &Vec<u8>| {
        compress.reset();
        deflate(&mut compress, payload)
    };
    payloads.iter().map(one).collect()
}

/// Each message compressed with those before it as history, on a connection that has sent all of
/// them over and over.
///
/// What is sent again and again has the same history each time, as long as a window and not more:
/// so frames that were right once are right in every round, after a first round of messages
/// [`each_alone`], provided that a round fills the window.
pub(super) fn with_history(payloads: &[Vec<u8>]) -> Vec<Vec<u8>> {
    assert!(payloads.iter().map(Vec::len).sum::<usize>() >= WINDOW_LEN, "a round fills the window");
    let mut compress = Compress::new(Compression::default(), false);
    for payload in payloads {
        deflate(&mut compress, payload);
    }
    payloads.iter().map(|payload| deflate(&mut compress, payload)).collect()
}

fn deflate(compress: &mut Compress, payload: &[u8]) -> Vec<u8> {
    // Room for whatever it becomes, so that one call does it: deflate grows by a few bytes at most
    // for each block of 16 KiB.
    let mut out = Vec::with_capacity(payload.len() + payload.len() / 512 + 64);
    let outcome = compress.compress_vec(payload, &mut out, FlushCompress::Sync);
    assert!(outcome.is_ok() && out.ends_with(&TAIL), "one call does it");
    out.truncate(out.len() - TAIL.len());
    out
}

/// Reads the frames of one connection, inflates them and compares what comes out.
pub(super) struct Inflating {
    decompress: Decompress,
    /// Whether a message may refer to those before it.
    takeover: bool,
    /// The beginning of a frame.
    partial: Vec<u8>,
    message: Vec<u8>,
}

impl Inflating {
    pub(super) fn new(takeover: bool) -> Self {
        Self {
            decompress: Decompress::new(false),
            takeover,
            partial: Vec::new(),
            message: Vec::new(),
        }
    }

    /// Takes what came, of which the first whole message must be number `next` of `payloads`, and
    /// answers with the number of whole messages and of their bytes on the wire.
    pub(super) fn accept(
        &mut self,
        came: &[u8],
        payloads: &Payloads,
        next: usize,
        pings: &mut Pings,
    ) -> Result<(usize, usize)> {
        let mut partial = std::mem::take(&mut self.partial);
        partial.extend_from_slice(came);
        let (mut done, mut count, mut came_len) = (0, 0, 0);
        while let Some((header_len, len)) = frame_len(&partial[done..]) {
            let frame = &partial[done..done + len];
            done += len;
            if frame[0] == pings::FIRST {
                pings.take(frame)?;
                continue;
            }
            self.check(frame[0], &frame[header_len..], payloads.kind, payloads.at(next + count))?;
            count += 1;
            came_len += len;
        }
        partial.drain(..done);
        self.partial = partial;
        Ok((count, came_len))
    }

    fn check(&mut self, first: u8, payload: &[u8], kind: Kind, expected: &[u8]) -> Result<()> {
        let compressed = first & RSV1 != 0;
        if first & !RSV1 != FIN | kind.opcode() {
            return Err(format!("not an echo: a frame begins with {first:#04x}").into());
        }
        if !compressed {
            return same(payload, expected);
        }
        if !self.takeover {
            self.decompress.reset(false);
        }
        self.message.clear();
        self.message.reserve(expected.len() + 64);
        for part in [payload, &TAIL] {
            let before = self.decompress.total_in();
            self.decompress
                .decompress_vec(part, &mut self.message, FlushDecompress::Sync)
                .map_err(|error| format!("not an echo: {error}"))?;
            if self.decompress.total_in() - before != part.len() as u64 {
                return Err("not an echo: it inflates to more than was sent".into());
            }
        }
        same(&self.message, expected)
    }
}

fn same(came: &[u8], expected: &[u8]) -> Result<()> {
    if came == expected {
        return Ok(());
    }
    let place = came.iter().zip(expected).take_while(|(came, expected)| came == expected).count();
    Err(format!("not an echo: a message differs from byte {place}").into())
}

/// The lengths of the header and of the whole frame that `bytes` begin with, once all of it is
/// there (RFC 6455 §5.2, without a mask).
fn frame_len(bytes: &[u8]) -> Option<(usize, usize)> {
    let (header_len, payload_len) = match *bytes.get(1)? {
        126 => (4, u64::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?))),
        127 => (10, u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)),
        len => (2, u64::from(len)),
    };
    let len = usize::try_from(payload_len).ok()?.checked_add(header_len)?;
    (bytes.len() >= len).then_some((header_len, len))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payloads() -> Payloads {
        Payloads {
            kind: Kind::Text,
            all: (0..40_u32)
                .map(|number| format!("{number:04}-").repeat(250).into_bytes())
                .collect(),
        }
    }

    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let len = u16::try_from(payload.len()).unwrap();
        let mut frame = vec![first];
        match u8::try_from(len) {
            Ok(len) if len < 126 => frame.push(len),
            _ => {
                frame.push(126);
                frame.extend_from_slice(&len.to_be_bytes());
            }
        }
        frame.extend_from_slice(payload);
        frame
    }

    #[test]
    fn frames_with_history_are_right_in_every_round() {
        let payloads = payloads();
        let (alone, steady) = (each_alone(&payloads.all), with_history(&payloads.all));
        // From anywhere in the ring, as connections begin anywhere.
        for start in [0, 7, 39] {
            let mut inflating = Inflating::new(true);
            for number in start..start + 200 {
                let place = number % payloads.all.len();
                let frames = if number < start + payloads.all.len() { &alone } else { &steady };
                let frame = frame(FIN | RSV1 | 1, &frames[place]);
                let accepted = inflating.accept(&frame, &payloads, place, &mut Pings::default());
                assert_eq!(accepted.unwrap(), (1, frame.len()), "{number}");
            }
        }
    }

    #[test]
    fn cuts_do_not_matter_and_plain_frames_are_frames() {
        let payloads = payloads();
        let mut bytes = frame(FIN | RSV1 | 1, &each_alone(&payloads.all)[0]);
        bytes.extend(frame(FIN | 1, payloads.at(1)));
        let echoed_len = bytes.len();
        bytes.extend(frame(pings::FIRST, b"alive?"));
        for size in [1, 2, 3, 50, bytes.len()] {
            let (mut inflating, mut pings) = (Inflating::new(false), Pings::default());
            let (mut next, mut came_len) = (0, 0);
            for cut in bytes.chunks(size) {
                let (count, len) = inflating.accept(cut, &payloads, next, &mut pings).unwrap();
                next += count;
                came_len += len;
            }
            assert_eq!((next, came_len), (2, echoed_len), "cut every {size}");
            assert!(pings.pongs.ends_with(b"alive?"), "cut every {size}");
        }
    }

    #[test]
    fn what_is_no_echo_is_noticed() {
        let payloads = payloads();
        let alone = each_alone(&payloads.all);
        let long = deflate(&mut Compress::new(Compression::default(), false), &vec![0; 100_000]);
        let cases = [
            ("another message", frame(FIN | RSV1 | 1, &alone[1])),
            ("binary", frame(FIN | RSV1 | 2, &alone[0])),
            ("a fragment", frame(RSV1 | 1, &alone[0])),
            ("no deflate", frame(FIN | RSV1 | 1, b"\xFF\xFF\xFF\xFF")),
            ("cut short", frame(FIN | RSV1 | 1, &alone[0][..alone[0].len() / 2])),
            ("far too long", frame(FIN | RSV1 | 1, &long)),
        ];
        for (what, bytes) in cases {
            let accepted =
                Inflating::new(false).accept(&bytes, &payloads, 0, &mut Pings::default());
            assert!(accepted.is_err(), "{what}");
        }
    }
}
