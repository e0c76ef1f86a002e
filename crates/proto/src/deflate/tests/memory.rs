//! What a connection owns between two messages (D17), and what a thread does.

use bytes::Bytes;

use super::*;
use crate::deflate::deflater::DeflaterKind;

fn exchange(client: &mut Endpoint, server: &mut Endpoint, plain: &[u8]) {
    let message = client.deflate_fragment(plain, true);
    assert_eq!(server.inflate(&message).unwrap(), plain);
    let message = server.deflate_fragment(plain, true);
    assert_eq!(client.inflate(&message).unwrap(), plain);
}

#[test]
fn d17_a_demoted_connection_has_its_windows_only() {
    for bits in 8..=15 {
        let (mut client, mut server) = Endpoint::pair(params(bits, false));
        client.codecs.set_live_len_max(0);
        exchange(&mut client, &mut server, &Text(17).message(1000));
        assert_eq!(client.codecs.live_len(), 0);
        for end in [&client, &server] {
            assert!(end.session.memory_len() <= 4096, "{} bytes", end.session.memory_len());
            assert!(end.session.inflating.is_none() && end.session.deflating.is_none());
        }
        let mut text = Text(18);
        for _ in 0..80 {
            let len_max = [20, 700, 4000, 40_000][text.below(4)];
            exchange(&mut client, &mut server, &text.message(len_max));
            let windows = 2 << bits;
            for end in [&client, &server] {
                let len = end.session.memory_len();
                // Beside small windows, the struct and the list of pieces count.
                assert!(len <= windows + 2048, "{len} bytes with {bits} bits");
                assert!(len <= 64 << 10);
            }
        }
        // And they are full: what is kept is worth its while.
        assert_eq!(client.session.received.parts().concat().len(), 1 << bits);
        let mut held = Vec::new();
        client.session.sent.all(&mut held);
        assert!(4 * held.len() >= 3 << bits.max(9) >> 1, "{} bytes of {bits} bits", held.len());
    }
}

#[test]
fn d17_shared_pieces_cost_a_list_of_them_at_most() {
    for bits in [8, 12, 15] {
        let mut session = DeflateSession::new(params(bits, false), Role::Server);
        let plain = Bytes::from(vec![3; 40_000]);
        for i in 0..5000 {
            session.push_shared(&plain.slice(i..i + (i * 7) % 600));
        }
        let len = session.memory_len();
        assert!(len <= (1 << bits) + 4096, "{len} bytes with {bits} bits");
    }
}

#[test]
fn d17_without_takeover_nothing_is_kept() {
    let (mut client, mut server) = Endpoint::pair(params(15, true));
    for seed in 0..5 {
        exchange(&mut client, &mut server, &Text(seed).message(40_000));
        let plain = Text(seed).message(40_000);
        let message = client.deflate_fragment(&plain, true);
        assert_eq!(server.inflate_pieces(message.chunks(7), LEN_MAX).unwrap(), plain);
        for end in [&client, &server] {
            assert!(end.session.is_stateless());
            assert_eq!(end.session.memory_len(), size_of::<DeflateSession>());
        }
        assert_eq!(client.codecs.live_len(), 0);
        assert_eq!(client.codecs.counts(), (1, 1, 0));
    }
    // In the middle of a message it is not to be dropped.
    let fragment = client.deflate_fragment(b"Hello", false);
    server
        .session
        .inflate(&mut server.codecs, &fragment, false, &mut MessageBuf::new(), 5)
        .unwrap();
    assert!(!client.session.is_stateless() && !server.session.is_stateless());
    assert!(!DeflateSession::new(params(15, false), Role::Client).is_stateless());
}

#[test]
fn live_compressors_stay_within_the_budget() {
    let mut codecs = Codecs::new();
    let one = DeflaterKind::new(12, 1).memory_len();
    codecs.set_live_len_max(3 * one);
    let mut sessions: Vec<_> =
        (0..5).map(|_| DeflateSession::new(params(12, false), Role::Server)).collect();
    let mut send = |codecs: &mut Codecs, i: usize| {
        let session: &mut DeflateSession = &mut sessions[i];
        let lived = session.live.is_some_and(|key| {
            let live = codecs.take_live(key, session.id);
            let lived = live.is_some();
            session.live = live.map(|live| codecs.keep_live(live));
            lived
        });
        let _ = session.deflate(codecs, b"some message or other", &mut MessageBuf::new());
        assert!(codecs.live_len() <= 3 * one);
        lived
    };
    // As many as fit live on.
    for i in [0, 1, 2] {
        assert!(!send(&mut codecs, i));
    }
    assert!([0, 2, 1, 1, 0, 2].into_iter().all(|i| send(&mut codecs, i)));
    // Of more that take turns, some do.
    let lived = (0..50).filter(|turn| send(&mut codecs, turn % 5)).count();
    assert!((15..=30).contains(&lived), "{lived} of 50");
    // Those that are not used any more give way to others.
    for turn in 0..12 {
        send(&mut codecs, turn % 3);
    }
    assert!([0, 1, 2].into_iter().all(|i| send(&mut codecs, i)));
    assert_eq!(codecs.live_len(), 3 * one);
    codecs.set_live_len_max(one);
    assert_eq!(codecs.live_len(), one);
    assert!(send(&mut codecs, 2), "the one used last");
    let (_, idle, live) = codecs.counts();
    assert!(idle <= 4 && live == 1);
    let last = sessions.remove(2);
    last.retire(&mut codecs);
    assert_eq!(codecs.live_len(), 0);
}

#[test]
fn a_huge_message_leaves_no_large_memory() {
    let (mut client, mut server) = Endpoint::pair(params(12, false));
    exchange(&mut client, &mut server, &vec![1; 4 << 20]);
    assert!(client.session.memory_len() + server.session.memory_len() < 20_000);
    assert!(client.codecs.take_scratch().capacity() <= 1 << 13);
}
