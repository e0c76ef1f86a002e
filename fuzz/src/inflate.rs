//! Target: compressed messages arrive, and must inflate to what another implementation of DEFLATE
//! makes of them, wherever they are cut.

use arbitrary::{Result, Unstructured};
use tidewire_proto::{Config, DeflateConfig, Failure, LimitExceeded, ProtocolViolation, Role};

use crate::{
    driver::{Endpoint, Seen},
    miniz::{Deflater, Inflater, Refused},
    settings,
    wire::{self, LengthForm},
};

/// One input.
pub fn run(data: &[u8]) {
    let _ = try_run(&mut Unstructured::new(data));
}

fn try_run(u: &mut Unstructured<'_>) -> Result<()> {
    let len_max = *u.choose(&[0, 1, 100, 5_000, 300_000])?;
    let mut deflate = DeflateConfig::best_ratio();
    // miniz_oxide's window cannot be limited, and ours need not be: §7.1.2 bounds the sender.
    deflate.client_no_context_takeover = u.arbitrary()?;
    let (_, params) = settings::negotiate(&deflate, &deflate);
    let mut config = Config::default();
    config.limits.message_len_max = len_max;
    let mut endpoint = Endpoint::new(Role::Server, config, Some(params));
    let mut inflater = Inflater::default();
    let mut deflater = Deflater::new(u.int_in_range(0..=9)?);

    for _ in 0..16 {
        if u.is_empty() {
            break;
        }
        let mut plain = None;
        let payload = match u.int_in_range(0..=3)? {
            0 => {
                let len = u.arbitrary::<u16>()?;
                u.bytes(usize::from(len).min(u.len()))?.to_vec()
            }
            kind => {
                let content = settings::payload(u)?;
                if deflate.client_no_context_takeover {
                    deflater = Deflater::new(u.int_in_range(0..=9)?);
                }
                let message = match kind {
                    1 => deflater.final_message(&content),
                    _ => deflater.message(&content),
                };
                plain = (kind != 3).then_some(content);
                if kind == 3 {
                    // What comes of it is not what the compressor remembers.
                    deflater = Deflater::new(u.int_in_range(0..=9)?);
                    broken(u, message)?
                } else {
                    message
                }
            }
        };
        if deflate.client_no_context_takeover {
            inflater.forget();
        }
        // Within what our wire limit for compressed messages allows.
        if payload.len() as u64 > 2 * len_max + (1 << 16) {
            break;
        }
        let expected = inflater.message(&payload, len_max as usize);
        if let Some(plain) = plain {
            let fits = plain.len() as u64 <= len_max;
            assert_eq!(expected, if fits { Ok(plain) } else { Err(Refused::TooLong) });
        }
        let pieces = [u.arbitrary()?, u.arbitrary()?];
        let reads = [u.arbitrary()?, u.arbitrary()?];
        if !agrees(&mut endpoint, &expected, &fragments(&payload, pieces), reads) {
            break;
        }
    }
    Ok(())
}

/// Whether the connection goes on; it must do as `expected` says.
fn agrees(
    endpoint: &mut Endpoint,
    expected: &std::result::Result<Vec<u8>, Refused>,
    stream: &[u8],
    reads: [u8; 2],
) -> bool {
    let mut rest = stream;
    for len in reads.into_iter().cycle() {
        let (piece, after) = rest.split_at((1 + usize::from(len) * 8).min(rest.len()));
        endpoint.read(piece);
        rest = after;
        if rest.is_empty() {
            break;
        }
    }
    let seen = std::mem::take(&mut endpoint.seen);
    match (&seen[..], expected) {
        ([Seen::Binary(payload)], Ok(plain)) => {
            assert!(payload == plain, "inflated to something else");
            true
        }
        (
            [Seen::Failed(Failure::Protocol(ProtocolViolation::InvalidDeflate))],
            Err(Refused::Invalid),
        )
        | (
            [Seen::Failed(Failure::Limit(LimitExceeded::InflatedMessageTooLong { .. }))],
            Err(Refused::TooLong),
        ) => false,
        (seen, expected) => panic!("{seen:?}, expected {expected:?}"),
    }
}

/// One compressed message in frames of these lengths in turn.
fn fragments(payload: &[u8], lens: [u8; 2]) -> Vec<u8> {
    let key = Some([0x37, 0xfa, 0x21, 0x3d]);
    let mut stream = Vec::new();
    let mut rest = payload;
    let mut opcode = 0x42;
    for len in lens.into_iter().cycle().take(4000) {
        let len = if len >= 128 { rest.len() } else { (usize::from(len) * 8).min(rest.len()) };
        let (piece, after) = rest.split_at(len);
        stream.extend(wire::frame(opcode, key, piece, LengthForm::Shortest));
        rest = after;
        opcode = 0;
        if rest.is_empty() {
            break;
        }
    }
    stream.extend(wire::frame(opcode | 0x80, key, rest, LengthForm::Shortest));
    stream
}

/// A few bytes changed, or the end missing.
fn broken(u: &mut Unstructured<'_>, mut message: Vec<u8>) -> Result<Vec<u8>> {
    for _ in 0..u.int_in_range(0..=3)? {
        if message.is_empty() {
            break;
        }
        let at = u.choose_index(message.len())?;
        message[at] = u.arbitrary()?;
    }
    if u.ratio(1, 3)? {
        message.truncate(u.int_in_range(0..=message.len())?);
    }
    Ok(message)
}
