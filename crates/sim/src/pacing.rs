//! Commands that are too many, and commands that are refused: nothing comes of them.

use tidewire_hub::{
    Command, CommandId, Disconnect, Error, Rate,
    broker::{Ask, Draft},
};

use crate::{
    fault::Fault,
    invariant::{Checked, Invariant, hold},
    terrain::name,
    tokens::Tokens,
    truth::serial_in,
    world::World,
};

/// So many commands a second, and so many at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CommandRate {
    pub(crate) count: u32,
    pub(crate) burst: u32,
}

impl CommandRate {
    /// As the hub has it.
    pub(crate) const fn rate(self) -> Rate {
        Rate::per_second(self.count, self.burst)
    }
}

/// How many more commands a session may give. The hub counts moments up to which is paid; this counts
/// what is left, in thousandths, and has to come to the same.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Bucket {
    spent: u64,
    at: u64,
}

const ONE: u64 = 1_000;

impl Bucket {
    /// One more; or not.
    fn take(&mut self, now: u64, rate: CommandRate) -> bool {
        let refilled = (now - self.at) * u64::from(rate.count);
        (self.spent, self.at) = (self.spent.saturating_sub(refilled), now);
        let is_left = self.spent + ONE <= u64::from(rate.burst) * ONE;
        self.spent += if is_left { ONE } else { 0 };
        is_left
    }
}

impl World {
    /// A session's command comes to its shard, and whatever has to come of it does.
    pub(crate) fn obey(&mut self, id: usize, command_id: CommandId, command: Command) -> Checked {
        let Some(transport) = self.transports.get_mut(&id) else { return Ok(()) };
        let (shard, key, is_heard) = (transport.shard, transport.key, !transport.ended);
        let rate = self.terrain.command_rate.filter(|_| is_heard);
        let is_over = rate.is_some_and(|rate| !transport.bucket.take(self.now, rate));
        let may_be_refused = !self.is_quiet && command_id.0 != 0 && is_heard && !is_over;
        let is_refused =
            may_be_refused && !matches!(command, Command::Connect(_)) && self.random.one_in(30);
        if let Some(transport) = self.transports.get_mut(&id).filter(|_| is_refused) {
            transport.refused.insert(command_id.0);
        }
        if is_over || is_refused {
            self.nothing_may_come_of(&command);
        }
        self.note(|| {
            let what = if is_refused { "is refused" } else { "asks" };
            format!("session {id} {what} {command_id:?} {command:?}")
        });
        let mut tokens = Tokens { now: self.now };
        self.call(shard, |node, now| {
            let (shard, outside) = node.parts();
            if is_refused {
                shard.refuse(now, key, command_id, &command, Error::TooManyRequests, outside);
            } else {
                shard.command(now, key, command_id, command, &mut tokens, outside);
            }
        })?;
        let Some(transport) = self.transports.get(&id).filter(|_| is_heard) else { return Ok(()) };
        let is_ended = transport.why == Some(Disconnect::TooManyRequests);
        hold(Invariant::RateIsKept, is_over == is_ended, || {
            format!("session {id} is over its rate: {is_over}, and ended: {:?}", transport.why)
        })
    }

    /// What is refused is not published, ever.
    fn nothing_may_come_of(&mut self, command: &Command) {
        let Command::Publish(publish) = command else { return };
        let Some(serial) = serial_in(&publish.data) else { return };
        self.truth.refuse(serial);
        if self.fault == Some(Fault::CarryOutRefused) {
            let channel = name(&publish.channel);
            let retention = self.retention(&channel);
            let draft = Draft {
                data: publish.data.clone(),
                publisher: None,
                tags: Box::default(),
                key: None,
                retention,
                idempotency_key: None,
                version: None,
            };
            self.ask_by_api(channel, Ask::Publish(Box::new(draft)));
        }
    }
}
