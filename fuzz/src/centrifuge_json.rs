//! Target: the JSON dialect of realtime sessions, and the server API. Any bytes come in, and what was
//! understood goes out; judged by a reader of JSON that follows the RFC's grammar (`json.rs`).

use std::sync::Arc;

use tidewire_dialects::{
    api::{self, ApiLimits, Call, Method, Outcome},
    centrifuge::{self, Commands, EmulationRequest, FrameLimits, Greeting, Malformed},
    json::{InvalidJson, PAYLOAD_DEPTH_MAX, payload},
};
use tidewire_hub::{
    ChannelName, ClientId, Command, CommandId, Data, Epoch, Member, Position, Publication, Reply,
    UserId,
};

use crate::json;

/// One input.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    one_payload(&text);
    frame(&text);
    lines(&text);
    if let Ok(request) = EmulationRequest::of_body(data) {
        frame(&request.frame);
    }
    if let Some(Ok(connect)) = centrifuge::connect_frame_of_query(&text) {
        frame(&connect);
    }
    for method in Method::ALL {
        call(method, data);
    }
}

/// What is taken is what the grammar takes, without what stands between tokens.
fn one_payload(text: &str) {
    let expected = match json::minified(text) {
        None => Err(InvalidJson::Syntax),
        Some((_, depth)) if depth > PAYLOAD_DEPTH_MAX => Err(InvalidJson::TooDeep),
        Some((kept, _)) => Ok(Data::Json(kept.into())),
    };
    assert_eq!(payload(text), expected, "{text}");
}

/// A frame means what its lines mean, and what was heard is heard again when it is said in other words.
fn frame(frame: &str) {
    let limits = FrameLimits::default();
    let Ok(commands) = Commands::of_frame(frame, limits) else { return };
    let heard: Vec<_> = commands.collect();
    assert!(heard.len() <= limits.command_count_max + 1);
    let whole = frame.strip_suffix('\n').unwrap_or(frame);
    for (line, command) in whole.split('\n').zip(&heard) {
        match command {
            Ok((id, command)) => {
                assert!(json::minified(line).is_some(), "{line}");
                again(*id, command);
            }
            Err(malformed) => {
                let known =
                    *malformed != Malformed::Syntax && *malformed != Malformed::TooManyCommands;
                assert!(!known || json::minified(line).is_some(), "{malformed}: {line}");
            }
        }
    }
    let (_, before) = heard.split_last().expect("no frame is empty");
    assert!(before.iter().all(Result::is_ok), "nothing follows what is malformed");
    if heard.iter().all(Result::is_ok) {
        assert_eq!(heard.len(), whole.split('\n').count());
    }
}

fn again(id: CommandId, command: &Command) {
    let Some(line) = said(id, command) else { return };
    let heard: Vec<_> = Commands::of_frame(
        &line,
        FrameLimits { frame_len_max: usize::MAX, ..FrameLimits::default() },
    )
    .expect("a line")
    .collect();
    assert_eq!(heard, [Ok((id, command.clone()))], "{line}");
}

/// A command in other words; `None` for those that say nothing of themselves.
fn said(id: CommandId, command: &Command) -> Option<String> {
    let text = json::string;
    let data = |data: Option<&Data>| match data {
        Some(Data::Json(data)) => format!(", \"data\": {data}"),
        Some(Data::Binary(_)) => panic!("no client of JSON has bytes"),
        None => String::new(),
    };
    let request = match command {
        Command::Publish(publish) => format!(
            "\"publish\": {{\"key\": {}, \"channel\": {}{}}}",
            publish.key.as_deref().map_or("null".into(), text),
            text(&publish.channel),
            data(Some(&publish.data)),
        ),
        Command::Subscribe(subscribe) => {
            let (epoch, offset) = subscribe.recover.clone().unwrap_or_default();
            format!(
                "\"subscribe\": {{\"recover\": {}, \"epoch\": {}, \"offset\": {offset}, \"token\": {}, \
                 \"positioned\": {}, \"recoverable\": {}, \"join_leave\": {}, \"channel\": {}{}}}",
                subscribe.recover.is_some(),
                text(&epoch),
                text(subscribe.token.as_deref().unwrap_or_default()),
                subscribe.positioned,
                subscribe.recoverable,
                subscribe.join_leave,
                text(&subscribe.channel),
                data(subscribe.data.as_ref()),
            )
        }
        Command::Unsubscribe { channel } => {
            format!("\"unsubscribe\": {{\"channel\": {}}}", text(channel))
        }
        Command::Presence { channel } => {
            format!("\"presence\": {{\"channel\": {}}}", text(channel))
        }
        Command::Call { method, data: argument } => {
            format!("\"rpc\": {{\"method\": {}{}}}", text(method), data(argument.as_ref()))
        }
        Command::Send { data: message } => {
            format!("\"send\": {{\"not\": null{}}}", data(message.as_ref()))
        }
        Command::Refresh { token } => format!("\"refresh\": {{\"token\": {}}}", text(token)),
        _ => return None,
    };
    Some(format!(" {{ {request} , \"id\" : {} }} ", id.0))
}

/// Whatever stands in names and payloads, a line is one value of JSON, without white space between tokens.
fn lines(text: &str) {
    let data = payload(text).unwrap_or_else(|_| Data::Binary(text.to_owned().into()));
    let member = Arc::new(Member {
        user: UserId::new(text),
        client: ClientId::new(text),
        connection_info: Some(data.clone()),
        channel_info: None,
    });
    let publication = Arc::new(Publication {
        offset: text.len() as u64,
        data,
        publisher: Some(Arc::clone(&member)),
        tags: [(text.into(), text.into())].into(),
        key: Some(text.into()),
        time: 0,
    });
    let top = Position { epoch: Epoch::new(text), offset: 0 };
    let replies = [
        Reply::History { publications: vec![Arc::clone(&publication)], top: top.clone() },
        Reply::Presence(vec![Arc::clone(&member)]),
    ];
    for reply in replies {
        line(|out| centrifuge::reply(out, CommandId(1), &Ok(reply), &Greeting::default()));
    }
    line(|out| api::response(out, &Ok(Outcome::Published(Some(top)))));
    if let Ok(channel) = ChannelName::new(text) {
        line(|out| centrifuge::publication(out, &channel, &publication));
        line(|out| centrifuge::announcement(out, &channel, &member, true));
        line(|out| api::response(out, &Ok(Outcome::Channels(vec![(channel.clone(), 1)]))));
    }
}

fn line(write: impl FnOnce(&mut String)) {
    let mut out = String::new();
    write(&mut out);
    let kept = json::minified(&out).map(|(kept, _)| kept);
    assert_eq!(kept.as_ref(), Some(&out));
}

fn call(method: Method, body: &[u8]) {
    let limits = ApiLimits::default();
    let Ok(call) = Call::of_body(method, body, &limits) else { return };
    assert_eq!(call.method(), method);
    let text = std::str::from_utf8(body).expect("JSON is text");
    assert!(json::minified(text).is_some(), "{text}");
    match call {
        Call::Publish { message, .. } => assert!(message.tags.len() <= limits.tag_count_max),
        Call::Broadcast { channels, .. } => {
            assert!((1..=limits.channel_count_max).contains(&channels.len()));
        }
        Call::Batch(calls) => {
            assert!(calls.len() <= limits.call_count_max);
            assert!(calls.iter().flatten().all(|call| call.method() != Method::Batch));
        }
        _ => {}
    }
}
