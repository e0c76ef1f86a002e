//! Frames, text, and what is done about those that break a rule: F1 to F9, U1 to U8, D8.

use crate::{
    peer::{Frame, Peer, REQUEST, close, header, masked},
    program::{Echo, Program},
};

on_every_server! {
    violations_end_in_one_close,
    h12_violations_glued_to_the_request,
    f4_messages_before_a_violation_are_answered,
    good_frames_at_every_cut,
    f9_f10_lengths,
}

/// Rule, what a client sends after its handshake, the code that it gets, the section that the
/// application is told.
pub type Row = (&'static str, Vec<u8>, u16, &'static str);

/// A way to send bytes.
type Way = fn(&mut Peer, &[u8]);

pub fn violations() -> Vec<Row> {
    let text = |payload: &[u8]| masked(0x81, payload);
    let mut rows: Vec<Row> = vec![
        ("F2 unmasked", vec![0x81, 0x01, b'a'], 1002, "RFC 6455 §5.1"),
        ("F2 an unmasked Close", vec![0x88, 0x00], 1002, "RFC 6455 §5.1"),
        ("D8 RSV1 on a Ping", masked(0xC9, b""), 1002, "RFC 6455 §5.2"),
        ("F3 a fragmented Ping", masked(0x09, b"a"), 1002, "RFC 6455 §5.5"),
        ("F3 a fragmented Pong", masked(0x0A, b""), 1002, "RFC 6455 §5.5"),
        ("F3 a fragmented Close", masked(0x08, b""), 1002, "RFC 6455 §5.5"),
        ("F3 126 in a Ping, by its header", header(0x89, 126), 1002, "RFC 6455 §5.5"),
        ("F3 126 in a Close, by its header", header(0x88, 126), 1002, "RFC 6455 §5.5"),
        ("F3 70000 in a Pong, by its header", header(0x8A, 70_000), 1002, "RFC 6455 §5.5"),
        ("F4 a continuation first", masked(0x80, b"a"), 1002, "RFC 6455 §5.4"),
        ("F4 an unfinished continuation first", masked(0x00, b""), 1002, "RFC 6455 §5.4"),
        ("F6 5 in 16 bits", vec![0x82, 0xFE, 0, 5, 0, 0, 0, 0], 1002, "RFC 6455 §5.2"),
        ("F6 125 in 16 bits", vec![0x82, 0xFE, 0, 125, 0, 0, 0, 0], 1002, "RFC 6455 §5.2"),
        (
            "F6 65535 in 64 bits",
            vec![0x82, 0xFF, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0, 0, 0, 0],
            1002,
            "RFC 6455 §5.2",
        ),
        (
            "F7 the top bit",
            vec![0x82, 0xFF, 0x80, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0],
            1002,
            "RFC 6455 §5.2",
        ),
        ("F7 all bits", [&[0x82, 0xFF][..], &[0xFF; 12]].concat(), 1002, "RFC 6455 §5.2"),
        ("F8 64 MiB and one, by its header", header(0x82, (64 << 20) + 1), 1009, "RFC 6455 §10.4"),
        ("F8 63 bits of it", header(0x81, usize::MAX >> 1), 1009, "RFC 6455 §10.4"),
        (
            "F8 by the sum of the headers",
            [masked(0x02, b"a"), header(0x80, 64 << 20)].concat(),
            1009,
            "RFC 6455 §10.4",
        ),
        (
            "Z6 63 bits of it behind a fragment",
            [masked(0x02, b"a"), header(0x80, usize::MAX >> 1)].concat(),
            1009,
            "RFC 6455 §10.4",
        ),
        ("U1 a surrogate", text(b"\xED\xA0\x80"), 1007, "RFC 6455 §8.1"),
        ("U1 overlong", text(b"\xC0\xAF"), 1007, "RFC 6455 §8.1"),
        ("U1 overlong in three", text(b"\xE0\x80\xAF"), 1007, "RFC 6455 §8.1"),
        ("U1 above U+10FFFF", text(b"\xF4\x90\x80\x80"), 1007, "RFC 6455 §8.1"),
        ("U1 0xFE", text(b"good \xFE"), 1007, "RFC 6455 §8.1"),
        (
            "U1 truncated",
            text("good \u{20AC}".as_bytes().split_last().unwrap().1),
            1007,
            "RFC 6455 §8.1",
        ),
        (
            "U2 truncated, and an empty last fragment",
            [masked(0x01, b"\xE2\x82"), masked(0x80, b"")].concat(),
            1007,
            "RFC 6455 §8.1",
        ),
        (
            "U4 a bad fragment, and no last one",
            [masked(0x01, b"ok"), masked(0x00, b"\xFF")].concat(),
            1007,
            "RFC 6455 §8.1",
        ),
        (
            "U5 a bad byte in a frame that stalls",
            [header(0x81, 1000), b"ok \xC3\x28".to_vec()].concat(),
            1007,
            "RFC 6455 §8.1",
        ),
        (
            "U5 a bad byte in a frame of megabytes",
            [header(0x81, 10 << 20), vec![b'a'; 100_000], vec![0xFF]].concat(),
            1007,
            "RFC 6455 §8.1",
        ),
        ("U7 a Close reason", close(1000, b"\xCE\xBA\xE1\xBD"), 1007, "RFC 6455 §5.5.1"),
        ("K1 a Close of one byte", masked(0x88, b"\x03"), 1002, "RFC 6455 §5.5.1"),
        ("K4 bad UTF-8 as the reason", close(1000, b"\xFF"), 1007, "RFC 6455 §5.5.1"),
    ];
    for (rule, rsv) in [("F2 RSV1", 0x40), ("F2 RSV2", 0x20), ("F2 RSV3", 0x10)] {
        rows.push((rule, masked(0x81 | rsv, b"a"), 1002, "RFC 6455 §5.2"));
    }
    for opcode in (3..=7).chain(11..=15) {
        rows.push(("F2 a reserved opcode", masked(0x80 | opcode, b""), 1002, "RFC 6455 §5.2"));
    }
    for first in [0x81, 0x82, 0x01, 0x02] {
        let frames = [masked(0x01, b"a"), masked(first, b"b")].concat();
        rows.push(("F4 a message inside a message", frames, 1002, "RFC 6455 §5.4"));
    }
    for code in [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535] {
        rows.push(("K2 a code that may not travel", close(code, b""), 1002, "RFC 6455 §7.4"));
    }
    rows
}

/// The general rule for every violation: one Close with the named code, nothing after it, the end
/// of TCP, and one error for the application that names the section.
fn violations_end_in_one_close(echo: Echo) {
    let server = Program::echo(echo);
    let ways: [(&str, Way); 3] = [
        ("alone", |peer, bytes| peer.write(bytes)),
        ("byte by byte", |peer, bytes| {
            let (head, tail) = bytes.split_at(bytes.len().min(200));
            head.chunks(1).for_each(|byte| peer.write(byte));
            peer.write(tail);
        }),
        ("more behind it", |peer, bytes| {
            let more = [masked(0x81, b"more"), masked(0x89, b"ping"), close(1000, b"")].concat();
            peer.write(&[bytes, &more].concat());
        }),
    ];
    for (rule, bytes, code, section) in violations() {
        for (how, send) in ways {
            let mut peer = Peer::open(server.address);
            send(&mut peer, &bytes);
            peer.failed_with(code, &format!("{rule}, {how}: {bytes:?}"));
            peer.end(); // or the server lingers for it
            server.has_said(peer.address(), section, &format!("{rule}, {how}"));
        }
    }
}

/// The same glued to the request: the 101 comes first, then the Close.
fn h12_violations_glued_to_the_request(echo: Echo) {
    let server = Program::echo(echo);
    for (rule, bytes, code, _) in violations() {
        let mut peer = Peer::tcp(server.address);
        peer.write(&[REQUEST.as_bytes(), &bytes].concat());
        peer.accepted();
        peer.failed_with(code, rule);
    }
}

/// A violation does not take back what came before it.
fn f4_messages_before_a_violation_are_answered(echo: Echo) {
    let server = Program::echo(echo);
    let mut peer = Peer::open(server.address);
    peer.write(&[masked(0x81, b"good"), masked(0x89, b"p"), masked(0x80, b"")].concat());
    let frames = peer.frames();
    let expected =
        [Frame::new(0x81, b"good"), Frame::new(0x8A, b"p"), Frame::new(0x88, &[0x03, 0xEA])];
    assert_eq!(frames, expected);
}

/// Streams of frames, and the frames that answer them, wherever the stream is cut.
fn good_frames_at_every_cut(echo: Echo) {
    let server = Program::echo(echo);
    let euro = "\u{20AC}".as_bytes();
    let rows: Vec<(&str, Vec<u8>, Vec<Frame>)> = vec![
        ("F1 text", masked(0x81, b"text"), vec![Frame::new(0x81, b"text")]),
        ("F1 empty binary", masked(0x82, b""), vec![Frame::new(0x82, b"")]),
        (
            "F1 another key",
            [&[0x82, 0x82, 1, 2, 3, 4][..], &[5 ^ 1, 6 ^ 2]].concat(),
            vec![Frame::new(0x82, &[5, 6])],
        ),
        (
            "F5 Ping, Pong between fragments",
            [
                masked(0x01, b"a"),
                masked(0x89, b"ping"),
                masked(0x8A, b"unasked"),
                masked(0x80, b"b"),
            ]
            .concat(),
            vec![Frame::new(0x8A, b"ping"), Frame::new(0x81, b"ab")],
        ),
        (
            "F5 a Close between fragments",
            [masked(0x01, b"a"), close(1000, b""), masked(0x80, b"b")].concat(),
            vec![Frame::new(0x88, &[0x03, 0xE8])],
        ),
        (
            "U3 a code point in three fragments",
            [masked(0x01, &euro[..1]), masked(0x00, &euro[1..2]), masked(0x80, &euro[2..])]
                .concat(),
            vec![Frame::new(0x81, euro)],
        ),
        (
            "U3 four fragments of one byte",
            [
                masked(0x01, b"\xF0"),
                masked(0x00, b"\x9D"),
                masked(0x00, b"\x84"),
                masked(0x80, b"\x9E"),
            ]
            .concat(),
            vec![Frame::new(0x81, "\u{1D11E}".as_bytes())],
        ),
        (
            "U8 BOM and NUL",
            masked(0x81, b"\xEF\xBB\xBF\0"),
            vec![Frame::new(0x81, b"\xEF\xBB\xBF\0")],
        ),
        ("F9 125", masked(0x82, &[7; 125]), vec![Frame::new(0x82, &[7; 125])]),
        ("F9 126", masked(0x82, &[7; 126]), vec![Frame::new(0x82, &[7; 126])]),
    ];
    for (rule, bytes, expected) in rows {
        for cut in 0..bytes.len() {
            let mut peer = Peer::open(server.address);
            peer.write(&bytes[..cut]);
            // Only once this is read does the rest follow: else it is one read after all.
            #[cfg(target_os = "linux")]
            crate::process::wait_until_all_is_read(&server);
            peer.write(&bytes[cut..]);
            let frames: Vec<Frame> = expected.iter().map_while(|_| peer.frame()).collect();
            assert_eq!(frames, expected, "{rule}, cut at {cut}");
        }
    }
}

/// F9, F10: the lengths around each form of the header, in both directions; that ours are the
/// shortest ones, and not masked, is what `Peer::frame` insists on, here and everywhere.
fn f9_f10_lengths(echo: Echo) {
    let server = Program::echo(echo);
    let mut peer = Peer::open(server.address);
    for len in [0, 1, 125, 126, 127, 65_535, 65_536, 200_000] {
        let payload: Vec<u8> = (0..=250).cycle().take(len).collect();
        for key in [[0; 4], [1, 2, 3, 4], [0xFF; 4]] {
            let mut frame = header(0x82, len);
            let at = frame.len() - 4;
            frame[at..].copy_from_slice(&key);
            frame.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
            peer.write(&frame);
            assert_eq!(peer.frame(), Some(Frame::new(0x82, &payload)), "{len} {key:?}");
        }
    }
}
