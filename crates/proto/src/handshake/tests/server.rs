use alloc::{string::ToString as _, vec};

use super::*;
use crate::extension::{Extension, ExtensionError};
use HeadError as H;
use RequestError as E;

#[test]
fn h1_good_request_is_accepted() {
    let request = upgrade(&request_with(&[]));
    assert_eq!(request.resource_name(), "/chat");
    assert_eq!(request.version(), HttpVersion::Http11);
    assert_eq!((request.origin(), request.subprotocols().count()), (None, 0));
    assert!(request.extensions().is_empty());
    let response = request.accept(&Accept::new()).unwrap();
    assert_eq!(
        response.encode(),
        format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {ACCEPT}\r\n\r\n"
        )
        .as_bytes()
    );
}

#[test]
fn requests_that_are_accepted() {
    type Row = (&'static str, &'static [(&'static str, Option<&'static str>)]);
    let cases: &[Row] = &[
        ("H7 a list in Connection", &[("Connection", Some("keep-alive, Upgrade"))]),
        ("H7 any case", &[("Connection", Some("uPGRADE")), ("Upgrade", Some("WebSocket"))]),
        ("H7 lines", &[("Connection", Some("keep-alive")), ("Connection", Some("upgrade"))]),
        ("H7 a list in Upgrade", &[("Upgrade", Some("h2c, websocket"))]),
        ("H7 lines of Upgrade", &[("Upgrade", Some("h2c")), ("Upgrade", Some("websocket"))]),
        ("H7 empty elements", &[("Connection", Some(",, Upgrade,"))]),
        ("H8 Content-Length: 0", &[("Content-Length", Some("0"))]),
        ("H13 IPv6", &[("Host", Some("[::1]:8080"))]),
        ("H13 empty port", &[("Host", Some("example.com:"))]),
        (
            "§4.2.1 item 5 spaces around",
            &[("Sec-WebSocket-Key", Some(" dGhlIHNhbXBsZSBub25jZQ==\t"))],
        ),
        ("§4.2.1 item 7 Origin", &[("Origin", Some("https://example.com"))]),
        ("D2 an extension without value", &[("Sec-WebSocket-Extensions", Some("foo; a="))]),
        ("RFC 9110 §5.6.1.2", &[("Sec-WebSocket-Extensions", Some(""))]),
        ("RFC 9110 §5.6.1.2", &[("Sec-WebSocket-Protocol", Some(" "))]),
        ("RFC 9110 §5.5 values above ASCII", &[("Cookie", Some("a=\u{e4}"))]),
    ];
    for (rule, changes) in cases {
        let bytes = request_with(changes);
        assert!(matches!(receive(&bytes), Ok(Some(Request::WebSocket(_)))), "{rule}");
    }
    // H7: the order of lines means nothing.
    let mut lines: Vec<_> = GOOD.iter().map(|(name, value)| (*name, Some(*value))).collect();
    lines.reverse();
    upgrade(&request_with(&lines));
}

#[test]
fn requests_that_are_refused() {
    type Row<'a> = (&'a str, &'a [(&'a str, Option<&'a str>)], E, u16);
    let key3 = "AAAA";
    let cases: &[Row<'_>] = &[
        ("H2 no Upgrade", &[("Upgrade", None)], E::UpgradeMissing, 426),
        ("H2 another Upgrade", &[("Upgrade", Some("h2c"))], E::UpgradeMissing, 426),
        ("H2 a longer word", &[("Upgrade", Some("websockets"))], E::UpgradeMissing, 426),
        ("H3 no Connection", &[("Connection", None)], E::ConnectionMissing, 400),
        ("H3 no token", &[("Connection", Some("close"))], E::ConnectionMissing, 400),
        ("H4 no version", &[("Sec-WebSocket-Version", None)], E::VersionUnsupported, 426),
        ("H4 version 8", &[("Sec-WebSocket-Version", Some("8"))], E::VersionUnsupported, 426),
        ("H4 version 013", &[("Sec-WebSocket-Version", Some("013"))], E::VersionUnsupported, 426),
        ("H4 a list", &[("Sec-WebSocket-Version", Some("13, 8"))], E::VersionUnsupported, 426),
        (
            "H4 §11.3.5 twice",
            &[("Sec-WebSocket-Version", Some("13")), ("Sec-WebSocket-Version", Some("13"))],
            E::VersionRepeated,
            400,
        ),
        ("H5 no key", &[("Sec-WebSocket-Key", None)], E::KeyMissing, 400),
        ("H5 3 bytes", &[("Sec-WebSocket-Key", Some(key3))], E::KeyInvalid, 400),
        ("H5 empty", &[("Sec-WebSocket-Key", Some(""))], E::KeyInvalid, 400),
        (
            "H5 not base64",
            &[("Sec-WebSocket-Key", Some("!!!!!!!!!!!!!!!!!!!!!!=="))],
            E::KeyInvalid,
            400,
        ),
        (
            "H5 §11.3.1 two keys",
            &[("Sec-WebSocket-Key", Some(KEY)), ("Sec-WebSocket-Key", Some(KEY))],
            E::KeyRepeated,
            400,
        ),
        ("H6 no Host", &[("Host", None)], E::HostMissing, 400),
        ("H6 two", &[("Host", Some("a")), ("Host", Some("a"))], E::HostRepeated, 400),
        ("H8 a body", &[("Content-Length", Some("1"))], E::Body, 400),
        ("H8 no number", &[("Content-Length", Some("-0"))], E::Body, 400),
        ("H8 nothing", &[("Content-Length", Some(""))], E::Body, 400),
        ("H8 two", &[("Content-Length", Some("0")), ("Content-Length", Some("5"))], E::Body, 400),
        ("H8 chunks", &[("Transfer-Encoding", Some("chunked"))], E::Body, 400),
        ("H8 identity", &[("Transfer-Encoding", Some("identity"))], E::Body, 400),
        ("H13 unclosed", &[("Host", Some("[::1"))], E::HostInvalid, 400),
        ("H13 a space", &[("Host", Some("a b"))], E::HostInvalid, 400),
        ("H13 empty", &[("Host", Some(""))], E::HostInvalid, 400),
        ("H13 user info", &[("Host", Some("u@a"))], E::HostInvalid, 400),
        ("H13 a port too high", &[("Host", Some("a:99999"))], E::HostInvalid, 400),
        ("H13 not ASCII", &[("Host", Some("\u{e4}"))], E::HostInvalid, 400),
        (
            "H15 two",
            &[("Origin", Some("http://a")), ("Origin", Some("http://b"))],
            E::OriginRepeated,
            400,
        ),
        ("H15 not ASCII", &[("Origin", Some("http://\u{e4}"))], E::OriginInvalid, 400),
        (
            "H16 unclosed quote",
            &[("Sec-WebSocket-Extensions", Some("foo; a=\"b"))],
            E::Extensions(ExtensionError::UnclosedQuote),
            400,
        ),
        ("§4.1 item 10", &[("Sec-WebSocket-Protocol", Some("a b"))], E::SubprotocolInvalid, 400),
        (
            "§4.1 item 10",
            &[("Sec-WebSocket-Protocol", Some("a\u{e4}"))],
            E::SubprotocolInvalid,
            400,
        ),
        (
            "§4.1 item 10 unique",
            &[("Sec-WebSocket-Protocol", Some("a, b, a"))],
            E::SubprotocolRepeated,
            400,
        ),
    ];
    for (rule, changes, error, status) in cases {
        assert_refused(rule, &request_with(changes), *error, *status);
    }
}

/// The error, its status, and a response that closes and says one sentence.
fn assert_refused(rule: &str, bytes: &[u8], error: E, status: u16) {
    assert_eq!(receive(bytes).unwrap_err(), error, "{rule}");
    assert_eq!(error.status(), status, "{rule}");
    let response = Rejection::from(error).to_response(HttpVersion::Http11);
    assert_eq!(response.status(), status, "{rule}");
    assert!(response.headers().list_contains("connection", "close"), "{rule}");
    let body = core::str::from_utf8(response.body()).unwrap();
    assert_eq!(body, format!("{error}\n"), "{rule}");
    assert!(body.contains(" (RFC ") && body.contains(error.section()), "{rule}: {body}");
    let length = response.headers().get("content-length").unwrap();
    assert_eq!(length, response.body().len().to_string().as_bytes(), "{rule}");
}

#[test]
fn request_lines() {
    let cases: &[(&str, &str, E, u16)] = &[
        ("H6 POST", "POST /chat HTTP/1.1", E::Method, 405),
        ("H6 get", "get /chat HTTP/1.1", E::Method, 405),
        ("H6 HTTP/1.0", "GET /chat HTTP/1.0", E::Http10, 426),
        ("H6 HTTP/2.0", "GET /chat HTTP/2.0", E::Head(H::Version), 505),
        ("H6 HTTP/1.2", "GET /chat HTTP/1.2", E::Head(H::Version), 505),
        ("H6 no version", "GET /chat", E::Head(H::StartLine), 400),
        ("H13 not ASCII", "GET /\u{e4} HTTP/1.1", E::TargetInvalid, 400),
        ("H13 fragment", "GET /chat#a HTTP/1.1", E::TargetInvalid, 400),
        ("§4.2.1 item 1", "GET chat HTTP/1.1", E::TargetInvalid, 400),
        ("§4.2.1 item 1", "GET * HTTP/1.1", E::TargetInvalid, 400),
        ("§4.2.1 item 1", "GET ftp://a/ HTTP/1.1", E::TargetInvalid, 400),
        ("RFC 9112 §3.2.2", "GET http://a b/ HTTP/1.1", E::Head(H::Version), 505),
        ("RFC 9112 §3.2.2", "GET http://u@a/ HTTP/1.1", E::HostInvalid, 400),
        ("RFC 9112 §3.1", "G@T / HTTP/1.1", E::Head(H::StartLine), 400),
    ];
    for (rule, line, error, status) in cases {
        assert_refused(rule, &with_line(line), *error, *status);
    }
    let allow = Rejection::from(E::Method).to_response(HttpVersion::Http11);
    assert_eq!(allow.headers().get("allow"), Some(&b"GET"[..]), "RFC 9110 §15.5.6");
}

fn with_line(line: &str) -> Vec<u8> {
    let good = request_with(&[]);
    let rest = good.iter().position(|&byte| byte == b'\r').unwrap();
    [line.as_bytes(), &good[rest..]].concat()
}

#[test]
fn targets() {
    // rule, target, resource name, path, query, authority
    let cases = [
        ("§3", "/a?b=c?d", "/a?b=c?d", "/a", Some("b=c?d"), "example.com"),
        ("§3", "/", "/", "/", None, "example.com"),
        ("§3", "/?", "/?", "/", Some(""), "example.com"),
        ("§3", "//a", "//a", "//a", None, "example.com"),
        ("RFC 9112 §3.2.2", "http://b:81/a?c", "/a?c", "/a", Some("c"), "b:81"),
        ("RFC 9112 §3.2.2", "HTTPS://b", "/", "/", None, "b"),
        ("RFC 9112 §3.2.2", "ws://b?c", "/?c", "/", Some("c"), "b"),
    ];
    for (rule, target, resource_name, path, query, authority) in cases {
        let request = upgrade(&with_line(&format!("GET {target} HTTP/1.1")));
        assert_eq!(request.resource_name(), resource_name, "{rule}: {target}");
        assert_eq!((request.path(), request.query()), (path, query), "{rule}: {target}");
        assert_eq!(request.authority().to_string(), authority, "{rule}: {target}");
    }
}

#[test]
fn h4_version_is_told() {
    let response = Rejection::from(E::VersionUnsupported).to_response(HttpVersion::Http11);
    assert_eq!(response.headers().get("sec-websocket-version"), Some(&b"13"[..]), "§4.4");
    assert_eq!(response.headers().get("upgrade"), Some(&b"websocket"[..]), "RFC 9110 §15.5.22");
    assert!(response.headers().list_contains("connection", "upgrade"), "RFC 9110 §7.8");
}

#[test]
fn h13_malformed_heads() {
    let good = String::from_utf8(request_with(&[])).unwrap();
    let line = |line: &str| good.replace("\r\nUpgrade", &format!("\r\n{line}\r\nUpgrade"));
    let cases: &[(&str, String, H)] = &[
        ("lone LF after the request line", good.replacen("\r\n", "\n", 1), H::LoneLineFeed),
        ("lone LF everywhere", good.replace('\r', ""), H::LoneLineFeed),
        ("lone LF in a value", line("a: b\nc: d"), H::LoneLineFeed),
        ("lone LF at the end", good.replace("\r\n\r\n", "\r\n\n"), H::LoneLineFeed),
        ("lone LF at the start", format!("\n{good}"), H::LoneLineFeed),
        ("lone CR in a value", line("a: b\rc"), H::LoneCarriageReturn),
        ("CR CR LF", line("a: b\r"), H::LoneCarriageReturn),
        ("obs-fold", line("a: b\r\n c"), H::FoldedLine),
        ("obs-fold with a tab", line("a: b\r\n\tc"), H::FoldedLine),
        ("white space before the first header", good.replacen("\r\n", "\r\n ", 1), H::FoldedLine),
        ("NUL in a value", line("a: b\0c"), H::ControlCharacter { byte: 0 }),
        ("NUL in the target", good.replace("/chat", "/ch\0at"), H::ControlCharacter { byte: 0 }),
        ("NUL at the start", format!("\0{good}"), H::ControlCharacter { byte: 0 }),
        ("DEL in a value", line("a: b\x7f"), H::ControlCharacter { byte: 0x7F }),
        ("space before the colon", line("a : b"), H::Header),
        ("no colon", line("a"), H::Header),
        ("no name", line(": b"), H::Header),
        ("a name above ASCII", line("\u{e4}: b"), H::Header),
    ];
    for (rule, head, error) in cases {
        assert_refused(&format!("H13 {rule}"), head.as_bytes(), E::Head(*error), 400);
    }
}

#[test]
fn empty_lines_before_the_request_are_ignored() {
    // RFC 9112 §2.2
    upgrade(&[b"\r\n\r\n", &request_with(&[])[..]].concat());
    assert!(receive(&b"\r\n".repeat(LIMITS.head_len_max / 2)).unwrap().is_none());
    let error = E::Head(H::TooLong { head_len_max: LIMITS.head_len_max });
    assert_eq!(receive(&b"\r\n".repeat(LIMITS.head_len_max)).unwrap_err(), error);
}

#[test]
fn h10_limits_at_and_beyond() {
    let padded = |len: usize| {
        let bare = request_with(&[("a", Some(""))]).len();
        request_with(&[("a", Some(&"x".repeat(len - bare)))])
    };
    let head_len_max = LIMITS.head_len_max;
    assert_eq!(padded(head_len_max).len(), head_len_max);
    upgrade(&padded(head_len_max));
    let error = E::Head(H::TooLong { head_len_max });
    assert_refused("H10 bytes", &padded(head_len_max + 1), error, 431);

    let header_count_max = LIMITS.header_count_max;
    let more = |count: usize| request_with(&vec![("a", Some("")); count - GOOD.len()]);
    upgrade(&more(header_count_max));
    let error = E::Head(H::TooManyHeaders { header_count_max });
    assert_refused("H10 headers", &more(header_count_max + 1), error, 431);
    // They are counted as they come, not once they are all there.
    let flood = [&b"GET / HTTP/1.1\r\n"[..], &b"a:\r\n".repeat(header_count_max + 1)].concat();
    assert_eq!(receive(&flood).unwrap_err(), error);

    let heads: Vec<_> = (0..SUBPROTOCOL_COUNT_MAX).map(|i| format!("p{i}")).collect();
    let offers = heads.join(",");
    upgrade(&request_with(&[("Sec-WebSocket-Protocol", Some(&offers))]));
    let beyond = offers + ",more";
    let bytes = request_with(&[("Sec-WebSocket-Protocol", Some(&beyond))]);
    assert_refused("H10 subprotocols", &bytes, E::TooManySubprotocols, 400);
}

/// H10: 64 KiB byte by byte cost what they cost in one piece: one look at each byte.
#[test]
fn h10_no_rescans() {
    let limits = HandshakeLimits { head_len_max: 64 << 10, ..LIMITS };
    let len = if cfg!(miri) { 1 << 10 } else { 63 << 10 };
    for filler in ["x", "\t", ":", "\u{e4}"] {
        let value = filler.repeat(len / filler.len());
        let bytes = request_with(&[("Cookie", Some(&value))]);
        let mut handshake = ServerHandshake::new(limits);
        let mut request = None;
        for mut byte in bytes.chunks(1) {
            assert!(request.is_none());
            request = handshake.receive(&mut byte).unwrap();
            assert!(byte.is_empty());
        }
        assert!(matches!(request, Some(Request::WebSocket(_))));
        assert_eq!(handshake.examined(), bytes.len());
    }
}

/// Rule, lines of the header, what the server prefers; what is chosen.
type Choice =
    (&'static str, &'static [&'static str], &'static [&'static str], Option<&'static str>);

#[test]
fn h9_subprotocols() {
    let choose = |lines: &[&str], preferred: &[&'static str]| {
        let changes: Vec<_> =
            lines.iter().map(|line| ("Sec-WebSocket-Protocol", Some(*line))).collect();
        upgrade(&request_with(&changes)).choose_subprotocol(preferred.iter().copied())
    };
    let cases: &[Choice] = &[
        ("none offered", &[], &["a"], None),
        ("unknown", &["b, c"], &["a"], None),
        ("the server's order", &["a, b"], &["b", "a"], Some("b")),
        ("lines are joined", &["a", "b, c"], &["c"], Some("c")),
        ("exactly", &["Chat, chat2"], &["chat"], None),
        (
            "any token",
            &["v1.a~b!#$%&'*+-.^_`|"],
            &["v1.a~b!#$%&'*+-.^_`|"],
            Some("v1.a~b!#$%&'*+-.^_`|"),
        ),
    ];
    for (rule, lines, preferred, chosen) in cases {
        assert_eq!(choose(lines, preferred), *chosen, "H9 {rule}");
    }
    // Unknown ones: 101 without the header.
    let request = upgrade(&request_with(&[("Sec-WebSocket-Protocol", Some("a, b"))]));
    let response = request.accept(&Accept::new()).unwrap();
    assert!(response.status() == 101 && !response.headers().contains("sec-websocket-protocol"));
    let response = request.accept(&Accept::new().subprotocol("b")).unwrap();
    assert_eq!(response.headers().get("sec-websocket-protocol"), Some(&b"b"[..]));
    for other in ["c", "A", "a, b", ""] {
        let accept = Accept::new().subprotocol(other);
        assert_eq!(request.accept(&accept), Err(ApiMisuse::SubprotocolNotOffered), "{other}");
    }
}

#[test]
fn extensions_only_from_the_offers() {
    let request = upgrade(&request_with(&[("Sec-WebSocket-Extensions", Some("foo; a, bar"))]));
    assert_eq!(request.extensions().len(), 2);
    let answer = |name: &'static str| Accept::new().extension(Extension::new(name).unwrap());
    let response = request.accept(&answer("bar")).unwrap();
    assert_eq!(response.headers().get("sec-websocket-extensions"), Some(&b"bar"[..]));
    assert_eq!(request.accept(&answer("baz")), Err(ApiMisuse::ExtensionNotOffered));
}

#[test]
fn h12_frames_after_the_request_stay() {
    let head = request_with(&[]);
    let frames = b"\x81\x80\0\0\0\0\r\n\r\n\0\xFF";
    let stream = [&head[..], frames].concat();
    for cut in cuts(stream.len()) {
        let mut handshake = ServerHandshake::new(LIMITS);
        let (mut first, second) = stream.split_at(cut);
        let mut found = handshake.receive(&mut first).unwrap();
        let mut left = first.to_vec();
        if found.is_none() {
            assert!(first.is_empty() && cut < head.len());
            assert_eq!(handshake.is_idle(), cut == 0);
            let mut rest = second;
            found = handshake.receive(&mut rest).unwrap();
            left.extend_from_slice(rest);
        } else {
            left.extend_from_slice(second);
        }
        assert!(matches!(found, Some(Request::WebSocket(_))), "cut at {cut}");
        assert_eq!(left, frames, "cut at {cut}");
    }
}

#[test]
fn errors_stay() {
    let mut handshake = ServerHandshake::new(LIMITS);
    let error = handshake.receive(&mut &b"GET / HTTP/1.1\n"[..]).unwrap_err();
    let mut good = &request_with(&[])[..];
    let len = good.len();
    assert_eq!(handshake.receive(&mut good).unwrap_err(), error);
    assert_eq!(good.len(), len);
}

#[test]
fn other_requests_are_told_apart() {
    let cases: &[(&str, &str, &str, &str)] = &[
        ("a page", "GET /a?b HTTP/1.1\r\nHost: a\r\n\r\n", "GET", "/a?b"),
        ("curl --http2", "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\n\r\n", "GET", "/"),
        ("a form", "POST /f HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n", "POST", "/f"),
        ("an old client", "GET / HTTP/1.0\r\n\r\n", "GET", "/"),
        ("OPTIONS", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS", "*"),
        ("CONNECT", "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", "CONNECT", "a:443"),
    ];
    for (rule, bytes, method, target) in cases {
        let Ok(Some(Request::Other(request))) = receive(bytes.as_bytes()) else { panic!("{rule}") };
        assert_eq!((request.method(), request.target()), (*method, *target), "{rule}");
        let response = request.respond(&request.upgrade_required());
        assert_eq!(response.status(), 426, "{rule}");
    }
    // One header of the handshake is enough to be taken for one.
    for (name, value) in [("Sec-WebSocket-Key", KEY), ("Sec-WebSocket-Version", "13")] {
        let bytes = format!("GET / HTTP/1.1\r\nHost: a\r\n{name}: {value}\r\n\r\n");
        assert_refused("H2", bytes.as_bytes(), E::UpgradeMissing, 426);
    }
    assert_eq!(receive(b"GET / HTTP/1.1\r\n\r\n").unwrap_err(), E::HostMissing, "H6");
    assert_eq!(receive(b"GET /#a HTTP/1.0\r\n\r\n").unwrap_err(), E::TargetInvalid, "H13");
    let Ok(Some(Request::Other(head))) = receive(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n") else {
        panic!("HEAD")
    };
    let page = Rejection::new(200, "").unwrap().body("text/html", "<p>").unwrap();
    assert_eq!(
        head.respond(&page).encode(),
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/html\r\n\
          Content-Length: 3\r\n\r\n"
    );
    // The next request on the same connection.
    let mut handshake = ServerHandshake::new(LIMITS);
    let stream = [b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", &request_with(&[])[..]].concat();
    let mut input = &stream[..];
    assert!(matches!(handshake.receive(&mut input), Ok(Some(Request::Other(_)))));
    assert!(matches!(handshake.receive(&mut input), Ok(Some(Request::WebSocket(_)))));
    assert!(input.is_empty() && handshake.is_idle());
}

#[test]
fn h14_any_refusal_but_no_injection() {
    let request = upgrade(&request_with(&[]));
    for status in [200, 204, 302, 304, 401, 418, 503, 599] {
        let rejection = Rejection::new(status, "No.").unwrap();
        let rejection = rejection.header("Retry-After", "1").unwrap();
        let response = request.reject(&rejection).unwrap();
        let bytes = String::from_utf8(response.encode()).unwrap();
        assert!(bytes.starts_with(&format!("HTTP/1.1 {status} ")), "{bytes}");
        let has_body = !matches!(status, 204 | 304);
        assert_eq!(bytes.ends_with("\r\n\r\nNo.\n"), has_body, "{bytes}");
        assert_eq!(bytes.contains("\r\nContent-Length: 4\r\n"), has_body, "{bytes}");
        assert!(bytes.contains("\r\nRetry-After: 1\r\n"), "{bytes}");
    }
    for status in [0, 100, 101, 199, 600, 1000] {
        assert_eq!(Rejection::new(status, "").unwrap_err(), ApiMisuse::Status { status });
    }
    let refused = || Rejection::new(403, "No.").unwrap();
    for value in ["a\r\nSet-Cookie: b", "a\n", "\r", "\0"] {
        assert_eq!(Accept::new().header("x", value).unwrap_err(), ApiMisuse::HeaderValue);
        assert_eq!(refused().header("x", value).unwrap_err(), ApiMisuse::HeaderValue);
        assert_eq!(refused().body(value, "").unwrap_err(), ApiMisuse::HeaderValue);
    }
    for name in ["a b", "a:", "a\r\nb", ""] {
        assert_eq!(Accept::new().header(name, "x").unwrap_err(), ApiMisuse::HeaderName);
        assert_eq!(refused().header(name, "x").unwrap_err(), ApiMisuse::HeaderName);
    }
    for name in ["sec-websocket-accept", "UPGRADE", "Connection", "Content-Length"] {
        assert_eq!(Accept::new().header(name, "x").unwrap_err(), ApiMisuse::HeaderReserved);
    }
    for name in ["Connection", "content-length", "Transfer-Encoding"] {
        assert_eq!(refused().header(name, "x").unwrap_err(), ApiMisuse::HeaderReserved);
    }
    let accept = Accept::new().header("Set-Cookie", "a=b").unwrap();
    let response = request.accept(&accept).unwrap();
    assert_eq!(response.headers().get("set-cookie"), Some(&b"a=b"[..]));
}

#[test]
fn h11_408_for_the_driver_to_send() {
    let response = Rejection::timeout().to_response(HttpVersion::Http11);
    assert_eq!(response.status(), 408);
    assert_eq!(response.headers().get("connection"), Some(&b"close"[..]));
}

/// RFC 9110 §10.2.3: Retry-After is "a non-negative decimal integer", in seconds.
#[test]
fn who_finds_no_room_may_come_again() {
    let rejection = Rejection::busy(core::time::Duration::from_millis(5900));
    let response = rejection.to_response(HttpVersion::Http11);
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers().get("retry-after"), Some(&b"5"[..]));
}

#[test]
fn parsed_heads_meet_the_same_checks() {
    let parsed = |method: &str, changes: &[(&str, &str)]| {
        let fields: Vec<_> = GOOD.iter().chain(changes).copied().collect();
        Request::from_head(&RequestHead::http11(method, "/chat"), headers_of(&fields), &LIMITS)
    };
    assert!(matches!(parsed("GET", &[]), Ok(Request::WebSocket(_))));
    assert_eq!(parsed("POST", &[]).unwrap_err(), E::Method);
    assert_eq!(parsed("GET", &[("host", "b")]).unwrap_err(), E::HostRepeated);
    assert_eq!(parsed("GET", &[("content-length", "1")]).unwrap_err(), E::Body);
    let header_count_max = LIMITS.header_count_max;
    let mut flood = vec![("a", ""); header_count_max - GOOD.len()];
    assert!(parsed("GET", &flood).is_ok(), "H10");
    flood.push(("a", ""));
    let error = E::Head(H::TooManyHeaders { header_count_max });
    assert_eq!(parsed("GET", &flood).unwrap_err(), error, "H10");
}
