//! The bytes of one scenario, computed once: what each connection sends, and what must come back.

use super::deflated;
use crate::{
    scenario::{Kind, Scenario},
    task::Task,
};

/// What a server does with what it receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speaks {
    /// An opening handshake, then masked frames in and unmasked frames out.
    WebSocket,
    /// No protocol at all: bytes come back as they were. The limit of what an echo can cost.
    Raw,
    /// WebSocket, and on it the centrifuge protocol in JSON: a realtime server.
    Centrifuge,
}

/// Every connection sends the same ring of frames over and over, from a start of its own, so both
/// directions are periodic and a byte's place in the stream says what it must be.
pub(crate) struct Traffic {
    sent: Ring,
    /// What a connection sends instead in its first round.
    sent_at_first: Option<Ring>,
    returned: Ring,
    pub(crate) payloads: Payloads,
    pub(crate) in_flight: usize,
    speaks: Speaks,
}

/// The messages of a ring.
pub(crate) struct Payloads {
    pub(crate) kind: Kind,
    pub(crate) all: Vec<Vec<u8>>,
}

impl Payloads {
    /// Message number `index`, counted round and round.
    pub(crate) fn at(&self, index: usize) -> &[u8] {
        &self.all[index % self.all.len()]
    }
}

/// Frames, the whole ring twice in a row: any window of up to one round is one slice.
#[derive(Clone)]
pub(super) struct Ring {
    bytes: Vec<u8>,
    /// Where each frame begins, and where the last one ends.
    bounds: Vec<usize>,
}

impl Ring {
    pub(super) fn new(frames: &[Vec<u8>]) -> Self {
        let (mut bytes, mut bounds) = (Vec::new(), vec![0]);
        for frame in frames.iter().chain(frames) {
            bytes.extend_from_slice(frame);
            bounds.push(bytes.len());
        }
        Self { bytes, bounds }
    }

    pub(super) fn window(&self, first: usize, count: usize) -> &[u8] {
        &self.bytes[self.bounds[first]..self.bounds[first + count]]
    }
}

/// Distinct frames in a ring, so that no server is fed one frame for ever.
const FRAME_COUNT: usize = 16;
/// ... or fewer, where they are large.
const RING_LEN_MAX: usize = 512 << 10;

impl Traffic {
    pub(crate) fn new(scenario: &Scenario, speaks: Speaks, task: Task) -> Self {
        let mut random = Random(0x9E37_79B9_7F4A_7C15);
        let payloads = Payloads::new(scenario, task, &mut random);
        let mut frames = |messages: &[Vec<u8>], first: u8, masked: bool| {
            let frame = |message: &Vec<u8>| {
                let key = (random.next() as u32 | 0x0101_0101).to_le_bytes();
                frame(first, masked.then_some(key), message)
            };
            Ring::new(&messages.iter().map(frame).collect::<Vec<_>>())
        };
        let first = FIN | scenario.kind.opcode();
        let returned = frames(&payloads.all, first, false);
        let mut sent_at_first = None;
        let sent = match (speaks, task) {
            (_, Task::Deflate) => frames(&deflated::each_alone(&payloads.all), first | RSV1, true),
            (_, Task::DeflateTakeover) => {
                let alone = deflated::each_alone(&payloads.all);
                sent_at_first = Some(frames(&alone, first | RSV1, true));
                frames(&deflated::with_history(&payloads.all), first | RSV1, true)
            }
            // What a publisher sends is little beside what is delivered, and that shall be what
            // a WebSocket server delivers.
            (Speaks::Raw, Task::Fanout) => returned.clone(),
            _ => frames(&payloads.all, first, true),
        };
        let returned = if speaks == Speaks::Raw { sent.clone() } else { returned };
        Self { sent, sent_at_first, returned, payloads, in_flight: scenario.in_flight, speaks }
    }

    /// Where in the ring connection `number` starts.
    pub(crate) fn start_of(&self, number: usize) -> usize {
        number % self.payloads.all.len()
    }

    /// Where in the ring the window after the one at `first` starts.
    pub(crate) fn after(&self, first: usize) -> usize {
        (first + self.in_flight) % self.payloads.all.len()
    }

    /// All bytes of the window at `first`, as a connection sends them that has begun so many windows
    /// before.
    pub(crate) fn sent(&self, first: usize, windows_before: usize) -> &[u8] {
        let in_first_round = windows_before * self.in_flight < self.payloads.all.len();
        let ring = self.sent_at_first.as_ref().filter(|_| in_first_round).unwrap_or(&self.sent);
        ring.window(first, self.in_flight)
    }

    /// All bytes of the window at `first`, as they must come back.
    pub(crate) fn returned(&self, first: usize) -> &[u8] {
        self.returned.window(first, self.in_flight)
    }

    /// Whether a frame that is no echo may come after so many bytes of the window at `first`: between
    /// two others, from a server that knows of frames.
    pub(crate) fn may_be_followed(&self, first: usize, returned_len: usize) -> bool {
        let bounds = &self.returned.bounds[first..=first + self.in_flight];
        self.speaks == Speaks::WebSocket
            && bounds.binary_search(&(bounds[0] + returned_len)).is_ok()
    }
}

impl Payloads {
    fn new(scenario: &Scenario, task: Task, random: &mut Random) -> Self {
        let len = scenario.payload_len;
        let is_deflate = matches!(task, Task::Deflate | Task::DeflateTakeover);
        let count = if is_deflate {
            // No message shall be found in a window that holds the same one from a round before.
            FRAME_COUNT.max((64 << 10) / len.max(1))
        } else {
            FRAME_COUNT.min(RING_LEN_MAX / len.max(1)).max(2)
        };
        let one = |number| match scenario.kind {
            _ if is_deflate => feed(random, len),
            Kind::Text => text(number, len),
            Kind::Binary => (0..len).map(|_| random.next().to_le_bytes()[3]).collect(),
        };
        Self { kind: scenario.kind, all: (0..count.max(scenario.in_flight)).map(one).collect() }
    }
}

const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;

/// One final data frame (RFC 6455 §5.2), masked if there is a key.
pub(super) fn frame(first: u8, key: Option<[u8; 4]>, payload: &[u8]) -> Vec<u8> {
    let masked = if key.is_some() { 0x80 } else { 0 };
    let mut frame = vec![first];
    let len = payload.len();
    if let (Ok(len), true) = (u8::try_from(len), len <= 125) {
        frame.push(masked | len);
    } else if let Ok(len) = u16::try_from(len) {
        frame.push(masked | 126);
        frame.extend_from_slice(&len.to_be_bytes());
    } else {
        frame.push(masked | 127);
        frame.extend_from_slice(&(len as u64).to_be_bytes());
    }
    match key {
        Some(key) => {
            frame.extend_from_slice(&key);
            frame.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
        }
        None => frame.extend_from_slice(payload),
    }
    frame
}

/// JSON as chats send it: mostly ASCII, with a letter beyond it now and then.
fn text(number: usize, len: usize) -> Vec<u8> {
    let mut text = String::with_capacity(len);
    let mut line = 0;
    while text.len() < len {
        let next = format!(r#"{{"id":{line},"user":"Zoë","text":"high tide at {number}"}}"#);
        line += 1;
        if text.len() + next.len() > len {
            break;
        }
        text.push_str(&next);
    }
    text.extend(std::iter::repeat_n('~', len - text.len()));
    text.into_bytes()
}

/// JSON as feeds send it: the same names again and again, and values that are not. Made up to
/// length with white space.
fn feed(random: &mut Random, len: usize) -> Vec<u8> {
    const WORDS: &[&str] = &[
        "harbour", "buoy", "ebb", "flood", "slack", "spring", "neap", "gauge", "lock", "sluice",
        "pilot", "draught", "berth", "quay", "shoal", "sound",
    ];
    let mut pick = |bound: u64| random.next() % bound;
    let mut out = format!(r#"{{"channel":"tides:{}","seq":{},"items":["#, pick(90), pick(1 << 40));
    let mut comma = "";
    loop {
        let word = |at: u64| WORDS[at as usize];
        let item = format!(
            r#"{comma}{{"id":"{:012x}","station":"{} {}","level":{}.{:02},"trend":{},"note":"{} {} {}"}}"#,
            pick(1 << 48),
            word(pick(16)),
            word(pick(16)),
            pick(12),
            pick(100),
            pick(2) == 0,
            word(pick(16)),
            word(pick(16)),
            word(pick(16)),
        );
        if out.len() + item.len() + "]}".len() > len {
            break;
        }
        out.push_str(&item);
        comma = ",";
    }
    out.push_str("]}");
    let mut out = out.into_bytes();
    out.resize(len, b' ');
    out
}

/// xorshift64: the same traffic in every run. Not for anything that must be hard to guess; a
/// masking key on loopback is not.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traffic(scenario: &str, speaks: Speaks) -> Traffic {
        Traffic::new(&scenario.parse().unwrap(), speaks, Task::Echo)
    }

    #[test]
    fn a_frame_is_as_rfc_6455_5_7_shows_it() {
        assert_eq!(frame(0x81, None, b"Hello"), [0x81, 5, 0x48, 0x65, 0x6c, 0x6c, 0x6f]);
        assert_eq!(
            frame(0x81, Some([0x37, 0xfa, 0x21, 0x3d]), b"Hello"),
            [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]
        );
        assert_eq!(frame(0x82, None, &[0; 126])[..4], [0x82, 126, 0, 126]);
        assert_eq!(frame(0x82, None, &vec![0; 65536])[..10], [0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
    }

    #[test]
    fn what_comes_back_is_what_was_sent_without_the_mask() {
        let traffic = traffic("125x3x16", Speaks::WebSocket);
        let mut first = traffic.start_of(2);
        for _ in 0..40 {
            let sent = traffic.sent(first, 0);
            let returned = traffic.returned(first);
            assert_eq!((sent.len(), returned.len()), (16 * 131, 16 * 127));
            for (sent, returned) in sent.chunks(131).zip(returned.chunks(127)) {
                let key = &sent[2..6];
                let unmasked: Vec<u8> = sent[6..]
                    .iter()
                    .zip(key.iter().cycle())
                    .map(|(byte, key)| byte ^ key)
                    .collect();
                assert_eq!(unmasked, &returned[2..]);
            }
            first = traffic.after(first);
        }
    }

    #[test]
    fn raw_traffic_comes_back_as_it_was() {
        let traffic = traffic("1KiBx1x2", Speaks::Raw);
        assert_eq!(traffic.sent(1, 0), traffic.returned(1));
    }

    #[test]
    fn raw_deliveries_are_what_a_websocket_server_delivers() {
        let scenario = "1KiBx1x2".parse().unwrap();
        let raw = Traffic::new(&scenario, Speaks::Raw, Task::Fanout);
        let ws = Traffic::new(&scenario, Speaks::WebSocket, Task::Fanout);
        assert_eq!(raw.sent(1, 0), ws.returned(1));
        assert_eq!(raw.returned(1), ws.returned(1));
    }

    #[test]
    fn a_feed_is_json_of_the_length_asked_for() {
        for len in [256, 1024, 4000] {
            let feed = String::from_utf8(feed(&mut Random(7), len)).unwrap();
            assert_eq!(feed.len(), len);
            assert!(feed.starts_with('{') && feed.trim_end().ends_with("]}"), "{feed}");
        }
    }

    #[test]
    fn the_first_round_of_a_connection_needs_no_history() {
        let scenario = "text:1KiBx1x16".parse().unwrap();
        let traffic = Traffic::new(&scenario, Speaks::WebSocket, Task::DeflateTakeover);
        assert_eq!(traffic.payloads.all.len(), 64);
        assert_eq!(traffic.sent(0, 0), traffic.sent(0, 3));
        assert_ne!(traffic.sent(0, 3), traffic.sent(0, 4));
        assert!(traffic.sent(0, 4).len() < traffic.sent(0, 3).len());
    }

    #[test]
    fn text_has_the_length_asked_for_and_is_text() {
        for len in [0, 1, 20, 125, 1024, 16384] {
            let text = String::from_utf8(text(3, len)).unwrap();
            assert_eq!(text.len(), len);
        }
    }
}
