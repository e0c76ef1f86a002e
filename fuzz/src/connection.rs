//! Target: a stream of frames arrives at one connection.
//!
//! Without extensions, events and answers are those of the [model]; with permessage-deflate,
//! where the network cuts the stream must not matter (Z3).

use arbitrary::{Result, Unstructured};
use tidewire_proto::{Config, DeflateParams, Limits, Role, Transport};

use crate::{
    driver::{Endpoint, Seen},
    miniz,
    model::{self, Happening},
    settings,
    wire::{self, LengthForm},
};

/// One input.
pub fn run(data: &[u8]) {
    let _ = try_run(&mut Unstructured::new(data));
}

/// The control frames that §5.5.2 has answered one by one; of more, only the latest.
const PONGS_QUEUED_MAX: usize = 16;

#[derive(Debug)]
struct Setting {
    role: Role,
    limits: Limits,
    params: Option<DeflateParams>,
    delivers_fragments: bool,
}

fn try_run(u: &mut Unstructured<'_>) -> Result<()> {
    let role = settings::role(u)?;
    let limits = settings::limits(u)?;
    let params = if u.ratio(1, 3)? {
        let config = settings::deflate_config(u)?;
        Some(settings::negotiate(&config, &config).0)
    } else {
        None
    };
    let setting = Setting { role, limits, params, delivers_fragments: u.ratio(1, 4)? };
    let cuts = [u.arbitrary()?, u.arbitrary()?, u.arbitrary()?];
    let reads_into_target = u.arbitrary()?;
    let stream = if u.ratio(1, 4)? { u.bytes(u.len())?.to_vec() } else { frames(u, &setting)? };

    let whole = receive(&setting, &stream, &[], true);
    // Byte by byte, as far as there is time.
    let bytewise =
        receive(&setting, &stream, &[0, 0, 0, (stream.len() >> 8) as u8], reads_into_target);
    let cut = receive(&setting, &stream, &cuts, reads_into_target);
    if setting.params.is_none() {
        assert_eq!(whole, bytewise, "byte by byte; {setting:?}");
        assert_eq!(whole, cut, "cut at {cuts:?}; {setting:?}");
        let bounds_messages = !setting.delivers_fragments;
        let expected = model::receive(role, &setting.limits, bounds_messages, &stream);
        assert_eq!(whole.happenings, expected, "{setting:?}");
        assert_eq!(whole.answers, answers(&expected), "{setting:?}");
    } else {
        // A message may be wrong in two ways, as text and as DEFLATE, and which is found first
        // depends on how much is inflated at a time. That it is refused does not.
        assert_eq!(whole.comparable(), bytewise.comparable(), "byte by byte; {setting:?}");
        assert_eq!(whole.comparable(), cut.comparable(), "cut at {cuts:?}; {setting:?}");
    }
    Ok(())
}

/// What a connection reported and answered, with messages put together again.
#[derive(Debug, PartialEq, Eq)]
struct Record {
    happenings: Vec<Happening>,
    /// First bytes and payloads.
    answers: Vec<(u8, Vec<u8>)>,
}

impl Record {
    fn comparable(&self) -> (Vec<Happening>, usize) {
        let happenings = self.happenings.iter().map(|happening| match happening {
            Happening::Failed(_) => Happening::Failed(0),
            other => other.clone(),
        });
        (happenings.collect(), self.answers.len())
    }
}

fn receive(setting: &Setting, stream: &[u8], cuts: &[u8], reads_into_target: bool) -> Record {
    let mut config = Config::default();
    config.limits = setting.limits.clone();
    let mut endpoint = Endpoint::new(setting.role, config, setting.params);
    endpoint.reads_into_target = reads_into_target;
    endpoint.conn.deliver_fragments(setting.delivers_fragments);
    let mut rest = stream;
    let mut cuts = cuts.iter().cycle();
    while !rest.is_empty() {
        let len = cuts.next().map_or(rest.len(), |cut| 1 + usize::from(*cut) * 3).min(rest.len());
        let (piece, after) = rest.split_at(len);
        endpoint.read(piece);
        rest = after;
    }
    let mut written = endpoint.write_all();
    let is_open = endpoint.conn.transport() == Transport::Open;
    endpoint.eof();
    let events = std::mem::take(&mut endpoint.seen);
    endpoint.eof();
    assert!(endpoint.seen.is_empty(), "after the last event");

    let frames = wire::take_frames(&mut written);
    assert!(written.is_empty(), "half a frame was written");
    let masks = setting.role == Role::Client;
    assert!(frames.iter().all(|frame| frame.masked == masks && frame.rsv() == 0));
    let answers = frames.into_iter().map(|frame| (frame.first, frame.payload)).collect();
    let happenings = happenings(events);
    let fails = matches!(happenings.last(), Some(Happening::Failed(_)));
    assert!(!fails || !is_open, "after a violation the transport ends");
    Record { happenings, answers }
}

/// Events as the model has them: fragments joined, and of the end what it says of the peer's Close.
fn happenings(events: Vec<Seen>) -> Vec<Happening> {
    let mut happenings = Vec::new();
    let mut joined: Option<Vec<u8>> = None;
    let mut failed = None;
    let mut closed = 0;
    for event in events {
        assert_eq!(closed, 0, "an event after the last: {event:?}");
        assert!(failed.is_none() || matches!(event, Seen::Closed(_)), "not the end: {event:?}");
        happenings.push(match event {
            Seen::Text(text) => Happening::Message { text: true, payload: text.into_bytes() },
            Seen::Binary(payload) => Happening::Message { text: false, payload },
            Seen::Fragment { kind, payload, first, last } => {
                assert_eq!(first, joined.is_none(), "a message begins once");
                let all = joined.get_or_insert_default();
                all.extend(payload);
                if !last {
                    continue;
                }
                let text = kind == tidewire_proto::Kind::Text;
                Happening::Message { text, payload: joined.take().unwrap_or_default() }
            }
            Seen::Ping(payload) => Happening::Ping(payload),
            Seen::Pong(payload) => Happening::Pong(payload),
            Seen::Failed(failure) => {
                failed = Some(failure);
                Happening::Failed(failure.close_code().get())
            }
            Seen::Closed(outcome) => {
                closed += 1;
                assert_eq!(outcome.failure, failed);
                let Some(frame) = outcome.received else { continue };
                assert_eq!(failed, None);
                let code = (!frame.is_empty()).then(|| frame.code().get());
                Happening::Closed(code, frame.reason().to_owned())
            }
        });
    }
    assert_eq!(closed, 1, "it ends once");
    happenings
}

/// What must have been answered, where nothing was written before all had arrived.
fn answers(happenings: &[Happening]) -> Vec<(u8, Vec<u8>)> {
    let pings = happenings.iter().filter_map(|happening| match happening {
        Happening::Ping(payload) => Some((0x8A, payload.clone())),
        _ => None,
    });
    let all: Vec<_> = pings.collect();
    let mut answers: Vec<_> = all.iter().take(PONGS_QUEUED_MAX).cloned().collect();
    match happenings.last() {
        Some(Happening::Failed(code)) => answers.push((0x88, code.to_be_bytes().to_vec())),
        Some(Happening::Closed(code, _)) => {
            answers.push((0x88, code.map_or(Vec::new(), |code| code.to_be_bytes().to_vec())));
        }
        _ => answers.extend(all.into_iter().skip(PONGS_QUEUED_MAX).next_back()),
    }
    answers
}

/// Frames that are mostly lawful, so that what comes behind them is reached.
fn frames(u: &mut Unstructured<'_>, setting: &Setting) -> Result<Vec<u8>> {
    let mut stream = Vec::new();
    let mut in_message = false;
    while !u.is_empty() && stream.len() < 1 << 17 {
        let mut first = match u.int_in_range(0..=11)? {
            0..=2 => 0x81,
            3..=4 => 0x82,
            5 => 0x01,
            6 => 0x02,
            7 => 0x00,
            8 => 0x89,
            9 => 0x8A,
            10 => *u.choose(&[0x88, 0x80])?,
            _ => u.arbitrary()?,
        };
        let is_data = first & 0x08 == 0;
        if in_message && is_data && u.ratio(9, 10)? {
            first &= 0xF0; // a continuation
        }
        let mut payload = match first & 0x0F {
            1 if u.ratio(3, 4)? => settings::text(u)?.into_bytes(),
            8 => close_body(u)?,
            9 | 10 => settings::few(u, 125)?,
            _ => settings::payload(u)?,
        };
        if setting.params.is_some() && is_data && u.ratio(2, 3)? {
            if !in_message {
                first |= 0x40;
            }
            payload = miniz::deflate_message(&payload, u.int_in_range(0..=9)?);
        }
        if is_data {
            in_message = first & 0x80 == 0;
        }
        let key = match (setting.role, u.ratio(1, 64)?) {
            (Role::Server, false) | (Role::Client, true) => Some(u.arbitrary()?),
            _ => None,
        };
        let form = if u.ratio(1, 64)? {
            *u.choose(&[LengthForm::Wide, LengthForm::Widest])?
        } else {
            LengthForm::Shortest
        };
        stream.extend(wire::frame(first, key, &payload, form));
    }
    Ok(stream)
}

fn close_body(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    if u.ratio(1, 4)? {
        return settings::few(u, 3);
    }
    let code: u16 =
        *u.choose(&[1000, 1001, 1004, 1005, 1007, 1014, 1015, 2999, 3000, 4999, 5000])?;
    let mut body = code.to_be_bytes().to_vec();
    body.extend(settings::few(u, 123)?);
    Ok(body)
}
