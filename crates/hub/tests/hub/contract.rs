//! The stream contract, rule by rule.

use std::sync::Arc;

use tidewire_hub::{
    Command, Disconnect, Epoch, Position, Publication, Push, Reply, Subscribed, SubscriptionGrant,
    Unsubscribe,
    broker::{Ask, Event, Failure, Response},
};

use crate::{
    broker::Mail,
    world::{World, config_of, json, name, open_options, plain, recover, recoverable, text},
};

const CHANNEL: &str = "room";

/// A world in which so many publications were made, and history goes back to the one after `forgotten`.
fn published(count: u64, forgotten: usize) -> World {
    published_in(World::new(open_options()), count, forgotten)
}

fn published_in(mut world: World, count: u64, forgotten: usize) -> World {
    for offset in 1..=count {
        world.broker.publish(CHANNEL, &offset.to_string(), &mut world.mail);
    }
    world.broker.channel(CHANNEL).kept.drain(..forgotten);
    world
}

fn texts(subscribed: &Subscribed) -> Vec<String> {
    subscribed.publications.iter().map(|one| text(one)).collect()
}

fn position(epoch: &str, offset: u64) -> Position {
    Position { epoch: Epoch::new(epoch), offset }
}

#[test]
fn recovered_tells_the_truth() {
    // rule, published, forgotten, epoch and offset of the client, recovered
    type Case<'a> = (&'a str, u64, usize, &'a str, u64, Option<u64>);
    let cases: &[Case<'_>] = &[
        ("nothing was missed", 5, 0, "first", 5, Some(0)),
        ("one was missed", 5, 0, "first", 4, Some(1)),
        ("all were missed", 5, 0, "first", 0, Some(5)),
        ("all, by one who has never been told an epoch", 5, 0, "", 0, Some(5)),
        ("history reaches just far enough", 5, 2, "first", 2, Some(3)),
        ("history does not reach by one", 5, 2, "first", 1, None),
        ("history is gone, and nothing was missed", 5, 5, "first", 5, Some(0)),
        ("history is gone", 5, 5, "first", 4, None),
        ("an empty epoch above zero is unrecoverable", 5, 0, "", 4, None),
        ("another epoch", 5, 0, "other", 4, None),
        ("another epoch at the same offset", 5, 0, "other", 5, None),
        ("from the future", 5, 0, "first", 6, None),
        ("an empty channel, from its beginning", 0, 0, "first", 0, Some(0)),
        ("as many as may be missed", 7, 0, "first", 0, Some(7)),
        ("one more than may be missed", 8, 0, "first", 0, None),
    ];
    for (rule, count, forgotten, epoch, offset, recovered) in cases {
        for already_there in [false, true] {
            let mut config = config_of(open_options());
            config.limits.recovery_count_max = 7;
            let mut world = published_in(World::with(config), *count, *forgotten);
            if already_there {
                let other = world.connect("other");
                world.subscribe(other, recoverable(CHANNEL)).unwrap();
            }
            let ann = world.connect("ann");
            let subscribed = world.subscribe(ann, recover(CHANNEL, epoch, *offset)).unwrap();
            let rule = format!("{rule}, with others here: {already_there}");
            assert!(
                subscribed.was_recovering && subscribed.recoverable && subscribed.positioned,
                "{rule}"
            );
            assert_eq!(subscribed.recovered, recovered.is_some(), "{rule}");
            let first = count - recovered.unwrap_or(0) + 1;
            let expected: Vec<_> = (first..=*count).map(|offset| offset.to_string()).collect();
            assert_eq!(texts(&subscribed), expected, "{rule}");
            assert_eq!(subscribed.position, Some(position("first", *count)), "{rule}");
            world.broker.publish(CHANNEL, "next", &mut world.mail);
            world.run();
            assert_eq!(world.received(ann), ["next"], "{rule}");
        }
    }
}

#[test]
fn a_channel_without_recovery_does_not_recover() {
    let mut options = open_options();
    options.allow_recovery = false;
    let mut world = World::new(options);
    world.broker.publish(CHANNEL, "1", &mut world.mail);
    let ann = world.connect("ann");
    let subscribed = world.subscribe(ann, recover(CHANNEL, "first", 0)).unwrap();
    assert!(subscribed.was_recovering && !subscribed.recovered && !subscribed.recoverable);
    assert!(subscribed.publications.is_empty());
}

#[test]
fn a_channel_without_history_has_no_position() {
    let mut options = open_options();
    options.history = None;
    let mut world = World::new(options);
    let ann = world.connect("ann");
    let subscribed = world.subscribe(ann, recover(CHANNEL, "first", 0)).unwrap();
    assert_eq!(subscribed.position, None);
    assert!(!subscribed.recovered && !subscribed.positioned && !subscribed.recoverable);
    world.publish(ann, CHANNEL, "1").unwrap();
    world.publish(ann, CHANNEL, "2").unwrap();
    assert_eq!(world.received(ann), ["1", "2"]);
}

/// A client may have seen more than this shard has: it came from another one. While it is only asked where the
/// stream is, that is not yet an answer to what comes after the client's position.
#[test]
fn who_is_ahead_waits_until_the_channel_is_there() {
    let mut world = published(5, 0);
    let ann = world.connect("ann");
    world.subscribe(ann, recoverable(CHANNEL)).unwrap();
    for offset in 6..=9 {
        world.broker.publish(CHANNEL, &offset.to_string(), &mut world.mail);
    }
    let late = std::mem::take(&mut world.mail);
    let bob = world.connect("bob");
    let top = Event::Top { channel: name(CHANNEL), position: position("first", 3) };
    world.shard.event(world.now, top, &mut world.recorder);
    let id = world.command(bob, Command::Subscribe(recover(CHANNEL, "first", 9)));
    world.run();
    let subscribed = world.subscribed(id).unwrap();
    assert!(subscribed.recovered && subscribed.publications.is_empty());
    assert_eq!(subscribed.position, Some(position("first", 9)));
    assert_eq!(world.received(ann), ["6", "7", "8", "9"]);
    world.mail = late;
    world.run();
    assert!(world.received(ann).is_empty() && world.received(bob).is_empty());
}

/// What is published while somebody is being subscribed is in its reply or comes after it, whatever
/// overtakes what.
#[test]
fn nothing_falls_into_the_hole_between_history_and_events() {
    for event_first in [false, true] {
        let mut world = published(3, 0);
        world.run();
        let ann = world.connect("ann");
        let id = world.command(ann, Command::Subscribe(recover(CHANNEL, "first", 1)));
        world.serve();
        world.broker.publish(CHANNEL, "4", &mut world.mail);
        assert_eq!(world.mail.len(), 2, "the answer, and an event");
        world.arrive(usize::from(event_first));
        world.arrive(0);
        // History is asked for now; another one comes before it answers, and one after it has.
        world.broker.publish(CHANNEL, "5", &mut world.mail);
        world.serve();
        world.broker.publish(CHANNEL, "6", &mut world.mail);
        if event_first {
            world.mail.reverse();
        }
        world.run();
        let subscribed = world.subscribed(id).unwrap();
        assert!(subscribed.recovered);
        let mut all = texts(&subscribed);
        all.extend(world.received(ann));
        assert_eq!(all, ["2", "3", "4", "5", "6"]);
    }
}

#[test]
fn events_that_come_twice_or_late_are_seen_once() {
    let mut world = World::new(open_options());
    let ann = world.connect("ann");
    world.subscribe(ann, recoverable(CHANNEL)).unwrap();
    for text in ["1", "2", "3"] {
        world.broker.publish(CHANNEL, text, &mut world.mail);
    }
    let again = world.mail.clone();
    world.mail.rotate_left(1);
    world.mail.extend(again);
    world.run();
    assert_eq!(world.received(ann), ["1", "2", "3"]);
}

#[test]
fn a_gap_is_repaired_from_history() {
    let mut world = World::new(open_options());
    let ann = world.connect("ann");
    let bob = world.connect("bob");
    world.subscribe(ann, recoverable(CHANNEL)).unwrap();
    world.subscribe(bob, plain(CHANNEL)).unwrap();
    for text in ["1", "2", "3"] {
        world.broker.publish(CHANNEL, text, &mut world.mail);
    }
    world.mail.drain(..2);
    world.run();
    assert_eq!(world.received(ann), ["1", "2", "3"]);
    assert_eq!(world.received(bob), ["1", "2", "3"]);
}

/// Two ways to lose the last publication: the broker tells where the stream is, or it has to be asked.
#[test]
fn the_loss_of_the_last_publication_is_noticed() {
    for told in [true, false] {
        let mut world = World::new(open_options());
        let ann = world.connect("ann");
        world.subscribe(ann, recoverable(CHANNEL)).unwrap();
        world.broker.publish(CHANNEL, "1", &mut world.mail);
        world.mail.clear();
        if told {
            let position = world.broker.channel(CHANNEL).position();
            world.mail.push(Mail::Event(Event::Top { channel: name(CHANNEL), position }));
            world.run();
        } else {
            world.wait(20_000);
            assert!(world.received(ann).is_empty(), "nobody has looked yet");
            world.wait(21_500);
        }
        assert_eq!(world.received(ann), ["1"], "told: {told}");
    }
}

#[test]
fn a_gap_that_cannot_be_repaired_is_told_to_whom_it_matters() {
    let mut world = World::new(open_options());
    world.tokens.channels = vec![SubscriptionGrant {
        channel: CHANNEL.into(),
        force_positioning: Some(true),
        ..SubscriptionGrant::default()
    }];
    let server_side = world.connect("server-side");
    world.tokens.channels.clear();
    let gapless = world.connect("gapless");
    let careless = world.connect("careless");
    world.subscribe(gapless, recoverable(CHANNEL)).unwrap();
    world.subscribe(careless, plain(CHANNEL)).unwrap();
    for text in ["1", "2", "3"] {
        world.broker.publish(CHANNEL, text, &mut world.mail);
    }
    world.broker.channel(CHANNEL).kept.drain(..2);
    world.mail.drain(..2);
    world.run();
    let why = Unsubscribe::InsufficientState;
    assert_eq!(world.pushes(gapless), [Push::Unsubscribed { channel: name(CHANNEL), why }]);
    assert_eq!(world.pushes(server_side), [Push::Disconnect(Disconnect::InsufficientState)]);
    assert_eq!(world.received(gapless), [""; 0], "nothing after the gap");
    assert_eq!(world.received(careless), ["3"], "who does not mind goes on");
    let again = world.subscribe(gapless, recover(CHANNEL, "first", 0)).unwrap();
    assert!(!again.recovered);
    assert_eq!(again.position, Some(position("first", 3)));
}

#[test]
fn more_than_may_be_kept_is_a_gap_that_is_not_repaired() {
    let mut options = open_options();
    options.history.as_mut().unwrap().count_max = 1000;
    for (missing, repaired) in [(4_u64, true), (5, false)] {
        let mut config = config_of(options.clone());
        config.limits.merge_count_max = 4;
        let mut world = World::with(config);
        let ann = world.connect("ann");
        world.subscribe(ann, recoverable(CHANNEL)).unwrap();
        for _ in 0..missing {
            world.broker.publish(CHANNEL, "x", &mut world.mail);
        }
        world.mail.drain(..world.mail.len() - 1);
        world.run();
        assert_eq!(world.received(ann).len() as u64, if repaired { missing } else { 0 });
        assert_eq!(world.pushes(ann).is_empty(), repaired, "{missing} missing");
    }
}

/// A stream that is not where it was has begun anew: by its epoch, or by an offset that goes back.
#[test]
fn a_stream_that_begins_anew_is_told() {
    for (epoch, top) in [("second", 1), ("second", 7), ("first", 1)] {
        let mut world = World::new(open_options());
        let ann = world.connect("ann");
        let bob = world.connect("bob");
        world.subscribe(ann, recoverable(CHANNEL)).unwrap();
        world.subscribe(bob, plain(CHANNEL)).unwrap();
        for _ in 0..3 {
            world.publish(bob, CHANNEL, "old").unwrap();
        }
        let channel = world.broker.channel(CHANNEL);
        channel.epoch = Epoch::new(epoch);
        channel.kept.clear();
        channel.top = top;
        world.mail.push(Mail::Event(Event::Lost));
        world.run();
        let why = Unsubscribe::InsufficientState;
        assert_eq!(
            world.pushes(ann),
            [Push::Unsubscribed { channel: name(CHANNEL), why }],
            "{epoch} {top}"
        );
        assert_eq!(world.pushes(bob), []);
        world.publish(bob, CHANNEL, "new").unwrap();
        assert_eq!(world.received(bob), ["old", "old", "old", "new"], "{epoch} {top}");
        let again = world.subscribe(ann, recover(CHANNEL, "first", 3)).unwrap();
        assert!(!again.recovered, "{epoch} {top}");
        assert_eq!(again.position, Some(position(epoch, top + 1)), "{epoch} {top}");
    }
}

#[test]
fn a_late_word_of_an_older_top_changes_nothing() {
    let mut world = World::new(open_options());
    let ann = world.connect("ann");
    world.subscribe(ann, recoverable(CHANNEL)).unwrap();
    world.publish(ann, CHANNEL, "1").unwrap();
    let position = Position { epoch: Epoch::new("first"), offset: 0 };
    world.mail.push(Mail::Event(Event::Top { channel: name(CHANNEL), position }));
    world.run();
    assert_eq!(world.pushes(ann), []);
    world.publish(ann, CHANNEL, "2").unwrap();
    assert_eq!(world.received(ann), ["1", "2"]);
}

/// Ten thousand who come back at once are no ten thousand requests.
#[test]
fn those_who_come_back_together_share_one_reading() {
    let mut world = published(9, 0);
    let mut ids = Vec::new();
    let keys: Vec<_> = (0..40).map(|client| world.connect(&format!("user{client}"))).collect();
    for (client, key) in (0..).zip(keys) {
        ids.push((
            client % 10,
            world.command(key, Command::Subscribe(recover(CHANNEL, "first", client % 10))),
        ));
    }
    world.broker.taken.clear();
    world.run();
    let reads = world.broker.taken.iter().filter(|ask| matches!(ask, Ask::Read(_))).count();
    assert_eq!(reads, 1);
    for (since, id) in ids {
        let subscribed = world.subscribed(id).unwrap();
        assert!(subscribed.recovered);
        assert_eq!(subscribed.publications.len() as u64, 9 - since);
    }
}

#[test]
fn where_history_ends_some_recover_and_some_do_not() {
    let mut world = published(9, 5);
    let mut ids = Vec::new();
    let keys: Vec<_> = (0..10).map(|client| world.connect(&format!("user{client}"))).collect();
    for (since, key) in (0..).zip(keys) {
        ids.push((since, world.command(key, Command::Subscribe(recover(CHANNEL, "first", since)))));
    }
    world.run();
    for (since, id) in ids {
        let subscribed = world.subscribed(id).unwrap();
        assert_eq!(subscribed.recovered, since >= 5, "since {since}");
        let count = if since >= 5 { 9 - since } else { 0 };
        assert_eq!(subscribed.publications.len() as u64, count, "since {since}");
    }
}

/// A broker that answers nonsense is not believed.
#[test]
fn history_with_a_hole_in_it_recovers_nobody() {
    let mut world = published(5, 0);
    let ann = world.connect("ann");
    let id = world.command(ann, Command::Subscribe(recover(CHANNEL, "first", 1)));
    world.broker.channel(CHANNEL).kept.remove(2);
    world.run();
    world.wait(5_000);
    assert_eq!(world.reply_to(id), Some(Err(tidewire_hub::Error::Internal)));
    assert_eq!(world.shard.stats().channel_count, 0);
}

/// A publication has both an epoch and an offset, or neither.
#[test]
fn half_a_position_is_none() {
    let mut world = World::new(open_options());
    let ann = world.connect("ann");
    world.subscribe(ann, recoverable(CHANNEL)).unwrap();
    for (epoch, offset, reaches) in [(None, 0, true), (None, 6, false), (Some("first"), 0, false)] {
        let publication = Publication {
            offset,
            data: json("1"),
            publisher: None,
            tags: Box::default(),
            key: None,
            time: 0,
        };
        let (channel, publication) = (name(CHANNEL), Arc::new(publication));
        let epoch = epoch.map(Epoch::new);
        world.mail.push(Mail::Event(Event::Published { channel, epoch, publication }));
        world.run();
        assert_eq!(world.received(ann).len(), usize::from(reaches), "{offset}");
    }
}

#[test]
fn an_answer_to_what_was_never_asked_is_ignored() {
    let mut world = World::new(open_options());
    let answer = Err(Failure::Unavailable);
    let response = Response { id: tidewire_hub::broker::RequestId(77), answer };
    world.mail.push(Mail::Response(response));
    world.run();
    assert_eq!(world.recorder.out, []);
}

#[test]
fn a_stream_position_is_the_one_of_the_reply() {
    let mut world = published(2, 0);
    let ann = world.connect("ann");
    let subscribed = world.subscribe(ann, plain(CHANNEL)).unwrap();
    assert_eq!(subscribed.position, Some(position("first", 2)));
    assert!(!subscribed.was_recovering && !subscribed.positioned && !subscribed.recoverable);
    assert_eq!(world.publish(ann, CHANNEL, "3"), Ok(Reply::Published));
    assert_eq!(world.received(ann), ["3"]);
}
