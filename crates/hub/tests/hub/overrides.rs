//! What the application says of a session and of a subscription, beside what channels say.

use tidewire_hub::{ChannelOptions, Command, Reply, Subscribe, SubscriptionGrant};

use crate::world::{World, json, open_options, plain};

/// What a subscription has.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
struct Has {
    recoverable: bool,
    positioned: bool,
    present: bool,
    announced: bool,
    hears: bool,
}

const NOTHING: Has =
    Has { recoverable: false, positioned: false, present: false, announced: false, hears: false };
const ALL: Has =
    Has { recoverable: true, positioned: true, present: true, announced: true, hears: true };

/// A channel whose options are these, a grant by a token, and what the client asks for.
fn subscribed(options: &ChannelOptions, grant: &SubscriptionGrant, asks: bool) -> Has {
    let mut world = World::new(options.clone());
    world.tokens.grant = SubscriptionGrant { force_join_leave: Some(true), ..Default::default() };
    let observer = world.connect("observer");
    let by_token =
        |user: &str| Subscribe { token: Some(format!("room|{user}").into()), ..plain("room") };
    world.subscribe(observer, by_token("observer")).unwrap();
    world.tokens.grant = grant.clone();
    let ann = world.connect("ann");
    let asked =
        Subscribe { recoverable: asks, positioned: asks, join_leave: asks, ..by_token("ann") };
    let made = world.subscribe(ann, asked).unwrap();
    let heard = world.announced();
    let announced = heard.contains(&(observer, "ann".to_owned(), true));
    let present = world.broker.channel("room").present.iter().any(|one| one.user.as_str() == "ann");
    world.tokens.grant = SubscriptionGrant { join_leave: Some(true), ..Default::default() };
    let bob = world.connect("bob");
    world.subscribe(bob, by_token("bob")).unwrap();
    let hears = world.announced().contains(&(ann, "bob".to_owned(), true));
    Has { recoverable: made.recoverable, positioned: made.positioned, present, announced, hears }
}

#[test]
fn options_of_a_channel_are_other_for_one_subscription() {
    let on = ChannelOptions {
        presence: true,
        join_leave: true,
        force_join_leave: true,
        force_recovery: true,
        force_positioning: true,
        ..open_options()
    };
    let may_ask = ChannelOptions { join_leave: true, ..open_options() };
    let may_not =
        ChannelOptions { allow_recovery: false, allow_positioning: false, ..open_options() };
    let no_stream = ChannelOptions { history: None, ..on.clone() };
    let all = |value: Option<bool>| SubscriptionGrant {
        presence: value,
        join_leave: value,
        force_join_leave: value,
        force_recovery: value,
        force_positioning: value,
        ..SubscriptionGrant::default()
    };
    let (as_is, granted, taken) = (all(None), all(Some(true)), all(Some(false)));
    let only_hears = SubscriptionGrant { join_leave: Some(false), ..as_is.clone() };
    let asked = Has { recoverable: true, positioned: true, hears: true, ..NOTHING };
    let announced = Has { announced: true, ..NOTHING };
    let cases = [
        ("as the channel has it", &on, &as_is, false, ALL),
        ("all of it taken away", &on, &taken, false, NOTHING),
        (
            "nobody hears of it, and it hears of all",
            &on,
            &only_hears,
            false,
            Has { announced: false, ..ALL },
        ),
        ("nothing by itself", &may_not, &as_is, false, NOTHING),
        ("all of it granted", &may_not, &granted, false, ALL),
        ("what may not be asked for", &may_not, &as_is, true, NOTHING),
        (
            "a grant of one thing is no leave to ask for another",
            &may_not,
            &all(Some(false)),
            true,
            NOTHING,
        ),
        ("what may be asked for", &may_ask, &as_is, true, Has { announced: true, ..asked }),
        ("what may be asked for, and is not forced", &may_ask, &taken, true, asked),
        ("what nobody asks for", &may_ask, &as_is, false, announced),
        (
            "where there is no stream there is nothing to recover",
            &no_stream,
            &granted,
            true,
            Has { recoverable: false, positioned: false, ..ALL },
        ),
    ];
    for (rule, options, grant, asks, has) in cases {
        assert_eq!(subscribed(options, grant, asks), has, "{rule}");
    }
}

#[test]
fn what_the_application_says_for_itself_stays_with_the_session() {
    let options = ChannelOptions { presence: true, ..open_options() };
    let mut world = World::new(options);
    world.tokens.meta = Some(json("\"hush\""));
    let ann = world.connect("ann");
    assert_eq!(world.shard.meta(ann), Some(&json("\"hush\"")));
    world.subscribe(ann, plain("room")).unwrap();
    let present = world.ask(ann, Command::Presence { channel: "room".into() }).unwrap();
    assert!(matches!(present, Reply::Presence(_)) && !format!("{present:?}").contains("hush"));
    // The latest token counts.
    world.tokens.meta = None;
    world.ask(ann, Command::Refresh { token: "ann".into() }).unwrap();
    assert_eq!(world.shard.meta(ann), None);
}
