//! [`Chat`]: the room as the handler of an engine, each client from its `101` to its end.

use std::{collections::HashMap, net::SocketAddr, time::SystemTime};

use bytestring::ByteString;
use tidewire::Error;
use tidewire_engine::{
    Brim, ConnectionId, Handler, Io, Message, Plane, Settings,
    proto::{CloseCode, CloseFrame, Outcome, ReadyState, Timestamp},
};
use tokio::sync::oneshot;
use tracing::{debug, info, warn};

use super::{
    deadlines::{Deadlines, Due},
    limits::ChatLimits,
    pace::Pace,
    room::Room,
    wire::{Request, SUBPROTOCOL},
};

/// A chat room on an engine.
///
/// All of its connections live on one thread, which owns the room: it needs no lock, and everybody
/// receives everything in one order.
#[derive(Debug)]
pub(crate) struct Chat {
    room: Room,
    /// Looked up, and never walked over: its order means nothing.
    sessions: HashMap<ConnectionId, Session>,
    deadlines: Deadlines,
}

/// Who comes in, as the opening handshake has it.
#[derive(Debug)]
pub(crate) struct Guest {
    pub(crate) peer: SocketAddr,
    pub(crate) origin: Option<String>,
    pub(crate) subprotocol: Option<Box<str>>,
}

/// What the room is told from outside.
#[derive(Debug)]
pub(crate) enum Command {
    /// Close every connection with 1001 and let nobody in any more; tell when that is done.
    Close(oneshot::Sender<()>),
}

/// What a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Text, and nothing around it.
    Bare,
    /// [`wire`](super::wire).
    Named,
}

/// One connection, be it in the room or not any more.
#[derive(Debug)]
struct Session {
    peer: SocketAddr,
    dialect: Dialect,
    /// Who it is in the room, while it is there.
    member: Option<u64>,
    pace: Pace,
    heard_at: Timestamp,
}

/// A message that does not belong here, with the code and reason of the Close.
type Refusal = (CloseCode, String);

impl Chat {
    /// An empty room. The `epoch` tells it from the ones before it.
    pub(crate) fn new(limits: ChatLimits, epoch: String) -> Self {
        Self {
            room: Room::new(limits, epoch),
            sessions: HashMap::new(),
            deadlines: Deadlines::default(),
        }
    }

    /// The settings of an engine for a room with these limits.
    pub(crate) fn settings(limits: &ChatLimits, io: Io) -> Settings {
        let mut settings = Settings::default();
        settings.thread_count = 1; // the one that owns the room
        settings.io = io;
        settings.config.limits.message_len_max = limits.message_len_max;
        settings.queues.len_max = Some(limits.queued_len_max);
        if let Ok(frame) = CloseFrame::new(CloseCode::TRY_AGAIN_LATER, "reads too slowly") {
            settings.queues.brim = Brim::Close(frame);
        }
        settings
    }

    fn hear(
        &mut self,
        plane: &mut Plane<Self>,
        member: u64,
        dialect: Dialect,
        message: Message<'_>,
    ) -> Result<(), Refusal> {
        let Message::Text(text) = message else {
            return Err((CloseCode::UNSUPPORTED_DATA, "this room takes text alone".to_owned()));
        };
        match dialect {
            Dialect::Bare => self.say(plane, member, text.into()),
            Dialect::Named => match Request::from_json(text.as_str()) {
                Ok(Request::Say { text }) => self.say(plane, member, text.into()),
                Ok(Request::Join { name }) => {
                    self.room.join(plane, member, &name).map_err(|error| refusal(&error))
                }
                Err(_) => Err(refusal(&"not a message of tidewire.chat.v1")),
            },
        }
    }

    fn say(
        &mut self,
        plane: &mut Plane<Self>,
        member: u64,
        text: ByteString,
    ) -> Result<(), Refusal> {
        if self.room.say(plane, member, now(), text) {
            Ok(())
        } else {
            Err(refusal(&"the first message tells a name"))
        }
    }

    /// Sends a client away: it is out of the room at once, and its connection ends in order.
    fn send_away(&mut self, plane: &mut Plane<Self>, id: ConnectionId, (code, reason): Refusal) {
        if let Some(member) = self.sessions.get_mut(&id).and_then(|session| session.member.take()) {
            self.room.leave(plane, member);
        }
        close(plane, id, code, &reason);
    }

    fn set_deadline(&mut self, plane: &mut Plane<Self>, id: ConnectionId, at: Timestamp, due: Due) {
        self.deadlines.set(id, at, due);
        plane.wake_at(at);
    }
}

impl Handler for Chat {
    type Guest = Guest;
    type Command = Command;

    /// Offers of other subprotocols were left unanswered: such a client is a bare one.
    fn opened(&mut self, plane: &mut Plane<Self>, id: ConnectionId, guest: Guest) {
        let Guest { peer, origin, subprotocol } = guest;
        let subprotocol = subprotocol.as_deref();
        let dialect = match subprotocol {
            Some(SUBPROTOCOL) => Dialect::Named,
            _ => Dialect::Bare,
        };
        let origin = origin.as_deref().unwrap_or("none");
        info!(%peer, origin, subprotocol = subprotocol.unwrap_or("none"), "open");
        let pace = Pace::new(self.room.limits());
        let mut session = Session { peer, dialect, member: None, pace, heard_at: plane.now() };
        match self.room.enter(plane, id, dialect) {
            Ok(member) => {
                session.member = Some(member);
                if dialect == Dialect::Named {
                    let at = plane.now().saturating_add(self.room.limits().join_within);
                    self.set_deadline(plane, id, at, Due::Name);
                }
            }
            Err(no) => close(plane, id, no.close_code(), &no.to_string()),
        }
        self.sessions.insert(id, session);
    }

    fn message(&mut self, plane: &mut Plane<Self>, id: ConnectionId, message: Message<'_>) {
        if plane.ready_state(id) != Some(ReadyState::Open) {
            return; // it is being closed: what still arrives is not heard
        }
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let (Some(member), dialect) = (session.member, session.dialect) else { return };
        self.deadlines.forget(id);
        let since = plane.now().saturating_since(session.heard_at);
        let pause = session.pace.take(message.as_bytes().len(), since);
        session.heard_at = plane.now();
        match self.hear(plane, member, dialect, message) {
            Err(refusal) => self.send_away(plane, id, refusal),
            Ok(()) if pause.is_zero() => {}
            // Until then nothing is read, and the client has to wait.
            Ok(()) => {
                plane.pause_reading(id);
                self.set_deadline(plane, id, plane.now().saturating_add(pause), Due::Reading);
            }
        }
    }

    fn woken(&mut self, plane: &mut Plane<Self>) {
        while let Some((id, due)) = self.deadlines.take(plane.now()) {
            match due {
                Due::Name => self.send_away(plane, id, refusal(&"no name was told in time")),
                Due::Reading => plane.resume_reading(id),
            }
        }
        if let Some(at) = self.deadlines.next() {
            plane.wake_at(at);
        }
    }

    fn closed(&mut self, plane: &mut Plane<Self>, id: ConnectionId, outcome: &Outcome) {
        self.deadlines.forget(id);
        let Some(session) = self.sessions.remove(&id) else { return };
        if let Some(member) = session.member {
            self.room.leave(plane, member);
        }
        let peer = session.peer;
        if let Some(error) = error(outcome) {
            warn!(%peer, "error: {error}");
        }
        // Without a Close frame it ended as 1006 (RFC 6455 §7.1.5).
        let ours = outcome.sent.as_ref().map_or("", CloseFrame::reason);
        info!(%peer, code = outcome.code().get(), reason = outcome.reason(), ours, "close");
    }

    fn command(&mut self, plane: &mut Plane<Self>, command: Command) {
        match command {
            Command::Close(done) => {
                self.room.close(plane);
                // Nobody waits for it any more: then the time to stop is over.
                let _ = done.send(());
            }
        }
    }
}

/// Closes, where that has not been done already.
pub(crate) fn close<H: Handler>(
    plane: &mut Plane<H>,
    id: ConnectionId,
    code: CloseCode,
    reason: &str,
) {
    let frame = CloseFrame::new(code, reason).unwrap_or(CloseFrame::EMPTY);
    if let Err(error) = plane.close(id, frame) {
        debug!("closes already: {error}");
    }
}

/// What went wrong with a connection, if it did not end in order.
fn error(outcome: &Outcome) -> Option<Error> {
    match outcome.failure {
        Some(failure) => Some(failure.into()),
        None if outcome.was_clean() => None,
        None => Some(Error::Closed(Box::new(outcome.clone()))),
    }
}

/// Milliseconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn refusal(reason: &dyn std::fmt::Display) -> Refusal {
    (CloseCode::POLICY_VIOLATION, reason.to_string())
}
