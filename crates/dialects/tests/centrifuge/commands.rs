//! What comes in: one row per rule.

use tidewire_dialects::{
    centrifuge::{Commands, FrameLimits, Malformed},
    json::PAYLOAD_DEPTH_MAX,
};
use tidewire_hub::{
    Command, CommandId, Connect, Data, Disconnect, Epoch, Error, History, HistoryFilter, Position,
    Publish, Subscribe,
};

type Heard = Result<(CommandId, Command), Malformed>;

fn heard_within(frame: &str, limits: FrameLimits) -> Vec<Heard> {
    match Commands::of_frame(frame, limits) {
        Ok(commands) => commands.collect(),
        Err(malformed) => vec![Err(malformed)],
    }
}

fn heard(frame: &str) -> Vec<Heard> {
    heard_within(frame, FrameLimits::default())
}

fn json(text: &str) -> Data {
    Data::Json(text.into())
}

fn position(epoch: &str, offset: u64) -> Position {
    Position { epoch: Epoch::new(epoch), offset }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn commands_and_what_they_mean() {
    let history = |since, limit, reverse| {
        Command::History(History {
            channel: "c".into(),
            filter: HistoryFilter { since, limit, reverse },
        })
    };
    let subscribe = |subscribe| Command::Subscribe(Subscribe { channel: "c".into(), ..subscribe });
    let publish = |data, key: Option<&str>| {
        Command::Publish(Publish {
            channel: "c".into(),
            data: json(data),
            key: key.map(Into::into),
        })
    };
    let cases = [
        ("a pong", "{}", 0, Command::Pong),
        ("a pong with a zero", r#"{"id":0}"#, 0, Command::Pong),
        ("a pong with what we do not know", r#"{"news":{}}"#, 0, Command::Pong),
        ("connect", r#"{"id":1,"connect":{}}"#, 1, Command::Connect(Connect::default())),
        (
            "connect with all there is",
            r#"{"connect":{"token":"t","data":{"a": 1},"name":"js","version":"1","headers":{"x":"y"},"flag":3,
                "subs":{"b":{"recover":true,"epoch":"e","offset":7},"a":{}}},"id":4294967295}"#,
            u32::MAX,
            Command::Connect(Connect {
                token: Some("t".into()),
                data: Some(json(r#"{"a":1}"#)),
                subscriptions: vec![
                    Subscribe {
                        channel: "b".into(),
                        recover: Some(("e".into(), 7)),
                        ..Subscribe::default()
                    },
                    Subscribe { channel: "a".into(), ..Subscribe::default() },
                ],
            }),
        ),
        (
            "null is nothing",
            r#"{"id":1,"connect":{"token":null,"subs":null},"subscribe":null}"#,
            1,
            Command::Connect(Connect::default()),
        ),
        (
            "except as a payload",
            r#"{"id":1,"connect":{"data":null}}"#,
            1,
            Command::Connect(Connect { data: Some(json("null")), ..Connect::default() }),
        ),
        (
            "subscribe",
            r#"{"id":2,"subscribe":{"channel":"c"}}"#,
            2,
            subscribe(Subscribe::default()),
        ),
        (
            "subscribe with all there is",
            r#"{"id":2,"subscribe":{"channel":"c","token":"t","recover":true,"epoch":"e","offset":18446744073709551615,
                "data":[1, 2],"positioned":true,"recoverable":true,"join_leave":true,"delta":"fossil","flag":1}}"#,
            2,
            subscribe(Subscribe {
                token: Some("t".into()),
                recover: Some(("e".into(), u64::MAX)),
                positioned: true,
                recoverable: true,
                join_leave: true,
                data: Some(json("[1,2]")),
                ..Subscribe::default()
            }),
        ),
        (
            "a position without the wish to recover is none",
            r#"{"id":2,"subscribe":{"channel":"c","epoch":"e","offset":7}}"#,
            2,
            subscribe(Subscribe::default()),
        ),
        (
            "recover from the beginning",
            r#"{"id":2,"subscribe":{"channel":"c","recover":true}}"#,
            2,
            subscribe(Subscribe { recover: Some(("".into(), 0)), ..Subscribe::default() }),
        ),
        (
            "a filter that we do not apply",
            r#"{"id":2,"subscribe":{"channel":"c","tf":{"key":"a"}}}"#,
            2,
            Command::Refused(Error::NotAvailable),
        ),
        (
            "a subscription to something else",
            r#"{"id":2,"subscribe":{"channel":"c","type":1}}"#,
            2,
            Command::Refused(Error::NotAvailable),
        ),
        (
            "unsubscribe",
            r#"{"id":3,"unsubscribe":{"channel":"c"}}"#,
            3,
            Command::Unsubscribe { channel: "c".into() },
        ),
        (
            "publish",
            r#"{"id":4,"publish":{"channel":"c","data":{ "a" : "b c" }}}"#,
            4,
            publish(r#"{"a":"b c"}"#, None),
        ),
        (
            "publish under a key",
            r#"{"id":4,"publish":{"channel":"c","data":1,"key":"k"}}"#,
            4,
            publish("1", Some("k")),
        ),
        (
            "publish null",
            r#"{"id":4,"publish":{"channel":"c","data":null}}"#,
            4,
            publish("null", None),
        ),
        (
            "publish nothing",
            r#"{"id":4,"publish":{"channel":"c"}}"#,
            4,
            Command::Refused(Error::BadRequest),
        ),
        (
            "publish something else",
            r#"{"id":4,"publish":{"channel":"c","data":1,"type":1,"removed":true}}"#,
            4,
            Command::Refused(Error::NotAvailable),
        ),
        (
            "presence",
            r#"{"id":5,"presence":{"channel":"c"}}"#,
            5,
            Command::Presence { channel: "c".into() },
        ),
        (
            "presence stats",
            r#"{"id":6,"presence_stats":{"channel":"c"}}"#,
            6,
            Command::PresenceStats { channel: "c".into() },
        ),
        (
            "history: the position alone",
            r#"{"id":7,"history":{"channel":"c"}}"#,
            7,
            history(None, Some(0), false),
        ),
        (
            "history: all",
            r#"{"id":7,"history":{"channel":"c","limit":-1}}"#,
            7,
            history(None, None, false),
        ),
        (
            "history: some",
            r#"{"id":7,"history":{"channel":"c","limit":2147483647,"since":{"offset":3,"epoch":"e"},"reverse":true}}"#,
            7,
            history(Some(position("e", 3)), Some(0x7FFF_FFFF), true),
        ),
        (
            "history since the very beginning",
            r#"{"id":7,"history":{"channel":"c","limit":1,"since":{}}}"#,
            7,
            history(Some(position("", 0)), Some(1), false),
        ),
        (
            "history since a position that cannot be one",
            r#"{"id":7,"history":{"channel":"c","limit":1,"since":{"offset":1}}}"#,
            7,
            Command::Refused(Error::UnrecoverablePosition),
        ),
        (
            "rpc",
            r#"{"id":8,"rpc":{"method":"m","data":"x"}}"#,
            8,
            Command::Call { method: "m".into(), data: Some(json(r#""x""#)) },
        ),
        ("send", r#"{"send":{"data":[]}}"#, 0, Command::Send { data: Some(json("[]")) }),
        ("send with an id", r#"{"id":9,"send":{}}"#, 9, Command::Send { data: None }),
        (
            "refresh",
            r#"{"id":10,"refresh":{"token":"t"}}"#,
            10,
            Command::Refresh { token: "t".into() },
        ),
        (
            "sub_refresh",
            r#"{"id":11,"sub_refresh":{"channel":"c","token":"t"}}"#,
            11,
            Command::RefreshSubscription { channel: "c".into(), token: "t".into() },
        ),
        (
            "sub_refresh without a token",
            r#"{"id":11,"sub_refresh":{"channel":"c"}}"#,
            11,
            Command::Refused(Error::BadRequest),
        ),
        (
            "sub_refresh for something else",
            r#"{"id":11,"sub_refresh":{"channel":"c","type":1,"track":[]}}"#,
            11,
            Command::Refused(Error::NotAvailable),
        ),
        (
            "escapes in strings",
            r#"{"id":3,"unsubscribe":{"channel":"a\"b\u00e9\ud83c\udf0a"}}"#,
            3,
            Command::Unsubscribe { channel: "a\"b\u{e9}\u{1f30a}".into() },
        ),
        (
            "RFC 8259 §2 white space",
            " {\t\"id\" : 3 , \"unsubscribe\" : { \"channel\" : \"c\" } } \r",
            3,
            Command::Unsubscribe { channel: "c".into() },
        ),
    ];
    for (rule, line, id, command) in cases {
        // Rows are broken for readers; a command is one line.
        let line = line.replace("\n                ", "");
        assert_eq!(heard(&line), [Ok((CommandId(id), command))], "{rule}");
    }
}

#[test]
fn what_is_malformed() {
    let deep = format!(
        r#"{{"id":1,"publish":{{"channel":"c","data":{}{}}}}}"#,
        "[".repeat(PAYLOAD_DEPTH_MAX + 1),
        "]".repeat(PAYLOAD_DEPTH_MAX + 1)
    );
    let cases = [
        ("an empty frame", "", Malformed::Empty),
        ("a newline alone", "\n", Malformed::Empty),
        ("an empty line", "\n{}", Malformed::Syntax),
        ("no JSON", "hello", Malformed::Syntax),
        ("a list of commands", r#"[{"id":1,"connect":{}}]"#, Malformed::Syntax),
        ("a list for an object", "[1]", Malformed::Syntax),
        ("a list for a request", r#"{"id":1,"unsubscribe":["c"]}"#, Malformed::Syntax),
        ("null", "null", Malformed::Syntax),
        ("two commands in a line", "{}{}", Malformed::Syntax),
        ("a command cut short", r#"{"id":1,"connect":{"#, Malformed::Syntax),
        ("an id below zero", r#"{"id":-1,"connect":{}}"#, Malformed::Syntax),
        ("an id above 32 bits", r#"{"id":4294967296,"connect":{}}"#, Malformed::Syntax),
        ("an id with a fraction", r#"{"id":1.0,"connect":{}}"#, Malformed::Syntax),
        ("an id in a string", r#"{"id":"1","connect":{}}"#, Malformed::Syntax),
        ("a request that is none", r#"{"id":1,"connect":true}"#, Malformed::Syntax),
        ("a channel that is no string", r#"{"id":1,"presence":{"channel":1}}"#, Malformed::Syntax),
        (
            "a flag that is none",
            r#"{"id":1,"subscribe":{"channel":"c","recover":1}}"#,
            Malformed::Syntax,
        ),
        (
            "an offset below zero",
            r#"{"id":1,"subscribe":{"channel":"c","offset":-1}}"#,
            Malformed::Syntax,
        ),
        (
            "a limit above 31 bits",
            r#"{"id":1,"history":{"channel":"c","limit":2147483648}}"#,
            Malformed::Syntax,
        ),
        (
            "half a surrogate pair in a name",
            r#"{"id":1,"presence":{"channel":"\ud800"}}"#,
            Malformed::Syntax,
        ),
        ("a member that stands twice", r#"{"id":1,"id":1,"connect":{}}"#, Malformed::Syntax),
        ("a request that stands twice", r#"{"id":1,"connect":{},"connect":{}}"#, Malformed::Syntax),
        (
            "a name that stands twice",
            r#"{"id":1,"presence":{"channel":"a","channel":"b"}}"#,
            Malformed::Syntax,
        ),
        (
            "a subscription that stands twice",
            r#"{"id":1,"connect":{"subs":{"c":{},"c":{}}}}"#,
            Malformed::Syntax,
        ),
        ("subscriptions in a list", r#"{"id":1,"connect":{"subs":[{}]}}"#, Malformed::Syntax),
        (
            "a subscription that is none",
            r#"{"id":1,"connect":{"subs":{"c":null}}}"#,
            Malformed::Syntax,
        ),
        ("a payload that is broken", r#"{"id":1,"rpc":{"data":[1,]}}"#, Malformed::Syntax),
        ("a payload that is too deep", &deep, Malformed::TooDeep),
        ("no id", r#"{"connect":{}}"#, Malformed::NoId),
        ("an id of zero", r#"{"id":0,"publish":{"channel":"c","data":1}}"#, Malformed::NoId),
        ("no id for what is refused", r#"{"publish":{"channel":"c"}}"#, Malformed::NoId),
        ("no request", r#"{"id":1}"#, Malformed::NoRequest),
        ("a ping is the server's", r#"{"id":1,"ping":{}}"#, Malformed::NoRequest),
        ("an unknown request", r#"{"id":1,"dance":{}}"#, Malformed::NoRequest),
        ("two requests", r#"{"id":1,"connect":{},"send":{}}"#, Malformed::SeveralRequests),
        ("two requests without an id", r#"{"connect":{},"send":{}}"#, Malformed::SeveralRequests),
        ("no channel", r#"{"id":1,"subscribe":{}}"#, Malformed::NoChannel),
        ("an empty channel", r#"{"id":1,"history":{"channel":""}}"#, Malformed::NoChannel),
        (
            "an empty channel to recover",
            r#"{"id":1,"connect":{"subs":{"":{}}}}"#,
            Malformed::NoChannel,
        ),
        ("no token to refresh by", r#"{"id":1,"refresh":{}}"#, Malformed::NoToken),
    ];
    for (rule, frame, why) in cases {
        assert_eq!(heard(frame), [Err(why)], "{rule}");
        assert_eq!(why.disconnect(), Disconnect::BadRequest, "{rule}");
    }
}

#[test]
fn several_commands_in_a_frame() {
    let unsubscribe =
        |id, channel: &str| Ok((CommandId(id), Command::Unsubscribe { channel: channel.into() }));
    let a = r#"{"id":1,"unsubscribe":{"channel":"a"}}"#;
    let b = r#"{"id":2,"unsubscribe":{"channel":"b"}}"#;
    let both = vec![unsubscribe(1, "a"), unsubscribe(2, "b")];
    assert_eq!(heard(&format!("{a}\n{b}")), both);
    assert_eq!(heard(&format!("{a}\n{b}\n")), both, "the last may end with a newline");
    assert_eq!(heard(&format!("{a}\r\n{b}\r\n")), both, "a return is white space");
    assert_eq!(heard(&format!("{a}\n{{}}\n{b}"))[1], Ok((CommandId(0), Command::Pong)));

    // Those before a malformed one count, those after it do not.
    let broken = heard(&format!("{a}\nx\n{b}"));
    assert_eq!(broken, [unsubscribe(1, "a"), Err(Malformed::Syntax)]);
    let twice_ended = heard(&format!("{a}\n\n"));
    assert_eq!(twice_ended, [unsubscribe(1, "a"), Err(Malformed::Syntax)]);
}

#[test]
fn limits_and_one_above() {
    let limits = FrameLimits { frame_len_max: 60, command_count_max: 3, recovery_count_max: 2 };
    assert_eq!(heard_within("{}\n{}\n{}", limits).len(), 3);
    assert_eq!(heard_within("{}\n{}\n{}\n{}", limits)[3], Err(Malformed::TooManyCommands));
    assert_eq!(heard_within("{}\n{}\n{}\n{}\n{}", limits).len(), 4, "and then it is over");

    let padded = |len: usize| format!("{{{}}}", " ".repeat(len - 2));
    assert_eq!(heard_within(&padded(60), limits), [Ok((CommandId(0), Command::Pong))]);
    assert_eq!(heard_within(&padded(61), limits), [Err(Malformed::FrameTooLong { len: 61 })]);

    let recoveries =
        |subs: &str| heard_within(&format!(r#"{{"id":1,"connect":{{"subs":{subs}}}}}"#), limits);
    assert!(recoveries(r#"{"a":{},"b":{}}"#)[0].is_ok());
    assert_eq!(recoveries(r#"{"a":{},"b":{},"c":{}}"#), [Err(Malformed::TooManyRecoveries)]);
    assert_eq!(recoveries(r#"{"a":{},"b":{},"c":1}"#), [Err(Malformed::Syntax)]);
}

#[test]
fn unknown_members_may_nest_as_they_like() {
    let deep = format!(r#"{{"id":1,"new":{}{}}}"#, "[".repeat(20_000), "]".repeat(20_000));
    assert_eq!(heard(&deep), [Err(Malformed::NoRequest)]);
}
