//! Messages back and forth, the closing handshake, errors, cancellation, timeouts.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use tidewire::{
    CloseCode, Config, Error, Message, ReadyState, Receiver, Role, Sender, WebSocket,
    proto::ProtocolViolation,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use crate::pipe::{masked, over, pair};

#[tokio::test(start_paused = true)]
async fn messages_back_and_forth() {
    let (mut client, mut server) = pair(1 << 10);
    let echo = tokio::spawn(async move {
        while let Some(message) = server.next().await.unwrap() {
            server.send(message).await.unwrap();
        }
        server.close_info().unwrap()
    });
    for len in [0, 1, 125, 126, 65_535, 65_536, 300_000] {
        let payload: Vec<u8> = (0..=255).cycle().take(len).collect();
        client.send(payload.clone()).await.unwrap();
        assert_eq!(client.next().await.unwrap(), Some(Message::binary(payload)));
        let text = "ß".repeat(len / 2);
        client.send(&*text).await.unwrap();
        assert_eq!(client.next().await.unwrap(), Some(Message::text(text)));
    }
    client.close(CloseCode::NORMAL_CLOSURE, "done").await.unwrap();
    assert_eq!(client.ready_state(), ReadyState::Closed);
    let outcome = echo.await.unwrap();
    assert_eq!((outcome.code(), outcome.reason()), (CloseCode::NORMAL_CLOSURE, "done"));
    assert_eq!(client.next().await.unwrap(), None, "and it stays so");
}

/// On a violation the Close is on the wire before the error is returned, and the transport ends.
#[tokio::test(start_paused = true)]
async fn a_violation_ends_in_order() {
    let (mut peer, io) = duplex(1 << 16);
    let mut ws = over(io, Role::Server);
    peer.write_all(&[masked(0x81, b"good"), vec![0x83, 0x80]].concat()).await.unwrap();
    assert_eq!(ws.next().await.unwrap(), Some(Message::text("good")));
    let reader = tokio::spawn(async move {
        let mut bytes = Vec::new();
        peer.read_to_end(&mut bytes).await.unwrap();
        bytes
    });
    let error = ws.next().await.unwrap_err();
    assert!(matches!(error, Error::Protocol(ProtocolViolation::ReservedOpCode(3))), "{error:?}");
    assert!(error.to_string().contains("RFC 6455 §5.2"), "{error}");
    assert_eq!(reader.await.unwrap(), [0x88, 2, 0x03, 0xEA], "one Close, 1002, and the end");
    assert_eq!(ws.next().await.unwrap(), None, "told once");
}

/// K10: an end without a Close is an error, 1006.
#[tokio::test(start_paused = true)]
async fn k10_an_end_without_a_close() {
    let (peer, io) = duplex(1 << 16);
    let mut ws = over(io, Role::Server);
    drop(peer);
    let error = ws.next().await.unwrap_err();
    assert_eq!(error.close_code(), Some(CloseCode::ABNORMAL_CLOSURE));
}

/// K12: a peer that never answers our Close does not hold us for ever.
#[tokio::test(start_paused = true)]
async fn k12_close_has_a_deadline() {
    let (_peer, io) = duplex(1 << 16);
    let mut ws = over(io, Role::Server);
    let started = tokio::time::Instant::now();
    let error = ws.close(CloseCode::NORMAL_CLOSURE, "").await.unwrap_err();
    assert!(matches!(error, Error::Closed(_)), "{error:?}");
    assert_eq!(started.elapsed().as_secs(), 5);
}

/// A peer that is gone is noticed: a Ping after 20 s, the end 20 s later.
#[tokio::test(start_paused = true)]
async fn keep_alive_ends_who_is_gone() {
    let (mut peer, io) = duplex(1 << 16);
    let mut ws = over(io, Role::Server);
    let started = tokio::time::Instant::now();
    let error = ws.next().await.unwrap_err();
    assert!(matches!(error, Error::Timeout(_)), "{error:?}");
    assert!((40..42).contains(&started.elapsed().as_secs()), "{:?}", started.elapsed());
    let mut bytes = Vec::new();
    drop(ws);
    peer.read_to_end(&mut bytes).await.unwrap();
    assert_eq!((bytes[0], bytes[6]), (0x89, 0x88), "a Ping, then the Close");
}

/// Its timer wakes the task that waits now, not the one that waited first.
#[tokio::test(start_paused = true)]
async fn keep_alive_follows_to_another_task() {
    let (_peer, io) = duplex(1 << 16);
    let mut ws = over(io, Role::Server);
    let started = tokio::time::Instant::now();
    let waited = tokio::time::timeout(Duration::from_secs(1), ws.next()).await;
    assert!(waited.is_err(), "nothing arrives");
    let next = tokio::spawn(async move { ws.next().await });
    let error = tokio::time::timeout(Duration::from_secs(100), next).await.unwrap().unwrap();
    assert!(matches!(error, Err(Error::Timeout(_))), "{error:?}");
    assert_eq!(started.elapsed().as_secs(), 40);
}

/// tokio's timers take no note of a task that has used up its budget; ours asks again.
#[tokio::test(start_paused = true)]
async fn keep_alive_survives_a_task_without_budget() {
    let (_peer, io) = duplex(1 << 16);
    let mut ws = over(io, Role::Server);
    let started = tokio::time::Instant::now();
    let mut is_first = true;
    let next = poll_fn(|task| {
        if std::mem::take(&mut is_first) {
            while let Poll::Ready(budget) = tokio::task::coop::poll_proceed(task) {
                budget.made_progress();
            }
        }
        ws.poll_next(task)
    });
    let error = tokio::time::timeout(Duration::from_secs(100), next).await.unwrap();
    assert!(matches!(error, Err(Error::Timeout(_))), "{error:?}");
    assert_eq!(started.elapsed().as_secs(), 40);
}

/// X5: both send much before either reads. `send` reads ahead while it waits.
#[tokio::test(start_paused = true)]
async fn x5_both_send_before_they_read() {
    async fn talk(ws: &mut crate::pipe::Ws) {
        for _ in 0..30 {
            ws.send(vec![1; 60_000]).await.unwrap();
        }
        for _ in 0..30 {
            assert_eq!(ws.next().await.unwrap().map(|m| m.len()), Some(60_000));
        }
    }
    let (mut a, mut b) = pair(1 << 12);
    tokio::join!(talk(&mut a), talk(&mut b));
}

/// X5: 10 MB each way before either reads, over a pipe that holds next to nothing: as one message,
/// and as many from halves, whose driver reads meanwhile.
#[tokio::test(start_paused = true)]
async fn x5_ten_megabytes_each_way() {
    const LEN: usize = 10_000_000;
    async fn talk((mut receiver, sender): (Receiver, Sender)) {
        let sending = tokio::spawn(async move {
            for _ in 0..1000 {
                sender.send(vec![1; LEN / 1000]).await.unwrap();
            }
            sender
        });
        for _ in 0..1000 {
            assert_eq!(receiver.next().await.unwrap().unwrap().len(), LEN / 1000);
        }
        drop(sending.await.unwrap());
    }
    let mut config = Config::default();
    config.limits.message_len_max = LEN as u64;
    let config = Arc::new(config);
    let ends = || {
        let (a, b) = duplex(1 << 12);
        let over = |io, role| WebSocket::from_handshaken(io, role, Arc::clone(&config), &[]);
        (over(a, Role::Client), over(b, Role::Server))
    };
    let (mut a, mut b) = ends();
    for end in [&mut a, &mut b] {
        end.send(vec![1; LEN]).await.unwrap();
    }
    let (from_b, from_a) = tokio::join!(a.next(), b.next());
    for message in [from_a, from_b] {
        assert_eq!(message.unwrap().unwrap().len(), LEN);
    }

    let (a, b) = ends();
    tokio::join!(talk(a.split()), talk(b.split()));
}

/// L5: a peer that never reads makes `send` wait; the queue stays within its bound.
#[tokio::test(start_paused = true)]
async fn l5_a_peer_that_never_reads() {
    let (_peer, io) = duplex(1 << 12);
    let mut ws = over(io, Role::Server);
    let mut sent = 0;
    while tokio::time::timeout(Duration::from_secs(1), ws.send(vec![0; 10_000])).await.is_ok() {
        sent += 1;
        assert!(sent < 200, "it never waits");
    }
    assert!(ws.buffered() <= (1 << 20) + 10_100, "{}", ws.buffered());
}

/// X1: the peer drips bytes, the reader is dropped all the time; no frame is lost or torn.
#[tokio::test(start_paused = true)]
async fn x1_next_is_cancel_safe() {
    let (mut peer, io) = duplex(1 << 16);
    let mut ws = over(io, Role::Server);
    let frames: Vec<u8> = (0..50_u8)
        .flat_map(|i| [masked(0x01, &[b'a'; 3]), masked(0x80, &vec![i; usize::from(i)])].concat())
        .collect();
    tokio::spawn(async move {
        for byte in frames {
            peer.write_all(&[byte]).await.unwrap();
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        std::future::pending::<()>().await;
        drop(peer);
    });
    let mut received = 0;
    while received < 50 {
        tokio::select! {
            biased;
            () = tokio::time::sleep(Duration::from_micros(700)) => {}
            message = ws.next() => {
                let message = message.unwrap().unwrap();
                assert_eq!(message.len(), 3 + received);
                received += 1;
            }
        }
    }
}

/// X1, X2: `next` and `send` polled n times and dropped, for each n.
#[tokio::test(start_paused = true)]
async fn x2_send_queues_all_or_nothing() {
    for polls in 1..6 {
        let (mut a, mut b) = pair(100);
        let reader = tokio::spawn(async move {
            let mut lens = Vec::new();
            while let Ok(Some(message)) = b.next().await {
                assert!(message.as_bytes().iter().all(|byte| *byte == message.as_bytes()[0]));
                lens.push(message.len());
            }
            lens
        });
        let mut taken = Vec::new();
        for len in [1, 50, 500_000, 700_000, 3, 900_000, 7] {
            let mut send = pin!(a.send(vec![9; len]));
            let mut left = polls;
            let done = std::future::poll_fn(|task| {
                let poll = send.as_mut().poll(task);
                left -= 1;
                if poll.is_pending() && left > 0 {
                    task.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Poll::Ready(poll.is_ready())
            });
            if done.await {
                taken.push(len);
            }
        }
        a.close(CloseCode::NORMAL_CLOSURE, "").await.unwrap();
        assert_eq!(reader.await.unwrap(), taken, "{polls} polls");
    }
}

/// K14: the peer closes, or breaks a rule, while our `send` waits for it to read. What was queued,
/// our Close and the end of TCP still reach it, though the application gives up at the error.
#[tokio::test(start_paused = true)]
async fn k14_an_end_while_send_waits() {
    let rows = [
        ("a Close", masked(0x88, &[3, 0xE8]), [0x88, 2, 3, 0xE8], "Send"),
        ("a violation", masked(0x83, b""), [0x88, 2, 3, 0xEA], "Protocol"),
    ];
    for (what, end, close, error) in rows {
        let (mut peer, io) = duplex(1 << 12);
        let mut ws = over(io, Role::Server);
        let server = tokio::spawn(async move {
            loop {
                ws.send(vec![7; 60_000]).await?;
            }
            #[expect(unreachable_code, reason = "it names the type")]
            Ok::<(), Error>(())
        });
        peer.write_all(&end).await.unwrap();
        // It is read while `send` waits, long before anything of what is queued is.
        tokio::time::sleep(Duration::from_millis(100)).await;
        let mut received = Vec::new();
        peer.read_to_end(&mut received).await.unwrap();
        drop(peer);
        assert_eq!(received[received.len() - 4..], close, "{what}");
        assert_eq!((received.len() - 4) % 60_004, 0, "{what}: whole frames");
        let ended = server.await.unwrap().unwrap_err();
        assert!(format!("{ended:?}").starts_with(error), "{what}: {ended:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn k13_sending_after_the_close() {
    let (mut client, _server) = pair(1 << 10);
    client.start_close(CloseCode::NORMAL_CLOSURE, "").unwrap();
    assert!(matches!(client.send("late").await, Err(Error::Send(_))));
    assert!(matches!(client.start_close(CloseCode::NORMAL_CLOSURE, ""), Err(Error::Send(_))));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_connection_says_going_away() {
    let (client, mut server) = pair(1 << 10);
    drop(client);
    assert_eq!(server.next().await.unwrap(), None);
    assert_eq!(server.close_info().unwrap().code(), CloseCode::GOING_AWAY);
}

/// A peer that never falls silent and never closes: our Close has its deadline all the same.
#[tokio::test(start_paused = true)]
async fn k12_a_flood_does_not_hold_up_the_close() {
    let (mut peer, io) = duplex(1 << 16);
    let mut ws = over(io, Role::Server);
    let flood = tokio::spawn(async move {
        let frames = masked(0x82, &[0; 100]).repeat(100);
        while peer.write_all(&frames).await.is_ok() {
            tokio::time::advance(Duration::from_millis(100)).await;
        }
    });
    let started = tokio::time::Instant::now();
    ws.close(CloseCode::NORMAL_CLOSURE, "").await.unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(7), "{:?}", started.elapsed());
    drop(ws);
    flood.await.unwrap();
}

/// L5, L7: a peer that sends and never reads ends by `write_stall`, though `send` has read ahead as
/// far as it may.
#[tokio::test(start_paused = true)]
async fn l7_a_peer_that_only_sends() {
    let (peer, io) = duplex(1 << 12);
    let mut ws = over(io, Role::Server);
    let (mut read_half, mut write_half) = tokio::io::split(peer);
    let flood = tokio::spawn(async move {
        let frames = masked(0x82, &[0; 1000]).repeat(10);
        while write_half.write_all(&frames).await.is_ok() {}
    });
    let error = loop {
        match ws.next().await {
            Ok(Some(message)) => {
                if let Err(error) = ws.send(message).await {
                    break error;
                }
            }
            other => panic!("{other:?}"),
        }
    };
    assert!(matches!(error, Error::Timeout(_)), "{error:?}");
    let last = loop {
        match ws.next().await {
            Ok(Some(_)) => {} // read ahead
            last => break last,
        }
    };
    assert!(matches!(last, Err(Error::Timeout(_))), "{last:?}");
    drop(ws);
    flood.await.unwrap();
    let mut rest = Vec::new();
    read_half.read_to_end(&mut rest).await.unwrap();
}

/// A client that keeps its ended connection does not keep the server waiting.
#[tokio::test(start_paused = true)]
async fn k7_an_ended_client_holds_up_nobody() {
    let (mut client, mut server) = pair(1 << 10);
    let started = tokio::time::Instant::now();
    let kept = tokio::spawn(async move {
        assert_eq!(client.next().await.unwrap(), None);
        client
    });
    server.close(CloseCode::GOING_AWAY, "").await.unwrap();
    assert_eq!(started.elapsed(), Duration::ZERO);
    drop(kept.await.unwrap());
}

/// A Pong that waits to be read when its time is over has come in time: whoever slept was this
/// process.
#[tokio::test(start_paused = true)]
async fn an_answer_that_waits_counts() {
    let (mut peer, io) = duplex(1 << 16);
    let mut ws = over(io, Role::Server);
    assert!(tokio::time::timeout(Duration::from_secs(21), ws.next()).await.is_err());
    let mut ping = [0; 6];
    peer.read_exact(&mut ping).await.unwrap();
    peer.write_all(&masked(0x8A, &ping[2..])).await.unwrap();
    tokio::time::advance(Duration::from_secs(3600)).await;
    peer.write_all(&masked(0x81, b"still here")).await.unwrap();
    assert_eq!(ws.next().await.unwrap(), Some(Message::text("still here")));
}
