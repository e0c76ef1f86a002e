//! The opening handshake: H1 to H16.

use std::time::{Duration, Instant};

use crate::{
    peer::{ACCEPT, Frame, Peer, REQUEST, masked},
    program::{Echo, Program},
};

on_every_server! {
    good_requests_by_rule,
    refusals_by_rule,
    h10_a_long_head_byte_by_byte,
    h11_half_a_request,
    h12_frames_glued_to_the_request,
    h13_noise,
}

/// The good request with these header lines in place of those of the same names, or added to it.
fn with(lines: &[&str]) -> Vec<u8> {
    let mut request: Vec<String> =
        REQUEST.trim_end().split("\r\n").map(ToOwned::to_owned).collect();
    let name = |line: &str| line.split(':').next().unwrap_or_default().to_ascii_lowercase();
    for line in lines {
        request.retain(|old| !old.contains(':') || name(old) != name(line));
    }
    request.extend(lines.iter().map(ToString::to_string));
    format!("{}\r\n\r\n", request.join("\r\n")).into_bytes()
}

/// The good request without the header `name`.
fn without(name: &str) -> Vec<u8> {
    let kept = REQUEST.split_inclusive("\r\n").filter(|line| !line.starts_with(name));
    kept.collect::<String>().into_bytes()
}

fn replaced(from: &str, to: &str) -> Vec<u8> {
    assert!(REQUEST.contains(from), "{from}");
    REQUEST.replace(from, to).into_bytes()
}

/// Requests that are accepted.
pub fn good_requests() -> [(&'static str, Vec<u8>); 12] {
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    [
        ("H1", REQUEST.into()),
        ("H7 keep-alive, Upgrade", with(&["Connection: keep-alive, Upgrade"])),
        ("H7 any case", with(&["CONNECTION: uPGRADE", "uPGRADE: WEBsocket"])),
        ("H7 two lines", with(&["Connection: keep-alive", "Connection: x, upgrade"])),
        ("H7 a list of protocols", with(&["Upgrade: h2c, websocket"])),
        ("H7 spaces around a value", with(&["Upgrade: \t websocket \t"])),
        ("H8 Content-Length: 0", with(&["Content-Length: 0"])),
        ("H9 an unknown subprotocol", with(&["Sec-WebSocket-Protocol: a, b"])),
        (
            "H9 unknown ones on two lines",
            with(&["Sec-WebSocket-Protocol: a", "Sec-WebSocket-Protocol: b"]),
        ),
        ("H1 an unknown extension", with(&["Sec-WebSocket-Extensions: x-unknown; a=\"b\""])),
        ("H1 an empty line before it", [b"\r\n", REQUEST.as_bytes()].concat()),
        ("H1 the key in another place", with(&[key])),
    ]
}

fn good_requests_by_rule(echo: Echo) {
    let server = Program::echo(echo);
    for (rule, request) in good_requests() {
        let mut peer = Peer::tcp(server.address);
        peer.write(&request);
        let answer = peer.answer();
        assert_eq!(answer.status, 101, "{rule}: {answer:?}");
        assert_eq!(answer.header("sec-websocket-accept"), Some(ACCEPT), "{rule}");
        assert_eq!(answer.header("sec-websocket-protocol"), None, "{rule}");
        assert_eq!(answer.header("sec-websocket-extensions"), None, "{rule}");
        peer.round_trip(rule);
    }
}

/// Requests that are refused, and the status that they get.
pub fn refusals() -> Vec<(&'static str, Vec<u8>, u16)> {
    let many =
        |count: usize| replaced("Host: a\r\n", &format!("Host: a\r\n{}", "X: y\r\n".repeat(count)));
    let long = |len: usize| with(&[&format!("X: {}", "y".repeat(len))]);
    vec![
        ("H2 no Upgrade", without("Upgrade"), 426),
        ("H2 another Upgrade", with(&["Upgrade: h2c"]), 426),
        ("H2 a bare request", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(), 426),
        ("H3 no Connection", without("Connection"), 400),
        ("H3 no token in it", with(&["Connection: keep-alive"]), 400),
        ("H4 no version", without("Sec-WebSocket-Version"), 426),
        ("H4 version 8", with(&["Sec-WebSocket-Version: 8"]), 426),
        ("H4 version 130", with(&["Sec-WebSocket-Version: 130"]), 426),
        ("H5 no key", without("Sec-WebSocket-Key"), 400),
        ("H5 3 bytes", with(&["Sec-WebSocket-Key: QUJD"]), 400),
        ("H5 17 bytes", with(&["Sec-WebSocket-Key: QUJDREVGR0hJSktMTU5PUFE="]), 400),
        ("H5 not base64", with(&["Sec-WebSocket-Key: !GhlIHNhbXBsZSBub25jZQ=="]), 400),
        ("H5 an empty key", with(&["Sec-WebSocket-Key:"]), 400),
        (
            "H5 two keys",
            replaced("Host: a\r\n", "Host: a\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"),
            400,
        ),
        ("H6 POST", replaced("GET", "POST"), 405),
        ("H6 HTTP/1.0", replaced("HTTP/1.1", "HTTP/1.0"), 426),
        ("H6 HTTP/2.0", replaced("HTTP/1.1", "HTTP/2.0"), 505),
        ("H6 no Host", without("Host"), 400),
        ("H6 two Hosts", replaced("Host: a\r\n", "Host: a\r\nHost: a\r\n"), 400),
        ("H8 a body", [with(&["Content-Length: 5"]), b"hello".to_vec()].concat(), 400),
        ("H8 chunks", [with(&["Transfer-Encoding: chunked"]), b"0\r\n\r\n".to_vec()].concat(), 400),
        ("H8 a length that is none", with(&["Content-Length: -1"]), 400),
        ("H10 65 headers", many(60), 431),
        ("H10 bytes", long(16 << 10), 431),
        ("H10 64 KiB", long(64 << 10), 431),
        (
            "H10 a request line of 64 KiB",
            replaced("GET /", &format!("GET /{}", "y".repeat(64 << 10))),
            431,
        ),
        ("H13 a lone LF", replaced("Host: a\r\n", "Host: a\n"), 400),
        ("H13 a folded line", replaced("Host: a\r\n", "Host: a\r\nX: y\r\n z\r\n"), 400),
        ("H13 NUL", replaced("Host: a\r\n", "Host: a\r\nX: \0\r\n"), 400),
        ("H13 a space before the colon", replaced("Host: a", "Host : a"), 400),
        ("H13 a target that is not ASCII", replaced("GET /", "GET /\u{e4}"), 400),
        // What follows a space is where the version is looked for.
        ("H13 a target with a space", replaced("GET /", "GET /a b"), 505),
        ("H13 Host: [::1", replaced("Host: a", "Host: [::1"), 400),
        ("H13 Host: a b", replaced("Host: a", "Host: a b"), 400),
        ("H13 no HTTP at all", b"\x16\x03\x01\x02\0\x01\0\x01\xFC\x03\x03\r\n\r\n".to_vec(), 400),
        ("H13 one word", b"GET\r\n\r\n".to_vec(), 400),
        ("H16 an unclosed quote", with(&["Sec-WebSocket-Extensions: a; b=\"c"]), 400),
        (
            "H16 commas",
            with(&[&format!("Sec-WebSocket-Extensions: {}", ",".repeat(15 << 10))]),
            400,
        ),
        (
            "H16 parameters",
            with(&[&format!("Sec-WebSocket-Extensions: a{}", ";b".repeat(7 << 10))]),
            400,
        ),
        (
            "H16 10^5 parameters",
            with(&[&format!("Sec-WebSocket-Extensions: a{}", "; b".repeat(100_000))]),
            431,
        ),
        (
            "H16 64 KiB of commas",
            with(&[&format!("Sec-WebSocket-Extensions: {}", ",".repeat(64 << 10))]),
            431,
        ),
    ]
}

fn refusals_by_rule(echo: Echo) {
    let server = Program::echo(echo);
    for (rule, request, status) in refusals() {
        let mut peer = Peer::tcp(server.address);
        peer.write(&request);
        let answer = peer.answer();
        assert_eq!(answer.status, status, "{rule}: {answer:?}");
        assert!(!answer.body.is_empty(), "{rule}: a refusal says why");
        if rule.starts_with("H4") {
            assert_eq!(answer.header("sec-websocket-version"), Some("13"), "{rule}");
        }
        if status == 426 {
            assert_eq!(answer.header("upgrade"), Some("websocket"), "{rule}");
        }
        if status == 405 {
            assert_eq!(answer.header("allow"), Some("GET"), "{rule}");
        }
        let closes = answer.header("connection").is_some_and(|value| value.contains("close"));
        assert!(closes, "{rule}: {answer:?}");
        peer.end(); // or the server lingers for it
        server.has_said(peer.address(), "", rule);
    }
}

/// H10: 64 KiB, a byte at a time, cost what 64 KiB cost; and 431 comes at the limit.
fn h10_a_long_head_byte_by_byte(echo: Echo) {
    let server = Program::echo(echo);
    let mut peer = Peer::tcp(server.address);
    for byte in with(&[&format!("X: {}", "y".repeat(64 << 10))]) {
        peer.write(&[byte]);
    }
    assert_eq!(peer.answer().status, 431);
}

/// H11: half a request is answered by 408 when the ten seconds are over, and not before.
fn h11_half_a_request(echo: Echo) {
    let server = Program::echo(echo);
    let began = Instant::now();
    let mut silent = Peer::tcp(server.address);
    let mut half = Peer::tcp(server.address);
    half.write(&REQUEST.as_bytes()[..100]);
    assert_eq!(half.answer().status, 408);
    match echo {
        Echo::Library => assert_eq!(silent.answer().status, 408),
        // Who asked nothing gets no answer.
        Echo::Engine(_) => assert!(!silent.skip()),
    }
    assert!(began.elapsed() > Duration::from_secs(9), "{:?}", began.elapsed());
    server.has_said(half.address(), "handshake", "H11");
}

/// H12: frames that are glued to the request arrive, wherever the stream is cut.
fn h12_frames_glued_to_the_request(echo: Echo) {
    let server = Program::echo(echo);
    let stream =
        [REQUEST.as_bytes(), &masked(0x81, b"glued"), &masked(0x89, b"p"), &masked(0x82, b"")]
            .concat();
    for cut in 0..stream.len() {
        let mut peer = Peer::tcp(server.address);
        peer.write(&stream[..cut]);
        #[cfg(target_os = "linux")]
        crate::process::wait_until_all_is_read(&server);
        peer.write(&stream[cut..]);
        peer.accepted();
        let frames: Vec<_> = (0..3).map_while(|_| peer.frame()).collect();
        let expected = [Frame::new(0x81, b"glued"), Frame::new(0x8A, b"p"), Frame::new(0x82, b"")];
        assert_eq!(frames, expected, "cut at {cut}");
    }
}

/// H13: any bytes at all get an answer or an end, and the server lives on.
fn h13_noise(echo: Echo) {
    let server = Program::echo(echo);
    // A small generator of our own: the same noise each time.
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for _ in 0..300 {
        let mut request = REQUEST.as_bytes().to_vec();
        for _ in 0..=random() % 4 {
            let at = usize::try_from(random()).unwrap_or(0) % request.len();
            request[at] = random().to_le_bytes()[0];
        }
        let mut peer = Peer::tcp(server.address);
        peer.write(&request);
        peer.end();
        // A head whose end was hit is cut off by our end, and needs no answer.
        while peer.skip() {}
    }
    Peer::open(server.address).round_trip("still here");
}
