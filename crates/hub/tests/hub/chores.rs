//! What is asked of the broker and nobody waits for: it is done in the end, and not when it is no longer wanted.

use tidewire_hub::{
    ChannelOptions, Command, HubConfig,
    broker::{Answer, Ask, Failure, Response},
};

use crate::{
    broker::Mail,
    world::{World, config_of, open_options, plain},
};

const CHANNEL: &str = "news";

fn options() -> ChannelOptions {
    ChannelOptions { presence: true, ..open_options() }
}

fn config() -> HubConfig {
    HubConfig { position_check_interval: None, ..config_of(options()) }
}

impl World {
    fn present(&mut self) -> usize {
        self.broker.channel(CHANNEL).present.len()
    }
}

/// A broker that is away for long does not keep ghosts, nor send what nobody wants any more.
#[test]
fn a_leave_is_told_until_it_is_heard() {
    let mut world = World::with(config());
    let ann = world.connect("ann");
    world.subscribe(ann, plain(CHANNEL)).unwrap();
    assert_eq!(world.present(), 1);
    world.broker.failure_count = 30;
    world.shard.closed(world.now, ann, &mut world.recorder);
    world.wait(1_000);
    assert_eq!(world.present(), 1, "the broker does not answer");
    assert_eq!(world.shard.stats().request_count, 2, "and is asked again");
    world.wait(300_000);
    assert_eq!(world.present(), 0);
    assert!(!world.broker.channel(CHANNEL).subscribed);
    assert_eq!(world.shard.stats().request_count, 0);
    assert_eq!(world.shard.stats().counts.given_up, 0);
}

#[test]
fn chore_count_max_is_how_many_are_kept() {
    for (kept, given_up) in [(2, 0), (1, 1)] {
        let mut config = config();
        config.limits.chore_count_max = kept;

        let mut world = World::with(config);
        let ann = world.connect("ann");
        world.subscribe(ann, plain(CHANNEL)).unwrap();
        world.broker.failure_count = 2;
        world.shard.closed(world.now, ann, &mut world.recorder);
        world.run();
        assert_eq!(world.shard.stats().request_count, kept);
        assert_eq!(world.shard.stats().counts.given_up, given_up);
    }
}

#[test]
fn who_finds_no_room_in_presence_does_not_ask_again() {
    let mut world = World::with(config());
    let ann = world.connect("ann");
    let id = world.command(ann, Command::Subscribe(plain(CHANNEL)));
    world.serve();
    world.arrive(0);
    world.subscribed(id).unwrap();
    let enter = world.recorder.requests.remove(0);
    assert!(matches!(enter.ask, Ask::Enter(_)));
    let answer: Result<Answer, _> = Err(Failure::LimitExceeded);
    world.mail.push(Mail::Response(Response { id: enter.id, answer }));
    world.run();
    assert_eq!(world.shard.stats().request_count, 0);
    assert_eq!(world.shard.stats().counts.given_up, 1);
}

/// Somebody subscribes anew while the broker has not heard yet that it had come before. If it was told now,
/// and the session ended while it waits, nobody would tell of its leave.
#[test]
fn who_waits_for_a_place_is_not_said_to_have_one() {
    let mut world = World::with(config());
    let ann = world.connect("ann");
    let other = world.connect("other");
    world.subscribe(other, plain(CHANNEL)).unwrap();
    let id = world.command(ann, Command::Subscribe(plain(CHANNEL)));
    world.subscribed(id).unwrap();
    world.broker.failure_count = 1;
    world.run();
    world.ask(ann, Command::Unsubscribe { channel: CHANNEL.into() }).unwrap();
    assert_eq!(world.present(), 1, "the other one");
    // It waits for history.
    world.broker.publish(CHANNEL, "1", &mut world.mail);
    world.run();
    world.command(ann, Command::Subscribe(crate::world::recover(CHANNEL, "first", 0)));
    world.now = world.now.saturating_add(std::time::Duration::from_secs(1));
    world.shard.tick(world.now, &mut world.recorder);
    world.shard.closed(world.now, ann, &mut world.recorder);
    world.run();
    assert_eq!(world.present(), 1, "the other one");
}
