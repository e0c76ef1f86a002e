//! How connections end: closing handshakes, panics, peers that vanish or fall silent.

use std::{cell::Cell, time::Duration};

use tidewire_engine::{
    Io,
    proto::{CloseCode, CloseFrame, Failure, Initiator, OpCode, TimeoutKind},
};

use crate::{
    client::{Client, Heard, close, frame, is_gone},
    server::{PANIC, Server, Told, panic_if, wait_until},
};

on_every_io! {
    the_peer_closes,
    we_close,
    both_close_at_once,
    messages_arrive_between_our_close_and_theirs,
    a_half_closed_peer_gets_its_answers,
    peers_vanish_at_any_point,
    a_silent_peer_is_asked_and_then_gone,
    who_answers_pings_stays,
    who_does_not_answer_our_close_is_cut_off,
    a_panic_costs_one_connection,
    a_panic_about_no_connection_costs_nothing,
}

fn going_away() -> CloseFrame {
    CloseFrame::new(CloseCode::GOING_AWAY, "bye").unwrap()
}

fn the_peer_closes(io: Io) {
    let server = Server::new(io);
    let (mut client, id) = server.connect();
    client.write(&[frame(OpCode::Text, b"last"), close(4000), frame(OpCode::Text, b"x")].concat());
    assert_eq!(client.hear(), Heard::Text("last".to_owned()));
    assert_eq!(client.hear(), Heard::Close(Some(4000)));
    assert_eq!(client.hear(), Heard::End);
    assert_eq!(server.message(), (id, b"last".to_vec()));
    drop(client);
    let (closed, outcome) = server.closed();
    assert_eq!(closed, id);
    assert!(outcome.was_clean() && outcome.initiator == Some(Initiator::Remote), "{outcome:?}");
    assert_eq!(server.told_already(), None);
}

fn we_close(io: Io) {
    let server = Server::new(io);
    let (mut client, id) = server.connect();
    let (closes, again) = server.run(move |plane| {
        plane.send(id, "before").unwrap();
        (plane.close(id, going_away()).is_ok(), plane.close(id, going_away()).is_ok())
    });
    assert!(closes && !again);
    assert_eq!(client.hear(), Heard::Text("before".to_owned()));
    client.is_closed_with(1001);
    let (_, outcome) = server.closed();
    assert!(outcome.was_clean() && outcome.initiator == Some(Initiator::Local), "{outcome:?}");
}

fn both_close_at_once(io: Io) {
    let server = Server::new(io);
    let (mut client, id) = server.connect();
    client.write(&close(1000));
    let _ = server.remote().close(id, going_away());
    let Heard::Close(Some(1000 | 1001)) = client.hear() else { panic!("no Close") };
    assert_eq!(client.hear(), Heard::End);
    drop(client);
    assert!(server.closed().1.was_clean());
}

fn messages_arrive_between_our_close_and_theirs(io: Io) {
    let server = Server::new(io);
    let (mut client, id) = server.connect();
    server.remote().close(id, going_away()).unwrap();
    assert_eq!(client.hear(), Heard::Close(Some(1001)));
    client.send("late");
    assert_eq!(server.message(), (id, b"late".to_vec()));
    client.write(&close(1001));
    assert_eq!(client.hear(), Heard::End);
}

/// K10: what was asked before the end is answered before the end, however much it is.
fn a_half_closed_peer_gets_its_answers(io: Io) {
    let server = Server::new(io);
    let message = frame(OpCode::Binary, &vec![7; 50_000]);
    for count in [1, 10, 200] {
        let mut client = Client::open(server.address);
        // Read while it is written, but for the last part, or nobody could go on.
        let mut writer = client.io.try_clone().unwrap();
        let stream = message.repeat(count);
        let writing = std::thread::spawn(move || {
            std::io::Write::write_all(&mut writer, &stream).unwrap();
            writer.shutdown(std::net::Shutdown::Write).unwrap();
        });
        // So that it is queued and not written, where it is more than sockets hold.
        let heard = Cell::new(0);
        wait_until("answers wait for us, or all are written", || {
            while heard.get() < count
                && let Some(told) = server.told_already()
            {
                heard.set(heard.get() + usize::from(matches!(told, Told::Message(..))));
            }
            heard.get() == count || server.remote().stats()[0].queued_len > 0
        });
        for _ in 0..count {
            assert!(client.hear() == Heard::Binary(vec![7; 50_000]));
        }
        assert_eq!(client.hear(), Heard::End);
        writing.join().unwrap();
        assert_eq!(server.closed().1.code(), CloseCode::ABNORMAL_CLOSURE);
    }
}

fn peers_vanish_at_any_point(io: Io) {
    let server = Server::new(io);
    let mut other = Client::open(server.address);
    let stream = [
        crate::client::REQUEST.as_bytes(),
        &frame(OpCode::Text, b"text"),
        &frame(OpCode::Binary, &[1; 300]),
        &frame(OpCode::Ping, b"ping"),
        &close(1000),
    ]
    .concat();
    for cut in (0..=stream.len()).step_by(7) {
        for resets in [true, false] {
            let mut client = Client::tcp(server.address);
            if let Err(error) = std::io::Write::write_all(&mut client.io, &stream[..cut]) {
                assert!(is_gone(&error), "{error}");
            }
            if resets {
                client.reset();
            }
        }
    }
    other.round_trip("still served");
    drop(other);
    wait_until("all are gone", || server.remote().connection_count() == 0);
    let mut open = 0_i64;
    while let Some(told) = server.told_already() {
        match told {
            Told::Opened(..) => open += 1,
            Told::Closed(..) => open -= 1,
            _ => {}
        }
    }
    assert_eq!(open, 0, "each that was opened was closed, once");
}

fn a_silent_peer_is_asked_and_then_gone(io: Io) {
    let server = Server::with(io, |settings| {
        settings.config.timeouts.ping_after = Some(Duration::from_millis(200));
        settings.config.timeouts.pong_within = Duration::from_millis(200);
    });
    let (mut client, id) = server.connect();
    assert!(matches!(client.hear(), Heard::Ping(_)));
    client.is_closed_with(1008);
    let (closed, outcome) = server.closed();
    let failure = Some(Failure::Timeout(TimeoutKind::Pong));
    assert_eq!((closed, outcome.failure), (id, failure));
}

fn who_answers_pings_stays(io: Io) {
    let server = Server::with(io, |settings| {
        settings.config.timeouts.ping_after = Some(Duration::from_millis(50));
        settings.config.timeouts.pong_within = Duration::from_secs(2);
    });
    let (mut client, _) = server.connect();
    for _ in 0..3 {
        let Heard::Ping(payload) = client.hear() else { panic!("no Ping") };
        client.write(&frame(OpCode::Pong, &payload));
    }
    client.round_trip("still here");
}

fn who_does_not_answer_our_close_is_cut_off(io: Io) {
    let server = Server::with(io, |settings| {
        settings.config.timeouts.close = Duration::from_millis(100);
    });
    let (mut client, id) = server.connect();
    server.remote().close(id, going_away()).unwrap();
    assert_eq!(client.hear(), Heard::Close(Some(1001)));
    assert_eq!(client.hear(), Heard::End);
    let (_, outcome) = server.closed();
    assert!(!outcome.was_clean() && outcome.received.is_none(), "{outcome:?}");
}

fn a_panic_costs_one_connection(io: Io) {
    let door = tidewire_engine::Door::deciding(|request| {
        panic_if(request.path().contains("door"));
        let guest = if request.path().contains("opened") { "panics" } else { "" };
        Ok((tidewire_engine::proto::handshake::Accept::new(), guest))
    });
    let server = Server::behind(io, door, |_| {}, crate::server::echo);
    let mut other = Client::open(server.address);
    for round in 0..3 {
        // In a message, with more behind it.
        let mut client = Client::open(server.address);
        client.send("before");
        client.write(&[PANIC, "behind"].map(|text| frame(OpCode::Text, text.as_bytes())).concat());
        assert_eq!(client.hear(), Heard::Text("before".to_owned()));
        client.is_closed_with(1011);
        // When it opens.
        let mut client = Client::tcp(server.address);
        client.write(crate::client::REQUEST.replace("GET /", "GET /opened").as_bytes());
        assert_eq!(client.status(), 101);
        client.is_closed_with(1011);
        // When it ends.
        let mut client = Client::open(server.address);
        let body = [&1000_u16.to_be_bytes()[..], PANIC.as_bytes()].concat();
        client.write(&frame(OpCode::Close, &body));
        assert_eq!(client.hear(), Heard::Close(Some(1000)));
        // Before it opens.
        let mut client = Client::tcp(server.address);
        client.write(crate::client::REQUEST.replace("GET /", "GET /door").as_bytes());
        assert_eq!(client.status(), 500);
        other.round_trip(&format!("still served {round}"));
    }
    let mut heard = Vec::new();
    while let Some(told) = server.told_already() {
        if let Told::Message(_, message) = told {
            heard.push(message);
        }
    }
    assert!(!heard.contains(&b"behind".to_vec()), "it hears no more of that connection");
}

fn a_panic_about_no_connection_costs_nothing(io: Io) {
    let server = Server::new(io);
    let (mut client, _) = server.connect();
    assert!(server.remote().tell(0, Box::new(|_| panic_if(true))).is_ok());
    client.round_trip("still here");
}
