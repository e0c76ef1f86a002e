//! Limits and slow peers, with the process's memory and processor time measured: L1 to L14.

use std::{
    io::{ErrorKind, Write},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use crate::{
    peer::{Frame, Peer, REQUEST, header, masked},
    process::{wait_until, wait_until_all_is_read},
    program::{Echo, Program},
};

on_every_backend! {
    l1_l2_small_fragments,
    l3_a_message_without_end,
    k7_k14_tcp_ends_whatever_the_peer_does,
    l4_pings_from_a_peer_that_never_reads,
    l5_an_echo_that_is_never_read,
    l6_announced_and_not_sent,
    l6_half_a_request,
    l9_l10_buffers_shrink_back,
    l11_idle_connections,
    l12_many_headers,
    l13_l14_floods_beside_others,
}

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;
/// `message_len_max` of the echo server.
const MESSAGE_LEN_MAX: usize = 64 * MIB;
/// Unused buffers that a thread of it keeps.
const POOL_LEN_MAX: usize = 8 * MIB;

/// A server that has been used: what a first connection allocates for good is there.
fn warm(echo: Echo) -> Program {
    let server = Program::echo(echo);
    let mut peers: Vec<Peer> = (0..20).map(|_| Peer::open(server.address)).collect();
    for peer in &mut peers {
        peer.round_trip("warm");
        peer.round_trip(&"w".repeat(100_000));
    }
    server
}

/// The highest memory while `work` runs, above what it was before.
fn growth_during(server: &Program, work: impl FnOnce()) -> usize {
    let before = server.memory();
    let done = AtomicBool::new(false);
    let highest = thread::scope(|scope| {
        let watching = scope.spawn(|| {
            let mut highest = before;
            while !done.load(Ordering::Acquire) {
                highest = highest.max(server.memory());
                thread::sleep(Duration::from_millis(2));
            }
            highest.max(server.memory())
        });
        work();
        done.store(true, Ordering::Release);
        watching.join().unwrap()
    });
    highest - before
}

/// Writes `block` up to `count` times, or until the server takes no more of it.
fn flood(peer: &mut Peer, block: &[u8], count: usize) {
    for _ in 0..count {
        if peer.io.write_all(block).is_err() {
            return;
        }
    }
}

/// L1, L2: small fragments are refused at the cap, with little work.
fn l1_l2_small_fragments(echo: Echo) {
    for (rule, payload) in [("L1 empty fragments", &b""[..]), ("L2 one byte each", b"a")] {
        let server = warm(echo);
        let before = server.cpu();
        let growth = growth_during(&server, || {
            let mut peer = Peer::open(server.address);
            let first = masked(0x02, payload);
            let rest = masked(0x00, payload).repeat(4000);
            peer.write(&first);
            flood(&mut peer, &rest, 100);
            peer.failed_with(1008, rule);
        });
        let cpu = server.cpu().saturating_sub(before);
        assert!(growth < 2 * MIB, "{rule}: {growth} bytes");
        assert!(cpu < Duration::from_millis(500), "{rule}: {cpu:?}");
    }
}

/// L3: a message without end is refused at `message_len_max`, and costs no more than that.
fn l3_a_message_without_end(echo: Echo) {
    for fragment_len in [16 * KIB, 64 * KIB, MIB] {
        let server = warm(echo);
        let before = server.cpu();
        let growth = growth_during(&server, || {
            let mut peer = Peer::open(server.address);
            let fragment = vec![0; fragment_len];
            peer.write(&masked(0x02, &fragment));
            flood(&mut peer, &masked(0x00, &fragment), 300 * MIB / fragment_len);
            peer.failed_with(1009, "L3");
        });
        let cpu = server.cpu().saturating_sub(before);
        assert!(growth <= MESSAGE_LEN_MAX + POOL_LEN_MAX, "{fragment_len}: {growth}");
        // Not to be measured closely: to copy all for each fragment takes a minute.
        assert!(cpu < Duration::from_secs(5), "{fragment_len}: {cpu:?}");
    }
}

/// The general rule's last part, where the peer does nothing for it: it neither reads nor ends its
/// half of TCP, and the server lets go of the connection all the same.
fn k7_k14_tcp_ends_whatever_the_peer_does(echo: Echo) {
    let server = Program::echo(echo);
    let mut other = Peer::open(server.address);
    other.round_trip("served");
    let before = server.open_files();
    for (what, frame) in [
        ("a violation", masked(0x83, b"")),
        ("a Close", masked(0x88, b"")),
        ("echoes and a Close", [masked(0x82, &vec![0; 60_000]), masked(0x88, b"")].concat()),
    ] {
        let mut peer = Peer::open(server.address);
        assert_eq!(server.open_files(), before + 1, "{what}");
        peer.write(&frame);
        wait_until(what, || server.open_files() == before);
    }
    other.round_trip("still served");
}

/// L4: Pings from a peer that never reads grow nothing.
fn l4_pings_from_a_peer_that_never_reads(echo: Echo) {
    let server = warm(echo);
    let growth = growth_during(&server, || {
        let mut peer = Peer::open(server.address);
        flood(&mut peer, &masked(0x89, &[b'p'; 125]).repeat(8000), 300);
        let frames = peer.frames();
        let (last, pongs) = frames.split_last().expect("an end");
        assert_eq!(*last, Frame::new(0x88, &1008_u16.to_be_bytes()));
        assert!(pongs.iter().all(|pong| *pong == Frame::new(0x8A, &[b'p'; 125])));
    });
    assert!(growth <= MIB, "{growth}");
}

/// L5: a peer that sends and never reads has to wait: the server holds a bounded part of it, and
/// loses none.
fn l5_an_echo_that_is_never_read(echo: Echo) {
    let server = warm(echo);
    let mut peer = Peer::open(server.address);
    peer.io.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    let message = masked(0x82, &[5; 10_000]);
    let mut taken = 0;
    let growth = growth_during(&server, || {
        let mut rest = &message[..];
        loop {
            match peer.io.write(rest) {
                Ok(len) => {
                    taken += len;
                    rest = &rest[len..];
                    if rest.is_empty() {
                        rest = &message;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("{error} after {taken}"),
            }
            assert!(taken < 300 * MIB, "it never waits");
        }
    });
    // 1 MiB queued, 1 MiB read ahead, and what holds them.
    assert!(growth <= 4 * MIB, "{growth}");
    for _ in 0..taken / message.len() {
        assert_eq!(peer.frame(), Some(Frame::new(0x82, &[5; 10_000])));
    }
}

/// L6: who announces and does not send gets no memory for it.
fn l6_announced_and_not_sent(echo: Echo) {
    const COUNT: usize = 1000;
    let server = warm(echo);
    let mut peers: Vec<Peer> = (0..COUNT).map(|_| Peer::open(server.address)).collect();
    let growth = growth_during(&server, || {
        for peer in &mut peers {
            peer.write(&[header(0x82, MESSAGE_LEN_MAX), vec![0; 10]].concat());
        }
        wait_until_all_is_read(&server);
    });
    assert!(growth / COUNT <= 8 * KIB, "{} bytes a connection", growth / COUNT);
}

/// L6: nor does half a request.
fn l6_half_a_request(echo: Echo) {
    const COUNT: usize = 1000;
    let server = warm(echo);
    let mut peers = Vec::new();
    let growth = growth_during(&server, || {
        for _ in 0..COUNT {
            let mut peer = Peer::tcp(server.address);
            peer.write(&REQUEST.as_bytes()[..100]);
            peers.push(peer);
        }
        wait_until_all_is_read(&server);
    });
    assert!(growth / COUNT <= 8 * KIB, "{} bytes a connection", growth / COUNT);
}

/// L9, L10: after large and small messages a connection is as small as before.
fn l9_l10_buffers_shrink_back(echo: Echo) {
    const COUNT: usize = 500;
    let server = warm(echo);
    let mut peers: Vec<Peer> = (0..COUNT).map(|_| Peer::open(server.address)).collect();
    let before = server.memory();
    for peer in &mut peers {
        // Two in one read, so that something is left when the first is handed out.
        peer.write(&masked(0x82, &[1; 20]).repeat(3));
        (0..3).for_each(|_| assert_eq!(peer.frame(), Some(Frame::new(0x82, &[1; 20]))));
    }
    let small = server.memory().saturating_sub(before) / COUNT;
    assert!(small <= 200, "L9: {small} bytes a connection after small messages");

    let large = vec![9; 16 * MIB];
    for _ in 0..2 {
        for peer in &mut peers[..4] {
            peer.write(&masked(0x82, &large));
            assert_eq!(peer.frame(), Some(Frame::new(0x82, &large)));
        }
    }
    wait_until("L10 the memory shrinks back", || server.memory() < before + 24 * MIB);
}

/// L11: what an idle connection costs.
fn l11_idle_connections(echo: Echo) {
    const COUNT: usize = 9000;
    // Two such crowds at a time would be more files than a process may have open.
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock();
    let server = warm(echo);
    let before = server.memory();
    let mut peers: Vec<Peer> = Vec::with_capacity(COUNT);
    for _ in 0..COUNT {
        peers.push(Peer::open(server.address));
    }
    peers.last_mut().unwrap().round_trip("idle");
    let each = (server.memory() - before) / COUNT;
    println!("L11 {each} bytes a connection");
    // The library's own share is measured by `bench/`; this server keeps an address and a choice of
    // protocols with each connection, and several threads have a heap each.
    assert!(each <= 2048, "{each} bytes a connection");
}

/// L12: many headers are refused by their count.
fn l12_many_headers(echo: Echo) {
    let server = warm(echo);
    let before = server.cpu();
    let headers = "x:\r\n".repeat(10_000);
    let request = format!("GET / HTTP/1.1\r\n{headers}\r\n");
    for _ in 0..10 {
        let mut peer = Peer::tcp(server.address);
        peer.write(request.as_bytes());
        assert_eq!(peer.answer().status, 431);
    }
    let cpu = server.cpu().saturating_sub(before);
    assert!(cpu < Duration::from_secs(1), "{cpu:?}");
}

/// L13, L14: who floods does not keep others from being served.
fn l13_l14_floods_beside_others(echo: Echo) {
    let floods: [(&str, Vec<u8>); 4] = [
        ("L13 empty messages", masked(0x82, b"")),
        ("L14 tiny messages", masked(0x81, b"a")),
        ("L13 Pongs", masked(0x8A, b"")),
        ("L13 Closes", masked(0x88, b"")),
    ];
    for (rule, frame) in floods {
        let server = warm(echo);
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            let _over = SetOnDrop(&over);
            for _ in 0..4 {
                scope.spawn(|| {
                    let block = frame.repeat(10_000);
                    while !over.load(Ordering::Acquire) {
                        flood_until(&over, &mut Peer::open(server.address), &block);
                    }
                });
            }
            let mut others: Vec<Peer> = (0..5).map(|_| Peer::open(server.address)).collect();
            for round in 0..40 {
                for other in &mut others {
                    other.round_trip(&format!("{rule} {round}"));
                }
            }
        });
    }
}

/// Ends the flood, also where a test fails.
struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Writes `block` again and again, and reads whatever comes, until the flood or the server ends it.
fn flood_until(over: &AtomicBool, peer: &mut Peer, block: &[u8]) {
    let mut reader = peer.io.try_clone().unwrap();
    thread::scope(|scope| {
        scope.spawn(move || std::io::copy(&mut reader, &mut std::io::sink()));
        loop {
            if over.load(Ordering::Acquire) || peer.io.write_all(block).is_err() {
                break;
            }
        }
        // The server may have been quicker.
        let _ = peer.io.shutdown(std::net::Shutdown::Both);
    });
}
