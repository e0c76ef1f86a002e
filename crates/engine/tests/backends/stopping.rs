//! The end of an engine: what is queued is still written.

use std::io::Write as _;

use tidewire_engine::{ConnectionId, Handler, Message, Plane, proto::CloseFrame};

use super::{
    client::{BINARY, CLOSE, bytes, frame},
    on_each_backend,
};

/// Answers every message with a large one, and closes.
struct Last;

impl Handler for Last {
    type Guest = ();
    type Command = ();

    fn message(&mut self, plane: &mut Plane<Self>, id: ConnectionId, _: Message<'_>) {
        plane.send(id, &bytes(7, 5 << 20)[..]).unwrap();
        plane.close(id, CloseFrame::EMPTY).unwrap();
    }
}

#[test]
fn a_close_comes_behind_all_that_was_queued() {
    on_each_backend(
        |_| Last,
        |server| {
            let mut client = server.connect();
            client.send(b"?");
            client.expect(&bytes(7, 5 << 20));
            assert_eq!(client.receive().unwrap(), (CLOSE, Vec::new()));
        },
    );
}

#[test]
fn an_engine_ends_while_bytes_are_under_way() {
    // It is dropped when the test of a backend returns.
    on_each_backend(
        |_| Last,
        |server| {
            let mut clients: Vec<_> = (0..20).map(|_| server.connect()).collect();
            for client in &mut clients {
                client.send(b"?"); // nobody reads the answer
            }
            let mut large = server.connect();
            large.0.set_nonblocking(true).unwrap();
            let _ = large.0.write(&frame(BINARY, &bytes(1, 1 << 20))[..200_000]);
        },
    );
}
