//! SECURITY: the same requests, byte for byte, to our own listener and to a hyper server. Both
//! answer alike, but for what hyper does not let us see.

use std::time::Duration;

use ::hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tidewire::{Server, proto::handshake::HandshakeLimits};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

/// Who reads the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Over {
    Raw,
    Hyper,
}

const GOOD: &str = "GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
     Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
     Sec-WebSocket-Version: 13\r\n\r\n";

fn server() -> Server {
    Server::new().subprotocols(["chat.v2", "chat.v1"])
}

/// Starts a server at the other end of a pipe; WebSockets echo.
fn start(over: Over) -> DuplexStream {
    let (client, io) = duplex(1 << 20);
    tokio::spawn(async move {
        match over {
            Over::Raw => {
                if let Ok(ws) = server().accept(io).await {
                    echo(ws).await;
                }
            }
            Over::Hyper => {
                let service = service_fn(|mut request| async move {
                    match tidewire::hyper::accept(&mut request, &server()) {
                        Ok((response, socket)) => {
                            tokio::spawn(async move { echo(socket.await.unwrap()).await });
                            Ok::<_, std::convert::Infallible>(response)
                        }
                        Err(refused) => Ok(refused.into_response()),
                    }
                });
                let connection = http1::Builder::new().serve_connection(TokioIo::new(io), service);
                // What hyper thinks of bad requests is not of interest: its answer is.
                let _ = connection.with_upgrades().await;
            }
        }
    });
    client
}

async fn echo<S: tidewire::Stream>(mut ws: tidewire::WebSocket<S>) {
    while let Ok(Some(message)) = ws.next().await {
        if ws.send(message).await.is_err() {
            return;
        }
    }
}

/// The head of the response, in lower case; empty if there was none.
async fn head(io: &mut DuplexStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match io.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(head).unwrap().to_ascii_lowercase()
}

fn status(head: &str) -> u16 {
    head.split(' ').nth(1).map_or(0, |status| status.parse().unwrap())
}

async fn answer(over: Over, request: &[u8]) -> String {
    let mut io = start(over);
    io.write_all(request).await.unwrap();
    head(&mut io).await
}

/// The good request with lines added behind its Host.
fn with(lines: &str) -> String {
    GOOD.replace("\r\nUpgrade:", &format!("\r\n{lines}\r\nUpgrade:"))
}

/// The good request with `from` replaced.
fn but(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    GOOD.replacen(from, to, 1)
}

/// Rule, request, status of both.
fn rows() -> Vec<(&'static str, String, u16)> {
    let header_count_max = HandshakeLimits::default().header_count_max;
    let head_len_max = HandshakeLimits::default().head_len_max;
    vec![
        ("H1 a good request", GOOD.into(), 101),
        ("H2 no Upgrade", but("Upgrade: websocket\r\n", ""), 426),
        ("H2 a page", "GET / HTTP/1.1\r\nHost: a\r\n\r\n".into(), 426),
        ("H3 no Connection", but("Connection: Upgrade\r\n", ""), 400),
        ("H3 another Connection", but("Connection: Upgrade", "Connection: close"), 400),
        ("H4 no version", but("Sec-WebSocket-Version: 13\r\n", ""), 426),
        ("H4 version 8", but("Version: 13", "Version: 8"), 426),
        ("H4 version 013", but("Version: 13", "Version: 013"), 426),
        ("H4 two versions", with("Sec-WebSocket-Version: 13"), 400),
        ("H5 no key", but("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", ""), 400),
        ("H5 three bytes", but("dGhlIHNhbXBsZSBub25jZQ==", "AAAA"), 400),
        ("H5 not base64", but("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ=!"), 400),
        ("H5 two keys", with("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="), 400),
        ("H6 POST", but("GET", "POST"), 405),
        ("H6 HTTP/1.0", but("HTTP/1.1", "HTTP/1.0"), 426),
        ("H6 no Host", but("Host: example.com\r\n", ""), 400),
        ("H6 two Hosts", with("Host: example.com"), 400),
        ("H7 a list", but("Connection: Upgrade", "Connection: keep-alive, Upgrade"), 101),
        ("H7 any case", but("Connection: Upgrade", "cONNECTION: uPGRADE"), 101),
        ("H7 two lines", with("Connection: keep-alive"), 101),
        ("H7 a list of protocols", but("Upgrade: websocket", "Upgrade: h2c, WebSocket"), 101),
        ("H8 a body", with("Content-Length: 1"), 400),
        ("H8 chunks", with("Transfer-Encoding: chunked"), 400),
        ("H8 no body", with("Content-Length: 0"), 101),
        ("H9 unknown subprotocols", with("Sec-WebSocket-Protocol: a, b"), 101),
        ("H9 a subprotocol twice", with("Sec-WebSocket-Protocol: a, a"), 400),
        ("H10 headers", with(&vec!["a: b"; header_count_max - 5].join("\r\n")), 101),
        ("H10 one header more", with(&vec!["a: b"; header_count_max - 4].join("\r\n")), 431),
        ("H10 bytes", with(&format!("a: {}", "b".repeat(head_len_max))), 431),
        ("H10 bytes in the target", but("/chat", &format!("/{}", "b".repeat(head_len_max))), 431),
        ("H13 obs-fold", with("a: b\r\n c"), 400),
        ("H13 NUL", with("a: b\0c"), 400),
        ("H13 NUL in the target", but("/chat", "/ch\0at"), 400),
        ("H13 space before the colon", with("a : b"), 400),
        ("H13 a target above ASCII", but("/chat", "/ch\u{e4}t"), 400),
        ("H13 Host: [::1", but("Host: example.com", "Host: [::1"), 400),
        ("H13 Host: a b", but("Host: example.com", "Host: a b"), 400),
        ("H13 an absolute target", but("/chat", "http://example.com/chat"), 101),
        ("H15 the same host", with("Origin: https://example.com"), 101),
        ("H15 another host", with("Origin: https://evil.example"), 403),
        ("H15 another port", with("Origin: https://example.com:444"), 403),
        ("H15 null", with("Origin: null"), 403),
        ("H15 two Origins", with("Origin: https://a\r\nOrigin: https://a"), 400),
        ("H16 an unclosed quote", with("Sec-WebSocket-Extensions: a; b=\"c"), 400),
        (
            "H16 many parameters",
            with(&format!("Sec-WebSocket-Extensions: a{}", "; b".repeat(5_000))),
            400,
        ),
        ("H16 commas", with(&format!("Sec-WebSocket-Extensions: {}", ",".repeat(15_000))), 400),
    ]
}

#[tokio::test(start_paused = true)]
async fn raw_and_hyper_answer_alike() {
    for (rule, request, expected) in rows() {
        for over in [Over::Raw, Over::Hyper] {
            let head = answer(over, request.as_bytes()).await;
            assert_eq!(status(&head), expected, "{rule}, {over:?}: {head}");
            match expected {
                101 => assert!(
                    head.contains("\r\nsec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=\r\n"),
                    "{rule}, {over:?}: {head}"
                ),
                // No body from hyper where it has not let us see the request.
                400 => {}
                _ => assert!(!head.contains("\r\ncontent-length: 0\r\n"), "{rule}, {over:?}"),
            }
            assert_eq!(
                head.contains("\r\nsec-websocket-version: 13\r\n"),
                rule.starts_with("H4") && expected == 426,
                "{rule}, {over:?}: {head}"
            );
        }
    }
}

/// What cannot be had where HTTP is hyper's; docs/security-checklist.md says so too. If a row fails
/// because hyper has become stricter, move it to [`rows`].
#[tokio::test(start_paused = true)]
async fn where_hyper_differs() {
    let rows = [
        ("H13 lone LF", GOOD.replace("\r\n", "\n"), 400, 101),
        ("H13 a fragment", but("/chat", "/chat#a"), 400, 101),
        ("H6 another version", but("HTTP/1.1", "HTTP/1.2"), 505, 400),
    ];
    for (rule, request, raw, hyper) in rows {
        assert_eq!(status(&answer(Over::Raw, request.as_bytes()).await), raw, "{rule}");
        assert_eq!(status(&answer(Over::Hyper, request.as_bytes()).await), hyper, "{rule}");
    }
}

/// H11: half a request. Ours says 408; hyper, told of a timeout, just ends.
#[tokio::test(start_paused = true)]
async fn h11_half_a_request() {
    let mut io = start(Over::Raw);
    io.write_all(&GOOD.as_bytes()[..30]).await.unwrap();
    assert_eq!(status(&head(&mut io).await), 408);
}

/// H12: frames right behind the request, with the request cut anywhere.
#[tokio::test(start_paused = true)]
async fn h12_frames_glued_to_the_request() {
    let stream = [GOOD.as_bytes(), &crate::pipe::masked(0x81, b"early")].concat();
    for over in [Over::Raw, Over::Hyper] {
        for cut in (0..stream.len()).step_by(7).chain([GOOD.len() - 1, GOOD.len(), GOOD.len() + 3])
        {
            let mut io = start(over);
            io.write_all(&stream[..cut]).await.unwrap();
            tokio::time::sleep(Duration::from_millis(1)).await;
            io.write_all(&stream[cut..]).await.unwrap();
            assert_eq!(status(&head(&mut io).await), 101, "{over:?} cut at {cut}");
            let mut echo = [0; 7];
            io.read_exact(&mut echo).await.unwrap();
            assert_eq!(&echo, b"\x81\x05early", "{over:?} cut at {cut}");
        }
    }
}

/// H9: the server's order counts, lines are joined, tokens compare exactly.
#[tokio::test(start_paused = true)]
async fn h9_subprotocols() {
    let rows = [
        ("a, chat.v1\r\nSec-WebSocket-Protocol: chat.v2", Some("chat.v2")),
        ("chat.v1", Some("chat.v1")),
        ("Chat.v1", None),
    ];
    for (offer, chosen) in rows {
        for over in [Over::Raw, Over::Hyper] {
            let request = with(&format!("Sec-WebSocket-Protocol: {offer}"));
            let head = answer(over, request.as_bytes()).await;
            assert_eq!(status(&head), 101, "{over:?}: {head}");
            let line = head.lines().find_map(|line| line.strip_prefix("sec-websocket-protocol: "));
            assert_eq!(line, chosen, "{over:?} {offer}");
        }
    }
}
