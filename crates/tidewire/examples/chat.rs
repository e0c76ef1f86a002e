//! A chat room: what one says, all get.
//!
//! ```text
//! cargo run -p tidewire --example chat -- 127.0.0.1:8080
//! ```
//!
//! A message is framed once, however many receive it, and who does not read is let go: a room must
//! not wait for one of its guests.

#![expect(clippy::print_stdout, reason = "it is a program")]

use std::{
    collections::HashMap,
    error::Error,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use tidewire::{
    CloseCode, Message, Pending, Prepared, Sender, Server, proto::handshake::OriginPolicy,
};

/// Who is in the room.
#[derive(Clone, Default)]
struct Room(Arc<Mutex<HashMap<SocketAddr, Sender>>>);

impl Room {
    fn with<T>(&self, f: impl FnOnce(&mut HashMap<SocketAddr, Sender>) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn say(&self, text: &str) {
        let message = Prepared::new(text);
        self.with(|guests| guests.retain(|_, guest| guest.try_send(message.clone()).is_ok()));
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).ok_or("usage: chat ADDRESS, e.g. chat 127.0.0.1:8080")?;
    // Anybody's page may join: there is nothing to be won by another's cookies.
    let listener = Server::new().origins(OriginPolicy::Any).listen(&*address).await?;
    println!("ws://{}", listener.local_addr()?);
    let room = Room::default();
    loop {
        let pending = listener.accept().await?;
        tokio::spawn(visit(pending, room.clone()));
    }
}

async fn visit(pending: Pending, room: Room) {
    let name = pending.peer_addr();
    let (mut receiver, sender) = match pending.upgrade().await {
        Ok(ws) => ws.split(),
        Err(error) => return eprintln!("{name}: {error}"),
    };
    room.with(|guests| guests.insert(name, sender));
    room.say(&format!("{name} is here"));
    let end = loop {
        match receiver.next().await {
            Ok(Some(Message::Text(text))) => room.say(&format!("{name}: {text}")),
            Ok(Some(Message::Binary(_))) => {
                if let Some(guest) = room.with(|guests| guests.remove(&name)) {
                    // It is told why; whether it listens is its own affair.
                    let _ = guest.close(CloseCode::UNSUPPORTED_DATA, "text only");
                }
            }
            Ok(None) => break "has left".to_owned(),
            Err(error) => break format!("is lost: {error}"),
        }
    };
    room.with(|guests| guests.remove(&name));
    room.say(&format!("{name} {end}"));
}
