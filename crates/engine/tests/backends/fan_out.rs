//! One message for many: in order, to fast readers and to slow ones.

use std::thread;

use tidewire_engine::{ConnectionId, Handler, Message, Plane, proto::Prepared};

use super::{client::bytes, on_each_backend};

struct Broadcast;

impl Handler for Broadcast {
    type Guest = ();
    type Command = ();

    fn opened(&mut self, plane: &mut Plane<Self>, id: ConnectionId, (): ()) {
        plane.subscribe(id, "all");
    }

    fn message(&mut self, plane: &mut Plane<Self>, _: ConnectionId, message: Message<'_>) {
        plane.publish("all", &Prepared::new(message));
    }
}

/// More receivers than operations fit into the submission queue.
#[test]
fn everybody_gets_everything() {
    on_each_backend(
        |_| Broadcast,
        |server| {
            let mut clients: Vec<_> = (0..400).map(|_| server.connect()).collect();
            let messages: Vec<_> = (0..20).map(|seed| bytes(seed, 100)).collect();
            // The last one is known to be open when its own message comes back.
            let (last, others) = clients.split_last_mut().unwrap();
            last.echo(&messages);
            for client in others {
                for message in &messages {
                    client.expect(message);
                }
            }
        },
    );
}

#[test]
fn a_slow_reader_gets_everything_in_order() {
    on_each_backend(
        |_| Broadcast,
        |server| {
            let mut slow = server.connect();
            let mut fast = server.connect();
            let messages: Vec<_> = (0..300).map(|seed| bytes(seed, 20_000)).collect();
            thread::scope(|scope| {
                let (slow, messages) = (&mut slow, &messages);
                fast.echo(&messages[..30]);
                scope.spawn(move || messages.iter().for_each(|message| slow.expect(message)));
                fast.echo(&messages[30..]);
            });
            slow.echo(&[bytes(0, 1)]);
            fast.expect(&bytes(0, 1));
        },
    );
}
