//! [`Room`]: who is there, and what reaches whom.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use bytestring::ByteString;
use tidewire::{CloseCode, Outgoing, Prepared, Sender, TrySendError};

use super::{
    history::History,
    limits::ChatLimits,
    name::{self, Name, NameError},
    session::Dialect,
    wire::{Event, Said, Who},
};

/// A chat room. What is said while somebody else speaks waits for the lock, so that everybody
/// receives everything in one order.
#[derive(Debug)]
pub struct Room {
    limits: ChatLimits,
    /// This incarnation of the room: offsets begin anew in the next.
    epoch: String,
    state: Mutex<State>,
}

/// Ordered by id: what a member receives does not depend on the order in a hash map.
#[derive(Debug, Default)]
struct State {
    members: BTreeMap<u64, Member>,
    last_id: u64,
    history: History,
    /// Nobody enters any more.
    closing: bool,
}

#[derive(Debug)]
struct Member {
    sender: Sender,
    voice: Voice,
}

/// What a member hears, and by which name it is heard.
#[derive(Debug)]
enum Voice {
    Bare(Who),
    /// A named client before it has told its name: it hears nothing yet.
    Nameless,
    Named(Who),
}

/// Why nobody enters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoEntry {
    Full,
    Closing,
}

impl Room {
    /// An empty room. The `epoch` tells it from the ones before it.
    pub fn new(limits: ChatLimits, epoch: String) -> Self {
        Self { limits, epoch, state: Mutex::default() }
    }

    pub(crate) const fn limits(&self) -> &ChatLimits {
        &self.limits
    }

    /// Whether there is room for one more.
    pub(crate) fn is_full(&self) -> bool {
        self.state().members.len() >= self.limits.member_count_max
    }

    /// Adds a client; a bare one hears from now on what is said.
    pub(crate) fn enter(&self, sender: Sender, dialect: Dialect) -> Result<u64, NoEntry> {
        let mut state = self.state();
        if state.closing {
            return Err(NoEntry::Closing);
        }
        if state.members.len() >= self.limits.member_count_max {
            return Err(NoEntry::Full);
        }
        state.last_id += 1;
        let id = state.last_id;
        let voice = match dialect {
            Dialect::Named => Voice::Nameless,
            Dialect::Bare => {
                let who = Who { id, name: ByteString::from_static(name::BARE) };
                self.tell_named(&state, &Event::Joined { who: &who }, id);
                Voice::Bare(who)
            }
        };
        state.members.insert(id, Member { sender, voice });
        Ok(id)
    }

    /// Gives a named client its name, or another one.
    pub(crate) fn join(&self, id: u64, name: &str) -> Result<(), NameError> {
        let name = Name::new(name, self.limits.name_len_max)?;
        let mut state = self.state();
        let name = name.made_unique(|name| {
            let mut others = state.members.iter().filter(|(other, _)| **other != id);
            others.any(|(_, member)| member.who().is_some_and(|who| is_alike(&who.name, name)))
        });
        let who = Who { id, name: name.as_str().into() };
        let Some(member) = state.members.get_mut(&id) else { return Ok(()) };
        match std::mem::replace(&mut member.voice, Voice::Named(who.clone())) {
            Voice::Named(before) if before == who => {}
            Voice::Named(before) => {
                let event = Event::Renamed { who: &who, before: &before.name };
                self.tell_named(&state, &event, 0);
            }
            Voice::Bare(_) | Voice::Nameless => {
                self.welcome(&state, &who);
                self.tell_named(&state, &Event::Joined { who: &who }, id);
            }
        }
        Ok(())
    }

    /// Tells everybody, the speaker included; `at` is the time for [`Said`]. Who has no name is not heard: `false`.
    pub(crate) fn say(&self, id: u64, at: u64, text: ByteString) -> bool {
        let mut state = self.state();
        let Some(who) = state.members.get(&id).and_then(Member::who).cloned() else { return false };
        // Each is encoded once, and compressed once, however many receive it.
        let bare = Prepared::new(&*format!("{}: {text}", who.name)).compressed();
        let said = Said { offset: state.history.next_offset(), at, who, text };
        let named = prepared(&Event::Said(&said));
        for member in state.members.values() {
            match member.voice {
                Voice::Bare(_) => self.send(member, &bare),
                Voice::Named(_) => self.send(member, &named),
                Voice::Nameless => {}
            }
        }
        state.history.push(said, &self.limits);
        true
    }

    /// Takes a client out again.
    pub(crate) fn leave(&self, id: u64) {
        let mut state = self.state();
        if let Some(Member { voice: Voice::Bare(who) | Voice::Named(who), .. }) =
            state.members.remove(&id)
        {
            self.tell_named(&state, &Event::Left { who: &who }, id);
        }
    }

    /// Closes every connection with 1001, and lets nobody in any more.
    pub fn close(&self) {
        let mut state = self.state();
        state.closing = true;
        for member in state.members.values() {
            close(&member.sender, CloseCode::GOING_AWAY, "the server stops");
        }
    }

    fn welcome(&self, state: &State, you: &Who) {
        let event = Event::Welcome {
            epoch: &self.epoch,
            you,
            people: state.members.values().filter_map(Member::who).collect(),
            recent: state.history.iter().collect(),
        };
        if let Some(member) = state.members.get(&you.id) {
            self.send(member, event.to_json());
        }
    }

    /// Tells those who have names, except one.
    fn tell_named(&self, state: &State, event: &Event<'_>, except: u64) {
        let event = prepared(event);
        for (id, member) in &state.members {
            if *id != except && matches!(member.voice, Voice::Named(_)) {
                self.send(member, &event);
            }
        }
    }

    /// Queues a message, or closes a connection that does not take what is queued already. Its
    /// session notices the end.
    fn send(&self, member: &Member, message: impl Into<Outgoing<'static>>) {
        let sender = &member.sender;
        let sent = if sender.buffered() > self.limits.queued_len_max {
            Err(TrySendError::Full(message))
        } else {
            sender.try_send(message)
        };
        match sent {
            Ok(()) | Err(TrySendError::Closed(..)) => {}
            Err(_) => close(sender, CloseCode::TRY_AGAIN_LATER, "reads too slowly"),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic inside is a bug of ours; each change of the state is whole by itself.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Member {
    const fn who(&self) -> Option<&Who> {
        match &self.voice {
            Voice::Bare(who) | Voice::Named(who) => Some(who),
            Voice::Nameless => None,
        }
    }
}

/// Closes, where that has not been done already.
pub(crate) fn close(sender: &Sender, code: CloseCode, reason: &str) {
    if let Err(error) = sender.close(code, reason) {
        tracing::debug!("closes already: {error}");
    }
}

fn prepared(event: &Event<'_>) -> Prepared {
    Prepared::new(&*event.to_json()).compressed()
}

fn is_alike(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

impl NoEntry {
    /// Both may pass; who comes later may find it otherwise.
    pub(crate) const fn close_code(self) -> CloseCode {
        match self {
            Self::Full => CloseCode::TRY_AGAIN_LATER,
            Self::Closing => CloseCode::GOING_AWAY,
        }
    }
}

impl fmt::Display for NoEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "the room is full",
            Self::Closing => "the server stops",
        })
    }
}
