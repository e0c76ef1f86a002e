//! What holds for all frames and all lines.

use std::{sync::Arc, time::Duration};

use proptest::{collection::vec, option, prelude::*};
use serde::Serialize;
use serde_json::{
    Value, json,
    ser::{PrettyFormatter, Serializer},
};
use tidewire_dialects::{
    centrifuge::{self, Commands, EmulationRequest, FrameLimits, Greeting},
    json::payload,
};
use tidewire_hub::{
    ChannelName, ClientId, Command, CommandId, Connected, Data, Epoch, Member, Position,
    Publication, Reply, Subscribed, UserId,
};

/// Any value of JSON, written with white space in unlikely places.
fn spaced_json() -> impl Strategy<Value = String> {
    value().prop_map(|value| {
        let mut written = Vec::new();
        let formatter = PrettyFormatter::with_indent(b"\r\t ");
        value.serialize(&mut Serializer::with_formatter(&mut written, formatter)).unwrap();
        String::from_utf8(written).unwrap()
    })
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            vec((text(), inner), 0..6).prop_map(|members| members.into_iter().collect()),
        ]
    })
}

/// Strings that would break a format which is not careful.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), "[\\\\\"\n\t {}\\[\\]:,a\u{2028}\u{1f30a}]{0,12}"]
}

fn data() -> impl Strategy<Value = Data> {
    value().prop_map(|value| Data::Json(value.to_string().into()))
}

fn member() -> impl Strategy<Value = Arc<Member>> {
    (text(), text(), option::of(data()), option::of(data())).prop_map(
        |(user, client, connection_info, channel_info)| {
            Arc::new(Member {
                user: UserId::new(&user),
                client: ClientId::new(&client),
                connection_info,
                channel_info,
            })
        },
    )
}

fn publication() -> impl Strategy<Value = Arc<Publication>> {
    let tags = vec((text(), text()), 0..3);
    (any::<u64>(), data(), option::of(member()), tags, option::of(text()), any::<u64>()).prop_map(
        |(offset, data, publisher, tags, key, time)| {
            let tags = tags.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
            Arc::new(Publication { offset, data, publisher, tags, key: key.map(Into::into), time })
        },
    )
}

fn channel() -> impl Strategy<Value = ChannelName> {
    "[^\u{0}-\u{1f}\u{7f}-\u{9f}]{1,20}"
        .prop_filter_map("names", |name| ChannelName::new(&name).ok())
}

fn subscribed() -> impl Strategy<Value = Subscribed> {
    let flags = any::<[bool; 4]>();
    let position = option::of((text(), any::<u64>()));
    (option::of(any::<u32>()), flags, position, vec(publication(), 0..3), option::of(data()))
        .prop_map(
            |(
                expires_in,
                [recoverable, positioned, recovered, was_recovering],
                position,
                publications,
                data,
            )| {
                Subscribed {
                    expires_in: expires_in.map(|seconds| Duration::from_secs(seconds.into())),
                    recoverable,
                    positioned,
                    position: position
                        .map(|(epoch, offset)| Position { epoch: Epoch::new(&epoch), offset }),
                    publications,
                    recovered,
                    was_recovering,
                    data,
                }
            },
        )
}

fn parsed(text: &str) -> Value {
    assert!(!text.contains('\n') && !text.contains('\r'), "one line: {text}");
    serde_json::from_str(text).unwrap_or_else(|why| panic!("{why}: {text}"))
}

/// The same members by other means: without those that are zero, but for `kept`.
fn object(members: Value, kept: &[&str]) -> Value {
    let Value::Object(mut members) = members else { panic!("an object") };
    members.retain(|key, value| {
        let zero = value.is_null()
            || *value == json!(0)
            || *value == json!("")
            || *value == json!(false)
            || *value == json!([])
            || *value == json!({});
        // A payload counts as it is.
        !value.is_null()
            && (!zero || kept.contains(&key.as_str()) || key.contains("_info") || key == "data")
    });
    Value::Object(members)
}

fn of_data(data: Option<&Data>) -> Value {
    match data {
        None => Value::Null,
        // Put aside, since a payload of null is not nothing.
        Some(Data::Json(text)) => match parsed(text) {
            Value::Null => json!("<null>"),
            other => other,
        },
        Some(Data::Binary(_)) => panic!("not made here"),
    }
}

fn of_member(member: &Member) -> Value {
    let members = json!({
        "user": member.user.as_str(),
        "client": member.client.as_str(),
        "conn_info": of_data(member.connection_info.as_ref()),
        "chan_info": of_data(member.channel_info.as_ref()),
    });
    object(members, &["user", "client"])
}

fn of_publication(publication: &Publication) -> Value {
    let tags: serde_json::Map<String, Value> =
        publication.tags.iter().map(|(name, value)| (name.to_string(), json!(&**value))).collect();
    object(
        json!({
            "data": of_data(Some(&publication.data)),
            "info": publication.publisher.as_deref().map(of_member),
            "offset": publication.offset,
            "tags": tags,
            "time": publication.time,
            "key": publication.key.as_deref(),
        }),
        &[],
    )
}

fn of_subscribed(subscribed: &Subscribed) -> Value {
    let publications: Vec<Value> =
        subscribed.publications.iter().map(|publication| of_publication(publication)).collect();
    object(
        json!({
            "expires": subscribed.expires_in.is_some(),
            "ttl": subscribed.expires_in.map(|left| left.as_secs().max(1)),
            "recoverable": subscribed.recoverable,
            "epoch": subscribed.position.as_ref().map(|position| position.epoch.as_str()),
            "publications": publications,
            "recovered": subscribed.recovered,
            "offset": subscribed.position.as_ref().map(|position| position.offset),
            "positioned": subscribed.positioned,
            "data": of_data(subscribed.data.as_ref()),
            "was_recovering": subscribed.was_recovering,
        }),
        &[],
    )
}

/// Payloads of null are put aside on this side as well.
fn put_aside(value: Value) -> Value {
    match value {
        Value::Object(members) => members
            .into_iter()
            .map(|(key, value)| match value {
                Value::Null if key == "data" || key.ends_with("_info") => (key, json!("<null>")),
                other => (key, other),
            })
            .collect(),
        other => other,
    }
}

proptest! {
    /// Minified is what it was, without a newline, and stays so.
    #[test]
    fn minified_is_the_same(text in spaced_json()) {
        let Ok(Data::Json(once)) = payload(&text) else { panic!("{text}") };
        prop_assert_eq!(parsed(&once), serde_json::from_str::<Value>(&text).unwrap());
        // The values above have one way to be written without white space.
        prop_assert!(once.len() <= text.len());
        let Ok(Data::Json(twice)) = payload(&once) else { panic!("{once}") };
        prop_assert_eq!(once, twice);
    }

    /// What is taken for JSON is JSON to others as well, half surrogate pairs aside.
    #[test]
    fn what_is_json(text in "[\\[\\]{}:,\" \n0-9eE.+\\-a-fu\\\\truelsn]{0,12}") {
        let theirs = serde_json::from_str::<Value>(&text);
        let ours = payload(&text);
        if theirs.is_ok() {
            prop_assert!(ours.is_ok(), "{}", text);
        } else if ours.is_ok() {
            prop_assert!(text.contains("\\u") || text.contains(['e', 'E']), "{}", text);
        }
    }

    /// Nothing that comes in makes anything panic, however it is cut.
    #[test]
    fn anything_may_come(frame in any::<String>(), bytes: Vec<u8>) {
        if let Ok(commands) = Commands::of_frame(&frame, FrameLimits::default()) {
            commands.for_each(drop);
        }
        let _ = EmulationRequest::of_body(&bytes);
        let _ = centrifuge::connect_frame_of_query(&frame);
    }

    /// A command that is cut anywhere is malformed, or shorter commands; never another one.
    #[test]
    fn a_cut_command_is_none(data in value(), name in text(), cut: prop::sample::Index) {
        let whole = json!({"id": 1, "rpc": {"method": name, "data": data}}).to_string();
        let cut = cut.index(whole.len());
        prop_assume!(whole.is_char_boundary(cut));
        let limits = FrameLimits::default();
        if let Ok(mut commands) = Commands::of_frame(&whole[..cut], limits) {
            prop_assert!(commands.next().unwrap().is_err());
            prop_assert!(commands.next().is_none());
        }
    }

    /// What a client sends is what hub hears.
    #[test]
    fn what_is_sent_is_heard(id in 1_u32.., data in value(), name in "\\PC{1,20}") {
        let frame = json!({"id": id, "publish": {"channel": name, "data": data}}).to_string();
        let mut commands = Commands::of_frame(&frame, FrameLimits::default()).unwrap();
        let Some(Ok((heard, Command::Publish(publish)))) = commands.next() else { panic!("{frame}") };
        prop_assert_eq!(heard, CommandId(id));
        prop_assert_eq!(&*publish.channel, name);
        let Data::Json(text) = publish.data else { panic!("{frame}") };
        prop_assert_eq!(parsed(&text), data);
    }

    /// What we write is what another writer would, as far as a reader can tell.
    #[test]
    fn a_publication_is_read_back(channel in channel(), publication in publication()) {
        let mut out = String::new();
        centrifuge::publication(&mut out, &channel, &publication);
        let Value::Object(mut line) = parsed(&out) else { panic!("{out}") };
        prop_assert_eq!(line.len(), 1);
        let push = line.remove("push").unwrap();
        prop_assert_eq!(&push["channel"], &json!(channel.as_str()));
        let mut read = put_aside(push["pub"].clone());
        if read.get("info").is_some() {
            read["info"] = put_aside(read["info"].take());
        }
        prop_assert_eq!(read, of_publication(&publication));
    }

    #[test]
    fn a_subscription_is_read_back(id in 1_u32.., subscribed in subscribed()) {
        let mut out = String::new();
        let expected = of_subscribed(&subscribed);
        let reply = Ok(Reply::Subscribed(Box::new(subscribed)));
        centrifuge::reply(&mut out, CommandId(id), &reply, &Greeting::default());
        let line = parsed(&out);
        prop_assert_eq!(&line["id"], &json!(id));
        let mut read = put_aside(line["subscribe"].clone());
        if let Some(Value::Array(publications)) = read.get_mut("publications") {
            for publication in publications {
                *publication = put_aside(publication.take());
                if publication.get("info").is_some() {
                    publication["info"] = put_aside(publication["info"].take());
                }
            }
        }
        prop_assert_eq!(read, expected);
    }

    /// Whatever stands in names and payloads, a line is one line.
    #[test]
    fn a_line_is_a_line(
        client in text(),
        version in text(),
        data in option::of(data()),
        channel in channel(),
        subscribed in subscribed(),
        members in vec(member(), 0..3),
    ) {
        let connected = Connected {
            client: ClientId::new(&client),
            expires_in: None,
            data,
            subscriptions: vec![(channel, subscribed)],
            ping_interval: None,
        };
        let greeting = Greeting { version: &version, ..Greeting::default() };
        for reply in [Reply::Connected(Box::new(connected)), Reply::Presence(members)] {
            let mut out = String::new();
            centrifuge::reply(&mut out, CommandId(1), &Ok(reply), &greeting);
            parsed(&out);
        }
    }
}
