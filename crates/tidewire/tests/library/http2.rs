//! WebSockets over HTTP/2 (RFC 8441), our own ends of it, and SECURITY's T rows.

use std::{future::pending, io::ErrorKind, time::Duration};

use bytes::Bytes;
use h2::Reason;
use tidewire::{
    Client, CloseCode, Error, HandshakeError, Message, Server, WebSocket,
    http2::{Connector, Negotiated, STREAM_WINDOW_LEN, Stream},
    proto::handshake::Rejection,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    sync::{mpsc, oneshot},
};

use crate::{
    extended::{self, connect, connect_to},
    pipe::masked,
};

type End = Result<Option<CloseCode>, Error>;

/// A server at the other end of a pipe.
struct Serving {
    /// How its WebSockets ended.
    ended: mpsc::UnboundedReceiver<End>,
    /// Has it take no more of them.
    drain: Option<oneshot::Sender<()>>,
    /// How the connection ended.
    connection: tokio::task::JoinHandle<Result<(), Error>>,
}

fn start(server: Server) -> (DuplexStream, Serving) {
    let (client, io) = duplex(1 << 20);
    let (ends, ended) = mpsc::unbounded_channel();
    let (drain, draining) = oneshot::channel();
    let connection = tokio::spawn(async move {
        let mut connection = server.http2(io).await?;
        let mut draining = Box::pin(async {
            match draining.await {
                Ok(()) => {}
                Err(_) => pending().await,
            }
        });
        let mut drained = false;
        loop {
            let handshake = tokio::select! {
                next = connection.next() => match next? {
                    Some(handshake) => handshake,
                    None => return Ok(()),
                },
                () = &mut draining, if !drained => {
                    drained = true;
                    connection.shutdown();
                    continue;
                }
            };
            let ends = ends.clone();
            match handshake.request().path() {
                "/refused" => {
                    let rejection = Rejection::new(401, "Who are you?").unwrap();
                    handshake.reject(&rejection.header("www-authenticate", "Basic").unwrap())?;
                }
                "/stuck" => {
                    let ws = handshake.accept()?;
                    tokio::spawn(async move {
                        pending::<()>().await;
                        drop(ws);
                    });
                }
                "/late" => {
                    let ws = handshake.accept()?;
                    tokio::spawn(async move {
                        tokio::time::sleep(Duration::from_secs(1)).await;
                        ends.send(echo(ws).await)
                    });
                }
                _ => match handshake.accept() {
                    Ok(ws) => drop(tokio::spawn(async move { ends.send(echo(ws).await) })),
                    Err(error) => drop(ends.send(Err(error))),
                },
            }
        }
    });
    (client, Serving { ended, drain: Some(drain), connection })
}

async fn echo<S: tidewire::Stream>(mut ws: WebSocket<S>) -> End {
    while let Some(message) = ws.next().await? {
        ws.send(message).await?;
    }
    Ok(ws.close_info().map(|outcome| outcome.code()))
}

async fn connector(server: Server) -> (Connector, Serving) {
    let (io, serving) = start(server);
    (Client::new().subprotocols(["b", "a"]).http2(io).await.unwrap(), serving)
}

async fn open(connector: &Connector, path: &str) -> WebSocket<Stream> {
    connector.connect(&format!("wss://example.com{path}")).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn several_on_one_connection() {
    let (connector, mut serving) = connector(Server::new().subprotocols(["a"])).await;
    let mut sockets = Vec::new();
    for _ in 0..10 {
        sockets.push(open(&connector, "/chat?room=1").await);
    }
    for (number, ws) in sockets.iter_mut().enumerate() {
        assert_eq!(ws.subprotocol(), Some("a"));
        let said = ws.response_headers().unwrap();
        assert_eq!(said.get("sec-websocket-protocol"), Some(&b"a"[..]));
        ws.send(format!("hello {number}")).await.unwrap();
    }
    for (number, ws) in sockets.iter_mut().enumerate() {
        assert_eq!(ws.next().await.unwrap(), Some(Message::text(format!("hello {number}"))));
    }
    // Larger than any window.
    let large = Message::binary(vec![7; 1 << 20]);
    sockets[0].send(large.clone()).await.unwrap();
    assert!(sockets[0].next().await.unwrap() == Some(large));
    for mut ws in sockets {
        ws.close(CloseCode::NORMAL_CLOSURE, "").await.unwrap();
        let end = serving.ended.recv().await.unwrap();
        assert_eq!(end.unwrap(), Some(CloseCode::NORMAL_CLOSURE));
    }
    drop(connector);
    serving.connection.await.unwrap().unwrap();
}

#[cfg(feature = "deflate")]
#[tokio::test(start_paused = true)]
async fn compressed() {
    let (io, _serving) = start(Server::new().deflate(tidewire::DeflateConfig::default()));
    let client = Client::new().deflate(tidewire::DeflateConfig::default());
    let connector = client.http2(io).await.unwrap();
    let mut ws = open(&connector, "/").await;
    assert!(ws.deflate().is_some());
    let message = Message::text("again and ".repeat(1_000));
    ws.send(message.clone()).await.unwrap();
    assert_eq!(ws.next().await.unwrap(), Some(message));
}

/// T1, T3: the setting is announced; neither Key nor Accept; masking is still required.
#[tokio::test(start_paused = true)]
async fn t3_to_a_client_that_is_not_ours() {
    let (io, mut serving) = start(Server::new().subprotocols(["a"]));
    let mut requests = extended::client(io).await;
    let request = connect(
        "websocket",
        &[("sec-websocket-protocol", "a"), ("sec-websocket-key", "passed on by a proxy")],
    );
    let (response, mut send) = requests.send_request(request, false).unwrap();
    let response = response.await.unwrap();
    assert_eq!(response.status(), 200);
    let names: Vec<_> = response.headers().keys().map(http::HeaderName::as_str).collect();
    assert_eq!(names, ["sec-websocket-protocol"]);
    let mut body = response.into_body();
    send.send_data(masked(0x81, b"hello").into(), false).unwrap();
    assert_eq!(&body.data().await.unwrap().unwrap()[..], b"\x81\x05hello");
    send.send_data(Bytes::from_static(b"\x81\x00"), false).unwrap();
    assert_eq!(&body.data().await.unwrap().unwrap()[..], b"\x88\x02\x03\xEA");
    while let Some(data) = body.data().await {
        assert_eq!(data.unwrap().len(), 0, "one Close, and the end");
    }
    assert!(body.is_end_stream(), "T4 END_STREAM for the FIN");
    send.send_data(Bytes::new(), true).unwrap();
    let end = serving.ended.recv().await.unwrap();
    assert!(matches!(end, Err(Error::Protocol(_))), "{end:?}");
}

/// T2, and whatever else is no WebSocket: answered, and the connection goes on.
#[tokio::test(start_paused = true)]
async fn t2_refusals() {
    let (io, mut serving) = start(Server::new());
    let mut requests = extended::client(io).await;
    let page = http::Request::get("https://example.com/").body(()).unwrap();
    let rows = [
        ("RFC 9220 §3 an unknown protocol", connect("connect-udp", &[]), 501),
        ("§5 two versions", connect("websocket", &[("sec-websocket-version", "13")]), 400),
        ("H8 a body", connect("websocket", &[("content-length", "1")]), 400),
        ("H15", connect("websocket", &[("origin", "https://evil.example")]), 403),
        ("H14", connect_to("/refused"), 401),
        ("a page", page, 426),
        ("a good one", connect_to("/"), 200),
    ];
    for (rule, request, expected) in rows {
        requests = requests.ready().await.unwrap();
        let (response, _send) = requests.send_request(request, false).unwrap();
        let response = response.await.unwrap();
        assert_eq!(response.status(), expected, "T2 {rule}");
        assert!(!response.headers().contains_key("connection"), "RFC 9113 §8.2.2 {rule}");
        if expected != 200 {
            assert!(!response.into_body().data().await.unwrap().unwrap().is_empty(), "{rule}");
        }
    }
    let refused = serving.ended.recv().await.unwrap().unwrap_err();
    assert!(
        matches!(&refused, Error::Handshake(error) if matches!(**error, HandshakeError::Origin(_))),
        "{refused:?}"
    );
}

/// Rule, fields, the kind of frame that answers.
type Row = (&'static str, &'static [(&'static str, &'static str)], u8);

/// T2: pseudo-headers that make a request malformed are a stream error of type `PROTOCOL_ERROR`
/// (RFC 9113 §8.1.1), and no harm to the connection.
#[tokio::test(start_paused = true)]
async fn t2_malformed_requests() {
    const METHOD: (&str, &str) = (":method", "CONNECT");
    const PROTOCOL: (&str, &str) = (":protocol", "websocket");
    const SCHEME: (&str, &str) = (":scheme", "https");
    const PATH: (&str, &str) = (":path", "/");
    const AUTHORITY: (&str, &str) = (":authority", "example.com");
    const VERSION: (&str, &str) = ("sec-websocket-version", "13");
    const RST_STREAM: u8 = 3;
    const HEADERS: u8 = 1;
    let rows: &[Row] = &[
        ("§4 GET", &[(":method", "GET"), PROTOCOL, SCHEME, PATH, AUTHORITY, VERSION], RST_STREAM),
        ("§4 no :scheme", &[METHOD, PROTOCOL, PATH, AUTHORITY, VERSION], RST_STREAM),
        ("§4 no :path", &[METHOD, PROTOCOL, SCHEME, AUTHORITY, VERSION], RST_STREAM),
        // Not malformed by RFC 9113, so we say 400.
        ("§4 no :authority", &[METHOD, PROTOCOL, SCHEME, PATH, VERSION], HEADERS),
        ("a good one", &[METHOD, PROTOCOL, SCHEME, PATH, AUTHORITY, VERSION], HEADERS),
    ];
    let (mut io, _serving) = start(Server::new());
    io.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    io.write_all(&frame(4, 0, 0, b"")).await.unwrap();
    for ((rule, fields, answer), stream) in rows.iter().zip((1..).step_by(2)) {
        // RFC 7541 §6.2.2: literals without indexing, so that nothing has to be remembered.
        let block: Vec<u8> = fields
            .iter()
            .flat_map(|(name, value)| {
                let len = |text: &str| u8::try_from(text.len()).unwrap();
                [&[0, len(name)], name.as_bytes(), &[len(value)], value.as_bytes()].concat()
            })
            .collect();
        io.write_all(&frame(1, 4, stream, &block)).await.unwrap();
        let (kind, payload) = loop {
            let mut head = [0; 9];
            io.read_exact(&mut head).await.unwrap();
            let len = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; len as usize];
            io.read_exact(&mut payload).await.unwrap();
            if head[5..] == stream.to_be_bytes() && head[3] != 8 {
                break (head[3], payload);
            }
        };
        assert_eq!(kind, *answer, "T2 RFC 8441 {rule}");
        if kind == RST_STREAM {
            assert_eq!(payload, [0, 0, 0, 1], "T2 RFC 8441 {rule}");
        }
    }
}

/// A frame of HTTP/2 (RFC 9113 §4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&len[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// T4: `END_STREAM` without a Close is 1006, as a FIN is; a RST is told as one.
#[tokio::test(start_paused = true)]
async fn t4_ends_without_a_close() {
    for reset in [false, true] {
        let (io, mut serving) = start(Server::new());
        let mut requests = extended::client(io).await;
        let (response, mut send) = requests.send_request(connect_to("/"), false).unwrap();
        let _body = response.await.unwrap().into_body();
        if reset {
            send.send_reset(Reason::CANCEL);
        } else {
            send.send_data(Bytes::new(), true).unwrap();
        }
        let error = serving.ended.recv().await.unwrap().unwrap_err();
        assert_eq!(error.close_code(), Some(CloseCode::ABNORMAL_CLOSURE), "{error:?}");
        let is_reset = |error: &Error| matches!(error, Error::Io(error) if error.kind() == ErrorKind::ConnectionReset);
        assert_eq!(is_reset(&error), reset, "{error:?}");
    }
}

/// T4: an abort of ours is a `RST_STREAM(CANCEL)`; a WebSocket that is dropped says why first.
#[tokio::test(start_paused = true)]
async fn t4_our_own_ends() {
    let (connector, mut serving) = connector(Server::new()).await;
    drop(open(&connector, "/").await);
    assert_eq!(serving.ended.recv().await.unwrap().unwrap(), Some(CloseCode::GOING_AWAY));

    let mut stuck = open(&connector, "/late").await;
    // Its window is full, so there is no room for a Close: only RST_STREAM gets through.
    let sending = stuck.send(vec![0; 2 * STREAM_WINDOW_LEN as usize + 100_000]);
    assert!(tokio::time::timeout(Duration::from_millis(10), sending).await.is_ok(), "queued");
    drop(stuck);
    let error = serving.ended.recv().await.unwrap().unwrap_err();
    assert!(
        matches!(&error, Error::Io(error) if error.kind() == ErrorKind::ConnectionReset),
        "{error:?}"
    );
}

/// T4: GOAWAY drains: what there is goes on, nothing new is opened, and then it ends.
#[tokio::test(start_paused = true)]
async fn t4_goaway_drains() {
    let (connector, mut serving) = connector(Server::new()).await;
    let mut ws = open(&connector, "/").await;
    serving.drain.take().unwrap().send(()).unwrap();
    for _ in 0..3 {
        ws.send("still there").await.unwrap();
        assert_eq!(ws.next().await.unwrap(), Some(Message::text("still there")));
    }
    let refused = connector.connect("wss://example.com/").await.unwrap_err();
    assert!(matches!(refused, Error::Io(_)), "{refused:?}");
    assert!(!serving.connection.is_finished());
    ws.close(CloseCode::NORMAL_CLOSURE, "").await.unwrap();
    drop(ws);
    serving.connection.await.unwrap().unwrap();
}

/// T5: WebSockets that their server does not read do not hold up the others.
#[tokio::test(start_paused = true)]
async fn t5_stuck_at_the_server() {
    let (connector, _serving) = connector(Server::new()).await;
    let mut stuck = Vec::new();
    for _ in 0..40 {
        let mut ws = open(&connector, "/stuck").await;
        ws.send(vec![0; STREAM_WINDOW_LEN as usize]).await.unwrap();
        assert!(ws.buffered() > 0, "the window is full");
        stuck.push(ws);
    }
    let mut ws = open(&connector, "/").await;
    ws.send("through").await.unwrap();
    assert_eq!(ws.next().await.unwrap(), Some(Message::text("through")));
}

/// T5: nor do those that their client does not read.
#[tokio::test(start_paused = true)]
async fn t5_stuck_at_the_client() {
    let (connector, _serving) = connector(Server::new()).await;
    let mut stuck = Vec::new();
    for _ in 0..40 {
        let mut ws = open(&connector, "/").await;
        ws.send(vec![0; 60_000]).await.unwrap();
        ws.send(vec![0; 60_000]).await.unwrap();
        stuck.push(ws);
    }
    let mut ws = open(&connector, "/").await;
    ws.send("through").await.unwrap();
    assert_eq!(ws.next().await.unwrap(), Some(Message::text("through")));
    for mut ws in stuck {
        assert_eq!(ws.next().await.unwrap().map(|message| message.len()), Some(60_000));
        assert_eq!(ws.next().await.unwrap().map(|message| message.len()), Some(60_000));
    }
}

/// T5: the window is opened as bytes are consumed, and not before.
#[tokio::test(start_paused = true)]
async fn t5_the_window_follows_the_reader() {
    let (io, _serving) = start(Server::new());
    let mut requests = extended::client(io).await;
    let (response, mut send) = requests.send_request(connect_to("/late"), false).unwrap();
    let _body = response.await.unwrap().into_body();
    // A message under way, of which no end is in sight.
    let mut message = masked(0x02, &vec![0; 60_000]);
    message.extend(masked(0x00, &vec![0; 60_000]));
    send.send_data(message.into(), false).unwrap();
    send.reserve_capacity(1);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(send.capacity(), 0, "nobody has read yet");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(send.capacity(), 1, "now it was read");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_arrives_whole() {
    let (connector, _serving) = connector(Server::new()).await;
    let error = connector.connect("wss://example.com/refused").await.unwrap_err();
    let Error::Handshake(error) = error else { panic!("{error:?}") };
    let HandshakeError::Refused(response) = *error else { panic!("{error:?}") };
    assert_eq!((response.status(), response.body()), (401, &b"Who are you?\n"[..]));
    assert_eq!(response.headers().get("www-authenticate"), Some(&b"Basic"[..]));
}

/// T1: a server that has not announced it is not asked (RFC 8441 §3).
#[tokio::test(start_paused = true)]
async fn t1_without_the_setting() {
    let (client, io) = duplex(1 << 16);
    tokio::spawn(async move {
        let mut connection = h2::server::handshake(io).await.unwrap();
        assert!(connection.accept().await.is_none(), "no request");
    });
    let error = Client::new().http2(client).await.unwrap_err();
    assert!(
        matches!(&error, Error::Handshake(error)
            if matches!(**error, HandshakeError::ConnectProtocol)),
        "{error:?}"
    );
}

/// A server that says nothing is not waited for.
#[tokio::test(start_paused = true)]
async fn c8_silence() {
    let (client, _io) = duplex(1 << 16);
    let error = Client::new().http2(client).await.unwrap_err();
    assert!(matches!(error, Error::Handshake(_)), "{error:?}");
}

/// A client that opens nothing is not kept for ever.
#[tokio::test(start_paused = true)]
async fn idle_connections_end() {
    let (connector, serving) = connector(Server::new()).await;
    let mut ws = open(&connector, "/").await;
    tokio::time::timeout(Duration::from_secs(150), ws.next()).await.unwrap_err();
    assert!(!serving.connection.is_finished(), "it has a WebSocket");
    ws.close(CloseCode::NORMAL_CLOSURE, "").await.unwrap();
    drop(ws);
    let started = tokio::time::Instant::now();
    serving.connection.await.unwrap().unwrap();
    assert!((1..=130).contains(&started.elapsed().as_secs()), "{:?}", started.elapsed());
}

const HTTP1: &[u8] = b"GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n\x81\x85\0\0\0\0hello";

fn negotiating() -> DuplexStream {
    let (client, io) = duplex(1 << 20);
    tokio::spawn(async move {
        match Server::new().negotiate(io).await? {
            Negotiated::Http1(handshake) => drop(echo(handshake.accept().await?).await),
            Negotiated::Http2(mut connection) => {
                while let Some(handshake) = connection.next().await? {
                    tokio::spawn(echo(handshake.accept()?));
                }
            }
        }
        Ok::<_, Error>(())
    });
    client
}

/// Both versions on one port, wherever the network cuts.
#[tokio::test(start_paused = true)]
async fn negotiated() {
    for cut in (0..30).chain([HTTP1.len() - 3]) {
        let mut io = negotiating();
        io.write_all(&HTTP1[..cut]).await.unwrap();
        tokio::time::sleep(Duration::from_millis(1)).await;
        io.write_all(&HTTP1[cut..]).await.unwrap();
        let mut answer = vec![0; 12];
        io.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer, b"HTTP/1.1 101", "cut at {cut}");
        while !answer.ends_with(b"\r\n\r\n\x81\x05hello") {
            answer.push(io.read_u8().await.unwrap());
        }
    }
    let connector = Client::new().http2(negotiating()).await.unwrap();
    let mut ws = open(&connector, "/").await;
    ws.send("hello").await.unwrap();
    assert_eq!(ws.next().await.unwrap(), Some(Message::text("hello")));
}

/// H11, and requests that only begin like HTTP/2.
#[tokio::test(start_paused = true)]
async fn negotiated_with_nobody() {
    let rows: [(&[u8], &[u8]); 4] = [
        (b"", b"HTTP/1.1 408 "),
        (b"PRI * HT", b"HTTP/1.1 408 "),
        (b"PRI * HTTP/2.0\r\n\r\nXM\r\n\r\n", b"HTTP/1.1 505 "),
        (b"PUT / HTTP/1.1\r\nHost: a\r\n\r\n", b"HTTP/1.1 426 "),
    ];
    for (request, status) in rows {
        let mut io = negotiating();
        io.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        io.read_to_end(&mut answer).await.unwrap();
        assert!(answer.starts_with(status), "{:?}", String::from_utf8_lossy(&answer));
    }
}

/// RFC 9113 §3.3: by TLS, `h2` is selected by ALPN, or it is no HTTP/2.
#[cfg(feature = "tls")]
#[tokio::test]
async fn by_tls() {
    use std::sync::Arc;

    let authority = crate::certificates::Authority::new();
    let client = Client::new().tls(Arc::new(authority.client()));
    for (alpn, ok) in [(&["h2", "http/1.1"][..], true), (&["http/1.1"], false), (&[], false)] {
        let mut config = authority.server();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        let server = Server::new().tls(Arc::new(config));
        let listener = server.listen("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok(pending) = listener.accept().await {
                tokio::spawn(async move {
                    match pending.negotiate().await? {
                        Negotiated::Http1(handshake) => drop(echo(handshake.accept().await?).await),
                        Negotiated::Http2(mut connection) => {
                            while let Some(handshake) = connection.next().await? {
                                tokio::spawn(echo(handshake.accept()?));
                            }
                        }
                    }
                    Ok::<_, Error>(())
                });
            }
        });
        let url = format!("wss://localhost:{port}");
        match client.connect_http2(&url).await {
            Ok(connector) => {
                assert!(ok, "{alpn:?}");
                let mut ws = connector.connect(&url).await.unwrap();
                ws.send("hello").await.unwrap();
                assert_eq!(ws.next().await.unwrap(), Some(Message::text("hello")));
            }
            Err(error) => assert!(
                !ok && matches!(&error, Error::Handshake(error)
                    if matches!(**error, HandshakeError::Tls(_))),
                "{alpn:?}: {error:?}"
            ),
        }
        // And HTTP/1.1 on the same port, whatever is offered to others.
        let mut ws = client.connect(&url).await.unwrap();
        ws.send("hello").await.unwrap();
        assert_eq!(ws.next().await.unwrap(), Some(Message::text("hello")));
    }
}

/// RFC 8441 §3, RFC 7301 §3.2: where it is preferred, HTTP/2 is spoken with servers that select it
/// and say that they take WebSockets over it. All others are reached as ever.
#[cfg(feature = "tls")]
#[tokio::test]
async fn t1_where_it_is_preferred() {
    use std::sync::Arc;

    use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};

    /// What it takes WebSockets over.
    async fn serve(config: ServerConfig, http2: bool) -> u16 {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        tokio::spawn(async move {
            while let Ok((io, _)) = listener.accept().await {
                let io = acceptor.accept(io).await.unwrap();
                if http2 || io.get_ref().1.alpn_protocol() != Some(b"h2") {
                    tokio::spawn(async move {
                        match Server::new().negotiate(io).await.unwrap() {
                            Negotiated::Http1(handshake) => {
                                drop(echo(handshake.accept().await.unwrap()).await);
                            }
                            Negotiated::Http2(mut connection) => {
                                let handshake = connection.next().await.unwrap().unwrap();
                                tokio::spawn(echo(handshake.accept().unwrap()));
                                // Drives it.
                                drop(connection.next().await);
                            }
                        }
                    });
                } else {
                    tokio::spawn(async move {
                        let mut connection = h2::server::handshake(io).await.unwrap();
                        assert!(connection.accept().await.is_none(), "no request");
                    });
                }
            }
        });
        port
    }

    let authority = crate::certificates::Authority::new();
    let client = Client::new().tls(Arc::new(authority.client()));
    for (alpn, http2) in [
        (&["h2", "http/1.1"][..], true),
        (&["h2", "http/1.1"], false),
        (&["http/1.1"], false),
        (&[], false),
    ] {
        let mut config = authority.server();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        let url = format!("wss://localhost:{}/", serve(config, http2).await);
        for preferred in [true, false] {
            let client = client.clone().prefer_http2(preferred);
            let mut ws = client.connect(&url).await.unwrap();
            let http1 = ws.response_headers().unwrap().contains("sec-websocket-accept");
            assert_eq!(http1, !(http2 && preferred), "{alpn:?} {http2} {preferred}");
            assert!(ws.with_io(tidewire::NetStream::is_tls));
            ws.send("hello").await.unwrap();
            assert_eq!(ws.next().await.unwrap(), Some(Message::text("hello")));
            ws.close(CloseCode::NORMAL_CLOSURE, "").await.unwrap();
        }
    }
}
