//! Connect, subscribe, publish, deliver.

use tidewire_hub::{Command, Push, Timestamp};

use crate::world::{World, open_options, plain};

#[test]
fn what_one_publishes_all_subscribers_receive_once() {
    let mut world = World::new(open_options());
    let ann = world.connect("ann");
    let bob = world.connect("bob");
    world.subscribe(ann, plain("room")).unwrap();
    world.subscribe(bob, plain("room")).unwrap();
    world.publish(ann, "room", "1").unwrap();
    world.publish(bob, "room", "2").unwrap();
    assert_eq!(world.received(ann), ["1", "2"]);
    assert_eq!(world.received(bob), ["1", "2"]);
}

#[test]
fn how_long_a_ping_takes_is_counted() {
    let mut world = World::new(open_options());
    world.answers_pings = false;
    let ann = world.connect("ann");
    world.command(ann, Command::Pong); // nobody has asked
    while !world.pushes(ann).contains(&Push::Ping) {
        world.wait(62);
    }
    world.now = Timestamp::from_millis(world.now.as_millis() + 15);
    world.command(ann, Command::Pong);
    world.command(ann, Command::Pong);
    let taken = world.shard.stats().counts.round_trips;
    assert_eq!((taken.counts().iter().sum::<u64>(), taken.sum().as_millis()), (1, 15));
}
