//! `tidewire connect`, against servers of the library.

use std::{net::SocketAddr, sync::Arc};

use rcgen::generate_simple_self_signed;
use rustix::process::Signal;
use tidewire::{
    CloseCode, DeflateConfig, Server, WebSocket,
    proto::handshake::Rejection,
    rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use crate::process::{Program, run};

/// Listens for ever, and does `then` with each connection.
async fn server<F>(server: Server, then: impl Fn(WebSocket) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = Result<(), tidewire::Error>> + Send + 'static,
{
    let listener = server.listen("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let ws = listener.accept().await.unwrap().upgrade().await;
            // Not every handshake here is meant to succeed.
            if let Ok(ws) = ws {
                tokio::spawn(then(ws));
            }
        }
    });
    address
}

async fn echo() -> String {
    format!("ws://{}/", server(Server::new(), repeat).await)
}

async fn repeat(mut ws: WebSocket) -> Result<(), tidewire::Error> {
    while let Some(message) = ws.next().await? {
        ws.send(message).await?;
    }
    Ok(())
}

/// Standard output has the messages and nothing else, so that it can be piped on.
#[tokio::test]
async fn lines_in_and_messages_out() {
    let url = echo().await;
    let ended = run(&["connect", &url], "hello\nκόσμε 🌊\r\n\n\u{1b}[2J as it is").await;
    assert_eq!(ended.stdout, ["hello", "κόσμε 🌊", "", "\u{1b}[2J as it is"]);
    assert_eq!(ended.stderr, format!("connected to {url}\nclosed with 1000\n"));
    assert_eq!(ended.code, Some(0));
}

/// It goes on while the input is open, and messages come when they come.
#[tokio::test]
async fn a_conversation() {
    let mut client = Program::start(&["connect", &echo().await]);
    for line in ["one", "two"] {
        client.write(&format!("{line}\n")).await;
        assert_eq!(client.line().await, line);
    }
    client.signal(Signal::INT);
    assert_eq!(client.ended().await.code, Some(0));
}

/// 8 MiB each way, more than either end queues.
#[tokio::test]
async fn much_input_does_not_wait_for_itself() {
    let url = echo().await;
    let line = "x".repeat(1 << 19);
    let client = tokio::spawn(async move {
        let mut client = Program::start(&["connect", &url]);
        let mut stdin = client.stdin.take().unwrap();
        let writing = tokio::spawn(async move {
            for _ in 0..16 {
                let line = format!("{}\n", "x".repeat(1 << 19));
                stdin.write_all(line.as_bytes()).await.unwrap();
            }
        });
        let ended = client.ended().await;
        writing.await.unwrap();
        ended
    });
    let ended = client.await.unwrap();
    assert_eq!(ended.stdout.len(), 16);
    assert!(ended.stdout.iter().all(|received| *received == line));
    assert_eq!(ended.code, Some(0));
}

#[tokio::test]
async fn one_object_in_each_line_for_scripts() {
    let url = echo().await;
    let input = "{\"type\":\"text\",\"text\":\"two\\nlines\"}\n{\"type\":\"binary\",\"hex\":\"00FF\"}\n\
                 {\"type\":\"close\",\"code\":4000,\"reason\":\"enough\"}\n";
    let ended = run(&["connect", "--json", &url], input).await;
    assert_eq!(
        ended.stdout,
        [
            &format!(r#"{{"type":"open","url":"{url}","subprotocol":null,"deflate":false}}"#),
            r#"{"type":"text","text":"two\nlines"}"#,
            r#"{"type":"binary","hex":"00ff"}"#,
            r#"{"type":"close","code":4000,"reason":"","clean":true}"#,
        ]
    );
    assert_eq!(ended.stderr, "");
    assert_eq!(ended.code, Some(1), "4000 is not one of the codes that say all is well");
}

#[tokio::test]
async fn a_wrong_line_is_named_and_ends_it() {
    for (input, part) in [
        ("{\"type\":\"text\",\"text\":\"a\"}\nhello\n", "line 2 of standard input: not a line"),
        ("{\"type\":\"binary\",\"hex\":\"0\"}\n", "two digits for each byte"),
        ("{\"type\":\"close\",\"code\":1006}\n", "1006"),
    ] {
        let ended = run(&["connect", "--json", &echo().await], input).await;
        assert_eq!(ended.code, Some(1), "{input}");
        let last = ended.stdout.last().unwrap();
        assert!(last.starts_with(r#"{"type":"error","message":"line "#), "{last}");
        assert!(last.contains(part), "{input}: {last}");
        assert!(ended.stderr.starts_with("tidewire: line "), "{}", ended.stderr);
    }
}

#[tokio::test]
async fn binary_is_printed_as_hex() {
    let address = server(Server::new(), async |mut ws: WebSocket| {
        ws.send(&[0_u8, 1, 0xfe][..]).await?;
        ws.close(CloseCode::GOING_AWAY, "done").await
    });
    let ended = run(&["connect", &format!("ws://{}/", address.await)], "").await;
    assert_eq!(ended.stdout, ["0001fe"]);
    assert!(ended.stderr.ends_with("closed with 1001: done\n"), "{}", ended.stderr);
}

#[tokio::test]
async fn the_close_code_and_reason_are_told_and_decide_the_exit_status() {
    for (code, reason, status) in
        [(1000, "", 0), (1001, "restart", 0), (1011, "\u{1b}[31mred", 1), (4321, "own", 1)]
    {
        let address = server(Server::new(), move |mut ws: WebSocket| async move {
            ws.close(CloseCode::new(code), reason).await
        });
        let mut client = Program::start(&["connect", &format!("ws://{}/", address.await)]);
        let stdin = client.stdin.take(); // it stays open: the server ends it
        let ended = client.ended().await;
        drop(stdin);
        assert_eq!(ended.code, Some(status), "{code}");
        assert!(ended.stderr.contains(&format!("closed with {code}")), "{}", ended.stderr);
        assert!(!ended.stderr.contains('\u{1b}'), "no reason commands the terminal");
    }
}

/// Tells what arrived of the client's wishes, then refuses.
async fn refusing(rejection: Rejection) -> (String, tokio::task::JoinHandle<Vec<String>>) {
    let listener = tidewire::Listener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/path?query", listener.local_addr().unwrap());
    let seen = tokio::spawn(async move {
        let handshake = listener.accept().await.unwrap().handshake().await.unwrap();
        let request = handshake.request();
        let header = |name| String::from_utf8_lossy(request.headers().get(name).unwrap()).into();
        let mut seen: Vec<String> = request.subprotocols().map(str::to_owned).collect();
        seen.extend([header("x-one"), header("x-two"), header("origin")]);
        handshake.reject(&rejection).await.unwrap();
        seen
    });
    (url, seen)
}

#[tokio::test]
async fn a_refused_handshake_is_one_sentence_with_status_and_body() {
    let rejection = || Rejection::new(403, "Only\u{7} members\n may enter.").unwrap();
    let wishes = [
        "--header",
        "X-One: 1",
        "-H",
        "x-two:two: 2",
        "--origin",
        "null",
        "--subprotocol",
        "b",
        "--subprotocol",
        "a",
    ];
    let (url, seen) = refusing(rejection()).await;
    let ended = run(&[&["connect", &url], &wishes[..]].concat(), "").await;
    assert_eq!(seen.await.unwrap(), ["b", "a", "1", "two: 2", "null"]);
    assert_eq!(ended.code, Some(1));
    assert_eq!(ended.stdout, [""; 0]);
    assert_eq!(
        ended.stderr,
        format!(
            "tidewire: {url} refused the handshake with 403 Forbidden: \
             Only\\u{{7}} members may enter.\n"
        )
    );
    let (url, _seen) = refusing(rejection()).await;
    let ended = run(&[&["connect", "--json", &url], &wishes[..]].concat(), "").await;
    assert_eq!(ended.stdout.len(), 1);
    assert!(
        ended.stdout[0].ends_with(r#""status":403,"body":"Only\u0007 members\n may enter.\n"}"#),
        "{}",
        ended.stdout[0]
    );
}

#[tokio::test]
async fn the_subprotocol_that_was_chosen_is_told() {
    let address = server(Server::new().subprotocols(["chat.v1"]), repeat).await;
    let url = format!("ws://{address}/");
    let offers = ["connect", "--subprotocol", "x", "--subprotocol", "chat.v1", &url];
    let ended = run(&offers, "").await;
    assert!(
        ended.stderr.starts_with(&format!("connected to {url}, subprotocol chat.v1\n")),
        "{}",
        ended.stderr
    );
}

#[tokio::test]
async fn messages_are_compressed_where_that_is_asked_for() {
    let deflate = Server::new().deflate(DeflateConfig::default());
    let url = format!("ws://{}/", server(deflate, repeat).await);
    for (arguments, compressed) in
        [(&["connect"][..], ""), (&["connect", "--deflate"], ", compressed")]
    {
        let ended = run(&[arguments, &[&url]].concat(), "hello hello hello\n").await;
        assert_eq!(ended.stdout, ["hello hello hello"]);
        assert_eq!(ended.stderr, format!("connected to {url}{compressed}\nclosed with 1000\n"));
    }
    let ended = run(&["connect", "--json", "--deflate", &url], "").await;
    assert!(ended.stdout[0].ends_with(r#""deflate":true}"#), "{}", ended.stdout[0]);
}

/// The proxy alone knows where the server is, and is told our name.
#[tokio::test]
async fn a_proxy_leads_to_the_server() {
    let echo = server(Server::new(), repeat).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = format!("http://user:secret@{}", listener.local_addr().unwrap());
    let asked = tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(client.read_u8().await.unwrap());
        }
        client.write_all(b"HTTP/1.1 200 \r\n\r\n").await.unwrap();
        let mut server = TcpStream::connect(echo).await.unwrap();
        tokio::io::copy_bidirectional(&mut client, &mut server).await.unwrap();
        String::from_utf8(head).unwrap()
    });
    let ended = run(&["connect", "--proxy", &proxy, "ws://server.invalid/"], "hello\n").await;
    assert_eq!(ended.stdout, ["hello"], "{}", ended.stderr);
    assert_eq!(ended.code, Some(0));
    let asked = asked.await.unwrap().to_lowercase();
    assert!(asked.starts_with("connect server.invalid:80 http/1.1\r\n"), "{asked}");
    assert!(asked.contains("proxy-authorization: basic "), "{asked}");
}

#[tokio::test]
async fn redirects_are_followed_where_that_is_asked_for() {
    let target = echo().await;
    let rejection = Rejection::new(307, "").unwrap().header("Location", &target).unwrap();
    let listener = tidewire::Listener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let handshake = listener.accept().await.unwrap().handshake().await.unwrap();
            handshake.reject(&rejection).await.unwrap();
        }
    });
    let ended = run(&["connect", "--redirects", "1", &url], "hello\n").await;
    assert_eq!(ended.stdout, ["hello"], "{}", ended.stderr);
    assert_eq!(ended.code, Some(0));
    let ended = run(&["connect", &url], "").await;
    assert_eq!(
        ended.stderr,
        format!(
            "tidewire: {url} redirects with 307 Temporary Redirect to {target} \
             (--redirects COUNT follows so many)\n"
        )
    );
    assert_eq!(ended.code, Some(1));
}

#[tokio::test]
async fn who_cannot_be_reached_is_named_without_its_password() {
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = unused.local_addr().unwrap();
    drop(unused);
    let ended = run(&["connect", &format!("ws://user:secret@{address}/")], "").await;
    assert_eq!(ended.code, Some(1));
    let start = format!("tidewire: cannot connect to {address}: ");
    assert!(ended.stderr.starts_with(&start), "{}", ended.stderr);
    assert!(!ended.stderr.contains("secret"), "{}", ended.stderr);
    assert_eq!(ended.stderr.lines().count(), 1);
}

#[tokio::test]
async fn the_round_trip_is_told_where_pings_are_asked_for() {
    let mut client = Program::start(&["connect", "--json", "--ping", "1", &echo().await]);
    assert!(client.line().await.starts_with(r#"{"type":"open""#));
    let latency = client.line().await;
    let ms = latency.strip_prefix(r#"{"type":"latency","ms":"#).and_then(|ms| ms.strip_suffix('}'));
    let ms: f64 = ms.unwrap_or_else(|| panic!("{latency}")).parse().unwrap();
    assert!(ms > 0.0 && ms < 30_000.0, "{ms}");
    assert_eq!(client.ended().await.code, Some(0));
}

/// The server answers when the input has long ended.
#[tokio::test]
async fn wait_keeps_the_connection_after_the_end_of_the_input() {
    let address = server(Server::new(), |mut ws: WebSocket| async move {
        // Silence for a moment means that the client does not close.
        let silence = tokio::time::timeout(std::time::Duration::from_millis(200), ws.next());
        assert!(silence.await.is_err(), "it closed");
        ws.send("late").await?;
        ws.close(CloseCode::NORMAL_CLOSURE, "").await
    });
    let ended = run(&["connect", "--wait", "20", &format!("ws://{}/", address.await)], "").await;
    assert_eq!(ended.stdout, ["late"]);
    assert_eq!(ended.code, Some(0));
}

#[tokio::test]
async fn insecure_takes_any_certificate_and_nothing_else_does() {
    let own = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![own.cert.der().clone()],
            PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap(),
        )
        .unwrap();
    let address = server(Server::new().tls(Arc::new(config)), repeat).await;
    let url = format!("wss://{address}/");
    let ended = run(&["connect", "--insecure", &url], "over TLS\n").await;
    assert_eq!(ended.stdout, ["over TLS"], "{}", ended.stderr);
    assert_eq!(ended.code, Some(0));
    let ended = run(&["connect", &url], "").await;
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.starts_with(&format!("tidewire: TLS with {url} failed: ")));
    assert!(ended.stderr.contains("--insecure"), "{}", ended.stderr);
    assert_eq!(ended.stderr.lines().count(), 1);
}
