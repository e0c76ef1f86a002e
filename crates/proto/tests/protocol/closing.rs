//! RFC 6455 §5.5.1 and §7: the closing handshake, timeouts, keep-alive.

use std::time::Duration;

use crate::common::{Endpoint, Pair, Seen, decode_frames, from_peer_of, masked};
use tidewire_proto::{
    CloseCode, CloseFrame, Config, Failure, Initiator, Outcome, ReadyState, Role, SendError,
    TimeoutKind, Transport,
};

fn close(code: u16, reason: &str) -> CloseFrame {
    CloseFrame::new(CloseCode::new(code), reason).unwrap()
}

fn outcome(end: &Endpoint) -> &Outcome {
    let Some(Seen::Closed(outcome)) = end.seen.last() else { panic!("not closed: {:?}", end.seen) };
    outcome
}

/// K3, K5: a Close is answered with its own code, and an empty one with an empty one.
#[test]
fn k3_k5_the_code_is_echoed() {
    let codes = (1000..=1003).chain(1007..=1014).chain([3000, 3999, 4000, 4999]);
    for code in codes.map(|code: u16| code.to_be_bytes().to_vec()).chain([vec![]]) {
        let mut end = Endpoint::new(Role::Server);
        let mut body = code.clone();
        if !body.is_empty() {
            body.extend(b"why");
        }
        end.read(&masked(0x88, &body));
        let frames = decode_frames(&end.written());
        assert_eq!(frames.len(), 1);
        assert_eq!((frames[0].first, &frames[0].payload), (0x88, &code));
        assert_eq!(end.conn.transport(), Transport::EndSending);
        end.eof();
        assert!(outcome(&end).was_clean());
        let expected = if code.is_empty() { 1005 } else { u16::from_be_bytes([code[0], code[1]]) };
        assert_eq!(outcome(&end).code().get(), expected);
        assert_eq!(outcome(&end).reason(), if code.is_empty() { "" } else { "why" });
        assert_eq!(outcome(&end).initiator, Some(Initiator::Remote));
    }
}

/// §7.1.1, K7: a server ends TCP at once; a client waits for it, but not for ever.
#[test]
fn k7_who_ends_the_transport() {
    for closer in [Role::Client, Role::Server] {
        let mut pair = Pair::new(Config::default());
        let end = if closer == Role::Client { &mut pair.client } else { &mut pair.server };
        end.conn.close(&mut end.cx, close(1000, "bye")).unwrap();
        assert_eq!(end.conn.ready_state(), ReadyState::Closing);
        pair.settle(1);
        assert!(outcome(&pair.client).was_clean());
        pair.server.eof();
        assert!(outcome(&pair.server).was_clean());
        assert_eq!(pair.server.conn.ready_state(), ReadyState::Closed);
    }
    let mut client = Endpoint::new(Role::Client);
    client.conn.close(&mut client.cx, close(1000, "")).unwrap();
    client.written();
    client.read(&from_peer_of(Role::Client, 0x88, &[0x03, 0xE8]));
    assert_eq!(client.conn.transport(), Transport::Open, "§5.5.1: it waits for the server");
    client.wait(Duration::from_secs(6));
    assert!(outcome(&client).was_clean(), "both Close frames travelled");
    assert_eq!(client.conn.transport(), Transport::Ended);
}

/// K7: a server whose own Close was answered does not wait long for a client that keeps TCP open.
#[test]
fn k7_a_client_that_does_not_end_its_half() {
    let mut server = Endpoint::new(Role::Server);
    server.conn.close(&mut server.cx, close(1001, "")).unwrap();
    server.written();
    server.read(&masked(0x88, &[0x03, 0xE9]));
    assert_eq!(server.conn.transport(), Transport::EndSending);
    server.wait(Duration::from_millis(500));
    assert!(outcome(&server).was_clean());
}

/// K8: both close at once.
#[test]
fn k8_simultaneous_close() {
    let mut pair = Pair::new(Config::default());
    pair.client.conn.close(&mut pair.client.cx, close(1000, "c")).unwrap();
    pair.server.conn.close(&mut pair.server.cx, close(1001, "s")).unwrap();
    pair.settle(1000);
    pair.server.eof();
    assert_eq!((outcome(&pair.client).code().get(), outcome(&pair.client).reason()), (1001, "s"));
    assert_eq!((outcome(&pair.server).code().get(), outcome(&pair.server).reason()), (1000, "c"));
    for end in [&pair.client, &pair.server] {
        assert!(outcome(end).was_clean());
        assert_eq!(outcome(end).initiator, Some(Initiator::Local));
    }
}

/// K6: what comes after a Close is ignored.
#[test]
fn k6_nothing_is_processed_after_a_close() {
    let mut end = Endpoint::new(Role::Server);
    end.read(
        &[masked(0x88, &[3, 0xE8]), masked(0x89, b"p"), masked(0x82, b"x"), vec![0xFF; 40]]
            .concat(),
    );
    assert_eq!(end.seen, []);
    assert_eq!(decode_frames(&end.written()).len(), 1);
}

/// §5.5.1: after our Close messages still arrive, and Pings are not answered any more.
#[test]
fn messages_arrive_until_the_peer_closes() {
    let mut end = Endpoint::new(Role::Server);
    end.conn.close(&mut end.cx, close(1001, "")).unwrap();
    end.read(&[masked(0x81, b"late"), masked(0x89, b"p")].concat());
    assert_eq!(end.seen, [Seen::Text("late".into()), Seen::Ping(b"p".to_vec())]);
    assert_eq!(decode_frames(&end.written()).len(), 1, "the Close alone");
}

/// A Pong that waits behind sixteen others must not follow a Close.
#[test]
fn nothing_follows_a_close() {
    let mut end = Endpoint::new(Role::Server);
    for i in 0..40 {
        end.read(&masked(0x89, &[i]));
    }
    end.conn.close(&mut end.cx, close(1000, "")).unwrap();
    let frames = decode_frames(&end.written());
    assert_eq!(frames.last().unwrap().first, 0x88);
    assert_eq!(frames.len(), 17);
}

/// K9: a Close waits for the frame under way, not for the rest of a backlog.
#[test]
fn k9_failing_finishes_the_frame_and_not_the_backlog() {
    let mut config = Config::default();
    config.fragment_len_max = Some(100_000);
    let mut end = Endpoint::with(Role::Server, config);
    end.conn.send(&mut end.cx, vec![1; 1_000_000]).unwrap();
    end.conn.advance(&mut end.cx, 50_000);
    end.read(&masked(0x83, b""));
    let len = end.written().len();
    assert!((50_000..60_000).contains(&len), "the rest of one frame, and the Close: {len}");
}

/// K10: the transport ends without a Close.
#[test]
fn k10_no_close_is_1006() {
    let mut end = Endpoint::new(Role::Server);
    end.read(&masked(0x01, b"half a mess")[..9]);
    end.eof();
    assert_eq!(outcome(&end).code(), CloseCode::ABNORMAL_CLOSURE);
    assert!(!outcome(&end).was_clean());
    assert_eq!(end.written(), b"", "1006 is never on the wire");
}

/// K12: a peer that does not answer our Close.
#[test]
fn k12_the_peer_never_answers() {
    let mut end = Endpoint::new(Role::Server);
    end.conn.close(&mut end.cx, close(1000, "")).unwrap();
    end.written();
    end.wait(Duration::from_millis(4999));
    assert_eq!(end.seen, []);
    end.wait(Duration::from_millis(1));
    assert_eq!(outcome(&end).code(), CloseCode::ABNORMAL_CLOSURE);
    assert_eq!(end.conn.transport(), Transport::Ended);
}

/// K13: too late is a typed error and not a frame.
#[test]
fn k13_too_late_to_send() {
    let mut end = Endpoint::new(Role::Server);
    end.conn.close(&mut end.cx, close(1000, "")).unwrap();
    end.written();
    let cx = &mut end.cx;
    assert_eq!(end.conn.send(cx, "late"), Err(SendError::Closing));
    assert_eq!(end.conn.ping(cx, b""), Err(SendError::Closing));
    assert_eq!(end.conn.close(cx, close(1000, "")), Err(SendError::Closing));
    end.eof();
    assert_eq!(end.conn.send(&mut end.cx, "late"), Err(SendError::Closed));
    assert_eq!(end.written(), b"");
}

/// K11: what may not travel is not sent.
#[test]
fn k11_wrong_closes_are_refused() {
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000] {
        let code = CloseCode::new(code);
        assert_eq!(CloseFrame::new(code, ""), Err(SendError::CloseCodeMayNotTravel(code)));
    }
    let mut end = Endpoint::new(Role::Server);
    let too_long = [0; 126];
    let error = SendError::ControlPayloadTooLong { len: 126 };
    assert_eq!(end.conn.ping(&mut end.cx, &too_long), Err(error));
    assert_eq!(end.conn.ping(&mut end.cx, &too_long[..125]), Ok(()));
}

/// K14: a connection that fails reads on to discard, for so long and so much.
#[test]
fn k14_lingering_is_bounded() {
    let failed = || {
        let mut end = Endpoint::new(Role::Server);
        end.read(&masked(0x83, b""));
        end.written();
        end
    };
    let mut slow = failed();
    slow.wait(Duration::from_millis(499));
    assert_eq!(slow.conn.transport(), Transport::EndSending);
    slow.wait(Duration::from_millis(1));
    assert_eq!(slow.conn.transport(), Transport::Ended);
    let mut flood = failed();
    // The frame that failed the connection counts: nobody reads it either.
    let most = vec![0; (16 << 20) - masked(0x83, b"").len()];
    flood.read(&most);
    assert_eq!(flood.conn.transport(), Transport::EndSending);
    flood.read(&[0]);
    assert_eq!(flood.conn.transport(), Transport::Ended);
}

/// The keep-alive: a Ping after silence, a round trip measured, the end of one who is gone.
#[test]
fn keep_alive() {
    let mut pair = Pair::new(Config::default());
    pair.server.wait(Duration::from_secs(20));
    assert_eq!(pair.server.conn.latency(), None);
    let ping = pair.server.written();
    assert_eq!(decode_frames(&ping)[0].first, 0x89);
    pair.server.cx.now = crate::common::millis(20_070);
    pair.client.read(&ping);
    let pong = pair.client.written();
    pair.server.read(&pong);
    assert_eq!(pair.server.conn.latency(), Some(Duration::from_millis(70)));

    pair.server.take_seen();
    pair.server.wait(Duration::from_millis(20_000 + 19_999));
    assert_eq!(pair.server.seen, []);
    pair.server.wait(Duration::from_millis(1));
    assert_eq!(pair.server.seen[0], Seen::Failed(Failure::Timeout(TimeoutKind::Pong)));
}

/// Whoever talks is alive, Pong or not.
#[test]
fn any_frame_is_a_sign_of_life() {
    let mut end = Endpoint::new(Role::Server);
    for _ in 0..20 {
        end.wait(Duration::from_secs(15));
        end.read(&masked(0x82, b"x"));
    }
    assert!(!end.seen.iter().any(|seen| !matches!(seen, Seen::Binary(_))));
}

/// A driver that does not read cannot blame the peer for its silence; one that does not take what
/// is sent is noticed all the same.
#[test]
fn keep_alive_rests_while_reading_is_paused() {
    let mut end = Endpoint::new(Role::Server);
    end.wait(Duration::from_secs(25));
    assert_eq!(decode_frames(&end.written())[0].first, 0x89);
    end.conn.pause_reading();
    end.wait(Duration::from_secs(1000));
    end.conn.resume_reading(end.cx.now);
    end.wait(Duration::from_secs(19));
    assert_eq!(end.seen, []);
    end.wait(Duration::from_secs(1));
    assert_eq!(end.seen[0], Seen::Failed(Failure::Timeout(TimeoutKind::Pong)));

    let mut end = Endpoint::new(Role::Server);
    end.conn.pause_reading();
    end.conn.send(&mut end.cx, vec![0; 1 << 20]).unwrap();
    end.wait(Duration::from_secs(30));
    assert_eq!(outcome(&end).failure, Some(Failure::Timeout(TimeoutKind::WriteStall)));
}

/// L8: a byte a second inside a frame is no sign of life.
#[test]
fn l8_dripping_does_not_keep_alive() {
    let mut end = Endpoint::new(Role::Server);
    let bytes = masked(0x82, &[0; 100]);
    for byte in &bytes[..60] {
        end.wait(Duration::from_secs(1));
        end.read(&[*byte]);
        end.written();
    }
    assert_eq!(end.seen[0], Seen::Failed(Failure::Timeout(TimeoutKind::Pong)));

    let mut config = Config::default();
    config.timeouts.message = Some(Duration::from_secs(3));
    let mut strict = Endpoint::with(Role::Server, config);
    strict.read(&bytes[..8]);
    strict.wait(Duration::from_secs(3));
    assert_eq!(strict.seen[0], Seen::Failed(Failure::Timeout(TimeoutKind::Message)));
}

/// L7: a peer that takes a byte a second for ever.
#[test]
fn l7_a_slow_reader_is_cut_off() {
    let mut end = Endpoint::new(Role::Server);
    end.conn.send(&mut end.cx, vec![0; 1 << 20]).unwrap();
    for _ in 0..31 {
        end.wait(Duration::from_secs(1));
        if end.conn.outbox().is_empty() {
            break;
        }
        end.conn.advance(&mut end.cx, 1);
    }
    assert_eq!(outcome(&end).failure, Some(Failure::Timeout(TimeoutKind::WriteStall)));
    assert_eq!(end.conn.transport(), Transport::Ended);

    // One that takes 2 KiB a second is slow, and fine.
    let mut end = Endpoint::new(Role::Server);
    let mut config = Config::default();
    config.timeouts.ping_after = None;
    end.conn = tidewire_proto::Connection::new(Role::Server, config.into(), end.cx.now);
    end.conn.send(&mut end.cx, vec![0; 1 << 20]).unwrap();
    for _ in 0..200 {
        end.wait(Duration::from_secs(1));
        end.conn.advance(&mut end.cx, 2048);
    }
    assert_eq!(end.seen, []);
}

/// Z7: a clock that goes back or jumps a day ends nobody that answers.
#[test]
fn z7_a_clock_that_jumps() {
    let mut end = Endpoint::new(Role::Server);
    end.cx.now = crate::common::millis(1_000_000);
    end.read(&masked(0x82, b"x"));
    end.cx.now = crate::common::millis(5);
    end.read(&masked(0x82, b"x"));
    assert!(end.conn.handle_timeout(&mut end.cx).is_none());
    end.cx.now = crate::common::millis(86_400_000);
    assert!(end.conn.handle_timeout(&mut end.cx).is_none(), "a Ping first");
    assert_eq!(decode_frames(&end.written())[0].first, 0x89);
    assert_eq!(end.conn.ready_state(), ReadyState::Open);
}

/// Z2: every state with every event; each ends where the table says.
#[test]
fn z2_states_by_events() {
    use ReadyState::{Closed, Closing, Open};
    type Act = fn(&mut Endpoint);
    let states: [(&str, Act); 5] = [
        ("open", |_| ()),
        ("close sent", |end| end.conn.close(&mut end.cx, CloseFrame::EMPTY).unwrap()),
        ("close exchanged", |end| end.read(&masked(0x88, b""))),
        ("failed", |end| end.read(&masked(0x83, b""))),
        ("closed", Endpoint::eof),
    ];
    let events: [(&str, Act, [ReadyState; 5]); 7] = [
        ("message", |end| end.read(&masked(0x82, b"")), [Open, Closing, Closing, Closing, Closed]),
        ("ping", |end| end.read(&masked(0x89, b"")), [Open, Closing, Closing, Closing, Closed]),
        ("close", |end| end.read(&masked(0x88, b"")), [Closing, Closing, Closing, Closing, Closed]),
        ("bad", |end| end.read(&masked(0x83, b"")), [Closing, Closing, Closing, Closing, Closed]),
        ("eof", Endpoint::eof, [Closed; 5]),
        ("time", |end| end.wait(Duration::from_secs(10)), [Open, Closed, Closed, Closed, Closed]),
        (
            "own close",
            |end| {
                let may_close = end.conn.ready_state() == Open;
                let closed = end.conn.close(&mut end.cx, CloseFrame::EMPTY);
                assert_eq!(closed.is_ok(), may_close);
            },
            [Closing, Closing, Closing, Closing, Closed],
        ),
    ];
    for (event_name, event, expected) in events {
        for ((state_name, state), expected) in states.iter().zip(expected) {
            let mut end = Endpoint::new(Role::Server);
            state(&mut end);
            event(&mut end);
            assert_eq!(end.conn.ready_state(), expected, "{state_name} × {event_name}");
            let frames = decode_frames(&end.written());
            let closes = frames.iter().filter(|frame| frame.first == 0x88).count();
            assert!(closes <= 1, "{state_name} × {event_name}: {closes} Close frames");
            let ends = end.seen.iter().filter(|seen| matches!(seen, Seen::Closed(_))).count();
            assert_eq!(ends, usize::from(expected == Closed), "{state_name} × {event_name}");
        }
    }
}
