//! §7.2.3: one connection after the other, until it is of no use.

use std::time::Duration;

use tidewire::{Backoff, Client, CloseCode, Error, HandshakeError};
use tokio::time::Instant;

use crate::raw::{SWITCH, serve};

#[tokio::test(start_paused = true)]
async fn until_one_closes_normally() {
    let busy = "HTTP/1.1 503 \r\nContent-Length: 0\r\n\r\n";
    let (port, _server) = serve([SWITCH, busy, busy, SWITCH]).await;
    let uri = format!("ws://127.0.0.1:{port}/");
    let mut feed = Client::new().reconnecting(uri, Backoff::default());
    let started = Instant::now();
    let (ws, attempt) = feed.next().await.unwrap().unwrap();
    assert_eq!((attempt, started.elapsed().as_secs()), (0, 0), "the first is not delayed");
    assert!(feed.last_error().is_none());
    drop(ws);
    // Up to 5 s, then 5 to 10 s, then 10 to 20 s.
    let (mut ws, attempt) = feed.next().await.unwrap().unwrap();
    assert_eq!(attempt, 3, "one was lost, two were refused");
    let waited = started.elapsed();
    assert!((Duration::from_secs(15)..Duration::from_secs(36)).contains(&waited), "{waited:?}");
    assert!(feed.last_error().unwrap().to_string().contains("503"));
    ws.start_close(CloseCode::NORMAL_CLOSURE, "").unwrap();
    drop(ws);
    assert!(feed.next().await.unwrap().is_none(), "we have closed it");
    assert!(feed.next().await.unwrap().is_none(), "and it stays so");
}

#[tokio::test(start_paused = true)]
async fn the_next_waits_for_the_last() {
    let (port, _server) = serve([SWITCH]).await;
    let mut feed =
        Client::new().reconnecting(format!("ws://127.0.0.1:{port}/"), Backoff::default());
    let (ws, _) = feed.next().await.unwrap().unwrap();
    let (rx, tx) = ws.split();
    tokio::time::timeout(Duration::from_secs(1), feed.next()).await.expect_err("it is still there");
    drop((rx, tx));
    // A sender that is dropped closes with 1000.
    assert!(feed.next().await.unwrap().is_none());
}

#[tokio::test]
async fn a_policy_violation_is_final() {
    let listener = tidewire::Listener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("ws://{}/", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let mut ws = listener.accept().await.unwrap().upgrade().await.unwrap();
        ws.close(CloseCode::POLICY_VIOLATION, "not you").await.unwrap();
    });
    let mut feed = Client::new().reconnecting(uri, Backoff::default());
    let (mut ws, _) = feed.next().await.unwrap().unwrap();
    assert_eq!(ws.next().await.unwrap(), None, "in order, and yet");
    drop(ws);
    let Err(Error::Closed(outcome)) = feed.next().await else { panic!("it goes on") };
    assert_eq!(outcome.reason(), "not you");
    assert!(feed.next().await.unwrap().is_none());
    server.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_is_final() {
    for status in [400, 401, 403, 404, 426] {
        let refusal = format!("HTTP/1.1 {status} \r\nContent-Length: 0\r\n\r\n");
        let (port, _server) = serve([&*refusal]).await;
        let mut feed =
            Client::new().reconnecting(format!("ws://127.0.0.1:{port}/"), Backoff::default());
        let error = feed.next().await.unwrap_err();
        let Error::Handshake(error) = error else { panic!("{error:?}") };
        assert!(matches!(*error, HandshakeError::Refused(r) if r.status() == status));
        assert!(feed.next().await.unwrap().is_none(), "{status}");
    }
    let mut feed = Client::new().reconnecting("http://h/", Backoff::default());
    feed.next().await.unwrap_err();
    for status in [408, 425, 429, 500, 503] {
        let refusal = format!("HTTP/1.1 {status} \r\nContent-Length: 0\r\n\r\n");
        let (port, _server) = serve([&*refusal, SWITCH]).await;
        let mut feed =
            Client::new().reconnecting(format!("ws://127.0.0.1:{port}/"), Backoff::default());
        assert_eq!(feed.next().await.unwrap().unwrap().1, 1, "{status}");
    }
}
