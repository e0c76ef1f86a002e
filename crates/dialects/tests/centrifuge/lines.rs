//! What goes out: values, and the exact bytes of their lines.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tidewire_dialects::centrifuge::{self, Emulated, Framing, Greeting};
use tidewire_hub::{
    ChannelName, ClientId, CommandId, Connected, Data, Disconnect, Dismissal, Epoch, Error, Member,
    Position, Publication, Push, Reply, Subscribed, Unsubscribe, UserId,
};

fn json(text: &str) -> Data {
    Data::Json(text.into())
}

fn channel(name: &str) -> ChannelName {
    ChannelName::new(name).unwrap()
}

fn position(epoch: &str, offset: u64) -> Position {
    Position { epoch: Epoch::new(epoch), offset }
}

fn member(user: &str, client: &str) -> Arc<Member> {
    Arc::new(Member {
        user: UserId::new(user),
        client: ClientId::new(client),
        connection_info: None,
        channel_info: None,
    })
}

fn informed() -> Arc<Member> {
    Arc::new(Member {
        user: UserId::new("ann"),
        client: ClientId::new("c1"),
        connection_info: Some(json(r#"{"name":"Ann"}"#)),
        channel_info: Some(json("1")),
    })
}

fn plain(offset: u64) -> Arc<Publication> {
    Arc::new(Publication {
        offset,
        data: json(r#"{"n":1}"#),
        publisher: None,
        tags: Box::default(),
        key: None,
        time: 0,
    })
}

fn rich() -> Arc<Publication> {
    Arc::new(Publication {
        offset: u64::MAX,
        data: json("\"\u{2028}\""),
        publisher: Some(informed()),
        tags: [("b".into(), "2".into()), ("a\"".into(), "\n".into())].into(),
        key: Some("k".into()),
        time: 1_763_000_000_000,
    })
}

fn bare_subscription() -> Subscribed {
    Subscribed {
        expires_in: None,
        recoverable: false,
        positioned: false,
        position: None,
        publications: Vec::new(),
        recovered: false,
        was_recovering: false,
        data: None,
    }
}

fn full_subscription() -> Subscribed {
    Subscribed {
        expires_in: Some(Duration::from_secs(60)),
        recoverable: true,
        positioned: true,
        position: Some(position("e", 2)),
        publications: vec![plain(1), plain(2)],
        recovered: true,
        was_recovering: true,
        data: Some(json("[]")),
    }
}

const FULL_SUBSCRIPTION: &str = r#"{"expires":true,"ttl":60,"recoverable":true,"epoch":"e","publications":[{"data":{"n":1},"offset":1},{"data":{"n":1},"offset":2}],"recovered":true,"offset":2,"positioned":true,"data":[],"was_recovering":true}"#;

fn connected() -> Connected {
    Connected {
        client: ClientId::new("c1"),
        expires_in: None,
        data: None,
        subscriptions: Vec::new(),
        ping_interval: None,
    }
}

#[test]
fn replies() {
    let cases = [
        (
            "connect",
            Reply::Connected(Box::new(connected())),
            r#"{"id":1,"connect":{"client":"c1","version":"tidewire 1"}}"#.to_owned(),
        ),
        (
            "connect with all there is",
            Reply::Connected(Box::new(Connected {
                expires_in: Some(Duration::from_millis(2_999)),
                data: Some(json("{}")),
                subscriptions: vec![
                    (channel("b\"c"), full_subscription()),
                    (channel("a"), bare_subscription()),
                ],
                ping_interval: Some(Duration::from_secs(25)),
                ..connected()
            })),
            format!(
                r#"{{"id":1,"connect":{{"client":"c1","version":"tidewire 1","expires":true,"ttl":2,"data":{{}},"subs":{{"b\"c":{FULL_SUBSCRIPTION},"a":{{}}}},"ping":25,"pong":true}}}}"#
            ),
        ),
        (
            "refresh",
            Reply::Refreshed {
                client: ClientId::new("c1"),
                expires_in: Some(Duration::from_millis(1)),
            },
            r#"{"id":1,"refresh":{"client":"c1","version":"tidewire 1","expires":true,"ttl":1}}"#.to_owned(),
        ),
        (
            "subscribe",
            Reply::Subscribed(Box::new(bare_subscription())),
            r#"{"id":1,"subscribe":{}}"#.to_owned(),
        ),
        (
            "subscribe at the very beginning of a stream",
            Reply::Subscribed(Box::new(Subscribed {
                recoverable: true,
                position: Some(position("e", 0)),
                ..bare_subscription()
            })),
            r#"{"id":1,"subscribe":{"recoverable":true,"epoch":"e"}}"#.to_owned(),
        ),
        (
            "subscribe with all there is",
            Reply::Subscribed(Box::new(full_subscription())),
            format!(r#"{{"id":1,"subscribe":{FULL_SUBSCRIPTION}}}"#),
        ),
        (
            "sub_refresh",
            Reply::SubscriptionRefreshed { expires_in: Some(Duration::MAX) },
            r#"{"id":1,"sub_refresh":{"expires":true,"ttl":4294967295}}"#.to_owned(),
        ),
        ("unsubscribe", Reply::Unsubscribed, r#"{"id":1,"unsubscribe":{}}"#.to_owned()),
        ("publish", Reply::Published, r#"{"id":1,"publish":{}}"#.to_owned()),
        (
            "presence of nobody",
            Reply::Presence(Vec::new()),
            r#"{"id":1,"presence":{"presence":{}}}"#.to_owned(),
        ),
        (
            "presence",
            Reply::Presence(vec![informed(), member("", "c2")]),
            r#"{"id":1,"presence":{"presence":{"c1":{"user":"ann","client":"c1","conn_info":{"name":"Ann"},"chan_info":1},"c2":{"user":"","client":"c2"}}}}"#.to_owned(),
        ),
        (
            "presence_stats",
            Reply::PresenceStats { client_count: 2, user_count: 0 },
            r#"{"id":1,"presence_stats":{"num_clients":2,"num_users":0}}"#.to_owned(),
        ),
        (
            "an empty history",
            Reply::History { publications: Vec::new(), top: position("e", 0) },
            r#"{"id":1,"history":{"publications":[],"epoch":"e","offset":0}}"#.to_owned(),
        ),
        (
            "history",
            Reply::History { publications: vec![plain(1), plain(2)], top: position("e", 2) },
            r#"{"id":1,"history":{"publications":[{"data":{"n":1},"offset":1},{"data":{"n":1},"offset":2}],"epoch":"e","offset":2}}"#.to_owned(),
        ),
    ];
    let greeting = Greeting { version: "tidewire 1", ..Greeting::default() };
    for (what, reply, line) in cases {
        let mut out = String::new();
        centrifuge::reply(&mut out, CommandId(1), &Ok(reply), &greeting);
        assert_eq!(out, line, "{what}");
    }
}

#[test]
fn a_session_that_is_emulated_is_told_how_it_is_found() {
    let greeting = Greeting {
        version: "",
        emulation: Some(Emulated { session: "secret", node: "n1" }),
        time: 1_763_000_000_000,
    };
    let mut out = String::new();
    let reply = Ok(Reply::Connected(Box::new(connected())));
    centrifuge::reply(&mut out, CommandId(1), &reply, &greeting);
    assert_eq!(
        out,
        r#"{"id":1,"connect":{"client":"c1","session":"secret","node":"n1","time":1763000000000}}"#
    );
    assert!(!format!("{greeting:?}").contains("secret"));
}

#[test]
fn errors() {
    let cases = [
        (
            Error::Internal,
            r#"{"id":7,"error":{"code":100,"message":"internal server error","temporary":true}}"#,
        ),
        (Error::PermissionDenied, r#"{"id":7,"error":{"code":103,"message":"permission denied"}}"#),
        (Error::UnknownChannel, r#"{"id":7,"error":{"code":103,"message":"permission denied"}}"#),
    ];
    for (error, line) in cases {
        let mut out = String::new();
        centrifuge::reply(&mut out, CommandId(7), &Err(error), &Greeting::default());
        assert_eq!(out, line, "{error:?}");
    }
}

#[test]
fn pushes() {
    let cases = [
        ("a ping", Push::Ping, "{}"),
        (
            "a publication",
            Push::Publication { channel: channel("c"), publication: plain(0) },
            r#"{"push":{"channel":"c","pub":{"data":{"n":1}}}}"#,
        ),
        (
            "a subscription that the application has made",
            Push::Subscribed { channel: channel("c"), subscribed: Box::new(full_subscription()) },
            r#"{"push":{"channel":"c","subscribe":{"recoverable":true,"epoch":"e","offset":2,"positioned":true,"data":[]}}}"#,
        ),
        (
            "and one without a stream",
            Push::Subscribed { channel: channel("c"), subscribed: Box::new(bare_subscription()) },
            r#"{"push":{"channel":"c","subscribe":{}}}"#,
        ),
        (
            "its end",
            Push::Unsubscribed { channel: channel("c"), why: Unsubscribe::InsufficientState },
            r#"{"push":{"channel":"c","unsubscribe":{"code":2500,"reason":"insufficient state"}}}"#,
        ),
        ("a message", Push::Message(json("0")), r#"{"push":{"message":{"data":0}}}"#),
        (
            "a message of bytes",
            Push::Message(Data::Binary(Bytes::from_static(b"\x00\xFF\n"))),
            r#"{"push":{"message":{"data":"AP8K"}}}"#,
        ),
        (
            "another time to refresh",
            Push::Refresh { expires_in: Some(Duration::from_secs(5)) },
            r#"{"push":{"refresh":{"expires":true,"ttl":5}}}"#,
        ),
        ("or none", Push::Refresh { expires_in: None }, r#"{"push":{"refresh":{}}}"#),
        (
            "the end",
            Push::Disconnect(Disconnect::Shutdown),
            r#"{"push":{"disconnect":{"code":3001,"reason":"shutdown"}}}"#,
        ),
        (
            "the end of a session, in the application's words",
            Push::Dismissed(Arc::new(Dismissal {
                why: Disconnect::ForceNoReconnect,
                code: 4500,
                reason: "\"banned\"".into(),
            })),
            r#"{"push":{"disconnect":{"code":4500,"reason":"\"banned\""}}}"#,
        ),
    ];
    for (what, push, line) in cases {
        let mut out = String::new();
        centrifuge::push(&mut out, &push);
        assert_eq!(out, line, "{what}");
    }
}

#[test]
fn what_goes_to_many() {
    let line = |write: &dyn Fn(&mut String)| {
        let mut out = String::new();
        write(&mut out);
        out
    };
    let c = channel("news:\u{e9}\"");
    assert_eq!(
        line(&|out| centrifuge::publication(out, &c, &rich())),
        "{\"push\":{\"channel\":\"news:\u{e9}\\\"\",\"pub\":{\"data\":\"\u{2028}\",\"info\":{\"user\":\"ann\",\"client\":\"c1\",\"conn_info\":{\"name\":\"Ann\"},\"chan_info\":1},\"offset\":18446744073709551615,\"tags\":{\"b\":\"2\",\"a\\\"\":\"\\n\"},\"time\":1763000000000,\"key\":\"k\"}}}"
    );
    let c = channel("c");
    assert_eq!(
        line(&|out| centrifuge::announcement(out, &c, &member("bob", "c2"), true)),
        r#"{"push":{"channel":"c","join":{"info":{"user":"bob","client":"c2"}}}}"#
    );
    assert_eq!(
        line(&|out| centrifuge::announcement(out, &c, &member("bob", "c2"), false)),
        r#"{"push":{"channel":"c","leave":{"info":{"user":"bob","client":"c2"}}}}"#
    );
}

#[test]
fn framings() {
    let cases = [
        (Framing::WebSocket, "", "{}", "{}\n{}"),
        (Framing::Sse, "\r\n", "data: {}\n\n", "data: {}\n\ndata: {}\n\n"),
        (Framing::HttpStream, "", "{}\n", "{}\n{}\n"),
    ];
    for (framing, preamble, one, two) in cases {
        assert_eq!(framing.preamble(), preamble, "{framing:?}");
        let mut out = String::new();
        framing.line(&mut out, |out| centrifuge::push(out, &Push::Ping));
        assert_eq!(out, one, "{framing:?}");
        framing.line(&mut out, |out| centrifuge::push(out, &Push::Ping));
        assert_eq!(out, two, "{framing:?}");
        assert_eq!(framing.disconnects_by_push(), framing != Framing::WebSocket);
        assert_eq!(framing.content_type().is_none(), framing == Framing::WebSocket);
    }
}
