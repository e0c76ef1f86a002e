//! D14: zlib, `miniz_oxide` and this crate read each other.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use miniz_oxide::{
    DataFormat, MZFlush,
    inflate::stream::{InflateState, inflate},
};
use proptest::prelude::*;

use super::*;
use crate::deflate::{TAIL, sent::SentWindow};

/// Messages for each direction of the comparison; `TIDEWIRE_DEFLATE_MESSAGES=1000000` for long.
fn message_count() -> usize {
    std::env::var("TIDEWIRE_DEFLATE_MESSAGES").map_or(3000, |count| count.parse().unwrap())
}

/// A whole stream by zlib (in C), up to a flush or to BFINAL=1.
pub(super) fn flate2_deflate(
    plain: &[u8],
    dictionary: &[u8],
    level: u32,
    window_bits: u8,
    finish: bool,
) -> Vec<u8> {
    let mut zlib = Compress::new_with_window_bits(Compression::new(level), false, window_bits);
    if !dictionary.is_empty() {
        zlib.set_dictionary(dictionary).unwrap();
    }
    flate2_flush(&mut zlib, plain, finish)
}

fn flate2_flush(zlib: &mut Compress, plain: &[u8], finish: bool) -> Vec<u8> {
    let flush = if finish { FlushCompress::Finish } else { FlushCompress::Sync };
    let mut out = Vec::with_capacity(plain.len() * 2 + 1000);
    zlib.compress_vec(plain, &mut out, flush).unwrap();
    assert!(out.len() < out.capacity());
    out
}

pub(super) fn zlib_rs_deflate(plain: &[u8], level: i32, finish: bool) -> Vec<u8> {
    let mut zlib = zlib_rs::Deflate::new(level, false, 15);
    let mut out = vec![0; plain.len() * 2 + 1000];
    let flush =
        if finish { zlib_rs::DeflateFlush::Finish } else { zlib_rs::DeflateFlush::SyncFlush };
    zlib.compress(plain, &mut out, flush).unwrap();
    out.truncate(usize::try_from(zlib.total_out()).unwrap());
    out
}

/// Inflates message after message with one window, as a peer that uses zlib does.
struct Zlib(Decompress);

impl Zlib {
    fn new(window_bits: u8) -> Self {
        // zlib cannot inflate raw streams with 8 bits.
        Self(Decompress::new_with_window_bits(false, window_bits.max(9)))
    }

    fn inflate(&mut self, message: &[u8], len: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(len + 100);
        let data = [message, &TAIL].concat();
        let status = self.0.decompress_vec(&data, &mut out, FlushDecompress::Sync).unwrap();
        assert_eq!(status, Status::Ok);
        out
    }
}

struct Miniz(alloc::boxed::Box<InflateState>);

impl Miniz {
    fn new() -> Self {
        Self(InflateState::new_boxed(DataFormat::Raw))
    }

    fn inflate(&mut self, message: &[u8], len: usize) -> Vec<u8> {
        let data = [message, &TAIL].concat();
        let mut out = vec![0; len + 100];
        let (mut read, mut written) = (0, 0);
        loop {
            let result = inflate(&mut self.0, &data[read..], &mut out[written..], MZFlush::None);
            read += result.bytes_consumed;
            written += result.bytes_written;
            match result.status {
                Ok(_) if read < data.len() => {}
                Ok(_) => break,
                Err(error) => panic!("{error:?}"),
            }
        }
        // What it still holds of its own window.
        while let result = inflate(&mut self.0, &[], &mut out[written..], MZFlush::None)
            && result.bytes_written > 0
        {
            written += result.bytes_written;
        }
        out.truncate(written);
        out
    }
}

#[test]
fn d14_others_read_what_we_compress() {
    let mut text = Text(14);
    let mut left = message_count();
    let mut seed = 0;
    while left > 0 {
        seed += 1;
        let flow = Flow { window_bits: 8 + (seed % 8) as u8, no_context_takeover: seed % 5 == 0 };
        let level = (seed / 8 % 10) as u8;
        let params = DeflateParams { client: flow, server: flow, level, threshold: 0 };
        let mut client = Endpoint::new(params, Role::Client);
        if seed % 3 == 0 {
            client.codecs.set_live_len_max(0);
        }
        let (mut zlib, mut miniz) = (Zlib::new(flow.window_bits), Miniz::new());
        let mut server = Endpoint::new(params, Role::Server);
        let mut history = Vec::new();
        for _ in 0..20.min(left) {
            left -= 1;
            let len_max = [10, 300, 3000, 70_000][text.below(4)];
            let plain = text.message(len_max);
            let Some(message) = client.deflate(&plain) else { continue };
            let context = format!("{flow:?}, level {level}, {} bytes", plain.len());
            assert!(zlib.inflate(&message, plain.len()) == plain, "zlib: {context}");
            assert!(miniz.inflate(&message, plain.len()) == plain, "miniz: {context}");
            assert_eq!(server.inflate(&message).as_ref(), Ok(&plain), "ours: {context}");
            if flow.no_context_takeover {
                history.clear();
            }
            // The strict one is slow; what is longer than a few windows teaches nothing new.
            if plain.len() < 5000 {
                let data = [&message[..], &TAIL].concat();
                let strict = strict::inflate(&data, &history, flow.window_len());
                assert!(strict.as_ref() == Ok(&plain), "strict: {context}: {:?}", strict.err());
            }
            history.extend_from_slice(&plain);
            history.drain(..history.len().saturating_sub(flow.window_len()));
        }
    }
}

#[test]
fn d14_we_read_what_others_compress() {
    let mut text = Text(41);
    let mut left = message_count();
    let mut seed = 0;
    while left > 0 {
        seed += 1;
        let window_bits = 9 + (seed % 7) as u8;
        let level = seed / 7 % 10;
        let mut server = Endpoint::new(params(window_bits, false), Role::Server);
        let mut zlib = Compress::new_with_window_bits(Compression::new(level), false, window_bits);
        for _ in 0..20.min(left) {
            left -= 1;
            let len_max = [10, 300, 3000, 70_000][text.below(4)];
            let plain = text.message(len_max);
            let message = match plain.len() {
                0 => vec![0],
                _ => flate2_flush(&mut zlib, &plain, false),
            };
            let message = message.strip_suffix(&TAIL).unwrap_or(&message);
            let cut = 1 + text.below(message.len());
            let inflated = server.inflate_pieces(message.chunks(cut), LEN_MAX);
            assert!(inflated.as_ref() == Ok(&plain), "zlib, {window_bits} bits, level {level}");
        }
        // miniz_oxide always has 32 KiB of window, and ends in a final block.
        let mut server = Endpoint::new(params(15, seed % 2 == 0), Role::Server);
        for _ in 0..5 {
            let plain = text.message(70_000);
            let mut message = miniz_oxide::deflate::compress_to_vec(&plain, (level % 10) as u8);
            message.push(0);
            assert_eq!(server.inflate(&message).as_ref(), Ok(&plain), "miniz, level {level}");
        }
    }
}

/// D4: zlib has no raw compressor with 256 bytes of window; what ours sends must still fit one.
#[test]
fn d4_eight_bits_are_eight_bits() {
    let mut farthest_possible = Vec::from([b'x'; 600]);
    farthest_possible.extend((0..=255).cycle().take(2000));
    for level in 0..=9 {
        let flow = Flow { window_bits: 8, no_context_takeover: false };
        let params = DeflateParams { client: flow, server: flow, level, threshold: 0 };
        let mut client = Endpoint::new(params, Role::Client);
        let mut history = Vec::new();
        for seed in 0..40 {
            let plain = match seed {
                // Repeats at distance 256, which is in the window, and out of our reach.
                0..4 => farthest_possible.clone(),
                // Repeats at all distances around it.
                _ => (0..200 + 3 * seed).cycle().take(1500).map(|i| (i ^ i >> 8) as u8).collect(),
            };
            let message = client.deflate(&plain).unwrap();
            let data = [&message[..], &TAIL].concat();
            assert_eq!(strict::inflate(&data, &history, 256).as_ref(), Ok(&plain), "level {level}");
            history = plain;
        }
    }
}

proptest! {
    /// What one endpoint sends the other receives: at all window bits, levels and takeovers, in
    /// whole messages and fragments, cut anywhere, with messages between that were sent
    /// uncompressed, compressed for many, or by a thread that kept nothing.
    #[test]
    fn round_trips(
        client_bits in 8..=15_u8, server_bits in 8..=15_u8,
        client_no: bool, server_no: bool,
        level in 0..=9_u8, threshold in 0..40_u16,
        budget in prop_oneof![Just(0), Just(200_000), Just(1 << 24)],
        seed: u64,
        ops in prop::collection::vec((0..8_u8, 0..2500_usize, 1..400_usize), 1..30),
    ) {
        let params = DeflateParams {
            client: Flow { window_bits: client_bits, no_context_takeover: client_no },
            server: Flow { window_bits: server_bits, no_context_takeover: server_no },
            level,
            threshold,
        };
        let (mut client, mut server) = Endpoint::pair(params);
        let mut text = Text(seed);
        client.codecs.set_live_len_max(budget);
        let mut other_thread = Codecs::new();
        for (op, len_max, cut) in ops {
            let plain = text.message(len_max);
            let (message, plain) = match op {
                0 => {
                    // Compressed once, for others too.
                    let plain = bytes::Bytes::from(plain);
                    let mut out = MessageBuf::new();
                    let bits = params.client().window_bits();
                    match super::super::deflate_shared(&mut other_thread, bits, level, &plain, &mut out) {
                        Deflated::Compressed => client.session.push_shared(&plain),
                        Deflated::Skipped => continue, // goes uncompressed, enters no window
                    }
                    (out.to_vec(), plain.to_vec())
                }
                1 => {
                    let mut message = Vec::new();
                    for fragment in plain.chunks(cut) {
                        message.extend(client.deflate_fragment(fragment, false));
                    }
                    message.extend(client.deflate_fragment(&[], true));
                    (message, plain)
                }
                2 => {
                    let mut message = Vec::new();
                    let (most, last) = plain.split_at(plain.len() - cut.min(plain.len()));
                    for fragment in most.chunks(cut) {
                        message.extend(client.deflate_fragment(fragment, false));
                    }
                    message.extend(client.deflate_fragment(last, true));
                    (message, plain)
                }
                3 => {
                    core::mem::swap(&mut client.codecs, &mut other_thread);
                    continue;
                }
                4 => {
                    // The other direction.
                    if let Some(message) = server.deflate(&plain) {
                        prop_assert_eq!(client.inflate_pieces(message.chunks(cut), LEN_MAX), Ok(plain));
                    }
                    continue;
                }
                _ => match client.deflate(&plain) {
                    Some(message) => (message, plain),
                    None => continue, // likewise
                },
            };
            prop_assert!(
                // Each fragment costs a stored block's header and an empty block at most.
                message.len() <= plain.len() + 10 * (1 + plain.len().div_ceil(cut)),
                "{} of {}", message.len(), plain.len()
            );
            prop_assert_eq!(server.inflate_pieces(message.chunks(cut), LEN_MAX), Ok(plain));
        }
    }

    /// No bytes make us panic, loop, or answer more than allowed; cuts change nothing.
    #[test]
    fn d9_any_bytes(
        bytes in prop::collection::vec(any::<u8>(), 1..300),
        cut in 1..20_usize,
        bits in 8..=15_u8,
    ) {
        let whole = Endpoint::new(params(bits, false), Role::Server)
            .inflate_pieces([&bytes[..]], 10_000);
        let pieces = Endpoint::new(params(bits, false), Role::Server)
            .inflate_pieces(bytes.chunks(cut), 10_000);
        prop_assert_eq!(whole, pieces);
    }

    /// A valid message with one byte changed inflates alike however it is cut, and the next
    /// message is inflated from the same window.
    #[test]
    fn d9_mutated(seed: u64, at: usize, xor in 1..=255_u8, cut in 1..20_usize) {
        let (mut client, mut server) = Endpoint::pair(params(15, false));
        let mut twin = Endpoint::new(params(15, false), Role::Server);
        let mut text = Text(seed);
        for mutated in [false, true, false] {
            let Some(mut message) = client.deflate(&text.message(500)) else { continue };
            if mutated {
                let at = at % message.len();
                message[at] ^= xor;
            }
            let whole = server.inflate_pieces([&message[..]], 100_000);
            prop_assert_eq!(&whole, &twin.inflate_pieces(message.chunks(cut), 100_000));
            if whole.is_err() {
                break;
            }
        }
    }
}

#[test]
fn the_sent_window_holds_what_a_rebuilt_compressor_needs() {
    // A message that repeats what left our own windows' memory is still compressed correctly.
    let mut window = SentWindow::new(256);
    window.push(&[1; 1000]);
    let mut held = Vec::new();
    window.all(&mut held);
    assert!(held.len() >= 125 && held.len() <= 250, "{} of 250", held.len());
}
