//! Each limit, at it and one above it.

use std::time::Duration;

use tidewire_brokers::{
    conformance::Subject,
    memory::{Limits, Stats},
};
use tidewire_hub::{
    ChannelName, ClientId, Data, Epoch, HistoryFilter, Member, Position, UserId,
    broker::{Answer, Ask, Attendance, Draft, Failure, Retention},
};

use crate::subject::{Memory, shard};

const HOUR: Duration = Duration::from_secs(3_600);

fn draft(len: usize, age_max: Duration) -> Draft {
    Draft {
        data: Data::Binary(vec![0; len].into()),
        publisher: None,
        tags: Box::default(),
        key: None,
        retention: Some(Retention { count_max: 100, age_max, position_age_max: HOUR }),
        idempotency_key: None,
        version: None,
    }
}

fn channel(name: &str) -> ChannelName {
    ChannelName::new(name).unwrap()
}

impl Memory {
    fn publish(&mut self, name: &str, draft: Draft) -> Result<(Option<Position>, bool), Failure> {
        match self.ask(shard(0), &channel(name), Ask::Publish(Box::new(draft)))? {
            Answer::Published { position, suppressed } => Ok((position, suppressed)),
            other => panic!("{other:?}"),
        }
    }

    fn kept(&mut self, name: &str) -> Vec<u64> {
        match self.ask(shard(0), &channel(name), Ask::Read(HistoryFilter::default())) {
            Ok(Answer::History { publications, .. }) => {
                publications.iter().map(|publication| publication.offset).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    fn enter(&mut self, name: &str, client: &str) -> Result<Answer, Failure> {
        self.ask(shard(0), &channel(name), Ask::Enter(attendance(client)))
    }
}

fn attendance(client: &str) -> Attendance {
    let member = Member {
        user: UserId::new("ann"),
        client: ClientId::new(client),
        connection_info: None,
        channel_info: None,
    };
    Attendance { member: member.into(), present: true, announced: true }
}

/// What one publication of that length weighs.
fn weight(len: usize) -> usize {
    let mut memory = Memory::new(Limits::default());
    memory.publish("x", draft(len, HOUR)).unwrap();
    memory.partition.stats().history_len
}

#[test]
fn channel_count_max_refuses_where_all_are_alive() {
    let mut memory = Memory::new(Limits { channel_count_max: 3, ..Limits::default() });
    memory.ask(shard(0), &channel("heard"), Ask::Subscribe).unwrap();
    memory.enter("peopled", "c1").unwrap();
    memory.publish("kept", draft(1, HOUR)).unwrap();
    assert_eq!(memory.publish("more", draft(1, HOUR)), Err(Failure::LimitExceeded));
    assert_eq!(memory.enter("more", "c2"), Err(Failure::LimitExceeded));
    assert_eq!(memory.ask(shard(0), &channel("more"), Ask::Subscribe), Err(Failure::LimitExceeded));
    // What needs no channel of its own goes on.
    let fleeting = Draft { retention: None, ..draft(1, HOUR) };
    assert_eq!(memory.publish("more", fleeting), Ok((None, false)));
    assert_eq!(memory.kept("more"), []);
    assert!(memory.publish("kept", draft(1, HOUR)).is_ok(), "one that is there");
    memory.ask(shard(0), &channel("heard"), Ask::Unsubscribe).unwrap();
    assert!(memory.publish("more", draft(1, HOUR)).is_ok());
}

#[test]
fn channel_count_max_forgets_the_position_that_would_be_forgotten_next() {
    let mut memory = Memory::new(Limits { channel_count_max: 3, ..Limits::default() });
    let second = Duration::from_secs(1);
    let mut positions = Vec::new();
    for name in ["a", "b", "c"] {
        positions.push(memory.publish(name, draft(1, second)).unwrap().0.unwrap());
        memory.pass(second);
    }
    memory.publish("a", draft(1, second)).unwrap(); // which is now the last of them
    memory.pass(3 * second);
    memory.publish("d", draft(1, second)).unwrap();
    let offset = |memory: &mut Memory, name| {
        memory.publish(name, draft(1, second)).unwrap().0.unwrap().offset
    };
    assert_eq!(memory.partition.stats().channel_count, 3);
    assert_eq!(offset(&mut memory, "a"), 3, "a is remembered");
    assert_eq!(offset(&mut memory, "c"), 2, "c as well");
    memory.pass(3 * second);
    let b = memory.publish("b", draft(1, second)).unwrap().0.unwrap();
    assert_eq!(b.offset, 1, "b had to go");
    assert_ne!(b.epoch, positions[1].epoch, "and says so");
}

#[test]
fn history_len_max_lets_go_what_would_expire_next() {
    let weight = weight(1_000);
    let limits = Limits { history_len_max: 3 * weight, ..Limits::default() };
    let mut memory = Memory::new(limits);
    memory.publish("long", draft(1_000, 2 * HOUR)).unwrap();
    memory.publish("short", draft(1_000, HOUR)).unwrap();
    memory.publish("short", draft(1_000, HOUR)).unwrap();
    assert_eq!((memory.kept("long"), memory.kept("short")), (vec![1], vec![1, 2]), "at the limit");
    memory.publish("long", draft(1_000, 2 * HOUR)).unwrap();
    assert_eq!((memory.kept("long"), memory.kept("short")), (vec![1, 2], vec![2]), "one above");
    memory.publish("long", draft(1_000, 2 * HOUR)).unwrap();
    memory.publish("long", draft(1_000, 2 * HOUR)).unwrap();
    assert_eq!((memory.kept("long"), memory.kept("short")), (vec![2, 3, 4], vec![]));
    assert_eq!(memory.partition.stats().history_len, 3 * weight);
    // What is gone is told.
    let top = memory.partition.top(&channel("short"));
    let since = Some(Position { offset: 1, ..top.clone() });
    let read = Ask::Read(HistoryFilter { since, ..HistoryFilter::default() });
    assert_eq!(memory.ask(shard(0), &channel("short"), read), Err(Failure::Unrecoverable { top }));
}

#[test]
fn channel_history_len_max_is_one_channels_own_affair() {
    let weight = weight(1_000);
    let limits = Limits { channel_history_len_max: 2 * weight, ..Limits::default() };
    let mut memory = Memory::new(limits);
    memory.publish("other", draft(1_000, Duration::from_secs(1))).unwrap();
    for _ in 0..2 {
        memory.publish("busy", draft(1_000, HOUR)).unwrap();
    }
    assert_eq!(memory.kept("busy"), [1, 2], "at the limit");
    memory.publish("busy", draft(1_000, HOUR)).unwrap();
    assert_eq!((memory.kept("busy"), memory.kept("other")), (vec![2, 3], vec![1]));
}

#[test]
fn a_publication_heavier_than_a_history_is_refused() {
    let limits = Limits { channel_history_len_max: weight(1_000), ..Limits::default() };
    for limits in [
        limits.clone(),
        Limits {
            history_len_max: limits.channel_history_len_max,
            channel_history_len_max: usize::MAX,
            ..limits
        },
    ] {
        let mut memory = Memory::new(limits);
        assert!(memory.publish("a", draft(1_000, HOUR)).is_ok());
        assert_eq!(memory.publish("a", draft(1_001, HOUR)), Err(Failure::LimitExceeded));
        assert_eq!(memory.kept("a"), [1], "and nothing has given way to it");
        let fleeting = Draft { retention: None, ..draft(1_001, HOUR) };
        assert_eq!(memory.publish("a", fleeting), Ok((None, false)), "which is not kept");
    }
}

#[test]
fn idempotency_keys_are_remembered_for_so_long_and_so_many() {
    let age_max = Duration::from_secs(60);
    let mut memory = Memory::new(Limits {
        idempotency_key_count_max: 2,
        idempotency_age_max: age_max,
        ..Limits::default()
    });
    let taken = |memory: &mut Memory, key: &str| {
        let draft = Draft { idempotency_key: Some(key.into()), ..draft(1, HOUR) };
        !memory.publish("a", draft).unwrap().1
    };
    assert!(taken(&mut memory, "1") && taken(&mut memory, "2"));
    assert!(!taken(&mut memory, "1") && !taken(&mut memory, "2"), "at the limit");
    assert!(taken(&mut memory, "3"), "one above");
    assert!(!taken(&mut memory, "2") && !taken(&mut memory, "3"));
    assert!(taken(&mut memory, "1"), "the oldest gave way");
    memory.pass_untold(age_max);
    assert!(!taken(&mut memory, "1"), "just in time");
    memory.pass_untold(Duration::from_millis(1));
    assert!(taken(&mut memory, "1"), "no longer, also before a tick");
    memory.tick();
    assert!(!taken(&mut memory, "1"), "taken again, remembered again");
    memory.pass(age_max + Duration::from_millis(1));
    assert_eq!(memory.partition.stats().idempotency_key_count, 0);
}

#[test]
fn presence_count_max_refuses_who_comes_later() {
    let mut memory = Memory::new(Limits { presence_count_max: 2, ..Limits::default() });
    assert!(memory.enter("a", "c1").is_ok() && memory.enter("a", "c2").is_ok(), "at the limit");
    memory.ask(shard(1), &channel("a"), Ask::Subscribe).unwrap();
    assert_eq!(memory.enter("a", "c3"), Err(Failure::LimitExceeded), "one above");
    assert!(memory.enter("a", "c2").is_ok(), "who is there is refreshed");
    assert!(memory.enter("b", "c3").is_ok(), "another channel");
    // Who was refused is not announced, neither coming nor leaving.
    memory.ask(shard(0), &channel("a"), Ask::Leave(attendance("c3"))).unwrap();
    assert_eq!(memory.events(shard(1), &channel("a"), 0), []);
    memory.ask(shard(0), &channel("a"), Ask::Leave(attendance("c1"))).unwrap();
    assert!(memory.enter("a", "c3").is_ok());
}

#[test]
fn a_tick_handles_so_many_expiries_and_nobody_sees_the_rest() {
    let second = Duration::from_secs(1);
    let mut memory = Memory::new(Limits { expiries_per_tick_max: 3, ..Limits::default() });
    for n in 0..10 {
        memory.publish(&format!("c{n}"), draft(1, second)).unwrap();
    }
    let full = memory.partition.stats().history_len;
    memory.pass(2 * second);
    assert_eq!(memory.partition.stats().history_len, full / 10 * 7);
    for n in 0..10 {
        assert_eq!(memory.kept(&format!("c{n}")), []);
    }
    assert_eq!(memory.partition.stats().history_len, 0);
}

/// After everything is over, nothing is left.
#[test]
fn nothing_is_left_behind() {
    let mut memory = Memory::new(Limits::default());
    for n in 0..200 {
        let name = format!("c{n}");
        let keyed = Draft { idempotency_key: Some(name.as_str().into()), ..draft(n, HOUR) };
        memory.publish(&name, keyed).unwrap();
        memory.ask(shard(n % 3), &channel(&name), Ask::Subscribe).unwrap();
        memory.enter(&name, &name).unwrap();
        memory.pass(Duration::from_secs(1));
        memory.ask(shard(n % 3), &channel(&name), Ask::Leave(attendance(&name))).unwrap();
        memory.ask(shard(n % 3), &channel(&name), Ask::Unsubscribe).unwrap();
    }
    assert_eq!(memory.partition.stats().channel_count, 200);
    memory.pass(2 * HOUR);
    assert_eq!(memory.partition.stats(), Stats::default());
}

/// A clock that goes back is harmless.
#[test]
fn time_does_not_go_back() {
    let mut memory = Memory::new(Limits::default());
    memory.pass(HOUR);
    let position = memory.publish("a", draft(1, HOUR)).unwrap().0.unwrap();
    memory.turn_back(HOUR);
    assert_eq!(memory.kept("a"), [1]);
    let next = memory.publish("a", draft(1, HOUR)).unwrap().0.unwrap();
    assert_eq!((next.epoch, next.offset), (position.epoch, 2));
}

#[test]
fn epochs_are_named_by_the_seed() {
    let name = channel("a");
    let epoch = |seed| {
        let seed = tidewire_hub::Seed::new(seed);
        tidewire_brokers::memory::Partition::new(seed, Limits::default()).top(&name).epoch
    };
    assert_eq!(epoch([1, 2]), epoch([1, 2]));
    assert_ne!(epoch([1, 2]), epoch([1, 3]));
    assert_ne!(epoch([1, 2]), Epoch::new(""));
}
