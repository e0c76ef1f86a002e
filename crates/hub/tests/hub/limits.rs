//! Every limit: what is at it passes, what is one above it does not.

use tidewire_hub::{
    Command, CommandId, Connect, Disconnect, Epoch, Error, History, HistoryFilter, HubConfig,
    HubLimits, Position, Publish, Push, Rate, Reply, SessionKey, Subscribe, SubscriptionGrant,
    Timestamp,
};

use crate::world::{Out, World, config_of, json, open_options, plain, recover};

fn with(limit: impl FnOnce(&mut HubLimits)) -> World {
    let mut config: HubConfig = config_of(open_options());
    limit(&mut config.limits);
    World::with(config)
}

fn connect() -> Command {
    Command::Connect(Connect { token: Some("ann".into()), ..Connect::default() })
}

fn publish(len: usize) -> Command {
    Command::Publish(Publish { channel: "room".into(), data: json(&"x".repeat(len)), key: None })
}

fn ended(world: &mut World, key: SessionKey) -> Option<Disconnect> {
    world.pushes(key).into_iter().find_map(|push| match push {
        Push::Disconnect(why) => Some(why),
        _ => None,
    })
}

#[test]
fn sessions() {
    let mut world = with(|limits| limits.session_count_max = 2);
    world.open();
    let second = world.open();
    assert_eq!(world.try_open(), Err(Disconnect::ConnectionLimit));
    world.shard.closed(world.now, second, &mut world.recorder);
    let third = world.try_open().unwrap();
    assert_ne!(third, second, "a new session never has the key of an old one");
    assert_eq!(third.index(), second.index());
}

#[test]
fn sessions_of_a_user() {
    let mut world = with(|limits| limits.user_session_count_max = 2);
    world.connect("ann");
    world.connect("ann");
    let third = world.open();
    world.command(third, connect());
    assert_eq!(ended(&mut world, third), Some(Disconnect::ConnectionLimit));
    world.connect("bob");
}

/// What others than the shard know counts before anybody hears of the session, itself included.
#[test]
fn sessions_of_a_user_elsewhere() {
    let mut world = with(|_| {});
    let bob = world.connect("bob");
    let options = Subscribe { join_leave: true, ..plain("room") };
    world.subscribe(bob, options).unwrap();
    let grant = SubscriptionGrant { channel: "room".into(), ..SubscriptionGrant::default() };
    world.tokens.channels.push(grant);
    world.recorder.turns_users_away = true;
    let ann = world.open();
    world.recorder.out.clear();
    world.command(ann, connect());
    world.run();
    let out = &world.recorder.out[..];
    let [Out::Push(told, Push::Disconnect(Disconnect::ConnectionLimit))] = out else {
        panic!("{out:?}");
    };
    assert_eq!(*told, ann);
    world.recorder.turns_users_away = false;
    world.connect("ann");
}

#[test]
fn subscriptions() {
    let mut world = with(|limits| limits.subscription_count_max = 2);
    let ann = world.connect("ann");
    world.subscribe(ann, plain("1")).unwrap();
    world.subscribe(ann, plain("2")).unwrap();
    assert_eq!(world.subscribe(ann, plain("3")).err(), Some(Error::LimitExceeded));
    world.ask(ann, Command::Unsubscribe { channel: "1".into() }).unwrap();
    world.subscribe(ann, plain("3")).unwrap();
}

#[test]
fn server_side_subscriptions() {
    for (count, why) in [(2, None), (3, Some(Disconnect::ChannelLimit))] {
        let mut world = with(|limits| limits.subscription_count_max = 2);
        let grant = |index: usize| SubscriptionGrant {
            channel: index.to_string().into(),
            ..SubscriptionGrant::default()
        };
        world.tokens.channels = (0..count).map(grant).collect();
        let key = world.open();
        world.command(key, connect());
        world.run();
        assert_eq!(ended(&mut world, key), why, "{count}");
    }
}

#[test]
fn names_of_channels() {
    let mut world = with(|limits| limits.channel_name_len_max = 10);
    let ann = world.connect("ann");
    world.subscribe(ann, plain(&"x".repeat(10))).unwrap();
    assert_eq!(world.subscribe(ann, plain(&"x".repeat(11))).err(), Some(Error::PermissionDenied));
}

#[test]
fn publications() {
    let mut world = with(|limits| limits.publication_len_max = 100);
    let ann = world.connect("ann");
    assert!(world.ask(ann, publish(100)).is_ok());
    assert_eq!(world.ask(ann, publish(101)), Err(Error::LimitExceeded));
}

#[test]
fn commands_that_wait() {
    let mut world = with(|limits| limits.pending_command_count_max = 2);
    let ann = world.connect("ann");
    let first = world.command(ann, publish(1));
    let second = world.command(ann, Command::Subscribe(plain("room")));
    for command in
        [publish(1), Command::Subscribe(plain("other")), Command::Presence { channel: "x".into() }]
    {
        let one_more = world.command(ann, command);
        let told = world.reply_to(one_more);
        assert!(
            matches!(told, Some(Err(Error::TooManyRequests | Error::NotAvailable))),
            "{told:?}"
        );
    }
    world.run();
    assert!(world.reply_to(first).is_some_and(|reply| reply.is_ok()));
    assert!(world.reply_to(second).is_some_and(|reply| reply.is_ok()));
    assert!(world.ask(ann, publish(1)).is_ok());
}

#[test]
fn commands_before_the_connect_is_answered() {
    for (count, why) in [(2, None), (3, Some(Disconnect::TooManyRequests))] {
        let mut world = with(|limits| limits.pending_command_count_max = 2);
        world.tokens.channels =
            vec![SubscriptionGrant { channel: "own".into(), ..SubscriptionGrant::default() }];
        let key = world.open();
        let connected = world.command(key, connect());
        let others: Vec<_> = (0..count).map(|_| world.command(key, publish(1))).collect();
        assert_eq!(ended(&mut world, key), why, "{count}");
        world.run();
        assert_eq!(world.reply_to(connected).is_some(), why.is_none());
        for id in others {
            assert_eq!(world.reply_to(id).is_some(), why.is_none());
        }
    }
}

#[test]
fn commands_by_time() {
    let mut world = with(|limits| limits.commands = Some(Rate::per_second(10, 5)));
    let ann = world.connect("ann");
    for _ in 0..4 {
        world.command(ann, Command::Pong);
    }
    assert_eq!(ended(&mut world, ann), None, "five with the first, connect");
    world.now = Timestamp::from_millis(world.now.as_millis() + 100);
    world.command(ann, Command::Pong);
    assert_eq!(ended(&mut world, ann), None, "a tenth of a second later");
    world.command(ann, Command::Pong);
    assert_eq!(ended(&mut world, ann), Some(Disconnect::TooManyRequests));
}

/// Whoever drives a shard may have reasons of its own: then a command costs what it costs, and is answered in
/// its turn.
#[test]
fn commands_that_are_refused_count_as_well() {
    let mut world = with(|limits| limits.commands = Some(Rate::per_second(10, 3)));
    world.tokens.channels =
        vec![SubscriptionGrant { channel: "own".into(), ..SubscriptionGrant::default() }];
    let key = world.open();
    let connected = world.command(key, connect());
    let refused = CommandId(1000);
    let why = Error::TooManyRequests;
    let refuse = |world: &mut World, id| {
        world.shard.refuse(world.now, key, id, &publish(1), why, &mut world.recorder);
        world.shard.debug_check();
    };
    refuse(&mut world, refused);
    assert_eq!(world.reply_to(refused), None, "not before it is connected");
    world.run();
    assert!(world.reply_to(connected).is_some_and(|reply| reply.is_ok()));
    assert_eq!(world.reply_to(refused), Some(Err(why)));
    refuse(&mut world, CommandId(1001));
    assert_eq!(ended(&mut world, key), None, "at the limit");
    refuse(&mut world, CommandId(1002));
    assert_eq!(ended(&mut world, key), Some(Disconnect::TooManyRequests));
    assert_eq!(world.shard.stats().counts.commands_over_pace, 1);
}

#[test]
fn s7_small_pieces_are_not_free() {
    // 32 for the command, 4 for the channel.
    for (len, why) in [(964, None), (965, Some(Disconnect::TooManyRequests))] {
        let mut world = with(|limits| limits.command_bytes = Some(Rate::per_second(1000, 1000)));
        let ann = world.connect("ann");
        world.now = Timestamp::from_millis(world.now.as_millis() + 10_000);
        world.command(ann, publish(len));
        assert_eq!(ended(&mut world, ann), why, "{len}");
    }
}

#[test]
fn a_second_grant_for_the_same_channel_is_no_second_subscription() {
    let mut world = with(|limits| limits.subscription_count_max = 1);
    let grant = SubscriptionGrant { channel: "own".into(), ..SubscriptionGrant::default() };
    world.tokens.channels = vec![grant.clone(), grant];
    let key = world.open();
    let connected =
        world.connect_with(key, Connect { token: Some("ann".into()), ..Connect::default() });
    assert_eq!(connected.unwrap().subscriptions.len(), 1);
}

/// What each publication takes beside its payload.
const OVERHEAD: usize = 128;

#[test]
fn bytes_that_are_recovered() {
    let len = 3 * (10 + OVERHEAD);
    for (len_max, recovered) in [(len, true), (len - 1, false)] {
        let mut world = with(|limits| limits.recovery_len_max = len_max);
        for _ in 0..3 {
            world.broker.publish("room", "0123456789", &mut world.mail);
        }
        let ann = world.connect("ann");
        let subscribed = world.subscribe(ann, recover("room", "first", 0)).unwrap();
        assert_eq!(subscribed.recovered, recovered, "{len_max}");
        assert_eq!(subscribed.publications.len(), if recovered { 3 } else { 0 });
    }
}

/// All that a session recovers as it connects is in one answer.
#[test]
fn bytes_that_are_recovered_by_connecting() {
    let len = 2 * (10 + OVERHEAD);
    for (len_max, recovered) in [(len, [true, true]), (len - 1, [true, false])] {
        let mut world = with(|limits| limits.recovery_len_max = len_max);
        let grant = |channel: &str| SubscriptionGrant {
            channel: channel.into(),
            force_recovery: Some(true),
            ..SubscriptionGrant::default()
        };
        world.tokens.channels = vec![grant("1"), grant("2")];
        for channel in ["1", "2"] {
            world.broker.publish(channel, "0123456789", &mut world.mail);
        }
        let subscriptions = ["1", "2"].map(|channel| recover(channel, "first", 0)).to_vec();
        let key = world.open();
        let connect = Connect { token: Some("ann".into()), subscriptions, ..Connect::default() };
        let connected = world.connect_with(key, connect).unwrap();
        let made = connected.subscriptions.iter().map(|(_, made)| made);
        assert_eq!(made.clone().map(|made| made.recovered).collect::<Vec<_>>(), recovered);
        for made in made {
            assert_eq!(made.publications.len(), usize::from(made.recovered), "{len_max}");
            assert_eq!(made.position.as_ref().unwrap().offset, 1);
        }
    }
}

#[test]
fn bytes_of_history() {
    let each = 10 + OVERHEAD;
    // How much may be in a page, the offsets of it, and of it in reverse.
    let cases: [(usize, &[u64], &[u64]); 4] = [
        (3 * each, &[1, 2, 3], &[3, 2, 1]),
        (3 * each - 1, &[1, 2], &[3, 2]),
        (each, &[1], &[3]),
        (0, &[1], &[3]),
    ];
    for (len_max, forward, backward) in cases {
        let mut world = with(|limits| limits.history_len_max = len_max);
        for _ in 0..3 {
            world.broker.publish("room", "0123456789", &mut world.mail);
        }
        let ann = world.connect("ann");
        let mut read = |filter: HistoryFilter| {
            let history = Command::History(History { channel: "room".into(), filter });
            let Reply::History { publications, top } = world.ask(ann, history).unwrap() else {
                unreachable!()
            };
            assert_eq!(top.offset, 3, "who gets less than that knows that there is more");
            publications.iter().map(|one| one.offset).collect::<Vec<_>>()
        };
        assert_eq!(read(HistoryFilter::default()), forward, "{len_max}");
        let reverse = HistoryFilter { reverse: true, ..HistoryFilter::default() };
        assert_eq!(read(reverse), backward, "{len_max}");
        // Page by page nothing is left out, and nothing comes twice.
        let mut all = Vec::new();
        while let Some(offset) = all.last().copied().or(Some(0)).filter(|offset| *offset < 3) {
            let since = Some(Position { epoch: Epoch::new("first"), offset });
            all.extend(read(HistoryFilter { since, ..HistoryFilter::default() }));
        }
        assert_eq!(all, [1, 2, 3], "{len_max}");
    }
}
