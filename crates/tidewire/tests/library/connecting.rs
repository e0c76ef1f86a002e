//! The client's opening handshake against servers that say what they like (RFC 6455 §4.1).

use std::time::Duration;

use tidewire::{
    Client, Error, HandshakeError, Message, WebSocket, proto::handshake::ResponseError,
};
use tokio::io::{AsyncReadExt, duplex};

use crate::raw::{SWITCH, header, serve};

const UP: &str = "Upgrade: websocket\r\nConnection: Upgrade";
const ACCEPT: &str = "Sec-WebSocket-Accept: {accept}";
const WRONG: &str = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// Why there is no connection, or a panic.
fn refusal(result: Result<WebSocket, Error>, rule: &str) -> HandshakeError {
    match result {
        Err(Error::Handshake(error)) => *error,
        other => panic!("{rule}: {other:?}"),
    }
}

#[tokio::test]
async fn responses_by_rule() {
    use ResponseError as R;
    let offering = || Client::new().subprotocols(["chat", "mqtt"]);
    let switch = |lines: &str| format!("HTTP/1.1 101 \r\n{lines}\r\n\r\n");
    let with = |more: &str| switch(&format!("{UP}\r\n{ACCEPT}\r\n{more}"));
    let rows = [
        ("C1 wrong", switch(&format!("{UP}\r\n{WRONG}")), Some(R::AcceptWrong)),
        ("C1 missing", switch(UP), Some(R::AcceptMissing)),
        ("C1 doubled", with(ACCEPT), Some(R::AcceptRepeated)),
        ("C1 white space", switch(&format!("{UP}\r\nsec-websocket-accept:\t{{accept}} ")), None),
        (
            "C3 no Upgrade",
            switch(&format!("Connection: Upgrade\r\n{ACCEPT}")),
            Some(R::UpgradeMissing),
        ),
        (
            "C3 no Connection",
            switch(&format!("Upgrade: websocket\r\n{ACCEPT}")),
            Some(R::ConnectionMissing),
        ),
        (
            "C3 lists, odd case",
            switch(&format!(
                "UPGRADE: h2c, WebSocket\r\nconnection: keep-alive\r\nConnection: uPgrade\r\n{ACCEPT}"
            )),
            None,
        ),
        (
            "C4 not offered",
            with("Sec-WebSocket-Extensions: x-unknown"),
            Some(R::ExtensionNotOffered),
        ),
        (
            "C4 not offered, though known",
            with("Sec-WebSocket-Extensions: permessage-deflate"),
            Some(R::ExtensionNotOffered),
        ),
        ("C5 offered", with("Sec-WebSocket-Protocol: mqtt"), None),
        ("C5 not offered", with("Sec-WebSocket-Protocol: Chat"), Some(R::SubprotocolNotOffered)),
        ("C5 two", with("Sec-WebSocket-Protocol: chat, mqtt"), Some(R::SubprotocolNotOffered)),
        (
            "C5 two lines",
            with("Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: chat"),
            Some(R::SubprotocolRepeated),
        ),
        ("C5 none", with("x: y"), None),
        (
            "C8 endless 1xx",
            "HTTP/1.1 100 Continue\r\n\r\n".repeat(9),
            Some(R::TooManyInterim { interim_count_max: 8 }),
        ),
        ("C8 some 1xx", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".repeat(8) + SWITCH, None),
    ];
    for (rule, answer, wrong) in rows {
        let (port, _server) = serve([&answer]).await;
        let result = offering().connect(&format!("ws://127.0.0.1:{port}/")).await;
        match (wrong, result) {
            (None, result) => drop(result.expect(rule)),
            (Some(wrong), result) => match refusal(result, rule) {
                HandshakeError::Response(error) => assert_eq!(error, wrong, "{rule}"),
                other => panic!("{rule}: {other:?}"),
            },
        }
    }
}

/// What the server said when it accepted: every field, in order, as it was sent.
#[tokio::test]
async fn the_answer_can_be_looked_at() {
    let said = "Set-Cookie: a=1\r\nx-node: 7\r\nSet-Cookie: b=2\r\n\r\n";
    let (port, _server) = serve([&SWITCH.replace("\r\n\r\n", &format!("\r\n{said}"))]).await;
    let ws = tidewire::connect(&format!("ws://127.0.0.1:{port}/")).await.unwrap();
    let headers = ws.response_headers().unwrap();
    assert_eq!(headers.get_all("set-cookie").collect::<Vec<_>>(), [b"a=1", b"b=2"]);
    assert_eq!(headers.get("X-Node"), Some(&b"7"[..]));
    assert_eq!(headers.get("x-other"), None);
}

#[tokio::test]
async fn c5_a_subprotocol_may_be_required() {
    let (port, _server) = serve([SWITCH]).await;
    let client = Client::new().subprotocols(["chat"]).require_subprotocol(true);
    let error = refusal(client.connect(&format!("ws://127.0.0.1:{port}/")).await, "C5");
    assert!(
        matches!(error, HandshakeError::Response(ResponseError::SubprotocolMissing)),
        "{error:?}"
    );
}

#[tokio::test]
async fn c2_a_refusal_is_told_whole_but_bounded() {
    let long = format!("HTTP/1.1 503 \r\nRetry-After: 5\r\n\r\n{}", "x".repeat(100_000));
    let rows = [
        ("HTTP/1.1 403 No\r\nx-why: you\r\nContent-Length: 6\r\n\r\ngo awa", 403, "x-why", 6),
        (
            "HTTP/1.1 200 OK\r\nServer: s\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
            200,
            "server",
            2,
        ),
        (&*long, 503, "retry-after", 16 << 10),
    ];
    for (answer, status, name, body_len) in rows {
        let (port, _server) = serve([answer]).await;
        let error = refusal(tidewire::connect(&format!("ws://127.0.0.1:{port}/")).await, "C2");
        let HandshakeError::Refused(response) = error else { panic!("{error:?}") };
        assert_eq!(response.status(), status);
        assert!(response.headers().contains(name));
        assert_eq!(response.body().len(), body_len);
    }
}

#[tokio::test]
async fn c6_nonces_are_16_bytes_and_fresh() {
    let (port, server) = serve([SWITCH, SWITCH]).await;
    let client = Client::new();
    for _ in 0..2 {
        client.connect(&format!("ws://127.0.0.1:{port}/")).await.unwrap();
    }
    let asked = server.await.unwrap();
    let keys: Vec<_> =
        asked.iter().map(|asked| header(&asked.request, "sec-websocket-key").unwrap()).collect();
    assert!(keys.iter().all(|key| key.len() == 24 && key.ends_with("==")), "{keys:?}");
    assert_ne!(keys[0], keys[1]);
}

/// A server sees nothing of us between the request and its own 101, and its first frames may
/// come with it, cut anywhere.
#[tokio::test(start_paused = true)]
async fn c7_frames_glued_to_the_response() {
    for cut_from_end in 0..9 {
        let (mut peer, io) = duplex(1 << 12);
        let server = tokio::spawn(async move {
            let request = crate::raw::read_head(&mut peer).await;
            let quiet = Duration::from_secs(5);
            tokio::time::timeout(quiet, peer.read_u8()).await.expect_err("nothing before the 101");
            let key = header(&request, "sec-websocket-key").unwrap();
            let accept = tidewire::proto::handshake::accept_key(key.as_bytes());
            let answer = SWITCH.replace("{accept}", &accept);
            let bytes = [answer.as_bytes(), b"\x01\x02hi\x80\x01!"].concat();
            let (first, second) = bytes.split_at(bytes.len() - cut_from_end);
            for part in [first, second] {
                tokio::io::AsyncWriteExt::write_all(&mut peer, part).await.unwrap();
                tokio::task::yield_now().await;
            }
            peer
        });
        let mut ws = Client::new().handshake(io, "ws://h/").await.unwrap();
        assert_eq!(ws.next().await.unwrap(), Some(Message::text("hi!")), "cut at -{cut_from_end}");
        drop(server.await.unwrap());
    }
}

#[tokio::test]
async fn c8_heads_without_end() {
    let bomb = format!("HTTP/1.1 101 \r\nx: {}\r\n", "y".repeat(20_000));
    let many = format!("HTTP/1.1 101 \r\n{}\r\n", "x: y\r\n".repeat(65));
    for answer in [bomb, many] {
        let (port, _server) = serve([&answer]).await;
        let error = refusal(tidewire::connect(&format!("ws://127.0.0.1:{port}/")).await, "C8");
        assert!(matches!(error, HandshakeError::Response(ResponseError::Head(_))), "{error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn c8_silence() {
    let (_peer, io) = duplex(1 << 12);
    let started = tokio::time::Instant::now();
    let error = Client::new().handshake(io, "ws://h/").await.unwrap_err();
    assert!(error.to_string().contains("longer than 10s"), "{error}");
    assert_eq!(started.elapsed().as_secs(), 10);
}

fn redirect(to: &str) -> String {
    format!("HTTP/1.1 307 Elsewhere\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n")
}

#[tokio::test]
async fn c9_redirects_are_off_and_then_counted() {
    let here = redirect("/b?c");
    let (port, server) = serve([&here, &here, SWITCH]).await;
    let url = format!("ws://127.0.0.1:{port}/a");
    let off = refusal(tidewire::connect(&url).await, "C9 off");
    assert!(matches!(&off, HandshakeError::Refused(response) if response.status() == 307));
    Client::new().redirects(1).connect(&url).await.expect("C9: one of one");
    let asked = server.await.unwrap();
    assert!(asked[2].request.starts_with("GET /b?c HTTP/1.1\r\n"), "{}", asked[2].request);

    let (port, _server) = serve([&here, &here, &here, SWITCH]).await;
    let url = format!("ws://127.0.0.1:{port}/a");
    let many = refusal(Client::new().redirects(2).connect(&url).await, "C9: three of two");
    assert!(matches!(many, HandshakeError::Refused(_)), "{many:?}");
}

/// CVE-2026-42498.
#[tokio::test]
async fn c9_no_secrets_for_another_origin() {
    let (other, elsewhere) = serve([SWITCH]).await;
    let there = redirect(&format!("http://localhost:{other}/x"));
    let (port, here) = serve([&*redirect("/same"), &there]).await;
    let client = Client::new().redirects(5);
    let client = [("authorization", "secret"), ("cookie", "secret"), ("x-other", "kept")]
        .into_iter()
        .fold(client, |client, (name, value)| client.header(name, value).unwrap());
    client.connect(&format!("ws://127.0.0.1:{port}/a")).await.unwrap();
    for asked in here.await.unwrap() {
        assert_eq!(header(&asked.request, "authorization"), Some("secret"), "C9: the same origin");
    }
    let request = &elsewhere.await.unwrap()[0].request;
    assert!(!request.contains("secret"), "C9: {request}");
    assert_eq!(header(request, "host"), Some(&*format!("localhost:{other}")));
    assert_eq!(header(request, "x-other"), Some("kept"));
}

#[tokio::test]
async fn c9_where_redirects_must_not_lead() {
    for to in ["ftp://h/", "http://", "/a b"] {
        let (port, _server) = serve([&*redirect(to)]).await;
        let client = Client::new().redirects(5);
        let error = refusal(client.connect(&format!("ws://127.0.0.1:{port}/")).await, to);
        assert!(matches!(error, HandshakeError::Redirect(_)), "{to}: {error:?}");
    }
}

#[tokio::test]
async fn c12_what_a_uri_becomes() {
    let rows = [
        ("ws://us%40er:p%3Aw@127.0.0.1:{port}/a", "authorization", "Basic dXNAZXI6cDp3"),
        ("ws://127.0.0.1:{port}", "host", "127.0.0.1:{port}"),
    ];
    for (url, name, value) in rows {
        let (port, server) = serve([SWITCH]).await;
        let port = port.to_string();
        tidewire::connect(&url.replace("{port}", &port)).await.unwrap();
        let asked = server.await.unwrap();
        assert_eq!(header(&asked[0].request, name), Some(&*value.replace("{port}", &port)), "C12");
    }
    for (url, value) in [("ws://[::1]/", "[::1]"), ("wss://h:443/", "h"), ("ws://h:443", "h:443")] {
        let (mut peer, io) = duplex(1 << 12);
        let asked = tokio::spawn(async move { crate::raw::read_head(&mut peer).await });
        Client::new().handshake(io, url).await.unwrap_err();
        assert_eq!(header(&asked.await.unwrap(), "host"), Some(value), "C12 {url}");
    }
    for url in ["ws://h/#f", "http://h/", "ws://", "h"] {
        let error = refusal(tidewire::connect(url).await, url);
        assert!(matches!(error, HandshakeError::Uri(_)), "C12 {url}: {error:?}");
    }
}

#[tokio::test]
async fn nobody_is_there() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let error = refusal(tidewire::connect(&format!("ws://127.0.0.1:{port}/")).await, "refused");
    let HandshakeError::Connect { target, error } = &error else { panic!("{error:?}") };
    assert_eq!(*target, format!("127.0.0.1:{port}"));
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
}

#[cfg(unix)]
#[tokio::test]
async fn unix_sockets() {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("{}.socket", std::process::id()));
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let server = tokio::spawn(async move {
        let (io, _) = listener.accept().await.unwrap();
        let mut ws = tidewire::Server::new().accept(io).await.unwrap();
        ws.send("hello").await.unwrap();
        ws.next().await.unwrap()
    });
    let mut ws = Client::new().connect_unix(&path, "ws://inside/feed").await.unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(ws.next().await.unwrap(), Some(Message::text("hello")));
    drop(ws);
    assert_eq!(server.await.unwrap(), None);
    let error = refusal(Client::new().connect_unix(&path, "ws://inside/").await, "no socket");
    assert!(error.to_string().contains(".socket: "), "{error}");
}
