//! Opening handshakes that lead to no connection, and how many connections there may be.

use std::time::Duration;

use tidewire_engine::{
    Door, Io,
    proto::handshake::{Accept, OriginPolicy, Rejection},
};

use crate::{
    client::{Client, Heard, REQUEST},
    server::{Server, echo, wait_until},
};

on_every_io! {
    who_is_refused_is_told_why,
    who_is_too_slow_is_told,
    byte_by_byte,
    who_finds_no_place_is_told,
    thread_is_full,
}

fn who_is_refused_is_told_why(io: Io) {
    let door = Door::deciding(|request| match request.path() {
        "/guest" => Ok((Accept::new(), "guest")),
        "/large" => Err(Rejection::new(403, &"x".repeat(300_000)).unwrap()),
        _ => Err(Rejection::new(403, "not you").unwrap()),
    })
    .origins(OriginPolicy::list(["https://example.org"]).unwrap());
    let server = Server::behind(io, door, |_| {}, echo);
    let with = |from: &str, to: &str| REQUEST.replace(from, to);
    for (request, status, body) in [
        (REQUEST.to_owned(), 403, Some("not you\n")),
        (with("GET /", "GET /large"), 403, None),
        (with("\r\n\r\n", "\r\nOrigin: https://evil.example\r\n\r\n"), 403, None),
        (with("Upgrade: websocket\r\n", ""), 426, None),
        (with("Version: 13", "Version: 8"), 426, None),
        ("\0\x01 garbage\r\n\r\n".to_owned(), 400, None),
        (format!("GET / HTTP/1.1\r\nX: {}", "y".repeat(100_000)), 431, None),
    ] {
        let mut client = Client::tcp(server.address);
        client.write(request.as_bytes());
        assert_eq!(client.status(), status, "{request:.30}");
        client.end();
        let rest = client.rest();
        assert!(body.is_none_or(|body| rest == body.as_bytes()), "{request:.30}: {rest:?}");
        assert!(!rest.is_empty());
    }
    assert_eq!(server.told_already(), None, "none of them was ever open");
    let mut client = Client::tcp(server.address);
    let origin = "GET /guest HTTP/1.1\r\nOrigin: https://example.org";
    client.write(with("GET / HTTP/1.1", origin).as_bytes());
    assert_eq!(client.status(), 101);
    wait_until("the refused have gone", || server.remote().connection_count() == 1);
}

/// H11, on an engine: half a request gets 408 when its time is over; who asked nothing is left.
fn who_is_too_slow_is_told(io: Io) {
    let door =
        Door::deciding(|_| Ok((Accept::new(), ""))).handshake_timeout(Duration::from_millis(200));
    let server = Server::behind(io, door, |_| {}, echo);
    let mut silent = Client::tcp(server.address);
    let mut half = Client::tcp(server.address);
    half.write(&REQUEST.as_bytes()[..50]);
    assert_eq!(half.status(), 408);
    assert_eq!(silent.rest(), b"");
    assert_eq!(server.told_already(), None);
}

fn byte_by_byte(io: Io) {
    let server = Server::new(io);
    let mut client = Client::tcp(server.address);
    for byte in REQUEST.as_bytes() {
        client.write(&[*byte]);
    }
    assert_eq!(client.status(), 101);
    client.round_trip("in");
}

/// One more than there may be is told so, and when it may ask again.
fn who_finds_no_place_is_told(io: Io) {
    let server = Server::with(io, |settings| settings.connection_count_max = 3);
    let mut clients: Vec<_> = (0..3).map(|_| Client::open(server.address)).collect();
    for round in 1..=5 {
        let mut beyond = Client::tcp(server.address);
        beyond.write(REQUEST.as_bytes());
        let head = beyond.head();
        assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
        assert!(head.contains("\r\nRetry-After: 5\r\n"), "{head}");
        assert!(!beyond.rest().is_empty());
        drop(beyond);
        wait_until("it does not count", || server.remote().connection_count() == 3);
        wait_until("it is counted", || server.remote().stats()[0].turned_away_count == round);
    }
    clients[1].round_trip("served");
    drop(clients.pop());
    wait_until("one has gone", || server.remote().connection_count() == 2);
    Client::open(server.address).round_trip("there is room again");
}

/// Those who wait to be refused have a limit as well.
fn thread_is_full(io: Io) {
    let server = Server::with(io, |settings| {
        settings.connection_count_max = 1;
        settings.refused_count_max = 2;
    });
    let client = Client::open(server.address);
    let mut beyond = [(); 2].map(|()| Client::tcp(server.address));
    wait_until("they are there", || server.remote().stats()[0].connection_count == 3);
    assert_eq!(Client::tcp(server.address).hear(), Heard::End);
    beyond[0].write(REQUEST.as_bytes());
    assert_eq!(beyond[0].status(), 503);
    beyond[0].end();
    assert!(!beyond[0].rest().is_empty());
    drop(client);
    wait_until("both have gone", || server.remote().connection_count() == 1);
    // There is a place by now.
    beyond[1].write(REQUEST.as_bytes());
    assert_eq!(beyond[1].status(), 101);
    beyond[1].round_trip("let in");
    wait_until("two were counted", || server.remote().stats()[0].turned_away_count == 2);
}
