//! Brokers that fail, do not answer, or go away and come back.

use tidewire_hub::{
    ChannelOptions, Command, Connect, Disconnect, Error, HubConfig, Publish, Push,
    SubscriptionGrant, Unsubscribe,
    broker::{Ask, Event},
};

use crate::{
    broker::Mail,
    world::{World, config_of, json, name, open_options, plain, recover, recoverable},
};

fn quiet() -> HubConfig {
    HubConfig { ping_interval: None, ..config_of(open_options()) }
}

#[test]
fn a_broker_that_fails_is_asked_again() {
    // failures, told
    for (failure_count, told) in [(0, None), (3, None), (4, Some(Error::Internal))] {
        let mut world = World::with(quiet());
        let ann = world.connect("ann");
        world.broker.failure_count = failure_count;
        let id = world.command(ann, Command::Subscribe(recoverable("room")));
        world.wait(3_000);
        let reply = world.reply_to(id).expect("a reply");
        assert_eq!(reply.err(), told, "{failure_count}");
        assert_eq!(world.shard.stats().channel_count, usize::from(told.is_none()));
    }
}

#[test]
fn history_that_cannot_be_read_is_asked_for_again() {
    for (failure_count, told) in [(3, None), (4, Some(Error::Internal))] {
        let mut world = World::with(quiet());
        let ann = world.connect("ann");
        world.publish(ann, "room", "1").unwrap();
        let id = world.command(ann, Command::Subscribe(recover("room", "first", 0)));
        world.serve();
        world.arrive(0);
        world.broker.failure_count = failure_count;
        world.wait(3_000);
        assert_eq!(world.reply_to(id).expect("a reply").err(), told, "{failure_count}");
    }
}

#[test]
fn a_gap_that_cannot_be_read_is_told_in_the_end() {
    let mut world = World::with(quiet());
    let ann = world.connect("ann");
    let bob = world.connect("bob");
    world.subscribe(ann, recoverable("room")).unwrap();
    world.subscribe(bob, plain("room")).unwrap();
    world.broker.publish("room", "1", &mut world.mail);
    world.broker.publish("room", "2", &mut world.mail);
    world.mail.remove(0);
    world.broker.failure_count = 4;
    world.wait(3_000);
    let why = Unsubscribe::InsufficientState;
    assert_eq!(world.pushes(ann), [Push::Unsubscribed { channel: name("room"), why }]);
    world.publish(bob, "room", "3").unwrap();
    assert_eq!(world.received(bob).last().unwrap(), "3");
}

#[test]
fn a_command_is_told_that_it_failed() {
    let mut world = World::with(quiet());
    let ann = world.connect("ann");
    world.broker.failure_count = 1;
    assert_eq!(world.publish(ann, "room", "1"), Err(Error::Internal));
    assert!(world.publish(ann, "room", "1").is_ok());
}

#[test]
fn a_connect_whose_subscriptions_fail_is_to_be_tried_again() {
    let mut world = World::with(quiet());
    world.tokens.channels =
        vec![SubscriptionGrant { channel: "own".into(), ..SubscriptionGrant::default() }];
    let key = world.open();
    world.broker.failure_count = 4;
    world.command(
        key,
        Command::Connect(Connect { token: Some("ann".into()), ..Connect::default() }),
    );
    world.wait(3_000);
    assert_eq!(world.pushes(key), [Push::Disconnect(Disconnect::ServerError)]);
    assert_eq!(world.shard.stats().session_count, 0);
}

#[test]
fn a_broker_that_does_not_answer_has_failed() {
    let mut world = World::with(quiet());
    let ann = world.connect("ann");
    let publish = Command::Publish(Publish { channel: "room".into(), data: json("1"), key: None });
    let id = world.command(ann, publish);
    let lost = world.recorder.requests.pop().unwrap();
    world.wait(9_900);
    assert_eq!(world.reply_to(id), None);
    world.wait(200);
    assert_eq!(world.reply_to(id), Some(Err(Error::Internal)));
    world.recorder.requests.push(lost);
    world.run();
    assert_eq!(world.recorder.out, [], "too late");
    assert_eq!(world.shard.stats().counts.overdue, 1);
}

#[test]
fn what_nobody_waits_for_is_done_all_the_same() {
    let options = ChannelOptions { presence: true, ..open_options() };
    let mut world = World::with(HubConfig { ping_interval: None, ..config_of(options) });
    let ann = world.connect("ann");
    world.subscribe(ann, plain("room")).unwrap();
    world.broker.failure_count = 2;
    world.shard.closed(world.now, ann, &mut world.recorder);
    world.run();
    assert_eq!(world.broker.channel("room").present.len(), 1, "it has failed");
    world.wait(1_000);
    assert_eq!(world.broker.channel("room").present.len(), 0);
    assert!(!world.broker.channel("room").subscribed);
}

/// A session that has come back meanwhile is not taken out by its own leave that comes late.
#[test]
fn what_has_been_overtaken_is_not_done() {
    let options = ChannelOptions { presence: true, ..open_options() };
    let mut world = World::with(HubConfig { ping_interval: None, ..config_of(options) });
    let ann = world.connect("ann");
    world.subscribe(ann, plain("room")).unwrap();
    world.broker.failure_count = 2;
    world.ask(ann, Command::Unsubscribe { channel: "room".into() }).unwrap();
    world.subscribe(ann, plain("room")).unwrap();
    world.wait(1_000);
    assert_eq!(world.broker.channel("room").present.len(), 1);
    assert!(world.broker.channel("room").subscribed);
}

#[test]
fn after_the_broker_was_away_all_channels_are_asked_for_by_and_by() {
    let mut config = quiet();
    config.limits.resubscribe_count = 10;
    let mut world = World::with(config);
    let ann = world.connect("ann");
    for number in 0..25 {
        world.subscribe(ann, recoverable(&format!("room{number}"))).unwrap();
    }
    world.broker.publish("room7", "missed", &mut world.mail);
    world.mail.clear();
    world.broker.taken.clear();
    world.mail.push(Mail::Event(Event::Lost));
    let subscribes =
        |world: &World| world.broker.taken.iter().filter(|ask| **ask == Ask::Subscribe).count();
    world.run();
    assert_eq!(subscribes(&world), 10);
    assert_eq!(world.received(ann), ["missed"]);
    world.wait(62);
    assert_eq!(subscribes(&world), 20);
    world.wait(62);
    assert_eq!(subscribes(&world), 25);
    assert_eq!(world.pushes(ann), []);
}

#[test]
fn while_the_broker_stays_away_those_who_may_miss_nothing_are_told_and_others_wait() {
    let mut world = World::with(quiet());
    let ann = world.connect("ann");
    let bob = world.connect("bob");
    world.subscribe(ann, recoverable("room")).unwrap();
    world.subscribe(bob, plain("room")).unwrap();
    world.broker.channel("room").subscribed = false;
    world.broker.failure_count = 10;
    world.mail.push(Mail::Event(Event::Lost));
    world.wait(3_000);
    let why = Unsubscribe::InsufficientState;
    assert_eq!(world.pushes(ann), [Push::Unsubscribed { channel: name("room"), why }]);
    assert_eq!(world.pushes(bob), []);
    world.wait(90_000);
    world.publish(bob, "room", "back").unwrap();
    assert_eq!(world.received(bob), ["back"]);
}

/// A broker that goes on sending what nobody wants is told again, but not for each piece.
#[test]
fn what_is_for_nobody_is_unsubscribed_from_again() {
    let mut world = World::with(quiet());
    let channel = world.broker.channel("room");
    channel.subscribed = true;
    for _ in 0..10 {
        world.broker.publish("room", "x", &mut world.mail);
    }
    world.run();
    assert_eq!(world.broker.taken, [Ask::Unsubscribe]);
    assert!(!world.broker.channel("room").subscribed);
    assert_eq!(world.recorder.out, []);
}

/// Those who are known to be in the channel, by the broker.
fn present(world: &mut World) -> usize {
    world.broker.channel("room").present.len()
}

fn with_presence() -> HubConfig {
    let options = ChannelOptions { presence: true, ..open_options() };
    HubConfig {
        ping_interval: None,
        presence_refresh_interval: None,
        position_check_interval: None,
        ..config_of(options)
    }
}

/// A broker that was away may have forgotten who is there: it is told again within a second or so, and not only
/// when it would be told anyway.
#[test]
fn a_broker_that_was_away_is_told_who_is_there() {
    for away_for in [0, 6] {
        let mut config = with_presence();
        // While it is away nobody asks it for what would have to be asked for again.
        config.limits.chore_count_max = 0;
        let mut world = World::with(config);
        let keys = ["ann", "bob"].map(|user| world.connect(user));
        for key in keys {
            world.subscribe(key, plain("room")).unwrap();
        }
        world.broker.channel("room").present.clear();
        world.broker.failure_count = away_for;
        world.mail.push(Mail::Event(Event::Lost));
        world.run();
        world.wait(if away_for == 0 { 1_100 } else { 60_000 });
        assert_eq!(present(&mut world), 2, "away for {away_for}");
        assert_eq!(world.shard.stats().counts.given_up, 0, "away for {away_for}");
        assert_eq!(world.announced(), [], "nobody has come");
        // Once is enough.
        world.broker.taken.clear();
        world.wait(5_000);
        assert_eq!(world.broker.taken, []);
    }
}

/// Not all are told of at once.
#[test]
fn retell_count_is_for_one_tick() {
    for (retell_count, after_one_round) in [(3, 3), (2, 2), (1, 1)] {
        let mut config = with_presence();
        config.limits.retell_count = retell_count;
        let mut world = World::with(config);
        // Each sixteenth of the sessions is looked at in a tick of its own: these three are in the same.
        let keys: Vec<_> = (0..33).map(|user| world.connect(&format!("user{user}"))).collect();
        for key in keys.into_iter().step_by(16) {
            world.subscribe(key, plain("room")).unwrap();
        }
        world.broker.channel("room").present.clear();
        world.mail.push(Mail::Event(Event::Lost));
        world.run();
        world.wait(16 * 62);
        assert_eq!(present(&mut world), after_one_round, "{retell_count}");
        world.wait(2 * 16 * 62);
        assert_eq!(present(&mut world), 3, "{retell_count}");
    }
}
