//! The room's bounds, over pipes and in virtual time. What it does within them is tested from
//! outside, on the built program.

use std::{sync::Arc, time::Duration};

use tidewire::{Client, CloseCode, Error, Message, Outcome, Server, WebSocket};
use tokio::{
    io::{DuplexStream, duplex},
    task::JoinHandle,
    time::Instant,
};

use super::{ChatLimits, Room, SUBPROTOCOL, run};

type Session = JoinHandle<(Result<(), Error>, Option<Outcome>)>;

/// What a pipe holds: far less than the kernel does for a socket.
const PIPE_LEN: usize = 1 << 10;

fn room(limits: ChatLimits) -> Arc<Room> {
    Arc::new(Room::new(limits, "epoch".to_owned()))
}

async fn client(room: &Arc<Room>, subprotocols: &[&str]) -> (WebSocket<DuplexStream>, Session) {
    let (ours, theirs) = duplex(PIPE_LEN);
    let room = Arc::clone(room);
    let session = tokio::spawn(async move {
        let server = Server::new().subprotocols([SUBPROTOCOL]);
        run(server.accept(theirs).await.unwrap(), &room).await
    });
    let client = Client::new().subprotocols(subprotocols.iter().copied());
    (client.handshake(ours, "ws://room/").await.unwrap(), session)
}

/// A bare client that is in the room: it has heard itself.
async fn bare(room: &Arc<Room>) -> (WebSocket<DuplexStream>, Session) {
    let (mut ws, session) = client(room, &[]).await;
    ws.send("here").await.unwrap();
    assert_eq!(ws.next().await.unwrap(), Some(Message::from("User: here")));
    (ws, session)
}

/// Reads to the end; what was said at the end, and how many bytes of text before it.
async fn closed_with(ws: &mut WebSocket<DuplexStream>) -> (CloseCode, String, usize) {
    let mut len = 0;
    while let Some(message) = ws.next().await.unwrap() {
        len += message.len();
    }
    let outcome = ws.close_info().unwrap();
    (outcome.code(), outcome.reason().to_owned(), len)
}

#[tokio::test(start_paused = true)]
async fn who_reads_too_slowly_is_closed_with_1013_and_holds_up_nobody() {
    let queued_len_max = 8 << 10;
    let room = room(ChatLimits { queued_len_max, ..ChatLimits::default() });
    let (mut slow, session) = bare(&room).await;
    let (mut fast, _fast) = bare(&room).await;
    let said = "x".repeat(500);
    for _ in 0..40 {
        fast.send(&*said).await.unwrap();
        let heard = fast.next().await.unwrap();
        assert_eq!(heard, Some(Message::from(format!("User: {said}"))));
    }
    let (code, reason, len) = closed_with(&mut slow).await;
    assert_eq!((code, &*reason), (CloseCode::TRY_AGAIN_LATER, "reads too slowly"));
    // What the pipe held, what was queued up to the bound, and the message that went beyond it.
    assert!(len <= PIPE_LEN + queued_len_max + 2 * said.len(), "{len} bytes");
    assert!(len >= queued_len_max, "{len} bytes are fewer than it may be behind");
    session.await.unwrap().0.unwrap();
}

/// Such a one does not even take its Close. It is given up when the library's deadline passes.
#[tokio::test(start_paused = true)]
async fn who_never_reads_is_gone_in_the_end() {
    let room = room(ChatLimits { queued_len_max: 8 << 10, ..ChatLimits::default() });
    let (slow, session) = bare(&room).await;
    let (mut fast, _fast) = bare(&room).await;
    let said = "x".repeat(500);
    for _ in 0..40 {
        fast.send(&*said).await.unwrap();
        fast.next().await.unwrap();
    }
    let began = Instant::now();
    let (result, outcome) = session.await.unwrap();
    assert!(result.is_err(), "its end was in order: {result:?}");
    assert_eq!(outcome.unwrap().sent.unwrap().code(), CloseCode::TRY_AGAIN_LATER);
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
    drop(slow);
}

#[tokio::test(start_paused = true)]
async fn who_sends_too_fast_is_read_more_slowly_and_loses_nothing() {
    let pace = ChatLimits { bytes_per_second: 1000, burst_len: 1000, ..ChatLimits::default() };
    let (ws, _session) = client(&room(pace), &[]).await;
    let (mut receiver, sender) = ws.split();
    let began = Instant::now();
    let sending = tokio::spawn(async move {
        for number in 0..10 {
            // Each costs what flows in within one second.
            sender.send(format!("{number:0744}")).await.unwrap();
        }
        sender
    });
    for number in 0..10 {
        let heard = receiver.next().await.unwrap();
        assert_eq!(heard, Some(Message::from(format!("User: {number:0744}"))));
    }
    let took = began.elapsed();
    // The first is the burst; the second overdraws, and those after it wait.
    assert!((8000..8100).contains(&took.as_millis()), "{took:?}");
    drop(sending.await);
}

#[tokio::test(start_paused = true)]
async fn the_room_has_an_end() {
    let room = room(ChatLimits { member_count_max: 2, ..ChatLimits::default() });
    let (first, session) = bare(&room).await;
    assert!(!room.is_full());
    let (_second, _) = bare(&room).await;
    assert!(room.is_full());
    let (mut third, _) = client(&room, &[]).await;
    let (code, reason, _) = closed_with(&mut third).await;
    assert_eq!((code, &*reason), (CloseCode::TRY_AGAIN_LATER, "the room is full"));
    drop(first);
    session.await.unwrap().0.unwrap();
    bare(&room).await;
}

#[tokio::test(start_paused = true)]
async fn a_name_is_told_in_time() {
    let room = room(ChatLimits::default());
    let (mut ws, _session) = client(&room, &[SUBPROTOCOL]).await;
    let began = Instant::now();
    let (code, reason, _) = closed_with(&mut ws).await;
    assert_eq!((code, &*reason), (CloseCode::POLICY_VIOLATION, "no name was told in time"));
    assert_eq!(began.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_closed_room_sends_everybody_away_and_lets_nobody_in() {
    let room = room(ChatLimits::default());
    let (mut inside, _session) = bare(&room).await;
    room.close();
    let (mut late, _late) = client(&room, &[]).await;
    for ws in [&mut inside, &mut late] {
        let (code, reason, _) = closed_with(ws).await;
        assert_eq!((code, &*reason), (CloseCode::GOING_AWAY, "the server stops"));
    }
}

/// Four speak at once.
#[tokio::test(start_paused = true)]
async fn everybody_hears_everything_in_one_order() {
    let room = room(ChatLimits::default());
    let mut clients = Vec::new();
    for _ in 0..4 {
        clients.push(bare(&room).await.0);
    }
    let listening: Vec<_> = clients
        .into_iter()
        .enumerate()
        .map(|(speaker, ws)| {
            let (mut receiver, sender) = ws.split();
            tokio::spawn(async move {
                for number in 0..20 {
                    sender.send(format!("{speaker} {number}")).await.unwrap();
                }
                let mut heard = Vec::new();
                while heard.len() < 4 * 20 {
                    let said = receiver.next().await.unwrap().unwrap();
                    if said != Message::from("User: here") {
                        heard.push(said);
                    }
                }
                (heard, sender) // which would close, and the room would hear of it
            })
        })
        .collect();
    let mut logs = Vec::new();
    for client in listening {
        logs.push(client.await.unwrap());
    }
    for (heard, _) in &logs {
        assert_eq!(heard, &logs[0].0);
    }
    for speaker in 0..4 {
        let start = format!("User: {speaker} ");
        let spoken = |said: &&Message| said.as_text().is_some_and(|text| text.starts_with(&start));
        let own: Vec<_> = logs[0].0.iter().filter(spoken).collect();
        let wanted: Vec<_> = (0..20).map(|n| Message::from(format!("{start}{n}"))).collect();
        assert_eq!(own, wanted.iter().collect::<Vec<_>>());
    }
}
