//! [`Room`]: who is there, and what reaches whom.

use std::{collections::BTreeMap, fmt};

use bytestring::ByteString;
use tidewire_engine::{
    ConnectionId, Handler, Plane,
    proto::{CloseCode, Prepared},
};

use super::{
    handler::{Dialect, close},
    history::History,
    limits::ChatLimits,
    name::{self, Name, NameError},
    wire::{Event, Said, Who},
};

/// A chat room. It is owned by the thread that has all of its connections.
#[derive(Debug)]
pub(crate) struct Room {
    limits: ChatLimits,
    /// This incarnation of the room: offsets begin anew in the next.
    epoch: String,
    /// Ordered by id: what a member receives does not depend on the order in a hash map.
    members: BTreeMap<u64, Member>,
    last_id: u64,
    history: History,
    /// Nobody enters any more.
    closing: bool,
}

#[derive(Debug)]
struct Member {
    connection: ConnectionId,
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
    pub(crate) fn new(limits: ChatLimits, epoch: String) -> Self {
        Self {
            limits,
            epoch,
            members: BTreeMap::new(),
            last_id: 0,
            history: History::default(),
            closing: false,
        }
    }

    pub(crate) const fn limits(&self) -> &ChatLimits {
        &self.limits
    }

    /// Adds a client; a bare one hears from now on what is said.
    pub(crate) fn enter<H: Handler>(
        &mut self,
        plane: &mut Plane<H>,
        connection: ConnectionId,
        dialect: Dialect,
    ) -> Result<u64, NoEntry> {
        if self.closing {
            return Err(NoEntry::Closing);
        }
        if self.members.len() >= self.limits.member_count_max {
            return Err(NoEntry::Full);
        }
        self.last_id += 1;
        let id = self.last_id;
        let voice = match dialect {
            Dialect::Named => Voice::Nameless,
            Dialect::Bare => {
                let who = Who { id, name: ByteString::from_static(name::BARE) };
                self.tell_named(plane, &Event::Joined { who: &who }, id);
                Voice::Bare(who)
            }
        };
        self.members.insert(id, Member { connection, voice });
        Ok(id)
    }

    /// Gives a named client its name, or another one.
    pub(crate) fn join<H: Handler>(
        &mut self,
        plane: &mut Plane<H>,
        id: u64,
        name: &str,
    ) -> Result<(), NameError> {
        let name = Name::new(name, self.limits.name_len_max)?;
        let name = name.made_unique(|name| {
            let mut others = self.members.iter().filter(|(other, _)| **other != id);
            others.any(|(_, member)| member.who().is_some_and(|who| is_alike(&who.name, name)))
        });
        let who = Who { id, name: name.as_str().into() };
        let Some(member) = self.members.get_mut(&id) else { return Ok(()) };
        match std::mem::replace(&mut member.voice, Voice::Named(who.clone())) {
            Voice::Named(before) if before == who => {}
            Voice::Named(before) => {
                let event = Event::Renamed { who: &who, before: &before.name };
                self.tell_named(plane, &event, 0);
            }
            Voice::Bare(_) | Voice::Nameless => {
                self.welcome(plane, &who);
                self.tell_named(plane, &Event::Joined { who: &who }, id);
            }
        }
        Ok(())
    }

    /// Tells everybody, the speaker included; `at` is the time for [`Said`]. Who has no name is not
    /// heard: `false`.
    pub(crate) fn say<H: Handler>(
        &mut self,
        plane: &mut Plane<H>,
        id: u64,
        at: u64,
        text: ByteString,
    ) -> bool {
        let Some(who) = self.members.get(&id).and_then(Member::who).cloned() else { return false };
        // Each is encoded once, and compressed once, however many receive it.
        let bare = Prepared::new(&*format!("{}: {text}", who.name)).compressed();
        let said = Said { offset: self.history.next_offset(), at, who, text };
        let event = Event::Said(&said).to_json();
        let named = Prepared::new(&*event).compressed();
        let those_who = |hear: fn(&Voice) -> bool| {
            let members = self.members.values().filter(move |member| hear(&member.voice));
            members.map(|member| member.connection)
        };
        plane.queue_many(those_who(|voice| matches!(voice, Voice::Bare(_))), &bare);
        plane.queue_many(those_who(|voice| matches!(voice, Voice::Named(_))), &named);
        self.history.push(said, event.len(), &self.limits);
        true
    }

    /// Takes a client out again.
    pub(crate) fn leave<H: Handler>(&mut self, plane: &mut Plane<H>, id: u64) {
        if let Some(Member { voice: Voice::Bare(who) | Voice::Named(who), .. }) =
            self.members.remove(&id)
        {
            self.tell_named(plane, &Event::Left { who: &who }, id);
        }
    }

    /// Closes every connection with 1001, and lets nobody in any more.
    pub(crate) fn close<H: Handler>(&mut self, plane: &mut Plane<H>) {
        self.closing = true;
        for member in self.members.values() {
            close(plane, member.connection, CloseCode::GOING_AWAY, "the server stops");
        }
    }

    fn welcome<H: Handler>(&self, plane: &mut Plane<H>, you: &Who) {
        let event = Event::Welcome {
            epoch: &self.epoch,
            you,
            people: self.members.values().filter_map(Member::who).collect(),
            recent: self.history.iter().collect(),
        };
        if let Some(member) = self.members.get(&you.id) {
            // It closes already, or is closed by this because it does not read: then it leaves.
            let _ = plane.send(member.connection, event.to_json());
        }
    }

    /// Tells those who have names, except one.
    fn tell_named<H: Handler>(&self, plane: &mut Plane<H>, event: &Event<'_>, except: u64) {
        let named = self
            .members
            .iter()
            .filter(|(id, member)| **id != except && matches!(member.voice, Voice::Named(_)));
        plane.queue_many(named.map(|(_, member)| member.connection), &prepared(event));
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
