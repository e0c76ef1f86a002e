//! What is sent comes back: all of it, in order.

use std::{io::Write as _, thread};

use super::{
    Echo,
    client::{BINARY, bytes, frame},
    on_each_backend,
};

/// Around everything that has a length: headers, pieces, buffers, reads of their own.
const LENGTHS: [usize; 16] = [
    0,
    1,
    125,
    126,
    4095,
    4096,
    4097,
    16_383,
    16_400,
    65_535,
    65_536,
    65_600,
    100_000,
    300_000,
    1 << 20,
    3 << 20,
];

#[test]
fn messages_of_every_length() {
    on_each_backend(
        |_| Echo,
        |server| {
            let mut client = server.connect();
            for (seed, len) in (0..).zip(LENGTHS) {
                client.echo(&[bytes(seed, len)]);
            }
            // From large to small and back, without a pause between.
            let mixed = (0..)
                .zip(LENGTHS.iter().rev())
                .flat_map(|(seed, len)| [bytes(seed, *len), bytes(seed, 7)]);
            client.echo(&mixed.collect::<Vec<_>>());
            client.close();
        },
    );
}

#[test]
fn messages_that_are_cut_anywhere() {
    on_each_backend(
        |_| Echo,
        |server| {
            let payloads = [bytes(1, 3), bytes(2, 200), bytes(3, 70_000), bytes(4, 5)];
            let stream =
                payloads.iter().flat_map(|payload| frame(BINARY, payload)).collect::<Vec<_>>();
            for at in [1, 2, 5, 8, 9, 10, 15, 214, 216, 220, 223, 225, 30_000, stream.len() - 1] {
                let mut client = server.connect();
                client.0.set_nodelay(true).unwrap();
                client.0.write_all(&stream[..at]).unwrap();
                // What is whole comes back before the rest is sent; nothing else does.
                let (_, first) = (at, &payloads[0]);
                let has_first = at >= frame(BINARY, first).len();
                if has_first {
                    client.expect(first);
                }
                client.0.write_all(&stream[at..]).unwrap();
                for payload in &payloads[usize::from(has_first)..] {
                    client.expect(payload);
                }
            }
        },
    );
}

/// More than the shared buffers hold is under way at once.
#[test]
fn buffers_run_out_and_come_back() {
    on_each_backend(
        |_| Echo,
        |server| {
            let clients: Vec<_> = (0..24).map(|_| server.connect()).collect();
            thread::scope(|scope| {
                for (seed, mut client) in (0..).zip(clients) {
                    scope.spawn(move || {
                        let len = if seed % 2 == 0 { 120 } else { 15_000 };
                        let payloads: Vec<_> =
                            (0..200).map(|i| bytes(seed * 1000 + i, len)).collect();
                        client.echo(&payloads);
                        client.close();
                    });
                }
            });
            server.wait_for_count(0);
        },
    );
}

/// A peer that sends and does not read: the socket takes a part, then nothing, then the rest.
#[test]
fn a_full_socket_loses_nothing() {
    on_each_backend(
        |_| Echo,
        |server| {
            for len in [1000, 60_000, 900_000] {
                let mut client = server.connect();
                let payloads: Vec<_> = (0..8 << 20).step_by(len).map(|at| bytes(at, len)).collect();
                let mut sender = client.0.try_clone().unwrap();
                thread::scope(|scope| {
                    let sends = scope.spawn(|| {
                        for payload in &payloads {
                            sender.write_all(&frame(BINARY, payload)).unwrap();
                        }
                    });
                    // It stalls when the server does not read any more, and so do we until then.
                    while server.engine.remote().stats()[0].queued_len == 0 && !sends.is_finished()
                    {
                        thread::yield_now();
                    }
                    for payload in &payloads {
                        client.expect(payload);
                    }
                });
                client.close();
            }
        },
    );
}

/// The end of what a peer sends is not the end of what it gets.
#[test]
fn a_peer_that_has_said_everything_gets_everything() {
    on_each_backend(
        |_| Echo,
        |server| {
            for len in [10, 100_000, 2 << 20] {
                let mut client = server.connect();
                let payload = bytes(9, len);
                let mut sender = client.0.try_clone().unwrap();
                thread::scope(|scope| {
                    let client = &mut client;
                    let sent = &payload;
                    scope.spawn(move || sender.write_all(&frame(BINARY, sent)).unwrap());
                    client.expect(&payload);
                });
                client.send(&payload[..len.min(50_000)]);
                client.end_sending();
                client.expect(&payload[..len.min(50_000)]);
                assert!(client.receive().is_err());
            }
            server.wait_for_count(0);
        },
    );
}
