//! Context takeover (RFC 7692 §7.1.1): what messages may refer to, and what they may not.

use bytes::Bytes;

use super::*;
use crate::deflate::deflate_shared;

/// Hardly compressible by itself.
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut text = Text(seed);
    (0..len).map(|_| (text.next() >> 7) as u8).collect()
}

#[test]
fn d6_takeover_both_ways_times_four() {
    let payload = noise(6, 200);
    for (client_no, server_no) in [(false, false), (false, true), (true, false), (true, true)] {
        let flow = |no_context_takeover| Flow { window_bits: 12, no_context_takeover };
        let params = DeflateParams {
            client: flow(client_no),
            server: flow(server_no),
            level: 1,
            threshold: 0,
        };
        let (mut client, mut server) = Endpoint::pair(params);
        for round in 0..3 {
            check_round(round, client_no, &payload, &mut client, &mut server);
            check_round(round, server_no, &payload, &mut server, &mut client);
        }
    }
}

fn check_round(round: u32, no: bool, payload: &[u8], from: &mut Endpoint, to: &mut Endpoint) {
    let Some(message) = from.deflate(payload) else {
        assert!(no, "noise shrinks by itself in no window");
        // An uncompressed message enters no window (D6, mixed); a compressible one still passes.
        let message = from.deflate(&[b'a'; 100]).unwrap();
        assert_eq!(to.inflate(&message).unwrap(), [b'a'; 100]);
        return;
    };
    assert!(!no, "without takeover it cannot shrink");
    if round > 0 {
        assert!(message.len() < 20, "refers to the message before: {} bytes", message.len());
    }
    assert_eq!(to.inflate(&message).unwrap(), payload);
}

#[test]
fn d11_a_skipped_message_leaves_both_windows_equal() {
    let params = DeflateParams { threshold: 50, ..params(12, false) };
    let (mut client, mut server) = Endpoint::pair(params);
    let (a, b) = (noise(1, 300), noise(2, 300));
    let first = client.deflate(&a).unwrap();
    assert_eq!(server.inflate(&first).unwrap(), a);
    // Below the threshold: fed to nobody.
    assert_eq!(client.deflate(&b[..49]), None);
    let position = client.session.sent.position();
    assert_eq!(position, 300);
    // With takeover, what does not shrink has been fed, so it is sent compressed: as stored
    // blocks, some bytes longer at most.
    let second = client.deflate(&b).unwrap();
    assert_eq!(second.len(), b.len() + 6);
    assert_eq!(server.inflate(&second).unwrap(), b);
    let third = client.deflate(&[a, b].concat()).unwrap();
    assert!(third.len() < 40, "{} bytes", third.len());
    assert_eq!(server.inflate(&third).unwrap().len(), 600);
}

#[test]
fn d11_without_takeover_what_does_not_shrink_is_skipped() {
    let (mut client, mut server) = Endpoint::pair(params(15, true));
    assert_eq!(client.deflate(&noise(3, 1000)), None);
    assert_eq!(client.deflate(b"x"), None);
    let message = client.deflate(&[0; 1000]).unwrap();
    assert_eq!(server.inflate(&message).unwrap(), [0; 1000]);
}

#[test]
fn a_fragment_can_be_inflated_as_soon_as_it_is_sent() {
    let (mut client, mut server) = Endpoint::pair(params(12, false));
    let mut out = MessageBuf::new();
    for i in 0..10_u8 {
        let fragment = client.deflate_fragment(&[i; 100], i == 9);
        server.session.inflate(&mut server.codecs, &fragment, i == 9, &mut out, LEN_MAX).unwrap();
        assert_eq!(out[..], [i; 100]);
        out.clear();
    }
    assert!(client.session.deflating.is_none() && server.session.inflating.is_none());
}

#[test]
fn a_shared_message_joins_the_window_wherever_the_compressor_is() {
    let plain = Bytes::from(noise(9, 700));
    let mut shared = MessageBuf::new();
    let compressible = Bytes::from([&plain[..], &plain[..]].concat());
    let deflated = deflate_shared(&mut Codecs::new(), 12, 1, &compressible, &mut shared);
    assert_eq!(deflated, Deflated::Compressed);
    for budget in [0, 1 << 24] {
        let (mut client, mut server) = Endpoint::pair(params(12, false));
        client.codecs.set_live_len_max(budget);
        for warm in [false, true, true] {
            if warm {
                let message = client.deflate(b"something between").unwrap();
                server.inflate(&message).unwrap();
            }
            assert_eq!(server.inflate(&shared).unwrap(), compressible);
            client.session.push_shared(&compressible);
            let message = client.deflate(&plain).unwrap();
            assert!(message.len() < 30, "budget {budget}: {} bytes", message.len());
            assert_eq!(server.inflate(&message).unwrap(), plain);
        }
    }
}

#[test]
fn a_shared_message_that_does_not_shrink_is_skipped() {
    let mut out = MessageBuf::new();
    let deflated = deflate_shared(&mut Codecs::new(), 12, 1, &noise(5, 500), &mut out);
    assert_eq!((deflated, out.len()), (Deflated::Skipped, 0));
}

#[test]
fn threads_take_turns_with_one_session() {
    let (mut client, mut server) = Endpoint::pair(params(12, false));
    let mut other = Codecs::new();
    // A stranger whose live compressor has the same key over there.
    let mut stranger = DeflateSession::new(params(12, false), Role::Client);
    let _ = stranger.deflate(&mut other, &noise(77, 500), &mut MessageBuf::new());
    for i in 0..50 {
        let plain = noise(i / 3, 300);
        let message = client.deflate(&plain).unwrap();
        assert_eq!(server.inflate(&message).unwrap(), plain, "message {i}");
        if i % 3 > 0 {
            assert!(message.len() < 30, "message {i}: {} bytes", message.len());
        }
        core::mem::swap(&mut client.codecs, &mut other);
    }
}
