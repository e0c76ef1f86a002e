//! Who comes in, and as whom: tokens, tickets, origins and TLS, through the built program.

use std::fs;

use rustix::process::Signal;
use tidewire::{Client, Error, HandshakeError, Message, WebSocket};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{
    answer::{call, whole},
    process::soon,
    site::Site,
};

const CONFIG: &str = r#"
[operator]
listen = []

[client]
allowed_origins = ["https://app.example"]
token_cookie = "auth"

[client.token]
hmac_secret_key = "a secret of more than thirty-two bytes"

[[channel.namespaces]]
name = "news"
history_size = 10
history_ttl = "1m"
force_recovery = true
allow_subscribe_for_client = true

[[channel.namespaces]]
name = "vip"
"#;

fn url(address: &str) -> String {
    format!("ws://{address}/connection/websocket")
}

async fn text(ws: &mut WebSocket) -> String {
    match soon(ws.next()).await.unwrap() {
        Some(Message::Text(text)) => text.to_string(),
        other => panic!("{other:?} {:?}", ws.close_info()),
    }
}

async fn ask(ws: &mut WebSocket, command: &str) -> String {
    ws.send(command).await.unwrap();
    text(ws).await
}

/// The code with which a session ends.
async fn ended(ws: &mut WebSocket) -> u16 {
    while soon(ws.next()).await.unwrap().is_some() {}
    ws.close_info().unwrap().code().get()
}

fn status(error: &Error) -> Option<u16> {
    match error {
        Error::Handshake(error) => match &**error {
            HandshakeError::Refused(response) => Some(response.status()),
            _ => None,
        },
        _ => None,
    }
}

/// S9: wherever a token stands, it says the same; and it is never said again.
#[tokio::test]
async fn a_token_says_who_it_is_wherever_it_stands() {
    let site = Site::new("places", CONFIG);
    let (server, address) = site.serve().await;
    let ann = site.token(&["--user", "ann"]).await;
    let origin = ("Origin", "https://app.example".to_owned());
    let places: &[(&str, Client)] = &[
        ("Sec-WebSocket-Protocol", Client::new().subprotocols(["Bearer", &ann])),
        ("Authorization", Client::new().header("Authorization", format!("Bearer {ann}")).unwrap()),
        (
            "a cookie",
            Client::new()
                .header("Cookie", format!("auth={ann}"))
                .and_then(|client| client.header(origin.0, &origin.1))
                .unwrap(),
        ),
        ("the connect command", Client::new()),
    ];
    for (place, client) in places {
        let mut ws = client.connect(&url(&address)).await.unwrap();
        let offered = *place == "Sec-WebSocket-Protocol";
        assert_eq!(ws.subprotocol(), offered.then_some("Bearer"), "{place}");
        let by_command = *place == "the connect command";
        let token = if by_command { format!(r#""token":"{ann}""#) } else { String::new() };
        let connected = ask(&mut ws, &format!(r#"{{"id":1,"connect":{{{token}}}}}"#)).await;
        assert!(connected.contains(r#""client":""#), "{place}: {connected}");
        assert!(connected.contains(r#""expires":true,"ttl":3"#), "{place}: {connected}");
        let subscribed = ask(&mut ws, r#"{"id":2,"subscribe":{"channel":"news:1"}}"#).await;
        assert!(subscribed.contains(r#""recoverable":true"#), "{place}: {subscribed}");
    }
    server.signal(Signal::TERM);
    let log = server.ended().await.stderr;
    assert!(!log.contains(&ann[..20]), "a token is in the log: {log}");
}

#[tokio::test]
async fn who_has_no_good_token_does_not_come_in() {
    let site = Site::new("wrong", CONFIG);
    let (_server, address) = site.serve().await;
    let ann = site.token(&["--user", "ann"]).await;
    let (head, signature) = ann.rsplit_once('.').unwrap();
    let forged = format!("{head}.{}", signature.chars().rev().collect::<String>());
    for token in [&*forged, "x", "a.b.c"] {
        let client = Client::new().header("Authorization", format!("Bearer {token}")).unwrap();
        let error = client.connect(&url(&address)).await.unwrap_err();
        assert_eq!(status(&error), Some(401), "{error}");
        let mut ws = tidewire::connect(&url(&address)).await.unwrap();
        ws.send(format!(r#"{{"id":1,"connect":{{"token":"{token}"}}}}"#)).await.unwrap();
        assert_eq!(ended(&mut ws).await, 3500, "invalid token");
    }
    let mut ws = tidewire::connect(&url(&address)).await.unwrap();
    let nobody = ask(&mut ws, r#"{"id":1,"connect":{}}"#).await;
    assert!(nobody.contains(r#""error":{"code":101,"#), "{nobody}");
}

/// Forbidden channels look like unknown ones, and a token opens the one that it is for.
#[tokio::test]
async fn a_channel_is_opened_by_its_own_token() {
    let site = Site::new("channels", CONFIG);
    let (_server, address) = site.serve().await;
    let ann = site.token(&["--user", "ann"]).await;
    let mut ws = tidewire::connect(&url(&address)).await.unwrap();
    ask(&mut ws, &format!(r#"{{"id":1,"connect":{{"token":"{ann}"}}}}"#)).await;
    let denied = r#""error":{"code":103,"message":"permission denied"}}"#;
    let vip = site.token(&["--user", "ann", "--subscribe", "vip:1"]).await;
    let bobs = site.token(&["--user", "bob", "--subscribe", "vip:1"]).await;
    let cases = [
        ("vip:1", "", false),
        ("no-such-namespace:1", "", false),
        ("no-namespace", "", false),
        ("vip:2", &*vip, false),
        ("vip:1", &*bobs, false),
        ("vip:1", &*ann, false),
        ("vip:1", &*vip, true),
    ];
    for (channel, token, opens) in cases {
        let command =
            format!(r#"{{"id":2,"subscribe":{{"channel":"{channel}","token":"{token}"}}}}"#);
        let answer = ask(&mut ws, &command).await;
        if opens {
            assert!(answer.starts_with(r#"{"id":2,"subscribe":{"#), "{channel}: {answer}");
        } else {
            assert_eq!(answer, format!(r#"{{"id":2,{denied}"#), "{channel}");
        }
    }
    let published = ask(&mut ws, r#"{"id":3,"publish":{"channel":"news:1","data":1}}"#).await;
    assert!(published.contains(denied), "{published}");
}

#[tokio::test]
async fn tls_ends_here_for_every_transport() {
    let files = "[http]\ntls_cert_file = \"cert.pem\"\ntls_key_file = \"key.pem\"\n";
    let site = Site::new("tls", &format!("{files}{CONFIG}"));
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(site.folder.join("cert.pem"), certified.cert.pem()).unwrap();
    fs::write(site.folder.join("key.pem"), certified.signing_key.serialize_pem()).unwrap();
    let (_server, address) = site.serve().await;
    let ann = site.token(&["--user", "ann"]).await;
    let tls = tidewire::tls::unverified_client_config().unwrap();
    let client = Client::new().tls(tls.into());
    let mut ws = client.connect(&format!("wss://{address}/connection/websocket")).await.unwrap();
    let connected = ask(&mut ws, &format!(r#"{{"id":1,"connect":{{"token":"{ann}"}}}}"#)).await;
    assert!(connected.contains(r#""client":""#), "{connected}");
    let subscribed = ask(&mut ws, r#"{"id":2,"subscribe":{"channel":"news:1"}}"#).await;
    assert!(subscribed.contains(r#""recoverable":true"#), "{subscribed}");
    // Who speaks no TLS gets no answer, and holds nobody up.
    let mut plain = TcpStream::connect(&address).await.unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = soon(plain.read_to_end(&mut answer)).await; // an alert, or a reset
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    let unsubscribed = ask(&mut ws, r#"{"id":3,"unsubscribe":{"channel":"news:1"}}"#).await;
    assert_eq!(unsubscribed, r#"{"id":3,"unsubscribe":{}}"#);
}

/// With these limits, and three threads.
fn config_with(limits: &str) -> String {
    let config = CONFIG.replace("token_cookie", &format!("{limits}\ntoken_cookie"));
    format!("{config}\n[engine]\nthreads = 3\n")
}

/// At the limit and one beyond it, whichever threads they are on, and however they say who they are.
#[tokio::test]
async fn a_user_has_so_many_connections_on_a_node() {
    let site = Site::new("users", &config_with("user_connection_limit = 3"));
    let (_server, address) = site.serve().await;
    let (ann, bob) = (site.token(&["--user", "ann"]).await, site.token(&["--user", "bob"]).await);
    let connect = |token: &str| format!(r#"{{"id":1,"connect":{{"token":"{token}"}}}}"#);
    let mut there = Vec::new();
    for _ in 0..3 {
        let mut ws = tidewire::connect(&url(&address)).await.unwrap();
        let connected = ask(&mut ws, &connect(&ann)).await;
        assert!(connected.contains(r#""client":""#), "{connected}");
        there.push(ws);
    }
    let mut fourth = tidewire::connect(&url(&address)).await.unwrap();
    fourth.send(connect(&ann)).await.unwrap();
    assert_eq!(
        soon(fourth.next()).await.unwrap(),
        None,
        "nobody is told first that it is connected"
    );
    assert_eq!(ended(&mut fourth).await, 3504, "connection limit");
    let by_header = Client::new().header("Authorization", format!("Bearer {ann}")).unwrap();
    let error = by_header.connect(&url(&address)).await.unwrap_err();
    assert_eq!(status(&error), Some(429), "{error}");
    let mut bobs = tidewire::connect(&url(&address)).await.unwrap();
    assert!(ask(&mut bobs, &connect(&bob)).await.contains(r#""client":""#));
    // Who leaves makes room.
    there.pop().unwrap().close(tidewire::CloseCode::NORMAL_CLOSURE, "").await.unwrap();
    let mut again = tidewire::connect(&url(&address)).await.unwrap();
    assert!(ask(&mut again, &connect(&ann)).await.contains(r#""client":""#));
}

/// A client of each of these users, in this order.
async fn clients<const N: usize>(site: &Site, address: &str, users: [&str; N]) -> [WebSocket; N] {
    let mut clients = Vec::new();
    for user in users {
        let mut ws = tidewire::connect(&url(address)).await.unwrap();
        let token = site.token(&["--user", user]).await;
        let connect = format!(r#"{{"id":1,"connect":{{"token":"{token}"}}}}"#);
        let connected = ask(&mut ws, &connect).await;
        assert!(connected.contains(r#""client":""#), "{connected}");
        clients.push(ws);
    }
    clients.try_into().unwrap_or_else(|_| unreachable!())
}

const TOO_MANY: &str = r#""error":{"code":111,"message":"too many requests","temporary":true}}"#;

/// How many commands were carried out of one frame with so many.
async fn carried_out(ws: &mut WebSocket, count: u32) -> u32 {
    let command = |id| format!(r#"{{"id":{id},"unsubscribe":{{"channel":"x"}}}}"#);
    ws.send((1..=count).map(command).collect::<Vec<_>>().join("\n")).await.unwrap();
    let mut done = 0;
    for id in 1..=count {
        let answer = text(ws).await;
        if answer == format!(r#"{{"id":{id},"unsubscribe":{{}}}}"#) {
            done += 1;
        } else {
            assert_eq!(answer, format!(r#"{{"id":{id},{TOO_MANY}"#));
        }
    }
    done
}

/// S7: at the limit and one beyond it, over all connections of a user and on whatever threads.
#[tokio::test]
async fn s7_a_user_sends_so_many_commands() {
    let limits = "user_command_rate = 1\nuser_command_burst = 20";
    let site = Site::new("commands", &config_with(limits));
    let (_server, address) = site.serve().await;
    let [mut ann, mut again, mut bob] = clients(&site, &address, ["ann", "ann", "bob"]).await;
    // A frame is looked at in one moment, so nothing comes in between.
    assert_eq!(carried_out(&mut ann, 21).await, 20);
    assert!(carried_out(&mut again, 21).await < 20, "as many as there were seconds since");
    assert_eq!(carried_out(&mut bob, 21).await, 20, "somebody else");
}

/// S7: as above, by bytes.
#[tokio::test]
async fn s7_a_user_sends_so_many_bytes() {
    let limits = "user_byte_rate = 1\nuser_byte_burst = '4KiB'";
    let site = Site::new("bytes", &config_with(limits));
    let (_server, address) = site.serve().await;
    let [mut ann, mut again, mut bob] = clients(&site, &address, ["ann", "ann", "bob"]).await;
    let frame = |len: usize| format!("{:len$}", r#"{"id":2,"unsubscribe":{"channel":"x"}}"#);
    let (done, refused) = (r#"{"id":2,"unsubscribe":{}}"#, format!(r#"{{"id":2,{TOO_MANY}"#));
    assert_eq!(ask(&mut ann, &frame(4096)).await, done);
    assert_eq!(ask(&mut again, &frame(1000)).await, refused);
    assert_eq!(ask(&mut bob, &frame(4096)).await, done, "somebody else");
    assert_eq!(ask(&mut ann, &frame(1000)).await, refused, "the session goes on");
}

#[tokio::test]
async fn a_user_on_many_threads_is_one() {
    let site = Site::new("info", &config_with(""));
    let (_server, address) = site.serve().await;
    let mut there = clients(&site, &address, ["ann", "ann", "ann", "bob"]).await;
    for ws in &mut there {
        ask(ws, r#"{"id":2,"subscribe":{"channel":"news:1"}}"#).await;
    }
    let (_, info) = whole(&address, &call("info", "{}")).await;
    assert!(info.contains(r#""num_clients":4,"num_users":2,"#), "{info}");
    assert!(info.contains(r#""num_subs":4}"#), "{info}");
}

#[tokio::test]
async fn the_application_has_the_last_word() {
    let site = Site::new("words", &config_with(""));
    let (_server, address) = site.serve().await;
    let cases = [
        (r#"{"code":4001,"reason":"moved"}"#, 4001, "moved"),
        (r#"{"code":4999}"#, 4999, ""),
        (r#"{"code":3011,"reason":"ours has its own"}"#, 3011, "force reconnect"),
        ("null", 3503, "force disconnect"),
    ];
    for (disconnect, code, reason) in cases {
        let [mut ann, mut bob] = clients(&site, &address, ["ann", "bob"]).await;
        let body = format!(r#"{{"user":"ann","disconnect":{disconnect}}}"#);
        let done = ("200".to_owned(), r#"{"result":{}}"#.to_owned());
        assert_eq!(whole(&address, &call("disconnect", &body)).await, done);
        assert_eq!(ended(&mut ann).await, code, "{disconnect}");
        assert_eq!(ann.close_info().unwrap().reason(), reason, "{disconnect}");
        assert!(ask(&mut bob, r#"{"id":2,"unsubscribe":{"channel":"x"}}"#).await.contains("{}"));
    }
    let refused = r#"{"error":{"code":107,"message":"bad request"}}"#;
    let bodies = [
        ("disconnect", r#"{"user":"ann","disconnect":{"code":1000}}"#),
        ("unsubscribe", r#"{"user":"ann"}"#),
    ];
    for (method, body) in bodies {
        assert_eq!(whole(&address, &call(method, body)).await.1, refused, "{method} {body}");
    }
}
