//! Messages of all lengths, whole and in pieces, on one thread and on several.

use std::{io::Write as _, thread};

use tidewire_engine::{Adopted, Io, proto::OpCode};

use crate::{
    client::{Client, Heard, REQUEST, fragment, frame},
    server::{Server, Told},
};

on_every_io! {
    lengths_and_cuts,
    fragments_with_pings_between,
    many_in_one_write,
    several_threads,
    bytes_behind_the_request,
    handed_over_with_unread_bytes,
    handed_over_of_which_the_program_keeps_a_copy,
}

fn lengths_and_cuts(io: Io) {
    let server = Server::with(io, |settings| settings.config.limits.message_len_max = 2 << 20);
    let mut client = Client::open(server.address);
    for len in [0, 1, 125, 126, 127, 4095, 4097, 16_384, 65_535, 65_536, 200_000, 1 << 20] {
        let text = "0123456789".repeat(len / 10 + 1)[..len].to_owned();
        let payload: Vec<u8> = (0..=250).cycle().take(len).collect();
        for cut in [1, 3, 13, 14, 1000, 16_000, 65_000, 100_000, usize::MAX] {
            if len / cut.min(len.max(1)) > 5000 {
                continue;
            }
            for piece in frame(OpCode::Text, text.as_bytes()).chunks(cut) {
                client.write(piece);
            }
            assert!(client.hear() == Heard::Text(text.clone()), "text of {len} cut at {cut}");
            for piece in frame(OpCode::Binary, &payload).chunks(cut) {
                client.write(piece);
            }
            assert!(client.hear() == Heard::Binary(payload.clone()), "{len} cut at {cut}");
        }
    }
}

fn fragments_with_pings_between(io: Io) {
    let server = Server::new(io);
    let mut client = Client::open(server.address);
    for len in [1, 1000, 30_000, 100_000] {
        let payload: Vec<u8> = (0..=250).cycle().take(len).collect();
        client.write(&fragment(false, OpCode::Binary, &payload));
        client.write(&frame(OpCode::Ping, b"between"));
        client.write(&fragment(false, OpCode::Continuation, b""));
        client.write(&fragment(true, OpCode::Continuation, &payload));
        assert_eq!(client.hear(), Heard::Pong(b"between".to_vec()));
        assert!(client.hear() == Heard::Binary(payload.repeat(2)), "{len}");
    }
}

fn many_in_one_write(io: Io) {
    let server = Server::new(io);
    let mut client = Client::open(server.address);
    let messages: Vec<_> = (0..20_000).map(|number| number.to_string()).collect();
    let frames: Vec<u8> =
        messages.iter().flat_map(|text| frame(OpCode::Text, text.as_bytes())).collect();
    let mut writer = client.io.try_clone().unwrap();
    let writing = thread::spawn(move || writer.write_all(&frames));
    for message in messages {
        assert_eq!(client.hear(), Heard::Text(message));
    }
    writing.join().unwrap().unwrap();
}

fn several_threads(io: Io) {
    let server = Server::with(io, |settings| settings.thread_count = 4);
    let mut clients: Vec<_> = (0..80).map(|_| Client::open(server.address)).collect();
    for round in 0..20 {
        for (number, client) in clients.iter_mut().enumerate() {
            client.send(&format!("{round} of {number}"));
        }
        for (number, client) in clients.iter_mut().enumerate() {
            assert_eq!(client.hear(), Heard::Text(format!("{round} of {number}")));
        }
    }
    let stats = server.remote().stats();
    let counts: Vec<_> = stats.iter().map(|thread| thread.connection_count).collect();
    assert!(counts.iter().all(|count| (15..=25).contains(count)), "{counts:?}");
    assert_eq!(server.remote().connection_count(), 80);
}

fn bytes_behind_the_request(io: Io) {
    let server = Server::new(io);
    let stream = [REQUEST.as_bytes(), &frame(OpCode::Text, b"glued")].concat();
    for cut in 0..stream.len() {
        let mut client = Client::tcp(server.address);
        client.write(&stream[..cut]);
        client.write(&stream[cut..]);
        assert_eq!(client.status(), 101);
        assert_eq!(client.hear(), Heard::Text("glued".to_owned()), "{cut}");
    }
}

/// A pair of connected sockets: the client's end, and the one to hand over.
fn pair() -> (Client, std::net::TcpStream) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let client = Client::tcp(listener.local_addr().unwrap());
    (client, listener.accept().unwrap().0)
}

fn handed_over_with_unread_bytes(io: Io) {
    let server = Server::new(io);
    let stream = [frame(OpCode::Text, b"unread"), frame(OpCode::Text, b"read")].concat();
    for cut in 0..=stream.len() {
        let (mut client, socket) = pair();
        client.write(&stream[cut..]);
        let adopted = Adopted::new(socket, stream[..cut].to_vec(), "guest");
        assert!(server.engine.adopt(adopted).is_ok());
        let Told::Opened(id, "guest") = server.told() else { panic!("not opened") };
        assert_eq!(server.message(), (id, b"unread".to_vec()), "{cut}");
        assert_eq!(server.message(), (id, b"read".to_vec()), "{cut}");
        assert_eq!(client.hear(), Heard::Text("unread".to_owned()), "{cut}");
        assert_eq!(client.hear(), Heard::Text("read".to_owned()), "{cut}");
        drop(client);
        assert_eq!(server.closed().0, id);
    }
}

/// What happens at the copy's end of the socket is nobody's business any more.
fn handed_over_of_which_the_program_keeps_a_copy(io: Io) {
    let server = Server::new(io);
    let (client, socket) = pair();
    let copy = socket.try_clone().unwrap();
    assert!(server.engine.adopt(Adopted::new(socket, Vec::new(), "")).is_ok());
    let first = server.opened();
    drop(client);
    assert_eq!(server.closed().0, first);
    // The next one has its place.
    let (mut client, id) = server.connect();
    assert_eq!(id.index(), first.index());
    server.run(move |plane| plane.pause_reading(id));
    client.send("heard later");
    server.run(move |plane| plane.resume_reading(id));
    assert_eq!(client.hear(), Heard::Text("heard later".to_owned()));
    drop(copy);
}
