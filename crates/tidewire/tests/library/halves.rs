//! Split connections.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use tidewire::{CloseCode, Error, Message, Prepared, Role, TrySendError};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf, duplex};

use crate::pipe::{masked, over, pair};

/// X4: clones in many tasks; each task's order is kept.
#[tokio::test(start_paused = true)]
async fn x4_clones_keep_the_order_of_each_task() {
    let (client, mut server) = pair(1 << 12);
    let (_receiver, sender) = client.split();
    for task in 0..100_u8 {
        let sender = sender.clone();
        tokio::spawn(async move {
            for i in 0..20_u8 {
                sender.send(vec![task, i]).await.unwrap();
                tokio::task::yield_now().await;
            }
        });
    }
    let mut next = [0; 100];
    for _ in 0..2000 {
        let message = server.next().await.unwrap().unwrap();
        let [task, i] = message.as_bytes() else { panic!("{message:?}") };
        assert_eq!(*i, next[usize::from(*task)]);
        next[usize::from(*task)] += 1;
    }
}

/// X3: no sender is left: 1000, and the receiver goes on to the end.
#[tokio::test(start_paused = true)]
async fn x3_the_last_sender_closes() {
    let (client, mut server) = pair(1 << 12);
    let (mut receiver, sender) = client.split();
    server.send("late").await.unwrap();
    drop(sender);
    assert_eq!(server.next().await.unwrap(), None);
    assert_eq!(server.close_info().unwrap().code(), CloseCode::NORMAL_CLOSURE);
    assert_eq!(receiver.next().await.unwrap(), Some(Message::text("late")));
    assert_eq!(receiver.next().await.unwrap(), None);
    assert_eq!(receiver.next().await.unwrap(), None);
}

/// X3: no receiver is left: Pings are answered, messages still sent.
#[tokio::test(start_paused = true)]
async fn x3_without_a_receiver_pings_are_answered() {
    let (mut peer, io) = duplex(1 << 12);
    let (receiver, sender) = over(io, Role::Server).split();
    drop(receiver);
    for _ in 0..100 {
        peer.write_all(&masked(0x81, b"unwanted")).await.unwrap();
    }
    peer.write_all(&masked(0x89, b"there?")).await.unwrap();
    let mut pong = [0; 8];
    peer.read_exact(&mut pong).await.unwrap();
    assert_eq!(&pong, b"\x8A\x06there?");
    sender.send("yes").await.unwrap();
    let mut message = [0; 5];
    peer.read_exact(&mut message).await.unwrap();
    assert_eq!(&message, b"\x81\x03yes");
}

/// A receiver that does not take its messages holds up the peer, not the memory; what was sent
/// still leaves.
#[tokio::test(start_paused = true)]
async fn a_full_receiver_does_not_hold_up_the_sender() {
    let (client, mut server) = pair(1 << 12);
    let (mut receiver, sender) = client.split();
    for i in 0..40_u8 {
        server.send(vec![i]).await.unwrap();
    }
    tokio::task::yield_now().await;
    sender.send("out").await.unwrap();
    sender.drained().await;
    assert_eq!(server.next().await.unwrap(), Some(Message::text("out")));
    for i in 0..40_u8 {
        assert_eq!(receiver.next().await.unwrap(), Some(Message::binary(vec![i])));
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_hands_the_message_back() {
    let (_peer, io) = duplex(1 << 10);
    let (_receiver, sender) = over(io, Role::Server).split();
    let prepared = Prepared::new(vec![7; 100_000]);
    let mut taken = 0;
    let back = loop {
        match sender.try_send(prepared.clone()) {
            Ok(()) => taken += 1,
            Err(TrySendError::Full(back)) => break back,
            Err(error) => panic!("{error}"),
        }
        assert!(taken < 100, "never full");
    };
    assert_eq!(back.payload().len(), 100_000);
    assert!(sender.buffered() < (1 << 20) + 200_000);
    sender.close(CloseCode::GOING_AWAY, "").unwrap();
    assert!(matches!(sender.try_send("late"), Err(TrySendError::Closed("late", _))));
    assert!(matches!(sender.send("late").await, Err(Error::Send(_))));
}

/// A sender that waits for room learns that the connection has ended.
#[tokio::test(start_paused = true)]
async fn a_waiting_sender_learns_of_the_end() {
    let (peer, io) = duplex(1 << 10);
    let (mut receiver, sender) = over(io, Role::Server).split();
    let waiting = tokio::spawn(async move {
        loop {
            if let Err(error) = sender.send(vec![0; 100_000]).await {
                return error;
            }
        }
    });
    tokio::task::yield_now().await;
    drop(peer);
    assert!(receiver.next().await.is_err());
    let error = waiting.await.unwrap();
    assert!(matches!(error, Error::Send(_) | Error::Io(_)), "{error:?}");
}

/// A receiver that is not asked for messages does not keep the driver from noticing that the peer
/// takes nothing.
#[tokio::test(start_paused = true)]
async fn l7_a_stalled_peer_behind_a_full_receiver() {
    let (mut peer, io) = duplex(1 << 12);
    let (mut receiver, sender) = over(io, Role::Server).split();
    for _ in 0..40 {
        peer.write_all(&masked(0x81, b"wait")).await.unwrap();
    }
    sender.send(vec![0; 100_000]).await.unwrap();
    sender.drained().await;
    for _ in 0..32 {
        assert_eq!(receiver.next().await.unwrap(), Some(Message::text("wait")));
    }
    assert!(matches!(receiver.next().await, Err(Error::Timeout(_))));
    drop(peer);
}

/// X6: a transport that panics in the task behind a split connection is an error for both halves.
#[tokio::test(start_paused = true)]
async fn x6_a_panic_reaches_both_halves() {
    struct Panics;
    impl AsyncRead for Panics {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            panic!("on purpose");
        }
    }
    impl AsyncWrite for Panics {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &[u8],
        ) -> Poll<io::Result<usize>> {
            Poll::Pending
        }
        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }
        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }
    let (mut receiver, sender) = over(Panics, Role::Server).split();
    let error = receiver.next().await.unwrap_err();
    assert!(matches!(error, Error::Io(_)), "{error:?}");
    assert_eq!(receiver.next().await.unwrap(), None, "told once");
    // More than the queue holds: it would wait for ever.
    let mut sent = Ok(());
    for _ in 0..3 {
        sent = sent.and(sender.send(vec![0; 1 << 20]).await);
    }
    assert!(matches!(sent, Err(Error::Send(_))), "{sent:?}");
}
