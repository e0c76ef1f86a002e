//! Answers that are long: whoever asks for one gets it, or a part that it can go on from.

use tidewire::{Client, Message, WebSocket};

use crate::{
    answer::{Answer, call, post, whole},
    process::{serve_in, serve_with, soon},
};

/// Bytes of payload in each publication here. Twelve fit into an answer, with what each costs.
const LEN: usize = 60 << 10;
const FIT: usize = 12;

/// Publishes so many of them, as the application.
async fn publish(address: &str, count: usize) {
    let body = format!(r#"{{"channel":"news","data":"{}"}}"#, "x".repeat(LEN - 2));
    for _ in 0..count {
        assert_eq!(whole(address, &call("publish", &body)).await.0, "200");
    }
}

async fn connected(address: &str) -> WebSocket {
    let client = Client::new().with_config(|config| config.limits.message_len_max = 16 << 20);
    let mut ws = client.connect(&format!("ws://{address}/connection/websocket")).await.unwrap();
    assert!(ask(&mut ws, r#"{"id":1,"connect":{}}"#).await.starts_with(r#"{"id":1,"connect":{"#));
    ws
}

async fn ask(ws: &mut WebSocket, command: &str) -> String {
    ws.send(command).await.unwrap();
    match soon(ws.next()).await.unwrap() {
        Some(Message::Text(text)) => text.to_string(),
        other => panic!("{other:?} {:?}", ws.close_info()),
    }
}

/// What stands in quotes after this.
fn member<'a>(text: &'a str, name: &str) -> &'a str {
    let (_, rest) = text.split_once(&format!(r#""{name}":""#)).unwrap();
    rest.split_once('"').unwrap().0
}

fn count(text: &str) -> usize {
    text.matches(r#""data":"x"#).count()
}

#[tokio::test]
async fn a_long_history_is_read_page_by_page() {
    let (_server, address) = serve_with(&["--threads", "2"]).await;
    publish(&address, 2 * FIT + 1).await;
    let mut ws = connected(&address).await;
    let mut since = r#"{"offset":0,"epoch":""}"#.to_owned();
    let mut pages = Vec::new();
    for _ in 0..4 {
        let history =
            format!(r#"{{"id":2,"history":{{"channel":"news","limit":-1,"since":{since}}}}}"#);
        let page = ask(&mut ws, &history).await;
        assert!(page.ends_with(&format!(r#""offset":{}}}}}"#, 2 * FIT + 1)), "where the stream is");
        pages.push(count(&page));
        let offset = pages.iter().sum::<usize>();
        since = format!(r#"{{"offset":{offset},"epoch":"{}"}}"#, member(&page, "epoch"));
    }
    assert_eq!(pages, [FIT, FIT, 1, 0]);
}

/// All of it or nothing, over every transport; and whoever gets all of it stays.
#[tokio::test]
async fn what_is_recovered_fits_into_an_answer() {
    let cases = [("768KiB", FIT, true), ("768KiB", FIT + 1, false), ("5MiB", 5 * FIT, true)];
    for (len_max, missed, recovered) in cases {
        let environment = [("TIDEWIRE_CLIENT_RECOVERY_MAX_SIZE", len_max)];
        let (_server, address) = serve_in(&environment, &["--threads", "2"]).await;
        publish(&address, missed).await;
        let mut ws = connected(&address).await;
        let subscribe =
            r#"{"id":2,"subscribe":{"channel":"news","recover":true,"epoch":"","offset":0}}"#;
        let subscribed = ask(&mut ws, subscribe).await;
        assert_eq!(subscribed.contains(r#""recovered":true"#), recovered, "{missed}");
        assert!(subscribed.contains(r#""was_recovering":true"#), "{missed}");
        assert_eq!(count(&subscribed), if recovered { missed } else { 0 });
        assert!(ask(&mut ws, r#"{"id":3,"unsubscribe":{"channel":"news"}}"#).await.contains("{}"));
        let frame = format!("{{\"id\":1,\"connect\":{{}}}}\n{subscribe}");
        let request = post("/connection/http_stream", &[], &frame);
        let mut stream = Answer::to(&address, &request).await;
        stream.until(r#"{"id":2,"subscribe":{"#).await;
        let subscribed = stream.until(r#""was_recovering":true"#).await;
        assert_eq!(subscribed.contains(r#""recovered":true"#), recovered, "{missed}");
    }
}
