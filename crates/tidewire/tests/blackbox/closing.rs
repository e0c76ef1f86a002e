//! The closing handshake and the end of TCP: K1 to K14. (The violations, K1, K2 and K4, stand
//! with the others in `frames`.)

use std::io::Read;

use crate::{
    peer::{Frame, Peer, close, header, masked},
    program::{Echo, Program},
};

on_every_backend! {
    k3_k5_k7_a_close_is_answered_and_tcp_ends,
    k6_nothing_is_processed_after_a_close,
    k9_a_close_inside_a_message,
    k10_no_close_is_1006_and_never_on_the_wire,
    k10_a_half_closed_peer_gets_its_answers,
    k14_a_violation_while_much_is_unread,
    k14_unread_input_does_not_eat_the_close,
}

/// K3, K5, K7: the code is echoed without its reason, an empty Close by an empty one; the server
/// ends TCP at once.
fn k3_k5_k7_a_close_is_answered_and_tcp_ends(echo: Echo) {
    let server = Program::echo(echo);
    let codes = (1000..=1003).chain(1007..=1014).chain([3000, 3999, 4000, 4999]);
    for code in codes {
        for reason in [&b""[..], b"a reason", &[b'r'; 123]] {
            let mut peer = Peer::open(server.address);
            peer.write(&close(code, reason));
            assert_eq!(peer.frames(), [Frame::new(0x88, &code.to_be_bytes())], "{code}");
        }
    }
    let mut peer = Peer::open(server.address);
    peer.write(&masked(0x88, b""));
    assert_eq!(peer.frames(), [Frame::new(0x88, b"")]);
    assert_eq!(server.said(), [""; 0], "a clean end is no error");
}

/// K6: after its Close the peer may say what it likes: none of it is processed.
fn k6_nothing_is_processed_after_a_close(echo: Echo) {
    let server = Program::echo(echo);
    let after: [(&str, Vec<u8>); 4] = [
        ("data", masked(0x81, b"data")),
        ("a Ping", masked(0x89, b"ping")),
        ("a second Close", close(1001, b"")),
        ("a violation", vec![0x83, 0x00]),
    ];
    for (what, bytes) in after {
        let mut peer = Peer::open(server.address);
        peer.write(&[close(1000, b""), bytes].concat());
        assert_eq!(peer.frames(), [Frame::new(0x88, &[0x03, 0xE8])], "{what}");
    }
    assert_eq!(server.said(), [""; 0]);
}

/// K9: a message that is half here when the Close comes is never finished, nor missed.
fn k9_a_close_inside_a_message(echo: Echo) {
    let server = Program::echo(echo);
    let mut peer = Peer::open(server.address);
    peer.write(&[masked(0x02, &vec![1; 70_000]), close(1001, b"")].concat());
    assert_eq!(peer.frames(), [Frame::new(0x88, &[0x03, 0xE9])]);
}

/// K10: TCP ends without a Close: 1006 is what the application learns, and no frame says it.
fn k10_no_close_is_1006_and_never_on_the_wire(echo: Echo) {
    let server = Program::echo(echo);
    let rows: [(&str, Vec<u8>); 4] = [
        ("nothing", vec![]),
        ("half a header", vec![0x81]),
        ("half a frame", [header(0x81, 100), vec![b'a'; 50]].concat()),
        ("half a message", masked(0x01, b"a")),
    ];
    for (what, bytes) in rows {
        let mut peer = Peer::open(server.address);
        peer.write(&bytes);
        peer.end();
        assert_eq!(peer.frames(), [], "{what}");
        server.has_said(peer.address(), "1006", what);
    }
}

/// K10: what was asked before the end is answered before the end.
fn k10_a_half_closed_peer_gets_its_answers(echo: Echo) {
    let server = Program::echo(echo);
    let mut peer = Peer::open(server.address);
    peer.write(&masked(0x81, b"last").repeat(1000));
    peer.end();
    let frames = peer.frames();
    assert_eq!(frames.len(), 1000);
    assert!(frames.iter().all(|frame| *frame == Frame::new(0x81, b"last")));
}

/// K9, K14: a peer that has not read its echoes when it breaks a rule gets whole frames, the Close,
/// and the end: the application of an echo server is inside `send` then.
fn k14_a_violation_while_much_is_unread(echo: Echo) {
    let server = Program::echo(echo);
    for (bytes, code) in [(vec![0x83, 0x80, 0, 0, 0, 0], 1002_u16), (close(1000, b""), 1000)] {
        let mut peer = Peer::open(server.address);
        let mut writer = peer.io.try_clone().unwrap();
        let message = masked(0x82, &vec![7; 60_000]);
        let stream = [message.repeat(100), bytes].concat();
        let writing = std::thread::spawn(move || std::io::Write::write_all(&mut writer, &stream));
        // The first echo has come: from now on the server is ahead of us.
        let mut frames = vec![peer.frame().expect("an echo")];
        writing.join().unwrap().expect("the server takes it all while we do not read");
        frames.extend(peer.frames());
        let last = frames.pop();
        assert_eq!(last, Some(Frame::new(0x88, &code.to_be_bytes())), "{} echoes", frames.len());
        assert!(frames.iter().all(|frame| *frame == Frame::new(0x82, &vec![7; 60_000])));
    }
}

/// K14: what nobody reads any more does not turn our Close into a reset.
fn k14_unread_input_does_not_eat_the_close(echo: Echo) {
    let server = Program::echo(echo);
    let rows: [(&str, Vec<u8>, u16); 3] = [
        ("a violation", vec![0x83, 0x80, 0, 0, 0, 0], 1002),
        ("too long", header(0x82, 300 << 20), 1009),
        ("a Close", close(1000, b""), 1000),
    ];
    for (what, first, code) in rows {
        let mut peer = Peer::open(server.address);
        peer.write(&first);
        // 300 MiB, or what is taken of it.
        let block = vec![0; 1 << 20];
        for _ in 0..300 {
            peer.write(&block);
        }
        peer.failed_with(code, what);
    }
    // Within the bound of what is drained, the peer is not even told that it may not write.
    let mut peer = Peer::open(server.address);
    peer.write(&[0x83, 0x80, 0, 0, 0, 0]);
    std::io::Write::write_all(&mut peer.io, &vec![0; 4 << 20]).expect("no reset");
    peer.end();
    peer.failed_with(1002, "4 MiB behind a violation");
    assert_eq!(peer.io.read(&mut [0]).expect("no reset"), 0);
}
