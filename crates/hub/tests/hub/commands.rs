//! Commands: who may ask what, and what each is answered.

use std::time::Duration;

use tidewire_hub::{
    ChannelOptions, Command, Connect, Credentials, Disconnect, Error, Guest, History,
    HistoryFilter, HubConfig, Namespaces, Permissions, Publish, Push, Reply, Seed, Subscribe,
    UserId, Variant, Who,
    broker::{Ask, Retention},
};

use crate::world::{World, config_of, json, open_options, plain};

/// A kind of channels for each permission, and bare ones that allow nothing.
fn config() -> HubConfig {
    let seed = Seed::new([3, 4]);
    let kind = |who: Who| ChannelOptions {
        permissions: Permissions { subscribe: who, publish: who, presence: who, history: who },
        presence: true,
        history: Some(Retention::new(10, Duration::from_secs(60))),
        allow_user_limited: true,
        ..ChannelOptions::default()
    };
    let nothing = ChannelOptions { history: None, presence: false, ..kind(Who::default()) };
    let switched_off =
        ChannelOptions { permissions: open_options().permissions, ..nothing.clone() };
    let namespaces = Namespaces::new(seed)
        .bare(nothing)
        .named("off", switched_off)
        .named("users", kind(Who { users: true, ..Who::default() }))
        .named("anonymous", kind(Who { anonymous: true, ..Who::default() }))
        .named("subscribers", kind(Who { subscribers: true, ..Who::default() }));
    HubConfig { allow_anonymous: true, ..HubConfig::new(namespaces, seed) }
}

/// All that may be asked of a channel.
fn asked_of(channel: &str) -> [Command; 5] {
    let channel = || channel.into();
    [
        Command::Subscribe(Subscribe { channel: channel(), ..Subscribe::default() }),
        Command::Publish(Publish { channel: channel(), data: json("1"), key: None }),
        Command::History(History { channel: channel(), filter: HistoryFilter::default() }),
        Command::Presence { channel: channel() },
        Command::PresenceStats { channel: channel() },
    ]
}

/// Rule, user, channel, whether subscribed by a token first, what each command is told.
type Case<'a> = (&'a str, &'a str, &'a str, bool, [Option<Error>; 5]);

#[test]
fn s15_s18_one_permission_for_every_command() {
    let denied = Some(Error::PermissionDenied);
    let off = Some(Error::NotAvailable);
    let cases: &[Case<'_>] = &[
        ("nobody may do anything by default", "ann", "bare", false, [denied; 5]),
        ("an unknown namespace looks forbidden", "ann", "unknown:x", false, [denied; 5]),
        ("so does an impossible name", "ann", "users:\n", false, [denied; 5]),
        ("and no name", "ann", "", false, [denied; 5]),
        ("users may", "ann", "users:x", false, [None; 5]),
        ("the anonymous are no users", "", "users:x", false, [denied; 5]),
        ("the anonymous may", "", "anonymous:x", false, [None; 5]),
        ("users are not anonymous", "ann", "anonymous:x", false, [denied; 5]),
        ("who is not subscribed is no subscriber", "ann", "subscribers:x", false, [denied; 5]),
        (
            "subscribers may",
            "ann",
            "subscribers:x",
            true,
            [Some(Error::AlreadySubscribed), None, None, None, None],
        ),
        (
            "what is off is told to whom it is allowed",
            "ann",
            "off:x",
            false,
            [None, None, off, off, off],
        ),
        ("one of those for whom it is", "ann", "users:x#ann,bob", false, [None; 5]),
        ("another one", "eve", "users:x#ann,bob", false, [denied; 5]),
        ("nobody is meant by an empty name", "", "anonymous:x#,ann", false, [denied; 5]),
        (
            "being meant is enough to subscribe",
            "ann",
            "x#ann",
            false,
            [None, denied, denied, denied, denied],
        ),
        (
            "a token lets others in, as far as subscribers may",
            "eve",
            "subscribers:x#ann",
            true,
            [Some(Error::AlreadySubscribed), None, None, None, None],
        ),
    ];
    for (rule, user, channel, by_token, told) in cases {
        for (at, (command, told)) in asked_of(channel).into_iter().zip(told).enumerate() {
            let mut world = World::with(config());
            let key = world.open();
            let token = (!user.is_empty()).then(|| (*user).into());
            world.connect_with(key, Connect { token, ..Connect::default() }).unwrap();
            if *by_token {
                let token = Some(format!("{channel}|{user}").into());
                world.subscribe(key, Subscribe { token, ..plain(channel) }).unwrap();
            }
            let reply = world.ask(key, command);
            assert_eq!(reply.err(), *told, "{rule}: command {at}");
        }
    }
}

#[test]
fn tokens() {
    let connected = |token: &str| {
        let mut world = World::new(open_options());
        let key = world.open();
        let id = world.command(
            key,
            Command::Connect(Connect { token: Some(token.into()), ..Connect::default() }),
        );
        (world.reply_to(id).map(Result::err), world.pushes(key))
    };
    assert_eq!(connected("ann"), (Some(None), vec![]));
    assert_eq!(connected("expired"), (Some(Some(Error::TokenExpired)), vec![]));
    assert_eq!(connected("bad"), (None, vec![Push::Disconnect(Disconnect::InvalidToken)]));

    let subscribed = |token: &str| {
        let mut world = World::with(config());
        let key = world.connect("ann");
        world.subscribe(key, Subscribe { token: Some(token.into()), ..plain("bare") }).err()
    };
    assert_eq!(subscribed("bare|ann"), None, "a token is a permission");
    assert_eq!(subscribed("bare|bob"), Some(Error::PermissionDenied));
    assert_eq!(subscribed("expired"), Some(Error::TokenExpired));

    let mut world = World::with(config());
    let key = world.connect("ann");
    let refused = world.subscribe(key, Subscribe { token: Some("bad".into()), ..plain("users:x") });
    assert_eq!(refused.err(), Some(Error::PermissionDenied), "a bad token is worse than none");
}

#[test]
fn nobody_in_particular_needs_leave_to_be() {
    let mut world = World::new(open_options());
    let key = world.open();
    assert_eq!(world.connect_with(key, Connect::default()).err(), Some(Error::Unauthorized));
    let mut world = World::with(HubConfig { allow_anonymous: true, ..config_of(open_options()) });
    let key = world.open();
    assert!(world.connect_with(key, Connect::default()).is_ok());
}

#[test]
fn credentials_that_came_with_the_request_need_no_token() {
    let mut world = World::new(open_options());
    let credentials = Credentials { user: UserId::new("ann"), ..Credentials::default() };
    let guest = Guest {
        client: tidewire_hub::ClientId::new("c"),
        variant: Variant::default(),
        credentials: Some(credentials),
    };
    let key = world.shard.open(world.now, guest, &mut world.recorder).unwrap();
    world.connect_with(key, Connect::default()).unwrap();
    assert_eq!(world.shard.stats().user_count, 1);
}

/// What ends a session, and with what.
#[test]
fn the_first_command_is_connect_and_no_other_is() {
    let connect = || Command::Connect(Connect { token: Some("ann".into()), ..Connect::default() });
    let bad = [Push::Disconnect(Disconnect::BadRequest)];
    for command in [Command::Pong, Command::Subscribe(plain("x")), Command::Send { data: None }] {
        let mut world = World::new(open_options());
        let key = world.open();
        world.command(key, command);
        assert_eq!(world.pushes(key), bad);
        world.command(key, connect());
        assert_eq!(world.recorder.out, [], "it is no session any more");
    }
    let mut world = World::new(open_options());
    let key = world.connect("ann");
    world.command(key, connect());
    assert_eq!(world.pushes(key), bad);
    assert_eq!(world.shard.stats().session_count, 0);
}

#[test]
fn what_no_application_takes() {
    let mut world = World::new(open_options());
    let key = world.connect("ann");
    let call = Command::Call { method: "sum".into(), data: None };
    assert_eq!(world.ask(key, call), Err(Error::MethodNotFound));
    assert_eq!(world.ask(key, Command::Refused(Error::BadRequest)), Err(Error::BadRequest));
    world.command(key, Command::Send { data: None });
    assert_eq!(world.pushes(key), [Push::Disconnect(Disconnect::NotAvailable)]);
}

#[test]
fn a_command_without_an_id_is_not_answered() {
    let mut world = World::new(open_options());
    let key = world.connect("ann");
    world.subscribe(key, plain("room")).unwrap();
    let publish = Command::Publish(Publish { channel: "room".into(), data: json("1"), key: None });
    let id = tidewire_hub::CommandId(0);
    world.shard.command(world.now, key, id, publish, &mut world.tokens, &mut world.recorder);
    world.run();
    assert_eq!(world.received(key), ["1"]);
    assert_eq!(world.recorder.out, []);
}

#[test]
fn history_is_asked_for_within_limits() {
    let mut config = config_of(open_options());
    config.limits.history_count_max = 3;
    let mut world = World::with(config);
    let ann = world.connect("ann");
    for text in ["1", "2", "3", "4"] {
        world.publish(ann, "room", text).unwrap();
    }
    for (asked, limit) in [(None, 3), (Some(2), 2), (Some(3), 3), (Some(4), 3), (Some(0), 0)] {
        let filter = HistoryFilter { limit: asked, ..HistoryFilter::default() };
        let history = Command::History(History { channel: "room".into(), filter });
        let Ok(Reply::History { publications, top }) = world.ask(ann, history) else {
            panic!("history")
        };
        assert_eq!(publications.len(), limit, "{asked:?}");
        assert_eq!(top.offset, 4);
    }
    let since = |epoch: &str, offset| HistoryFilter {
        since: Some(tidewire_hub::Position { epoch: tidewire_hub::Epoch::new(epoch), offset }),
        ..HistoryFilter::default()
    };
    let mut told =
        |filter| world.ask(ann, Command::History(History { channel: "room".into(), filter })).err();
    assert_eq!(told(since("first", 3)), None);
    assert_eq!(told(since("", 0)), None, "from the beginning");
    assert_eq!(told(since("", 1)), Some(Error::UnrecoverablePosition));
    assert_eq!(told(since("other", 1)), Some(Error::UnrecoverablePosition));
}

#[test]
fn unsubscribing_ends_it_and_is_no_error_twice() {
    let mut world = World::new(open_options());
    let ann = world.connect("ann");
    let bob = world.connect("bob");
    world.subscribe(ann, plain("room")).unwrap();
    world.publish(bob, "room", "1").unwrap();
    for _ in 0..2 {
        let unsubscribe = Command::Unsubscribe { channel: "room".into() };
        assert_eq!(world.ask(ann, unsubscribe), Ok(Reply::Unsubscribed));
    }
    world.publish(bob, "room", "2").unwrap();
    assert_eq!(world.received(ann), ["1"]);
    assert_eq!(world.broker.taken.iter().filter(|ask| **ask == Ask::Unsubscribe).count(), 1);
    assert_eq!(world.shard.stats().channel_count, 0);
}

#[test]
fn who_unsubscribes_before_it_is_subscribed_is_answered_both() {
    let mut world = World::new(open_options());
    let ann = world.connect("ann");
    let subscribe = world.command(ann, Command::Subscribe(plain("room")));
    let unsubscribe = world.command(ann, Command::Unsubscribe { channel: "room".into() });
    world.run();
    assert_eq!(world.reply_to(subscribe), Some(Err(Error::Internal)));
    assert_eq!(world.reply_to(unsubscribe), Some(Ok(Reply::Unsubscribed)));
    world.broker.publish("room", "1", &mut world.mail);
    world.run();
    assert_eq!(world.recorder.out, []);
}

#[test]
fn presence_joins_and_leaves() {
    let options = ChannelOptions { presence: true, join_leave: true, ..open_options() };
    let mut world = World::new(options);
    let ann = world.connect("ann");
    let bob = world.connect("bob");
    let eve = world.connect("eve");
    world.subscribe(ann, Subscribe { join_leave: true, ..plain("room") }).unwrap();
    world.subscribe(eve, plain("room")).unwrap();
    world.recorder.out.clear();
    world.subscribe(bob, plain("room")).unwrap();
    let presence = Command::Presence { channel: "room".into() };
    let Ok(Reply::Presence(members)) = world.ask(ann, presence.clone()) else { panic!("presence") };
    let users: Vec<_> = members.iter().map(|member| member.user.as_str()).collect();
    assert_eq!(users, ["ann", "eve", "bob"]);
    // One is cut off, one unsubscribes: both are gone at once, and ann hears of it, who has asked to.
    world.shard.closed(world.now, bob, &mut world.recorder);
    world.ask(eve, Command::Unsubscribe { channel: "room".into() }).unwrap();
    let Ok(Reply::Presence(members)) = world.ask(ann, presence) else { panic!("presence") };
    assert_eq!(members.len(), 1);
    let heard = world.announced();
    let heard: Vec<_> =
        heard.iter().map(|(key, user, came)| (*key, user.as_str(), *came)).collect();
    assert_eq!(heard, [(ann, "bob", true), (ann, "bob", false), (ann, "eve", false)]);
}
