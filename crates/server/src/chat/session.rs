//! One client in the room, from its `101` to its end.

use std::time::SystemTime;

use bytestring::ByteString;
use tidewire::{CloseCode, Error, Message, Outcome, Receiver, Sender, Stream, WebSocket};
use tokio::time::{Instant, sleep, timeout};

use super::{
    pace::Pace,
    room::{Room, close},
    wire::{Request, SUBPROTOCOL},
};

/// What a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Text, and nothing around it.
    Bare,
    /// [`wire`](super::wire).
    Named,
}

/// A message that does not belong here, with the code and reason of the Close.
type Refusal = (CloseCode, String);

/// Lets a client take part until its connection has ended. Tells how, and what the Close frames
/// said; for the log.
pub(crate) async fn run<S: Stream>(
    ws: WebSocket<S>,
    room: &Room,
) -> (Result<(), Error>, Option<Outcome>) {
    let dialect = match ws.subprotocol() {
        Some(SUBPROTOCOL) => Dialect::Named,
        _ => Dialect::Bare,
    };
    let (mut receiver, sender) = ws.split();
    let result = take_part(&mut receiver, &sender, dialect, room).await;
    (result, sender.close_info())
}

async fn take_part(
    receiver: &mut Receiver,
    sender: &Sender,
    dialect: Dialect,
    room: &Room,
) -> Result<(), Error> {
    let id = match room.enter(sender.clone(), dialect) {
        Ok(id) => id,
        Err(no) => {
            close(sender, no.close_code(), &no.to_string());
            return drain(receiver).await;
        }
    };
    let mut session = Session { id, dialect, room, pace: Pace::new(room.limits()) };
    let ended = session.converse(receiver, sender).await;
    room.leave(id);
    match ended? {
        None => Ok(()),
        Some((code, reason)) => {
            close(sender, code, &reason);
            drain(receiver).await
        }
    }
}

/// Waits for the end. It comes: the library keeps the deadline of the closing handshake.
async fn drain(receiver: &mut Receiver) -> Result<(), Error> {
    while receiver.next().await?.is_some() {}
    Ok(())
}

struct Session<'r> {
    id: u64,
    dialect: Dialect,
    room: &'r Room,
    pace: Pace,
}

impl Session<'_> {
    /// Until the connection ends, or the client is refused.
    async fn converse(
        &mut self,
        receiver: &mut Receiver,
        sender: &Sender,
    ) -> Result<Option<Refusal>, Error> {
        if self.dialect == Dialect::Named {
            let within = self.room.limits().join_within;
            let Ok(first) = timeout(within, receiver.next()).await else {
                return Ok(Some(refusal("no name was told in time")));
            };
            match first? {
                None => return Ok(None),
                Some(message) => {
                    if let Err(refusal) = self.hear(&message) {
                        return Ok(Some(refusal));
                    }
                }
            }
        }
        let mut before = Instant::now();
        while let Some(message) = receiver.next().await? {
            if sender.ready_state() != tidewire::ReadyState::Open {
                continue; // it is being closed: what still arrives is not heard
            }
            let now = Instant::now();
            let pause = self.pace.take(message.len(), now - before);
            before = now;
            if let Err(refusal) = self.hear(&message) {
                return Ok(Some(refusal));
            }
            // While this sleeps nothing is read, and the client has to wait.
            sleep(pause).await;
        }
        Ok(None)
    }

    fn hear(&self, message: &Message) -> Result<(), Refusal> {
        let Message::Text(text) = message else {
            return Err((CloseCode::UNSUPPORTED_DATA, "this room takes text alone".to_owned()));
        };
        match self.dialect {
            Dialect::Bare => self.say(text.clone()),
            Dialect::Named => match Request::from_json(text) {
                Ok(Request::Say { text }) => self.say(text.into()),
                Ok(Request::Join { name }) => {
                    self.room.join(self.id, &name).map_err(|error| refusal(&error.to_string()))
                }
                Err(_) => Err(refusal("not a message of tidewire.chat.v1")),
            },
        }
    }

    fn say(&self, text: ByteString) -> Result<(), Refusal> {
        if self.room.say(self.id, now(), text) {
            Ok(())
        } else {
            Err(refusal("the first message tells a name"))
        }
    }
}

/// Milliseconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn refusal(reason: &str) -> Refusal {
    (CloseCode::POLICY_VIOLATION, reason.to_owned())
}
