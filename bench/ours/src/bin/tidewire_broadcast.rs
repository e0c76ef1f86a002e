//! A broadcast on tidewire, as its `chat` example has it: a message is framed once, and queued on
//! every connection.
#![forbid(unsafe_code)]

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use tidewire::{
    Error, Message, Outgoing, Pending, Prepared, Sender, Server, proto::handshake::OriginPolicy,
};

/// Who is in the room.
#[derive(Clone, Default)]
struct Room(Arc<Mutex<HashMap<SocketAddr, Sender>>>);

impl Room {
    fn with<T>(&self, f: impl FnOnce(&mut HashMap<SocketAddr, Sender>) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn say(&self, message: Message) {
        let message = Prepared::new(Outgoing::from(message));
        self.with(|guests| guests.retain(|_, guest| guest.try_send(message.clone()).is_ok()));
    }
}

fn main() -> io::Result<()> {
    let addr = std::env::args().nth(1).ok_or_else(|| io::Error::other("which address?"))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = Server::new().origins(OriginPolicy::Any).listen(addr).await?;
        let room = Room::default();
        loop {
            let pending = listener.accept().await?;
            tokio::spawn(tokio::task::unconstrained(visit(pending, room.clone())));
        }
    })
}

async fn visit(pending: Pending, room: Room) -> Result<(), Error> {
    let name = pending.peer_addr();
    let (mut receiver, sender) = pending.upgrade().await?.split();
    room.with(|guests| guests.insert(name, sender));
    let outcome = loop {
        match receiver.next().await {
            Ok(Some(message)) => room.say(message),
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    room.with(|guests| guests.remove(&name));
    outcome
}
