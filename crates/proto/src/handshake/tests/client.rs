use super::*;
use crate::{
    extension::{Extension, ExtensionError},
    uri::UriError,
};
use HeadError as H;
use ResponseError as E;

fn client(uri: &str) -> ClientRequest {
    ClientRequest::new(uri.parse().unwrap())
}

/// Offers the subprotocols `chat` and `v2`, and the extension `foo`.
fn offering() -> ClientRequest {
    client("ws://example.com/")
        .subprotocol("chat")
        .and_then(|request| request.subprotocol("v2"))
        .unwrap()
        .extension(Extension::new("foo").unwrap())
}

fn handshake(request: ClientRequest) -> ClientHandshake {
    ClientHandshake::new(request, NONCE, LIMITS)
}

fn response_with(changes: &[(&str, Option<&str>)]) -> Vec<u8> {
    let good =
        [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", ACCEPT)];
    head_with("HTTP/1.1 101 Switching Protocols", &good, changes)
}

fn answer(request: ClientRequest, mut bytes: &[u8]) -> Result<Established, HandshakeFailure> {
    handshake(request).receive(&mut bytes).map(|established| established.expect("it is whole"))
}

#[test]
fn requests_as_they_are_written() {
    let request = client("ws://example.com/chat?a=b")
        .subprotocol("chat")
        .and_then(|request| request.subprotocol("superchat"))
        .and_then(|request| request.header("Origin", "http://example.com"))
        .unwrap()
        .extension(Extension::new("foo").unwrap().with_param("a", Some("1")).unwrap())
        .extension(Extension::new("bar").unwrap());
    assert_eq!(
        String::from_utf8(handshake(request).request().to_vec()).unwrap(),
        "GET /chat?a=b HTTP/1.1\r\n\
         Host: example.com\r\n\
         Upgrade: websocket\r\n\
         Connection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Protocol: chat, superchat\r\n\
         Sec-WebSocket-Extensions: foo; a=1, bar\r\n\
         Origin: http://example.com\r\n\r\n"
    );
}

#[test]
fn c12_hosts_and_user_info() {
    let cases: &[(&str, &str, &str)] = &[
        ("IPv6 has brackets", "ws://[::1]/", "\r\nHost: [::1]\r\n"),
        ("IPv6 and a port", "ws://[::1]:81/", "\r\nHost: [::1]:81\r\n"),
        ("the default port is left out", "wss://a:443/", "\r\nHost: a\r\n"),
        (
            "RFC 7617 §2",
            "ws://Aladdin:open%20sesame@a/",
            "\r\nAuthorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n",
        ),
        ("§3 an empty path", "ws://a?b", "GET /?b HTTP/1.1\r\n"),
    ];
    for (rule, uri, part) in cases {
        let text = String::from_utf8(handshake(client(uri)).request().to_vec()).unwrap();
        assert!(text.contains(part), "C12 {rule}: {text}");
        assert!(!text.contains('@'), "C12 {rule}: {text}");
    }
    let own = client("ws://u:p@a/").header("Authorization", "Bearer x").unwrap();
    let text = String::from_utf8(handshake(own).request().to_vec()).unwrap();
    assert!(text.contains("\r\nAuthorization: Bearer x\r\n") && !text.contains("Basic"), "{text}");
    let own = client("ws://a/").header("host", "b:81").unwrap();
    let text = String::from_utf8(handshake(own).request().to_vec()).unwrap();
    assert!(text.contains("\r\nhost: b:81\r\n") && !text.contains("Host: a"), "{text}");
}

#[test]
fn what_a_client_may_not_ask_for() {
    let request = || client("ws://a/");
    let cases: &[(&str, &str, ApiMisuse)] = &[
        ("x", "a\r\nb: c", ApiMisuse::HeaderValue),
        ("x y", "", ApiMisuse::HeaderName),
        ("Sec-WebSocket-Key", "x", ApiMisuse::HeaderReserved),
        ("sec-websocket-version", "8", ApiMisuse::HeaderReserved),
        ("Upgrade", "h2c", ApiMisuse::HeaderReserved),
        ("Content-Length", "1", ApiMisuse::HeaderReserved),
        ("Host", "a b", ApiMisuse::HeaderValue),
        ("Host", "[::1", ApiMisuse::HeaderValue),
    ];
    for (name, value, misuse) in cases {
        assert_eq!(request().header(name, value).unwrap_err(), *misuse, "{name}: {value}");
    }
    let twice = request().header("Host", "a").unwrap().header("Host", "b");
    assert_eq!(twice.unwrap_err(), ApiMisuse::HeaderReserved, "RFC 9112 §3.2");
    for bad in ["", "a b", "a,b", "\u{e4}", "a\r\n"] {
        assert_eq!(request().subprotocol(bad).unwrap_err(), ApiMisuse::SubprotocolInvalid, "{bad}");
    }
    let twice = request().subprotocol("a").unwrap().subprotocol("a");
    assert_eq!(twice.unwrap_err(), ApiMisuse::SubprotocolRepeated, "§4.1 item 10");
}

#[test]
fn answers_that_establish() {
    type Row = (&'static str, &'static [(&'static str, Option<&'static str>)]);
    let cases: &[Row] = &[
        ("§4.1", &[]),
        ("C3 any case", &[("Upgrade", Some("WebSocket")), ("Connection", Some("UPGRADE"))]),
        ("C3 lists", &[("Upgrade", Some("a, websocket")), ("Connection", Some("a,upgrade"))]),
        ("C1 spaces around", &[("Sec-WebSocket-Accept", Some(" s3pPLMBiTxaQ9kYGzzhZRbK+xOo= "))]),
        ("C4 offered", &[("Sec-WebSocket-Extensions", Some("foo; any=1"))]),
        ("C5 offered", &[("Sec-WebSocket-Protocol", Some("v2"))]),
    ];
    for (rule, changes) in cases {
        assert!(answer(offering(), &response_with(changes)).is_ok(), "{rule}");
    }
    let established = answer(offering(), &response_with(&[("x", Some("y"))])).unwrap();
    assert_eq!(established.subprotocol(), None, "C5 none selected connects");
    assert!(established.extensions().is_empty());
    assert_eq!(established.headers().get("X"), Some(&b"y"[..]));
}

#[test]
fn answers_that_fail() {
    type Row<'a> = (&'a str, &'a [(&'a str, Option<&'a str>)], E);
    let unclosed = E::Extensions(ExtensionError::UnclosedQuote);
    let cases: &[Row<'_>] = &[
        ("C1 missing", &[("Sec-WebSocket-Accept", None)], E::AcceptMissing),
        (
            "C1 wrong",
            &[("Sec-WebSocket-Accept", Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo"))],
            E::AcceptWrong,
        ),
        (
            "C1 odd case",
            &[("Sec-WebSocket-Accept", Some("S3pPLMBiTxaQ9kYGzzhZRbK+xOo="))],
            E::AcceptWrong,
        ),
        ("C1 our key", &[("Sec-WebSocket-Accept", Some(KEY))], E::AcceptWrong),
        (
            "C1 doubled",
            &[("Sec-WebSocket-Accept", Some(ACCEPT)), ("Sec-WebSocket-Accept", Some(ACCEPT))],
            E::AcceptRepeated,
        ),
        ("C3 no Upgrade", &[("Upgrade", None)], E::UpgradeMissing),
        ("C3 another", &[("Upgrade", Some("h2c"))], E::UpgradeMissing),
        ("C3 no Connection", &[("Connection", None)], E::ConnectionMissing),
        ("C3 another", &[("Connection", Some("close"))], E::ConnectionMissing),
        (
            "C4 not offered",
            &[("Sec-WebSocket-Extensions", Some("foo, bar"))],
            E::ExtensionNotOffered,
        ),
        ("C4 odd case", &[("Sec-WebSocket-Extensions", Some("Foo"))], E::ExtensionNotOffered),
        ("C4 malformed", &[("Sec-WebSocket-Extensions", Some("foo; a=\""))], unclosed),
        ("C5 not offered", &[("Sec-WebSocket-Protocol", Some("b"))], E::SubprotocolNotOffered),
        ("C5 odd case", &[("Sec-WebSocket-Protocol", Some("Chat"))], E::SubprotocolNotOffered),
        ("C5 two", &[("Sec-WebSocket-Protocol", Some("chat, v2"))], E::SubprotocolNotOffered),
        ("C5 empty", &[("Sec-WebSocket-Protocol", Some(""))], E::SubprotocolNotOffered),
        (
            "C5 two lines",
            &[("Sec-WebSocket-Protocol", Some("chat")), ("Sec-WebSocket-Protocol", Some("v2"))],
            E::SubprotocolRepeated,
        ),
    ];
    for (rule, changes, error) in cases {
        let bytes = response_with(changes);
        assert_eq!(answer(offering(), &bytes).unwrap_err(), (*error).into(), "{rule}");
    }
    let strict = offering().require_subprotocol(true);
    let failure = answer(strict, &response_with(&[])).unwrap_err();
    assert_eq!(failure, E::SubprotocolMissing.into(), "C5 the WHATWG's switch");
}

#[test]
fn malformed_responses() {
    let good = String::from_utf8(response_with(&[])).unwrap();
    let cases: &[(&str, String, E)] = &[
        ("RFC 9110 §15.2", good.replace("1.1", "1.0"), E::Http10),
        ("RFC 9112 §4", good.replace("HTTP/1.1", "HTTP/2"), E::Head(H::Version)),
        ("RFC 9112 §4", good.replace("101", "10"), E::Head(H::StartLine)),
        ("RFC 9112 §4", format!("\r\n{good}"), E::Head(H::StartLine)),
        ("RFC 9112 §2.2", good.replacen('\r', "", 1), E::Head(H::LoneLineFeed)),
        ("RFC 9112 §5.2", good.replace("Upgrade: w", "a:\r\n Upgrade: w"), E::Head(H::FoldedLine)),
    ];
    for (rule, bytes, error) in cases {
        assert_eq!(answer(offering(), bytes.as_bytes()).unwrap_err(), (*error).into(), "{rule}");
    }
}

#[test]
fn c8_bombs() {
    let header_count_max = LIMITS.header_count_max;
    let lines =
        |count: usize| [&b"HTTP/1.1 101 \r\n"[..], &b"a:\r\n".repeat(count), b"\r\n"].concat();
    let failure = answer(offering(), &lines(header_count_max)).unwrap_err();
    assert_eq!(failure, E::UpgradeMissing.into(), "C8 at header_count_max");
    let failure = answer(offering(), &lines(header_count_max + 1)).unwrap_err();
    assert_eq!(failure, E::Head(H::TooManyHeaders { header_count_max }).into(), "C8 beyond");

    let head_len_max = LIMITS.head_len_max;
    let bare_len = response_with(&[("a", Some(""))]).len();
    let long = |len: usize| response_with(&[("a", Some(&"x".repeat(len - bare_len)))]);
    assert_eq!(long(head_len_max).len(), head_len_max);
    assert!(answer(offering(), &long(head_len_max)).is_ok(), "C8 at head_len_max");
    let failure = answer(offering(), &long(head_len_max + 1)).unwrap_err();
    assert_eq!(failure, E::Head(H::TooLong { head_len_max }).into(), "C8 beyond");

    let interim_count_max = LIMITS.interim_count_max;
    let interim = |count: usize| {
        [&b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".repeat(count), &response_with(&[])[..]]
            .concat()
    };
    assert!(answer(offering(), &interim(interim_count_max)).is_ok(), "C8 at interim_count_max");
    let failure = answer(offering(), &interim(interim_count_max + 1)).unwrap_err();
    assert_eq!(failure, E::TooManyInterim { interim_count_max }.into(), "C8 beyond");
}

#[test]
fn c7_frames_after_the_101_stay() {
    let frames = b"\x81\x01a\r\n\r\n\x89\0";
    for interim in [&b""[..], b"HTTP/1.1 100 Continue\r\n\r\n"] {
        let head = [interim, &response_with(&[])].concat();
        let stream = [&head[..], frames].concat();
        for cut in cuts(stream.len()) {
            let mut handshake = handshake(offering());
            let (mut first, second) = stream.split_at(cut);
            let mut established = handshake.receive(&mut first).unwrap();
            let mut left = first.to_vec();
            let mut rest = second;
            if established.is_none() {
                assert!(first.is_empty() && cut < head.len(), "cut at {cut}");
                established = handshake.receive(&mut rest).unwrap();
            }
            assert!(established.is_some(), "cut at {cut}");
            left.extend_from_slice(rest);
            assert_eq!(left, frames, "cut at {cut}");
        }
    }
}

#[test]
fn c2_refusals_with_their_body() {
    let refusal = b"HTTP/1.1 403 Forbidden\r\nX-Why: a\r\nContent-Length: 4\r\n\r\nNo.\nmore";
    for cut in cuts(refusal.len() - 5) {
        let mut handshake = handshake(offering());
        let (mut first, mut second) = refusal.split_at(cut);
        assert!(handshake.receive(&mut first).unwrap().is_none(), "cut at {cut}");
        let HandshakeFailure::Refused(response) = handshake.receive(&mut second).unwrap_err()
        else {
            panic!("cut at {cut}")
        };
        assert_eq!(response.status(), 403);
        assert_eq!(response.headers().get("x-why"), Some(&b"a"[..]));
        assert_eq!(response.body(), b"No.\n");
        assert_eq!(second, b"more");
        let over = handshake.receive(&mut second).unwrap_err();
        assert_eq!(over, E::Over.into());
    }
    // An endless body is cut off; one until the end of the stream ends there.
    let endless = [&b"HTTP/1.1 200 OK\r\n\r\n"[..], &b"x".repeat(2 * LIMITS.body_len_max)].concat();
    let failure = answer(offering(), &endless).unwrap_err();
    assert!(matches!(&failure, HandshakeFailure::Refused(response)
        if response.status() == 200 && response.body().len() == LIMITS.body_len_max));
    let mut short = handshake(offering());
    assert!(short.receive(&mut &b"HTTP/1.1 302 \r\nLocation: /a\r\n\r\nhi"[..]).unwrap().is_none());
    let failure = short.handle_eof();
    assert!(matches!(&failure, HandshakeFailure::Refused(response)
        if response.body() == b"hi" && response.headers().get("location") == Some(b"/a")));
    assert_eq!(short.handle_eof(), E::Over.into());

    // Whatever the outcome was, it is told once.
    for bytes in [response_with(&[]), response_with(&[("Upgrade", None)])] {
        let mut over = handshake(offering());
        let _ = over.receive(&mut &bytes[..]);
        assert_eq!(over.receive(&mut &bytes[..]).unwrap_err(), E::Over.into());
        assert_eq!(over.handle_eof(), E::Over.into());
    }

    let mut cut = handshake(offering());
    assert!(cut.receive(&mut &b"HTTP/1.1 101 "[..]).unwrap().is_none());
    assert_eq!(cut.handle_eof(), E::EndOfStream.into());
}

#[test]
fn parsed_responses_meet_the_same_checks() {
    let headers = |accept: &str| {
        let switch = [("upgrade", "websocket"), ("connection", "upgrade")];
        headers_of(&[switch[0], switch[1], ("sec-websocket-accept", accept)])
    };
    assert!(offering().check_http1(NONCE, 101, headers(ACCEPT)).is_ok());
    let failure = offering().check_http1([0; 16], 101, headers(ACCEPT)).unwrap_err();
    assert_eq!(failure, E::AcceptWrong.into(), "C1");
    let failure = offering().check_http1(NONCE, 200, headers(ACCEPT)).unwrap_err();
    assert!(matches!(failure, HandshakeFailure::Refused(_)), "C2");
}

#[test]
fn c9_redirects_carry_no_secrets_to_another_origin() {
    let request = client("wss://u:p@a/x")
        .subprotocol("chat")
        .and_then(|request| request.header("Cookie", "c=1"))
        .and_then(|request| request.header("AUTHORIZATION", "Bearer t"))
        .and_then(|request| request.header("Host", "h"))
        .and_then(|request| request.header("X-Y", "z"))
        .unwrap();
    let sent = |location: &str| {
        let request = request.redirect(location).unwrap();
        String::from_utf8(handshake(request).request().to_vec()).unwrap()
    };
    for location in ["/y", "https://a:443/y", "wss://A/y", "y#z"] {
        let text = sent(location);
        assert!(text.starts_with("GET /y HTTP/1.1\r\nUpgrade"), "C9 {location}: {text}");
        for kept in ["Host: h", "Cookie: c=1", "AUTHORIZATION: Bearer t", "X-Y: z"] {
            assert!(text.contains(kept), "C9 {location}: {text}");
        }
    }
    for location in ["//b/y", "https://b/y", "https://a:444/y", "wss://x:y@b/y"] {
        let text = sent(location);
        let host = if location.contains("444") { "Host: a:444\r\n" } else { "Host: b\r\n" };
        assert!(text.contains(host), "C9 {location}: {text}");
        assert!(text.contains("X-Y: z") && text.contains("Protocol: chat"), "C9 {location}");
        for secret in ["Cookie", "uthorization", "AUTHORIZATION", "Host: h"] {
            assert!(!text.contains(secret), "C9 {location}: {text}");
        }
    }
    let basic = client("ws://u:p@a/x");
    assert_eq!(basic.redirect("/y").unwrap().uri().user_info(), basic.uri().user_info());
    assert_eq!(basic.redirect("ws://b/").unwrap().uri().user_info(), None, "C9");
    assert!(basic.redirect("wss://a/").is_ok());
    for location in ["ws://a/", "http://a/y"] {
        let refused = request.redirect(location).unwrap_err();
        assert_eq!(refused, RedirectRefused::Insecure, "C9 {location}");
    }
    let refused = request.redirect("ftp://a/").unwrap_err();
    assert_eq!(refused, RedirectRefused::Location(UriError::SchemeUnknown), "C9");
}
