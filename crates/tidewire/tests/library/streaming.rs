//! Messages that are larger than memory.

use tidewire::{CloseCode, Kind, Message};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::pipe::pair;

#[tokio::test(start_paused = true)]
async fn a_message_larger_than_its_limit_streams_through() {
    const LEN: usize = 5 << 20;
    let (mut client, mut server) = pair(1 << 16);
    let writer = tokio::spawn(async move {
        let mut writer = client.writer(Kind::Binary);
        for i in 0..LEN / (1 << 16) {
            writer.write_all(&vec![u8::try_from(i % 251).unwrap(); 1 << 16]).await.unwrap();
        }
        writer.finish().await.unwrap();
        client.send("after").await.unwrap();
        assert_eq!(client.next().await.unwrap(), None);
    });
    let mut reader = server.next_reader().await.unwrap().unwrap();
    assert_eq!(reader.kind(), Kind::Binary);
    let mut buffer = vec![0; 1 << 16];
    for i in 0..LEN / (1 << 16) {
        reader.read_exact(&mut buffer).await.unwrap();
        assert!(buffer.iter().all(|byte| usize::from(*byte) == i % 251), "block {i}");
    }
    assert_eq!(reader.chunk().await.unwrap(), None);
    drop(reader);
    assert_eq!(server.next().await.unwrap(), Some(Message::text("after")));
    server.close(CloseCode::NORMAL_CLOSURE, "").await.unwrap();
    writer.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_is_dropped_skips_the_rest() {
    let (mut client, mut server) = pair(1 << 12);
    let writer = tokio::spawn(async move {
        for i in 0..3 {
            let mut writer = client.writer(Kind::Text);
            writer.write_all("ß".repeat(100_000).as_bytes()).await.unwrap();
            writer.finish().await.unwrap();
            client.send(&*format!("between {i}")).await.unwrap();
        }
        client
    });
    for i in 0..3 {
        let mut reader = server.next_reader().await.unwrap().unwrap();
        assert!(reader.chunk().await.unwrap().is_some());
        drop(reader);
        let between = Some(Message::text(format!("between {i}")));
        assert_eq!(server.next().await.unwrap(), between);
    }
    drop(writer.await.unwrap());
}

/// A future of `next_reader` that is dropped must not eat what `next` then receives.
#[tokio::test(start_paused = true)]
async fn a_cancelled_reader_takes_nothing() {
    let (mut client, mut server) = pair(1 << 12);
    tokio::select! {
        biased;
        reader = server.next_reader() => panic!("{reader:?}"),
        () = std::future::ready(()) => {}
    }
    client.send("whole").await.unwrap();
    assert_eq!(server.next().await.unwrap(), Some(Message::text("whole")));
}

#[tokio::test(start_paused = true)]
async fn a_writer_that_is_dropped_fails_the_connection() {
    let (mut client, mut server) = pair(1 << 12);
    let mut writer = client.writer(Kind::Text);
    writer.write_all(b"half").await.unwrap();
    drop(writer);
    assert_eq!(server.next().await.unwrap(), None, "never the half of a message");
    assert_eq!(server.close_info().unwrap().code(), CloseCode::INTERNAL_ERROR);
}
