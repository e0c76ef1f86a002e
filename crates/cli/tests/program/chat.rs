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

async fn page(address: &str) -> WebSocket {
    let client = Client::new().subprotocols(["tidewire.chat.v1"]).require_subprotocol(true);
    let client = client.header("Origin", format!("http://{address}")).unwrap();
    client.connect(&format!("ws://{address}")).await.unwrap()
}

/// A named client that has been welcomed, and its id.
async fn named(address: &str, name: &str) -> (WebSocket, u64) {
    let mut ws = page(address).await;
    ws.send(format!(r#"{{"type":"join","name":"{name}"}}"#)).await.unwrap();
    let welcome = text(&mut ws).await;
    let (_, you) = welcome.split_once(r#""you":{"id":"#).unwrap_or_else(|| panic!("{welcome}"));
    let (id, _) = you.split_once(',').unwrap();
    (ws, id.parse().unwrap())
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
    let joined = text(&mut ada).await;
    assert!(joined.starts_with(r#"{"type":"joined","who":{"id":"#), "{joined}");
    assert!(joined.ends_with(r#","name":"User"}}"#), "{joined}");
    let (mut bob, bob_id) = named(&address, "  Bob the  builder ").await;
    assert_eq!(
        text(&mut ada).await,
        format!(r#"{{"type":"joined","who":{{"id":{bob_id},"name":"Bob the builder"}}}}"#)
    );

    ada.send(r#"{"type":"say","text":"\"hi\""}"#).await.unwrap();
    for ws in [&mut ada, &mut bob] {
        let said = text(ws).await;
        assert!(said.starts_with(r#"{"type":"said","offset":1,"at":"#), "{said}");
        let end = format!(r#","who":{{"id":{ada_id},"name":"Ada"}},"text":"\"hi\""}}"#);
        assert!(said.ends_with(&end), "{said}");
    }
    // The first that a bare client hears: not of joins.
    assert_eq!(text(&mut bare).await, "Ada: \"hi\"");

    bare.send("from outside").await.unwrap();
    for ws in [&mut ada, &mut bob] {
        let said = text(ws).await;
        assert!(said.ends_with(r#""name":"User"},"text":"from outside"}"#), "{said}");
    }
    assert_eq!(text(&mut bare).await, "User: from outside");

    bob.send(r#"{"type":"join","name":"Robert"}"#).await.unwrap();
    let renamed = format!(
        r#"{{"type":"renamed","who":{{"id":{bob_id},"name":"Robert"}},"before":"Bob the builder"}}"#
    );
    assert_eq!(text(&mut ada).await, renamed);
    assert_eq!(text(&mut bob).await, renamed);
    bob.close(CloseCode::NORMAL_CLOSURE, "").await.unwrap();
    assert_eq!(
        text(&mut ada).await,
        format!(r#"{{"type":"left","who":{{"id":{bob_id},"name":"Robert"}}}}"#)
    );
    ada.send(r#"{"type":"say","text":"alone"}"#).await.unwrap();
    assert_eq!(text(&mut bare).await, "Ada: alone", "and not of renames and leaves");
}

#[tokio::test]
async fn who_joins_learns_who_is_there_and_what_was_said() {
    let (_server, address) = serve().await;
    let mut bare = bare(&address).await;
    bare.send("before").await.unwrap();
    text(&mut bare).await;
    let mut ws = page(&address).await;
    ws.send(r#"{"type":"join","name":"Ada"}"#).await.unwrap();
    let welcome = text(&mut ws).await;
    for part in [
        r#"{"type":"welcome","epoch":""#,
        r#""you":{"id":2,"name":"Ada"}"#,
        r#""people":[{"id":1,"name":"User"},{"id":2,"name":"Ada"}]"#,
        r#""recent":[{"offset":1,"at":"#,
        r#""who":{"id":1,"name":"User"},"text":"before"}]"#,
    ] {
        assert!(welcome.contains(part), "{part} in: {welcome}");
    }
}

#[tokio::test]
async fn nobody_has_the_name_of_another() {
    let (_server, address) = serve().await;
    let (_ada, _) = named(&address, "Ada").await;
    for (asked, given) in [("ADA", "ADA 2"), ("user", "user 2"), ("Eve", "Eve")] {
        let mut ws = page(&address).await;
        ws.send(format!(r#"{{"type":"join","name":"{asked}"}}"#)).await.unwrap();
        let welcome = text(&mut ws).await;
        assert!(welcome.contains(&format!(r#","name":"{given}"}},"people""#)), "{welcome}");
    }
}

#[tokio::test]
async fn what_does_not_belong_here_is_closed_with_its_code() {
    let (_server, address) = serve().await;
    let policy = CloseCode::POLICY_VIOLATION;
    let fits = "x".repeat(16 << 10);
    let over = "x".repeat((16 << 10) + 1);
    let name_fits = format!(r#"{{"type":"join","name":"{}"}}"#, "n".repeat(32));
    let name_over = format!(r#"{{"type":"join","name":"{}"}}"#, "n".repeat(33));
    let cases: &[(&str, bool, Message, Option<CloseCode>)] = &[
        ("a message of 16 KiB", false, Message::from(fits), None),
        ("and one byte", false, Message::from(over), Some(CloseCode::MESSAGE_TOO_BIG)),
        ("binary", false, Message::from(vec![1]), Some(CloseCode::UNSUPPORTED_DATA)),
        ("binary, named", true, Message::from(vec![1]), Some(CloseCode::UNSUPPORTED_DATA)),
        ("no JSON", true, Message::from("hello"), Some(policy)),
        ("said before a name", true, Message::from(r#"{"type":"say","text":"x"}"#), Some(policy)),
        ("a name of 32 characters", true, Message::from(name_fits), None),
        ("and one more", true, Message::from(name_over), Some(policy)),
        ("no name", true, Message::from(r#"{"type":"join","name":" "}"#), Some(policy)),
    ];
    for (rule, is_named, message, code) in cases {
        let mut ws = if *is_named { page(&address).await } else { bare(&address).await };
        ws.send(message.clone()).await.unwrap();
        match code {
            None => assert!(!text(&mut ws).await.is_empty(), "{rule}"),
            Some(code) => assert_eq!(closed_with(&mut ws).await.0, *code, "{rule}"),
        }
    }
    // Nobody else has noticed.
    let mut ws = bare(&address).await;
    ws.send("still here").await.unwrap();
    assert_eq!(text(&mut ws).await, "User: still here");
}
