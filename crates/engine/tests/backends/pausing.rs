//! A handler that does not want to hear for a while.

use tidewire_engine::{ConnectionId, Handler, Message, Plane};

use super::{client::bytes, on_each_backend};

/// Pauses the first connection at each of its messages, and echoes; a message of any other resumes
/// it.
struct Pausing {
    first: Option<ConnectionId>,
}

impl Handler for Pausing {
    type Guest = ();
    type Command = ();

    fn opened(&mut self, _: &mut Plane<Self>, id: ConnectionId, (): ()) {
        self.first.get_or_insert(id);
    }

    fn message(&mut self, plane: &mut Plane<Self>, id: ConnectionId, message: Message<'_>) {
        match self.first {
            Some(first) if first == id => plane.pause_reading(id),
            Some(first) => plane.resume_reading(first),
            None => {}
        }
        let _ = plane.send(id, message);
    }
}

#[test]
fn nothing_is_lost_over_a_pause() {
    on_each_backend(
        |_| Pausing { first: None },
        |server| {
            let mut paused = server.connect();
            let mut other = server.connect();
            for len in [5, 3000, 50_000, 500_000] {
                let payloads = [bytes(1, len), bytes(2, len), bytes(3, 10), bytes(4, len)];
                let mut sender = super::Client::new(paused.0.try_clone().unwrap());
                std::thread::scope(|scope| {
                    let (sent, paused, other) = (&payloads, &mut paused, &mut other);
                    scope.spawn(move || sent.iter().for_each(|payload| sender.send(payload)));
                    for payload in sent {
                        paused.expect(payload);
                        // That the pause holds is seen by an exchange that comes behind it.
                        other.echo(&[bytes(5, 1)]);
                    }
                });
            }
        },
    );
}

#[test]
fn who_is_paused_is_seen_leaving() {
    on_each_backend(
        |_| Pausing { first: None },
        |server| {
            let mut paused = server.connect();
            paused.echo(&[bytes(1, 10)]);
            paused.reset();
            server.wait_for_count(0);
        },
    );
}
