//! `tidewire serve`: its addresses, its page, its end.

use std::net::TcpListener;

use rustix::process::Signal;
use tidewire::CloseCode;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::process::{Program, request, run, serve, serve_in, soon};

#[tokio::test]
async fn the_page_and_its_parts_are_served() {
    let (_server, address) = serve().await;
    for (path, kind, part) in [
        ("/", "text/html", "<title>tidewire chat</title>"),
        ("/?room=1", "text/html", "/chat.js"),
        ("/chat.js", "text/javascript", "new WebSocket"),
        ("/chat.css", "text/css", "body {"),
    ] {
        let answer = request(&address, &format!("GET {path} HTTP/1.1")).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 "), "{path}: {head}");
        assert!(head.contains(&format!("content-type: {kind}; charset=utf-8")), "{path}: {head}");
        assert!(head.contains("content-security-policy: default-src 'none';"), "{path}: {head}");
        assert!(body.contains(part), "{path}: {body}");
        let answer = request(&address, &format!("HEAD {path} HTTP/1.1")).await;
        let (head, rest) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}", body.len())), "HEAD {path}: {head}");
        assert_eq!(rest, "", "HEAD {path}");
    }
}

/// Every refusal has its status and one sentence. Those that concern the handshake are the
/// library's, whose tests have them all.
#[tokio::test]
async fn what_is_not_there_is_refused_in_a_sentence() {
    let (_server, address) = serve().await;
    let handshake = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    let cases = [
        ("GET /nothing HTTP/1.1", "404", "There is nothing here."),
        ("POST / HTTP/1.1\r\nContent-Length: 0", "405", "by GET and HEAD alone."),
        ("GET / HTTP/1.1\r\nUpgrade: websocket", "400", "Connection"),
        (&format!("GET /nothing HTTP/1.1\r\n{handshake}"), "404", "There is nothing here"),
        (&format!("GET / HTTP/1.0\r\n{handshake}"), "426", "HTTP/1.1"),
        (&format!("POST / HTTP/1.1\r\n{handshake}"), "405", "GET"),
    ];
    for (head, status, sentence) in cases {
        let answer = request(&address, head).await;
        let (answered, body) = answer.split_once("\r\n\r\n").unwrap();
        assert_eq!(answered.split(' ').nth(1), Some(status), "{head}: {answer}");
        assert!(body.contains(sentence), "{head}: {body}");
        assert_eq!(body.lines().count(), 1, "{head}: {body}");
    }
}

#[tokio::test]
async fn it_says_loudly_what_dev_means() {
    let (server, address) = serve().await;
    server.signal(Signal::TERM);
    let log = server.ended().await.stderr;
    assert!(log.contains("WARN"), "{log}");
    assert!(log.contains("any page may connect, whatever its Origin (null included)"), "{log}");
    assert!(log.contains(&format!("listening on http://{address}/")), "{log}");
    assert!(!log.contains("not a loopback address"), "{log}");
}

#[tokio::test]
async fn each_address_has_its_line() {
    let mut server =
        Program::start(&["serve", "--dev", "--listen", "127.0.0.1:0", "--listen", "0.0.0.0:0"]);
    let first = server.line().await;
    let second = server.line().await;
    assert!(first.starts_with("http://127.0.0.1:"), "{first}");
    assert!(second.starts_with("http://0.0.0.0:"), "{second}");
    server.signal(Signal::TERM);
    let log = server.ended().await.stderr;
    assert!(log.contains("0.0.0.0:") && log.contains("is not a loopback address"), "{log}");
}

#[tokio::test]
async fn a_port_in_use_is_one_sentence_with_its_address() {
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap().to_string();
    let ended = run(&["serve", "--dev", "--listen", &address], "").await;
    assert_eq!(ended.code, Some(1));
    assert_eq!(ended.stdout, [""; 0]);
    let sentence = format!(
        "tidewire: cannot listen on {address}: the port is in use by another program; \
         --listen ADDR chooses another\n"
    );
    assert_eq!(ended.stderr, sentence);
}

/// Closed by default: no chat, no page, no API, and nobody who has no token.
#[tokio::test]
async fn without_dev_everything_is_closed() {
    let mut server =
        Program::start(&["serve", "--listen", "127.0.0.1:0", "--operator", "127.0.0.1:0"]);
    let url = server.line().await;
    let address = url.strip_prefix("http://").unwrap().trim_end_matches('/').to_owned();
    let handshake = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    for (head, status) in [
        ("GET / HTTP/1.1".to_owned(), "404"),
        (format!("GET / HTTP/1.1\r\n{handshake}"), "404"),
        (
            format!(
                "GET /connection/websocket HTTP/1.1\r\nOrigin: https://elsewhere.example\r\n{handshake}"
            ),
            "403",
        ),
    ] {
        let answer = request(&address, &head).await;
        assert_eq!(answer.split(' ').nth(1), Some(status), "{head}: {answer}");
    }
    let mut ws = tidewire::connect(&format!("ws://{address}/connection/websocket")).await.unwrap();
    ws.send(r#"{"id":1,"connect":{}}"#).await.unwrap();
    let Some(tidewire::Message::Text(answer)) = soon(ws.next()).await.unwrap() else {
        panic!("no answer");
    };
    assert!(
        answer.starts_with(r#"{"id":1,"error":{"code":101,"message":"unauthorized""#),
        "{answer}"
    );
}

#[tokio::test]
async fn a_wrong_configuration_is_refused_whole() {
    let folder = std::env::temp_dir().join(format!("tidewire-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("wrong.toml");
    std::fs::write(&file, "[client]\nping_intervall = '25s'\n").unwrap();
    let ended = run(&["serve", "--config", file.to_str().unwrap()], "").await;
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(ended.code, Some(1));
    assert_eq!(ended.stdout, [""; 0]);
    for part in ["wrong.toml:2", "ping_intervall", "ping_interval"] {
        assert!(ended.stderr.contains(part), "{part} in: {}", ended.stderr);
    }
}

/// 1001 to everybody, then the end; also while somebody is connected who has asked nothing.
#[tokio::test]
async fn sigterm_and_ctrl_c_close_with_1001_and_end() {
    for signal in [Signal::TERM, Signal::INT] {
        let (server, address) = serve().await;
        let silent = TcpStream::connect(&address).await.unwrap();
        let mut bare = tidewire::connect(&format!("ws://{address}")).await.unwrap();
        let silent_socket = tidewire::connect(&format!("ws://{address}")).await.unwrap();
        bare.send("there?").await.unwrap();
        soon(bare.next()).await.unwrap().unwrap(); // it is in the room
        server.signal(signal);
        for mut ws in [bare, silent_socket] {
            while soon(ws.next()).await.unwrap().is_some() {} // what was said before
            let outcome = ws.close_info().unwrap();
            assert_eq!(outcome.code(), CloseCode::GOING_AWAY);
            assert_eq!(outcome.reason(), "the server stops");
        }
        let ended = server.ended().await;
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        assert!(ended.stderr.contains("code=1001"), "{}", ended.stderr);
        drop(silent);
    }
}

#[tokio::test]
async fn who_comes_through_a_trusted_proxy_is_logged_by_its_own_address() {
    for (trusted, is_logged) in [("127.0.0.1", true), ("192.0.2.1", false)] {
        let (server, address) = serve_in(&[("TIDEWIRE_TRUSTED_PROXIES", trusted)], &[]).await;
        let client = tidewire::Client::new().header("X-Forwarded-For", "203.0.113.9").unwrap();
        client.connect(&format!("ws://{address}")).await.unwrap();
        server.signal(Signal::TERM);
        let log = server.ended().await.stderr;
        assert_eq!(log.contains("address=203.0.113.9"), is_logged, "{log}");
    }
}

#[tokio::test]
async fn open_close_and_error_are_logged() {
    let (server, address) = serve().await;
    let url = format!("ws://{address}");
    let page = tidewire::Client::new().header("Origin", "null").unwrap();
    let mut ws = page.connect(&url).await.unwrap();
    ws.close(CloseCode::new(4000), "had \"enough\"").await.unwrap();
    // An unmasked frame breaks the protocol (RFC 6455 §5.1).
    let mut broken = TcpStream::connect(&address).await.unwrap();
    let handshake = format!(
        "GET / HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\u{1}\u{1}x"
    );
    broken.write_all(handshake.as_bytes()).await.unwrap();
    let mut rest = Vec::new();
    soon(broken.read_to_end(&mut rest)).await.unwrap();
    assert!(rest.ends_with(b"\x88\x02\x03\xea"), "a Close with 1002: {rest:?}");
    server.signal(Signal::TERM);
    let log = server.ended().await.stderr;
    for part in [
        "open peer=127.0.0.1:",
        "dialect=\"bare\"",
        "client=\"",
        "close peer=127.0.0.1:",
        "code=4000 reason=\"had \\\"enough\\\"\"",
        "error: the peer broke the protocol:",
    ] {
        assert!(log.contains(part), "{part} in: {log}");
    }
}
