//! The server API from outside: bodies in, bodies out.
#![cfg(test)]

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use proptest::prelude::*;
use tidewire_dialects::api::{
    self, ApiLimits, BadCall, Call, Message, Method, NodeInfo, Outcome, Subscribe, Whom,
};
use tidewire_hub::{
    ChannelName, ClientId, Data, Disconnect, Dismissal, Epoch, Error, Farewell, History,
    HistoryFilter, Member, Position, Publication, SubscriptionGrant, UserId, broker::Version,
};

fn json(text: &str) -> Data {
    Data::Json(text.into())
}

fn position(epoch: &str, offset: u64) -> Position {
    Position { epoch: Epoch::new(epoch), offset }
}

fn message(data: Data) -> Message {
    Message {
        data,
        tags: Box::default(),
        key: None,
        skip_history: false,
        idempotency_key: None,
        version: None,
    }
}

fn whom(user: &str) -> Whom {
    Whom { user: UserId::new(user), client: None, session: None }
}

fn own(why: Disconnect, code: u16, reason: &str) -> Farewell {
    Farewell::Own(Arc::new(Dismissal { why, code, reason: reason.into() }))
}

fn publish(data: Data) -> Call {
    Call::Publish { channel: "c".into(), message: message(data) }
}

fn called(method: Method, body: &str) -> Result<Call, BadCall> {
    Call::of_body(method, body.as_bytes(), &ApiLimits::default())
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn calls() {
    let history = |since, limit, reverse| {
        Call::History(History {
            channel: "c".into(),
            filter: HistoryFilter { since, limit, reverse },
        })
    };
    let subscribe = Subscribe {
        whom: whom("ann"),
        grant: SubscriptionGrant { channel: "c".into(), ..SubscriptionGrant::default() },
        expires_at: None,
        recover: None,
    };
    let cases = [
        (
            "publish",
            Method::Publish,
            r#"{"channel":"c","data":{"n" : 1}}"#,
            publish(json(r#"{"n":1}"#)),
        ),
        (
            "publish with all there is",
            Method::Publish,
            r#"{"channel":"c","b64data":"AP8=","skip_history":true,"tags":{"b":"2","a":"1"},"idempotency_key":"i",
                "delta":true,"version":7,"version_epoch":"v","key":"k"}"#,
            Call::Publish {
                channel: "c".into(),
                message: Message {
                    tags: [("b".into(), "2".into()), ("a".into(), "1".into())].into(),
                    key: Some("k".into()),
                    skip_history: true,
                    idempotency_key: Some("i".into()),
                    version: Some(Version { number: 7, epoch: "v".into() }),
                    ..message(Data::Binary(Bytes::from_static(b"\x00\xFF")))
                },
            },
        ),
        (
            "bytes stay bytes",
            Method::Publish,
            r#"{"channel":"c","b64data":"e30="}"#,
            publish(Data::Binary(Bytes::from_static(b"{}"))),
        ),
        (
            "a version of zero is none",
            Method::Publish,
            r#"{"channel":"c","data":1,"version":0,"version_epoch":"v"}"#,
            publish(json("1")),
        ),
        ("null is data", Method::Publish, r#"{"channel":"c","data":null}"#, publish(json("null"))),
        (
            "broadcast",
            Method::Broadcast,
            r#"{"channels":["a","","b"],"data":1}"#,
            Call::Broadcast {
                channels: vec!["a".into(), "".into(), "b".into()],
                message: message(json("1")),
            },
        ),
        (
            "subscribe",
            Method::Subscribe,
            r#"{"user":"ann","channel":"c"}"#,
            Call::Subscribe(Box::new(subscribe.clone())),
        ),
        (
            "subscribe with all there is",
            Method::Subscribe,
            r#"{"user":"ann","channel":"c","client":"x","session":"s","expire_at":9,"info":{"a": 1},"b64data":"AA==",
                "recover_since":{"offset":3,"epoch":"e"},
                "override":{"presence":{"value":true},"join_leave":{},"force_push_join_leave":{"value":true},
                "force_recovery":null}}"#,
            Call::Subscribe(Box::new(Subscribe {
                whom: Whom {
                    client: Some(ClientId::new("x")),
                    session: Some("s".into()),
                    ..whom("ann")
                },
                grant: SubscriptionGrant {
                    info: Some(json(r#"{"a":1}"#)),
                    data: Some(Data::Binary(Bytes::from_static(b"\x00"))),
                    presence: Some(true),
                    join_leave: Some(false),
                    force_join_leave: Some(true),
                    ..subscribe.grant.clone()
                },
                expires_at: Some(9),
                recover: Some(("e".into(), 3)),
            })),
        ),
        (
            "unsubscribe",
            Method::Unsubscribe,
            r#"{"user":"ann","channel":"c"}"#,
            Call::Unsubscribe { whom: whom("ann"), channel: "c".into() },
        ),
        (
            "disconnect",
            Method::Disconnect,
            r#"{"user":"ann"}"#,
            Call::Disconnect {
                whom: whom("ann"),
                spared: Vec::new(),
                why: Farewell::Ours(Disconnect::ForceNoReconnect),
            },
        ),
        (
            "disconnect with a code",
            Method::Disconnect,
            r#"{"user":"ann","whitelist":["x"],"disconnect":{"code":4000,"reason":"come back"}}"#,
            Call::Disconnect {
                whom: whom("ann"),
                spared: vec![ClientId::new("x")],
                why: own(Disconnect::ForceReconnect, 4000, "come back"),
            },
        ),
        (
            "presence",
            Method::Presence,
            r#"{"channel":"c"}"#,
            Call::Presence { channel: "c".into() },
        ),
        (
            "presence_stats",
            Method::PresenceStats,
            r#"{"channel":"c"}"#,
            Call::PresenceStats { channel: "c".into() },
        ),
        (
            "history: the position alone",
            Method::History,
            r#"{"channel":"c"}"#,
            history(None, Some(0), false),
        ),
        (
            "history",
            Method::History,
            r#"{"channel":"c","limit":-1,"since":{"offset":1,"epoch":"e"},"reverse":true}"#,
            history(Some(position("e", 1)), None, true),
        ),
        (
            "history_remove",
            Method::HistoryRemove,
            r#"{"channel":"c"}"#,
            Call::HistoryRemove { channel: "c".into() },
        ),
        (
            "channels",
            Method::Channels,
            r#"{"pattern":"a*"}"#,
            Call::Channels { pattern: "a*".into() },
        ),
        ("info", Method::Info, "{}", Call::Info),
        ("an empty batch", Method::Batch, "{}", Call::Batch(Vec::new())),
        (
            "a batch",
            Method::Batch,
            r#"{"parallel":true,"commands":[{"publish":{"channel":"c","data":1}},{"info":{}},null,{},{"dance":{}},
                {"info":{},"channels":{}},{"publish":{}},{"batch":{}}]}"#,
            Call::Batch(vec![
                Ok(publish(json("1"))),
                Ok(Call::Info),
                Err(Error::BadRequest),
                Err(Error::MethodNotFound),
                Err(Error::MethodNotFound),
                Err(Error::BadRequest),
                Err(Error::BadRequest),
                Err(Error::MethodNotFound),
            ]),
        ),
    ];
    for (rule, method, body, call) in cases {
        assert_eq!(called(method, body).as_ref(), Ok(&call), "{rule}");
        assert_eq!(call.method(), method, "{rule}");
    }
}

#[test]
fn bad_calls() {
    let refused = BadCall::Refused;
    let cases = [
        ("no body", Method::Info, "", BadCall::Malformed),
        ("no object", Method::Info, "[]", BadCall::Malformed),
        ("no JSON", Method::Publish, "channel=c", BadCall::Malformed),
        ("a wrong type", Method::Publish, r#"{"channel":1,"data":1}"#, BadCall::Malformed),
        (
            "a member twice",
            Method::Publish,
            r#"{"channel":"c","channel":"d","data":1}"#,
            BadCall::Malformed,
        ),
        (
            "a tag twice",
            Method::Publish,
            r#"{"channel":"c","data":1,"tags":{"a":"1","a":"2"}}"#,
            BadCall::Malformed,
        ),
        (
            "a tag that is no string",
            Method::Publish,
            r#"{"channel":"c","data":1,"tags":{"a":1}}"#,
            BadCall::Malformed,
        ),
        (
            "a batch with a wrong type in it",
            Method::Batch,
            r#"{"commands":[{"info":{}},{"publish":1}]}"#,
            BadCall::Malformed,
        ),
        ("no channel", Method::Publish, r#"{"data":1}"#, refused(Error::BadRequest)),
        ("no data", Method::Publish, r#"{"channel":"c"}"#, refused(Error::BadRequest)),
        (
            "data in two ways",
            Method::Publish,
            r#"{"channel":"c","data":1,"b64data":"AA=="}"#,
            refused(Error::BadRequest),
        ),
        (
            "base64 that is none",
            Method::Publish,
            r#"{"channel":"c","b64data":"A"}"#,
            refused(Error::BadRequest),
        ),
        ("no channels", Method::Broadcast, r#"{"data":1}"#, refused(Error::BadRequest)),
        ("nobody's channel", Method::Subscribe, r#"{"user":"a"}"#, refused(Error::BadRequest)),
        ("an end to nothing", Method::Unsubscribe, r#"{"user":"a"}"#, refused(Error::BadRequest)),
        ("presence of nothing", Method::Presence, "{}", refused(Error::BadRequest)),
        ("history of nothing", Method::History, "{}", refused(Error::BadRequest)),
        (
            "a position that cannot be one",
            Method::History,
            r#"{"channel":"c","since":{"offset":1}}"#,
            refused(Error::UnrecoverablePosition),
        ),
    ];
    for (rule, method, body, why) in cases {
        assert_eq!(called(method, body), Err(why), "{rule}");
    }
}

/// The protocol leaves 4000 to 4999 to applications, and its own have their own words.
#[test]
fn codes_of_a_disconnect() {
    let (back, away) = (Disconnect::ForceReconnect, Disconnect::ForceNoReconnect);
    let cases = [
        (0, Ok(Farewell::Ours(away))),
        (1, Err(Error::BadRequest)),
        (1000, Err(Error::BadRequest)),
        (2999, Err(Error::BadRequest)),
        (3000, Ok(Farewell::Ours(back))),
        (3012, Ok(Farewell::Ours(Disconnect::NoPong))),
        (3999, Ok(Farewell::Ours(away))),
        (4000, Ok(own(back, 4000, "why"))),
        (4499, Ok(own(back, 4499, "why"))),
        (4500, Ok(own(away, 4500, "why"))),
        (4999, Ok(own(away, 4999, "why"))),
        (5000, Err(Error::BadRequest)),
        (65_536 + 4000, Err(Error::BadRequest)),
    ];
    for (code, expected) in cases {
        let body = format!(r#"{{"user":"a","disconnect":{{"code":{code},"reason":"why"}}}}"#);
        let told = called(Method::Disconnect, &body).map(|call| match call {
            Call::Disconnect { why, .. } => why,
            other => panic!("{other:?}"),
        });
        assert_eq!(told, expected.map_err(BadCall::Refused), "{code}");
    }
    // RFC 6455 §5.5: a control frame has 125 bytes at most, two of them the code.
    for (len, is_taken) in [(123, true), (124, false)] {
        let reason = "x".repeat(len);
        let body = format!(r#"{{"user":"a","disconnect":{{"code":4000,"reason":"{reason}"}}}}"#);
        let told = called(Method::Disconnect, &body);
        assert_eq!(told.err(), (!is_taken).then_some(BadCall::Refused(Error::LimitExceeded)));
    }
}

/// RFC 8259 §8.1. In a member that we do not know it was passed over once, and the call was taken.
#[test]
fn bodies_are_utf8_wherever_one_looks() {
    let bodies: [&[u8]; 2] = [
        b"{\"channel\":\"c\",\"data\":\"\xff\"}",
        b"{\"channel\":\"c\",\"data\":1,\"x\":\"\xff\"}",
    ];
    for body in bodies {
        let called = Call::of_body(Method::Publish, body, &ApiLimits::default());
        assert_eq!(called, Err(BadCall::Malformed), "{}", body.escape_ascii());
    }
}

#[test]
fn limits_and_one_above() {
    let limits = ApiLimits { call_count_max: 2, channel_count_max: 2, tag_count_max: 2 };
    let called = |method, body: &str| Call::of_body(method, body.as_bytes(), &limits);
    let exceeded = Err(BadCall::Refused(Error::LimitExceeded));
    let info = r#"{"info":{}}"#;
    assert!(called(Method::Batch, &format!(r#"{{"commands":[{info},{info}]}}"#)).is_ok());
    assert_eq!(
        called(Method::Batch, &format!(r#"{{"commands":[{info},{info},{info}]}}"#)),
        exceeded
    );
    assert!(called(Method::Broadcast, r#"{"channels":["a","b"],"data":1}"#).is_ok());
    assert_eq!(called(Method::Broadcast, r#"{"channels":["a","b","c"],"data":1}"#), exceeded);
    let tagged = |tags: &str| format!(r#"{{"channel":"c","data":1,"tags":{tags}}}"#);
    assert!(called(Method::Publish, &tagged(r#"{"a":"","b":""}"#)).is_ok());
    assert_eq!(called(Method::Publish, &tagged(r#"{"a":"","b":"","c":""}"#)), exceeded);
}

#[test]
fn names() {
    for method in Method::ALL {
        assert_eq!(Method::by_name(method.name()), Some(method));
    }
    assert_eq!(Method::by_name("Publish"), None);
    assert_eq!(Method::by_name(""), None);
}

#[test]
fn secrets_are_not_shown() {
    let whom = Whom { session: Some("hush".into()), ..whom("ann") };
    assert!(!format!("{whom:?}").contains("hush"));
}

#[test]
fn responses() {
    let member = Arc::new(Member {
        user: UserId::new("ann"),
        client: ClientId::new("x"),
        connection_info: Some(json("1")),
        channel_info: None,
    });
    let publication = Arc::new(Publication {
        offset: 1,
        data: json("{}"),
        publisher: None,
        tags: Box::default(),
        key: None,
        time: 5,
    });
    let node = NodeInfo {
        id: "n1".into(),
        version: "1".into(),
        client_count: 2,
        uptime: Duration::from_millis(3_999),
        ..NodeInfo::default()
    };
    let cases = [
        (Ok(Outcome::Published(None)), r#"{"result":{}}"#),
        (Ok(Outcome::Published(Some(position("e", 3)))), r#"{"result":{"offset":3,"epoch":"e"}}"#),
        (Err(Error::UnknownChannel), r#"{"error":{"code":102,"message":"unknown channel"}}"#),
        (
            Ok(Outcome::Broadcast(vec![Ok(Some(position("e", 1))), Err(Error::BadRequest)])),
            r#"{"result":{"responses":[{"result":{"offset":1,"epoch":"e"}},{"error":{"code":107,"message":"bad request"}}]}}"#,
        ),
        (Ok(Outcome::Done), r#"{"result":{}}"#),
        (
            Ok(Outcome::Presence(vec![member])),
            r#"{"result":{"presence":{"x":{"user":"ann","client":"x","conn_info":1}}}}"#,
        ),
        (
            Ok(Outcome::PresenceStats { client_count: 0, user_count: 0 }),
            r#"{"result":{"num_clients":0,"num_users":0}}"#,
        ),
        (
            Ok(Outcome::History { publications: vec![publication], top: position("e", 1) }),
            r#"{"result":{"publications":[{"data":{},"offset":1,"time":5}],"epoch":"e","offset":1}}"#,
        ),
        (
            Ok(Outcome::Channels(vec![(ChannelName::new("a\"").unwrap(), 2)])),
            r#"{"result":{"channels":{"a\"":{"num_clients":2}}}}"#,
        ),
        (
            Ok(Outcome::Info(vec![node])),
            r#"{"result":{"nodes":[{"uid":"n1","name":"","version":"1","num_clients":2,"num_users":0,"num_channels":0,"uptime":3,"num_subs":0}]}}"#,
        ),
        (
            Ok(Outcome::Batch(vec![
                Ok((Method::HistoryRemove, Outcome::Done)),
                Err(Error::MethodNotFound),
            ])),
            r#"{"replies":[{"history_remove":{}},{"error":{"code":104,"message":"not found"}}]}"#,
        ),
    ];
    for (outcome, body) in cases {
        let mut out = String::new();
        api::response(&mut out, &outcome);
        assert_eq!(out, body, "{outcome:?}");
    }
}

proptest! {
    #[test]
    fn anything_may_come(body: Vec<u8>, method in prop::sample::select(&Method::ALL)) {
        let _ = Call::of_body(method, &body, &ApiLimits::default());
    }
}
