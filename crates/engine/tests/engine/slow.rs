//! Peers that do not read, or not for a while.

use std::time::Duration;

use tidewire_engine::{
    Brim, ConnectionId, Io, SendError,
    proto::{CloseCode, CloseFrame, Failure, OpCode, Prepared, TimeoutKind},
};

use crate::{
    client::{Client, Heard, frame},
    server::{Server, Told, ignore, wait_until},
};

on_every_io! {
    l5_a_peer_that_never_reads_has_to_wait,
    writable_comes_once,
    the_brim_closes,
    the_brim_refuses,
    a_full_thread_serves_those_who_read,
    what_is_offered_may_be_dropped,
    l7_a_peer_that_takes_nothing_is_cut_off,
    a_paused_connection_that_fails_is_read_to_its_end,
}

const MIB: usize = 1 << 20;

fn chunk(number: usize) -> Vec<u8> {
    vec![number.to_le_bytes()[0]; 10_000]
}

/// L5, on an engine: it is not heard, and loses nothing when it reads again.
fn l5_a_peer_that_never_reads_has_to_wait(io: Io) {
    let server = Server::new(io);
    let (mut client, id) = server.connect();
    let message = frame(OpCode::Binary, &[5; 10_000]);
    let taken = client.flood(&message, 300 * MIB);
    assert!(taken < 300 * MIB, "it never waits");
    let queued = server.run(move |plane| (plane.buffered(id), plane.queued_len()));
    assert!(queued.0 < 2 * MIB && queued.1 < 2 * MIB, "{queued:?}");
    for _ in 0..taken / message.len() {
        assert_eq!(client.hear(), Heard::Binary(vec![5; 10_000]));
    }
    assert_eq!(server.run(|plane| plane.queued_len()), 0);
}

/// Queues more than any socket takes.
fn fill(server: &Server, id: ConnectionId) -> usize {
    server.run(move |plane| {
        let mut count = 0;
        while plane.buffered(id) < 30 * MIB {
            plane.send(id, chunk(count)).unwrap();
            count += 1;
        }
        count
    })
}

fn large_queues(settings: &mut tidewire_engine::Settings) {
    settings.queues.len_max = Some(40 * MIB);
}

fn writable_comes_once(io: Io) {
    let server = Server::with(io, large_queues);
    let (mut client, id) = server.connect();
    for _ in 0..2 {
        let count = fill(&server, id);
        assert_eq!(server.told(), Told::Congested(id));
        // Above the mark nothing is read.
        client.send("behind");
        server.run(|_| {});
        assert_eq!(server.told_already(), None);
        for number in 0..count {
            assert!(client.hear() == Heard::Binary(chunk(number)), "{number}");
        }
        assert_eq!(server.told(), Told::Writable(id));
        assert_eq!(server.told(), Told::Message(id, b"behind".to_vec()));
        assert_eq!(client.hear(), Heard::Text("behind".to_owned()));
        assert_eq!(server.told_already(), None);
    }
}

fn the_brim_closes(io: Io) {
    for (code, publishes) in
        [(CloseCode::TRY_AGAIN_LATER, false), (CloseCode::POLICY_VIOLATION, true)]
    {
        let frame = CloseFrame::new(code, "reads too slowly").unwrap();
        let server = Server::with(io, |settings| {
            large_queues(settings);
            settings.queues.brim = Brim::Close(frame.clone());
        });
        let (mut client, id) = server.connect();
        let count = fill(&server, id);
        server.run(move |plane| {
            let too_much = vec![0; 20 * MIB];
            if publishes {
                plane.queue_many([id], &Prepared::new(&*too_much));
            } else {
                assert_eq!(plane.send(id, &*too_much), Err(SendError::Full));
            }
            // It closes now, and does so once.
            assert!(plane.send(id, &*too_much).is_err());
        });
        for number in 0..count {
            assert!(client.hear() == Heard::Binary(chunk(number)), "{number}");
        }
        client.is_closed_with(code.get());
        assert_eq!(server.closed().1.sent, Some(frame));
        assert_eq!(server.remote().stats()[0].closed_at_brim_count, 1);
    }
    // Where nothing waits, too much is still too much.
    let server = Server::with(io, large_queues);
    let (mut client, id) = server.connect();
    server.run(move |plane| plane.queue_many([id], &Prepared::new(&*vec![0; 41 * MIB])));
    client.is_closed_with(1013);
}

fn the_brim_refuses(io: Io) {
    let server = Server::with(io, |settings| {
        large_queues(settings);
        settings.queues.brim = Brim::Refuse;
    });
    let (mut client, id) = server.connect();
    let count = fill(&server, id);
    server.run(move |plane| {
        assert_eq!(plane.send(id, vec![0; 20 * MIB]), Err(SendError::Full));
        plane.send(id, "fits").unwrap();
    });
    for number in 0..count {
        assert!(client.hear() == Heard::Binary(chunk(number)), "{number}");
    }
    assert_eq!(client.hear(), Heard::Text("fits".to_owned()));
    client.round_trip("and on");
}

/// Others do not have to pay for those who do not read.
fn a_full_thread_serves_those_who_read(io: Io) {
    let server = Server::with(io, |settings| {
        large_queues(settings);
        settings.queues.thread_len_max = 32 * MIB;
    });
    let (slow, slow_id) = server.connect();
    let (mut quick, quick_id) = server.connect();
    fill(&server, slow_id);
    server.run(move |plane| {
        // What is queued cannot have grown beyond the budget and what came last.
        while plane.send(slow_id, vec![0; 1 << 16]).is_ok() {}
        assert!(plane.queued_len() <= 33 * MIB, "{}", plane.queued_len());
        plane.send(quick_id, vec![1; MIB]).unwrap();
    });
    assert!(quick.hear() == Heard::Binary(vec![1; MIB]));
    for round in 0..10 {
        quick.round_trip(&format!("served {round}"));
    }
    drop(slow);
    assert_eq!(server.closed().0, slow_id);
    assert_eq!(server.run(|plane| plane.queued_len()), 0);
}

fn what_is_offered_may_be_dropped(io: Io) {
    let server = Server::with(io, large_queues);
    let (mut client, id) = server.connect();
    fill(&server, id);
    server.run(move |plane| {
        for number in 0..1000_u32 {
            let payload = [&number.to_le_bytes()[..], &[0; 1000]].concat();
            plane.offer(id, &Prepared::new(&*payload)).unwrap();
        }
        plane.send(id, "must arrive").unwrap();
    });
    let mut offered = Vec::new();
    let mut arrived = false;
    while offered.last() != Some(&999) {
        match client.hear() {
            Heard::Binary(payload) if payload.len() == 1004 => {
                offered.push(u32::from_le_bytes(*payload.first_chunk().unwrap()));
            }
            Heard::Text(text) => arrived = text == "must arrive",
            Heard::Binary(_) => {}
            heard => panic!("{heard:?}"),
        }
    }
    assert!(arrived && offered.is_sorted() && offered.len() < 1000, "{}", offered.len());
    let dropped = 1000 - offered.len() as u64;
    wait_until("it is told", || server.remote().stats()[0].dropped_count == dropped);
}

/// L7, on an engine.
fn l7_a_peer_that_takes_nothing_is_cut_off(io: Io) {
    let server = Server::with(io, |settings| {
        large_queues(settings);
        settings.config.timeouts.write_stall = Some(Duration::from_millis(300));
    });
    let (_client, id) = server.connect();
    fill(&server, id);
    let (closed, outcome) = server.closed();
    let failure = Some(Failure::Timeout(TimeoutKind::WriteStall));
    assert_eq!((closed, outcome.failure), (id, failure));
    assert_eq!(server.run(|plane| plane.queued_len()), 0);
    assert_eq!(server.remote().connection_count(), 0);
}

/// K14: what is unread when the time of a pause ends does not turn our Close into a reset.
fn a_paused_connection_that_fails_is_read_to_its_end(io: Io) {
    let server = Server::answering(io, |_| {}, ignore);
    let (mut client, id) = server.connect();
    server.run(move |plane| plane.pause_reading(id));
    client.write(&frame(OpCode::Text, b"unread").repeat(100));
    server.run(move |plane| plane.close(id, tidewire_engine::proto::CloseFrame::EMPTY).unwrap());
    assert_eq!(client.hear(), Heard::Close(None));
    server.run(move |plane| plane.resume_reading(id));
    client.write(&frame(OpCode::Close, b""));
    assert_eq!(client.hear(), Heard::End);
    drop::<Client>(client);
    assert!(server.closed().1.was_clean());
}
