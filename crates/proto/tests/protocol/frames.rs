//! RFC 6455 §5: framing, masking, fragmentation, text.

use std::sync::Arc;

use crate::common::{
    Endpoint, Frame, Seen, decode_frames, frame, from_peer_of, masked, unless_miri,
};
use proptest::prelude::*;
use tidewire_proto::{
    Config, Connection, Failure, Kind, LimitExceeded, Limits, Outgoing, Prepared,
    ProtocolViolation as V, Role, Transport,
};

/// What each violation must lead to: the error once, exactly one Close with the right code and
/// no reason, nothing after it, and the end of the sending half.
fn assert_fails(rule: &str, role: Role, bytes: &[u8], expected: Failure) {
    for size in [bytes.len().max(1), 1] {
        let mut end = Endpoint::new(role);
        for chunk in bytes.chunks(size) {
            end.read(chunk);
        }
        // What follows a violation is not processed (§7.1.7).
        end.read(&from_peer_of(role, 0x82, b"late"));
        end.read(&from_peer_of(role, 0x89, b"late"));
        let failures: Vec<_> = end.seen.iter().filter(|s| matches!(s, Seen::Failed(_))).collect();
        assert_eq!(failures, [&Seen::Failed(expected)], "{rule}");
        assert!(!end.seen.contains(&Seen::Binary(b"late".to_vec())), "{rule}");
        let frames = decode_frames(&end.written());
        let close = Frame {
            first: 0x88,
            masked: role == Role::Client,
            payload: expected.close_code().get().to_be_bytes().to_vec(),
        };
        assert_eq!(frames.last(), Some(&close), "{rule}");
        assert_eq!(frames.iter().filter(|f| f.first == 0x88).count(), 1, "{rule}");
        assert_eq!(end.conn.transport(), Transport::EndSending, "{rule}");
        end.eof();
        let Some(Seen::Closed(outcome)) = end.seen.last() else { panic!("{rule}: no end") };
        assert_eq!(outcome.failure, Some(expected), "{rule}");
        assert!(!outcome.was_clean(), "{rule}");
    }
}

#[test]
fn violations_by_section() {
    let m = masked;
    let cases: Vec<(&str, Vec<u8>, V)> = vec![
        ("F2 §5.1 a client masks", frame(0x82, None, b"x"), V::UnmaskedFrameFromClient),
        ("F2 §5.2 RSV1 without an extension", m(0xC1, b""), V::ReservedBits(0b100)),
        ("F2 §5.2 RSV2", m(0xA2, b""), V::ReservedBits(0b010)),
        ("F2 §5.2 RSV3", m(0x92, b""), V::ReservedBits(0b001)),
        ("D8 §5.2 RSV1 on a Ping", m(0xC9, b""), V::ReservedBits(0b100)),
        ("F2 §5.2 opcode 3", m(0x83, b""), V::ReservedOpCode(3)),
        ("F2 §5.2 opcode 11", m(0x8B, b""), V::ReservedOpCode(11)),
        ("F3 §5.5 a fragmented Ping", m(0x09, b""), V::FragmentedControlFrame),
        ("F4 §5.4 continuation first", m(0x80, b"x"), V::ContinuationWithoutMessage),
        ("F4 §5.4 text in text", [m(0x01, b"a"), m(0x81, b"b")].concat(), V::MessageInsideMessage),
        (
            "F4 §5.4 binary in text",
            [m(0x01, b"a"), m(0x82, b"b")].concat(),
            V::MessageInsideMessage,
        ),
        (
            "F4 §5.4 first in first",
            [m(0x02, b"a"), m(0x02, b"b")].concat(),
            V::MessageInsideMessage,
        ),
        (
            "F4 §5.4 after the end",
            [m(0x82, b"a"), m(0x80, b"b")].concat(),
            V::ContinuationWithoutMessage,
        ),
        (
            "F6 §5.2 a long form",
            vec![0x82, 0xFE, 0, 1, 0, 0, 0, 0, 0],
            V::NonMinimalLength { len: 1 },
        ),
        ("U1 §8.1 a surrogate", m(0x81, b"\xED\xA0\x80"), V::InvalidUtf8),
        ("U1 §8.1 cut off", m(0x81, b"a\xE2\x82"), V::InvalidUtf8),
        (
            "U2 §8.1 cut off, empty end",
            [m(0x01, b"\xE2\x82"), m(0x80, b"")].concat(),
            V::InvalidUtf8,
        ),
        ("K1 §5.5.1 half a code", m(0x88, &[3]), V::CloseBodyOfOneByte),
        ("K4 §5.5.1 the reason is text", m(0x88, b"\x03\xE8\xFF"), V::InvalidUtf8InCloseReason),
    ];
    for (rule, bytes, violation) in cases {
        assert_fails(rule, Role::Server, &bytes, Failure::Protocol(violation));
    }
    let masked_by_server = masked(0x82, b"x");
    let failure = Failure::Protocol(V::MaskedFrameFromServer);
    assert_fails("F2 §5.1 a server does not mask", Role::Client, &masked_by_server, failure);
}

/// F3: too long a control frame is refused by its header, before any payload is there.
#[test]
fn f3_a_control_frame_is_refused_by_its_header() {
    let mut end = Endpoint::new(Role::Server);
    end.read(&[0x89, 0x80 | 126]);
    assert_eq!(end.seen, [Seen::Failed(Failure::Protocol(V::ControlFrameTooLong))]);
}

/// F8: announced only, and refused with nothing read or reserved.
#[test]
fn f8_a_frame_too_long_is_refused_by_its_header() {
    let message_len_max = Limits::default().message_len_max;
    let announce = |len: u64| {
        let mut bytes = vec![0x82, 0x80 | 127];
        bytes.extend(len.to_be_bytes());
        bytes.extend([0; 4]);
        bytes
    };
    let over = announce(message_len_max + 1);
    let failure = Failure::Limit(LimitExceeded::MessageTooLong { message_len_max });
    assert_fails("F8 by its header", Role::Server, &over, failure);

    let mut end = Endpoint::new(Role::Server);
    end.read(&announce(message_len_max));
    assert_eq!(end.seen, [], "the limit itself is fine");
}

/// L3: a message that was delivered in fragments is bounded as any other once it is not.
#[test]
fn l3_the_limit_holds_again_for_a_message_under_way() {
    let message_len_max = 10_000;
    let failure = Failure::Limit(LimitExceeded::MessageTooLong { message_len_max });
    for role in [Role::Server, Role::Client] {
        let mut config = Config::default();
        config.limits.message_len_max = message_len_max;
        let mut end = Endpoint::with(role, config);
        let stream = from_peer_of(role, 0x82, &[0; 15_000]);
        end.conn.deliver_fragments(true);
        end.read(&stream[..1000]);
        assert!(matches!(end.take_seen()[..], [Seen::Fragment { first: true, .. }]), "{role:?}");
        end.conn.deliver_fragments(false);
        end.read(&stream[1000..1001]);
        assert_eq!(end.seen, [Seen::Failed(failure)], "{role:?}");
    }
}

/// Limits at the limit and one above it, over one frame and over fragments.
#[test]
fn limits_at_the_edge() {
    let limits = Limits {
        message_len_max: 10,
        frame_len_max: 8,
        fragment_count_max: 3,
        control_frames_per_second_max: 5,
    };
    let run = |bytes: &[Vec<u8>]| {
        let mut config = Config::default();
        config.limits = limits.clone();
        let mut end = Endpoint::with(Role::Server, config);
        end.read(&bytes.concat());
        end.seen.iter().find_map(|s| if let Seen::Failed(f) = s { Some(*f) } else { None })
    };
    let m = masked;
    let limit = |limit| Some(Failure::Limit(limit));
    let pings = |n| vec![m(0x89, b"p"); n];
    assert_eq!(run(&[m(0x82, &[0; 8])]), None);
    assert_eq!(run(&[m(0x82, &[0; 9])]), limit(LimitExceeded::FrameTooLong { frame_len_max: 8 }));
    assert_eq!(run(&[m(0x02, &[0; 5]), m(0x80, &[0; 5])]), None);
    let too_long = limit(LimitExceeded::MessageTooLong { message_len_max: 10 });
    assert_eq!(run(&[m(0x02, &[0; 5]), m(0x80, &[0; 6])]), too_long);
    assert_eq!(run(&[m(0x02, b""), m(0x00, b""), m(0x80, b"")]), None);
    let too_many = limit(LimitExceeded::TooManyFragments { fragment_count_max: 3 });
    assert_eq!(run(&[m(0x02, b""), m(0x00, b""), m(0x00, b""), m(0x80, b"")]), too_many);
    assert_eq!(run(&pings(5)), None);
    let flood = limit(LimitExceeded::TooManyControlFrames { control_frames_per_second_max: 5 });
    assert_eq!(run(&pings(6)), flood);
}

/// The rate is per second: as many again in the next one.
#[test]
fn control_frames_are_counted_by_the_second() {
    let mut config = Config::default();
    config.limits.control_frames_per_second_max = 2;
    let mut end = Endpoint::with(Role::Server, config);
    for second in 0..3 {
        end.cx.now = crate::common::millis(1000 * second);
        end.read(&[masked(0x89, b""), masked(0x8A, b"")].concat());
    }
    assert_eq!(end.seen.len(), 6);
    assert!(!end.seen.iter().any(|s| matches!(s, Seen::Failed(_))));
}

/// F9: lengths around the edges of the encodings, in both roles, through every path.
#[test]
fn f9_lengths_both_roles() {
    for role in [Role::Server, Role::Client] {
        for len in [0, 1, 125, 126, 127, 65_535, 65_536, 200_000] {
            if len > unless_miri(usize::MAX, 1000) {
                continue;
            }
            let payload: Vec<u8> = (0..len).map(|i| (i * 7) as u8).collect();
            let bytes = from_peer_of(role, 0x82, &payload);
            for size in [bytes.len(), 1000, 7] {
                let mut end = Endpoint::new(role);
                bytes.chunks(size).for_each(|chunk| end.read(chunk));
                assert_eq!(end.take_seen(), [Seen::Binary(payload.clone())], "{len} by {size}");
                end.conn.send(&mut end.cx, Outgoing::binary(&payload)).unwrap();
                let frames = decode_frames(&end.written());
                let expected =
                    Frame { first: 0x82, masked: role == Role::Client, payload: payload.clone() };
                assert_eq!(frames, [expected], "{len}");
            }
        }
    }
}

#[test]
fn f5_control_frames_between_fragments() {
    let bytes = [
        masked(0x01, b"Hel"),
        masked(0x89, b"ping"),
        masked(0x00, b"l"),
        masked(0x8A, b"unasked"),
        masked(0x80, b"o"),
    ];
    for size in [1, 3, 1000] {
        let mut end = Endpoint::new(Role::Server);
        bytes.concat().chunks(size).for_each(|chunk| end.read(chunk));
        assert_eq!(
            end.seen,
            [
                Seen::Ping(b"ping".to_vec()),
                Seen::Pong(b"unasked".to_vec()),
                Seen::Text("Hello".into())
            ]
        );
        let pong = Frame { first: 0x8A, masked: false, payload: b"ping".to_vec() };
        assert_eq!(decode_frames(&end.written()), [pong]);
    }
}

/// U4, U5: the violation is seen at its first byte, inside a frame that stalls.
#[test]
fn u5_text_fails_at_the_bad_byte_of_a_stalled_frame() {
    let mut bytes = masked(0x81, b"good \xFF and 100 more bytes that never arrive");
    bytes.truncate(6 + 6);
    let mut end = Endpoint::new(Role::Server);
    end.read(&bytes[..11]);
    assert_eq!(end.seen, []);
    end.read(&bytes[11..]);
    assert_eq!(end.seen, [Seen::Failed(Failure::Protocol(V::InvalidUtf8))]);
}

#[test]
fn u8_byte_order_marks_and_zero_pass() {
    let mut end = Endpoint::new(Role::Server);
    end.read(&masked(0x81, "\u{FEFF}a\0b".as_bytes()));
    assert_eq!(end.seen, [Seen::Text("\u{FEFF}a\0b".into())]);
}

/// F11: what is above `fragment_len_max` leaves in pieces of at most that.
#[test]
fn f11_long_messages_are_split() {
    for role in [Role::Server, Role::Client] {
        let mut config = Config::default();
        config.fragment_len_max = Some(1000);
        let mut end = Endpoint::with(role, config);
        let payload: Vec<u8> = (0..2500).map(|i| i as u8).collect();
        for message in [Outgoing::binary(&payload), payload.clone().into()] {
            end.conn.send(&mut end.cx, message).unwrap();
            let frames = decode_frames(&end.written());
            let heads: Vec<_> = frames.iter().map(|f| (f.first, f.payload.len())).collect();
            assert_eq!(heads, [(0x02, 1000), (0x00, 1000), (0x80, 500)]);
            assert_eq!(frames.iter().flat_map(|f| f.payload.clone()).collect::<Vec<_>>(), payload);
        }
    }
}

/// F11, §5.4: with a backlog of frames, a Pong goes between them and not behind all of them.
#[test]
#[cfg_attr(miri, ignore = "64 KiB, masked byte by byte in the tests, take minutes")]
fn f11_a_pong_overtakes_a_backlog() {
    for role in [Role::Server, Role::Client] {
        let mut config = Config::default();
        config.fragment_len_max = Some(50_000);
        let mut end = Endpoint::with(role, config);
        let payload = vec![7; 500_000];
        end.conn.send(&mut end.cx, payload.clone()).unwrap();
        end.conn.advance(&mut end.cx, 3); // in the middle of a header
        let mut expected_head = Vec::new();
        end.conn.outbox().chunks().for_each(|chunk| expected_head.extend_from_slice(chunk));
        end.read(&[from_peer_of(role, 0x89, b"one"), from_peer_of(role, 0x89, b"two")].concat());
        let bytes = end.written();
        assert_eq!(bytes[..100], expected_head[..100], "the frame under way is not torn");
        let mut whole = vec![0x02];
        whole.extend(match role {
            Role::Server => vec![126, 0xC3],
            Role::Client => vec![0x80 | 126, 0xC3],
        });
        whole.extend(&bytes);
        let frames = decode_frames(&whole);
        let pongs: Vec<_> =
            frames.iter().enumerate().filter(|(_, f)| f.first == 0x8A).map(|(i, _)| i).collect();
        assert_eq!(pongs, [1, 2], "after the first frame");
        assert_eq!([&frames[1].payload[..], &frames[2].payload[..]], [b"one", b"two"]);
        let data: Vec<u8> =
            frames.iter().filter(|f| f.first != 0x8A).flat_map(|f| f.payload.clone()).collect();
        assert_eq!(data, payload);
    }
}

/// §5.5.2: Pongs keep the order of their Pings where a backlog grew behind the first of them.
#[test]
#[cfg_attr(miri, ignore = "64 KiB, masked byte by byte in the tests, take minutes")]
fn f11_a_pong_does_not_overtake_a_pong() {
    for role in [Role::Server, Role::Client] {
        let mut end = Endpoint::new(role);
        end.conn.send(&mut end.cx, vec![7; 60_000]).unwrap();
        end.read(&from_peer_of(role, 0x89, b"one"));
        end.conn.send(&mut end.cx, vec![8; 60_000]).unwrap();
        end.conn.ping(&mut end.cx, b"ours").unwrap();
        end.read(&from_peer_of(role, 0x89, b"two"));
        end.read(&from_peer_of(role, 0x89, b"three"));
        let frames = decode_frames(&end.written());
        let pongs: Vec<_> = frames.iter().filter(|f| f.first == 0x8A).collect();
        let payloads: Vec<_> = pongs.iter().map(|f| &f.payload[..]).collect();
        assert_eq!(payloads, [&b"one"[..], b"two", b"three"], "{role:?}");
    }
}

/// §5.5.2, Autobahn 2.10: ten Pings in one read want ten Pongs, in order.
#[test]
fn ten_pings_want_ten_pongs() {
    let mut end = Endpoint::new(Role::Server);
    let pings: Vec<u8> = (0..10).flat_map(|i| masked(0x89, &[i])).collect();
    end.read(&pings);
    let pongs: Vec<_> = decode_frames(&end.written()).iter().map(|f| f.payload[0]).collect();
    assert_eq!(pongs, (0..10).collect::<Vec<u8>>());
}

/// L4, §5.5.3: from a peer that does not read, 16 Pongs are kept, then only the latest.
#[test]
fn l4_a_flood_of_pings_grows_nothing() {
    let mut config = Config::default();
    config.limits.control_frames_per_second_max = u32::MAX;
    let mut end = Endpoint::with(Role::Server, config);
    let count = unless_miri(10_000, 100) as u32;
    for i in 0..count {
        end.read(&masked(0x89, &i.to_be_bytes()));
        assert!(end.conn.outbox().cost() <= 16 * 6 + 64);
    }
    let pongs: Vec<_> = decode_frames(&end.written())
        .iter()
        .map(|f| u32::from_be_bytes(f.payload[..].try_into().unwrap()))
        .collect();
    assert_eq!(pongs, (0..16).chain([count - 1]).collect::<Vec<u32>>());
    // Once those are gone, Pings are answered as ever.
    end.read(&masked(0x89, b"again"));
    assert_eq!(decode_frames(&end.written())[0].payload, b"again");
}

/// M2: what others share is not changed by masking it.
#[test]
fn m2_shared_bytes_stay_as_they_are() {
    let shared = bytes::Bytes::from(vec![5; unless_miri(100_000, 5_000)]);
    let mut end = Endpoint::new(Role::Client);
    end.conn.send(&mut end.cx, shared.clone()).unwrap();
    let prepared = Prepared::new(&shared[..]);
    end.conn.send(&mut end.cx, &prepared).unwrap();
    assert!(shared.iter().all(|byte| *byte == 5));
    assert_eq!(prepared.payload(), shared);
    let frames = decode_frames(&end.written());
    assert_eq!(frames.len(), 2);
    assert!(frames.iter().all(|f| f.masked && f.payload == shared));
}

/// M1: no two frames share a key.
#[test]
fn m1_every_frame_has_a_key_of_its_own() {
    let mut end = Endpoint::new(Role::Client);
    let mut keys = Vec::new();
    for _ in 0..60 {
        end.conn.send(&mut end.cx, "same").unwrap();
        keys.push(end.written()[2..6].to_vec());
    }
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 60);
}

/// Proof of shape: 1 MiB is received into one buffer and leaves from it.
#[test]
fn a_large_message_is_echoed_from_its_own_buffer() {
    let mut end = Endpoint::new(Role::Server);
    let payload: Vec<u8> = (0..unless_miri(1 << 20, 1 << 16)).map(|i| (i * 31) as u8).collect();
    let bytes = masked(0x82, &payload);
    // The header comes by the shared buffer, the payload by the message's own.
    let mut input = &mut bytes[..14].to_vec()[..];
    assert!(end.conn.receive(&mut end.cx, &mut input).is_none());
    let mut sent = 14;
    let mut echoed_from = None;
    while sent < bytes.len() {
        let target = end.conn.read_target(&mut end.cx).expect("a large payload is under way");
        let n = target.len().min(bytes.len() - sent);
        target[..n].copy_from_slice(&bytes[sent..sent + n]);
        sent += n;
        let start = target.as_ptr();
        match end.conn.handle_read(&mut end.cx, n) {
            None => {}
            Some(tidewire_proto::Event::Binary(message)) => {
                assert_eq!(&message[..], payload);
                let range = message.as_ptr_range();
                assert!(range.contains(&start), "the last read went into the message's memory");
                echoed_from = Some(message.as_ptr());
                end.conn.send(&mut end.cx, message).unwrap();
            }
            Some(other) => panic!("{other:?}"),
        }
    }
    let chunks: Vec<_> = end.conn.outbox().chunks().collect();
    assert_eq!(chunks.len(), 1, "header and payload stand together");
    assert_eq!(Some(chunks[0][10..].as_ptr()), echoed_from, "and were not copied");
}

/// L6: memory follows what arrives, not what is announced.
#[test]
fn l6_memory_follows_what_arrives() {
    let mut config = Config::default();
    config.limits.message_len_max = 1 << 40;
    let mut end = Endpoint::with(Role::Server, config);
    let mut bytes = vec![0x82, 0x80 | 127];
    bytes.extend((1_u64 << 40).to_be_bytes());
    bytes.extend([0; 4]);
    let mut input = &mut bytes[..];
    assert!(end.conn.receive(&mut end.cx, &mut input).is_none());
    let mut received = 0;
    for _ in 0..unless_miri(300, 40) {
        let target = end.conn.read_target(&mut end.cx).expect("under way");
        assert!(target.len() <= (received * 4).max(8 << 10), "{} at {received}", target.len());
        let n = target.len().min(1000);
        target[..n].fill(0);
        assert!(end.conn.handle_read(&mut end.cx, n).is_none());
        received += n;
    }
}

fn arbitrary_frame() -> impl Strategy<Value = Vec<u8>> {
    let first = prop_oneof![
        8 => prop::sample::select(vec![0x81, 0x82, 0x01, 0x02, 0x00, 0x80, 0x89, 0x8A]),
        1 => any::<u8>(),
    ];
    let payload = prop_oneof![
        4 => "[a-zß€𝄞]{0,40}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..300),
        1 => (120..130_usize).prop_map(|n| vec![b'x'; n]),
    ];
    (first, any::<[u8; 4]>(), payload)
        .prop_map(|(first, key, payload)| frame(first, Some(key), &payload))
}

fn run(pieces: &[&[u8]]) -> (Vec<Seen>, Vec<u8>) {
    let mut end = Endpoint::new(Role::Server);
    let mut out = Vec::new();
    for piece in pieces {
        end.read(piece);
        out.extend(end.written());
    }
    end.eof();
    (end.seen, out)
}

proptest! {
    /// Z3: cutting the byte stream elsewhere changes nothing: not what the application sees, not
    /// what is answered.
    #[test]
    fn z3_cuts_do_not_matter(frames in prop::collection::vec(arbitrary_frame(), 0..12), size in 1..40_usize) {
        let stream = frames.concat();
        let whole = run(&[&stream]);
        prop_assert_eq!(&run(&stream.chunks(size).collect::<Vec<_>>()), &whole);
        prop_assert_eq!(&run(&stream.chunks(1).collect::<Vec<_>>()), &whole);
    }

    /// Any bytes at all: no panic, at most one Close, and nothing after it.
    #[test]
    fn noise_never_panics(noise: Vec<u8>, size in 1..20_usize) {
        for role in [Role::Server, Role::Client] {
            let mut end = Endpoint::new(role);
            noise.chunks(size).for_each(|chunk| end.read(chunk));
            let frames = decode_frames(&end.written());
            let closes = frames.iter().position(|f| f.first == 0x88);
            prop_assert!(closes.is_none_or(|at| at == frames.len() - 1));
        }
    }

    /// What one endpoint sends, the other receives: whole, split, prepared, in both directions.
    #[test]
    fn what_is_sent_is_received(
        messages in prop::collection::vec((any::<bool>(), "[a-zß€𝄞]{0,300}", 0..3_u8), 0..8),
        fragment_len_max in prop::option::of(1..200_usize),
        read_len in 1..2000_usize,
    ) {
        let mut config = Config::default();
        config.fragment_len_max = fragment_len_max;
        let mut pair = crate::common::Pair::new(config);
        let mut sent = Vec::new();
        for (text, payload, how) in &messages {
            let end = &mut pair.client;
            let (seen, message) = if *text {
                (Seen::Text(payload.clone()), Outgoing::text(payload))
            } else {
                (Seen::Binary(payload.clone().into_bytes()), Outgoing::binary(payload.as_bytes()))
            };
            match how {
                0 => end.conn.send(&mut end.cx, message).unwrap(),
                1 => end.conn.send(&mut end.cx, Prepared::new(message)).unwrap(),
                _ => {
                    let kind = message.kind();
                    let bytes = payload.as_bytes();
                    let (a, b) = bytes.split_at(bytes.len() / 2);
                    end.conn.send_fragment(&mut end.cx, kind, a, false).unwrap();
                    end.conn.send_fragment(&mut end.cx, kind, b, true).unwrap();
                }
            }
            sent.push(seen);
        }
        pair.settle(read_len);
        prop_assert_eq!(&pair.server.seen, &sent);
    }

    /// Delivered in fragments, a message has the same bytes, one first and one last piece.
    #[test]
    fn fragments_are_the_message(payload: Vec<u8>, frames in 1..6_usize, size in 1..50_usize) {
        let mut end = Endpoint::new(Role::Server);
        end.conn.deliver_fragments(true);
        let frame_len = payload.len().div_ceil(frames).max(1);
        let mut pieces: Vec<&[u8]> = payload.chunks(frame_len).collect();
        if pieces.is_empty() {
            pieces.push(b"");
        }
        let mut stream = Vec::new();
        for (i, piece) in pieces.iter().enumerate() {
            let fin = if i + 1 == pieces.len() { 0x80 } else { 0 };
            stream.extend(masked(fin | if i == 0 { 2 } else { 0 }, piece));
        }
        stream.chunks(size).for_each(|chunk| end.read(chunk));
        let mut got = Vec::new();
        let count = end.seen.len();
        for (i, seen) in end.seen.iter().enumerate() {
            let Seen::Fragment { payload, first, last, .. } = seen else { panic!("{seen:?}") };
            got.extend_from_slice(payload);
            prop_assert_eq!(*first, i == 0);
            prop_assert_eq!(*last, i + 1 == count);
        }
        prop_assert_eq!(got, payload);
    }
}

#[test]
fn text_that_is_not_utf8_is_not_sent() {
    let mut end = Endpoint::new(Role::Server);
    assert!(Outgoing::new(Kind::Text, vec![0xFF]).is_err());
    let cx = &mut end.cx;
    end.conn.send_fragment(cx, Kind::Text, &[0xE2, 0x82], false).unwrap();
    assert!(end.conn.send_fragment(cx, Kind::Text, b"", true).is_err());
    assert!(end.conn.send(cx, "between").is_err(), "a message is under way");
    end.conn.send_fragment(cx, Kind::Text, &[0xAC], true).unwrap();
    assert!(end.conn.send(cx, "after").is_ok());
}

#[test]
fn a_connection_is_small() {
    assert!(size_of::<Connection>() <= 160, "{}", size_of::<Connection>());
    let _ = Arc::new(Config::default());
}
