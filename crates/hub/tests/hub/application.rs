//! The application's calls, server-side subscriptions, and draining.

use std::{sync::Arc, time::Duration};

use tidewire_hub::{
    ClientId, Command, Connect, Disconnect, Dismissal, Error, Farewell, Push, SessionKey,
    Subscribed, SubscriptionGrant, Unsubscribe, UserId, Whom,
};

use crate::world::{World, json, name, open_options, plain, recover, text};

fn user(name: &str) -> Whom {
    Whom { user: UserId::new(name), ..Whom::default() }
}

fn grant(channel: &str) -> SubscriptionGrant {
    SubscriptionGrant {
        channel: channel.into(),
        force_recovery: Some(true),
        ..SubscriptionGrant::default()
    }
}

/// Ann twice, and Bob.
fn world() -> (World, [SessionKey; 3]) {
    let mut world = World::new(open_options());
    let keys = ["ann", "ann", "bob"].map(|user| world.connect(user));
    (world, keys)
}

fn told(world: &mut World, keys: [SessionKey; 3]) -> [bool; 3] {
    keys.map(|key| !world.pushes(key).is_empty())
}

#[test]
fn the_applications_words_are_the_last() {
    let (mut world, keys) = world();
    let dismissal =
        Dismissal { why: Disconnect::ForceReconnect, code: 4001, reason: "moved".into() };
    let farewell = Farewell::Own(Arc::new(dismissal));
    world.shard.disconnect(world.now, &user("ann"), farewell.clone(), &mut world.recorder);
    for key in &keys[..2] {
        assert_eq!(world.pushes(*key), [farewell.clone().push()]);
    }
    assert_eq!(world.shard.stats().session_count, 1, "both have ended");
    assert_eq!(world.pushes(keys[2]), []);
    assert_eq!(farewell.why(), Disconnect::ForceReconnect);
    assert_eq!(Farewell::of(&farewell.clone().push()), Some(farewell));
}

#[test]
fn whom_it_means() {
    let client = |number: u32| ClientId::new(&format!("client-{number}"));
    let cases = [
        ("a user", user("ann"), [true, true, false]),
        ("one client of it", Whom { client: Some(client(2)), ..user("ann") }, [false, true, false]),
        ("another user's client", Whom { client: Some(client(3)), ..user("ann") }, [false; 3]),
        ("all but one", Whom { except: vec![client(1)], ..user("ann") }, [false, true, false]),
        ("somebody else", user("eve"), [false; 3]),
        ("nobody in particular is not everybody", Whom::default(), [false; 3]),
        (
            "a client that is not anonymous",
            Whom { client: Some(client(1)), ..Whom::default() },
            [false; 3],
        ),
    ];
    for (rule, whom, expected) in cases {
        let (mut world, keys) = world();
        world.shard.message(&whom, &json("hello"), &mut world.recorder);
        assert_eq!(told(&mut world, keys), expected, "{rule}: a message");
        world.shard.refresh(world.now, &whom, None, &mut world.recorder);
        assert_eq!(told(&mut world, keys), expected, "{rule}: refresh");
        world.shard.subscribe(world.now, &whom, &grant("news"), None, &mut world.recorder).unwrap();
        world.run();
        assert_eq!(told(&mut world, keys), expected, "{rule}: subscribe");
        world.broker.publish("news", "1", &mut world.mail);
        world.run();
        assert_eq!(
            keys.map(|key| world.received(key).len() == 1),
            expected,
            "{rule}: a publication"
        );
        world.shard.unsubscribe(world.now, &whom, &name("news"), &mut world.recorder);
        world.shard.debug_check();
        assert_eq!(told(&mut world, keys), expected, "{rule}: unsubscribe");
        assert_eq!(world.shard.stats().channel_count, 0);
        world.shard.disconnect(world.now, &whom, Disconnect::ForceNoReconnect, &mut world.recorder);
        world.shard.debug_check();
        assert_eq!(told(&mut world, keys), expected, "{rule}: disconnect");
    }
}

#[test]
fn the_anonymous_are_meant_by_their_client() {
    let mut world = World::with(tidewire_hub::HubConfig {
        allow_anonymous: true,
        ..crate::world::config_of(open_options())
    });
    let key = world.open();
    world.connect_with(key, Connect::default()).unwrap();
    let whom = Whom { client: Some(ClientId::new("client-1")), ..Whom::default() };
    world.shard.disconnect(world.now, &whom, Disconnect::ForceReconnect, &mut world.recorder);
    assert_eq!(world.pushes(key), [Push::Disconnect(Disconnect::ForceReconnect)]);
}

#[test]
fn a_channel_that_cannot_be_is_told_to_the_application() {
    let (mut world, _) = world();
    let unknown = grant("unknown:x");
    let told = world.shard.subscribe(world.now, &user("ann"), &unknown, None, &mut world.recorder);
    assert_eq!(told, Err(Error::UnknownChannel));
}

#[test]
fn server_side_subscriptions_come_with_the_connect_and_recover() {
    let mut world = World::new(open_options());
    for text in ["1", "2", "3"] {
        world.broker.publish("news", text, &mut world.mail);
    }
    world.tokens.channels = vec![grant("news"), grant("other")];
    let key = world.open();
    let connect = Connect {
        token: Some("ann".into()),
        subscriptions: vec![recover("news", "first", 1), recover("never granted", "first", 0)],
        data: None,
    };
    let connected = world.connect_with(key, connect).unwrap();
    let [(first, news), (second, other)] = &connected.subscriptions[..] else {
        panic!("two: {connected:?}")
    };
    assert_eq!((first, second), (&name("news"), &name("other")), "in the order of the grants");
    assert!(news.recovered && news.was_recovering && !other.was_recovering);
    let texts: Vec<_> = news.publications.iter().map(|one| text(one)).collect();
    assert_eq!(texts, ["2", "3"]);
    world.broker.publish("news", "4", &mut world.mail);
    world.run();
    assert_eq!(world.received(key), ["4"]);
}

/// What is published, asked and decided before the connect is answered comes after the answer.
#[test]
fn the_first_thing_a_session_hears_is_that_it_is_connected() {
    let mut world = World::new(open_options());
    world.tokens.channels = vec![grant("news"), grant("slow")];
    let key = world.open();
    let connect = world.command(
        key,
        Command::Connect(Connect { token: Some("ann".into()), ..Connect::default() }),
    );
    let subscribe = world.command(key, Command::Subscribe(plain("room")));
    // One of the two is there, and gets something.
    let slow = world.recorder.requests.pop().unwrap();
    world.serve();
    world.broker.publish("news", "1", &mut world.mail);
    while !world.mail.is_empty() {
        world.arrive(0);
    }
    let more = grant("more");
    world.shard.subscribe(world.now, &user("ann"), &more, None, &mut world.recorder).unwrap();
    world.shard.message(&user("ann"), &json("hello"), &mut world.recorder);
    world.shard.unsubscribe(world.now, &user("ann"), &name("slow"), &mut world.recorder);
    assert_eq!(world.recorder.out, [], "nothing yet");
    world.recorder.requests.push(slow);
    world.run();
    assert!(
        matches!(&world.recorder.out[0], crate::world::Out::Reply(_, id, Ok(_)) if *id == connect)
    );
    let Some(Ok(tidewire_hub::Reply::Connected(connected))) = world.reply_to(connect) else {
        panic!("connected")
    };
    let names: Vec<_> = connected.subscriptions.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["news", "more"]);
    assert_eq!(world.received(key), ["1"]);
    assert!(world.reply_to(subscribe).unwrap().is_ok());
}

#[test]
fn a_subscription_of_the_application_recovers_if_it_is_told_from_where() {
    let (mut world, [ann, ..]) = world();
    world.publish(ann, "news", "1").unwrap();
    world.publish(ann, "news", "2").unwrap();
    let since = tidewire_hub::Position { epoch: tidewire_hub::Epoch::new("first"), offset: 1 };
    world
        .shard
        .subscribe(world.now, &user("ann"), &grant("news"), Some(&since), &mut world.recorder)
        .unwrap();
    world.run();
    let [Push::Subscribed { subscribed, .. }] = &world.pushes(ann)[..] else {
        panic!("subscribed")
    };
    let Subscribed { recovered, publications, .. } = &**subscribed;
    assert!(recovered);
    assert_eq!(publications.len(), 1);
}

#[test]
fn a_client_may_leave_what_the_application_has_given_and_hears_why_it_is_taken() {
    let (mut world, [ann, other, _]) = world();
    world
        .shard
        .subscribe(world.now, &user("ann"), &grant("news"), None, &mut world.recorder)
        .unwrap();
    world.run();
    world.ask(ann, Command::Unsubscribe { channel: "news".into() }).unwrap();
    world.recorder.out.clear();
    world.shard.unsubscribe(world.now, &user("ann"), &name("news"), &mut world.recorder);
    assert_eq!(world.pushes(ann), []);
    let why = Unsubscribe::Server;
    assert_eq!(world.pushes(other), [Push::Unsubscribed { channel: name("news"), why }]);
}

#[test]
fn draining_is_spread_over_its_time() {
    let mut world = World::new(open_options());
    let mut keys: Vec<_> = (0..100).map(|number| world.connect(&format!("user{number}"))).collect();
    let gone = keys.remove(50);
    world.shard.closed(world.now, gone, &mut world.recorder);
    world.shard.drain(world.now, Duration::from_secs(10));
    assert_eq!(world.try_open(), Err(Disconnect::Shutdown));
    let mut left = Vec::new();
    for _ in 0..5 {
        world.wait(2_000);
        left.push(world.shard.stats().session_count);
    }
    for (left, expected) in left.iter().zip([80, 60, 40, 20, 0]) {
        assert!(left.abs_diff(expected) <= 2, "{left} for {expected}");
    }
    for key in keys {
        let last = world.pushes(key).pop();
        assert_eq!(last, Some(Push::Disconnect(Disconnect::Shutdown)));
    }
}

#[test]
fn draining_at_once() {
    let (mut world, keys) = world();
    world.shard.drain(world.now, Duration::ZERO);
    world.wait(62);
    for key in keys {
        assert_eq!(world.pushes(key), [Push::Disconnect(Disconnect::Shutdown)]);
    }
}

/// Nothing that was allowed outlives that it is allowed: whoever is taken out of a channel, or is ended, neither
/// receives nor does anything there any more.
#[test]
fn s14_what_was_allowed_ends_when_it_is_taken_back() {
    let options = {
        let mut options = open_options();
        options.permissions.publish = tidewire_hub::Who { subscribers: true, ..Default::default() };
        options
    };
    let mut world = World::new(options);
    let [ann, bob] = ["ann", "bob"].map(|user| world.connect(user));
    for key in [ann, bob] {
        world.subscribe(key, plain("room")).unwrap();
    }
    world.publish(ann, "room", "1").unwrap();
    world.shard.unsubscribe(world.now, &user("ann"), &name("room"), &mut world.recorder);
    assert_eq!(world.publish(ann, "room", "2"), Err(Error::PermissionDenied));
    world.publish(bob, "room", "3").unwrap();
    assert_eq!(world.received(ann), ["1"]);
    // What is on its way when a session ends does not come back to it.
    let late = world.command(bob, Command::Presence { channel: "room".into() });
    world.shard.disconnect(
        world.now,
        &user("bob"),
        Disconnect::ForceNoReconnect,
        &mut world.recorder,
    );
    world.recorder.out.clear();
    world.broker.publish("room", "4", &mut world.mail);
    world.run();
    assert_eq!(world.reply_to(late), None);
    assert_eq!(world.recorder.out, []);
}
