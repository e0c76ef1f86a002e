//! The end of an engine: in order, or at once.

use std::{
    io::ErrorKind,
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use tidewire_engine::Io;

use crate::{
    client::{Client, Heard},
    server::{Server, Told},
};

on_every_io! {
    everybody_is_told_and_nobody_new_comes_in,
    closing_is_spread_over_its_time,
    what_is_queued_is_written,
    who_does_not_close_is_cut_off,
    dropped_engines_cut_off,
    nobody_is_left_in_a_mailbox,
}

fn everybody_is_told_and_nobody_new_comes_in(io: Io) {
    let server = Server::with(io, |settings| settings.thread_count = 2);
    let clients: Vec<_> = (0..50).map(|_| server.connect()).collect();
    let half = Client::tcp(server.address);
    let (remote, address) = (server.remote().clone(), server.address);
    let Server { engine, .. } = server;
    let began = Instant::now();
    thread::scope(|scope| {
        for (mut client, _) in clients {
            scope.spawn(move || client.is_closed_with(1001));
        }
        engine.stop(Duration::ZERO).unwrap();
    });
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    assert_eq!(remote.connection_count(), 0);
    let error = TcpStream::connect(address).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    drop(half);
}

fn closing_is_spread_over_its_time(io: Io) {
    let server = Server::new(io);
    let clients: Vec<_> = (0..20).map(|_| server.connect().0).collect();
    let began = Instant::now();
    let mut times = thread::scope(|scope| {
        let closing: Vec<_> = clients
            .into_iter()
            .map(|mut client| {
                scope.spawn(move || {
                    client.is_closed_with(1001);
                    began.elapsed()
                })
            })
            .collect();
        server.engine.stop(Duration::from_secs(1)).unwrap();
        closing.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    times.sort();
    // Coarsely, for the machine may be busy: neither all at the beginning nor all at the end.
    assert!(times[19] >= Duration::from_millis(800), "{times:?}");
    assert!(times[19].saturating_sub(times[0]) >= Duration::from_millis(400), "{times:?}");
}

fn what_is_queued_is_written(io: Io) {
    let server = Server::with(io, |settings| settings.queues.len_max = Some(40 << 20));
    let (mut client, id) = server.connect();
    server.run(move |plane| {
        (0..3000).for_each(|_| plane.send(id, vec![7; 10_000]).unwrap());
    });
    let stopping = thread::spawn(move || server.engine.stop(Duration::ZERO));
    for _ in 0..3000 {
        assert_eq!(client.hear(), Heard::Binary(vec![7; 10_000]));
    }
    client.is_closed_with(1001);
    stopping.join().unwrap().unwrap();
}

fn who_does_not_close_is_cut_off(io: Io) {
    let server = Server::with(io, |settings| {
        settings.config.timeouts.close = Duration::from_millis(100);
    });
    let (mut client, id) = server.connect();
    let (mut paused, paused_id) = server.connect();
    server.run(move |plane| plane.pause_reading(paused_id));
    let Server { engine, told, .. } = server;
    let began = Instant::now();
    engine.stop(Duration::ZERO).unwrap();
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    for client in [&mut client, &mut paused] {
        assert_eq!(client.hear(), Heard::Close(Some(1001)));
        assert_eq!(client.hear(), Heard::End);
    }
    let mut closed: Vec<_> = told
        .iter()
        .filter_map(|told| if let Told::Closed(id, _) = told { Some(id) } else { None })
        .collect();
    closed.sort();
    assert_eq!(closed, [id, paused_id]);
}

/// Without a word to the peers; the application is told.
fn dropped_engines_cut_off(io: Io) {
    let server = Server::new(io);
    let (mut client, id) = server.connect();
    let Server { engine, told, .. } = server;
    drop(engine);
    assert_eq!(client.hear(), Heard::End);
    assert!(matches!(told.recv(), Ok(Told::Closed(closed, _)) if closed == id));
}

/// A name of the engine that outlives it keeps no connection open.
fn nobody_is_left_in_a_mailbox(io: Io) {
    let server = Server::new(io);
    let (_client, id) = server.connect();
    let remote = server.remote().clone();
    drop(server);
    assert_eq!(remote.connection_count(), 0);
    assert!(remote.send(id, "x").is_err());
}
