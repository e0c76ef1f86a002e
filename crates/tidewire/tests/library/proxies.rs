//! C10: through proxies that say what they like.

use std::time::Duration;

use tidewire::{
    Client, Error, HandshakeError, Message, Proxy, ProxyError, WebSocket,
    proto::handshake::accept_key,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use crate::raw::{SWITCH, header, read_head};

/// A name that nobody resolves (RFC 6761 §6.4): the proxy has to.
const URL: &str = "ws://server.invalid/feed";

async fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

fn through(proxy: &str, port: u16) -> Client {
    Client::new().proxy(Proxy::new(&proxy.replace("{port}", &port.to_string())).unwrap())
}

/// What the proxy's side of the tunnel does once it stands: it is the server itself.
async fn welcome(io: &mut TcpStream) -> String {
    let request = read_head(io).await;
    let key = header(&request, "sec-websocket-key").unwrap();
    let answer = SWITCH.replace("{accept}", &accept_key(key.as_bytes()));
    io.write_all(&[answer.as_bytes(), b"\x81\x02hi"].concat()).await.unwrap();
    request
}

fn proxy_error(result: Result<WebSocket, Error>, rule: &str) -> ProxyError {
    let error = result.expect_err(rule);
    for shown in [error.to_string(), format!("{error:?}")] {
        assert!(!shown.contains("secret"), "{rule}: {shown}");
    }
    match error {
        Error::Handshake(error) => match *error {
            HandshakeError::Proxy(error) => error,
            other => panic!("{rule}: {other:?}"),
        },
        other => panic!("{rule}: {other:?}"),
    }
}

#[tokio::test]
async fn c10_connect_by_name_with_credentials() {
    let (listener, port) = listen().await;
    let proxy = tokio::spawn(async move {
        let (mut io, _) = listener.accept().await.unwrap();
        let connect = read_head(&mut io).await;
        let answer =
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 Connection established\r\nx: y\r\n\r\n";
        io.write_all(answer.as_bytes()).await.unwrap();
        (connect, welcome(&mut io).await, io)
    });
    let client = through("http://u%40:secret@127.0.0.1:{port}", port);
    assert!(!format!("{client:?}").contains("secret"));
    let mut ws = client.connect(URL).await.unwrap();
    assert_eq!(ws.next().await.unwrap(), Some(Message::text("hi")));
    let (connect, request, _io) = proxy.await.unwrap();
    assert!(connect.starts_with("CONNECT server.invalid:80 HTTP/1.1\r\n"), "{connect}");
    assert_eq!(header(&connect, "host"), Some("server.invalid:80"));
    // RFC 7617 §2: u@:secret
    assert_eq!(header(&connect, "proxy-authorization"), Some("Basic dUA6c2VjcmV0"));
    assert!(request.starts_with("GET /feed HTTP/1.1\r\n"), "{request}");
    assert_eq!(header(&request, "host"), Some("server.invalid"));
    assert_eq!(header(&request, "proxy-authorization"), None, "not for the server");
}

/// Answers one CONNECT with this, and ends the connection if `end`.
async fn answering(answer: String, end: bool) -> (u16, JoinHandle<TcpStream>) {
    let (listener, port) = listen().await;
    let proxy = tokio::spawn(async move {
        let (mut io, _) = listener.accept().await.unwrap();
        read_head(&mut io).await;
        // The client may have read enough.
        let _ = io.write_all(answer.as_bytes()).await;
        if end {
            io.shutdown().await.unwrap();
        }
        io
    });
    (port, proxy)
}

#[tokio::test]
async fn c10_connect_refused() {
    let anybody = "http://127.0.0.1:{port}";
    let known = "http://user:secret@127.0.0.1:{port}";
    let basic = "HTTP/1.1 407 \r\nProxy-Authenticate: Basic realm=\"r\"\r\n\r\nsay who";
    let endless = format!("HTTP/1.1 200 \r\nx: {}", "y".repeat(20_000));
    let interim = "HTTP/1.1 100 \r\n\r\n".repeat(2000);
    let crowd = format!("HTTP/1.1 200 \r\n{}\r\n", "x: y\r\n".repeat(65));
    let rows = [
        ("407 without", anybody, basic, false, ProxyError::CredentialsMissing),
        ("407 with", known, basic, false, ProxyError::CredentialsRefused),
        ("403", known, "HTTP/1.1 403 No\r\n\r\n", false, ProxyError::Refused { status: 403 }),
        (
            "a redirect",
            anybody,
            "HTTP/1.1 302 \r\nLocation: http://h/\r\n\r\n",
            false,
            ProxyError::Refused { status: 302 },
        ),
        ("head too long", known, &endless, false, ProxyError::TooLong { head_len_max: 16 << 10 }),
        ("endless 1xx", known, &interim, false, ProxyError::TooLong { head_len_max: 16 << 10 }),
        ("too many headers", known, &crowd, false, ProxyError::Malformed),
        ("no HTTP", known, "SSH-2.0-x\r\n\r\n", false, ProxyError::Malformed),
        ("the end", known, "HTTP/1.1 200 \r\n", true, ProxyError::EndOfStream),
        ("nothing", known, "", true, ProxyError::EndOfStream),
    ];
    for (rule, proxy, answer, end, wrong) in rows {
        let (port, _proxy) = answering(answer.into(), end).await;
        let error = proxy_error(through(proxy, port).connect(URL).await, rule);
        assert_eq!(error, wrong, "{rule}");
    }
}

#[tokio::test(start_paused = true)]
async fn c10_a_silent_proxy_has_ten_seconds() {
    let (port, _proxy) = answering(String::new(), false).await;
    let client = through("http://user:secret@127.0.0.1:{port}", port);
    let started = tokio::time::Instant::now();
    let error = client.connect(URL).await.unwrap_err().to_string();
    assert!(error.contains("cannot connect to the proxy http://127.0.0.1:"), "{error}");
    assert!(error.contains("no answer within 10s"), "{error}");
    assert!(started.elapsed() < Duration::from_secs(11));
}

/// Reads what is given first of each pair, and answers with the second.
async fn scripted(script: Vec<(&'static [u8], Vec<u8>)>) -> (u16, JoinHandle<String>) {
    let (listener, port) = listen().await;
    let proxy = tokio::spawn(async move {
        let (mut io, _) = listener.accept().await.unwrap();
        for (expected, answer) in script {
            let mut said = vec![0; expected.len()];
            io.read_exact(&mut said).await.unwrap();
            assert_eq!(said, expected);
            io.write_all(&answer).await.unwrap();
        }
        welcome(&mut io).await
    });
    (port, proxy)
}

const ANYBODY: &[u8] = &[5, 1, 0];
const KNOWN: &[u8] = &[5, 2, 0, 2];
const WHO: &[u8] = b"\x01\x04user\x06secret";
const CONNECT: &[u8] = b"\x05\x01\x00\x03\x0Eserver.invalid\0\x50";

#[tokio::test]
async fn c10_socks5() {
    let anybody = "socks5://127.0.0.1:{port}";
    let known = "socks5h://user:secret@127.0.0.1:{port}";
    let bound_v4 = [5, 0, 0, 1, 127, 0, 0, 1, 0, 9].to_vec();
    let bound_v6 = [&[5, 0, 0, 4][..], &[1; 18]].concat();
    let bound_name = b"\x05\0\0\x03\x01h\0\x09".to_vec();
    let rows = [
        ("RFC 1928 §3 nobody asks", anybody, vec![(ANYBODY, vec![5, 0]), (CONNECT, bound_v4)]),
        ("RFC 1928 §3 not asked", known, vec![(KNOWN, vec![5, 0]), (CONNECT, bound_v6)]),
        ("RFC 1929 §2", known, vec![(KNOWN, vec![5, 2]), (WHO, vec![1, 0]), (CONNECT, bound_name)]),
    ];
    for (rule, proxy, script) in rows {
        let (port, proxied) = scripted(script).await;
        let mut ws = through(proxy, port).connect(URL).await.expect(rule);
        assert_eq!(ws.next().await.unwrap(), Some(Message::text("hi")), "{rule}");
        assert!(proxied.await.unwrap().starts_with("GET /feed "), "{rule}");
    }
}

#[tokio::test]
async fn c10_socks5_refused() {
    use ProxyError as E;
    let anybody = "socks5://127.0.0.1:{port}";
    let known = "socks5://user:secret@127.0.0.1:{port}";
    let mut rows = vec![
        ("§3 none of ours", anybody, vec![(ANYBODY, vec![5, 0xFF])], E::CredentialsMissing),
        ("§3 none of ours", known, vec![(KNOWN, vec![5, 0xFF])], E::CredentialsRefused),
        ("§3 one that we did not offer", anybody, vec![(ANYBODY, vec![5, 2])], E::Malformed),
        ("§3 SOCKS4", anybody, vec![(ANYBODY, vec![0, 91])], E::Malformed),
        ("RFC 1929 §2", known, vec![(KNOWN, vec![5, 2]), (WHO, vec![1, 1])], E::CredentialsRefused),
        (
            "§6 unknown address type",
            anybody,
            vec![(ANYBODY, vec![5, 0]), (CONNECT, vec![5, 0, 0, 9])],
            E::Malformed,
        ),
        (
            "§6 another version",
            anybody,
            vec![(ANYBODY, vec![5, 0]), (CONNECT, vec![4, 0, 0, 1])],
            E::Malformed,
        ),
    ];
    for reply in 1..=9 {
        let script = vec![(ANYBODY, vec![5, 0]), (CONNECT, vec![5, reply, 0, 1])];
        rows.push(("§6 all reply codes", anybody, script, E::Socks5 { reply }));
    }
    for (rule, proxy, script, wrong) in rows {
        let (port, proxied) = scripted(script).await;
        let error = proxy_error(through(proxy, port).connect(URL).await, rule);
        assert_eq!(error, wrong, "{rule}");
        proxied.abort();
    }
    let long = format!("socks5://{}:secret@127.0.0.1:{{port}}", "u".repeat(256));
    for (rule, proxy) in [("user too long", &*long), ("empty", "socks5://:secret@127.0.0.1:{port}")]
    {
        let (_listener, port) = listen().await;
        let error = proxy_error(through(proxy, port).connect(URL).await, rule);
        assert_eq!(error, E::CredentialsLength, "{rule}");
    }
}
