//! The hyper adapter: decisions of the caller, and extended CONNECT (RFC 8441) by the same function.

use std::convert::Infallible;

use ::hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use bytes::Bytes;
use h2::{Reason, client::SendRequest};
use http::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tidewire::{
    CloseCode, DeflateConfig, Error, HandshakeError, Server,
    hyper::{Body, CONNECTION_WINDOW_LEN, Handshake, Parts, Refused, STREAM_WINDOW_LEN, Upgrading},
    proto::handshake::{Accept, Rejection},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
    sync::mpsc,
};

use crate::{
    extended::{self, connect, connect_to},
    pipe::masked,
};

type Answer = Result<(Response<Body>, Upgrading), Refused>;
type End = Result<Option<CloseCode>, Error>;

/// A client of HTTP/2 whose requests `decide` answers; how the WebSockets ended.
async fn serve(
    decide: impl Fn(Request<Incoming>) -> Answer + Copy + Send + Sync + 'static,
) -> (SendRequest<Bytes>, mpsc::UnboundedReceiver<End>) {
    let (client, io) = duplex(1 << 20);
    let (ends, ended) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let service = service_fn(move |request: Request<Incoming>| {
            let ends = ends.clone();
            let stuck = request.uri().path() == "/stuck";
            async move {
                Ok::<_, Infallible>(match decide(request) {
                    Ok((response, socket)) => {
                        tokio::spawn(async move {
                            if stuck {
                                let _unread = socket.await;
                                return std::future::pending().await;
                            }
                            ends.send(echo(socket).await)
                        });
                        response
                    }
                    Err(refused) => refused.into_response(),
                })
            }
        });
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder
            .enable_connect_protocol()
            .initial_stream_window_size(STREAM_WINDOW_LEN)
            .initial_connection_window_size(CONNECTION_WINDOW_LEN);
        builder.serve_connection(TokioIo::new(io), service).await
    });
    let requests = extended::client(client).await;
    (requests, ended)
}

async fn echo(socket: Upgrading) -> End {
    let mut ws = socket.await?;
    while let Some(message) = ws.next().await? {
        ws.send(message).await?;
    }
    Ok(ws.close_info().map(|outcome| outcome.code()))
}

fn by_the_rules(mut request: Request<Incoming>) -> Answer {
    tidewire::hyper::accept(&mut request, &Server::new().subprotocols(["chat"]))
}

/// T1, T3: the setting is announced; neither Key nor Accept; then frames, and an end in order.
#[tokio::test(start_paused = true)]
async fn t3_a_websocket_on_a_stream() {
    let (mut requests, mut ended) = serve(by_the_rules).await;
    // A Key that a proxy passes on is ignored.
    let request = connect(
        "websocket",
        &[("sec-websocket-protocol", "chat"), ("sec-websocket-key", "passed on")],
    );
    let (response, mut send) = requests.send_request(request, false).unwrap();
    let response = response.await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["sec-websocket-protocol"], "chat");
    for absent in ["sec-websocket-accept", "upgrade", "connection", "content-length"] {
        assert!(!response.headers().contains_key(absent), "{absent}");
    }
    let mut body = response.into_body();
    send.send_data(masked(0x81, b"hello").into(), false).unwrap();
    assert_eq!(&body.data().await.unwrap().unwrap()[..], b"\x81\x05hello");
    // T3: masking is still required (§5).
    send.send_data(Bytes::from_static(b"\x81\x00"), false).unwrap();
    assert_eq!(&body.data().await.unwrap().unwrap()[..], b"\x88\x02\x03\xEA");
    while let Some(data) = body.data().await {
        assert_eq!(data.unwrap().len(), 0, "one Close, and the end");
    }
    assert!(body.is_end_stream(), "T4 END_STREAM for the FIN");
    drop(send);
    let end = ended.recv().await.unwrap();
    assert!(matches!(end, Err(Error::Protocol(_))), "{end:?}");
}

/// T2: what an extended CONNECT may not be.
#[tokio::test(start_paused = true)]
async fn t2_refusals() {
    let rows = [
        ("RFC 9220 §3 an unknown protocol", connect("connect-udp", &[]), 501),
        ("§5 two versions", connect("websocket", &[("sec-websocket-version", "13")]), 400),
        ("H15", connect("websocket", &[("origin", "https://evil.example")]), 403),
        ("a page", Request::get("https://example.com/").body(()).unwrap(), 426),
    ];
    let (mut requests, _ended) = serve(by_the_rules).await;
    for (rule, request, expected) in rows {
        requests = requests.ready().await.unwrap();
        let (response, _send) = requests.send_request(request, false).unwrap();
        let response = response.await.unwrap();
        assert_eq!(response.status(), expected, "T2 {rule}");
        assert!(!response.headers().contains_key("connection"), "RFC 9113 §8.2.2 {rule}");
        assert_ne!(response.headers()["content-length"], "0", "{rule}");
    }
}

/// T4 over hyper: an end without a Close is 1006, whether by `END_STREAM` or by `RST_STREAM`.
#[tokio::test(start_paused = true)]
async fn t4_ends_without_a_close() {
    for reset in [false, true] {
        let (mut requests, mut ended) = serve(by_the_rules).await;
        let (response, mut send) = requests.send_request(connect("websocket", &[]), false).unwrap();
        let _body = response.await.unwrap().into_body();
        if reset {
            send.send_reset(Reason::CANCEL);
        } else {
            send.send_data(Bytes::new(), true).unwrap();
        }
        let error = ended.recv().await.unwrap().unwrap_err();
        assert_eq!(error.close_code(), Some(CloseCode::ABNORMAL_CLOSURE), "{error:?}");
    }
}

/// T5: WebSockets that nobody reads do not hold up the others, however much waits on them.
#[tokio::test(start_paused = true)]
async fn t5_stuck_streams_do_not_block_their_siblings() {
    let (mut requests, _ended) = serve(by_the_rules).await;
    let mut stuck = Vec::new();
    for _ in 0..40 {
        requests = requests.ready().await.unwrap();
        let (response, mut send) = requests.send_request(connect_to("/stuck"), false).unwrap();
        let response = response.await.unwrap();
        send.send_data(vec![0; STREAM_WINDOW_LEN as usize + 1].into(), false).unwrap();
        stuck.push((response, send));
    }
    let (response, mut send) = requests.send_request(connect("websocket", &[]), false).unwrap();
    let mut body = response.await.unwrap().into_body();
    send.send_data(masked(0x81, b"hello").into(), false).unwrap();
    assert_eq!(&body.data().await.unwrap().unwrap()[..], b"\x81\x05hello");
    for (_, send) in &mut stuck {
        // What is beyond the window waits with the sender.
        send.reserve_capacity(1);
        assert_eq!(send.capacity(), 0);
    }
}

/// H14: the application refuses with any status, headers and body, or accepts by its own choice.
#[tokio::test(start_paused = true)]
async fn h14_the_caller_decides() {
    fn decide(mut request: Request<Incoming>) -> Answer {
        let handshake: Handshake = tidewire::hyper::handshake(&mut request, &Server::new())?;
        assert_eq!(handshake.request().path(), "/chat");
        assert!(handshake.reject(&Rejection::new(204, "").unwrap()).is_err(), "2xx accepts");
        let accept = Accept::new().header("set-cookie", "a=b").unwrap().subprotocol("mine");
        Ok(handshake.accept_with(&accept).unwrap())
    }
    let (mut requests, _ended) = serve(decide).await;
    let offer = connect("websocket", &[("sec-websocket-protocol", "other, mine")]);
    let (response, _send) = requests.send_request(offer, false).unwrap();
    let response = response.await.unwrap();
    assert_eq!(response.headers()["set-cookie"], "a=b");
    assert_eq!(response.headers()["sec-websocket-protocol"], "mine");
}

/// A request whose connection nobody can hand over is the server's mistake, and says so.
#[test]
fn a_request_without_a_connection() {
    let mut request = Request::get("/chat")
        .header("host", "a")
        .header("upgrade", "websocket")
        .header("connection", "upgrade")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .body(())
        .unwrap();
    let refused = tidewire::hyper::accept(&mut request, &Server::new()).unwrap_err();
    assert!(matches!(refused.error(), HandshakeError::NotUpgradable), "{refused:?}");
    assert_eq!(refused.into_response().status(), StatusCode::INTERNAL_SERVER_ERROR);
}

/// For another driver: what was agreed on, and the connection beneath hyper, with the frames that came
/// together with the request (H12).
#[tokio::test(start_paused = true)]
async fn h12_an_upgrade_is_taken_apart_and_nothing_is_lost() {
    let (mut client, io) = duplex(1 << 20);
    let (sender, mut upgrades) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let service = service_fn(|mut request: Request<Incoming>| {
            let server = Server::new().subprotocols(["chat"]).deflate(DeflateConfig::default());
            let (response, upgrading) = tidewire::hyper::accept(&mut request, &server).unwrap();
            sender.send(upgrading).unwrap();
            async move { Ok::<_, Infallible>(response) }
        });
        http1::Builder::new().serve_connection(TokioIo::new(io), service).with_upgrades().await
    });
    let frames = [masked(0x81, b"with the request"), masked(0x89, b"")].concat();
    let request = "GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n";
    client.write_all(&[request.as_bytes(), &frames].concat()).await.unwrap();

    let Parts { upgraded, subprotocol, deflate, .. } =
        upgrades.recv().await.unwrap().into_parts().await.unwrap();
    assert_eq!(subprotocol.as_deref(), Some("chat"));
    assert!(deflate.is_some());
    let http = upgraded.downcast::<TokioIo<DuplexStream>>().unwrap();
    let (mut io, mut read) = (http.io.into_inner(), http.read_buf.to_vec());
    assert_ne!(read, b"", "hyper reads more than the head at once");
    while read.len() < frames.len() {
        assert_ne!(io.read_buf(&mut read).await.unwrap(), 0);
    }
    assert_eq!(read, frames);
    io.write_all(b"a frame").await.unwrap();
    drop(io);
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    let (head, rest) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert_eq!(rest, "a frame", "the response was written whole before");
}
