//! Sessions that do not keep up: what is held back for them, in which order it leaves, and what happens
//! at the brim.

use bytestring::ByteString;
use tidewire_hub::{
    Brim, ChannelOptions, Command, Disconnect, HubConfig, Namespaces, Publish, Push, Seed,
    SessionKey, Subscribe, Unsubscribe,
};

use crate::world::{World, json, name, open_options, plain, recoverable};

/// What a publication of ten bytes is charged.
const PIECE_LEN: usize = 138;

/// A kind of channels for each brim, and room for so many publications.
fn world(piece_count: usize) -> World {
    let seed = Seed::new([5, 6]);
    let kind = |brim| ChannelOptions { brim, ..open_options() };
    let namespaces = Namespaces::new(seed)
        .bare(kind(Brim::Disconnect))
        .named("oldest", kind(Brim::DropOldest))
        .named("latest", kind(Brim::Conflate));
    let mut config = HubConfig::new(namespaces, seed);
    config.limits.backlog_len_max = piece_count * PIECE_LEN;
    World::with(config)
}

/// Ten bytes.
fn ten(number: usize) -> String {
    format!("{number:010}")
}

fn publish(
    world: &mut World,
    key: SessionKey,
    channel: &str,
    numbers: impl IntoIterator<Item = usize>,
) {
    for number in numbers {
        world.publish(key, channel, &ten(number)).unwrap();
    }
}

fn publish_key(world: &mut World, from: SessionKey, key: &str, number: usize) {
    let publish = Publish {
        channel: "latest:x".into(),
        data: json(&ten(number)),
        key: Some(ByteString::from(key)),
    };
    world.ask(from, Command::Publish(publish)).unwrap();
}

/// All that was held back leaves.
fn release(world: &mut World, key: SessionKey) -> Vec<String> {
    while world.shard.writable(world.now, key, &mut world.recorder) {
        world.shard.debug_check();
    }
    world.shard.debug_check();
    assert_eq!(world.shard.stats().backlog_len, 0);
    world.received(key)
}

fn tens(numbers: impl IntoIterator<Item = usize>) -> Vec<String> {
    numbers.into_iter().map(ten).collect()
}

#[test]
fn what_is_held_back_leaves_in_order_and_before_what_comes_then() {
    let mut world = world(100);
    let ann = world.connect("ann");
    let bob = world.connect("bob");
    for key in [ann, bob] {
        world.subscribe(key, recoverable("one")).unwrap();
        world.subscribe(key, recoverable("two")).unwrap();
    }
    publish(&mut world, bob, "one", [1]);
    world.shard.congested(ann);
    publish(&mut world, bob, "two", [2]);
    publish(&mut world, bob, "one", [3]);
    assert_eq!(world.received(ann), tens([1]));
    assert_eq!(world.received(bob), tens(1..=3), "others do not wait");
    assert_eq!(world.shard.stats().backlog_len, 2 * PIECE_LEN);
    assert_eq!(release(&mut world, ann), tens([2, 3]));
    publish(&mut world, bob, "two", [4]);
    assert_eq!(world.received(ann), tens([4]));
}

#[test]
fn a_long_backlog_leaves_by_and_by() {
    let mut config = crate::world::config_of(open_options());
    config.limits.release_len = 3 * PIECE_LEN;
    let mut world = World::with(config);
    let ann = world.connect("ann");
    world.subscribe(ann, recoverable("one")).unwrap();
    world.shard.congested(ann);
    publish(&mut world, ann, "one", 0..10);
    let mut left = Vec::new();
    let mut last = 9;
    while world.shard.writable(world.now, ann, &mut world.recorder) {
        left.push(world.shard.stats().backlog_len / PIECE_LEN);
        // What comes now comes last.
        last += 1;
        publish(&mut world, ann, "one", [last]);
    }
    assert_eq!(left, [7, 5, 3, 1]);
    assert_eq!(world.received(ann), tens(0..=last));
}

#[test]
fn at_the_brim_the_session_ends_or_something_gives_way() {
    // channel, as many as fit and one more, what has happened then
    let cases: &[(&str, bool, Option<Vec<usize>>)] = &[
        ("one", false, None),
        ("one", true, None),
        ("oldest:x", false, Some(vec![2, 3, 4])),
        ("latest:x", false, Some(vec![2, 3, 4])),
        // Whoever may miss nothing does not.
        ("oldest:x", true, None),
        ("latest:x", true, None),
    ];
    for (channel, gapless, left) in cases {
        let mut world = world(3);
        let ann = world.connect("ann");
        let bob = world.connect("bob");
        let subscribe = if *gapless { recoverable(channel) } else { plain(channel) };
        world.subscribe(ann, subscribe).unwrap();
        world.shard.congested(ann);
        publish(&mut world, bob, channel, 1..=3);
        assert_eq!(world.pushes(ann), [], "{channel}");
        publish(&mut world, bob, channel, [4]);
        if let Some(left) = left {
            assert_eq!(release(&mut world, ann), tens(left.iter().copied()), "{channel}");
            assert_eq!(world.shard.stats().counts.dropped, 1);
        } else {
            assert_eq!(
                world.pushes(ann),
                [Push::Disconnect(Disconnect::Slow)],
                "{channel} {gapless}"
            );
            assert_eq!(world.shard.stats().backlog_len, 0);
        }
    }
}

#[test]
fn all_sessions_together_have_a_brim_too() {
    let mut world = {
        let mut config = HubConfig::new(
            Namespaces::new(Seed::new([5, 6])).bare(open_options()),
            Seed::new([5, 6]),
        );
        config.limits.shard_backlog_len_max = 3 * PIECE_LEN;
        World::with(config)
    };
    let slow: Vec<_> = ["ann", "bob"].map(|user| world.connect(user)).into();
    let eve = world.connect("eve");
    for key in &slow {
        world.subscribe(*key, plain("one")).unwrap();
        world.shard.congested(*key);
    }
    publish(&mut world, eve, "one", [1]);
    assert_eq!(world.shard.stats().session_count, 3);
    publish(&mut world, eve, "one", [2]);
    assert_eq!(world.shard.stats().session_count, 2);
    assert_eq!(world.pushes(slow[1]), [Push::Disconnect(Disconnect::Slow)]);
    assert_eq!(release(&mut world, slow[0]), tens([1, 2]));
}

#[test]
fn what_may_not_give_way_makes_others_give_way() {
    let mut world = world(3);
    let ann = world.connect("ann");
    let bob = world.connect("bob");
    world.subscribe(ann, plain("oldest:x")).unwrap();
    world.subscribe(ann, recoverable("one")).unwrap();
    world.shard.congested(ann);
    publish(&mut world, bob, "one", [1]);
    publish(&mut world, bob, "oldest:x", [2, 3]);
    publish(&mut world, bob, "one", [4]);
    publish(&mut world, bob, "oldest:x", [5]);
    publish(&mut world, bob, "one", [6]);
    publish(&mut world, bob, "oldest:x", [7]);
    assert_eq!(release(&mut world, ann), tens([1, 4, 6]));
}

#[test]
fn of_each_key_only_the_latest_waits() {
    let mut world = world(4);
    let ann = world.connect("ann");
    let bob = world.connect("bob");
    world.subscribe(ann, plain("latest:x")).unwrap();
    world.shard.congested(ann);
    for number in 0..100 {
        publish_key(&mut world, bob, ["red", "green", "blue"][number % 3], number);
    }
    assert_eq!(world.shard.stats().backlog_len, 3 * PIECE_LEN);
    publish(&mut world, bob, "latest:x", [100, 101]);
    // One without a key has come too much: the oldest gives way, whatever its key.
    assert_eq!(release(&mut world, ann), tens([98, 99, 100, 101]));
}

/// Pieces that are replaced again and again behind one that stays do not pile up.
#[test]
fn what_was_replaced_takes_no_room() {
    let mut world = world(10);
    let ann = world.connect("ann");
    let bob = world.connect("bob");
    world.subscribe(ann, recoverable("one")).unwrap();
    world.subscribe(ann, plain("latest:x")).unwrap();
    world.shard.congested(ann);
    publish(&mut world, bob, "one", [0]);
    for number in 1..=500 {
        publish_key(&mut world, bob, "red", number);
    }
    assert_eq!(release(&mut world, ann), tens([0, 500]));
}

#[test]
fn who_leaves_a_channel_gets_nothing_more_of_it() {
    let mut world = world(10);
    let ann = world.connect("ann");
    let bob = world.connect("bob");
    world.subscribe(ann, plain("one")).unwrap();
    world.subscribe(ann, plain("two")).unwrap();
    world.shard.congested(ann);
    publish(&mut world, bob, "one", [1]);
    publish(&mut world, bob, "two", [2]);
    world.ask(ann, Command::Unsubscribe { channel: "one".into() }).unwrap();
    assert_eq!(world.shard.stats().backlog_len, PIECE_LEN);
    assert_eq!(release(&mut world, ann), tens([2]));
}

#[test]
fn a_session_that_ends_gives_everything_back() {
    let mut world = world(10);
    let ann = world.connect("ann");
    let bob = world.connect("bob");
    world.subscribe(ann, plain("one")).unwrap();
    world.shard.congested(ann);
    publish(&mut world, bob, "one", [1]);
    world.shard.closed(world.now, ann, &mut world.recorder);
    world.shard.debug_check();
    assert_eq!(world.shard.stats().backlog_len, 0);
    assert!(!world.shard.writable(world.now, ann, &mut world.recorder), "nobody is nobody");
}

#[test]
fn who_comes_and_goes_is_held_back_as_well() {
    let seed = Seed::new([5, 6]);
    let options = ChannelOptions { join_leave: true, ..open_options() };
    let mut world = World::with(HubConfig::new(Namespaces::new(seed).bare(options), seed));
    let ann = world.connect("ann");
    world.subscribe(ann, Subscribe { join_leave: true, ..plain("one") }).unwrap();
    world.announced();
    world.shard.congested(ann);
    let bob = world.connect("bob");
    world.subscribe(bob, plain("one")).unwrap();
    assert_eq!(world.announced(), []);
    release(&mut world, ann);
    assert_eq!(world.announced(), [(ann, "bob".to_owned(), true)]);
}

#[test]
fn a_gap_is_told_though_nothing_goes_out() {
    let mut world = world(100);
    let ann = world.connect("ann");
    world.subscribe(ann, recoverable("one")).unwrap();
    world.shard.congested(ann);
    publish(&mut world, ann, "one", [1]);
    world.broker.publish("one", "2", &mut world.mail);
    world.broker.publish("one", "3", &mut world.mail);
    world.broker.channel("one").kept.drain(..2);
    world.mail.remove(0);
    world.run();
    let why = Unsubscribe::InsufficientState;
    assert_eq!(world.pushes(ann), [Push::Unsubscribed { channel: name("one"), why }]);
    assert_eq!(release(&mut world, ann), [""; 0]);
}
