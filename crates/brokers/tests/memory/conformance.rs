//! The suite, and that it can fail.

use std::time::Duration;

use tidewire_brokers::{
    ShardIndex,
    conformance::{Subject, broken},
    memory::Limits,
};
use tidewire_hub::{
    ChannelName,
    broker::{Answer, Ask, Event, Failure},
};

use crate::subject::Memory;

#[test]
fn memory_keeps_every_promise() {
    let verdicts = broken(&mut Memory::new(Limits::default()));
    assert!(verdicts.is_empty(), "{verdicts:#?}");
}

/// A broker with a fault: what it answers, and what it tells, goes through these.
struct Faulty {
    memory: Memory,
    ask: fn(&mut Ask),
    answer: fn(&Ask, &mut Result<Answer, Failure>),
    event: fn(Event) -> Option<Event>,
    /// None passes, for those who never forget.
    passes: bool,
}

impl Subject for Faulty {
    fn channel(&mut self, label: &str) -> ChannelName {
        self.memory.channel(label)
    }

    fn ask(
        &mut self,
        shard: ShardIndex,
        channel: &ChannelName,
        mut ask: Ask,
    ) -> Result<Answer, Failure> {
        (self.ask)(&mut ask);
        let mut answer = self.memory.ask(shard, channel, ask.clone());
        (self.answer)(&ask, &mut answer);
        answer
    }

    fn events(&mut self, shard: ShardIndex, channel: &ChannelName, count: usize) -> Vec<Event> {
        self.memory.events(shard, channel, count).into_iter().filter_map(self.event).collect()
    }

    fn pass(&mut self, time: Duration) {
        if self.passes {
            self.memory.pass(time);
        }
    }
}

fn faultless() -> Faulty {
    let memory = Memory::new(Limits::default());
    Faulty { memory, ask: |_| (), answer: |_, _| (), event: Some, passes: true }
}

type Fault = (&'static str, fn() -> Faulty);

/// Promises, each with a fault that breaks it.
const FAULTS: &[Fault] = &[
    ("an epoch always: it is told of a channel in which nothing ever happened", || Faulty {
        answer: |_, answer| {
            if let Ok(Answer::Subscribed { top }) = answer {
                top.epoch = tidewire_hub::Epoch::new("");
            }
        },
        ..faultless()
    }),
    ("all shards see its publications in one order", || Faulty {
        event: |event| match event {
            Event::Published { publication, .. } if publication.offset == 3 => None,
            other => Some(other),
        },
        ..faultless()
    }),
    ("offsets of a channel are contiguous within an epoch, from one on", || Faulty {
        answer: |_, answer| {
            if let Ok(Answer::Published { position: Some(position), .. }) = answer {
                position.offset *= 2;
            }
        },
        ..faultless()
    }),
    ("or says that it cannot, and where the stream is", || Faulty {
        answer: |_, answer| {
            if let Err(Failure::Unrecoverable { top }) = answer {
                *answer = Ok(Answer::History { publications: vec![], top: top.clone() });
            }
        },
        ..faultless()
    }),
    ("a position of another epoch is unrecoverable", || Faulty {
        ask: |ask| {
            if let Ask::Read(filter) = ask {
                filter.since = None;
            }
        },
        ..faultless()
    }),
    ("a limit gives the front, in the order that was asked for", || Faulty {
        ask: |ask| {
            if let Ask::Read(filter) = ask {
                filter.reverse = false;
            }
        },
        ..faultless()
    }),
    ("none is kept that is older", || Faulty { passes: false, ..faultless() }),
    ("when history is removed, the epoch and the offset go on", || Faulty {
        ask: |ask| {
            if *ask == Ask::RemoveHistory {
                *ask = Ask::Unsubscribe;
            }
        },
        ..faultless()
    }),
    ("under an idempotency key one publication is taken, and its position told", || Faulty {
        ask: |ask| {
            if let Ask::Publish(draft) = ask {
                draft.idempotency_key = None;
            }
        },
        ..faultless()
    }),
    ("a version that is not above the last one is not taken", || Faulty {
        ask: |ask| {
            if let Ask::Publish(draft) = ask {
                draft.version = None;
            }
        },
        ..faultless()
    }),
    ("who is there is told in order of arrival, from whichever shard it came", || Faulty {
        answer: |_, answer| {
            if let Ok(Answer::Presence(members)) = answer {
                members.sort_by(|a, b| a.client.cmp(&b.client));
            }
        },
        ..faultless()
    }),
    ("subscribed shards are told who comes and who leaves", || Faulty {
        event: |event| match event {
            Event::Left { .. } => None,
            other => Some(other),
        },
        ..faultless()
    }),
];

/// The suite is not asleep.
#[test]
fn a_broker_with_a_fault_is_told_so() {
    for (promise, faulty) in FAULTS {
        let broken = broken(&mut faulty());
        assert!(broken.iter().any(|(row, _)| row == promise), "{promise}: {broken:#?}");
    }
    assert!(broken(&mut faultless()).is_empty(), "the wrapper itself breaks nothing");
}
