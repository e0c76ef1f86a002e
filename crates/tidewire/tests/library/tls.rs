//! TLS in both roles, over loopback: whom to trust, and how it ends.

use std::{io, sync::Arc, time::Duration};

use tidewire::{
    Client, CloseCode, Error, HandshakeError, Listener, Message, Proxy, Server, WebSocket,
    proto::handshake::{RedirectRefused, Rejection, accept_key},
    rustls::{ClientConfig, ServerConfig, pki_types::ServerName},
    tls,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::{certificates::Authority, pipe::masked};

async fn listen(server: Server, config: ServerConfig) -> (Listener, u16) {
    let listener = server.tls(Arc::new(config)).listen("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// The server's end of the next connection.
fn accept(listener: Listener) -> JoinHandle<Result<WebSocket, Error>> {
    tokio::spawn(async move { listener.accept().await.unwrap().upgrade().await })
}

fn client(config: ClientConfig) -> Client {
    Client::new().tls(Arc::new(config))
}

/// What TLS said, or a panic.
fn tls_error(result: Result<WebSocket, Error>) -> io::Error {
    match result.map_err(|error| match error {
        Error::Handshake(error) => *error,
        other => panic!("{other:?}"),
    }) {
        Err(HandshakeError::Tls(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn messages_over_tls() {
    let authority = Authority::new();
    let (listener, port) = listen(Server::new(), authority.server()).await;
    let echo = tokio::spawn(async move {
        let mut ws = listener.accept().await.unwrap().upgrade().await.unwrap();
        let name = ws.with_io(|io| io.server_name().map(String::from));
        while let Some(message) = ws.next().await.unwrap() {
            ws.send(message).await.unwrap();
        }
        name
    });
    let client = client(authority.client());
    let mut ws = client.connect(&format!("wss://localhost:{port}/")).await.unwrap();
    ws.with_io(|io| {
        assert!(io.is_tls());
        assert_eq!(io.peer_addr().unwrap().port(), port);
        assert_eq!(io.tls().unwrap().peer_certificates().map(<[_]>::len), Some(1));
    });
    for len in [0, 5, 20_000, 1_000_000] {
        let payload = vec![b'x'; len];
        ws.send(payload.clone()).await.unwrap();
        assert_eq!(ws.next().await.unwrap(), Some(Message::binary(payload)));
    }
    ws.close(CloseCode::NORMAL_CLOSURE, "").await.unwrap();
    assert_eq!(echo.await.unwrap().as_deref(), Some("localhost"));
}

#[tokio::test]
async fn who_is_not_trusted() {
    let authority = Authority::new();
    let other = Authority::new();
    let (mut h2, mut h2_client) = (authority.server(), authority.client());
    h2.alpn_protocols = vec![b"h2".to_vec()];
    h2_client.alpn_protocols = vec![b"h2".to_vec()];
    let rows = [
        (
            "another authority",
            authority.server(),
            client(other.client()),
            "invalid peer certificate",
        ),
        (
            "another name",
            authority.server_named("elsewhere"),
            client(authority.client()),
            "not valid for name \"localhost\"",
        ),
        ("another protocol", h2, client(h2_client), "RFC 7301"),
        // Where this machine has no roots at all, that is what is said.
        ("not the system's authority", authority.server(), Client::new(), "certificate"),
    ];
    for (what, server, client, says) in rows {
        let (listener, port) = listen(Server::new(), server).await;
        let server = accept(listener);
        let error = tls_error(client.connect(&format!("wss://localhost:{port}/")).await);
        assert!(error.to_string().contains(says), "{what}: {error}");
        server.await.unwrap().unwrap_err();
    }
}

/// What the echo server is started with, and what its client's `--insecure` does.
#[tokio::test]
async fn configurations_from_files_and_for_tests() {
    let dir = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (certificates, key) = (dir.join("certificates.pem"), dir.join("key.pem"));
    let made = rcgen::generate_simple_self_signed(["nobody".into()]).unwrap();
    std::fs::write(&certificates, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();

    let config = tls::server_config(&certificates, &key).unwrap();
    let (listener, port) = listen(Server::new(), config).await;
    let server = accept(listener);
    let client = client(tls::unverified_client_config().unwrap());
    client.connect(&format!("wss://localhost:{port}/")).await.unwrap();
    server.await.unwrap().unwrap();

    let missing = dir.join("missing.pem");
    let rows = [
        (&missing, &key, "missing.pem"),
        (&key, &key, "key.pem"),
        (&certificates, &certificates, "certificates.pem"),
    ];
    for (certificates, key, names) in rows {
        let error = tls::server_config(certificates, key).unwrap_err();
        assert!(error.to_string().contains(names), "{error}");
    }
    // The same for who has read the files already.
    let (certificates, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let (certificates, key) = (certificates.as_bytes(), key.as_bytes());
    tls::server_config_from_pem(certificates, key).unwrap();
    let rows = [(key, key, ""), (certificates, certificates, "private key"), (b"", key, "")];
    for (certificates, key, says) in rows {
        let error = tls::server_config_from_pem(certificates, key).unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
    }
}

/// The client learns why from the server's alert, though by TLS 1.3 its own end of the handshake
/// was long done.
#[tokio::test]
async fn client_certificates() {
    let authority = Authority::new();
    let (listener, port) = listen(Server::new(), authority.strict_server()).await;
    let server = accept(listener);
    let url = format!("wss://localhost:{port}/");
    let error = tls_error(client(authority.client()).connect(&url).await);
    assert!(error.to_string().contains("CertificateRequired"), "{error}");
    tls_error(server.await.unwrap());

    let (listener, port) = listen(Server::new(), authority.strict_server()).await;
    let server = accept(listener);
    let url = format!("wss://localhost:{port}/");
    let _ws = client(authority.known_client()).connect(&url).await.unwrap();
    let ws = server.await.unwrap().unwrap();
    ws.with_io(|io| assert_eq!(io.tls().unwrap().peer_certificates().map(<[_]>::len), Some(1)));
}

/// H15: where TLS ends here, the page's scheme counts too.
#[tokio::test]
async fn h15_the_scheme_of_origin_is_compared() {
    let authority = Authority::new();
    for (scheme, allowed) in [("http", false), ("https", true)] {
        let (listener, port) = listen(Server::new(), authority.server()).await;
        let server = accept(listener);
        let origin = format!("{scheme}://localhost:{port}");
        let client = client(authority.client()).header("origin", origin).unwrap();
        let connected = client.connect(&format!("wss://localhost:{port}/")).await;
        assert_eq!(connected.is_ok(), allowed, "{scheme}: {connected:?}");
        assert_eq!(server.await.unwrap().is_ok(), allowed, "{scheme}");
    }
}

/// H11: a TLS handshake that does not come on is no reason to wait for ever either.
#[tokio::test(start_paused = true)]
async fn h11_tls_counts_in_the_handshake() {
    let authority = Authority::new();
    let (listener, port) = listen(Server::new(), authority.server()).await;
    let _silent = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    let error = accept(listener).await.unwrap().unwrap_err();
    let Error::Handshake(error) = error else { panic!("{error:?}") };
    assert!(
        matches!(*error, HandshakeError::Timeout { within } if within == Duration::from_secs(10)),
        "{error:?}"
    );
}

/// C9: what was to be secret does not travel in the clear.
#[tokio::test]
async fn c9_no_redirect_out_of_tls() {
    let authority = Authority::new();
    let (listener, port) = listen(Server::new(), authority.server()).await;
    let server = tokio::spawn(async move {
        let handshake = listener.accept().await.unwrap().handshake().await.unwrap();
        let to = format!("http://localhost:{port}/");
        let redirect = Rejection::new(302, "There.").unwrap().header("location", to).unwrap();
        handshake.reject(&redirect).await.unwrap();
    });
    let client = client(authority.client()).redirects(1);
    let error = client.connect(&format!("wss://localhost:{port}/")).await.unwrap_err();
    let Error::Handshake(error) = error else { panic!("{error:?}") };
    assert!(matches!(*error, HandshakeError::Redirect(RedirectRefused::Insecure)), "{error:?}");
    server.await.unwrap();
}

/// C10: to a proxy by TLS, and through it to the server by TLS again.
#[tokio::test]
async fn c10_tls_through_tls() {
    let authority = Authority::new();
    let (listener, port) = listen(Server::new(), authority.server()).await;
    let server = accept(listener);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy_port = listener.local_addr().unwrap().port();
    let acceptor = TlsAcceptor::from(Arc::new(authority.server()));
    tokio::spawn(async move {
        let mut tls = acceptor.accept(listener.accept().await.unwrap().0).await.unwrap();
        let head = crate::raw::read_head(&mut tls).await;
        assert!(head.starts_with(&format!("CONNECT localhost:{port} ")), "{head}");
        let mut target = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        tls.write_all(b"HTTP/1.1 200 \r\n\r\n").await.unwrap();
        tokio::io::copy_bidirectional(&mut tls, &mut target).await
    });
    let proxy = Proxy::new(&format!("https://localhost:{proxy_port}")).unwrap();
    let client = client(authority.client()).proxy(proxy);
    let mut ws = client.connect(&format!("wss://localhost:{port}/")).await.unwrap();
    ws.with_io(|io| assert_eq!(io.peer_addr().unwrap().port(), proxy_port));
    ws.send("hello").await.unwrap();
    let mut server = server.await.unwrap().unwrap();
    assert_eq!(server.next().await.unwrap(), Some(Message::text("hello")));
}

/// K10: TCP ends, TLS does not: anybody could have done that. 1006, and never a clean end.
#[tokio::test]
async fn k10_truncated_tls() {
    let authority = Authority::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = TlsAcceptor::from(Arc::new(authority.server()));
    let server = tokio::spawn(async move {
        let mut tls = acceptor.accept(listener.accept().await.unwrap().0).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(tls.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        let key = head.split("Sec-WebSocket-Key: ").nth(1).unwrap().split('\r').next().unwrap();
        let accept = accept_key(key.as_bytes());
        let answer = format!(
            "HTTP/1.1 101 \r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n\r\n\x01\x04half"
        );
        tls.write_all(answer.as_bytes()).await.unwrap();
        tls.flush().await.unwrap();
        let (mut tcp, _) = tls.into_inner();
        tcp.shutdown().await.unwrap();
        tcp
    });
    let client = client(authority.client());
    let mut ws = client.connect(&format!("wss://localhost:{port}/")).await.unwrap();
    let error = ws.next().await.unwrap_err();
    assert!(matches!(error, Error::Closed(_)), "{error:?}");
    assert_eq!(error.close_code(), Some(CloseCode::ABNORMAL_CLOSURE));
    server.await.unwrap();
}

/// K10, from the other end: before TCP, we end TLS.
#[tokio::test]
async fn k10_close_notify_is_sent() {
    let authority = Authority::new();
    let (listener, port) = listen(Server::new(), authority.server()).await;
    let server = accept(listener);
    let tcp = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let connector = TlsConnector::from(Arc::new(authority.client()));
    let mut tls = connector.connect(name, tcp).await.unwrap();
    let request = format!(
        "GET / HTTP/1.1\r\nHost: localhost:{port}\r\nUpgrade: websocket\r\n\
         Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    );
    let close = masked(0x88, &[0x03, 0xE8]);
    tls.write_all(&[request.as_bytes(), &close].concat()).await.unwrap();
    tls.flush().await.unwrap();
    let mut ws = server.await.unwrap().unwrap();
    let server = tokio::spawn(async move { ws.next().await.unwrap() });
    let mut answer = Vec::new();
    tls.read_to_end(&mut answer).await.expect("no end of TCP without an end of TLS");
    assert!(answer.ends_with(&[0x88, 2, 0x03, 0xE8]), "{answer:?}");
    drop(tls);
    assert_eq!(server.await.unwrap(), None);
}
