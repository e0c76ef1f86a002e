//! What happens by itself, as time goes by. Everything is noticed a second late at most.

use std::time::Duration;

use tidewire_hub::{
    Command, Connect, Disconnect, Error, HubConfig, Push, Reply, Subscribe, SubscriptionGrant,
    Timestamp, Unsubscribe,
};

use crate::world::{World, config_of, name, open_options, plain};

fn later(world: &World, millis: u64) -> Timestamp {
    Timestamp::from_millis(world.now.as_millis() + millis)
}

fn quiet() -> HubConfig {
    HubConfig { ping_interval: None, ..config_of(open_options()) }
}

#[test]
fn who_does_not_say_who_it_is_in_time_is_stale() {
    let mut world = World::with(quiet());
    let silent = world.open();
    let ann = world.connect("ann");
    world.wait(9_900);
    assert_eq!(world.pushes(silent), []);
    world.wait(1_200);
    assert_eq!(world.pushes(silent), [Push::Disconnect(Disconnect::Stale)]);
    assert_eq!(world.pushes(ann), []);
}

#[test]
fn who_answers_pings_stays_and_who_does_not_goes() {
    for answers_pings in [true, false] {
        let mut world = World::new(open_options());
        world.answers_pings = answers_pings;
        let keys: Vec<_> = (0..20).map(|user| world.connect(&format!("user{user}"))).collect();
        world.wait(40_000);
        for key in keys {
            let ended = world.pushes(key).contains(&Push::Disconnect(Disconnect::NoPong));
            assert_eq!(ended, !answers_pings);
        }
    }
}

#[test]
fn pings_are_spread_over_the_interval() {
    let mut world = World::new(open_options());
    world.answers_pings = false;
    let keys: Vec<_> = (0..100).map(|user| world.connect(&format!("user{user}"))).collect();
    let mut pinged = Vec::new();
    for _ in 0..5 {
        world.wait(5_000);
        pinged.push(keys.iter().filter(|key| world.pushes(**key).contains(&Push::Ping)).count());
    }
    assert!(pinged.iter().all(|count| (10..35).contains(count)), "{pinged:?}");
}

#[test]
fn a_session_ends_some_time_after_its_token() {
    let mut world = World::with(quiet());
    world.tokens.expires_at = Some(later(&world, 10_000));
    let ann = world.connect("ann");
    let bob = world.connect("bob");
    world.wait(34_000);
    assert_eq!(world.pushes(ann), [], "there is time for a new token");
    world.tokens.expires_at = Some(later(&world, 60_000));
    let Ok(Reply::Refreshed { expires_in, .. }) =
        world.ask(ann, Command::Refresh { token: "ann".into() })
    else {
        panic!("refreshed");
    };
    assert_eq!(expires_in, Some(Duration::from_secs(60)));
    world.wait(2_500);
    assert_eq!(world.pushes(ann), []);
    assert_eq!(world.pushes(bob), [Push::Disconnect(Disconnect::Expired)]);
    world.wait(90_000);
    assert_eq!(world.pushes(ann), [Push::Disconnect(Disconnect::Expired)]);
}

#[test]
fn tokens_that_do_not_refresh() {
    let cases = [
        ("bob", Disconnect::InvalidToken),
        ("bad", Disconnect::InvalidToken),
        ("expired", Disconnect::Expired),
    ];
    for (token, why) in cases {
        let mut world = World::with(quiet());
        let ann = world.connect("ann");
        world.command(ann, Command::Refresh { token: token.into() });
        assert_eq!(world.pushes(ann), [Push::Disconnect(why)], "{token}");
    }
    let mut world = World::with(quiet());
    let ann = world.connect("ann");
    world.tokens.expires_at = Some(world.now);
    assert_eq!(world.ask(ann, Command::Refresh { token: "ann".into() }), Err(Error::Expired));
}

#[test]
fn a_subscription_ends_some_time_after_its_token() {
    let mut world = World::with(quiet());
    let ann = world.connect("ann");
    let bob = world.connect("bob");
    world.tokens.expires_at = Some(later(&world, 10_000));
    for (key, user) in [(ann, "ann"), (bob, "bob")] {
        let token = Some(format!("room|{user}").into());
        let subscribed = world.subscribe(key, Subscribe { token, ..plain("room") }).unwrap();
        assert_eq!(subscribed.expires_in, Some(Duration::from_secs(10)));
    }
    world.wait(34_000);
    world.tokens.expires_at = None;
    let refresh = |channel: &str, token: &str| Command::RefreshSubscription {
        channel: channel.into(),
        token: token.into(),
    };
    let refreshed = world.ask(ann, refresh("room", "room|ann"));
    assert_eq!(refreshed, Ok(Reply::SubscriptionRefreshed { expires_in: None }));
    assert_eq!(world.ask(ann, refresh("room", "room|bob")), Err(Error::PermissionDenied));
    assert_eq!(world.ask(ann, refresh("room", "expired")), Err(Error::TokenExpired));
    assert_eq!(world.ask(ann, refresh("other", "other|ann")), Err(Error::PermissionDenied));
    world.wait(2_500);
    let why = Unsubscribe::Expired;
    assert_eq!(world.pushes(bob), [Push::Unsubscribed { channel: name("room"), why }]);
    assert_eq!(world.pushes(ann), []);
}

#[test]
fn a_server_side_subscription_takes_its_session_along() {
    let mut world = World::with(quiet());
    world.tokens.channels = vec![SubscriptionGrant {
        channel: "room".into(),
        expires_at: Some(later(&world, 5_000)),
        ..SubscriptionGrant::default()
    }];
    let ann = world.connect("ann");
    world.wait(31_500);
    assert_eq!(world.pushes(ann), [Push::Disconnect(Disconnect::SubscriptionExpired)]);
}

#[test]
fn what_has_expired_is_not_begun() {
    let mut world = World::with(quiet());
    world.tokens.expires_at = Some(world.now);
    let key = world.open();
    let connect = Connect { token: Some("ann".into()), ..Connect::default() };
    assert_eq!(world.connect_with(key, connect).err(), Some(Error::Expired));
    world.tokens.expires_at = None;
    let ann = world.connect("ann");
    world.tokens.expires_at = Some(world.now);
    let token = Some("room|ann".into());
    let refused = world.subscribe(ann, Subscribe { token, ..plain("room") });
    assert_eq!(refused.err(), Some(Error::Expired));
}

#[test]
fn presence_is_told_again_where_brokers_forget() {
    let mut options = open_options();
    options.presence = true;
    let interval = Some(Duration::from_secs(20));
    let config = HubConfig {
        ping_interval: None,
        presence_refresh_interval: interval,
        ..config_of(options)
    };
    let mut world = World::with(config);
    let ann = world.connect("ann");
    world.subscribe(ann, plain("room")).unwrap();
    world.broker.channel("room").present.clear();
    world.wait(19_000);
    assert_eq!(world.broker.channel("room").present.len(), 0);
    world.wait(2_500);
    assert_eq!(world.broker.channel("room").present.len(), 1);
}
