//! Peers that wish us ill: malformed data, bombs, and looking for what is not theirs.

use super::*;

/// Fixed Huffman codes (RFC 1951 §3.2.6): one block that copies three bytes from `distance` back.
/// `distance` is one more than a power of two.
fn copies_three_from(distance: u16) -> Vec<u8> {
    let (mut bits, mut count) = (0_u64, 0);
    let mut put = |value: u64, len: u32| {
        bits |= value << count;
        count += len;
    };
    put(0b010, 3); // BFINAL=0, BTYPE=01
    put(0b100_0000, 7); // 257, which is length 3: 0000001, first bit first
    let extra = (distance - 1).ilog2() - 1; // extra bits of codes 2 * (extra + 1), all zero
    let code = u64::from(2 * (extra + 1));
    put(code.reverse_bits() >> 59, 5);
    put(0, extra);
    put(0, 7); // 256, end of block
    put(0, 3); // the empty stored block whose lengths are cut off
    bits.to_le_bytes()[..count.div_ceil(8) as usize].to_vec()
}

#[test]
fn d9_not_deflate() {
    let cases: &[(&str, &[u8])] = &[
        ("block type 3", &[0x06]),
        ("stored lengths that disagree", &[0x00, 0x05, 0x00, 0x00, 0x00, 0x48]),
        ("a stored block cut off", &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65]),
        ("a compressed block cut off", &[0xf2, 0x48, 0xcd, 0xc9]),
        ("a final block cut off", &[0xf3, 0x48, 0xcd, 0xc9]),
        ("a block header cut off", &[0x04]),
        ("a block behind a final one cut off", &[0x03, 0x00, 0xf2, 0x48]),
        ("more length codes than there are", &[0xfc, 0xff, 0xff, 0xff, 0xff]),
        ("the tail was not removed, and its length is", &[0x00, 0x00, 0x00, 0xff]),
        ("text", b"Hello, world, this is not compressed"),
    ];
    for (rule, bytes) in cases {
        for cut in 1..=bytes.len() {
            let mut server = Endpoint::new(params(15, false), Role::Server);
            let result = server.inflate_pieces(bytes.chunks(cut), LEN_MAX);
            assert_eq!(result, Err(InflateError::InvalidDeflate), "{rule}, pieces of {cut}");
        }
    }
}

#[test]
fn d10_a_bomb_stops_at_the_limit() {
    let bomb = oracle::zlib_rs_deflate(&vec![0; 16 << 20], 9, false);
    let bomb = &bomb[..bomb.len() - 4];
    assert!(bomb.len() < 20_000);
    for (len_max, fits) in [(0, false), (1, false), (100_000, false), (1 << 20, false)]
        .into_iter()
        .chain([((16 << 20) - 1, false), (16 << 20, true)])
    {
        for cut in [1, 1000, bomb.len()] {
            let mut server = Endpoint::new(params(15, false), Role::Server);
            let mut out = MessageBuf::new();
            let mut pieces = bomb.chunks(cut).peekable();
            let result = loop {
                let Some(piece) = pieces.next() else { break Ok(()) };
                let fin = pieces.peek().is_none();
                let result =
                    server.session.inflate(&mut server.codecs, piece, fin, &mut out, len_max);
                if result.is_err() {
                    break result;
                }
            };
            assert_eq!(result, if fits { Ok(()) } else { Err(InflateError::TooLong) });
            let len_max = usize::try_from(len_max).unwrap();
            assert!(out.len() <= len_max + 1, "{} of {len_max} bytes, pieces of {cut}", out.len());
            // A growing buffer doubles; it is never asked to grow beyond the limit and one chunk.
            assert!(out.capacity() <= 2 * (len_max + (1 << 16)), "{} of {len_max}", out.capacity());
        }
    }
}

#[test]
fn d10_a_bomb_spread_over_fragments_or_messages() {
    let (mut client, mut server) = Endpoint::pair(params(15, false));
    let plain = vec![7; 20_000];
    // 1000 messages with takeover, each referring to the first: each has its own count.
    for _ in 0..1000 {
        let message = client.deflate(&plain).unwrap();
        assert_eq!(server.inflate_pieces([&message[..]], 20_000).unwrap().len(), 20_000);
    }
    // The same as fragments of one message, drained in between: one count.
    let mut out = MessageBuf::new();
    for i in 1.. {
        let fragment = client.deflate_fragment(&plain, false);
        let result =
            server.session.inflate(&mut server.codecs, &fragment, false, &mut out, 1 << 20);
        if i * 20_000 > 1 << 20 {
            assert_eq!(result, Err(InflateError::TooLong));
            break;
        }
        assert_eq!(result, Ok(()));
        out.clear();
    }
}

#[test]
fn d10_the_limit_and_one_more() {
    for no_context_takeover in [false, true] {
        for len in [1, 1023, 1024, 1025, 65_535, 65_536, 65_537] {
            let (mut client, mut server) = Endpoint::pair(params(15, no_context_takeover));
            let plain = vec![b'a'; len];
            let message = client.deflate_fragment(&plain, true);
            let at_limit = server.inflate_pieces([&message[..]], len as u64);
            assert_eq!(at_limit.as_ref(), Ok(&plain));
            let message = client.deflate_fragment(&plain, true);
            let beyond = server.inflate_pieces([&message[..]], len as u64 - 1);
            assert_eq!(beyond, Err(InflateError::TooLong));
        }
    }
}

#[test]
fn d12_nothing_of_another_connection_can_be_referred_to() {
    let mut codecs = Codecs::new();
    let mut out = MessageBuf::new();
    for no_context_takeover in [false, true] {
        let params = params(15, no_context_takeover);
        // One connection receives a secret, whole, and cut off in the middle.
        let secret = b"the password is swordfish; ".repeat(200);
        let message = oracle::zlib_rs_deflate(&secret, 0, false);
        for fin in [true, false] {
            let mut session = DeflateSession::new(params, Role::Server);
            let end = if fin { message.len() - 4 } else { message.len() / 2 };
            session.inflate(&mut codecs, &message[..end], fin, &mut out, LEN_MAX).unwrap();
            session.retire(&mut codecs);
        }
        assert_eq!(codecs.counts().0, 1, "the one inflater of this thread is reused");
        // Another asks for it.
        for distance in [3, 5, 257, 4097] {
            out.clear();
            let mut session = DeflateSession::new(params, Role::Server);
            let spy = copies_three_from(distance);
            let result = session.inflate(&mut codecs, &spy, true, &mut out, LEN_MAX);
            assert_eq!(result, Err(InflateError::InvalidDeflate));
            assert_eq!(out.len(), 0);
        }
    }
}

#[test]
fn d12_what_is_sent_never_refers_to_another_connection() {
    // All share one compressor; each message must be readable by a peer that saw no other.
    let mut codecs = Codecs::new();
    codecs.set_live_len_max(0);
    let plain = Text(12).message(3000);
    for level in 0..=9 {
        for no_context_takeover in [false, true, false] {
            let params = DeflateParams { level, ..params(12, no_context_takeover) };
            let mut out = MessageBuf::new();
            let mut session = DeflateSession::new(params, Role::Client);
            session.deflate_fragment(&mut codecs, &plain, true, &mut out);
            let mut peer = Endpoint::new(params, Role::Server);
            assert_eq!(peer.inflate(&out).unwrap(), plain);
            // Dropped in the middle of a message: that compressor must not come back.
            let mut session = DeflateSession::new(params, Role::Client);
            session.deflate_fragment(&mut codecs, &plain, false, &mut out);
            session.retire(&mut codecs);
        }
    }
}

#[test]
fn d13_no_farther_than_what_was_sent() {
    let mut checked = 0;
    for bits in 8..=15_u8 {
        for sent in [0, 2, 3, 255, 256, 257, 600, 4096, 4097, 40_000_usize] {
            for distance in [3, 5, 129, 257, 513, 4097, 16_385_u16] {
                let (mut client, mut server) = Endpoint::pair(params(bits, false));
                // In one message, and in many.
                for part in Text(13).message(0).into_iter().map(|b| vec![b]).chain([vec![9; sent]])
                {
                    let message = client.deflate_fragment(&part, true);
                    server.inflate(&message).unwrap();
                }
                let reach = sent.min(1 << bits);
                let result = server.inflate(&copies_three_from(distance));
                if usize::from(distance) <= reach {
                    assert_eq!(result.unwrap(), [9; 3], "{distance} of {reach}");
                } else {
                    let invalid = Err(InflateError::InvalidDeflate);
                    assert_eq!(result, invalid, "{distance} of {reach}, {bits} bits, {sent} sent");
                    checked += 1;
                }
            }
        }
    }
    assert!(checked > 100);
}

#[test]
fn d13_behind_a_final_block_the_window_is_no_larger() {
    let mut server = Endpoint::new(params(8, false), Role::Server);
    let plain: Vec<u8> = (0..300).map(|i| (i % 251) as u8).collect();
    let stored = oracle::zlib_rs_deflate(&plain, 0, true);
    for (distance, reaches) in [(129, true), (257, false)] {
        let message = [&stored[..], &copies_three_from(distance)].concat();
        for cut in [1, 100, message.len()] {
            let result = server.inflate_pieces(message.chunks(cut), LEN_MAX);
            assert_eq!(result.is_ok(), reaches, "{distance}, pieces of {cut}");
            if let Ok(inflated) = result {
                assert_eq!(inflated[300..], plain[300 - usize::from(distance)..][..3]);
            } else {
                server = Endpoint::new(params(8, false), Role::Server);
            }
        }
    }
}

/// Inside of one message a reference farther than the window is let pass, as zlib does: it reaches
/// that message's own bytes, wherever the message was cut, and never anything older.
#[test]
fn d13_inside_of_a_message_only_its_own_bytes() {
    let plain: Vec<u8> = (0..300).map(|i| (i % 251) as u8).collect();
    let stored = oracle::zlib_rs_deflate(&plain, 0, false);
    for (distance, own) in [(257, true), (513, false)] {
        let message = [&stored[..], &copies_three_from(distance)].concat();
        for cut in 1..message.len() {
            let mut server = Endpoint::new(params(8, false), Role::Server);
            let mut client = Endpoint::new(params(8, false), Role::Client);
            // Older bytes: 256 of them are in the window, not all 600.
            let older = client.deflate_fragment(&[9; 600], true);
            server.inflate(&older).unwrap();
            let result = server.inflate_pieces(message.chunks(cut), LEN_MAX);
            let copied = if own { &plain[43..46] } else { &[9, 9, 9] };
            assert_eq!(result.unwrap()[300..], *copied, "{distance}, pieces of {cut}");
        }
    }
    let mut server = Endpoint::new(params(8, false), Role::Server);
    let message = [&stored[..], &copies_three_from(513)].concat();
    assert_eq!(server.inflate(&message), Err(InflateError::InvalidDeflate), "nothing is there");
}

/// The time of a message is bounded by its bytes, also where each block begins a new stream.
#[test]
fn d13_final_blocks_without_end() {
    let mut server = Endpoint::new(params(15, false), Role::Server);
    let mut client = Endpoint::new(params(15, false), Role::Client);
    let plain = Text(5).message(60_000);
    let message = client.deflate_fragment(&plain, true);
    server.inflate(&message).unwrap();
    let finals = [0x03, 0x00].repeat(20_000);
    assert_eq!(server.inflate(&finals).as_deref(), Ok(&[][..]));
    let message = client.deflate_fragment(&plain, true);
    assert_eq!(server.inflate(&message).unwrap(), plain);
}
