//! Connections that come and go in every way while bytes are under way.

use std::{io::Write as _, net::Shutdown, thread};

use super::{
    Echo, Server,
    client::{BINARY, Random, bytes, frame},
    on_each_backend,
};

const THREADS: u64 = 4;
const ROUNDS: u64 = 150;

#[test]
fn connections_come_and_go() {
    on_each_backend(
        |_| Echo,
        |server| {
            thread::scope(|scope| {
                for thread in 0..THREADS {
                    scope.spawn(move || {
                        for round in 0..ROUNDS {
                            one_life(server, thread << 32 | round);
                        }
                    });
                }
            });
            server.wait_for_count(0);
            // Nothing of all that is left behind.
            let mut client = server.connect();
            client.echo(&[bytes(1, 10), bytes(2, 100_000), bytes(3, 10)]);
            client.close();
        },
    );
}

/// Says and hears as much as the seed decides, and leaves in the way that it decides.
fn one_life(server: &Server<Echo>, seed: u64) {
    let mut random = Random(seed);
    let mut client = server.connect();
    for _ in 0..random.below(3) {
        let len = [10, 1000, 20_000, 200_000][random.below(4)];
        client.echo(&[bytes(random.next(), len), bytes(random.next(), 3)]);
    }
    let last = frame(BINARY, &bytes(random.next(), 300_000));
    let cut = random.below(last.len());
    match random.below(7) {
        0 => client.close(),
        1 => client.reset(),
        2 => drop(client),
        // In the middle of a message, large enough to be received into its own memory.
        3 => {
            client.0.write_all(&last[..cut]).unwrap();
            client.reset();
        }
        4 => {
            client.0.write_all(&last[..cut]).unwrap();
            drop(client);
        }
        // With an answer under way that nobody takes.
        5 => {
            let _ = client.0.write_all(&last);
            client.reset();
        }
        _ => {
            client.0.write_all(&last).unwrap();
            let _ = client.0.shutdown(Shutdown::Read);
            drop(client);
        }
    }
}
