//! The chat server of the program, where HTTP is hyper's and everything behind it the engine's: the same
//! rules.

use crate::{
    frames::violations,
    handshake::{good_requests, refusals},
    peer::{ACCEPT, Frame, Peer, close, header, masked},
    program::Program,
};

/// Says something, and hears it from the room.
fn say(peer: &mut Peer, text: &str) {
    peer.write(&masked(0x81, text.as_bytes()));
    assert_eq!(peer.frame(), Some(Frame::new(0x81, format!("User: {text}").as_bytes())));
}

#[test]
fn good_requests_enter_the_room() {
    let server = Program::chat();
    for (rule, request) in good_requests() {
        let mut peer = Peer::tcp(server.address);
        peer.write(&request);
        let answer = peer.answer();
        assert_eq!(answer.status, 101, "{rule}: {answer:?}");
        assert_eq!(answer.header("sec-websocket-accept"), Some(ACCEPT), "{rule}");
        say(&mut peer, rule);
    }
}

/// What is a handshake and a wrong one gets the same status. (What is no handshake gets a page, or
/// hyper's answer.)
#[test]
fn h4_h5_h6_h8_refusals() {
    let server = Program::chat();
    let mut count = 0;
    for (rule, request, status) in refusals() {
        if !["H4", "H5", "H8 a body", "H8 chunks"].iter().any(|id| rule.starts_with(id))
            && !["H6 no Host", "H6 two Hosts", "H16 an unclosed quote"].contains(&rule)
        {
            continue;
        }
        count += 1;
        let mut peer = Peer::tcp(server.address);
        peer.write(&request);
        let answer = peer.answer();
        assert_eq!(answer.status, status, "{rule}: {answer:?}");
        assert!(!answer.body.is_empty(), "{rule}: a refusal says why");
    }
    assert_eq!(count, 14);
}

#[test]
fn violations_end_in_one_close() {
    let server = Program::chat();
    for (rule, bytes, code, section) in violations() {
        // There is no message of megabytes here.
        let is_long = rule.contains("megabytes");
        let (code, section) = if is_long { (1009, "RFC 6455 §10.4") } else { (code, section) };
        let mut peer = Peer::open(server.address);
        peer.write(&bytes);
        peer.failed_with(code, rule);
        peer.end();
        let said = server.said_about(peer.address());
        assert!(said.len() == 1 && said[0].contains(section), "{rule}: {said:?}");
    }
}

#[test]
fn k3_k5_k6_closes() {
    let server = Program::chat();
    for code in [1000, 1001, 1003, 1007, 1014, 3000, 4999] {
        let mut peer = Peer::open(server.address);
        peer.write(&[close(code, b"a reason"), masked(0x81, b"late")].concat());
        assert_eq!(peer.frames(), [Frame::new(0x88, &code.to_be_bytes())], "{code}");
    }
    let mut peer = Peer::open(server.address);
    peer.write(&masked(0x88, b""));
    assert_eq!(peer.frames(), [Frame::new(0x88, b"")]);
}

/// F5, F8, L4: control frames are answered between fragments, and what is too long or too many is
/// refused with the room's limits.
#[test]
fn f5_f8_l1_l4_limits() {
    let server = Program::chat();
    let mut peer = Peer::open(server.address);
    peer.write(&[masked(0x01, b"a"), masked(0x89, b"p"), masked(0x80, b"b")].concat());
    assert_eq!(peer.frame(), Some(Frame::new(0x8A, b"p")));
    assert_eq!(peer.frame(), Some(Frame::new(0x81, b"User: ab")));

    let rows: [(&str, Vec<u8>, u16); 3] = [
        ("F8 64 KiB and one", header(0x81, (64 << 10) + 1), 1009),
        ("L1 4097 fragments", [masked(0x01, b""), masked(0x00, b"").repeat(4096)].concat(), 1008),
        ("L4 Pings", masked(0x89, b"").repeat(30_000), 1008),
    ];
    for (rule, bytes, code) in rows {
        let mut peer = Peer::open(server.address);
        peer.write(&bytes);
        let frames = peer.frames();
        assert_eq!(frames.last(), Some(&Frame::new(0x88, &code.to_be_bytes())), "{rule}");
        let pongs = &frames[..frames.len() - 1];
        assert!(pongs.iter().all(|frame| *frame == Frame::new(0x8A, b"")), "{rule}");
    }
}

/// L5, L13: who floods the room and does not read is slowed down, and others still talk. Nobody's
/// memory is the room's.
#[test]
#[cfg(target_os = "linux")]
fn l5_l13_a_flood_beside_others() {
    let server = Program::chat();
    let mut others: Vec<Peer> = (0..3).map(|_| Peer::open(server.address)).collect();
    let before = server.memory();
    let mut flooding = Peer::open(server.address);
    flooding.io.set_write_timeout(Some(std::time::Duration::from_millis(500))).unwrap();
    let block = masked(0x81, &[b'x'; 1000]).repeat(1000);
    while std::io::Write::write_all(&mut flooding.io, &block).is_ok() {}
    for text in ["still", "here"] {
        others[0].write(&masked(0x81, text.as_bytes()));
        let wanted = Frame::new(0x81, format!("User: {text}").as_bytes());
        for other in &mut others {
            // Between what the flood has said, or in the end when the reader was too slow.
            while other.frame().expect("the room goes on") != wanted {}
        }
    }
    let growth = server.memory().saturating_sub(before);
    assert!(growth < 8 << 20, "{growth}");
}
