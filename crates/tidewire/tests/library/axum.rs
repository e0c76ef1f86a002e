//! The axum extractor, over HTTP/1.1 and HTTP/2.

use ::axum::{Router, response::Response, routing::any};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use tidewire::{axum::Upgrade, proto::handshake::OriginPolicy};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use crate::{
    extended::{client, connect, connect_to},
    pipe::masked,
};

/// The application at the other end of a pipe.
fn start() -> DuplexStream {
    let (client, io) = duplex(1 << 20);
    let app = Router::new().route("/chat", any(chat)).route("/panic", any(panics));
    tokio::spawn(async move {
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder.http2().enable_connect_protocol();
        let service = TowerToHyperService::new(app);
        // How it ends is told by what the client sees.
        let _ = builder.serve_connection_with_upgrades(TokioIo::new(io), service).await;
    });
    client
}

async fn chat(upgrade: Upgrade) -> Response {
    let origins = OriginPolicy::list(["https://example.com"]).unwrap();
    upgrade.subprotocols(["chat.v2", "chat.v1"]).origin(origins).on_upgrade(async |mut ws| {
        while let Some(message) = ws.next().await? {
            ws.send(message).await?;
        }
        Ok::<_, tidewire::Error>(())
    })
}

async fn panics(upgrade: Upgrade) -> Response {
    upgrade.on_upgrade(async |mut ws| {
        assert!(ws.next().await.is_err(), "a panic on purpose");
    })
}

async fn http1(path: &str, fields: &str) -> (DuplexStream, String) {
    let mut io = start();
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{fields}\r\n"
    );
    io.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(io.read_u8().await.unwrap());
    }
    (io, String::from_utf8(head).unwrap())
}

#[tokio::test(start_paused = true)]
async fn over_http1() {
    let (mut io, head) = http1("/chat", "Sec-WebSocket-Protocol: chat.v1, chat.v2\r\n").await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert!(head.contains("\r\nsec-websocket-protocol: chat.v2\r\n"), "{head}");
    io.write_all(&masked(0x81, b"hello")).await.unwrap();
    let mut echo = [0; 7];
    io.read_exact(&mut echo).await.unwrap();
    assert_eq!(&echo, b"\x81\x05hello");
}

#[tokio::test(start_paused = true)]
async fn over_http2() {
    let mut requests = client(start()).await;
    let offer = connect("websocket", &[("sec-websocket-protocol", "chat.v1, chat.v2")]);
    let (response, mut send) = requests.send_request(offer, false).unwrap();
    let response = response.await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["sec-websocket-protocol"], "chat.v2");
    send.send_data(masked(0x81, b"hello").into(), false).unwrap();
    let echo = response.into_body().data().await.unwrap().unwrap();
    assert_eq!(&echo[..], b"\x81\x05hello");
}

#[tokio::test(start_paused = true)]
async fn refusals() {
    let rows = [
        ("H4", "Sec-WebSocket-Version: 13\r\n", "HTTP/1.1 400 "),
        ("H15", "Origin: https://evil.example\r\n", "HTTP/1.1 403 "),
        ("H8", "Content-Length: 3\r\n", "HTTP/1.1 400 "),
    ];
    for (rule, fields, status) in rows {
        let (_, head) = http1("/chat", fields).await;
        assert!(head.starts_with(status), "{rule}: {head}");
    }
    let mut requests = client(start()).await;
    let evil = connect("websocket", &[("origin", "https://evil.example")]);
    let (response, _send) = requests.send_request(evil, false).unwrap();
    assert_eq!(response.await.unwrap().status(), 403, "H15");
}

/// A handler that panics is the end of its own connection and of nothing else.
#[tokio::test(start_paused = true)]
async fn a_panic_closes_with_1011() {
    let mut requests = client(start()).await;
    let (response, mut send) = requests.send_request(connect_to("/panic"), false).unwrap();
    let mut body = response.await.unwrap().into_body();
    send.send_data(masked(0x81, b"hello").into(), false).unwrap();
    let close = body.data().await.unwrap().unwrap();
    assert_eq!(&close[..], b"\x88\x02\x03\xF3");
    let (response, _send) = requests.send_request(connect_to("/chat"), false).unwrap();
    assert_eq!(response.await.unwrap().status(), 200);
}
