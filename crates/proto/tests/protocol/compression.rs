//! RFC 7692 on whole connections: what travels between two endpoints, and what is refused.

use proptest::prelude::*;
use tidewire_proto::{
    Config, DeflateConfig, DeflateParams, Failure, Limits, Outgoing, Prepared,
    ProtocolViolation as V, Role,
};

use crate::common::{Endpoint, Pair, Seen, decode_frames, masked};

/// What two endpoints with these wishes agree on.
fn agree(client: &DeflateConfig, server: &DeflateConfig) -> (DeflateParams, DeflateParams) {
    let (server_params, answer) = server.negotiate(&client.offers()).expect("it is acceptable");
    let client_params = client.verify(&[answer]).expect("it is lawful").expect("it was accepted");
    (client_params, server_params)
}

fn pair(deflate: &DeflateConfig, config: Config) -> Pair {
    let (client, server) = agree(deflate, deflate);
    let mut pair = Pair::new(config);
    pair.client.set_deflate(client);
    pair.server.set_deflate(server);
    pair
}

fn server(deflate: &DeflateConfig, limits: Limits) -> Endpoint {
    let mut config = Config::default();
    config.limits = limits;
    let mut end = Endpoint::with(Role::Server, config);
    end.set_deflate(agree(deflate, deflate).1);
    end
}

/// "Hello", compressed (§7.2.3.1).
const HELLO: [u8; 7] = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];

/// D5: the vectors of §7.2.3.1 and §7.2.3.2, at each split, and with a Ping inside.
#[test]
fn d5_the_vectors_at_every_split() {
    for cut in 0..=HELLO.len() {
        let frames =
            [masked(0x41, &HELLO[..cut]), masked(0x89, b"p"), masked(0x80, &HELLO[cut..])].concat();
        for size in [1, 5, 1000] {
            let mut end = server(&DeflateConfig::default(), Limits::default());
            frames.chunks(size).for_each(|chunk| end.read(chunk));
            assert_eq!(end.seen, [Seen::Ping(b"p".to_vec()), Seen::Text("Hello".into())]);
        }
    }
}

/// D6: compressed and uncompressed messages mixed; D7: BFINAL=1, then more (§7.2.3.4).
#[test]
fn d6_d7_messages_of_all_kinds_one_after_the_other() {
    let mut end = server(&DeflateConfig::default(), Limits::default());
    let with_bfinal = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00];
    let second_hello = [0xf2, 0x00, 0x11, 0x00, 0x00]; // §7.2.3.2: refers to the first
    for (first, payload) in
        [(0xC1, &HELLO[..]), (0x81, b"plain"), (0xC1, &second_hello), (0xC1, &with_bfinal)]
    {
        end.read(&masked(first, payload));
    }
    let texts = ["Hello", "plain", "Hello", "Hello"].map(|text| Seen::Text(text.into()));
    assert_eq!(end.seen, texts);
}

/// D8, D9 and text behind compression: what is refused, and how.
#[test]
fn d8_d9_violations() {
    let invalid_text = [0x4a, 0xff, 0x00, 0x00];
    let cases: &[(&str, Vec<u8>, V)] = &[
        (
            "D8 §6 RSV1 on a continuation",
            [masked(0x41, &HELLO[..2]), masked(0xC0, &HELLO[2..])].concat(),
            V::ReservedBits(0b100),
        ),
        ("D8 §6 RSV1 on a Ping", masked(0xC9, b""), V::ReservedBits(0b100)),
        ("D8 §6 RSV1 on a Close", masked(0xC8, b""), V::ReservedBits(0b100)),
        ("RSV2 with compression", masked(0xE1, &HELLO), V::ReservedBits(0b110)),
        ("D9 §7.2.2 not DEFLATE", masked(0xC1, &[0xFF; 20]), V::InvalidDeflate),
        ("U1 §8.1 behind compression", masked(0xC1, &invalid_text), V::InvalidUtf8),
    ];
    for (rule, bytes, violation) in cases {
        let mut end = server(&DeflateConfig::default(), Limits::default());
        end.read(bytes);
        assert_eq!(end.seen, [Seen::Failed(Failure::Protocol(*violation))], "{rule}");
        let close = decode_frames(&end.written());
        assert_eq!(close.len(), 1, "{rule}");
        assert_eq!(close[0].payload, violation.close_code().get().to_be_bytes(), "{rule}");
    }
}

/// D10: a bomb ends at the limit, in one frame and spread over many; the limit itself is fine.
#[test]
fn d10_bombs() {
    for (len, fits) in [(100_000, true), (100_001, false), (50_000_000, false)] {
        let mut maker = pair(&DeflateConfig::best_ratio(), Config::default()).client;
        maker.conn.send(&mut maker.cx, vec![0; len]).unwrap();
        let bomb = decode_frames(&maker.written()).remove(0);
        assert_eq!(bomb.first, 0xC2);
        let last = bomb.payload.len() - 1;
        let spread: Vec<u8> = bomb
            .payload
            .iter()
            .enumerate()
            .flat_map(|(i, byte)| {
                let fin = if i == last { 0x80 } else { 0 };
                masked(fin | if i == 0 { 0x42 } else { 0 }, &[*byte])
            })
            .collect();
        for bytes in [masked(0xC2, &bomb.payload), spread] {
            let limits = Limits {
                message_len_max: 100_000,
                fragment_count_max: u32::MAX,
                ..Limits::default()
            };
            let mut end = server(&DeflateConfig::best_ratio(), limits);
            end.read(&bytes);
            match &end.seen[..] {
                [Seen::Binary(payload)] => assert!(fits && payload.len() == len),
                [Seen::Failed(failure)] => {
                    assert!(!fits && failure.close_code().get() == 1009, "{failure}");
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

/// D10 where nothing bounds the message: what is inflated at once stays small.
#[test]
fn d10_a_bomb_in_fragments_comes_in_small_pieces() {
    const LEN: usize = 30_000_000;
    let mut maker = pair(&DeflateConfig::best_ratio(), Config::default()).client;
    maker.conn.send(&mut maker.cx, vec![0; LEN]).unwrap();
    let mut end = server(&DeflateConfig::best_ratio(), Limits::default());
    end.conn.deliver_fragments(true);
    end.read(&maker.written());
    let mut total = 0;
    for seen in &end.seen {
        let Seen::Fragment { payload, .. } = seen else { panic!("{seen:?}") };
        assert!(payload.len() <= 2 << 20, "{}", payload.len());
        total += payload.len();
    }
    assert_eq!(total, LEN);
}

/// D11, D16: messages that are not compressed leave both windows equal.
#[test]
fn d11_d16_opting_out_of_compression() {
    let mut pair = pair(&DeflateConfig::default(), Config::default());
    let text = "the same words once more, ".repeat(20);
    let mut firsts = Vec::new();
    for message in [
        Outgoing::text(&text),
        Outgoing::text(&text).uncompressed(),
        Outgoing::text("short"),
        Outgoing::text(&text),
    ] {
        let end = &mut pair.server;
        end.conn.send(&mut end.cx, message).unwrap();
        let bytes = end.written();
        firsts.push((bytes[0], bytes.len()));
        pair.client.read(&bytes);
    }
    assert_eq!(
        firsts.iter().map(|(first, _)| *first).collect::<Vec<_>>(),
        [0xC1, 0x81, 0x81, 0xC1]
    );
    assert!(firsts[3].1 < firsts[0].1 / 2, "the last refers to the first: {firsts:?}");
    let texts = [&*text, &text, "short", &text].map(|text| Seen::Text(text.into()));
    assert_eq!(pair.client.seen, texts);
}

/// One compressed frame serves receivers with different windows and histories, and what follows
/// may refer to it.
#[test]
fn a_prepared_message_serves_all() {
    let configs =
        [DeflateConfig::balanced(), DeflateConfig::small_memory(), DeflateConfig::best_ratio()];
    let mut pairs: Vec<_> = configs.iter().map(|c| pair(c, Config::default())).collect();
    pairs.push(Pair::new(Config::default()));
    let prepared = Prepared::new("tell everybody, tell everybody, ".repeat(30)).compressed();
    for (i, pair) in pairs.iter_mut().enumerate() {
        let own = format!("a history of its own: {i} ").repeat(10 * i);
        for end in [&mut pair.server, &mut pair.client] {
            end.conn.send(&mut end.cx, &*own).unwrap();
            end.conn.send(&mut end.cx, &prepared).unwrap();
            end.conn.send(&mut end.cx, &*"tell everybody, tell everybody, ".repeat(29)).unwrap();
        }
        let mut bytes = [pair.server.written(), pair.client.written()];
        let firsts = bytes.each_ref().map(|bytes| decode_frames(bytes)[1].first);
        assert_eq!(firsts, if i == 3 { [0x81; 2] } else { [0xC1; 2] });
        pair.client.read(&bytes[0]);
        pair.server.read(&bytes[1]);
        bytes[0].clear();
        for end in [&pair.client, &pair.server] {
            assert_eq!(end.seen.len(), 3, "{:?}", end.seen);
            assert_eq!(end.seen[1], Seen::Text("tell everybody, tell everybody, ".repeat(30)));
            assert_eq!(end.seen[2], Seen::Text("tell everybody, tell everybody, ".repeat(29)));
        }
    }
}

proptest! {
    /// What one endpoint sends, the other receives: whatever was agreed on, however it is sent.
    #[test]
    fn what_is_sent_is_received_compressed(
        bits in (8..=15_u8, 8..=15_u8),
        alone in any::<(bool, bool)>(),
        level in 0..=9_u8,
        threshold in prop::sample::select(vec![0_u16, 64]),
        messages in prop::collection::vec(("[ab ]{0,300}", 0..5_u8, any::<bool>()), 1..12),
        fragment_len_max in prop::option::of(1..50_usize),
        read_len in 1..300_usize,
    ) {
        let deflate = DeflateConfig {
            level,
            threshold,
            server_window_bits: bits.0,
            client_window_bits: bits.1,
            server_no_context_takeover: alone.0,
            client_no_context_takeover: alone.1,
        };
        let mut config = Config::default();
        config.fragment_len_max = fragment_len_max;
        let mut pair = pair(&deflate, config);
        let mut sent = [Vec::new(), Vec::new()];
        for (text, how, by_client) in &messages {
            let end = if *by_client { &mut pair.client } else { &mut pair.server };
            let message = Outgoing::text(text);
            match how {
                0 => end.conn.send(&mut end.cx, message).unwrap(),
                1 => end.conn.send(&mut end.cx, message.uncompressed()).unwrap(),
                2 => end.conn.send(&mut end.cx, Prepared::new(message).compressed()).unwrap(),
                3 => end.conn.send(&mut end.cx, Prepared::new(message)).unwrap(),
                _ => {
                    let (a, b) = text.as_bytes().split_at(text.len() / 2);
                    let kind = message.kind();
                    end.conn.send_fragment(&mut end.cx, kind, a, false).unwrap();
                    end.conn.send_fragment(&mut end.cx, kind, b, true).unwrap();
                }
            }
            sent[usize::from(*by_client)].push(Seen::Text(text.clone()));
            if *how == 4 {
                pair.settle(read_len);
            }
        }
        pair.settle(read_len);
        prop_assert_eq!(&pair.server.seen, &sent[1]);
        prop_assert_eq!(&pair.client.seen, &sent[0]);
    }

    /// Any bytes behind RSV1: no panic, at most one Close, and nothing after it.
    #[test]
    fn d9_noise_behind_rsv1(noise: Vec<u8>, size in 1..20_usize) {
        let mut end = server(&DeflateConfig::default(), Limits::default());
        masked(0xC2, &noise).chunks(size).for_each(|chunk| end.read(chunk));
        let frames = decode_frames(&end.written());
        prop_assert!(frames.len() <= 1);
    }
}
