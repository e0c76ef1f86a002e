//! The examples of RFC 7692 §7.2.3, and blocks with BFINAL=1.

use super::*;

/// §7.2.3.1 to §7.2.3.6: payloads of the messages of one connection, each "Hello" but the last.
const COMPRESSED: &[(&str, &[&[u8]])] = &[
    ("D5 §7.2.3.1 one block", &[&[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]]),
    (
        "D5 §7.2.3.2 takeover",
        &[&[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00], &[0xf2, 0x00, 0x11, 0x00, 0x00]],
    ),
    (
        "D5 §7.2.3.3 no compression",
        &[&[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00]],
    ),
    ("D5 §7.2.3.4 BFINAL=1", &[&[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00]]),
    (
        "D5 §7.2.3.5 two blocks",
        &[&[0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00]],
    ),
    (
        "D7 BFINAL=1, then a message that refers to it",
        &[
            &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00],
            &[0xf2, 0x00, 0x11, 0x00, 0x00],
            &[0xf3, 0x00, 0x11, 0x00, 0x00],
            &[0xf2, 0x00, 0x11, 0x00, 0x00],
        ],
    ),
    (
        "D7 BFINAL=1 at the end, without the extra octet that §7.2.1 asks for",
        &[&[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00], &[0xf2, 0x00, 0x11, 0x00, 0x00]],
    ),
    (
        "D7 the empty block of the tail has BFINAL=1",
        &[
            &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x01],
            &[0xf2, 0x00, 0x11, 0x00, 0x00],
        ],
    ),
    (
        "D7 BFINAL=1 mid-message, then a block that refers to what came before it",
        &[
            &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00],
            &[0x01, 0x00, 0x00, 0xff, 0xff, 0xf3, 0x00, 0x11, 0x00, 0x00],
        ],
    ),
];

#[test]
fn d5_d7_the_examples_at_every_split() {
    for (rule, messages) in COMPRESSED {
        let longest = messages.iter().map(|message| message.len()).max().unwrap();
        for first in 0..=longest {
            for second in first..=longest {
                let mut server = Endpoint::new(params(15, false), Role::Server);
                for message in *messages {
                    let (a, b) = (first.min(message.len()), second.min(message.len()));
                    let pieces = [&message[..a], &message[a..b], &message[b..]];
                    let inflated = server.inflate_pieces(pieces, LEN_MAX);
                    assert_eq!(inflated.as_deref(), Ok(&b"Hello"[..]), "{rule}, cut at {a}, {b}");
                }
            }
        }
    }
}

#[test]
fn d5_without_takeover_a_message_stands_alone() {
    let mut server = Endpoint::new(params(15, true), Role::Server);
    let [hello, again] = COMPRESSED[1].1 else { panic!() };
    assert_eq!(server.inflate(hello).as_deref(), Ok(&b"Hello"[..]));
    assert_eq!(server.inflate(hello).as_deref(), Ok(&b"Hello"[..]));
    assert_eq!(server.inflate(again), Err(InflateError::InvalidDeflate));
}

#[test]
fn d15_an_empty_message_is_one_octet() {
    for no_context_takeover in [false, true] {
        let (mut client, mut server) = Endpoint::pair(params(12, no_context_takeover));
        for _ in 0..3 {
            assert_eq!(client.deflate(b"").as_deref(), Some(&[0][..]), "§7.2.3.6");
            assert_eq!(client.deflate_fragment(b"", true), [0]);
            assert_eq!(server.inflate(&[0]).as_deref(), Ok(&b""[..]));
        }
        assert_eq!(server.inflate(&[]).as_deref(), Ok(&b""[..]), "as zlib flushes nothing");
        let hello =
            client.deflate(b"Hello").unwrap_or_else(|| client.deflate_fragment(b"Hello", true));
        assert_eq!(server.inflate(&hello).as_deref(), Ok(&b"Hello"[..]));
    }
}

#[test]
fn d7_bfinal_anywhere_keeps_the_window() {
    // Level 6 finishes each part with BFINAL=1; the last part refers to the first.
    let parts: Vec<Vec<u8>> = (0..8).map(|seed| Text(seed).message(900)).collect();
    for (bits, no_context_takeover) in [(9, false), (15, false), (15, true)] {
        let mut server = Endpoint::new(params(bits, no_context_takeover), Role::Server);
        for round in 0..3 {
            let (mut message, mut plain) = (Vec::new(), Vec::new());
            for part in parts.iter().chain(&parts[..2]) {
                let reach = plain.len().min(1 << bits);
                let dictionary = &plain[plain.len() - reach..];
                message.extend(oracle::flate2_deflate(part, dictionary, 6, bits, true));
                plain.extend_from_slice(part);
            }
            for cut in [1, 2, 7, 100, message.len()] {
                let pieces = message.chunks(cut);
                assert_eq!(
                    server.inflate_pieces(pieces, LEN_MAX).as_ref(),
                    Ok(&plain),
                    "{bits} bits, round {round}, pieces of {cut}"
                );
            }
        }
    }
}
