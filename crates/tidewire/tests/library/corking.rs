//! Many messages, few writes, and no answer that waits for a task that sleeps.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tidewire::{Role, WebSocket};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, duplex},
    net::{TcpListener, TcpStream},
};

use crate::pipe::{Counting, masked, over};

const FRAMES: usize = 10_000;

/// One client sends 10,000 frames of 20 bytes in one write before it reads. The echoes leave in
/// at most 40 write calls.
#[tokio::test]
async fn pipelined_echoes_leave_together() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let writes = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&writes);
    let server = tokio::spawn(async move {
        let (inner, _) = listener.accept().await.unwrap();
        let mut ws = over(Counting { inner, writes: counted }, Role::Server);
        while let Some(message) = ws.next().await.unwrap() {
            ws.send(message).await.unwrap();
        }
    });
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(&masked(0x82, &[7; 20]).repeat(FRAMES)).await.unwrap();
    let mut echoes = vec![0; 22 * FRAMES];
    client.read_exact(&mut echoes).await.unwrap();
    let one = [&[0x82, 20][..], &[7; 20]].concat();
    assert!(echoes.chunks(22).all(|echo| echo == one));
    let count = writes.load(Ordering::Relaxed);
    assert!(count <= 40, "{count} writes");
    client.write_all(&masked(0x88, &[3, 0xE8])).await.unwrap();
    server.await.unwrap();
}

/// With a second frame unread, what is sent before a long sleep does not wait for it.
#[tokio::test(start_paused = true)]
async fn a_reply_does_not_wait_for_a_task_that_sleeps() {
    let (mut client, io) = duplex(1 << 16);
    let mut ws: WebSocket<_> = over(io, Role::Server);
    let server = tokio::spawn(async move {
        let message = ws.next().await.unwrap().unwrap();
        ws.send(message).await.unwrap();
        tokio::time::sleep(Duration::from_secs(3600)).await;
        drop(ws);
    });
    let started = tokio::time::Instant::now();
    client.write_all(&[masked(0x81, b"first"), masked(0x81, b"second")].concat()).await.unwrap();
    let mut echo = [0; 7];
    client.read_exact(&mut echo).await.unwrap();
    assert_eq!(&echo, b"\x81\x05first");
    assert!(started.elapsed() < Duration::from_millis(50));
    server.abort();
}

/// What a transport takes in part, or not at all, leaves in order and whole, though nobody sends or
/// flushes any more.
#[tokio::test(start_paused = true)]
async fn short_messages_fill_a_narrow_transport() {
    for room in 1..20 {
        let (mut client, io) = duplex(room);
        let mut ws = over(io, Role::Server);
        for text in ["one", "and two", "", "three"] {
            ws.send(text).await.unwrap();
        }
        let expected = b"\x81\x03one\x81\x07and two\x81\x00\x81\x05three";
        let mut bytes = [0; 23];
        client.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, expected, "room for {room}");
    }
}

/// `feed` waits for `flush`, or for this task to yield; it is never stuck.
#[tokio::test(start_paused = true)]
async fn what_is_fed_leaves_when_the_task_yields() {
    let (mut client, inner) = duplex(1 << 16);
    let writes = Arc::new(AtomicUsize::new(0));
    let mut ws = over(Counting { inner, writes: Arc::clone(&writes) }, Role::Server);
    for _ in 0..5 {
        ws.feed("fed").await.unwrap();
    }
    assert_eq!(writes.load(Ordering::Relaxed), 0);
    let mut bytes = [0; 25];
    client.read_exact(&mut bytes).await.unwrap();
    assert_eq!(bytes.as_slice(), b"\x81\x03fed".repeat(5));
    assert_eq!(writes.load(Ordering::Relaxed), 1);
    ws.feed("flushed").await.unwrap();
    ws.flush().await.unwrap();
    assert_eq!(writes.load(Ordering::Relaxed), 2);
}

/// L14: whoever reads thousands of tiny messages lets others run between them.
#[tokio::test(start_paused = true)]
async fn l14_a_reader_yields() {
    const MESSAGES: usize = 100_000;
    let (mut client, io) = duplex(1 << 20);
    let mut ws = over(io, Role::Server);
    client.write_all(&masked(0x82, b"").repeat(MESSAGES)).await.unwrap();
    let reader = tokio::spawn(async move {
        for _ in 0..MESSAGES {
            ws.next().await.unwrap().unwrap();
        }
    });
    let mut others_ran = 0;
    while !reader.is_finished() {
        others_ran += 1;
        tokio::task::yield_now().await;
    }
    assert!(others_ran >= MESSAGES / 4000, "{others_ran} times");
}
