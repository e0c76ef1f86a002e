//! What a handler can do with connections, and what other threads can.

use std::{collections::HashMap, sync::mpsc, thread, time::Duration};

use tidewire_engine::{
    ConnectionId, Io, MailboxFull, Message, Plane, SendError,
    proto::{self, CloseCode, CloseFrame, OpCode, Prepared, ReadyState},
};

use crate::{
    client::{Heard, frame},
    server::{Server, Tester, Told, ignore, wait_until},
};

on_every_io! {
    what_is_known_of_connections,
    old_names_find_nobody,
    messages_to_others,
    close_says_why,
    subscriptions,
    publications_keep_their_order_on_all_threads,
    from_other_threads,
    a_mailbox_is_full,
    a_mailbox_is_full_of_bytes,
    reading_is_paused_with_frames_behind,
    a_handler_is_woken,
    compressed_once_for_many,
}

const TOPIC: &str = "topic";

fn what_is_known_of_connections(io: Io) {
    let server = Server::new(io);
    let (mut client, id) = server.connect();
    let (_other, other) = server.connect();
    server.run(move |plane| {
        let mut all: Vec<_> = plane.connections().collect();
        all.sort();
        assert_eq!(all, [id, other]);
        assert_eq!((plane.thread(), id.thread()), (0, 0));
        assert_eq!(plane.ready_state(id), Some(ReadyState::Open));
        assert_eq!((plane.buffered(id), plane.queued_len()), (0, 0));
        plane.send(id, "12345").unwrap();
        plane.publish(TOPIC, &Prepared::new("nobody hears it"));
        assert_eq!(plane.buffered(id), 7);
        assert!(plane.queued_len() >= 7);
        assert!(plane.now() > proto::Timestamp::ZERO);
    });
    assert_eq!(client.hear(), Heard::Text("12345".to_owned()));
    assert_eq!(server.run(|plane| plane.queued_len()), 0);
    assert_eq!(server.remote().thread_count(), 1);
    assert_eq!(server.remote().connection_count(), 2);
    let turns = server.remote().stats()[0].turn_count;
    server.run(|_| {});
    wait_until("turns are counted", || server.remote().stats()[0].turn_count > turns);
}

fn old_names_find_nobody(io: Io) {
    let server = Server::new(io);
    let (client, old) = server.connect();
    drop(client);
    assert_eq!(server.closed().0, old);
    let (mut client, new) = server.connect();
    assert_eq!((old.index(), old == new), (new.index(), false));
    server.run(move |plane| {
        assert_eq!(plane.send(old, "x"), Err(SendError::Gone));
        assert_eq!(plane.close(old, CloseFrame::EMPTY), Err(SendError::Gone));
        assert_eq!(plane.offer(old, &Prepared::new("x")), Err(SendError::Gone));
        assert_eq!((plane.ready_state(old), plane.buffered(old)), (None, 0));
        assert!(!plane.subscribe(old, TOPIC));
        plane.pause_reading(old);
        plane.queue_many([old], &Prepared::new("x"));
        plane.publish(TOPIC, &Prepared::new("x"));
    });
    server.remote().send(old, "x").unwrap();
    server.remote().close(old, CloseFrame::EMPTY).unwrap();
    client.round_trip("nothing but this");
}

fn messages_to_others(io: Io) {
    let server = Server::new(io);
    let mut clients: Vec<_> = (0..10).map(|_| server.connect()).collect();
    let ids: Vec<_> = clients.iter().map(|(_, id)| *id).collect();
    server.run(move |plane| {
        for (number, id) in ids.iter().enumerate() {
            plane.send(*id, number.to_string()).unwrap();
        }
        plane.queue_many(ids.iter().copied(), &Prepared::new("all"));
        plane.offer_many(ids.iter().copied(), &Prepared::new(&b"offered"[..]));
        plane.send(ids[0], vec![1; 100_000]).unwrap();
        plane.queue_many(ids.iter().copied().skip(5), &Prepared::new(&*vec![2; 300_000]));
    });
    for (number, (client, _)) in clients.iter_mut().enumerate() {
        assert_eq!(client.hear(), Heard::Text(number.to_string()));
        assert_eq!(client.hear(), Heard::Text("all".to_owned()));
        assert_eq!(client.hear(), Heard::Binary(b"offered".to_vec()));
        if number == 0 {
            assert!(client.hear() == Heard::Binary(vec![1; 100_000]));
        }
        if number >= 5 {
            assert!(client.hear() == Heard::Binary(vec![2; 300_000]));
        }
    }
}

fn close_says_why(io: Io) {
    let server = Server::new(io);
    let (mut client, id) = server.connect();
    server.run(move |plane| {
        let frame = CloseFrame::new(CloseCode::NORMAL_CLOSURE, "").unwrap();
        plane.close(id, frame).unwrap();
        assert_eq!(plane.ready_state(id), Some(ReadyState::Closing));
        assert_eq!(plane.send(id, "x"), Err(SendError::Refused(proto::SendError::Closing)));
        plane.queue_many([id], &Prepared::new("nor this"));
    });
    client.is_closed_with(1000);
}

fn subscriptions(io: Io) {
    let server = Server::new(io);
    let (mut a, a_id) = server.connect();
    let (mut b, b_id) = server.connect();
    server.run(move |plane| {
        assert!(plane.subscribe(a_id, TOPIC) && plane.subscribe(a_id, TOPIC), "twice is once");
        assert!(plane.subscribe(b_id, TOPIC) && plane.subscribe(b_id, "other"));
        plane.publish(TOPIC, &Prepared::new("both"));
        plane.publish("other", &Prepared::new("b alone"));
        plane.unsubscribe(b_id, TOPIC);
        plane.publish(TOPIC, &Prepared::new("a alone"));
        (1..1024).for_each(|number| assert!(plane.subscribe(a_id, number.to_string())));
        assert!(!plane.subscribe(a_id, "one more"));
    });
    let text = |text: &str| Heard::Text(text.to_owned());
    assert_eq!([a.hear(), a.hear()], [text("both"), text("a alone")]);
    assert_eq!([b.hear(), b.hear()], [text("both"), text("b alone")]);
}

/// Each message that arrives goes to all.
fn broadcast(plane: &mut Plane<Tester>, _: ConnectionId, message: Message<'_>) {
    plane.publish_everywhere(TOPIC, &Prepared::new(message)).unwrap();
}

fn publications_keep_their_order_on_all_threads(io: Io) {
    const CLIENTS: usize = 24;
    const MESSAGES: usize = 100;
    let server = Server::answering(io, |settings| settings.thread_count = 3, broadcast);
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| server.connect().0).collect();
    for thread in 0..3 {
        server.run_on(thread, |plane| {
            let all: Vec<_> = plane.connections().collect();
            assert_eq!(all.len(), CLIENTS / 3);
            for id in all {
                assert!(plane.subscribe(id, TOPIC));
            }
        });
    }
    thread::scope(|scope| {
        for (number, client) in clients.iter_mut().enumerate() {
            scope.spawn(move || {
                if number < 6 {
                    (0..MESSAGES).for_each(|of| client.send(&format!("{number} {of}")));
                }
                let mut next: HashMap<String, usize> = HashMap::new();
                for _ in 0..6 * MESSAGES {
                    let Heard::Text(text) = client.hear() else { panic!("no text") };
                    let (sender, of) = text.split_once(' ').unwrap();
                    let next = next.entry(sender.to_owned()).or_default();
                    assert_eq!(of.parse(), Ok(*next), "from {sender} to {number}");
                    *next += 1;
                }
            });
        }
    });
}

fn from_other_threads(io: Io) {
    let server = Server::answering(io, |settings| settings.thread_count = 2, ignore);
    let mut clients: Vec<_> = (0..4).map(|_| server.connect()).collect();
    let remote = server.remote().clone();
    let ids: Vec<_> = clients.iter().map(|(_, id)| *id).collect();
    for id in &ids {
        remote.send(*id, format!("{id:?}")).unwrap();
    }
    for thread in 0..2 {
        remote.queue_many(thread, ids.clone(), &Prepared::new("many")).unwrap();
        server.run_on(thread, |plane| {
            let all: Vec<_> = plane.connections().collect();
            for id in all {
                assert!(plane.subscribe(id, TOPIC));
            }
        });
    }
    remote.publish(TOPIC, &Prepared::new("published")).unwrap();
    for (client, id) in &mut clients {
        assert_eq!(client.hear(), Heard::Text(format!("{id:?}")));
        assert_eq!(client.hear(), Heard::Text("many".to_owned()));
        assert_eq!(client.hear(), Heard::Text("published".to_owned()));
    }
    let (client, id) = &mut clients[0];
    remote.pause_reading(*id).unwrap();
    server.run_on(id.thread(), |_| {}); // it has been done
    client.send("paused");
    client.write(&frame(OpCode::Text, b"and more"));
    assert!(!matches!(server.told_already(), Some(Told::Message(..))));
    remote.resume_reading(*id).unwrap();
    assert_eq!(server.message(), (*id, b"paused".to_vec()));
    assert_eq!(server.message(), (*id, b"and more".to_vec()));
    remote.close(*id, CloseFrame::new(CloseCode::GOING_AWAY, "").unwrap()).unwrap();
    client.is_closed_with(1001);
    assert!(remote.tell(2, Box::new(|_| {})).is_err(), "there is no such thread");
}

/// Keeps a server's thread from its mail until the end that is returned is used.
fn hold(server: &Server) -> mpsc::Sender<()> {
    let (go_on, wait) = mpsc::channel::<()>();
    let (here, arrived) = mpsc::channel::<()>();
    let hold = move |_: &mut Plane<Tester>| {
        here.send(()).unwrap();
        let _ = wait.recv();
    };
    assert!(server.remote().tell(0, Box::new(hold)).is_ok());
    arrived.recv().unwrap();
    go_on
}

fn a_mailbox_is_full_of_bytes(io: Io) {
    let server = Server::with(io, |settings| settings.mail_len_max = 10_000);
    let (mut client, id) = server.connect();
    let go_on = hold(&server);
    let fits = |len| server.remote().send(id, vec![7; len]).is_ok();
    // A message has some overhead, which is the same for all; the longest that fits finds it.
    let longest = (1..=10_000).rev().find(|&len| fits(len)).expect("some overhead, not all");
    assert!(longest > 9_000 && !fits(0), "{longest}");
    go_on.send(()).unwrap();
    assert!(client.hear() == Heard::Binary(vec![7; longest]));
    let go_on = hold(&server);
    assert!(!fits(longest + 1) && fits(longest), "what was taken does not count any more");
    go_on.send(()).unwrap();
    assert!(client.hear() == Heard::Binary(vec![7; longest]));
}

fn a_mailbox_is_full(io: Io) {
    let server = Server::with(io, |settings| settings.mail_count_max = 3);
    let (mut client, id) = server.connect();
    let go_on = hold(&server);
    for number in 0..3 {
        server.remote().send(id, number.to_string()).unwrap();
    }
    assert_eq!(server.remote().send(id, "x"), Err(MailboxFull));
    assert_eq!(server.remote().publish(TOPIC, &Prepared::new("x")), Err(MailboxFull));
    assert!(server.remote().tell(0, Box::new(|_| {})).is_err());
    go_on.send(()).unwrap();
    for number in 0..3 {
        assert_eq!(client.hear(), Heard::Text(number.to_string()));
    }
    client.round_trip("and on");
}

/// Pauses at a word; the rest of what has been read is kept.
#[expect(clippy::needless_pass_by_value, reason = "it is an `Answer`")]
fn pauses(plane: &mut Plane<Tester>, id: ConnectionId, message: Message<'_>) {
    if message.as_bytes() == b"pause" {
        plane.pause_reading(id);
    }
}

fn reading_is_paused_with_frames_behind(io: Io) {
    let server = Server::answering(io, |_| {}, pauses);
    let large = vec![b'l'; 200_000];
    for behind in [&b""[..], b"x", b"short", &large] {
        let (mut client, id) = server.connect();
        let pause = frame(OpCode::Text, b"pause");
        let behind_it = frame(OpCode::Binary, behind);
        client.write(&[pause.clone(), behind_it.clone(), pause, behind_it].concat());
        assert_eq!(server.message(), (id, b"pause".to_vec()));
        for last in [false, true] {
            assert_eq!(server.run(move |plane| plane.ready_state(id)), Some(ReadyState::Open));
            assert_eq!(server.told_already(), None, "it is paused");
            server.run(move |plane| plane.resume_reading(id));
            assert!(server.message() == (id, behind.to_vec()), "{}", behind.len());
            if !last {
                assert_eq!(server.message(), (id, b"pause".to_vec()));
            }
        }
        drop(client);
        assert_eq!(server.closed().0, id);
    }
}

fn a_handler_is_woken(io: Io) {
    let server = Server::new(io);
    let asked = server.run(|plane| {
        let now = plane.now();
        plane.wake_at(now.saturating_add(Duration::from_secs(3600)));
        plane.wake_at(now.saturating_add(Duration::from_millis(30)));
        now
    });
    assert_eq!(server.told(), Told::Woken);
    let passed = server.run(move |plane| plane.now().saturating_since(asked));
    assert!(passed >= Duration::from_millis(30), "{passed:?}");
    assert_eq!(server.told_already(), None, "it counts once");
}

#[cfg(feature = "deflate")]
fn compressed_once_for_many(io: Io) {
    use tidewire_engine::{
        Door,
        proto::{DeflateConfig, handshake::Accept},
    };

    use crate::client::Client;

    let door = Door::deciding(|_| Ok((Accept::new(), ""))).deflate(DeflateConfig::default());
    let server = Server::behind(io, door, |_| {}, ignore);
    let offer = "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n";
    let mut clients: Vec<_> =
        [crate::client::REQUEST.replace("\r\n\r\n", offer), crate::client::REQUEST.to_owned()]
            .iter()
            .map(|request| {
                let mut client = Client::tcp(server.address);
                client.write(request.as_bytes());
                assert_eq!(client.status(), 101);
                client
            })
            .collect();
    let text = "again and again ".repeat(100);
    let message = Prepared::new(&*text).compressed();
    let ids = [server.opened(), server.opened()];
    server.run(move |plane| plane.queue_many(ids, &message));
    // RSV1 and less than what was sent; or the text as it is.
    let mut first = [0; 2];
    std::io::Read::read_exact(&mut clients[0].io, &mut first).unwrap();
    assert!(first[0] == 0xC1 && first[1] < 126, "{first:?}");
    assert_eq!(clients[1].hear(), Heard::Text(text));
}

#[cfg(not(feature = "deflate"))]
fn compressed_once_for_many(_: Io) {}
