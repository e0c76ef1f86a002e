//! The room, as its clients see it.

use tidewire::{Client, CloseCode, DeflateConfig, Message, WebSocket};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::process::{serve, serve_with, soon};

async fn bare(address: &str) -> WebSocket {
    tidewire::connect(&format!("ws://{address}")).await.unwrap()
}

/// A client of the page's protocol, in the room under this name, and its id.
async fn named(address: &str, name: &str) -> (WebSocket, String) {
    let client = Client::new().header("Origin", format!("http://{address}")).unwrap();
    let mut ws = client.connect(&format!("ws://{address}/connection/websocket")).await.unwrap();
    ws.send(format!(
        r#"{{"id":1,"connect":{{"token":"{name}"}}}}
{{"id":2,"subscribe":{{"channel":"chat","join_leave":true}}}}"#
    ))
    .await
    .unwrap();
    let welcome = text(&mut ws).await;
    let (_, client) = welcome.split_once(r#""client":""#).unwrap_or_else(|| panic!("{welcome}"));
    let (id, _) = client.split_once('"').unwrap();
    let subscribed = text(&mut ws).await;
    assert!(subscribed.starts_with(r#"{"id":2,"subscribe":{"#), "{subscribed}");
    (ws, id.to_owned())
}

/// The next message in which there is this.
async fn text_with(ws: &mut WebSocket, part: &str) -> String {
    loop {
        let heard = text(ws).await;
        if heard.contains(part) {
            return heard;
        }
    }
}

async fn text(ws: &mut WebSocket) -> String {
    match soon(ws.next()).await.unwrap() {
        Some(Message::Text(text)) => text.to_string(),
        other => panic!("{other:?}"),
    }
}

async fn closed_with(ws: &mut WebSocket) -> (CloseCode, String) {
    while soon(ws.next()).await.unwrap().is_some() {}
    let outcome = ws.close_info().unwrap();
    (outcome.code(), outcome.reason().to_owned())
}

/// Also for a page from a file, whose Origin is null, and for one from anywhere else.
#[tokio::test]
async fn what_a_bare_client_sends_reaches_everybody_the_sender_included() {
    let (_server, address) = serve().await;
    let url = format!("ws://{address}");
    let from = |origin| Client::new().header("Origin", origin).unwrap();
    let mut clients = [
        bare(&address).await,
        from("null").connect(&url).await.unwrap(),
        from("https://elsewhere.example").connect(&url).await.unwrap(),
    ];
    // Who has heard itself is in the room.
    for ws in &mut clients {
        ws.send("here").await.unwrap();
        while text(ws).await != "User: here" {}
    }
    for said in ["hello", "", "κόσμε 🌊", "<b>two\nlines</b>"] {
        clients[1].send(said).await.unwrap();
        for ws in &mut clients {
            loop {
                let heard = text(ws).await;
                if heard != "User: here" {
                    assert_eq!(heard, format!("User: {said}"));
                    break;
                }
            }
        }
    }
}

/// RFC 7692, as browsers offer it; those who do not hear the same.
#[tokio::test]
async fn long_messages_are_compressed_for_those_who_offer_it() {
    let (_server, address) = serve().await;
    let mut plain = bare(&address).await;
    let offering = Client::new().deflate(DeflateConfig::default());
    let mut ws = offering.connect(&format!("ws://{address}")).await.unwrap();
    let agreed = ws.deflate().expect("it is accepted");
    for flow in [agreed.server(), agreed.client()] {
        assert!(flow.no_context_takeover(), "the server would have to keep a window: {agreed}");
    }
    plain.send("here").await.unwrap();
    assert_eq!(text(&mut plain).await, "User: here");
    for said in ["short".to_owned(), "long and the same, ".repeat(100)] {
        ws.send(&*said).await.unwrap();
        for ws in [&mut ws, &mut plain] {
            while text(ws).await != format!("User: {said}") {}
        }
    }
}

/// H12: hyper has read it, and the engine hears it.
#[tokio::test]
async fn what_is_sent_together_with_the_request_is_heard() {
    let (_server, address) = serve_with(&["--io", "epoll"]).await;
    let mut io = TcpStream::connect(&address).await.unwrap();
    let request = format!(
        "GET / HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    // A masked text, and the beginning of another one.
    let frames = b"\x81\x85\0\0\0\0early\x81\x84";
    io.write_all(&[request.as_bytes(), frames].concat()).await.unwrap();
    io.write_all(b"\0\0\0\0late").await.unwrap();
    let wanted = b"\x81\x0bUser: early\x81\x0aUser: late";
    let mut answer = Vec::new();
    while !answer.ends_with(wanted) {
        assert_ne!(soon(io.read_buf(&mut answer)).await.unwrap(), 0, "{answer:?}");
    }
}

#[tokio::test]
async fn bare_and_named_clients_share_the_room() {
    let (_server, address) = serve().await;
    let (mut ada, ada_id) = named(&address, "Ada").await;
    let mut bare = bare(&address).await;
    text_with(&mut ada, r#""join":{"info":{"user":"","client":""#).await; // and no name
    let (mut bob, bob_id) = named(&address, "  Bob the  builder ").await;
    let joined = text_with(&mut ada, &bob_id).await;
    assert!(joined.contains(r#""join""#) && joined.contains(r#""Bob the builder""#), "{joined}");

    let say = r#"{"id":3,"publish":{"channel":"chat","data":{"text":"\"hi\""}}}"#;
    ada.send(say).await.unwrap();
    for ws in [&mut ada, &mut bob] {
        let said = text_with(ws, r#""pub""#).await;
        for part in [r#""data":{"text":"\"hi\""}"#, r#""user":"Ada""#, &ada_id, r#""offset":1"#] {
            assert!(said.contains(part), "{part} in: {said}");
        }
    }
    // The first that a bare client hears: not of joins.
    assert_eq!(text(&mut bare).await, "Ada: \"hi\"");

    bare.send("from outside").await.unwrap();
    for ws in [&mut ada, &mut bob] {
        let said = text_with(ws, r#""pub""#).await;
        assert!(said.contains(r#""data":{"text":"from outside"}"#), "{said}");
    }
    assert_eq!(text(&mut bare).await, "User: from outside");

    bob.close(CloseCode::NORMAL_CLOSURE, "").await.unwrap();
    let left = text_with(&mut ada, r#""leave""#).await;
    assert!(left.contains(&bob_id), "{left}");
    ada.send(say.replace("hi", "alone")).await.unwrap();
    assert_eq!(text(&mut bare).await, "Ada: \"alone\"", "and not of who has left");
}

#[tokio::test]
async fn who_joins_learns_who_is_there_and_what_was_said() {
    let (_server, address) = serve().await;
    let mut bare = bare(&address).await;
    bare.send("before").await.unwrap();
    text(&mut bare).await;
    let (mut ada, ada_id) = named(&address, "Ada").await;
    ada.send(
        r#"{"id":3,"presence":{"channel":"chat"}}
{"id":4,"history":{"channel":"chat","limit":10}}"#,
    )
    .await
    .unwrap();
    let presence = text_with(&mut ada, r#""id":3,"#).await;
    assert!(presence.contains(&format!(r#""{ada_id}":{{"#)), "{presence}");
    assert!(presence.contains(r#""user":"Ada""#), "{presence}");
    assert_eq!(presence.matches(r#""client":"#).count(), 2, "{presence}");
    let history = text_with(&mut ada, r#""id":4,"#).await;
    assert!(history.contains(r#""data":{"text":"before"}"#), "{history}");
}

#[tokio::test]
async fn what_does_not_belong_here_is_closed_with_its_code() {
    let (_server, address) = serve().await;
    let fits = "x".repeat(64 << 10);
    let over = "x".repeat((64 << 10) + 1);
    let cases: &[(&str, Message, Option<CloseCode>)] = &[
        ("a message of 60 KiB", Message::from("x".repeat(60 << 10)), None),
        ("a message of 64 KiB, which is more with its quotes", Message::from(fits), None),
        ("and one byte", Message::from(over), Some(CloseCode::MESSAGE_TOO_BIG)),
        ("binary", Message::from(vec![1]), Some(CloseCode::UNSUPPORTED_DATA)),
    ];
    for (rule, message, code) in cases {
        let mut ws = bare(&address).await;
        ws.send(message.clone()).await.unwrap();
        match code {
            None => assert!(!text(&mut ws).await.is_empty(), "{rule}"),
            Some(code) => assert_eq!(closed_with(&mut ws).await.0, *code, "{rule}"),
        }
    }
    let name_fits = "n".repeat(32);
    named(&address, &name_fits).await;
    let first: &[(&str, String)] = &[
        ("no JSON", "hello".to_owned()),
        ("said before a name", r#"{"id":1,"publish":{"channel":"chat","data":1}}"#.to_owned()),
        ("a name of 33 characters", format!(r#"{{"id":1,"connect":{{"token":"{name_fits}n"}}}}"#)),
        ("no name", r#"{"id":1,"connect":{"token":" "}}"#.to_owned()),
    ];
    for (rule, message) in first {
        let url = format!("ws://{address}/connection/websocket");
        let mut ws = tidewire::connect(&url).await.unwrap();
        ws.send(&**message).await.unwrap();
        let (code, _) = closed_with(&mut ws).await;
        assert!((3500..3600).contains(&code.get()), "{rule}: {code:?}");
    }
    // Nobody else has noticed.
    let mut ws = bare(&address).await;
    ws.send("still here").await.unwrap();
    assert_eq!(text(&mut ws).await, "User: still here");
}
