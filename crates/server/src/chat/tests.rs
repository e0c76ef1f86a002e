//! The room's bounds, on an engine and over TCP. What it does within them is tested from outside, on
//! the built program.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use tidewire::{Client, CloseCode, Message, WebSocket, proto::handshake::Accept};
use tidewire_engine::{Door, Engine, Io, Settings};
use tokio::{
    net::{TcpSocket, TcpStream},
    sync::oneshot,
    time::timeout,
};

use super::{Chat, ChatLimits, Command, Guest, SUBPROTOCOL};

/// Whatever is waited for comes much sooner, or never.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the kernel is asked to hold for each end of a connection.
const SOCKET_LEN: u32 = 4 << 10;

/// And what it holds at most, in both ends: it counts otherwise than we do.
const HELD_LEN_MAX: usize = 32 << 10;

/// A room with an address.
struct House {
    engine: Engine<Chat>,
    address: SocketAddr,
}

fn house(limits: ChatLimits) -> House {
    house_with(limits, |_| {})
}

fn house_with(limits: ChatLimits, change: impl FnOnce(&mut Settings)) -> House {
    let mut settings = Chat::settings(&limits, Io::Auto);
    change(&mut settings);
    let chat = move |_| Chat::new(limits.clone(), "epoch".to_owned());
    let engine = Engine::start(settings, chat).unwrap();
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_send_buffer_size(SOCKET_LEN).unwrap(); // those that are accepted inherit it
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let listener = socket.listen(64).unwrap().into_std().unwrap();
    let address = listener.local_addr().unwrap();
    let door = Door::deciding(move |request| {
        let subprotocol = request.choose_subprotocol([SUBPROTOCOL]);
        let accept = subprotocol.map_or_else(Accept::new, |name| Accept::new().subprotocol(name));
        let subprotocol = subprotocol.map(Into::into);
        Ok((accept, Guest { peer: address, origin: None, subprotocol }))
    });
    engine.listen(listener, door).unwrap();
    House { engine, address }
}

impl House {
    async fn client(&self, subprotocols: &[&str]) -> WebSocket<TcpStream> {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(SOCKET_LEN).unwrap();
        let io = socket.connect(self.address).await.unwrap();
        io.set_nodelay(true).unwrap();
        let client = Client::new().subprotocols(subprotocols.iter().copied());
        client.handshake(io, &format!("ws://{}/", self.address)).await.unwrap()
    }

    /// A bare client that is in the room: it has heard itself.
    async fn bare(&self) -> WebSocket<TcpStream> {
        let mut ws = self.client(&[]).await;
        ws.send("here").await.unwrap();
        assert_eq!(heard(&mut ws).await, "User: here");
        ws
    }

    /// A named client that has been welcomed.
    async fn named(&self, name: &str) -> WebSocket<TcpStream> {
        let mut ws = self.client(&[SUBPROTOCOL]).await;
        ws.send(format!(r#"{{"type":"join","name":"{name}"}}"#)).await.unwrap();
        let welcome = heard(&mut ws).await;
        assert!(welcome.starts_with(r#"{"type":"welcome""#), "{welcome}");
        ws
    }

    /// Closes the room, and comes back when that is done.
    async fn close(&self) {
        let (done, closed) = oneshot::channel();
        assert!(self.engine.remote().tell(0, Command::Close(done)).is_ok());
        soon(closed).await.unwrap();
    }
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(PATIENCE, what).await.expect("took too long")
}

/// The next message, as text.
async fn heard(ws: &mut WebSocket<TcpStream>) -> String {
    let message = soon(ws.next()).await.unwrap().expect("a message");
    message.as_text().expect("text").to_owned()
}

/// Says so many KiB, and hears them: for those who hear it too and do not read. What else it heard.
async fn talk(ws: &mut WebSocket<TcpStream>, count: usize) -> Vec<String> {
    let said = format!(r#"{{"type":"say","text":"{}"}}"#, "x".repeat(1 << 10));
    let mut else_heard = Vec::new();
    for _ in 0..count {
        ws.send(&*said).await.unwrap();
        loop {
            match heard(ws).await {
                event if event.contains("xxxx") => break,
                event => else_heard.push(event),
            }
        }
    }
    else_heard
}

/// Reads to the end; what was said at the end, and how many bytes of text before it.
async fn closed_with(ws: &mut WebSocket<TcpStream>) -> (CloseCode, String, usize) {
    let mut len = 0;
    while let Some(message) = soon(ws.next()).await.unwrap() {
        len += message.len();
    }
    let outcome = ws.close_info().unwrap();
    (outcome.code(), outcome.reason().to_owned(), len)
}

#[tokio::test]
async fn who_reads_too_slowly_is_closed_with_1013_and_holds_up_nobody() {
    let queued_len_max = 16 << 10;
    let limits = ChatLimits { queued_len_max, ..ChatLimits::default() };
    let house = house_with(limits, |settings| settings.config.timeouts.close = PATIENCE);
    let mut slow = house.bare().await;
    let mut fast = house.named("Ada").await;
    talk(&mut fast, 100).await;
    let (code, reason, len) = closed_with(&mut slow).await;
    assert_eq!((code, &*reason), (CloseCode::TRY_AGAIN_LATER, "reads too slowly"));
    // What the kernel held, and what was queued up to the bound.
    assert!(len <= HELD_LEN_MAX + queued_len_max, "{len} bytes");
    assert!(len >= queued_len_max, "{len} bytes are fewer than it may be behind");
}

/// Such a one does not even take its Close. It is given up when the engine's deadline passes.
#[tokio::test]
async fn who_never_reads_is_gone_in_the_end() {
    let limits = ChatLimits { queued_len_max: 16 << 10, ..ChatLimits::default() };
    let close_within = Duration::from_millis(100);
    let house = house_with(limits, |settings| settings.config.timeouts.close = close_within);
    let mut slow = house.bare().await;
    let mut fast = house.named("Ada").await;
    let mut else_heard = talk(&mut fast, 100).await;
    if else_heard.is_empty() {
        else_heard.push(heard(&mut fast).await);
    }
    assert_eq!(else_heard, [r#"{"type":"left","who":{"id":1,"name":"User"}}"#]);
    let end = soon(async {
        while slow.next().await?.is_some() {}
        Ok::<_, tidewire::Error>(())
    });
    assert!(end.await.is_err(), "its end was in order");
}

#[tokio::test]
async fn who_sends_too_fast_is_read_more_slowly_and_loses_nothing() {
    let pace = ChatLimits { bytes_per_second: 10_000, burst_len: 1000, ..ChatLimits::default() };
    let house = house(pace);
    let (mut receiver, sender) = house.client(&[]).await.split();
    let began = Instant::now();
    let sending = tokio::spawn(async move {
        for number in 0..10 {
            // Each costs what flows in within a tenth of a second.
            sender.send(format!("{number:0744}")).await.unwrap();
        }
        sender
    });
    for number in 0..10 {
        let heard = soon(receiver.next()).await.unwrap();
        assert_eq!(heard, Some(Message::from(format!("User: {number:0744}"))));
    }
    // The first is the burst; the second overdraws, and those after it wait.
    assert!(began.elapsed() >= Duration::from_millis(800), "{:?}", began.elapsed());
    drop(sending.await);
}

#[tokio::test]
async fn the_room_has_an_end() {
    let house = house(ChatLimits { member_count_max: 2, ..ChatLimits::default() });
    let first = house.bare().await;
    let mut second = house.named("Ada").await;
    let mut third = house.client(&[]).await;
    let (code, reason, _) = closed_with(&mut third).await;
    assert_eq!((code, &*reason), (CloseCode::TRY_AGAIN_LATER, "the room is full"));
    drop(first);
    assert_eq!(heard(&mut second).await, r#"{"type":"left","who":{"id":1,"name":"User"}}"#);
    house.bare().await;
}

#[tokio::test]
async fn a_name_is_told_in_time() {
    let join_within = Duration::from_secs(1);
    let house = house(ChatLimits { join_within, ..ChatLimits::default() });
    let began = Instant::now();
    let mut told = house.named("Ada").await;
    let mut silent = house.client(&[SUBPROTOCOL]).await;
    let (code, reason, _) = closed_with(&mut silent).await;
    assert_eq!((code, &*reason), (CloseCode::POLICY_VIOLATION, "no name was told in time"));
    assert!(began.elapsed() >= join_within, "{:?}", began.elapsed());
    // Who has told its name may be silent from then on.
    talk(&mut told, 1).await;
}

#[tokio::test]
async fn a_closed_room_sends_everybody_away_and_lets_nobody_in() {
    let house = house(ChatLimits::default());
    let mut inside = house.bare().await;
    house.close().await;
    let mut late = house.client(&[]).await;
    for ws in [&mut inside, &mut late] {
        let (code, reason, _) = closed_with(ws).await;
        assert_eq!((code, &*reason), (CloseCode::GOING_AWAY, "the server stops"));
    }
}

/// JSON has six bytes for what a bare client sends as one.
#[tokio::test]
async fn a_welcome_fits_whatever_was_said() {
    let house = house(ChatLimits::default());
    let mut bare = house.bare().await;
    for _ in 0..5 {
        let said = "\u{1}".repeat(10_000);
        bare.send(&*said).await.unwrap();
        assert_eq!(heard(&mut bare).await, format!("User: {said}"));
    }
    house.named("Ada").await;
}

/// What a client sends after a message that does not belong here is not heard.
#[tokio::test]
async fn who_is_sent_away_is_not_heard_any_more() {
    let house = house(ChatLimits::default());
    let mut other = house.bare().await;
    let (mut receiver, sender) = house.client(&[]).await.split();
    sender.send(vec![0]).await.unwrap();
    sender.send("too late").await.unwrap();
    while let Ok(Some(_)) = soon(receiver.next()).await {}
    assert_eq!(sender.close_info().unwrap().code(), CloseCode::UNSUPPORTED_DATA);
    other.send("next").await.unwrap();
    assert_eq!(heard(&mut other).await, "User: next");
}

/// Four speak at once.
#[tokio::test]
async fn everybody_hears_everything_in_one_order() {
    let house = house(ChatLimits::default());
    let mut clients = Vec::new();
    for _ in 0..4 {
        clients.push(house.bare().await);
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
                    let said = soon(receiver.next()).await.unwrap().unwrap();
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
